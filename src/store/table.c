/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utstring.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_ARGS 4000 /* of a statement's filters */
#define OTHER_ARGS 4 /* the project, the marker, the limit */

void base_row_read(struct db_rows *q, struct base_row *ret)
{
	ret->num = db_u32(q, 0);
	db_copy_blob(q, 1, ret->id.b, sizeof(ret->id.b));
	db_copy_text(q, 2, ret->project, sizeof(ret->project));
	db_copy_text(q, 3, ret->name, sizeof(ret->name));
	db_copy_text(q, 4, ret->description, sizeof(ret->description));
	ret->created = db_int(q, 5);
	ret->updated = db_int(q, 6);
	ret->revision = db_int(q, 7);
}

const struct table_field *table_field(const struct table *t, const char *name)
{
	for (const struct table_field *f = t->fields; f->name; f++) {
		if (strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

int table_find_num(struct db *db, const struct table *t, uint32_t num, void *row, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(db, t->by_num, DB(v_int(num)));
	int r = db_next(q, err);

	if (r > 0)
		t->read(q, row);
	return r;
}

/* A statement that is being written, and its arguments. Values of 16 bytes and less live in `bytes`. */
struct writer {
	UT_string *sql;
	struct db_value *args;
	uint8_t (*bytes)[16];
	size_t n;
};

static void writer_fini(struct writer *w)
{
	utstring_free(w->sql);
	free(w->args);
	free(w->bytes);
}

/* False: no row has this value. */
static bool convert(enum table_type type, const char *text, uint8_t bytes[16], struct db_value *ret)
{
	struct tm tm = { 0 };
	char *end;

	switch (type) {
	case TABLE_TEXT:
		*ret = v_text(text);
		return true;
	case TABLE_BOOL:
		*ret = v_int(strcmp(text, "true") == 0);
		return true;
	case TABLE_INT:
		*ret = v_int(strtoll(text, &end, 10));
		return *text && !*end;
	case TABLE_TIME:
		end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
		*ret = v_int(timegm(&tm));
		return end && (!*end || strcmp(end, "Z") == 0);
	case TABLE_UUID:
		*ret = v_blob(bytes, sizeof(struct uuid));
		return uuid_parse_text(text, (struct uuid *)bytes) == 0;
	case TABLE_MAC:
		*ret = v_blob(bytes, sizeof(struct mac));
		return mac_parse(text, (struct mac *)bytes) == 0;
	case TABLE_IP:
		*ret = v_blob(bytes, sizeof(struct ip));
		return ip_parse(text, (struct ip *)bytes) == 0;
	}
	return false;
}

static void put_condition(struct writer *w, const struct table_field *f)
{
	const char *hole = strchr(f->sql, '$');

	utstring_printf(w->sql, "%.*s$%zu%s", (int)(hole - f->sql), f->sql, w->n, hole + 1);
}

/* Values are alternatives: an IN, or conditions joined by OR. */
static void put_term(struct writer *w, const struct table_term *term)
{
	bool condition = strchr(term->field->sql, '$');
	bool first = true;

	if (condition)
		utstring_printf(w->sql, " AND (");
	else
		utstring_printf(w->sql, " AND %s IN (", term->field->sql);
	for (size_t i = 0; i < term->n && w->n < MAX_ARGS; i++) {
		if (!convert(term->field->type, term->values[i], w->bytes[w->n], &w->args[w->n]))
			continue;
		w->n++;
		if (!first)
			utstring_printf(w->sql, condition ? " OR " : ", ");
		first = false;
		if (condition)
			put_condition(w, term->field);
		else
			utstring_printf(w->sql, "$%zu", w->n);
	}
	utstring_printf(w->sql, condition && first ? "0)" : ")");
}

/* A missing gateway address sorts first, and must compare. */
static void put_key(UT_string *sql, const struct table_field *f)
{
	utstring_printf(sql, f->type == TABLE_IP ? "IFNULL(%s, x'')" : "%s", f->sql);
}

/* " FROM ..." of the SELECT itself, not of one inside its columns. */
static const char *from_clause(const char *select)
{
	int depth = 0;

	for (const char *p = select; *p; p++) {
		depth += (*p == '(') - (*p == ')');
		if (depth == 0 && strncmp(p, " FROM ", 6) == 0)
			return p;
	}
	abort(); /* the table's text is wrong */
}

/* The value of a sort key in the row that the page begins after. */
static void put_marker_key(struct writer *w, const struct table *t, const struct table_field *f, size_t arg)
{
	utstring_printf(w->sql, "(SELECT ");
	put_key(w->sql, f);
	utstring_printf(w->sql, "%s WHERE t.num = $%zu)", from_clause(t->select), arg);
}

/* (a after A) or (a = A and b after B) or ... or (all equal and num after NUM) */
static void put_marker(struct writer *w, const struct table *t, const struct table_query *q)
{
	size_t arg;

	w->args[w->n++] = v_int(q->after);
	arg = w->n;
	utstring_printf(w->sql, " AND (");
	for (size_t i = 0; i <= q->n_sort; i++) {
		bool less = (i < q->n_sort && q->descending[i]) != q->reverse;

		utstring_printf(w->sql, "%s(", i ? " OR " : "");
		for (size_t k = 0; k < i; k++) {
			put_key(w->sql, q->sort[k]);
			utstring_printf(w->sql, " = ");
			put_marker_key(w, t, q->sort[k], arg);
			utstring_printf(w->sql, " AND ");
		}
		if (i < q->n_sort) {
			put_key(w->sql, q->sort[i]);
			utstring_printf(w->sql, " %c ", less ? '<' : '>');
			put_marker_key(w, t, q->sort[i], arg);
		} else {
			utstring_printf(w->sql, "t.num %c $%zu", less ? '<' : '>', arg);
		}
		utstring_printf(w->sql, ")");
	}
	utstring_printf(w->sql, ")");
}

static void write_query(struct writer *w, const struct table *t, const struct table_query *q)
{
	utstring_printf(w->sql, "%s WHERE 1", t->select);
	for (size_t i = 0; i < q->n_terms; i++)
		put_term(w, &q->terms[i]);
	if (q->project) {
		struct table_field visible = { "", TABLE_TEXT, t->visible ? t->visible : "0 AND $ IS NULL" };

		w->args[w->n++] = v_text(q->project);
		utstring_printf(w->sql, " AND (");
		put_condition(w, &visible);
		utstring_printf(w->sql, ")");
	}
	if (q->after)
		put_marker(w, t, q);
	utstring_printf(w->sql, " ORDER BY ");
	for (size_t i = 0; i < q->n_sort; i++) {
		put_key(w->sql, q->sort[i]);
		utstring_printf(w->sql, q->descending[i] != q->reverse ? " DESC, " : ", ");
	}
	utstring_printf(w->sql, q->reverse ? "t.num DESC" : "t.num");
	if (q->limit) {
		w->args[w->n++] = v_int((int64_t)q->limit);
		utstring_printf(w->sql, " LIMIT $%zu", w->n);
	}
}

int table_select(struct db *db, const struct table *t, const struct table_query *query, table_fn fn, void *arg,
		 struct err *err)
{
	_cleanup_(writer_fini) struct writer w = { .n = 0 };
	_cleanup_(db_endp) struct db_rows *q = NULL;
	_cleanup_(freep) void *row = xmalloc(t->size);
	size_t values = 0;
	int r;

	utstring_new(w.sql);
	for (size_t i = 0; i < query->n_terms; i++)
		values += query->terms[i].n;
	w.args = xcalloc(values + OTHER_ARGS, sizeof(*w.args));
	w.bytes = xcalloc(values + OTHER_ARGS, sizeof(*w.bytes));
	write_query(&w, t, query);
	q = db_query(db, utstring_body(w.sql), w.args, w.n);
	while ((r = db_next(q, err)) > 0) {
		t->read(q, row);
		if ((r = fn(row, arg, err)) < 0)
			break;
	}
	return r;
}
