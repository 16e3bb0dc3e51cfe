/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define UUID "6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01"

struct line {
	enum message_side sender;
	const char *text;
};

/* Canonical: each comes back as it went in. */
static const struct line lines[] = {
	{ MESSAGE_AGENT, "{\"hello\":{\"proto_min\":1,\"proto_max\":1,\"host\":\"compute1\",\"token\":\"secret\","
			 "\"version\":\"0.1\",\"datapath\":\"ebpf\",\"vif_type\":\"tap\",\"tunnel_ip\":\"192.0.2.1\","
			 "\"agent_mode\":\"dvr\",\"configurations\":{\"a\":1},\"heartbeat_ms\":30000,"
			 "\"resume\":{\"incarnation\":\"" UUID "\",\"position\":123}}}" },
	{ MESSAGE_AGENT, "{\"hello\":{\"proto_min\":1,\"proto_max\":2,\"host\":\"c\",\"token\":\"s\","
			 "\"datapath\":\"fake\",\"vif_type\":\"tap\",\"tunnel_ip\":\"192.0.2.1\"}}" },
	{ MESSAGE_AGENT, "{\"report\":{\"applied\":123,\"ports\":[{\"num\":7,\"state\":\"up\"}]}}" },
	{ MESSAGE_AGENT, "{\"report\":{\"applied\":0}}" },
	{ MESSAGE_AGENT, "{\"heartbeat\":{\"applied\":1,\"counters\":{\"drop_ttl\":4},\"held\":true}}" },
	{ MESSAGE_AGENT, "{\"heartbeat\":{\"applied\":1}}" },
	{ MESSAGE_SERVER, "{\"welcome\":{\"proto\":1,\"incarnation\":\"" UUID "\",\"host\":3,\"mode\":\"snapshot\"}}" },
	{ MESSAGE_SERVER, "{\"refused\":{\"reason\":\"token\",\"text\":\"say \\\"please\\\"\"}}" },
	{ MESSAGE_SERVER, "{\"set\":{\"kind\":\"member\",\"router\":1,\"host\":3,\"unit\":\"router:1\"}}" },
	{ MESSAGE_SERVER, "{\"del\":{\"kind\":\"endpoint\",\"num\":12}}" },
	{ MESSAGE_SERVER, "{\"enter\":\"network:7\"}" },
	{ MESSAGE_SERVER, "{\"drop\":\"peer:4294967295\"}" },
	{ MESSAGE_SERVER, "{\"frame\":{\"position\":9223372036854775807,\"request_id\":\"req-1\"}}" },
	{ MESSAGE_SERVER, "{\"frame\":{\"position\":124,\"snapshot\":true}}" },
	{ MESSAGE_SERVER, "{\"heartbeat\":{\"position\":124}}" },
	{ MESSAGE_SERVER, "{\"accept\":{}}" },
};

static void test_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
		_cleanup_(utstring_freep) UT_string *out = NULL;
		_cleanup_(freep) char *expected = xasprintf("%s\n", lines[i].text);
		struct message m;
		struct err err;

		if (message_decode(lines[i].sender, lines[i].text, strlen(lines[i].text), &m, &err) != 0)
			fail_msg("%s: %s", lines[i].text, err.text);
		utstring_new(out);
		message_encode(&m, out);
		assert_string_equal(utstring_body(out), expected);
		message_fini(&m);
	}
}

static void test_refused(void **state)
{
	static const struct line bad[] = {
		{ MESSAGE_AGENT, "" },
		{ MESSAGE_AGENT, "7" },
		{ MESSAGE_AGENT, "[]" },
		{ MESSAGE_AGENT, "{\"report\":{}}" },
		{ MESSAGE_AGENT, "{\"report\":{\"applied\":-1}}" },
		{ MESSAGE_AGENT, "{\"report\":{\"applied\":1.5}}" },
		{ MESSAGE_AGENT, "{\"report\":{\"applied\":1,\"ports\":{}}}" },
		{ MESSAGE_AGENT, "{\"report\":[]}" },
		{ MESSAGE_AGENT, "{\"heartbeat\":{\"applied\":1,\"counters\":[]}}" },
		{ MESSAGE_AGENT, "{\"heartbeat\":{\"applied\":1,\"held\":1}}" },
		{ MESSAGE_AGENT, "{\"heartbeat\":{\"applied\":1}} "
				 "{}" },
		{ MESSAGE_SERVER,
		  "{\"welcome\":{\"proto\":4294967296,\"incarnation\":\"\",\"host\":1,\"mode\":\"\"}}" },
		{ MESSAGE_SERVER,
		  "{\"welcome\":{\"proto\":1,\"incarnation\":\"" UUID "0\",\"host\":1,\"mode\":\"\"}}" },
		{ MESSAGE_SERVER, "{\"enter\":\"planet:7\"}" },
		{ MESSAGE_SERVER, "{\"enter\":\"network:4294967296\"}" },
		{ MESSAGE_SERVER, "{\"enter\":7}" },
		{ MESSAGE_SERVER, "{\"enter\":\"network:1\",\"enter\":\"network:2\"}" },
		{ MESSAGE_SERVER, "{\"set\":{\"kind\":\"member\"}}" },
		{ MESSAGE_SERVER, "{\"del\":{\"kind\":\"endpoint\"}}" },
		{ MESSAGE_SERVER, "{\"frame\":{}}" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		struct message m;
		struct err err = { 0 };

		if (message_decode(bad[i].sender, bad[i].text, strlen(bad[i].text), &m, &err) >= 0)
			fail_msg("taken: %s", bad[i].text);
		assert_true(err.text[0] != '\0');
	}
}

static void test_unknown_is_skipped(void **state)
{
	static const struct line unknown[] = {
		{ MESSAGE_AGENT, "{\"teapot\":{}}" },
		{ MESSAGE_AGENT, "{}" },
		{ MESSAGE_AGENT, "{\"enter\":\"network:7\"}" }, /* the other end's */
	};
	static const char more[] = "{\"frame\":{\"position\":1,\"colour\":\"blue\"},\"later\":true}";
	struct message m;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(unknown); i++)
		assert_int_equal(message_decode(unknown[i].sender, unknown[i].text, strlen(unknown[i].text), &m, &err),
				 1);
	assert_int_equal(message_decode(MESSAGE_SERVER, more, strlen(more), &m, &err), 0);
	assert_int_equal(m.kind, MESSAGE_FRAME);
	message_fini(&m);
}

static void test_ports(void **state)
{
	static const enum message_port_state states[] = { MESSAGE_PORT_DOWN, MESSAGE_PORT_UP, MESSAGE_PORT_ERROR };
	struct message_port port;
	struct err err;
	json_t *json;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(states); i++) {
		const struct message_port in = { .num = 7, .state = states[i], .text = "why" };

		json = message_port_encode(&in);
		assert_int_equal(message_port_decode(json, &port, &err), 0);
		assert_memory_equal(&in, &port, sizeof(in));
		json_decref(json);
	}
	json = json_pack("{s:i,s:s}", "num", 7, "state", "sideways");
	assert_int_equal(message_port_decode(json, &port, &err), -EINVAL);
	json_decref(json);
	json = json_integer(7);
	assert_int_equal(message_port_decode(json, &port, &err), -EINVAL);
	json_decref(json);
}

static void test_raw(void **state)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	(void)state;
	utstring_new(out);
	message_encode_raw(MESSAGE_DEL, "{\"kind\":\"port\",\"num\":1}", out);
	assert_string_equal(utstring_body(out), "{\"del\":{\"kind\":\"port\",\"num\":1}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_is_skipped),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
