/* SPDX-License-Identifier: Apache-2.0 */
#include "io/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/where.h"

#define TURN_US 5000000 /* a test that waits this long for an event has failed */

struct end {
	struct stream *stream;
	char got[4096]; /* lines, each ended by '|' */
	size_t len, bytes;
	int connected, closed, r;
	char why[64];
	bool close_on_line, close_on_connect;
	struct stream *victim; /* closed on the first line */
	struct end *victim_end;
};

static struct loop *loop;
static int peer; /* the other end, a plain socket */

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	struct end *e = arg;

	assert_int_equal(strlen(line), len);
	e->len += (size_t)snprintf(e->got + e->len, sizeof(e->got) - e->len, "%s|", line);
	if (e->victim)
		stream_close(e->victim);
	e->victim = NULL;
	if (e->close_on_line) {
		stream_close(s);
		e->stream = NULL;
	}
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct end *e = arg;

	e->bytes += n;
	return stream_lines(s, bytes, n, on_line, arg);
}

static void on_connected(struct stream *s, void *arg)
{
	struct end *e = arg;

	e->connected++;
	if (e->close_on_connect)
		stream_close(s);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	struct end *e = arg;

	(void)s;
	e->closed++;
	e->r = r;
	snprintf(e->why, sizeof(e->why), "%s", why);
	e->stream = NULL;
}

static const struct stream_events events = { .data = on_data, .connected = on_connected, .closed = on_closed };

static void pair(struct end *e, const struct stream_options *options)
{
	int fd[2];

	memset(e, 0, sizeof(*e));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	peer = fd[1];
	e->stream = stream_new(loop, fd[0], options, &events, e);
}

static void say(const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void turn(void)
{
	assert_true(loop_turn(loop, TURN_US) > 0);
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new();
	peer = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	closep(&peer);
	loop_free(loop);
	return 0;
}

static void test_partial_lines(void **state)
{
	struct end e;

	(void)state;
	pair(&e, NULL);
	say("one\ntw");
	turn();
	assert_string_equal(e.got, "one|");
	say("o");
	turn();
	assert_string_equal(e.got, "one|");
	say("\n\nthree\nf");
	turn();
	assert_string_equal(e.got, "one|two||three|");
	close(peer);
	peer = -1;
	turn();
	assert_int_equal(e.closed, 1);
	assert_int_equal(e.r, 0);
}

static void test_sends_are_gathered(void **state)
{
	struct end e;
	char text[32] = "";

	(void)state;
	pair(&e, NULL);
	stream_send(e.stream, NULL, 0);
	stream_send(e.stream, "a", 1);
	stream_send(e.stream, "bc", 2);
	assert_int_equal(stream_backlog(e.stream), 3);
	assert_true(read(peer, text, sizeof(text)) < 0);
	turn();
	assert_int_equal(stream_backlog(e.stream), 0);
	assert_int_equal(read(peer, text, sizeof(text)), 3);
	assert_string_equal(text, "abc");
	stream_close(e.stream);
	assert_int_equal(e.closed, 0);
}

static void test_slow_reader_is_dropped(void **state)
{
	const struct stream_options options = { .max_backlog = 100000 };
	char block[10000];
	struct end e;
	int sent = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	pair(&e, &options);
	while (!e.closed && sent < 1000) {
		stream_send(e.stream, block, sizeof(block));
		sent++;
		loop_turn(loop, 0); /* nothing to do while the peer does not read */
	}
	assert_int_equal(e.closed, 1);
	assert_int_equal(e.r, -ENOBUFS);
	assert_string_equal(e.why, "too far behind");
}

static void test_slow_reader_gets_all(void **state)
{
	enum { TOTAL = 3000000 };
	static char block[TOTAL], back[65536];
	size_t n = 0, at = 0;
	struct end e;

	(void)state;
	for (size_t i = 0; i < TOTAL; i++)
		block[i] = (char)(i % 251);
	pair(&e, NULL);
	while (n < TOTAL) {
		ssize_t got;

		if (at < TOTAL && stream_backlog(e.stream) < 200000) {
			size_t part = TOTAL - at < 70001 ? TOTAL - at : 70001;

			stream_send(e.stream, block + at, part);
			at += part;
		}
		loop_turn(loop, 0);
		got = read(peer, back, sizeof(back));
		if (got > 0) {
			assert_memory_equal(back, block + n, (size_t)got);
			n += (size_t)got;
		}
	}
	assert_int_equal(e.closed, 0);
	stream_close(e.stream);
}

static void test_long_line_is_refused(void **state)
{
	const struct stream_options options = { .max_input = 1000 };
	char block[600];
	struct end e;

	(void)state;
	memset(block, 'x', sizeof(block));
	pair(&e, &options);
	assert_int_equal(write(peer, block, sizeof(block)), sizeof(block));
	turn();
	assert_int_equal(e.closed, 0);
	assert_int_equal(write(peer, block, sizeof(block)), sizeof(block));
	turn();
	assert_int_equal(e.closed, 1);
	assert_int_equal(e.r, -EMSGSIZE);
}

static void test_close_inside_callback(void **state)
{
	struct end e;

	(void)state;
	pair(&e, NULL);
	e.close_on_line = true;
	say("one\ntwo\n");
	turn();
	assert_string_equal(e.got, "one|");
	assert_int_equal(e.closed, 0);
	assert_null(e.stream);
}

static void test_close_of_another(void **state)
{
	struct end a, b;
	int peer_a;

	(void)state;
	pair(&a, NULL);
	peer_a = peer;
	pair(&b, NULL);
	a.victim = b.stream;
	b.victim = a.stream;
	say("to b\n");
	assert_int_equal(write(peer_a, "to a\n", 5), 5);
	/* Both are ready in one walk; whoever is first closes the other, which gets nothing any more. */
	turn();
	assert_true((a.len == 0) != (b.len == 0));
	stream_close(a.len ? a.stream : b.stream);
	close(peer_a);
}

static void test_peer_dies(void **state)
{
	struct end e;

	(void)state;
	pair(&e, NULL);
	say("last\n");
	close(peer);
	peer = -1;
	stream_send(e.stream, "lost", 4);
	while (!e.closed)
		turn();
	assert_true(e.r == 0 || e.r == -EPIPE || e.r == -ECONNRESET);
}

static void test_finish(void **state)
{
	struct end e;
	char text[32] = "";

	(void)state;
	pair(&e, NULL);
	stream_send(e.stream, "bye", 3);
	stream_finish(e.stream);
	turn();
	assert_int_equal(read(peer, text, sizeof(text)), 3);
	assert_int_equal(read(peer, text, sizeof(text)), 0);
	assert_int_equal(e.closed, 0);
}

struct server {
	struct end end;
	struct listener *listener;
	bool close_listener;
	int accepted;
};

static void on_accept(int fd, const char *who, void *arg)
{
	struct server *s = arg;

	assert_non_null(who);
	s->accepted++;
	s->end.stream = stream_new(loop, fd, NULL, &events, &s->end);
	if (s->close_listener)
		s->listener = listener_close(s->listener);
}

static void connect_and_talk(const char *where, struct server *s)
{
	struct end client = { 0 };
	struct err err;

	assert_int_equal(stream_connect(loop, where, NULL, &events, &client, &client.stream, &err), 0);
	stream_send(client.stream, "hello\n", 6); /* before it is connected */
	while (!s->end.len)
		turn();
	assert_int_equal(client.connected, 1);
	assert_string_equal(s->end.got, "hello|");
	stream_send(s->end.stream, "welcome\n", 8);
	while (!client.len)
		turn();
	assert_string_equal(client.got, "welcome|");
	stream_close(client.stream);
	while (!s->end.closed)
		turn();
	assert_int_equal(s->end.r, 0);
}

static void test_tcp(void **state)
{
	struct server s = { 0 };
	char where[64];
	struct err err;

	(void)state;
	assert_int_equal(listener_open(loop, "tcp:127.0.0.1:0", on_accept, &s, &s.listener, &err), 0);
	snprintf(where, sizeof(where), "tcp:localhost:%d", listener_port(s.listener));
	connect_and_talk(where, &s);
	listener_close(s.listener);
}

static void test_unix(void **state)
{
	char dir[] = "/tmp/stream_test.XXXXXX", where[80], path[64];
	struct server s = { 0 }, other = { 0 };
	struct err err;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(where, sizeof(where), "unix:%s", path);
	assert_int_equal(listener_open(loop, where, on_accept, &s, &s.listener, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	connect_and_talk(where, &s);
	/* It is served: a second one may not take it. */
	assert_int_equal(listener_open(loop, where, on_accept, &other, &other.listener, &err), -EADDRINUSE);
	listener_close(s.listener);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(rmdir(dir), 0);
}

static void test_stale_unix_path(void **state)
{
	char dir[] = "/tmp/stream_test.XXXXXX", where[80], path[64];
	struct server s = { 0 };
	struct where at;
	struct err err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(where, sizeof(where), "unix:%s", path);
	assert_int_equal(where_parse(where, &at, &err), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at.addr, at.len), 0);
	close(fd);
	assert_int_equal(listener_open(loop, where, on_accept, &s, &s.listener, &err), 0);
	s.close_listener = true;
	connect_and_talk(where, &s);
	assert_null(s.listener);
	assert_int_equal(rmdir(dir), 0);
}

static void test_connect_refused(void **state)
{
	struct server s = { 0 };
	struct end e = { 0 };
	char where[64];
	struct err err;
	int r;

	(void)state;
	assert_int_equal(listener_open(loop, "tcp:127.0.0.1:0", on_accept, &s, &s.listener, &err), 0);
	snprintf(where, sizeof(where), "tcp:127.0.0.1:%d", listener_port(s.listener));
	listener_close(s.listener);
	r = stream_connect(loop, where, NULL, &events, &e, &e.stream, &err);
	while (r == 0 && !e.closed)
		turn();
	assert_int_equal(r == 0 ? e.r : r, -ECONNREFUSED);
	assert_int_equal(e.connected, 0);
}

static void test_where(void **state)
{
	static const char *const bad[] = { "",
					   "tcp:",
					   "tcp:1.2.3.4",
					   "tcp::1",
					   "tcp:1.2.3.4:",
					   "tcp:1.2.3.4:70000",
					   "tcp:1.2.3.4:-1",
					   "tcp:no.such.name.invalid:1",
					   "unix:",
					   "udp:1.2.3.4:5" };
	struct where at;
	struct err err;
	char text[64];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_true(where_parse(bad[i], &at, &err) < 0);
	assert_int_equal(where_parse("tcp:[2001:db8::1]:9697", &at, &err), 0);
	where_format(&at.addr, text, sizeof(text));
	assert_string_equal(text, "[2001:db8::1]:9697");
	assert_int_equal(where_parse("tcp:192.0.2.1:9697", &at, &err), 0);
	where_format(&at.addr, text, sizeof(text));
	assert_string_equal(text, "192.0.2.1:9697");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_partial_lines),
		T(test_sends_are_gathered),
		T(test_slow_reader_is_dropped),
		T(test_slow_reader_gets_all),
		T(test_long_line_is_refused),
		T(test_close_inside_callback),
		T(test_close_of_another),
		T(test_peer_dies),
		T(test_finish),
		T(test_tcp),
		T(test_unix),
		T(test_stale_unix_path),
		T(test_connect_refused),
		T(test_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
