/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/err.h"
#include "base/mem.h"
#include "model/resource.h"

/* Checks `body` and compares the attributes (JSON) or the error ("type: text") with `expected`. */
static void expect(const char *collection, enum resource_op op, const char *body, const char *expected)
{
	_cleanup_(json_decrefp) json_t *object = NULL;
	_cleanup_(json_decrefp) json_t *attrs = NULL;
	_cleanup_(freep) char *text = NULL;
	struct err err = { 0 };
	int r;

	assert_int_equal(json_read(body, strlen(body), &object, &err), 0);
	r = resource_check(resource_find(collection), op, object, true, &attrs, &err);
	if (r < 0)
		text = xasprintf("%s: %s", err.type, err.text);
	else
		text = json_dumps(attrs, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, expected);
}

#define NET "\"network_id\":\"A0000000-0000-4000-8000-00000000000B\""

static void test_defaults(void **state)
{
	(void)state;
	expect("networks", RESOURCE_CREATE, "{}",
	       "{\"admin_state_up\":true,\"description\":\"\",\"name\":\"\",\"port_security_enabled\":true,\"shared\":"
	       "false}");
	expect("routers", RESOURCE_CREATE, "{\"distributed\":null,\"tenant_id\":\"p\",\"external_gateway_info\":{}}",
	       "{\"admin_state_up\":true,\"description\":\"\",\"name\":\"\",\"project_id\":\"p\"}");
	expect("networks", RESOURCE_UPDATE, "{\"name\":\"x\"}", "{\"name\":\"x\"}");
}

static void test_converted(void **state)
{
	(void)state;
	expect("routers", RESOURCE_UPDATE, "{\"distributed\":\"True\",\"admin_state_up\":\"off\"}",
	       "{\"admin_state_up\":false,\"distributed\":true}");
	expect("ports", RESOURCE_UPDATE, "{\"mac_address\":\"FA:16:3E:00:00:0A\",\"binding:host_id\":null}",
	       "{\"binding:host_id\":\"\",\"mac_address\":\"fa:16:3e:00:00:0a\"}");
	expect("subnets", RESOURCE_CREATE,
	       "{" NET ",\"cidr\":\"10.0.0.0/24\",\"ip_version\":\"4\",\"gateway_ip\":null}",
	       "{\"cidr\":\"10.0.0.0/24\",\"description\":\"\",\"dns_nameservers\":[],\"enable_dhcp\":true,"
	       "\"gateway_ip\":null,\"host_routes\":[],\"ip_version\":4,\"name\":\"\","
	       "\"network_id\":\"a0000000-0000-4000-8000-00000000000b\"}");
}

static void test_refused(void **state)
{
	(void)state;
	expect("networks", RESOURCE_CREATE, "{\"nosuch\":1,\"nor\":2}",
	       "HTTPBadRequest: Unrecognized attribute(s) 'nosuch, nor'");
	expect("networks", RESOURCE_CREATE, "{\"id\":1}", "HTTPBadRequest: Attribute 'id' not allowed in POST");
	expect("networks", RESOURCE_UPDATE, "{\"tenant_id\":\"x\"}",
	       "HTTPBadRequest: Cannot update read-only attribute tenant_id");
	expect("networks", RESOURCE_CREATE, "{\"tenant_id\":\"x\",\"project_id\":\"y\"}",
	       "HTTPBadRequest: 'project_id' and 'tenant_id' do not match");
	expect("ports", RESOURCE_CREATE, "{}",
	       "HTTPBadRequest: Failed to parse request. Required attribute 'network_id' not specified");
	expect("routers", RESOURCE_CREATE, "{\"distributed\":\"maybe\"}",
	       "InvalidInput: Invalid input for operation: distributed: 'maybe' cannot be converted to boolean.");
	expect("routers", RESOURCE_CREATE, "{\"ha\":true}", "NotImplementedError: ha: only false is served so far.");
	expect("networks", RESOURCE_CREATE, "{\"name\":null}",
	       "HTTPBadRequest: Invalid input for name. Reason: 'None' is not a valid string.");
	expect("networks", RESOURCE_CREATE, "{\"\":1}", "HTTPBadRequest: Unrecognized attribute(s) ''");
	expect("networks", RESOURCE_CREATE, "{\"mtu\":-1}",
	       "HTTPBadRequest: Invalid input for mtu. Reason: '-1' is too small - must be at least '0'.");
}

static void test_nested(void **state)
{
	(void)state;
	expect("ports", RESOURCE_UPDATE, "{\"fixed_ips\":[{\"ip_address\":\"10.0.0.1000\"}]}",
	       "HTTPBadRequest: Invalid input for fixed_ips. Reason: ip_address: '10.0.0.1000' is not a valid IP "
	       "address.");
	expect("ports", RESOURCE_UPDATE, "{\"fixed_ips\":[7]}",
	       "HTTPBadRequest: Invalid input for fixed_ips. Reason: '7' is not a dictionary.");
	expect("ports", RESOURCE_UPDATE, "{\"fixed_ips\":[{\"ip\":\"10.0.0.1\"}]}",
	       "HTTPBadRequest: Invalid input for fixed_ips. Reason: '{\"ip\": \"10.0.0.1\"}' has members that are not "
	       "expected.");
	expect("subnets", RESOURCE_UPDATE, "{\"allocation_pools\":[{\"start\":\"10.0.0.1\"}]}",
	       "HTTPBadRequest: Invalid input for allocation_pools. Reason: '{\"start\": \"10.0.0.1\"}' lacks the "
	       "required "
	       "member 'end'.");
	expect("subnets", RESOURCE_UPDATE,
	       "{\"host_routes\":[{\"destination\":\"10.0.0.1/24\",\"nexthop\":\"10.0.0.2\"}]}",
	       "HTTPBadRequest: Invalid input for host_routes. Reason: destination: '10.0.0.1/24' isn't a recognized "
	       "IP "
	       "subnet cidr, '10.0.0.0/24' is recommended.");
}

/* Every field's default is JSON, and what its own check makes of it. */
static void test_tables(void **state)
{
	static const char *const names[] = { "networks", "subnets", "ports", "routers", "agents" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		const struct resource *r = resource_find(names[i]);

		assert_non_null(r);
		for (const struct field *f = r->fields; f->name; f++) {
			_cleanup_(json_decrefp) json_t *v = NULL;

			if (f->fallback)
				v = json_loads(f->fallback, JSON_DECODE_ANY, NULL);
			assert_true(!f->fallback || v);
			assert_true(f->fallback || !(f->flags & FIELD_FIXED));
			assert_ptr_equal(resource_field(r, f->name), f);
		}
	}
	assert_null(resource_find("floatingips"));
	assert_string_equal(resource_field(resource_find("ports"), "tenant_id")->name, "project_id");
}

/* A value as long as a body may be, in three-byte characters: the error holds whole characters. */
static void test_long(void **state)
{
	_cleanup_(json_decrefp) json_t *object = json_object();
	_cleanup_(freep) char *text = xcalloc(1, 3001);
	json_t *attrs = NULL;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		memcpy(text + 3 * i, "\xe2\x82\xac", 3);
	json_object_set_new(object, "name", json_string(text));
	assert_true(resource_check(&resource_network, RESOURCE_CREATE, object, true, &attrs, &err) < 0);
	json_object_set_new(object, "name", json_string(err.text));
	assert_non_null(json_object_get(object, "name"));
	json_object_set_new(object, text, json_true());
	assert_true(resource_check(&resource_network, RESOURCE_CREATE, object, true, &attrs, &err) < 0);
	json_object_set_new(object, "name", json_string(err.text));
	assert_string_not_equal(json_string_value(json_object_get(object, "name")), "");
	text[765] = '\0';
	json_object_clear(object);
	json_object_set_new(object, "name", json_string(text));
	assert_int_equal(resource_check(&resource_network, RESOURCE_CREATE, object, true, &attrs, &err), 0);
	json_decref(attrs);
}

static void test_filter(void **state)
{
	struct err err = { 0 };
	char *text = NULL;

	(void)state;
	assert_int_equal(resource_filter_value(resource_field(&resource_port, "admin_state_up"), "1", &text, &err), 0);
	assert_string_equal(text, "true");
	free(text);
	assert_int_equal(
		resource_filter_value(resource_field(&resource_port, "mac_address"), "FA:16:3e:00:00:01", &text, &err),
		0);
	assert_string_equal(text, "fa:16:3e:00:00:01");
	free(text);
	assert_true(resource_filter_value(resource_field(&resource_subnet, "ip_version"), "four", &text, &err) < 0);
	assert_string_equal(err.type, "InvalidInput");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_converted), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nested),   cmocka_unit_test(test_tables),    cmocka_unit_test(test_long),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
