/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/args.h"

static const char rows_text[] =
	"[{\"id\":\"1\",\"name\":\"red\",\"cidr\":\"10.0.1.0/24\",\"enable_dhcp\":true,"
	"\"allocation_pools\":[{\"start\":\"a\",\"end\":\"b\"},{\"start\":\"c\",\"end\":\"d\"}]},"
	"{\"id\":\"2\",\"name\":\"gr\\u00fcn \\u001b[1m\",\"cidr\":null,\"enable_dhcp\":false,"
	"\"allocation_pools\":[]}]";

/* What subnet-list (of the rows) or subnet-show (of the first) prints with these options. */
static char *print(const char *verb, const char *options, int *ret_r, struct err *err)
{
	_cleanup_(json_decrefp) json_t *rows = json_loads(rows_text, 0, NULL);
	_cleanup_(freep) char *copy = xstrdup(options);
	char *words[16] = { "s" }, *text;
	const struct verb *v = verb_find(verb);
	bool list = v->positionals[0].metavar == NULL;
	int n = list ? 0 : 1;
	struct args a;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[n++] = word;
	assert_int_equal(args_parse(v, n, words, &a, err), 0);
	*ret_r = list ? output_list(out, &a, rows, err) : output_one(out, &a, json_array_get(rows, 0), err);
	args_done(&a);
	fclose(out);
	return text;
}

static void formats(void **state)
{
	static const struct {
		const char *verb, *options, *text;
	} cases[] = {
		{ "subnet-list", "",
		  "+----+--------------+-------------+----------------------------+\n"
		  "| id | name         | cidr        | allocation_pools           |\n"
		  "+----+--------------+-------------+----------------------------+\n"
		  "| 1  | red          | 10.0.1.0/24 | {\"start\": \"a\", \"end\": \"b\"} |\n"
		  "|    |              |             | {\"start\": \"c\", \"end\": \"d\"} |\n"
		  "| 2  | gr\xc3\xbcn \\x1b[1m |             |                            |\n"
		  "+----+--------------+-------------+----------------------------+\n" },
		{ "subnet-list", "-f value -c enable_dhcp -c id", "True 1\nFalse 2\n" },
		{ "subnet-list", "-f value -c name", "red\ngr\xc3\xbcn  [1m\n" },
		{ "subnet-list", "-f csv -c id -c name",
		  "\"id\",\"name\"\n\"1\",\"red\"\n\"2\",\"gr\xc3\xbcn  [1m\"\n" },
		{ "subnet-list", "-f yaml -c id -c cidr",
		  "- id: \"1\"\n  cidr: \"10.0.1.0/24\"\n- id: \"2\"\n  cidr: null\n" },
		{ "subnet-show", "-f yaml -c enable_dhcp -c allocation_pools",
		  "allocation_pools: [{\"start\": \"a\", \"end\": \"b\"}, {\"start\": \"c\", \"end\": \"d\"}]\n"
		  "enable_dhcp: true\n" },
		{ "subnet-list", "-f json --noindent -c id -c cidr",
		  "[{\"id\": \"1\", \"cidr\": \"10.0.1.0/24\"}, {\"id\": \"2\", \"cidr\": null}]\n" },
		{ "subnet-list", "-F name -F id -f value", "red 1\ngr\xc3\xbcn  [1m 2\n" },
		{ "subnet-list", "-D -f json --noindent -c id", "[{\"id\": \"1\"}, {\"id\": \"2\"}]\n" },
		{ "subnet-show", "-c name -c id",
		  "+-------+-------+\n"
		  "| Field | Value |\n"
		  "+-------+-------+\n"
		  "| id    | 1     |\n"
		  "| name  | red   |\n"
		  "+-------+-------+\n" },
		{ "subnet-show", "-f value -c id", "1\n" },
		{ "subnet-show", "-f shell -c id -c enable_dhcp", "enable_dhcp=\"True\"\nid=\"1\"\n" },
		{ "subnet-show", "-f json --noindent -c allocation_pools",
		  "{\"allocation_pools\": [{\"start\": \"a\", \"end\": \"b\"}, {\"start\": \"c\", \"end\": "
		  "\"d\"}]}\n" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct err err;
		int r;
		_cleanup_(freep) char *text = print(cases[i].verb, cases[i].options, &r, &err);

		assert_int_equal(r, 0);
		assert_string_equal(text, cases[i].text);
	}
}

static void unknown_columns_are_named(void **state)
{
	struct err err;
	int r;
	_cleanup_(freep) char *text = print("subnet-list", "-c nope", &r, &err);

	(void)state;
	assert_true(r < 0);
	assert_string_equal(err.text, "No column 'nope'; there are: allocation_pools, cidr, enable_dhcp, id, name");
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(formats), cmocka_unit_test(unknown_columns_are_named) };

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
