/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "service/testing.h"

static void all_addresses_of_a_pool_are_used(void **state)
{
	char port[UUID_TEXT_SIZE];
	bool seen[8] = { false };
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/29", NULL);
	for (int i = 0; i < 5; i++) {
		struct ip ip;

		testing_make(&b.t, &resource_port, testing_port_attrs(&b, ""), port);
		assert_int_equal(ip_parse(testing_first_ip(&b), &ip), 0);
		assert_in_range(ip.b[15], 2, 6); /* neither the gateway, nor the ends */
		assert_false(seen[ip.b[15]]);
		seen[ip.b[15]] = true;
	}
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL, testing_port_attrs(&b, ""), ERR_CONFLICT,
			"IpAddressGenerationFailure");
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_port, port, NULL), 0);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ""), port);
	testing_close(&b.t);
}

static void addresses_as_asked_for(void **state)
{
	char port[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE], bare[UUID_TEXT_SIZE];
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.9'}]"), port);
	assert_string_equal(testing_first_ip(&b), "10.0.0.9");
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.9'}]"), ERR_CONFLICT,
			"IpAddressAlreadyAllocated");
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.1.9'}]"), ERR_BAD_REQUEST,
			"InvalidIpForNetwork");
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.255'}]"), ERR_BAD_REQUEST,
			"InvalidIpForNetwork");
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.3'},{'ip_address':'10.0.0.3'}]"),
			ERR_BAD_REQUEST, "InvalidInput");
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_port_attrs(&b, ",'fixed_ips':[{'subnet_id':'" TESTING_NOWHERE "'}]"), ERR_NOT_FOUND,
			"SubnetNotFound");
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_attrs("{'network_id':'%s','fixed_ips':[{'subnet_id':'%s','ip_address':'10.9.0.1'}]}",
				      b.network, b.subnet),
			ERR_BAD_REQUEST, "InvalidIpForSubnet");
	/* Several, in the order asked for; the named one is not taken by the one before it. */
	testing_make(&b.t, &resource_port,
		     testing_attrs("{'network_id':'%s','fixed_ips':[{'subnet_id':'%s'},{'ip_address':'10.0.0.20'}]}",
				   b.network, b.subnet),
		     other);
	assert_int_equal(json_array_size(json_object_get(b.t.reply, "fixed_ips")), 2);
	assert_string_not_equal(testing_first_ip(&b), "10.0.0.20");
	/* A change keeps what it can: one of the subnet stays, the named one is new. */
	assert_int_equal(
		testing_call(&b.t, SERVICE_UPDATE, &resource_port, port,
			     testing_attrs("{'fixed_ips':[{'ip_address':'10.0.0.77'},{'subnet_id':'%s'}]}", b.subnet)),
		0);
	assert_string_equal(testing_first_ip(&b), "10.0.0.77");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(b.t.reply, "fixed_ips"), 1), "ip_address")),
			    "10.0.0.9");
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'fixed_ips':[]"), bare);
	assert_int_equal(json_array_size(json_object_get(b.t.reply, "fixed_ips")), 0);
	testing_close(&b.t);
}

static void macs_are_of_one_network(void **state)
{
	char port[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE], network[UUID_TEXT_SIZE];
	struct testing_basis b;
	uint32_t host;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'mac_address':'02:00:00:00:00:01'"), port);
	testing_refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
			testing_port_attrs(&b, ",'mac_address':'02:00:00:00:00:01'"), ERR_CONFLICT, "MacAddressInUse");
	testing_make(&b.t, &resource_network, testing_attrs("{}"), network);
	testing_make(&b.t, &resource_port,
		     testing_attrs("{'network_id':'%s','mac_address':'02:00:00:00:00:01'}", network), other);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ""), other);
	assert_int_equal(strncmp(testing_text(&b.t, "mac_address"), "fa:16:3e:", 9), 0);
	testing_refused(&b.t, SERVICE_UPDATE, &resource_port, other,
			testing_attrs("{'mac_address':'02:00:00:00:00:01'}"), ERR_CONFLICT, "MacAddressInUse");
	/* Not under a port that is in use. */
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &host), 0);
	assert_int_equal(
		testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'binding:host_id':'h1'}")), 0);
	testing_refused(&b.t, SERVICE_UPDATE, &resource_port, port,
			testing_attrs("{'mac_address':'02:00:00:00:00:02'}"), ERR_CONFLICT, "PortBound");
	testing_close(&b.t);
}

static void expect_details(struct testing_basis *b, const char *port, const char *details)
{
	_cleanup_(freep) char *text = NULL;

	testing_shown(b, port, "id");
	text = json_dumps(json_object_get(b->t.reply, "binding:vif_details"), JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, details);
}

/* What Neutron's openvswitch mechanism driver gives, from what the agent says; other hosts have none of it. */
static void vif_details_of_open_vswitch(void **state)
{
	char ovs[UUID_TEXT_SIZE], bare[UUID_TEXT_SIZE], tap[UUID_TEXT_SIZE];
	struct testing_basis b;
	uint32_t host;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(
		testing_hello_as(&b.t, "h1", "192.0.2.1", "dvr", "ovs",
				 json_pack("{s:s,s:s}", "integration_bridge", "br-lab", "datapath_type", "netdev"),
				 &host),
		0);
	assert_int_equal(testing_hello_as(&b.t, "h2", "192.0.2.2", "dvr", "ovs", json_object(), &host), 0);
	assert_int_equal(testing_hello_as(&b.t, "h3", "192.0.2.3", "dvr", "tap",
					  json_pack("{s:s}", "integration_bridge", "br-lab"), &host),
			 0);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'binding:host_id':'h1'"), ovs);
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h2','port_security_enabled':false"), bare);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'binding:host_id':'h3'"), tap);
	assert_string_equal(testing_shown(&b, ovs, "binding:vif_type"), "ovs");
	expect_details(&b, ovs,
		       "{\"bridge_name\":\"br-lab\",\"connectivity\":\"l2\",\"datapath_type\":\"netdev\","
		       "\"ovs_hybrid_plug\":false,\"port_filter\":true}");
	expect_details(&b, bare,
		       "{\"connectivity\":\"l2\",\"datapath_type\":\"system\",\"ovs_hybrid_plug\":false,"
		       "\"port_filter\":false}");
	expect_details(&b, tap, "{\"connectivity\":\"l2\",\"port_filter\":true}");
	testing_close(&b.t);
}

static void binding_and_status(void **state)
{
	struct service_port_report report = { .state = SERVICE_PORT_UP };
	char port[UUID_TEXT_SIZE];
	uint32_t h1, h2;
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), port);
	report.port = testing_port_number(&b, port);
	assert_string_equal(testing_text(&b.t, "binding:vif_type"), "binding_failed");
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "dvr", &h2), 0);
	assert_string_equal(testing_shown(&b, port, "binding:vif_type"), "tap");
	assert_string_equal(testing_shown(&b, port, "status"), "DOWN");
	/* Only the host that the port is bound to has a say. */
	service_host_report(b.t.service, h2, 1, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(testing_shown(&b, port, "status"), "DOWN");
	service_host_report(b.t.service, h1, 1, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(testing_shown(&b, port, "status"), "ACTIVE");
	assert_int_equal(json_integer_value(json_object_get(b.t.reply, "revision_number")), 1);
	report.state = SERVICE_PORT_ERROR;
	service_host_report(b.t.service, h1, 1, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(testing_shown(&b, port, "status"), "ERROR");
	assert_int_equal(
		testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'binding:host_id':'h2'}")), 0);
	assert_string_equal(testing_text(&b.t, "status"), "DOWN");
	assert_int_equal(
		testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'binding:host_id':''}")), 0);
	assert_string_equal(testing_text(&b.t, "binding:vif_type"), "unbound");
	/* Two hosts with one tunnel address would steal each other's frames. */
	assert_true(testing_hello(&b.t, "h3", "192.0.2.2", "dvr", &h2) < 0);
	testing_close(&b.t);
}

/* A port is ACTIVE when the hosts that must accept its frames have it too, or have had their time. */
static void active_when_its_peers_are_ready(void **state)
{
	struct service_port_report report = { .state = SERVICE_PORT_UP };
	char other[UUID_TEXT_SIZE], first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];
	uint32_t h1, h2;
	struct testing_basis b;
	int turns;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "dvr", &h2), 0);
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h2','device_owner':'compute:nova'"), other);
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), first);
	report.port = testing_port_number(&b, first);
	service_host_report(b.t.service, h1, 1000, &report, 1);
	service_host_report(b.t.service, h2, 1000, NULL, 0);
	testing_settle(&b.t);
	assert_string_equal(testing_shown(&b, first, "status"), "ACTIVE");

	/* h2 says nothing: not at once, but soon. Each settling is a turn of the writer. */
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), second);
	report.port = testing_port_number(&b, second);
	service_host_report(b.t.service, h2, 0, &report, 1); /* not its port; and it is behind */
	service_host_report(b.t.service, h1, 1000, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(testing_shown(&b, second, "status"), "DOWN");
	for (turns = 0; strcmp(testing_shown(&b, second, "status"), "ACTIVE") != 0; turns++)
		testing_settle(&b.t);
	assert_true(turns > 0);
	testing_close(&b.t);
}

static void expect_status(struct testing_basis *b, const char *port, const char *status)
{
	testing_settle(&b->t);
	assert_string_equal(testing_shown(b, port, "status"), status);
}

static void bind(struct testing_basis *b, const char *port, const char *host)
{
	assert_int_equal(testing_call(&b->t, SERVICE_UPDATE, &resource_port, port,
				      testing_attrs("{'binding:host_id':'%s'}", host)),
			 0);
}

static int64_t binding_of(struct testing_basis *b, const char *port)
{
	int64_t binding = 0;

	db_get_int(b->t.reader->db, 0, &binding, NULL, "SELECT binding FROM ports WHERE num = $1",
		   DB(v_int(testing_port_number(b, port))));
	return binding;
}

/* A port that went away and came back: what was said of it before is not said of it now. */
static void reports_are_of_one_binding(void **state)
{
	struct service_port_report first = { .state = SERVICE_PORT_UP }, second;
	char port[UUID_TEXT_SIZE];
	uint32_t h1, h2;
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "legacy", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "legacy", &h2), 0);
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), port);
	first.port = testing_port_number(&b, port);
	first.binding = (uint32_t)binding_of(&b, port);
	service_host_report(b.t.service, h1, 1000, &first, 1);
	expect_status(&b, port, "ACTIVE");
	bind(&b, port, "h2");
	bind(&b, port, "h1");
	expect_status(&b, port, "DOWN");
	service_host_report(b.t.service, h1, 1000, &first, 1);
	expect_status(&b, port, "DOWN");
	second = first;
	second.binding = (uint32_t)binding_of(&b, port);
	assert_true(second.binding > first.binding);
	service_host_report(b.t.service, h1, 1000, &second, 1);
	expect_status(&b, port, "ACTIVE");
	first.state = SERVICE_PORT_ERROR;
	service_host_report(b.t.service, h1, 1000, &first, 1);
	expect_status(&b, port, "ACTIVE");
	testing_close(&b.t);
}

static void count_port(const char *json, void *arg)
{
	*(int *)arg += strstr(json, "\"kind\":\"port\"") != NULL;
}

static int ports_told(struct testing_basis *b, uint32_t host)
{
	struct unit u = { UNIT_HOST, host };
	uint64_t position, oldest;
	int n = 0;

	testing_settle(&b->t);
	assert_int_equal(feed_begin(b->t.reader, &position, &oldest, NULL), 0);
	assert_int_equal(feed_objects(b->t.reader, &u, count_port, &n), 0);
	feed_end(b->t.reader);
	return n;
}

static void migrate(struct testing_basis *b, const char *port, const char *host, const char *to)
{
	assert_int_equal(testing_call(&b->t, SERVICE_UPDATE, &resource_port, port,
				      testing_attrs("{'binding:host_id':'%s','binding:profile':{'migrating_to':'%s'}}",
						    host, to)),
			 0);
}

/* The VM may run there before its binding says so: then what it sends is let through. */
static void a_host_knows_the_port_that_migrates_to_it(void **state)
{
	char port[UUID_TEXT_SIZE];
	uint32_t h1, h2;
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "dvr", &h2), 0);
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), port);
	assert_int_equal(ports_told(&b, h1), 1);
	assert_int_equal(ports_told(&b, h2), 0);
	migrate(&b, port, "h1", "h2");
	assert_int_equal(ports_told(&b, h1), 1);
	assert_int_equal(ports_told(&b, h2), 1);
	migrate(&b, port, "h1", ""); /* given up */
	assert_int_equal(ports_told(&b, h2), 0);
	migrate(&b, port, "h1", "h2");
	migrate(&b, port, "h2", "h2"); /* done */
	assert_int_equal(ports_told(&b, h1), 0);
	assert_int_equal(ports_told(&b, h2), 1);
	migrate(&b, port, "", "h1"); /* bound nowhere: nothing runs that could move */
	assert_int_equal(ports_told(&b, h1), 0);
	testing_close(&b.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_addresses_of_a_pool_are_used),
		cmocka_unit_test(addresses_as_asked_for),
		cmocka_unit_test(macs_are_of_one_network),
		cmocka_unit_test(vif_details_of_open_vswitch),
		cmocka_unit_test(binding_and_status),
		cmocka_unit_test(active_when_its_peers_are_ready),
		cmocka_unit_test(reports_are_of_one_binding),
		cmocka_unit_test(a_host_knows_the_port_that_migrates_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
