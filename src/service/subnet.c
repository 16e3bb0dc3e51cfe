/* SPDX-License-Identifier: Apache-2.0 */
#include "service/subnet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/address.h"
#include "service/change.h"
#include "service/placement.h"
#include "service/port.h"
#include "store/networks.h"
#include "store/ports.h"
#include "store/subnets.h"

struct pools {
	struct pool v[SUBNET_MAX_POOLS];
	size_t n;
};

static int invalid(struct err *err, const char *fmt, const char *a, const char *b)
{
	char text[300];

	snprintf(text, sizeof(text), fmt, a, b);
	return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s", text);
}

/* The address `by` after ip; by < 0: before. Within one subnet, so there is no overflow. */
static struct ip ip_step(struct ip ip, int by)
{
	int carry = by;

	for (size_t i = sizeof(ip.b); i-- > 0 && carry;) {
		int sum = ip.b[i] + carry;

		ip.b[i] = (uint8_t)sum;
		carry = sum < 0 ? -1 : sum >> 8;
	}
	return ip;
}

static struct ip last_of(const struct prefix *p)
{
	struct ip ip = p->addr;

	for (unsigned bit = p->len; bit < 128; bit++)
		ip.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return ip;
}

/* The addresses that ports may have: without the network's own and the broadcast one, where there are such. */
static void usable(const struct prefix *cidr, struct pool *ret)
{
	ret->first = cidr->addr;
	ret->last = last_of(cidr);
	if (cidr->len >= 127)
		return;
	ret->first = ip_step(ret->first, 1);
	if (ip_is_v4(&cidr->addr))
		ret->last = ip_step(ret->last, -1);
}

static bool pool_has(const struct pool *p, const struct ip *ip)
{
	return ip_cmp(&p->first, ip) <= 0 && ip_cmp(ip, &p->last) <= 0;
}

static void default_pools(const struct subnet_row *s, struct pools *ret)
{
	struct pool all;

	usable(&s->cidr, &all);
	ret->n = 0;
	if (ip_is_zero(&s->gateway) || !pool_has(&all, &s->gateway)) {
		ret->v[ret->n++] = all;
		return;
	}
	if (ip_cmp(&all.first, &s->gateway) < 0)
		ret->v[ret->n++] = (struct pool) { all.first, ip_step(s->gateway, -1) };
	if (ip_cmp(&s->gateway, &all.last) < 0)
		ret->v[ret->n++] = (struct pool) { ip_step(s->gateway, 1), all.last };
}

static int cmp_pools(const void *a, const void *b)
{
	return ip_cmp(&((const struct pool *)a)->first, &((const struct pool *)b)->first);
}

static int check_pools(const struct subnet_row *s, struct pools *p, struct err *err)
{
	char cidr[PREFIX_TEXT_SIZE], first[IP_TEXT_SIZE], last[IP_TEXT_SIZE];
	struct pool all;

	usable(&s->cidr, &all);
	qsort(p->v, p->n, sizeof(p->v[0]), cmp_pools);
	for (size_t i = 0; i < p->n; i++) {
		const struct pool *pool = &p->v[i];

		ip_format(&pool->first, first);
		ip_format(&pool->last, last);
		if (ip_cmp(&pool->first, &pool->last) > 0 || ip_version(&pool->first) != s->ip_version ||
		    ip_version(&pool->last) != s->ip_version)
			return err_set(err, ERR_BAD_REQUEST, "InvalidAllocationPool",
				       "The allocation pool %s-%s is not valid.", first, last);
		if (!pool_has(&all, &pool->first) || !pool_has(&all, &pool->last))
			return err_set(err, ERR_BAD_REQUEST, "OutOfBoundsAllocationPool",
				       "The allocation pool %s-%s spans beyond the subnet cidr %s.", first, last,
				       prefix_format(&s->cidr, cidr));
		if (i > 0 && ip_cmp(&pool->first, &p->v[i - 1].last) <= 0)
			return err_set(err, ERR_CONFLICT, "OverlappingAllocationPools",
				       "Found overlapping allocation pools: %s-%s for subnet %s.", first, last,
				       prefix_format(&s->cidr, cidr));
		if (!ip_is_zero(&s->gateway) && pool_has(pool, &s->gateway))
			return err_set(err, ERR_CONFLICT, "GatewayConflictWithAllocationPools",
				       "Gateway ip %s conflicts with allocation pool %s-%s.",
				       ip_format(&s->gateway, cidr), first, last);
	}
	return 0;
}

/* 1: pools were given, 0: not. */
static int read_pools(const json_t *attrs, struct pools *ret, struct err *err)
{
	const json_t *list = json_object_get(attrs, "allocation_pools"), *item;
	size_t i;

	ret->n = 0;
	if (!json_is_array(list))
		return 0;
	if (json_array_size(list) > SUBNET_MAX_POOLS)
		return invalid(err, "more than 16 allocation pools.%s%s", "", "");
	json_array_foreach(list, i, item)
	{
		const char *start = json_string_value(json_object_get(item, "start"));
		const char *end = json_string_value(json_object_get(item, "end"));

		if (!start || !end || ip_parse(start, &ret->v[i].first) < 0 || ip_parse(end, &ret->v[i].last) < 0)
			return err_set(err, ERR_BAD_REQUEST, "InvalidAllocationPool",
				       "An allocation pool needs a start and an end.");
		ret->n++;
	}
	return 1;
}

static int check_gateway(const struct subnet_row *s, struct err *err)
{
	char gateway[IP_TEXT_SIZE], cidr[PREFIX_TEXT_SIZE];
	struct pool all;

	usable(&s->cidr, &all);
	if (ip_is_zero(&s->gateway) || pool_has(&all, &s->gateway))
		return 0;
	return invalid(err, "gateway_ip: Gateway is not valid on subnet: %s is no host address of %s.",
		       ip_format(&s->gateway, gateway), prefix_format(&s->cidr, cidr));
}

static int check_cidr(struct tx *tx, const struct subnet_row *s, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(tx->db, "SELECT cidr FROM subnets WHERE network = $1", DB(v_int(s->network)));
	char text[PREFIX_TEXT_SIZE], other_text[PREFIX_TEXT_SIZE];
	int r;

	prefix_format(&s->cidr, text);
	if (ip_is_v4(&s->cidr.addr) &&
	    (ip_is_group(&s->cidr.addr) || ip_to_v4(&s->cidr.addr) >> 24 == 127 || ip_to_v4(&s->cidr.addr) >> 24 == 0))
		return invalid(err, "cidr: %s is no range of unicast addresses.%s", text, "");
	while ((r = db_next(q, err)) > 0) {
		struct prefix other;

		if (prefix_parse(db_text(q, 0), &other) == 0 && prefix_overlaps(&other, &s->cidr))
			return invalid(err,
				       "Requested subnet with cidr: %s for network overlaps with another subnet (%s).",
				       text, prefix_format(&other, other_text));
	}
	return r;
}

static int read_network(struct tx *tx, const json_t *attrs, struct subnet_row *s, struct err *err)
{
	struct network_row n;
	char id[64] = "";
	int r;

	attr_text(attrs, "network_id", id, sizeof(id));
	if ((r = kind_get(tx->db, &kind_network, tx->caller, id, &n, err)) < 0)
		return r;
	s->network = n.base.num;
	s->network_id = n.base.id;
	return 0;
}

static int read_cidr(const json_t *attrs, struct subnet_row *s, struct err *err)
{
	char cidr[64] = "";
	uint32_t version = 4;

	attr_u32(attrs, "ip_version", &version);
	attr_text(attrs, "cidr", cidr, sizeof(cidr));
	if (version != 4)
		return err_set(err, ERR_NOT_IMPLEMENTED, "NotImplementedError",
			       "Subnets with ip_version 6 are not served yet.");
	s->ip_version = (int)version;
	if (prefix_parse(cidr, &s->cidr) < 0)
		return invalid(err, "'%s' is not a valid CIDR.%s", cidr, "");
	if (ip_version(&s->cidr.addr) != s->ip_version)
		return invalid(err, "cidr '%s' does not match the ip_version '4'.%s", cidr, "");
	s->cidr = prefix_canonical(&s->cidr);
	return 0;
}

static int check_family(const struct subnet_row *s, const char *name, const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);
	char what[96];
	struct prefix p;

	/* An address is a prefix as well. */
	if (text && prefix_parse(text, &p) == 0 && prefix_version(&p) == s->ip_version)
		return 0;
	snprintf(what, sizeof(what), "%s '%.60s'", name, text ? text : "");
	return invalid(err, "%s does not match the ip_version '%s'.", what, s->ip_version == 4 ? "4" : "6");
}

static int check_families(const struct subnet_row *s, const json_t *attrs, struct err *err)
{
	const json_t *item;
	size_t i;
	int r;

	json_array_foreach(json_object_get(attrs, "dns_nameservers"), i, item)
	{
		if ((r = check_family(s, "dns_nameservers", item, err)) < 0)
			return r;
	}
	json_array_foreach(json_object_get(attrs, "host_routes"), i, item)
	{
		const json_t *to = json_object_get(item, "destination"), *by = json_object_get(item, "nexthop");

		if ((r = check_family(s, "host_routes: destination", to, err)) < 0 ||
		    (r = check_family(s, "host_routes: nexthop", by, err)) < 0)
			return r;
	}
	return 0;
}

/* DHCP has to have an address of its own to give others. */
static int read_dhcp(const json_t *attrs, struct subnet_row *s, bool was, struct err *err)
{
	attr_bool(attrs, "enable_dhcp", &s->enable_dhcp);
	if (s->enable_dhcp && !was && s->cidr.len > 126)
		return invalid(err,
			       "Subnet has a prefix length that is incompatible with DHCP service enabled "
			       "(enable_dhcp).%s%s",
			       "", "");
	return 0;
}

/* What can be changed too. */
static int read_rest(const json_t *attrs, struct subnet_row *s, bool had_dhcp, struct err *err)
{
	const json_t *gateway = json_object_get(attrs, "gateway_ip");
	int r;

	if (json_is_null(gateway))
		memset(&s->gateway, 0, sizeof(s->gateway));
	else if (gateway && (!json_is_string(gateway) || ip_parse(json_string_value(gateway), &s->gateway) < 0))
		return invalid(err, "gateway_ip is not valid.%s%s", "", "");
	if ((r = read_dhcp(attrs, s, had_dhcp, err)) < 0 || (r = check_families(s, attrs, err)) < 0 ||
	    (r = attr_json(attrs, "dns_nameservers", s->dns_nameservers, sizeof(s->dns_nameservers), err)) < 0)
		return r;
	return attr_json(attrs, "host_routes", s->host_routes, sizeof(s->host_routes), err);
}

/* A network is another one with other subnets. */
static int revise_network(struct tx *tx, uint32_t network, struct err *err)
{
	return db_run(tx->db, err, "UPDATE networks SET revision = revision + 1, updated = $2 WHERE num = $1",
		      DB(v_int(network), v_int(tx->now)));
}

static int create(struct tx *tx, const json_t *attrs, uint32_t *ret_num, struct err *err)
{
	struct subnet_row s = { .enable_dhcp = true, .dns_nameservers = "[]", .host_routes = "[]" };
	struct pools pools;
	struct pool all;
	int r;

	base_make(tx, attrs, &s.base);
	if ((r = read_network(tx, attrs, &s, err)) < 0 || (r = read_cidr(attrs, &s, err)) < 0 ||
	    (r = check_cidr(tx, &s, err)) < 0)
		return r;
	usable(&s.cidr, &all);
	s.gateway = all.first;
	if ((r = read_rest(attrs, &s, false, err)) < 0 || (r = check_gateway(&s, err)) < 0 ||
	    (r = read_pools(attrs, &pools, err)) < 0)
		return r;
	if (r == 0)
		default_pools(&s, &pools);
	if ((r = check_pools(&s, &pools, err)) < 0 || (r = subnets_insert(tx->db, &s, err)) < 0 ||
	    (r = subnets_set_pools(tx->db, s.base.num, pools.v, pools.n, err)) < 0)
		return r;
	change_touch(tx->change, UNIT_NETWORK, s.network, OBJECT_SUBNET, s.base.num, 0);
	*ret_num = s.base.num;
	return revise_network(tx, s.network, err);
}

/* A router's interface that has the gateway address keeps it. */
static int check_gateway_free(struct tx *tx, const struct subnet_row *s, const struct ip *gateway, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(
		tx->db,
		"SELECT p.id FROM addresses a JOIN interfaces i ON i.port = a.port JOIN ports p ON p.num = a.port"
		" WHERE a.subnet = $1 AND a.ip = $2",
		DB(v_int(s->base.num), v_ip(gateway)));
	char ip[IP_TEXT_SIZE], id[UUID_TEXT_SIZE];
	struct uuid uuid;
	int r = db_next(q, err);

	if (r <= 0)
		return r;
	db_copy_blob(q, 0, uuid.b, sizeof(uuid.b));
	return err_set(err, ERR_CONFLICT, "GatewayIpInUse",
		       "Current gateway ip %s already in use by port %s. Unable to "
		       "update.",
		       ip_format(gateway, ip), uuid_format(&uuid, id));
}

static int update_pools(struct tx *tx, const struct subnet_row *s, const json_t *attrs, struct err *err)
{
	struct pools pools;
	int r = read_pools(attrs, &pools, err);

	if (r == 0) {
		if ((r = subnets_pools(tx->db, s->base.num, pools.v, err)) < 0)
			return r;
		pools.n = (size_t)r;
		return check_pools(s, &pools, err);
	}
	if (r < 0 || (r = check_pools(s, &pools, err)) < 0)
		return r;
	address_forget(tx->service, s->base.num);
	return subnets_set_pools(tx->db, s->base.num, pools.v, pools.n, err);
}

static int update(struct tx *tx, void *row, const json_t *attrs, struct err *err)
{
	struct subnet_row *s = row;
	struct ip gateway = s->gateway;
	int r;

	base_change(tx, attrs, &s->base);
	if ((r = read_rest(attrs, s, s->enable_dhcp, err)) < 0 || (r = check_gateway(s, err)) < 0 ||
	    (r = update_pools(tx, s, attrs, err)) < 0)
		return r;
	if (!ip_equal(&gateway, &s->gateway)) {
		if (!ip_is_zero(&gateway) && (r = check_gateway_free(tx, s, &gateway, err)) < 0)
			return r;
		change_touch(tx->change, UNIT_NETWORK, s->network, OBJECT_SUBNET, s->base.num, 0);
	}
	r = subnets_update(tx->db, s, err);
	return r < 0 ? r : revise_network(tx, s->network, err);
}

static int remove_row(struct tx *tx, uint32_t num, uint32_t network, struct err *err)
{
	int r;

	change_touch(tx->change, UNIT_NETWORK, network, OBJECT_SUBNET, num, 0);
	address_forget(tx->service, num);
	/* Services' ports alone had addresses of it, and no router was on it: nobody lives anywhere for it. */
	r = placement_forget_subnet(tx, num, err);
	return r < 0 ? r : subnets_delete(tx->db, num, err);
}

/* DHCP ports lose their address with the subnet; any other port keeps it. */
static int free_addresses(struct tx *tx, const struct subnet_row *s, struct err *err)
{
	char id[UUID_TEXT_SIZE];
	int64_t others;
	int r = db_get_int(tx->db, 0, &others, err,
			   "SELECT count(*) FROM addresses a JOIN ports p ON p.num = a.port"
			   " WHERE a.subnet = $1 AND p.device_owner <> 'network:dhcp'",
			   DB(v_int(s->base.num)));
	struct db_rows *q;

	if (r < 0)
		return r;
	if (others > 0)
		return err_set(err, ERR_CONFLICT, "SubnetInUse",
			       "Unable to complete operation on subnet %s: One or more ports have an IP allocation "
			       "from this subnet.",
			       uuid_format(&s->base.id, id));
	q = db_query(tx->db, "SELECT port FROM addresses WHERE subnet = $1", DB(v_int(s->base.num)));
	while ((r = db_next(q, err)) > 0) {
		struct port_row p;
		uint32_t num = db_u32(q, 0);

		if ((r = table_find_num(tx->db, &ports_table, num, &p, err)) < 0)
			break;
		if (r > 0)
			port_touch(tx, &p);
	}
	db_end(q);
	if (r < 0)
		return r;
	return db_run(tx->db, err, "DELETE FROM addresses WHERE subnet = $1", DB(v_int(s->base.num)));
}

static int delete (struct tx *tx, void *row, struct err *err)
{
	struct subnet_row *s = row;
	int r = free_addresses(tx, s, err);

	if (r < 0 || (r = remove_row(tx, s->base.num, s->network, err)) < 0)
		return r;
	return revise_network(tx, s->network, err);
}

int subnet_delete_of_network(struct tx *tx, uint32_t network, struct err *err)
{
	uint32_t nums[64];
	int n, r;

	/* A batch at a time: rows are not deleted while they are being read. */
	do {
		struct db_rows *q =
			db_query(tx->db, "SELECT num FROM subnets WHERE network = $1 LIMIT 64", DB(v_int(network)));

		for (n = 0; (r = db_next(q, err)) > 0; n++)
			nums[n] = db_u32(q, 0);
		db_end(q);
		for (int i = 0; i < n && r >= 0; i++)
			r = remove_row(tx, nums[i], network, err);
	} while (n > 0 && r >= 0);
	return r < 0 ? r : 0;
}

static int write_pools(struct db *db, const struct subnet_row *s, struct view *v, struct err *err)
{
	struct pool pools[SUBNET_MAX_POOLS];
	int n = subnets_pools(db, s->base.num, pools, err);

	jw_key(&v->w, "allocation_pools");
	jw_array(&v->w);
	for (int i = 0; i < n; i++) {
		jw_object(&v->w);
		view_ip(v, "start", &pools[i].first);
		view_ip(v, "end", &pools[i].last);
		jw_end_object(&v->w);
	}
	jw_end_array(&v->w);
	return n < 0 ? n : 0;
}

static int write(struct db *db, const void *row, struct view *v, struct err *err)
{
	const struct subnet_row *s = row;
	char cidr[PREFIX_TEXT_SIZE];
	int r;

	view_head(v, &s->base);
	view_uuid(v, "network_id", &s->network_id);
	jw_kv_uint(&v->w, "ip_version", (uint64_t)s->ip_version);
	jw_kv_string(&v->w, "cidr", prefix_format(&s->cidr, cidr));
	view_ip(v, "gateway_ip", &s->gateway);
	if ((r = write_pools(db, s, v, err)) < 0)
		return r;
	jw_kv_bool(&v->w, "enable_dhcp", s->enable_dhcp);
	jw_key(&v->w, "dns_nameservers");
	jw_raw(&v->w, s->dns_nameservers, strlen(s->dns_nameservers));
	jw_key(&v->w, "host_routes");
	jw_raw(&v->w, s->host_routes, strlen(s->host_routes));
	view_tail(v, &s->base);
	return 0;
}

const struct kind kind_subnet = { &resource_subnet, &subnets_table, create, update, delete, write };
