/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utstring.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"
#include "io/loop.h"

#define APPCTL "ovs-appctl -t $PWD/vswitchd.ctl "
#define WAIT_US 60000000 /* a test that waits this long for an event has failed */
#define FRAME "02000000000202000000000108004500002400000000401166c70a0000010a00000200010002001000000000000000000000"

static void test_versions(void **state)
{
	static const struct {
		const char *text;
		bool faulty;
	} versions[] = {
		{ "ovs-vswitchd (Open vSwitch) 3.1.0", true },
		{ "ovs-vswitchd (Open vSwitch) 3.1.2\nDPDK 22.11.1", true },
		{ "ovs-vswitchd (Open vSwitch) 3.1.3", false },
		{ "ovs-vswitchd (Open vSwitch) 3.2.0", false },
		{ "ovs-vswitchd (Open vSwitch) 3.0.4", true },
		{ "ovs-vswitchd (Open vSwitch) 3.0.5", false },
		{ "ovs-vswitchd (Open vSwitch) 2.17.7", true },
		{ "ovs-vswitchd (Open vSwitch) 2.17.8", false },
		{ "ovs-vswitchd (Open vSwitch) 2.15.0", true },
		{ "ovs-vswitchd (Open vSwitch) 4.0.0", false },
		{ "ovs-vswitchd (Open vSwitch)", true },
		{ "", true },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(versions); i++)
		assert_int_equal(cache_is_faulty(versions[i].text), versions[i].faulty);
}

static void give(struct sandbox *s)
{
	assert_int_equal(sandbox_run(s, NULL, APPCTL "netdev-dummy/receive p1 " FRAME), 0);
}

static bool has_entries(struct sandbox *s)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	assert_int_equal(sandbox_run(s, out, APPCTL "dpctl/dump-flows"), 0);
	return strstr(utstring_body(out), "actions:") != NULL;
}

static void until_empty(struct loop *loop, struct sandbox *s)
{
	uint64_t end = loop_now_us(loop) + WAIT_US;

	while (has_entries(s)) {
		assert_true(loop_now_us(loop) < end);
		loop_turn(loop, 10000);
	}
}

static long purges(struct sandbox *s)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	sandbox_run(s, out, "grep -c 'received request revalidator/purge' vswitchd.log");
	return strtol(utstring_body(out), NULL, 10);
}

/* The control socket is not found for a while. */
static void check_tried_again(struct loop *loop, struct sandbox *s, struct cache *c)
{
	uint64_t end = loop_now_us(loop) + WAIT_US;
	long before;

	assert_int_equal(sandbox_run(s, NULL, APPCTL "vlog/set unixctl:file:dbg; mv ovs-vswitchd.pid away"), 0);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10000); /* what was asked is over */
	before = purges(s);
	cache_changed(c);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10000);
	assert_int_equal(purges(s), before);
	assert_int_equal(sandbox_run(s, NULL, "mv away ovs-vswitchd.pid"), 0);
	while (purges(s) == before) {
		assert_true(loop_now_us(loop) < end);
		loop_turn(loop, 100000);
	}
}

/* An Open vSwitch of the machine's version: a mended one keeps its cache once that is known. */
static void test_emptied(void **state)
{
	_cleanup_(utstring_freep) UT_string *version = NULL;
	struct loop *loop = loop_new();
	struct sandbox s;
	struct cache *c;
	struct err err;
	int r = sandbox_start(&s, &err);

	(void)state;
	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	assert_int_equal(r, 0);
	utstring_new(version);
	assert_int_equal(sandbox_run(&s, version, APPCTL "version"), 0);
	assert_int_equal(
		sandbox_run(&s, NULL, "ovs-vsctl add-port " SANDBOX_BRIDGE " p1 -- set interface p1 type=dummy"), 0);
	c = cache_open(loop, s.dir);
	for (int i = 0; i < 3; i++) { /* not knowing better; the second and third time it rests first */
		give(&s);
		assert_true(has_entries(&s));
		cache_changed(c);
		cache_changed(c);
		until_empty(loop, &s);
	}
	cache_again(c);
	give(&s);
	cache_changed(c); /* asked behind the version */
	until_empty(loop, &s);
	give(&s);
	cache_changed(c);
	if (cache_is_faulty(utstring_body(version)))
		until_empty(loop, &s);
	else
		assert_true(has_entries(&s));

	if (cache_is_faulty(utstring_body(version)))
		check_tried_again(loop, &s, c);

	/* Nobody there: said, and tried again. */
	sandbox_kill(&s, SANDBOX_VSWITCHD);
	cache_changed(c);
	loop_turn(loop, 200000);
	cache_close(c);
	loop_free(loop);
	sandbox_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_emptied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
