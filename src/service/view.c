/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "service/internal.h"

/* view: replies, and the attributes and members that all resources have in common. */

bool attr_text(const json_t *attrs, const char *key, char *ret, size_t size)
{
	const json_t *value = json_object_get(attrs, key);

	if (!json_is_string(value))
		return false;
	snprintf(ret, size, "%s", json_string_value(value));
	return true;
}

bool attr_bool(const json_t *attrs, const char *key, bool *ret)
{
	const json_t *value = json_object_get(attrs, key);

	if (!json_is_boolean(value))
		return false;
	*ret = json_is_true(value);
	return true;
}

bool attr_u32(const json_t *attrs, const char *key, uint32_t *ret)
{
	const json_t *value = json_object_get(attrs, key);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

int attr_json(const json_t *attrs, const char *key, char *ret, size_t size, struct err *err)
{
	const json_t *value = json_object_get(attrs, key);
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct jw w;

	if (!value)
		return 0;
	utstring_new(text);
	w = jw_init(text);
	jw_json(&w, value);
	if (utstring_len(text) >= size)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
			       "Invalid input for %s. Reason: more than %zu bytes.", key, size - 1);
	memcpy(ret, utstring_body(text), utstring_len(text) + 1);
	return 0;
}

void base_make(struct tx *tx, const json_t *attrs, struct base_row *ret)
{
	memset(ret, 0, sizeof(*ret));
	uuid_make(&ret->id);
	snprintf(ret->project, sizeof(ret->project), "%s", tx->caller->project_id);
	attr_text(attrs, "project_id", ret->project, sizeof(ret->project));
	ret->created = tx->now;
	base_change(tx, attrs, ret);
}

void base_change(struct tx *tx, const json_t *attrs, struct base_row *base)
{
	attr_text(attrs, "name", base->name, sizeof(base->name));
	attr_text(attrs, "description", base->description, sizeof(base->description));
	base->updated = tx->now;
	base->revision++;
}

bool view_may(const struct view *v, const char *name)
{
	const struct field *f = resource_field(v->resource, name);

	return v->admin || !f || !(f->flags & FIELD_ADMIN);
}

void view_uuid(struct view *v, const char *name, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	jw_kv_string(&v->w, name, uuid_format(id, text));
}

void view_ip(struct view *v, const char *name, const struct ip *ip)
{
	char text[IP_TEXT_SIZE];

	jw_kv_string(&v->w, name, ip_is_zero(ip) ? NULL : ip_format(ip, text));
}

void view_time(struct view *v, const char *name, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[40];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	jw_kv_string(&v->w, name, text);
}

void view_head(struct view *v, const struct base_row *base)
{
	view_uuid(v, "id", &base->id);
	jw_kv_string(&v->w, "name", base->name);
	jw_kv_string(&v->w, "description", base->description);
	jw_kv_string(&v->w, "project_id", base->project);
	jw_kv_string(&v->w, "tenant_id", base->project);
}

void view_tail(struct view *v, const struct base_row *base)
{
	for (const struct field *f = v->resource->fields; f->name; f++) {
		if ((f->flags & FIELD_FIXED) && f->fallback && view_may(v, f->name)) {
			jw_key(&v->w, f->name);
			jw_raw(&v->w, f->fallback, strlen(f->fallback));
		}
	}
	jw_key(&v->w, "tags");
	jw_raw(&v->w, "[]", 2);
	view_time(v, "created_at", base->created);
	view_time(v, "updated_at", base->updated);
	jw_key(&v->w, "revision_number");
	jw_int(&v->w, base->revision);
}
