/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ports.h"

#include "base/err.h"
#include "base/mem.h"

/*
 * An interface of a distributed router that is on works where the router lives; any other port
 * when the host that it is bound to says so (3: ERROR, 2: up).
 */
#define STATUS                                                                                                         \
	"CASE WHEN NOT t.admin_state_up THEN 'DOWN' WHEN i.router IS NOT NULL THEN"                                    \
	" CASE WHEN EXISTS (SELECT 1 FROM members m WHERE m.router = i.router) THEN 'ACTIVE' ELSE 'DOWN' END"          \
	" WHEN t.host IS NULL OR NOT h.registered THEN 'DOWN'"                                                         \
	" WHEN t.reported = 2 THEN 'ACTIVE' WHEN t.reported = 3 THEN 'ERROR' ELSE 'DOWN' END"

#define VIF_TYPE                                                                                                       \
	"CASE WHEN i.router IS NOT NULL THEN 'distributed' WHEN t.host IS NULL THEN 'unbound'"                         \
	" WHEN h.registered THEN h.vif_type ELSE 'binding_failed' END"

/* What an agent with Open vSwitch says of itself. */
#define BRIDGE "CASE h.vif_type WHEN 'ovs' THEN json_extract(h.configurations, '$.integration_bridge') END"
#define DATAPATH_TYPE "CASE h.vif_type WHEN 'ovs' THEN json_extract(h.configurations, '$.datapath_type') END"

static const struct table_field fields[] = {
	BASE_FIELDS,
	{ "network_id", TABLE_UUID, "n.id" },
	{ "mac_address", TABLE_MAC, "t.mac" },
	{ "admin_state_up", TABLE_BOOL, "t.admin_state_up" },
	{ "status", TABLE_TEXT, STATUS },
	{ "device_id", TABLE_TEXT, "t.device_id" },
	{ "device_owner", TABLE_TEXT, "t.device_owner" },
	{ "binding:host_id", TABLE_TEXT, "IFNULL(h.name, '')" },
	{ "binding:vif_type", TABLE_TEXT, VIF_TYPE },
	{ "binding:vnic_type", TABLE_TEXT, "t.vnic_type" },
	{ "port_security_enabled", TABLE_BOOL, "t.port_security" },
	/* Behind the filter fixed_ips. */
	{ "ip_address", TABLE_IP, "t.num IN (SELECT a.port FROM addresses a WHERE a.ip = $)" },
	{ "subnet_id", TABLE_UUID,
	  "t.num IN (SELECT a.port FROM addresses a JOIN subnets s ON s.num = a.subnet WHERE s.id = $)" },
	{ NULL },
};

static void read_row(struct db_rows *q, void *row)
{
	struct port_row *p = row;
	int i = N_BASE_COLUMNS;

	base_row_read(q, &p->base);
	p->network = db_u32(q, i++);
	p->admin_state_up = db_int(q, i++);
	p->port_security = db_int(q, i++);
	db_copy_blob(q, i++, p->mac.b, sizeof(p->mac.b));
	db_copy_text(q, i++, p->device_id, sizeof(p->device_id));
	db_copy_text(q, i++, p->device_owner, sizeof(p->device_owner));
	p->host = db_u32(q, i++);
	p->next = db_u32(q, i++);
	p->binding = db_u32(q, i++);
	db_copy_text(q, i++, p->vnic_type, sizeof(p->vnic_type));
	db_copy_text(q, i++, p->profile, sizeof(p->profile));
	db_copy_blob(q, i++, p->network_id.b, sizeof(p->network_id.b));
	db_copy_text(q, i++, p->host_name, sizeof(p->host_name));
	p->host_registered = db_int(q, i++);
	p->next_registered = db_int(q, i++);
	db_copy_text(q, i++, p->host_vif_type, sizeof(p->host_vif_type));
	db_copy_text(q, i++, p->host_bridge, sizeof(p->host_bridge));
	db_copy_text(q, i++, p->host_datapath_type, sizeof(p->host_datapath_type));
	p->router = db_u32(q, i++);
	db_copy_text(q, i++, p->status, sizeof(p->status));
}

#define SELECT                                                                                                         \
	"SELECT " BASE_COLUMNS ", t.network, t.admin_state_up, t.port_security, t.mac, t.device_id,"                   \
	" t.device_owner, t.host, t.next, t.binding, t.vnic_type, t.profile, n.id, h.name, h.registered,"              \
	" x.registered, h.vif_type, " BRIDGE ", " DATAPATH_TYPE ", i.router, " STATUS                                  \
	" FROM ports t JOIN networks n ON n.num = t.network LEFT JOIN hosts h ON h.num = t.host"                       \
	" LEFT JOIN hosts x ON x.num = t.next LEFT JOIN interfaces i ON i.port = t.num"

const struct table ports_table = {
	.select = SELECT,
	.by_num = SELECT " WHERE t.num = $1",
	.visible = "t.project = $",
	.fields = fields,
	.size = sizeof(struct port_row),
	.read = read_row,
};

int ports_insert(struct db *db, struct port_row *p, struct err *err)
{
	return db_insert(db, &p->base.num, err,
			 "INSERT INTO ports (id, project, name, description, created, updated, revision, network,"
			 " admin_state_up, port_security, mac, device_id, device_owner, host, next, vnic_type, profile,"
			 " binding)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
			 DB(v_uuid(&p->base.id), v_text(p->base.project), v_text(p->base.name),
			    v_text(p->base.description), v_int(p->base.created), v_int(p->base.updated),
			    v_int(p->base.revision), v_int(p->network), v_int(p->admin_state_up),
			    v_int(p->port_security), v_mac(&p->mac), v_text(p->device_id), v_text(p->device_owner),
			    v_ref(p->host), v_ref(p->next), v_text(p->vnic_type), v_text(p->profile),
			    v_int(p->binding)));
}

int ports_update(struct db *db, const struct port_row *p, struct err *err)
{
	return db_run(db, err,
		      "UPDATE ports SET name = $2, description = $3, updated = $4, revision = $5, admin_state_up = $6,"
		      " port_security = $7, mac = $8, device_id = $9, device_owner = $10, host = $11, next = $12,"
		      " vnic_type = $13, profile = $14, project = $15, binding = $16 WHERE num = $1",
		      DB(v_int(p->base.num), v_text(p->base.name), v_text(p->base.description), v_int(p->base.updated),
			 v_int(p->base.revision), v_int(p->admin_state_up), v_int(p->port_security), v_mac(&p->mac),
			 v_text(p->device_id), v_text(p->device_owner), v_ref(p->host), v_ref(p->next),
			 v_text(p->vnic_type), v_text(p->profile), v_text(p->base.project), v_int(p->binding)));
}

int ports_delete(struct db *db, uint32_t num, struct err *err)
{
	return db_run(db, err, "DELETE FROM ports WHERE num = $1", DB(v_int(num)));
}

int ports_addresses(struct db *db, uint32_t num, struct port_address ret[PORT_MAX_ADDRESSES], struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db,
			 "SELECT a.subnet, s.id, a.ip, s.cidr FROM addresses a JOIN subnets s ON s.num = a.subnet"
			 " WHERE a.port = $1 ORDER BY a.place",
			 DB(v_int(num)));
	int n = 0, r;

	while ((r = db_next(q, err)) > 0 && n < PORT_MAX_ADDRESSES) {
		struct prefix cidr = { 0 };

		ret[n].subnet = db_u32(q, 0);
		db_copy_blob(q, 1, ret[n].subnet_id.b, sizeof(ret[n].subnet_id.b));
		db_copy_blob(q, 2, ret[n].ip.b, sizeof(ret[n].ip.b));
		prefix_parse(db_text(q, 3), &cidr);
		ret[n].prefix_len = cidr.len;
		n++;
	}
	return r < 0 ? r : n;
}

int ports_report(struct db *db, uint32_t num, uint32_t host, uint32_t binding, enum port_reported reported,
		 struct err *err)
{
	return db_run(db, err,
		      "UPDATE ports SET reported = $4 WHERE num = $1 AND host = $2 AND (binding = $3 OR $3 = 0)",
		      DB(v_int(num), v_int(host), v_int(binding), v_int(reported)));
}

int ports_forget_reports_of(struct db *db, uint32_t host, struct err *err)
{
	return db_run(db, err, "UPDATE ports SET reported = 0 WHERE host = $1", DB(v_int(host)));
}

int ports_forget_report(struct db *db, uint32_t num, struct err *err)
{
	return db_run(db, err, "UPDATE ports SET reported = 0 WHERE num = $1", DB(v_int(num)));
}
