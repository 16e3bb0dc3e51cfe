/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "cli/args.h"
#include "cli/verb.h"
#include "io/http_client.h"

#define MAX_PAGES 100000

struct cli *cli_new(const char *url, const char *token, const char *project, bool debug)
{
	struct cli *c = xcalloc(1, sizeof(*c));
	size_t len = strlen(url);

	while (len && url[len - 1] == '/')
		len--;
	if (len >= 5 && strncmp(url + len - 5, "/v2.0", 5) == 0)
		len -= 5;
	*c = (struct cli) { .http = http_client_new(), .url = xstrndup(url, len), .debug = debug, .out = stdout };
	c->token = token && *token ? xstrdup(token) : NULL;
	c->project = project && *project ? xstrdup(project) : NULL;
	return c;
}

struct cli *cli_free(struct cli *c)
{
	if (c) {
		http_client_free(c->http);
		free(c->url);
		free(c->token);
		free(c->project);
		free(c);
	}
	return NULL;
}

/* Shown with --debug; never the token. */
static void show_request(const struct cli *c, const struct http_request *q)
{
	if (!c->debug)
		return;
	fprintf(stderr, "REQ: curl -i -X %s '%s' -H 'Accept: application/json'%s", q->method, q->url,
		c->token ? " -H \"X-Auth-Token: $OS_TOKEN\"" : "");
	if (c->project)
		fprintf(stderr, " -H 'X-Project-Id: %s'", c->project);
	if (q->body)
		fprintf(stderr, " -H 'Content-Type: application/json' -d '%s'", q->body);
	fputc('\n', stderr);
}

static enum err_kind kind_of(long status)
{
	switch (status) {
	case 401:
		return ERR_UNAUTHORIZED;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 412:
		return ERR_PRECONDITION;
	case 501:
		return ERR_NOT_IMPLEMENTED;
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return status >= 400 && status < 500 ? ERR_BAD_REQUEST : ERR_INTERNAL;
	}
}

/* The text of an error reply: {"NeutronError": {"message": ..., "type": ...}} under whatever name, or what there is. */
static int refused(const struct http_request *q, const struct http_reply *reply, struct err *err)
{
	_cleanup_(json_decrefp) json_t *body = NULL;
	const json_t *e;
	const char *name;

	json_read(reply->body, reply->len, &body, NULL);
	json_object_foreach(body, name, e)
	{
		const char *text = json_string_value(json_is_string(e) ? e : json_object_get(e, "message"));

		if (text)
			return err_set(err, kind_of(reply->status), json_string_value(json_object_get(e, "type")), "%s",
				       text);
	}
	return err_set(err, kind_of(reply->status), "", "%s %s: status %ld%s%.300s", q->method, q->url, reply->status,
		       reply->len ? ": " : "", reply->body);
}

static int understand(const struct http_request *q, const struct http_reply *reply, json_t **ret, struct err *err)
{
	int r;

	if (reply->status < 200 || reply->status > 299)
		return refused(q, reply, err);
	*ret = NULL;
	if (reply->len == 0)
		return 0;
	r = json_read(reply->body, reply->len, ret, err);
	return r < 0 ? err_prefix(err, r, "%s %s: the reply", q->method, q->url) : 0;
}

int cli_call(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret, struct err *err)
{
	_cleanup_(freep) char *url = path[0] == '/' ? xasprintf("%s/v2.0%s", c->url, path) : xstrdup(path);
	_cleanup_(freep) char *token = xasprintf("X-Auth-Token: %s", c->token ? c->token : "");
	_cleanup_(freep) char *project = xasprintf("X-Project-Id: %s", c->project ? c->project : "");
	_cleanup_(freep) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	const char *headers[5] = { "Accept: application/json" };
	struct http_request q = { .method = method, .url = url, .headers = headers, .body = text };
	struct http_reply reply = { 0 };
	size_t n = 1;
	int r;

	if (text) {
		q.body_len = strlen(text);
		headers[n++] = "Content-Type: application/json";
	}
	if (c->token)
		headers[n++] = token;
	if (c->project)
		headers[n++] = project;
	show_request(c, &q);
	r = http_client_call(c->http, &q, &reply, err);
	if (r < 0)
		return err_prefix(err, r, "Connection to neutron failed");
	if (c->debug)
		fprintf(stderr, "RESP: %ld %s\n", reply.status, reply.body);
	r = understand(&q, &reply, ret, err);
	http_reply_done(&reply);
	return r;
}

static void add_parameter(UT_string *out, const char *key, const json_t *value)
{
	_cleanup_(freep) char *name = http_escape(key), *dump = NULL, *text = NULL;

	if (!json_is_string(value) && !json_is_boolean(value) && !json_is_null(value))
		dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (dump)
		text = http_escape(dump);
	else if (json_is_boolean(value))
		text = xstrdup(json_is_true(value) ? "True" : "False");
	else if (json_is_string(value))
		text = http_escape(json_string_value(value));
	utstring_printf(out, "%s%s=%s", utstring_len(out) ? "&" : "?", name, text ? text : "");
}

char *cli_query(const json_t *query)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	const json_t *value, *item;
	const char *key;
	size_t i;

	utstring_new(out);
	json_object_foreach((json_t *)query, key, value)
	{
		if (!json_is_array(value))
			add_parameter(out, key, value);
		json_array_foreach(value, i, item) add_parameter(out, key, item);
	}
	return xstrdup(utstring_body(out));
}

/* The next page's URL, or NULL. A link to another server is not followed: the token stays here. */
static const char *next_page(const struct cli *c, const struct noun *n, const json_t *reply)
{
	_cleanup_(freep) char *name = xasprintf("%s_links", n->collection);
	const json_t *links = json_object_get(reply, name), *link;
	size_t i;

	json_array_foreach(links, i, link)
	{
		const char *rel = json_string_value(json_object_get(link, "rel"));
		const char *href = json_string_value(json_object_get(link, "href"));

		if (rel && href && strcmp(rel, "next") == 0 && strncmp(href, c->url, strlen(c->url)) == 0)
			return href;
	}
	return NULL;
}

int cli_list(struct cli *c, const struct noun *n, const json_t *query, json_t **ret, struct err *err)
{
	_cleanup_(freep) char *parameters = cli_query(query), *path = xasprintf("/%s%s", n->collection, parameters);
	_cleanup_(json_decrefp) json_t *all = json_array();

	for (unsigned page = 0; path && page < MAX_PAGES; page++) {
		_cleanup_(json_decrefp) json_t *reply = NULL;
		const json_t *items;
		const char *next;
		int r;

		r = cli_call(c, "GET", path, NULL, &reply, err);
		if (r < 0)
			return r;
		items = json_object_get(reply, n->collection);
		if (!json_is_array(items))
			return err_set(err, ERR_INTERNAL, "", "%s: the reply has no list \"%s\"", path, n->collection);
		json_array_extend(all, (json_t *)items);
		next = json_array_size(items) ? next_page(c, n, reply) : NULL;
		free(path);
		path = next ? xstrdup(next) : NULL;
	}
	*ret = take(&all);
	return 0;
}

/* One filter, and of each match its id and title. */
static int matches(struct cli *c, const struct noun *n, const char *key, const char *value, json_t **ret,
		   struct err *err)
{
	_cleanup_(json_decrefp) json_t *query = json_pack("{s:s, s:[s,s]}", key, value, "fields", "id", n->title);

	if (!query)
		return err_set(err, ERR_BAD_REQUEST, "", "not UTF-8");
	return cli_list(c, n, query, ret, err);
}

static int ambiguous(const struct noun *n, const char *name, const json_t *list, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *ids = NULL;
	const json_t *item;
	size_t i;

	utstring_new(ids);
	json_array_foreach(list, i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));

		utstring_printf(ids, "\n  %s", id ? id : "?");
	}
	return err_set(err, ERR_CONFLICT, "",
		       "Multiple %s matches found for name '%s', use an ID to be more specific:%s", n->name, name,
		       utstring_body(ids));
}

int cli_find(struct cli *c, const struct noun *n, const char *name_or_id, char **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *list = NULL;
	struct uuid uuid;
	const char *id;
	int r;

	if (uuid_parse_text(name_or_id, &uuid) == 0) {
		r = matches(c, n, "id", name_or_id, &list, err);
		if (r < 0)
			return r;
	}
	if (!json_array_size(list)) {
		json_decref(list);
		list = NULL;
		r = matches(c, n, n->title, name_or_id, &list, err);
		if (r < 0)
			return r;
	}
	if (json_array_size(list) > 1)
		return ambiguous(n, name_or_id, list, err);
	id = json_string_value(json_object_get(json_array_get(list, 0), "id"));
	if (!id)
		return err_set(err, ERR_NOT_FOUND, "", "Unable to find %s with %s or id '%s'", n->name, n->title,
			       name_or_id);
	*ret = xstrdup(id);
	return 0;
}

int cli_resolve(struct cli *c, const struct args *a, struct err *err)
{
	for (size_t i = 0; i < a->n_refs; i++) {
		const struct args_ref *ref = &a->refs[i];
		const char *name = json_string_value(json_object_get(ref->object, ref->key));
		_cleanup_(freep) char *id = NULL;
		int r;

		if (!name)
			continue;
		r = cli_find(c, ref->noun, name, &id, err);
		if (r < 0)
			return r;
		json_object_set_new(ref->object, ref->key, json_string(id));
	}
	return 0;
}
