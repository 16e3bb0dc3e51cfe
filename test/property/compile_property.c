/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "property.h"

/*
 * Any sequence of changes to a model, compiled change by change, gives the plan that is compiled at once. Objects
 * are random and mostly fit together badly: what they refer to is missing, of another network, or there twice.
 */

#define NUMBERS 5 /* of each kind */
#define STEPS 60

static uint32_t num(struct rng *r)
{
	return 1 + rng_below(r, NUMBERS);
}

static struct mac random_mac(struct rng *r)
{
	return (struct mac) { { 0xfa, 0x16, 0x3e, 0, 0, (uint8_t)rng_below(r, 6) } };
}

static struct ip random_ip(struct rng *r)
{
	return ip_from_v4(0x0a000000 + (rng_below(r, 2) << 8) + rng_below(r, 5));
}

static struct prefix random_subnet(struct rng *r)
{
	struct ip ip = random_ip(r);
	struct prefix p = prefix_host(&ip);

	p.len = (uint8_t)(IP_V4_BITS + (rng_chance(r, 80) ? 24 : 16));
	return p;
}

static void random_unit_members(struct rng *r, struct object *o)
{
	struct prefix p;

	switch ((enum object_kind)o->id.kind) {
	case OBJECT_HOST:
	case OBJECT_PEER:
		snprintf(o->host.name, sizeof(o->host.name), "host%u", o->id.a);
		if (rng_chance(r, 85))
			o->host.tunnel = ip_from_v4(0xc0000200 + num(r));
		o->host.dvr_mac = random_mac(r);
		break;
	case OBJECT_NETWORK:
		snprintf(o->network.type, sizeof(o->network.type), "%s", rng_chance(r, 85) ? "vxlan" : "vlan");
		o->network.segmentation_id = rng_below(r, 4);
		o->network.mtu = 1400 + rng_below(r, 3);
		break;
	case OBJECT_SUBNET:
		o->subnet.network = num(r);
		p = random_subnet(r);
		o->subnet.cidr = prefix_canonical(&p);
		if (rng_chance(r, 80))
			o->subnet.gateway = random_ip(r);
		break;
	case OBJECT_ROUTER:
		o->router.admin_state_up = rng_chance(r, 70);
		o->router.distributed = rng_chance(r, 90);
		break;
	case OBJECT_ENDPOINT:
	case OBJECT_PORT:
	case OBJECT_INTERFACE:
	case OBJECT_MEMBER:
		break;
	}
}

static void random_port_members(struct rng *r, struct object *o)
{
	if (o->id.kind == OBJECT_ENDPOINT) {
		o->endpoint.network = num(r);
		o->endpoint.host = rng_below(r, 4);
		o->endpoint.next = rng_chance(r, 30) ? num(r) : 0;
		o->endpoint.mac = random_mac(r);
		for (o->endpoint.n_ips = 0; o->endpoint.n_ips < rng_below(r, 4); o->endpoint.n_ips++)
			o->endpoint.ips[o->endpoint.n_ips] = random_ip(r);
	} else if (o->id.kind == OBJECT_PORT) {
		o->port.network = num(r);
		o->port.mac = random_mac(r);
		o->port.admin_state_up = rng_chance(r, 80);
		o->port.port_security = rng_chance(r, 80);
		for (o->port.n_addrs = 0; o->port.n_addrs < rng_below(r, 4); o->port.n_addrs++) {
			o->port.addrs[o->port.n_addrs].mac = random_mac(r);
			o->port.addrs[o->port.n_addrs].prefix = random_subnet(r);
		}
	} else if (o->id.kind == OBJECT_INTERFACE) {
		o->interface.router = num(r);
		o->interface.network = num(r);
		o->interface.mac = random_mac(r);
		o->interface.admin_state_up = rng_chance(r, 80);
		for (o->interface.n_addrs = 0; o->interface.n_addrs < rng_below(r, 4); o->interface.n_addrs++)
			o->interface.addrs[o->interface.n_addrs] = random_subnet(r);
	}
}

static struct object random_object(struct rng *r)
{
	enum object_kind kind = (enum object_kind)rng_below(r, N_OBJECT_KINDS);
	/* Hardly ever a second host object: a model is for one host. */
	uint32_t a = kind == OBJECT_HOST && rng_chance(r, 90) ? 1 : num(r), b = kind == OBJECT_MEMBER ? num(r) : 0;
	struct unit unit = { (enum unit_kind)rng_below(r, N_UNIT_KINDS), num(r) };
	struct object o = object_init(kind, a, b, unit);

	random_unit_members(r, &o);
	random_port_members(r, &o);
	return o;
}

struct state {
	struct model *model;
	struct compile *compile;
	struct object_id ids[256]; /* of a unit that goes */
	size_t n_ids;
};

static void collect(const struct object *o, void *arg)
{
	struct state *s = arg;

	if (s->n_ids < N_ELEMENTS(s->ids))
		s->ids[s->n_ids++] = o->id;
}

static void random_step(struct rng *r, struct state *s)
{
	struct object o = random_object(r);

	if (rng_chance(r, 5)) {
		s->n_ids = 0;
		model_each_of_unit(s->model, &o.unit, collect, s);
		for (size_t i = 0; i < s->n_ids; i++) {
			model_del(s->model, &s->ids[i]);
			compile_touch(s->compile, &s->ids[i]);
		}
	} else if (rng_chance(r, 25)) {
		if (model_del(s->model, &o.id))
			compile_touch(s->compile, &o.id);
	} else if (model_set(s->model, &o)) {
		compile_touch(s->compile, &o.id);
	}
}

struct closed {
	const struct plan *plan;
	struct complaint *c;
};

static void must_be_there(const struct closed *closed, const struct plan_record *from, const struct plan_record *key)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	if (plan_find(closed->plan, key))
		return;
	utstring_new(text);
	plan_record_format(from, text);
	complain(closed->c, "%s leads nowhere", utstring_body(text));
}

static void check_reference(const struct plan_record *r, void *arg)
{
	struct plan_record peer = PLAN_RECORD(PLAN_PEER), port = PLAN_RECORD(PLAN_PORT);

	peer.peer.key.host = r->table == PLAN_FDB     ? r->fdb.peer
			     : r->table == PLAN_FLOOD ? r->flood.key.host
						      : r->member.key.host;
	if (peer.peer.key.host)
		must_be_there(arg, r, &peer);
	port.port.key.port = r->table == PLAN_FDB ? r->fdb.port : 0;
	if (port.port.key.port)
		must_be_there(arg, r, &port);
}

/* Every peer and port that a record names is in the plan. */
static void check_closed(const struct plan *p, struct complaint *c)
{
	struct closed closed = { p, c };

	plan_each(p, PLAN_FDB, check_reference, &closed);
	plan_each(p, PLAN_FLOOD, check_reference, &closed);
	plan_each(p, PLAN_MEMBER, check_reference, &closed);
}

static void check_step(struct state *s, struct plan *shadow, struct complaint *c)
{
	_cleanup_(plan_freep) struct plan *whole = compile_all(s->model);
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct plan_changes changes = { 0 }, diff;

	utstring_new(text);
	compile_run(s->compile, s->model, &changes);
	plan_apply(shadow, &changes);
	plan_changes_fini(&changes);
	plan_diff(compile_plan(s->compile), whole, &diff);
	plan_changes_format(&diff, text);
	if (diff.n)
		complain(c, "compiled at once, these are different:\n%s", utstring_body(text));
	plan_changes_fini(&diff);
	if (!plan_equal(shadow, compile_plan(s->compile)))
		complain(c, "the changes do not lead to the plan");
	check_closed(whole, c);
}

void property_incremental(struct rng *r, struct complaint *c)
{
	_cleanup_(plan_freep) struct plan *shadow = plan_new();
	struct state s = { .model = model_new(), .compile = compile_new() };

	for (int i = 0; i < STEPS && !c->made; i++) {
		for (uint32_t n = 1 + rng_below(r, 8); n > 0; n--)
			random_step(r, &s);
		check_step(&s, shadow, c);
	}
	compile_free(s.compile);
	model_free(s.model);
}
