/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cloud.h"
#include "compile/compile.h"
#include "driver/ovs/flowset.h"
#include "property.h"

/*
 * The flows of a host in a random cloud:
 *   - no flow has two origins, or one twice: what a change takes away nobody else needs;
 *   - a flow's cookie is that of its record alone;
 *   - after any changes there are the flows that the plan alone would have.
 */

#define HOST 1
#define STEPS 8

struct world {
	uint32_t without; /* ports that are this, modulo 3, have no device */
};

static uint32_t ofport(uint32_t port, void *arg)
{
	const struct world *w = arg;

	return port % 3 == w->without ? 0 : port;
}

/* ------------------------------------------------------------------ origins */

struct made {
	struct flow flow;
	uint64_t cookie; /* of its origin */
};

struct all {
	const struct pipeline_world *world;
	struct complaint *c;
	struct made *made;
	size_t n;
	uint64_t cookie;
	uint64_t *cookies; /* of records */
	size_t n_cookies;
	struct pipeline_membership *in;
	size_t n_in;
};

static void add_flow(struct flow *f, void *arg)
{
	struct all *all = arg;

	all->made = xrealloc(all->made, (all->n + 1) * sizeof(*all->made));
	flow_move(&all->made[all->n].flow, f);
	all->made[all->n++].cookie = all->cookie;
}

static void add_membership(struct all *all, const struct pipeline_membership *in)
{
	for (size_t i = 0; i < all->n_in; i++)
		if (memcmp(&all->in[i], in, sizeof(*in)) == 0)
			return;
	all->in = xrealloc(all->in, (all->n_in + 1) * sizeof(*all->in));
	all->in[all->n_in++] = *in;
}

static void add_record(const struct plan_record *r, void *arg)
{
	struct pipeline_membership in[PIPELINE_MEMBERSHIPS];
	struct all *all = arg;
	size_t n = pipeline_memberships(r, in);

	all->cookie = pipeline_cookie(r);
	all->cookies = xrealloc(all->cookies, (all->n_cookies + 1) * sizeof(*all->cookies));
	all->cookies[all->n_cookies++] = all->cookie;
	pipeline_record(r, all->world, add_flow, all);
	for (size_t i = 0; i < n; i++)
		add_membership(all, &in[i]);
}

static int membership_cmp(const void *a, const void *b)
{
	const struct pipeline_membership *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->member < y->member ? -1 : x->member > y->member;
}

static void add_sets(struct all *all)
{
	_cleanup_(freep) uint32_t *members = xcalloc(all->n_in + 1, sizeof(*members));

	all->cookie = 0; /* nobody's */
	if (all->n_in)
		qsort(all->in, all->n_in, sizeof(*all->in), membership_cmp);
	for (size_t i = 0, n = 0; i < all->n_in; i += n) {
		for (n = 0; i + n < all->n_in && all->in[i + n].kind == all->in[i].kind &&
			    all->in[i + n].key == all->in[i].key;
		     n++)
			members[n] = all->in[i + n].member;
		pipeline_aggregate(all->in[i].kind, all->in[i].key, members, n, all->world, add_flow, all);
	}
}

static int made_cmp(const void *a, const void *b)
{
	const struct flow *x = &((const struct made *)a)->flow, *y = &((const struct made *)b)->flow;

	if (flow_hash(x) != flow_hash(y))
		return flow_hash(x) < flow_hash(y) ? -1 : 1;
	return 0;
}

static void check_once(struct all *all)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	qsort(all->made, all->n, sizeof(*all->made), made_cmp);
	for (size_t i = 0; i + 1 < all->n; i++) {
		if (!flow_same(&all->made[i].flow, &all->made[i + 1].flow))
			continue;
		flow_format(&all->made[i].flow, text);
		utstring_printf(text, "\n");
		flow_format(&all->made[i + 1].flow, text);
		complain(all->c, "made twice:\n%s", utstring_body(text));
	}
}

static int cookie_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check_cookies(struct all *all)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	if (all->n_cookies)
		qsort(all->cookies, all->n_cookies, sizeof(*all->cookies), cookie_cmp);
	for (size_t i = 0; i + 1 < all->n_cookies; i++)
		if (all->cookies[i] == all->cookies[i + 1])
			complain(all->c, "two records have the cookie %#llx", (unsigned long long)all->cookies[i]);
	for (size_t i = 0; i < all->n; i++) {
		const struct made *m = &all->made[i];
		bool records =
			bsearch(&m->flow.cookie, all->cookies, all->n_cookies, sizeof(*all->cookies), cookie_cmp);

		if (m->cookie ? m->flow.cookie == m->cookie : !records)
			continue;
		flow_format(&m->flow, text);
		complain(all->c, "this is not its origin's cookie:\n%s", utstring_body(text));
	}
}

static void check_origins(const struct plan *p, const struct pipeline_world *w, struct complaint *c)
{
	struct all all = { .world = w, .c = c };

	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(p, (enum plan_table)t, add_record, &all);
	add_sets(&all);
	pipeline_static(w, add_flow, &all);
	check_once(&all);
	check_cookies(&all);
	for (size_t i = 0; i < all.n; i++)
		flow_fini(&all.made[i].flow);
	free(all.made);
	free(all.cookies);
	free(all.in);
}

/* ------------------------------------------------------------------ changes */

static int mod_cmp(const void *a, const void *b)
{
	uint32_t x = flow_hash(((const struct flow_mod *)a)->flow), y = flow_hash(((const struct flow_mod *)b)->flow);

	return x < y ? -1 : x > y;
}

/* All flows that are wanted, by hash. The caller's; the flows are the set's, until flowset_end(). */
static struct flow_mod *wanted(struct flowset *s, size_t *ret_n)
{
	const struct flow_mod *mods;
	struct flow_mod *sorted;

	flowset_dump_begin(s);
	mods = flowset_begin(s, SIZE_MAX, ret_n);
	sorted = xmemdup(mods, *ret_n * sizeof(*mods));
	qsort(sorted, *ret_n, sizeof(*sorted), mod_cmp);
	return sorted;
}

/* What is wanted after the changes is what the plan alone wants. */
static void check_same(struct flowset *changed, const struct plan *plan, const struct pipeline_world *w,
		       struct complaint *c)
{
	struct flowset *whole = flowset_new(w);
	_cleanup_(freep) struct flow_mod *a = NULL, *b = NULL;
	size_t n_a, n_b;

	flowset_sync(whole, plan);
	a = wanted(changed, &n_a);
	b = wanted(whole, &n_b);
	if (n_a != n_b)
		complain(c, "%zu flows after the changes, %zu at once", n_a, n_b);
	for (size_t i = 0; i < n_a && i < n_b; i++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;

		if (flow_equal(a[i].flow, b[i].flow))
			continue;
		utstring_new(text);
		flow_format(a[i].flow, text);
		utstring_printf(text, "\nat once:\n");
		flow_format(b[i].flow, text);
		complain(c, "after the changes:\n%s", utstring_body(text));
	}
	flowset_end(changed, true);
	flowset_end(whole, true);
	flowset_free(whole);
}

static struct plan *plan_of(const struct cloud *c)
{
	struct model *m = cloud_model(c, HOST);
	struct plan *p = compile_all(m);

	model_free(m);
	return p;
}

/* A device comes or goes too. */
static void step(struct rng *r, struct cloud *cloud, struct plan **plan, struct flowset *set, struct world *world)
{
	_cleanup_(plan_freep) struct plan *old = take(plan);
	struct plan_changes changes = { 0 };

	for (uint32_t n = 1 + rng_below(r, 4); n > 0; n--)
		cloud_change(cloud, r);
	*plan = plan_of(cloud);
	plan_diff(old, *plan, &changes);
	flowset_apply(set, &changes);
	plan_changes_fini(&changes);
	if (!rng_chance(r, 30))
		return;
	world->without = rng_below(r, 4);
	flowset_renew(set);
}

/* What does not fit together, where records may want the same flow. */
static void check_any(struct rng *r, const struct pipeline_world *w, struct complaint *c)
{
	_cleanup_(plan_freep) struct plan *from = property_plan(r), *to = property_plan(r);
	struct flowset *set = flowset_new(w);
	struct plan_changes changes = { 0 };

	plan_diff(from, to, &changes);
	flowset_sync(set, from);
	flowset_apply(set, &changes);
	check_same(set, to, w, c);
	plan_changes_fini(&changes);
	flowset_free(set);
}

void property_flows(struct rng *r, struct complaint *c)
{
	struct world world = { .without = rng_below(r, 4) };
	struct pipeline_world w = { .tunnel_ofport = rng_chance(r, 90), .ofport = ofport, .arg = &world };
	struct flowset *set = flowset_new(&w);
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct cloud cloud;

	cloud_make(&cloud, r);
	plan = plan_of(&cloud);
	flowset_sync(set, plan);
	for (int i = 0; i < STEPS && !c->made; i++) {
		check_origins(plan, &w, c);
		check_same(set, plan, &w, c);
		step(r, &cloud, &plan, set, &world);
	}
	flowset_free(set);
	check_any(r, &w, c);
}
