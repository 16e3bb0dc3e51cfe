/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/record.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * One list of fields for each record type drives everything below: text, parsing and the order of
 * keys. A new table is a new struct, a new list, and a row in `tables`.
 */

enum field_type {
	TYPE_U32,
	TYPE_BOOL, /* uint8_t: "yes", "no" */
	TYPE_ENUM, /* uint8_t: one of `names` */
	TYPE_MAC,
	TYPE_IP,
	TYPE_PREFIX,
	TYPE_NAME, /* PLAN_NAME_SIZE bytes, zero to the end */
	TYPE_UUID,
	TYPE_PREFIXES, /* array of struct prefix, counted by a uint8_t at `count` */
	TYPE_PORT_ADDRS, /* array of struct plan_port_addr, counted likewise */
};

enum field_flags {
	KEY = 1 << 0,
	NET = 1 << 1, /* TYPE_PREFIX: no bits after the length */
	YES = 1 << 2, /* TYPE_BOOL: yes is left out of the text, instead of no */
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset; /* in the record's own struct */
	size_t count; /* lists: where their length is */
	const char *const *names; /* TYPE_ENUM, ends with NULL; the first one is left out of the text */
};

struct table {
	const char *name;
	uint32_t key_size;
	uint32_t size;
	const struct field *fields; /* key first; ends with a NULL name */
};

static const char *const segment_types[] = { "none", "vxlan", NULL };
static const char *const part_kinds[] = { "distributed", NULL };
static const char *const interface_kinds[] = { "distributed", NULL };
static const char *const route_kinds[] = { "connected", NULL };

#define AT(noun, member) offsetof(struct plan_##noun, member)

static const struct field host_fields[] = {
	{ "host", TYPE_U32, 0, AT(host, host) },
	{ "tunnel", TYPE_IP, 0, AT(host, tunnel) },
	{ "dvr_mac", TYPE_MAC, 0, AT(host, dvr_mac) },
	{ "name", TYPE_NAME, 0, AT(host, name) },
	{ NULL },
};

static const struct field peer_fields[] = {
	{ "host", TYPE_U32, KEY, AT(peer, key.host) },
	{ "tunnel", TYPE_IP, 0, AT(peer, tunnel) },
	{ "dvr_mac", TYPE_MAC, 0, AT(peer, dvr_mac) },
	{ "name", TYPE_NAME, 0, AT(peer, name) },
	{ NULL },
};

static const struct field segment_fields[] = {
	{ "type", TYPE_ENUM, KEY, AT(segment, key.type), .names = segment_types },
	{ "id", TYPE_U32, KEY, AT(segment, key.id) },
	{ "physical_network", TYPE_NAME, KEY, AT(segment, key.physical_network) },
	{ "network", TYPE_U32, 0, AT(segment, network) },
	{ "mtu", TYPE_U32, 0, AT(segment, mtu) },
	{ "uuid", TYPE_UUID, 0, AT(segment, uuid) },
	{ NULL },
};

static const struct field member_fields[] = {
	{ "router", TYPE_U32, KEY, AT(member, key.router) },
	{ "host", TYPE_U32, KEY, AT(member, key.host) },
	{ NULL },
};

static const struct field port_fields[] = {
	{ "port", TYPE_U32, KEY, AT(port, key.port) },
	{ "network", TYPE_U32, 0, AT(port, network) },
	{ "mac", TYPE_MAC, 0, AT(port, mac) },
	{ "up", TYPE_BOOL, YES, AT(port, up) },
	{ "security", TYPE_BOOL, YES, AT(port, security) },
	{ "addrs", TYPE_PORT_ADDRS, 0, AT(port, addrs), .count = AT(port, n_addrs) },
	{ "uuid", TYPE_UUID, 0, AT(port, uuid) },
	{ NULL },
};

static const struct field fdb_fields[] = {
	{ "network", TYPE_U32, KEY, AT(fdb, key.network) },
	{ "mac", TYPE_MAC, KEY, AT(fdb, key.mac) },
	{ "port", TYPE_U32, 0, AT(fdb, port) },
	{ "peer", TYPE_U32, 0, AT(fdb, peer) },
	{ "next", TYPE_U32, 0, AT(fdb, next) },
	{ NULL },
};

static const struct field neighbour_fields[] = {
	{ "network", TYPE_U32, KEY, AT(neighbour, key.network) },
	{ "ip", TYPE_IP, KEY, AT(neighbour, key.ip) },
	{ "mac", TYPE_MAC, 0, AT(neighbour, mac) },
	{ NULL },
};

static const struct field flood_fields[] = {
	{ "network", TYPE_U32, KEY, AT(flood, key.network) },
	{ "host", TYPE_U32, KEY, AT(flood, key.host) },
	{ NULL },
};

static const struct field subnet_fields[] = {
	{ "network", TYPE_U32, KEY, AT(subnet, key.network) },
	{ "prefix", TYPE_PREFIX, KEY | NET, AT(subnet, key.prefix) },
	{ "mac", TYPE_MAC, 0, AT(subnet, mac) },
	{ NULL },
};

static const struct field route_fields[] = {
	{ "router", TYPE_U32, KEY, AT(route, key.part.router) },
	{ "part", TYPE_ENUM, KEY, AT(route, key.part.kind), .names = part_kinds },
	{ "prefix", TYPE_PREFIX, KEY | NET, AT(route, key.prefix) },
	{ "kind", TYPE_ENUM, 0, AT(route, kind), .names = route_kinds },
	{ "network", TYPE_U32, 0, AT(route, network) },
	{ "interface", TYPE_MAC, 0, AT(route, interface) },
	{ NULL },
};

static const struct field interface_fields[] = {
	{ "network", TYPE_U32, KEY, AT(interface, key.network) },
	{ "mac", TYPE_MAC, KEY, AT(interface, key.mac) },
	{ "router", TYPE_U32, 0, AT(interface, part.router) },
	{ "part", TYPE_ENUM, 0, AT(interface, part.kind), .names = part_kinds },
	{ "kind", TYPE_ENUM, 0, AT(interface, kind), .names = interface_kinds },
	{ "up", TYPE_BOOL, YES, AT(interface, up) },
	{ "addrs", TYPE_PREFIXES, 0, AT(interface, addrs), .count = AT(interface, n_addrs) },
	{ "uuid", TYPE_UUID, 0, AT(interface, uuid) },
	{ "router_uuid", TYPE_UUID, 0, AT(interface, router_uuid) },
	{ NULL },
};

#define TABLE(noun)                                                                                                    \
	{                                                                                                              \
#noun, sizeof(((struct plan_##noun *)0)->key), sizeof(struct plan_##noun), noun##_fields               \
	}

static const struct table tables[PLAN_N_TABLES] = {
	[PLAN_HOST] = TABLE(host),           [PLAN_PEER] = TABLE(peer),           [PLAN_SEGMENT] = TABLE(segment),
	[PLAN_MEMBER] = TABLE(member),       [PLAN_PORT] = TABLE(port),           [PLAN_FDB] = TABLE(fdb),
	[PLAN_NEIGHBOUR] = TABLE(neighbour), [PLAN_FLOOD] = TABLE(flood),         [PLAN_SUBNET] = TABLE(subnet),
	[PLAN_ROUTE] = TABLE(route),         [PLAN_INTERFACE] = TABLE(interface),
};

const char *plan_table_name(enum plan_table table)
{
	return tables[table].name;
}

uint32_t plan_record_key_size(enum plan_table table)
{
	return tables[table].key_size;
}

uint32_t plan_record_size(enum plan_table table)
{
	return tables[table].size;
}

bool plan_record_same_key(const struct plan_record *a, const struct plan_record *b)
{
	return a->table == b->table && memcmp(&a->host, &b->host, tables[a->table].key_size) == 0;
}

bool plan_record_equal(const struct plan_record *a, const struct plan_record *b)
{
	return a->table == b->table && memcmp(&a->host, &b->host, tables[a->table].size) == 0;
}

/* ------------------------------------------------------------------ order */

static int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c = ip_cmp(&a->addr, &b->addr);

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int port_addr_cmp(const struct plan_port_addr *a, const struct plan_port_addr *b)
{
	int c = memcmp(&a->mac, &b->mac, sizeof(a->mac));

	return c ? c : prefix_cmp(&a->prefix, &b->prefix);
}

static int prefixes_order(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static int port_addrs_order(const void *a, const void *b)
{
	return port_addr_cmp(a, b);
}

static int field_cmp(const struct field *f, const uint8_t *a, const uint8_t *b)
{
	uint32_t na, nb;

	switch (f->type) {
	case TYPE_U32:
		memcpy(&na, a, sizeof(na));
		memcpy(&nb, b, sizeof(nb));
		return (na > nb) - (na < nb);
	case TYPE_BOOL:
	case TYPE_ENUM:
		return (*a > *b) - (*a < *b);
	case TYPE_MAC:
		return memcmp(a, b, sizeof(struct mac));
	case TYPE_IP:
		return ip_cmp((const struct ip *)a, (const struct ip *)b);
	case TYPE_PREFIX:
		return prefix_cmp((const struct prefix *)a, (const struct prefix *)b);
	case TYPE_NAME:
		return memcmp(a, b, PLAN_NAME_SIZE);
	case TYPE_UUID:
		return uuid_cmp((const struct uuid *)a, (const struct uuid *)b);
	case TYPE_PREFIXES:
	case TYPE_PORT_ADDRS:
		break; /* no key has a list */
	}
	abort();
}

int plan_record_cmp(const struct plan_record *a, const struct plan_record *b)
{
	if (a->table != b->table)
		return a->table > b->table ? 1 : -1;
	for (const struct field *f = tables[a->table].fields; f->name && f->flags & KEY; f++) {
		int c = field_cmp(f, (const uint8_t *)&a->host + f->offset, (const uint8_t *)&b->host + f->offset);

		if (c)
			return c;
	}
	return 0;
}

/* Sorts a list, drops what stands in it twice, clears the rest. Returns its length. */
static uint8_t list_normalize(void *list, uint8_t n, size_t max, size_t size, int (*cmp)(const void *, const void *))
{
	uint8_t *at = list;
	size_t kept = 0;

	qsort(list, n, size, cmp);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && cmp(at + (kept - 1) * size, at + i * size) == 0)
			continue;
		memmove(at + kept * size, at + i * size, size);
		kept++;
	}
	memset(at + kept * size, 0, (max - kept) * size);
	return (uint8_t)kept;
}

void plan_record_normalize(struct plan_record *r)
{
	if (r->table == PLAN_PORT)
		r->port.n_addrs = list_normalize(r->port.addrs, r->port.n_addrs, PLAN_PORT_ADDRS,
						 sizeof(r->port.addrs[0]), port_addrs_order);
	else if (r->table == PLAN_INTERFACE)
		r->interface.n_addrs = list_normalize(r->interface.addrs, r->interface.n_addrs, PLAN_IFACE_ADDRS,
						      sizeof(r->interface.addrs[0]), prefixes_order);
}

/* ------------------------------------------------------------------ to text */

static void name_format(const char *name, UT_string *out)
{
	for (size_t i = 0; i < PLAN_NAME_SIZE && name[i]; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c <= ' ' || c > '~' || c == '%' || c == '#' || c == ',')
			utstring_printf(out, "%%%02x", c);
		else
			utstring_bincpy(out, name + i, 1);
	}
}

/* A host is written without its length. */
static void prefix_append(const struct prefix *p, UT_string *out)
{
	char text[PREFIX_TEXT_SIZE];

	utstring_printf(out, "%s", p->len == 128 ? ip_format(&p->addr, text) : prefix_format(p, text));
}

/* PREFIX, or PREFIX@MAC where it is another MAC than the port's own. */
static void port_addrs_format(const struct plan_port *p, UT_string *out)
{
	char mac[MAC_TEXT_SIZE];

	for (uint8_t i = 0; i < p->n_addrs; i++) {
		if (i > 0)
			utstring_bincpy(out, ",", 1);
		prefix_append(&p->addrs[i].prefix, out);
		if (!mac_equal(&p->addrs[i].mac, &p->mac))
			utstring_printf(out, "@%s", mac_format(&p->addrs[i].mac, mac));
	}
}

static bool all_zero(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i])
			return false;
	return true;
}

static bool left_out(const struct field *f, const struct plan_record *r)
{
	const uint8_t *at = (const uint8_t *)&r->host + f->offset;

	switch (f->type) {
	case TYPE_U32:
		return !(f->flags & KEY) && all_zero(at, sizeof(uint32_t));
	case TYPE_BOOL:
		return !*at == !(f->flags & YES);
	case TYPE_ENUM:
	case TYPE_NAME:
		return !*at;
	case TYPE_MAC:
		return !(f->flags & KEY) && all_zero(at, sizeof(struct mac));
	case TYPE_IP:
		return !(f->flags & KEY) && all_zero(at, sizeof(struct ip));
	case TYPE_PREFIX:
		return !(f->flags & KEY) && all_zero(at, sizeof(struct prefix));
	case TYPE_UUID:
		return all_zero(at, sizeof(struct uuid));
	case TYPE_PREFIXES:
	case TYPE_PORT_ADDRS:
		return *((const uint8_t *)&r->host + f->count) == 0;
	}
	abort();
}

static void field_format(const struct field *f, const struct plan_record *r, UT_string *out)
{
	const uint8_t *at = (const uint8_t *)&r->host + f->offset;
	char text[64];
	uint32_t n;

	switch (f->type) {
	case TYPE_U32:
		memcpy(&n, at, sizeof(n));
		utstring_printf(out, "%u", n);
		return;
	case TYPE_BOOL:
		utstring_printf(out, "%s", *at ? "yes" : "no");
		return;
	case TYPE_ENUM:
		utstring_printf(out, "%s", f->names[*at]);
		return;
	case TYPE_MAC:
		utstring_printf(out, "%s", mac_format((const struct mac *)at, text));
		return;
	case TYPE_IP:
		utstring_printf(out, "%s", ip_format((const struct ip *)at, text));
		return;
	case TYPE_PREFIX:
		utstring_printf(out, "%s", prefix_format((const struct prefix *)at, text));
		return;
	case TYPE_NAME:
		name_format((const char *)at, out);
		return;
	case TYPE_UUID:
		utstring_printf(out, "%s", uuid_format((const struct uuid *)at, text));
		return;
	case TYPE_PREFIXES:
		for (uint8_t i = 0; i < *((const uint8_t *)&r->host + f->count); i++)
			utstring_printf(out, "%s%s", i ? "," : "", prefix_format((const struct prefix *)at + i, text));
		return;
	case TYPE_PORT_ADDRS:
		port_addrs_format(&r->port, out);
		return;
	}
}

void plan_record_format(const struct plan_record *r, UT_string *out)
{
	utstring_printf(out, "%s", tables[r->table].name);
	for (const struct field *f = tables[r->table].fields; f->name; f++) {
		if (left_out(f, r))
			continue;
		utstring_printf(out, " %s=", f->name);
		field_format(f, r, out);
	}
}

/* ------------------------------------------------------------------ from text */

/* A piece of the line; not terminated. */
struct piece {
	const char *at;
	size_t len;
};

#define VALUE_MAX (3 * PLAN_NAME_SIZE) /* the longest value that is no list: a name, escaped throughout */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int name_parse(const char *text, char *ret)
{
	char name[PLAN_NAME_SIZE] = "";
	size_t n = 0;

	for (; *text; text++) {
		char c = *text;

		if (c == '%') {
			int hi = hex(text[1]), lo = hi < 0 ? -1 : hex(text[2]);

			if (lo < 0 || (hi << 4 | lo) == 0)
				return -1;
			c = (char)(hi << 4 | lo);
			text += 2;
		}
		if (n == sizeof(name) - 1)
			return -1;
		name[n++] = c;
	}
	memcpy(ret, name, sizeof(name));
	return 0;
}

static int u32_parse(const char *text, uint32_t *ret)
{
	uint64_t n = 0;

	if (!*text || strlen(text) > 10)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	if (n > UINT32_MAX)
		return -1;
	*ret = (uint32_t)n;
	return 0;
}

/* An IPv4 address with a length that reaches into the mapping has no text; it is no prefix of anything either. */
static int record_prefix_parse(const char *text, bool net, struct prefix *ret)
{
	struct prefix p;

	memset(&p, 0, sizeof(p));
	if (prefix_parse(text, &p) < 0 || (ip_is_v4(&p.addr) && p.len < IP_V4_BITS) ||
	    (net && !prefix_is_canonical(&p)))
		return -1;
	*ret = p;
	return 0;
}

static int port_addr_parse(char *text, const struct mac *own, struct plan_port_addr *ret)
{
	char *at = strchr(text, '@');

	ret->mac = *own;
	if (at) {
		*at++ = '\0';
		if (mac_parse(at, &ret->mac) < 0)
			return -1;
	}
	return record_prefix_parse(text, true, &ret->prefix);
}

static int list_parse(const struct field *f, struct piece value, struct plan_record *r)
{
	uint8_t *at = (uint8_t *)&r->host + f->offset, *count = (uint8_t *)&r->host + f->count;
	size_t max = f->type == TYPE_PREFIXES ? PLAN_IFACE_ADDRS : PLAN_PORT_ADDRS;

	for (;;) {
		const char *comma = memchr(value.at, ',', value.len);
		size_t len = comma ? (size_t)(comma - value.at) : value.len;
		char text[VALUE_MAX + 1];

		if (*count == max || len > VALUE_MAX)
			return -1;
		memcpy(text, value.at, len);
		text[len] = '\0';
		if (f->type == TYPE_PREFIXES) {
			if (record_prefix_parse(text, false, (struct prefix *)at + *count) < 0)
				return -1;
		} else if (port_addr_parse(text, &r->port.mac, (struct plan_port_addr *)at + *count) < 0) {
			return -1;
		}
		++*count;
		if (!comma)
			break;
		value.at += len + 1;
		value.len -= len + 1;
	}
	plan_record_normalize(r);
	return 0;
}

static int enum_parse(const struct field *f, const char *text, uint8_t *ret)
{
	for (uint8_t i = 0; f->names[i]; i++) {
		if (strcmp(f->names[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -1;
}

static int field_parse(const struct field *f, struct piece value, struct plan_record *r)
{
	uint8_t *at = (uint8_t *)&r->host + f->offset;
	char text[VALUE_MAX + 1];

	if (f->type == TYPE_PREFIXES || f->type == TYPE_PORT_ADDRS)
		return list_parse(f, value, r);
	if (value.len > VALUE_MAX)
		return -1;
	memcpy(text, value.at, value.len);
	text[value.len] = '\0';
	switch (f->type) {
	case TYPE_U32:
		return u32_parse(text, (uint32_t *)at);
	case TYPE_BOOL:
		*at = strcmp(text, "yes") == 0;
		return *at || strcmp(text, "no") == 0 ? 0 : -1;
	case TYPE_ENUM:
		return enum_parse(f, text, at);
	case TYPE_MAC:
		return mac_parse(text, (struct mac *)at);
	case TYPE_IP:
		return ip_parse(text, (struct ip *)at);
	case TYPE_PREFIX:
		return record_prefix_parse(text, f->flags & NET, (struct prefix *)at);
	case TYPE_NAME:
		return name_parse(text, (char *)at);
	case TYPE_UUID:
		return uuid_parse_text(text, (struct uuid *)at);
	case TYPE_PREFIXES:
	case TYPE_PORT_ADDRS:
		break;
	}
	abort();
}

static int refuse(struct err *err, struct piece token, const char *why)
{
	return err_set(err, ERR_BAD_REQUEST, "", "\"%.*s\": %s", token.len > 200 ? 200 : (int)token.len, token.at, why);
}

/* The next token of the line. False at its end, which a '#' at the start of a token is too. */
static bool next_token(const char **line, struct piece *ret)
{
	const char *p = *line + strspn(*line, " \t\r");

	if (!*p || *p == '#')
		return false;
	ret->at = p;
	ret->len = strcspn(p, " \t\r");
	*line = p + ret->len;
	return true;
}

static const struct field *field_find(const struct table *t, struct piece name)
{
	for (const struct field *f = t->fields; f->name; f++)
		if (strlen(f->name) == name.len && memcmp(f->name, name.at, name.len) == 0)
			return f;
	return NULL;
}

static int table_find(struct piece name)
{
	for (int i = 0; i < PLAN_N_TABLES; i++)
		if (strlen(tables[i].name) == name.len && memcmp(tables[i].name, name.at, name.len) == 0)
			return i;
	return -1;
}

/* A key field that has no value to leave out must be there. */
static bool must_have(const struct field *f)
{
	return f->flags & KEY && f->type != TYPE_ENUM && f->type != TYPE_NAME;
}

#define FIELDS_MAX 16

/* Values by field, so that they are read in the table's order, whatever order the text has. */
static int fields_parse(const struct table *t, const struct piece *values, struct plan_record *r, struct err *err)
{
	for (const struct field *f = t->fields; f->name; f++) {
		const struct piece *value = &values[f - t->fields];

		if (!value->at) {
			if (must_have(f))
				return err_set(err, ERR_BAD_REQUEST, "", "%s: %s is missing", t->name, f->name);
			if (f->flags & YES)
				*((uint8_t *)&r->host + f->offset) = 1;
		} else if (field_parse(f, *value, r) < 0) {
			return err_set(err, ERR_BAD_REQUEST, "", "%s: %s is wrong: \"%.*s\"", t->name, f->name,
				       value->len > 200 ? 200 : (int)value->len, value->at);
		}
	}
	return 0;
}

int plan_record_parse(const char *line, struct plan_record *ret, struct err *err)
{
	struct piece values[FIELDS_MAX] = { 0 }, token;
	const struct table *t;
	struct plan_record r;
	int table, e;

	if (!next_token(&line, &token))
		return err_set(err, ERR_BAD_REQUEST, "", "no record");
	table = table_find(token);
	if (table < 0)
		return refuse(err, token, "no table has this name");
	t = &tables[table];
	r = PLAN_RECORD((enum plan_table)table);
	while (next_token(&line, &token)) {
		const char *equals = memchr(token.at, '=', token.len);
		const struct field *f;

		if (!equals)
			return refuse(err, token, "expected field=value");
		f = field_find(t, (struct piece) { token.at, (size_t)(equals - token.at) });
		if (!f)
			return refuse(err, token, "the table has no such field");
		if (values[f - t->fields].at)
			return refuse(err, token, "the field stands there twice");
		values[f - t->fields] = (struct piece) { equals + 1, token.len - (size_t)(equals + 1 - token.at) };
	}
	e = fields_parse(t, values, &r, err);
	if (e == 0)
		*ret = r;
	return e;
}
