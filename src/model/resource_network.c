/* SPDX-License-Identifier: Apache-2.0 */
#include "model/resource.h"

#include "model/resource_fields.h"

#define RW (FIELD_POST | FIELD_PUT)
#define FS (FIELD_FILTER | FIELD_SORT)

static const struct field fields[] = {
	{ "id", FIELD_UUID, FS },
	{ "name", FIELD_STRING, RW | FS, "\"\"", 0, NAME_MAX_CHARS },
	{ "description", FIELD_STRING, RW | FIELD_FILTER, "\"\"", 0, TEXT_MAX_CHARS },
	{ "project_id", FIELD_STRING, FIELD_POST | FS, NULL, 0, PROJECT_MAX_CHARS },
	{ "status", FIELD_STRING, FS },
	{ "admin_state_up", FIELD_BOOL, RW | FS, "true" },
	{ "shared", FIELD_BOOL, RW | FIELD_ADMIN | FS, "false" },
	{ "subnets", FIELD_LIST, 0, .item = FIELD_UUID },
	/* Without a value, or 0: what the segment can carry. The limits are the service's to check. */
	{ "mtu", FIELD_INT, RW | FS, NULL, 0, 65535 },
	{ "provider:network_type", FIELD_STRING, FIELD_POST | FIELD_NULLABLE | FIELD_ADMIN | FIELD_FILTER, NULL, 1, 32,
	  .null_is = "" },
	{ "provider:physical_network", FIELD_STRING, FIELD_POST | FIELD_NULLABLE | FIELD_ADMIN | FIELD_FILTER, NULL, 1,
	  63, .null_is = "" },
	{ "provider:segmentation_id", FIELD_INT, FIELD_POST | FIELD_NULLABLE | FIELD_ADMIN | FIELD_FILTER, NULL, 0,
	  UINT32_MAX, .null_is = "" },
	{ "router:external", FIELD_BOOL, RW | FIELD_ADMIN | FIELD_FILTER | FIELD_FIXED, "false" },
	/* Of external networks; the openstack client says it of any. */
	{ "is_default", FIELD_BOOL, RW | FIELD_ADMIN | FIELD_FILTER | FIELD_FIXED, "false" },
	{ "port_security_enabled", FIELD_BOOL, RW | FIELD_FILTER, "true" },
	{ "availability_zone_hints", FIELD_LIST, FIELD_POST | FIELD_FIXED, "[]", 0, 16, .item = FIELD_STRING },
	{ "availability_zones", FIELD_LIST, 0, .item = FIELD_STRING },
	{ "ipv4_address_scope", FIELD_UUID, 0 },
	{ "ipv6_address_scope", FIELD_UUID, 0 },
	{ "tags", FIELD_LIST, 0, .item = FIELD_STRING },
	STANDARD_ATTRIBUTES,
	{ NULL },
};

const struct resource resource_network = { "network", "networks", "NetworkNotFound", fields };
