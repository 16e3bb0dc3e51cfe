/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hosts: rows of hosts. Never deleted: their numbers stand in ports and in what agents were sent. */

#include <stdbool.h>

#include "model/object.h"
#include "store/db.h"

struct host_row {
	uint32_t num;
	char name[1021];
	bool registered, capable;
	struct ip tunnel; /* zero: not registered */
	struct mac dvr_mac;
	char datapath[32], vif_type[32], agent_mode[32];
	char configurations[4096]; /* JSON object, as reported */
	int64_t started, heartbeat; /* seconds since 1970 */
	uint64_t applied;
};

int hosts_find(struct db *db, uint32_t num, struct host_row *ret, struct err *err); /* 1, or 0 */
int hosts_find_name(struct db *db, const char *name, struct host_row *ret, struct err *err);
int hosts_insert(struct db *db, const char *name, uint32_t *ret, struct err *err);
/* Everything but name, heartbeat, applied and held. -EEXIST: another host has the DVR MAC. */
int hosts_update(struct db *db, const struct host_row *h, struct err *err);
int hosts_beat(struct db *db, uint32_t num, uint64_t applied, bool held, int64_t now, struct err *err);

int hosts_set_token(struct db *db, uint32_t num, const void *hash, size_t size, struct err *err);
/* 1 and the hash, or 0: no such host, or it has no token. */
int hosts_token(struct db *db, const char *name, uint32_t *ret_num, void *ret_hash, size_t size, struct err *err);
int hosts_dvr_mac_taken(struct db *db, const struct mac *mac, struct err *err); /* 1, or 0 */
