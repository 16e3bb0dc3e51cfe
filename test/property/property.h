/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * property: tests by generated cases. Each run of a property gets a generator of numbers with its own seed,
 * prints what went wrong below "not ok", and is repeated alone by its seed:
 *
 *     property-test [--only NAME] [--seed N] [--count N]
 *
 * PROPERTY_COUNT in the environment sets how many runs (default: each property's own); without a seed it is 1, so that
 * a run of the tests is the same every time. --seed gives the first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0..n-1; 0 when n is 0 */
bool rng_chance(struct rng *r, uint32_t percent);

/* Why the property does not hold; the first one counts. Returns false. */
struct complaint {
	bool made;
	char text[2048];
};
bool complain(struct complaint *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct plan;
struct plan *property_plan(struct rng *r); /* of random records, which may not fit together. The caller's. */

typedef void (*property_fn)(struct rng *r, struct complaint *c);

struct property {
	const char *name;
	unsigned count; /* runs by default */
	property_fn run;
};

void property_text(struct rng *r, struct complaint *c);
void property_diff(struct rng *r, struct complaint *c);
void property_between(struct rng *r, struct complaint *c);
void property_lossless(struct rng *r, struct complaint *c);
void property_incremental(struct rng *r, struct complaint *c);
void property_fabric(struct rng *r, struct complaint *c);
void property_flows(struct rng *r, struct complaint *c);
void property_switch(struct rng *r, struct complaint *c);
