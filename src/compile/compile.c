/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"
#include "compile/context.h"

/*
 *    object ──compiled as──► node ──gives──► record ┐
 *      ▲                       │                    ├─ row (one key): the best one is in the plan
 *      └──────looked up────────┘     other nodes ───┘
 *
 * A run takes the touched objects, adds the nodes that looked at them, takes back what all these
 * gave, compiles them again, and compares the rows that were touched by it with the plan.
 */

/* What can be looked up beside the objects themselves: they have ids too. */
enum { LOOK_HOST = 1000, /* which host this is */ LOOK_SUBNETS /* a: network */ };

struct node {
	struct object_id id;
	struct look *looks;
	struct given *given;
	bool queued;
	struct node *next_queued;
	UT_hash_handle hh;
};

/* Something that was looked up, and by whom. */
struct watched {
	struct object_id id;
	struct look *looks;
	UT_hash_handle hh;
};

struct look {
	struct node *node;
	struct watched *watched;
	struct look *next_of_node;
	struct look *prev, *next; /* of watched */
};

#define ROW_KEY_MAX sizeof(((struct plan_segment *)0)->key)

struct row_key {
	uint32_t table;
	uint8_t bytes[ROW_KEY_MAX];
};

/* All that was given for one key. */
struct row {
	struct row_key key;
	struct given *given;
	struct given *best; /* NULL: look for it */
	bool queued;
	struct row *next_queued;
	UT_hash_handle hh;
};

struct given {
	struct row *row;
	struct node *node;
	enum rank rank;
	struct given *next_of_node;
	struct given *prev, *next; /* of row */
	uint8_t record[]; /* the table's own struct */
};

struct touched {
	struct object_id id;
	UT_hash_handle hh;
};

/* Which network a subnet was in when it was last seen. */
struct subnet {
	uint32_t num;
	struct network *network;
	struct subnet *prev, *next; /* of network */
	UT_hash_handle hh;
};

struct network {
	uint32_t num;
	struct subnet *subnets;
	UT_hash_handle hh;
};

struct compile {
	struct plan *plan;
	struct node *nodes;
	struct watched *watched;
	struct row *rows;
	struct touched *touched;
	struct subnet *subnets;
	struct network *networks;
	uint32_t host;
	struct node *queued_nodes;
	struct row *queued_rows;
};

struct context {
	struct compile *compile;
	const struct model *model;
	struct node *node;
};

#define FUNCTIONS_MAX 3
static const context_fn functions[N_OBJECT_KINDS][FUNCTIONS_MAX] = {
	[OBJECT_HOST] = { l2_host },
	[OBJECT_PEER] = { l2_peer },
	[OBJECT_NETWORK] = { l2_network },
	[OBJECT_SUBNET] = { NULL }, /* read by interfaces */
	[OBJECT_ENDPOINT] = { l2_endpoint, arp_endpoint },
	[OBJECT_PORT] = { l2_port },
	[OBJECT_ROUTER] = { NULL }, /* read by interfaces and members */
	[OBJECT_INTERFACE] = { route_interface, arp_interface },
	[OBJECT_MEMBER] = { route_member },
};

/* ------------------------------------------------------------------ dependencies */

static void watch(struct compile *c, struct node *node, const struct object_id *id)
{
	struct watched *w;
	struct look *l;

	/* What one object looks at is a handful. */
	for (l = node->looks; l; l = l->next_of_node)
		if (memcmp(&l->watched->id, id, sizeof(*id)) == 0)
			return;
	HASH_FIND(hh, c->watched, id, sizeof(*id), w);
	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->id = *id;
		HASH_ADD(hh, c->watched, id, sizeof(w->id), w);
	}
	l = xcalloc(1, sizeof(*l));
	l->node = node;
	l->watched = w;
	LL_PREPEND2(node->looks, l, next_of_node);
	DL_APPEND(w->looks, l);
}

static void forget_looks(struct compile *c, struct node *node)
{
	struct look *l, *tmp;

	LL_FOREACH_SAFE2(node->looks, l, tmp, next_of_node)
	{
		DL_DELETE(l->watched->looks, l);
		if (!l->watched->looks) {
			HASH_DEL(c->watched, l->watched);
			free(l->watched);
		}
		free(l);
	}
	node->looks = NULL;
}

static void queue_node(struct compile *c, struct node *node)
{
	if (node->queued)
		return;
	node->queued = true;
	LL_PREPEND2(c->queued_nodes, node, next_queued);
}

static void queue_watchers(struct compile *c, const struct object_id *id)
{
	struct watched *w;
	struct look *l;

	HASH_FIND(hh, c->watched, id, sizeof(*id), w);
	if (!w)
		return;
	DL_FOREACH (w->looks, l)
		queue_node(c, l->node);
}

static void queue_object(struct compile *c, const struct object_id *id)
{
	struct node *node;

	HASH_FIND(hh, c->nodes, id, sizeof(*id), node);
	if (!node) {
		node = xcalloc(1, sizeof(*node));
		node->id = *id;
		HASH_ADD(hh, c->nodes, id, sizeof(node->id), node);
	}
	queue_node(c, node);
}

/* ------------------------------------------------------------------ rows */

static void queue_row(struct compile *c, struct row *row)
{
	if (row->queued)
		return;
	row->queued = true;
	LL_PREPEND2(c->queued_rows, row, next_queued);
}

static struct row *row_get(struct compile *c, const struct plan_record *r)
{
	struct row_key key = { .table = r->table };
	struct row *row;

	_Static_assert(sizeof(key) == sizeof(uint32_t) + ROW_KEY_MAX, "row_key hashes as bytes");
	memcpy(key.bytes, &r->host, plan_record_key_size(r->table));
	HASH_FIND(hh, c->rows, &key, sizeof(key), row);
	if (!row) {
		row = xcalloc(1, sizeof(*row));
		row->key = key;
		HASH_ADD(hh, c->rows, key, sizeof(row->key), row);
	}
	return row;
}

static bool is_better(const struct given *a, const struct given *b)
{
	const struct object_id *x = &a->node->id, *y = &b->node->id;

	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (x->kind != y->kind)
		return x->kind < y->kind;
	return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static struct given *row_best(struct row *row)
{
	struct given *g;

	if (!row->best)
		DL_FOREACH (row->given, g)
			if (!row->best || is_better(g, row->best))
				row->best = g;
	return row->best;
}

static void take_back(struct compile *c, struct node *node)
{
	struct given *g, *tmp;

	LL_FOREACH_SAFE2(node->given, g, tmp, next_of_node)
	{
		if (g->row->best == g)
			g->row->best = NULL;
		DL_DELETE(g->row->given, g);
		queue_row(c, g->row);
		free(g);
	}
	node->given = NULL;
}

/* Brings the plan's record of this key up to date; `changes` may be NULL. */
static void settle_row(struct compile *c, struct row *row, struct plan_changes *changes)
{
	struct given *best = row_best(row);
	struct plan_record r = PLAN_RECORD((enum plan_table)row->key.table), old;
	const struct plan_record *now;

	memcpy(&r.host, row->key.bytes, plan_record_key_size(r.table));
	now = plan_find(c->plan, &r);
	row->queued = false;
	if (best) {
		memcpy(&r.host, best->record, plan_record_size(r.table));
		if (now && plan_record_equal(now, &r))
			return;
		if (now)
			old = *now;
		if (changes)
			plan_changes_add(changes, now ? PLAN_UPDATE : PLAN_ADD, &r, now ? &old : NULL);
		plan_set(c->plan, &r);
		return;
	}
	if (now) {
		old = *now;
		if (changes)
			plan_changes_add(changes, PLAN_DELETE, &old, NULL);
		plan_del(c->plan, &old);
	}
	HASH_DEL(c->rows, row);
	free(row);
}

/* ------------------------------------------------------------------ context */

const struct object *context_find(struct context *ctx, enum object_kind kind, uint32_t a, uint32_t b)
{
	const struct object_id id = { .kind = kind, .a = a, .b = b };

	watch(ctx->compile, ctx->node, &id);
	return model_find(ctx->model, kind, a, b);
}

uint32_t context_host(struct context *ctx)
{
	static const struct object_id id = { .kind = LOOK_HOST };

	watch(ctx->compile, ctx->node, &id);
	return ctx->compile->host;
}

void context_each_subnet(struct context *ctx, uint32_t network, void (*fn)(const struct object *o, void *arg),
			 void *arg)
{
	const struct object_id id = { .kind = LOOK_SUBNETS, .a = network };
	struct network *n;
	struct subnet *s;

	watch(ctx->compile, ctx->node, &id);
	HASH_FIND_INT(ctx->compile->networks, &network, n);
	if (!n)
		return;
	DL_FOREACH (n->subnets, s)
		fn(model_find(ctx->model, OBJECT_SUBNET, s->num, 0), arg);
}

void context_add(struct context *ctx, const struct plan_record *r, enum rank rank)
{
	uint32_t size = plan_record_size(r->table);
	struct given *g = xcalloc(1, sizeof(*g) + size);

	g->row = row_get(ctx->compile, r);
	g->node = ctx->node;
	g->rank = rank;
	memcpy(g->record, &r->host, size);
	LL_PREPEND2(ctx->node->given, g, next_of_node);
	/* While the best one is not known, it is looked for among all when the row is settled. */
	if (!g->row->given || (g->row->best && is_better(g, g->row->best)))
		g->row->best = g;
	DL_APPEND(g->row->given, g);
	queue_row(ctx->compile, g->row);
}

/* ------------------------------------------------------------------ a run */

static void find_lowest_host(const struct object *o, void *arg)
{
	uint32_t *lowest = arg;

	if (o->id.kind == OBJECT_HOST && (*lowest == 0 || o->id.a < *lowest))
		*lowest = o->id.a;
}

/*
 * Which host the model is for. Host objects hardly ever change, so all are looked through; a second one is a server's
 * mistake, and the lowest number wins.
 */
static void settle_host(struct compile *c, const struct model *m)
{
	static const struct object_id id = { .kind = LOOK_HOST };
	uint32_t host = 0;

	model_each(m, find_lowest_host, &host);
	if (host == c->host)
		return;
	c->host = host;
	queue_watchers(c, &id);
}

static void leave_network(struct compile *c, struct subnet *s)
{
	const struct object_id id = { .kind = LOOK_SUBNETS, .a = s->network->num };

	queue_watchers(c, &id);
	DL_DELETE(s->network->subnets, s);
	if (!s->network->subnets) {
		HASH_DEL(c->networks, s->network);
		free(s->network);
	}
	HASH_DEL(c->subnets, s);
	free(s);
}

static void settle_subnet(struct compile *c, const struct model *m, uint32_t num)
{
	const struct object *o = model_find(m, OBJECT_SUBNET, num, 0);
	struct object_id id = { .kind = LOOK_SUBNETS };
	struct subnet *s;

	HASH_FIND_INT(c->subnets, &num, s);
	if (s)
		leave_network(c, s);
	if (!o)
		return;
	id.a = o->subnet.network;
	queue_watchers(c, &id);
	s = xcalloc(1, sizeof(*s));
	s->num = num;
	HASH_FIND_INT(c->networks, &id.a, s->network);
	if (!s->network) {
		s->network = xcalloc(1, sizeof(*s->network));
		s->network->num = id.a;
		HASH_ADD_INT(c->networks, num, s->network);
	}
	DL_APPEND(s->network->subnets, s);
	HASH_ADD_INT(c->subnets, num, s);
}

static void queue_touched(struct compile *c, const struct model *m)
{
	struct touched *t, *tmp;

	HASH_ITER (hh, c->touched, t, tmp) {
		if (t->id.kind == OBJECT_HOST)
			settle_host(c, m);
		else if (t->id.kind == OBJECT_SUBNET)
			settle_subnet(c, m, t->id.a);
		queue_object(c, &t->id);
		queue_watchers(c, &t->id);
		HASH_DEL(c->touched, t);
		free(t);
	}
}

static void compile_node(struct compile *c, const struct model *m, struct node *node)
{
	struct context ctx = { .compile = c, .model = m, .node = node };
	const struct object *o = model_find(m, (enum object_kind)node->id.kind, node->id.a, node->id.b);

	node->queued = false;
	take_back(c, node);
	forget_looks(c, node);
	if (!o) {
		HASH_DEL(c->nodes, node);
		free(node);
		return;
	}
	for (size_t i = 0; i < FUNCTIONS_MAX && functions[node->id.kind][i]; i++)
		functions[node->id.kind][i](&ctx, o);
}

void compile_run(struct compile *c, const struct model *m, struct plan_changes *ret)
{
	struct plan_changes changes = { 0 };
	struct node *node, *next_node;
	struct row *row, *next_row;

	queue_touched(c, m);
	LL_FOREACH_SAFE2(c->queued_nodes, node, next_node, next_queued)
	compile_node(c, m, node);
	c->queued_nodes = NULL;
	LL_FOREACH_SAFE2(c->queued_rows, row, next_row, next_queued)
	settle_row(c, row, ret ? &changes : NULL);
	c->queued_rows = NULL;
	if (!ret)
		return;
	plan_changes_order(&changes);
	if (ret->n == 0) {
		plan_changes_fini(ret);
		*ret = changes;
		return;
	}
	for (size_t i = 0; i < changes.n; i++)
		plan_changes_add(ret, changes.items[i].op, &changes.items[i].record, &changes.items[i].old);
	plan_changes_fini(&changes);
}

/* ------------------------------------------------------------------ outside */

struct compile *compile_new(void)
{
	struct compile *c = xcalloc(1, sizeof(*c));

	c->plan = plan_new();
	return c;
}

struct compile *compile_free(struct compile *c)
{
	struct node *node, *tmp;
	struct touched *t, *tmp_t;
	struct subnet *s, *tmp_s;
	struct row *row, *tmp_row;

	if (!c)
		return NULL;
	HASH_ITER (hh, c->nodes, node, tmp) {
		take_back(c, node);
		forget_looks(c, node);
		HASH_DEL(c->nodes, node);
		free(node);
	}
	HASH_ITER (hh, c->rows, row, tmp_row) {
		HASH_DEL(c->rows, row);
		free(row);
	}
	HASH_ITER (hh, c->touched, t, tmp_t) {
		HASH_DEL(c->touched, t);
		free(t);
	}
	HASH_ITER (hh, c->subnets, s, tmp_s)
		leave_network(c, s);
	plan_free(c->plan);
	free(c);
	return NULL;
}

void compile_touch(struct compile *c, const struct object_id *id)
{
	struct touched *t;

	HASH_FIND(hh, c->touched, id, sizeof(*id), t);
	if (t)
		return;
	t = xcalloc(1, sizeof(*t));
	t->id = *id;
	HASH_ADD(hh, c->touched, id, sizeof(t->id), t);
}

const struct plan *compile_plan(const struct compile *c)
{
	return c->plan;
}

static void touch_object(const struct object *o, void *arg)
{
	compile_touch(arg, &o->id);
}

struct plan *compile_all(const struct model *m)
{
	struct compile *c = compile_new();
	struct plan *p;

	model_each(m, touch_object, c);
	compile_run(c, m, NULL);
	p = take(&c->plan);
	c->plan = plan_new();
	compile_free(c);
	return p;
}
