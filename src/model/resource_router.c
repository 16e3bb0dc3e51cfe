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
	{ "admin_state_up", FIELD_BOOL, RW | FS, "true" },
	{ "status", FIELD_STRING, FS },
	/* Absent or null: [DEFAULT] router_distributed on create, unchanged on update. */
	{ "distributed", FIELD_BOOL, RW | FIELD_NULLABLE | FIELD_ADMIN | FIELD_FILTER, .null_is = "" },
	{ "ha", FIELD_BOOL, RW | FIELD_NULLABLE | FIELD_ADMIN | FIELD_FILTER | FIELD_FIXED, "false",
	  .null_is = "false" },
	{ "external_gateway_info", FIELD_DICT, RW | FIELD_NULLABLE | FIELD_FIXED, "null", 0, 4095 },
	{ "routes", FIELD_LIST, FIELD_PUT | FIELD_NULLABLE | FIELD_FIXED, "[]", 0, 30, .item = FIELD_DICT,
	  .null_is = "[]" },
	{ "flavor_id", FIELD_STRING, FIELD_POST | FIELD_NULLABLE | FIELD_FIXED, "null", 0, 36 },
	{ "availability_zone_hints", FIELD_LIST, FIELD_POST | FIELD_FIXED, "[]", 0, 16, .item = FIELD_STRING },
	{ "availability_zones", FIELD_LIST, 0, .item = FIELD_STRING },
	{ "tags", FIELD_LIST, 0, .item = FIELD_STRING },
	STANDARD_ATTRIBUTES,
	{ NULL },
};

const struct resource resource_router = { "router", "routers", "RouterNotFound", fields };
