/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/flowset.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"
#include "driver/ovs/cell.h"
#include "driver/ovs/members.h"

struct claim {
	struct cell *cell;
	struct origin *origin;
	struct content *content;
	struct claim *beside; /* the next of the cell, by origin */
	struct claim *next; /* the next of the origin */
};

#define ORIGIN_KEY_MAX sizeof(((struct plan_segment *)NULL)->key)

struct origin_id {
	uint8_t kind;
	uint8_t table;
	uint8_t key[ORIGIN_KEY_MAX];
};

struct origin {
	struct origin_id id;
	bool stale; /* its members have changed */
	bool aside;
	struct claim *claims;
	struct members members;
	struct origin *next_stale;
	UT_hash_handle hh;
};

struct flowset {
	const struct pipeline_world *world;
	struct plan *plan;
	struct origin *origins;
	struct origin *stale;
	struct cells cells;
};

/* ------------------------------------------------------------------ claims */

/* An origin that made a flow twice has it once. */
static void claim_add(struct flowset *s, struct origin *o, const struct flow *f)
{
	struct cell *cell = cells_get(&s->cells, f);
	struct claim **at = &cell->claims, *c;

	while (*at && memcmp(&(*at)->origin->id, &o->id, sizeof(o->id)) < 0)
		at = &(*at)->beside;
	if (*at && (*at)->origin == o)
		return;
	c = xcalloc(1, sizeof(*c));
	c->cell = cell;
	c->origin = o;
	c->content = content_new(f);
	c->beside = *at;
	*at = c;
	LL_PREPEND(o->claims, c);
}

static void claim_detach(struct claim *c)
{
	struct claim **at = &c->cell->claims;

	while (*at != c)
		at = &(*at)->beside;
	*at = c->beside;
}

static void want_first(struct flowset *s, struct cell *c)
{
	cells_want(&s->cells, c, c->claims ? c->claims->content : NULL);
}

struct claiming {
	struct flowset *set;
	struct origin *origin;
};

static void on_flow(struct flow *f, void *arg)
{
	struct claiming *c = arg;

	claim_add(c->set, c->origin, f);
	flow_fini(f);
}

static void make_flows(struct flowset *s, struct origin *o)
{
	struct plan_record key = PLAN_RECORD((enum plan_table)o->id.table);
	struct claiming c = { .set = s, .origin = o };
	uint32_t number;

	switch ((enum origin_kind)o->id.kind) {
	case ORIGIN_STATIC:
		pipeline_static(s->world, on_flow, &c);
		return;
	case ORIGIN_RECORD:
		memcpy(&key.host, o->id.key, plan_record_key_size(key.table));
		pipeline_record(plan_find(s->plan, &key), s->world, on_flow, &c);
		return;
	case ORIGIN_FLOOD_PORTS:
	case ORIGIN_FLOOD_PEERS:
	case ORIGIN_NETWORK_ROUTERS:
	case ORIGIN_PEER_ROUTERS:
		memcpy(&number, o->id.key, sizeof(number));
		pipeline_aggregate((enum origin_kind)o->id.kind, number, o->members.numbers, o->members.n, s->world,
				   on_flow, &c);
		return;
	}
}

/* Its flows anew, or none. */
static void origin_claim(struct flowset *s, struct origin *o, bool flows)
{
	struct claim *old = take(&o->claims), *c, *tmp;

	for (c = old; c; c = c->next)
		claim_detach(c);
	if (flows)
		make_flows(s, o);
	for (c = o->claims; c; c = c->next)
		want_first(s, c->cell);
	LL_FOREACH_SAFE (old, c, tmp) {
		want_first(s, c->cell);
		content_unref(c->content);
		free(c);
	}
}

/* ------------------------------------------------------------------ origins */

static struct origin_id id_of_number(enum origin_kind kind, uint32_t key)
{
	struct origin_id id = { .kind = (uint8_t)kind };

	memcpy(id.key, &key, sizeof(key));
	return id;
}

static struct origin_id id_of_record(const struct plan_record *r)
{
	struct origin_id id = { .kind = ORIGIN_RECORD, .table = (uint8_t)r->table };

	memcpy(id.key, &r->host, plan_record_key_size(r->table));
	return id;
}

static struct origin_id id_of(const struct flowset_origin *o)
{
	return o->kind == ORIGIN_RECORD ? id_of_record(&o->record) : id_of_number(o->kind, o->key);
}

static struct flowset_origin origin_out(const struct origin *o)
{
	struct flowset_origin out = { .kind = (enum origin_kind)o->id.kind };

	out.record = PLAN_RECORD((enum plan_table)o->id.table);
	if (out.kind == ORIGIN_RECORD)
		memcpy(&out.record.host, o->id.key, plan_record_key_size(out.record.table));
	else
		memcpy(&out.key, o->id.key, sizeof(out.key));
	return out;
}

static struct origin *origin_find(const struct flowset *s, const struct origin_id *id)
{
	struct origin *o;

	HASH_FIND(hh, s->origins, id, sizeof(*id), o);
	return o;
}

static struct origin *origin_get(struct flowset *s, const struct origin_id *id)
{
	struct origin *o = origin_find(s, id);

	if (o)
		return o;
	o = xcalloc(1, sizeof(*o));
	o->id = *id;
	HASH_ADD(hh, s->origins, id, sizeof(o->id), o);
	return o;
}

static void origin_free(struct flowset *s, struct origin *o)
{
	origin_claim(s, o, false);
	HASH_DEL(s->origins, o);
	members_fini(&o->members);
	free(o);
}

/* ---- sets ---- */

static void mark_stale(struct flowset *s, struct origin *o)
{
	if (o->stale)
		return;
	o->stale = true;
	LL_PREPEND2(s->stale, o, next_stale);
}

static void renew_stale(struct flowset *s)
{
	while (s->stale) {
		struct origin *o = s->stale;

		LL_DELETE2(s->stale, o, next_stale);
		o->stale = o->aside = false;
		if (o->members.n > 0)
			origin_claim(s, o, true);
		else
			origin_free(s, o);
	}
}

static void join(struct flowset *s, const struct plan_record *r)
{
	struct pipeline_membership m[PIPELINE_MEMBERSHIPS];
	size_t n = pipeline_memberships(r, m);

	for (size_t i = 0; i < n; i++) {
		struct origin_id id = id_of_number(m[i].kind, m[i].key);
		struct origin *o = origin_get(s, &id);

		if (members_add(&o->members, m[i].member))
			mark_stale(s, o);
	}
}

static void leave(struct flowset *s, const struct plan_record *r)
{
	struct pipeline_membership m[PIPELINE_MEMBERSHIPS];
	size_t n = pipeline_memberships(r, m);

	for (size_t i = 0; i < n; i++) {
		struct origin_id id = id_of_number(m[i].kind, m[i].key);
		struct origin *o = origin_find(s, &id);

		if (members_del(&o->members, m[i].member))
			mark_stale(s, o);
	}
}

/* ---- records ---- */

static void make_static(struct flowset *s)
{
	struct origin_id id = id_of_number(ORIGIN_STATIC, 0);
	struct origin *o = origin_get(s, &id);

	o->aside = false;
	origin_claim(s, o, true);
}

static void try_again(struct flowset *s, enum origin_kind kind, uint32_t key)
{
	struct origin_id id = id_of_number(kind, key);
	struct origin *o = origin_find(s, &id);

	if (!o || !o->aside)
		return;
	if (kind == ORIGIN_STATIC)
		make_static(s);
	else
		mark_stale(s, o);
}

/* What was set aside and hangs on this record: it is the one that is said to have failed. */
static void try_again_with(struct flowset *s, const struct plan_record *r)
{
	if (r->table == PLAN_HOST) {
		try_again(s, ORIGIN_STATIC, 0);
	} else if (r->table == PLAN_SEGMENT) {
		try_again(s, ORIGIN_FLOOD_PORTS, r->segment.network);
		try_again(s, ORIGIN_FLOOD_PEERS, r->segment.network);
		try_again(s, ORIGIN_NETWORK_ROUTERS, r->segment.network);
	} else if (r->table == PLAN_PEER) {
		try_again(s, ORIGIN_PEER_ROUTERS, r->peer.key.host);
	}
}

static void set_record(struct flowset *s, const struct plan_record *r)
{
	const struct plan_record *found = plan_find(s->plan, r);
	struct plan_record old;
	struct origin_id id = id_of_record(r);

	join(s, r);
	if (found) {
		old = *found;
		leave(s, &old);
	}
	plan_set(s->plan, r);
	origin_claim(s, origin_get(s, &id), true);
	try_again_with(s, r);
}

static void del_record(struct flowset *s, const struct plan_record *key)
{
	const struct plan_record *found = plan_find(s->plan, key);
	struct plan_record old;
	struct origin_id id;

	if (!found)
		return;
	old = *found;
	id = id_of_record(&old);
	leave(s, &old);
	plan_del(s->plan, &old);
	origin_free(s, origin_find(s, &id));
}

void flowset_set(struct flowset *s, const struct plan_record *r)
{
	set_record(s, r);
	renew_stale(s);
}

void flowset_del(struct flowset *s, const struct plan_record *key)
{
	del_record(s, key);
	renew_stale(s);
}

void flowset_apply(struct flowset *s, const struct plan_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		if (changes->items[i].op == PLAN_DELETE)
			del_record(s, &changes->items[i].record);
		else
			set_record(s, &changes->items[i].record);
	}
	renew_stale(s);
}

struct syncing {
	struct flowset *set;
	const struct plan *plan;
	const struct plan_record **gone;
	size_t n;
};

static void set_if_other(const struct plan_record *r, void *arg)
{
	struct syncing *y = arg;
	const struct plan_record *have = plan_find(y->set->plan, r);

	if (!have || !plan_record_equal(have, r))
		set_record(y->set, r);
	else
		try_again_with(y->set, r);
}

static void note_gone(const struct plan_record *r, void *arg)
{
	struct syncing *y = arg;

	if (!plan_find(y->plan, r))
		y->gone[y->n++] = r;
}

static void del_gone(struct syncing *y, enum plan_table table)
{
	y->gone = xcalloc(plan_count(y->set->plan, table), sizeof(struct plan_record *));
	y->n = 0;
	plan_each(y->set->plan, table, note_gone, y);
	for (size_t i = 0; i < y->n; i++)
		del_record(y->set, y->gone[i]);
	free(y->gone);
}

void flowset_sync(struct flowset *s, const struct plan *plan)
{
	struct syncing y = { .set = s, .plan = plan };
	struct origin_id id = id_of_number(ORIGIN_STATIC, 0);

	if (!origin_find(s, &id))
		make_static(s);
	for (int t = PLAN_N_TABLES - 1; t >= 0; t--)
		del_gone(&y, (enum plan_table)t);
	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(plan, (enum plan_table)t, set_if_other, &y);
	renew_stale(s);
}

void flowset_renew_port(struct flowset *s, uint32_t port)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	struct origin_id id;

	key.port.key.port = port;
	id = id_of_record(&key);
	if (plan_find(s->plan, &key))
		origin_claim(s, origin_find(s, &id), true);
}

void flowset_renew(struct flowset *s)
{
	for (struct origin *o = s->origins; o; o = o->hh.next)
		if (!o->aside)
			origin_claim(s, o, true);
}

const struct plan *flowset_plan(const struct flowset *s)
{
	return s->plan;
}

void flowset_set_aside(struct flowset *s, const struct flowset_origin *origin)
{
	struct origin_id id = id_of(origin);
	struct origin *o = origin_find(s, &id);

	if (!o)
		return;
	origin_claim(s, o, false);
	o->aside = true;
}

/* ------------------------------------------------------------------ the switch */

void flowset_dump_begin(struct flowset *s)
{
	cells_dump_begin(&s->cells);
}

void flowset_found(struct flowset *s, const struct flow *f)
{
	cells_found(&s->cells, f);
}

size_t flowset_due(const struct flowset *s)
{
	return s->cells.n_due;
}

const struct flow_mod *flowset_begin(struct flowset *s, size_t max, size_t *ret_n)
{
	return cells_begin(&s->cells, max, ret_n);
}

bool flowset_takes_away(const struct flowset *s)
{
	return s->cells.takes_away;
}

void flowset_end(struct flowset *s, bool done)
{
	cells_end(&s->cells, done);
}

void flowset_give_up(struct flowset *s, size_t mod)
{
	cells_give_up(&s->cells, mod);
}

bool flowset_whose(const struct flowset *s, size_t mod, struct flowset_origin *ret)
{
	const struct sent *sent = &s->cells.sent[mod];

	if (mod >= s->cells.n_sent || !sent->content || sent->cell->wanted != sent->content)
		return false;
	*ret = origin_out(sent->cell->claims->origin);
	return true;
}

/* ------------------------------------------------------------------ to look at */

bool flowset_is_in(const struct flowset *s, const struct plan_record *key)
{
	struct origin_id id = id_of_record(key);
	const struct origin *o = origin_find(s, &id);

	if (!o)
		return false;
	for (const struct claim *c = o->claims; c; c = c->next)
		if (!cell_is_in(c->cell))
			return false;
	return true;
}

size_t flowset_n_conflicts(const struct flowset *s)
{
	return s->cells.n_conflicts;
}

void flowset_conflicts(const struct flowset *s, flowset_conflict fn, void *arg)
{
	for (const struct cell *c = s->cells.hash; c; c = c->hh.next)
		if (c->conflict) {
			struct flowset_origin o = origin_out(c->claims->origin);
			struct flow f = cell_flow(c, c->wanted);

			fn(&o, &f, arg);
		}
}

/* As a packet meets them. */
static int by_place(const void *a, const void *b)
{
	const struct cell *x = (*(const struct claim *const *)a)->cell, *y = (*(const struct claim *const *)b)->cell;
	size_t shorter = x->match_len < y->match_len ? x->match_len : y->match_len;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return memcmp(x->match, y->match, shorter);
}

void flowset_each_flow(const struct flowset *s, const struct flowset_origin *origin, flowset_flow fn, void *arg)
{
	struct origin_id id = id_of(origin);
	const struct origin *o = origin_find(s, &id);
	_cleanup_(freep) const struct claim **claims = NULL;
	size_t n = 0;

	for (const struct claim *c = o ? o->claims : NULL; c; c = c->next)
		n++;
	claims = xcalloc(n, sizeof(struct claim *));
	n = 0;
	for (const struct claim *c = o ? o->claims : NULL; c; c = c->next)
		claims[n++] = c;
	qsort(claims, n, sizeof(struct claim *), by_place);
	for (size_t i = 0; i < n; i++) {
		struct flow f = cell_flow(claims[i]->cell, claims[i]->content);

		fn(&f, arg);
	}
}

void flowset_each_set(const struct flowset *s, void (*fn)(const struct flowset_origin *o, void *arg), void *arg)
{
	for (const struct origin *o = s->origins; o; o = o->hh.next)
		if (o->id.kind != ORIGIN_RECORD) {
			struct flowset_origin out = origin_out(o);

			fn(&out, arg);
		}
}

/* The first of its cells that is not as wanted; one that is missing before one that is different. */
static const struct claim *worst_claim(const struct origin *o)
{
	const struct claim *worst = NULL;

	for (const struct claim *c = o->claims; c; c = c->next) {
		if (cell_is_in(c->cell))
			continue;
		if (!worst || (worst->cell->there && !c->cell->there))
			worst = c;
	}
	return worst;
}

void flowset_differences(const struct flowset *s, flowset_differs fn, void *arg)
{
	for (const struct origin *o = s->origins; o; o = o->hh.next) {
		const struct claim *c = worst_claim(o);
		struct flowset_origin out;
		struct flow f;

		if (!c)
			continue;
		out = origin_out(o);
		f = cell_flow(c->cell, c->content);
		fn(c->cell->there ? FLOWSET_DIFFERENT : FLOWSET_MISSING, &out, &f, arg);
	}
	for (const struct cell *c = s->cells.hash; c; c = c->hh.next)
		if (c->there && !c->wanted) {
			struct flow f = cell_flow(c, c->there);

			fn(FLOWSET_EXTRA, NULL, &f, arg);
		}
}

/* ------------------------------------------------------------------ life */

struct flowset *flowset_new(const struct pipeline_world *world)
{
	struct flowset *s = xcalloc(1, sizeof(*s));

	s->world = world;
	s->plan = plan_new();
	return s;
}

struct flowset *flowset_free(struct flowset *s)
{
	struct origin *o, *tmp;

	if (!s)
		return NULL;
	flowset_end(s, false);
	HASH_ITER (hh, s->origins, o, tmp)
		origin_free(s, o);
	flowset_dump_begin(s); /* cells that nobody wants go with what was there */
	plan_free(s->plan);
	free(s);
	return NULL;
}
