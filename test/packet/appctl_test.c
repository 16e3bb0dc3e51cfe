/* SPDX-License-Identifier: Apache-2.0 */
#include "appctl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"

static void test_commands(void **state)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct appctl a = { .fd = -1 };
	struct sandbox s;
	struct err err = { 0 };
	int r = sandbox_start(&s, &err);

	(void)state;
	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	assert_int_equal(r, 0);
	utstring_new(text);
	assert_int_equal(appctl_open(&a, s.unixctl, &err), 0);
	assert_int_equal(appctl_call(&a, text, &err, "version", NULL), 0);
	assert_non_null(strstr(utstring_body(text), "Open vSwitch"));
	utstring_clear(text);
	assert_true(appctl_call(&a, text, &err, "fdb/show", "br-\"none\"", NULL) < 0);
	assert_non_null(strstr(err.text, "fdb/show: no such bridge"));
	assert_int_equal(utstring_len(text), 0);
	assert_int_equal(appctl_call(&a, text, &err, "list-commands", NULL), 0); /* several kilobytes */
	assert_non_null(strstr(utstring_body(text), "netdev-dummy/receive"));
	sandbox_kill(&s, SANDBOX_VSWITCHD);
	assert_true(appctl_call(&a, NULL, &err, "version", NULL) < 0);
	appctl_close(&a);
	sandbox_stop(&s);
}

static void test_nobody(void **state)
{
	struct appctl a;
	struct err err = { 0 };

	(void)state;
	assert_true(appctl_open(&a, "/nonexistent/ctl", &err) < 0);
	appctl_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
