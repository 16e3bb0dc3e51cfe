/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/change.h"
#include "service/placement.h"
#include "service/port.h"
#include "service/router.h"
#include "store/routers.h"
#include "store/subnets.h"

/* interface: a router's interfaces come and go by add_router_interface and remove_router_interface. */

/* What an action speaks of. */
struct action {
	struct router_row router;
	const char *subnet_id, *port_id; /* as asked; NULL: not given */
	struct subnet_row subnet;
	struct port_row port;
	struct port_address addrs[PORT_MAX_ADDRESSES];
	int n_addrs;
};

static int bad(struct err *err, const char *text)
{
	return err_set(err, ERR_BAD_REQUEST, "BadRequest", "Bad router request: %s", text);
}

static int read_id(const json_t *attrs, const char *key, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(attrs, key);
	struct uuid uuid;

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || uuid_parse_text(json_string_value(value), &uuid) < 0)
		return err_set(err, ERR_BAD_REQUEST, "BadRequest", "Bad router request: %s must be a UUID.", key);
	*ret = json_string_value(value);
	return 0;
}

static int read_action(struct tx *tx, const char *id, const json_t *attrs, struct action *ret, struct err *err)
{
	int r;

	if ((r = kind_get(tx->db, &kind_router, tx->caller, id, &ret->router, err)) < 0)
		return r;
	if ((r = read_id(attrs, "subnet_id", &ret->subnet_id, err)) < 0 ||
	    (r = read_id(attrs, "port_id", &ret->port_id, err)) < 0)
		return r;
	if (!ret->subnet_id && !ret->port_id)
		return bad(err, "Either subnet_id or port_id must be specified.");
	return 0;
}

/* The addresses of the port; the subnet of the first. */
static int read_addresses(struct tx *tx, struct action *a, struct err *err)
{
	int r = ports_addresses(tx->db, a->port.base.num, a->addrs, err);

	a->n_addrs = r;
	if (r <= 0)
		return r;
	return table_find_num(tx->db, &subnets_table, a->addrs[0].subnet, &a->subnet, err);
}

/* No two interfaces of a router lead to the same addresses. */
static int check_overlap(struct tx *tx, const struct action *a, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(tx->db,
			 "SELECT s.num, s.cidr, s.id FROM interfaces i JOIN addresses d ON d.port = i.port"
			 " JOIN subnets s ON s.num = d.subnet WHERE i.router = $1",
			 DB(v_int(a->router.base.num)));
	char id[UUID_TEXT_SIZE], cidr[PREFIX_TEXT_SIZE], other_text[PREFIX_TEXT_SIZE], text[300];
	int r;

	prefix_format(&a->subnet.cidr, cidr);
	while ((r = db_next(q, err)) > 0) {
		struct prefix other;
		struct uuid uuid;

		if (prefix_parse(db_text(q, 1), &other) < 0 || !prefix_overlaps(&other, &a->subnet.cidr))
			continue;
		db_copy_blob(q, 2, uuid.b, sizeof(uuid.b));
		uuid_format(&uuid, id);
		if (db_u32(q, 0) == a->subnet.base.num)
			snprintf(text, sizeof(text), "Router already has a port on subnet %s.", id);
		else
			snprintf(text, sizeof(text), "Cidr %s of subnet overlaps with cidr %s of subnet %s.", cidr,
				 prefix_format(&other, other_text), id);
		return bad(err, text);
	}
	return r;
}

static int find_subnet(struct tx *tx, struct action *a, struct err *err)
{
	int r = kind_get(tx->db, &kind_subnet, tx->caller, a->subnet_id, &a->subnet, err);

	if (r < 0)
		return r;
	if (ip_is_zero(&a->subnet.gateway))
		return bad(err, "Subnet for router interface must have a gateway IP.");
	return 0;
}

static int find_port(struct tx *tx, struct action *a, struct err *err)
{
	char network[UUID_TEXT_SIZE];
	int r = kind_get(tx->db, &kind_port, tx->caller, a->port_id, &a->port, err);

	if (r < 0)
		return r;
	if (a->port.device_id[0] || a->port.router)
		return err_set(err, ERR_CONFLICT, "PortInUse",
			       "Unable to complete operation on port %s for network %s. Port already has an attached "
			       "device %s.",
			       a->port_id, uuid_format(&a->port.network_id, network), a->port.device_id);
	if ((r = read_addresses(tx, a, err)) < 0)
		return r;
	if (a->n_addrs == 0)
		return bad(err, "A port used as router interface must have a fixed IP.");
	if (a->n_addrs > 1)
		return bad(err, "Cannot have multiple IPv4 subnets on router port.");
	return 0;
}

/* A free port is taken from where it is, and becomes the router's. */
static int adopt(struct tx *tx, struct action *a, struct err *err)
{
	struct port_row *p = &a->port;
	int r = port_attach(tx, p, -1, err);

	if (r < 0)
		return r;
	uuid_format(&a->router.base.id, p->device_id);
	snprintf(p->device_owner, sizeof(p->device_owner), "%s", PORT_OWNER_INTERFACE);
	p->host = p->next = 0;
	p->base.revision++;
	p->base.updated = tx->now;
	return ports_update(tx->db, p, err);
}

static void write_answer(const struct action *a, UT_string *out)
{
	struct jw w = jw_init(out);
	char text[UUID_TEXT_SIZE];

	jw_object(&w);
	jw_kv_string(&w, "id", uuid_format(&a->router.base.id, text));
	jw_kv_string(&w, "project_id", a->port.base.project);
	jw_kv_string(&w, "tenant_id", a->port.base.project);
	jw_kv_string(&w, "port_id", uuid_format(&a->port.base.id, text));
	jw_kv_string(&w, "network_id", uuid_format(&a->port.network_id, text));
	jw_kv_string(&w, "subnet_id", uuid_format(&a->subnet.base.id, text));
	jw_key(&w, "subnet_ids");
	jw_array(&w);
	jw_string(&w, text);
	jw_end_array(&w);
	jw_key(&w, "tags");
	jw_raw(&w, "[]", 2);
	jw_end_object(&w);
}

static int revise(struct tx *tx, const struct action *a, struct err *err)
{
	return db_run(tx->db, err, "UPDATE routers SET revision = revision + 1, updated = $2 WHERE num = $1",
		      DB(v_int(a->router.base.num), v_int(tx->now)));
}

int router_add_interface(struct tx *tx, const char *id, const json_t *attrs, UT_string *out, struct err *err)
{
	_cleanup_(freep) struct action *a = xcalloc(1, sizeof(*a));
	int r;

	if ((r = read_action(tx, id, attrs, a, err)) < 0)
		return r;
	if (a->subnet_id && a->port_id)
		return bad(err, "Cannot specify both subnet-id and port-id.");
	r = a->subnet_id ? find_subnet(tx, a, err) : find_port(tx, a, err);
	if (r < 0 || (r = check_overlap(tx, a, err)) < 0)
		return r;
	if (a->subnet_id)
		r = port_make_interface(tx, &a->router.base.id, a->router.base.project, a->subnet.network,
					a->subnet.base.num, &a->subnet.gateway, &a->port, err);
	else
		r = adopt(tx, a, err);
	if (r < 0 || (r = placement_link(tx, a->router.base.num, a->port.base.num, a->port.network, err)) < 0)
		return r;
	change_touch(tx->change, UNIT_ROUTER, a->router.base.num, OBJECT_INTERFACE, a->port.base.num, 0);
	write_answer(a, out);
	return revise(tx, a, err);
}

static int not_there(const struct action *a, struct err *err)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&a->router.base.id, id);
	if (a->port_id)
		return err_set(err, ERR_NOT_FOUND, "RouterInterfaceNotFound",
			       "Router %s does not have an interface with id %s.", id, a->port_id);
	return err_set(err, ERR_NOT_FOUND, "RouterInterfaceNotFoundForSubnet",
		       "Router %s has no interface on subnet %s.", id, a->subnet_id);
}

static int find_by_port(struct tx *tx, struct action *a, struct err *err)
{
	char id[UUID_TEXT_SIZE];
	struct uuid wanted;
	int r;

	r = kind_get(tx->db, &kind_port, tx->caller, a->port_id, &a->port, NULL);
	if (r == -ENOENT || (r == 0 && a->port.router != a->router.base.num))
		return not_there(a, err);
	if (r < 0 || (r = read_addresses(tx, a, err)) < 0)
		return r;
	if (a->subnet_id && uuid_parse_text(a->subnet_id, &wanted) == 0 && !uuid_equal(&wanted, &a->subnet.base.id))
		return err_set(err, ERR_BAD_REQUEST, "SubnetMismatchForPort",
			       "Subnet on port %s does not match the "
			       "requested subnet %s.",
			       uuid_format(&a->port.base.id, id), a->subnet_id);
	return 0;
}

static int find_by_subnet(struct tx *tx, struct action *a, struct err *err)
{
	int64_t num;
	int r;

	if ((r = kind_get(tx->db, &kind_subnet, tx->caller, a->subnet_id, &a->subnet, err)) < 0)
		return r;
	r = db_get_int(tx->db, 0, &num, err,
		       "SELECT i.port FROM interfaces i JOIN addresses d ON d.port = i.port"
		       " WHERE i.router = $1 AND d.subnet = $2",
		       DB(v_int(a->router.base.num), v_int(a->subnet.base.num)));
	if (r < 0)
		return r;
	if (num == 0)
		return not_there(a, err);
	return table_find_num(tx->db, &ports_table, (uint32_t)num, &a->port, err);
}

int router_remove_interface(struct tx *tx, const char *id, const json_t *attrs, UT_string *out, struct err *err)
{
	_cleanup_(freep) struct action *a = xcalloc(1, sizeof(*a));
	int r;

	if ((r = read_action(tx, id, attrs, a, err)) < 0 ||
	    (r = a->port_id ? find_by_port(tx, a, err) : find_by_subnet(tx, a, err)) < 0)
		return r;
	r = placement_unlink(tx, a->router.base.num, a->port.base.num, a->port.network, err);
	if (r < 0)
		return r;
	change_touch(tx->change, UNIT_ROUTER, a->router.base.num, OBJECT_INTERFACE, a->port.base.num, 0);
	if ((r = ports_delete(tx->db, a->port.base.num, err)) < 0)
		return r;
	write_answer(a, out);
	return revise(tx, a, err);
}
