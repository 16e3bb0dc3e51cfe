/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/testing.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "io/loop.h"
#include "io/stream.h"
#include "watch/client.h"
#include "watch/message.h"

struct testing testing;

/* ---- the server's end ---- */

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	(void)s;
	(void)arg;
	if (testing.len + len + 2 < sizeof(testing.got))
		testing.len +=
			(size_t)snprintf(testing.got + testing.len, sizeof(testing.got) - testing.len, "%s\n", line);
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
	if (testing.stream == s)
		testing.stream = NULL;
}

static const struct stream_events events = { .data = on_data, .closed = on_closed };

static void on_accept(int fd, const char *peer, void *arg)
{
	(void)peer;
	(void)arg;
	testing.connections++;
	testing.stream = stream_new(testing.loop, fd, NULL, &events, NULL);
}

void testing_server_up(void)
{
	struct err err;

	assert_int_equal(listener_open(testing.loop, testing.where, on_accept, NULL, &testing.listener, &err), 0);
}

void testing_hang_up(void)
{
	stream_close(testing.stream);
	testing.stream = NULL;
	testing.len = 0;
	testing.got[0] = '\0';
}

void testing_turn(void)
{
	assert_true(loop_turn(testing.loop, TURN_US) > 0);
}

void testing_say(const char *text)
{
	stream_send(testing.stream, text, strlen(text));
}

void testing_heard(const char *text)
{
	char *at;

	while (!(at = strstr(testing.got, text)))
		testing_turn();
	at += strlen(text);
	testing.len = (size_t)(testing.got + testing.len - at);
	memmove(testing.got, at, testing.len + 1);
}

/* ---- the agent ---- */

void testing_agent_up(void)
{
	struct err err;

	if (agent_open(testing.loop, &testing.config, &testing.agent, &err) < 0)
		fail_msg("%s", err.text);
	client_set_times(agent_client(testing.agent), 1000, 5000, 60000000);
	apply_set_times(agent_apply(testing.agent), 1000, 4000);
}

void testing_agent_down(void)
{
	testing.agent = agent_close(testing.agent);
}

void testing_forget(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/fake.plan", testing.dir);
	unlink(path);
	unlink(testing.snapshot_path);
}

void testing_child(void)
{
	testing.loop = loop_new();
	testing.listener = NULL;
	testing.stream = NULL;
	testing.len = 0;
	testing.got[0] = '\0';
	testing_server_up();
	testing_agent_up();
}

static void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	(void)kind;
	(void)what;
	++*(int *)arg;
}

static int differences(const struct plan *want)
{
	struct err err;
	int n = 0;

	assert_int_equal(driver_fake.audit(agent_driver(testing.agent), want, on_difference, &n, &err), 0);
	return n;
}

void testing_converged(const char *world)
{
	struct model *m = model_new();
	struct plan *want;
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
	while (!apply_idle(agent_apply(testing.agent)) || apply_failures(agent_apply(testing.agent)) > 0 ||
	       differences(want) > 0)
		testing_turn();
	plan_free(want);
	model_free(m);
}

int testing_setup(void **state)
{
	(void)state;
	memset(&testing, 0, sizeof(testing));
	strcpy(testing.dir, "/tmp/agent_test.XXXXXX");
	assert_non_null(mkdtemp(testing.dir));
	snprintf(testing.snapshot_path, sizeof(testing.snapshot_path), "%s/agent.snapshot", testing.dir);
	snprintf(testing.where, sizeof(testing.where), "unix:%s/server", testing.dir);
	testing.config = (struct agent_config) {
		.host = "compute1",
		.server = testing.where,
		.token = "secret",
		.snapshot_path = testing.snapshot_path,
		.tunnel_ip = "192.0.2.1",
		.agent_mode = "dvr",
		.ops = &driver_fake,
		.driver = { .state_dir = testing.dir },
	};
	testing.loop = loop_new();
	return 0;
}

int testing_teardown(void **state)
{
	static const char *const files[] = { "agent.snapshot", "agent.snapshot.new", "agent.snapshot.journal",
					     "fake.plan",      "fake.plan.tmp",      "server" };
	char path[128];

	(void)state;
	testing_agent_down();
	stream_close(testing.stream);
	listener_close(testing.listener);
	loop_free(testing.loop);
	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", testing.dir, files[i]);
		unlink(path);
	}
	return rmdir(testing.dir);
}

void testing_settle(void)
{
	testing_heard("{\"hello\"");
	testing_say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	testing_heard("{\"report\":{\"applied\":100");
}
