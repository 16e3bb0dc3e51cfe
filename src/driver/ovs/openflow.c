/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/openflow.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/openflow_request.h"
#include "io/loop.h"
#include "io/path_watch.h"
#include "io/stream.h"

/*
 *                 socket appears, timer                connected            hello answered
 *     OPENFLOW_AWAY ─────────────────► OPENFLOW_CONNECTING ──► OPENFLOW_GREETING ──► OPENFLOW_UP ─► up()
 *           ▲                                │                      │                 │
 *           └────────────────────────────────┴──────────────────────┴─────────────────┘
 *                closed by the switch, malformed or unexpected message, no answer: every request ends, down()
 *
 * Requests stand in one queue; the first one is on the wire, the next one is sent when it is over. (A bundle is
 * two round trips: what is asked behind it must see what it did.) When nothing is asked for a while, an echo is.
 * Whichever it is, as long as nothing comes back for `patience`, the connection is over.
 *
 * Every callback may close the object: then it is freed when the outermost handler of the loop returns.
 */

#define RETRY_US 100000
#define RETRY_SOON_US 1000 /* the socket appeared, but does not listen yet */
#define PATIENCE_MS 10000
#define ROOM (1u << 20) /* of unsent bytes, beside the request's own */
#define XID_MAX 0x7fffffffu
#define PACKET_OUT_XID 0x80000000u /* of every packet-out: an error of theirs is explained */

enum openflow_state { OPENFLOW_AWAY, OPENFLOW_CONNECTING, OPENFLOW_GREETING, OPENFLOW_UP };

struct openflow {
	struct loop *loop;
	char *path;
	struct openflow_events events;
	enum openflow_state state;
	struct stream *stream; /* NULL: AWAY */
	struct path_watch *watch; /* from the first end of a connection on: one that is short needs none */
	struct loop_source *retry; /* AWAY: the next attempt */
	struct loop_source *silence; /* otherwise: no answer, or time for an echo */
	struct loop_source *refuse; /* ends what is in `refused` */
	uint64_t retry_us, patience_us;
	bool appeared; /* a new socket, while the old connection was not known to be over */
	size_t limit; /* of what may be unsent */
	size_t backlog; /* what was unsent when `silence` was armed */
	struct request *queue; /* the first one is on the wire */
	struct request *refused; /* made when there was no connection */
	uint32_t xid; /* of the last request */
	int busy; /* handlers of the loop, one inside the other */
	bool closed;
	char why[192]; /* what was told last */
};

static void free_requests(struct request *list)
{
	struct request *q, *tmp;

	DL_FOREACH_SAFE (list, q, tmp)
		request_free(q);
}

static void enter(struct openflow *o)
{
	o->busy++;
}

static void leave(struct openflow *o)
{
	if (--o->busy > 0 || !o->closed)
		return;
	free_requests(o->queue);
	free_requests(o->refused);
	free(o->path);
	free(o);
}

/* Ends all requests of a list, which is nobody else's any more. */
static void end_requests(struct openflow *o, struct request *list, const char *why)
{
	struct request *q, *tmp;

	DL_FOREACH_SAFE (list, q, tmp) {
		if (!o->closed)
			request_end(q, -ECONNRESET, why);
		request_free(q);
	}
}

/* ---- the queue ---- */

static uint32_t take_xids(struct openflow *o, size_t n)
{
	uint32_t xid;

	assert(n < XID_MAX / 2);
	if (o->xid > XID_MAX - n)
		o->xid = 0;
	xid = o->xid + 1;
	o->xid += (uint32_t)n;
	return xid;
}

static void wait_for_answer(struct openflow *o, uint64_t us)
{
	o->backlog = stream_backlog(o->stream);
	loop_timer_arm(o->silence, us);
}

/* Sends what the first request has to say. */
static void say(struct openflow *o)
{
	struct request *q = o->queue;

	if (q->out.len > 0) {
		o->limit = stream_backlog(o->stream) + q->out.len + ROOM;
		stream_limit_backlog(o->stream, o->limit);
		stream_send(o->stream, q->out.bytes, q->out.len);
		ofp_out_fini(&q->out);
	}
	wait_for_answer(o, o->patience_us);
}

static void push(struct openflow *o, struct request *q)
{
	if (o->state < OPENFLOW_GREETING) {
		DL_APPEND(o->refused, q);
		loop_idle_arm(o->refuse);
		return;
	}
	DL_APPEND(o->queue, q);
	if (o->queue == q)
		say(o);
}

/* The first request is over: the next one goes out, before a callback may take the connection away. */
static void finish(struct openflow *o)
{
	struct request *q = o->queue;

	DL_DELETE(o->queue, q);
	if (o->queue)
		say(o);
	else
		wait_for_answer(o, o->patience_us / 2);
	request_end(q, q->r, q->why);
	request_free(q);
}

static void on_refuse(void *arg)
{
	struct openflow *o = arg;
	struct request *list = take(&o->refused);

	enter(o);
	end_requests(o, list, "no connection");
	leave(o);
}

/* ---- the connection ---- */

static void on_appeared(void *arg);

/* The connection, or an attempt at one, is over. */
static void end(struct openflow *o, const char *why)
{
	struct request *list = take(&o->queue);
	bool news = o->state == OPENFLOW_UP || strncmp(why, o->why, sizeof(o->why) - 1) != 0;

	stream_close(take(&o->stream));
	o->state = OPENFLOW_AWAY;
	snprintf(o->why, sizeof(o->why), "%s", why);
	loop_timer_off(o->silence);
	if (o->appeared || !o->watch)
		o->retry_us = RETRY_SOON_US;
	if (!o->watch)
		o->watch = path_watch_open(o->loop, o->path, on_appeared, o);
	o->appeared = false;
	loop_timer_arm(o->retry, o->retry_us);
	o->retry_us = 2 * o->retry_us < RETRY_US ? 2 * o->retry_us : RETRY_US;

	end_requests(o, list, o->why);
	if (news && !o->closed && o->events.down)
		o->events.down(o->why, o->events.arg);
}

static void on_greeted(int r, const char *why, void *arg)
{
	struct openflow *o = arg;

	(void)why;
	if (r < 0)
		return;
	o->state = OPENFLOW_UP;
	o->why[0] = '\0';
	if (o->events.up)
		o->events.up(o->events.arg);
}

static void out_of_the_blue(struct openflow *o, const struct ofp_message *m)
{
	char why[160];
	struct openflow_error e;

	if (m->type == OFP_ERROR && ofp_read_error(m, &e, NULL) == 0)
		snprintf(why, sizeof(why), "%s, which no request explains", e.text);
	else
		snprintf(why, sizeof(why), "unexpected %s", ofp_type_name(m->type));
	end(o, why);
}

static void on_answer(struct openflow *o, const struct ofp_message *m)
{
	struct request *q = o->queue;
	struct openflow_error e;
	struct err err;
	int r;

	if (m->type == OFP_ERROR && m->xid == PACKET_OUT_XID && ofp_read_error(m, &e, NULL) == 0) {
		LOG_LIMIT(log_info, 1, "openflow: a packet was not sent: %s", e.text);
		return;
	}
	if (!q || (m->xid - q->xid >= q->n_xids && m->type != OFP_HELLO)) {
		out_of_the_blue(o, m);
		return;
	}
	r = request_message(q, m, &err);
	if (o->closed)
		return;
	if (r < 0)
		end(o, err.text);
	else if (r == 0)
		say(o);
	else
		finish(o);
}

static void on_echo_request(struct openflow *o, const struct ofp_message *m)
{
	struct ofp_out out = { 0 };

	ofp_put_plain(&out, OFP_ECHO_REPLY, m->xid, m->body, m->n);
	stream_send(o->stream, out.bytes, out.len);
	ofp_out_fini(&out);
}

static void on_packet_in(struct openflow *o, const struct ofp_message *m)
{
	struct openflow_packet_in p;
	struct err err;

	if (ofp_read_packet_in(m, &p, &err) < 0)
		end(o, err.text);
	else if (o->state == OPENFLOW_UP && o->events.packet_in)
		o->events.packet_in(&p, o->events.arg);
}

static void on_gone(struct openflow *o, const struct ofp_message *m)
{
	uint64_t cookie;
	struct err err;

	if (ofp_read_flow_removed(m, &cookie, &err) < 0)
		end(o, err.text);
	else if (o->state == OPENFLOW_UP && o->events.removed)
		o->events.removed(cookie, o->events.arg);
}

/* Of no interest; a switch may say it at any time. */
static void on_news(struct openflow *o, const struct ofp_message *m)
{
	(void)o;
	(void)m;
}

static void (*const handlers[OFP_N_TYPES])(struct openflow *o, const struct ofp_message *m) = {
	[OFP_HELLO] = on_answer,         [OFP_ERROR] = on_answer,          [OFP_ECHO_REQUEST] = on_echo_request,
	[OFP_ECHO_REPLY] = on_answer,    [OFP_EXPERIMENTER] = on_news,     [OFP_PACKET_IN] = on_packet_in,
	[OFP_FLOW_REMOVED] = on_gone,    [OFP_PORT_STATUS] = on_news,      [OFP_MULTIPART_REPLY] = on_answer,
	[OFP_BARRIER_REPLY] = on_answer, [OFP_ROLE_STATUS] = on_news,      [OFP_TABLE_STATUS] = on_news,
	[OFP_REQUESTFORWARD] = on_news,  [OFP_BUNDLE_CONTROL] = on_answer,
};

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	const uint8_t *at = (const uint8_t *)bytes;
	struct openflow *o = arg;
	struct ofp_message m;
	struct err err;
	size_t used = 0;
	int r = 1;

	enter(o);
	while (!o->closed && o->stream == s && (r = ofp_read(at + used, n - used, &m, &err)) > 0) {
		used += (size_t)r;
		if (m.type < OFP_N_TYPES && handlers[m.type])
			handlers[m.type](o, &m);
		else
			out_of_the_blue(o, &m);
	}
	if (r < 0)
		end(o, err.text);
	leave(o);
	return used;
}

static void on_connected(struct stream *s, void *arg)
{
	struct openflow *o = arg;

	(void)s;
	o->state = OPENFLOW_GREETING;
	o->retry_us = RETRY_US;
	push(o, request_hello(take_xids(o, 3), on_greeted, o));
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	struct openflow *o = arg;

	(void)s;
	(void)r;
	enter(o);
	end(o, why);
	leave(o);
}

static void connect_now(struct openflow *o)
{
	static const struct stream_events events = { on_data, on_connected, on_closed };
	static const struct stream_options options = { .max_input = OFP_MAX };
	_cleanup_(freep) char *where = xasprintf("unix:%s", o->path);
	struct err err;

	o->state = OPENFLOW_CONNECTING;
	if (stream_connect(o->loop, where, &options, &events, o, &o->stream, &err) < 0)
		end(o, err.text);
	else
		wait_for_answer(o, o->patience_us);
}

static void on_retry(void *arg)
{
	struct openflow *o = arg;

	enter(o);
	connect_now(o);
	leave(o);
}

static void on_appeared(void *arg)
{
	struct openflow *o = arg;

	enter(o);
	o->appeared = true;
	if (o->state == OPENFLOW_AWAY) {
		loop_timer_off(o->retry);
		connect_now(o);
	}
	leave(o);
}

static void on_silence(void *arg)
{
	struct openflow *o = arg;
	char why[96];

	enter(o);
	snprintf(why, sizeof(why), "no answer to %s for %u ms", o->queue ? o->queue->kind->name : "connecting",
		 (unsigned)(o->patience_us / 1000));
	if (o->state == OPENFLOW_UP && !o->queue)
		push(o, request_echo(take_xids(o, 1)));
	else if (stream_backlog(o->stream) < o->backlog)
		wait_for_answer(o, o->patience_us); /* it takes what we send */
	else
		end(o, why);
	leave(o);
}

struct openflow *openflow_open(struct loop *loop, const char *path, const struct openflow_events *events)
{
	struct openflow *o = xcalloc(1, sizeof(*o));

	o->loop = loop;
	o->path = xstrdup(path);
	o->events = *events;
	o->retry_us = RETRY_US;
	o->patience_us = PATIENCE_MS * 1000ull;
	o->retry = loop_timer(loop, on_retry, o);
	o->silence = loop_timer(loop, on_silence, o);
	o->refuse = loop_idle(loop, on_refuse, o);
	loop_timer_arm(o->retry, 0);
	return o;
}

struct openflow *openflow_close(struct openflow *o)
{
	if (!o)
		return NULL;
	enter(o);
	o->closed = true;
	if (o->queue)
		o->queue->cancelled = true; /* it may be in the middle of a dump */
	stream_close(take(&o->stream));
	loop_source_free(take(&o->retry));
	loop_source_free(take(&o->silence));
	loop_source_free(take(&o->refuse));
	path_watch_close(take(&o->watch));
	leave(o);
	return NULL;
}

bool openflow_is_up(const struct openflow *o)
{
	return o->state == OPENFLOW_UP;
}

void openflow_patience(struct openflow *o, unsigned ms)
{
	o->patience_us = ms * 1000ull;
}

/* ---- what is asked ---- */

void openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done, void *arg)
{
	push(o, request_bundle(take_xids(o, n + 3), mods, n, done, arg));
}

void openflow_dump(struct openflow *o, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
		   openflow_done done, void *arg)
{
	push(o, request_dump(take_xids(o, 1), table, cookie, mask, fn, done, arg));
}

void openflow_delete(struct openflow *o, uint64_t cookie, uint64_t mask, openflow_done done, void *arg)
{
	push(o, request_delete(take_xids(o, 2), cookie, mask, done, arg));
}

void openflow_meters(struct openflow *o, const struct openflow_meter *meters, size_t n, openflow_done done, void *arg)
{
	push(o, request_meters(take_xids(o, 2 * n + 1), meters, n, done, arg));
}

void openflow_meter_stats(struct openflow *o, openflow_meter_fn fn, openflow_done done, void *arg)
{
	push(o, request_meter_stats(take_xids(o, 1), fn, done, arg));
}

void openflow_packet_out(struct openflow *o, uint32_t in_port, const struct flow *actions, const uint8_t *frame,
			 size_t len)
{
	struct ofp_out out = { 0 };

	/* A switch that does not keep up is sent no more: packets may be lost, the connection may not. */
	if (o->state != OPENFLOW_UP || stream_backlog(o->stream) + ROOM / 2 > o->limit)
		return;
	if (ofp_put_packet_out(&out, PACKET_OUT_XID, in_port, actions, frame, len))
		stream_send(o->stream, out.bytes, out.len);
	ofp_out_fini(&out);
}
