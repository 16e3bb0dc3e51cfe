/* SPDX-License-Identifier: Apache-2.0 */
#include "service/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/change.h"
#include "service/placement.h"
#include "store/routers.h"

static int centralized(struct err *err)
{
	return err_set(err, ERR_NOT_IMPLEMENTED, "NotImplementedError",
		       "Centralized routers (distributed = false) are not served yet.");
}

static int create(struct tx *tx, const json_t *attrs, uint32_t *ret_num, struct err *err)
{
	struct router_row r = { .admin_state_up = true, .distributed = tx->service->options.router_distributed };
	int e;

	base_make(tx, attrs, &r.base);
	attr_bool(attrs, "admin_state_up", &r.admin_state_up);
	attr_bool(attrs, "distributed", &r.distributed);
	if (!r.distributed)
		return centralized(err);
	if ((e = routers_insert(tx->db, &r, err)) < 0)
		return e;
	*ret_num = r.base.num;
	return 0;
}

static int update(struct tx *tx, void *row, const json_t *attrs, struct err *err)
{
	struct router_row *r = row;
	bool up = r->admin_state_up, distributed = r->distributed;
	int e;

	base_change(tx, attrs, &r->base);
	attr_bool(attrs, "admin_state_up", &r->admin_state_up);
	attr_bool(attrs, "distributed", &distributed);
	if (distributed != r->distributed && up)
		return err_set(
			err, ERR_BAD_REQUEST, "BadRequest",
			"Bad router request: Cannot change the 'distributed' attribute of active routers. Please "
			"set router admin_state_up to False prior to upgrade.");
	if (!distributed)
		return centralized(err);
	if ((e = routers_update(tx->db, r, err)) < 0 || up == r->admin_state_up)
		return e;
	change_touch(tx->change, UNIT_ROUTER, r->base.num, OBJECT_ROUTER, r->base.num, 0);
	return placement_router(tx, r->base.num, r->admin_state_up, err);
}

static int delete (struct tx *tx, void *row, struct err *err)
{
	const struct router_row *r = row;
	char id[UUID_TEXT_SIZE];
	int64_t interfaces;
	int e = db_get_int(tx->db, 0, &interfaces, err, "SELECT count(*) FROM interfaces WHERE router = $1",
			   DB(v_int(r->base.num)));

	if (e < 0)
		return e;
	if (interfaces > 0)
		return err_set(err, ERR_CONFLICT, "RouterInUse", "Router %s still has ports.",
			       uuid_format(&r->base.id, id));
	/* Without interfaces no host needs it: there is nobody to tell. */
	return routers_delete(tx->db, r->base.num, err);
}

static int write(struct db *db, const void *row, struct view *v, struct err *err)
{
	const struct router_row *r = row;

	(void)db;
	(void)err;
	view_head(v, &r->base);
	jw_kv_bool(&v->w, "admin_state_up", r->admin_state_up);
	jw_kv_string(&v->w, "status", "ACTIVE");
	if (view_may(v, "distributed"))
		jw_kv_bool(&v->w, "distributed", r->distributed);
	jw_key(&v->w, "availability_zones");
	jw_raw(&v->w, "[]", 2);
	view_tail(v, &r->base);
	return 0;
}

const struct kind kind_router = { &resource_router, &routers_table, create, update, delete, write };
