/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/jsonrpc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"

struct request {
	struct request *prev, *next;
	json_int_t id;
	jsonrpc_done done;
	void *arg;
};

struct jsonrpc {
	struct stream *stream;
	struct jsonrpc_events events;
	struct jsonrpc_scan scan;
	struct request *requests; /* unanswered, oldest first */
	json_int_t next_id;
	struct loop_source *timer;
	uint64_t probe_us;
	bool heard; /* something came since the timer was set */
	unsigned strikes; /* times that the timer found nothing heard */
	bool busy; /* in a callback */
};

ssize_t jsonrpc_scan(struct jsonrpc_scan *s, const char *bytes, size_t n)
{
	for (; s->at < n; s->at++) {
		char c = bytes[s->at];

		if (s->string) {
			s->string = s->escape || c != '"';
			s->escape = !s->escape && c == '\\';
		} else if (c == '{' || (c == '[' && s->depth > 0)) {
			if (++s->depth > JSONRPC_MAX_DEPTH)
				return -EBADMSG;
		} else if (s->depth == 0) {
			if (!strchr(" \t\r\n", c) || c == '\0')
				return -EBADMSG;
		} else if (c == '"') {
			s->string = true;
		} else if ((c == '}' || c == ']') && --s->depth == 0) {
			return (ssize_t)++s->at;
		}
	}
	return 0;
}

static void request_free(struct jsonrpc *j, struct request *q)
{
	DL_DELETE(j->requests, q);
	free(q);
}

static void jsonrpc_free(struct jsonrpc *j)
{
	struct request *q, *next;

	DL_FOREACH_SAFE (j->requests, q, next)
		request_free(j, q);
	loop_source_free(j->timer);
	free(j);
}

struct jsonrpc *jsonrpc_close(struct jsonrpc *j)
{
	if (!j)
		return NULL;
	assert(!j->busy);
	stream_close(j->stream);
	jsonrpc_free(j);
	return NULL;
}

/* The stream is closed. What is asked from a callback here has nobody to go to, and is answered too. */
static void end(struct jsonrpc *j, const char *why)
{
	struct request *q;

	j->busy = true;
	j->stream = NULL;
	while ((q = j->requests)) {
		DL_DELETE(j->requests, q);
		if (q->done)
			q->done(-ECONNRESET, NULL, NULL, q->arg);
		free(q);
	}
	j->events.closed(why, j->events.arg);
	jsonrpc_free(j);
}

static void send_message(struct jsonrpc *j, const char *key, const char *method, const char *list, const json_t *params,
			 const json_t *id)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct jw w;

	if (!j->stream)
		return;
	utstring_new(out);
	w = jw_init(out);
	jw_object(&w);
	jw_kv_string(&w, key, method);
	jw_key(&w, list);
	jw_json(&w, params);
	jw_key(&w, "id");
	jw_json(&w, id);
	jw_end_object(&w);
	stream_send(j->stream, utstring_body(out), utstring_len(out));
}

void jsonrpc_request(struct jsonrpc *j, const char *method, json_t *params, jsonrpc_done done, void *arg)
{
	struct request *q = xcalloc(1, sizeof(*q));
	json_t *id = json_integer(++j->next_id);

	q->id = j->next_id;
	q->done = done;
	q->arg = arg;
	DL_APPEND(j->requests, q);
	send_message(j, "method", method, "params", params, id);
	json_decref(params);
	json_decref(id);
}

static int take_request(struct jsonrpc *j, const json_t *message, const json_t *id)
{
	const char *method = json_string_value(json_object_get(message, "method"));
	const json_t *params = json_object_get(message, "params");

	if (!json_is_array(params))
		return -EBADMSG;
	if (!strcmp(method, "echo")) {
		if (id && !json_is_null(id))
			send_message(j, "error", NULL, "result", params, id);
		return 0;
	}
	return j->events.notify(method, params, j->events.arg);
}

static int take_reply(struct jsonrpc *j, const json_t *message, const json_t *id)
{
	const json_t *error = json_object_get(message, "error"), *result = json_object_get(message, "result");
	bool failed = error && !json_is_null(error);
	struct request *q;
	int r = 0;

	if (!json_is_integer(id) || (!failed && !result))
		return -EBADMSG;
	DL_SEARCH_SCALAR(j->requests, q, id, json_integer_value(id));
	if (!q)
		return -EBADMSG;
	DL_DELETE(j->requests, q);
	if (q->done)
		r = q->done(failed ? -EIO : 0, failed ? NULL : result, failed ? error : NULL, q->arg);
	free(q);
	return r;
}

static int take_message(struct jsonrpc *j, const char *bytes, size_t n)
{
	json_t *message;
	const json_t *id;
	int r = json_read(bytes, n, &message, NULL);

	if (r < 0)
		return r;
	id = json_object_get(message, "id");
	r = json_is_string(json_object_get(message, "method")) ? take_request(j, message, id)
							       : take_reply(j, message, id);
	json_decref(message);
	return r;
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct jsonrpc *j = arg;
	ssize_t len = jsonrpc_scan(&j->scan, bytes, n);
	int r;

	j->heard = true;
	if (len == 0)
		return 0;
	j->busy = true;
	r = len < 0 ? (int)len : take_message(j, bytes, (size_t)len);
	j->busy = false;
	j->scan = (struct jsonrpc_scan) { 0 };
	if (r >= 0)
		return (size_t)len;
	stream_close(s);
	end(j, "it sent what is not understood");
	return 0;
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	(void)s;
	(void)r;
	end(arg, why);
}

/*
 * Silence, an echo, silence. Then one turn more: after a long pause of our own the timer may come before what the peer
 * has sent meanwhile.
 */
static void on_timer(void *arg)
{
	struct jsonrpc *j = arg;

	if (j->heard) {
		j->strikes = 0;
	} else if (++j->strikes == 3) {
		stream_close(j->stream);
		end(j, "it is silent");
		return;
	} else if (j->strikes == 1) {
		jsonrpc_request(j, "echo", json_array(), NULL, NULL);
	}
	j->heard = false;
	loop_timer_arm(j->timer, j->strikes == 2 ? 0 : j->probe_us);
}

int jsonrpc_open(struct loop *loop, const char *where, uint64_t probe_us, const struct jsonrpc_events *events,
		 struct jsonrpc **ret, struct err *err)
{
	static const struct stream_events stream_events = { .data = on_data, .closed = on_closed };
	static const struct stream_options options = { .max_input = JSONRPC_MAX_MESSAGE,
						       .max_backlog = JSONRPC_MAX_MESSAGE };
	struct jsonrpc *j = xcalloc(1, sizeof(*j));
	int r = stream_connect(loop, where, &options, &stream_events, j, &j->stream, err);

	if (r < 0) {
		free(j);
		return r;
	}
	j->events = *events;
	j->probe_us = probe_us;
	j->timer = loop_timer(loop, on_timer, j);
	loop_timer_arm(j->timer, probe_us);
	*ret = j;
	return 0;
}
