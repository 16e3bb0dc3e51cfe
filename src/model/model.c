/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"

struct unit_list;

struct node {
	struct object object;
	struct unit_list *of;
	struct node *prev, *next; /* in its unit's list */
	UT_hash_handle hh; /* by object.id */
};

/* The objects of one unit; freed when the last one goes. */
struct unit_list {
	struct unit unit;
	struct node *nodes;
	UT_hash_handle hh; /* by unit */
};

struct model {
	struct node *nodes;
	struct unit_list *units;
};

struct model *model_new(void)
{
	return xcalloc(1, sizeof(struct model));
}

static void leave_unit(struct model *m, struct node *n)
{
	DL_DELETE(n->of->nodes, n);
	if (!n->of->nodes) {
		HASH_DEL(m->units, n->of);
		free(n->of);
	}
	n->of = NULL;
}

static void join_unit(struct model *m, struct node *n, const struct unit *unit)
{
	HASH_FIND(hh, m->units, unit, sizeof(*unit), n->of);
	if (!n->of) {
		n->of = xcalloc(1, sizeof(*n->of));
		n->of->unit = *unit;
		HASH_ADD(hh, m->units, unit, sizeof(n->of->unit), n->of);
	}
	DL_APPEND(n->of->nodes, n);
}

static void remove_node(struct model *m, struct node *n)
{
	leave_unit(m, n);
	HASH_DEL(m->nodes, n);
	free(n);
}

struct model *model_free(struct model *m)
{
	struct node *n, *tmp;

	if (!m)
		return NULL;
	HASH_ITER (hh, m->nodes, n, tmp)
		remove_node(m, n);
	free(m);
	return NULL;
}

static struct node *node_find(const struct model *m, const struct object_id *id)
{
	struct node *n;

	HASH_FIND(hh, m->nodes, id, sizeof(*id), n);
	return n;
}

bool model_set(struct model *m, const struct object *o)
{
	struct node *n = node_find(m, &o->id);

	if (n && memcmp(&n->object, o, sizeof(*o)) == 0)
		return false;
	if (n) {
		leave_unit(m, n);
		n->object = *o;
	} else {
		n = xcalloc(1, sizeof(*n));
		n->object = *o;
		HASH_ADD(hh, m->nodes, object.id, sizeof(n->object.id), n);
	}
	join_unit(m, n, &o->unit);
	return true;
}

bool model_del(struct model *m, const struct object_id *id)
{
	struct node *n = node_find(m, id);

	if (!n)
		return false;
	remove_node(m, n);
	return true;
}

const struct object *model_find(const struct model *m, enum object_kind kind, uint32_t a, uint32_t b)
{
	const struct object_id id = { .kind = kind, .a = a, .b = b };
	struct node *n = node_find(m, &id);

	return n ? &n->object : NULL;
}

size_t model_count(const struct model *m)
{
	return HASH_COUNT(m->nodes);
}

void model_each(const struct model *m, model_fn fn, void *arg)
{
	for (const struct node *n = m->nodes; n; n = n->hh.next)
		fn(&n->object, arg);
}

void model_each_of_unit(const struct model *m, const struct unit *u, model_fn fn, void *arg)
{
	struct unit_list *list;
	const struct node *n;

	HASH_FIND(hh, m->units, u, sizeof(*u), list);
	if (!list)
		return;
	DL_FOREACH (list->nodes, n)
		fn(&n->object, arg);
}
