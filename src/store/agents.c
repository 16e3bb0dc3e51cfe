/* SPDX-License-Identifier: Apache-2.0 */
#include "store/agents.h"

#include "base/err.h"
#include "base/mem.h"

#define TYPE "CASE t.face WHEN 1 THEN 'Open vSwitch agent' ELSE 'L3 agent' END"
#define BINARY "CASE t.face WHEN 1 THEN 'neutron-openvswitch-agent' ELSE 'neutron-l3-agent' END"
#define TOPIC "CASE t.face WHEN 1 THEN 'N/A' ELSE 'l3_agent' END"

static const struct table_field fields[] = {
	{ "id", TABLE_UUID, "t.id" },
	{ "agent_type", TABLE_TEXT, TYPE },
	{ "binary", TABLE_TEXT, BINARY },
	{ "topic", TABLE_TEXT, TOPIC },
	{ "host", TABLE_TEXT, "h.name" },
	{ "availability_zone", TABLE_TEXT, "CASE t.face WHEN 2 THEN 'nova' END" },
	{ "admin_state_up", TABLE_BOOL, "t.admin_state_up" },
	{ "description", TABLE_TEXT, "t.description" },
	{ "created_at", TABLE_TIME, "t.created" },
	{ "started_at", TABLE_TIME, "h.started" },
	{ "heartbeat_timestamp", TABLE_TIME, "h.heartbeat" },
	{ "held", TABLE_BOOL, "h.held" },
	{ NULL },
};

static void read_row(struct db_rows *q, void *row)
{
	struct agent_row *a = row;
	int i = 0;

	a->base.num = db_u32(q, i++);
	db_copy_blob(q, i++, a->base.id.b, sizeof(a->base.id.b));
	a->base.created = db_int(q, i++);
	a->has_description = !db_is_null(q, i);
	db_copy_text(q, i++, a->base.description, sizeof(a->base.description));
	a->host = db_u32(q, i++);
	a->face = (enum agent_face)db_int(q, i++);
	a->admin_state_up = db_int(q, i++);
	db_copy_text(q, i++, a->agent_type, sizeof(a->agent_type));
	db_copy_text(q, i++, a->binary, sizeof(a->binary));
	db_copy_text(q, i++, a->topic, sizeof(a->topic));
	a->where.num = a->host;
	db_copy_text(q, i++, a->where.name, sizeof(a->where.name));
	db_copy_blob(q, i++, a->where.tunnel.b, sizeof(a->where.tunnel.b));
	db_copy_text(q, i++, a->where.datapath, sizeof(a->where.datapath));
	db_copy_text(q, i++, a->where.agent_mode, sizeof(a->where.agent_mode));
	db_copy_text(q, i++, a->where.configurations, sizeof(a->where.configurations));
	a->where.started = db_int(q, i++);
	a->where.heartbeat = db_int(q, i++);
	a->held = db_int(q, i++);
	a->n_ports = db_u32(q, i++);
	a->n_routers = db_u32(q, i++);
	a->n_interfaces = db_u32(q, i++);
}

#define SELECT                                                                                                         \
	"SELECT t.num, t.id, t.created, t.description, t.host, t.face, t.admin_state_up, " TYPE ", " BINARY ", " TOPIC \
	", h.name, h.tunnel, h.datapath, h.agent_mode, h.configurations, h.started, h.heartbeat, h.held,"              \
	" (SELECT count(*) FROM ports p WHERE p.host = t.host),"                                                       \
	" (SELECT count(*) FROM members m WHERE m.host = t.host),"                                                     \
	" (SELECT count(*) FROM members m JOIN interfaces i ON i.router = m.router WHERE m.host = t.host)"             \
	" FROM agents t JOIN hosts h ON h.num = t.host"

const struct table agents_table = {
	.select = SELECT,
	.by_num = SELECT " WHERE t.num = $1",
	.visible = NULL,
	.fields = fields,
	.size = sizeof(struct agent_row),
	.read = read_row,
};

int agents_insert(struct db *db, uint32_t host, enum agent_face face, int64_t now, struct err *err)
{
	struct uuid id;

	uuid_make(&id);
	return db_run(db, err,
		      "INSERT INTO agents (id, host, face, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		      DB(v_uuid(&id), v_int(host), v_int(face), v_int(now)));
}

int agents_update(struct db *db, const struct agent_row *a, struct err *err)
{
	return db_run(db, err, "UPDATE agents SET admin_state_up = $2, description = $3 WHERE num = $1",
		      DB(v_int(a->base.num), v_int(a->admin_state_up),
			 v_text(a->has_description ? a->base.description : NULL)));
}

int agents_delete(struct db *db, uint32_t host, enum agent_face face, struct err *err)
{
	return db_run(db, err, "DELETE FROM agents WHERE host = $1 AND face = $2", DB(v_int(host), v_int(face)));
}
