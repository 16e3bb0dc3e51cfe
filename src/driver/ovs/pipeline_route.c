/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "driver/ovs/pipeline_parts.h"
#include "net/packet.h"

/*
 * A packet to an interface of a router: the steps of driver/fake/forward_route.c, one table each.
 *
 * Not seen by flows are header options and the header's checksum: packets with options are routed, and a checksum
 * that was wrong stays wrong. Open vSwitch changes no header of IP protocol 0, so such a packet is not routed.
 */

enum { PRIORITY_PLAIN = 1, PRIORITY_NEVER, PRIORITY_WHO };

#define NEVER(field, value, mask)                                                                                      \
	{                                                                                                              \
		TABLE_ROUTER, PRIORITY_NEVER, { { field, value, mask } }, .drop = DROP_NOT_ROUTED                      \
	}
#define NEVER_ROUTED(field)                                                                                            \
	NEVER(field, 0x00000000, 0xff000000), NEVER(field, 0x7f000000, 0xff000000),                                    \
		NEVER(field, 0xa9fe0000, 0xffff0000), NEVER(field, 0xe0000000, 0xe0000000)

static const struct rule rules[] = {
	{ TABLE_ROUTER, PRIORITY_WHO + 1, { FLAG(FLAG_FROM_TUNNEL) }, .drop = DROP_GATEWAY_MAC },
	{ TABLE_ROUTER, PRIORITY_WHO, { EXACT(REG_ROUTER, 0) }, .drop = DROP_INTERFACE_DOWN },
	NEVER_ROUTED(FIELD_IPV4_SRC),
	NEVER_ROUTED(FIELD_IPV4_DST),
	{ TABLE_ROUTER, PRIORITY_NEVER, { EXACT(FIELD_IP_PROTO, 0) }, .drop = DROP_NOT_ROUTED },
	{ TABLE_ROUTER, PRIORITY_PLAIN, { EXACT(FIELD_ETH_TYPE, ETHERTYPE_V4) }, .go = TABLE_ADDRESS },
	{ TABLE_ROUTER, 0, {}, .drop = DROP_ROUTER_ADDRESS },
	{ TABLE_ADDRESS, 0, {}, .go = TABLE_ROUTE },
	{ TABLE_TTL, 0, {}, .go = TABLE_MTU },
	{ TABLE_MTU, 0, {}, .drop = DROP_TUNNEL_SEGMENT },
	{ TABLE_SIZE, 0, {}, .go = TABLE_NEIGHBOUR },
	{ TABLE_NEIGHBOUR, 0, {}, .drop = DROP_NO_NEIGHBOUR },
	{ TABLE_HOP, 0, {}, .drop = DROP_LOOP },
};

/* To the agent, if it may be told; else a drop with that reason. */
static void error(const struct maker *m, struct flow *f, enum drop_reason reason)
{
	flow_load(f, REG_REASON, reason);
	make_goto(m, f, TABLE_ERROR);
}

/* It leaves the last router: what it looks like on the network it goes to. */
static void leave(const struct maker *m)
{
	struct flow f;

	make_begin(m, &f, TABLE_NEXT, 0);
	flow_move_bits(&f, XREG_MAC, 0, FIELD_ETH_DST, 0, 48);
	flow_move_bits(&f, XREG_INTERFACE, 0, FIELD_ETH_SRC, 0, 48);
	make_load_flag(&f, FLAG_ROUTED_HERE);
	make_goto(m, &f, TABLE_FDB);
}

/* Behind the last that is allowed there is no flow but `loop`. */
static void hops(const struct maker *m)
{
	for (uint64_t n = 0; n < ROUTE_MAX_HOPS - 1; n++) {
		struct flow f;

		make_begin(m, &f, TABLE_HOP, PRIORITY_PLAIN);
		flow_match(&f, REG_HOPS, n);
		flow_load(&f, REG_HOPS, n + 1);
		flow_resubmit(&f, TABLE_ADDRESS);
		make_end(m, &f);
	}
}

void pipeline_route_static(const struct maker *m)
{
	struct flow f;

	make_rules(m, rules, N_ELEMENTS(rules));
	make_begin(m, &f, TABLE_ROUTE, 0);
	error(m, &f, DROP_NO_ROUTE);
	for (uint64_t ttl = 0; ttl <= 1; ttl++) {
		make_begin(m, &f, TABLE_TTL, PRIORITY_PLAIN);
		flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_V4);
		flow_match(&f, FIELD_IP_TTL, ttl);
		error(m, &f, DROP_TTL);
	}
	make_begin(m, &f, TABLE_SIZE, PRIORITY_PLAIN);
	make_match_flag(&f, FLAG_TOO_BIG, true);
	error(m, &f, DROP_TOO_BIG);
	leave(m);
	hops(m);
}

void pipeline_route_segment(const struct maker *m, const struct plan_segment *s)
{
	struct flow f;

	make_begin(m, &f, TABLE_MTU, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, s->network);
	flow_load(&f, REG_MTU, s->mtu);
	make_load_too_big(&f, s->mtu);
	make_goto(m, &f, TABLE_SIZE);
}

void pipeline_route_neighbour(const struct maker *m, const struct plan_neighbour *n)
{
	struct flow f;

	make_begin(m, &f, TABLE_NEIGHBOUR, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, n->key.network);
	flow_match_ip(&f, REG_NEXT_HOP, &n->key.ip);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_V4);
	flow_load_mac(&f, XREG_MAC, &n->mac);
	flow_dec_ttl(&f);
	make_goto(m, &f, TABLE_NEXT);
}

void pipeline_route_route(const struct maker *m, const struct plan_route *r)
{
	struct flow f;

	make_begin(m, &f, TABLE_ROUTE, make_prefix_priority(&r->key.prefix));
	flow_match(&f, REG_ROUTER, r->key.part.router);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_V4);
	flow_match_prefix(&f, FIELD_IPV4_DST, &r->key.prefix);
	flow_load(&f, METADATA_NETWORK, r->network);
	flow_load_mac(&f, XREG_INTERFACE, &r->interface);
	flow_move_bits(&f, FIELD_IPV4_DST, 0, REG_NEXT_HOP, 0, 32);
	make_goto(m, &f, TABLE_TTL);
}

/* An address may stand there twice, with two lengths. */
static bool is_first_address(const struct plan_interface *i, uint8_t n)
{
	for (uint8_t k = 0; k < n; k++)
		if (ip_equal(&i->addrs[k].addr, &i->addrs[n].addr))
			return false;
	return true;
}

/* The addresses of a router are its own on all its interfaces, also those of an interface that is down. */
void pipeline_route_interface(const struct maker *m, const struct plan_interface *i)
{
	struct flow f;

	for (uint8_t n = 0; n < i->n_addrs; n++) {
		if (!ip_is_v4(&i->addrs[n].addr) || !is_first_address(i, n))
			continue;
		make_begin(m, &f, TABLE_ADDRESS, PRIORITY_PLAIN);
		flow_match(&f, REG_ROUTER, i->part.router);
		flow_match_ip(&f, FIELD_IPV4_DST, &i->addrs[n].addr);
		make_goto(m, &f, TABLE_ECHO);
	}
	make_begin(m, &f, TABLE_NEXT, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, i->key.network);
	flow_match_mac(&f, XREG_MAC, &i->key.mac);
	if (!i->up) {
		make_drop(m, &f, DROP_INTERFACE_DOWN);
		return;
	}
	make_load_router(&f, i);
	make_goto(m, &f, TABLE_HOP);
}
