/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovsdb.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/jsonrpc.h"
#include "io/loop.h"
#include "io/stream.h"

/* The client against a server that says what the test wants. vswitch_test.c has the real one. */

#define WAIT_US 60000000 /* a test that waits this long for an event has failed */

#define SCHEMA                                                                                                         \
	"{\"id\":1,\"error\":null,\"result\":{\"name\":\"D\",\"tables\":{\"T\":{\"columns\":{"                         \
	"\"name\":{\"type\":\"string\"},\"number\":{\"type\":{\"key\":\"integer\",\"min\":0,\"max\":1}},"              \
	"\"set\":{\"type\":{\"key\":\"string\",\"min\":0,\"max\":\"unlimited\"}},"                                     \
	"\"two\":{\"type\":{\"key\":\"integer\",\"min\":0,\"max\":2}},"                                                \
	"\"map\":{\"type\":{\"key\":\"string\",\"value\":\"string\",\"min\":0,\"max\":\"unlimited\"}}}}}}}"
#define SNAPSHOT                                                                                                       \
	"{\"id\":2,\"error\":null,\"result\":{\"T\":{\"r1\":{\"initial\":{\"name\":\"one\",\"number\":7,"              \
	"\"set\":[\"set\",[\"a\",\"b\"]],\"map\":[\"map\",[[\"k\",\"1\"]]]}}}}}"
#define UPDATE(rows) "{\"method\":\"update2\",\"id\":null,\"params\":[\"neutrino\",{\"T\":{" rows "}}]}"

static struct {
	struct loop *loop;
	char dir[64], where[96];
	struct listener *listener;
	struct stream *stream; /* the connection that came last */
	unsigned connections, messages;
	json_t *message; /* the last one from the client */
	struct ovsdb *o;
	unsigned changes, downs;
	char why[256];
} bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		uint64_t end = loop_now_us(bed.loop) + WAIT_US;                                                        \
		while (!(what)) {                                                                                      \
			if (loop_now_us(bed.loop) > end)                                                               \
				fail_msg("does not come: %s; down %u: %s", #what, bed.downs, bed.why);                 \
			loop_turn(bed.loop, WAIT_US);                                                                  \
		}                                                                                                      \
	} while (0)

/* ---- the server ---- */

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct jsonrpc_scan scan = { 0 };
	ssize_t end = jsonrpc_scan(&scan, bytes, n);

	(void)s;
	(void)arg;
	assert_true(end >= 0);
	if (end == 0)
		return 0;
	json_decref(bed.message);
	assert_int_equal(json_read(bytes, (size_t)end, &bed.message, NULL), 0);
	bed.messages++;
	return (size_t)end;
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	(void)r;
	(void)why;
	(void)arg;
	if (s == bed.stream)
		bed.stream = NULL;
}

static void on_accept(int fd, const char *peer, void *arg)
{
	static const struct stream_events events = { .data = on_data, .closed = on_closed };
	static const struct stream_options options = { .max_backlog = 64U << 20 };

	(void)peer;
	(void)arg;
	bed.connections++;
	stream_close(bed.stream);
	bed.stream = stream_new(bed.loop, fd, &options, &events, NULL);
}

static void say(const char *text)
{
	stream_send(bed.stream, text, strlen(text));
}

static bool was_asked(const char *method)
{
	const char *is = json_string_value(json_object_get(bed.message, "method"));

	return is && !strcmp(is, method);
}

static void await(const char *method)
{
	UNTIL(was_asked(method));
}

static void hang_up(void)
{
	stream_finish(bed.stream);
	bed.stream = NULL;
}

static void listen_to(const char *where)
{
	struct err err;

	if (listener_open(bed.loop, where, on_accept, NULL, &bed.listener, &err) < 0)
		fail_msg("%s", err.text);
}

/* ---- the client ---- */

static void on_changed(void *arg)
{
	(void)arg;
	bed.changes++;
}

static void on_down(const char *why, void *arg)
{
	(void)arg;
	bed.downs++;
	snprintf(bed.why, sizeof(bed.why), "%s", why);
}

static void open_client(uint64_t probe_us)
{
	static const struct ovsdb_events events = { .changed = on_changed, .down = on_down };
	const struct ovsdb_config config = { .where = bed.where, .database = "D", .probe_us = probe_us };

	bed.o = ovsdb_open(
		bed.loop, &config,
		json_pack("{s:{s:[s,s,s,s,s],s:b}}", "T", "columns", "name", "number", "set", "two", "map", "where", 1),
		&events);
}

static int setup(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	bed.loop = loop_new();
	snprintf(bed.dir, sizeof(bed.dir), "/tmp/ovsdb_test.XXXXXX");
	assert_non_null(mkdtemp(bed.dir));
	snprintf(bed.where, sizeof(bed.where), "unix:%s/db.sock", bed.dir);
	listen_to(bed.where);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ovsdb_close(bed.o);
	stream_close(bed.stream);
	listener_close(bed.listener);
	json_decref(bed.message);
	loop_free(bed.loop);
	return rmdir(bed.dir);
}

/* From a new connection to the snapshot. */
static void begin(void)
{
	unsigned before = bed.changes;

	await("get_schema");
	say(SCHEMA);
	await("monitor_cond");
	say(SNAPSHOT);
	UNTIL(bed.changes > before);
}

static void open_and_begin(void)
{
	open_client(0);
	begin();
}

static void assert_rows(const char *expected)
{
	_cleanup_(freep) char *text = json_dumps(ovsdb_rows(bed.o, "T"), JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, expected);
}

#define ROW_1 "\"r1\":{\"map\":[\"map\",[[\"k\",\"1\"]]],\"name\":\"one\",\"number\":7,\"set\":[\"set\",[\"a\",\"b\"]]}"

static void test_begins(void **state)
{
	_cleanup_(freep) char *asked = NULL;

	(void)state;
	open_client(0);
	await("get_schema");
	assert_null(ovsdb_rows(bed.o, "T"));
	say(SCHEMA);
	await("monitor_cond");
	asked = json_dumps(json_object_get(bed.message, "params"), JSON_COMPACT);
	assert_string_equal(asked,
			    "[\"D\",\"neutrino\",{\"T\":{\"columns\":[\"name\",\"number\",\"set\",\"two\",\"map\"],"
			    "\"where\":true}}]");
	say(SNAPSHOT);
	UNTIL(bed.changes == 1);
	assert_rows("{" ROW_1 "}");
	assert_null(ovsdb_rows(bed.o, "U"));
	assert_int_equal(bed.downs, 0);
}

static void test_updates(void **state)
{
	(void)state;
	open_and_begin();
	say(UPDATE("\"r2\":{\"insert\":{\"name\":\"two\"}}"));
	UNTIL(bed.changes == 2);
	assert_rows("{" ROW_1 ",\"r2\":{\"name\":\"two\"}}");
	/* differences of sets and maps, values of the rest; two rows are one change */
	say(UPDATE("\"r1\":{\"modify\":{\"number\":[\"set\",[]],\"set\":[\"set\",[\"b\",\"c\"]],"
		   "\"map\":[\"map\",[[\"k\",\"2\"],[\"l\",\"3\"]]],\"two\":5}},\"r2\":{\"delete\":null}"));
	UNTIL(bed.changes == 3);
	assert_rows("{\"r1\":{\"map\":[\"map\",[[\"k\",\"2\"],[\"l\",\"3\"]]],\"name\":\"one\",\"number\":[\"set\",[]],"
		    "\"set\":[\"set\",[\"a\",\"c\"]],\"two\":[\"set\",[5]]}}");
	/* messages of no meaning to us are let be */
	say("{\"method\":\"locked\",\"id\":null,\"params\":[\"x\"]}" UPDATE("\"r1\":{\"delete\":null}"));
	UNTIL(bed.changes == 4);
	assert_rows("{}");
	assert_int_equal(bed.downs, 0);
}

static void test_in_pieces(void **state)
{
	const char *text = UPDATE("\"r2\":{\"insert\":{\"name\":\"} \\\" {\"}}");

	(void)state;
	open_and_begin();
	for (const char *c = text; *c; c++) {
		stream_send(bed.stream, c, 1);
		loop_turn(bed.loop, 0);
	}
	UNTIL(bed.changes == 2);
	assert_rows("{" ROW_1 ",\"r2\":{\"name\":\"} \\\" {\"}}");
}

/* A snapshot of some megabytes. */
static void test_big(void **state)
{
	enum { N = 20000 };
	_cleanup_(utstring_freep) UT_string *text = NULL;

	(void)state;
	utstring_new(text);
	utstring_printf(text, "{\"id\":2,\"error\":null,\"result\":{\"T\":{");
	for (int i = 0; i < N; i++)
		utstring_printf(text,
				"%s\"%036d\":{\"initial\":{\"name\":\"interface-%d\",\"map\":[\"map\",[[\"iface-id\","
				"\"%036d\"],[\"vm-uuid\",\"%036d\"]]]}}",
				i ? "," : "", i, i, i, i);
	utstring_printf(text, "}}}");
	open_client(0);
	await("get_schema");
	say(SCHEMA);
	await("monitor_cond");
	say(utstring_body(text));
	UNTIL(bed.changes == 1);
	assert_int_equal(json_object_size(ovsdb_rows(bed.o, "T")), N);
}

static void test_echo(void **state)
{
	_cleanup_(freep) char *answer = NULL;

	(void)state;
	open_and_begin();
	say("{\"id\":\"echo\",\"method\":\"echo\",\"params\":[\"a\",{}]}");
	UNTIL(json_object_get(bed.message, "result"));
	answer = json_dumps(bed.message, JSON_COMPACT);
	assert_string_equal(answer, "{\"error\":null,\"result\":[\"a\",{}],\"id\":\"echo\"}");
}

/* ---- faults ---- */

/* After any of it the connection is down, and a new one begins as the first did. */
static void expect_down_and_again(const char *what)
{
	unsigned before = bed.changes;

	UNTIL(bed.downs == 1);
	assert_null(ovsdb_rows(bed.o, "T"));
	UNTIL(bed.connections == 2);
	begin();
	if (bed.changes != before + 1)
		fail_msg("after %s", what);
	assert_rows("{" ROW_1 "}");
	ovsdb_close(bed.o);
	bed.o = NULL;
	UNTIL(!bed.stream);
	bed.connections = bed.downs = bed.changes = 0;
}

static void test_faults_at_the_beginning(void **state)
{
	static const struct {
		const char *schema, *snapshot, *why;
	} cases[] = {
		{ "garbage", NULL, "it sent what is not understood" },
		{ "{\"id\":1,\"error\":null,\"result\":{\"tables\":", NULL, "closed by the peer" },
		{ "{\"id\":1,\"error\":null,\"result\":[]}", NULL, "it sent what is not understood" },
		{ "{\"id\":1,\"error\":null}", NULL, "it sent what is not understood" },
		{ "{\"id\":77,\"error\":null,\"result\":{}}", NULL, "it sent what is not understood" },
		{ "{\"id\":null,\"error\":null,\"result\":{}}", NULL, "it sent what is not understood" },
		{ "{\"id\":1,\"id\":1}", NULL, "it sent what is not understood" },
		{ "{\"id\":1]", NULL, "it sent what is not understood" },
		{ "{\"method\":\"echo\",\"params\":{}}", NULL, "it sent what is not understood" },
		{ UPDATE(""), NULL, "it sent what is not understood" },
		{ "{\"id\":1,\"result\":null,\"error\":{\"error\":\"unknown database\",\"details\":\"no D\"}}", NULL,
		  "get_schema: unknown database: no D" },
		{ "{\"id\":1,\"result\":null,\"error\":\"canceled\"}", NULL, "get_schema: canceled" },
		{ SCHEMA, "{\"id\":2,\"result\":null,\"error\":{\"error\":\"syntax error\"}}",
		  "monitor_cond: syntax error" },
		{ SCHEMA, "{\"id\":2,\"error\":null,\"result\":7}", "it sent what is not understood" },
		{ SCHEMA, "{\"id\":2,\"error\":null,\"result\":{\"U\":{}}}", "it sent what is not understood" },
		{ SCHEMA, "{\"id\":2,\"error\":null,\"result\":{\"T\":[]}}", "it sent what is not understood" },
		{ SCHEMA, "{\"id\":2,\"error\":null,\"result\":{\"T\":{\"r1\":7}}}", "it sent what is not understood" },
		{ SCHEMA, "{\"id\":2,\"error\":null,\"result\":{\"T\":{\"r1\":{\"initial\":[]}}}}",
		  "it sent what is not understood" },
		{ SCHEMA, "", "closed by the peer" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		open_client(0);
		await("get_schema");
		say(cases[i].schema);
		if (cases[i].snapshot) {
			await("monitor_cond");
			say(cases[i].snapshot);
		}
		if (!strcmp(cases[i].why, "closed by the peer"))
			hang_up();
		expect_down_and_again(cases[i].why);
		assert_string_equal(bed.why, cases[i].why);
	}
}

static void test_faults_later(void **state)
{
	static const char *const cases[] = {
		"\xff\xfe",
		"[]",
		"{\"id\":3,\"error\":null,\"result\":[]}",
		"{\"method\":\"update2\",\"id\":null,\"params\":[]}",
		"{\"method\":\"update2\",\"id\":null,\"params\":[\"somebody\",{}]}",
		"{\"method\":\"update2\",\"id\":null,\"params\":[\"neutrino\",7]}",
		"{\"method\":\"update2\",\"id\":null,\"params\":[\"neutrino\",{\"U\":{}}]}",
		UPDATE("\"r1\":{}"),
		UPDATE("\"r1\":{\"insert\":{}}"), /* is there */
		UPDATE("\"r9\":{\"modify\":{}}"), /* is not */
		UPDATE("\"r9\":{\"insert\":null}"),
		"{\"method\":\"monitor_canceled\",\"id\":null,\"params\":[\"neutrino\"]}",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		open_and_begin();
		say(cases[i]);
		expect_down_and_again(cases[i]);
	}
}

static void test_too_big(void **state)
{
	_cleanup_(freep) char *text = xmalloc(JSONRPC_MAX_MESSAGE + 100000);

	(void)state;
	open_and_begin();
	memset(text, ' ', JSONRPC_MAX_MESSAGE + 100000);
	text[0] = '{';
	stream_send(bed.stream, text, JSONRPC_MAX_MESSAGE + 100000);
	expect_down_and_again("a message without end");
	assert_string_equal(bed.why, "message too long");
}

/* Nothing comes: neither an answer, nor the other half of one. */
static void test_silence(void **state)
{
	static const char *const beginnings[] = { "", "{\"id\":1,\"error\":nu" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(beginnings); i++) {
		open_client(30000);
		await("get_schema");
		say(beginnings[i]);
		await("echo");
		UNTIL(bed.downs == 1);
		assert_string_equal(bed.why, "it is silent");
		UNTIL(bed.connections == 2);
		bed.o = ovsdb_close(bed.o);
		UNTIL(!bed.stream);
		bed.connections = bed.downs = 0;
	}
}

/* One that answers our echo is not taken for dead, however little it has to say. */
static void test_quiet(void **state)
{
	unsigned echos = 0;

	(void)state;
	open_client(30000);
	begin();
	while (echos < 3) {
		char answer[64];
		unsigned before = bed.messages;

		UNTIL(bed.messages > before || bed.downs);
		assert_true(was_asked("echo"));
		snprintf(answer, sizeof(answer), "{\"id\":%" JSON_INTEGER_FORMAT ",\"error\":null,\"result\":[]}",
			 json_integer_value(json_object_get(bed.message, "id")));
		say(answer);
		echos++;
	}
	assert_int_equal(bed.downs, 0);
}

/* Said once, however often it is tried; connected to at once when it is there. */
static void test_no_server(void **state)
{
	unsigned connections;

	(void)state;
	bed.listener = listener_close(bed.listener);
	open_client(0);
	UNTIL(bed.downs == 1);
	assert_non_null(strstr(bed.why, "No such file or directory"));
	loop_turn(bed.loop, WAIT_US); /* the next attempts */
	loop_turn(bed.loop, WAIT_US);
	assert_int_equal(bed.downs, 1);
	connections = bed.connections;
	listen_to(bed.where);
	UNTIL(bed.connections > connections);
	begin();
	assert_int_equal(bed.downs, 1);
}

/* Rows that are gone are a change of their table too. */
static void test_empty_snapshot(void **state)
{
	unsigned before;

	(void)state;
	open_and_begin();
	before = ovsdb_version(bed.o, "T");
	hang_up();
	UNTIL(bed.connections == 2);
	await("get_schema");
	say(SCHEMA);
	await("monitor_cond");
	say("{\"id\":2,\"error\":null,\"result\":{}}");
	UNTIL(bed.changes == 2);
	assert_rows("{}");
	assert_true(ovsdb_version(bed.o, "T") > before);
}

/* ---- transactions ---- */

static struct {
	int r, called;
	char text[512];
	char result[256];
} done;

static void on_done(int r, const json_t *result, const char *err_text, void *arg)
{
	_cleanup_(freep) char *text = json_dumps(result, JSON_COMPACT);

	assert_ptr_equal(arg, &done);
	done.r = r;
	done.called++;
	snprintf(done.text, sizeof(done.text), "%s", err_text ? err_text : "");
	snprintf(done.result, sizeof(done.result), "%s", text ? text : "");
	/* what is asked for when a connection ends goes nowhere */
	if (r == -ECONNRESET)
		assert_int_equal(ovsdb_transact(bed.o, json_array(), on_done, &done), -ENOTCONN);
}

static void transact(void)
{
	memset(&done, 0, sizeof(done));
	assert_int_equal(ovsdb_transact(bed.o, json_pack("[{s:s}]", "op", "comment"), on_done, &done), 0);
	await("transact");
}

static void test_transactions(void **state)
{
	static const struct {
		const char *answer, *result, *text;
		int r;
	} cases[] = {
		{ "{\"id\":3,\"error\":null,\"result\":[{\"count\":1}]}", "[{\"count\":1}]", "", 0 },
		{ "{\"id\":3,\"error\":null,\"result\":[null,{\"error\":\"timed out\"}]}", "", "timed out", -EIO },
		{ "{\"id\":3,\"error\":null,\"result\":[{},{\"error\":\"constraint violation\",\"details\":\"why\"}]}",
		  "", "constraint violation: why", -EIO },
		{ "{\"id\":3,\"error\":{\"error\":\"unknown database\"},\"result\":null}", "", "unknown database",
		  -EIO },
		{ "{\"id\":3,\"error\":null,\"result\":7}", "", "error", -EIO },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		_cleanup_(freep) char *asked = NULL;

		open_and_begin();
		transact();
		asked = json_dumps(bed.message, JSON_COMPACT);
		assert_string_equal(asked,
				    "{\"method\":\"transact\",\"params\":[\"D\",{\"op\":\"comment\"}],\"id\":3}");
		say(cases[i].answer);
		UNTIL(done.called);
		assert_int_equal(done.r, cases[i].r);
		assert_string_equal(done.text, cases[i].text);
		assert_string_equal(done.result, cases[i].result);
		bed.o = ovsdb_close(bed.o);
		UNTIL(!bed.stream);
	}
}

static void test_transaction_cut_off(void **state)
{
	(void)state;
	open_client(0);
	assert_int_equal(ovsdb_transact(bed.o, json_array(), on_done, &done), -ENOTCONN);
	begin();
	transact();
	hang_up();
	UNTIL(done.called);
	assert_int_equal(done.r, -ECONNRESET);
	UNTIL(bed.downs == 1);
	assert_int_equal(done.called, 1);
	begin();
	transact();
	bed.o = ovsdb_close(bed.o);
	assert_int_equal(done.called, 0);
}

/* ---- seeded: a conversation with some bytes changed ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

/* A byte anew, a piece away, or a piece twice. */
static void mutate(UT_string *text)
{
	size_t n = utstring_len(text), at = below((uint32_t)n), len = 1 + below(20);
	char *body = utstring_body(text);

	len = len < n - at ? len : n - at;
	switch (below(3)) {
	case 0:
		body[at] = "{}[]\"\\,:0z"[below(10)];
		break;
	case 1:
		memmove(body + at, body + at + len, n - at - len + 1);
		text->i -= len;
		break;
	default:
		utstring_reserve(text, len + 1);
		body = utstring_body(text);
		memmove(body + at + len, body + at, n - at + 1);
		text->i += len;
		break;
	}
}

static void test_mutated(void **state)
{
	static const char conversation[] = SCHEMA SNAPSHOT "{\"id\":\"echo\",\"method\":\"echo\",\"params\":[]}" UPDATE(
		"\"r2\":{\"insert\":{\"name\":\"two\"}}")
		UPDATE("\"r1\":{\"modify\":{\"set\":[\"set\",[\"b\",\"c\"]],\"map\":[\"map\",[[\"k\",\"2\"]]]}}")
			UPDATE("\"r2\":{\"delete\":null}");
	unsigned understood = 0;

	(void)state;
	listener_close(bed.listener);
	listen_to("tcp:127.0.0.1:0");
	snprintf(bed.where, sizeof(bed.where), "tcp:127.0.0.1:%d", listener_port(bed.listener));
	for (int round = 0; round < 2000; round++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;

		utstring_new(text);
		utstring_bincpy(text, conversation, sizeof(conversation) - 1);
		for (unsigned i = below(3); i > 0; i--)
			mutate(text);
		open_client(0);
		UNTIL(bed.stream);
		await("get_schema");
		say(utstring_body(text));
		hang_up();
		UNTIL(bed.downs > 0);
		understood += bed.changes == 4;
		bed.o = ovsdb_close(bed.o);
		stream_close(bed.stream);
		bed.stream = NULL;
		bed.downs = bed.changes = 0;
		json_decref(bed.message);
		bed.message = NULL;
	}
	/* a third has no change at all */
	assert_in_range(understood, 600, 1600);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_begins),       T(test_updates),
		T(test_in_pieces),    T(test_big),
		T(test_echo),         T(test_faults_at_the_beginning),
		T(test_faults_later), T(test_too_big),
		T(test_silence),      T(test_quiet),
		T(test_no_server),    T(test_empty_snapshot),
		T(test_transactions), T(test_transaction_cut_off),
		T(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
