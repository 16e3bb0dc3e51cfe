/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ovsdb: a connection to an OVSDB server (RFC 7047, JSON-RPC 1.0): one monitor with conditions, transactions,
 * echo both ways. Connects again by itself; each connection begins with a snapshot.
 *
 *     connect ─► get_schema (which columns are sets and maps) ─► monitor_cond ─► snapshot ─► updates
 *        ▲                                                                                      │
 *        └── 0.1 s, doubled up to 2 s as long as no snapshot comes ◄── error, garbage, silence ◄┘
 *            (at once when the socket appears)
 *
 * The monitored rows are held here and looked at as a whole; what changed is for the caller to find.
 */

#include <stdint.h>

#include "base/json.h"

struct err;
struct loop;
struct ovsdb;

struct ovsdb_events {
	/* A new connection's snapshot is in, or all rows of a transaction (of anybody's). */
	void (*changed)(void *arg);
	/* The connection ended, or an attempt failed for another reason than the one before. */
	void (*down)(const char *why, void *arg);
	void *arg;
};

struct ovsdb_config {
	const char *where; /* "unix:PATH" or "tcp:HOST:PORT" */
	const char *database; /* "Open_vSwitch" */
	uint64_t probe_us; /* 0: JSONRPC_PROBE_US */
};

/*
 * `monitor`: the third parameter of monitor_cond (RFC 7047, 4.1.5; ovsdb-server(7), 4.1.12), each table an object
 * with `columns`; taken over. Does not fail: an absent socket is waited for.
 */
struct ovsdb *ovsdb_open(struct loop *loop, const struct ovsdb_config *config, json_t *monitor,
			 const struct ovsdb_events *events);
/* Accepts NULL, returns NULL; no callback follows. Not from a callback. */
struct ovsdb *ovsdb_close(struct ovsdb *o);

/*
 * The rows of a table, by UUID; each an object of columns (datum.h; one that has its default value may be missing).
 * Borrowed, until the loop turns. NULL: there is no connection with a snapshot.
 */
const json_t *ovsdb_rows(const struct ovsdb *o, const char *table);
/* A number that grows with each change of a row of the table, and with each snapshot. A row that is the same pointer as
 * before has not changed. */
unsigned ovsdb_version(const struct ovsdb *o, const char *table);

/* A transaction's own rows are in before it is answered. */
/* r: 0; -EIO: the server refused (err_text is its error and details); -ECONNRESET. `result`: an item an operation. */
typedef void (*ovsdb_done)(int r, const json_t *result, const char *err_text, void *arg);
/* Takes `operations`. -ENOTCONN: there is no connection with a snapshot, and `done` is not called. */
int ovsdb_transact(struct ovsdb *o, json_t *operations, ovsdb_done done, void *arg);
