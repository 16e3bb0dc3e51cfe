/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"

static const char two_ways[] = "Flow: udp,in_port=11,vlan_tci=0x0000,nw_src=192.0.2.1,nw_dst=192.0.2.2\n"
			       "\n"
			       "bridge(\"br-int\")\n"
			       "----------------\n"
			       " 0. in_port=11, priority 32768, cookie 0x6e74000600000001\n"
			       "    load:0xb->NXM_NX_REG3[]\n"
			       "    goto_table:20\n"
			       "20. ip,reg1=0x2,metadata=0x7, priority 124\n"
			       "    check_pkt_larger(1464)->NXM_NX_REG0[3]\n"
			       "    resubmit(,21)\n"
			       "    21. reg0=0x8/0x8, priority 10\n"
			       "            goto_table:41\n"
			       "        41. reg15=0x1a, priority 1\n"
			       "            meter:7\n"
			       "    resubmit(,21)\n"
			       "21. priority 0\n"
			       "    resubmit(,40)\n"
			       "40. No match.\n"
			       "    drop\n"
			       "\n"
			       "Final flow: udp,reg3=0xb\n"
			       "Megaflow: recirc_id=0,eth,udp,in_port=11\n"
			       "Datapath actions: check_pkt_len(size=1464,gt(meter(0)),le(set(ipv4(ttl=63)),2))\n";

static void test_both_ways(void **state)
{
	static const unsigned tables[] = { 0, 20, 21, 41, 21, 40 };
	struct trace t;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(trace_parse(two_ways, &t, NULL), 0);
	assert_int_equal(t.n, sizeof(tables) / sizeof(*tables));
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(t.steps[i].table, tables[i]);
	assert_string_equal(t.steps[1].match, "ip,reg1=0x2,metadata=0x7");
	assert_true(trace_field(&t.steps[1], "reg1", &n));
	assert_int_equal(n, 2);
	assert_true(trace_field(&t.steps[1], "metadata", &n));
	assert_int_equal(n, 7);
	assert_true(trace_field(&t.steps[3], "reg15", &n));
	assert_int_equal(n, 26);
	assert_false(trace_field(&t.steps[2], "reg0", &n)); /* masked */
	assert_false(trace_field(&t.steps[1], "reg", &n));
	assert_string_equal(t.steps[4].match, "");
	assert_null(t.steps[5].match);
	assert_string_equal(t.actions, "check_pkt_len(size=1464,gt(meter(0)),le(set(ipv4(ttl=63)),2))");
	assert_null(t.complaint);
	trace_fini(&t);
}

static void test_complaints(void **state)
{
	struct trace t;

	(void)state;
	assert_int_equal(
		trace_parse(" 0. priority 0\n     >> native tunnel routing failed\nDatapath actions: drop\n", &t, NULL),
		0);
	assert_string_equal(t.complaint, "native tunnel routing failed");
	trace_fini(&t);
	assert_int_equal(trace_parse(" 0. priority 0\n >>>> over max translation depth 64 <<<<\nDatapath actions: drop",
				     &t, NULL),
			 0);
	assert_string_equal(t.complaint, "over max translation depth 64 <<<<");
	trace_fini(&t);
}

static void test_not_a_trace(void **state)
{
	struct trace t;

	(void)state;
	assert_true(trace_parse("", &t, NULL) < 0);
	assert_true(trace_parse(" 0. priority 0\n", &t, NULL) < 0);
	assert_true(trace_parse("Datapath actions: drop\n", &t, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_not_a_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
