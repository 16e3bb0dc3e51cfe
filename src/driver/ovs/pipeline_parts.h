/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pipeline_parts: what the files of the pipeline share. Each of them has the tables of one part of the way: flows
 * that are always there as a list of struct rule, and for each record that says something there a function.
 */

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
void match_flag(struct flow *f, enum flag flag, bool set);
void load_flag(struct flow *f, enum flag flag);
/* Sets FLAG_TOO_BIG by the packet's length. The last step but goto: what follows is done on both branches. */
void load_too_big(struct flow *f, uint32_t mtu);

uint32_t world_ofport(const struct maker *m, uint32_t port); /* 0: it has no device */
bool is_v4(const struct prefix *p);
void load_router(struct flow *f, const struct plan_interface *in); /* it has come into the router */
/* The priority of a prefix among others of its table: the longer one first, 1 to 33. */
uint16_t prefix_priority(const struct prefix *p);

/* ------------------------------------------------------------------ flows that are always there */

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

/* ------------------------------------------------------------------ the parts */

/* pipeline_arrive.c: until it is known whom a packet comes from. */
void arrive_static(const struct maker *m);
void arrive_host(const struct maker *m, const struct plan_host *h);
void arrive_peer(const struct maker *m, const struct plan_peer *p);
void arrive_segment(const struct maker *m, const struct plan_segment *s);
void arrive_port(const struct maker *m, const struct plan_port *p);
void arrive_fdb(const struct maker *m, const struct plan_fdb *f);
void arrive_interface(const struct maker *m, const struct plan_interface *i);
void arrive_network_routers(const struct maker *m, uint32_t network, const uint32_t *routers, size_t n);
void arrive_peer_routers(const struct maker *m, uint32_t peer, const uint32_t *routers, size_t n);

/* pipeline_answer.c: what goes back. */
void answer_static(const struct maker *m);
void answer_port(const struct maker *m, const struct plan_port *p);
void answer_neighbour(const struct maker *m, const struct plan_neighbour *n);
void answer_interface(const struct maker *m, const struct plan_interface *i);

/* pipeline_switch.c: by destination MAC; floods. */
void switch_static(const struct maker *m);
void switch_port(const struct maker *m, const struct plan_port *p);
void switch_peer(const struct maker *m, const struct plan_peer *p);
void switch_segment(const struct maker *m, const struct plan_segment *s);
void switch_fdb(const struct maker *m, const struct plan_fdb *f);
void switch_interface(const struct maker *m, const struct plan_interface *i);
void switch_flood_ports(const struct maker *m, uint32_t network, const uint32_t *ports, size_t n);
void switch_flood_peers(const struct maker *m, uint32_t network, const uint32_t *peers, size_t n);

/* pipeline_route.c: routers. */
void routing_static(const struct maker *m);
void routing_segment(const struct maker *m, const struct plan_segment *s);
void routing_neighbour(const struct maker *m, const struct plan_neighbour *n);
void routing_route(const struct maker *m, const struct plan_route *r);
void routing_interface(const struct maker *m, const struct plan_interface *i);

/* pipeline_out.c: the last steps of a single frame. */
void out_static(const struct maker *m);
void out_host(const struct maker *m, const struct plan_host *h);
void out_peer(const struct maker *m, const struct plan_peer *p);
void out_segment(const struct maker *m, const struct plan_segment *s);
void out_subnet(const struct maker *m, const struct plan_subnet *s);
void out_port(const struct maker *m, const struct plan_port *p);
