/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* Lists with filters make texts at run time; those statements are kept up to this number. */
#define MAX_STATEMENTS 400

#define MAX_PLACES 64 /* of arguments whose place in the statement is looked up once */
#define SHORTCUTS 256 /* a power of 2 */

struct db_rows {
	sqlite3_stmt *stmt;
	struct db *db;
	char *sql;
	uint8_t places[MAX_PLACES + 1]; /* of $1.. in the statement; 0: it does not have it */
	struct db_rows *next; /* others of the same text */
	UT_hash_handle hh;
	bool busy;
	int failed; /* negative errno from preparing, reported by db_next() */
};

struct db {
	sqlite3 *handle;
	enum db_mode mode;
	struct db_rows *statements; /* by text */
	struct db_rows *shortcuts[SHORTCUTS]; /* by the text's address: most are literals */
	unsigned n_statements;
};

static int failure(struct db *db, int rc, const char *what, struct err *err)
{
	int code = rc & 0xff;

	if (code == SQLITE_CONSTRAINT)
		return -EEXIST;
	LOG_LIMIT(log_err, 10, "database: %s: %s", what, db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL || code == SQLITE_NOMEM)
		return err_set(err, ERR_UNAVAILABLE, "ServiceUnavailable", "The database is unavailable: %s",
			       sqlite3_errstr(rc));
	return err_set(err, ERR_INTERNAL, "HTTPInternalServerError",
		       "Request Failed: internal server error while processing your request.");
}

static int make_directory(const char *path, struct err *err)
{
	_cleanup_(freep) char *dir = xstrdup(path);

	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(dir, 0750) < 0 && errno != EEXIST)
			return err_errno(err, -errno, "cannot make %s for the database", dir);
		*p = '/';
	}
	return 0;
}

static const char pragmas[] = "PRAGMA busy_timeout = 10000;"
			      "PRAGMA foreign_keys = ON;"
			      "PRAGMA temp_store = MEMORY;"
			      "PRAGMA cache_size = -16384;";
static const char writer_pragmas[] = "PRAGMA journal_mode = WAL;"
				     "PRAGMA synchronous = FULL;"
				     "PRAGMA wal_autocheckpoint = 4000;"
				     "PRAGMA journal_size_limit = 67108864;";
static const char reader_pragmas[] = "PRAGMA query_only = ON;"
				     "PRAGMA wal_autocheckpoint = 0;";

/* Before anything is written: the file is new, or ours. */
static int refuse_foreign(struct db *db, const char *path, struct err *err)
{
	int64_t id, tables;

	if (db_get_int(db, 0, &id, err, "PRAGMA application_id", DB_NONE) < 0 ||
	    db_get_int(db, 0, &tables, err, "SELECT count(*) FROM sqlite_master", DB_NONE) < 0)
		return err_set(err, ERR_INTERNAL, "", "%s cannot be used as database: %s", path,
			       sqlite3_errmsg(db->handle));
	if (id != DB_APPLICATION && (id != 0 || tables != 0))
		return err_set(err, ERR_INTERNAL, "", "%s is a database of another program: it is left alone", path);
	return 0;
}

int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == DB_WRITER ? SQLITE_OPEN_CREATE : 0);
	struct db *db;
	int r;

	if (mode == DB_WRITER && (r = make_directory(path, err)) < 0)
		return r;
	db = xcalloc(1, sizeof(*db));
	db->mode = mode;
	r = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (r != SQLITE_OK) {
		r = err_set(err, ERR_INTERNAL, "", "cannot open the database %s: %s", path, sqlite3_errstr(r));
		db_close(db);
		return r;
	}
	sqlite3_extended_result_codes(db->handle, 1);
	r = refuse_foreign(db, path, err);
	if (r == 0 && ((r = db_script(db, pragmas, err)) < 0 ||
		       (r = db_script(db, mode == DB_WRITER ? writer_pragmas : reader_pragmas, err)) < 0))
		err_set(err, ERR_INTERNAL, "", "%s cannot be used as database: %s", path, sqlite3_errmsg(db->handle));
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

static void statement_free(struct db_rows *q)
{
	sqlite3_finalize(q->stmt);
	free(q->sql);
	free(q);
}

static void forget_statements(struct db *db)
{
	struct db_rows *q, *tmp, *other;

	HASH_ITER (hh, db->statements, q, tmp) {
		bool busy = q->busy;

		LL_FOREACH (q->next, other)
			busy = busy || other->busy;
		if (busy)
			continue;
		HASH_DEL(db->statements, q);
		memset(db->shortcuts, 0, sizeof(db->shortcuts));
		while (q) {
			other = q->next;
			statement_free(q);
			q = other;
			db->n_statements--;
		}
	}
}

void db_close(struct db *db)
{
	if (!db)
		return;
	forget_statements(db);
	sqlite3_close(db->handle);
	free(db);
}

/* SQLite numbers arguments as it meets them, $1 may be the second. */
static void find_places(struct db_rows *q)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(q->stmt) && i <= UINT8_MAX; i++) {
		const char *name = sqlite3_bind_parameter_name(q->stmt, i);
		long n = name && name[0] == '$' ? strtol(name + 1, NULL, 10) : 0;

		if (n >= 1 && n <= MAX_PLACES)
			q->places[n] = (uint8_t)i;
	}
}

static struct db_rows *prepare(struct db *db, const char *sql)
{
	struct db_rows *q = xcalloc(1, sizeof(*q));
	int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);

	q->db = db;
	q->sql = xstrdup(sql);
	if (rc != SQLITE_OK)
		q->failed = failure(db, rc, sql, NULL);
	else
		find_places(q);
	return q;
}

/* The first statement of that text. */
static struct db_rows *find_text(struct db *db, const char *sql, size_t len)
{
	struct db_rows **shortcut = &db->shortcuts[((uintptr_t)sql >> 3) & (SHORTCUTS - 1)], *first;

	/* An address says little about a text that was made at run time: it is compared. */
	if (*shortcut && strcmp((*shortcut)->sql, sql) == 0)
		return *shortcut;
	HASH_FIND(hh, db->statements, sql, len, first);
	if (first)
		*shortcut = first;
	return first;
}

static struct db_rows *statement(struct db *db, const char *sql)
{
	size_t len = strlen(sql);
	struct db_rows *first = find_text(db, sql, len), *q;

	for (q = first; q; q = q->next) {
		if (!q->busy)
			return q;
	}
	if (db->n_statements >= MAX_STATEMENTS) {
		forget_statements(db);
		HASH_FIND(hh, db->statements, sql, len, first);
	}
	q = prepare(db, sql);
	if (q->failed < 0)
		return q;
	db->n_statements++;
	if (first) {
		q->next = first->next;
		first->next = q;
	} else {
		HASH_ADD_KEYPTR(hh, db->statements, q->sql, len, q);
	}
	return q;
}

static int bind(struct db_rows *q, int i, const struct db_value *v)
{
	switch (v->type) {
	case DB_NULL:
		return sqlite3_bind_null(q->stmt, i);
	case DB_INT:
		return sqlite3_bind_int64(q->stmt, i, v->i);
	case DB_TEXT:
		return sqlite3_bind_text(q->stmt, i, v->p, -1, SQLITE_STATIC);
	case DB_BLOB:
		return sqlite3_bind_blob64(q->stmt, i, v->p, v->len, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static int place(const struct db_rows *q, size_t i)
{
	char name[24];

	if (i <= MAX_PLACES)
		return q->places[i];
	snprintf(name, sizeof(name), "$%zu", i);
	return sqlite3_bind_parameter_index(q->stmt, name);
}

struct db_rows *db_query(struct db *db, const char *sql, const struct db_value *args, size_t n)
{
	struct db_rows *q = statement(db, sql);

	q->busy = true;
	for (size_t i = 0; i < n && q->failed == 0; i++) {
		int at = place(q, i + 1), rc;

		/* An argument that the text does not name is a programming mistake. */
		rc = at ? bind(q, at, &args[i]) : SQLITE_RANGE;
		if (rc != SQLITE_OK)
			q->failed = failure(db, rc, sql, NULL);
	}
	return q;
}

int db_next(struct db_rows *q, struct err *err)
{
	int rc;

	if (q->failed < 0)
		return failure(q->db, SQLITE_ERROR, q->sql, err);
	rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : failure(q->db, rc, q->sql, err);
}

void db_end(struct db_rows *q)
{
	if (!q)
		return;
	if (!q->stmt) { /* never prepared, so not kept */
		statement_free(q);
		return;
	}
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
	q->busy = false;
	q->failed = 0;
}

void db_endp(struct db_rows **q)
{
	db_end(*q);
}

bool db_is_null(struct db_rows *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t db_int(struct db_rows *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

uint32_t db_u32(struct db_rows *q, int column)
{
	return (uint32_t)sqlite3_column_int64(q->stmt, column);
}

const char *db_text(struct db_rows *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, column);

	return text ? text : "";
}

void db_copy_text(struct db_rows *q, int column, char *ret, size_t size)
{
	const char *text = db_text(q, column);
	size_t n = strnlen(text, size - 1);

	memcpy(ret, text, n);
	ret[n] = '\0';
}

void db_copy_blob(struct db_rows *q, int column, void *ret, size_t size)
{
	const void *blob = sqlite3_column_blob(q->stmt, column);

	if (blob && (size_t)sqlite3_column_bytes(q->stmt, column) == size)
		memcpy(ret, blob, size);
	else
		memset(ret, 0, size);
}

int db_run(struct db *db, struct err *err, const char *sql, const struct db_value *args, size_t n)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(db, sql, args, n);
	int r;

	while ((r = db_next(q, err)) > 0)
		;
	return r < 0 ? r : sqlite3_changes(db->handle);
}

int db_insert(struct db *db, uint32_t *ret, struct err *err, const char *sql, const struct db_value *args, size_t n)
{
	int r = db_run(db, err, sql, args, n);
	int64_t num;

	if (r < 0)
		return r;
	num = sqlite3_last_insert_rowid(db->handle);
	if (num > UINT32_MAX)
		return err_set(err, ERR_UNAVAILABLE, "ServiceUnavailable", "The 32-bit numbers are used up.");
	*ret = (uint32_t)num;
	return 0;
}

int db_get_int(struct db *db, int64_t fallback, int64_t *ret, struct err *err, const char *sql,
	       const struct db_value *args, size_t n)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(db, sql, args, n);
	int r = db_next(q, err);

	if (r < 0)
		return r;
	*ret = r > 0 && !db_is_null(q, 0) ? db_int(q, 0) : fallback;
	return 0;
}

int db_script(struct db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : failure(db, rc, sql, err);
}

int db_begin(struct db *db, struct err *err)
{
	/* The writer takes its lock at once: a later upgrade could fail, and nothing could be retried then. */
	return db_run(db, err, db->mode == DB_WRITER ? "BEGIN IMMEDIATE" : "BEGIN", DB_NONE);
}

int db_commit(struct db *db, struct err *err)
{
	int r = db_run(db, err, "COMMIT", DB_NONE);

	if (r == -EEXIST)
		r = err_set(err, ERR_INTERNAL, "HTTPInternalServerError", "A constraint was broken at commit.");
	return r;
}

bool db_in_transaction(struct db *db)
{
	return !sqlite3_get_autocommit(db->handle);
}

void db_rollback(struct db *db)
{
	if (db_in_transaction(db))
		db_run(db, NULL, "ROLLBACK", DB_NONE);
}

int db_savepoint(struct db *db, struct err *err)
{
	return db_run(db, err, "SAVEPOINT call", DB_NONE);
}

int db_savepoint_keep(struct db *db, struct err *err)
{
	return db_run(db, err, "RELEASE call", DB_NONE);
}

int db_savepoint_undo(struct db *db, struct err *err)
{
	int r = db_run(db, err, "ROLLBACK TO call", DB_NONE);

	return r < 0 ? r : db_run(db, err, "RELEASE call", DB_NONE);
}
