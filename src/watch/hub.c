/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/hub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"
#include "watch/hub_private.h"

/*
 * A connection's way:
 *
 *     accept ─► NEW ─hello, token─► STORING ─hub_hello_done─► READY ─next pass─► LIVE
 *                │                    │ not stored                                │
 *                └──► refused ◄───────┘                  silence, error, backlog, ▼
 *                                                        a second one of that host: closed
 */

#define MAX_NEW 1024 /* that have not shown a token */
#define MAX_HELLO 65536 /* bytes */
#define MAX_VERDICTS 65536
#define SEND_BUFFER 65536
#define RETRY_US 1000000

static const struct stream_options stream_options = {
	.max_input = MESSAGE_MAX_LINE,
	.max_backlog = HUB_MAX_BACKLOG,
	.send_buffer = SEND_BUFFER,
};

static void conn_free(struct conn *c)
{
	struct hub *h = c->hub;

	conn_unsubscribe_all(c);
	conn_close_frame(c);
	if (c->state == CONN_LIVE)
		HASH_DEL(h->hosts, c);
	if (c->state == CONN_NEW)
		h->n_new--;
	if (c->state == CONN_READY)
		h->n_ready--;
	DL_DELETE(h->conns, c);
	free(c);
}

void conn_drop(struct conn *c, const char *why)
{
	LOG_LIMIT(log_info, 20, "host %s (%s): connection closed: %s", c->name[0] ? c->name : "?",
		  stream_peer(c->stream), why);
	stream_close(c->stream);
	conn_free(c);
}

void conn_send(struct conn *c, const struct message *m)
{
	_cleanup_(utstring_freep) UT_string *line = NULL;

	utstring_new(line);
	message_encode(m, line);
	stream_send(c->stream, utstring_body(line), utstring_len(line));
}

static void refuse(struct conn *c, const char *reason, const char *text)
{
	struct message m = { .kind = MESSAGE_REFUSED };

	LOG_LIMIT(log_warn, 5, "host %s (%s): refused: %s", c->name[0] ? c->name : "?", stream_peer(c->stream), text);
	snprintf(m.refused.reason, sizeof(m.refused.reason), "%s", reason);
	snprintf(m.refused.text, sizeof(m.refused.text), "%s", text);
	conn_send(c, &m);
	stream_finish(c->stream);
	conn_free(c);
}

static void on_hello(struct conn *c, const struct message *m)
{
	const struct message_hello *hello = &m->hello;
	struct hub *h = c->hub;
	struct err err = { 0 };

	snprintf(c->name, sizeof(c->name), "%s", hello->host);
	if (hello->proto_min > MESSAGE_PROTO || hello->proto_max < MESSAGE_PROTO) {
		refuse(c, "protocol", "this server speaks version 1 of the protocol");
		return;
	}
	if (h->source->authenticate(h->source->arg, hello->host, hello->token, &c->host, &err) < 0) {
		refuse(c, "token", err.text[0] ? err.text : "unknown host or wrong token");
		return;
	}
	snprintf(c->incarnation, sizeof(c->incarnation), "%s", hello->incarnation);
	c->position = hello->position;
	c->heartbeat_ms = hello->heartbeat_ms;
	c->ticket = ++h->next_ticket;
	c->state = CONN_STORING;
	h->n_new--;
	h->source->hello(h->source->arg, c->host, message_body(m), c->ticket);
}

static void on_message(struct conn *c, const struct message *m)
{
	const struct hub_source *source = c->hub->source;

	if ((m->kind == MESSAGE_HELLO) != (c->state == CONN_NEW)) {
		refuse(c, "request", "the first line, and only that, is a hello");
		return;
	}
	/* The tables let nothing else come from an agent. */
	if (m->kind == MESSAGE_HELLO)
		on_hello(c, m);
	else if (m->kind == MESSAGE_REPORT)
		source->report(source->arg, c->host, message_body(m));
	else
		source->heartbeat(source->arg, c->host, message_body(m));
}

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	struct conn *c = arg;
	struct err err = { 0 };
	struct message m;
	int r = message_decode(MESSAGE_AGENT, line, len, &m, &err);

	(void)s;
	if (r < 0) {
		refuse(c, "request", err.text);
		return;
	}
	if (r > 0) {
		LOG_LIMIT(log_warn, 1, "host %s: message not understood, skipped", c->name);
		return;
	}
	on_message(c, &m);
	message_fini(&m);
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct conn *c = arg;

	c->heard_us = loop_now_us(c->hub->loop);
	if (c->state == CONN_NEW && n > MAX_HELLO && !memchr(bytes, '\n', MAX_HELLO)) {
		refuse(c, "request", "hello too long");
		return 0;
	}
	return stream_lines(s, bytes, n, on_line, c);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	struct conn *c = arg;

	(void)r;
	LOG_LIMIT(log_info, 20, "host %s (%s): connection closed: %s", c->name[0] ? c->name : "?", stream_peer(s), why);
	conn_free(c);
}

static const struct stream_events stream_events = { .data = on_data, .closed = on_closed };

static void on_accept(int fd, const char *peer, void *arg)
{
	struct hub *h = arg;
	struct conn *c;

	if (h->n_new >= MAX_NEW) {
		LOG_LIMIT(log_warn, 1, "%s: too many connections without a hello", peer);
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->hub = h;
	c->since_us = c->heard_us = loop_now_us(h->loop);
	c->limit = HUB_MAX_BACKLOG;
	c->stream = stream_new(h->loop, fd, &stream_options, &stream_events, c);
	h->n_new++;
	DL_APPEND(h->conns, c);
}

/* ---- what other threads say ---- */

static void add_verdict(struct hub *h, struct verdict v, const char *text)
{
	snprintf(v.text, sizeof(v.text), "%s", text ? text : "");
	pthread_mutex_lock(&h->lock);
	h->verdicts = xrealloc(h->verdicts, (h->n_verdicts + 1) * sizeof(v));
	h->verdicts[h->n_verdicts++] = v;
	pthread_mutex_unlock(&h->lock);
	loop_post(h->wake);
}

void hub_hello_done(struct hub *h, uint64_t ticket, int r, const char *text)
{
	add_verdict(h, (struct verdict) { .ticket = ticket, .r = r }, text);
}

void hub_drop_host(struct hub *h, uint32_t host, const char *why)
{
	add_verdict(h, (struct verdict) { .host = host }, why);
}

void hub_accept(struct hub *h, uint32_t host)
{
	add_verdict(h, (struct verdict) { .host = host, .accept = true }, NULL);
}

void hub_wake(struct hub *h)
{
	loop_post(h->wake);
}

static void take_verdict(struct hub *h, const struct verdict *v)
{
	const struct message accept = { .kind = MESSAGE_ACCEPT };
	struct conn *c;

	if (!v->ticket) {
		HASH_FIND(hh, h->hosts, &v->host, sizeof(v->host), c);
		if (c && v->accept)
			conn_send(c, &accept);
		else if (c)
			conn_drop(c, v->text);
		return;
	}
	DL_SEARCH_SCALAR(h->conns, c, ticket, v->ticket);
	if (!c || c->state != CONN_STORING)
		return;
	if (v->r < 0) {
		refuse(c, "request", v->text);
		return;
	}
	c->state = CONN_READY;
	h->n_ready++;
}

static void take_verdicts(struct hub *h)
{
	struct verdict *verdicts;
	size_t n;

	pthread_mutex_lock(&h->lock);
	verdicts = take(&h->verdicts);
	n = h->n_verdicts;
	h->n_verdicts = 0;
	pthread_mutex_unlock(&h->lock);
	for (size_t i = 0; i < n; i++)
		take_verdict(h, &verdicts[i]);
	free(verdicts);
}

static void pass(struct hub *h)
{
	struct err err = { 0 };

	if (hub_pass(h, &err) < 0) {
		log_err("the log cannot be read, trying again: %s", err.text);
		loop_timer_arm(h->retry, RETRY_US);
	}
}

static void on_wake(void *arg)
{
	struct hub *h = arg;

	take_verdicts(h);
	pass(h);
}

static void on_retry(void *arg)
{
	pass(arg);
}

/* ---- time ---- */

static void beat(struct conn *c)
{
	struct message m = { .kind = MESSAGE_SERVER_HEARTBEAT, .heartbeat.position = c->hub->position };
	size_t limit = stream_backlog(c->stream) + HUB_MAX_BACKLOG;

	/* What a snapshot was allowed beyond the usual is taken back as it drains. */
	if (limit < c->limit) {
		c->limit = limit;
		stream_limit_backlog(c->stream, limit);
	}
	conn_send(c, &m);
}

/* Three heartbeats must be missed, however rare they are. */
static uint64_t silence_of(const struct conn *c)
{
	uint64_t ms = c->heartbeat_ms < MESSAGE_MAX_HEARTBEAT_MS ? c->heartbeat_ms : MESSAGE_MAX_HEARTBEAT_MS;

	return ms * 3000 > c->hub->silence_us ? ms * 3000 : c->hub->silence_us;
}

static void on_tick(void *arg)
{
	struct hub *h = arg;
	uint64_t now = loop_now_us(h->loop);
	struct conn *c, *tmp;

	h->beat = !h->beat;
	hub_forget_texts(h);
	DL_FOREACH_SAFE (h->conns, c, tmp) {
		if (now - c->heard_us > silence_of(c))
			conn_drop(c, "silent");
		else if (c->state == CONN_NEW && now - c->since_us > h->silence_us)
			conn_drop(c, "no hello");
		else if (c->state == CONN_LIVE && h->beat)
			beat(c);
	}
	loop_timer_arm(h->tick, h->heartbeat_us / 2);
}

void hub_set_times(struct hub *h, uint64_t heartbeat_us, uint64_t silence_us)
{
	h->heartbeat_us = heartbeat_us;
	h->silence_us = silence_us;
	loop_timer_arm(h->tick, heartbeat_us / 2);
}

/* ---- opening, closing ---- */

int hub_open(struct loop *l, const char *listen, const struct hub_source *source, struct hub **ret, struct err *err)
{
	struct hub *h = xcalloc(1, sizeof(*h));
	int r;

	r = listener_open(l, listen, on_accept, h, &h->listener, err);
	if (r < 0) {
		free(h);
		return r;
	}
	h->loop = l;
	h->source = source;
	h->wake = loop_wakeup(l, on_wake, h);
	h->tick = loop_timer(l, on_tick, h);
	h->retry = loop_timer(l, on_retry, h);
	pthread_mutex_init(&h->lock, NULL);
	utstring_new(h->line);
	hub_set_times(h, MESSAGE_HEARTBEAT_US, MESSAGE_SILENCE_US);
	*ret = h;
	return 0;
}

int hub_port(const struct hub *h)
{
	return listener_port(h->listener);
}

struct hub *hub_close(struct hub *h)
{
	struct conn *c, *tmp;

	if (!h)
		return NULL;
	listener_close(h->listener);
	DL_FOREACH_SAFE (h->conns, c, tmp) {
		stream_close(c->stream);
		conn_free(c);
	}
	loop_source_free(h->wake);
	loop_source_free(h->tick);
	loop_source_free(h->retry);
	hub_forget_texts(h);
	pthread_mutex_destroy(&h->lock);
	utstring_free(h->line);
	free(h->verdicts);
	free(h);
	return NULL;
}
