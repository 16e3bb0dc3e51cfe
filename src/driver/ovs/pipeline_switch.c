/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "driver/ovs/pipeline_parts.h"
#include "net/packet.h"

/* By the destination MAC: nowhere, to everybody, to a router, to a station. */

enum { PRIORITY_PLAIN = 1, PRIORITY_GROUP, PRIORITY_ROUTED, PRIORITY_RESERVED };

#define BROADCAST 0xffffffffffff

static const struct rule rules[] = {
	{ TABLE_SWITCH,
	  PRIORITY_RESERVED,
	  { { FIELD_ETH_DST, 0x0180c2000000, 0xfffffffffff0 } },
	  .drop = DROP_RESERVED_MAC },
	{ TABLE_SWITCH, PRIORITY_ROUTED, { FLAG(FLAG_ROUTED), DL_GROUP(FIELD_ETH_DST) }, .drop = DROP_TUNNEL_GROUP },
	{ TABLE_SWITCH, PRIORITY_GROUP, { DL_GROUP(FIELD_ETH_DST) }, .go = TABLE_FLOOD },
	{ TABLE_SWITCH, 0, {}, .go = TABLE_FDB },
	{ TABLE_FDB, 0, {}, .drop = DROP_UNKNOWN_MAC },
};

static void match_station(struct flow *f, uint32_t network, const struct mac *mac)
{
	flow_match(f, METADATA_NETWORK, network);
	flow_match_mac(f, FIELD_ETH_DST, mac);
}

/* What is wrong with the router, or with who asks it, is said there. */
void pipeline_switch_interface(const struct maker *m, const struct plan_interface *i)
{
	struct flow f;

	make_begin(m, &f, TABLE_SWITCH, PRIORITY_PLAIN);
	match_station(&f, i->key.network, &i->key.mac);
	if (i->up)
		make_load_router(&f, i);
	make_goto(m, &f, TABLE_ROUTER);
}

void pipeline_switch_fdb(const struct maker *m, const struct plan_fdb *fdb)
{
	struct flow f;

	make_begin(m, &f, TABLE_FDB, PRIORITY_PLAIN);
	match_station(&f, fdb->key.network, &fdb->key.mac);
	if (fdb->port) {
		flow_load(&f, REG_OUT, fdb->port);
		make_goto(m, &f, TABLE_DELIVER);
	} else {
		flow_load(&f, REG_PEER, fdb->peer);
		make_goto(m, &f, TABLE_SEND);
	}
}

/* ------------------------------------------------------------------ floods */

/*
 *   FLOOD ─► FLOOD_PORTS ─► FLOOD_SEGMENT ─► FLOOD_PEERS
 *              │ each          (from a port,    │ each
 *              ▼                if it fits)     ▼
 *           FLOOD_PORT                       FLOOD_PEER
 *
 * It is counted first: behind check_pkt_larger flows count on both branches. That a port does not get what it sent
 * is Open vSwitch's own rule: no output to the port of arrival.
 */
static const struct rule flood_rules[] = {
	{ TABLE_FLOOD_PORTS, 0, {}, .go = TABLE_FLOOD_SEGMENT },
};

/*
 * One flow holds 2,037 members (32 bytes each), and one packet may make 4,096 resubmits: so many of each list get
 * a copy.
 */
#define MEMBERS_MAX 2000

static void flood_begin(const struct maker *m, struct flow *f)
{
	flow_load(f, REG_VERDICT, VERDICT_FLOOD + 1);
	flow_resubmit(f, TABLE_COUNT);
	make_goto(m, f, TABLE_FLOOD_PORTS);
}

static void list_begin(const struct maker *m, struct flow *f, enum table table, uint32_t network)
{
	make_begin(m, f, table, PRIORITY_PLAIN);
	flow_match(f, METADATA_NETWORK, network);
}

static void to_each(struct flow *f, enum field member, enum table each, const uint32_t *members, size_t n)
{
	for (size_t i = 0; i < n && i < MEMBERS_MAX; i++) {
		flow_load(f, member, members[i]);
		flow_resubmit(f, (uint8_t)each);
	}
}

void pipeline_switch_static(const struct maker *m)
{
	struct flow f;

	make_rules(m, rules, N_ELEMENTS(rules));
	make_rules(m, flood_rules, N_ELEMENTS(flood_rules));
	make_begin(m, &f, TABLE_FLOOD, 0);
	flood_begin(m, &f);

	make_begin(m, &f, TABLE_FLOOD_PEERS, PRIORITY_ROUTED);
	make_match_flag(&f, FLAG_TOO_BIG, true);
	make_end(m, &f);
	make_end_of_table(m, TABLE_FLOOD_PORT);
	make_end_of_table(m, TABLE_FLOOD_SEGMENT);
	make_end_of_table(m, TABLE_FLOOD_PEER);
}

void pipeline_switch_port(const struct maker *m, const struct plan_port *p)
{
	uint32_t ofport = make_ofport(m, p->key.port);
	struct flow f;

	if (!ofport || !p->up)
		return;
	make_begin(m, &f, TABLE_FLOOD, PRIORITY_PLAIN);
	flow_match(&f, REG_IN, p->key.port);
	flow_match(&f, FIELD_ETH_DST, BROADCAST);
	flow_meter(&f, METER_ID(ofport, METER_BROADCAST));
	flood_begin(m, &f);

	make_begin(m, &f, TABLE_FLOOD_PORT, PRIORITY_PLAIN);
	flow_match(&f, REG_OUT, p->key.port);
	flow_output(&f, ofport);
	make_end(m, &f);
}

void pipeline_switch_segment(const struct maker *m, const struct plan_segment *s)
{
	struct flow f;

	if (s->key.type != PLAN_SEGMENT_VXLAN)
		return;
	make_begin(m, &f, TABLE_FLOOD_SEGMENT, PRIORITY_PLAIN);
	make_match_flag(&f, FLAG_FROM_TUNNEL, false);
	flow_match(&f, METADATA_NETWORK, s->network);
	flow_load(&f, FIELD_TUN_ID, s->key.id);
	make_load_too_big(&f, s->mtu);
	make_goto(m, &f, TABLE_FLOOD_PEERS);
}

void pipeline_switch_peer(const struct maker *m, const struct plan_peer *p)
{
	struct flow f;

	if (!m->world->tunnel_ofport || !ip_is_v4(&p->tunnel))
		return;
	make_begin(m, &f, TABLE_FLOOD_PEER, PRIORITY_PLAIN);
	flow_match(&f, REG_PEER, p->key.host);
	flow_load_ip(&f, FIELD_TUN_DST, &p->tunnel);
	flow_output(&f, m->world->tunnel_ofport);
	make_end(m, &f);
}

void pipeline_switch_flood_ports(const struct maker *m, uint32_t network, const uint32_t *ports, size_t n)
{
	struct flow f;

	list_begin(m, &f, TABLE_FLOOD_PORTS, network);
	to_each(&f, REG_OUT, TABLE_FLOOD_PORT, ports, n);
	make_goto(m, &f, TABLE_FLOOD_SEGMENT);
}

void pipeline_switch_flood_peers(const struct maker *m, uint32_t network, const uint32_t *peers, size_t n)
{
	struct flow f;

	list_begin(m, &f, TABLE_FLOOD_PEERS, network);
	to_each(&f, REG_PEER, TABLE_FLOOD_PEER, peers, n);
	make_end(m, &f);
}
