/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "plan/plan.h"
#include "property.h"

/* Plans of random records: their text, and the way from one to another. */

static void random_bytes(struct rng *r, void *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)at)[i] = (uint8_t)rng_next(r);
}

/* Small numbers, so that keys meet; now and then any. */
static uint32_t random_number(struct rng *r)
{
	return rng_chance(r, 90) ? 1 + rng_below(r, 4) : (uint32_t)rng_next(r);
}

static struct mac random_mac(struct rng *r)
{
	struct mac m = { { 2, 0, 0, 0, 0, (uint8_t)rng_below(r, 4) } };

	if (rng_chance(r, 10))
		random_bytes(r, &m, sizeof(m));
	return m;
}

static struct ip random_ip(struct rng *r)
{
	struct ip ip;

	if (rng_chance(r, 80))
		return ip_from_v4(rng_chance(r, 80) ? 0x0a000100 + rng_below(r, 4) : (uint32_t)rng_next(r));
	random_bytes(r, &ip, sizeof(ip));
	return ip;
}

static struct prefix random_prefix(struct rng *r, bool net)
{
	struct prefix p;

	memset(&p, 0, sizeof(p));
	p.addr = random_ip(r);
	p.len = (uint8_t)(ip_is_v4(&p.addr) ? IP_V4_BITS + rng_below(r, 33) : rng_below(r, 129));
	return net ? prefix_canonical(&p) : p;
}

static void random_name(struct rng *r, char *name)
{
	size_t n = rng_below(r, PLAN_NAME_SIZE);

	for (size_t i = 0; i < n; i++)
		name[i] = (char)(rng_chance(r, 80) ? 'a' + (int)rng_below(r, 26) : 1 + (int)rng_below(r, 255));
}

static void random_port(struct rng *r, struct plan_port *p)
{
	p->key.port = random_number(r);
	p->network = random_number(r);
	p->mac = random_mac(r);
	p->up = rng_chance(r, 50);
	p->security = rng_chance(r, 50);
	random_bytes(r, &p->uuid, sizeof(p->uuid));
	p->n_addrs = (uint8_t)rng_below(r, rng_chance(r, 10) ? PLAN_PORT_ADDRS + 1 : 4);
	for (uint8_t i = 0; i < p->n_addrs; i++) {
		p->addrs[i].mac = rng_chance(r, 70) ? p->mac : random_mac(r);
		p->addrs[i].prefix = random_prefix(r, true);
	}
}

static void random_interface(struct rng *r, struct plan_interface *p)
{
	p->key.network = random_number(r);
	p->key.mac = random_mac(r);
	p->part.router = random_number(r);
	p->up = rng_chance(r, 50);
	random_bytes(r, &p->router_uuid, sizeof(p->router_uuid));
	p->n_addrs = (uint8_t)rng_below(r, rng_chance(r, 10) ? PLAN_IFACE_ADDRS + 1 : 3);
	for (uint8_t i = 0; i < p->n_addrs; i++)
		p->addrs[i] = random_prefix(r, false);
}

static void random_host(struct rng *r, struct plan_record *p)
{
	if (p->table == PLAN_HOST) {
		p->host.host = random_number(r);
		p->host.tunnel = random_ip(r);
		p->host.dvr_mac = random_mac(r);
		random_name(r, p->host.name);
	} else {
		p->peer.key.host = random_number(r);
		p->peer.tunnel = random_ip(r);
		p->peer.dvr_mac = random_mac(r);
		random_name(r, p->peer.name);
	}
}

static void random_small(struct rng *r, struct plan_record *p)
{
	uint32_t a = random_number(r), b = random_number(r);

	if (p->table == PLAN_MEMBER) {
		p->member.key.router = a;
		p->member.key.host = b;
	} else if (p->table == PLAN_FLOOD) {
		p->flood.key.network = a;
		p->flood.key.host = b;
	} else if (p->table == PLAN_FDB) {
		p->fdb.key.network = a;
		p->fdb.key.mac = random_mac(r);
		*(rng_chance(r, 50) ? &p->fdb.port : &p->fdb.peer) = b;
		p->fdb.next = rng_chance(r, 20) ? random_number(r) : 0;
	} else {
		p->neighbour.key.network = a;
		p->neighbour.key.ip = random_ip(r);
		p->neighbour.mac = random_mac(r);
	}
}

static struct plan_record random_record(struct rng *r)
{
	struct plan_record p = PLAN_RECORD((enum plan_table)rng_below(r, PLAN_N_TABLES));

	switch (p.table) {
	case PLAN_HOST:
	case PLAN_PEER:
		random_host(r, &p);
		break;
	case PLAN_SEGMENT:
		p.segment.key.type = rng_chance(r, 80) ? PLAN_SEGMENT_VXLAN : PLAN_SEGMENT_NONE;
		p.segment.key.id = random_number(r);
		if (rng_chance(r, 20))
			random_name(r, p.segment.key.physical_network);
		p.segment.network = random_number(r);
		p.segment.mtu = random_number(r);
		random_bytes(r, &p.segment.uuid, sizeof(p.segment.uuid));
		break;
	case PLAN_PORT:
		random_port(r, &p.port);
		break;
	case PLAN_INTERFACE:
		random_interface(r, &p.interface);
		break;
	case PLAN_SUBNET:
		p.subnet.key.network = random_number(r);
		p.subnet.key.prefix = random_prefix(r, true);
		p.subnet.mac = random_mac(r);
		break;
	case PLAN_ROUTE:
		p.route.key.part.router = random_number(r);
		p.route.key.prefix = random_prefix(r, true);
		p.route.network = random_number(r);
		p.route.interface = random_mac(r);
		break;
	case PLAN_MEMBER:
	case PLAN_FDB:
	case PLAN_NEIGHBOUR:
	case PLAN_FLOOD:
		random_small(r, &p);
		break;
	}
	plan_record_normalize(&p);
	return p;
}

struct plan *property_plan(struct rng *r)
{
	struct plan *p = plan_new();

	for (uint32_t n = rng_below(r, 60); n > 0; n--) {
		struct plan_record record = random_record(r);

		plan_set(p, &record);
	}
	return p;
}

void property_text(struct rng *r, struct complaint *c)
{
	_cleanup_(plan_freep) struct plan *p = property_plan(r), *again = NULL;
	_cleanup_(utstring_freep) UT_string *text = NULL, *text_again = NULL;
	struct err err = { 0 };

	utstring_new(text);
	utstring_new(text_again);
	plan_format(p, text);
	if (plan_parse(utstring_body(text), &again, &err) < 0) {
		complain(c, "%s\n%s", err.text, utstring_body(text));
		return;
	}
	plan_format(again, text_again);
	if (!plan_equal(p, again) || strcmp(utstring_body(text), utstring_body(text_again)) != 0)
		complain(c, "not the same:\n%s\n%s", utstring_body(text), utstring_body(text_again));
}

void property_diff(struct rng *r, struct complaint *c)
{
	_cleanup_(plan_freep) struct plan *from = property_plan(r), *to = plan_copy(from);
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct plan_changes changes;

	/* From one plan to another that shares much of it, or nothing. */
	for (uint32_t n = rng_below(r, 30); n > 0; n--) {
		struct plan_record record = random_record(r);

		if (rng_chance(r, 60))
			plan_set(to, &record);
		else
			plan_del(to, &record);
	}
	if (rng_chance(r, 10)) {
		plan_free(to);
		to = property_plan(r);
	}
	utstring_new(text);
	plan_diff(from, to, &changes);
	plan_changes_format(&changes, text);
	plan_apply(from, &changes);
	if (!plan_equal(from, to))
		complain(c, "these changes do not lead there:\n%s", utstring_body(text));
	plan_changes_fini(&changes);
	plan_diff(from, to, &changes);
	if (changes.n != 0)
		complain(c, "equal plans differ");
	plan_changes_fini(&changes);
}
