/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"

/*
 *     ┌─► pause ─timer─► connecting ─► hello sent ─welcome─► up ─┐
 *     └────────────── closed, refused, silent, senseless ◄───────┘
 *
 * The pause grows with each attempt that did not come up, and begins anew after one that did.
 */

#define PAUSE_MIN_US 200000
#define PAUSE_MAX_US 5000000

struct client {
	struct loop *loop;
	char *where;
	const struct client_events *events;
	void *arg;
	struct stream *stream;
	bool up;
	unsigned attempts; /* since it was last up */
	uint64_t heard_us, pause_min_us, pause_max_us, silence_us;
	struct loop_source *first, *retry, *silence;
};

static uint64_t random_below(uint64_t n)
{
	uint64_t x = 0;

	/* Only jitter: a failure makes it 0, and does no harm. */
	if (getrandom(&x, sizeof(x), GRND_NONBLOCK) < 0)
		x = 0;
	return n ? x % n : 0;
}

/* Between half of the pause and the whole. */
static void try_later(struct client *c)
{
	uint64_t pause = c->pause_min_us;

	for (unsigned i = 0; i < c->attempts && pause < c->pause_max_us; i++)
		pause *= 2;
	if (pause > c->pause_max_us)
		pause = c->pause_max_us;
	c->attempts++;
	loop_timer_arm(c->retry, pause / 2 + random_below(pause / 2 + 1));
}

static void lost(struct client *c, const char *why)
{
	c->stream = NULL;
	c->up = false;
	loop_timer_off(c->silence);
	try_later(c);
	c->events->down(why, c->arg);
}

static void hang_up(struct client *c, const char *why)
{
	stream_close(c->stream);
	lost(c, why);
}

static void on_message(struct client *c, const struct message *m)
{
	struct err err = { 0 };
	char why[384];

	if (m->kind == MESSAGE_REFUSED) {
		snprintf(why, sizeof(why), "refused (%s): %s", m->refused.reason, m->refused.text);
		hang_up(c, why);
		return;
	}
	if ((m->kind == MESSAGE_WELCOME) == c->up) {
		hang_up(c, c->up ? "a second welcome" : "no welcome");
		return;
	}
	if (m->kind == MESSAGE_WELCOME && m->welcome.proto != MESSAGE_PROTO) {
		hang_up(c, "the server chose a protocol that this agent does not speak");
		return;
	}
	if (m->kind == MESSAGE_WELCOME) {
		c->up = true;
		c->attempts = 0;
	}
	if (c->events->message(m, &err, c->arg) < 0)
		hang_up(c, err.text);
}

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	struct client *c = arg;
	struct err err = { 0 };
	struct message m;
	int r = message_decode(MESSAGE_SERVER, line, len, &m, &err);

	(void)s;
	if (r < 0) {
		hang_up(c, err.text);
		return;
	}
	if (r > 0) {
		LOG_LIMIT(log_warn, 1, "a message of the server was not understood, skipped");
		return;
	}
	on_message(c, &m);
	message_fini(&m);
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct client *c = arg;

	c->heard_us = loop_now_us(c->loop);
	return stream_lines(s, bytes, n, on_line, c);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	(void)s;
	(void)r;
	lost(arg, why);
}

static const struct stream_events stream_events = { .data = on_data, .closed = on_closed };

static void send_message(struct client *c, const struct message *m)
{
	_cleanup_(utstring_freep) UT_string *line = NULL;

	utstring_new(line);
	message_encode(m, line);
	stream_send(c->stream, utstring_body(line), utstring_len(line));
}

static void on_retry(void *arg)
{
	const struct stream_options options = { .max_input = MESSAGE_MAX_LINE };
	struct message m = { .kind = MESSAGE_HELLO };
	struct client *c = arg;
	struct err err = { 0 };

	m.hello.proto_min = m.hello.proto_max = MESSAGE_PROTO;
	if (c->events->hello(&m.hello, &err, c->arg) < 0 ||
	    stream_connect(c->loop, c->where, &options, &stream_events, c, &c->stream, &err) < 0) {
		lost(c, err.text);
		return;
	}
	send_message(c, &m); /* goes out once it is connected */
	explicit_bzero(&m, sizeof(m));
	c->heard_us = loop_now_us(c->loop);
	loop_timer_arm(c->silence, c->silence_us);
}

static void on_silence(void *arg)
{
	struct client *c = arg;
	uint64_t silent_us = loop_now_us(c->loop) - c->heard_us;

	if (silent_us >= c->silence_us)
		hang_up(c, "silent for too long");
	else
		loop_timer_arm(c->silence, c->silence_us - silent_us);
}

struct client *client_new(struct loop *l, const char *where, const struct client_events *events, void *arg)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->where = xstrdup(where);
	c->events = events;
	c->arg = arg;
	c->pause_min_us = PAUSE_MIN_US;
	c->pause_max_us = PAUSE_MAX_US;
	c->silence_us = MESSAGE_SILENCE_US;
	c->first = loop_idle(l, on_retry, c);
	c->retry = loop_timer(l, on_retry, c);
	c->silence = loop_timer(l, on_silence, c);
	loop_idle_arm(c->first);
	return c;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	stream_close(c->stream);
	loop_source_free(c->first);
	loop_source_free(c->retry);
	loop_source_free(c->silence);
	free(c->where);
	free(c);
	return NULL;
}

bool client_is_up(const struct client *c)
{
	return c->up;
}

void client_send(struct client *c, const struct message *m)
{
	if (c->up)
		send_message(c, m);
}

void client_set_times(struct client *c, uint64_t pause_min_us, uint64_t pause_max_us, uint64_t silence_us)
{
	c->pause_min_us = pause_min_us;
	c->pause_max_us = pause_max_us;
	c->silence_us = silence_us;
}
