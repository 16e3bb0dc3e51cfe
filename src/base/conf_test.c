/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static const struct conf_option options[] = {
	{ "DEFAULT", "bind_port", CONF_INT, "9696", .min = 1, .max = 65535 },
	{ "DEFAULT", "router_distributed", CONF_BOOL, "false" },
	{ "DEFAULT", "state_path", CONF_STRING, "/var/lib/neutrino" },
	{ "DEFAULT", "host", CONF_STRING, NULL },
	{ "DEFAULT", "base_mac", CONF_MAC, "fa:16:3e:00:00:00" },
	{ "ml2", "mechanism_drivers", CONF_LIST, "" },
	{ "ml2", "project_network_types", CONF_LIST, "local", .old_name = "tenant_network_types" },
	{ "database", "connection", CONF_STRING, "sqlite:///$state_path/neutron.db" },
	{ "ovs", "local_ip", CONF_IP, NULL },
};

#define LONG(x) x "23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
static const char *const choices[] = { LONG("a"), LONG("b"), LONG("c"), LONG("d"), "last", NULL };

static struct conf *read_text(const char *text, struct err *err)
{
	struct conf *c = conf_new(options, N_ELEMENTS(options));

	if (conf_read_text(c, "test.conf", text, strlen(text), err) < 0 || conf_check(c, err) < 0)
		return conf_free(c);
	return c;
}

static void dialect_of_oslo(void **state)
{
	struct err err = { 0 };
	const char *const *list;
	struct conf *c = read_text("# comment\n"
				   "[DEFAULT]\n"
				   "bind_port: 9797\n"
				   "router_distributed = True\n"
				   "host = \"a b\"\n"
				   "; comment\n"
				   "[ml2]\n"
				   "mechanism_drivers = openvswitch, l2population #no comment here\n"
				   "tenant_network_types = vxlan,\n"
				   "    gre ,\n"
				   "\tvlan\n"
				   "\n"
				   "[OVS]\n"
				   "local-ip=192.0.2.1\n",
				   &err);

	(void)state;
	assert_non_null(c);
	assert_int_equal(conf_int(c, "DEFAULT", "bind_port"), 9797);
	assert_true(conf_bool(c, "DEFAULT", "router_distributed"));
	assert_string_equal(conf_string(c, "DEFAULT", "host"), "a b");
	assert_int_equal(conf_list(c, "ml2", "mechanism_drivers", &list), 2);
	assert_string_equal(list[1], "l2population #no comment here");
	assert_int_equal(conf_list(c, "ml2", "project_network_types", &list), 3);
	assert_string_equal(list[1], "gre");
	assert_string_equal(conf_string(c, "ovs", "local_ip"), "192.0.2.1");
	assert_string_equal(conf_string(c, "database", "connection"), "sqlite:////var/lib/neutrino/neutron.db");
	assert_false(conf_is_set(c, "database", "connection"));
	assert_true(conf_is_set(c, "DEFAULT", "bind_port"));
	conf_free(c);
}

static void later_files_override(void **state)
{
	struct err err = { 0 };
	struct conf *c = read_text("[DEFAULT]\nbind_port = 1\nstate_path = /a\n", &err);
	const char *more = "[default]\nstate_path = /b$$/${bind_port}\n";

	(void)state;
	assert_non_null(c);
	assert_int_equal(conf_read_text(c, "more", more, strlen(more), &err), 0);
	assert_string_equal(conf_string(c, "DEFAULT", "state_path"), "/b$/1");
	conf_free(c);
}

static void errors_name_file_line_and_expectation(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "[DEFAULT]\nbind_port = 0\n",
		  "test.conf:2: [DEFAULT] bind_port = 0: expected an integer from 1 to 65535" },
		{ "[DEFAULT]\nrouter_distributed = maybe\n",
		  "test.conf:2: [DEFAULT] router_distributed = maybe: expected true or false" },
		{ "[DEFAULT]\nbase_mac = fa:16:3e\n",
		  "test.conf:2: [DEFAULT] base_mac = fa:16:3e: expected a MAC address" },
		{ "[DEFAULT]\nnonsense\n", "test.conf:2: no '=' or ':' in an assignment" },
		{ "a = b\n", "test.conf:1: assignment before the first section" },
		{ "[DEFAULT\n", "test.conf:1: a section must end with ']'" },
		{ "[DEFAULT]\n  more\n", "test.conf:2: unexpected continuation line" },
		{ "[DEFAULT]\nstate_path = $nothing\n",
		  "test.conf:2: [DEFAULT] state_path = $nothing: the value refers to $nothing, which is not set" },
		{ "[DEFAULT]\nstate_path = x$state_path\n",
		  "test.conf:2: [DEFAULT] state_path = x$state_path: the value refers to itself" },
		/* and no password */
		{ "[database]\nconnection = mysql://neutron:secret@$host/neutron\n",
		  "test.conf:2: [database] connection = mysql://...@$host/neutron: the value refers to $host, which is "
		  "not set" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct err err = { 0 };

		assert_null(read_text(cases[i].text, &err));
		assert_string_equal(err.text, cases[i].error);
	}
}

/* More of them than an error has room for. */
/* Where it is not set, by neither name. */
static void defaults_worked_out(void **state)
{
	static const struct conf_option mine[] = {
		{ "a", "one", CONF_STRING, "1" },
		{ "a", "two", CONF_STRING, NULL, .old_name = "deux" },
		{ "a", "three", CONF_STRING },
	};
	static const char text[] = "[a]\none = uno\ndeux = due\n";
	struct conf *c = conf_new(mine, N_ELEMENTS(mine));

	(void)state;
	assert_int_equal(conf_read_text(c, "f", text, strlen(text), NULL), 0);
	conf_set_default(c, "a", "one", "x");
	conf_set_default(c, "a", "two", "x");
	conf_set_default(c, "a", "three", "x");
	assert_string_equal(conf_string(c, "a", "one"), "uno");
	assert_string_equal(conf_string(c, "a", "two"), "due");
	assert_string_equal(conf_string(c, "a", "three"), "x");
	assert_true(conf_is_set(c, "a", "one") && !conf_is_set(c, "a", "three"));
	conf_free(c);
}

static void many_choices(void **state)
{
	static const struct conf_option one[] = { { "DEFAULT", "of", CONF_STRING, "last", .choices = choices } };
	static const char more[] = "[DEFAULT]\nof = e\n";
	struct conf *c = conf_new(one, N_ELEMENTS(one));
	struct err err = { 0 };

	(void)state;
	assert_int_equal(conf_check(c, &err), 0);
	assert_int_equal(conf_read_text(c, "more", more, strlen(more), &err), 0);
	assert_true(conf_check(c, &err) < 0);
	assert_non_null(strstr(err.text, "of = e: expected one of " LONG("a") ", " LONG("b")));
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialect_of_oslo),
		cmocka_unit_test(later_files_override),
		cmocka_unit_test(errors_name_file_line_and_expectation),
		cmocka_unit_test(many_choices),
		cmocka_unit_test(defaults_worked_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
