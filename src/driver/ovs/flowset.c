/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/flowset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"
#include "driver/ovs/members.h"
#include "driver/ovs/tables.h"

/* What a flow does: shared by who wants it and by what the switch has. */
struct content {
	unsigned refs;
	uint16_t len;
	uint64_t cookie;
	uint8_t instructions[];
};

struct claim {
	struct cell *cell;
	struct origin *origin;
	struct content *content;
	struct claim *beside; /* the next of the cell, by origin */
	struct claim *next; /* the next of the origin */
};

struct cell {
	struct claim *claims; /* the first one counts */
	struct content *there; /* in the switch */
	struct cell *prev, *next; /* of those that are due */
	UT_hash_handle hh;
	bool due;
	bool in_batch;
	bool given_up;
	bool foreign; /* another's flow is there */
	bool conflict; /* and one of ours is wanted */
	uint16_t match_len;
	/* its key, as in struct place */
	uint16_t priority;
	uint8_t table;
	uint8_t match[];
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

struct sent {
	struct cell *cell;
	struct content *content; /* NULL: a removal */
	struct flow flow; /* its instructions are the content's */
};

struct flowset {
	const struct pipeline_world *world;
	struct plan *plan;
	struct origin *origins;
	struct origin *stale;
	struct cell *cells;
	struct cell *due;
	size_t n_due, n_conflicts;
	struct sent *sent;
	struct flow_mod *mods;
	size_t n_sent;
};

/* ------------------------------------------------------------------ contents */

static struct content *content_new(const struct flow *f)
{
	struct content *c = xmalloc(sizeof(*c) + f->instructions_len);

	c->refs = 1;
	c->cookie = f->cookie;
	c->len = f->instructions_len;
	if (c->len)
		memcpy(c->instructions, f->instructions, c->len);
	return c;
}

static struct content *content_ref(struct content *c)
{
	if (c)
		c->refs++;
	return c;
}

static void content_unref(struct content *c)
{
	if (c && --c->refs == 0)
		free(c);
}

static bool content_equal(const struct content *a, const struct content *b)
{
	if (a == b || !a || !b)
		return a == b;
	return a->cookie == b->cookie && a->len == b->len && memcmp(a->instructions, b->instructions, a->len) == 0;
}

/* ------------------------------------------------------------------ cells */

struct place {
	uint16_t priority;
	uint8_t table;
	uint8_t match[FLOW_MATCH_MAX];
};

static unsigned place_size(size_t match_len)
{
	return (unsigned)(offsetof(struct place, match) + match_len);
}

static struct cell *cell_find(const struct flowset *s, const struct flow *f)
{
	struct place place = { .priority = f->priority, .table = f->table };
	struct cell *c;

	memcpy(place.match, f->match, f->match_len);
	HASH_FIND(hh, s->cells, &place, place_size(f->match_len), c);
	return c;
}

static struct cell *cell_get(struct flowset *s, const struct flow *f)
{
	struct cell *c = cell_find(s, f);

	if (c)
		return c;
	c = xcalloc(1, sizeof(*c) + f->match_len);
	c->match_len = f->match_len;
	c->priority = f->priority;
	c->table = f->table;
	memcpy(c->match, f->match, f->match_len);
	HASH_ADD_KEYPTR(hh, s->cells, &c->priority, place_size(f->match_len), c);
	return c;
}

static struct content *wanted(const struct cell *c)
{
	return c->claims ? c->claims->content : NULL;
}

/* What belongs to it has changed: is it due, is it needed at all? */
static void cell_settle(struct flowset *s, struct cell *c)
{
	bool due = !c->foreign && !c->given_up && !content_equal(c->there, wanted(c));

	if (due && !c->due) {
		DL_APPEND(s->due, c);
		s->n_due++;
	} else if (!due && c->due) {
		DL_DELETE(s->due, c);
		s->n_due--;
	}
	c->due = due;
	s->n_conflicts -= c->conflict;
	c->conflict = c->foreign && c->claims;
	s->n_conflicts += c->conflict;
	if (c->claims || c->there || c->foreign || c->in_batch)
		return;
	HASH_DEL(s->cells, c);
	free(c);
}

/* The flow of a cell with this content; its instructions stay the content's. */
static struct flow cell_flow(const struct cell *c, struct content *content)
{
	struct flow f;

	flow_init(&f, c->table, c->priority, content ? content->cookie : 0);
	memcpy(f.match, c->match, c->match_len);
	f.match_len = c->match_len;
	if (content) {
		f.instructions = content->instructions;
		f.instructions_len = content->len;
	}
	return f;
}

/* ------------------------------------------------------------------ claims */

/* An origin that made a flow twice has it once. */
static void claim_add(struct flowset *s, struct origin *o, const struct flow *f)
{
	struct cell *cell = cell_get(s, f);
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
		cell_settle(s, c->cell);
	LL_FOREACH_SAFE (old, c, tmp) {
		cell_settle(s, c->cell);
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

/* ------------------------------------------------------------------ what is there */

static void cell_there(struct cell *c, struct content *content)
{
	struct content *old = c->there;

	c->there = content_ref(content);
	content_unref(old);
}

void flowset_dump_begin(struct flowset *s)
{
	struct cell *c, *tmp;

	HASH_ITER (hh, s->cells, c, tmp) {
		cell_there(c, NULL);
		c->foreign = c->given_up = false;
		cell_settle(s, c);
	}
}

void flowset_found(struct flowset *s, const struct flow *f)
{
	struct cell *c = cell_get(s, f);
	struct content *content;

	if ((f->cookie & COOKIE_OURS_MASK) != COOKIE_OURS) {
		c->foreign = true;
	} else {
		content = content_new(f);
		/* Mostly it is what is wanted: one copy of it is enough. */
		cell_there(c, content_equal(content, wanted(c)) ? wanted(c) : content);
		content_unref(content);
	}
	cell_settle(s, c);
}

/* ------------------------------------------------------------------ batches */

size_t flowset_due(const struct flowset *s)
{
	return s->n_due;
}

const struct flow_mod *flowset_begin(struct flowset *s, size_t max, size_t *ret_n)
{
	size_t n = 0, room = s->n_due < max ? s->n_due : max;
	struct cell *c;

	assert(s->n_sent == 0);
	s->sent = xcalloc(room, sizeof(*s->sent));
	s->mods = xcalloc(room, sizeof(*s->mods));
	DL_FOREACH (s->due, c) {
		struct sent *sent = &s->sent[n];

		if (n == room)
			break;
		c->in_batch = true;
		sent->cell = c;
		sent->content = content_ref(wanted(c));
		sent->flow = cell_flow(c, sent->content);
		if (!sent->content)
			sent->flow.cookie = c->there->cookie;
		s->mods[n++] = (struct flow_mod) { sent->content ? FLOW_ADD : FLOW_DELETE, &sent->flow };
	}
	s->n_sent = *ret_n = n;
	return s->mods;
}

void flowset_end(struct flowset *s, bool done)
{
	for (size_t i = 0; i < s->n_sent; i++) {
		struct sent *sent = &s->sent[i];

		if (done)
			cell_there(sent->cell, sent->content);
		content_unref(sent->content);
		sent->cell->in_batch = false;
		cell_settle(s, sent->cell);
	}
	s->n_sent = 0;
	free(take(&s->sent));
	free(take(&s->mods));
}

bool flowset_whose(const struct flowset *s, size_t mod, struct flowset_origin *ret)
{
	const struct sent *sent = &s->sent[mod];

	if (mod >= s->n_sent || !sent->content || wanted(sent->cell) != sent->content)
		return false;
	*ret = origin_out(sent->cell->claims->origin);
	return true;
}

void flowset_give_up(struct flowset *s, size_t mod)
{
	if (mod >= s->n_sent)
		return;
	s->sent[mod].cell->given_up = true;
	cell_settle(s, s->sent[mod].cell);
}

/* ------------------------------------------------------------------ to look at */

bool flowset_is_in(const struct flowset *s, const struct plan_record *key)
{
	struct origin_id id = id_of_record(key);
	const struct origin *o = origin_find(s, &id);

	if (!o)
		return false;
	for (const struct claim *c = o->claims; c; c = c->next)
		if (!content_equal(c->cell->there, wanted(c->cell)))
			return false;
	return true;
}

size_t flowset_n_conflicts(const struct flowset *s)
{
	return s->n_conflicts;
}

void flowset_conflicts(const struct flowset *s, flowset_conflict fn, void *arg)
{
	for (const struct cell *c = s->cells; c; c = c->hh.next)
		if (c->conflict) {
			struct flowset_origin o = origin_out(c->claims->origin);
			struct flow f = cell_flow(c, wanted(c));

			fn(&o, &f, arg);
		}
}

void flowset_each_flow(const struct flowset *s, const struct flowset_origin *origin, flowset_flow fn, void *arg)
{
	struct origin_id id = id_of(origin);
	const struct origin *o = origin_find(s, &id);

	for (const struct claim *c = o ? o->claims : NULL; c; c = c->next) {
		struct flow f = cell_flow(c->cell, c->content);

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
		if (content_equal(c->cell->there, wanted(c->cell)))
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
	for (const struct cell *c = s->cells; c; c = c->hh.next)
		if (c->there && !c->claims) {
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
