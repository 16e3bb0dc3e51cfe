/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

static void start_or_skip(struct sandbox *s)
{
	struct err err;
	int r = sandbox_start(s, &err);

	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	if (r < 0)
		fail_msg("%s", err.text);
}

static void test_runs(void **state)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct sandbox s;

	(void)state;
	start_or_skip(&s);
	utstring_new(out);
	assert_int_equal(sandbox_run(&s, out,
				     "ovs-vsctl br-exists %s && ovs-ofctl -O OpenFlow14 dump-flows %s && "
				     "ovs-appctl -t $PWD/vswitchd.ctl dpif/show",
				     SANDBOX_BRIDGE, SANDBOX_BRIDGE),
			 0);
	assert_non_null(strstr(utstring_body(out), "dummy@ovs-dummy"));
	assert_int_equal(access(s.mgmt, F_OK), 0);
	assert_int_equal(access(s.db, F_OK), 0);
	assert_int_equal(access(s.unixctl, F_OK), 0);
	sandbox_kill(&s, SANDBOX_VSWITCHD);
	assert_int_not_equal(sandbox_run(&s, NULL, "ovs-ofctl dump-flows %s 2>/dev/null", SANDBOX_BRIDGE), 0);
	sandbox_stop(&s);
	assert_int_equal(access(s.dir, F_OK), -1);
	sandbox_stop(&s);
}

/* A test that is killed leaves nothing behind. */
static void test_killed(void **state)
{
	int ends[2], status, watch = inotify_init1(IN_CLOEXEC);
	struct pollfd ready = { .fd = watch, .events = POLLIN };
	struct sandbox s;
	char events[4096];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (sandbox_start(&s, NULL) < 0)
			_exit(77);
		if (write(ends[1], &s, sizeof(s)) == sizeof(s))
			raise(SIGKILL);
		_exit(1);
	}
	close(ends[1]);
	assert_true(inotify_add_watch(watch, "/tmp", IN_DELETE) >= 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: no Open vSwitch can be started\n");
		skip();
	}
	assert_int_equal(read(ends[0], &s, sizeof(s)), sizeof(s));
	while (access(s.dir, F_OK) == 0) {
		assert_int_equal(poll(&ready, 1, 20000), 1);
		assert_true(read(watch, events, sizeof(events)) > 0);
	}
	for (size_t i = 0; i < N_SANDBOX_DAEMONS; i++) {
		_cleanup_(closep) int fd = pidfd_open(s.pids[i], 0);
		struct pollfd dead = { .fd = fd, .events = POLLIN };

		assert_true(fd < 0 || poll(&dead, 1, 20000) == 1); /* killed, but not gone yet */
	}
	close(ends[0]);
	close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
