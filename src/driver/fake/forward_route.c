/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "driver/fake/way.h"

/*
 * A packet to an interface of a router that lives here.
 *
 *   interface ─► an address of the part? ─► echo
 *       ▲             │ no
 *       │         longest prefix ─► TTL ─► size ─► neighbour
 *       └────────────── is an interface here ◄─────────┘
 *                       (at most ROUTE_MAX_HOPS)       │ no
 *                                               fdb: port or peer
 */

struct search {
	const struct plan_part *part;
	const struct ip *ip;
	const struct plan_record *found;
};

static bool same_part(const struct plan_part *a, const struct plan_part *b)
{
	return a->router == b->router && a->kind == b->kind;
}

static void match_address(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (!same_part(&r->interface.part, s->part))
		return;
	for (uint8_t i = 0; i < r->interface.n_addrs; i++)
		if (ip_equal(&r->interface.addrs[i].addr, s->ip))
			s->found = r;
}

static bool is_own_address(const struct way *w, const struct plan_part *part, const struct ip *ip)
{
	struct search s = { .part = part, .ip = ip };

	plan_each(w->plan, PLAN_INTERFACE, match_address, &s);
	return s.found;
}

static void match_route(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (same_part(&r->route.key.part, s->part) && prefix_contains(&r->route.key.prefix, s->ip) &&
	    (!s->found || r->route.key.prefix.len > s->found->route.key.prefix.len))
		s->found = r;
}

static const struct plan_route *find_route(const struct way *w, const struct plan_part *part, const struct ip *ip)
{
	struct search s = { .part = part, .ip = ip };

	plan_each(w->plan, PLAN_ROUTE, match_route, &s);
	return s.found ? &s.found->route : NULL;
}

static bool is_routable(const struct ip *ip)
{
	uint32_t a = ip_to_v4(ip);

	return a >> 24 != 0 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 0xe;
}

/* One router less: TTL and, by it alone, the header's checksum. */
static void lower_ttl(struct way *w)
{
	uint8_t *ip = w->frame + ETH_SIZE;
	uint16_t old = get_u16(ip + 8);

	ip[8]--;
	put_u16(ip + 10, checksum_update(get_u16(ip + 10), old, get_u16(ip + 8)));
	w->ip.ttl--;
}

/* The packet has passed its last router, by this route, to this MAC. */
static void leave(struct way *w, const struct plan_route *route, const struct mac *mac)
{
	const struct plan_fdb *fdb = way_fdb(w, w->network, mac);
	const struct plan_host *host = way_host(w);

	if (!fdb)
		return way_drop(w, DROP_UNKNOWN_MAC);
	memcpy(w->frame, mac, sizeof(*mac));
	memcpy(w->frame + 6, fdb->port || !host ? &route->interface : &host->dvr_mac, sizeof(*mac));
	if (fdb->port)
		way_deliver(w, fdb->port);
	else
		way_send(w, fdb->peer);
}

/* One router. Returns the interface of the next one, or NULL when the packet's way has ended. */
static const struct plan_interface *one_router(struct way *w, const struct plan_interface *in)
{
	const struct plan_interface *next;
	const struct plan_neighbour *neighbour;
	const struct plan_segment *segment;
	const struct plan_route *route;

	if (is_own_address(w, &in->part, &w->ip.dst)) {
		way_answer_echo(w);
		return NULL;
	}
	route = find_route(w, &in->part, &w->ip.dst);
	if (!route) {
		way_answer_error(w, in, DROP_NO_ROUTE, &(struct icmp) { ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE, 0 });
		return NULL;
	}
	if (w->ip.ttl <= 1) {
		way_answer_error(w, in, DROP_TTL, &(struct icmp) { ICMP_EXCEEDED, 0, 0 });
		return NULL;
	}
	segment = way_segment(w, route->network);
	if (!segment) {
		way_drop(w, DROP_TUNNEL_SEGMENT);
		return NULL;
	}
	if (!way_fits(w, segment)) {
		way_answer_error(w, in, DROP_TOO_BIG,
				 &(struct icmp) { ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, segment->mtu & 0xffff });
		return NULL;
	}
	neighbour = way_neighbour(w, route->network, &w->ip.dst);
	if (!neighbour) {
		way_drop(w, DROP_NO_NEIGHBOUR);
		return NULL;
	}
	lower_ttl(w);
	w->network = route->network;
	next = way_interface(w, w->network, &neighbour->mac);
	if (!next) {
		leave(w, route, &neighbour->mac);
		return NULL;
	}
	if (next->up)
		return next;
	way_drop(w, DROP_INTERFACE_DOWN);
	return NULL;
}

void way_route(struct way *w, const struct plan_interface *iface)
{
	if (w->eth.type != ETHERTYPE_V4)
		return way_drop(w, DROP_ROUTER_ADDRESS);
	if (w->ip.size != IPV4_SIZE)
		return way_drop(w, DROP_IP_OPTIONS);
	if (!checksum_ok(w->frame + ETH_SIZE, IPV4_SIZE))
		return way_drop(w, DROP_MALFORMED);
	if (!is_routable(&w->ip.src) || !is_routable(&w->ip.dst))
		return way_drop(w, DROP_NOT_ROUTED);
	for (int hops = 0; hops < ROUTE_MAX_HOPS; hops++) {
		iface = one_router(w, iface);
		if (!iface)
			return;
	}
	way_drop(w, DROP_LOOP);
}
