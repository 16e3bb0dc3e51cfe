/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hosts.h"

#include "base/err.h"
#include "base/mem.h"

#define COLUMNS                                                                                                        \
	"SELECT num, name, registered, capable, tunnel, dvr_mac, datapath, vif_type, agent_mode,"                      \
	" configurations, started, heartbeat, applied FROM hosts"

static int find(struct db_rows *q, struct host_row *ret, struct err *err)
{
	int r = db_next(q, err);

	if (r > 0) {
		ret->num = db_u32(q, 0);
		db_copy_text(q, 1, ret->name, sizeof(ret->name));
		ret->registered = db_int(q, 2);
		ret->capable = db_int(q, 3);
		db_copy_blob(q, 4, ret->tunnel.b, sizeof(ret->tunnel.b));
		db_copy_blob(q, 5, ret->dvr_mac.b, sizeof(ret->dvr_mac.b));
		db_copy_text(q, 6, ret->datapath, sizeof(ret->datapath));
		db_copy_text(q, 7, ret->vif_type, sizeof(ret->vif_type));
		db_copy_text(q, 8, ret->agent_mode, sizeof(ret->agent_mode));
		db_copy_text(q, 9, ret->configurations, sizeof(ret->configurations));
		ret->started = db_int(q, 10);
		ret->heartbeat = db_int(q, 11);
		ret->applied = (uint64_t)db_int(q, 12);
	}
	db_end(q);
	return r;
}

int hosts_find(struct db *db, uint32_t num, struct host_row *ret, struct err *err)
{
	return find(db_query(db, COLUMNS " WHERE num = $1", DB(v_int(num))), ret, err);
}

int hosts_find_name(struct db *db, const char *name, struct host_row *ret, struct err *err)
{
	return find(db_query(db, COLUMNS " WHERE name = $1", DB(v_text(name))), ret, err);
}

int hosts_insert(struct db *db, const char *name, uint32_t *ret, struct err *err)
{
	return db_insert(db, ret, err, "INSERT INTO hosts (name) VALUES ($1)", DB(v_text(name)));
}

int hosts_update(struct db *db, const struct host_row *h, struct err *err)
{
	struct db_value mac = mac_is_zero(&h->dvr_mac) ? v_text(NULL) : v_mac(&h->dvr_mac);

	return db_run(db, err,
		      "UPDATE hosts SET registered = $2, capable = $3, tunnel = $4, dvr_mac = $5, datapath = $6,"
		      " vif_type = $7, agent_mode = $8, configurations = $9, started = $10 WHERE num = $1",
		      DB(v_int(h->num), v_int(h->registered), v_int(h->capable), v_ip_or_null(&h->tunnel), mac,
			 v_text(h->datapath), v_text(h->vif_type), v_text(h->agent_mode), v_text(h->configurations),
			 v_int(h->started)));
}

int hosts_beat(struct db *db, uint32_t num, uint64_t applied, bool held, int64_t now, struct err *err)
{
	return db_run(db, err, "UPDATE hosts SET heartbeat = $2, applied = $3, held = $4 WHERE num = $1",
		      DB(v_int(num), v_int(now), v_int((int64_t)applied), v_int(held)));
}

int hosts_set_token(struct db *db, uint32_t num, const void *hash, size_t size, struct err *err)
{
	return db_run(db, err, "UPDATE hosts SET token_hash = $2 WHERE num = $1", DB(v_int(num), v_blob(hash, size)));
}

int hosts_token(struct db *db, const char *name, uint32_t *ret_num, void *ret_hash, size_t size, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(
		db, "SELECT num, token_hash FROM hosts WHERE name = $1 AND token_hash IS NOT NULL", DB(v_text(name)));
	int r = db_next(q, err);

	if (r > 0) {
		*ret_num = db_u32(q, 0);
		db_copy_blob(q, 1, ret_hash, size);
	}
	return r;
}

int hosts_dvr_mac_taken(struct db *db, const struct mac *mac, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(db, "SELECT 1 FROM hosts WHERE dvr_mac = $1", DB(v_mac(mac)));

	return db_next(q, err);
}
