/* SPDX-License-Identifier: Apache-2.0 */
#include "store/routers.h"

static const struct table_field fields[] = {
	BASE_FIELDS,
	{ "status", TABLE_TEXT, "'ACTIVE'" },
	{ "admin_state_up", TABLE_BOOL, "t.admin_state_up" },
	{ "distributed", TABLE_BOOL, "t.distributed" },
	{ "ha", TABLE_BOOL, "0" },
	{ NULL },
};

static void read_row(struct db_rows *q, void *row)
{
	struct router_row *r = row;
	int i = N_BASE_COLUMNS;

	base_row_read(q, &r->base);
	r->admin_state_up = db_int(q, i++);
	r->distributed = db_int(q, i++);
	r->component = db_u32(q, i++);
}

#define SELECT "SELECT " BASE_COLUMNS ", t.admin_state_up, t.distributed, t.component FROM routers t"

const struct table routers_table = {
	.select = SELECT,
	.by_num = SELECT " WHERE t.num = $1",
	.visible = "t.project = $",
	.fields = fields,
	.size = sizeof(struct router_row),
	.read = read_row,
};

int routers_insert(struct db *db, struct router_row *r, struct err *err)
{
	int e = db_insert(db, &r->base.num, err,
			  "INSERT INTO routers (id, project, name, description, created, updated, revision,"
			  " admin_state_up, distributed, component) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
			  DB(v_uuid(&r->base.id), v_text(r->base.project), v_text(r->base.name),
			     v_text(r->base.description), v_int(r->base.created), v_int(r->base.updated),
			     v_int(r->base.revision), v_int(r->admin_state_up), v_int(r->distributed)));

	if (e < 0)
		return e;
	r->component = r->base.num;
	return db_run(db, err, "UPDATE routers SET component = num WHERE num = $1", DB(v_int(r->base.num)));
}

int routers_update(struct db *db, const struct router_row *r, struct err *err)
{
	return db_run(db, err,
		      "UPDATE routers SET name = $2, description = $3, updated = $4, revision = $5,"
		      " admin_state_up = $6, distributed = $7 WHERE num = $1",
		      DB(v_int(r->base.num), v_text(r->base.name), v_text(r->base.description), v_int(r->base.updated),
			 v_int(r->base.revision), v_int(r->admin_state_up), v_int(r->distributed)));
}

int routers_delete(struct db *db, uint32_t num, struct err *err)
{
	return db_run(db, err, "DELETE FROM routers WHERE num = $1", DB(v_int(num)));
}

int routers_add_interface(struct db *db, uint32_t router, uint32_t port, uint32_t network, struct err *err)
{
	return db_run(db, err, "INSERT INTO interfaces (port, router, network) VALUES ($1, $2, $3)",
		      DB(v_int(port), v_int(router), v_int(network)));
}

int routers_del_interface(struct db *db, uint32_t port, struct err *err)
{
	return db_run(db, err, "DELETE FROM interfaces WHERE port = $1", DB(v_int(port)));
}
