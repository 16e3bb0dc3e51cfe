/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * apply: brings the plan to the driver, one call at a time. Changes that arrive while a call is
 * out are merged by key: what counts in the end is what the datapath has, and what the plan says
 * when the next call is made. A record that the driver could not take is isolated: it is given
 * again with a growing pause, and everything else goes on.
 *
 *     compile's changes ─► pending ─driver free─► out ─done─► in the datapath
 *                             ▲                    └─ failed ─► waits ─pause over─┐
 *                             └───────────────────────────────────────────────────┘
 *
 * The plan that is passed in belongs to the caller and must stay until the next call that passes one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utstring.h>

#include "driver/driver.h"
#include "plan/plan.h"

struct apply;
struct loop;

/* A call has come to its end; what counts as applied, or what failed, may have changed. */
typedef void (*apply_fn)(void *arg);

struct apply *apply_new(struct loop *l, const struct driver_ops *ops, struct driver *d, apply_fn fn, void *arg);
struct apply *apply_free(struct apply *a); /* accepts NULL, returns NULL; before the driver is closed */

/* Makes the datapath equal to the whole plan: at the start, and when it lost its state. */
void apply_sync(struct apply *a, const struct plan *plan, uint64_t position);
/* The plan is now this, and differs from the one before by these. */
void apply_changes(struct apply *a, const struct plan *plan, const struct plan_changes *changes, uint64_t position);

/* Up to this position nothing else concerns the plan. */
void apply_advance(struct apply *a, uint64_t position);

/* The position up to which everything is in the datapath, but for records that failed. */
uint64_t apply_position(const struct apply *a);
/* The positions to come are of another life of the database: nothing of them is applied yet. */
void apply_forget_position(struct apply *a);
bool apply_idle(const struct apply *a); /* nothing out, nothing pending */
bool apply_is_syncing(const struct apply *a); /* what the datapath has is not known */
size_t apply_failures(const struct apply *a);

/* True when the port is to be up, and its record has reached the datapath so (else an older state of it will do). */
bool apply_port_is_up(const struct apply *a, uint32_t port);
/* Why the port does not work although its device is there: a failed record that it cannot do without. Or NULL. */
const char *apply_port_error(const struct apply *a, uint32_t port, uint32_t network);

/* What has not reached the datapath, a line each: "pending + fdb ...", "failed + fdb ...: why". */
void apply_format(const struct apply *a, UT_string *out);

/* For tests: pauses before a failed record is given again. */
void apply_set_times(struct apply *a, uint64_t pause_min_us, uint64_t pause_max_us);
