/* SPDX-License-Identifier: Apache-2.0 */
#include "store/subnets.h"

#include "base/err.h"
#include "base/mem.h"

static const struct table_field fields[] = {
	BASE_FIELDS,
	{ "network_id", TABLE_UUID, "n.id" },
	{ "ip_version", TABLE_INT, "t.ip_version" },
	{ "cidr", TABLE_TEXT, "t.cidr" },
	{ "gateway_ip", TABLE_IP, "t.gateway" },
	{ "enable_dhcp", TABLE_BOOL, "t.enable_dhcp" },
	{ "shared", TABLE_BOOL, "n.shared" },
	{ NULL },
};

static void read_row(struct db_rows *q, void *row)
{
	struct subnet_row *s = row;
	int i = N_BASE_COLUMNS;

	base_row_read(q, &s->base);
	s->network = db_u32(q, i++);
	db_copy_blob(q, i++, s->network_id.b, sizeof(s->network_id.b));
	prefix_parse(db_text(q, i++), &s->cidr);
	s->ip_version = (int)db_int(q, i++);
	db_copy_blob(q, i++, s->gateway.b, sizeof(s->gateway.b));
	s->enable_dhcp = db_int(q, i++);
	db_copy_text(q, i++, s->dns_nameservers, sizeof(s->dns_nameservers));
	db_copy_text(q, i++, s->host_routes, sizeof(s->host_routes));
}

#define SELECT                                                                                                         \
	"SELECT " BASE_COLUMNS ", t.network, n.id, t.cidr, t.ip_version, t.gateway, t.enable_dhcp,"                    \
	" t.dns_nameservers, t.host_routes FROM subnets t JOIN networks n ON n.num = t.network"

const struct table subnets_table = {
	.select = SELECT,
	.by_num = SELECT " WHERE t.num = $1",
	.visible = "t.project = $ OR n.shared",
	.fields = fields,
	.size = sizeof(struct subnet_row),
	.read = read_row,
};

int subnets_insert(struct db *db, struct subnet_row *s, struct err *err)
{
	char cidr[PREFIX_TEXT_SIZE];

	return db_insert(db, &s->base.num, err,
			 "INSERT INTO subnets (id, project, name, description, created, updated, revision, network,"
			 " cidr, ip_version, gateway, enable_dhcp, dns_nameservers, host_routes)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
			 DB(v_uuid(&s->base.id), v_text(s->base.project), v_text(s->base.name),
			    v_text(s->base.description), v_int(s->base.created), v_int(s->base.updated),
			    v_int(s->base.revision), v_int(s->network), v_text(prefix_format(&s->cidr, cidr)),
			    v_int(s->ip_version), v_ip_or_null(&s->gateway), v_int(s->enable_dhcp),
			    v_text(s->dns_nameservers), v_text(s->host_routes)));
}

int subnets_update(struct db *db, const struct subnet_row *s, struct err *err)
{
	return db_run(db, err,
		      "UPDATE subnets SET name = $2, description = $3, updated = $4, revision = $5, gateway = $6,"
		      " enable_dhcp = $7, dns_nameservers = $8, host_routes = $9 WHERE num = $1",
		      DB(v_int(s->base.num), v_text(s->base.name), v_text(s->base.description), v_int(s->base.updated),
			 v_int(s->base.revision), v_ip_or_null(&s->gateway), v_int(s->enable_dhcp),
			 v_text(s->dns_nameservers), v_text(s->host_routes)));
}

int subnets_delete(struct db *db, uint32_t num, struct err *err)
{
	return db_run(db, err, "DELETE FROM subnets WHERE num = $1", DB(v_int(num)));
}

int subnets_set_pools(struct db *db, uint32_t num, const struct pool *pools, size_t n, struct err *err)
{
	int r = db_run(db, err, "DELETE FROM pools WHERE subnet = $1", DB(v_int(num)));

	for (size_t i = 0; i < n && r >= 0; i++)
		r = db_run(db, err, "INSERT INTO pools (subnet, first, last) VALUES ($1, $2, $3)",
			   DB(v_int(num), v_ip(&pools[i].first), v_ip(&pools[i].last)));
	return r < 0 ? r : 0;
}

int subnets_pools(struct db *db, uint32_t num, struct pool ret[SUBNET_MAX_POOLS], struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db, "SELECT first, last FROM pools WHERE subnet = $1 ORDER BY first", DB(v_int(num)));
	int n = 0, r;

	while ((r = db_next(q, err)) > 0 && n < SUBNET_MAX_POOLS) {
		db_copy_blob(q, 0, ret[n].first.b, sizeof(ret[n].first.b));
		db_copy_blob(q, 1, ret[n].last.b, sizeof(ret[n].last.b));
		n++;
	}
	return r < 0 ? r : n;
}

int subnets_take(struct db *db, uint32_t subnet, const struct ip *ip, uint32_t port, int place, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db,
			 "INSERT INTO addresses (subnet, ip, port, place) VALUES ($1, $2, $3, $4)"
			 " ON CONFLICT DO NOTHING RETURNING 1",
			 DB(v_int(subnet), v_ip(ip), v_int(port), v_int(place)));

	return db_next(q, err);
}

int subnets_release(struct db *db, uint32_t subnet, const struct ip *ip, struct err *err)
{
	return db_run(db, err, "DELETE FROM addresses WHERE subnet = $1 AND ip = $2", DB(v_int(subnet), v_ip(ip)));
}

static bool next_address(struct ip *ip)
{
	for (int i = sizeof(ip->b) - 1; i >= 0; i--) {
		if (++ip->b[i])
			return true;
	}
	return false;
}

int subnets_gap(struct db *db, uint32_t subnet, const struct ip *from, const struct ip *last, struct ip *ret,
		struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db, "SELECT ip FROM addresses WHERE subnet = $1 AND ip BETWEEN $2 AND $3 ORDER BY ip",
			 DB(v_int(subnet), v_ip(from), v_ip(last)));
	struct ip expected = *from, found;
	int r;

	while ((r = db_next(q, err)) > 0) {
		db_copy_blob(q, 0, found.b, sizeof(found.b));
		if (!ip_equal(&found, &expected))
			break;
		if (ip_equal(&expected, last) || !next_address(&expected))
			return 0;
	}
	if (r < 0)
		return r;
	*ret = expected;
	return ip_cmp(&expected, last) <= 0;
}
