/* SPDX-License-Identifier: Apache-2.0 */
/* subnet: subnet-create, subnet-list, ... */
#include "base/mem.h"
#include "cli/action.h"
#include "cli/verb.h"

static const char *const columns[] = { "id", "name", "cidr", "allocation_pools", NULL };

const struct noun noun_subnet = { "subnet", "subnets", "name", columns };

static const char *const pool_keys[] = { "start", "end", NULL };
static const char *const route_keys[] = { "destination", "nexthop", NULL };

enum { GROUP_NONE, GROUP_GATEWAY, GROUP_DHCP };

static const struct option attributes[] = {
	{ "name", 0, OPTION_STRING, TO_BODY, .metavar = "NAME", .help = "The name of the subnet" },
	{ "gateway", 0, OPTION_STRING, TO_BODY, "gateway_ip", .group = GROUP_GATEWAY, .metavar = "GATEWAY_IP",
	  .help = "The address of the gateway; the first of the subnet unless told otherwise" },
	{ "no-gateway", 0, OPTION_FLAG, TO_BODY, "gateway_ip", .constant = "null", .group = GROUP_GATEWAY,
	  .help = "The subnet has no gateway" },
	{ "allocation-pool", 0, OPTION_DICT, TO_BODY, "allocation_pools", .keys = pool_keys, .needs = pool_keys,
	  .metavar = "start=IP_ADDR,end=IP_ADDR", .help = "Addresses that ports may get; may be repeated" },
	{ "host-route", 0, OPTION_DICT, TO_BODY, "host_routes", .keys = route_keys, .needs = route_keys,
	  .metavar = "destination=CIDR,nexthop=IP_ADDR", .help = "A route for the VMs; may be repeated" },
	{ "dns-nameserver", 0, OPTION_LIST, TO_BODY, "dns_nameservers", .metavar = "DNS_NAMESERVER",
	  .help = "A name server for the VMs; may be repeated" },
	{ "enable-dhcp", 0, OPTION_BOOL, TO_BODY, .group = GROUP_DHCP, .metavar = "{True,False}",
	  .help = "VMs get their addresses by DHCP" },
	{ "disable-dhcp", 0, OPTION_FLAG, TO_BODY, "enable_dhcp", .constant = "false", .group = GROUP_DHCP,
	  .help = "No DHCP on this subnet" },
	{ NULL },
};

static const struct option create[] = {
	{ "ip-version", 0, OPTION_INT, TO_BODY, .metavar = "{4,6}",
	  .help = "The family of the addresses; 4 unless told" },
	{ "ipv6-ra-mode", 0, OPTION_STRING, TO_BODY, .metavar = "MODE", .help = "What router advertisements say" },
	{ "ipv6-address-mode", 0, OPTION_STRING, TO_BODY, .metavar = "MODE", .help = "How VMs get IPv6 addresses" },
	{ NULL },
};

static const struct option update[] = {
	{ "description", 0, OPTION_STRING, TO_BODY, .metavar = "DESCRIPTION", .help = "A text for people" },
	{ NULL },
};

static const struct positional create_words[] = {
	{ "NETWORK", "network_id", &noun_network, .help = "Name or id of the network" },
	{ "CIDR", "cidr", .count = OPTIONAL, .help = "The addresses, as 10.0.1.0/24" },
	{ NULL },
};

static const struct positional one[] = { POSITIONAL_ONE("SUBNET", "subnet"), { NULL } };
static const struct positional many[] = { POSITIONAL_MANY("SUBNET", "subnet"), { NULL } };

const struct verb subnet_verbs[] = {
	{ "subnet-create",
	  "Create a subnet of a network",
	  &noun_subnet,
	  action_create,
	  VERB_EXTRA | VERB_BODY,
	  "{\"ip_version\": 4}",
	  create_words,
	  { attributes, create, create_options } },
	{ "subnet-list",
	  "List subnets",
	  &noun_subnet,
	  action_list,
	  VERB_EXTRA,
	  NULL,
	  no_positionals,
	  { list_options } },
	{ "subnet-show", "Show a subnet", &noun_subnet, action_show, 0, NULL, one, { show_options } },
	{ "subnet-update",
	  "Change a subnet",
	  &noun_subnet,
	  action_update,
	  VERB_EXTRA | VERB_BODY,
	  NULL,
	  one,
	  { attributes, update } },
	{ "subnet-delete", "Delete subnets", &noun_subnet, action_delete, 0, NULL, many },
	{ NULL },
};
