/* SPDX-License-Identifier: Apache-2.0 */
#include "model/object.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

/* Canonical texts: each must come back as it went in. */
static const char *const texts[] = {
	"{\"kind\":\"host\",\"num\":3,\"unit\":\"host:3\",\"name\":\"compute1\",\"tunnel\":\"192.0.2.1\","
	"\"dvr_mac\":\"fa:16:3f:00:00:01\"}",
	"{\"kind\":\"peer\",\"num\":4,\"unit\":\"peer:4\",\"name\":\"compute2\",\"tunnel\":null,"
	"\"dvr_mac\":\"fa:16:3f:00:00:02\"}",
	"{\"kind\":\"network\",\"num\":7,\"unit\":\"network:7\",\"uuid\":\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01\","
	"\"type\":\"vxlan\",\"physical_network\":\"\",\"segmentation_id\":16777215,\"mtu\":1450}",
	"{\"kind\":\"subnet\",\"num\":9,\"unit\":\"network:7\",\"uuid\":\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a02\","
	"\"network\":7,\"cidr\":\"10.0.1.0/24\",\"gateway\":\"10.0.1.1\"}",
	"{\"kind\":\"endpoint\",\"num\":12,\"unit\":\"network:7\",\"network\":7,\"host\":3,\"next\":0,"
	"\"mac\":\"fa:16:3e:00:00:0c\",\"ips\":[\"10.0.1.5\",\"2001:db8::5\"]}",
	"{\"kind\":\"port\",\"num\":12,\"unit\":\"host:3\",\"uuid\":\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a03\","
	"\"network\":7,\"mac\":\"fa:16:3e:00:00:0c\",\"admin_state_up\":true,\"port_security\":false,"
	"\"device_owner\":\"compute:nova\",\"binding\":3,\"addrs\":[{\"mac\":\"fa:16:3e:00:00:0c\",\"prefix\":\"10.0.1."
	"5/32\"}]}",
	"{\"kind\":\"router\",\"num\":1,\"unit\":\"router:1\",\"uuid\":\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a04\","
	"\"admin_state_up\":true,\"distributed\":true}",
	"{\"kind\":\"interface\",\"num\":13,\"unit\":\"router:1\",\"uuid\":\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a05\","
	"\"router\":1,\"network\":7,\"mac\":\"fa:16:3e:00:00:0d\",\"admin_state_up\":false,\"addrs\":[\"10.0.1.1/"
	"24\"]}",
	"{\"kind\":\"member\",\"router\":1,\"host\":3,\"unit\":\"router:1\"}",
};

static int decode(const char *text, struct object *ret, struct err *err)
{
	json_t *json;
	int r;

	assert_int_equal(json_read(text, strlen(text), &json, NULL), 0);
	r = object_decode(json, ret, err);
	json_decref(json);
	return r;
}

static void objects_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		_cleanup_(utstring_freep) UT_string *out = NULL;
		struct object o, again;
		struct jw w;

		utstring_new(out);
		memset(&o, 0xa5, sizeof(o));
		memset(&again, 0x5a, sizeof(again));
		assert_int_equal(decode(texts[i], &o, NULL), 0);
		w = jw_init(out);
		object_encode(&o, &w);
		assert_string_equal(utstring_body(out), texts[i]);
		assert_int_equal(decode(texts[i], &again, NULL), 0);
		assert_memory_equal(&o, &again, sizeof(o)); /* padding included */
	}
}

static void identities_come_back(void **state)
{
	static const struct {
		struct object_id id;
		const char *text;
	} cases[] = {
		{ { OBJECT_ENDPOINT, 12, 0 }, "{\"kind\":\"endpoint\",\"num\":12}" },
		{ { OBJECT_MEMBER, 1, 3 }, "{\"kind\":\"member\",\"router\":1,\"host\":3}" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		_cleanup_(utstring_freep) UT_string *out = NULL;
		struct object_id id;
		json_t *json;
		struct jw w;

		utstring_new(out);
		w = jw_init(out);
		object_id_encode(&cases[i].id, &w);
		assert_string_equal(utstring_body(out), cases[i].text);
		assert_int_equal(json_read(cases[i].text, strlen(cases[i].text), &json, NULL), 0);
		assert_int_equal(object_id_decode(json, &id, NULL), 0);
		assert_memory_equal(&id, &cases[i].id, sizeof(id));
		json_decref(json);
	}
}

static void bad_objects_are_refused_by_name(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{ "{}", "kind" },
		{ "{\"kind\":\"cloud\"}", "kind" },
		{ "{\"kind\":\"router\",\"num\":0}", "num" },
		{ "{\"kind\":\"router\",\"num\":4294967296}", "num" },
		{ "{\"kind\":\"router\",\"num\":-1}", "num" },
		{ "{\"kind\":\"router\",\"num\":1,\"unit\":\"network:1\"}", "unit" },
		{ "{\"kind\":\"router\",\"num\":1,\"unit\":\"router:1\",\"uuid\":\"x\"}", "uuid" },
		{ "{\"kind\":\"member\",\"router\":1,\"unit\":\"router:1\"}", "host" },
		{ "{\"kind\":\"endpoint\",\"num\":1,\"unit\":\"network:1\",\"network\":1,\"host\":1,\"next\":0,"
		  "\"mac\":\"fa:16:3e:00:00:0c\",\"ips\":[\"10.0.0\"]}",
		  "ips" },
		{ "{\"kind\":\"peer\",\"num\":1,\"unit\":\"peer:1\",\"name\":"
		  "\"0123456789012345678901234567890123456789012345678901234567890123\"}",
		  "name" },
		{ "{\"kind\":\"peer\",\"num\":1,\"unit\":\"peer:1\",\"name\":\"h\",\"tunnel\":7}", "tunnel" },
		{ "{\"kind\":\"subnet\",\"num\":1,\"unit\":\"network:1\",\"uuid\":"
		  "\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a02\",\"network\":1,\"cidr\":\"10.0.0.0/40\"}",
		  "cidr" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct object o;
		struct err err = { 0 };

		assert_int_equal(decode(cases[i].text, &o, &err), -EINVAL);
		assert_int_equal(strncmp(err.text, cases[i].named, strlen(cases[i].named)), 0);
	}
}

static void lists_are_bounded(void **state)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct object o;
	struct err err = { 0 };

	(void)state;
	utstring_new(text);
	utstring_printf(text, "{\"kind\":\"endpoint\",\"num\":1,\"unit\":\"network:1\",\"network\":1,\"host\":1,"
			      "\"next\":0,\"mac\":\"fa:16:3e:00:00:0c\",\"ips\":[");
	for (int i = 0; i <= OBJECT_MAX_ADDRS; i++)
		utstring_printf(text, "%s\"10.0.0.%d\"", i ? "," : "", i + 1);
	utstring_printf(text, "]}");
	assert_int_equal(decode(utstring_body(text), &o, &err), -EINVAL);
	assert_non_null(strstr(err.text, "ips"));
}

static void units_parse_and_format(void **state)
{
	static const char *const bad[] = {
		"",           "network", "network:", "network:0",  "network:01", "network:4294967296",
		"network:1x", "net:1",   ":1",       "network:-1", "network: 1"
	};
	struct unit u;
	char text[32];

	(void)state;
	assert_int_equal(unit_parse("network:4294967295", &u), 0);
	assert_int_equal(u.kind, UNIT_NETWORK);
	assert_int_equal(u.num, UINT32_MAX);
	assert_string_equal(unit_format(&u, text), "network:4294967295");
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(unit_parse(bad[i], &u), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_come_back),
		cmocka_unit_test(identities_come_back),
		cmocka_unit_test(bad_objects_are_refused_by_name),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(units_parse_and_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
