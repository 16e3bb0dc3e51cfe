/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "driver/ovs/pipeline_parts.h"
#include "net/packet.h"

/*
 * What is turned round at the port it came from: ARP requests and echo requests by flows, ICMP errors by the agent,
 * who gets the packet with the registers: REG_REASON says which, REG_ADDRESS from whom, REG_MTU how large.
 */

#define ANSWER_TTL 64

enum { PRIORITY_PLAIN = 1, PRIORITY_TYPE, PRIORITY_NEVER, PRIORITY_SIZE, PRIORITY_SIZE_NEVER };

#define MAY_BE_TOLD(type)                                                                                              \
	{                                                                                                              \
		TABLE_ERROR, PRIORITY_TYPE, { EXACT(FIELD_ICMP_TYPE, type) }, .go = TABLE_ERROR_OUT                    \
	}

/*
 * RFC 1122, 3.2.2: no error about an error or a later fragment. What is too big comes first and has no match on
 * ICMP: on that branch of check_pkt_larger all packets come along, and would be told apart by it.
 */
static const struct rule rules[] = {
	{ TABLE_ARP, 0, {}, .go = TABLE_SWITCH },

	{ TABLE_ECHO, 0, {}, .drop = DROP_ROUTER_ADDRESS },

	{ TABLE_ERROR,
	  PRIORITY_SIZE_NEVER,
	  { EXACT(REG_REASON, DROP_TOO_BIG), EXACT(REG_ADDRESS, 0) },
	  .go = TABLE_TOO_BIG },
	{ TABLE_ERROR, PRIORITY_SIZE_NEVER, { EXACT(REG_REASON, DROP_TOO_BIG), FRAG_LATER }, .go = TABLE_TOO_BIG },
	{ TABLE_ERROR, PRIORITY_SIZE, { EXACT(REG_REASON, DROP_TOO_BIG) }, .go = TABLE_ERROR_OUT },
	{ TABLE_ERROR, PRIORITY_NEVER, { EXACT(REG_ADDRESS, 0) }, .go = TABLE_DROP },
	{ TABLE_ERROR, PRIORITY_NEVER, { FRAG_LATER }, .go = TABLE_DROP },
	MAY_BE_TOLD(ICMP_ECHO_REPLY),
	MAY_BE_TOLD(ICMP_ECHO),
	MAY_BE_TOLD(13),
	MAY_BE_TOLD(14),
	MAY_BE_TOLD(15),
	MAY_BE_TOLD(16),
	MAY_BE_TOLD(17),
	MAY_BE_TOLD(18),
	{ TABLE_ERROR, PRIORITY_PLAIN, { EXACT(FIELD_IP_PROTO, PROTO_ICMP) }, .go = TABLE_DROP },
	{ TABLE_ERROR, 0, {}, .go = TABLE_ERROR_OUT },
};

static void swap(struct flow *f, enum field a, enum field b, enum field between, unsigned bits)
{
	flow_move_bits(f, a, 0, between, 0, bits);
	flow_move_bits(f, b, 0, a, 0, bits);
	flow_move_bits(f, between, 0, b, 0, bits);
}

static void answer(const struct maker *m, struct flow *f)
{
	flow_output_in_port(f);
	make_verdict(m, f, VERDICT_ANSWER);
}

static void arp_reply(const struct maker *m)
{
	struct flow f;

	make_begin(m, &f, TABLE_ARP_ANSWER, 0);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_ARP);
	flow_move_bits(&f, FIELD_ETH_SRC, 0, FIELD_ETH_DST, 0, 48);
	flow_move_bits(&f, XREG_MAC, 0, FIELD_ETH_SRC, 0, 48);
	flow_load(&f, FIELD_ARP_OP, ARP_REPLY);
	flow_move_bits(&f, FIELD_ARP_SHA, 0, FIELD_ARP_THA, 0, 48);
	flow_move_bits(&f, XREG_MAC, 0, FIELD_ARP_SHA, 0, 48);
	swap(&f, FIELD_ARP_SPA, FIELD_ARP_TPA, REG_NEXT_HOP, 32);
	answer(m, &f);
}

static void turn_round(const struct maker *m, struct flow *f)
{
	swap(f, FIELD_ETH_SRC, FIELD_ETH_DST, XREG_MAC, 48);
	swap(f, FIELD_IPV4_SRC, FIELD_IPV4_DST, REG_NEXT_HOP, 32);
	flow_load(f, FIELD_IP_TTL, ANSWER_TTL);
	answer(m, f);
}

/* Later fragments have no ICMP header: they only go back. */
static void echo_reply(const struct maker *m)
{
	struct flow f;

	make_begin(m, &f, TABLE_ECHO, PRIORITY_PLAIN);
	flow_match(&f, FIELD_ICMP_TYPE, ICMP_ECHO);
	flow_load(&f, FIELD_ICMP_TYPE, ICMP_ECHO_REPLY);
	turn_round(m, &f);

	make_begin(m, &f, TABLE_ECHO, PRIORITY_TYPE);
	flow_match(&f, FIELD_ETH_TYPE, ETHERTYPE_V4);
	flow_match(&f, FIELD_IP_PROTO, PROTO_ICMP);
	flow_match_masked(&f, FIELD_IP_FRAG, 2, 2);
	turn_round(m, &f);
}

void pipeline_answer_static(const struct maker *m)
{
	make_rules(m, rules, N_ELEMENTS(rules));
	arp_reply(m);
	echo_reply(m);
	make_end_of_table(m, TABLE_ERROR_OUT);
}

/* Not counted here: what is too big comes by a branch on which flows count every packet. The agent counts. */
void pipeline_answer_port(const struct maker *m, const struct plan_port *p)
{
	uint32_t ofport = make_ofport(m, p->key.port);
	struct flow f;

	if (!ofport)
		return;
	make_begin(m, &f, TABLE_ERROR_OUT, PRIORITY_PLAIN);
	flow_match(&f, REG_IN, p->key.port);
	flow_meter(&f, METER_ID(ofport, METER_ERRORS));
	flow_load(&f, REG_VERDICT, VERDICT_ANSWER + 1);
	flow_controller(&f);
	make_end(m, &f);
}

static void arp_begin(const struct maker *m, struct flow *f, uint16_t priority, const struct plan_neighbour *n)
{
	make_begin(m, f, TABLE_ARP, priority);
	flow_match(f, METADATA_NETWORK, n->key.network);
	flow_match(f, FIELD_ARP_OP, ARP_REQUEST);
	flow_match_ip(f, FIELD_ARP_TPA, &n->key.ip);
}

void pipeline_answer_neighbour(const struct maker *m, const struct plan_neighbour *n)
{
	struct flow f;

	arp_begin(m, &f, PRIORITY_PLAIN, n);
	flow_load_mac(&f, XREG_MAC, &n->mac);
	make_goto(m, &f, TABLE_ARP_ANSWER);

	/* Its own: others may want to know. */
	arp_begin(m, &f, PRIORITY_TYPE, n);
	flow_match_mac(&f, FIELD_ETH_SRC, &n->mac);
	make_goto(m, &f, TABLE_SWITCH);
}

void pipeline_answer_interface(const struct maker *m, const struct plan_interface *i)
{
	struct flow f;

	if (i->up)
		return;
	make_begin(m, &f, TABLE_ARP_ANSWER, PRIORITY_PLAIN);
	flow_match(&f, METADATA_NETWORK, i->key.network);
	flow_match_mac(&f, XREG_MAC, &i->key.mac);
	make_drop(m, &f, DROP_INTERFACE_DOWN);
}
