/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "api/call.h"
#include "base/mem.h"
#include "base/uuid.h"

#define MAX_BULK 500

/* What a write waits for: the service's `done` answers it, from the writer's thread. */
struct pending {
	struct call *call;
	const char *key; /* around the reply; NULL: none */
	int status;
};

static void on_done(struct service_call *sc, void *arg)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	_cleanup_(freep) struct pending *p = arg;
	struct jw w;

	if (sc->r < 0) {
		call_fail(p->call, &sc->err);
		service_call_free(sc);
		return;
	}
	if (p->status == 204) {
		call_answer(p->call, 204, NULL, 0);
		service_call_free(sc);
		return;
	}
	utstring_new(body);
	w = jw_init(body);
	if (p->key) {
		jw_object(&w);
		jw_key(&w, p->key);
	}
	jw_raw(&w, utstring_body(sc->reply), utstring_len(sc->reply));
	if (p->key)
		jw_end_object(&w);
	call_answer(p->call, p->status, utstring_body(body), utstring_len(body));
	service_call_free(sc);
}

/* If-Match: revision_number=N. Other conditions are not ours. */
static int read_if_match(const struct call *c, int64_t *ret, struct err *err)
{
	static const char name[] = "revision_number=";
	const char *text = http_header(c->http, "If-Match");
	int64_t n = 0;

	*ret = -1;
	if (!text || strncmp(text, name, strlen(name)) != 0)
		return 0;
	text += strlen(name);
	if (!*text || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "If-Match: revision_number must be an integer.");
	for (; *text; text++)
		n = n * 10 + (*text - '0');
	*ret = n;
	return 0;
}

static void submit(struct call *c, enum service_op op, const struct resource *resource, const char *id, json_t *attrs,
		   const char *key, int status)
{
	struct service_call *sc = service_call_new();
	struct pending *p = xcalloc(1, sizeof(*p));
	struct err err = { 0 };

	sc->op = op;
	sc->resource = resource;
	sc->attrs = attrs;
	sc->caller = c->caller;
	if (id)
		strncpy(sc->id, id, sizeof(sc->id) - 1);
	if (read_if_match(c, &sc->if_match, &err) < 0) {
		service_call_free(sc);
		free(p);
		call_fail(c, &err);
		return;
	}
	*p = (struct pending) { c, key, status };
	sc->done = on_done;
	sc->arg = p;
	http_suspend(c->http); /* before the writer can know of it */
	service_submit(api_service(c->api), sc);
}

/*
 * A body is JSON whatever it is said to be, as in Neutron: clients leave the type out. But a page in a browser, which
 * always says whence it comes, can send any type but this one to where it may not read.
 */
static int check_content_type(const struct call *c, struct err *err)
{
	static const char json[] = "application/json";
	const char *type = http_header(c->http, "Content-Type");

	if (!http_header(c->http, "Origin"))
		return 0;
	if (type && strncasecmp(type, json, strlen(json)) == 0 && strchr("; \t", type[strlen(json)]))
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "The request's Content-Type must be application/json.");
}

static int read_body(const struct call *c, json_t **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *body = NULL;
	size_t len;
	const char *text = http_body(c->http, &len);
	int r;

	if (len == 0)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Resource body required");
	r = check_content_type(c, err);
	if (r < 0)
		return r;
	r = json_read(text, len, &body, err);
	if (r < 0)
		return r;
	if (!json_is_object(body))
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "The request's body is not a JSON object.");
	*ret = take(&body);
	return 0;
}

static int check_object(const struct call *c, const struct resource *resource, enum resource_op op,
			const json_t *object, json_t **ret, struct err *err)
{
	int r = resource_check(resource, op, object, c->caller.admin, ret, err);

	if (r >= 0 && op == RESOURCE_CREATE && !json_object_get(*ret, "project_id"))
		json_object_set_new(*ret, "project_id", json_string(c->caller.project_id));
	return r;
}

static int check_list(const struct call *c, const struct resource *resource, const json_t *list, json_t **ret,
		      struct err *err)
{
	_cleanup_(json_decrefp) json_t *out = json_array();
	json_t *object;
	size_t i;

	if (json_array_size(list) == 0 || json_array_size(list) > MAX_BULK)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
			       "Invalid input for %s. Reason: a list of 1 to %d is wanted.", resource->collection,
			       MAX_BULK);
	json_array_foreach((json_t *)list, i, object)
	{
		json_t *attrs = NULL;
		/* {"ports": [{...}]}, and as old clients write it {"ports": [{"port": {...}}]} */
		const json_t *inner = json_object_size(object) == 1 ? json_object_get(object, resource->name) : NULL;
		int r = check_object(c, resource, RESOURCE_CREATE, inner ? inner : object, &attrs, err);

		if (r < 0)
			return r;
		json_array_append_new(out, attrs);
	}
	*ret = take(&out);
	return 0;
}

/* The checked attributes of {"port": {...}}; when several may be made, a list of them for {"ports": [...]}. */
static int read_attributes(const struct call *c, const struct resource *resource, enum resource_op op, json_t **ret,
			   struct err *err)
{
	_cleanup_(json_decrefp) json_t *body = NULL;
	const json_t *object, *list;
	int r = read_body(c, &body, err);

	if (r < 0)
		return r;
	object = json_object_get(body, resource->name);
	list = json_object_get(body, resource->collection);
	if (!object && op == RESOURCE_CREATE && list)
		return check_list(c, resource, list, ret, err);
	if (!object)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Unable to find '%s' in request body",
			       resource->name);
	return check_object(c, resource, op, object, ret, err);
}

void write_create(struct call *c, const struct resource *resource)
{
	json_t *attrs = NULL;
	struct err err = { 0 };
	int r;

	if (resource == &resource_agent)
		r = err_set(&err, ERR_BAD_REQUEST, "BadRequest",
			    "Bad agent request: agents register themselves; they cannot be created.");
	else
		r = read_attributes(c, resource, RESOURCE_CREATE, &attrs, &err);
	if (r < 0) {
		call_fail(c, &err);
		return;
	}
	submit(c, SERVICE_CREATE, resource, NULL, attrs, json_is_array(attrs) ? resource->collection : resource->name,
	       201);
}

void write_update(struct call *c, const struct resource *resource, const char *id)
{
	json_t *attrs = NULL;
	struct err err = { 0 };

	if (read_attributes(c, resource, RESOURCE_UPDATE, &attrs, &err) < 0)
		call_fail(c, &err);
	else
		submit(c, SERVICE_UPDATE, resource, id, attrs, resource->name, 200);
}

void write_delete(struct call *c, const struct resource *resource, const char *id)
{
	submit(c, SERVICE_DELETE, resource, id, json_object(), NULL, 204);
}

static int read_id(const json_t *body, const char *name, json_t *attrs, struct err *err)
{
	const json_t *value = json_object_get(body, name);
	char text[UUID_TEXT_SIZE];
	struct uuid u;

	if (!value)
		return 0;
	if (!json_is_string(value) || uuid_parse_text(json_string_value(value), &u) < 0)
		return err_set(err, ERR_BAD_REQUEST, "BadRequest", "Bad router request: %s is not a valid UUID.", name);
	json_object_set_new(attrs, name, json_string(uuid_format(&u, text)));
	return 0;
}

static int read_interface(const struct call *c, bool add, json_t **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *attrs = json_object();
	_cleanup_(json_decrefp) json_t *body = NULL;
	int r = read_body(c, &body, err);

	if (r >= 0)
		r = read_id(body, "subnet_id", attrs, err);
	if (r >= 0)
		r = read_id(body, "port_id", attrs, err);
	if (r < 0)
		return r;
	if (json_object_size(attrs) == 0)
		return err_set(err, ERR_BAD_REQUEST, "BadRequest",
			       "Bad router request: Either subnet_id or port_id must be specified.");
	if (add && json_object_size(attrs) == 2)
		return err_set(err, ERR_BAD_REQUEST, "BadRequest",
			       "Bad router request: Cannot specify both subnet-id and port-id.");
	*ret = take(&attrs);
	return 0;
}

void write_interface(struct call *c, enum service_op op, const char *router)
{
	json_t *attrs = NULL;
	struct err err = { 0 };

	if (read_interface(c, op == SERVICE_ADD_ROUTER_INTERFACE, &attrs, &err) < 0)
		call_fail(c, &err);
	else
		submit(c, op, &resource_router, router, attrs, NULL, 200);
}
