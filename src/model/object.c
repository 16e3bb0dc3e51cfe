/* SPDX-License-Identifier: Apache-2.0 */
#include "model/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* What stands at a place of struct object, and how it is written. A list has its count beside it. */
enum member_type {
	MEMBER_U32,
	MEMBER_U32_OR_0, /* may be missing: it came later than the others */
	MEMBER_BOOL,
	MEMBER_TRUE, /* a bool; true where it is left out, as by an end that does not know it */
	MEMBER_TEXT, /* size: of the array, with the final NUL */
	MEMBER_UUID,
	MEMBER_MAC,
	MEMBER_IP, /* null when zero */
	MEMBER_PREFIX,
	MEMBER_IPS,
	MEMBER_PREFIXES,
	MEMBER_PORT_ADDRS,
};

struct member {
	const char *name;
	enum member_type type;
	size_t offset;
	size_t size; /* MEMBER_TEXT: bytes; lists: elements */
	size_t counter; /* lists: where the uint8_t count is */
};

#define AT(field) offsetof(struct object, field)
#define TEXT(name, field)                                                                                              \
	{                                                                                                              \
		name, MEMBER_TEXT, AT(field), sizeof(((struct object *)0)->field)                                      \
	}
#define LIST(name, type, field, counter)                                                                               \
	{                                                                                                              \
		name, type, AT(field), N_ELEMENTS(((struct object *)0)->field), AT(counter)                            \
	}

static const struct member host_members[] = {
	TEXT("name", host.name),
	{ "tunnel", MEMBER_IP, AT(host.tunnel) },
	{ "dvr_mac", MEMBER_MAC, AT(host.dvr_mac) },
	{ NULL },
};

static const struct member network_members[] = {
	{ "uuid", MEMBER_UUID, AT(network.uuid) },
	TEXT("type", network.type),
	TEXT("physical_network", network.physical_network),
	{ "segmentation_id", MEMBER_U32, AT(network.segmentation_id) },
	{ "mtu", MEMBER_U32, AT(network.mtu) },
	{ NULL },
};

static const struct member subnet_members[] = {
	{ "uuid", MEMBER_UUID, AT(subnet.uuid) },
	{ "network", MEMBER_U32, AT(subnet.network) },
	{ "cidr", MEMBER_PREFIX, AT(subnet.cidr) },
	{ "gateway", MEMBER_IP, AT(subnet.gateway) },
	{ NULL },
};

static const struct member endpoint_members[] = {
	{ "network", MEMBER_U32, AT(endpoint.network) },
	{ "host", MEMBER_U32, AT(endpoint.host) },
	{ "next", MEMBER_U32, AT(endpoint.next) },
	{ "mac", MEMBER_MAC, AT(endpoint.mac) },
	LIST("ips", MEMBER_IPS, endpoint.ips, endpoint.n_ips),
	{ NULL },
};

static const struct member port_members[] = {
	{ "uuid", MEMBER_UUID, AT(port.uuid) },
	{ "network", MEMBER_U32, AT(port.network) },
	{ "mac", MEMBER_MAC, AT(port.mac) },
	{ "admin_state_up", MEMBER_BOOL, AT(port.admin_state_up) },
	{ "port_security", MEMBER_BOOL, AT(port.port_security) },
	TEXT("device_owner", port.device_owner),
	{ "binding", MEMBER_U32_OR_0, AT(port.binding) },
	LIST("addrs", MEMBER_PORT_ADDRS, port.addrs, port.n_addrs),
	{ NULL },
};

static const struct member router_members[] = {
	{ "uuid", MEMBER_UUID, AT(router.uuid) },
	{ "admin_state_up", MEMBER_BOOL, AT(router.admin_state_up) },
	{ "distributed", MEMBER_BOOL, AT(router.distributed) },
	{ NULL },
};

static const struct member interface_members[] = {
	{ "uuid", MEMBER_UUID, AT(interface.uuid) },
	{ "router", MEMBER_U32, AT(interface.router) },
	{ "network", MEMBER_U32, AT(interface.network) },
	{ "mac", MEMBER_MAC, AT(interface.mac) },
	{ "admin_state_up", MEMBER_TRUE, AT(interface.admin_state_up) },
	LIST("addrs", MEMBER_PREFIXES, interface.addrs, interface.n_addrs),
	{ NULL },
};

static const struct member no_members[] = { { NULL } };

static const struct {
	const char *name;
	enum unit_kind unit; /* that objects of this kind belong to */
	const struct member *members;
} kinds[N_OBJECT_KINDS] = {
	[OBJECT_HOST] = { "host", UNIT_HOST, host_members },
	[OBJECT_PEER] = { "peer", UNIT_PEER, host_members },
	[OBJECT_NETWORK] = { "network", UNIT_NETWORK, network_members },
	[OBJECT_SUBNET] = { "subnet", UNIT_NETWORK, subnet_members },
	[OBJECT_ENDPOINT] = { "endpoint", UNIT_NETWORK, endpoint_members },
	[OBJECT_PORT] = { "port", UNIT_HOST, port_members },
	[OBJECT_ROUTER] = { "router", UNIT_ROUTER, router_members },
	[OBJECT_INTERFACE] = { "interface", UNIT_ROUTER, interface_members },
	[OBJECT_MEMBER] = { "member", UNIT_ROUTER, no_members },
};

static const char *const unit_names[N_UNIT_KINDS] = {
	[UNIT_HOST] = "host",
	[UNIT_NETWORK] = "network",
	[UNIT_ROUTER] = "router",
	[UNIT_PEER] = "peer",
};

const char *object_kind_name(enum object_kind kind)
{
	return kinds[kind].name;
}

int object_kind_parse(const char *text, enum object_kind *ret)
{
	for (unsigned i = 0; i < N_OBJECT_KINDS; i++) {
		if (strcmp(kinds[i].name, text) == 0) {
			*ret = (enum object_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *unit_format(const struct unit *u, char text[32])
{
	snprintf(text, 32, "%s:%u", unit_names[u->kind], u->num);
	return text;
}

static int parse_num(const char *text, uint32_t *ret)
{
	unsigned long long n;

	if (text[0] < '1' || text[0] > '9' || strlen(text) > 10 || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	n = strtoull(text, NULL, 10);
	if (n > UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

int unit_parse(const char *text, struct unit *ret)
{
	const char *colon = strchr(text, ':');
	uint32_t num;

	if (!colon || parse_num(colon + 1, &num) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < N_UNIT_KINDS; i++) {
		size_t len = (size_t)(colon - text);

		if (strlen(unit_names[i]) == len && memcmp(unit_names[i], text, len) == 0) {
			*ret = (struct unit) { (enum unit_kind)i, num };
			return 0;
		}
	}
	return -EINVAL;
}

struct object object_init(enum object_kind kind, uint32_t a, uint32_t b, struct unit unit)
{
	struct object o;

	memset(&o, 0, sizeof(o));
	o.id.kind = kind;
	o.id.a = a;
	o.id.b = b;
	o.unit.kind = unit.kind;
	o.unit.num = unit.num;
	return o;
}

static void encode_ip(struct jw *w, const struct ip *ip)
{
	char text[IP_TEXT_SIZE];

	jw_string(w, ip_is_zero(ip) ? NULL : ip_format(ip, text));
}

static void encode_prefix(struct jw *w, const struct prefix *p)
{
	char text[PREFIX_TEXT_SIZE];

	jw_string(w, prefix_format(p, text));
}

static void encode_mac(struct jw *w, const struct mac *mac)
{
	char text[MAC_TEXT_SIZE];

	jw_string(w, mac_format(mac, text));
}

static void encode_list(struct jw *w, const struct object *o, const struct member *m)
{
	const void *at = (const char *)o + m->offset;
	size_t n = *((const uint8_t *)o + m->counter);

	jw_array(w);
	for (size_t i = 0; i < n; i++) {
		if (m->type == MEMBER_IPS) {
			encode_ip(w, (const struct ip *)at + i);
		} else if (m->type == MEMBER_PREFIXES) {
			encode_prefix(w, (const struct prefix *)at + i);
		} else {
			const struct object_port_addr *a = (const struct object_port_addr *)at + i;

			jw_object(w);
			jw_key(w, "mac");
			encode_mac(w, &a->mac);
			jw_key(w, "prefix");
			encode_prefix(w, &a->prefix);
			jw_end_object(w);
		}
	}
	jw_end_array(w);
}

static void encode_member(struct jw *w, const struct object *o, const struct member *m)
{
	const void *at = (const char *)o + m->offset;
	char text[UUID_TEXT_SIZE];

	jw_key(w, m->name);
	switch (m->type) {
	case MEMBER_U32:
	case MEMBER_U32_OR_0:
		jw_uint(w, *(const uint32_t *)at);
		break;
	case MEMBER_BOOL:
	case MEMBER_TRUE:
		jw_bool(w, *(const bool *)at);
		break;
	case MEMBER_TEXT:
		jw_string(w, at);
		break;
	case MEMBER_UUID:
		jw_string(w, uuid_format(at, text));
		break;
	case MEMBER_MAC:
		encode_mac(w, at);
		break;
	case MEMBER_IP:
		encode_ip(w, at);
		break;
	case MEMBER_PREFIX:
		encode_prefix(w, at);
		break;
	case MEMBER_IPS:
	case MEMBER_PREFIXES:
	case MEMBER_PORT_ADDRS:
		encode_list(w, o, m);
		break;
	}
}

static void encode_id(const struct object_id *id, struct jw *w)
{
	jw_kv_string(w, "kind", kinds[id->kind].name);
	if (id->kind == OBJECT_MEMBER) {
		jw_kv_uint(w, "router", id->a);
		jw_kv_uint(w, "host", id->b);
	} else {
		jw_kv_uint(w, "num", id->a);
	}
}

void object_id_encode(const struct object_id *id, struct jw *w)
{
	jw_object(w);
	encode_id(id, w);
	jw_end_object(w);
}

void object_encode(const struct object *o, struct jw *w)
{
	char unit[32];

	jw_object(w);
	encode_id(&o->id, w);
	jw_kv_string(w, "unit", unit_format(&o->unit, unit));
	for (const struct member *m = kinds[o->id.kind].members; m->name; m++)
		encode_member(w, o, m);
	jw_end_object(w);
}

static int wrong(const char *name, const char *expected, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST, "", "%s: must be %s", name, expected);
}

static int decode_ip(const json_t *json, const char *name, struct ip *ret, struct err *err)
{
	if (json_is_null(json)) {
		memset(ret, 0, sizeof(*ret));
		return 0;
	}
	if (!json_is_string(json) || ip_parse(json_string_value(json), ret) < 0)
		return wrong(name, "an address or null", err);
	return 0;
}

static int decode_prefix(const json_t *json, const char *name, struct prefix *ret, struct err *err)
{
	if (!json_is_string(json) || prefix_parse(json_string_value(json), ret) < 0)
		return wrong(name, "a prefix", err);
	return 0;
}

static int decode_mac(const json_t *json, const char *name, struct mac *ret, struct err *err)
{
	if (!json_is_string(json) || mac_parse(json_string_value(json), ret) < 0)
		return wrong(name, "a MAC address", err);
	return 0;
}

static int decode_port_addr(const json_t *json, const char *name, struct object_port_addr *ret, struct err *err)
{
	int r = decode_mac(json_object_get(json, "mac"), name, &ret->mac, err);

	return r < 0 ? r : decode_prefix(json_object_get(json, "prefix"), name, &ret->prefix, err);
}

static int decode_list(const json_t *list, const struct member *m, struct object *o, struct err *err)
{
	void *at = (char *)o + m->offset;
	size_t n = json_array_size(list);
	int r = 0;

	if (!json_is_array(list))
		return wrong(m->name, "a list", err);
	if (n > m->size)
		return err_set(err, ERR_BAD_REQUEST, "", "%s: more than %zu elements", m->name, m->size);
	for (size_t i = 0; i < n && r == 0; i++) {
		const json_t *item = json_array_get(list, i);

		if (m->type == MEMBER_IPS)
			r = decode_ip(item, m->name, (struct ip *)at + i, err);
		else if (m->type == MEMBER_PREFIXES)
			r = decode_prefix(item, m->name, (struct prefix *)at + i, err);
		else
			r = decode_port_addr(item, m->name, (struct object_port_addr *)at + i, err);
	}
	*((uint8_t *)o + m->counter) = (uint8_t)n;
	return r;
}

static int decode_member(const json_t *json, const struct member *m, struct object *o, struct err *err)
{
	const json_t *value = json_object_get(json, m->name);
	void *at = (char *)o + m->offset;

	switch (m->type) {
	case MEMBER_U32_OR_0:
		if (!value)
			return 0;
		return json_get_u32(json, m->name, at, err);
	case MEMBER_U32:
		return json_get_u32(json, m->name, at, err);
	case MEMBER_TRUE:
		if (!value) {
			*(bool *)at = true;
			return 0;
		}
		return json_get_bool(json, m->name, at, err);
	case MEMBER_BOOL:
		return json_get_bool(json, m->name, at, err);
	case MEMBER_TEXT:
		if (!json_is_string(value) || json_string_length(value) >= m->size)
			return err_set(err, ERR_BAD_REQUEST, "", "%s: must be a text of at most %zu bytes", m->name,
				       m->size - 1);
		memcpy(at, json_string_value(value), json_string_length(value));
		return 0;
	case MEMBER_UUID:
		if (!json_is_string(value) || uuid_parse_text(json_string_value(value), at) < 0)
			return wrong(m->name, "a UUID", err);
		return 0;
	case MEMBER_MAC:
		return decode_mac(value, m->name, at, err);
	case MEMBER_IP:
		if (!value)
			return wrong(m->name, "an address or null", err);
		return decode_ip(value, m->name, at, err);
	case MEMBER_PREFIX:
		return decode_prefix(value, m->name, at, err);
	case MEMBER_IPS:
	case MEMBER_PREFIXES:
	case MEMBER_PORT_ADDRS:
		return decode_list(value, m, o, err);
	}
	return -EINVAL;
}

static int decode_num(const json_t *json, const char *name, uint32_t *ret, struct err *err)
{
	int r = json_get_u32(json, name, ret, err);

	if (r == 0 && *ret == 0)
		return wrong(name, "a number from 1", err);
	return r;
}

int object_id_decode(const json_t *json, struct object_id *ret, struct err *err)
{
	struct object_id id = { 0 };
	enum object_kind kind;
	const char *text;
	int r;

	if ((r = json_get_string(json, "kind", &text, err)) < 0)
		return r;
	if (object_kind_parse(text, &kind) < 0)
		return err_set(err, ERR_BAD_REQUEST, "", "kind: there is no \"%.64s\"", text);
	id.kind = kind;
	if (kind == OBJECT_MEMBER) {
		if ((r = decode_num(json, "router", &id.a, err)) < 0 || (r = decode_num(json, "host", &id.b, err)) < 0)
			return r;
	} else if ((r = decode_num(json, "num", &id.a, err)) < 0) {
		return r;
	}
	*ret = id;
	return 0;
}

int object_decode(const json_t *json, struct object *ret, struct err *err)
{
	struct object_id id = { 0 };
	struct unit unit;
	const char *text;
	int r;

	if ((r = object_id_decode(json, &id, err)) < 0 || (r = json_get_string(json, "unit", &text, err)) < 0)
		return r;
	if (unit_parse(text, &unit) < 0 || unit.kind != kinds[id.kind].unit)
		return err_set(err, ERR_BAD_REQUEST, "", "unit: \"%.64s\" holds no %s", text, kinds[id.kind].name);
	*ret = object_init((enum object_kind)id.kind, id.a, id.b, unit);
	for (const struct member *m = kinds[id.kind].members; m->name; m++) {
		if ((r = decode_member(json, m, ret, err)) < 0)
			return r;
	}
	return 0;
}
