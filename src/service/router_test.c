/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "service/testing.h"

static void interfaces_are_the_routers(void **state)
{
	char port[UUID_TEXT_SIZE];
	struct testing_basis b;
	json_t *by_subnet;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	by_subnet = testing_attrs("{'subnet_id':'%s'}", b.subnet);
	assert_int_equal(
		testing_call(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router, json_incref(by_subnet)),
		0);
	snprintf(port, sizeof(port), "%s", testing_text(&b.t, "port_id"));
	assert_string_equal(testing_text(&b.t, "id"), b.router);
	assert_string_equal(testing_text(&b.t, "network_id"), b.network);
	testing_refused(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router, json_incref(by_subnet),
			ERR_BAD_REQUEST, "BadRequest");
	testing_refused(&b.t, SERVICE_DELETE, &resource_port, port, NULL, ERR_CONFLICT, "ServicePortInUse");
	testing_refused(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'fixed_ips':[]}"), ERR_BAD_REQUEST,
			"IPAddressChangeNotAllowed");
	testing_refused(&b.t, SERVICE_UPDATE, &resource_port, port,
			testing_attrs("{'mac_address':'02:00:00:00:00:09'}"), ERR_CONFLICT,
			"UnsupportedPortDeviceOwner");
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'name':'gw'}")), 0);
	assert_string_equal(testing_text(&b.t, "binding:vif_type"), "distributed");
	assert_string_equal(testing_text(&b.t, "device_owner"), "network:router_interface_distributed");
	assert_string_equal(testing_text(&b.t, "binding:host_id"), "");
	testing_refused(&b.t, SERVICE_DELETE, &resource_router, b.router, NULL, ERR_CONFLICT, "RouterInUse");
	testing_refused(&b.t, SERVICE_UPDATE, &resource_subnet, b.subnet, testing_attrs("{'gateway_ip':null}"),
			ERR_CONFLICT, "GatewayIpInUse");
	assert_int_equal(testing_call(&b.t, SERVICE_REMOVE_ROUTER_INTERFACE, &resource_router, b.router, by_subnet), 0);
	testing_refused(&b.t, SERVICE_DELETE, &resource_port, port, NULL, ERR_NOT_FOUND, "PortNotFound");
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_router, b.router, NULL), 0);
	testing_close(&b.t);
}

static void set(struct testing_basis *b, const struct resource *resource, const char *id, bool up)
{
	assert_int_equal(testing_call(&b->t, SERVICE_UPDATE, resource, id,
				      testing_attrs("{'admin_state_up':%s}", up ? "true" : "false")),
			 0);
}

static void an_interface_is_active_where_it_routes(void **state)
{
	char port[UUID_TEXT_SIZE], vm[UUID_TEXT_SIZE];
	struct testing_basis b;
	uint32_t host;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &host), 0);
	assert_int_equal(testing_call(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router,
				      testing_attrs("{'subnet_id':'%s'}", b.subnet)),
			 0);
	snprintf(port, sizeof(port), "%s", testing_text(&b.t, "port_id"));
	assert_string_equal(testing_shown(&b, port, "status"), "DOWN");
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), vm);
	assert_string_equal(testing_shown(&b, port, "status"), "ACTIVE");
	set(&b, &resource_port, port, false);
	assert_string_equal(testing_shown(&b, port, "status"), "DOWN");
	set(&b, &resource_port, port, true);
	assert_string_equal(testing_shown(&b, port, "status"), "ACTIVE");
	set(&b, &resource_router, b.router, false);
	assert_string_equal(testing_shown(&b, port, "status"), "DOWN");
	testing_close(&b.t);
}

static void interfaces_refused(void **state)
{
	char port[UUID_TEXT_SIZE], network[UUID_TEXT_SIZE], overlap[UUID_TEXT_SIZE], owned[UUID_TEXT_SIZE];
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_make(&b.t, &resource_network, testing_attrs("{}"), network);
	testing_make(&b.t, &resource_subnet,
		     testing_attrs("{'network_id':'%s','cidr':'10.0.0.0/25','ip_version':4}", network), overlap);
	testing_make(&b.t, &resource_port, testing_attrs("{'network_id':'%s','device_id':'vm'}", network), port);
	assert_int_equal(testing_call(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router,
				      testing_attrs("{'subnet_id':'%s'}", b.subnet)),
			 0);
	snprintf(owned, sizeof(owned), "%s", testing_text(&b.t, "port_id"));
	const struct {
		enum service_op op;
		const char *router;
		json_t *attrs;
		enum err_kind kind;
		const char *type;
	} cases[] = {
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'subnet_id':'%s'}", overlap), ERR_BAD_REQUEST,
		  "BadRequest" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'port_id':'%s'}", port), ERR_CONFLICT,
		  "PortInUse" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{}"), ERR_BAD_REQUEST, "BadRequest" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'subnet_id':'x'}"), ERR_BAD_REQUEST,
		  "BadRequest" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router,
		  testing_attrs("{'subnet_id':'%s','port_id':'%s'}", overlap, port), ERR_BAD_REQUEST, "BadRequest" },
		{ SERVICE_ADD_ROUTER_INTERFACE, TESTING_NOWHERE, testing_attrs("{'subnet_id':'%s'}", overlap),
		  ERR_NOT_FOUND, "RouterNotFound" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'subnet_id':'" TESTING_NOWHERE "'}"),
		  ERR_NOT_FOUND, "SubnetNotFound" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'port_id':'" TESTING_NOWHERE "'}"),
		  ERR_NOT_FOUND, "PortNotFound" },
		{ SERVICE_REMOVE_ROUTER_INTERFACE, b.router, testing_attrs("{'port_id':'%s'}", port), ERR_NOT_FOUND,
		  "RouterInterfaceNotFound" },
		{ SERVICE_REMOVE_ROUTER_INTERFACE, b.router, testing_attrs("{'subnet_id':'%s'}", overlap),
		  ERR_NOT_FOUND, "RouterInterfaceNotFoundForSubnet" },
		{ SERVICE_REMOVE_ROUTER_INTERFACE, b.router,
		  testing_attrs("{'port_id':'%s','subnet_id':'%s'}", owned, overlap), ERR_BAD_REQUEST,
		  "SubnetMismatchForPort" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		testing_refused(&b.t, cases[i].op, &resource_router, cases[i].router, cases[i].attrs, cases[i].kind,
				cases[i].type);
	testing_close(&b.t);
}

static void interfaces_by_port(void **state)
{
	char port[UUID_TEXT_SIZE], bare[UUID_TEXT_SIZE];
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'fixed_ips':[]"), bare);
	testing_refused(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router,
			testing_attrs("{'port_id':'%s'}", bare), ERR_BAD_REQUEST, "BadRequest");
	/* Any address will do; where the port was bound it is no longer. */
	testing_make(&b.t, &resource_port,
		     testing_port_attrs(&b, ",'binding:host_id':'h1','fixed_ips':[{'ip_address':'10.0.0.99'}]"), port);
	assert_int_equal(testing_call(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router,
				      testing_attrs("{'port_id':'%s'}", port)),
			 0);
	assert_string_equal(testing_text(&b.t, "port_id"), port);
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'name':'gw'}")), 0);
	assert_string_equal(testing_text(&b.t, "device_id"), b.router);
	assert_string_equal(testing_text(&b.t, "binding:host_id"), "");
	testing_close(&b.t);
}

static void routers_that_are_not_served(void **state)
{
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_refused(&b.t, SERVICE_CREATE, &resource_router, NULL, testing_attrs("{'distributed':false}"),
			ERR_NOT_IMPLEMENTED, "NotImplementedError");
	testing_refused(&b.t, SERVICE_UPDATE, &resource_router, b.router, testing_attrs("{'distributed':false}"),
			ERR_BAD_REQUEST, "BadRequest");
	testing_refused(&b.t, SERVICE_UPDATE, &resource_router, b.router,
			testing_attrs("{'distributed':false,'admin_state_up':false}"), ERR_BAD_REQUEST, "BadRequest");
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_router, b.router,
				      testing_attrs("{'distributed':true,'name':'x'}")),
			 0);
	assert_int_equal(json_integer_value(json_object_get(b.t.reply, "revision_number")), 2);
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_router, b.router,
				      testing_attrs("{'admin_state_up':false}")),
			 0);
	testing_refused(&b.t, SERVICE_UPDATE, &resource_router, b.router, testing_attrs("{'distributed':false}"),
			ERR_NOT_IMPLEMENTED, "NotImplementedError");
	testing_close(&b.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_are_the_routers),  cmocka_unit_test(an_interface_is_active_where_it_routes),
		cmocka_unit_test(interfaces_refused),          cmocka_unit_test(interfaces_by_port),
		cmocka_unit_test(routers_that_are_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
