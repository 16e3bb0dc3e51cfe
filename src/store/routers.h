/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* routers: rows of routers, and which ports are their interfaces. */

#include "store/table.h"

struct router_row {
	struct base_row base;
	bool admin_state_up, distributed;
	uint32_t component;
};

extern const struct table routers_table;

int routers_insert(struct db *db, struct router_row *r, struct err *err); /* fills num; it is its own component */
int routers_update(struct db *db, const struct router_row *r, struct err *err);
int routers_delete(struct db *db, uint32_t num, struct err *err);

int routers_add_interface(struct db *db, uint32_t router, uint32_t port, uint32_t network, struct err *err);
int routers_del_interface(struct db *db, uint32_t port, struct err *err);
