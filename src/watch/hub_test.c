/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/hub.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/where.h"

#define TURN_US 5000000 /* a test that waits this long for an event has failed */
#define INCARNATION "6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01"
#define OTHER "00000000-0b1e-4f0e-9d52-2f4b6f1f6a01"

/* ---- a source in memory ---- */

struct row {
	struct hub_row row;
	char json[128], request_id[32];
};

/* One object of a unit, as text; in and out of the view as the tests say. */
struct thing {
	struct unit unit;
	char json[128];
};

static struct source {
	struct row rows[64];
	size_t n_rows;
	uint64_t position, oldest;
	struct thing things[64];
	size_t n_things;
	struct {
		uint32_t host;
		struct unit unit;
	} needs[16];
	size_t n_needs;
	int begun, begin_fails, hello_fails, reports, heartbeats, log_reads;
	size_t big; /* objects of network:9 are this many lines */
	bool late_hello;
	uint64_t ticket;
} src;

static struct loop *loop;
static struct hub *hub;

static struct unit unit(const char *text)
{
	struct unit u;

	assert_int_equal(unit_parse(text, &u), 0);
	return u;
}

static const char *src_incarnation(void *arg)
{
	(void)arg;
	return INCARNATION;
}

static int src_begin(void *arg, uint64_t *ret_position, uint64_t *ret_oldest, struct err *err)
{
	(void)arg;
	if (src.begin_fails-- > 0)
		return err_set(err, ERR_INTERNAL, "", "begin failed");
	assert_int_equal(src.begun, 0);
	src.begun = 1;
	*ret_position = src.position;
	*ret_oldest = src.oldest;
	return 0;
}

static void src_end(void *arg)
{
	(void)arg;
	assert_int_equal(src.begun, 1);
	src.begun = 0;
}

static int src_log(void *arg, uint64_t after, hub_row_fn fn, void *fn_arg)
{
	(void)arg;
	assert_int_equal(src.begun, 1);
	src.log_reads++;
	for (size_t i = 0; i < src.n_rows; i++)
		if (src.rows[i].row.position > after)
			fn(&src.rows[i].row, fn_arg);
	return 0;
}

static int src_host_log(void *arg, uint32_t host, uint64_t after, hub_row_fn fn, void *fn_arg)
{
	(void)arg;
	assert_int_equal(src.begun, 1);
	for (size_t i = 0; i < src.n_rows; i++)
		if (src.rows[i].row.position > after && src.rows[i].row.host == host)
			fn(&src.rows[i].row, fn_arg);
	return 0;
}

static int src_units(void *arg, uint32_t host, hub_unit_fn fn, void *fn_arg)
{
	(void)arg;
	for (size_t i = 0; i < src.n_needs; i++)
		if (src.needs[i].host == host)
			fn(&src.needs[i].unit, fn_arg);
	return 0;
}

static int src_objects(void *arg, const struct unit *u, hub_json_fn fn, void *fn_arg)
{
	(void)arg;
	for (size_t i = 0; i < src.n_things; i++)
		if (!memcmp(&src.things[i].unit, u, sizeof(*u)))
			fn(src.things[i].json, fn_arg);
	for (size_t i = 0; u->num == 9 && i < src.big; i++)
		fn("{\"kind\":\"subnet\",\"num\":1,\"unit\":\"network:9\"}", fn_arg);
	return 0;
}

static int src_authenticate(void *arg, const char *host, const char *token, uint32_t *ret_host, struct err *err)
{
	(void)arg;
	if (strncmp(host, "compute", 7) != 0 || strcmp(token, "secret") != 0)
		return err_set(err, ERR_UNAUTHORIZED, "", "unknown host or wrong token");
	*ret_host = (uint32_t)strtoul(host + 7, NULL, 10);
	return 0;
}

static void src_hello(void *arg, uint32_t host, const json_t *hello, uint64_t ticket)
{
	(void)arg;
	(void)host;
	assert_string_equal(json_string_value(json_object_get(hello, "vif_type")), "tap");
	src.ticket = ticket;
	if (!src.late_hello)
		hub_hello_done(hub, ticket, src.hello_fails, src.hello_fails ? "no room" : NULL);
}

static void src_report(void *arg, uint32_t host, const json_t *report)
{
	(void)arg;
	assert_int_equal(host, 1);
	assert_int_equal(json_integer_value(json_object_get(report, "applied")), 7);
	src.reports++;
}

static void src_heartbeat(void *arg, uint32_t host, const json_t *heartbeat)
{
	(void)arg;
	(void)host;
	(void)heartbeat;
	src.heartbeats++;
}

static const struct hub_source source = {
	.incarnation = src_incarnation,
	.begin = src_begin,
	.end = src_end,
	.log = src_log,
	.host_log = src_host_log,
	.units = src_units,
	.objects = src_objects,
	.authenticate = src_authenticate,
	.hello = src_hello,
	.report = src_report,
	.heartbeat = src_heartbeat,
};

static void thing(const char *u, const char *name)
{
	struct thing *t = &src.things[src.n_things++];

	t->unit = unit(u);
	snprintf(t->json, sizeof(t->json), "\"%s\"", name);
}

static void need(uint32_t host, const char *u)
{
	src.needs[src.n_needs].host = host;
	src.needs[src.n_needs++].unit = unit(u);
}

static void row(uint64_t position, enum hub_op op, const char *u, uint32_t host, const char *name)
{
	struct row *r = &src.rows[src.n_rows++];

	snprintf(r->json, sizeof(r->json), "\"%s\"", name);
	snprintf(r->request_id, sizeof(r->request_id), "req-%d", (int)position);
	r->row = (struct hub_row) { position, op, unit(u), host, r->json, r->request_id };
	src.position = position;
}

/* ---- an agent ---- */

#define HELLO                                                                                                          \
	"{\"hello\":{\"proto_min\":1,\"proto_max\":2,\"host\":\"%s\",\"token\":\"%s\",\"datapath\":\"fake\",\"vif_"    \
	"type\":"                                                                                                      \
	"\"tap\",\"tunnel_ip\":\"192.0.2.1\"%s}}\n"

struct agent {
	struct stream *stream;
	char got[65536];
	size_t len, bytes;
	int lines, closed;
	bool deaf;
};

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	struct agent *a = arg;

	(void)s;
	a->lines++;
	if (a->len + len + 2 < sizeof(a->got))
		a->len += (size_t)snprintf(a->got + a->len, sizeof(a->got) - a->len, "%s\n", line);
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct agent *a = arg;

	a->bytes += n;
	return stream_lines(s, bytes, n, on_line, arg);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	struct agent *a = arg;

	(void)s;
	(void)r;
	(void)why;
	a->closed++;
	a->stream = NULL;
}

static const struct stream_events agent_events = { .data = on_data, .closed = on_closed };

static void turn(void)
{
	assert_true(loop_turn(loop, TURN_US) > 0);
}

static void say(struct agent *a, const char *text)
{
	stream_send(a->stream, text, strlen(text));
}

static struct agent *agent_new(void)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	char where[64];
	struct err err;

	snprintf(where, sizeof(where), "tcp:127.0.0.1:%d", hub_port(hub));
	assert_int_equal(stream_connect(loop, where, NULL, &agent_events, a, &a->stream, &err), 0);
	return a;
}

static struct agent *agent_hello(const char *host, const char *token, const char *resume)
{
	struct agent *a = agent_new();
	char text[512];

	snprintf(text, sizeof(text), HELLO, host, token, resume);
	say(a, text);
	return a;
}

static void agent_free(struct agent *a)
{
	stream_close(a->stream);
	free(a);
}

/* Turns until the text has come, and forgets everything up to its end. */
static void await(struct agent *a, const char *text)
{
	char *at;

	while (!(at = strstr(a->got, text)))
		turn();
	at += strlen(text);
	a->len = (size_t)(a->got + a->len - at);
	memmove(a->got, at, a->len + 1);
}

/* Exactly these lines have come, in this order, and nothing else. */
static void expect(struct agent *a, const char *text)
{
	while (a->len < strlen(text))
		turn();
	assert_string_equal(a->got, text);
	a->len = 0;
	a->got[0] = '\0';
}

static void await_closed(struct agent *a)
{
	while (!a->closed)
		turn();
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	memset(&src, 0, sizeof(src));
	src.position = 10;
	src.oldest = 1;
	loop = loop_new();
	assert_int_equal(hub_open(loop, "tcp:127.0.0.1:0", &source, &hub, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hub_close(hub);
	loop_free(loop);
	return 0;
}

#define WELCOME(mode)                                                                                                  \
	"{\"welcome\":{\"proto\":1,\"incarnation\":\"" INCARNATION "\",\"host\":1,\"mode\":\"" mode "\"}}\n"
#define RESUME(incarnation, position) ",\"resume\":{\"incarnation\":\"" incarnation "\",\"position\":" position "}"

/* ---- the tests ---- */

static void test_snapshot_then_changes(void **state)
{
	struct agent *a;

	(void)state;
	need(1, "host:1");
	thing("host:1", "h1");
	thing("host:2", "not for it");
	row(11, HUB_SET, "host:1", 0, "before it came");
	a = agent_hello("compute1", "secret", "");
	expect(a, WELCOME("snapshot") "{\"set\":\"h1\"}\n{\"frame\":{\"position\":11,\"snapshot\":true}}\n");
	/* Two API calls, one of them in two rows, and one that is not for this host. */
	row(12, HUB_SET, "host:1", 0, "a");
	row(12, HUB_DEL, "host:1", 0, "b");
	row(13, HUB_SET, "network:5", 0, "not for it");
	row(14, HUB_SET, "host:1", 0, "c");
	hub_wake(hub);
	expect(a, "{\"set\":\"a\"}\n{\"del\":\"b\"}\n{\"frame\":{\"position\":12,\"request_id\":\"req-12\"}}\n"
		  "{\"set\":\"c\"}\n{\"frame\":{\"position\":14,\"request_id\":\"req-14\"}}\n");
	say(a, "{\"report\":{\"applied\":7,\"ports\":[]}}\n{\"unheard\":{}}\n{\"heartbeat\":{\"applied\":7}}\n");
	while (!src.heartbeats)
		turn();
	assert_int_equal(src.reports, 1);
	assert_int_equal(a->closed, 0);
	agent_free(a);
}

static void test_enter_and_drop(void **state)
{
	struct agent *a;

	(void)state;
	need(1, "host:1");
	a = agent_hello("compute1", "secret", "");
	await(a, "snapshot\":true}}\n");
	/* The view is of the end of the batch: rows of the unit behind its entering are in it already. */
	thing("network:7", "n7 as of 13");
	row(11, HUB_SET, "network:7", 0, "before it is entered");
	row(12, HUB_ENTER, "network:7", 1, "");
	row(12, HUB_ENTER, "network:7", 2, "");
	row(13, HUB_SET, "network:7", 0, "n7 as of 13");
	row(13, HUB_DEL, "network:7", 0, "gone before the view");
	hub_wake(hub);
	expect(a, "{\"enter\":\"network:7\"}\n{\"set\":\"n7 as of 13\"}\n"
		  "{\"frame\":{\"position\":12,\"request_id\":\"req-12\"}}\n");
	row(14, HUB_SET, "network:7", 0, "n7 as of 14");
	hub_wake(hub);
	expect(a, "{\"set\":\"n7 as of 14\"}\n{\"frame\":{\"position\":14,\"request_id\":\"req-14\"}}\n");
	row(15, HUB_DROP, "network:7", 1, "");
	row(16, HUB_SET, "network:7", 0, "no more");
	row(17, HUB_SET, "host:1", 0, "end");
	hub_wake(hub);
	expect(a, "{\"drop\":\"network:7\"}\n{\"frame\":{\"position\":15,\"request_id\":\"req-15\"}}\n"
		  "{\"set\":\"end\"}\n{\"frame\":{\"position\":17,\"request_id\":\"req-17\"}}\n");
	agent_free(a);
}

static void test_resume(void **state)
{
	struct agent *a;

	(void)state;
	/* At 11 it had host:1, network:6 and network:8; since then 6 was dropped and 7 entered. */
	need(1, "host:1");
	need(1, "network:7");
	need(1, "network:8");
	thing("network:7", "n7 now");
	row(11, HUB_SET, "host:1", 0, "known");
	row(12, HUB_SET, "network:6", 0, "n6");
	row(13, HUB_DROP, "network:6", 1, "");
	row(13, HUB_SET, "network:6", 0, "not for it");
	row(14, HUB_SET, "network:7", 0, "not yet for it");
	row(15, HUB_ENTER, "network:7", 1, "");
	row(16, HUB_SET, "network:7", 0, "n7 now");
	row(16, HUB_SET, "network:8", 0, "n8");
	a = agent_hello("compute1", "secret", RESUME(INCARNATION, "11"));
	expect(a,
	       WELCOME("resume") "{\"set\":\"n6\"}\n{\"frame\":{\"position\":12,\"request_id\":\"req-12\"}}\n"
				 "{\"drop\":\"network:6\"}\n{\"frame\":{\"position\":13,\"request_id\":\"req-13\"}}\n"
				 "{\"enter\":\"network:7\"}\n{\"set\":\"n7 now\"}\n"
				 "{\"frame\":{\"position\":15,\"request_id\":\"req-15\"}}\n"
				 "{\"set\":\"n8\"}\n{\"frame\":{\"position\":16,\"request_id\":\"req-16\"}}\n");
	row(17, HUB_SET, "network:7", 0, "live");
	hub_wake(hub);
	expect(a, "{\"set\":\"live\"}\n{\"frame\":{\"position\":17,\"request_id\":\"req-17\"}}\n");
	agent_free(a);
}

/* What it has missed is more than a stream may owe otherwise: it is sent all the same, and the next pass is usual. */
static void test_resume_over_much(void **state)
{
	_cleanup_(freep) char *text = xmalloc(1000000);
	struct agent *a;

	(void)state;
	need(1, "host:1");
	memset(text, 'x', 999999);
	text[0] = text[999998] = '"';
	text[999999] = '\0';
	for (uint64_t i = 11; i < 21; i++) {
		row(i, HUB_SET, "host:1", 0, "");
		src.rows[src.n_rows - 1].row.json = text;
	}
	a = agent_hello("compute1", "secret", RESUME(INCARNATION, "10"));
	await(a, "\"position\":20,");
	row(21, HUB_SET, "host:1", 0, "on it goes");
	hub_wake(hub);
	await(a, "on it goes");
	agent_free(a);
}

/* One pass for a host that is live and two that resume from different positions: each what it has not seen. */
static void test_resume_beside_others(void **state)
{
	struct agent *live, *a, *b;

	(void)state;
	for (uint32_t host = 1; host <= 3; host++)
		need(host, "network:7");
	live = agent_hello("compute1", "secret", "");
	await(live, "snapshot\":true}}\n");
	row(11, HUB_SET, "network:7", 0, "eleven");
	row(12, HUB_SET, "network:7", 0, "twelve");
	src.late_hello = true;
	src.ticket = 0;
	a = agent_hello("compute2", "secret", RESUME(INCARNATION, "10"));
	while (!src.ticket)
		turn();
	hub_hello_done(hub, src.ticket, 0, NULL);
	src.ticket = 0;
	b = agent_hello("compute3", "secret", RESUME(INCARNATION, "11"));
	while (!src.ticket)
		turn();
	row(13, HUB_SET, "network:7", 0, "thirteen");
	hub_hello_done(hub, src.ticket, 0, NULL);
	await(live, "{\"set\":\"eleven\"}\n{\"frame\":{\"position\":11,\"request_id\":\"req-11\"}}\n");
	expect(live, "{\"set\":\"twelve\"}\n{\"frame\":{\"position\":12,\"request_id\":\"req-12\"}}\n"
		     "{\"set\":\"thirteen\"}\n{\"frame\":{\"position\":13,\"request_id\":\"req-13\"}}\n");
	await(a, "{\"set\":\"eleven\"}\n{\"frame\":{\"position\":11,\"request_id\":\"req-11\"}}\n");
	expect(a, "{\"set\":\"twelve\"}\n{\"frame\":{\"position\":12,\"request_id\":\"req-12\"}}\n"
		  "{\"set\":\"thirteen\"}\n{\"frame\":{\"position\":13,\"request_id\":\"req-13\"}}\n");
	await(b, "\"mode\":\"resume\"}}\n");
	expect(b, "{\"set\":\"twelve\"}\n{\"frame\":{\"position\":12,\"request_id\":\"req-12\"}}\n"
		  "{\"set\":\"thirteen\"}\n{\"frame\":{\"position\":13,\"request_id\":\"req-13\"}}\n");
	agent_free(live);
	agent_free(a);
	agent_free(b);
}

static void resume_refused(const char *resume)
{
	struct agent *a = agent_hello("compute1", "secret", resume);

	await(a, "\"mode\":\"snapshot\"");
	await(a, "snapshot\":true}}\n");
	agent_free(a);
}

static void test_resume_refused(void **state)
{
	struct agent *a;

	(void)state;
	need(1, "host:1");
	row(20, HUB_SET, "host:1", 0, "x");
	src.oldest = 15;
	resume_refused(RESUME(INCARNATION, "13")); /* trimmed: 14 is gone */
	resume_refused(RESUME(INCARNATION, "21")); /* from the future */
	resume_refused(RESUME(OTHER, "20"));
	a = agent_hello("compute1", "secret", RESUME(INCARNATION, "14"));
	await(a, WELCOME("resume"));
	agent_free(a);
	src.oldest = 21; /* an empty log */
	a = agent_hello("compute1", "secret", RESUME(INCARNATION, "20"));
	await(a, WELCOME("resume"));
	agent_free(a);
}

static void test_two_hosts_one_log(void **state)
{
	struct agent *a, *b;
	int reads;

	(void)state;
	need(1, "network:7");
	need(2, "network:7");
	a = agent_hello("compute1", "secret", "");
	await(a, "snapshot\":true}}\n");
	b = agent_hello("compute2", "secret", "");
	await(b, "snapshot\":true}}\n");
	reads = src.log_reads;
	row(11, HUB_SET, "network:7", 0, "both");
	hub_wake(hub);
	expect(a, "{\"set\":\"both\"}\n{\"frame\":{\"position\":11,\"request_id\":\"req-11\"}}\n");
	expect(b, "{\"set\":\"both\"}\n{\"frame\":{\"position\":11,\"request_id\":\"req-11\"}}\n");
	assert_int_equal(src.log_reads, reads + 1);
	/* The same host again takes the first one's place. */
	need(1, "host:1");
	agent_free(b);
	b = agent_hello("compute1", "secret", "");
	await(b, "snapshot\":true}}\n");
	await_closed(a);
	row(12, HUB_SET, "network:7", 0, "second");
	hub_wake(hub);
	await(b, "second");
	assert_null(strstr(a->got, "second"));
	agent_free(a);
	agent_free(b);
}

static void refused(const char *line, const char *reason)
{
	struct agent *a = agent_new();
	char text[64];

	say(a, line);
	snprintf(text, sizeof(text), "{\"refused\":{\"reason\":\"%s\"", reason);
	await(a, text);
	await_closed(a);
	agent_free(a);
}

static void test_refusals(void **state)
{
	struct agent *a;

	(void)state;
	a = agent_hello("compute1", "guess", "");
	await(a, "{\"refused\":{\"reason\":\"token\"");
	await_closed(a);
	agent_free(a);
	refused("{\"hello\":{\"proto_min\":2,\"proto_max\":3,\"host\":\"compute1\",\"token\":\"secret\",\"datapath\":"
		"\"x\","
		"\"vif_type\":\"tap\",\"tunnel_ip\":\"\"}}\n",
		"protocol");
	refused("garbage\n", "request");
	refused("{\"hello\":[]}\n", "request");
	refused("{\"hello\":{\"proto_min\":-1}}\n", "request");
	refused("{\"report\":{\"applied\":1}}\n", "request");
	refused("\xff\xfe\n", "request");
	src.hello_fails = -EIO;
	a = agent_hello("compute1", "secret", "");
	await(a, "no room");
	await_closed(a);
	agent_free(a);
}

static void test_long_hello(void **state)
{
	static char text[100000];
	struct agent *a = agent_new();

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	say(a, text);
	await_closed(a);
	agent_free(a);
}

static void test_hello_stored_after_it_left(void **state)
{
	struct agent *a;

	(void)state;
	src.late_hello = true;
	a = agent_hello("compute1", "secret", "");
	while (!src.ticket)
		turn();
	agent_free(a);
	a = agent_hello("compute1", "secret", "");
	while (src.ticket < 2)
		turn();
	hub_hello_done(hub, 1, 0, NULL);
	hub_hello_done(hub, 2, 0, NULL);
	await(a, "snapshot\":true}}\n");
	agent_free(a);
}

static void test_slow_reader(void **state)
{
	struct agent *a;

	(void)state;
	/* A snapshot beyond the limit of the backlog arrives whole. */
	src.big = 200000;
	need(1, "network:9");
	a = agent_hello("compute1", "secret", "");
	while (a->lines < 200002)
		turn();
	assert_true(a->bytes > 8000000);
	agent_free(a);
}

/* One that never reads: its changes pile up to the limit, and then it is closed; the others get on. */
static void test_deaf_reader(void **state)
{
	const struct timeval timeout = { .tv_sec = 5 };
	static char buffer[65536];
	size_t total = 0;
	struct agent *a;
	char hello[512];
	struct where at;
	ssize_t n;
	struct err err;
	int fd;

	(void)state;
	snprintf(hello, sizeof(hello), "tcp:127.0.0.1:%d", hub_port(hub));
	assert_int_equal(where_parse(hello, &at, &err), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at.addr, at.len), 0);
	snprintf(hello, sizeof(hello), HELLO, "compute2", "secret", "");
	assert_int_equal(write(fd, hello, strlen(hello)), (ssize_t)strlen(hello));
	need(1, "host:1");
	need(2, "host:2");
	a = agent_hello("compute1", "secret", "");
	await(a, "snapshot\":true}}\n");
	src.big = 20000; /* 1 MB each time */
	while (src.position < 40) {
		row(src.position + 1, HUB_ENTER, "network:9", 2, "");
		row(src.position, HUB_SET, "host:1", 0, "on it goes");
		hub_wake(hub);
		await(a, "on it goes");
		src.n_rows = 0;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		total += (size_t)n;
	assert_true(n == 0 || errno == ECONNRESET);
	assert_true(total < 15000000);
	agent_free(a);
	close(fd);
}

static void test_source_fails(void **state)
{
	struct agent *a;

	(void)state;
	need(1, "host:1");
	src.begin_fails = 1;
	a = agent_hello("compute1", "secret", "");
	await(a, "snapshot\":true}}\n"); /* by the retry */
	agent_free(a);
}

/* Another thread wants a host to come again. */
static void test_drop_host(void **state)
{
	struct agent *a, *b;

	(void)state;
	need(1, "host:1");
	a = agent_hello("compute1", "secret", "");
	b = agent_hello("compute2", "secret", "");
	await(a, "snapshot\":true}}\n");
	await(b, "snapshot\":true}}\n");
	hub_drop_host(hub, 1, "told to");
	hub_drop_host(hub, 7, "nobody");
	await_closed(a);
	assert_false(b->closed);
	agent_free(a);
	agent_free(b);
}

static void test_accept(void **state)
{
	struct agent *a;

	(void)state;
	need(1, "host:1");
	a = agent_hello("compute1", "secret", "");
	await(a, "snapshot\":true}}\n");
	hub_accept(hub, 7); /* nobody */
	hub_accept(hub, 1);
	await(a, "{\"accept\":{}}\n");
	agent_free(a);
}

static void test_heartbeat_and_silence(void **state)
{
	struct agent *a, *rare;

	(void)state;
	hub_set_times(hub, 20000, 10000000);
	a = agent_hello("compute1", "secret", "");
	await(a, "{\"heartbeat\":{\"position\":10}}\n");
	await(a, "{\"heartbeat\":{\"position\":10}}\n");
	/* Who has said that it will be silent for longer may be. */
	rare = agent_hello("compute2", "secret", ",\"heartbeat_ms\":600000");
	await(rare, "snapshot\":true}}\n");
	hub_set_times(hub, 20000, 30000);
	await_closed(a);
	await(rare, "{\"heartbeat\":{\"position\":10}}\n");
	assert_false(rare->closed);
	agent_free(a);
	agent_free(rare);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_snapshot_then_changes),
		T(test_enter_and_drop),
		T(test_resume),
		T(test_resume_over_much),
		T(test_resume_beside_others),
		T(test_resume_refused),
		T(test_two_hosts_one_log),
		T(test_refusals),
		T(test_long_hello),
		T(test_hello_stored_after_it_left),
		T(test_slow_reader),
		T(test_deaf_reader),
		T(test_source_fails),
		T(test_drop_host),
		T(test_accept),
		T(test_heartbeat_and_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
