/* SPDX-License-Identifier: Apache-2.0 */
#include "store/changelog.h"

#include "base/err.h"
#include "base/mem.h"

static int position(struct db *db, const char *sql, uint64_t *ret, struct err *err)
{
	int64_t n;
	int r = db_get_int(db, 0, &n, err, sql, DB_NONE);

	if (r == 0)
		*ret = (uint64_t)n;
	return r;
}

int changelog_last(struct db *db, uint64_t *ret, struct err *err)
{
	return position(db, "SELECT max(position) FROM log", ret, err);
}

int changelog_oldest(struct db *db, uint64_t *ret, struct err *err)
{
	return position(db, "SELECT min(position) FROM log", ret, err);
}

int changelog_append(struct db *db, int line, const struct changelog_line *l, struct err *err)
{
	return db_run(db, err,
		      "INSERT INTO log (position, line, op, kind, num, host, json, request_id)"
		      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		      DB(v_int((int64_t)l->position), v_int(line), v_int(l->op), v_int(l->unit.kind),
			 v_int(l->unit.num), v_int(l->host), v_text(l->json), v_text(l->request_id)));
}

#define SELECT "SELECT position, op, kind, num, host, json, request_id FROM log "

static int read_lines(struct db_rows *rows, void (*fn)(const struct changelog_line *l, void *arg), void *arg)
{
	_cleanup_(db_endp) struct db_rows *q = rows;
	int r;

	while ((r = db_next(q, NULL)) > 0) {
		struct changelog_line l = {
			.position = (uint64_t)db_int(q, 0),
			.op = (int)db_int(q, 1),
			.unit = { (enum unit_kind)db_int(q, 2), db_u32(q, 3) },
			.host = db_u32(q, 4),
			.json = db_text(q, 5),
			.request_id = db_text(q, 6),
		};

		fn(&l, arg);
	}
	return r;
}

int changelog_read(struct db *db, uint64_t after, void (*fn)(const struct changelog_line *l, void *arg), void *arg)
{
	return read_lines(db_query(db, SELECT "WHERE position > $1 ORDER BY position, line", DB(v_int((int64_t)after))),
			  fn, arg);
}

int changelog_read_host(struct db *db, uint32_t host, uint64_t after,
			void (*fn)(const struct changelog_line *l, void *arg), void *arg)
{
	return read_lines(db_query(db, SELECT "WHERE host = $1 AND host <> 0 AND position > $2 ORDER BY position, line",
				   DB(v_int(host), v_int((int64_t)after))),
			  fn, arg);
}

int changelog_trim(struct db *db, uint64_t keep, struct err *err)
{
	uint64_t last = 0;
	int r = changelog_last(db, &last, err);

	if (r < 0 || last <= keep)
		return r;
	return db_run(db, err, "DELETE FROM log WHERE position <= $1", DB(v_int((int64_t)(last - keep))));
}
