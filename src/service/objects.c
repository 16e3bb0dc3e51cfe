/* SPDX-License-Identifier: Apache-2.0 */
#include "service/objects.h"
#include "model/value.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/hosts.h"
#include "store/networks.h"
#include "store/ports.h"
#include "store/routers.h"
#include "store/subnets.h"

static int find_host(struct db *db, struct object *o, struct err *err)
{
	struct host_row row;
	int r;

	if (o->id.a != o->unit.num || (r = hosts_find(db, o->id.a, &row, err)) == 0)
		return 0;
	if (r < 0)
		return r;
	/* A longer name than an agent can have is no agent's. */
	snprintf(o->host.name, sizeof(o->host.name), "%.63s", row.name);
	o->host.tunnel = row.tunnel;
	o->host.dvr_mac = row.dvr_mac;
	return 1;
}

static int find_network(struct db *db, struct object *o, struct err *err)
{
	struct network_row row;
	int r;

	if (o->id.a != o->unit.num)
		return 0;
	if ((r = table_find_num(db, &networks_table, o->id.a, &row, err)) <= 0)
		return r;
	o->network.uuid = row.base.id;
	snprintf(o->network.type, sizeof(o->network.type), "%s", row.type);
	snprintf(o->network.physical_network, sizeof(o->network.physical_network), "%s", row.physical_network);
	o->network.segmentation_id = row.segmentation_id;
	o->network.mtu = row.mtu;
	return 1;
}

static int find_subnet(struct db *db, struct object *o, struct err *err)
{
	struct subnet_row row;
	int r;

	if ((r = table_find_num(db, &subnets_table, o->id.a, &row, err)) <= 0)
		return r;
	if (row.network != o->unit.num)
		return 0;
	o->subnet.uuid = row.base.id;
	o->subnet.network = row.network;
	o->subnet.cidr = row.cidr;
	o->subnet.gateway = row.gateway;
	return 1;
}

static int find_endpoint(struct db *db, struct object *o, struct err *err)
{
	struct port_address addrs[PORT_MAX_ADDRESSES];
	struct port_row row;
	int r, n;

	if ((r = table_find_num(db, &ports_table, o->id.a, &row, err)) <= 0)
		return r;
	if (row.network != o->unit.num || row.router || !row.host_registered)
		return 0;
	if ((n = ports_addresses(db, row.base.num, addrs, err)) < 0)
		return n;
	o->endpoint.network = row.network;
	o->endpoint.host = row.host;
	o->endpoint.next = row.next_registered ? row.next : 0;
	o->endpoint.mac = row.mac;
	o->endpoint.n_ips = (uint8_t)n;
	for (int i = 0; i < n; i++)
		o->endpoint.ips[i] = addrs[i].ip;
	return 1;
}

/* Bound to the host, or to be bound there soon: a migrating VM may run on its next host before the server is told. */
static bool is_at(const struct port_row *p, uint32_t host)
{
	if (p->router || !p->host)
		return false;
	return (p->host == host && p->host_registered) || (p->next == host && p->next_registered);
}

static int find_port(struct db *db, struct object *o, struct err *err)
{
	struct port_address addrs[PORT_MAX_ADDRESSES];
	struct port_row row;
	int r, n;

	if ((r = table_find_num(db, &ports_table, o->id.a, &row, err)) <= 0)
		return r;
	if (!is_at(&row, o->unit.num))
		return 0;
	if ((n = ports_addresses(db, row.base.num, addrs, err)) < 0)
		return n;
	o->port.uuid = row.base.id;
	o->port.network = row.network;
	o->port.mac = row.mac;
	o->port.admin_state_up = row.admin_state_up;
	o->port.binding = row.binding;
	/* Services (network:dhcp) speak for others; anti-spoofing is for instances. */
	o->port.port_security = row.port_security && strncmp(row.device_owner, "network:", 8) != 0;
	/* Cut between characters: half a one would end the host's stream. */
	text_append(o->port.device_owner, sizeof(o->port.device_owner), row.device_owner);
	o->port.n_addrs = (uint8_t)n;
	for (int i = 0; i < n; i++) {
		o->port.addrs[i].mac = row.mac;
		o->port.addrs[i].prefix = prefix_host(&addrs[i].ip);
	}
	return 1;
}

static int find_router(struct db *db, struct object *o, struct err *err)
{
	struct router_row row;
	int r;

	if (o->id.a != o->unit.num)
		return 0;
	if ((r = table_find_num(db, &routers_table, o->id.a, &row, err)) <= 0)
		return r;
	o->router.uuid = row.base.id;
	o->router.admin_state_up = row.admin_state_up;
	o->router.distributed = row.distributed;
	return 1;
}

static int find_interface(struct db *db, struct object *o, struct err *err)
{
	struct port_address addrs[PORT_MAX_ADDRESSES];
	struct port_row row;
	int r, n;

	if ((r = table_find_num(db, &ports_table, o->id.a, &row, err)) <= 0)
		return r;
	if (row.router != o->unit.num)
		return 0;
	if ((n = ports_addresses(db, row.base.num, addrs, err)) < 0)
		return n;
	if (n > OBJECT_MAX_INTERFACE_ADDRS)
		n = OBJECT_MAX_INTERFACE_ADDRS;
	o->interface.uuid = row.base.id;
	o->interface.router = row.router;
	o->interface.network = row.network;
	o->interface.mac = row.mac;
	o->interface.admin_state_up = row.admin_state_up;
	o->interface.n_addrs = (uint8_t)n;
	for (int i = 0; i < n; i++) {
		o->interface.addrs[i].addr = addrs[i].ip;
		o->interface.addrs[i].len = addrs[i].prefix_len;
	}
	return 1;
}

static int find_member(struct db *db, struct object *o, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = NULL;

	if (o->id.a != o->unit.num)
		return 0;
	q = db_query(db, "SELECT 1 FROM members WHERE router = $1 AND host = $2", DB(v_int(o->id.a), v_int(o->id.b)));
	return db_next(q, err);
}

static int (*const finders[N_OBJECT_KINDS])(struct db *db, struct object *o, struct err *err) = {
	[OBJECT_HOST] = find_host,     [OBJECT_PEER] = find_host,           [OBJECT_NETWORK] = find_network,
	[OBJECT_SUBNET] = find_subnet, [OBJECT_ENDPOINT] = find_endpoint,   [OBJECT_PORT] = find_port,
	[OBJECT_ROUTER] = find_router, [OBJECT_INTERFACE] = find_interface, [OBJECT_MEMBER] = find_member,
};

int objects_find(struct db *db, const struct unit *u, const struct object_id *id, struct object *ret, struct err *err)
{
	*ret = object_init((enum object_kind)id->kind, id->a, id->b, *u);
	return finders[id->kind](db, ret, err);
}

/* How the objects of a unit are found: one query a kind, giving a (and b). */
static const struct {
	enum unit_kind unit;
	enum object_kind object;
	const char *sql;
} members[] = {
	{ UNIT_HOST, OBJECT_HOST, "SELECT num, 0 FROM hosts WHERE num = $1" },
	{ UNIT_HOST, OBJECT_PORT,
	  "SELECT num, 0 FROM ports WHERE host = $1 UNION SELECT num, 0 FROM ports WHERE next = $1 ORDER BY num" },
	{ UNIT_PEER, OBJECT_PEER, "SELECT num, 0 FROM hosts WHERE num = $1" },
	{ UNIT_NETWORK, OBJECT_NETWORK, "SELECT num, 0 FROM networks WHERE num = $1" },
	{ UNIT_NETWORK, OBJECT_SUBNET, "SELECT num, 0 FROM subnets WHERE network = $1 ORDER BY num" },
	{ UNIT_NETWORK, OBJECT_ENDPOINT,
	  "SELECT num, 0 FROM ports WHERE network = $1 AND host IS NOT NULL ORDER BY num" },
	{ UNIT_ROUTER, OBJECT_ROUTER, "SELECT num, 0 FROM routers WHERE num = $1" },
	{ UNIT_ROUTER, OBJECT_INTERFACE, "SELECT port, 0 FROM interfaces WHERE router = $1 ORDER BY port" },
	{ UNIT_ROUTER, OBJECT_MEMBER, "SELECT router, host FROM members WHERE router = $1 ORDER BY host" },
};

int objects_each(struct db *db, const struct unit *u, void (*fn)(const struct object *o, void *arg), void *arg,
		 struct err *err)
{
	for (size_t i = 0; i < N_ELEMENTS(members); i++) {
		_cleanup_(db_endp) struct db_rows *q = NULL;
		int r;

		if (members[i].unit != u->kind)
			continue;
		q = db_query(db, members[i].sql, DB(v_int(u->num)));
		while ((r = db_next(q, err)) > 0) {
			struct object_id id = { members[i].object, db_u32(q, 0), db_u32(q, 1) };
			struct object o;

			if ((r = objects_find(db, u, &id, &o, err)) < 0)
				break;
			if (r > 0)
				fn(&o, arg);
		}
		if (r < 0)
			return r;
	}
	return 0;
}
