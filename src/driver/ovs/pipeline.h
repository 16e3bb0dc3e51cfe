/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pipeline: from a plan's records to flows (tables.h has the picture). Pure: no switch, no socket, no state.
 *
 * What a flow is made from is its origin: a record; a set (the aggregates); or nothing but this host (the static
 * ones, there from the first sync on). pipeline_origins() says which origins a record has a part in, so that a
 * change is: the origins of its old and of its new state, their flows anew, the difference to the switch.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/ovs/flow.h"
#include "plan/plan.h"

enum origin_kind {
	ORIGIN_STATIC, /* no key */
	ORIGIN_RECORD, /* key: the record's */
	ORIGIN_FLOOD_PORTS, /* key: network; members: ports of this host, by number */
	ORIGIN_FLOOD_PEERS, /* key: network; members: hosts */
	ORIGIN_NETWORK_ROUTERS, /* key: network; members: routers with an interface there */
	ORIGIN_PEER_ROUTERS, /* key: host; members: routers that it is a member of */
};

/* What the plan does not say. */
struct pipeline_world {
	uint32_t tunnel_ofport; /* 0: there is no tunnel port (yet) */
	uint32_t (*ofport)(uint32_t port, void *arg); /* OpenFlow port of a port of the plan; 0: it has no device */
	void *arg;
};

/* Called for each flow; it takes the flow over (flow_move). */
typedef void (*pipeline_emit)(struct flow *f, void *arg);

void pipeline_static(const struct pipeline_world *w, pipeline_emit emit, void *arg);
void pipeline_record(const struct plan_record *r, const struct pipeline_world *w, pipeline_emit emit, void *arg);
/* `members` ascending, none twice. An aggregate without members has no flows. */
void pipeline_aggregate(enum origin_kind kind, uint32_t key, const uint32_t *members, size_t n,
			const struct pipeline_world *w, pipeline_emit emit, void *arg);

/* The aggregates that a record is a member of: kind, key, and which member it is. At most PIPELINE_MEMBERSHIPS. */
struct pipeline_membership {
	enum origin_kind kind;
	uint32_t key, member;
};
#define PIPELINE_MEMBERSHIPS 2
size_t pipeline_memberships(const struct plan_record *r, struct pipeline_membership ret[PIPELINE_MEMBERSHIPS]);

uint64_t pipeline_cookie(const struct plan_record *r); /* of the flows that are made from the record */

/*
 * Meters. Those of a port: id is its OpenFlow number (> 0) times two, plus this. METER_TOO_BIG drops nothing: it
 * counts what was too big for a tunnel, on the branch of check_pkt_larger where flows count every packet.
 */
enum pipeline_meter { METER_ERRORS, METER_BROADCAST, N_METERS };
#define METER_ID(ofport, which) ((ofport)*N_METERS + (uint32_t)(which))
#define METER_ERRORS_RATE 100 /* packets a second and port; burst the same */
#define METER_BROADCAST_RATE 1000
#define METER_TOO_BIG 1
#define METER_TOO_BIG_RATE 100000000
