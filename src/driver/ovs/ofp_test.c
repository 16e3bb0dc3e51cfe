/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ofp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"

#define OFCTL "ovs-ofctl -O OpenFlow14 "

static struct sandbox box;

static void need_ofctl(void)
{
	struct err err;
	int r = box.keeper ? 0 : sandbox_start(&box, &err);

	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	if (r < 0)
		fail_msg("%s", err.text);
}

/* ---- what is sent, as Open vSwitch reads it ---- */

static struct flow a_flow;

static int setup(void **state)
{
	(void)state;
	flow_init(&a_flow, 3, 124, 0x6e74000000000007ull);
	flow_match(&a_flow, FIELD_REG1, 5);
	flow_load(&a_flow, FIELD_REG2, 6);
	flow_goto(&a_flow, 4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flow_fini(&a_flow);
	if (box.keeper)
		sandbox_stop(&box);
	return 0;
}

static void put_hello(struct ofp_out *out)
{
	ofp_put_hello(out, 1);
}

static void put_set_config(struct ofp_out *out)
{
	ofp_put_set_config(out, 2);
}

static void put_barrier(struct ofp_out *out)
{
	ofp_put_plain(out, OFP_BARRIER_REQUEST, 3, NULL, 0);
}

static void put_echo_reply(struct ofp_out *out)
{
	ofp_put_plain(out, OFP_ECHO_REPLY, 4, (const uint8_t *)"abcd", 4);
}

static void put_open(struct ofp_out *out)
{
	ofp_put_bundle_control(out, 5, 9, OFP_BUNDLE_OPEN);
}

static void put_commit(struct ofp_out *out)
{
	ofp_put_bundle_control(out, 6, 9, OFP_BUNDLE_COMMIT);
}

static void put_discard(struct ofp_out *out)
{
	ofp_put_bundle_control(out, 7, 9, OFP_BUNDLE_DISCARD);
}

static void put_add(struct ofp_out *out)
{
	ofp_put_bundle_add(out, 8, 9, &(struct flow_mod) { FLOW_ADD, &a_flow });
}

static void put_strict_delete(struct ofp_out *out)
{
	ofp_put_bundle_add(out, 9, 9, &(struct flow_mod) { FLOW_DELETE, &a_flow });
}

static void put_delete(struct ofp_out *out)
{
	ofp_put_delete(out, 10, 0x6e74000000000000ull, 0xffff000000000000ull);
}

static void put_dump(struct ofp_out *out)
{
	ofp_put_dump(out, 11, 3, 0x6e74000000000000ull, 0xffff000000000000ull);
}

static void put_meter_add(struct ofp_out *out)
{
	ofp_put_meter(out, 12, OFP_METER_ADD, &(struct openflow_meter) { 7, 100, 50 });
}

static void put_meter_modify(struct ofp_out *out)
{
	ofp_put_meter(out, 13, OFP_METER_MODIFY, &(struct openflow_meter) { 7, 100, 50 });
}

static void put_meter_delete(struct ofp_out *out)
{
	ofp_put_meter(out, 14, OFP_METER_DELETE, &(struct openflow_meter) { 7, 0, 0 });
}

static void put_meter_stats(struct ofp_out *out)
{
	ofp_put_meter_stats(out, 15);
}

static void put_packet_out(struct ofp_out *out)
{
	static const uint8_t frame[20] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };

	assert_true(ofp_put_packet_out(out, 16, OFPP_CONTROLLER, &a_flow, frame, sizeof(frame)));
}

static const struct {
	void (*put)(struct ofp_out *out);
	const char *text; /* how the first line begins that ovs-ofctl prints */
} sent[] = {
	{ put_hello, "OFPT_HELLO (OF1.4) (xid=0x1):\n version bitmap: 0x05\n" },
	{ put_set_config, "OFPT_SET_CONFIG (OF1.4) (xid=0x2): frags=nx-match miss_send_len=65535\n" },
	{ put_barrier, "OFPT_BARRIER_REQUEST (OF1.4) (xid=0x3):\n" },
	{ put_echo_reply, "OFPT_ECHO_REPLY (OF1.4) (xid=0x4): 4 bytes of payload\n" },
	{ put_open, "OFPT_BUNDLE_CONTROL (OF1.4) (xid=0x5):\n bundle_id=0x9 type=OPEN_REQUEST flags=atomic ordered\n" },
	{ put_commit,
	  "OFPT_BUNDLE_CONTROL (OF1.4) (xid=0x6):\n bundle_id=0x9 type=COMMIT_REQUEST flags=atomic ordered\n" },
	{ put_discard,
	  "OFPT_BUNDLE_CONTROL (OF1.4) (xid=0x7):\n bundle_id=0x9 type=DISCARD_REQUEST flags=atomic ordered\n" },
	{ put_add, "OFPT_BUNDLE_ADD_MESSAGE (OF1.4) (xid=0x8):\n bundle_id=0x9 flags=atomic ordered\n"
		   "OFPT_FLOW_MOD (OF1.4) (xid=0x8): ADD table:3 priority=124,reg1=0x5 cookie:0x6e74000000000007 "
		   "actions=set_field:0x6->reg2,goto_table:4\n" },
	{ put_strict_delete, "OFPT_BUNDLE_ADD_MESSAGE (OF1.4) (xid=0x9):\n bundle_id=0x9 flags=atomic ordered\n"
			     "OFPT_FLOW_MOD (OF1.4) (xid=0x9): DEL_STRICT table:3 priority=124,reg1=0x5 " },
	{ put_delete, "OFPT_FLOW_MOD (OF1.4) (xid=0xa): DEL table:255 priority=0 "
		      "cookie:0x6e74000000000000/0xffff000000000000 actions=drop\n" },
	{ put_dump, "OFPST_FLOW request (OF1.4) (xid=0xb): table=3\n" }, /* prints no cookie with a mask */
	{ put_meter_add, "OFPT_METER_MOD (OF1.4) (xid=0xc): ADD meter=7 pktps burst stats bands=\n"
			 "type=drop rate=100 burst_size=50\n" },
	{ put_meter_modify, "OFPT_METER_MOD (OF1.4) (xid=0xd): MOD meter=7 pktps burst stats bands=\n"
			    "type=drop rate=100 burst_size=50\n" },
	{ put_meter_delete, "OFPT_METER_MOD (OF1.4) (xid=0xe): DEL meter=7 " },
	{ put_meter_stats, "OFPST_METER request (OF1.4) (xid=0xf): meter=all\n" },
	{ put_packet_out, "OFPT_PACKET_OUT (OF1.4) (xid=0x10): in_port=CONTROLLER "
			  "actions=set_field:0x6->reg2 data_len=20\n" },
};

static void test_sent(void **state)
{
	_cleanup_(utstring_freep) UT_string *got = NULL, *command = NULL;

	(void)state;
	need_ofctl();
	utstring_new(got);
	utstring_new(command);
	for (size_t i = 0; i < N_ELEMENTS(sent); i++) {
		struct ofp_out out = { 0 };

		sent[i].put(&out);
		utstring_clear(command);
		utstring_printf(command, OFCTL "ofp-print ");
		for (size_t at = 0; at < out.len; at++)
			utstring_printf(command, "%02x", out.bytes[at]);
		utstring_clear(got);
		assert_int_equal(sandbox_run(&box, got, "%s", utstring_body(command)), 0);
		if (strncmp(utstring_body(got), sent[i].text, strlen(sent[i].text)) != 0)
			fail_msg("%s\ninstead of\n%s", utstring_body(got), sent[i].text);
		ofp_out_fini(&out);
	}
}

/* ---- names of errors ---- */

#define MAX_TYPE 20
#define MAX_CODE 64

/* Where a name is given it is the number that Open vSwitch has for it. */
static void check_name(uint16_t type, uint16_t code, uint32_t experimenter)
{
	_cleanup_(utstring_freep) UT_string *got = NULL;
	_cleanup_(freep) char *expected = NULL;
	char text[96];

	ofp_error_text(type, code, experimenter, text, sizeof(text));
	if (strchr(text, ' '))
		return;
	utstring_new(got);
	assert_int_equal(sandbox_run(&box, got, OFCTL "print-error %s", text), 0);
	expected = experimenter ? xasprintf("OpenFlow 1.4: vendor %#x, type %u, code 0\n", experimenter, code)
				: xasprintf("OpenFlow 1.4: vendor 0, type %u, code %u\n", type, code);
	if (!strstr(utstring_body(got), expected))
		fail_msg("%s is not %s", text, expected);
}

static void test_error_names(void **state)
{
	char text[96];

	(void)state;
	ofp_error_text(2, 4, 0, text, sizeof(text));
	assert_string_equal(text, "OFPBAC_BAD_OUT_PORT");
	ofp_error_text(6, 2, 0, text, sizeof(text));
	assert_string_equal(text, "error of type 6, code 2");
	ofp_error_text(0xffff, 99, 0x2320, text, sizeof(text));
	assert_string_equal(text, "error 99 of experimenter 0x2320");
	need_ofctl();
	for (uint16_t code = 0; code < MAX_CODE; code++) {
		for (uint16_t type = 0; type < MAX_TYPE; type++)
			check_name(type, code, 0);
		check_name(0xffff, code, 0x2320);
	}
}

/* ---- what is received: as an Open vSwitch said it ---- */

static size_t bytes_of(const char *hex, uint8_t *ret, size_t max)
{
	size_t n = 0;

	for (const char *p = hex; *p; p++) {
		char two[3] = { p[0], p[1] };

		if (*p == ' ')
			continue;
		assert_true(n < max);
		ret[n++] = (uint8_t)strtoul(two, NULL, 16);
		p++;
	}
	return n;
}

static struct ofp_message message_of(const char *hex)
{
	static uint8_t bytes[512];
	size_t n = bytes_of(hex, bytes, sizeof(bytes));
	struct ofp_message m;
	struct err err;

	for (size_t i = 0; i < n; i++)
		if (ofp_read(bytes, i, &m, &err) > 0)
			fail_msg("taken before it is all there");
	assert_int_equal(ofp_read(bytes, n, &m, &err), n);
	return m;
}

static void test_received(void **state)
{
	struct ofp_message m = message_of(
		"050a007a00000000 ffffffff0040050000000000000000000001002080000004fffffffd000112040a000001"
		"80000408000000000000002a0000 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f");
	struct openflow_packet_in packet;
	struct ofp_meter_item meter;
	struct ofp_flow_item flow;
	struct openflow_error e;
	struct ofp_part part;
	uint64_t value;
	struct err err;

	(void)state;
	assert_int_equal(m.type, OFP_PACKET_IN);
	assert_int_equal(ofp_read_packet_in(&m, &packet, &err), 0);
	assert_int_equal(packet.len, 64);
	assert_int_equal(packet.frame[63], 0x3f);
	assert_true(flow_oxm_find(packet.oxm, packet.oxm_len, FIELD_REG9, &value));
	assert_int_equal(value, 0x0a000001);

	m = message_of("0513005800000001 0009000000000000 0000000100480000 00000000 00000003 0000000000000032"
		       "0000000000000c80 00000000002e7ddb 0000000000000030 0000000000000c00"
		       "0000000000000001 0000000000000002");
	assert_int_equal(ofp_read_part(&m, &part, &err), 0);
	assert_int_equal(part.type, OFP_MULTIPART_METER);
	assert_false(part.more);
	assert_int_equal(ofp_read_meter(&part, &meter, &err), 1);
	assert_int_equal(meter.id, 1);
	assert_int_equal(meter.in.packets, 50);
	assert_int_equal(meter.in.bytes, 3200);
	assert_int_equal(meter.dropped.packets, 49);
	assert_int_equal(meter.dropped.bytes, 0xc02);
	assert_int_equal(ofp_read_meter(&part, &meter, &err), 0);

	m = message_of("0513005000000001 0001000100000000 00400700 00000000 04b571c0 0001 0000 0000 0000 0000 0000"
		       "6e74000000000009 0000000000000003 000000000000012c 0001000400000000 0001000808000000");
	assert_int_equal(ofp_read_part(&m, &part, &err), 0);
	assert_int_equal(part.type, OFP_MULTIPART_FLOW);
	assert_true(part.more);
	assert_int_equal(ofp_read_flow(&part, &flow, &err), 1);
	assert_int_equal(flow.table, 7);
	assert_int_equal(flow.priority, 1);
	assert_int_equal(flow.cookie, 0x6e74000000000009);
	assert_int_equal(flow.stats.packets, 3);
	assert_int_equal(flow.stats.bytes, 300);
	assert_int_equal(flow.match_len, 0);
	assert_int_equal(flow.instructions_len, 8);
	assert_int_equal(ofp_read_flow(&part, &flow, &err), 0);

	m = message_of("0501001c00000006 0011000d 052100100000000600000001 00040003");
	assert_int_equal(ofp_read_error(&m, &e, &err), 0);
	assert_int_equal(e.type, 17);
	assert_int_equal(e.code, 13);
	assert_string_equal(e.text, "OFPBFC_MSG_FAILED");
	m = message_of("0501001000000006 ffff 000f 00002320");
	assert_int_equal(ofp_read_error(&m, &e, &err), 0);
	assert_string_equal(e.text, "NXBAC_BAD_CONJUNCTION");
}

static void test_hello(void **state)
{
	static const struct {
		const char *hex;
		bool good;
	} cases[] = {
		{ "0600000800000001", true }, /* all up to 1.5 */
		{ "0500000800000001", true },
		{ "0400000800000001", false },
		{ "0600001000000001 0001000800000070", true },
		{ "0600001000000001 0001000800000050", false }, /* 1.3 and 1.5 */
		{ "0400001000000001 0001000800000020", true },
		{ "0600001800000001 00630005ff000000 0001000800000020", true }, /* an element of later */
		{ "0600000d00000001 00630005ff", true }, /* without padding at the end */
		{ "0600000a00000001 0001", false },
		{ "0600000c00000001 00010003", false },
		{ "0600000c00000001 00010004", false },
		{ "0600000c00000001 00010008", false },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct ofp_message m = message_of(cases[i].hex);
		struct err err = { 0 };

		if ((ofp_read_hello(&m, &err) == 0) != cases[i].good || (err.text[0] == '\0') != cases[i].good)
			fail_msg("%s: %s", cases[i].hex, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_error_names),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_hello),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
