/* SPDX-License-Identifier: Apache-2.0 */
#include "net/icmp_error.h"

#include <string.h>

#define ERROR_TTL 64
#define ERROR_TOS 0xc0 /* internetwork control */
#define QUOTED 8 /* bytes of the packet behind its header */

/* (Packets from a group or from nobody come to no router.) */
static bool may_answer(const uint8_t *packet, const struct ipv4 *ip)
{
	uint8_t type;

	if (ip->offset != 0 || ip->total < ip->size + QUOTED)
		return false;
	if (ip->proto != PROTO_ICMP)
		return true;
	type = packet[ip->size];
	return type == ICMP_ECHO || type == ICMP_ECHO_REPLY || (type >= 13 && type <= 18);
}

size_t icmp_error(const uint8_t *frame, size_t len, const struct ip *from, const struct icmp *what,
		  uint8_t ret[ICMP_ERROR_MAX])
{
	struct ipv4 ip, error = { .tos = ERROR_TOS, .ttl = ERROR_TTL, .proto = PROTO_ICMP, .size = IPV4_SIZE };
	uint8_t *icmp = ret + ETH_SIZE + IPV4_SIZE;
	struct eth eth;
	size_t quoted;

	if (eth_read(frame, len, &eth) < 0 || eth.type != ETHERTYPE_V4 ||
	    ipv4_read(frame + ETH_SIZE, len - ETH_SIZE, &ip) < 0 || !may_answer(frame + ETH_SIZE, &ip))
		return 0;
	quoted = (size_t)ip.size + QUOTED;
	error.total = (uint16_t)(IPV4_SIZE + ICMP_SIZE + quoted);
	error.src = *from;
	error.dst = ip.src;
	eth_write(ret, &(struct eth) { .dst = eth.src, .src = eth.dst, .type = ETHERTYPE_V4 });
	ipv4_write(ret + ETH_SIZE, &error);
	memcpy(icmp + ICMP_SIZE, frame + ETH_SIZE, quoted);
	icmp_write(icmp, ICMP_SIZE + quoted, what);
	return ETH_SIZE + (size_t)error.total;
}
