/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "service/internal.h"
#include "service/objects.h"
#include "store/changelog.h"

/* feed: what the hosts are told, read in one consistent view. */

int feed_begin(struct service_reader *r, uint64_t *ret_position, uint64_t *ret_oldest, struct err *err)
{
	uint64_t last, oldest;
	int e = db_begin(r->db, err);

	if (e < 0)
		return e;
	if ((e = changelog_last(r->db, &last, err)) < 0 || (e = changelog_oldest(r->db, &oldest, err)) < 0) {
		db_rollback(r->db);
		return e;
	}
	*ret_position = last;
	*ret_oldest = oldest ? oldest : last + 1;
	return 0;
}

void feed_end(struct service_reader *r)
{
	db_rollback(r->db);
}

struct log_to {
	void (*fn)(const struct feed_row *row, void *arg);
	void *arg;
};

static void give_line(const struct changelog_line *l, void *arg)
{
	const struct log_to *to = arg;
	struct feed_row row = {
		.position = l->position,
		.op = (enum feed_op)l->op,
		.unit = l->unit,
		.host = l->host,
		.json = l->json,
		.request_id = l->request_id,
	};

	to->fn(&row, to->arg);
}

int feed_log(struct service_reader *r, uint64_t after, void (*fn)(const struct feed_row *row, void *arg), void *arg)
{
	struct log_to to = { fn, arg };

	return changelog_read(r->db, after, give_line, &to);
}

int feed_host_log(struct service_reader *r, uint32_t host, uint64_t after,
		  void (*fn)(const struct feed_row *row, void *arg), void *arg)
{
	struct log_to to = { fn, arg };

	return changelog_read_host(r->db, host, after, give_line, &to);
}

int feed_units(struct service_reader *r, uint32_t host, void (*fn)(const struct unit *u, void *arg), void *arg)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(r->db, "SELECT kind, num FROM needs WHERE host = $1 ORDER BY kind, num", DB(v_int(host)));
	int e;

	while ((e = db_next(q, NULL)) > 0) {
		struct unit u = { (enum unit_kind)db_int(q, 0), db_u32(q, 1) };

		fn(&u, arg);
	}
	return e;
}

struct objects_to {
	void (*fn)(const char *json, void *arg);
	void *arg;
	UT_string *text;
};

static void give_object(const struct object *o, void *arg)
{
	struct objects_to *to = arg;
	struct jw w;

	utstring_clear(to->text);
	w = jw_init(to->text);
	object_encode(o, &w);
	to->fn(utstring_body(to->text), to->arg);
}

int feed_objects(struct service_reader *r, const struct unit *u, void (*fn)(const char *json, void *arg), void *arg)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct objects_to to = { fn, arg, NULL };

	utstring_new(text);
	to.text = text;
	return objects_each(r->db, u, give_object, &to, NULL);
}
