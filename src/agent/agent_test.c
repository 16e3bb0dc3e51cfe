/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/control.h"
#include "agent/journal.h"
#include "agent/snapshot.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "driver/fake/fake.h"
#include "io/loop.h"
#include "io/stream.h"
#include "watch/client.h"

#define TURN_US 5000000 /* a test that waits this long for an event has failed */
#define INCARNATION "6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01"
#define OTHER "00000000-0b1e-4f0e-9d52-2f4b6f1f6a01"

/* ---- a server's end that says what the test says ---- */

static struct loop *loop;
static char dir[64], snapshot_path[96], where[96], control[96];
static struct agent *agent;
static struct agent_config config;

static struct server {
	struct listener *listener;
	struct stream *stream;
	char got[65536];
	size_t len;
	int connections;
} server;

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	(void)s;
	(void)arg;
	if (server.len + len + 2 < sizeof(server.got))
		server.len += (size_t)snprintf(server.got + server.len, sizeof(server.got) - server.len, "%s\n", line);
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	return stream_lines(s, bytes, n, on_line, arg);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	(void)r;
	(void)why;
	(void)arg;
	if (server.stream == s)
		server.stream = NULL;
}

static const struct stream_events events = { .data = on_data, .closed = on_closed };

static void on_accept(int fd, const char *peer, void *arg)
{
	(void)peer;
	(void)arg;
	server.connections++;
	server.stream = stream_new(loop, fd, NULL, &events, NULL);
}

static void server_up(void)
{
	struct err err;

	assert_int_equal(listener_open(loop, where, on_accept, NULL, &server.listener, &err), 0);
}

static void hang_up(void)
{
	stream_close(server.stream);
	server.stream = NULL;
	server.len = 0;
	server.got[0] = '\0';
}

static void turn(void)
{
	assert_true(loop_turn(loop, TURN_US) > 0);
}

static void say(const char *text)
{
	stream_send(server.stream, text, strlen(text));
}

/* Turns until the agent has said it, and forgets everything up to its end. */
static void heard(const char *text)
{
	char *at;

	while (!(at = strstr(server.got, text)))
		turn();
	at += strlen(text);
	server.len = (size_t)(server.got + server.len - at);
	memmove(server.got, at, server.len + 1);
}

/* ---- a small cloud ---- */

#define SET(object) "{\"set\":{" object "}}\n"
#define U(digit) "\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a0" digit "\""
#define HOST                                                                                                           \
	SET("\"kind\":\"host\",\"num\":1,\"unit\":\"host:1\",\"name\":\"compute1\",\"tunnel\":\"192.0.2.1\",\"dvr_"    \
	    "mac\":\"fa:16:3f:00:00:01\"")
#define PEER                                                                                                           \
	SET("\"kind\":\"peer\",\"num\":2,\"unit\":\"peer:2\",\"name\":\"compute2\",\"tunnel\":\"192.0.2.2\",\"dvr_"    \
	    "mac\":\"fa:16:3f:00:00:02\"")
#define NETWORK                                                                                                        \
	SET("\"kind\":\"network\",\"num\":7,\"unit\":\"network:7\",\"uuid\":" U(                                       \
		"7") ",\"type\":\"vxlan\",\"physical_network\":\"\",\"segmentation_id\":1007,\"mtu\":1450")
#define SUBNET                                                                                                         \
	SET("\"kind\":\"subnet\",\"num\":9,\"unit\":\"network:7\",\"uuid\":" U(                                        \
		"9") ",\"network\":7,\"cidr\":\"10.0.1.0/24\",\"gateway\":\"10.0.1.1\"")
#define ENDPOINT(n, h)                                                                                                 \
	SET("\"kind\":\"endpoint\",\"num\":" n ",\"unit\":\"network:7\",\"network\":7,\"host\":" h                     \
	    ",\"next\":0,\"mac\":\"fa:16:3e:00:00:" n "\",\"ips\":[\"10.0.1." n "\"]")
#define PORT_UUID(n) "6f1b1c" n "-0b1e-4f0e-9d52-2f4b6f1f6a0c"
#define PORT_UP(n, up)                                                                                                 \
	SET("\"kind\":\"port\",\"num\":" n ",\"unit\":\"host:1\",\"uuid\":\"" PORT_UUID(                               \
		n) "\",\"network\":7,\"mac\":\"fa:16:3e:00:00:" n "\",\"admin_state_up\":" up                          \
		   ",\"port_security\":true,\"device_owner\":\"compute:nova\",\"addrs\":[{\"mac\":\"fa:16:3e:00:00:" n \
		   "\",\"prefix\":\"10.0.1." n "/32\"}]")
#define PORT(n) PORT_UP(n, "true")
#define TAP(n) "tap6f1b1c" n "-0b"
#define ROUTER                                                                                                         \
	SET("\"kind\":\"router\",\"num\":1,\"unit\":\"router:1\",\"uuid\":" U(                                         \
		"4") ",\"admin_state_up\":true,\"distributed\":true")
#define INTERFACE                                                                                                      \
	SET("\"kind\":\"interface\",\"num\":14,\"unit\":\"router:1\",\"uuid\":" U(                                     \
		"5") ",\"router\":1,\"network\":7,\"mac\":\"fa:16:3e:00:00:0e\",\"addrs\":[\"10.0.1.1/24\"]")
#define MEMBER(h) SET("\"kind\":\"member\",\"router\":1,\"host\":" h ",\"unit\":\"router:1\"")
#define WORLD                                                                                                          \
	HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ENDPOINT("13", "2") ROUTER INTERFACE MEMBER("1")       \
		MEMBER("2")

#define WELCOME_OF(incarnation, mode)                                                                                  \
	"{\"welcome\":{\"proto\":1,\"incarnation\":\"" incarnation "\",\"host\":1,\"mode\":\"" mode "\"}}\n"
#define WELCOME(mode) WELCOME_OF(INCARNATION, mode)
#define FRAME(position) "{\"frame\":{\"position\":" position ",\"request_id\":\"req-" position "\"}}\n"
#define SNAPSHOT_END(position) "{\"frame\":{\"position\":" position ",\"snapshot\":true}}\n"

static void agent_up(void)
{
	struct err err;

	if (agent_open(loop, &config, &agent, &err) < 0)
		fail_msg("%s", err.text);
	client_set_times(agent_client(agent), 1000, 5000, 60000000);
	apply_set_times(agent_apply(agent), 1000, 4000);
}

static void agent_down(void)
{
	agent = agent_close(agent);
}

static void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	(void)kind;
	(void)what;
	++*(int *)arg;
}

/* Turns until the datapath is what these objects compile to, and nothing is under way. */
static void converged(const char *world)
{
	struct model *m = model_new();
	struct plan *want;
	int differences = 0;
	struct err err;

	while (*world) {
		size_t len = strcspn(world, "\n");
		struct message msg;

		if (message_decode(MESSAGE_SERVER, world, len, &msg, &err) != 0)
			fail_msg("%s", err.text);
		model_set(m, &msg.set);
		message_fini(&msg);
		world += len + 1;
	}
	want = compile_all(m);
	while (!apply_idle(agent_apply(agent)) || apply_failures(agent_apply(agent)) > 0 ||
	       !plan_equal(want, driver_fake_plan(agent_driver(agent))))
		turn();
	assert_int_equal(driver_fake.audit(agent_driver(agent), want, on_difference, &differences, &err), 0);
	assert_int_equal(differences, 0);
	plan_free(want);
	model_free(m);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/agent_test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(snapshot_path, sizeof(snapshot_path), "%s/agent.snapshot", dir);
	snprintf(where, sizeof(where), "unix:%s/server", dir);
	snprintf(control, sizeof(control), "unix:%s/control", dir);
	memset(&server, 0, sizeof(server));
	config = (struct agent_config) {
		.host = "compute1",
		.server = where,
		.token = "secret",
		.snapshot_path = snapshot_path,
		.tunnel_ip = "192.0.2.1",
		.agent_mode = "dvr",
		.ops = &driver_fake,
		.driver = { .state_dir = dir },
	};
	agent = NULL;
	loop = loop_new();
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "agent.snapshot", "agent.snapshot.new", "agent.snapshot.journal",
					     "fake.plan",      "fake.plan.tmp",      "server" };
	char path[128];

	(void)state;
	agent_down();
	stream_close(server.stream);
	listener_close(server.listener);
	loop_free(loop);
	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

/* ---- the tests ---- */

static void test_snapshot_then_frames(void **state)
{
	(void)state;
	server_up();
	agent_up();
	heard("\"host\":\"compute1\",\"token\":\"secret\"");
	driver_fake_device(agent_driver(agent), TAP("12"), true);
	say(WELCOME("snapshot") WORLD);
	heard("\n"); /* the end of the hello */
	say(SNAPSHOT_END("100"));
	heard("{\"report\":{\"applied\":100,\"ports\":[{\"num\":12,\"state\":\"up\"}]}}");
	converged(WORLD);
	/* Half of an API call is nothing yet. */
	say(ENDPOINT("15", "1") PORT("15"));
	say("{\"heartbeat\":{\"position\":105}}\n" FRAME("101"));
	heard("{\"report\":{\"applied\":101,\"ports\":[{\"num\":15,\"state\":\"down\"}]}}");
	converged(WORLD ENDPOINT("15", "1") PORT("15"));
	driver_fake_device(agent_driver(agent), TAP("15"), true);
	heard("{\"report\":{\"applied\":101,\"ports\":[{\"num\":15,\"state\":\"up\"}]}}");
	say("{\"del\":{\"kind\":\"port\",\"num\":15}}\n{\"del\":{\"kind\":\"endpoint\",\"num\":15}}\n" FRAME("102"));
	heard("{\"report\":{\"applied\":102");
	converged(WORLD);
	say("{\"drop\":\"router:1\"}\n" FRAME("103"));
	heard("{\"report\":{\"applied\":103");
	converged(HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ENDPOINT("13", "2"));
	say("{\"enter\":\"router:1\"}\n" ROUTER INTERFACE MEMBER("1") FRAME("104"));
	heard("{\"report\":{\"applied\":104");
	converged(HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ENDPOINT("13", "2")
			  ROUTER INTERFACE MEMBER("1"));
	/* Nothing of what came since concerns this host. */
	say("{\"heartbeat\":{\"position\":110}}\n");
	while (apply_position(agent_apply(agent)) != 110)
		turn();
	assert_int_equal(follow_position(agent_follow(agent)), 110);
}

/* Taken away and bound again before the agent turns to it: it has to be told again, for it is asked again. */
static void test_bound_anew(void **state)
{
#define BOUND(binding)                                                                                                 \
	SET("\"kind\":\"port\",\"num\":12,\"unit\":\"host:1\",\"uuid\":\"" PORT_UUID(                                  \
		"12") "\",\"network\":7,\"mac\":\"fa:16:3e:00:00:12\",\"admin_state_up\":true,\"port_security\":true," \
		      "\"device_owner\":\"compute:nova\",\"binding\":" binding                                         \
		      ",\"addrs\":[{\"mac\":\"fa:16:3e:00:00:12\",\"prefix\":\"10.0.1.12/32\"}]")
	(void)state;
	server_up();
	agent_up();
	driver_fake_device(agent_driver(agent), TAP("12"), true);
	heard("{\"hello\"");
	say(WELCOME("snapshot") HOST PEER NETWORK SUBNET ENDPOINT("12", "1") BOUND("1") SNAPSHOT_END("100"));
	heard("{\"num\":12,\"binding\":1,\"state\":\"up\"}");
	say("{\"del\":{\"kind\":\"port\",\"num\":12}}\n" FRAME("101") BOUND("3") FRAME("102"));
	heard("{\"num\":12,\"binding\":3,\"state\":\"up\"}");
}

/* Says the hello's answer and the world, and waits until it is in the datapath. */
static void settle(void)
{
	heard("{\"hello\"");
	say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	heard("{\"report\":{\"applied\":100");
}

static void test_every_call_may_fail(void **state)
{
	(void)state;
	server_up();
	for (unsigned n = 1; n < 40; n++) {
		char path[128];

		agent_up();
		driver_fake_device(agent_driver(agent), TAP("12"), true);
		driver_fake_fail_nth(agent_driver(agent), n);
		settle();
		say(ENDPOINT("15", "1") PORT("15") "{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n" FRAME("101"));
		heard("{\"report\":{\"applied\":101");
		converged(HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ROUTER INTERFACE MEMBER("1")
				  MEMBER("2") ENDPOINT("15", "1") PORT("15"));
		agent_down();
		hang_up();
		snprintf(path, sizeof(path), "%s/fake.plan", dir);
		unlink(path);
		unlink(snapshot_path);
	}
}

static void test_failed_port_is_in_error(void **state)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);

	(void)state;
	server_up();
	agent_up();
	key.port.key.port = 12;
	driver_fake_fail_record(agent_driver(agent), &key);
	driver_fake_device(agent_driver(agent), TAP("12"), true);
	settle();
	/* The fake sees no device of a port that it does not have. */
	status_device(agent_status(agent), 12, DRIVER_PORT_READY, "");
	driver_fake_device(agent_driver(agent), TAP("99"), true);
	heard("{\"num\":12,\"state\":\"error\",\"text\":\"the fake datapath was told to fail\"}");
	driver_fake_fail_record(agent_driver(agent), NULL);
	heard("{\"num\":12,\"state\":\"up\"}");
	converged(WORLD);
}

static void test_starts_without_the_server(void **state)
{
	struct driver *d;

	(void)state;
	server_up();
	agent_up();
	settle();
	agent_down();
	hang_up();
	server.listener = listener_close(server.listener);
	/* The datapath has lost all, the server is away: the disk heals it. */
	agent_up();
	d = agent_driver(agent);
	converged(WORLD);
	driver_fake_lose(d);
	turn();
	converged(WORLD);
	while (!agent_trouble(agent)[0])
		turn();
	/* It comes back: resumed from where we were. */
	server_up();
	heard("\"resume\":{\"incarnation\":\"" INCARNATION "\",\"position\":100}");
	say(WELCOME("resume"));
	heard("{\"report\":{\"applied\":100,\"ports\":[{\"num\":12,\"state\":\"down\"}]}}");
	say("{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n" FRAME("107"));
	heard("{\"report\":{\"applied\":107");
}

/* A datapath that an earlier run left is not touched before anybody has said what it is to be. */
static void test_nothing_is_flushed(void **state)
{
	(void)state;
	server_up();
	agent_up();
	settle();
	agent_down();
	hang_up();
	unlink(snapshot_path);
	agent_up();
	heard("{\"hello\"");
	assert_int_equal(driver_fake_calls(agent_driver(agent)), 0);
	assert_int_equal(plan_count(driver_fake_plan(agent_driver(agent)), PLAN_PORT), 1);
	say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	heard("{\"report\":{\"applied\":100");
	converged(WORLD);
}

static void test_damaged_snapshot(void **state)
{
	FILE *f;

	(void)state;
	f = fopen(snapshot_path, "w");
	fputs("{\"version\":1,\"host\":\"compute1\",\"incarnation\":\"" INCARNATION "\",\"position\":5}\n{\"kind\"", f);
	fclose(f);
	server_up();
	agent_up();
	assert_false(follow_has_state(agent_follow(agent)));
	settle();
	converged(WORLD);
}

/* ---- killed at any step ---- */

#define AFTER                                                                                                          \
	HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ROUTER INTERFACE MEMBER("1") ENDPOINT("15", "1")       \
		PORT("15")

/* Speaks its part as far as the agent has come. */
static bool step(int *said)
{
	if (*said == 0 && strstr(server.got, "{\"hello\"")) {
		say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
		*said = 1;
	} else if (*said == 1 && strstr(server.got, "\"applied\":100")) {
		say("{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n{\"del\":{\"kind\":\"member\",\"router\":1,\"host\":"
		    "2}}\n" ENDPOINT("15", "1") PORT("15") FRAME("101"));
		*said = 2;
	}
	return strstr(server.got, "\"applied\":101");
}

static int child(int turns)
{
	int said = 0;
	bool end = false;

	/* What its parent has open is not its own. */
	loop = loop_new();
	memset(&server, 0, sizeof(server));
	server_up();
	agent_up();
	while (turns-- > 0 && !end) {
		loop_turn(loop, TURN_US);
		end = step(&said);
	}
	_exit(end ? 1 : 0);
}

static void test_killed_at_any_step(void **state)
{
	bool end = false;

	(void)state;
	for (int turns = 1; !end && turns < 200; turns++) {
		char path[96];
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			child(turns);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		end = WEXITSTATUS(status) == 1;
		server_up(); /* takes the dead one's path over */
		agent_up();
		heard("{\"hello\"");
		say(WELCOME("snapshot") AFTER SNAPSHOT_END("101"));
		heard("{\"report\":{\"applied\":101");
		converged(AFTER);
		agent_down();
		hang_up();
		server.listener = listener_close(server.listener);
		snprintf(path, sizeof(path), "%s/fake.plan", dir);
		unlink(path);
		unlink(snapshot_path);
	}
	assert_true(end);
}

/* Runs in a process that is not closed, but ends: what it says is done when fn returns. */
static void killed_after(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		loop = loop_new();
		memset(&server, 0, sizeof(server));
		server_up();
		agent_up();
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void frame_after_snapshot(void)
{
	settle();
	say("{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n{\"del\":{\"kind\":\"member\",\"router\":1,\"host\":"
	    "2}}\n" ENDPOINT("15", "1") PORT("15") FRAME("101"));
	heard("\"applied\":101");
	say("{\"drop\":\"router:1\"}\n{\"enter\":\"router:1\"}\n" ROUTER INTERFACE MEMBER("1") FRAME("102"));
	heard("\"applied\":102");
	say("{\"drop\":\"network:7\"}\n"); /* half of a frame, never applied */
	while (follow_between_frames(agent_follow(agent)))
		turn();
}

static void test_killed_and_alone(void **state)
{
	(void)state;
	/* What was applied is served by who starts after the kill, though no server is there. */
	killed_after(frame_after_snapshot);
	agent_up();
	converged(AFTER);
	driver_fake_lose(agent_driver(agent));
	turn();
	converged(AFTER);
	assert_int_equal(follow_position(agent_follow(agent)), 102);
	agent_down();
	/* The same again, from what that one left. */
	agent_up();
	converged(AFTER);
}

static void write_journal(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s" JOURNAL_SUFFIX, snapshot_path);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void test_journals(void **state)
{
	static const struct {
		const char *text;
		uint64_t position;
	} cases[] = {
		{ "", 100 },
		{ "nonsense", 100 },
		{ WELCOME_OF(OTHER, "resume") FRAME("101"), 100 }, /* of another database */
		{ WELCOME("resume") FRAME("99") FRAME("100"), 100 }, /* older than the snapshot */
		{ WELCOME("resume") FRAME("99") FRAME("101") "{\"drop\":\"network:7\"}\n{\"fra", 101 },
		{ WELCOME("resume") FRAME("101") "\n\n{\"frame\":7}\n" FRAME("103"), 101 },
		{ WELCOME("resume") FRAME("101") "garbage\n" FRAME("103"), 101 },
	};

	(void)state;
	server_up();
	agent_up();
	settle();
	agent_down();
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct snapshot_head head;
		struct model *m;
		struct err err;

		write_journal(cases[i].text);
		agent_up();
		converged(WORLD);
		assert_int_equal(follow_position(agent_follow(agent)), cases[i].position);
		agent_down();
		/* Back to 100 for the next. */
		assert_int_equal(snapshot_load(snapshot_path, &head, &m, &err), 0);
		head.position = 100;
		assert_int_equal(snapshot_save(snapshot_path, &head, m, &err), 0);
		model_free(m);
	}
}

/* ---- held ---- */

#define PORTS PORT("20") PORT("21") PORT("22") PORT("23") PORT("24") PORT("25") PORT("26")

static void many_ports(void)
{
	static const char *const taps[] = {
		TAP("20"), TAP("21"), TAP("22"), TAP("23"), TAP("24"), TAP("25"), TAP("26")
	};

	server_up();
	agent_up();
	for (size_t i = 0; i < N_ELEMENTS(taps); i++)
		driver_fake_device(agent_driver(agent), taps[i], true);
	heard("{\"hello\"");
	say(WELCOME("snapshot") WORLD PORTS SNAPSHOT_END("100"));
	heard("{\"num\":26,\"state\":\"up\"}");
	converged(WORLD PORTS);
	hang_up();
}

static void test_held_and_accepted(void **state)
{
	_cleanup_(utstring_freep) UT_string *answer = NULL;

	(void)state;
	utstring_new(answer);
	many_ports();
	/* A server on an empty database. */
	heard("\"position\":100}}}");
	say(WELCOME_OF(OTHER, "snapshot") HOST SNAPSHOT_END("3"));
	while (!follow_is_held(agent_follow(agent)))
		turn();
	say(NETWORK FRAME("4"));
	say("{\"heartbeat\":{\"position\":5}}\n");
	loop_turn(loop, 100000);
	converged(WORLD PORTS);
	/* The right one is back. */
	hang_up();
	heard("\"resume\":{\"incarnation\":\"" INCARNATION "\",\"position\":100}");
	say(WELCOME("resume") "{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n" FRAME("101"));
	heard("\"applied\":101");
	assert_false(follow_is_held(agent_follow(agent)));
	/* Or it is meant. */
	hang_up();
	heard("\"position\":101}}}");
	say(WELCOME_OF(OTHER, "snapshot") HOST NETWORK SNAPSHOT_END("4"));
	while (!follow_is_held(agent_follow(agent)))
		turn();
	control_answer(agent, "accept", answer);
	assert_non_null(strstr(utstring_body(answer), "\"accepted\":true"));
	converged(HOST NETWORK);
	heard("\"applied\":4");
	assert_string_equal(follow_incarnation(agent_follow(agent)), OTHER);
}

/* What is held is told at once, and let through by a message, which means nothing while nothing is held. */
static void test_accepted_by_the_server(void **state)
{
	(void)state;
	many_ports();
	heard("\"position\":100}}}");
	say(WELCOME_OF(OTHER, "snapshot") HOST "{\"accept\":{}}\n" NETWORK SNAPSHOT_END("4"));
	heard("\"held\":true");
	say("{\"accept\":{}}\n");
	heard("{\"heartbeat\"");
	converged(HOST NETWORK);
}

static void test_not_held(void **state)
{
	(void)state;
	many_ports();
	/* Five of them may go; and from a newer position of the same database, all. */
	heard("{\"hello\"");
	say(WELCOME_OF(OTHER, "snapshot") WORLD PORT("20") PORT("21") SNAPSHOT_END("3"));
	heard("\"applied\":3");
	converged(WORLD PORT("20") PORT("21"));
	hang_up();
	heard("{\"hello\"");
	say(WELCOME_OF(OTHER, "snapshot") HOST SNAPSHOT_END("9"));
	heard("\"applied\":9");
	converged(HOST);
}

/* ---- refusals and nonsense ---- */

static void test_refused_keeps_forwarding(void **state)
{
	int connections;

	(void)state;
	server_up();
	agent_up();
	settle();
	hang_up();
	for (int i = 0; i < 3; i++) {
		connections = server.connections;
		heard("{\"hello\"");
		say("{\"refused\":{\"reason\":\"token\",\"text\":\"unknown host or wrong token\"}}\n");
		while (server.connections == connections)
			turn();
		server.len = 0;
		server.got[0] = '\0';
	}
	assert_non_null(strstr(agent_trouble(agent), "wrong token"));
	converged(WORLD);
}

static void nonsense(const char *text)
{
	int connections = server.connections;

	server.len = 0;
	server.got[0] = '\0';
	say(text);
	while (server.connections == connections)
		turn();
	heard("{\"hello\"");
}

static void test_nonsense_of_the_server(void **state)
{
	(void)state;
	server_up();
	agent_up();
	settle();
	nonsense("garbage\n");
	nonsense("{\"set\":{\"kind\":\"port\"}}\n");
	nonsense(WELCOME("resume") WELCOME("resume"));
	nonsense(WELCOME("resume") SNAPSHOT_END("102"));
	nonsense(WELCOME("snapshot") FRAME("102"));
	nonsense(WELCOME_OF(OTHER, "resume"));
	nonsense(WELCOME("elsewhere"));
	nonsense(WELCOME("resume") "{\"enter\":\"planet:7\"}\n");
	converged(WORLD);
}

static void test_report_interval(void **state)
{
	(void)state;
	config.report_us = 20000;
	server_up();
	agent_up();
	heard("\"heartbeat_ms\":20}");
	say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	heard("{\"heartbeat\"");
}

static void test_answers(void **state)
{
	static const char *const requests[] = { "plan show", "plan diff", "counters", "status" };
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct err err;

	(void)state;
	utstring_new(out);
	config.control = control;
	server_up();
	agent_up();
	settle();
	for (size_t i = 0; i < N_ELEMENTS(requests); i++) {
		json_t *json;

		utstring_clear(out);
		control_answer(agent, requests[i], out);
		assert_int_equal(json_read(utstring_body(out), utstring_len(out), &json, &err), 0);
		assert_true(json_is_string(json_object_get(json, "text")));
		assert_true(json_is_object(json_object_get(json, "data")));
		json_decref(json);
	}
	utstring_clear(out);
	control_answer(agent, "make coffee", out);
	assert_string_equal(utstring_body(out), "{\"error\":\"no such request: make coffee\"}");
	utstring_clear(out);
	control_answer(agent, "status", out);
	assert_non_null(strstr(utstring_body(out), "\"connected\":true"));
	assert_non_null(strstr(utstring_body(out), "\"position\":100"));
	utstring_clear(out);
	control_answer(agent, "plan show", out);
	assert_non_null(strstr(utstring_body(out), "neighbour network=7 ip=10.0.1.13"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_snapshot_then_frames),
		T(test_bound_anew),
		T(test_every_call_may_fail),
		T(test_failed_port_is_in_error),
		T(test_killed_and_alone),
		T(test_journals),
		T(test_starts_without_the_server),
		T(test_nothing_is_flushed),
		T(test_damaged_snapshot),
		T(test_killed_at_any_step),
		T(test_held_and_accepted),
		T(test_accepted_by_the_server),
		T(test_not_held),
		T(test_refused_keeps_forwarding),
		T(test_nonsense_of_the_server),
		T(test_report_interval),
		T(test_answers),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
