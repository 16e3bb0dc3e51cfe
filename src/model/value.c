/* SPDX-License-Identifier: Apache-2.0 */
#include "model/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "net/ip.h"
#include "net/mac.h"

void text_append(char *to, size_t size, const char *more)
{
	size_t have = strlen(to), n = strlen(more);

	if (have + n >= size) {
		n = size - 1 - have;
		while (n > 0 && ((unsigned char)more[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to + have, more, n);
	to[have + n] = '\0';
}

const char *value_text(const json_t *value, char text[VALUE_TEXT_SIZE])
{
	_cleanup_(freep) char *dump = NULL;

	text[0] = '\0';
	if (json_is_string(value))
		text_append(text, VALUE_TEXT_SIZE, json_string_value(value));
	else if (json_is_null(value))
		text_append(text, VALUE_TEXT_SIZE, "None");
	else if (json_is_boolean(value))
		text_append(text, VALUE_TEXT_SIZE, json_is_true(value) ? "True" : "False");
	else if ((dump = json_dumps(value, JSON_ENCODE_ANY)))
		text_append(text, VALUE_TEXT_SIZE, dump);
	return text;
}

static int invalid(const char *name, const json_t *value, const char *what, struct err *err)
{
	char text[VALUE_TEXT_SIZE];

	return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Invalid input for %s. Reason: '%s' %s.", name,
		       value_text(value, text), what);
}

/* A converter's failure has another type and prefix than a validator's. */
static int unconvertible(const char *name, const json_t *value, const char *what, struct err *err)
{
	char text[VALUE_TEXT_SIZE];

	return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s: '%s' %s.", name,
		       value_text(value, text), what);
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int check_string(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	char what[64];
	size_t n;

	if (!json_is_string(value))
		return invalid(f->name, value, "is not a valid string", err);
	n = characters(json_string_value(value));
	if (f->max && n > (size_t)f->max) {
		snprintf(what, sizeof(what), "exceeds maximum length of %" PRId64, f->max);
		return invalid(f->name, value, what, err);
	}
	if (n < (size_t)f->min) {
		snprintf(what, sizeof(what), "is shorter than the minimum length of %" PRId64, f->min);
		return invalid(f->name, value, what, err);
	}
	*ret = json_copy((json_t *)value);
	return 0;
}

int value_bool_text(const char *text, bool *ret)
{
	static const char *const yes[] = { "true", "t", "1", "yes", "y", "on" };
	static const char *const no[] = { "false", "f", "0", "no", "n", "off" };

	for (size_t i = 0; i < N_ELEMENTS(yes); i++) {
		*ret = strcasecmp(text, yes[i]) == 0;
		if (*ret || strcasecmp(text, no[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

static int check_bool(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	bool b = json_is_true(value);

	if (!json_is_boolean(value)) {
		json_int_t n = json_integer_value(value);

		if (json_is_integer(value) && (n == 0 || n == 1))
			b = n == 1;
		else if (!json_is_string(value) || value_bool_text(json_string_value(value), &b) < 0)
			return unconvertible(f->name, value, "cannot be converted to boolean", err);
	}
	*ret = json_boolean(b);
	return 0;
}

int value_int_text(const char *text, int64_t *ret)
{
	char *end;
	long long n;

	if (!strchr("-0123456789", *text) || strlen(text) > 20)
		return -EINVAL;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end || end == text)
		return -EINVAL;
	*ret = n;
	return 0;
}

static bool is_among(const char *const *values, const char *text)
{
	for (; *values; values++)
		if (strcmp(*values, text) == 0)
			return true;
	return false;
}

static int not_among(const struct field *f, const json_t *value, struct err *err)
{
	char what[200] = "is not in [";

	for (size_t i = 0; f->values[i]; i++) {
		text_append(what, sizeof(what), i ? ", '" : "'");
		text_append(what, sizeof(what), f->values[i]);
		text_append(what, sizeof(what), "'");
	}
	text_append(what, sizeof(what), "]");
	return invalid(f->name, value, what, err);
}

static int check_int(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	int64_t n = json_integer_value(value);
	char what[64];

	if (!json_is_integer(value) && (!json_is_string(value) || value_int_text(json_string_value(value), &n) < 0))
		return unconvertible(f->name, value, "is not an integer", err);
	if (f->values) {
		char text[24];

		snprintf(text, sizeof(text), "%" PRId64, n);
		if (!is_among(f->values, text))
			return not_among(f, value, err);
	}
	if (n < f->min) {
		snprintf(what, sizeof(what), "is too small - must be at least '%" PRId64 "'", f->min);
		return invalid(f->name, value, what, err);
	}
	if (n > f->max) {
		snprintf(what, sizeof(what), "is too large - must be no larger than '%" PRId64 "'", f->max);
		return invalid(f->name, value, what, err);
	}
	*ret = json_integer(n);
	return 0;
}

static int check_uuid(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	char text[UUID_TEXT_SIZE];
	struct uuid u;

	if (!json_is_string(value) || uuid_parse_text(json_string_value(value), &u) < 0)
		return invalid(f->name, value, "is not a valid UUID", err);
	*ret = json_string(uuid_format(&u, text));
	return 0;
}

static int check_mac(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	char text[MAC_TEXT_SIZE];
	struct mac m;

	if (!json_is_string(value) || mac_parse(json_string_value(value), &m) < 0)
		return invalid(f->name, value, "is not a valid MAC address", err);
	if (mac_is_group(&m) || mac_is_zero(&m))
		return invalid(f->name, value, "is not the MAC address of one station", err);
	*ret = json_string(mac_format(&m, text));
	return 0;
}

static int check_ip(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	char text[IP_TEXT_SIZE];
	struct ip ip;

	if (!json_is_string(value) || ip_parse(json_string_value(value), &ip) < 0)
		return invalid(f->name, value, "is not a valid IP address", err);
	*ret = json_string(ip_format(&ip, text));
	return 0;
}

static int check_cidr(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	char text[PREFIX_TEXT_SIZE], what[128];
	struct prefix p, canonical;

	if (!json_is_string(value) || !strchr(json_string_value(value), '/') ||
	    prefix_parse(json_string_value(value), &p) < 0)
		return invalid(f->name, value, "is not a valid IP subnet", err);
	canonical = prefix_canonical(&p);
	prefix_format(&canonical, text);
	if (!prefix_equal(&p, &canonical)) {
		snprintf(what, sizeof(what), "isn't a recognized IP subnet cidr, '%s' is recommended", text);
		return invalid(f->name, value, what, err);
	}
	*ret = json_string(text);
	return 0;
}

static int check_enum(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	if (!json_is_string(value) || !is_among(f->values, json_string_value(value)))
		return not_among(f, value, err);
	*ret = json_copy((json_t *)value);
	return 0;
}

/* Puts the outer field's name in front: "Invalid input for fixed_ips. Reason: ip_address: 'x' is not ..." */
static int inside(const char *name, const char *member, int r, struct err *err)
{
	static const char reason[] = ". Reason: ";
	char text[sizeof(err->text)];
	const char *rest;

	if (!err || (err->kind != ERR_BAD_REQUEST && err->kind != ERR_NONE))
		return r;
	rest = strstr(err->text, reason);
	rest = rest ? rest + strlen(reason) : err->text;
	snprintf(text, sizeof(text), "%.700s", rest);
	return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "Invalid input for %s. Reason: %s%s%s", name, member,
		       *member ? ": " : "", text);
}

static const struct field *member_find(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static int check_members(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *out = NULL;
	const char *key;
	json_t *v;

	if (!json_is_object(value))
		return invalid(f->name, value, "is not a dictionary", err);
	out = json_object();
	json_object_foreach((json_t *)value, key, v)
	{
		const struct field *m = member_find(f->fields, key);
		json_t *checked = NULL;
		int r;

		if (!m)
			return invalid(f->name, value, "has members that are not expected", err);
		r = value_check(m, v, &checked, err);
		if (r < 0)
			return inside(f->name, m->name, r, err);
		json_object_set_new(out, m->name, checked);
	}
	for (const struct field *m = f->fields; m->name; m++) {
		char what[96];

		if (!(m->flags & FIELD_REQUIRED) || json_object_get(out, m->name))
			continue;
		snprintf(what, sizeof(what), "lacks the required member '%s'", m->name);
		return invalid(f->name, value, what, err);
	}
	*ret = take(&out);
	return 0;
}

static int check_dict(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	char what[64];

	if (f->fields)
		return check_members(f, value, ret, err);
	if (!json_is_object(value))
		return invalid(f->name, value, "is not a dictionary", err);
	if (f->max && json_dumpb(value, NULL, 0, JSON_COMPACT) > (size_t)f->max) {
		snprintf(what, sizeof(what), "is longer than %" PRId64 " bytes", f->max);
		return invalid(f->name, value, what, err);
	}
	*ret = json_deep_copy(value);
	return 0;
}

static bool has_element(const json_t *list, const json_t *element)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (json_equal(v, element))
			return true;
	}
	return false;
}

static int check_list(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	struct field item = { .name = f->name, .type = f->item, .max = f->fields ? 0 : 255, .fields = f->fields };
	_cleanup_(json_decrefp) json_t *out = NULL;
	char what[64];
	json_t *v;
	size_t i;

	if (f->fields)
		item.type = FIELD_DICT;
	if (!json_is_array(value))
		return invalid(f->name, value, "is not a list", err);
	if (json_array_size(value) > (size_t)f->max) {
		snprintf(what, sizeof(what), "has more than %" PRId64 " elements", f->max);
		return invalid(f->name, value, what, err);
	}
	if (json_array_size(value) < (size_t)f->min)
		return invalid(f->name, value, "has too few elements", err);
	out = json_array();
	json_array_foreach(value, i, v)
	{
		json_t *checked = NULL;
		int r = value_check(&item, v, &checked, err);

		if (r < 0)
			return inside(f->name, "", r, err);
		if (f->flags & FIELD_DISTINCT && has_element(out, checked)) {
			json_decref(checked);
			return invalid(f->name, v, "is there twice", err);
		}
		json_array_append_new(out, checked);
	}
	*ret = take(&out);
	return 0;
}

int value_check(const struct field *f, const json_t *value, json_t **ret, struct err *err)
{
	if (json_is_null(value) && f->flags & FIELD_NULLABLE) {
		*ret = f->null_is && *f->null_is ? json_loads(f->null_is, JSON_DECODE_ANY, NULL) : json_null();
		return 0;
	}
	switch (f->type) {
	case FIELD_STRING:
		return check_string(f, value, ret, err);
	case FIELD_BOOL:
		return check_bool(f, value, ret, err);
	case FIELD_INT:
		return check_int(f, value, ret, err);
	case FIELD_UUID:
		return check_uuid(f, value, ret, err);
	case FIELD_MAC:
		return check_mac(f, value, ret, err);
	case FIELD_IP:
		return check_ip(f, value, ret, err);
	case FIELD_CIDR:
		return check_cidr(f, value, ret, err);
	case FIELD_ENUM:
		return check_enum(f, value, ret, err);
	case FIELD_LIST:
		return check_list(f, value, ret, err);
	case FIELD_DICT:
		return check_dict(f, value, ret, err);
	}
	return err_set(err, ERR_INTERNAL, "", "field %s has no type", f->name);
}
