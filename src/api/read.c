/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/call.h"
#include "api/query.h"
#include "base/mem.h"

/* Writes the object, or only those of its members that were asked for. */
static void write_members(struct jw *w, const char *json, size_t len, const struct query *q)
{
	_cleanup_(json_decrefp) json_t *object = NULL;
	const char *key;
	json_t *v;

	if (q->n_fields == 0 || json_read(json, len, &object, NULL) < 0) {
		jw_raw(w, json, len);
		return;
	}
	jw_object(w);
	json_object_foreach(object, key, v)
	{
		for (size_t i = 0; i < q->n_fields; i++) {
			if (strcmp(q->fields[i], key) != 0)
				continue;
			jw_key(w, key);
			jw_json(w, v);
			break;
		}
	}
	jw_end_object(w);
}

struct listing {
	struct jw w;
	const struct query *query;
	char first[64], last[64];
	uint32_t n;
};

static void add_item(const char *json, size_t len, const char *id, void *arg)
{
	struct listing *l = arg;

	if (!*l->first)
		strncpy(l->first, id, sizeof(l->first) - 1);
	strncpy(l->last, id, sizeof(l->last) - 1);
	l->n++;
	write_members(&l->w, json, len, l->query);
}

static void append_encoded(UT_string *out, const char *s)
{
	for (; *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		    strchr("-_.~", *s))
			utstring_bincpy(out, s, 1);
		else
			utstring_printf(out, "%%%02X", (unsigned char)*s);
	}
}

static void write_link(const struct call *c, struct jw *w, const char *rel, const char *marker)
{
	_cleanup_(utstring_freep) UT_string *href = NULL;
	bool reverse = strcmp(rel, "previous") == 0;

	utstring_new(href);
	call_base_url(c, href);
	utstring_printf(href, "/v2.0/%s?", c->url.segments[1]);
	for (size_t i = 0; i < c->url.n_args; i++) {
		const struct url_arg *a = &c->url.args[i];

		if (strcmp(a->name, "marker") == 0 || strcmp(a->name, "page_reverse") == 0)
			continue;
		append_encoded(href, a->name);
		utstring_bincpy(href, "=", 1);
		append_encoded(href, a->value);
		utstring_bincpy(href, "&", 1);
	}
	if (*marker)
		utstring_printf(href, "marker=%s%s", marker, reverse ? "&" : "");
	if (reverse)
		utstring_printf(href, "page_reverse=True");
	jw_object(w);
	jw_kv_string(w, "rel", rel);
	jw_kv_string(w, "href", utstring_body(href));
	jw_end_object(w);
}

/*
 * A page says where the pages beside it are. As in Neutron, a full one does not look whether there is more: the page
 * after the last may be empty, and the way back from there has no marker.
 */
static void write_links(const struct call *c, struct listing *l, const struct resource *resource)
{
	const struct service_query *q = &l->query->q;
	bool full = l->n >= q->limit;
	char key[64];

	if (q->limit == 0)
		return;
	snprintf(key, sizeof(key), "%s_links", resource->collection);
	jw_key(&l->w, key);
	jw_array(&l->w);
	if (full || q->page_reverse)
		write_link(c, &l->w, "next", l->last);
	if (full || !q->page_reverse)
		write_link(c, &l->w, "previous", l->first);
	jw_end_array(&l->w);
}

void read_list(struct call *c, const struct resource *resource)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	struct service_reader *reader;
	struct err err = { 0 };
	struct query query = { 0 };
	struct listing l = { .query = &query };
	int r = query_parse(resource, &c->url, &query, &err);

	if (r < 0) {
		call_fail(c, &err);
		return;
	}
	utstring_new(body);
	l.w = jw_init(body);
	jw_object(&l.w);
	jw_key(&l.w, resource->collection);
	jw_array(&l.w);
	if (!query.nothing) {
		reader = api_get_reader(c->api);
		r = service_list(reader, &c->caller, resource, &query.q, add_item, &l, &err);
		api_put_reader(c->api, reader);
	}
	jw_end_array(&l.w);
	write_links(c, &l, resource);
	jw_end_object(&l.w);
	query_clear(&query);
	if (r < 0)
		call_fail(c, &err);
	else
		call_answer(c, 200, utstring_body(body), utstring_len(body));
}

/* Only `fields` has a meaning for one object; other arguments are ignored, as Neutron does. */
static void wanted_fields(const struct url *url, struct query *q)
{
	q->fields = xcalloc(url->n_args + 1, sizeof(*q->fields));
	for (size_t i = 0; i < url->n_args; i++)
		if (strcmp(url->args[i].name, "fields") == 0 && *url->args[i].value)
			q->fields[q->n_fields++] = url->args[i].value;
}

void read_show(struct call *c, const struct resource *resource, const char *id)
{
	_cleanup_(utstring_freep) UT_string *object = NULL;
	_cleanup_(utstring_freep) UT_string *body = NULL;
	struct service_reader *reader = api_get_reader(c->api);
	struct query query = { 0 };
	struct err err = { 0 };
	struct jw w;
	int r;

	utstring_new(object);
	r = service_show(reader, &c->caller, resource, id, object, &err);
	api_put_reader(c->api, reader);
	if (r < 0) {
		call_fail(c, &err);
		return;
	}
	utstring_new(body);
	w = jw_init(body);
	wanted_fields(&c->url, &query);
	jw_object(&w);
	jw_key(&w, resource->name);
	write_members(&w, utstring_body(object), utstring_len(object), &query);
	jw_end_object(&w);
	query_clear(&query);
	call_answer(c, 200, utstring_body(body), utstring_len(body));
}
