/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compile/compile.h"
#include "differ.h"
#include "property/cloud.h"

/* The plan of a host in a random cloud, with oddities. */

#define HOST 1
#define NO_NETWORK 77 /* without segment, and without anything */
#define NO_HOST 99
#define TRIES 6 /* for a plan in which something is to do */

static void collect(const struct plan_record *r, void *arg)
{
	struct records *s = arg;

	s->items = xrealloc(s->items, (s->n + 1) * sizeof(*s->items));
	s->items[s->n++] = r;
}

struct records records_of(const struct plan *p, enum plan_table table)
{
	struct records s = { 0 };

	plan_each(p, table, collect, &s);
	return s;
}

void records_fini(struct records *r)
{
	free(r->items);
	memset(r, 0, sizeof(*r));
}

const struct plan_record *records_pick(const struct records *s, struct rng *r)
{
	return s->n ? s->items[rng_below(r, (uint32_t)s->n)] : NULL;
}

/* A copy of one of the table's records; false: it has none. */
static bool pick(const struct plan *p, enum plan_table table, struct rng *r, struct plan_record *ret)
{
	struct records all = records_of(p, table);
	const struct plan_record *found = records_pick(&all, r);

	if (found)
		*ret = *found;
	records_fini(&all);
	return found;
}

static struct prefix parsed(const char *text)
{
	struct prefix p;

	memset(&p, 0, sizeof(p));
	prefix_parse(text, &p);
	return p;
}

/* Wide, of the other family, or with the last word of an address that somebody has. */
static struct prefix odd_prefix(const struct plan *p, struct rng *r)
{
	static const char *const prefixes[] = { "::/0",          "0.0.0.0/0",   "10.0.0.0/8",    "::/64",
						"2001:db8::/32", "10.0.1.0/25", "2001:db8::a:1", "::ffff:0:0/95",
						"0.0.0.0",       "224.0.0.0/4" };
	struct prefix like = parsed("2001:db8::");
	struct plan_record n;

	if (rng_chance(r, 70) || !pick(p, PLAN_NEIGHBOUR, r, &n))
		return parsed(prefixes[rng_below(r, N_ELEMENTS(prefixes))]);
	if (rng_chance(r, 50))
		memcpy(like.addr.b + 12, n.neighbour.key.ip.b + 12, 4);
	else
		like.addr = n.neighbour.key.ip;
	return like;
}

static void odd_port(struct plan *p, struct rng *r)
{
	struct plan_record record, other;

	if (!pick(p, PLAN_PORT, r, &record))
		return;
	for (uint32_t n = 1 + rng_below(r, 3); n > 0 && record.port.n_addrs < PLAN_PORT_ADDRS; n--) {
		struct plan_port_addr *a = &record.port.addrs[record.port.n_addrs++];

		a->mac = record.port.mac;
		if (rng_chance(r, 25))
			a->mac = (struct mac) { { 0, 0, 0x5e, 0, 1, (uint8_t)rng_below(r, 3) } };
		else if (rng_chance(r, 10) && pick(p, PLAN_FDB, r, &other))
			a->mac = other.fdb.key.mac;
		a->prefix = odd_prefix(p, r);
	}
	record.port.security = !rng_chance(r, 20);
	record.port.up = !rng_chance(r, 10);
	plan_record_normalize(&record);
	plan_set(p, &record);
}

static void odd_subnet(struct plan *p, struct rng *r)
{
	struct plan_record record = PLAN_RECORD(PLAN_SUBNET), iface;

	if (!pick(p, PLAN_INTERFACE, r, &iface))
		return;
	record.subnet.key.network = iface.interface.key.network;
	record.subnet.key.prefix = odd_prefix(p, r);
	record.subnet.mac = iface.interface.key.mac;
	plan_set(p, &record);
}

/* To a network of the part, so that it may come back to it, or to one that is not there. */
static void odd_route(struct plan *p, struct rng *r)
{
	struct plan_record record = PLAN_RECORD(PLAN_ROUTE), in, out;

	if (!pick(p, PLAN_INTERFACE, r, &in) || !pick(p, PLAN_INTERFACE, r, &out))
		return;
	record.route.key.part = in.interface.part;
	record.route.key.prefix = odd_prefix(p, r);
	record.route.network = rng_chance(r, 15) ? NO_NETWORK : out.interface.key.network;
	record.route.interface = out.interface.key.mac;
	plan_set(p, &record);
}

static bool is_interface_address(const struct plan *p, const struct ip *ip)
{
	struct records all = records_of(p, PLAN_INTERFACE);
	bool found = false;

	for (size_t i = 0; i < all.n; i++)
		for (uint8_t n = 0; n < all.items[i]->interface.n_addrs; n++)
			found |= ip_equal(&all.items[i]->interface.addrs[n].addr, ip);
	records_fini(&all);
	return found;
}

/* An address of somewhere, by a router (also one that sends it back), a station, or nobody. */
static void odd_neighbour(struct plan *p, struct rng *r)
{
	struct plan_record record = PLAN_RECORD(PLAN_NEIGHBOUR), iface, from, to;

	if (!pick(p, PLAN_INTERFACE, r, &iface) || !pick(p, PLAN_NEIGHBOUR, r, &from))
		return;
	record.neighbour.key.network = iface.interface.key.network;
	record.neighbour.key.ip = from.neighbour.key.ip;
	if (rng_chance(r, 30))
		record.neighbour.key.ip.b[15] = 255;
	record.neighbour.mac = iface.interface.key.mac;
	if (rng_chance(r, 30) && pick(p, PLAN_FDB, r, &to) && to.fdb.key.network == record.neighbour.key.network)
		record.neighbour.mac = to.fdb.key.mac;
	else if (rng_chance(r, 20))
		record.neighbour.mac.b[5] ^= 0x80;
	if (!is_interface_address(p, &record.neighbour.key.ip))
		plan_set(p, &record);
}

static void odd_interface(struct plan *p, struct rng *r)
{
	struct plan_record record;

	if (!pick(p, PLAN_INTERFACE, r, &record))
		return;
	if (rng_chance(r, 50))
		record.interface.addrs[record.interface.n_addrs++] =
			parsed(rng_chance(r, 50) ? "::a:1/64" : "2001:db8::1");
	if (rng_chance(r, 20))
		record.interface.n_addrs = 0;
	if (rng_chance(r, 20))
		record.interface.up = !record.interface.up;
	plan_record_normalize(&record);
	plan_set(p, &record);
}

static void odd_segment(struct plan *p, struct rng *r)
{
	static const uint32_t mtus[] = { 68, 576, 1300, 1399, 1400, 1500 };
	struct plan_record record;

	if (!pick(p, PLAN_SEGMENT, r, &record))
		return;
	record.segment.mtu = mtus[rng_below(r, N_ELEMENTS(mtus))];
	plan_set(p, &record);
}

static void odd_place(struct plan *p, struct rng *r)
{
	struct plan_record record, flood = PLAN_RECORD(PLAN_FLOOD);

	if (!pick(p, PLAN_FDB, r, &record))
		return;
	flood.flood.key.network = record.fdb.key.network;
	flood.flood.key.host = NO_HOST;
	if (rng_chance(r, 30))
		plan_set(p, &flood);
	if (rng_chance(r, 50)) {
		record.fdb.port = 0;
		record.fdb.peer = rng_chance(r, 20) ? NO_HOST : 2 + rng_below(r, 4);
	}
	if (rng_chance(r, 50))
		record.fdb.next = 2 + rng_below(r, 4);
	plan_set(p, &record);
}

/* As in the middle of a change. */
static void without_one(struct plan *p, struct rng *r)
{
	struct plan_record record;

	if (pick(p, (enum plan_table)(PLAN_PEER + rng_below(r, PLAN_N_TABLES - PLAN_PEER)), r, &record))
		plan_del(p, &record);
}

/* Of host 1, which may have nothing. */
static struct plan *cloud_plan(struct rng *r)
{
	struct cloud c;
	struct model *m;
	struct plan *p;

	cloud_make(&c, r);
	for (uint32_t n = rng_below(r, 8); n > 0; n--)
		cloud_change(&c, r);
	m = cloud_model(&c, HOST);
	p = compile_all(m);
	model_free(m);
	return p;
}

void differ_change(struct plan *p, struct rng *r)
{
	static void (*const oddities[])(struct plan *, struct rng *) = {
		odd_port,      odd_port,      odd_subnet,  odd_route, odd_route,
		odd_neighbour, odd_interface, odd_segment, odd_place, without_one,
	};

	oddities[rng_below(r, N_ELEMENTS(oddities))](p, r);
}

struct plan *differ_plan(struct rng *r)
{
	struct plan *p = cloud_plan(r);

	for (int i = 0; i < TRIES && (plan_count(p, PLAN_PORT) < 2 || !plan_count(p, PLAN_INTERFACE)); i++) {
		plan_free(p);
		p = cloud_plan(r);
	}
	for (uint32_t n = rng_below(r, 8); n > 0; n--)
		differ_change(p, r);
	return p;
}
