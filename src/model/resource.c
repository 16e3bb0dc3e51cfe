/* SPDX-License-Identifier: Apache-2.0 */
#include "model/resource.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "model/value.h"
#include "net/ip.h"
#include "net/mac.h"

static const struct resource *const resources[] = {
	&resource_network, &resource_subnet, &resource_port, &resource_router, &resource_agent,
};

const struct resource *resource_find(const char *collection)
{
	for (size_t i = 0; i < N_ELEMENTS(resources); i++)
		if (strcmp(resources[i]->collection, collection) == 0)
			return resources[i];
	return NULL;
}

const struct field *resource_field(const struct resource *r, const char *name)
{
	if (strcmp(name, "tenant_id") == 0)
		name = "project_id";
	for (const struct field *f = r->fields; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static int check_known(const struct resource *r, const json_t *object, struct err *err)
{
	char unknown[400] = "";
	bool any = false; /* a name may be empty */
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v)
	{
		if (resource_field(r, key))
			continue;
		if (any)
			text_append(unknown, sizeof(unknown), ", ");
		text_append(unknown, sizeof(unknown), key);
		any = true;
	}
	if (!any)
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Unrecognized attribute(s) '%s'", unknown);
}

static int check_settable(const struct resource *r, enum resource_op op, const json_t *object, bool admin,
			  struct err *err)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v)
	{
		const struct field *f = resource_field(r, key);

		if (op == RESOURCE_CREATE && !(f->flags & FIELD_POST))
			return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Attribute '%s' not allowed in POST",
				       key);
		if (op == RESOURCE_UPDATE && !(f->flags & FIELD_PUT))
			return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Cannot update read-only attribute %s",
				       key);
		if (f->flags & FIELD_ADMIN && !admin)
			return err_set(err, ERR_FORBIDDEN, "PolicyNotAuthorized",
				       "(rule:%s_%s:%s) is disallowed by policy",
				       op == RESOURCE_CREATE ? "create" : "update", r->name, f->name);
	}
	return 0;
}

static int check_project(const json_t *object, struct err *err)
{
	const json_t *project = json_object_get(object, "project_id"), *tenant = json_object_get(object, "tenant_id");

	if (project && tenant && !json_equal(project, tenant))
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "'project_id' and 'tenant_id' do not match");
	return 0;
}

/* Is it what replies show anyway? Nothing in a container counts as the default null. */
static bool is_fallback(const struct field *f, const json_t *value)
{
	_cleanup_(json_decrefp) json_t *fallback = json_loads(f->fallback, JSON_DECODE_ANY, NULL);

	if (json_is_null(fallback) && ((json_is_object(value) && json_object_size(value) == 0) ||
				       (json_is_string(value) && json_string_length(value) == 0)))
		return true;
	return json_equal(fallback, value);
}

static int check_field(const struct field *f, const char *key, const json_t *given, json_t *out, struct err *err)
{
	struct field called = *f; /* by the name that the client used: tenant_id or project_id */
	_cleanup_(json_decrefp) json_t *value = NULL;
	int r;

	if (json_is_null(given) && f->flags & FIELD_NULLABLE && f->null_is && !*f->null_is)
		return 0;
	called.name = key;
	r = value_check(&called, given, &value, err);
	if (r < 0)
		return r;
	if (!(f->flags & FIELD_FIXED)) {
		json_object_set_new(out, f->name, take(&value));
		return 0;
	}
	if (is_fallback(f, value))
		return 0;
	return err_set(err, ERR_NOT_IMPLEMENTED, "NotImplementedError", "%s: only %s is served so far.", f->name,
		       f->fallback);
}

static int check_fields(const struct resource *r, const json_t *object, json_t *out, struct err *err)
{
	const char *key;
	json_t *v;
	int n;

	json_object_foreach((json_t *)object, key, v)
	{
		n = check_field(resource_field(r, key), key, v, out, err);
		if (n < 0)
			return n;
	}
	return 0;
}

static int check_complete(const struct resource *r, const json_t *object, json_t *out, struct err *err)
{
	for (const struct field *f = r->fields; f->name; f++) {
		if (f->flags & FIELD_REQUIRED && !json_object_get(object, f->name))
			return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
				       "Failed to parse request. Required attribute '%s' not specified", f->name);
		if (!(f->flags & FIELD_POST) || f->flags & FIELD_FIXED || !f->fallback || json_object_get(out, f->name))
			continue;
		json_object_set_new(out, f->name, json_loads(f->fallback, JSON_DECODE_ANY, NULL));
	}
	return 0;
}

int resource_check(const struct resource *r, enum resource_op op, const json_t *object, bool admin, json_t **ret,
		   struct err *err)
{
	_cleanup_(json_decrefp) json_t *out = NULL;
	int n;

	if (!json_is_object(object))
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
			       "Invalid input for %s. Reason: it is not a dictionary.", r->name);
	out = json_object();
	n = check_known(r, object, err);
	if (n >= 0)
		n = check_settable(r, op, object, admin, err);
	if (n >= 0)
		n = check_project(object, err);
	if (n >= 0 && op == RESOURCE_CREATE)
		n = check_complete(r, object, out, err);
	if (n >= 0)
		n = check_fields(r, object, out, err);
	if (n < 0)
		return n;
	*ret = take(&out);
	return 0;
}

static int filter_number(const struct field *f, const char *text, char **ret, struct err *err)
{
	int64_t n;
	bool b;

	if (f->type == FIELD_BOOL) {
		if (value_bool_text(text, &b) < 0)
			goto bad;
		*ret = xstrdup(b ? "true" : "false");
		return 0;
	}
	if (value_int_text(text, &n) < 0)
		goto bad;
	*ret = xasprintf("%lld", (long long)n);
	return 0;
bad:
	return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s: '%.100s' %s.", f->name,
		       text, f->type == FIELD_BOOL ? "cannot be converted to boolean" : "is not an integer");
}

int resource_filter_value(const struct field *f, const char *text, char **ret, struct err *err)
{
	char id[UUID_TEXT_SIZE], mac[MAC_TEXT_SIZE], addr[IP_TEXT_SIZE];
	struct uuid u;
	struct mac m;
	struct ip ip;

	if (f->type == FIELD_BOOL || f->type == FIELD_INT)
		return filter_number(f, text, ret, err);
	if (f->type == FIELD_UUID && uuid_parse_text(text, &u) == 0)
		text = uuid_format(&u, id);
	else if (f->type == FIELD_MAC && mac_parse(text, &m) == 0)
		text = mac_format(&m, mac);
	else if (f->type == FIELD_IP && ip_parse(text, &ip) == 0)
		text = ip_format(&ip, addr);
	*ret = xstrdup(text);
	return 0;
}
