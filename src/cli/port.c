/* SPDX-License-Identifier: Apache-2.0 */
/* port: port-create, port-list, ... */
#include "base/mem.h"
#include "cli/action.h"
#include "cli/verb.h"

static const char *const columns[] = { "id", "name", "mac_address", "fixed_ips", NULL };

const struct noun noun_port = { "port", "ports", "name", columns };

static const char *const fixed_ip_keys[] = { "subnet_id", "ip_address", NULL };
static const char *const pair_keys[] = { "ip_address", "mac_address", NULL };
static const char *const pair_needs[] = { "ip_address", NULL };
static const char *const vnic_types[] = { "normal",    "direct",           "macvtap",         "baremetal",
					  "smart-nic", "virtio-forwarder", "direct-physical", NULL };

enum { GROUP_NONE, GROUP_PAIRS };

static const struct option attributes[] = {
	{ "name", 0, OPTION_STRING, TO_BODY, .metavar = "NAME", .help = "The name of the port" },
	{ "fixed-ip", 0, OPTION_DICT, TO_BODY, "fixed_ips", .keys = fixed_ip_keys, .ref_key = "subnet_id",
	  .ref = &noun_subnet, .metavar = "subnet_id=SUBNET,ip_address=IP_ADDR",
	  .help = "An address: a subnet by name or id, an address of it, or both; may be repeated" },
	{ "device-id", 0, OPTION_STRING, TO_BODY, .metavar = "DEVICE_ID",
	  .help = "The id of what the port belongs to" },
	{ "device-owner", 0, OPTION_STRING, TO_BODY, .metavar = "DEVICE_OWNER",
	  .help = "The kind of what the port belongs to: compute:nova, ..." },
	{ "mac-address", 0, OPTION_STRING, TO_BODY, .metavar = "MAC_ADDRESS", .help = "Its MAC address" },
	{ "binding:host_id", 0, OPTION_STRING, TO_BODY, .metavar = "HOST", .help = "The host where it is plugged" },
	{ "host", 0, OPTION_STRING, TO_BODY, "binding:host_id", .metavar = "HOST", .help = "The same" },
	{ "vnic-type", 0, OPTION_STRING, TO_BODY, "binding:vnic_type", .choices = vnic_types, .metavar = "TYPE",
	  .help = "The kind of device: normal, ..." },
	{ "binding-profile", 0, OPTION_JSON, TO_BODY, "binding:profile", .metavar = "JSON",
	  .help = "Data for the host that binds the port, a JSON object" },
	{ "allowed-address-pair", 0, OPTION_DICT, TO_BODY, "allowed_address_pairs", .keys = pair_keys,
	  .needs = pair_needs, .group = GROUP_PAIRS, .metavar = "ip_address=IP_ADDR|CIDR[,mac_address=MAC_ADDR]",
	  .help = "Addresses that it may use, too; may be repeated" },
	{ "no-allowed-address-pairs", 0, OPTION_FLAG, TO_BODY, "allowed_address_pairs", .constant = "[]",
	  .group = GROUP_PAIRS, .help = "None but its own addresses" },
	{ NULL },
};

static const struct option create[] = {
	{ "admin-state-down", 0, OPTION_FLAG, TO_BODY, "admin_state_up", .constant = "false",
	  .help = "Made switched off" },
	{ NULL },
};

static const struct option update[] = {
	{ "admin-state-up", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}", .help = "Switched on or off" },
	{ "description", 0, OPTION_STRING, TO_BODY, .metavar = "DESCRIPTION", .help = "A text for people" },
	{ NULL },
};

static const struct positional create_words[] = {
	{ "NETWORK", "network_id", &noun_network, .help = "Name or id of the network" },
	{ NULL },
};

static const struct positional one[] = { POSITIONAL_ONE("PORT", "port"), { NULL } };
static const struct positional many[] = { POSITIONAL_MANY("PORT", "port"), { NULL } };

const struct verb port_verbs[] = {
	{ "port-create",
	  "Create a port on a network",
	  &noun_port,
	  action_create,
	  VERB_EXTRA | VERB_BODY,
	  "{\"admin_state_up\": true}",
	  create_words,
	  { attributes, create, create_options } },
	{ "port-list", "List ports", &noun_port, action_list, VERB_EXTRA, NULL, no_positionals, { list_options } },
	{ "port-show", "Show a port", &noun_port, action_show, 0, NULL, one, { show_options } },
	{ "port-update",
	  "Change a port",
	  &noun_port,
	  action_update,
	  VERB_EXTRA | VERB_BODY,
	  NULL,
	  one,
	  { attributes, update } },
	{ "port-delete", "Delete ports", &noun_port, action_delete, 0, NULL, many },
	{ NULL },
};
