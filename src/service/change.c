/* SPDX-License-Identifier: Apache-2.0 */
#include "service/change.h"

#include <uthash.h>

#include "base/mem.h"
#include "service/objects.h"
#include "service/ready.h"
#include "store/changelog.h"

struct touched {
	struct {
		uint32_t unit, num;
		struct object_id id;
	} key;
	UT_hash_handle hh;
};

struct needed {
	struct {
		uint32_t host, kind, num;
	} key;
	int balance; /* 1: entered, -1: left, 0: as before */
	UT_hash_handle hh;
};

struct change {
	struct touched *touched; /* uthash keeps the order in which they came */
	struct needed *needed;
};

struct change *change_new(void)
{
	return xcalloc(1, sizeof(struct change));
}

void change_reset(struct change *c)
{
	struct touched *t, *t_tmp;
	struct needed *n, *n_tmp;

	HASH_ITER (hh, c->touched, t, t_tmp) {
		HASH_DEL(c->touched, t);
		free(t);
	}
	HASH_ITER (hh, c->needed, n, n_tmp) {
		HASH_DEL(c->needed, n);
		free(n);
	}
}

struct change *change_free(struct change *c)
{
	if (c)
		change_reset(c);
	free(c);
	return NULL;
}

void change_touch(struct change *c, enum unit_kind unit, uint32_t num, enum object_kind kind, uint32_t a, uint32_t b)
{
	struct touched *t = xcalloc(1, sizeof(*t)), *known;

	t->key.unit = unit;
	t->key.num = num;
	t->key.id.kind = kind;
	t->key.id.a = a;
	t->key.id.b = b;
	HASH_FIND(hh, c->touched, &t->key, sizeof(t->key), known);
	if (known)
		free(t);
	else
		HASH_ADD(hh, c->touched, key, sizeof(t->key), t);
}

void change_need(struct change *c, uint32_t host, enum unit_kind kind, uint32_t num, bool needed)
{
	struct needed *n = xcalloc(1, sizeof(*n)), *known;

	n->key.host = host;
	n->key.kind = kind;
	n->key.num = num;
	HASH_FIND(hh, c->needed, &n->key, sizeof(n->key), known);
	if (known) {
		free(n);
		n = known;
	} else {
		HASH_ADD(hh, c->needed, key, sizeof(n->key), n);
	}
	n->balance += needed ? 1 : -1;
}

static int is_needed(struct db *db, const struct unit *u, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(db, "SELECT 1 FROM needs WHERE kind = $1 AND num = $2 LIMIT 1",
							DB(v_int(u->kind), v_int(u->num)));

	return db_next(q, err);
}

/* 1: a line was written, 0: none was needed. */
static int log_object(struct tx *tx, const struct touched *t, struct changelog_line *line, int n, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *json = NULL;
	struct object o;
	struct jw w;
	int r;

	line->unit.kind = (enum unit_kind)t->key.unit;
	line->unit.num = t->key.num;
	if ((r = is_needed(tx->db, &line->unit, err)) <= 0)
		return r;
	if ((r = objects_find(tx->db, &line->unit, &t->key.id, &o, err)) < 0)
		return r;
	utstring_new(json);
	w = jw_init(json);
	if (r > 0)
		object_encode(&o, &w);
	else
		object_id_encode(&t->key.id, &w);
	line->op = r > 0 ? FEED_SET : FEED_DEL;
	line->host = 0;
	line->json = utstring_body(json);
	if (line->op == FEED_SET && t->key.id.kind == OBJECT_ENDPOINT)
		ready_note(tx->service, t->key.id.a, line->position);
	r = changelog_append(tx->db, n, line, err);
	return r < 0 ? r : 1;
}

static int log_need(struct tx *tx, const struct needed *n, struct changelog_line *line, int number, struct err *err)
{
	line->unit.kind = (enum unit_kind)n->key.kind;
	line->unit.num = n->key.num;
	line->op = n->balance > 0 ? FEED_ENTER : FEED_DROP;
	line->host = n->key.host;
	line->json = "";
	return changelog_append(tx->db, number, line, err);
}

int change_log(struct change *c, struct tx *tx, uint64_t position, struct err *err)
{
	struct changelog_line line = { .position = position, .request_id = tx->caller->request_id };
	int n = 0, r;

	for (struct needed *i = c->needed; i; i = i->hh.next) {
		if (i->balance == 0)
			continue;
		if ((r = log_need(tx, i, &line, n, err)) < 0)
			return r;
		n++;
	}
	for (struct touched *i = c->touched; i; i = i->hh.next) {
		if ((r = log_object(tx, i, &line, n, err)) < 0)
			return r;
		n += r;
	}
	return n;
}
