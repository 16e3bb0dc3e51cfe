/* SPDX-License-Identifier: Apache-2.0 */
#include "model/resource.h"

#include "model/resource_fields.h"

#define RW (FIELD_POST | FIELD_PUT)
#define FS (FIELD_FILTER | FIELD_SORT)

static const char *const vnic_types[] = { "normal", NULL };

static const struct field fixed_ip[] = {
	{ "subnet_id", FIELD_UUID },
	{ "ip_address", FIELD_IP },
	{ NULL },
};

static const struct field fields[] = {
	{ "id", FIELD_UUID, FS },
	{ "name", FIELD_STRING, RW | FS, "\"\"", 0, NAME_MAX_CHARS },
	{ "description", FIELD_STRING, RW | FIELD_FILTER, "\"\"", 0, TEXT_MAX_CHARS },
	{ "project_id", FIELD_STRING, FIELD_POST | FS, NULL, 0, PROJECT_MAX_CHARS },
	{ "network_id", FIELD_UUID, FIELD_POST | FIELD_REQUIRED | FS },
	{ "mac_address", FIELD_MAC, RW | FS },
	/* Absent: one IPv4 address of the network, if it has such a subnet. []: none. Filtered by fixed_ips=... */
	{ "fixed_ips", FIELD_LIST, RW | FIELD_FILTER, NULL, 0, 5, .fields = fixed_ip },
	{ "admin_state_up", FIELD_BOOL, RW | FS, "true" },
	{ "status", FIELD_STRING, FS },
	{ "device_id", FIELD_STRING, RW | FS, "\"\"", 0, 255 },
	{ "device_owner", FIELD_STRING, RW | FS, "\"\"", 0, 255 },
	{ "binding:host_id", FIELD_STRING, RW | FIELD_NULLABLE | FIELD_ADMIN | FIELD_FILTER, "\"\"", 0, 255,
	  .null_is = "\"\"" },
	{ "binding:vif_type", FIELD_STRING, FIELD_ADMIN | FIELD_FILTER },
	{ "binding:vif_details", FIELD_DICT, FIELD_ADMIN },
	{ "binding:profile", FIELD_DICT, RW | FIELD_NULLABLE | FIELD_ADMIN, "{}", 0, 4095, .null_is = "{}" },
	{ "binding:vnic_type", FIELD_ENUM, RW | FIELD_FILTER, "\"normal\"", .values = vnic_types },
	/* Absent: as the network says. */
	{ "port_security_enabled", FIELD_BOOL, RW | FIELD_FILTER },
	{ "allowed_address_pairs", FIELD_LIST, RW | FIELD_NULLABLE | FIELD_FIXED, "[]", 0, 10, .item = FIELD_DICT,
	  .null_is = "[]" },
	{ "security_groups", FIELD_LIST, RW | FIELD_NULLABLE | FIELD_FIXED, "[]", 0, 64, .item = FIELD_UUID,
	  .null_is = "[]" },
	{ "extra_dhcp_opts", FIELD_LIST, RW | FIELD_NULLABLE | FIELD_FIXED, "[]", 0, 64, .item = FIELD_DICT,
	  .null_is = "[]" },
	{ "tags", FIELD_LIST, 0, .item = FIELD_STRING },
	STANDARD_ATTRIBUTES,
	{ NULL },
};

const struct resource resource_port = { "port", "ports", "PortNotFound", fields };
