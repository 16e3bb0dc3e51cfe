/* SPDX-License-Identifier: Apache-2.0 */
#include "service/ready.h"

#include <time.h>
#include <uthash.h>

#include "base/mem.h"
#include "model/object.h"
#include "store/ports.h"

#define MAX_PLACED 16384 /* beyond it ports become ACTIVE without waiting */

/* A port whose place was logged and that was not up since. */
struct placed {
	uint32_t port;
	uint32_t host; /* that has reported it up and waits; 0: none yet */
	uint64_t position;
	uint64_t deadline_ms;
	UT_hash_handle hh;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct placed *find(const struct service *s, uint32_t port)
{
	struct placed *p;

	HASH_FIND(hh, s->placed, &port, sizeof(port), p);
	return p;
}

static void drop(struct service *s, struct placed *p)
{
	if (p->host)
		s->n_waiting--;
	HASH_DEL(s->placed, p);
	free(p);
}

void ready_free(struct service *s)
{
	struct placed *p, *tmp;

	HASH_ITER (hh, s->placed, p, tmp)
		drop(s, p);
}

void ready_note(struct service *s, uint32_t port, uint64_t position)
{
	struct placed *p = find(s, port);

	if (!p) {
		if (HASH_COUNT(s->placed) >= MAX_PLACED)
			ready_free(s);
		p = xcalloc(1, sizeof(*p));
		p->port = port;
		HASH_ADD(hh, s->placed, port, sizeof(p->port), p);
	}
	p->position = position;
}

void ready_forget(struct service *s, uint32_t port)
{
	struct placed *p = find(s, port);

	if (p && p->host) {
		p->host = 0;
		s->n_waiting--;
	}
}

/* 1: a live host that has the port's network has not applied its place yet. */
static int peers_lag(struct tx *tx, const struct placed *p, uint32_t host, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(
		tx->db,
		"SELECT 1 FROM ports p JOIN needs n ON n.kind = $1 AND n.num = p.network JOIN hosts h ON h.num = n.host"
		" WHERE p.num = $2 AND h.num <> $3 AND h.registered AND h.heartbeat >= $4 AND h.applied < $5 LIMIT 1",
		DB(v_int(UNIT_NETWORK), v_int(p->port), v_int(host), v_int(tx->now - READY_ALIVE),
		   v_int((int64_t)p->position)));

	return db_next(q, err);
}

int ready_report(struct tx *tx, uint32_t port, uint32_t host, struct err *err)
{
	struct service *s = tx->service;
	struct placed *p = find(s, port);
	int64_t bound = 0;
	int r = db_get_int(tx->db, 0, &bound, err, "SELECT host FROM ports WHERE num = $1", DB(v_int(port)));

	/* Only the host that the port is bound to has a say. */
	if (r < 0 || bound != host)
		return r;
	if (p && (r = peers_lag(tx, p, host, err)) < 0)
		return r;
	if (r > 0) {
		if (!p->host) {
			p->deadline_ms = now_ms() + READY_PATIENCE_MS;
			s->n_waiting++;
		}
		p->host = host;
		return 0;
	}
	if (p)
		drop(s, p);
	return ports_report(tx->db, port, host, PORT_REPORTED_UP, err);
}

int ready_settle(struct tx *tx, struct err *err)
{
	struct service *s = tx->service;
	uint64_t now = now_ms();
	struct placed *p, *tmp;

	if (!s->n_waiting)
		return 0;
	HASH_ITER (hh, s->placed, p, tmp) {
		int r = 0;

		if (!p->host || (now < p->deadline_ms && (r = peers_lag(tx, p, p->host, err)) > 0))
			continue;
		if (r >= 0)
			r = ports_report(tx->db, p->port, p->host, PORT_REPORTED_UP, err);
		if (r < 0)
			return r;
		drop(s, p);
	}
	return 0;
}

uint64_t ready_deadline(const struct service *s)
{
	uint64_t deadline = 0;

	if (!s->n_waiting)
		return 0;
	for (const struct placed *p = s->placed; p; p = p->hh.next)
		if (p->host && (!deadline || p->deadline_ms < deadline))
			deadline = p->deadline_ms;
	return deadline;
}
