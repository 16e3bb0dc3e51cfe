/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * packet: Ethernet, ARP, IPv4 and ICMP headers read from bytes and written to them.
 *
 * Reading checks everything that a header says about lengths against the bytes that are there;
 * after it returned 0 the header's bytes and its payload (`total` for IPv4) can be used. Numbers
 * are in host order. Nothing here allocates.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/mac.h"

#define ETH_SIZE 14
#define ARP_SIZE 28 /* for Ethernet and IPv4 */
#define IPV4_SIZE 20 /* without options */
#define ICMP_SIZE 8
#define UDP_SIZE 8
#define TCP_SIZE 20
#define FRAME_MAX 65549 /* the longest frame handled: an IPv4 packet of 65535 bytes */

#define ETHERTYPE_V4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_TAG 0x8100
#define ETHERTYPE_STAG 0x88a8
#define ETHERTYPE_V6 0x86dd

#define ARP_REQUEST 1
#define ARP_REPLY 2

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17

#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT 5
#define ICMP_ECHO 8
#define ICMP_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP_NET_UNREACHABLE 0 /* codes of ICMP_UNREACHABLE */
#define ICMP_FRAG_NEEDED 4

struct eth {
	struct mac dst, src;
	uint16_t type;
};

struct arp {
	uint16_t op;
	struct mac sender_mac, target_mac;
	struct ip sender, target;
};

struct ipv4 {
	uint8_t tos;
	uint8_t ttl;
	uint8_t proto;
	bool dont_fragment;
	bool more_fragments;
	uint16_t id;
	uint16_t offset; /* of a fragment, in bytes */
	uint16_t size; /* of the header: 20 to 60 */
	uint16_t total; /* with the header */
	struct ip src, dst;
};

struct icmp {
	uint8_t type, code;
	uint32_t rest; /* second word: id and sequence, or the next hop's MTU in the low half */
};

static inline uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put_u16(uint8_t *at, uint16_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static inline uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)get_u16(at) << 16 | get_u16(at + 2);
}

static inline void put_u32(uint8_t *at, uint32_t n)
{
	put_u16(at, (uint16_t)(n >> 16));
	put_u16(at + 2, (uint16_t)n);
}

/* Each reads one header at `at`, of which `len` bytes are there. -EINVAL: cut short, or it contradicts itself. */
int eth_read(const uint8_t *at, size_t len, struct eth *ret);
int arp_read(const uint8_t *at, size_t len, struct arp *ret); /* IPv4 on Ethernet, request or reply; else -EINVAL */
int ipv4_read(const uint8_t *at, size_t len, struct ipv4 *ret); /* the header's checksum is another matter */
int icmp_read(const uint8_t *at, size_t len, struct icmp *ret);

/* Each writes a header of the size above. IPv4: the checksum too; ICMP: over `len` bytes, header and payload. */
void eth_write(uint8_t *at, const struct eth *eth);
void arp_write(uint8_t *at, const struct arp *arp);
void ipv4_write(uint8_t *at, const struct ipv4 *ip);
void icmp_write(uint8_t *at, size_t len, const struct icmp *icmp);

/* The Internet checksum (RFC 1071): of bytes, starting from an earlier sum; fold ends it. */
uint32_t checksum_add(uint32_t sum, const uint8_t *at, size_t len); /* pieces but the last of even length */
uint16_t checksum_fold(uint32_t sum); /* in host order, as get_u16() reads it */
bool checksum_ok(const uint8_t *at, size_t len); /* bytes that hold their own checksum */
/* RFC 1624: what a checksum becomes when a 16-bit word under it changes. */
uint16_t checksum_update(uint16_t checksum, uint16_t old, uint16_t new);
/* Over a UDP or TCP segment with its pseudo header; its checksum field must be zero. */
uint16_t checksum_transport(const struct ipv4 *ip, const uint8_t *segment, size_t len);
