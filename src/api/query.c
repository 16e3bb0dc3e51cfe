/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"

#define MAX_SORT_KEYS N_ELEMENTS(((struct service_query *)0)->sort)

static int bad(struct err *err, const char *value, const char *what)
{
	return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "'%.200s' %s", value, what);
}

static int parse_limit(const char *text, uint32_t *ret, struct err *err)
{
	uint64_t n = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || n > UINT32_MAX)
			n = UINT64_MAX;
		else
			n = n * 10 + (uint64_t)(*p - '0');
		if (n > UINT32_MAX)
			break;
	}
	if (!*text || n > UINT32_MAX)
		return err_set(err, ERR_BAD_REQUEST, "BadRequest",
			       "Bad limit request: limit must be an integer 0 or greater and not '%.100s'.", text);
	*ret = (uint32_t)n;
	return 0;
}

static int parse_bool(const char *name, const char *text, bool *ret, struct err *err)
{
	static const struct field flag = { .name = "flag", .type = FIELD_BOOL };
	_cleanup_(freep) char *value = NULL;
	int r = resource_filter_value(&flag, text, &value, err);

	if (r < 0)
		return err_set(err, ERR_BAD_REQUEST, "InvalidInput",
			       "Invalid input for operation: %s: '%.100s' cannot be converted to boolean.", name, text);
	*ret = strcmp(value, "true") == 0;
	return 0;
}

static int parse_sort(const struct resource *resource, const struct url *url, struct service_query *q, struct err *err)
{
	size_t keys = 0, dirs = 0;

	for (size_t i = 0; i < url->n_args; i++) {
		const char *name = url->args[i].name, *value = url->args[i].value;

		if (strcmp(name, "sort_key") == 0) {
			const struct field *f = resource_field(resource, value);

			if (!f || !(f->flags & FIELD_SORT) || keys == MAX_SORT_KEYS)
				return bad(err, value, "is invalid attribute for sort_key");
			q->sort[keys++] = f;
		} else if (strcmp(name, "sort_dir") == 0) {
			if (strcmp(value, "asc") != 0 && strcmp(value, "desc") != 0)
				return bad(err, value, "is invalid for sort_dir; it must be 'asc' or 'desc'");
			if (dirs == MAX_SORT_KEYS)
				return bad(err, value, "is one sort_dir too many");
			q->descending[dirs++] = strcmp(value, "desc") == 0;
		}
	}
	if (dirs && dirs != keys)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
			       "The number of sort_keys and sort_dirs must be same");
	return 0;
}

/* fixed_ips=ip_address=10.0.0.1: the member by which is filtered; *value becomes what it has to be. */
static const struct field *find_member(const struct field *list, const char **value)
{
	for (const struct field *f = list->fields; f->name; f++) {
		size_t n = strlen(f->name);

		if (strncmp(*value, f->name, n) == 0 && (*value)[n] == '=') {
			*value += n + 1;
			return f;
		}
	}
	return NULL;
}

/* Not an attribute, but by what was changed at that time or later: the table knows it by this name. */
static const struct field changed_since = { .name = "changed_since", .type = FIELD_STRING };

static int check_changed_since(const char *value, struct err *err)
{
	struct tm tm;
	const char *end = strptime(value, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (end && !*end)
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "InvalidInput",
		       "Invalid input for operation: The input changed_since must be in the following format: "
		       "YYYY-MM-DDTHH:MM:SSZ.");
}

/* What is the same in all objects is not asked of the service. */
static bool fixed_matches(const struct field *f, const char *value)
{
	size_t n = strlen(f->fallback);

	if (strcmp(f->fallback, "null") == 0)
		return !*value || strcasecmp(value, "null") == 0 || strcasecmp(value, "none") == 0;
	if (f->fallback[0] == '"')
		return strlen(value) == n - 2 && strncmp(f->fallback + 1, value, n - 2) == 0;
	return strcmp(f->fallback, value) == 0;
}

static bool is_control(const char *name)
{
	static const char *const names[] = { "fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse" };

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int parse_filter(const struct resource *resource, const struct url_arg *arg, struct query *q, struct err *err)
{
	const struct field *f = resource_field(resource, arg->name);
	const char *text = arg->value;
	_cleanup_(freep) char *value = NULL;
	int r = 0;

	if (strcmp(arg->name, changed_since.name) == 0 && resource_field(resource, "updated_at")) {
		f = &changed_since;
		r = check_changed_since(text, err);
	} else if (!f || !(f->flags & FIELD_FILTER)) {
		return bad(err, arg->name, "is invalid attribute for filtering");
	} else if (f->fields && !(f = find_member(f, &text))) {
		return bad(err, text, "is invalid for filtering: MEMBER=VALUE is wanted");
	}
	if (r >= 0)
		r = resource_filter_value(f, text, &value, err);
	if (r < 0)
		return r;
	q->filters[q->q.n_filters++] = (struct service_filter) { f, take(&value) };
	return 0;
}

/* Several filters of one field are alternatives: one that matches decides. */
static void settle_fixed(struct query *q)
{
	size_t kept = 0;

	for (size_t i = 0; i < q->q.n_filters; i++) {
		const struct field *f = q->filters[i].field;
		bool any = false;

		if (!(f->flags & FIELD_FIXED))
			continue;
		for (size_t k = 0; k < q->q.n_filters; k++)
			any = any || (q->filters[k].field == f && fixed_matches(f, q->filters[k].value));
		if (!any)
			q->nothing = true;
	}
	for (size_t i = 0; i < q->q.n_filters; i++) {
		if (q->filters[i].field->flags & FIELD_FIXED)
			free((char *)(uintptr_t)q->filters[i].value);
		else
			q->filters[kept++] = q->filters[i];
	}
	q->q.n_filters = kept;
}

static int parse_args(const struct resource *resource, const struct url *url, struct query *q, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < url->n_args && r >= 0; i++) {
		const struct url_arg *a = &url->args[i];

		if (strcmp(a->name, "fields") == 0 && *a->value)
			q->fields[q->n_fields++] = a->value;
		else if (strcmp(a->name, "limit") == 0)
			r = parse_limit(a->value, &q->q.limit, err);
		else if (strcmp(a->name, "page_reverse") == 0)
			r = parse_bool(a->name, a->value, &q->q.page_reverse, err);
		else if (strcmp(a->name, "marker") == 0 && *a->value)
			q->q.marker = a->value;
		else if (!is_control(a->name))
			r = parse_filter(resource, a, q, err);
	}
	return r;
}

int query_parse(const struct resource *resource, const struct url *url, struct query *ret, struct err *err)
{
	struct query q = { 0 };
	int r;

	q.filters = xcalloc(url->n_args + 1, sizeof(*q.filters));
	q.fields = xcalloc(url->n_args + 1, sizeof(*q.fields));
	r = parse_args(resource, url, &q, err);
	if (r >= 0)
		r = parse_sort(resource, url, &q.q, err);
	if (r < 0) {
		query_clear(&q);
		return r;
	}
	settle_fixed(&q);
	q.q.filters = q.filters;
	*ret = q;
	return 0;
}

void query_clear(struct query *q)
{
	for (size_t i = 0; i < q->q.n_filters; i++)
		free((char *)(uintptr_t)q->filters[i].value);
	free(q->filters);
	free(q->fields);
	*q = (struct query) { 0 };
}
