/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "plan/verdict_names.h"

static struct plan *parsed(const char *text)
{
	struct plan *p = NULL;
	struct err err = { 0 };

	if (plan_parse(text, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static const char canonical[] =
	"host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=compute1\n"
	"peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=odd%20%23name\n"
	"segment type=vxlan id=100 network=7 mtu=1450 uuid=00000000-0000-4000-8000-000000000007\n"
	"subnet network=7 prefix=10.0.1.0/24 mac=fa:16:3e:00:01:01\n"
	"member router=5 host=2\n"
	"port port=3 network=7 mac=fa:16:3e:00:00:01 "
	"addrs=10.0.9.0/24@00:00:5e:00:01:07,10.0.1.5,2001:db8::5 uuid=00000000-0000-4000-8000-000000000003\n"
	"port port=4 network=7 mac=fa:16:3e:00:00:04 up=no security=no\n"
	"fdb network=7 mac=fa:16:3e:00:00:01 port=3\n"
	"fdb network=7 mac=fa:16:3e:00:00:09 peer=2 next=1\n"
	"neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:01\n"
	"flood network=7 host=2\n"
	"route router=5 prefix=10.0.1.0/24 network=7 interface=fa:16:3e:00:01:01\n"
	"interface network=7 mac=fa:16:3e:00:01:01 router=5 addrs=10.0.1.1/24\n"
	"interface network=7 mac=fa:16:3e:00:01:02 router=6 up=no addrs=10.0.1.2/24\n";

static void text_comes_back_as_it_was(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(canonical);
	_cleanup_(utstring_freep) UT_string *out = NULL;

	(void)state;
	utstring_new(out);
	plan_format(p, out);
	assert_string_equal(utstring_body(out), canonical);
}

static void text_is_read_in_any_order(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(
		"# a comment\n\n  port addrs=10.0.1.6,10.0.1.5,10.0.1.6 mac=fa:16:3e:00:00:01 port=3 # the VM\n");
	_cleanup_(utstring_freep) UT_string *out = NULL;

	(void)state;
	utstring_new(out);
	plan_format(p, out);
	assert_string_equal(utstring_body(out), "port port=3 mac=fa:16:3e:00:00:01 addrs=10.0.1.5,10.0.1.6\n");
}

static void wrong_text_is_refused_by_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "nonsense a=1", "line 1: \"nonsense\": no table has this name" },
		{ "\nfdb network=7", "line 2: fdb: mac is missing" },
		{ "fdb network=7 mac=fa:16:3e:00:00:01 mac=fa:16:3e:00:00:01",
		  "line 1: \"mac=fa:16:3e:00:00:01\": the field stands there twice" },
		{ "fdb network=4294967296 mac=fa:16:3e:00:00:01", "line 1: fdb: network is wrong: \"4294967296\"" },
		{ "fdb network= mac=fa:16:3e:00:00:01", "line 1: fdb: network is wrong: \"\"" },
		{ "fdb network=7 mac=fa:16:3e:00:00:01 vlan=3", "line 1: \"vlan=3\": the table has no such field" },
		{ "fdb network=7 mac=fa:16:3e:00:00:01 port", "line 1: \"port\": expected field=value" },
		{ "subnet network=7 prefix=10.0.1.1/24", "line 1: subnet: prefix is wrong: \"10.0.1.1/24\"" },
		{ "subnet network=7 prefix=::ffff:0:0/90", "line 1: subnet: prefix is wrong: \"::ffff:0:0/90\"" },
		{ "host name=a%00b", "line 1: host: name is wrong: \"a%00b\"" },
		{ "port port=1 up=1", "line 1: port: up is wrong: \"1\"" },
		{ "port port=1 addrs=10.0.0.1,", "line 1: port: addrs is wrong: \"10.0.0.1,\"" },
		{ "flood network=7 host=2\nflood host=2 network=7",
		  "line 2: flood: a record of this key stands there already" },
		{ "segment type=gre id=7", "line 1: segment: type is wrong: \"gre\"" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct plan *p = NULL;
		struct err err = { 0 };

		assert_true(plan_parse(cases[i].text, &p, &err) < 0);
		assert_null(p);
		assert_string_equal(err.text, cases[i].error);
	}
}

static void lists_are_bounded(void **state)
{
	_cleanup_(utstring_freep) UT_string *line = NULL;
	struct plan_record r;

	(void)state;
	utstring_new(line);
	utstring_printf(line, "interface network=1 mac=fa:16:3e:00:00:01 addrs=10.0.0.1/24");
	for (int i = 2; i <= PLAN_IFACE_ADDRS; i++)
		utstring_printf(line, ",10.0.0.%d/24", i);
	assert_int_equal(plan_record_parse(utstring_body(line), &r, NULL), 0);
	assert_int_equal(r.interface.n_addrs, PLAN_IFACE_ADDRS);
	utstring_printf(line, ",10.0.0.99/24");
	assert_true(plan_record_parse(utstring_body(line), &r, NULL) < 0);
}

/* `from` and `to` are plans, `want` the text of the ordered changes. */
static void check_diff(const char *from, const char *to, const char *want)
{
	_cleanup_(plan_freep) struct plan *a = parsed(from), *b = parsed(to);
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct plan_changes c;

	utstring_new(out);
	plan_diff(a, b, &c);
	plan_changes_format(&c, out);
	assert_string_equal(utstring_body(out), want);
	plan_apply(a, &c);
	assert_true(plan_equal(a, b));
	plan_changes_fini(&c);
}

#define FDB_HERE "fdb network=7 mac=fa:16:3e:00:00:01 port=3\n"
#define FDB_AWAY "fdb network=7 mac=fa:16:3e:00:00:01 peer=2\n"
#define PORT "port port=3 network=7 mac=fa:16:3e:00:00:01\n"
#define NEIGHBOUR "neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:01\n"

static void leaves_come_first_and_go_last(void **state)
{
	(void)state;
	check_diff("", FDB_HERE PORT NEIGHBOUR, "+ " PORT "+ " FDB_HERE "+ " NEIGHBOUR);
	/* Ports are a start too. */
	check_diff(FDB_HERE PORT NEIGHBOUR, "", "- " PORT "- " NEIGHBOUR "- " FDB_HERE);
	/* A VM that moves away: its MAC is never without a place. */
	check_diff(FDB_HERE PORT NEIGHBOUR, FDB_AWAY NEIGHBOUR, "~ " FDB_AWAY "- " PORT);
}

static void unique_values_are_freed_first(void **state)
{
	(void)state;
	/* The network changes its segment; the row that leans on it goes with the old one. */
	check_diff("segment type=vxlan id=100 network=7\n" FDB_AWAY, "segment type=vxlan id=200 network=7\n",
		   "- " FDB_AWAY "- segment type=vxlan id=100 network=7\n"
		   "+ segment type=vxlan id=200 network=7\n");
	/* Two peers change addresses with each other: both go before both come. */
	check_diff("peer host=2 tunnel=192.0.2.2\npeer host=3 tunnel=192.0.2.3\n",
		   "peer host=2 tunnel=192.0.2.3\npeer host=3 tunnel=192.0.2.2\n",
		   "- peer host=3 tunnel=192.0.2.3\n- peer host=2 tunnel=192.0.2.2\n"
		   "+ peer host=2 tunnel=192.0.2.3\n+ peer host=3 tunnel=192.0.2.2\n");
	/* An address that nobody takes is an update in place. */
	check_diff("peer host=2 tunnel=192.0.2.2\n", "peer host=2 tunnel=192.0.2.9\n",
		   "~ peer host=2 tunnel=192.0.2.9\n");
}

static void old_halves_do_not_join_new_ones(void **state)
{
	(void)state;
	/* The address leaves a MAC that moves in the same step. */
	check_diff(FDB_HERE NEIGHBOUR, FDB_AWAY "neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:02\n",
		   "- " NEIGHBOUR "~ " FDB_AWAY "+ neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:02\n");
}

static void words_have_names(void **state)
{
	enum drop_reason r;
	enum verdict v;

	(void)state;
	assert_string_equal(drop_reason_name(DROP_SPOOF_IP), "spoof_ip");
	assert_int_equal(drop_reason_parse("spoof_ip", &r), 0);
	assert_int_equal(r, DROP_SPOOF_IP);
	assert_true(drop_reason_parse("spoof", &r) < 0);
	assert_int_equal(verdict_parse("answer", &v), 0);
	assert_int_equal(v, VERDICT_ANSWER);
	assert_string_equal(verdict_counter(VERDICT_DROP, DROP_TTL), "drop_ttl");
	assert_string_equal(verdict_counter(VERDICT_SEND, DROP_NONE), "send");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back_as_it_was),       cmocka_unit_test(text_is_read_in_any_order),
		cmocka_unit_test(wrong_text_is_refused_by_line),   cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(leaves_come_first_and_go_last),   cmocka_unit_test(unique_values_are_freed_first),
		cmocka_unit_test(old_halves_do_not_join_new_ones), cmocka_unit_test(words_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
