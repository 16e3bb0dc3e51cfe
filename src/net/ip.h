/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ip: an address of either family as one 16-byte value in network byte order. IPv4 is
 * IPv4-mapped (::ffff:a.b.c.d), so that what holds for one family is written once.
 *
 * A prefix counts its length in this 128-bit space: 10.0.1.0/24 has len 96 + 24. Text is
 * the family's own: "10.0.1.0/24", "2001:db8::/64".
 */

#include <stdbool.h>
#include <stdint.h>

#define IP_TEXT_SIZE 46
#define PREFIX_TEXT_SIZE 50
#define IP_V4_BITS 96 /* bits in front of an IPv4 address */

struct ip {
	uint8_t b[16];
};

struct prefix {
	struct ip addr;
	uint8_t len; /* 0..128 */
};

/* Strict text (inet_pton), no zone. -EINVAL otherwise. */
int ip_parse(const char *text, struct ip *ret);
const char *ip_format(const struct ip *ip, char text[IP_TEXT_SIZE]);
struct ip ip_from_v4(uint32_t host_order);
uint32_t ip_to_v4(const struct ip *ip); /* host byte order; only where ip_is_v4() */
struct ip ip_from_bytes(int version, const void *bytes); /* 4 or 16 bytes in network order */
bool ip_is_v4(const struct ip *ip);
int ip_version(const struct ip *ip); /* 4 or 6 */
bool ip_is_zero(const struct ip *ip); /* ::, and 0.0.0.0 mapped */
bool ip_equal(const struct ip *a, const struct ip *b);
int ip_cmp(const struct ip *a, const struct ip *b);
/* group: multicast of either family and 255.255.255.255 */
bool ip_is_group(const struct ip *ip);

/* "ADDR/LEN" or "ADDR" (a host). Bits after the prefix are kept; see prefix_is_canonical(). -EINVAL otherwise. */
int prefix_parse(const char *text, struct prefix *ret);
const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_SIZE]);
struct prefix prefix_host(const struct ip *ip); /* the /128 (an IPv4 /32) */
struct prefix prefix_canonical(const struct prefix *p); /* bits after the prefix cleared */
bool prefix_is_canonical(const struct prefix *p);
int prefix_version(const struct prefix *p); /* 4 or 6 */
/* Within one family only. */
bool prefix_contains(const struct prefix *p, const struct ip *ip);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
int prefix_family_len(const struct prefix *p); /* the length that people read: 24, 64 */
