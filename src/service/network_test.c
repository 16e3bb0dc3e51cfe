/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "service/testing.h"

static void segments(void **state)
{
	struct service_options o = testing_options();
	char id[UUID_TEXT_SIZE];
	bool seen[32] = { false };
	struct testing t;

	(void)state;
	o.vni_ranges = "10:12,20:21";
	testing_open(&t, &o);
	testing_make(&t, &resource_network,
		     testing_attrs("{'provider:network_type':'vxlan','provider:segmentation_id':20}"), id);
	testing_refused(&t, SERVICE_CREATE, &resource_network, NULL,
			testing_attrs("{'provider:network_type':'vxlan','provider:segmentation_id':20}"), ERR_CONFLICT,
			"TunnelIdInUse");
	testing_refused(&t, SERVICE_CREATE, &resource_network, NULL,
			testing_attrs("{'provider:network_type':'vxlan','provider:segmentation_id':16777216}"),
			ERR_BAD_REQUEST, "InvalidInput");
	testing_refused(&t, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{'provider:segmentation_id':7}"),
			ERR_BAD_REQUEST, "InvalidInput");
	testing_refused(&t, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{'provider:network_type':'vlan'}"),
			ERR_BAD_REQUEST, "InvalidInput");
	testing_refused(&t, SERVICE_CREATE, &resource_network, NULL,
			testing_attrs("{'provider:network_type':'vxlan','provider:physical_network':'p'}"),
			ERR_BAD_REQUEST, "InvalidInput");
	for (int i = 0; i < 4; i++) {
		json_int_t vni;

		testing_make(&t, &resource_network, testing_attrs("{}"), id);
		vni = json_integer_value(json_object_get(t.reply, "provider:segmentation_id"));
		assert_true((vni >= 10 && vni <= 12) || vni == 21);
		assert_false(seen[vni]);
		seen[vni] = true;
	}
	testing_refused(&t, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{}"), ERR_UNAVAILABLE,
			"NoNetworkAvailable");
	assert_int_equal(testing_call(&t, SERVICE_DELETE, &resource_network, id, NULL), 0);
	testing_make(&t, &resource_network, testing_attrs("{}"), id);
	assert_int_equal(json_integer_value(json_object_get(t.reply, "mtu")), 1450);
	testing_refused(&t, SERVICE_UPDATE, &resource_network, id, testing_attrs("{'mtu':1451}"), ERR_BAD_REQUEST,
			"InvalidInput");
	testing_close(&t);
}

static void subnet_rules(void **state)
{
	static const struct {
		const char *attrs, *type;
		enum err_kind kind;
	} cases[] = {
		{ "'cidr':'10.0.0.128/25','ip_version':4", "InvalidInput", ERR_BAD_REQUEST },
		{ "'cidr':'2001:db8::/64','ip_version':6", "NotImplementedError", ERR_NOT_IMPLEMENTED },
		{ "'cidr':'2001:db8::/64','ip_version':4", "InvalidInput", ERR_BAD_REQUEST },
		{ "'cidr':'224.0.0.0/24','ip_version':4", "InvalidInput", ERR_BAD_REQUEST },
		{ "'cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':'10.2.0.1'", "InvalidInput", ERR_BAD_REQUEST },
		{ "'cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':'10.1.0.255'", "InvalidInput", ERR_BAD_REQUEST },
		{ "'cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':'10.1.0.9','allocation_pools':"
		  "[{'start':'10.1.0.5','end':'10.1.0.20'}]",
		  "GatewayConflictWithAllocationPools", ERR_CONFLICT },
		{ "'cidr':'10.1.0.0/24','ip_version':4,'allocation_pools':[{'start':'10.1.0.5','end':'10.2.0.20'}]",
		  "OutOfBoundsAllocationPool", ERR_BAD_REQUEST },
		{ "'cidr':'10.1.0.0/24','ip_version':4,'allocation_pools':[{'start':'10.1.0.9','end':'10.1.0.8'}]",
		  "InvalidAllocationPool", ERR_BAD_REQUEST },
		{ "'cidr':'10.1.0.0/24','ip_version':4,'allocation_pools':[{'start':'10.1.0.9','end':'10.1.0.20'},"
		  "{'start':'10.1.0.20','end':'10.1.0.30'}]",
		  "OverlappingAllocationPools", ERR_CONFLICT },
	};
	char id[UUID_TEXT_SIZE], port[UUID_TEXT_SIZE];
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		testing_refused(&b.t, SERVICE_CREATE, &resource_subnet, NULL,
				testing_attrs("{'network_id':'%s',%s}", b.network, cases[i].attrs), cases[i].kind,
				cases[i].type);
	testing_refused(&b.t, SERVICE_CREATE, &resource_subnet, NULL,
			testing_attrs("{'network_id':'" TESTING_NOWHERE "','cidr':'10.1.0.0/24','ip_version':4}"),
			ERR_NOT_FOUND, "NetworkNotFound");
	/* A gateway in the middle parts the pool; null means none. */
	testing_make(&b.t, &resource_subnet,
		     testing_attrs("{'network_id':'%s','cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':'10.1.0.9'}",
				   b.network),
		     id);
	assert_int_equal(json_array_size(json_object_get(b.t.reply, "allocation_pools")), 2);
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_subnet, id, NULL), 0);
	testing_make(
		&b.t, &resource_subnet,
		testing_attrs("{'network_id':'%s','cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':null}", b.network),
		id);
	assert_true(json_is_null(json_object_get(b.t.reply, "gateway_ip")));
	testing_refused(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router,
			testing_attrs("{'subnet_id':'%s'}", id), ERR_BAD_REQUEST, "BadRequest");
	/* In use. */
	testing_make(&b.t, &resource_port,
		     testing_attrs("{'network_id':'%s','fixed_ips':[{'subnet_id':'%s'}]}", b.network, id), port);
	testing_refused(&b.t, SERVICE_DELETE, &resource_subnet, id, NULL, ERR_CONFLICT, "SubnetInUse");
	testing_refused(&b.t, SERVICE_DELETE, &resource_network, b.network, NULL, ERR_CONFLICT, "NetworkInUse");
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_port, port, NULL), 0);
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_network, b.network, NULL), 0);
	testing_refused(&b.t, SERVICE_DELETE, &resource_subnet, id, NULL, ERR_NOT_FOUND, "SubnetNotFound");
	testing_close(&b.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test(subnet_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
