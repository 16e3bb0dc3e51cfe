/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_head[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

int ip_parse(const char *text, struct ip *ret)
{
	struct ip ip;

	if (strchr(text, ':')) {
		if (inet_pton(AF_INET6, text, ip.b) != 1)
			return -EINVAL;
	} else {
		memcpy(ip.b, v4_head, sizeof(v4_head));
		if (inet_pton(AF_INET, text, ip.b + 12) != 1)
			return -EINVAL;
	}
	*ret = ip;
	return 0;
}

static char *put_number(char *p, unsigned n)
{
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_SIZE])
{
	char *p = text;

	if (!ip_is_v4(ip)) {
		inet_ntop(AF_INET6, ip->b, text, IP_TEXT_SIZE);
		return text;
	}
	for (int i = 12; i < 16; i++) {
		p = put_number(p, ip->b[i]);
		*p++ = i < 15 ? '.' : '\0';
	}
	return text;
}

struct ip ip_from_v4(uint32_t host_order)
{
	uint32_t be = htonl(host_order);

	return ip_from_bytes(4, &be);
}

uint32_t ip_to_v4(const struct ip *ip)
{
	uint32_t be;

	memcpy(&be, ip->b + 12, sizeof(be));
	return ntohl(be);
}

struct ip ip_from_bytes(int version, const void *bytes)
{
	struct ip ip;

	if (version == 4) {
		memcpy(ip.b, v4_head, sizeof(v4_head));
		memcpy(ip.b + 12, bytes, 4);
	} else {
		memcpy(ip.b, bytes, 16);
	}
	return ip;
}

bool ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, v4_head, sizeof(v4_head)) == 0;
}

int ip_version(const struct ip *ip)
{
	return ip_is_v4(ip) ? 4 : 6;
}

bool ip_is_zero(const struct ip *ip)
{
	static const uint8_t zero[16];

	if (ip_is_v4(ip))
		return memcmp(ip->b + 12, zero, 4) == 0;
	return memcmp(ip->b, zero, 16) == 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	return memcmp(a, b, sizeof(*a));
}

bool ip_is_group(const struct ip *ip)
{
	static const uint8_t ones[4] = { 0xff, 0xff, 0xff, 0xff };

	if (ip_is_v4(ip))
		return (ip->b[12] & 0xf0) == 0xe0 || memcmp(ip->b + 12, ones, 4) == 0;
	return ip->b[0] == 0xff;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	char addr[IP_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix p;
	int bits;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (ip_parse(addr, &p.addr) < 0)
		return -EINVAL;
	bits = strchr(addr, ':') ? 128 : 32;
	p.len = 128;
	if (slash) {
		char *end;
		unsigned long len;

		/* Digits only: strtoul alone would take blanks and signs. */
		if (slash[1] < '0' || slash[1] > '9' || strlen(slash + 1) > 3)
			return -EINVAL;
		len = strtoul(slash + 1, &end, 10);
		if (*end || len > (unsigned long)bits)
			return -EINVAL;
		p.len = (uint8_t)(128 - bits + (int)len);
	}
	*ret = p;
	return 0;
}

const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_SIZE])
{
	char *end;

	ip_format(&p->addr, text);
	end = text + strlen(text);
	*end++ = '/';
	*put_number(end, (unsigned)prefix_family_len(p)) = '\0';
	return text;
}

struct prefix prefix_host(const struct ip *ip)
{
	return (struct prefix) { .addr = *ip, .len = 128 };
}

struct prefix prefix_canonical(const struct prefix *p)
{
	struct prefix c = *p;

	for (int bit = p->len; bit < 128; bit++)
		c.addr.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return c;
}

bool prefix_is_canonical(const struct prefix *p)
{
	struct prefix c = prefix_canonical(p);

	return prefix_equal(&c, p);
}

int prefix_version(const struct prefix *p)
{
	return ip_is_v4(&p->addr) && p->len >= IP_V4_BITS ? 4 : 6;
}

/* ::/0 has all of IPv6, and nothing of what is mapped into it. */
bool prefix_contains(const struct prefix *p, const struct ip *ip)
{
	int whole = p->len / 8, rest = p->len % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (prefix_version(p) != ip_version(ip))
		return false;
	if (memcmp(p->addr.b, ip->b, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ ip->b[whole]) & mask) == 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	if (prefix_version(a) != prefix_version(b))
		return false;
	return a->len <= b->len ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && ip_equal(&a->addr, &b->addr);
}

int prefix_family_len(const struct prefix *p)
{
	return prefix_version(p) == 4 ? p->len - IP_V4_BITS : p->len;
}
