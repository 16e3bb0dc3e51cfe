/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum field_type { FIELD_TEXT, FIELD_U32, FIELD_U64, FIELD_BOOL, FIELD_OBJECT, FIELD_ARRAY };

struct message_field {
	enum message_kind kind;
	const char *outer; /* the object inside the body that has the member, or NULL */
	const char *name;
	enum field_type type;
	bool required;
	size_t offset, size;
};

#define REQUIRED true
#define OPTIONAL false
#define F(kind, outer, name, type, required, member)                                                                   \
	{                                                                                                              \
		MESSAGE_##kind, outer, name, FIELD_##type, required, offsetof(struct message, member),                 \
			sizeof(((struct message *)NULL)->member)                                                       \
	}

static const char RESUME[] = "resume";

/* Fields of one kind stand together, those of an inner object too. */
static const struct message_field fields[] = {
	F(HELLO, NULL, "proto_min", U32, REQUIRED, hello.proto_min),
	F(HELLO, NULL, "proto_max", U32, REQUIRED, hello.proto_max),
	F(HELLO, NULL, "host", TEXT, REQUIRED, hello.host),
	F(HELLO, NULL, "token", TEXT, REQUIRED, hello.token),
	F(HELLO, NULL, "version", TEXT, OPTIONAL, hello.version),
	F(HELLO, NULL, "datapath", TEXT, REQUIRED, hello.datapath),
	F(HELLO, NULL, "vif_type", TEXT, REQUIRED, hello.vif_type),
	F(HELLO, NULL, "tunnel_ip", TEXT, REQUIRED, hello.tunnel_ip),
	F(HELLO, NULL, "agent_mode", TEXT, OPTIONAL, hello.agent_mode),
	F(HELLO, NULL, "configurations", OBJECT, OPTIONAL, hello.configurations),
	F(HELLO, NULL, "heartbeat_ms", U32, OPTIONAL, hello.heartbeat_ms),
	F(HELLO, RESUME, "incarnation", TEXT, OPTIONAL, hello.incarnation),
	F(HELLO, RESUME, "position", U64, OPTIONAL, hello.position),
	F(REPORT, NULL, "applied", U64, REQUIRED, report.applied),
	F(REPORT, NULL, "ports", ARRAY, OPTIONAL, report.ports),
	F(AGENT_HEARTBEAT, NULL, "applied", U64, REQUIRED, heartbeat.applied),
	F(AGENT_HEARTBEAT, NULL, "counters", OBJECT, OPTIONAL, heartbeat.counters),
	F(AGENT_HEARTBEAT, NULL, "held", BOOL, OPTIONAL, heartbeat.held),
	F(WELCOME, NULL, "proto", U32, REQUIRED, welcome.proto),
	F(WELCOME, NULL, "incarnation", TEXT, REQUIRED, welcome.incarnation),
	F(WELCOME, NULL, "host", U32, REQUIRED, welcome.host),
	F(WELCOME, NULL, "mode", TEXT, REQUIRED, welcome.mode),
	F(REFUSED, NULL, "reason", TEXT, REQUIRED, refused.reason),
	F(REFUSED, NULL, "text", TEXT, OPTIONAL, refused.text),
	F(FRAME, NULL, "position", U64, REQUIRED, frame.position),
	F(FRAME, NULL, "request_id", TEXT, OPTIONAL, frame.request_id),
	F(FRAME, NULL, "snapshot", BOOL, OPTIONAL, frame.snapshot),
	F(SERVER_HEARTBEAT, NULL, "position", U64, REQUIRED, heartbeat.position),
};

/* How a kind's body is read and written. */
enum body { BODY_FIELDS, BODY_SET, BODY_DEL, BODY_UNIT };

static const struct {
	const char *name;
	enum message_side sender;
	enum body body;
} kinds[N_MESSAGE_KINDS] = {
	[MESSAGE_HELLO] = { "hello", MESSAGE_AGENT, BODY_FIELDS },
	[MESSAGE_REPORT] = { "report", MESSAGE_AGENT, BODY_FIELDS },
	[MESSAGE_AGENT_HEARTBEAT] = { "heartbeat", MESSAGE_AGENT, BODY_FIELDS },
	[MESSAGE_WELCOME] = { "welcome", MESSAGE_SERVER, BODY_FIELDS },
	[MESSAGE_REFUSED] = { "refused", MESSAGE_SERVER, BODY_FIELDS },
	[MESSAGE_SET] = { "set", MESSAGE_SERVER, BODY_SET },
	[MESSAGE_DEL] = { "del", MESSAGE_SERVER, BODY_DEL },
	[MESSAGE_ENTER] = { "enter", MESSAGE_SERVER, BODY_UNIT },
	[MESSAGE_DROP] = { "drop", MESSAGE_SERVER, BODY_UNIT },
	[MESSAGE_FRAME] = { "frame", MESSAGE_SERVER, BODY_FIELDS },
	[MESSAGE_SERVER_HEARTBEAT] = { "heartbeat", MESSAGE_SERVER, BODY_FIELDS },
	[MESSAGE_ACCEPT] = { "accept", MESSAGE_SERVER, BODY_FIELDS },
};

/* ---- reading ---- */

static int wrong(const struct message_field *f, const char *expected, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST, "", "%s: %s%s%s must be %s", kinds[f->kind].name, f->outer ? f->outer : "",
		       f->outer ? "." : "", f->name, expected);
}

static int get_number(const struct message_field *f, const json_t *value, uint64_t max, uint64_t *ret, struct err *err)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n > max)
		return wrong(f, "a number in range", err);
	*ret = (uint64_t)n;
	return 0;
}

static int get_value(const struct message_field *f, json_t *value, char *at, struct err *err)
{
	uint64_t n = 0;
	int r;

	switch (f->type) {
	case FIELD_TEXT:
		if (!json_is_string(value) || json_string_length(value) >= f->size)
			return wrong(f, "a string that is not too long", err);
		memcpy(at, json_string_value(value), json_string_length(value) + 1);
		return 0;
	case FIELD_U32:
		r = get_number(f, value, UINT32_MAX, &n, err);
		if (r == 0)
			*(uint32_t *)(void *)at = (uint32_t)n;
		return r;
	case FIELD_U64:
		return get_number(f, value, INT64_MAX, (uint64_t *)(void *)at, err);
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return wrong(f, "true or false", err);
		*(bool *)at = json_is_true(value);
		return 0;
	case FIELD_OBJECT:
		if (!json_is_object(value))
			return wrong(f, "an object", err);
		*(json_t **)(void *)at = value;
		return 0;
	case FIELD_ARRAY:
		if (!json_is_array(value))
			return wrong(f, "a list", err);
		*(json_t **)(void *)at = value;
		return 0;
	}
	abort();
}

static int decode_fields(const json_t *body, struct message *m, struct err *err)
{
	int r;

	if (!json_is_object(body))
		return err_set(err, ERR_BAD_REQUEST, "", "%s: not an object", kinds[m->kind].name);
	for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
		const struct message_field *f = &fields[i];
		json_t *value;

		if (f->kind != m->kind)
			continue;
		value = json_object_get(f->outer ? json_object_get(body, f->outer) : body, f->name);
		if (!value && f->required)
			return wrong(f, "there", err);
		if (!value)
			continue;
		r = get_value(f, value, (char *)m + f->offset, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_unit(const json_t *value, const char *what, struct unit *ret, struct err *err)
{
	if (!json_is_string(value) || unit_parse(json_string_value(value), ret) < 0)
		return err_set(err, ERR_BAD_REQUEST, "", "%s: not a unit", what);
	return 0;
}

static int decode_body(const json_t *body, struct message *m, struct err *err)
{
	int r;

	switch (kinds[m->kind].body) {
	case BODY_FIELDS:
		return decode_fields(body, m, err);
	case BODY_SET:
		r = object_decode(body, &m->set, err);
		return r < 0 ? err_prefix(err, r, "set") : 0;
	case BODY_DEL:
		r = object_id_decode(body, &m->del, err);
		return r < 0 ? err_prefix(err, r, "del") : 0;
	case BODY_UNIT:
		return decode_unit(body, kinds[m->kind].name, &m->unit, err);
	}
	abort();
}

int message_decode(enum message_side sender, const char *line, size_t len, struct message *ret, struct err *err)
{
	const json_t *body = NULL;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = json_read(line, len, &ret->json, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < N_MESSAGE_KINDS && !body; i++) {
		if (kinds[i].sender != sender)
			continue;
		ret->kind = (enum message_kind)i;
		body = json_object_get(ret->json, kinds[i].name);
	}
	if (!body)
		r = json_is_object(ret->json) ? 1 : err_set(err, ERR_BAD_REQUEST, "", "not an object");
	else
		r = decode_body(body, ret, err);
	if (r != 0)
		message_fini(ret);
	return r;
}

void message_fini(struct message *m)
{
	json_decref(m->json);
	m->json = NULL;
}

const json_t *message_body(const struct message *m)
{
	return json_object_get(m->json, kinds[m->kind].name);
}

/* ---- writing ---- */

static bool is_empty(const struct message_field *f, const char *at)
{
	switch (f->type) {
	case FIELD_TEXT:
		return *at == '\0';
	case FIELD_BOOL:
		return !*(const bool *)at;
	case FIELD_OBJECT:
	case FIELD_ARRAY:
		return !*(json_t *const *)(const void *)at;
	case FIELD_U32:
		return *(const uint32_t *)(const void *)at == 0;
	case FIELD_U64:
		return false;
	}
	abort();
}

static void put_value(struct jw *w, const struct message_field *f, const char *at)
{
	jw_key(w, f->name);
	switch (f->type) {
	case FIELD_TEXT:
		jw_string(w, at);
		return;
	case FIELD_U32:
		jw_uint(w, *(const uint32_t *)(const void *)at);
		return;
	case FIELD_U64:
		jw_uint(w, *(const uint64_t *)(const void *)at);
		return;
	case FIELD_BOOL:
		jw_bool(w, *(const bool *)at);
		return;
	case FIELD_OBJECT:
	case FIELD_ARRAY:
		jw_json(w, *(json_t *const *)(const void *)at);
		return;
	}
	abort();
}

/* Empty optional fields are left out; an inner object is there when its first field is. */
static void encode_fields(struct jw *w, const struct message *m)
{
	const char *outer = NULL, *skip = NULL;

	jw_object(w);
	for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
		const struct message_field *f = &fields[i];
		const char *at = (const char *)m + f->offset;

		if (f->kind != m->kind || (f->outer && f->outer == skip))
			continue;
		if (!f->required && is_empty(f, at)) {
			if (f->outer && f->outer != outer)
				skip = f->outer;
			continue;
		}
		if (f->outer != outer && outer)
			jw_end_object(w);
		if (f->outer && f->outer != outer) {
			jw_key(w, f->outer);
			jw_object(w);
		}
		outer = f->outer;
		put_value(w, f, at);
	}
	if (outer)
		jw_end_object(w);
	jw_end_object(w);
}

void message_encode(const struct message *m, UT_string *out)
{
	struct jw w = jw_init(out);
	char text[32];

	jw_object(&w);
	jw_key(&w, kinds[m->kind].name);
	switch (kinds[m->kind].body) {
	case BODY_FIELDS:
		encode_fields(&w, m);
		break;
	case BODY_SET:
		object_encode(&m->set, &w);
		break;
	case BODY_DEL:
		object_id_encode(&m->del, &w);
		break;
	case BODY_UNIT:
		jw_string(&w, unit_format(&m->unit, text));
		break;
	}
	jw_end_object(&w);
	utstring_bincpy(out, "\n", 1);
}

void message_encode_raw(enum message_kind kind, const char *json, UT_string *out)
{
	utstring_printf(out, "{\"%s\":", kinds[kind].name);
	utstring_bincpy(out, json, strlen(json));
	utstring_bincpy(out, "}\n", 2);
}

/* ---- the ports of a report ---- */

static const char *const port_states[] = {
	[MESSAGE_PORT_DOWN] = "down",
	[MESSAGE_PORT_UP] = "up",
	[MESSAGE_PORT_ERROR] = "error",
};

const char *message_port_state_name(enum message_port_state state)
{
	return port_states[state];
}

json_t *message_port_encode(const struct message_port *p)
{
	json_t *json = json_object();

	json_object_set_new(json, "num", json_integer(p->num));
	if (p->binding)
		json_object_set_new(json, "binding", json_integer(p->binding));
	json_object_set_new(json, "state", json_string(port_states[p->state]));
	if (p->text[0])
		json_object_set_new(json, "text", json_string(p->text));
	return json;
}

int message_port_decode(const json_t *json, struct message_port *ret, struct err *err)
{
	const char *state, *text = json_string_value(json_object_get(json, "text"));
	int r;

	memset(ret, 0, sizeof(*ret));
	r = json_get_u32(json, "num", &ret->num, err);
	if (r < 0)
		return r;
	if (json_object_get(json, "binding") && (r = json_get_u32(json, "binding", &ret->binding, err)) < 0)
		return r;
	r = json_get_string(json, "state", &state, err);
	if (r < 0)
		return r;
	snprintf(ret->text, sizeof(ret->text), "%s", text ? text : "");
	for (unsigned i = 0; i < N_ELEMENTS(port_states); i++)
		if (!strcmp(state, port_states[i])) {
			ret->state = (enum message_port_state)i;
			return 0;
		}
	return err_set(err, ERR_BAD_REQUEST, "", "state must be up, down or error");
}
