/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "api/url.h"
#include "base/err.h"

/* "segment|segment?name=value&..." decoded, or "-" when it is refused. */
static void expect(const char *target, const char *expected)
{
	char text[512] = "";
	struct err err = { 0 };
	struct url u = { 0 };

	if (url_parse(target, &u, &err) < 0)
		strcpy(text, "-");
	for (size_t i = 0; i < u.n_segments && i < URL_MAX_SEGMENTS; i++)
		sprintf(text + strlen(text), "%s%s", i ? "|" : "", u.segments[i]);
	for (size_t i = 0; i < u.n_args; i++)
		sprintf(text + strlen(text), "%s%s=%s", i ? "&" : "?", u.args[i].name, u.args[i].value);
	assert_string_equal(text, expected);
	url_clear(&u);
}

static void test_parse(void **state)
{
	(void)state;
	expect("/", "");
	expect("/v2.0/ports.json", "v2.0|ports");
	expect("//v2.0//ports/", "v2.0|ports");
	expect("/v2.0/ports?a=1&a=%32+3&b&=x&&c=d=e", "v2.0|ports?a=1&a=2 3&b=&=x&c=d=e");
	expect("/v2.0/networks/a%2Fb%20c", "v2.0|networks|a/b c");
	expect("http://h:1/v2.0?x=%C3%A9", "v2.0?x=\xc3\xa9");
	expect("http://h", "");
	expect("*", "*");
	expect("/a/b/c/d/e/f/g/h", "a|b|c|d|e|f");
}

static void test_refused(void **state)
{
	(void)state;
	expect("/a%00b", "-");
	expect("/a%", "-");
	expect("/a%4", "-");
	expect("/a?x=%zz", "-");
	expect("/a?x=%ff", "-");
	expect("/a?x=%c0%80", "-");
	expect("/a?x=%ed%a0%80", "-");
	expect("/a?x=%0a", "-");
}

static void test_many(void **state)
{
	static char target[2 * URL_MAX_ARGS + 8] = "/?";
	struct err err = { 0 };
	struct url u = { 0 };

	(void)state;
	memset(target + 2, '&', URL_MAX_ARGS - 1);
	assert_int_equal(url_parse(target, &u, &err), 0);
	url_clear(&u);
	target[strlen(target)] = '&';
	assert_true(url_parse(target, &u, &err) < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
