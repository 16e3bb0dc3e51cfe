/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "service/internal.h"

/* list: filters, order and pages as the API asks for them, put into a query of the table. */

struct list {
	struct service_reader *reader;
	const struct caller *caller;
	const struct kind *kind;
	const struct service_query *query;
	struct table_query q;
	char **values; /* of all terms, in the form that the table takes */
	size_t n_values;
	struct table_field alive;
	char alive_sql[96];
	/* the page */
	UT_string *text;
	struct item {
		size_t offset, len;
		char id[UUID_TEXT_SIZE];
	} * items;
	size_t n_items, allocated;
};

static void list_fini(struct list *l)
{
	for (size_t i = 0; i < l->n_values; i++)
		free(l->values[i]);
	for (size_t i = 0; i < l->q.n_terms; i++)
		free((void *)l->q.terms[i].values);
	free(l->values);
	free(l->items);
	utstring_free(l->text);
}

/* What has but one value in every row is not in the tables. */
static bool is_constant(const struct field *f, const char *value)
{
	return (f->flags & FIELD_FIXED) && f->fallback && strcmp(f->fallback, value) == 0;
}

/* Whether an agent is alive depends on the time: its condition is written for each list. */
static const struct table_field *field_of(struct list *l, const char *name)
{
	if (l->kind == &kind_agent && strcmp(name, "alive") == 0) {
		int64_t now = (int64_t)time(NULL), down = (int64_t)l->reader->service->options.agent_down_time;

		snprintf(l->alive_sql, sizeof(l->alive_sql), "(h.heartbeat BETWEEN %" PRId64 " AND %" PRId64 ")",
			 now - down, now + down);
		l->alive = (struct table_field) { "alive", TABLE_BOOL, l->alive_sql };
		return &l->alive;
	}
	return table_field(l->kind->table, name);
}

static int add_value(struct list *l, const struct table_field *f, char *value, struct err *err)
{
	struct table_term *t = NULL;

	l->values[l->n_values++] = value;
	for (size_t i = 0; i < l->q.n_terms; i++) {
		if (l->q.terms[i].field == f)
			t = &l->q.terms[i];
	}
	if (!t) {
		if (l->q.n_terms == TABLE_MAX_TERMS)
			return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Too many filters.");
		t = &l->q.terms[l->q.n_terms++];
		t->field = f;
		t->values = xcalloc(TABLE_MAX_VALUES, sizeof(*t->values));
	}
	if (t->n == TABLE_MAX_VALUES)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "More than %d values of the filter %s.",
			       TABLE_MAX_VALUES, f->name);
	((const char **)t->values)[t->n++] = value;
	return 0;
}

static int add_filter(struct list *l, const struct service_filter *filter, struct err *err)
{
	const struct table_field *f = field_of(l, filter->field->name);
	char *value;
	int r;

	if ((r = resource_filter_value(filter->field, filter->value, &value, err)) < 0)
		return r;
	if (!f && is_constant(filter->field, value)) {
		free(value);
		return 0;
	}
	if (!f) {
		/* Every row has the other value: none matches, whichever is asked for. */
		f = table_field(l->kind->table, "id");
		free(value);
		value = xstrdup("");
	}
	return add_value(l, f, value, err);
}

static int add_filters(struct list *l, struct err *err)
{
	const struct service_query *q = l->query;
	int r = 0;

	l->values = xcalloc(q->n_filters + 1, sizeof(*l->values));
	for (size_t i = 0; i < q->n_filters && r == 0; i++)
		r = add_filter(l, &q->filters[i], err);
	return r;
}

static int add_order(struct list *l, struct err *err)
{
	for (size_t i = 0; i < N_ELEMENTS(l->query->sort) && l->query->sort[i]; i++) {
		const struct table_field *f = field_of(l, l->query->sort[i]->name);

		if (!f)
			return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "'%s' is not a sort key.",
				       l->query->sort[i]->name);
		l->q.sort[l->q.n_sort] = f;
		l->q.descending[l->q.n_sort] = l->query->descending[i];
		l->q.n_sort++;
	}
	return 0;
}

static int add_page(struct list *l, struct err *err)
{
	_cleanup_(freep) void *row = xmalloc(l->kind->table->size);
	int r;

	l->q.limit = l->query->limit;
	l->q.reverse = l->query->page_reverse;
	if (!l->query->marker)
		return 0;
	r = kind_get(l->reader->db, l->kind, l->caller, l->query->marker, row, err);
	if (r == 0)
		l->q.after = ((const struct base_row *)row)->num;
	return r;
}

static int take_row(const void *row, void *arg, struct err *err)
{
	struct list *l = arg;
	struct item *item;
	int r;

	if (l->n_items == l->allocated) {
		l->allocated = l->allocated ? 2 * l->allocated : 64;
		l->items = xrealloc(l->items, l->allocated * sizeof(*l->items));
	}
	item = &l->items[l->n_items];
	item->offset = utstring_len(l->text);
	r = kind_write(l->reader->db, l->kind, l->reader->service, l->caller, row, l->text, err);
	if (r < 0)
		return r;
	item->len = utstring_len(l->text) - item->offset;
	uuid_format(&((const struct base_row *)row)->id, item->id);
	l->n_items++;
	return 0;
}

static void give(const struct list *l, void (*fn)(const char *json, size_t len, const char *id, void *arg), void *arg)
{
	for (size_t i = 0; i < l->n_items; i++) {
		const struct item *item = &l->items[l->q.reverse ? l->n_items - 1 - i : i];

		fn(utstring_body(l->text) + item->offset, item->len, item->id, arg);
	}
}

int service_list(struct service_reader *reader, const struct caller *caller, const struct resource *resource,
		 const struct service_query *query, void (*fn)(const char *json, size_t len, const char *id, void *arg),
		 void *arg, struct err *err)
{
	_cleanup_(list_fini) struct list l = { .reader = reader, .caller = caller, .query = query };
	int r;

	utstring_new(l.text);
	l.kind = kind_find(resource);
	if (!l.kind)
		return err_set(err, ERR_NOT_FOUND, "HTTPNotFound", "The resource could not be found.");
	l.q.project = caller->admin ? NULL : caller->project_id;
	if ((r = add_filters(&l, err)) < 0 || (r = add_order(&l, err)) < 0 || (r = db_begin(reader->db, err)) < 0)
		return r;
	if ((r = add_page(&l, err)) >= 0)
		r = table_select(reader->db, l.kind->table, &l.q, take_row, &l, err);
	db_rollback(reader->db);
	if (r < 0)
		return r;
	/* Given out after the view has ended: a slow taker must not hold it. */
	give(&l, fn, arg);
	return 0;
}
