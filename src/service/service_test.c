/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "service/testing.h"

#define NOWHERE "00000000-0000-4000-8000-000000000000"

/* A network with one subnet, and a router, as many tests begin. */
struct basis {
	struct testing t;
	char network[UUID_TEXT_SIZE], subnet[UUID_TEXT_SIZE], router[UUID_TEXT_SIZE];
};

static void made(struct testing *t, const struct resource *resource, json_t *attrs, char ret[UUID_TEXT_SIZE])
{
	if (testing_call(t, SERVICE_CREATE, resource, NULL, attrs) < 0)
		fail_msg("%s: %s", t->err.type, t->err.text);
	snprintf(ret, UUID_TEXT_SIZE, "%s", testing_text(t, "id"));
}

static void refused(struct testing *t, enum service_op op, const struct resource *resource, const char *id,
		    json_t *attrs, enum err_kind kind, const char *type)
{
	assert_true(testing_call(t, op, resource, id, attrs) < 0);
	assert_string_equal(t->err.type, type);
	assert_int_equal(t->err.kind, kind);
	assert_true(t->err.text[0] != '\0');
}

static void basis_open(struct basis *b, const char *cidr, const struct service_options *options)
{
	testing_open(&b->t, options);
	made(&b->t, &resource_network, testing_attrs("{'name': 'a'}"), b->network);
	made(&b->t, &resource_subnet,
	     testing_attrs("{'network_id': '%s', 'cidr': '%s', 'ip_version': 4}", b->network, cidr), b->subnet);
	made(&b->t, &resource_router, testing_attrs("{'name': 'r'}"), b->router);
}

static json_t *port_attrs(const struct basis *b, const char *more)
{
	return testing_attrs("{'network_id': '%s'%s}", b->network, more);
}

static const char *first_ip(const struct basis *b)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(b->t.reply, "fixed_ips"), 0), "ip_address"));
}

static void all_addresses_of_a_pool_are_used(void **state)
{
	char port[UUID_TEXT_SIZE];
	bool seen[8] = { false };
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/29", NULL);
	for (int i = 0; i < 5; i++) {
		struct ip ip;

		made(&b.t, &resource_port, port_attrs(&b, ""), port);
		assert_int_equal(ip_parse(first_ip(&b), &ip), 0);
		assert_in_range(ip.b[15], 2, 6); /* neither the gateway, nor the ends */
		assert_false(seen[ip.b[15]]);
		seen[ip.b[15]] = true;
	}
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL, port_attrs(&b, ""), ERR_CONFLICT,
		"IpAddressGenerationFailure");
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_port, port, NULL), 0);
	made(&b.t, &resource_port, port_attrs(&b, ""), port);
	testing_close(&b.t);
}

static void addresses_as_asked_for(void **state)
{
	char port[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE], bare[UUID_TEXT_SIZE];
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	made(&b.t, &resource_port, port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.9'}]"), port);
	assert_string_equal(first_ip(&b), "10.0.0.9");
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL, port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.9'}]"),
		ERR_CONFLICT, "IpAddressAlreadyAllocated");
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL, port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.1.9'}]"),
		ERR_BAD_REQUEST, "InvalidIpForNetwork");
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
		port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.255'}]"), ERR_BAD_REQUEST, "InvalidIpForNetwork");
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
		port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.3'},{'ip_address':'10.0.0.3'}]"), ERR_BAD_REQUEST,
		"InvalidInput");
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
		port_attrs(&b, ",'fixed_ips':[{'subnet_id':'" NOWHERE "'}]"), ERR_NOT_FOUND, "SubnetNotFound");
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL,
		testing_attrs("{'network_id':'%s','fixed_ips':[{'subnet_id':'%s','ip_address':'10.9.0.1'}]}", b.network,
			      b.subnet),
		ERR_BAD_REQUEST, "InvalidIpForSubnet");
	/* Several, in the order asked for; the named one is not taken by the one before it. */
	made(&b.t, &resource_port,
	     testing_attrs("{'network_id':'%s','fixed_ips':[{'subnet_id':'%s'},{'ip_address':'10.0.0.20'}]}", b.network,
			   b.subnet),
	     other);
	assert_int_equal(json_array_size(json_object_get(b.t.reply, "fixed_ips")), 2);
	assert_string_not_equal(first_ip(&b), "10.0.0.20");
	/* A change keeps what it can: one of the subnet stays, the named one is new. */
	assert_int_equal(
		testing_call(&b.t, SERVICE_UPDATE, &resource_port, port,
			     testing_attrs("{'fixed_ips':[{'ip_address':'10.0.0.77'},{'subnet_id':'%s'}]}", b.subnet)),
		0);
	assert_string_equal(first_ip(&b), "10.0.0.77");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(b.t.reply, "fixed_ips"), 1), "ip_address")),
			    "10.0.0.9");
	made(&b.t, &resource_port, port_attrs(&b, ",'fixed_ips':[]"), bare);
	assert_int_equal(json_array_size(json_object_get(b.t.reply, "fixed_ips")), 0);
	testing_close(&b.t);
}

static void macs_are_of_one_network(void **state)
{
	char port[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE], network[UUID_TEXT_SIZE];
	struct basis b;
	uint32_t host;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	made(&b.t, &resource_port, port_attrs(&b, ",'mac_address':'02:00:00:00:00:01'"), port);
	refused(&b.t, SERVICE_CREATE, &resource_port, NULL, port_attrs(&b, ",'mac_address':'02:00:00:00:00:01'"),
		ERR_CONFLICT, "MacAddressInUse");
	made(&b.t, &resource_network, testing_attrs("{}"), network);
	made(&b.t, &resource_port, testing_attrs("{'network_id':'%s','mac_address':'02:00:00:00:00:01'}", network),
	     other);
	made(&b.t, &resource_port, port_attrs(&b, ""), other);
	assert_int_equal(strncmp(testing_text(&b.t, "mac_address"), "fa:16:3e:", 9), 0);
	refused(&b.t, SERVICE_UPDATE, &resource_port, other, testing_attrs("{'mac_address':'02:00:00:00:00:01'}"),
		ERR_CONFLICT, "MacAddressInUse");
	/* Not under a port that is in use. */
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &host), 0);
	assert_int_equal(
		testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'binding:host_id':'h1'}")), 0);
	refused(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'mac_address':'02:00:00:00:00:02'}"),
		ERR_CONFLICT, "PortBound");
	testing_close(&b.t);
}

static void segments(void **state)
{
	struct service_options o = testing_options();
	char id[UUID_TEXT_SIZE];
	bool seen[32] = { false };
	struct testing t;

	(void)state;
	o.vni_ranges = "10:12,20:21";
	testing_open(&t, &o);
	made(&t, &resource_network, testing_attrs("{'provider:network_type':'vxlan','provider:segmentation_id':20}"),
	     id);
	refused(&t, SERVICE_CREATE, &resource_network, NULL,
		testing_attrs("{'provider:network_type':'vxlan','provider:segmentation_id':20}"), ERR_CONFLICT,
		"TunnelIdInUse");
	refused(&t, SERVICE_CREATE, &resource_network, NULL,
		testing_attrs("{'provider:network_type':'vxlan','provider:segmentation_id':16777216}"), ERR_BAD_REQUEST,
		"InvalidInput");
	refused(&t, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{'provider:segmentation_id':7}"),
		ERR_BAD_REQUEST, "InvalidInput");
	refused(&t, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{'provider:network_type':'vlan'}"),
		ERR_BAD_REQUEST, "InvalidInput");
	refused(&t, SERVICE_CREATE, &resource_network, NULL,
		testing_attrs("{'provider:network_type':'vxlan','provider:physical_network':'p'}"), ERR_BAD_REQUEST,
		"InvalidInput");
	for (int i = 0; i < 4; i++) {
		json_int_t vni;

		made(&t, &resource_network, testing_attrs("{}"), id);
		vni = json_integer_value(json_object_get(t.reply, "provider:segmentation_id"));
		assert_true((vni >= 10 && vni <= 12) || vni == 21);
		assert_false(seen[vni]);
		seen[vni] = true;
	}
	refused(&t, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{}"), ERR_UNAVAILABLE,
		"NoNetworkAvailable");
	assert_int_equal(testing_call(&t, SERVICE_DELETE, &resource_network, id, NULL), 0);
	made(&t, &resource_network, testing_attrs("{}"), id);
	assert_int_equal(json_integer_value(json_object_get(t.reply, "mtu")), 1450);
	refused(&t, SERVICE_UPDATE, &resource_network, id, testing_attrs("{'mtu':1451}"), ERR_BAD_REQUEST,
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
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		refused(&b.t, SERVICE_CREATE, &resource_subnet, NULL,
			testing_attrs("{'network_id':'%s',%s}", b.network, cases[i].attrs), cases[i].kind,
			cases[i].type);
	refused(&b.t, SERVICE_CREATE, &resource_subnet, NULL,
		testing_attrs("{'network_id':'" NOWHERE "','cidr':'10.1.0.0/24','ip_version':4}"), ERR_NOT_FOUND,
		"NetworkNotFound");
	/* A gateway in the middle parts the pool; null means none. */
	made(&b.t, &resource_subnet,
	     testing_attrs("{'network_id':'%s','cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':'10.1.0.9'}",
			   b.network),
	     id);
	assert_int_equal(json_array_size(json_object_get(b.t.reply, "allocation_pools")), 2);
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_subnet, id, NULL), 0);
	made(&b.t, &resource_subnet,
	     testing_attrs("{'network_id':'%s','cidr':'10.1.0.0/24','ip_version':4,'gateway_ip':null}", b.network), id);
	assert_true(json_is_null(json_object_get(b.t.reply, "gateway_ip")));
	refused(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router, testing_attrs("{'subnet_id':'%s'}", id),
		ERR_BAD_REQUEST, "BadRequest");
	/* In use. */
	made(&b.t, &resource_port, testing_attrs("{'network_id':'%s','fixed_ips':[{'subnet_id':'%s'}]}", b.network, id),
	     port);
	refused(&b.t, SERVICE_DELETE, &resource_subnet, id, NULL, ERR_CONFLICT, "SubnetInUse");
	refused(&b.t, SERVICE_DELETE, &resource_network, b.network, NULL, ERR_CONFLICT, "NetworkInUse");
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_port, port, NULL), 0);
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_network, b.network, NULL), 0);
	refused(&b.t, SERVICE_DELETE, &resource_subnet, id, NULL, ERR_NOT_FOUND, "SubnetNotFound");
	testing_close(&b.t);
}

static void interfaces_are_the_routers(void **state)
{
	char port[UUID_TEXT_SIZE];
	struct basis b;
	json_t *by_subnet;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	by_subnet = testing_attrs("{'subnet_id':'%s'}", b.subnet);
	assert_int_equal(
		testing_call(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router, json_incref(by_subnet)),
		0);
	snprintf(port, sizeof(port), "%s", testing_text(&b.t, "port_id"));
	assert_string_equal(testing_text(&b.t, "id"), b.router);
	assert_string_equal(testing_text(&b.t, "network_id"), b.network);
	refused(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router, json_incref(by_subnet), ERR_BAD_REQUEST,
		"BadRequest");
	refused(&b.t, SERVICE_DELETE, &resource_port, port, NULL, ERR_CONFLICT, "ServicePortInUse");
	refused(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'fixed_ips':[]}"), ERR_BAD_REQUEST,
		"IPAddressChangeNotAllowed");
	refused(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'mac_address':'02:00:00:00:00:09'}"),
		ERR_CONFLICT, "UnsupportedPortDeviceOwner");
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_port, port, testing_attrs("{'name':'gw'}")), 0);
	assert_string_equal(testing_text(&b.t, "binding:vif_type"), "distributed");
	assert_string_equal(testing_text(&b.t, "device_owner"), "network:router_interface_distributed");
	assert_string_equal(testing_text(&b.t, "binding:host_id"), "");
	refused(&b.t, SERVICE_DELETE, &resource_router, b.router, NULL, ERR_CONFLICT, "RouterInUse");
	refused(&b.t, SERVICE_UPDATE, &resource_subnet, b.subnet, testing_attrs("{'gateway_ip':null}"), ERR_CONFLICT,
		"GatewayIpInUse");
	assert_int_equal(testing_call(&b.t, SERVICE_REMOVE_ROUTER_INTERFACE, &resource_router, b.router, by_subnet), 0);
	refused(&b.t, SERVICE_DELETE, &resource_port, port, NULL, ERR_NOT_FOUND, "PortNotFound");
	assert_int_equal(testing_call(&b.t, SERVICE_DELETE, &resource_router, b.router, NULL), 0);
	testing_close(&b.t);
}

static void interfaces_refused(void **state)
{
	char port[UUID_TEXT_SIZE], network[UUID_TEXT_SIZE], overlap[UUID_TEXT_SIZE], owned[UUID_TEXT_SIZE];
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	made(&b.t, &resource_network, testing_attrs("{}"), network);
	made(&b.t, &resource_subnet, testing_attrs("{'network_id':'%s','cidr':'10.0.0.0/25','ip_version':4}", network),
	     overlap);
	made(&b.t, &resource_port, testing_attrs("{'network_id':'%s','device_id':'vm'}", network), port);
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
		{ SERVICE_ADD_ROUTER_INTERFACE, NOWHERE, testing_attrs("{'subnet_id':'%s'}", overlap), ERR_NOT_FOUND,
		  "RouterNotFound" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'subnet_id':'" NOWHERE "'}"), ERR_NOT_FOUND,
		  "SubnetNotFound" },
		{ SERVICE_ADD_ROUTER_INTERFACE, b.router, testing_attrs("{'port_id':'" NOWHERE "'}"), ERR_NOT_FOUND,
		  "PortNotFound" },
		{ SERVICE_REMOVE_ROUTER_INTERFACE, b.router, testing_attrs("{'port_id':'%s'}", port), ERR_NOT_FOUND,
		  "RouterInterfaceNotFound" },
		{ SERVICE_REMOVE_ROUTER_INTERFACE, b.router, testing_attrs("{'subnet_id':'%s'}", overlap),
		  ERR_NOT_FOUND, "RouterInterfaceNotFoundForSubnet" },
		{ SERVICE_REMOVE_ROUTER_INTERFACE, b.router,
		  testing_attrs("{'port_id':'%s','subnet_id':'%s'}", owned, overlap), ERR_BAD_REQUEST,
		  "SubnetMismatchForPort" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		refused(&b.t, cases[i].op, &resource_router, cases[i].router, cases[i].attrs, cases[i].kind,
			cases[i].type);
	testing_close(&b.t);
}

static void interfaces_by_port(void **state)
{
	char port[UUID_TEXT_SIZE], bare[UUID_TEXT_SIZE];
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	made(&b.t, &resource_port, port_attrs(&b, ",'fixed_ips':[]"), bare);
	refused(&b.t, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, b.router, testing_attrs("{'port_id':'%s'}", bare),
		ERR_BAD_REQUEST, "BadRequest");
	/* Any address will do; where the port was bound it is no longer. */
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1','fixed_ips':[{'ip_address':'10.0.0.99'}]"),
	     port);
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
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	refused(&b.t, SERVICE_CREATE, &resource_router, NULL, testing_attrs("{'distributed':false}"),
		ERR_NOT_IMPLEMENTED, "NotImplementedError");
	refused(&b.t, SERVICE_UPDATE, &resource_router, b.router, testing_attrs("{'distributed':false}"),
		ERR_BAD_REQUEST, "BadRequest");
	refused(&b.t, SERVICE_UPDATE, &resource_router, b.router,
		testing_attrs("{'distributed':false,'admin_state_up':false}"), ERR_BAD_REQUEST, "BadRequest");
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_router, b.router,
				      testing_attrs("{'distributed':true,'name':'x'}")),
			 0);
	assert_int_equal(json_integer_value(json_object_get(b.t.reply, "revision_number")), 2);
	assert_int_equal(testing_call(&b.t, SERVICE_UPDATE, &resource_router, b.router,
				      testing_attrs("{'admin_state_up':false}")),
			 0);
	refused(&b.t, SERVICE_UPDATE, &resource_router, b.router, testing_attrs("{'distributed':false}"),
		ERR_NOT_IMPLEMENTED, "NotImplementedError");
	testing_close(&b.t);
}

static const char *shown(struct basis *b, const char *port, const char *key)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct caller admin = { .admin = true };

	utstring_new(out);
	assert_int_equal(service_show(b->t.reader, &admin, &resource_port, port, out, &b->t.err), 0);
	json_decref(b->t.reply);
	b->t.reply = json_loads(utstring_body(out), 0, NULL);
	return testing_text(&b->t, key);
}

static uint32_t number_of_port(struct basis *b, const char *id)
{
	struct uuid uuid;
	int64_t num;

	assert_int_equal(uuid_parse_text(id, &uuid), 0);
	assert_int_equal(
		db_get_int(b->t.reader->db, 0, &num, NULL, "SELECT num FROM ports WHERE id = $1", DB(v_uuid(&uuid))),
		0);
	return (uint32_t)num;
}

static void binding_and_status(void **state)
{
	struct service_port_report report = { .state = SERVICE_PORT_UP };
	char port[UUID_TEXT_SIZE];
	uint32_t h1, h2;
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), port);
	report.port = number_of_port(&b, port);
	assert_string_equal(testing_text(&b.t, "binding:vif_type"), "binding_failed");
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "dvr", &h2), 0);
	assert_string_equal(shown(&b, port, "binding:vif_type"), "tap");
	assert_string_equal(shown(&b, port, "status"), "DOWN");
	/* Only the host that the port is bound to has a say. */
	service_host_report(b.t.service, h2, 1, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(shown(&b, port, "status"), "DOWN");
	service_host_report(b.t.service, h1, 1, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(shown(&b, port, "status"), "ACTIVE");
	assert_int_equal(json_integer_value(json_object_get(b.t.reply, "revision_number")), 1);
	report.state = SERVICE_PORT_ERROR;
	service_host_report(b.t.service, h1, 1, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(shown(&b, port, "status"), "ERROR");
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
	struct basis b;
	int turns;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "dvr", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "dvr", &h2), 0);
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h2','device_owner':'compute:nova'"), other);
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), first);
	report.port = number_of_port(&b, first);
	service_host_report(b.t.service, h1, 1000, &report, 1);
	service_host_report(b.t.service, h2, 1000, NULL, 0);
	testing_settle(&b.t);
	assert_string_equal(shown(&b, first, "status"), "ACTIVE");

	/* h2 says nothing: not at once, but soon. Each settling is a turn of the writer. */
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), second);
	report.port = number_of_port(&b, second);
	service_host_report(b.t.service, h2, 0, &report, 1); /* not its port; and it is behind */
	service_host_report(b.t.service, h1, 1000, &report, 1);
	testing_settle(&b.t);
	assert_string_equal(shown(&b, second, "status"), "DOWN");
	for (turns = 0; strcmp(shown(&b, second, "status"), "ACTIVE") != 0; turns++)
		testing_settle(&b.t);
	assert_true(turns > 0);
	testing_close(&b.t);
}

static void expect_status(struct basis *b, const char *port, const char *status)
{
	testing_settle(&b->t);
	assert_string_equal(shown(b, port, "status"), status);
}

static void bind(struct basis *b, const char *port, const char *host)
{
	assert_int_equal(testing_call(&b->t, SERVICE_UPDATE, &resource_port, port,
				      testing_attrs("{'binding:host_id':'%s'}", host)),
			 0);
}

static int64_t binding_of(struct basis *b, const char *port)
{
	int64_t binding = 0;

	db_get_int(b->t.reader->db, 0, &binding, NULL, "SELECT binding FROM ports WHERE num = $1",
		   DB(v_int(number_of_port(b, port))));
	return binding;
}

/* A port that went away and came back: what was said of it before is not said of it now. */
static void reports_are_of_one_binding(void **state)
{
	struct service_port_report first = { .state = SERVICE_PORT_UP }, second;
	char port[UUID_TEXT_SIZE];
	uint32_t h1, h2;
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	assert_int_equal(testing_hello(&b.t, "h1", "192.0.2.1", "legacy", &h1), 0);
	assert_int_equal(testing_hello(&b.t, "h2", "192.0.2.2", "legacy", &h2), 0);
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1','device_owner':'compute:nova'"), port);
	first.port = number_of_port(&b, port);
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

static void count_agents(const char *json, size_t len, const char *id, void *arg)
{
	json_t *agent = json_loadb(json, len, 0, NULL);

	assert_true(json_is_true(json_object_get(agent, "alive")));
	snprintf(((char(*)[UUID_TEXT_SIZE])
			  arg)[!strcmp(json_string_value(json_object_get(agent, "agent_type")), "L3 agent")],
		 UUID_TEXT_SIZE, "%s", id);
	json_decref(agent);
}

static void list_agents(struct testing *t, char ret[2][UUID_TEXT_SIZE])
{
	struct caller admin = { .admin = true };
	struct service_query q = { 0 };
	bool more;

	ret[0][0] = ret[1][0] = '\0';
	assert_int_equal(service_list(t->reader, &admin, &resource_agent, &q, count_agents, ret, &more, &t->err), 0);
}

static bool is_alive(struct testing *t)
{
	const struct field *alive = resource_field(&resource_agent, "alive");
	struct service_filter filter = { alive, "true" };
	struct service_query q = { .filters = &filter, .n_filters = 1 };
	struct caller admin = { .admin = true };
	char ids[2][UUID_TEXT_SIZE] = { "", "" };
	bool more;

	assert_int_equal(service_list(t->reader, &admin, &resource_agent, &q, count_agents, ids, &more, &t->err), 0);
	return ids[0][0];
}

/* The clock was set back: who was heard then is not alive until then. */
static void clocks_jump(void **state)
{
	struct testing t;
	uint32_t host;
	struct db *db;
	char path[96];

	(void)state;
	testing_open(&t, NULL);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "legacy", &host), 0);
	assert_true(is_alive(&t));
	snprintf(path, sizeof(path), "%s/made/neutron.db", t.dir);
	assert_int_equal(db_open(path, DB_WRITER, &db, &t.err), 0);
	assert_true(db_script(db, "UPDATE hosts SET heartbeat = heartbeat + 3600", &t.err) >= 0);
	assert_false(is_alive(&t));
	assert_true(db_script(db, "UPDATE hosts SET heartbeat = heartbeat - 7200", &t.err) >= 0);
	assert_false(is_alive(&t));
	db_close(db);
	testing_close(&t);
}

static void agents_are_the_faces_of_hosts(void **state)
{
	char ids[2][UUID_TEXT_SIZE];
	struct testing t;
	uint32_t host;

	(void)state;
	testing_open(&t, NULL);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "legacy", &host), 0);
	list_agents(&t, ids);
	assert_true(ids[0][0] && !ids[1][0]);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "dvr", &host), 0);
	list_agents(&t, ids);
	assert_true(ids[0][0] && ids[1][0]);
	refused(&t, SERVICE_CREATE, &resource_agent, NULL, testing_attrs("{}"), ERR_BAD_REQUEST, "BadRequest");
	refused(&t, SERVICE_DELETE, &resource_agent, NOWHERE, NULL, ERR_NOT_FOUND, "AgentNotFound");
	assert_int_equal(testing_call(&t, SERVICE_UPDATE, &resource_agent, ids[1],
				      testing_attrs("{'admin_state_up':false,'description':'being mended'}")),
			 0);
	assert_string_equal(testing_text(&t, "description"), "being mended");
	/* One that lives is listed again. */
	assert_int_equal(testing_call(&t, SERVICE_DELETE, &resource_agent, ids[0], NULL), 0);
	assert_int_equal(testing_call(&t, SERVICE_DELETE, &resource_agent, ids[1], NULL), 0);
	list_agents(&t, ids);
	assert_false(ids[0][0] || ids[1][0]);
	service_host_heartbeat(t.service, host, 1);
	testing_settle(&t);
	list_agents(&t, ids);
	assert_true(ids[0][0] && ids[1][0]);
	testing_close(&t);
}

static void tokens(void **state)
{
	char token[65], newer[65];
	struct testing t;
	uint32_t host = 0;

	(void)state;
	testing_open(&t, NULL);
	assert_int_equal(service_enroll(t.service, "h1", token, &t.err), 0);
	assert_int_equal(strlen(token), 64);
	assert_int_equal(service_authenticate(t.reader, "h1", token, &host, &t.err), 0);
	assert_int_not_equal(host, 0);
	assert_int_equal(service_authenticate(t.reader, "h2", token, &host, &t.err), -EACCES);
	assert_int_equal(service_authenticate(t.reader, "h1", "", &host, &t.err), -EACCES);
	assert_int_equal(service_enroll(t.service, "h1", newer, &t.err), 0);
	assert_int_equal(service_authenticate(t.reader, "h1", token, &host, &t.err), -EACCES);
	assert_int_equal(service_authenticate(t.reader, "h1", newer, &host, &t.err), 0);
	assert_true(service_enroll(t.service, "", token, &t.err) < 0);
	assert_true(service_enroll(t.service, "a b", token, &t.err) < 0);
	testing_close(&t);
}

/* ---- many calls at once ---- */

#define MANY 300

struct many {
	sem_t done;
	int good, bad, unavailable;
};

static void one_done(struct service_call *call, void *arg)
{
	struct many *m = arg;

	if (call->r < 0)
		m->bad++;
	else
		m->good++;
	m->unavailable += call->r < 0 && call->err.kind == ERR_UNAVAILABLE;
	service_call_free(call);
	sem_post(&m->done);
}

/* Every third asks for an address that is taken: it fails alone, whatever shares its transaction. */
static void calls_of_a_batch_fail_alone(void **state)
{
	char port[UUID_TEXT_SIZE];
	struct many m = { .good = 0 };
	struct basis b;
	int64_t n;

	(void)state;
	basis_open(&b, "10.0.0.0/16", NULL);
	made(&b.t, &resource_port, port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.9'}]"), port);
	sem_init(&m.done, 0, 0);
	for (int i = 0; i < MANY; i++) {
		struct service_call *call = service_call_new();
		json_t *attrs = port_attrs(&b, i % 3 ? ""
						     : ",'fixed_ips':[{'subnet_id':'SUBNET'},"
						       "{'ip_address':'10.0.0.9'}]");
		json_t *first = json_array_get(json_object_get(attrs, "fixed_ips"), 0);

		if (first)
			json_object_set_new(first, "subnet_id", json_string(b.subnet));
		call->op = SERVICE_CREATE;
		call->resource = &resource_port;
		call->attrs = attrs;
		call->caller = (struct caller) { .admin = true, .project_id = "p" };
		call->done = one_done;
		call->arg = &m;
		service_submit(b.t.service, call);
	}
	for (int i = 0; i < MANY; i++)
		sem_wait(&m.done);
	sem_destroy(&m.done);
	assert_int_equal(m.bad, MANY / 3);
	assert_int_equal(m.good, MANY - MANY / 3);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM ports", DB_NONE);
	assert_int_equal(n, 1 + m.good);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM addresses", DB_NONE);
	assert_int_equal(n, 1 + m.good);
	testing_close(&b.t);
}

struct script {
	struct job job;
	const char *sql;
	sem_t entered, go_on;
};

static int run_script(struct tx *tx, struct job *job, struct err *err)
{
	struct script *s = (struct script *)job;

	sem_post(&s->entered);
	sem_wait(&s->go_on);
	return db_script(tx->db, s->sql, err);
}

static void script_done(struct job *job)
{
	sem_post(&((struct script *)job)->entered);
}

/* The database may grow by some pages more, in the middle of a batch of calls that all want to write. */
static void a_full_disk_loses_nothing(void **state)
{
	struct script fill = { .job = { .run = run_script, .done = script_done } };
	struct many m = { .good = 0 };
	char text[64], port[UUID_TEXT_SIZE];
	struct basis b;
	int64_t n, pages, logged;

	(void)state;
	basis_open(&b, "10.0.0.0/16", NULL);
	db_get_int(b.t.reader->db, 0, &pages, NULL, "PRAGMA page_count", DB_NONE);
	snprintf(text, sizeof(text), "PRAGMA max_page_count = %lld", (long long)pages + 10);
	fill.sql = text;
	sem_init(&fill.entered, 0, 0);
	sem_init(&fill.go_on, 0, 0);
	sem_init(&m.done, 0, 0);
	service_queue(b.t.service, &fill.job);
	sem_wait(&fill.entered);
	for (int i = 0; i < MANY; i++) {
		struct service_call *call = service_call_new();

		call->op = SERVICE_CREATE;
		call->resource = &resource_port;
		call->attrs = port_attrs(
			&b, ",'description':'a longer text, so that it is full before long, and not only then'");
		call->caller = (struct caller) { .admin = true, .project_id = "p" };
		call->done = one_done;
		call->arg = &m;
		service_submit(b.t.service, call);
	}
	sem_post(&fill.go_on);
	for (int i = 0; i < MANY; i++)
		sem_wait(&m.done);
	sem_wait(&fill.entered);
	assert_true(m.bad > 0);
	assert_int_equal(m.unavailable, m.bad);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM ports", DB_NONE);
	assert_int_equal(n, m.good);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM addresses", DB_NONE);
	assert_int_equal(n, m.good);
	/* With room again it goes on, and the log has no gap. */
	fill.sql = "PRAGMA max_page_count = 1000000";
	sem_post(&fill.go_on);
	service_queue(b.t.service, &fill.job);
	sem_wait(&fill.entered);
	sem_wait(&fill.entered);
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1'"), port);
	made(&b.t, &resource_port, port_attrs(&b, ",'binding:host_id':'h1'"), port);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(DISTINCT position) FROM log", DB_NONE);
	db_get_int(b.t.reader->db, 0, &logged, NULL, "SELECT max(position) FROM log", DB_NONE);
	assert_int_equal(n, logged);
	sem_destroy(&fill.entered);
	sem_destroy(&fill.go_on);
	sem_destroy(&m.done);
	testing_close(&b.t);
}

/* ---- lists ---- */

static void collect(const char *json, size_t len, const char *id, void *arg)
{
	json_t *item = json_loadb(json, len, 0, NULL);

	(void)id;
	utstring_printf((UT_string *)arg, "%s ", json_string_value(json_object_get(item, "name")));
	json_decref(item);
}

static void expect_list(struct testing *t, const struct service_query *q, bool more, const char *names)
{
	_cleanup_(utstring_freep) UT_string *found = NULL;
	struct caller admin = { .admin = true };
	bool ret_more;

	utstring_new(found);
	assert_int_equal(service_list(t->reader, &admin, &resource_network, q, collect, found, &ret_more, &t->err), 0);
	assert_string_equal(utstring_body(found), names);
	assert_int_equal(ret_more, more);
}

static void lists_filter_sort_and_page(void **state)
{
	static const char *const names[] = { "b", "a", "c", "a" };
	const struct field *name = resource_field(&resource_network, "name");
	const struct field *up = resource_field(&resource_network, "admin_state_up");
	const struct field *external = resource_field(&resource_network, "router:external");
	struct service_filter filters[] = { { name, "a" }, { name, "b" }, { up, "True" } };
	struct service_query q = { 0 };
	struct caller stranger = { .project_id = "q" };
	_cleanup_(utstring_freep) UT_string *found = NULL;
	char ids[4][UUID_TEXT_SIZE];
	struct testing t;
	bool more;

	(void)state;
	testing_open(&t, NULL);
	for (int i = 0; i < 4; i++)
		made(&t, &resource_network,
		     testing_attrs("{'name':'%s','admin_state_up':%s,'shared':%s}", names[i], i == 3 ? "false" : "true",
				   i == 2 ? "true" : "false"),
		     ids[i]);
	expect_list(&t, &q, false, "b a c a ");
	q = (struct service_query) { .filters = filters, .n_filters = 3 };
	expect_list(&t, &q, false, "b a ");
	filters[0] = (struct service_filter) { external, "true" };
	q = (struct service_query) { .filters = filters, .n_filters = 1 };
	expect_list(&t, &q, false, "");
	q = (struct service_query) { .sort = { name }, .limit = 2 };
	expect_list(&t, &q, true, "a a ");
	q.marker = ids[3]; /* the second "a" */
	expect_list(&t, &q, false, "b c ");
	q.page_reverse = true;
	expect_list(&t, &q, false, "a ");
	q = (struct service_query) { .sort = { name }, .descending = { true }, .limit = 3, .marker = ids[2] };
	expect_list(&t, &q, false, "b a a ");
	/* Another project sees what is shared, and nothing of the provider's. */
	utstring_new(found);
	q = (struct service_query) { 0 };
	assert_int_equal(service_list(t.reader, &stranger, &resource_network, &q, collect, found, &more, &t.err), 0);
	assert_string_equal(utstring_body(found), "c ");
	testing_close(&t);
}

/* ---- the file ---- */

static void the_database_is_kept(void **state)
{
	char incarnation[UUID_TEXT_SIZE], port[UUID_TEXT_SIZE];
	struct basis b;

	(void)state;
	basis_open(&b, "10.0.0.0/24", NULL);
	made(&b.t, &resource_port, port_attrs(&b, ",'name':'kept'"), port);
	snprintf(incarnation, sizeof(incarnation), "%s", service_incarnation(b.t.service));
	testing_reopen(&b.t, NULL);
	assert_string_equal(service_incarnation(b.t.service), incarnation);
	assert_string_equal(shown(&b, port, "name"), "kept");
	testing_close(&b.t);
}

static int open_again(const char *path, struct err *err)
{
	struct service_options o = testing_options();
	struct service *s = NULL;
	int r;

	o.database = path;
	r = service_open(&o, &s, err);
	service_close(s);
	return r;
}

static void other_files_are_left_alone(void **state)
{
	struct testing t;
	struct err err = { 0 };
	struct db *db;
	char path[96];
	int fd;

	(void)state;
	testing_open(&t, NULL);
	snprintf(path, sizeof(path), "%s/made/neutron.db", t.dir);
	assert_int_equal(db_open(path, DB_WRITER, &db, &err), 0);
	assert_true(db_script(db, "UPDATE meta SET value = '99' WHERE key = 'schema_version'", &err) >= 0);
	assert_true(open_again(path, &err) < 0);
	assert_non_null(strstr(err.text, "99"));
	assert_true(db_script(db, "PRAGMA application_id = 7", &err) >= 0);
	db_close(db);
	assert_true(open_again(path, &err) < 0);
	assert_non_null(strstr(err.text, "another program"));
	snprintf(path, sizeof(path), "%s/made/text", t.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "this is a text, and no database at all\n", 39), 39);
	close(fd);
	assert_true(open_again(path, &err) < 0);
	assert_non_null(strstr(err.text, "cannot be used"));
	testing_close(&t);
}

static void macs_of_hosts_and_ports_must_differ(void **state)
{
	struct service_options o = testing_options();
	struct service *s = NULL;
	struct err err = { 0 };

	(void)state;
	o.dvr_base_mac = o.base_mac;
	o.database = "/nowhere/at/all.db";
	assert_true(service_open(&o, &s, &err) < 0);
	assert_non_null(strstr(err.text, "dvr_base_mac"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_addresses_of_a_pool_are_used),
		cmocka_unit_test(addresses_as_asked_for),
		cmocka_unit_test(macs_are_of_one_network),
		cmocka_unit_test(segments),
		cmocka_unit_test(subnet_rules),
		cmocka_unit_test(interfaces_are_the_routers),
		cmocka_unit_test(interfaces_refused),
		cmocka_unit_test(interfaces_by_port),
		cmocka_unit_test(routers_that_are_not_served),
		cmocka_unit_test(binding_and_status),
		cmocka_unit_test(active_when_its_peers_are_ready),
		cmocka_unit_test(reports_are_of_one_binding),
		cmocka_unit_test(clocks_jump),
		cmocka_unit_test(agents_are_the_faces_of_hosts),
		cmocka_unit_test(tokens),
		cmocka_unit_test(calls_of_a_batch_fail_alone),
		cmocka_unit_test(a_full_disk_loses_nothing),
		cmocka_unit_test(lists_filter_sort_and_page),
		cmocka_unit_test(the_database_is_kept),
		cmocka_unit_test(other_files_are_left_alone),
		cmocka_unit_test(macs_of_hosts_and_ports_must_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
