/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "driver/ovs/pipeline_parts.h"
#include "net/packet.h"

/* The last steps of a single frame: into a port here, or to a peer; and what became of all of them. */

enum { PRIORITY_PLAIN = 1, PRIORITY_HERE, PRIORITY_SIZE };

static const struct rule rules[] = {
	{ TABLE_DELIVER, 0, {}, .drop = DROP_PORT_MISSING },
	{ TABLE_GATEWAY, UINT16_MAX, { NO_FLAG(FLAG_ROUTED) }, .go = TABLE_OUT },
	{ TABLE_GATEWAY, 0, {}, .go = TABLE_FIRST_ADDRESS },
	{ TABLE_FIRST_ADDRESS, 0, {}, .drop = DROP_TUNNEL_SOURCE },
	{ TABLE_FIRST_GATEWAY, 0, {}, .drop = DROP_TUNNEL_SOURCE },
	{ TABLE_OUT, 0, {}, .drop = DROP_PORT_MISSING },

	{ TABLE_SEND, PRIORITY_HERE, { FLAG(FLAG_FROM_TUNNEL) }, .drop = DROP_TUNNEL_REMOTE },
	{ TABLE_SEND, 0, {}, .drop = DROP_TUNNEL_SEGMENT },
	{ TABLE_SEND_PEER, 0, {}, .drop = DROP_TUNNEL_PEER },
	/* A router has looked at it, by the same MTU. */
	{ TABLE_SEND_SIZE, PRIORITY_HERE, { FLAG(FLAG_ROUTED_HERE) }, .go = TABLE_SEND_OUT },
	{ TABLE_SEND_OUT, PRIORITY_SIZE, { FLAG(FLAG_TOO_BIG) }, .go = TABLE_TOO_BIG },
	{ TABLE_SEND_OUT, 0, {}, .drop = DROP_ENCAP },
};

/* One flow each, for its counter; REG_VERDICT and REG_REASON say it to who traces. */
static void counters(const struct maker *m)
{
	struct flow f;

	for (uint64_t v = 0; v < VERDICT_COUNT; v++) {
		if (v == VERDICT_DROP)
			continue;
		make_begin(m, &f, TABLE_COUNT, PRIORITY_PLAIN);
		flow_match(&f, REG_VERDICT, v + 1);
		make_end(m, &f);
	}
	for (uint64_t r = DROP_NONE + 1; r < DROP_COUNT; r++) {
		make_begin(m, &f, TABLE_DROP, PRIORITY_PLAIN);
		flow_match(&f, REG_REASON, r);
		flow_load(&f, REG_VERDICT, VERDICT_DROP + 1);
		make_end(m, &f);
	}
	make_begin(m, &f, TABLE_TOO_BIG, 0);
	flow_meter(&f, METER_TOO_BIG);
	flow_load(&f, REG_REASON, DROP_TOO_BIG);
	flow_load(&f, REG_VERDICT, VERDICT_DROP + 1);
	make_end(m, &f);
}

static void send_out(const struct maker *m, struct flow *f)
{
	flow_output(f, m->world->tunnel_ofport);
	make_verdict(m, f, VERDICT_SEND);
}

void pipeline_out_static(const struct maker *m)
{
	struct flow f;

	make_rules(m, rules, N_ELEMENTS(rules));
	counters(m);
	if (!m->world->tunnel_ofport)
		return;
	make_begin(m, &f, TABLE_SEND_OUT, PRIORITY_PLAIN);
	send_out(m, &f);
}

/* ------------------------------------------------------------------ to a peer */

/* What a router of this host has sent goes by its name: no MAC of a router crosses a wire. */
void pipeline_out_host(const struct maker *m, const struct plan_host *h)
{
	struct flow f;

	if (!m->world->tunnel_ofport)
		return;
	make_begin(m, &f, TABLE_SEND_OUT, PRIORITY_HERE);
	make_match_flag(&f, FLAG_ROUTED_HERE, true);
	flow_load_mac(&f, FIELD_ETH_SRC, &h->dvr_mac);
	send_out(m, &f);
}

void pipeline_out_segment(const struct maker *m, const struct plan_segment *s)
{
	struct flow f;

	if (s->key.type != PLAN_SEGMENT_VXLAN)
		return;
	make_begin(m, &f, TABLE_SEND, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, s->network);
	flow_load(&f, FIELD_TUN_ID, s->key.id);
	make_goto(m, &f, TABLE_SEND_PEER);

	make_begin(m, &f, TABLE_SEND_SIZE, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, s->network);
	make_load_too_big(&f, s->mtu);
	make_goto(m, &f, TABLE_SEND_OUT);
}

void pipeline_out_peer(const struct maker *m, const struct plan_peer *p)
{
	struct flow f;

	if (!ip_is_v4(&p->tunnel))
		return;
	make_begin(m, &f, TABLE_SEND_PEER, PRIORITY_PLAIN);
	flow_match(&f, REG_PEER, p->key.host);
	flow_load_ip(&f, FIELD_TUN_DST, &p->tunnel);
	make_goto(m, &f, TABLE_SEND_SIZE);
}

/* ------------------------------------------------------------------ into a port */

/* What a peer has routed gets the MAC that the VM takes for its gateway, by where it goes, else by the port's address.
 */
void pipeline_out_subnet(const struct maker *m, const struct plan_subnet *s)
{
	uint16_t priority;
	struct flow f;

	if (!is_v4(&s->key.prefix))
		return;
	priority = make_prefix_priority(&s->key.prefix);
	make_begin(m, &f, TABLE_GATEWAY, priority);
	flow_match(&f, METADATA_NETWORK, s->key.network);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_V4);
	flow_match_prefix(&f, FIELD_IPV4_DST, &s->key.prefix);
	flow_load_mac(&f, FIELD_ETH_SRC, &s->mac);
	make_goto(m, &f, TABLE_OUT);

	make_begin(m, &f, TABLE_FIRST_GATEWAY, priority);
	flow_match(&f, METADATA_NETWORK, s->key.network);
	flow_match_prefix(&f, REG_NEXT_HOP, &s->key.prefix);
	flow_load_mac(&f, FIELD_ETH_SRC, &s->mac);
	make_goto(m, &f, TABLE_OUT);
}

static const struct ip *first_address(const struct plan_port *p)
{
	for (uint8_t i = 0; i < p->n_addrs; i++) {
		const struct prefix *a = &p->addrs[i].prefix;

		if (mac_equal(&p->addrs[i].mac, &p->mac) && ip_is_v4(&a->addr) && a->len == 128)
			return &a->addr;
	}
	return NULL;
}

static void port_begin(const struct maker *m, struct flow *f, enum table table, const struct plan_port *p)
{
	make_begin(m, f, table, PRIORITY_PLAIN);
	flow_match(f, REG_OUT, p->key.port);
}

/* It may be the port that it came from: Open vSwitch puts nothing out there unless it forgets that. */
static void port_out(const struct maker *m, const struct plan_port *p, uint32_t ofport)
{
	struct flow f;

	port_begin(m, &f, TABLE_OUT, p);
	flow_load(&f, FIELD_IN_PORT, 0);
	flow_output(&f, ofport);
	make_verdict(m, &f, VERDICT_DELIVER);
}

void pipeline_out_port(const struct maker *m, const struct plan_port *p)
{
	uint32_t ofport = make_ofport(m, p->key.port);
	const struct ip *first = first_address(p);
	struct flow f;

	if (p->up && !ofport)
		return;
	port_begin(m, &f, TABLE_DELIVER, p);
	if (!p->up) {
		make_drop(m, &f, DROP_PORT_DOWN);
		return;
	}
	make_goto(m, &f, TABLE_GATEWAY);
	if (first) {
		port_begin(m, &f, TABLE_FIRST_ADDRESS, p);
		flow_load_ip(&f, REG_NEXT_HOP, first);
		make_goto(m, &f, TABLE_FIRST_GATEWAY);
	}
	port_out(m, p, ofport);
}
