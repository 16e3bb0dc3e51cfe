/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* make: what the parts of the pipeline make flows with. Inside driver/ovs only. */

#include "driver/ovs/flow.h"
#include "driver/ovs/pipeline.h"
#include "driver/ovs/tables.h"
#include "plan/record.h"
#include "plan/verdict.h"

/* Who makes flows now. */
struct maker {
	const struct pipeline_world *world;
	uint64_t cookie;
	pipeline_emit emit;
	void *arg;
};

/* ------------------------------------------------------------------ one flow */

void make_begin(const struct maker *m, struct flow *f, enum table table, uint16_t priority);
void make_end(const struct maker *m, struct flow *f); /* gives it away */
void make_goto(const struct maker *m, struct flow *f, enum table table); /* as its last step */
void make_drop(const struct maker *m, struct flow *f, enum drop_reason reason);
void make_verdict(const struct maker *m, struct flow *f, enum verdict verdict); /* after its output */
void make_match_flag(struct flow *f, enum flag flag, bool set);
void make_load_flag(struct flow *f, enum flag flag);
/* Sets FLAG_TOO_BIG by the packet's length. The last step but goto: what follows is done on both branches. */
void make_load_too_big(struct flow *f, uint32_t mtu);

uint32_t make_ofport(const struct maker *m, uint32_t port); /* 0: it has no device */
bool is_v4(const struct prefix *p);
void make_load_router(struct flow *f, const struct plan_interface *in); /* it has come into the router */
/* The priority of a prefix among others of its table: the longer one first, 1 to 33. */
uint16_t make_prefix_priority(const struct prefix *p);

/* ------------------------------------------------------------------ flows that are always there */

/* Each table has one: what removes all of a table's flows is noticed by it. This is one that does nothing. */
void make_end_of_table(const struct maker *m, enum table table);

struct rule {
	uint8_t table;
	uint16_t priority;
	struct {
		enum field field;
		uint64_t value, mask; /* 0: no more */
	} match[4];
	enum drop_reason drop; /* or, when it is none: */
	enum table go;
};

/* For a rule's match. */
#define EXACT(field, value)                                                                                            \
	{                                                                                                              \
		field, value, UINT64_MAX                                                                               \
	}
#define FLAG(flag)                                                                                                     \
	{                                                                                                              \
		REG_FLAGS, 1u << (flag), 1u << (flag)                                                                  \
	}
#define NO_FLAG(flag)                                                                                                  \
	{                                                                                                              \
		REG_FLAGS, 0, 1u << (flag)                                                                             \
	}
#define DL_GROUP(field)                                                                                                \
	{                                                                                                              \
		field, 0x010000000000, 0x010000000000                                                                  \
	}
#define FRAG_LATER                                                                                                     \
	{                                                                                                              \
		FIELD_IP_FRAG, 2, 2                                                                                    \
	}

void make_rules(const struct maker *m, const struct rule *rules, size_t n);
