/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/make.h"

#include "net/packet.h"

void make_begin(const struct maker *m, struct flow *f, enum table table, uint16_t priority)
{
	flow_init(f, (uint8_t)table, priority, m->cookie);
}

void make_end(const struct maker *m, struct flow *f)
{
	m->emit(f, m->arg);
}

void make_goto(const struct maker *m, struct flow *f, enum table table)
{
	flow_goto(f, (uint8_t)table);
	make_end(m, f);
}

void make_drop(const struct maker *m, struct flow *f, enum drop_reason reason)
{
	flow_load(f, REG_REASON, reason);
	make_goto(m, f, TABLE_DROP);
}

void make_verdict(const struct maker *m, struct flow *f, enum verdict verdict)
{
	flow_load(f, REG_VERDICT, verdict + 1);
	make_goto(m, f, TABLE_COUNT);
}

void make_match_flag(struct flow *f, enum flag flag, bool set)
{
	flow_match_masked(f, REG_FLAGS, set ? 1u << flag : 0, 1u << flag);
}

void make_load_flag(struct flow *f, enum flag flag)
{
	flow_load_bits(f, REG_FLAGS, flag, 1, 1);
}

uint32_t make_ofport(const struct maker *m, uint32_t port)
{
	return m->world->ofport(port, m->world->arg);
}

bool is_v4(const struct prefix *p)
{
	return prefix_version(p) == 4;
}

uint16_t make_prefix_priority(const struct prefix *p)
{
	return (uint16_t)(p->len - IP_V4_BITS + 1);
}

static uint32_t first_v4(const struct plan_interface *i)
{
	for (uint8_t n = 0; n < i->n_addrs; n++)
		if (ip_is_v4(&i->addrs[n].addr))
			return ip_to_v4(&i->addrs[n].addr);
	return 0;
}

void make_load_router(struct flow *f, const struct plan_interface *in)
{
	flow_load(f, REG_ROUTER, in->part.router);
	flow_load(f, REG_ADDRESS, first_v4(in));
}

void make_load_too_big(struct flow *f, uint32_t mtu)
{
	if (mtu < UINT16_MAX - ETH_SIZE)
		flow_check_pkt_larger(f, (uint16_t)(mtu + ETH_SIZE), REG_FLAGS, FLAG_TOO_BIG);
}

void make_end_of_table(const struct maker *m, enum table table)
{
	struct flow f;

	make_begin(m, &f, table, 0);
	make_end(m, &f);
}

void make_rules(const struct maker *m, const struct rule *rules, size_t n)
{
	for (const struct rule *r = rules; r < rules + n; r++) {
		struct flow f;

		make_begin(m, &f, (enum table)r->table, r->priority);
		for (size_t i = 0; i < sizeof(r->match) / sizeof(r->match[0]) && r->match[i].mask; i++) {
			if (r->match[i].mask == UINT64_MAX)
				flow_match(&f, r->match[i].field, r->match[i].value);
			else
				flow_match_masked(&f, r->match[i].field, r->match[i].value, r->match[i].mask);
		}
		if (r->drop != DROP_NONE)
			make_drop(m, &f, r->drop);
		else
			make_goto(m, &f, r->go);
	}
}
