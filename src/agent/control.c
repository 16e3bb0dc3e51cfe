/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/control.h"

#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"

#define MAX_REQUEST 65536
#define MAX_ANSWER (256U << 20)
#define MAX_PEERS 16
#define ANSWER_US 30000000

struct peer {
	struct control *control;
	struct stream *stream;
	struct peer *prev, *next;
};

struct control {
	struct loop *loop;
	struct agent *agent;
	struct listener *listener;
	struct peer *peers;
	unsigned n_peers;
};

static const struct stream_options server_options = { .max_input = MAX_REQUEST, .max_backlog = MAX_ANSWER };

static void peer_free(struct peer *p)
{
	DL_DELETE(p->control->peers, p);
	p->control->n_peers--;
	free(p);
}

static void on_request(struct stream *s, char *line, size_t len, void *arg)
{
	_cleanup_(utstring_freep) UT_string *answer = NULL;
	_cleanup_(json_decrefp) json_t *json = NULL;
	struct peer *p = arg;
	struct err err = { 0 };
	const char *request;

	utstring_new(answer);
	if (json_read(line, len, &json, &err) < 0 || json_get_string(json, "request", &request, &err) < 0) {
		struct jw w = jw_init(answer);

		jw_object(&w);
		jw_kv_string(&w, "error", err.text);
		jw_end_object(&w);
	} else {
		control_answer(p->control->agent, request, answer);
	}
	stream_send(s, utstring_body(answer), utstring_len(answer));
	stream_send(s, "\n", 1);
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	return stream_lines(s, bytes, n, on_request, arg);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	(void)s;
	(void)r;
	(void)why;
	peer_free(arg);
}

static const struct stream_events server_events = { .data = on_data, .closed = on_closed };

static void on_accept(int fd, const char *who, void *arg)
{
	struct control *c = arg;
	struct peer *p;

	(void)who;
	if (c->n_peers >= MAX_PEERS) {
		close(fd);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	p->control = c;
	p->stream = stream_new(c->loop, fd, &server_options, &server_events, p);
	DL_APPEND(c->peers, p);
	c->n_peers++;
}

int control_open(struct loop *l, const char *where, struct agent *a, struct control **ret, struct err *err)
{
	struct control *c = xcalloc(1, sizeof(*c));
	int r;

	c->loop = l;
	c->agent = a;
	r = listener_open(l, where, on_accept, c, &c->listener, err);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct control *control_close(struct control *c)
{
	struct peer *p, *tmp;

	if (!c)
		return NULL;
	listener_close(c->listener);
	DL_FOREACH_SAFE (c->peers, p, tmp) {
		stream_close(p->stream);
		peer_free(p);
	}
	free(c);
	return NULL;
}

/* ---- the other end ---- */

struct ask {
	struct loop *loop;
	struct stream *stream;
	bool json;
	UT_string *out;
	struct err *err;
	int r;
};

static void ask_done(struct ask *q, int r)
{
	q->r = r;
	loop_stop(q->loop, 0);
}

static void on_answer(struct stream *s, char *line, size_t len, void *arg)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	struct ask *q = arg;
	const char *text;
	struct jw w = jw_init(q->out);
	int r;

	(void)s;
	r = json_read(line, len, &json, q->err);
	if (r == 0 && json_object_get(json, "error")) {
		text = json_string_value(json_object_get(json, "error"));
		r = err_set(q->err, ERR_BAD_REQUEST, "", "%s", text ? text : "the agent refused");
	} else if (r == 0 && q->json) {
		jw_json(&w, json_object_get(json, "data"));
		utstring_bincpy(q->out, "\n", 1);
	} else if (r == 0) {
		r = json_get_string(json, "text", &text, q->err);
		if (r == 0)
			utstring_bincpy(q->out, text, strlen(text));
	}
	ask_done(q, r);
}

static size_t on_answer_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	return stream_lines(s, bytes, n, on_answer, arg);
}

static void on_answer_closed(struct stream *s, int r, const char *why, void *arg)
{
	struct ask *q = arg;

	(void)s;
	(void)r;
	q->stream = NULL;
	ask_done(q, err_set(q->err, ERR_UNAVAILABLE, "", "the agent does not answer: %s", why));
}

static void on_timeout(void *arg)
{
	struct ask *q = arg;

	ask_done(q, err_set(q->err, ERR_UNAVAILABLE, "", "the agent does not answer"));
}

int control_ask(const char *where, const char *request, bool json, UT_string *out, struct err *err)
{
	static const struct stream_events events = { .data = on_answer_data, .closed = on_answer_closed };
	const struct stream_options options = { .max_input = MAX_ANSWER };
	struct ask q = { .loop = loop_new(), .json = json, .out = out, .err = err };
	_cleanup_(utstring_freep) UT_string *line = NULL;
	struct loop_source *timeout;
	struct jw w;
	int r;

	utstring_new(line);
	w = jw_init(line);
	jw_object(&w);
	jw_kv_string(&w, "request", request);
	jw_end_object(&w);
	utstring_bincpy(line, "\n", 1);
	r = stream_connect(q.loop, where, &options, &events, &q, &q.stream, err);
	if (r < 0) {
		loop_free(q.loop);
		return r;
	}
	timeout = loop_timer(q.loop, on_timeout, &q);
	loop_timer_arm(timeout, ANSWER_US);
	stream_send(q.stream, utstring_body(line), utstring_len(line));
	loop_run(q.loop);
	stream_close(q.stream);
	loop_source_free(timeout);
	loop_free(q.loop);
	return q.r;
}
