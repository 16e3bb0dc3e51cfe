/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "driver/fake/way.h"
#include "net/icmp_error.h"

/* What is turned round at the port it came from. */

#define ANSWER_TTL 64

static void turn_round(struct way *w)
{
	w->result->verdict = VERDICT_ANSWER;
	way_out_port(w, w->port);
}

void way_answer_arp(struct way *w, const struct arp *arp, const struct mac *mac)
{
	struct eth eth = { .dst = w->eth.src, .src = *mac, .type = ETHERTYPE_ARP };
	struct arp reply = {
		.op = ARP_REPLY,
		.sender_mac = *mac,
		.sender = arp->target,
		.target_mac = arp->sender_mac,
		.target = arp->sender,
	};

	eth_write(w->frame, &eth);
	arp_write(w->frame + ETH_SIZE, &reply);
	turn_round(w);
}

/* Checksums change by what was changed: a packet that came spoilt goes back spoilt. */
void way_answer_echo(struct way *w)
{
	struct eth eth = { .dst = w->eth.src, .src = w->eth.dst, .type = ETHERTYPE_V4 };
	uint8_t *ip = w->frame + ETH_SIZE, *icmp = ip + w->ip.size;
	uint16_t word = get_u16(ip + 8);

	if (w->ip.proto != PROTO_ICMP)
		return way_drop(w, DROP_ROUTER_ADDRESS);
	if (w->ip.offset == 0) {
		if (w->ip.total < w->ip.size + ICMP_SIZE)
			return way_drop(w, DROP_MALFORMED);
		if (icmp[0] != ICMP_ECHO)
			return way_drop(w, DROP_ROUTER_ADDRESS);
		icmp[0] = ICMP_ECHO_REPLY;
		put_u16(icmp + 2, checksum_update(get_u16(icmp + 2), ICMP_ECHO << 8 | icmp[1], icmp[1]));
	}
	eth_write(w->frame, &eth);
	ip[8] = ANSWER_TTL;
	put_u16(ip + 10, checksum_update(get_u16(ip + 10), word, get_u16(ip + 8)));
	put_u32(ip + 12, ip_to_v4(&w->ip.dst));
	put_u32(ip + 16, ip_to_v4(&w->ip.src));
	turn_round(w);
}

static const struct ip *address_of(const struct plan_interface *iface)
{
	for (uint8_t i = 0; i < iface->n_addrs; i++)
		if (ip_is_v4(&iface->addrs[i].addr))
			return &iface->addrs[i].addr;
	return NULL;
}

void way_answer_error(struct way *w, const struct plan_interface *iface, enum drop_reason reason,
		      const struct icmp *what)
{
	const struct ip *from = address_of(iface);
	uint8_t error[ICMP_ERROR_MAX];
	size_t len = from ? icmp_error(w->frame, w->len, from, what, error) : 0;

	if (!len)
		return way_drop(w, reason);
	free(w->frame);
	w->frame = xmemdup(error, len);
	w->len = len;
	turn_round(w);
}
