/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

int json_read(const char *text, size_t len, json_t **ret, struct err *err)
{
	json_error_t e;
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);

	if (!value)
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Malformed JSON at line %d, column %d: %s",
			       e.line, e.column, e.text);
	*ret = value;
	return 0;
}

static int wrong(const char *key, const json_t *value, const char *expected, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", value ? "%s must be %s" : "%s is missing (%s)", key,
		       expected);
}

int json_get_u32(const json_t *object, const char *key, uint32_t *ret, struct err *err)
{
	const json_t *value = json_object_get(object, key);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > UINT32_MAX)
		return wrong(key, value, "an integer from 0 to 4294967295", err);
	*ret = (uint32_t)n;
	return 0;
}

int json_get_bool(const json_t *object, const char *key, bool *ret, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_boolean(value))
		return wrong(key, value, "true or false", err);
	*ret = json_is_true(value);
	return 0;
}

int json_get_string(const json_t *object, const char *key, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return wrong(key, value, "a string", err);
	*ret = json_string_value(value);
	return 0;
}

int json_get_array(const json_t *object, const char *key, json_t **ret, struct err *err)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_array(value))
		return wrong(key, value, "a list", err);
	*ret = value;
	return 0;
}

struct jw jw_init(UT_string *out)
{
	return (struct jw) { .out = out };
}

/* The library grows a string by just what is asked for, which makes a long list quadratic: double it. */
static void put(UT_string *out, const char *bytes, size_t n)
{
	if (out->n - out->i <= n)
		utstring_reserve(out, n + 1 > out->n ? n + 1 : out->n);
	utstring_bincpy(out, bytes, n);
}

static void before_value(struct jw *w)
{
	if (w->comma)
		put(w->out, ",", 1);
	w->comma = true;
}

static void open_with(struct jw *w, const char *bracket)
{
	before_value(w);
	put(w->out, bracket, 1);
	w->comma = false;
}

static void close_with(struct jw *w, const char *bracket)
{
	put(w->out, bracket, 1);
	w->comma = true;
}

void jw_object(struct jw *w)
{
	open_with(w, "{");
}

void jw_end_object(struct jw *w)
{
	close_with(w, "}");
}

void jw_array(struct jw *w)
{
	open_with(w, "[");
}

void jw_end_array(struct jw *w)
{
	close_with(w, "]");
}

static void quoted(UT_string *out, const char *text)
{
	const char *from = text;

	put(out, "\"", 1);
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		char escape[8];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(out, from, (size_t)(p - from));
		from = p + 1;
		if (c == '"' || c == '\\')
			snprintf(escape, sizeof(escape), "\\%c", c);
		else
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		put(out, escape, strlen(escape));
	}
	put(out, from, strlen(from));
	put(out, "\"", 1);
}

void jw_key(struct jw *w, const char *key)
{
	before_value(w);
	quoted(w->out, key);
	put(w->out, ":", 1);
	w->comma = false;
}

void jw_string(struct jw *w, const char *text)
{
	if (!text) {
		jw_null(w);
		return;
	}
	before_value(w);
	quoted(w->out, text);
}

void jw_int(struct jw *w, int64_t value)
{
	if (value >= 0) {
		jw_uint(w, (uint64_t)value);
		return;
	}
	before_value(w);
	utstring_printf(w->out, "%" PRId64, value);
}

void jw_uint(struct jw *w, uint64_t value)
{
	char text[20], *p = text + sizeof(text);

	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	before_value(w);
	put(w->out, p, (size_t)(text + sizeof(text) - p));
}

void jw_bool(struct jw *w, bool value)
{
	jw_raw(w, value ? "true" : "false", value ? 4 : 5);
}

void jw_null(struct jw *w)
{
	jw_raw(w, "null", 4);
}

void jw_raw(struct jw *w, const char *json, size_t len)
{
	before_value(w);
	put(w->out, json, len);
}

static int append(const char *bytes, size_t size, void *arg)
{
	put((UT_string *)arg, bytes, size);
	return 0;
}

void jw_json(struct jw *w, const json_t *value)
{
	before_value(w);
	json_dump_callback(value, append, w->out, JSON_COMPACT | JSON_ENCODE_ANY);
}

void jw_kv_string(struct jw *w, const char *key, const char *text)
{
	jw_key(w, key);
	jw_string(w, text);
}

void jw_kv_uint(struct jw *w, const char *key, uint64_t value)
{
	jw_key(w, key);
	jw_uint(w, value);
}

void jw_kv_bool(struct jw *w, const char *key, bool value)
{
	jw_key(w, key);
	jw_bool(w, value);
}

void utstring_freep(UT_string **s)
{
	if (*s)
		utstring_free(*s);
}
