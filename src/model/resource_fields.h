/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* resource_fields: what the tables of fields share. Used by them alone. */

#define NAME_MAX_CHARS 255
#define TEXT_MAX_CHARS 255
#define PROJECT_MAX_CHARS 255

/* Of every resource that has rows of its own. */
#define STANDARD_ATTRIBUTES                                                                                            \
	{ "created_at", FIELD_STRING, FIELD_FILTER | FIELD_SORT },                                                     \
		{ "updated_at", FIELD_STRING, FIELD_FILTER | FIELD_SORT },                                             \
	{                                                                                                              \
		"revision_number", FIELD_INT, FIELD_FILTER | FIELD_SORT                                                \
	}
