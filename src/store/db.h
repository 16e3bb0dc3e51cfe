/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * db: a database handle, statements and values. sqlite.c is the one place that knows SQLite. One
 * handle a thread. SQL uses $1-style parameters, so that the same text serves PostgreSQL.
 *
 * Statements are prepared once and kept by the handle, found by the address of their text
 * (string literals) or, when built at run time, by the text. A statement in use is not given
 * out again: the same query may be nested.
 *
 *     _cleanup_(db_endp) struct db_rows *q = db_query(db, "SELECT num FROM ports WHERE network = $1", DB(v_int(n)));
 *
 *     while ((r = db_next(q, err)) > 0)
 *             use(db_u32(q, 0));
 *
 * Errors: -EEXIST for a broken constraint (the caller says what it means; *err is left alone),
 * else -EIO or -EAGAIN with *err filled.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "net/ip.h"
#include "net/mac.h"

struct err;
struct db;
struct db_rows;

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB };

struct db_value {
	enum db_type type;
	int64_t i;
	const void *p; /* DB_TEXT, DB_BLOB: borrowed until the statement has ended */
	size_t len; /* DB_BLOB */
};

static inline struct db_value v_int(int64_t i)
{
	return (struct db_value) { .type = DB_INT, .i = i };
}

/* A number that refers to another row: 0 is NULL. */
static inline struct db_value v_ref(uint32_t num)
{
	return (struct db_value) { .type = num ? DB_INT : DB_NULL, .i = num };
}

static inline struct db_value v_text(const char *text)
{
	return (struct db_value) { .type = text ? DB_TEXT : DB_NULL, .p = text };
}

static inline struct db_value v_blob(const void *p, size_t len)
{
	return (struct db_value) { .type = DB_BLOB, .p = p, .len = len };
}

static inline struct db_value v_uuid(const struct uuid *u)
{
	return v_blob(u->b, sizeof(u->b));
}

static inline struct db_value v_mac(const struct mac *m)
{
	return v_blob(m->b, sizeof(m->b));
}

static inline struct db_value v_ip(const struct ip *ip)
{
	return v_blob(ip->b, sizeof(ip->b));
}

/* An address that may be missing: zero is NULL. */
static inline struct db_value v_ip_or_null(const struct ip *ip)
{
	struct db_value v = v_ip(ip);

	if (ip_is_zero(ip))
		v.type = DB_NULL;
	return v;
}

/* The arguments of a query: DB(v_int(7), v_text(name)), or DB_NONE. */
#define DB(...)                                                                                                        \
	((const struct db_value[]) { __VA_ARGS__ }),                                                                   \
		sizeof((const struct db_value[]) { __VA_ARGS__ }) / sizeof(struct db_value)
#define DB_NONE NULL, 0

#define DB_APPLICATION 0x6e74726e /* "ntrn", in the file's header: it is ours */

enum db_mode { DB_READER, DB_WRITER };

/* Opens the file, made if it is not there (its directory too). ":memory:" has no readers beside it. */
int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *err);
void db_close(struct db *db); /* accepts NULL */

struct db_rows *db_query(struct db *db, const char *sql, const struct db_value *args, size_t n);
int db_next(struct db_rows *q, struct err *err); /* 1: a row, 0: no more */
void db_end(struct db_rows *q);
void db_endp(struct db_rows **q);

/* Columns of the present row; texts and blobs are good until the next db_next(). NULL reads as 0, "", zero. */
bool db_is_null(struct db_rows *q, int column);
int64_t db_int(struct db_rows *q, int column);
uint32_t db_u32(struct db_rows *q, int column);
const char *db_text(struct db_rows *q, int column);
void db_copy_text(struct db_rows *q, int column, char *ret, size_t size);
void db_copy_blob(struct db_rows *q, int column, void *ret, size_t size);

/* Runs a statement that gives no rows; the number of rows that it changed. */
int db_run(struct db *db, struct err *err, const char *sql, const struct db_value *args, size_t n);
/* db_run() of an INSERT into a table numbered by the database: *ret is the new number. */
int db_insert(struct db *db, uint32_t *ret, struct err *err, const char *sql, const struct db_value *args, size_t n);
/* The first column of the first row; `fallback` when there is none. */
int db_get_int(struct db *db, int64_t fallback, int64_t *ret, struct err *err, const char *sql,
	       const struct db_value *args, size_t n);
/* Several statements without arguments (migrations, pragmas). */
int db_script(struct db *db, const char *sql, struct err *err);

int db_begin(struct db *db, struct err *err); /* a reader's view, or the writer's transaction */
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);
bool db_in_transaction(struct db *db); /* false too when an error has ended it */
int db_savepoint(struct db *db, struct err *err);
int db_savepoint_keep(struct db *db, struct err *err);
int db_savepoint_undo(struct db *db, struct err *err);
