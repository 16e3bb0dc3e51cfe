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

static void on_settled(void *arg)
{
	(*(unsigned *)arg)++;
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

static void until(struct loop *loop, const unsigned *settled, unsigned times)
{
	uint64_t end = loop_now_us(loop) + WAIT_US;

	while (*settled < times) {
		assert_true(loop_now_us(loop) < end);
		loop_turn(loop, WAIT_US);
	}
}

/* The version is that of the machine: a mended one keeps its cache. */
static void test_emptied(void **state)
{
	_cleanup_(utstring_freep) UT_string *version = NULL;
	struct loop *loop = loop_new();
	unsigned settled = 0;
	struct sandbox s;
	struct cache *c;
	struct err err;
	int r = sandbox_start(&s, &err);

	(void)state;
	if (r == -ENOENT)
		skip();
	assert_int_equal(r, 0);
	utstring_new(version);
	assert_int_equal(sandbox_run(&s, version, APPCTL "version"), 0);
	assert_int_equal(
		sandbox_run(&s, NULL, "ovs-vsctl add-port " SANDBOX_BRIDGE " p1 -- set interface p1 type=dummy"), 0);
	give(&s);
	assert_true(has_entries(&s));

	c = cache_open(loop, s.dir, on_settled, &settled);
	assert_true(cache_is_settled(c));
	cache_changed(c); /* not knowing better */
	assert_false(cache_is_settled(c));
	cache_changed(c);
	until(loop, &settled, 1);
	assert_true(cache_is_settled(c));
	assert_false(has_entries(&s));

	cache_again(c);
	cache_changed(c); /* asked behind the version: when it is answered, both are */
	until(loop, &settled, 2);
	give(&s);
	assert_true(has_entries(&s));
	cache_changed(c);
	assert_int_equal(cache_is_settled(c), !cache_is_faulty(utstring_body(version)));

	/* Nobody there: it is not waited for. */
	sandbox_kill(&s, SANDBOX_VSWITCHD);
	until(loop, &settled, cache_is_faulty(utstring_body(version)) ? 3 : 2);
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
