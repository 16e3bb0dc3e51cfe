/* SPDX-License-Identifier: Apache-2.0 */
#include "net/packet.h"

#include <errno.h>
#include <string.h>

int eth_read(const uint8_t *at, size_t len, struct eth *ret)
{
	if (len < ETH_SIZE)
		return -EINVAL;
	memcpy(&ret->dst, at, sizeof(ret->dst));
	memcpy(&ret->src, at + 6, sizeof(ret->src));
	ret->type = get_u16(at + 12);
	return 0;
}

void eth_write(uint8_t *at, const struct eth *eth)
{
	memcpy(at, &eth->dst, sizeof(eth->dst));
	memcpy(at + 6, &eth->src, sizeof(eth->src));
	put_u16(at + 12, eth->type);
}

int arp_read(const uint8_t *at, size_t len, struct arp *ret)
{
	if (len < ARP_SIZE || get_u16(at) != 1 || get_u16(at + 2) != ETHERTYPE_V4 || at[4] != 6 || at[5] != 4)
		return -EINVAL;
	ret->op = get_u16(at + 6);
	memcpy(&ret->sender_mac, at + 8, sizeof(ret->sender_mac));
	ret->sender = ip_from_bytes(4, at + 14);
	memcpy(&ret->target_mac, at + 18, sizeof(ret->target_mac));
	ret->target = ip_from_bytes(4, at + 24);
	return ret->op == ARP_REQUEST || ret->op == ARP_REPLY ? 0 : -EINVAL;
}

void arp_write(uint8_t *at, const struct arp *arp)
{
	put_u16(at, 1);
	put_u16(at + 2, ETHERTYPE_V4);
	at[4] = 6;
	at[5] = 4;
	put_u16(at + 6, arp->op);
	memcpy(at + 8, &arp->sender_mac, sizeof(arp->sender_mac));
	put_u32(at + 14, ip_to_v4(&arp->sender));
	memcpy(at + 18, &arp->target_mac, sizeof(arp->target_mac));
	put_u32(at + 24, ip_to_v4(&arp->target));
}

int ipv4_read(const uint8_t *at, size_t len, struct ipv4 *ret)
{
	uint16_t fragment;

	if (len < IPV4_SIZE || at[0] >> 4 != 4)
		return -EINVAL;
	ret->size = (uint16_t)((at[0] & 0xf) * 4);
	ret->total = get_u16(at + 2);
	if (ret->size < IPV4_SIZE || ret->total < ret->size || ret->total > len)
		return -EINVAL;
	fragment = get_u16(at + 6);
	ret->tos = at[1];
	ret->id = get_u16(at + 4);
	ret->dont_fragment = fragment & 0x4000;
	ret->more_fragments = fragment & 0x2000;
	ret->offset = (uint16_t)((fragment & 0x1fff) * 8);
	ret->ttl = at[8];
	ret->proto = at[9];
	ret->src = ip_from_bytes(4, at + 12);
	ret->dst = ip_from_bytes(4, at + 16);
	return 0;
}

void ipv4_write(uint8_t *at, const struct ipv4 *ip)
{
	at[0] = 0x45;
	at[1] = ip->tos;
	put_u16(at + 2, ip->total);
	put_u16(at + 4, ip->id);
	put_u16(at + 6,
		(uint16_t)((ip->dont_fragment ? 0x4000 : 0) | (ip->more_fragments ? 0x2000 : 0) | ip->offset / 8));
	at[8] = ip->ttl;
	at[9] = ip->proto;
	put_u16(at + 10, 0);
	put_u32(at + 12, ip_to_v4(&ip->src));
	put_u32(at + 16, ip_to_v4(&ip->dst));
	put_u16(at + 10, checksum_fold(checksum_add(0, at, IPV4_SIZE)));
}

int icmp_read(const uint8_t *at, size_t len, struct icmp *ret)
{
	if (len < ICMP_SIZE)
		return -EINVAL;
	ret->type = at[0];
	ret->code = at[1];
	ret->rest = get_u32(at + 4);
	return 0;
}

void icmp_write(uint8_t *at, size_t len, const struct icmp *icmp)
{
	at[0] = icmp->type;
	at[1] = icmp->code;
	put_u16(at + 2, 0);
	put_u32(at + 4, icmp->rest);
	put_u16(at + 2, checksum_fold(checksum_add(0, at, len)));
}

uint32_t checksum_add(uint32_t sum, const uint8_t *at, size_t len)
{
	uint64_t wide = sum;

	for (; len > 1; at += 2, len -= 2)
		wide += get_u16(at);
	if (len)
		wide += (uint32_t)(*at << 8);
	while (wide >> 32)
		wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)wide;
}

uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

bool checksum_ok(const uint8_t *at, size_t len)
{
	return checksum_fold(checksum_add(0, at, len)) == 0;
}

uint16_t checksum_update(uint16_t checksum, uint16_t old, uint16_t new)
{
	return checksum_fold((uint32_t)(uint16_t)~checksum + (uint16_t)~old + new);
}

uint16_t checksum_transport(const struct ipv4 *ip, const uint8_t *segment, size_t len)
{
	uint8_t pseudo[12];
	uint16_t sum;

	put_u32(pseudo, ip_to_v4(&ip->src));
	put_u32(pseudo + 4, ip_to_v4(&ip->dst));
	pseudo[8] = 0;
	pseudo[9] = ip->proto;
	put_u16(pseudo + 10, (uint16_t)len);
	sum = checksum_fold(checksum_add(checksum_add(0, pseudo, sizeof(pseudo)), segment, len));
	/* In UDP zero means that there is none. */
	return sum == 0 && ip->proto == PROTO_UDP ? 0xffff : sum;
}
