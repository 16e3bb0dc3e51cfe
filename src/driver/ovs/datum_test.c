/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/datum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static json_t *parse(const char *text)
{
	json_t *d = json_loads(text, JSON_DECODE_ANY, NULL);

	if (!d)
		fail_msg("not JSON: %s", text);
	return d;
}

#define UUID_1 "[\"uuid\",\"00000000-0000-4000-8000-000000000001\"]"
#define UUID_2 "[\"uuid\",\"00000000-0000-4000-8000-000000000002\"]"
#define UUID_3 "[\"uuid\",\"00000000-0000-4000-8000-000000000003\"]"

static void test_modified(void **state)
{
	static const struct {
		const char *old, *change; /* old NULL: the column had its default */
		bool composite;
		const char *expected;
	} cases[] = {
		{ "1", "2", false, "2" },
		{ "[\"set\",[]]", "7", false, "7" },
		{ "7", "[\"set\",[]]", false, "[\"set\",[]]" },
		{ NULL, "\"x\"", false, "\"x\"" },
		/* sets: what is in one of the two */
		{ "[\"set\",[1,2,3]]", "[\"set\",[2,4]]", true, "[\"set\",[1,3,4]]" },
		{ NULL, UUID_1, true, "[\"set\",[" UUID_1 "]]" },
		{ UUID_1, UUID_2, true, "[\"set\",[" UUID_1 "," UUID_2 "]]" },
		{ "[\"set\",[" UUID_1 "," UUID_2 "]]", "[\"set\",[" UUID_1 "," UUID_3 "]]", true,
		  "[\"set\",[" UUID_2 "," UUID_3 "]]" },
		{ UUID_1, UUID_1, true, "[\"set\",[]]" },
		/* maps: keys of one; another value replaces */
		{ "[\"map\",[[\"a\",\"1\"],[\"b\",\"2\"]]]", "[\"map\",[[\"a\",\"1\"],[\"b\",\"3\"],[\"c\",\"4\"]]]",
		  true, "[\"map\",[[\"b\",\"3\"],[\"c\",\"4\"]]]" },
		{ NULL, "[\"map\",[[\"a\",\"1\"]]]", true, "[\"map\",[[\"a\",\"1\"]]]" },
		{ "[\"map\",[[\"a\",\"1\"]]]", "[\"map\",[[\"a\",\"1\"]]]", true, "[\"map\",[]]" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		json_t *old = cases[i].old ? parse(cases[i].old) : NULL, *change = parse(cases[i].change);
		json_t *is = datum_modified(old, change, cases[i].composite);
		_cleanup_(freep) char *text = json_dumps(is, JSON_COMPACT | JSON_ENCODE_ANY);

		assert_string_equal(text, cases[i].expected);
		json_decref(old);
		json_decref(change);
		json_decref(is);
	}
}

static void test_read(void **state)
{
	json_t *one = parse("\"x\""), *some = parse("[\"set\",[1,2]]"), *none = parse("[\"set\",[]]");
	json_t *map = parse("[\"map\",[[\"a\",\"1\"],[\"b\",2]]]"), *uuid = parse(UUID_1);
	json_int_t n = 5;

	(void)state;
	assert_string_equal(datum_string(one), "x");
	assert_string_equal(datum_string(some), "");
	assert_string_equal(datum_string(NULL), "");
	assert_int_equal(datum_size(one), 1);
	assert_int_equal(datum_size(some), 2);
	assert_int_equal(datum_size(none), 0);
	assert_int_equal(datum_size(map), 2);
	assert_int_equal(datum_size(uuid), 1);
	assert_int_equal(datum_size(NULL), 0);
	assert_ptr_equal(datum_at(uuid, 0), uuid);
	assert_null(datum_at(uuid, 1));
	assert_false(datum_integer(some, &n));
	assert_false(datum_integer(one, &n));
	assert_int_equal(n, 5);
	assert_true(datum_integer(datum_at(some, 1), &n));
	assert_int_equal(n, 2);
	assert_string_equal(datum_get(map, "a"), "1");
	assert_null(datum_get(map, "b"));
	assert_null(datum_get(some, "a"));
	assert_string_equal(datum_uuid(uuid), "00000000-0000-4000-8000-000000000001");
	assert_null(datum_uuid(one));
	json_decref(one);
	json_decref(some);
	json_decref(none);
	json_decref(map);
	json_decref(uuid);
}

/* Values of any shape are read without harm, and are not there. */
static void test_other_shapes(void **state)
{
	static const char *const shapes[] = {
		"null",
		"[]",
		"{}",
		"[1]",
		"[\"set\"]",
		"[\"set\",1]",
		"[\"map\",[1,[],[1],[1,2],[\"a\"]]]",
		"[\"uuid\"]",
		"[\"uuid\",7]",
		"[[\"set\"],[]]",
		"[\"set\",[[\"set\",[]],{},null]]",
		"1e300",
		"[\"map\",{}]",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(shapes); i++) {
		json_t *d = parse(shapes[i]);
		json_int_t n;

		assert_null(datum_get(d, "a"));
		assert_null(datum_uuid(d));
		assert_string_equal(datum_string(d), "");
		assert_false(datum_integer(d, &n));
		for (size_t k = 0; k < datum_size(d); k++)
			datum_at(d, k);
		for (size_t k = 0; k < N_ELEMENTS(shapes); k++) {
			json_t *change = parse(shapes[k]);

			json_decref(datum_modified(d, change, true));
			json_decref(datum_modified(d, change, false));
			json_decref(change);
		}
		json_decref(d);
	}
}

static void test_new(void **state)
{
	json_t *map = DATUM_MAP({ "a", "1" }, { "b", "2" });
	_cleanup_(freep) char *text = json_dumps(map, JSON_COMPACT);

	(void)state;
	assert_string_equal(text, "[\"map\",[[\"a\",\"1\"],[\"b\",\"2\"]]]");
	json_decref(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modified),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_other_shapes),
		cmocka_unit_test(test_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
