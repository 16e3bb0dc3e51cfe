/* SPDX-License-Identifier: Apache-2.0 */
#include "service/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/address.h"
#include "service/change.h"
#include "service/host.h"
#include "service/placement.h"
#include "service/port_address.h"
#include "store/networks.h"
#include "store/subnets.h"

#define MAC_TRIES 16

static int invalid(struct err *err, const char *text)
{
	return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s", text);
}

void port_touch(struct tx *tx, const struct port_row *p)
{
	uint32_t num = p->base.num;

	if (p->router)
		change_touch(tx->change, UNIT_ROUTER, p->router, OBJECT_INTERFACE, num, 0);
	if (!p->host)
		return;
	change_touch(tx->change, UNIT_NETWORK, p->network, OBJECT_ENDPOINT, num, 0);
	change_touch(tx->change, UNIT_HOST, p->host, OBJECT_PORT, num, 0);
	if (p->next)
		change_touch(tx->change, UNIT_HOST, p->next, OBJECT_PORT, num, 0);
}

/* A port's addresses, as they count for placement. */
struct stand {
	struct port_address addrs[PORT_MAX_ADDRESSES];
	int n;
};

static int stand_read(struct tx *tx, uint32_t port, struct stand *ret, struct err *err)
{
	ret->n = ports_addresses(tx->db, port, ret->addrs, err);
	return ret->n;
}

static int attach_at(struct tx *tx, const struct port_row *p, const struct stand *s, uint32_t host, int by,
		     struct err *err)
{
	int r = placement_bind(tx, host, p->network, by, err);

	if (!placement_is_served(tx->service, p->device_owner))
		return r;
	for (int i = 0; i < s->n && r >= 0; i++)
		r = placement_serve(tx, host, s->addrs[i].subnet, by, err);
	return r;
}

static int attach(struct tx *tx, const struct port_row *p, const struct stand *s, int by, struct err *err)
{
	int r = 0;

	port_touch(tx, p);
	if (p->router)
		return 0;
	if (p->host && p->host_registered)
		r = attach_at(tx, p, s, p->host, by, err);
	if (r >= 0 && p->next && p->next_registered && p->next != p->host)
		r = attach_at(tx, p, s, p->next, by, err);
	return r;
}

int port_attach(struct tx *tx, const struct port_row *p, int by, struct err *err)
{
	struct stand s = { .n = 0 };
	int r = p->host || p->next ? stand_read(tx, p->base.num, &s, err) : 0;

	return r < 0 ? r : attach(tx, p, &s, by, err);
}

int port_attach_all(struct tx *tx, uint32_t host, int by, struct err *err)
{
	struct db_rows *q =
		db_query(tx->db, "SELECT num FROM ports WHERE host = $1 UNION SELECT num FROM ports WHERE next = $1",
			 DB(v_int(host)));
	int r;

	while ((r = db_next(q, err)) > 0) {
		struct port_row p;
		struct stand s;

		if ((r = table_find_num(tx->db, &ports_table, db_u32(q, 0), &p, err)) < 0 ||
		    (r = stand_read(tx, p.base.num, &s, err)) < 0)
			break;
		port_touch(tx, &p);
		if (!p.router && (r = attach_at(tx, &p, &s, host, by, err)) < 0)
			break;
	}
	db_end(q);
	return r;
}

static int registered(struct tx *tx, uint32_t host, bool *ret, struct err *err)
{
	int64_t yes;
	int r = db_get_int(tx->db, 0, &yes, err, "SELECT registered FROM hosts WHERE num = $1", DB(v_int(host)));

	*ret = r >= 0 && yes;
	return r;
}

/* binding:host_id, binding:profile and what follows from them. */
static int read_binding(struct tx *tx, const json_t *attrs, struct port_row *p, struct err *err)
{
	const json_t *profile = json_object_get(attrs, "binding:profile");
	char name[TEXT_COLUMN_SIZE] = "";
	int r;

	attr_text(attrs, "binding:vnic_type", p->vnic_type, sizeof(p->vnic_type));
	if (attr_text(attrs, "binding:host_id", name, sizeof(name))) {
		p->host = 0;
		if (name[0] && (r = host_ref(tx, name, &p->host, err)) < 0)
			return r;
	}
	if (profile) {
		const char *to = json_string_value(json_object_get(profile, "migrating_to"));

		if ((r = attr_json(attrs, "binding:profile", p->profile, sizeof(p->profile), err)) < 0)
			return r;
		p->next = 0;
		if (to && strlen(to) >= sizeof(name))
			return invalid(err, "binding:profile: migrating_to is too long.");
		if (to && to[0] && (r = host_ref(tx, to, &p->next, err)) < 0)
			return r;
	}
	if (p->next == p->host)
		p->next = 0;
	if ((r = registered(tx, p->host, &p->host_registered, err)) < 0)
		return r;
	return registered(tx, p->next, &p->next_registered, err);
}

static int read_mac(struct tx *tx, const json_t *attrs, struct mac *ret, struct err *err)
{
	const char *text = json_string_value(json_object_get(attrs, "mac_address"));
	int r;

	if (!text)
		return 0;
	if (mac_parse(text, ret) < 0 || mac_is_group(ret) || mac_is_zero(ret))
		return invalid(err, "mac_address must be a unicast address.");
	if ((r = hosts_dvr_mac_taken(tx->db, ret, err)) > 0)
		return invalid(err, "mac_address is a host's: it marks frames that the host has routed.");
	return r < 0 ? r : 1;
}

static int mac_in_use(const struct port_row *p, struct err *err)
{
	char id[UUID_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	return err_set(err, ERR_CONFLICT, "MacAddressInUse",
		       "Unable to complete operation for network %s. The mac address %s is in use.",
		       uuid_format(&p->network_id, id), mac_format(&p->mac, mac));
}

/* With the MAC that was given, or with one that no port of the network has. */
static int insert(struct tx *tx, const json_t *attrs, struct port_row *p, struct err *err)
{
	int r = attrs ? read_mac(tx, attrs, &p->mac, err) : 0;

	if (r < 0)
		return r;
	if (r > 0) {
		r = ports_insert(tx->db, p, err);
		return r == -EEXIST ? mac_in_use(p, err) : r;
	}
	for (int i = 0; i < MAC_TRIES; i++) {
		address_random_mac(&tx->service->options.base_mac, &p->mac);
		if ((r = hosts_dvr_mac_taken(tx->db, &p->mac, err)) < 0)
			return r;
		if (r == 0 && (r = ports_insert(tx->db, p, err)) != -EEXIST)
			return r;
	}
	return err_set(err, ERR_UNAVAILABLE, "MacAddressGenerationFailure", "Unable to generate a unique MAC address.");
}

static void read_attributes(const json_t *attrs, struct port_row *p)
{
	attr_bool(attrs, "admin_state_up", &p->admin_state_up);
	attr_bool(attrs, "port_security_enabled", &p->port_security);
	attr_text(attrs, "device_id", p->device_id, sizeof(p->device_id));
	attr_text(attrs, "device_owner", p->device_owner, sizeof(p->device_owner));
}

static int create(struct tx *tx, const json_t *attrs, uint32_t *ret_num, struct err *err)
{
	struct port_row p = { .admin_state_up = true, .binding = 1, .vnic_type = "normal", .profile = "{}" };
	struct network_row n;
	char id[64] = "";
	int r;

	base_make(tx, attrs, &p.base);
	attr_text(attrs, "network_id", id, sizeof(id));
	if ((r = kind_get(tx->db, &kind_network, tx->caller, id, &n, err)) < 0)
		return r;
	p.network = n.base.num;
	p.network_id = n.base.id;
	p.port_security = n.port_security;
	read_attributes(attrs, &p);
	if ((r = read_binding(tx, attrs, &p, err)) < 0 || (r = insert(tx, attrs, &p, err)) < 0 ||
	    (r = port_address_create(tx, &p, json_object_get(attrs, "fixed_ips"), err)) < 0)
		return r;
	*ret_num = p.base.num;
	return port_attach(tx, &p, 1, err);
}

int port_make_interface(struct tx *tx, const struct uuid *router, const char *project, uint32_t network,
			uint32_t subnet, const struct ip *ip, struct port_row *ret, struct err *err)
{
	struct network_row n;
	char text[IP_TEXT_SIZE];
	int r;

	memset(ret, 0, sizeof(*ret));
	base_make(tx, NULL, &ret->base);
	if ((r = table_find_num(tx->db, &networks_table, network, &n, err)) < 0)
		return r;
	snprintf(ret->base.project, sizeof(ret->base.project), "%s", project);
	ret->network = network;
	ret->network_id = n.base.id;
	ret->admin_state_up = true;
	snprintf(ret->vnic_type, sizeof(ret->vnic_type), "normal");
	snprintf(ret->profile, sizeof(ret->profile), "{}");
	uuid_format(router, ret->device_id);
	snprintf(ret->device_owner, sizeof(ret->device_owner), "%s", PORT_OWNER_INTERFACE);
	if ((r = insert(tx, NULL, ret, err)) < 0 || (r = subnets_take(tx->db, subnet, ip, ret->base.num, 0, err)) < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_CONFLICT, "IpAddressAlreadyAllocated",
			       "IP address %s already allocated in the subnet.", ip_format(ip, text));
	return 0;
}

/* What may not be changed, depending on what the port is. */
static int check_update(const struct port_row *old, const struct port_row *p, struct err *err)
{
	char id[UUID_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	uuid_format(&p->base.id, id);
	if (!mac_equal(&old->mac, &p->mac)) {
		if (strncmp(old->device_owner, "network:", 8) == 0)
			return err_set(err, ERR_CONFLICT, "UnsupportedPortDeviceOwner",
				       "Operation mac address update is not supported for device_owner %s on port %s.",
				       old->device_owner, id);
		if (old->host && old->host == p->host && old->host_registered)
			return err_set(err, ERR_CONFLICT, "PortBound",
				       "Unable to complete operation on port %s, port is already bound, port type: %s, "
				       "old_mac %s, new_mac %s.",
				       id, old->host_vif_type, mac_format(&old->mac, mac), mac_format(&p->mac, mac));
	}
	if (!old->router)
		return 0;
	if (p->host || p->next || strcmp(old->device_id, p->device_id) != 0 ||
	    strcmp(old->device_owner, p->device_owner) != 0)
		return err_set(err, ERR_BAD_REQUEST, "BadRequest",
			       "Bad port request: the device and the binding of a router interface cannot be changed.");
	return 0;
}

static bool same_binding(const struct port_row *a, const struct port_row *b)
{
	return a->host == b->host && a->next == b->next && strcmp(a->device_owner, b->device_owner) == 0;
}

/* Rows first where the port comes to be, then where it leaves: what both need is not dropped in between. */
static int rebind(struct tx *tx, const struct port_row *old, const struct stand *left, const struct port_row *p,
		  struct err *err)
{
	int r;

	if ((r = port_attach(tx, p, 1, err)) < 0 || (r = attach(tx, old, left, -1, err)) < 0)
		return r;
	return old->host == p->host ? 0 : ports_forget_report(tx->db, p->base.num, err);
}

static int update(struct tx *tx, void *row, const json_t *attrs, struct err *err)
{
	const json_t *ips = json_object_get(attrs, "fixed_ips");
	struct port_row *p = row, old = *p;
	struct stand left = { .n = 0 };
	bool moves;
	int r;

	base_change(tx, attrs, &p->base);
	read_attributes(attrs, p);
	if ((r = read_mac(tx, attrs, &p->mac, err)) < 0 || (r = read_binding(tx, attrs, p, err)) < 0 ||
	    (r = check_update(&old, p, err)) < 0)
		return r;
	moves = ips || !same_binding(&old, p);
	if (old.host != p->host)
		p->binding = (uint32_t)p->base.revision;
	if (moves && (r = stand_read(tx, p->base.num, &left, err)) < 0)
		return r;
	r = ports_update(tx->db, p, err);
	if (r == -EEXIST)
		return mac_in_use(p, err);
	if (r < 0 || (ips && (r = port_address_change(tx, p, ips, err)) < 0) ||
	    (moves && (r = rebind(tx, &old, &left, p, err)) < 0))
		return r;
	if (!mac_equal(&old.mac, &p->mac) || old.admin_state_up != p->admin_state_up ||
	    old.port_security != p->port_security)
		port_touch(tx, p);
	return 0;
}

int port_delete_row(struct tx *tx, const struct port_row *p, struct err *err)
{
	int r = port_attach(tx, p, -1, err);

	return r < 0 ? r : ports_delete(tx->db, p->base.num, err);
}

int port_delete_of(struct tx *tx, const char *sql, uint32_t arg, struct err *err)
{
	struct port_row p;
	int r;

	/* One at a time: rows are not deleted while they are being read. */
	for (;;) {
		int64_t num;

		if ((r = db_get_int(tx->db, 0, &num, err, sql, DB(v_int(arg)))) < 0 || num == 0)
			return r;
		if ((r = table_find_num(tx->db, &ports_table, (uint32_t)num, &p, err)) < 0 ||
		    (r = port_delete_row(tx, &p, err)) < 0)
			return r;
	}
}

static int delete (struct tx *tx, void *row, struct err *err)
{
	const struct port_row *p = row;
	char id[UUID_TEXT_SIZE];

	if (p->router)
		return err_set(err, ERR_CONFLICT, "ServicePortInUse",
			       "Port %s cannot be deleted directly via the port API: has device owner %s.",
			       uuid_format(&p->base.id, id), p->device_owner);
	return port_delete_row(tx, p, err);
}

static int write_addresses(struct db *db, const struct port_row *p, struct view *v, struct err *err)
{
	struct port_address addrs[PORT_MAX_ADDRESSES];
	int n = ports_addresses(db, p->base.num, addrs, err);

	jw_key(&v->w, "fixed_ips");
	jw_array(&v->w);
	for (int i = 0; i < n; i++) {
		jw_object(&v->w);
		view_uuid(v, "subnet_id", &addrs[i].subnet_id);
		view_ip(v, "ip_address", &addrs[i].ip);
		jw_end_object(&v->w);
	}
	jw_end_array(&v->w);
	return n < 0 ? n : 0;
}

static const char *vif_type(const struct port_row *p)
{
	if (p->router)
		return "distributed";
	if (!p->host)
		return "unbound";
	return p->host_registered ? p->host_vif_type : "binding_failed";
}

/* As Neutron's openvswitch mechanism driver gives them. */
static void write_ovs_details(const struct port_row *p, struct jw *w)
{
	if (p->host_bridge[0])
		jw_kv_string(w, "bridge_name", p->host_bridge);
	jw_kv_string(w, "datapath_type", p->host_datapath_type[0] ? p->host_datapath_type : "system");
	jw_kv_bool(w, "ovs_hybrid_plug", false);
}

static void write_binding(const struct port_row *p, struct view *v)
{
	bool bound = p->host && p->host_registered && !p->router;

	if (view_may(v, "binding:host_id")) {
		jw_kv_string(&v->w, "binding:host_id", p->host_name);
		jw_kv_string(&v->w, "binding:vif_type", vif_type(p));
		jw_key(&v->w, "binding:vif_details");
		jw_object(&v->w);
		if (bound) {
			jw_kv_string(&v->w, "connectivity", "l2");
			jw_kv_bool(&v->w, "port_filter", p->port_security);
			if (!strcmp(p->host_vif_type, "ovs"))
				write_ovs_details(p, &v->w);
		}
		jw_end_object(&v->w);
		jw_key(&v->w, "binding:profile");
		jw_raw(&v->w, p->profile, strlen(p->profile));
	}
	jw_kv_string(&v->w, "binding:vnic_type", p->vnic_type);
}

static int write(struct db *db, const void *row, struct view *v, struct err *err)
{
	const struct port_row *p = row;
	char mac[MAC_TEXT_SIZE];
	int r;

	view_head(v, &p->base);
	view_uuid(v, "network_id", &p->network_id);
	jw_kv_string(&v->w, "mac_address", mac_format(&p->mac, mac));
	if ((r = write_addresses(db, p, v, err)) < 0)
		return r;
	jw_kv_bool(&v->w, "admin_state_up", p->admin_state_up);
	jw_kv_string(&v->w, "status", p->status);
	jw_kv_string(&v->w, "device_id", p->device_id);
	jw_kv_string(&v->w, "device_owner", p->device_owner);
	write_binding(p, v);
	jw_kv_bool(&v->w, "port_security_enabled", p->port_security);
	view_tail(v, &p->base);
	return 0;
}

const struct kind kind_port = { &resource_port, &ports_table, create, update, delete, write };
