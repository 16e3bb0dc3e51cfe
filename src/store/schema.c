/* SPDX-License-Identifier: Apache-2.0 */
#include "store/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/db.h"

/*
 * Rows refer to each other by `num`, which is never used again (AUTOINCREMENT); `id` is the UUID
 * that people know. UUIDs, MACs and addresses are their bytes, times are seconds since 1970.
 */
// clang-format off
#define STANDARD \
	"num INTEGER PRIMARY KEY AUTOINCREMENT," \
	"id BLOB NOT NULL UNIQUE," \
	"project TEXT NOT NULL," \
	"name TEXT NOT NULL," \
	"description TEXT NOT NULL," \
	"created INTEGER NOT NULL," \
	"updated INTEGER NOT NULL," \
	"revision INTEGER NOT NULL,"

#define STANDARD_INDEXES(table) \
	"CREATE INDEX " table "_by_name ON " table "(name, num);" \
	"CREATE INDEX " table "_by_project ON " table "(project, num);"

static const char tables[] =
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

	/* A host has a row from the first time that its name is heard; tunnel and dvr_mac once it has registered. */
	"CREATE TABLE hosts ("
	"num INTEGER PRIMARY KEY AUTOINCREMENT,"
	"name TEXT NOT NULL UNIQUE,"
	"token_hash BLOB,"
	"registered INTEGER NOT NULL DEFAULT 0,"
	"capable INTEGER NOT NULL DEFAULT 0," /* may have routers: registered, mode and agent allow it */
	"tunnel BLOB,"
	"dvr_mac BLOB UNIQUE,"
	"datapath TEXT NOT NULL DEFAULT '',"
	"vif_type TEXT NOT NULL DEFAULT '',"
	"agent_mode TEXT NOT NULL DEFAULT '',"
	"configurations TEXT NOT NULL DEFAULT '{}',"
	"started INTEGER NOT NULL DEFAULT 0,"
	"heartbeat INTEGER NOT NULL DEFAULT 0,"
	"applied INTEGER NOT NULL DEFAULT 0"
	") STRICT;"

	/* The faces of a host's agent: rows of /v2.0/agents. */
	"CREATE TABLE agents ("
	"num INTEGER PRIMARY KEY AUTOINCREMENT,"
	"id BLOB NOT NULL UNIQUE,"
	"host INTEGER NOT NULL REFERENCES hosts,"
	"face INTEGER NOT NULL,"
	"admin_state_up INTEGER NOT NULL DEFAULT 1,"
	"description TEXT,"
	"created INTEGER NOT NULL,"
	"UNIQUE (host, face)"
	") STRICT;"

	"CREATE TABLE networks (" STANDARD
	"admin_state_up INTEGER NOT NULL,"
	"shared INTEGER NOT NULL,"
	"port_security INTEGER NOT NULL,"
	"mtu INTEGER NOT NULL,"
	"type TEXT NOT NULL,"
	"physical_network TEXT NOT NULL,"
	"segmentation_id INTEGER NOT NULL,"
	"UNIQUE (type, physical_network, segmentation_id)"
	") STRICT;" STANDARD_INDEXES("networks")

	"CREATE TABLE subnets (" STANDARD
	"network INTEGER NOT NULL REFERENCES networks,"
	"cidr TEXT NOT NULL,"
	"ip_version INTEGER NOT NULL,"
	"gateway BLOB,"
	"enable_dhcp INTEGER NOT NULL,"
	"dns_nameservers TEXT NOT NULL,"
	"host_routes TEXT NOT NULL"
	") STRICT;" STANDARD_INDEXES("subnets")
	"CREATE INDEX subnets_by_network ON subnets(network);"

	"CREATE TABLE pools ("
	"subnet INTEGER NOT NULL REFERENCES subnets ON DELETE CASCADE,"
	"first BLOB NOT NULL,"
	"last BLOB NOT NULL,"
	"PRIMARY KEY (subnet, first)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE routers (" STANDARD
	"admin_state_up INTEGER NOT NULL,"
	"distributed INTEGER NOT NULL,"
	"component INTEGER NOT NULL" /* routers joined by networks: it is named by the number of one of them */
	") STRICT;" STANDARD_INDEXES("routers")
	"CREATE INDEX routers_by_component ON routers(component);"

	"CREATE TABLE ports (" STANDARD
	"network INTEGER NOT NULL REFERENCES networks,"
	"admin_state_up INTEGER NOT NULL,"
	"mac BLOB NOT NULL,"
	"device_id TEXT NOT NULL,"
	"device_owner TEXT NOT NULL,"
	"port_security INTEGER NOT NULL,"
	"host INTEGER REFERENCES hosts," /* where it is bound */
	"next INTEGER REFERENCES hosts," /* where it is migrating to */
	"vnic_type TEXT NOT NULL,"
	"profile TEXT NOT NULL,"
	"binding INTEGER NOT NULL," /* the revision with which it was bound to its host */
	"reported INTEGER NOT NULL DEFAULT 0," /* by the host that it is bound to */
	"UNIQUE (network, mac)"
	") STRICT;" STANDARD_INDEXES("ports")
	"CREATE INDEX ports_by_device ON ports(device_id) WHERE device_id <> '';"
	"CREATE INDEX ports_by_host ON ports(host, network) WHERE host IS NOT NULL;"
	"CREATE INDEX ports_by_next ON ports(next, network) WHERE next IS NOT NULL;"

	"CREATE TABLE addresses ("
	"subnet INTEGER NOT NULL REFERENCES subnets,"
	"ip BLOB NOT NULL,"
	"port INTEGER NOT NULL REFERENCES ports ON DELETE CASCADE,"
	"place INTEGER NOT NULL," /* in the port's list */
	"PRIMARY KEY (subnet, ip)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX addresses_by_port ON addresses(port, place);"

	/* The ports that are interfaces of routers. */
	"CREATE TABLE interfaces ("
	"port INTEGER PRIMARY KEY REFERENCES ports ON DELETE CASCADE,"
	"router INTEGER NOT NULL REFERENCES routers,"
	"network INTEGER NOT NULL REFERENCES networks"
	") STRICT;"
	"CREATE INDEX interfaces_by_router ON interfaces(router, network);"
	"CREATE INDEX interfaces_by_network ON interfaces(network, router);"

	/*
	 * Placement; service/placement.h says what it means. Everything below follows from the tables
	 * above and is changed with them.
	 */
	"CREATE TABLE presence (" /* ports of a network on a host */
	"host INTEGER NOT NULL REFERENCES hosts,"
	"network INTEGER NOT NULL REFERENCES networks,"
	"bound INTEGER NOT NULL,"
	"PRIMARY KEY (host, network)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX presence_by_network ON presence(network, host);"

	"CREATE TABLE served (" /* addresses of a subnet that served ports have on a host */
	"host INTEGER NOT NULL REFERENCES hosts,"
	"subnet INTEGER NOT NULL REFERENCES subnets,"
	"addresses INTEGER NOT NULL,"
	"PRIMARY KEY (host, subnet)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX served_by_subnet ON served(subnet, host);"

	"CREATE TABLE links (" /* the subnets that interfaces have addresses of */
	"subnet INTEGER NOT NULL REFERENCES subnets,"
	"port INTEGER NOT NULL REFERENCES interfaces ON DELETE CASCADE,"
	"PRIMARY KEY (subnet, port)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX links_by_port ON links(port);"

	"CREATE TABLE audience (" /* hosts with served ports on the subnets of a component */
	"component INTEGER NOT NULL,"
	"host INTEGER NOT NULL REFERENCES hosts,"
	"subnets INTEGER NOT NULL," /* how many of them */
	"PRIMARY KEY (component, host)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX audience_by_host ON audience(host);"

	"CREATE TABLE members (" /* where a router lives */
	"router INTEGER NOT NULL REFERENCES routers,"
	"host INTEGER NOT NULL REFERENCES hosts,"
	"PRIMARY KEY (router, host)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX members_by_host ON members(host);"

	"CREATE TABLE needs (" /* the units that a host is sent, and for how many reasons */
	"host INTEGER NOT NULL REFERENCES hosts,"
	"kind INTEGER NOT NULL,"
	"num INTEGER NOT NULL,"
	"count INTEGER NOT NULL,"
	"PRIMARY KEY (host, kind, num)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX needs_by_unit ON needs(kind, num, host);"

	/* The change log: one position a call, several lines. */
	"CREATE TABLE log ("
	"position INTEGER NOT NULL,"
	"line INTEGER NOT NULL,"
	"op INTEGER NOT NULL,"
	"kind INTEGER NOT NULL," /* and num: the unit */
	"num INTEGER NOT NULL,"
	"host INTEGER NOT NULL,"
	"json TEXT NOT NULL,"
	"request_id TEXT NOT NULL,"
	"PRIMARY KEY (position, line)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX log_by_host ON log(host, position, line) WHERE host <> 0;";
// clang-format on

/* migrations[i] makes version i + 1. One that was released never changes: a new one is added. */
static const char *const migrations[] = {
	tables,
	/* The agent holds a snapshot of ours back. */
	"ALTER TABLE hosts ADD COLUMN held INTEGER NOT NULL DEFAULT 0;",
};

static int version_of(struct db *db, int64_t *ret, struct err *err)
{
	int64_t exists;
	int r = db_get_int(db, 0, &exists, err, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'", DB_NONE);

	*ret = 0;
	if (r < 0 || !exists)
		return r;
	return db_get_int(db, 0, ret, err, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema_version'",
			  DB_NONE);
}

static int set_meta(struct db *db, const char *key, const char *value, struct err *err)
{
	return db_run(db, err,
		      "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2",
		      DB(v_text(key), v_text(value)));
}

static int run(struct db *db, struct err *err)
{
	char text[64];
	int64_t version;
	int r = version_of(db, &version, err);

	if (r < 0)
		return r;
	if (version > (int64_t)N_ELEMENTS(migrations))
		return err_set(err, ERR_INTERNAL, "",
			       "the database has schema %" PRId64 ", and this program knows %zu: it is too old",
			       version, N_ELEMENTS(migrations));
	if (version == (int64_t)N_ELEMENTS(migrations))
		return 0;
	for (size_t i = (size_t)version; i < N_ELEMENTS(migrations); i++) {
		if ((r = db_script(db, migrations[i], err)) < 0)
			return r;
	}
	if (version == 0) {
		struct uuid incarnation;

		snprintf(text, sizeof(text), "PRAGMA application_id = %d", DB_APPLICATION);
		if ((r = db_script(db, text, err)) < 0)
			return r;
		uuid_make(&incarnation);
		if ((r = set_meta(db, "incarnation", uuid_format(&incarnation, text), err)) < 0)
			return r;
	}
	snprintf(text, sizeof(text), "%zu", N_ELEMENTS(migrations));
	return set_meta(db, "schema_version", text, err);
}

int schema_migrate(struct db *db, struct err *err)
{
	int r = db_begin(db, err);

	if (r < 0)
		return r;
	r = run(db, err);
	if (r >= 0)
		r = db_commit(db, err);
	if (r < 0)
		db_rollback(db);
	return r < 0 ? r : 0;
}

int schema_incarnation(struct db *db, char ret[UUID_TEXT_SIZE], struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(db, "SELECT value FROM meta WHERE key = 'incarnation'", DB_NONE);
	int r = db_next(q, err);

	if (r == 0)
		return err_set(err, ERR_INTERNAL, "", "the database has no incarnation: it is damaged");
	if (r > 0)
		db_copy_text(q, 0, ret, UUID_TEXT_SIZE);
	return r < 0 ? r : 0;
}
