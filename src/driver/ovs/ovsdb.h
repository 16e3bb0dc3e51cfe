/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ovsdb: a connection to an OVSDB server (RFC 7047, JSON-RPC 1.0): one monitor with conditions, transactions,
 * echo both ways. Connects again by itself; each connection begins with a snapshot, told as `snapshot` and rows.
 */

#include <stdint.h>

#include "base/json.h"

struct err;
struct loop;
struct ovsdb;

struct ovsdb_events {
	/* A new connection's first rows follow; what was told before and is not told again is gone: see snapshot_end.
	 */
	void (*snapshot_begin)(void *arg);
	/* A row: `new` has all monitored columns, or is NULL when it was deleted. Borrowed. */
	void (*row)(const char *table, const char *uuid, const json_t *new, void *arg);
	void (*snapshot_end)(void *arg);
	void (*update_end)(void *arg); /* all rows of one transaction were told */
	void (*down)(const char *why, void *arg);
	void *arg;
};

/*
 * `where`: "unix:PATH" or "tcp:HOST:PORT". `monitor`: the third parameter of monitor_cond (RFC 7047, 4.1.5;
 * ovsdb-server(7), 4.1.12), taken over. Does not fail: an absent socket is waited for.
 */
struct ovsdb *ovsdb_open(struct loop *loop, const char *where, const char *database, json_t *monitor,
			 const struct ovsdb_events *events);
struct ovsdb *ovsdb_close(struct ovsdb *o);

/* r: 0; -EIO: the server refused (err_text is its error and details); -ECONNRESET. `result`: an item an operation. */
typedef void (*ovsdb_done)(int r, const json_t *result, const char *err_text, void *arg);
void ovsdb_transact(struct ovsdb *o, json_t *operations, ovsdb_done done, void *arg); /* takes `operations` */
