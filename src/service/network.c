/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "service/change.h"
#include "service/network.h"
#include "service/port.h"
#include "service/subnet.h"
#include "store/networks.h"
#include "store/subnets.h"

#define MTU_MIN 68 /* RFC 791 */

/* What a type of network can carry. A new type is a new row. */
static const struct segment_type {
	const char *name;
	uint32_t id_min, id_max;
	uint32_t overhead; /* bytes in front of the VM's IP packet */
} types[] = {
	{ "vxlan", 1, 16777215, VXLAN_OVERHEAD },
};

static int invalid(struct err *err, const char *text)
{
	return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s", text);
}

static uint32_t parse_vni(const char *text, size_t len)
{
	char copy[16];
	unsigned long n;

	if (len == 0 || len >= sizeof(copy))
		return 0;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strspn(copy, "0123456789") != len)
		return 0;
	n = strtoul(copy, NULL, 10);
	return n <= types[0].id_max ? (uint32_t)n : 0;
}

int network_parse_ranges(const char *text, struct vni_range *ret, size_t max, struct err *err)
{
	size_t n = 0;

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ",");
		const char *colon = memchr(p, ':', len);
		struct vni_range r = { 0 };

		if (n == max)
			return err_set(err, ERR_BAD_REQUEST, "", "vni_ranges: more than %zu ranges", max);
		if (colon) {
			r.first = parse_vni(p, (size_t)(colon - p));
			r.last = parse_vni(colon + 1, len - (size_t)(colon + 1 - p));
		}
		if (!r.first || r.last < r.first)
			return err_set(err, ERR_BAD_REQUEST, "", "vni_ranges: \"%.*s\" is no range MIN:MAX within 1:%u",
				       (int)len, p, types[0].id_max);
		ret[n++] = r;
		p += len + (p[len] == ',');
	}
	return (int)n;
}

static uint32_t random_below(uint32_t n)
{
	uint32_t x;

	if (getrandom(&x, sizeof(x), 0) != sizeof(x))
		abort();
	return n ? x % n : 0;
}

/* The VNI at or after the cursor that no network has, once around the ranges. */
static int free_vni(struct tx *tx, uint32_t *ret, struct err *err)
{
	struct service *s = tx->service;
	uint32_t cursor = s->vni_cursor;
	size_t at = 0;

	if (cursor == 0) {
		at = random_below((uint32_t)s->n_ranges);
		cursor = s->ranges[at].first + random_below(s->ranges[at].last - s->ranges[at].first + 1);
	}
	while (at < s->n_ranges && !(cursor >= s->ranges[at].first && cursor <= s->ranges[at].last))
		at++;
	if (at == s->n_ranges) {
		at = 0;
		cursor = s->ranges[0].first;
	}
	for (size_t i = 0; i <= s->n_ranges; i++) {
		const struct vni_range *r = &s->ranges[(at + i) % s->n_ranges];
		uint32_t from = i == 0 ? cursor : r->first;
		uint32_t last = i == s->n_ranges ? cursor : r->last;
		int e = networks_free_segment(tx->db, "vxlan", from, last, ret, err);

		if (e < 0)
			return e;
		if (*ret) {
			s->vni_cursor = *ret + 1;
			return 0;
		}
	}
	return err_set(err, ERR_UNAVAILABLE, "NoNetworkAvailable",
		       "Unable to create the network. No tenant network is available for allocation.");
}

static const struct segment_type *find_type(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(types); i++) {
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

static int choose_segment(struct tx *tx, const json_t *attrs, struct network_row *n, struct err *err)
{
	const struct segment_type *type = &types[0];
	bool given = attr_text(attrs, "provider:network_type", n->type, sizeof(n->type)) && n->type[0];
	uint32_t id = 0;
	char physnet[64] = "", text[160];

	if (given && !(type = find_type(n->type))) {
		snprintf(text, sizeof(text), "network_type value '%s' is not supported: only vxlan is served so far.",
			 n->type);
		return invalid(err, text);
	}
	snprintf(n->type, sizeof(n->type), "%s", type->name);
	attr_text(attrs, "provider:physical_network", physnet, sizeof(physnet));
	if (physnet[0])
		return invalid(err, given ? "provider:physical_network specified for a vxlan network."
					  : "provider:physical_network: network_type required.");
	if (!json_is_integer(json_object_get(attrs, "provider:segmentation_id")))
		return free_vni(tx, &n->segmentation_id, err);
	if (!given)
		return invalid(err, "provider:segmentation_id: network_type required.");
	if (!attr_u32(attrs, "provider:segmentation_id", &id) || id < type->id_min || id > type->id_max) {
		snprintf(text, sizeof(text), "segmentation_id out of range, it must be %u to %u.", type->id_min,
			 type->id_max);
		return invalid(err, text);
	}
	n->segmentation_id = id;
	return 0;
}

static int check_mtu(struct tx *tx, struct network_row *n, struct err *err)
{
	uint32_t max = tx->service->options.physnet_mtu - find_type(n->type)->overhead;
	char text[96];

	if (n->mtu == 0)
		n->mtu = max;
	if (n->mtu < MTU_MIN)
		return invalid(err, "mtu: the least that IPv4 allows is 68.");
	if (n->mtu <= max)
		return 0;
	snprintf(text, sizeof(text), "mtu: Requested MTU is too big, maximum is %u.", max);
	return invalid(err, text);
}

static void change_attributes(const json_t *attrs, struct network_row *n)
{
	attr_bool(attrs, "admin_state_up", &n->admin_state_up);
	attr_bool(attrs, "shared", &n->shared);
	attr_bool(attrs, "port_security_enabled", &n->port_security);
	attr_u32(attrs, "mtu", &n->mtu);
}

static int create(struct tx *tx, const json_t *attrs, uint32_t *ret_num, struct err *err)
{
	struct network_row n = { .admin_state_up = true, .port_security = true };
	int r;

	base_make(tx, attrs, &n.base);
	change_attributes(attrs, &n);
	if ((r = choose_segment(tx, attrs, &n, err)) < 0 || (r = check_mtu(tx, &n, err)) < 0)
		return r;
	r = networks_insert(tx->db, &n, err);
	if (r == -EEXIST)
		return err_set(err, ERR_CONFLICT, "TunnelIdInUse",
			       "Unable to create the network. The tunnel ID %u is in use.", n.segmentation_id);
	*ret_num = n.base.num;
	return r;
}

static int update(struct tx *tx, void *row, const json_t *attrs, struct err *err)
{
	struct network_row *n = row;
	uint32_t mtu = n->mtu;
	int r;

	base_change(tx, attrs, &n->base);
	change_attributes(attrs, n);
	if ((r = check_mtu(tx, n, err)) < 0)
		return r;
	if (n->mtu != mtu)
		change_touch(tx->change, UNIT_NETWORK, n->base.num, OBJECT_NETWORK, n->base.num, 0);
	return networks_update(tx->db, n, err);
}

/* Ports that the services made for themselves go with the network; any other keeps it. */
static int delete_ports(struct tx *tx, const struct network_row *n, struct err *err)
{
	char id[UUID_TEXT_SIZE];
	int64_t others;
	int r = db_get_int(tx->db, 0, &others, err,
			   "SELECT count(*) FROM ports WHERE network = $1 AND device_owner NOT IN"
			   " ('network:dhcp', 'network:distributed', 'network:floatingip_agent_gateway')",
			   DB(v_int(n->base.num)));

	if (r < 0)
		return r;
	if (others > 0)
		return err_set(err, ERR_CONFLICT, "NetworkInUse",
			       "Unable to complete operation on network %s. There are one or more ports still in use "
			       "on the network.",
			       uuid_format(&n->base.id, id));
	return port_delete_of(tx, "SELECT num FROM ports WHERE network = $1", n->base.num, err);
}

static int delete (struct tx *tx, void *row, struct err *err)
{
	struct network_row *n = row;
	int r;

	if ((r = delete_ports(tx, n, err)) < 0 || (r = subnet_delete_of_network(tx, n->base.num, err)) < 0)
		return r;
	change_touch(tx->change, UNIT_NETWORK, n->base.num, OBJECT_NETWORK, n->base.num, 0);
	return networks_delete(tx->db, n->base.num, err);
}

static int write_subnets(struct db *db, const struct network_row *n, struct view *v, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db, "SELECT id FROM subnets WHERE network = $1 ORDER BY num", DB(v_int(n->base.num)));
	char text[UUID_TEXT_SIZE];
	struct uuid id;
	int r;

	jw_key(&v->w, "subnets");
	jw_array(&v->w);
	while ((r = db_next(q, err)) > 0) {
		db_copy_blob(q, 0, id.b, sizeof(id.b));
		jw_string(&v->w, uuid_format(&id, text));
	}
	jw_end_array(&v->w);
	return r;
}

static int write(struct db *db, const void *row, struct view *v, struct err *err)
{
	const struct network_row *n = row;
	int r;

	view_head(v, &n->base);
	jw_kv_string(&v->w, "status", "ACTIVE");
	jw_kv_bool(&v->w, "admin_state_up", n->admin_state_up);
	jw_kv_bool(&v->w, "shared", n->shared);
	if ((r = write_subnets(db, n, v, err)) < 0)
		return r;
	jw_kv_uint(&v->w, "mtu", n->mtu);
	if (view_may(v, "provider:network_type")) {
		jw_kv_string(&v->w, "provider:network_type", n->type);
		jw_kv_string(&v->w, "provider:physical_network", n->physical_network[0] ? n->physical_network : NULL);
		jw_kv_uint(&v->w, "provider:segmentation_id", n->segmentation_id);
	}
	jw_kv_bool(&v->w, "port_security_enabled", n->port_security);
	jw_key(&v->w, "availability_zones");
	jw_raw(&v->w, "[]", 2);
	jw_kv_string(&v->w, "ipv4_address_scope", NULL);
	jw_kv_string(&v->w, "ipv6_address_scope", NULL);
	view_tail(v, &n->base);
	return 0;
}

const struct kind kind_network = { &resource_network, &networks_table, create, update, delete, write };
