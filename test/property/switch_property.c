/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/json.h"
#include "base/mem.h"
#include "cloud.h"
#include "compile/compile.h"
#include "driver/ovs/flowset.h"
#include "driver/ovs/tables.h"
#include "property.h"

/*
 * A switch that takes what the flow set says is due, in pieces, refuses some, loses connections in the middle, and
 * holds flows of others: whatever happened on the way, in the end it has what the plan alone wants of the records that
 * it did not refuse, and the others' flows.
 */

#define HOST 1
#define STEPS 12
#define THEIRS 0x1234
#define NOTHING 16

struct key {
	uint16_t priority;
	uint8_t table;
	uint8_t match[FLOW_MATCH_MAX];
};

struct place {
	struct key key;
	struct flow flow;
	UT_hash_handle hh;
};

struct box {
	struct rng *r;
	struct place *places; /* the switch's */
	uint32_t bad; /* flows with a cookie that is this, modulo 16, are refused: those of some records */
	struct pipeline_world world;
	uint32_t without; /* ports that are this, modulo 3, have no device */
	struct flowset *set;
};

static uint32_t ofport(uint32_t port, void *arg)
{
	const struct box *b = arg;

	return port % 3 == b->without ? 0 : port;
}

/* ------------------------------------------------------------------ the switch */

static struct key key_of(const struct flow *f)
{
	struct key key;

	memset(&key, 0, sizeof(key));
	key.priority = f->priority;
	key.table = f->table;
	memcpy(key.match, f->match, f->match_len);
	return key;
}

static struct place *place_of(const struct box *b, const struct flow *f)
{
	struct key key = key_of(f);
	struct place *p;

	HASH_FIND(hh, b->places, &key, sizeof(key), p);
	return p;
}

static void remove_place(struct box *b, struct place *p)
{
	HASH_DEL(b->places, p);
	flow_fini(&p->flow);
	free(p);
}

static void add_flow(struct box *b, const struct flow *f, uint64_t cookie)
{
	struct place *p = place_of(b, f);

	if (p)
		remove_place(b, p);
	p = xcalloc(1, sizeof(*p));
	p->key = key_of(f);
	flow_copy(&p->flow, f);
	p->flow.cookie = cookie;
	HASH_ADD(hh, b->places, key, sizeof(p->key), p);
}

static void carry_out(struct box *b, const struct flow_mod *mods, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct place *p = place_of(b, mods[i].flow);

		if (mods[i].op != FLOW_DELETE)
			add_flow(b, mods[i].flow, mods[i].flow->cookie);
		else if (p && p->flow.cookie == mods[i].flow->cookie)
			remove_place(b, p);
	}
}

/* Sets and what is always there are never refused. */
static bool is_refused(const struct box *b, const struct flow_mod *mod)
{
	uint64_t cookie = mod->flow->cookie;
	unsigned what = (cookie >> 32) & 0xff;

	return mod->op != FLOW_DELETE && what > 0 && what < 0x80 && cookie % 16 == b->bad;
}

/* ------------------------------------------------------------------ what a driver does */

static void dump(struct box *b)
{
	flowset_dump_begin(b->set);
	for (const struct place *p = b->places; p; p = p->hh.next)
		flowset_found(b->set, &p->flow);
}

static void note_origin(const struct flowset_origin *o, const struct flow *wanted, void *arg)
{
	struct flowset_origin *ret = arg;

	(void)wanted;
	*ret = *o;
}

static void settle_conflicts(struct box *b)
{
	while (flowset_n_conflicts(b->set) > 0) {
		struct flowset_origin o;

		flowset_conflicts(b->set, note_origin, &o);
		if (o.kind == ORIGIN_RECORD)
			flowset_del(b->set, &o.record);
		else
			flowset_set_aside(b->set, &o);
	}
}

/* False: the connection has ended. */
static bool send_batch(struct box *b)
{
	struct flowset_origin refused;
	bool any = false;
	size_t n;
	const struct flow_mod *mods =
		flowset_begin(b->set, rng_chance(b->r, 50) ? SIZE_MAX : 1 + rng_below(b->r, 40), &n);

	for (size_t i = 0; i < n && !any; i++)
		any = is_refused(b, &mods[i]) && flowset_whose(b->set, i, &refused);
	if (any) {
		flowset_end(b->set, false);
		flowset_del(b->set, &refused.record);
		return true;
	}
	if (rng_chance(b->r, 10)) {
		if (rng_chance(b->r, 50))
			carry_out(b, mods, n); /* but nobody hears of it */
		flowset_end(b->set, false);
		return false;
	}
	carry_out(b, mods, n);
	flowset_end(b->set, true);
	return true;
}

static void work(struct box *b)
{
	settle_conflicts(b);
	while (flowset_due(b->set) > 0) {
		if (!send_batch(b))
			dump(b);
		settle_conflicts(b);
	}
}

/* ------------------------------------------------------------------ what happens */

static struct plan *plan_of(const struct cloud *c)
{
	struct model *m = cloud_model(c, HOST);
	struct plan *p = compile_all(m);

	model_free(m);
	return p;
}

static void change_plan(struct box *b, struct cloud *cloud, struct plan **plan)
{
	_cleanup_(plan_freep) struct plan *old = take(plan);
	struct plan_changes changes;

	for (uint32_t n = 1 + rng_below(b->r, 4); n > 0; n--)
		cloud_change(cloud, b->r);
	*plan = plan_of(cloud);
	if (rng_chance(b->r, 20)) {
		flowset_sync(b->set, *plan);
		return;
	}
	plan_diff(old, *plan, &changes);
	flowset_apply(b->set, &changes);
	plan_changes_fini(&changes);
}

/* Somebody else writes into the switch, or takes from it; the next dump shows it. */
static void meddle(struct box *b)
{
	struct place *p, *tmp;

	HASH_ITER (hh, b->places, p, tmp) {
		struct flow f;

		if (!rng_chance(b->r, 3))
			continue;
		flow_copy(&f, &p->flow);
		if (rng_chance(b->r, 50))
			remove_place(b, p);
		else if (f.cookie != THEIRS)
			add_flow(b, &f, rng_chance(b->r, 30) ? THEIRS : f.cookie ^ 1);
		flow_fini(&f);
	}
	dump(b);
}

static void step(struct box *b, struct cloud *cloud, struct plan **plan)
{
	change_plan(b, cloud, plan);
	if (rng_chance(b->r, 30)) {
		b->without = rng_below(b->r, 4);
		flowset_renew(b->set);
	}
	if (rng_chance(b->r, 20))
		meddle(b);
	if (rng_chance(b->r, 70))
		work(b);
}

/* ------------------------------------------------------------------ in the end */

static void forget_theirs(struct box *b)
{
	struct place *p, *tmp;

	HASH_ITER (hh, b->places, p, tmp)
		if (p->flow.cookie == THEIRS)
			remove_place(b, p);
}

static size_t count_theirs(const struct box *b)
{
	size_t n = 0;

	for (const struct place *p = b->places; p; p = p->hh.next)
		n += p->flow.cookie == THEIRS;
	return n;
}

static void on_difference(enum flowset_difference what, const struct flowset_origin *o, const struct flow *f, void *arg)
{
	static const char *const words[] = { "missing", "different", "too much" };
	_cleanup_(utstring_freep) UT_string *text = NULL;

	(void)o;
	utstring_new(text);
	flow_format(f, text);
	complain(arg, "%s: %s", words[what], utstring_body(text));
}

/* Then they are gone, and nothing is refused any more: a set made anew finds nothing to do. */
static void check(struct box *b, const struct plan *plan, struct complaint *c)
{
	struct flowset *anew = flowset_new(&b->world), *own;
	size_t theirs = count_theirs(b);

	work(b);
	if (count_theirs(b) != theirs)
		complain(c, "%zu flows of others became %zu", theirs, count_theirs(b));
	forget_theirs(b);
	b->bad = NOTHING;
	dump(b);
	flowset_sync(b->set, plan);
	work(b);
	flowset_sync(anew, plan);
	own = b->set;
	b->set = anew;
	dump(b);
	b->set = own;
	flowset_differences(anew, on_difference, c);
	flowset_free(anew);
}

void property_switch(struct rng *r, struct complaint *c)
{
	struct box b = { .r = r, .bad = rng_below(r, 16), .without = rng_below(r, 4) };
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct place *p, *tmp;
	struct cloud cloud;

	b.world = (struct pipeline_world) { .tunnel_ofport = 1, .ofport = ofport, .arg = &b };
	b.set = flowset_new(&b.world);
	cloud_make(&cloud, r);
	plan = plan_of(&cloud);
	flowset_sync(b.set, plan);
	for (int i = 0; i < STEPS; i++)
		step(&b, &cloud, &plan);
	check(&b, plan, c);
	flowset_free(b.set);
	HASH_ITER (hh, b.places, p, tmp)
		remove_place(&b, p);
}
