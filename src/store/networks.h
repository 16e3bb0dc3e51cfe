/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* networks: rows of networks. */

#include "store/table.h"

struct network_row {
	struct base_row base;
	bool admin_state_up, shared, port_security;
	uint32_t mtu;
	char type[16];
	char physical_network[64];
	uint32_t segmentation_id;
};

extern const struct table networks_table;

/* -EEXIST: the segment is taken. */
int networks_insert(struct db *db, struct network_row *n, struct err *err); /* fills num */
int networks_update(struct db *db, const struct network_row *n, struct err *err);
int networks_delete(struct db *db, uint32_t num, struct err *err);
/* The lowest number from `from` to `last` that no network of the type has; 0: none. */
int networks_free_segment(struct db *db, const char *type, uint32_t from, uint32_t last, uint32_t *ret,
			  struct err *err);
