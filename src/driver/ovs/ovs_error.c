/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/mem.h"
#include "driver/ovs/ovs.h"
#include "driver/ovs/tables.h"
#include "net/icmp_error.h"

/*
 * A packet that a router cannot forward comes here, at the rate of the port's meter, and its ICMP error goes back out
 * of the port that it came from. Both are counted by the pipeline's own flows: the answer, or the packet as dropped
 * with the reason where none may be sent.
 */

static bool error_for(uint64_t reason, uint64_t mtu, struct icmp *ret)
{
	static const struct {
		enum drop_reason reason;
		struct icmp icmp;
	} errors[] = {
		{ DROP_NO_ROUTE, { ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE, 0 } },
		{ DROP_TTL, { ICMP_EXCEEDED, 0, 0 } },
		{ DROP_TOO_BIG, { ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 0 } },
	};

	for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
		if (errors[i].reason != reason)
			continue;
		*ret = errors[i].icmp;
		ret->rest = reason == DROP_TOO_BIG ? mtu & 0xffff : 0;
		return true;
	}
	return false;
}

static void send_answer(struct driver *d, uint32_t in_port, const uint8_t *frame, size_t len)
{
	struct flow actions;

	flow_init(&actions, 0, 0, 0);
	flow_load(&actions, REG_VERDICT, VERDICT_ANSWER + 1);
	flow_resubmit(&actions, TABLE_COUNT);
	flow_output_in_port(&actions);
	openflow_packet_out(d->openflow, in_port, &actions, frame, len);
	flow_fini(&actions);
}

static void count_drop(struct driver *d, uint32_t in_port, uint64_t reason, const uint8_t *frame, size_t len)
{
	struct flow actions;

	flow_init(&actions, 0, 0, 0);
	flow_load(&actions, REG_REASON, reason);
	flow_resubmit(&actions, TABLE_DROP);
	openflow_packet_out(d->openflow, in_port, &actions, frame, len);
	flow_fini(&actions);
}

static uint64_t field_of(const struct openflow_packet_in *p, enum field field)
{
	uint64_t value = 0;

	flow_oxm_find(p->oxm, p->oxm_len, field, &value);
	return value;
}

void ovs_packet_in(const struct openflow_packet_in *p, void *arg)
{
	uint32_t in_port = (uint32_t)field_of(p, FIELD_IN_PORT);
	uint64_t reason = field_of(p, REG_REASON);
	struct ip from = ip_from_v4((uint32_t)field_of(p, REG_ADDRESS));
	uint8_t error[ICMP_ERROR_MAX];
	struct icmp what;
	size_t len = 0;

	if ((p->cookie & COOKIE_OURS_MASK) != COOKIE_OURS || !in_port ||
	    !error_for(reason, field_of(p, REG_MTU), &what))
		return;
	if (!ip_is_zero(&from))
		len = icmp_error(p->frame, p->len, &from, &what, error);
	if (len)
		send_answer(arg, in_port, error, len);
	else
		count_drop(arg, in_port, reason, p->frame, p->len);
}
