/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static void prefixes_parse_and_format(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} cases[] = {
		{ "10.0.1.0/24", "10.0.1.0/24" },
		{ "10.0.1.7", "10.0.1.7/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "2001:db8::/64", "2001:db8::/64" },
		{ "::/0", "::/0" },
		{ "10.0.1.0/33", NULL },
		{ "10.0.1.0/ 8", NULL },
		{ "10.0.1.0/+8", NULL },
		{ "10.0.1/24", NULL },
		{ "10.0.1.0/", NULL },
		{ "", NULL },
		{ "2001:db8::/129", NULL },
	};
	char text[PREFIX_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct prefix p;
		int r = prefix_parse(cases[i].in, &p);

		assert_int_equal(r == 0, cases[i].out != NULL);
		if (r == 0)
			assert_string_equal(prefix_format(&p, text), cases[i].out);
	}
}

static void prefixes_contain_and_overlap(void **state)
{
	struct prefix net, host, other;
	struct ip ip;

	(void)state;
	assert_int_equal(prefix_parse("10.0.1.128/25", &net), 0);
	assert_int_equal(ip_parse("10.0.1.200", &ip), 0);
	assert_true(prefix_contains(&net, &ip));
	assert_int_equal(ip_parse("10.0.1.127", &ip), 0);
	assert_false(prefix_contains(&net, &ip));
	assert_int_equal(prefix_parse("10.0.0.0/8", &other), 0);
	assert_true(prefix_overlaps(&net, &other));
	assert_true(prefix_overlaps(&other, &net));
	assert_int_equal(prefix_parse("10.0.1.129/25", &host), 0);
	assert_false(prefix_is_canonical(&host));
	host = prefix_canonical(&host);
	assert_true(prefix_equal(&host, &net));
}

static void prefixes_keep_to_their_family(void **state)
{
	static const char *const wide[] = { "::/0", "::/64", "::ffff:0:0/95" };
	struct prefix v6, v4, any;
	struct ip ip, v6_ip;

	(void)state;
	assert_int_equal(ip_parse("10.0.1.1", &ip), 0);
	assert_int_equal(ip_parse("2001:db8::1", &v6_ip), 0);
	assert_int_equal(prefix_parse("10.0.1.0/24", &v4), 0);
	for (size_t i = 0; i < N_ELEMENTS(wide); i++) {
		assert_int_equal(prefix_parse(wide[i], &v6), 0);
		assert_int_equal(prefix_version(&v6), 6);
		assert_false(prefix_contains(&v6, &ip));
		assert_false(prefix_overlaps(&v6, &v4));
		assert_false(prefix_overlaps(&v4, &v6));
	}
	assert_int_equal(prefix_parse("::/0", &v6), 0);
	assert_int_equal(prefix_parse("0.0.0.0/0", &any), 0);
	assert_true(prefix_contains(&v6, &v6_ip));
	assert_true(prefix_contains(&any, &ip));
	assert_false(prefix_contains(&any, &v6_ip));
	assert_true(prefix_overlaps(&any, &v4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_parse_and_format),
		cmocka_unit_test(prefixes_contain_and_overlap),
		cmocka_unit_test(prefixes_keep_to_their_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
