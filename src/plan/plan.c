/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define LINE_MAX_SIZE 8192 /* longer than any record's text */

struct node {
	struct plan_record record;
	UT_hash_handle hh; /* by the bytes of the record's key */
};

struct table {
	struct node *nodes;
	const struct plan_record **sorted; /* NULL after a change of the set of keys */
};

struct plan {
	struct table tables[PLAN_N_TABLES];
};

/* Keys are at the start of each record's struct, and those at the start of the union. */
static const void *key_of(const struct plan_record *r)
{
	return &r->host;
}

struct plan *plan_new(void)
{
	return xcalloc(1, sizeof(struct plan));
}

struct plan *plan_free(struct plan *p)
{
	if (!p)
		return NULL;
	for (int i = 0; i < PLAN_N_TABLES; i++) {
		struct node *n, *tmp;

		HASH_ITER (hh, p->tables[i].nodes, n, tmp) {
			HASH_DEL(p->tables[i].nodes, n);
			free(n);
		}
		free(p->tables[i].sorted);
	}
	free(p);
	return NULL;
}

void plan_freep(struct plan **p)
{
	plan_free(*p);
}

struct plan *plan_copy(const struct plan *p)
{
	struct plan *copy = plan_new();

	for (int i = 0; i < PLAN_N_TABLES; i++)
		for (const struct node *n = p->tables[i].nodes; n; n = n->hh.next)
			plan_set(copy, &n->record);
	return copy;
}

static struct node *node_find(const struct plan *p, const struct plan_record *key)
{
	struct node *n;

	HASH_FIND(hh, p->tables[key->table].nodes, key_of(key), plan_record_key_size(key->table), n);
	return n;
}

static void forget_order(struct table *t)
{
	free(t->sorted);
	t->sorted = NULL;
}

void plan_set(struct plan *p, const struct plan_record *r)
{
	struct table *t = &p->tables[r->table];
	struct node *n = node_find(p, r);

	if (n) {
		n->record = *r;
		return;
	}
	n = xcalloc(1, sizeof(*n));
	n->record = *r;
	HASH_ADD_KEYPTR(hh, t->nodes, key_of(&n->record), plan_record_key_size(r->table), n);
	forget_order(t);
}

bool plan_del(struct plan *p, const struct plan_record *key)
{
	struct table *t = &p->tables[key->table];
	struct node *n = node_find(p, key);

	if (!n)
		return false;
	HASH_DEL(t->nodes, n);
	free(n);
	forget_order(t);
	return true;
}

const struct plan_record *plan_find(const struct plan *p, const struct plan_record *key)
{
	struct node *n = node_find(p, key);

	return n ? &n->record : NULL;
}

size_t plan_count(const struct plan *p, enum plan_table table)
{
	return HASH_COUNT(p->tables[table].nodes);
}

static int by_key(const void *a, const void *b)
{
	return plan_record_cmp(*(const struct plan_record *const *)a, *(const struct plan_record *const *)b);
}

/* The order is kept until the set of keys changes. It is no part of the plan's value: a const plan may grow one. */
static const struct plan_record **sorted(const struct plan *p, enum plan_table table)
{
	struct table *t = &((struct plan *)p)->tables[table];
	size_t i = 0;

	if (t->sorted || !t->nodes)
		return t->sorted;
	t->sorted = xcalloc(HASH_COUNT(t->nodes), sizeof(struct plan_record *));
	for (const struct node *n = t->nodes; n; n = n->hh.next)
		t->sorted[i++] = &n->record;
	qsort(t->sorted, i, sizeof(struct plan_record *), by_key);
	return t->sorted;
}

void plan_each(const struct plan *p, enum plan_table table, void (*fn)(const struct plan_record *r, void *arg),
	       void *arg)
{
	const struct plan_record **records = sorted(p, table);

	for (size_t i = 0; i < plan_count(p, table); i++)
		fn(records[i], arg);
}

bool plan_equal(const struct plan *a, const struct plan *b)
{
	for (int i = 0; i < PLAN_N_TABLES; i++) {
		if (plan_count(a, (enum plan_table)i) != plan_count(b, (enum plan_table)i))
			return false;
		for (const struct node *n = a->tables[i].nodes; n; n = n->hh.next) {
			const struct plan_record *other = plan_find(b, &n->record);

			if (!other || !plan_record_equal(&n->record, other))
				return false;
		}
	}
	return true;
}

/* ------------------------------------------------------------------ text */

static void format_line(const struct plan_record *r, void *arg)
{
	plan_record_format(r, arg);
	utstring_bincpy((UT_string *)arg, "\n", 1);
}

void plan_format(const struct plan *p, UT_string *out)
{
	for (int i = 0; i < PLAN_N_TABLES; i++)
		plan_each(p, (enum plan_table)i, format_line, out);
}

static bool is_blank(const char *line)
{
	line += strspn(line, " \t\r");
	return *line == '\0' || *line == '#';
}

int plan_parse_line(struct plan *p, const char *line, struct err *err)
{
	struct plan_record r;
	int e;

	if (is_blank(line))
		return 0;
	e = plan_record_parse(line, &r, err);
	if (e < 0)
		return e;
	if (plan_find(p, &r))
		return err_set(err, ERR_BAD_REQUEST, "", "%s: a record of this key stands there already",
			       plan_table_name(r.table));
	plan_set(p, &r);
	return 0;
}

int plan_parse(const char *text, struct plan **ret, struct err *err)
{
	_cleanup_(plan_freep) struct plan *p = plan_new();
	char line[LINE_MAX_SIZE];

	for (int number = 1; *text; number++) {
		size_t len = strcspn(text, "\n");
		int e;

		if (len >= sizeof(line))
			return err_set(err, ERR_BAD_REQUEST, "", "line %d is too long", number);
		memcpy(line, text, len);
		line[len] = '\0';
		e = plan_parse_line(p, line, err);
		if (e < 0)
			return err_prefix(err, e, "line %d", number);
		text += len + (text[len] == '\n');
	}
	*ret = take(&p);
	return 0;
}

/* ------------------------------------------------------------------ difference */

void plan_diff_unordered(const struct plan *from, const struct plan *to, struct plan_changes *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < PLAN_N_TABLES; i++) {
		for (const struct node *n = from->tables[i].nodes; n; n = n->hh.next)
			if (!plan_find(to, &n->record))
				plan_changes_add(ret, PLAN_DELETE, &n->record, NULL);
		for (const struct node *n = to->tables[i].nodes; n; n = n->hh.next) {
			const struct plan_record *old = plan_find(from, &n->record);

			if (!old)
				plan_changes_add(ret, PLAN_ADD, &n->record, NULL);
			else if (!plan_record_equal(old, &n->record))
				plan_changes_add(ret, PLAN_UPDATE, &n->record, old);
		}
	}
}

void plan_diff(const struct plan *from, const struct plan *to, struct plan_changes *ret)
{
	plan_diff_unordered(from, to, ret);
	plan_changes_order(ret);
}

void plan_apply(struct plan *p, const struct plan_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->items[i].op == PLAN_DELETE)
			plan_del(p, &c->items[i].record);
		else
			plan_set(p, &c->items[i].record);
	}
}
