/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/unixctl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"
#include "io/loop.h"
#include "io/stream.h"

#define WAIT_US 60000000 /* a test that waits this long for an event has failed */

static struct {
	struct loop *loop;
	struct unixctl *u;
	unsigned answers;
	int r; /* of the last answer */
	char text[512];
} bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		uint64_t end = loop_now_us(bed.loop) + WAIT_US;                                                        \
		while (!(what)) {                                                                                      \
			if (loop_now_us(bed.loop) > end)                                                               \
				fail_msg("does not come: %s; %d %s", #what, bed.r, bed.text);                          \
			loop_turn(bed.loop, WAIT_US);                                                                  \
		}                                                                                                      \
	} while (0)

static void on_done(int r, const char *text, void *arg)
{
	(void)arg;
	bed.answers++;
	bed.r = r;
	snprintf(bed.text, sizeof(bed.text), "%s", text);
}

static void call(const char *command, const char *arg)
{
	bed.answers = 0;
	unixctl_call(bed.u, command, &arg, arg ? 1 : 0, on_done, NULL);
	assert_int_equal(bed.answers, 0); /* from the loop */
	UNTIL(bed.answers);
}

static int setup(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	bed.loop = loop_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unixctl_close(bed.u);
	loop_free(bed.loop);
	return 0;
}

static void test_commands(void **state)
{
	struct sandbox s;
	struct err err;
	int r = sandbox_start(&s, &err);

	(void)state;
	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	assert_int_equal(r, 0);
	bed.u = unixctl_open(bed.loop, s.dir);
	call("version", NULL);
	assert_int_equal(bed.r, 0);
	assert_non_null(strstr(bed.text, "Open vSwitch"));
	call("nonsense", NULL);
	assert_int_equal(bed.r, -EIO);
	assert_non_null(strstr(bed.text, "nonsense"));
	call("fdb/show", "br-none");
	assert_int_equal(bed.r, -EIO);
	/* killed under an open connection, and another one in its place */
	unixctl_call(bed.u, "version", NULL, 0, on_done, NULL);
	sandbox_kill(&s, SANDBOX_VSWITCHD);
	sandbox_run_daemon(&s, SANDBOX_VSWITCHD);
	assert_int_equal(sandbox_run(&s, NULL, "ovs-vsctl --timeout=60 set open_vswitch . external_ids:test=1"), 0);
	call("version", NULL);
	assert_int_equal(bed.r, 0);
	sandbox_kill(&s, SANDBOX_VSWITCHD);
	call("version", NULL);
	assert_true(bed.r < 0 && bed.r != -EIO);
	/* what is under way when it is closed is not answered */
	unixctl_call(bed.u, "version", NULL, 0, on_done, NULL);
	bed.answers = 0;
	bed.u = unixctl_close(bed.u);
	assert_int_equal(bed.answers, 0);
	sandbox_stop(&s);
}

/* ---- one that says what it wants ---- */

static const char *answer; /* NULL: it hangs up */
static unsigned connections;

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	if (answer)
		stream_send(s, answer, strlen(answer));
	else
		stream_finish(s);
	return n;
}

static void on_accept(int fd, const char *peer, void *arg)
{
	static const struct stream_events events = { .data = on_data };

	(void)peer;
	(void)arg;
	connections++;
	stream_new(bed.loop, fd, NULL, &events, NULL);
}

static void write_pid(const char *dir, const char *text)
{
	_cleanup_(freep) char *path = xasprintf("%s/ovs-vswitchd.pid", dir);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_faults(void **state)
{
	static const struct {
		const char *answer;
		int r;
		const char *text;
		unsigned connections; /* what ends the connection is asked once more */
	} cases[] = {
		{ "{\"id\":1,\"result\":\"yes\",\"error\":null}", 0, "yes", 1 },
		{ "{\"id\":1,\"result\":null,\"error\":\"no\"}", -EIO, "no", 1 },
		{ "{\"id\":1,\"result\":{},\"error\":null}", -EBADMSG, "", 1 },
		{ "{\"id\":1,\"result\":null,\"error\":7}", -EIO, "", 1 },
		{ "{\"id\":2,\"result\":\"yes\",\"error\":null}", -ECONNRESET, "ovs-vswitchd does not answer", 2 },
		{ "{\"id\":null,\"method\":\"update\",\"params\":[]}", -ECONNRESET, "ovs-vswitchd does not answer", 2 },
		{ "garbage", -ECONNRESET, "ovs-vswitchd does not answer", 2 },
		{ NULL, -ECONNRESET, "ovs-vswitchd does not answer", 2 },
	};
	char dir[] = "/tmp/unixctl_test.XXXXXX", where[96];
	_cleanup_(freep) char *pid = NULL;
	struct listener *listener;

	(void)state;
	assert_non_null(mkdtemp(dir));
	bed.u = unixctl_open(bed.loop, dir);
	call("x", NULL);
	assert_int_equal(bed.r, -ENOENT);
	write_pid(dir, "none\n");
	call("x", NULL);
	assert_int_equal(bed.r, -ESRCH);
	write_pid(dir, "12\n");
	call("x", NULL);
	assert_int_equal(bed.r, -ENOENT);
	assert_non_null(strstr(bed.text, "ovs-vswitchd.12.ctl"));
	snprintf(where, sizeof(where), "unix:%s/ovs-vswitchd.12.ctl", dir);
	assert_int_equal(listener_open(bed.loop, where, on_accept, NULL, &listener, NULL), 0);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		answer = cases[i].answer;
		connections = 0;
		call("x", NULL);
		assert_int_equal(bed.r, cases[i].r);
		assert_string_equal(bed.text, cases[i].text);
		assert_int_equal(connections, cases[i].connections);
		while (loop_turn(bed.loop, 0) > 0) /* it lets go */
			;
	}
	listener_close(listener);
	pid = xasprintf("%s/ovs-vswitchd.pid", dir);
	assert_int_equal(unlink(pid), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(test_commands), T(test_faults) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
