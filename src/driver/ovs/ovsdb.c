/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovsdb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/datum.h"
#include "driver/ovs/jsonrpc.h"
#include "io/loop.h"
#include "io/path_watch.h"

#define RETRY_MIN_US 100000
#define RETRY_MAX_US 2000000
#define MONITOR_ID "neutrino"

struct transaction {
	struct transaction *prev, *next;
	struct ovsdb *ovsdb;
	ovsdb_done done;
	void *arg;
};

struct ovsdb {
	struct loop *loop;
	struct ovsdb_events events;
	char *where, *database;
	uint64_t probe_us;
	json_t *monitor; /* table: {"columns": [...], "where": ...} */
	json_t *composite; /* table: column: true, where the schema says set or map */
	json_t *versions; /* table: number */
	json_t *tables; /* table: uuid: row; NULL as long as there is no snapshot of this connection */
	struct jsonrpc *rpc;
	struct loop_source *now, *retry; /* the next attempt, at once or later */
	struct path_watch *path; /* of a unix socket, or NULL */
	uint64_t retry_us;
	struct transaction *transactions;
	bool ending; /* the connection's requests are being given up */
	char refusal[256]; /* why we end it */
	char why[256]; /* what `down` said last */
};

static void retry_later(struct ovsdb *o, const char *why)
{
	bool was_up = o->tables;

	json_decref(o->tables);
	json_decref(o->composite);
	o->tables = o->composite = NULL;
	o->ending = false;
	loop_timer_arm(o->retry, o->retry_us);
	o->retry_us = 2 * o->retry_us < RETRY_MAX_US ? 2 * o->retry_us : RETRY_MAX_US;
	if (!was_up && !strcmp(o->why, why))
		return;
	snprintf(o->why, sizeof(o->why), "%s", why);
	o->events.down(o->why, o->events.arg);
}

static void on_closed(const char *why, void *arg)
{
	struct ovsdb *o = arg;

	o->rpc = NULL;
	retry_later(o, *o->refusal ? o->refusal : why);
	o->refusal[0] = '\0';
}

/* "constraint violation: Transaction causes ..." */
static void error_text(const json_t *error, char *ret, size_t size)
{
	const char *what = json_string_value(json_object_get(error, "error"));
	const char *details = json_string_value(json_object_get(error, "details"));

	if (!what)
		what = json_is_string(error) ? json_string_value(error) : "error";
	snprintf(ret, size, "%s%s%s", what, details ? ": " : "", details ? details : "");
}

/* ---- rows ---- */

/* The row as it is now, new. `old` may be NULL. */
static json_t *row_modified(const struct ovsdb *o, const char *table, const json_t *old, json_t *change)
{
	const json_t *composite = json_object_get(o->composite, table);
	json_t *row = old ? json_copy((json_t *)old) : json_object(), *value;
	const char *column;

	json_object_foreach(change, column, value) json_object_set_new(
		row, column,
		datum_modified(json_object_get(old, column), value, json_object_get(composite, column) != NULL));
	return row;
}

static void table_changed(struct ovsdb *o, const char *table)
{
	json_object_set_new(o->versions, table, json_integer((json_int_t)ovsdb_version(o, table) + 1));
}

static int row_changed(struct ovsdb *o, const char *table, const char *uuid, json_t *update)
{
	json_t *rows = json_object_get(o->tables, table), *change;
	const json_t *old = json_object_get(rows, uuid);
	const char *kind;

	json_object_foreach(update, kind, change)
	{
		if (!strcmp(kind, "delete")) {
			json_object_del(rows, uuid);
			return 0;
		}
		if (!json_is_object(change) || (!strcmp(kind, "modify") != (old != NULL)))
			return -EBADMSG;
		json_object_set_new(rows, uuid, row_modified(o, table, old, change));
		return 0;
	}
	return -EBADMSG;
}

static int take_updates(struct ovsdb *o, const json_t *updates)
{
	json_t *rows, *update;
	const char *table, *uuid;

	if (!json_is_object(updates))
		return -EBADMSG;
	json_object_foreach((json_t *)updates, table, rows)
	{
		if (!json_object_get(o->tables, table) || !json_is_object(rows))
			return -EBADMSG;
		table_changed(o, table);
		json_object_foreach(rows, uuid, update)
		{
			int r = row_changed(o, table, uuid, update);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int on_notify(const char *method, const json_t *params, void *arg)
{
	struct ovsdb *o = arg;
	const char *id = json_string_value(json_array_get(params, 0));
	int r;

	/* The database was converted or removed: what a new connection finds is right. */
	if (!strcmp(method, "monitor_canceled"))
		return -ECANCELED;
	if (strcmp(method, "update2") != 0)
		return 0;
	if (!o->tables || !id || strcmp(id, MONITOR_ID) != 0)
		return -EBADMSG;
	r = take_updates(o, json_array_get(params, 1));
	if (r >= 0)
		o->events.changed(o->events.arg);
	return r;
}

/* ---- the beginning of a connection ---- */

static int refused(struct ovsdb *o, const char *what, const json_t *error)
{
	char text[200];

	error_text(error, text, sizeof(text));
	snprintf(o->refusal, sizeof(o->refusal), "%s: %s", what, text);
	return -EIO;
}

static int on_monitor(int r, const json_t *result, const json_t *error, void *arg)
{
	struct ovsdb *o = arg;
	const char *table;
	json_t *request;

	if (r == -ECONNRESET)
		return 0;
	if (r < 0)
		return refused(o, "monitor_cond", error);
	o->tables = json_object();
	json_object_foreach(o->monitor, table, request)
	{
		json_object_set_new(o->tables, table, json_object());
		table_changed(o, table); /* also when it is empty now: the rows of the connection before are gone */
	}
	r = take_updates(o, result);
	if (r < 0)
		return r;
	o->retry_us = RETRY_MIN_US;
	o->why[0] = '\0';
	o->events.changed(o->events.arg);
	return 0;
}

/* "max": more than one makes the value a set or a map, and its changes differences. */
static bool is_composite(const json_t *column)
{
	const json_t *max = json_object_get(json_object_get(column, "type"), "max");

	return json_is_string(max) || json_integer_value(max) > 1;
}

static int read_schema(struct ovsdb *o, const json_t *schema)
{
	const json_t *tables = json_object_get(schema, "tables");
	json_t *request, *column;
	const char *table;
	size_t i;

	if (!json_is_object(tables))
		return -EBADMSG;
	o->composite = json_object();
	json_object_foreach(o->monitor, table, request)
	{
		const json_t *columns = json_object_get(json_object_get(tables, table), "columns");
		json_t *found = json_object();

		json_object_set_new(o->composite, table, found);
		json_array_foreach(json_object_get(request, "columns"), i,
				   column) if (is_composite(json_object_get(columns, json_string_value(column))))
			json_object_set_new(found, json_string_value(column), json_true());
	}
	return 0;
}

static int on_schema(int r, const json_t *result, const json_t *error, void *arg)
{
	struct ovsdb *o = arg;

	if (r == -ECONNRESET)
		return 0;
	if (r < 0)
		return refused(o, "get_schema", error);
	r = read_schema(o, result);
	if (r < 0)
		return r;
	jsonrpc_request(o->rpc, "monitor_cond", json_pack("[s,s,O]", o->database, MONITOR_ID, o->monitor), on_monitor,
			o);
	return 0;
}

static void on_retry(void *arg)
{
	struct jsonrpc_events events = { .notify = on_notify, .closed = on_closed, .arg = arg };
	struct ovsdb *o = arg;
	struct err err;

	if (jsonrpc_open(o->loop, o->where, o->probe_us, &events, &o->rpc, &err) < 0)
		retry_later(o, err.text);
	else
		jsonrpc_request(o->rpc, "get_schema", json_pack("[s]", o->database), on_schema, o);
}

static void on_path(void *arg)
{
	struct ovsdb *o = arg;

	if (o->rpc)
		return;
	o->retry_us = RETRY_MIN_US;
	loop_timer_off(o->retry);
	loop_idle_arm(o->now);
}

struct ovsdb *ovsdb_open(struct loop *loop, const struct ovsdb_config *config, json_t *monitor,
			 const struct ovsdb_events *events)
{
	struct ovsdb *o = xcalloc(1, sizeof(*o));

	o->loop = loop;
	o->events = *events;
	o->where = xstrdup(config->where);
	o->database = xstrdup(config->database);
	o->probe_us = config->probe_us ? config->probe_us : JSONRPC_PROBE_US;
	o->monitor = monitor;
	o->versions = json_object();
	o->retry_us = RETRY_MIN_US;
	o->now = loop_idle(loop, on_retry, o);
	o->retry = loop_timer(loop, on_retry, o);
	loop_idle_arm(o->now);
	if (!strncmp(o->where, "unix:", 5))
		o->path = path_watch_open(loop, o->where + 5, on_path, o);
	return o;
}

struct ovsdb *ovsdb_close(struct ovsdb *o)
{
	struct transaction *t, *next;

	if (!o)
		return NULL;
	jsonrpc_close(o->rpc);
	path_watch_close(o->path);
	loop_source_free(o->now);
	loop_source_free(o->retry);
	DL_FOREACH_SAFE (o->transactions, t, next)
		free(t);
	json_decref(o->tables);
	json_decref(o->composite);
	json_decref(o->monitor);
	json_decref(o->versions);
	free(o->where);
	free(o->database);
	free(o);
	return NULL;
}

const json_t *ovsdb_rows(const struct ovsdb *o, const char *table)
{
	return json_object_get(o->tables, table);
}

unsigned ovsdb_version(const struct ovsdb *o, const char *table)
{
	return (unsigned)json_integer_value(json_object_get(o->versions, table));
}

/* ---- transactions ---- */

/* The first operation that failed; one more item than operations: the commit did. */
static const json_t *failure_of(const json_t *result)
{
	for (size_t i = 0; i < json_array_size(result); i++)
		if (json_object_get(json_array_get(result, i), "error"))
			return json_array_get(result, i);
	return NULL;
}

static int on_transact(int r, const json_t *result, const json_t *error, void *arg)
{
	struct transaction *t = arg;
	bool garbage = r == 0 && !json_is_array(result);
	char text[512] = "the connection ended";

	DL_DELETE(t->ovsdb->transactions, t);
	t->ovsdb->ending |= r == -ECONNRESET;
	if (r == 0)
		error = garbage ? result : failure_of(result);
	if (error) {
		r = -EIO;
		error_text(error, text, sizeof(text));
	}
	t->done(r, r == 0 ? result : NULL, r == 0 ? NULL : text, t->arg);
	free(t);
	return garbage ? -EBADMSG : 0;
}

int ovsdb_transact(struct ovsdb *o, json_t *operations, ovsdb_done done, void *arg)
{
	struct transaction *t;

	if (!o->tables || o->ending) {
		json_decref(operations);
		return -ENOTCONN;
	}
	t = xcalloc(1, sizeof(*t));
	t->ovsdb = o;
	t->done = done;
	t->arg = arg;
	DL_APPEND(o->transactions, t);
	json_array_insert_new(operations, 0, json_string(o->database));
	jsonrpc_request(o->rpc, "transact", operations, on_transact, t);
	return 0;
}
