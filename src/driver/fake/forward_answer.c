/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "driver/fake/way.h"

/* What is turned round at the port it came from. */

#define ANSWER_TTL 64
#define ERROR_TOS 0xc0 /* internetwork control */
#define QUOTED 8 /* bytes of the offending packet behind its header */

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

/* RFC 1122, 3.2.2: never about an error or a later fragment. (Nor to a group or nobody, who come to no router.) */
static bool may_answer(const struct way *w)
{
	uint8_t type;

	if (w->ip.offset != 0)
		return false;
	if (w->ip.total < w->ip.size + QUOTED)
		return false;
	if (w->ip.proto != PROTO_ICMP)
		return true;
	type = w->frame[ETH_SIZE + w->ip.size];
	return type == ICMP_ECHO || type == ICMP_ECHO_REPLY || (type >= 13 && type <= 18);
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
	struct eth eth = { .dst = w->eth.src, .src = w->eth.dst, .type = ETHERTYPE_V4 };
	size_t quoted = (size_t)w->ip.size + QUOTED, icmp_len = ICMP_SIZE + quoted;
	struct ipv4 ip = { .tos = ERROR_TOS, .ttl = ANSWER_TTL, .proto = PROTO_ICMP, .size = IPV4_SIZE };
	const struct ip *from = address_of(iface);
	uint8_t *frame;

	if (!from || !may_answer(w))
		return way_drop(w, reason);
	ip.total = (uint16_t)(IPV4_SIZE + icmp_len);
	ip.src = *from;
	ip.dst = w->ip.src;
	frame = xcalloc(1, ETH_SIZE + ip.total);
	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	memcpy(frame + ETH_SIZE + IPV4_SIZE + ICMP_SIZE, w->frame + ETH_SIZE, quoted);
	icmp_write(frame + ETH_SIZE + IPV4_SIZE, icmp_len, what);
	free(w->frame);
	w->frame = frame;
	w->len = ETH_SIZE + ip.total;
	turn_round(w);
}
