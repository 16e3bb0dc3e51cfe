/* SPDX-License-Identifier: Apache-2.0 */
#include "model/resource.h"

#include "model/resource_fields.h"

#define FS (FIELD_FILTER | FIELD_SORT)

static const struct field fields[] = {
	{ "id", FIELD_UUID, FS },
	{ "agent_type", FIELD_STRING, FS },
	{ "binary", FIELD_STRING, FS },
	{ "topic", FIELD_STRING, FS },
	{ "host", FIELD_STRING, FS },
	{ "availability_zone", FIELD_STRING, FIELD_FILTER },
	{ "admin_state_up", FIELD_BOOL, FIELD_PUT | FS },
	{ "description", FIELD_STRING, FIELD_PUT | FIELD_NULLABLE | FIELD_FILTER, NULL, 0, TEXT_MAX_CHARS },
	{ "alive", FIELD_BOOL, FIELD_FILTER },
	{ "created_at", FIELD_STRING, FIELD_SORT },
	{ "started_at", FIELD_STRING, FIELD_SORT },
	{ "heartbeat_timestamp", FIELD_STRING, FIELD_SORT },
	{ "resources_synced", FIELD_BOOL },
	/* Ours: a snapshot is held back on the host; false lets it through. */
	{ "held", FIELD_BOOL, FIELD_PUT | FIELD_FILTER },
	{ "configurations", FIELD_DICT },
	{ NULL },
};

const struct resource resource_agent = { "agent", "agents", "AgentNotFound", fields };
