/* SPDX-License-Identifier: Apache-2.0 */
#include "model/resource.h"

#include "model/resource_fields.h"

#define RW (FIELD_POST | FIELD_PUT)
#define FS (FIELD_FILTER | FIELD_SORT)

static const char *const versions[] = { "4", "6", NULL };

static const struct field pool[] = {
	{ "start", FIELD_IP, FIELD_REQUIRED },
	{ "end", FIELD_IP, FIELD_REQUIRED },
	{ NULL },
};

static const struct field host_route[] = {
	{ "destination", FIELD_CIDR, FIELD_REQUIRED },
	{ "nexthop", FIELD_IP, FIELD_REQUIRED },
	{ NULL },
};

static const struct field fields[] = {
	{ "id", FIELD_UUID, FS },
	{ "name", FIELD_STRING, RW | FS, "\"\"", 0, NAME_MAX_CHARS },
	{ "description", FIELD_STRING, RW | FIELD_FILTER, "\"\"", 0, TEXT_MAX_CHARS },
	{ "project_id", FIELD_STRING, FIELD_POST | FS, NULL, 0, PROJECT_MAX_CHARS },
	{ "network_id", FIELD_UUID, FIELD_POST | FIELD_REQUIRED | FS },
	{ "ip_version", FIELD_INT, FIELD_POST | FIELD_REQUIRED | FS, NULL, 4, 6, versions },
	{ "cidr", FIELD_CIDR, FIELD_POST | FIELD_REQUIRED | FS },
	/* Absent: the first usable address. null: no gateway. */
	{ "gateway_ip", FIELD_IP, RW | FIELD_NULLABLE | FS },
	{ "allocation_pools", FIELD_LIST, RW, NULL, 1, 16, .fields = pool },
	{ "enable_dhcp", FIELD_BOOL, RW | FS, "true" },
	{ "dns_nameservers", FIELD_LIST, RW | FIELD_NULLABLE | FIELD_DISTINCT, "[]", 0, 5, .item = FIELD_IP,
	  .null_is = "[]" },
	{ "host_routes", FIELD_LIST, RW | FIELD_NULLABLE | FIELD_DISTINCT, "[]", 0, 20, .fields = host_route,
	  .null_is = "[]" },
	{ "ipv6_ra_mode", FIELD_STRING, FIELD_POST | FIELD_NULLABLE | FIELD_FIXED | FIELD_FILTER, "null", 0, 32 },
	{ "ipv6_address_mode", FIELD_STRING, FIELD_POST | FIELD_NULLABLE | FIELD_FIXED | FIELD_FILTER, "null", 0, 32 },
	{ "subnetpool_id", FIELD_STRING, FIELD_POST | FIELD_NULLABLE | FIELD_FIXED | FIELD_FILTER, "null", 0, 36 },
	/* The network's; subnets are but filtered by it. */
	{ "shared", FIELD_BOOL, FIELD_FILTER },
	{ "service_types", FIELD_LIST, RW | FIELD_FIXED, "[]", 0, 16, .item = FIELD_STRING },
	{ "tags", FIELD_LIST, 0, .item = FIELD_STRING },
	STANDARD_ATTRIBUTES,
	{ NULL },
};

const struct resource resource_subnet = { "subnet", "subnets", "SubnetNotFound", fields };
