/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/stream.h"
#include "watch/hub_private.h"

/*
 * A pass, in one consistent view of the store:
 *
 *     begin ─► log rows since the last pass ─► each to the subscribers of its unit,
 *          │                                   a frame after each API call's rows
 *          ├─► each ready connection: resume (its own part of the log), or snapshot
 *          └─► end
 *
 * A unit that a host enters is sent as the view has it, so the batch's later rows of that unit
 * are not for it: they would undo what it has seen.
 */

#define NO_LIMIT SIZE_MAX /* of a backlog, while something is sent whole */

struct pass {
	struct hub *hub;
	struct conn *only; /* a connection that resumes: rows go to nobody else */
	uint64_t position; /* of the rows since the last frame; 0: none yet */
	char request_id[64];
};

static void send_line(struct conn *c, UT_string *line)
{
	stream_send(c->stream, utstring_body(line), utstring_len(line));
	c->open_frame = true;
}

/* ---- subscriptions ---- */

static void unsubscribe(struct conn *c, struct sub *s)
{
	struct hub *h = c->hub;
	struct topic *t;

	HASH_FIND(hh, h->topics, &s->unit, sizeof(s->unit), t);
	if (t) {
		DL_DELETE(t->subs, s);
		if (!t->subs) {
			HASH_DEL(h->topics, t);
			free(t);
		}
	}
	HASH_DEL(c->subs, s);
	free(s);
}

void conn_unsubscribe_all(struct conn *c)
{
	struct sub *s, *tmp;

	HASH_ITER (hh, c->subs, s, tmp)
		unsubscribe(c, s);
}

static struct sub *find_sub(struct conn *c, const struct unit *u)
{
	struct sub *s;

	HASH_FIND(hh, c->subs, u, sizeof(*u), s);
	return s;
}

static struct sub *subscribe(struct conn *c, const struct unit *u)
{
	struct hub *h = c->hub;
	struct sub *s = find_sub(c, u);
	struct topic *t;

	if (s)
		return s;
	HASH_FIND(hh, h->topics, u, sizeof(*u), t);
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->unit = *u;
		HASH_ADD(hh, h->topics, unit, sizeof(t->unit), t);
	}
	s = xcalloc(1, sizeof(*s));
	s->unit = *u;
	s->conn = c;
	HASH_ADD(hh, c->subs, unit, sizeof(s->unit), s);
	DL_APPEND(t->subs, s);
	return s;
}

/* ---- a whole unit ---- */

static void on_object(const char *json, void *arg)
{
	struct conn *c = arg;
	UT_string *line = c->hub->line;

	utstring_clear(line);
	message_encode_raw(MESSAGE_SET, json, line);
	send_line(c, line);
}

static void send_unit_name(struct conn *c, enum message_kind kind, const struct unit *u)
{
	struct message m = { .kind = kind, .unit = *u };

	conn_send(c, &m);
	c->open_frame = true;
}

/*
 * Sends what the unit holds in the view. It may wait whole, whatever its size, but nothing much behind it:
 * not a second one either, once the first is beyond the usual limit; but for the units of one snapshot.
 */
static void send_unit(struct conn *c, const struct unit *u, bool snapshot)
{
	const struct hub_source *source = c->hub->source;
	bool whole = snapshot || stream_backlog(c->stream) < HUB_MAX_BACKLOG;

	if (whole)
		stream_limit_backlog(c->stream, NO_LIMIT);
	if (source->objects(source->arg, u, on_object, c) < 0)
		c->broken = true;
	if (!whole)
		return;
	c->limit = stream_backlog(c->stream) + HUB_MAX_BACKLOG;
	stream_limit_backlog(c->stream, c->limit);
}

/* ---- rows ---- */

static void send_frame(struct conn *c, uint64_t position, const char *request_id, bool snapshot)
{
	struct message m = { .kind = MESSAGE_FRAME, .frame.position = position, .frame.snapshot = snapshot };

	snprintf(m.frame.request_id, sizeof(m.frame.request_id), "%s", request_id);
	conn_send(c, &m);
	c->open_frame = false;
}

static void close_frames(struct pass *p)
{
	struct conn *c, *tmp;

	if (p->position == 0)
		return;
	if (p->only && p->only->open_frame)
		send_frame(p->only, p->position, p->request_id, false);
	if (!p->only)
		HASH_ITER (hh, p->hub->hosts, c, tmp)
			if (c->open_frame)
				send_frame(c, p->position, p->request_id, false);
	if (!p->only)
		p->hub->position = p->position;
	p->position = 0;
}

static void row_to_subscribers(struct pass *p, const struct hub_row *row)
{
	struct hub *h = p->hub;
	struct sub *s;
	struct topic *t;

	utstring_clear(h->line);
	message_encode_raw(row->op == HUB_SET ? MESSAGE_SET : MESSAGE_DEL, row->json, h->line);
	if (p->only) {
		s = find_sub(p->only, &row->unit);
		if (s && s->batch != h->batch)
			send_line(p->only, h->line);
		return;
	}
	HASH_FIND(hh, h->topics, &row->unit, sizeof(row->unit), t);
	if (!t)
		return;
	DL_FOREACH (t->subs, s)
		if (s->batch != h->batch)
			send_line(s->conn, h->line);
}

static void row_of_host(struct pass *p, const struct hub_row *row)
{
	struct hub *h = p->hub;
	struct conn *c = p->only;
	struct sub *s;

	if (!c)
		HASH_FIND(hh, h->hosts, &row->host, sizeof(row->host), c);
	if (!c || c->host != row->host)
		return;
	if (row->op == HUB_ENTER) {
		s = subscribe(c, &row->unit);
		s->batch = h->batch;
		send_unit_name(c, MESSAGE_ENTER, &row->unit);
		send_unit(c, &row->unit, false);
		return;
	}
	s = find_sub(c, &row->unit);
	if (s)
		unsubscribe(c, s);
	send_unit_name(c, MESSAGE_DROP, &row->unit);
}

static void on_row(const struct hub_row *row, void *arg)
{
	struct pass *p = arg;

	if (p->position != row->position)
		close_frames(p);
	p->position = row->position;
	snprintf(p->request_id, sizeof(p->request_id), "%s", row->request_id ? row->request_id : "");
	if (row->op == HUB_SET || row->op == HUB_DEL)
		row_to_subscribers(p, row);
	else
		row_of_host(p, row);
}

/* ---- starting a connection ---- */

/* What a host's rows say of the units it had at the position it resumes from. */
struct past_unit {
	struct unit unit;
	bool had;
	UT_hash_handle hh;
};

struct past {
	uint32_t host;
	struct past_unit *units;
};

static void past_set(struct past *past, const struct unit *u, bool had)
{
	struct past_unit *pu;

	/* The first word counts: what was dropped first, it had; what was entered first, it had not. */
	HASH_FIND(hh, past->units, u, sizeof(*u), pu);
	if (pu)
		return;
	pu = xcalloc(1, sizeof(*pu));
	pu->unit = *u;
	pu->had = had;
	HASH_ADD(hh, past->units, unit, sizeof(pu->unit), pu);
}

static void on_past_row(const struct hub_row *row, void *arg)
{
	struct past *past = arg;

	if (row->host == past->host && (row->op == HUB_ENTER || row->op == HUB_DROP))
		past_set(past, &row->unit, row->op == HUB_DROP);
}

static void on_present_unit(const struct unit *u, void *arg)
{
	past_set(arg, u, true);
}

static int resume(struct conn *c)
{
	const struct hub_source *source = c->hub->source;
	struct past past = { .host = c->host };
	struct pass p = { .hub = c->hub, .only = c };
	struct past_unit *pu, *tmp;
	int r;

	r = source->log(source->arg, c->position, on_past_row, &past);
	if (r >= 0)
		r = source->units(source->arg, c->host, on_present_unit, &past);
	HASH_ITER (hh, past.units, pu, tmp) {
		if (r >= 0 && pu->had)
			subscribe(c, &pu->unit);
		HASH_DEL(past.units, pu);
		free(pu);
	}
	if (r < 0)
		return r;
	c->hub->batch++;
	r = source->log(source->arg, c->position, on_row, &p);
	close_frames(&p);
	return r;
}

static void on_unit(const struct unit *u, void *arg)
{
	subscribe(arg, u);
}

static int snapshot(struct conn *c, uint64_t position)
{
	const struct hub_source *source = c->hub->source;
	struct sub *s, *tmp;
	int r = source->units(source->arg, c->host, on_unit, c);

	if (r < 0)
		return r;
	HASH_ITER (hh, c->subs, s, tmp)
		send_unit(c, &s->unit, true);
	send_frame(c, position, "", true);
	return 0;
}

static void start(struct conn *c, uint64_t position, uint64_t oldest)
{
	struct message m = { .kind = MESSAGE_WELCOME, .welcome.proto = MESSAGE_PROTO, .welcome.host = c->host };
	struct hub *h = c->hub;
	const char *incarnation = h->source->incarnation(h->source->arg);
	bool resumes = !strcmp(c->incarnation, incarnation) && c->position <= position && c->position + 1 >= oldest;
	struct conn *other;
	int r;

	/* A log without rows has nothing older to miss. */
	if (!strcmp(c->incarnation, incarnation) && c->position == position)
		resumes = true;
	HASH_FIND(hh, h->hosts, &c->host, sizeof(c->host), other);
	if (other) {
		HASH_DEL(h->hosts, other);
		other->state = CONN_REPLACED;
	}
	c->state = CONN_LIVE;
	HASH_ADD(hh, h->hosts, host, sizeof(c->host), c);
	snprintf(m.welcome.incarnation, sizeof(m.welcome.incarnation), "%s", incarnation);
	snprintf(m.welcome.mode, sizeof(m.welcome.mode), "%s", resumes ? "resume" : "snapshot");
	conn_send(c, &m);
	r = resumes ? resume(c) : snapshot(c, position);
	if (r < 0)
		c->broken = true;
	log_info("host %s (%s): connected, %s at %llu", c->name, stream_peer(c->stream), m.welcome.mode,
		 (unsigned long long)position);
}

static void sweep(struct hub *h)
{
	struct conn *c, *tmp;

	DL_FOREACH_SAFE (h->conns, c, tmp) {
		if (c->state == CONN_REPLACED)
			conn_drop(c, "the host has connected again");
		else if (c->broken)
			conn_drop(c, "its objects cannot be read");
	}
}

int hub_pass(struct hub *h, struct err *err)
{
	const struct hub_source *source = h->source;
	struct pass p = { .hub = h };
	uint64_t position, oldest;
	struct conn *c, *tmp;
	int r;

	if (!h->conns)
		return 0;
	r = source->begin(source->arg, &position, &oldest, err);
	if (r < 0)
		return r;
	h->batch++;
	/* Rows of a pass that failed half way come again: each says the same twice. */
	if (h->hosts && position > h->position)
		r = source->log(source->arg, h->position, on_row, &p);
	if (r < 0) {
		source->end(source->arg);
		sweep(h);
		return err_errno(err, r, "log");
	}
	close_frames(&p);
	h->position = position;
	DL_FOREACH_SAFE (h->conns, c, tmp)
		if (c->state == CONN_READY)
			start(c, position, oldest);
	source->end(source->arg);
	sweep(h);
	return 0;
}
