/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"
#include "watch/hub_private.h"

/*
 * A pass, in one consistent view of the store:
 *
 *     begin ─► each ready connection that may resume: the units that it had
 *          ├─► log rows, from the oldest position that somebody waits at: each to the subscribers
 *          │   of its unit to whom it is news, a frame after each API call's rows
 *          ├─► the other ready connections: snapshots, as many as fit into a while
 *          └─► end
 *
 * A unit that a host enters is sent as the view has it, so the batch's later rows of that unit
 * are not for it: they would undo what it has seen. Units that were read once are kept as text
 * as long as the log stands still, for other hosts.
 */

#define NO_LIMIT SIZE_MAX /* of a backlog, while something is sent whole */
#define MAX_RESUME 20000 /* positions: beyond it a snapshot costs less */
#define MAX_TEXTS (32U << 20) /* bytes of units that are kept */
#define WHILE_US 100000 /* that snapshots may take before others have their turn */
#define MAX_OWED (64U << 20) /* bytes unsent, in all: beyond it those that come have to wait */
#define OWED_US 50000 /* and so long until they are looked at again */
#define MAX_AT_ONCE 256 /* that resume in one pass */

struct pass {
	struct hub *hub;
	uint64_t from; /* what the live ones have seen before */
	uint64_t position; /* of the rows since the last frame; 0: none yet */
	char request_id[64];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void owe_frame(struct conn *c)
{
	if (c->open_frame)
		return;
	c->open_frame = true;
	DL_APPEND2(c->hub->open, c, open_prev, open_next);
}

void conn_close_frame(struct conn *c)
{
	if (!c->open_frame)
		return;
	c->open_frame = false;
	DL_DELETE2(c->hub->open, c, open_prev, open_next);
}

static void mark_broken(struct conn *c)
{
	c->broken = true;
	c->hub->unswept = true;
}

static void send_line(struct conn *c, UT_string *line)
{
	stream_send(c->stream, utstring_body(line), utstring_len(line));
	owe_frame(c);
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

struct text {
	struct unit unit;
	UT_string *lines;
	UT_hash_handle hh;
};

void hub_forget_texts(struct hub *h)
{
	struct text *t, *tmp;

	HASH_ITER (hh, h->texts, t, tmp) {
		HASH_DEL(h->texts, t);
		utstring_free(t->lines);
		free(t);
	}
	h->texts_size = 0;
}

/* The library grows a string by just what is asked for, which makes a large unit quadratic: double it. */
static void on_object(const char *json, void *arg)
{
	UT_string *lines = arg;
	size_t n = strlen(json) + 64;

	if (lines->n - lines->i < n)
		utstring_reserve(lines, n > lines->n ? n : lines->n);
	message_encode_raw(MESSAGE_SET, json, lines);
}

/* What the unit holds in the view, as the lines that say so. NULL: it cannot be read. */
static UT_string *unit_text(struct hub *h, const struct unit *u)
{
	struct text *t;

	HASH_FIND(hh, h->texts, u, sizeof(*u), t);
	if (t)
		return t->lines;
	if (h->texts_size > MAX_TEXTS)
		hub_forget_texts(h);
	t = xcalloc(1, sizeof(*t));
	t->unit = *u;
	utstring_new(t->lines);
	if (h->source->objects(h->source->arg, u, on_object, t->lines) < 0) {
		utstring_free(t->lines);
		free(t);
		return NULL;
	}
	h->texts_size += utstring_len(t->lines);
	HASH_ADD(hh, h->texts, unit, sizeof(t->unit), t);
	return t->lines;
}

static void send_unit_name(struct conn *c, enum message_kind kind, const struct unit *u)
{
	struct message m = { .kind = kind, .unit = *u };

	conn_send(c, &m);
	owe_frame(c);
}

static void set_limit(struct conn *c)
{
	c->limit = stream_backlog(c->stream) + HUB_MAX_BACKLOG;
	stream_limit_backlog(c->stream, c->limit);
}

/*
 * Sends what the unit holds in the view. It may wait whole, whatever its size, but nothing much behind it:
 * not a second one either, once the first is beyond the usual limit; but for the units of one snapshot, or
 * of what a connection has missed.
 */
static void send_unit(struct conn *c, const struct unit *u, bool beginning)
{
	bool whole = !beginning && stream_backlog(c->stream) < HUB_MAX_BACKLOG;
	UT_string *lines = unit_text(c->hub, u);

	if (!lines) {
		mark_broken(c);
		return;
	}
	if (whole)
		stream_limit_backlog(c->stream, NO_LIMIT);
	if (utstring_len(lines) > 0)
		send_line(c, lines);
	if (whole)
		set_limit(c);
}

/* ---- rows ---- */

static void encode_frame(UT_string *line, uint64_t position, const char *request_id, bool snapshot)
{
	struct message m = { .kind = MESSAGE_FRAME, .frame.position = position, .frame.snapshot = snapshot };

	snprintf(m.frame.request_id, sizeof(m.frame.request_id), "%s", request_id);
	utstring_clear(line);
	message_encode(&m, line);
}

static void close_frames(struct pass *p)
{
	struct hub *h = p->hub;
	struct conn *c, *tmp;

	if (p->position == 0)
		return;
	if (h->open)
		encode_frame(h->line, p->position, p->request_id, false);
	DL_FOREACH_SAFE2 (h->open, c, tmp, open_next) {
		stream_send(c->stream, utstring_body(h->line), utstring_len(h->line));
		conn_close_frame(c);
	}
	if (p->position > h->position)
		h->position = p->position;
	p->position = 0;
}

/* Has the connection not seen the row yet? */
static bool is_news(const struct pass *p, const struct conn *c, const struct hub_row *row)
{
	return row->position > (c->resuming ? c->position : p->from);
}

static void row_to_subscribers(struct pass *p, const struct hub_row *row)
{
	struct hub *h = p->hub;
	struct sub *s;
	struct topic *t;

	HASH_FIND(hh, h->topics, &row->unit, sizeof(row->unit), t);
	if (!t)
		return;
	utstring_clear(h->line);
	message_encode_raw(row->op == HUB_SET ? MESSAGE_SET : MESSAGE_DEL, row->json, h->line);
	DL_FOREACH (t->subs, s)
		if (s->batch != h->batch && is_news(p, s->conn, row))
			send_line(s->conn, h->line);
}

static void row_of_host(struct pass *p, const struct hub_row *row)
{
	struct hub *h = p->hub;
	struct conn *c;
	struct sub *s;

	HASH_FIND(hh, h->hosts, &row->host, sizeof(row->host), c);
	if (!c || !is_news(p, c, row))
		return;
	if (row->op == HUB_ENTER) {
		s = subscribe(c, &row->unit);
		s->batch = h->batch;
		send_unit_name(c, MESSAGE_ENTER, &row->unit);
		send_unit(c, &row->unit, c->resuming);
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

static void begin(struct conn *c, const char *mode)
{
	struct message m = { .kind = MESSAGE_WELCOME, .welcome.proto = MESSAGE_PROTO, .welcome.host = c->host };
	struct hub *h = c->hub;
	struct conn *other;

	HASH_FIND(hh, h->hosts, &c->host, sizeof(c->host), other);
	if (other) {
		HASH_DEL(h->hosts, other);
		conn_unsubscribe_all(other);
		other->state = CONN_REPLACED;
		h->unswept = true;
	}
	c->state = CONN_LIVE;
	h->n_ready--;
	HASH_ADD(hh, h->hosts, host, sizeof(c->host), c);
	snprintf(m.welcome.incarnation, sizeof(m.welcome.incarnation), "%s", h->source->incarnation(h->source->arg));
	snprintf(m.welcome.mode, sizeof(m.welcome.mode), "%s", mode);
	conn_send(c, &m);
	stream_limit_backlog(c->stream, NO_LIMIT); /* what it has to be sent now may wait whole */
	log_info("host %s (%s): connected, %s", c->name, stream_peer(c->stream), mode);
}

/* What a host's rows say of the units it had at the position it resumes from. */
struct past_unit {
	struct unit unit;
	bool had;
	UT_hash_handle hh;
};

struct past {
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
	past_set(arg, &row->unit, row->op == HUB_DROP);
}

static void on_present_unit(const struct unit *u, void *arg)
{
	past_set(arg, u, true);
}

/* It gets the log's rows since its position, with all others. */
static void resume(struct conn *c)
{
	const struct hub_source *source = c->hub->source;
	struct past past = { 0 };
	struct past_unit *pu, *tmp;
	int r;

	begin(c, "resume");
	c->resuming = true;
	r = source->host_log(source->arg, c->host, c->position, on_past_row, &past);
	if (r >= 0)
		r = source->units(source->arg, c->host, on_present_unit, &past);
	HASH_ITER (hh, past.units, pu, tmp) {
		if (r >= 0 && pu->had)
			subscribe(c, &pu->unit);
		HASH_DEL(past.units, pu);
		free(pu);
	}
	if (r < 0)
		mark_broken(c);
}

static void on_unit(const struct unit *u, void *arg)
{
	subscribe(arg, u);
}

static void snapshot(struct conn *c, uint64_t position)
{
	const struct hub_source *source = c->hub->source;
	struct sub *s, *tmp;

	begin(c, "snapshot");
	if (source->units(source->arg, c->host, on_unit, c) < 0) {
		mark_broken(c);
		return;
	}
	HASH_ITER (hh, c->subs, s, tmp)
		send_unit(c, &s->unit, true);
	encode_frame(c->hub->line, position, "", true);
	send_line(c, c->hub->line);
	conn_close_frame(c);
	set_limit(c);
}

/* The log holds all that it has not seen; one without rows has nothing older to miss. */
static bool may_resume(const struct conn *c, uint64_t position, uint64_t oldest)
{
	if (strcmp(c->incarnation, c->hub->source->incarnation(c->hub->source->arg)) != 0)
		return false;
	return c->position == position ||
	       (c->position < position && c->position + 1 >= oldest && position - c->position <= MAX_RESUME);
}

/* Those that resume in this pass. */
struct resuming {
	struct conn *conns[MAX_AT_ONCE];
	size_t n;
	uint64_t lowest; /* position that one of them is at */
};

static void start_resuming(struct hub *h, uint64_t position, uint64_t oldest, struct resuming *ret)
{
	struct conn *c, *tmp;

	ret->n = 0;
	ret->lowest = position;
	DL_FOREACH_SAFE (h->conns, c, tmp) {
		if (c->state != CONN_READY || !may_resume(c, position, oldest))
			continue;
		if (ret->n == MAX_AT_ONCE) {
			hub_wake(h);
			return;
		}
		resume(c);
		ret->conns[ret->n++] = c;
		if (c->position < ret->lowest)
			ret->lowest = c->position;
	}
}

static void stop_resuming(struct resuming *resuming)
{
	for (size_t i = 0; i < resuming->n; i++) {
		resuming->conns[i]->resuming = false;
		set_limit(resuming->conns[i]);
	}
}

/* May those that are ready be sent what they need? Not while so much of others is unsent. */
static bool has_room(struct hub *h)
{
	size_t owed = 0;
	struct conn *c;

	if (h->n_ready == 0)
		return false;
	DL_FOREACH (h->conns, c)
		owed += stream_backlog(c->stream);
	if (owed < MAX_OWED)
		return true;
	loop_timer_arm(h->retry, OWED_US);
	return false;
}

static void start_snapshots(struct hub *h, uint64_t position, uint64_t oldest)
{
	uint64_t began = now_us();
	struct conn *c, *tmp;

	DL_FOREACH_SAFE (h->conns, c, tmp) {
		if (c->state != CONN_READY || may_resume(c, position, oldest))
			continue;
		if (now_us() - began > WHILE_US) {
			hub_wake(h); /* for the rest */
			return;
		}
		snapshot(c, position);
	}
}

/* ---- the pass ---- */

static void sweep(struct hub *h)
{
	struct conn *c, *tmp;

	if (!h->unswept)
		return;
	h->unswept = false;
	DL_FOREACH_SAFE (h->conns, c, tmp) {
		if (c->state == CONN_REPLACED)
			conn_drop(c, "the host has connected again");
		else if (c->broken)
			conn_drop(c, "its objects cannot be read");
	}
}

static int read_log(struct hub *h, uint64_t position, uint64_t oldest, bool more, struct err *err)
{
	const struct hub_source *source = h->source;
	struct pass p = { .hub = h, .from = h->position };
	uint64_t lowest = h->hosts ? h->position : position;
	struct resuming resuming = { .n = 0 };
	struct conn *c;
	int r = 0;

	if (more) {
		start_resuming(h, position, oldest, &resuming);
		lowest = resuming.lowest < lowest ? resuming.lowest : lowest;
	}
	if (lowest < position)
		r = source->log(source->arg, lowest, on_row, &p);
	if (r >= 0)
		close_frames(&p);
	/* Who has half a frame cannot go on: it resumes. */
	DL_FOREACH2 (h->open, c, open_next)
		mark_broken(c);
	stop_resuming(&resuming);
	return r < 0 ? err_errno(err, r, "log") : 0;
}

int hub_pass(struct hub *h, struct err *err)
{
	const struct hub_source *source = h->source;
	uint64_t position, oldest;
	bool more;
	int r;

	if (!h->conns)
		return 0;
	more = has_room(h);
	r = source->begin(source->arg, &position, &oldest, err);
	if (r < 0)
		return r;
	h->batch++;
	if (position != h->position)
		hub_forget_texts(h);
	r = read_log(h, position, oldest, more, err);
	if (r >= 0) {
		h->position = position;
		if (more)
			start_snapshots(h, position, oldest);
	}
	source->end(source->arg);
	sweep(h);
	return r < 0 ? r : 0;
}
