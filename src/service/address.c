/* SPDX-License-Identifier: Apache-2.0 */
#include "service/address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uthash.h>

#include "base/mem.h"
#include "store/subnets.h"

struct cursor {
	uint32_t subnet;
	struct ip next;
	UT_hash_handle hh;
};

typedef unsigned __int128 number;

static number number_of(const struct ip *ip)
{
	number n = 0;

	for (size_t i = 0; i < sizeof(ip->b); i++)
		n = n << 8 | ip->b[i];
	return n;
}

static struct ip ip_of(number n)
{
	struct ip ip;

	for (size_t i = sizeof(ip.b); i-- > 0; n >>= 8)
		ip.b[i] = (uint8_t)n;
	return ip;
}

static void fill_random(void *p, size_t size)
{
	if (getrandom(p, size, 0) != (ssize_t)size)
		abort();
}

static struct cursor *find_cursor(struct service *s, uint32_t subnet, const struct pool *pools, size_t n)
{
	struct cursor *c;
	number total = 0, offset;

	HASH_FIND(hh, s->cursors, &subnet, sizeof(subnet), c);
	if (c)
		return c;
	c = xcalloc(1, sizeof(*c));
	c->subnet = subnet;
	for (size_t i = 0; i < n; i++)
		total += number_of(&pools[i].last) - number_of(&pools[i].first) + 1;
	fill_random(&offset, sizeof(offset));
	offset = total ? offset % total : 0;
	for (size_t i = 0; i < n; i++) {
		number size = number_of(&pools[i].last) - number_of(&pools[i].first) + 1;

		if (offset < size) {
			c->next = ip_of(number_of(&pools[i].first) + offset);
			break;
		}
		offset -= size;
	}
	HASH_ADD(hh, s->cursors, subnet, sizeof(c->subnet), c);
	return c;
}

/* Takes the first free address from `from` to `last`: 1, or 0 when there is none. */
static int take_first(struct tx *tx, struct cursor *c, const struct ip *from, const struct ip *last, uint32_t port,
		      int place, struct ip *ret, struct err *err)
{
	struct ip ip;
	int r;

	if (ip_cmp(from, last) > 0)
		return 0;
	if ((r = subnets_gap(tx->db, c->subnet, from, last, &ip, err)) <= 0)
		return r;
	if ((r = subnets_take(tx->db, c->subnet, &ip, port, place, err)) <= 0)
		return r;
	c->next = ip_of(number_of(&ip) + 1);
	*ret = ip;
	return 1;
}

int address_allocate(struct tx *tx, uint32_t subnet, uint32_t port, int place, struct ip *ret, struct err *err)
{
	struct pool pools[SUBNET_MAX_POOLS];
	int n = subnets_pools(tx->db, subnet, pools, err), r = 0;
	struct cursor *c;
	struct ip cursor;

	if (n <= 0)
		return n;
	c = find_cursor(tx->service, subnet, pools, (size_t)n);
	cursor = c->next;
	/* From the cursor to the end of the pools, then from their start to the cursor. */
	for (int i = 0; i < n && r == 0; i++) {
		const struct ip *from = ip_cmp(&cursor, &pools[i].first) > 0 ? &cursor : &pools[i].first;

		r = take_first(tx, c, from, &pools[i].last, port, place, ret, err);
	}
	for (int i = 0; i < n && r == 0; i++) {
		const struct ip *last = ip_cmp(&cursor, &pools[i].last) < 0 ? &cursor : &pools[i].last;

		r = take_first(tx, c, &pools[i].first, last, port, place, ret, err);
	}
	return r;
}

void address_forget(struct service *s, uint32_t subnet)
{
	struct cursor *c;

	HASH_FIND(hh, s->cursors, &subnet, sizeof(subnet), c);
	if (c) {
		HASH_DEL(s->cursors, c);
		free(c);
	}
}

void address_close(struct service *s)
{
	struct cursor *c, *tmp;

	HASH_ITER (hh, s->cursors, c, tmp) {
		HASH_DEL(s->cursors, c);
		free(c);
	}
}

static size_t fixed_octets(const struct mac *base)
{
	return base->b[3] ? 4 : 3;
}

void address_random_mac(const struct mac *base, struct mac *ret)
{
	size_t fixed = fixed_octets(base);

	*ret = *base;
	fill_random(ret->b + fixed, sizeof(ret->b) - fixed);
}

bool address_mac_under(const struct mac *base, const struct mac *mac)
{
	return memcmp(base->b, mac->b, fixed_octets(base)) == 0;
}
