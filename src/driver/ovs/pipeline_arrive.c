/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "driver/ovs/pipeline_parts.h"
#include "net/packet.h"

/*
 * What a packet must be to be let in, in the order in which it is asked (driver/fake/forward.h): from a port, the
 * Ethernet header, source MAC, kind of payload and its header, source addresses; from a tunnel, outer source, segment,
 * Ethernet header, source MAC, payload.
 *
 * What Open vSwitch cannot read it leaves zero: an IPv4 header that contradicts itself has no field that is not 0, ARP
 * that is not IPv4 on Ethernet has no operation. A frame that is cut off behind the type of a VLAN tag has that
 * type, and none (0) when a revalidator looks at it again. (Frames that are shorter come from no device.)
 */

enum { PRIORITY_PLAIN = 1, PRIORITY_FIRST, PRIORITY_DENY, PRIORITY_NEVER };

#define TAGGED(table)                                                                                                  \
	{ table, PRIORITY_NEVER, { { FIELD_VLAN_TCI, 0x1000, 0x1000 } }, .drop = DROP_VLAN_TAGGED },                   \
		{ table, PRIORITY_NEVER, { EXACT(FIELD_ETH_TYPE, ETHERTYPE_TAG) }, .drop = DROP_VLAN_TAGGED },         \
		{ table, PRIORITY_NEVER, { EXACT(FIELD_ETH_TYPE, ETHERTYPE_STAG) }, .drop = DROP_VLAN_TAGGED },        \
	{                                                                                                              \
		table, PRIORITY_NEVER, { EXACT(FIELD_ETH_TYPE, 0) }, .drop = DROP_VLAN_TAGGED                          \
	}

#define BAD_IPV4                                                                                                       \
	{                                                                                                              \
		EXACT(FIELD_IPV4_SRC, 0), EXACT(FIELD_IPV4_DST, 0), EXACT(FIELD_IP_PROTO, 0), EXACT(FIELD_IP_TTL, 0)   \
	}

/* Zero sources go to a table of their own: what is looked at there costs other packets nothing. */
#define PAYLOADS(table, arp, none, ip)                                                                                 \
	{ table, PRIORITY_FIRST, { EXACT(FIELD_ARP_OP, ARP_REQUEST) }, .go = arp },                                    \
		{ table, PRIORITY_FIRST, { EXACT(FIELD_ARP_OP, ARP_REPLY) }, .go = arp },                              \
		{ table, PRIORITY_PLAIN, { EXACT(FIELD_ETH_TYPE, ETHERTYPE_ARP) }, .drop = DROP_MALFORMED },           \
		{ table, PRIORITY_PLAIN, { EXACT(FIELD_ETH_TYPE, ETHERTYPE_V4) }, .go = ip },                          \
		{ table, PRIORITY_PLAIN, { EXACT(FIELD_ETH_TYPE, ETHERTYPE_V6) }, .drop = DROP_IPV6 },                 \
	{                                                                                                              \
		table, 0, {}, .drop = DROP_ETHERTYPE                                                                   \
	}

static const struct rule rules[] = {
	{ TABLE_CLASSIFY, 0, {}, .drop = DROP_PORT_UNKNOWN },

	{ TABLE_PEER, 0, {}, .drop = DROP_TUNNEL_PEER },
	{ TABLE_SEGMENT, 0, {}, .drop = DROP_TUNNEL_SEGMENT },
	TAGGED(TABLE_TUNNEL_ETH),
	{ TABLE_TUNNEL_ETH, 0, {}, .go = TABLE_TUNNEL_SOURCE },
	{ TABLE_MEMBER, 0, {}, .go = TABLE_TUNNEL_SOURCE },
	{ TABLE_TUNNEL_SOURCE, 0, {}, .drop = DROP_TUNNEL_SOURCE },
	{ TABLE_TUNNEL_PAYLOAD, PRIORITY_FIRST, BAD_IPV4, .drop = DROP_MALFORMED },
	PAYLOADS(TABLE_TUNNEL_PAYLOAD, TABLE_SWITCH, TABLE_SWITCH, TABLE_SWITCH),

	TAGGED(TABLE_ETH),
	{ TABLE_ETH, 0, {}, .go = TABLE_SOURCE_MAC },
	{ TABLE_SOURCE_MAC, PRIORITY_NEVER, { DL_GROUP(FIELD_ETH_SRC) }, .drop = DROP_SPOOF_MAC },
	{ TABLE_SOURCE_MAC, PRIORITY_NEVER, { EXACT(FIELD_ETH_SRC, 0) }, .drop = DROP_SPOOF_MAC },
	{ TABLE_SOURCE_MAC, 0, {}, .drop = DROP_SPOOF_MAC },
	{ TABLE_PAYLOAD, PRIORITY_FIRST, { EXACT(FIELD_IPV4_SRC, 0) }, .go = TABLE_SOURCE_NONE },
	PAYLOADS(TABLE_PAYLOAD, TABLE_SOURCE_ARP, TABLE_SOURCE_NONE, TABLE_SOURCE_IP),
	{ TABLE_SOURCE_NONE, PRIORITY_NEVER, BAD_IPV4, .drop = DROP_MALFORMED },
	{ TABLE_SOURCE_NONE,
	  PRIORITY_PLAIN,
	  { EXACT(FIELD_IPV4_DST, 0xffffffff), EXACT(FIELD_UDP_SRC, 68), EXACT(FIELD_UDP_DST, 67) },
	  .go = TABLE_SWITCH },
	{ TABLE_SOURCE_NONE, 0, {}, .drop = DROP_SPOOF_IP },
	{ TABLE_SOURCE_ARP, PRIORITY_DENY, { EXACT(FIELD_ARP_SPA, 0) }, .drop = DROP_SPOOF_ARP },
	{ TABLE_SOURCE_ARP, 0, {}, .drop = DROP_SPOOF_ARP },
	{ TABLE_SOURCE_IP, 0, {}, .drop = DROP_SPOOF_IP },
};

void pipeline_arrive_static(const struct maker *m)
{
	struct flow f;

	make_rules(m, rules, N_ELEMENTS(rules));
	if (!m->world->tunnel_ofport)
		return;
	make_begin(m, &f, TABLE_CLASSIFY, PRIORITY_PLAIN);
	flow_match(&f, FIELD_IN_PORT, m->world->tunnel_ofport);
	make_load_flag(&f, FLAG_FROM_TUNNEL);
	make_goto(m, &f, TABLE_PEER);
}

/* ------------------------------------------------------------------ from a port */

static void deny_mac(const struct maker *m, const struct mac *mac, uint32_t network)
{
	struct flow f;

	if (mac_is_zero(mac))
		return; /* nobody may have that one in any case */
	make_begin(m, &f, TABLE_SOURCE_MAC, PRIORITY_DENY);
	if (network)
		flow_match(&f, METADATA_NETWORK, network);
	flow_match_mac(&f, FIELD_ETH_SRC, mac);
	make_drop(m, &f, DROP_SPOOF_MAC);
}

void pipeline_arrive_host(const struct maker *m, const struct plan_host *h)
{
	deny_mac(m, &h->dvr_mac, 0);
}

static void port_begin(const struct maker *m, struct flow *f, enum table table, uint16_t priority,
		       const struct plan_port *p)
{
	make_begin(m, f, table, priority);
	flow_match(f, REG_IN, p->key.port);
}

/* It may use this MAC, and have no address yet. */
static void port_mac(const struct maker *m, const struct plan_port *p, const struct mac *mac)
{
	struct flow f;

	port_begin(m, &f, TABLE_SOURCE_MAC, PRIORITY_FIRST, p);
	flow_match_mac(&f, FIELD_ETH_SRC, mac);
	make_goto(m, &f, TABLE_PAYLOAD);

	port_begin(m, &f, TABLE_SOURCE_ARP, PRIORITY_NEVER, p);
	flow_match_mac(&f, FIELD_ETH_SRC, mac);
	flow_match(&f, FIELD_ARP_OP, ARP_REQUEST);
	flow_match(&f, FIELD_ARP_SPA, 0);
	flow_match_mac(&f, FIELD_ARP_SHA, mac);
	make_goto(m, &f, TABLE_ARP);
}

static void port_address(const struct maker *m, const struct plan_port *p, const struct plan_port_addr *a)
{
	struct flow f;

	port_begin(m, &f, TABLE_SOURCE_ARP, PRIORITY_FIRST, p);
	flow_match_mac(&f, FIELD_ETH_SRC, &a->mac);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_ARP);
	flow_match_prefix(&f, FIELD_ARP_SPA, &a->prefix);
	flow_match_mac(&f, FIELD_ARP_SHA, &a->mac);
	make_goto(m, &f, TABLE_ARP);

	port_begin(m, &f, TABLE_SOURCE_IP, PRIORITY_FIRST, p);
	flow_match_mac(&f, FIELD_ETH_SRC, &a->mac);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_V4);
	flow_match_prefix(&f, FIELD_IPV4_SRC, &a->prefix);
	make_goto(m, &f, TABLE_SWITCH);
}

/* Of several addresses with one MAC. */
static bool is_first_of_mac(const struct plan_port *p, uint8_t n)
{
	if (mac_equal(&p->addrs[n].mac, &p->mac))
		return false; /* that one is the port's own, with or without an address */
	for (uint8_t i = 0; i < n; i++)
		if (mac_equal(&p->addrs[i].mac, &p->addrs[n].mac))
			return false;
	return true;
}

static void port_secured(const struct maker *m, const struct plan_port *p)
{
	port_mac(m, p, &p->mac);
	for (uint8_t i = 0; i < p->n_addrs; i++) {
		if (is_first_of_mac(p, i))
			port_mac(m, p, &p->addrs[i].mac);
		if (is_v4(&p->addrs[i].prefix))
			port_address(m, p, &p->addrs[i]);
	}
}

static void port_open(const struct maker *m, const struct plan_port *p)
{
	static const struct {
		enum table table, next;
	} ways[] = {
		{ TABLE_SOURCE_MAC, TABLE_PAYLOAD },
		{ TABLE_SOURCE_NONE, TABLE_SWITCH },
		{ TABLE_SOURCE_ARP, TABLE_ARP },
		{ TABLE_SOURCE_IP, TABLE_SWITCH },
	};

	for (size_t i = 0; i < N_ELEMENTS(ways); i++) {
		struct flow f;
		bool above = ways[i].table == TABLE_SOURCE_ARP; /* what is denied there is denied for others */

		port_begin(m, &f, ways[i].table, above ? PRIORITY_NEVER : PRIORITY_PLAIN, p);
		make_goto(m, &f, ways[i].next);
	}
}

void pipeline_arrive_port(const struct maker *m, const struct plan_port *p)
{
	uint32_t ofport = make_ofport(m, p->key.port);
	struct flow f;

	if (!ofport)
		return;
	make_begin(m, &f, TABLE_CLASSIFY, PRIORITY_PLAIN);
	flow_match(&f, FIELD_IN_PORT, ofport);
	if (!p->up) {
		make_drop(m, &f, DROP_PORT_DOWN);
		return;
	}
	flow_load(&f, METADATA_NETWORK, p->network);
	flow_load(&f, REG_IN, p->key.port);
	make_goto(m, &f, TABLE_ETH);
	if (p->security)
		port_secured(m, p);
	else
		port_open(m, p);
}

/* ------------------------------------------------------------------ from a peer */

void pipeline_arrive_peer(const struct maker *m, const struct plan_peer *p)
{
	struct flow f;

	deny_mac(m, &p->dvr_mac, 0);
	if (ip_is_v4(&p->tunnel)) {
		make_begin(m, &f, TABLE_PEER, PRIORITY_PLAIN);
		flow_match_ip(&f, FIELD_TUN_SRC, &p->tunnel);
		flow_load(&f, REG_PEER, p->key.host);
		make_goto(m, &f, TABLE_SEGMENT);
	}
	if (mac_is_zero(&p->dvr_mac))
		return;
	make_begin(m, &f, TABLE_TUNNEL_ETH, PRIORITY_PLAIN);
	flow_match(&f, REG_PEER, p->key.host);
	flow_match_mac(&f, FIELD_ETH_SRC, &p->dvr_mac);
	make_goto(m, &f, TABLE_MEMBER);
}

void pipeline_arrive_segment(const struct maker *m, const struct plan_segment *s)
{
	struct flow f;

	if (s->key.type != PLAN_SEGMENT_VXLAN)
		return;
	make_begin(m, &f, TABLE_SEGMENT, PRIORITY_PLAIN);
	flow_match(&f, FIELD_TUN_ID, s->key.id);
	flow_load(&f, METADATA_NETWORK, s->network);
	make_goto(m, &f, TABLE_TUNNEL_ETH);
}

static void peer_station(const struct maker *m, const struct plan_fdb *fdb, uint32_t peer)
{
	struct flow f;

	if (!peer)
		return;
	make_begin(m, &f, TABLE_TUNNEL_SOURCE, PRIORITY_FIRST);
	flow_match(&f, METADATA_NETWORK, fdb->key.network);
	flow_match(&f, REG_PEER, peer);
	flow_match_mac(&f, FIELD_ETH_SRC, &fdb->key.mac);
	make_goto(m, &f, TABLE_TUNNEL_PAYLOAD);
}

void pipeline_arrive_fdb(const struct maker *m, const struct plan_fdb *fdb)
{
	peer_station(m, fdb, fdb->peer);
	if (fdb->next != fdb->peer)
		peer_station(m, fdb, fdb->next);
}

void pipeline_arrive_interface(const struct maker *m, const struct plan_interface *i)
{
	struct flow f;

	deny_mac(m, &i->key.mac, i->key.network);
	make_begin(m, &f, TABLE_TUNNEL_SOURCE, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, i->key.network);
	flow_match_mac(&f, FIELD_ETH_SRC, &i->key.mac);
	make_drop(m, &f, DROP_GATEWAY_MAC);
}

/* ------------------------------------------------------------------ which peer may route onto which network */

/*
 * A peer may, when some router has an interface on the network and the peer as a member: a join of two sets,
 * which is what conjunctions are. One flow holds 4,000 of them, so routers are dealt out to priorities; what is
 * beyond that may not.
 */
#define CLASSES 64
#define PRIORITY_CLASS(router) (uint16_t)(PRIORITY_PLAIN + (router) % CLASSES)

static void make_clause(const struct maker *m, enum field field, uint32_t value, unsigned clause,
			const uint32_t *routers, size_t n)
{
	for (uint32_t class = 0; class < CLASSES; class ++) {
		struct flow f;
		size_t found = 0;

		make_begin(m, &f, TABLE_MEMBER, PRIORITY_CLASS(class));
		flow_match(&f, field, value);
		for (size_t i = 0; i < n; i++) {
			if (routers[i] % CLASSES != class || flow_room(&f) < FLOW_ACTION_MAX)
				continue;
			flow_conjunction(&f, routers[i], clause, 2);
			found++;
		}
		if (found)
			make_end(m, &f);
		else
			flow_fini(&f);
	}
}

void pipeline_arrive_network_routers(const struct maker *m, uint32_t network, const uint32_t *routers, size_t n)
{
	make_clause(m, METADATA_NETWORK, network, 1, routers, n);
	for (size_t i = 0; i < n; i++) {
		struct flow f;

		make_begin(m, &f, TABLE_MEMBER, PRIORITY_CLASS(routers[i]));
		flow_match(&f, METADATA_NETWORK, network);
		flow_match(&f, FIELD_CONJ_ID, routers[i]);
		make_load_flag(&f, FLAG_ROUTED);
		make_goto(m, &f, TABLE_TUNNEL_PAYLOAD);
	}
}

void pipeline_arrive_peer_routers(const struct maker *m, uint32_t peer, const uint32_t *routers, size_t n)
{
	make_clause(m, REG_PEER, peer, 2, routers, n);
}
