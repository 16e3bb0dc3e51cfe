/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/pipeline.h"

#include "base/mem.h"
#include "driver/ovs/pipeline_parts.h"

/* ------------------------------------------------------------------ cookies */

#define COOKIE_AGGREGATE 0x80

static uint64_t cookie(unsigned what, uint32_t which)
{
	return COOKIE_OURS | (uint64_t)COOKIE_LAYOUT << 40 | (uint64_t)what << 32 | which;
}

/* FNV-1a */
static uint32_t hash_key(const struct plan_record *r)
{
	const uint8_t *at = (const uint8_t *)&r->host;
	uint32_t hash = 0x811c9dc5;

	for (uint32_t n = plan_record_key_size(r->table); n > 0; n--)
		hash = (hash ^ *at++) * 0x01000193;
	return hash;
}

uint64_t pipeline_cookie(const struct plan_record *r)
{
	return cookie(r->table + 1u, hash_key(r));
}

static uint64_t aggregate_cookie(enum origin_kind kind, uint32_t key)
{
	return cookie(COOKIE_AGGREGATE + kind, key);
}

/* ------------------------------------------------------------------ sets */

size_t pipeline_memberships(const struct plan_record *r, struct pipeline_membership ret[PIPELINE_MEMBERSHIPS])
{
	switch (r->table) {
	case PLAN_PORT:
		ret[0] = (struct pipeline_membership) { ORIGIN_FLOOD_PORTS, r->port.network, r->port.key.port };
		return 1;
	case PLAN_FLOOD:
		ret[0] = (struct pipeline_membership) { ORIGIN_FLOOD_PEERS, r->flood.key.network, r->flood.key.host };
		return 1;
	case PLAN_INTERFACE:
		ret[0] = (struct pipeline_membership) { ORIGIN_NETWORK_ROUTERS, r->interface.key.network,
							r->interface.part.router };
		return 1;
	case PLAN_MEMBER:
		ret[0] = (struct pipeline_membership) { ORIGIN_PEER_ROUTERS, r->member.key.host, r->member.key.router };
		return 1;
	case PLAN_HOST:
	case PLAN_PEER:
	case PLAN_SEGMENT:
	case PLAN_SUBNET:
	case PLAN_FDB:
	case PLAN_NEIGHBOUR:
	case PLAN_ROUTE:
		break;
	}
	return 0;
}

void pipeline_aggregate(enum origin_kind kind, uint32_t key, const uint32_t *members, size_t n,
			const struct pipeline_world *w, pipeline_emit emit, void *arg)
{
	static void (*const makers[])(const struct maker *m, uint32_t key, const uint32_t *members, size_t n) = {
		[ORIGIN_FLOOD_PORTS] = pipeline_switch_flood_ports,
		[ORIGIN_FLOOD_PEERS] = pipeline_switch_flood_peers,
		[ORIGIN_NETWORK_ROUTERS] = pipeline_arrive_network_routers,
		[ORIGIN_PEER_ROUTERS] = pipeline_arrive_peer_routers,
	};
	struct maker m = { .world = w, .cookie = aggregate_cookie(kind, key), .emit = emit, .arg = arg };

	if (n > 0)
		makers[kind](&m, key, members, n);
}

/* ------------------------------------------------------------------ records */

void pipeline_static(const struct pipeline_world *w, pipeline_emit emit, void *arg)
{
	struct maker m = { .world = w, .cookie = cookie(0, 0), .emit = emit, .arg = arg };

	pipeline_arrive_static(&m);
	pipeline_answer_static(&m);
	pipeline_switch_static(&m);
	pipeline_route_static(&m);
	pipeline_out_static(&m);
}

static void make_port(const struct maker *m, const struct plan_port *p)
{
	pipeline_arrive_port(m, p);
	pipeline_answer_port(m, p);
	pipeline_switch_port(m, p);
	pipeline_out_port(m, p);
}

static void make_peer(const struct maker *m, const struct plan_peer *p)
{
	pipeline_arrive_peer(m, p);
	pipeline_switch_peer(m, p);
	pipeline_out_peer(m, p);
}

static void make_segment(const struct maker *m, const struct plan_segment *s)
{
	pipeline_arrive_segment(m, s);
	pipeline_switch_segment(m, s);
	pipeline_route_segment(m, s);
	pipeline_out_segment(m, s);
}

static void make_interface(const struct maker *m, const struct plan_interface *i)
{
	pipeline_arrive_interface(m, i);
	pipeline_answer_interface(m, i);
	pipeline_switch_interface(m, i);
	pipeline_route_interface(m, i);
}

void pipeline_record(const struct plan_record *r, const struct pipeline_world *w, pipeline_emit emit, void *arg)
{
	struct maker m = { .world = w, .cookie = pipeline_cookie(r), .emit = emit, .arg = arg };

	switch (r->table) {
	case PLAN_HOST:
		pipeline_arrive_host(&m, &r->host);
		pipeline_out_host(&m, &r->host);
		break;
	case PLAN_PEER:
		make_peer(&m, &r->peer);
		break;
	case PLAN_SEGMENT:
		make_segment(&m, &r->segment);
		break;
	case PLAN_SUBNET:
		pipeline_out_subnet(&m, &r->subnet);
		break;
	case PLAN_PORT:
		make_port(&m, &r->port);
		break;
	case PLAN_FDB:
		pipeline_arrive_fdb(&m, &r->fdb);
		pipeline_switch_fdb(&m, &r->fdb);
		break;
	case PLAN_NEIGHBOUR:
		if (!ip_is_v4(&r->neighbour.key.ip))
			break;
		pipeline_answer_neighbour(&m, &r->neighbour);
		pipeline_route_neighbour(&m, &r->neighbour);
		break;
	case PLAN_ROUTE:
		if (is_v4(&r->route.key.prefix))
			pipeline_route_route(&m, &r->route);
		break;
	case PLAN_INTERFACE:
		make_interface(&m, &r->interface);
		break;
	case PLAN_MEMBER:
	case PLAN_FLOOD:
		break; /* their sets have the flows */
	}
}
