/* SPDX-License-Identifier: Apache-2.0 */
#include "store/networks.h"

#include "base/err.h"
#include "base/mem.h"

static const struct table_field fields[] = {
	BASE_FIELDS,
	{ "status", TABLE_TEXT, "'ACTIVE'" },
	{ "admin_state_up", TABLE_BOOL, "t.admin_state_up" },
	{ "shared", TABLE_BOOL, "t.shared" },
	{ "mtu", TABLE_INT, "t.mtu" },
	{ "provider:network_type", TABLE_TEXT, "t.type" },
	{ "provider:physical_network", TABLE_TEXT, "t.physical_network" },
	{ "provider:segmentation_id", TABLE_INT, "t.segmentation_id" },
	{ "router:external", TABLE_BOOL, "0" },
	{ "port_security_enabled", TABLE_BOOL, "t.port_security" },
	{ NULL },
};

static void read_row(struct db_rows *q, void *row)
{
	struct network_row *n = row;
	int i = N_BASE_COLUMNS;

	base_row_read(q, &n->base);
	n->admin_state_up = db_int(q, i++);
	n->shared = db_int(q, i++);
	n->port_security = db_int(q, i++);
	n->mtu = db_u32(q, i++);
	db_copy_text(q, i++, n->type, sizeof(n->type));
	db_copy_text(q, i++, n->physical_network, sizeof(n->physical_network));
	n->segmentation_id = db_u32(q, i++);
}

#define SELECT                                                                                                         \
	"SELECT " BASE_COLUMNS ", t.admin_state_up, t.shared, t.port_security, t.mtu, t.type,"                         \
	" t.physical_network, t.segmentation_id FROM networks t"

const struct table networks_table = {
	.select = SELECT,
	.by_num = SELECT " WHERE t.num = $1",
	.visible = "t.project = $ OR t.shared",
	.fields = fields,
	.size = sizeof(struct network_row),
	.read = read_row,
};

int networks_insert(struct db *db, struct network_row *n, struct err *err)
{
	return db_insert(db, &n->base.num, err,
			 "INSERT INTO networks (id, project, name, description, created, updated, revision,"
			 " admin_state_up, shared, port_security, mtu, type, physical_network, segmentation_id)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
			 DB(v_uuid(&n->base.id), v_text(n->base.project), v_text(n->base.name),
			    v_text(n->base.description), v_int(n->base.created), v_int(n->base.updated),
			    v_int(n->base.revision), v_int(n->admin_state_up), v_int(n->shared),
			    v_int(n->port_security), v_int(n->mtu), v_text(n->type), v_text(n->physical_network),
			    v_int(n->segmentation_id)));
}

int networks_update(struct db *db, const struct network_row *n, struct err *err)
{
	return db_run(db, err,
		      "UPDATE networks SET name = $2, description = $3, updated = $4, revision = $5,"
		      " admin_state_up = $6, shared = $7, port_security = $8, mtu = $9 WHERE num = $1",
		      DB(v_int(n->base.num), v_text(n->base.name), v_text(n->base.description), v_int(n->base.updated),
			 v_int(n->base.revision), v_int(n->admin_state_up), v_int(n->shared), v_int(n->port_security),
			 v_int(n->mtu)));
}

int networks_delete(struct db *db, uint32_t num, struct err *err)
{
	return db_run(db, err, "DELETE FROM networks WHERE num = $1", DB(v_int(num)));
}

int networks_free_segment(struct db *db, const char *type, uint32_t from, uint32_t last, uint32_t *ret, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db,
			 "SELECT segmentation_id FROM networks WHERE type = $1 AND physical_network = ''"
			 " AND segmentation_id BETWEEN $2 AND $3 ORDER BY segmentation_id",
			 DB(v_text(type), v_int(from), v_int(last)));
	uint64_t expected = from;
	int r;

	while ((r = db_next(q, err)) > 0 && db_u32(q, 0) == expected)
		expected++;
	if (r < 0)
		return r;
	*ret = expected <= last ? (uint32_t)expected : 0;
	return 0;
}
