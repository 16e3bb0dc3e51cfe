/* SPDX-License-Identifier: Apache-2.0 */
#include "service/ready.h"

#include <time.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"
#include "model/object.h"
#include "store/ports.h"

#define AGAIN_MS 1000 /* after a transaction that failed */
#define MAX_PLACED 16384 /* beyond it ports become ACTIVE without waiting */

/*
 * A port whose place was logged and that was not up since:
 *
 *     noted ──reported up, peers lag──► waiting ──peers are ready, or deadline──► stored, dropped
 */
struct placed {
	uint32_t port;
	uint32_t host, binding; /* that it was reported up of, and waits; host 0: none yet */
	uint64_t position;
	uint64_t deadline_ms;
	bool stored; /* in the transaction that is open */
	struct placed *prev, *next; /* in waiting, by deadline */
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

static void wait_no_more(struct service *s, struct placed *p)
{
	if (p->host)
		DL_DELETE(s->waiting, p);
	p->host = 0;
}

static void drop(struct service *s, struct placed *p)
{
	wait_no_more(s, p);
	HASH_DEL(s->placed, p);
	free(p);
}

void ready_free(struct service *s)
{
	struct placed *p, *tmp;

	HASH_ITER (hh, s->placed, p, tmp)
		drop(s, p);
}

/* Those that nobody waits for. */
static void forget_noted(struct service *s)
{
	struct placed *p, *tmp;

	HASH_ITER (hh, s->placed, p, tmp) {
		if (!p->host)
			drop(s, p);
	}
}

void ready_note(struct service *s, uint32_t port, uint64_t position)
{
	struct placed *p = find(s, port);

	if (!p) {
		if (HASH_COUNT(s->placed) >= MAX_PLACED)
			forget_noted(s);
		p = xcalloc(1, sizeof(*p));
		p->port = port;
		HASH_ADD(hh, s->placed, port, sizeof(p->port), p);
	}
	p->position = position;
}

void ready_forget(struct service *s, uint32_t port)
{
	struct placed *p = find(s, port);

	if (p)
		wait_no_more(s, p);
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

/* 1: what is said is of the host that the port is bound to, and of this binding. */
static int is_meant(struct tx *tx, const struct service_port_report *report, uint32_t host, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(tx->db, "SELECT 1 FROM ports WHERE num = $1 AND host = $2 AND (binding = $3 OR $3 = 0)",
			 DB(v_int(report->port), v_int(host), v_int(report->binding)));

	return db_next(q, err);
}

static void wait_until(struct service *s, struct placed *p, uint32_t host, uint32_t binding, uint64_t deadline_ms)
{
	wait_no_more(s, p);
	p->host = host;
	p->binding = binding;
	p->deadline_ms = deadline_ms;
	DL_APPEND(s->waiting, p);
}

static void wait_for_peers(struct service *s, struct placed *p, uint32_t host, uint32_t binding)
{
	if (p->host != host || p->binding != binding)
		wait_until(s, p, host, binding, now_ms() + READY_PATIENCE_MS);
}

int ready_report(struct tx *tx, const struct service_port_report *report, uint32_t host, struct err *err)
{
	struct service *s = tx->service;
	struct placed *p = find(s, report->port);
	int r = is_meant(tx, report, host, err);

	if (r <= 0)
		return r;
	r = p ? peers_lag(tx, p, host, err) : 0;
	if (r < 0)
		return r;
	if (r > 0) {
		wait_for_peers(s, p, host, report->binding);
		return 0;
	}
	if (p)
		drop(s, p);
	return ports_report(tx->db, report->port, host, report->binding, PORT_REPORTED_UP, err);
}

int ready_settle(struct tx *tx, struct err *err)
{
	struct service *s = tx->service;
	uint64_t now = s->waiting ? now_ms() : 0;
	struct placed *p, *tmp;

	DL_FOREACH_SAFE (s->waiting, p, tmp) {
		int r = 0;

		if (now < p->deadline_ms && (r = peers_lag(tx, p, p->host, err)) > 0)
			continue;
		if (r >= 0)
			r = ports_report(tx->db, p->port, p->host, p->binding, PORT_REPORTED_UP, err);
		if (r < 0)
			return r;
		p->stored = true;
	}
	return 0;
}

void ready_end(struct service *s, bool committed)
{
	struct placed *p, *tmp;

	DL_FOREACH_SAFE (s->waiting, p, tmp) {
		if (p->stored && committed)
			drop(s, p);
		else if (p->stored || (!committed && p->deadline_ms < now_ms()))
			wait_until(s, p, p->host, p->binding, now_ms() + AGAIN_MS);
		if (!committed)
			p->stored = false;
	}
}

uint64_t ready_deadline(const struct service *s)
{
	return s->waiting ? s->waiting->deadline_ms : 0;
}
