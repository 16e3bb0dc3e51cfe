/* SPDX-License-Identifier: Apache-2.0 */
/* The options that verbs of a kind share, and the search in the groups' tables. */
#include <string.h>

#include "base/mem.h"
#include "cli/verb.h"

static const char *const formats[] = { "table", "json", "value", "csv", "shell", "yaml", NULL };
static const char *const directions[] = { "asc", "desc", NULL };

#define OUTPUT_OPTIONS                                                                                                 \
	{ "format",                                                                                                    \
	  'f',                                                                                                         \
	  OPTION_STRING,                                                                                               \
	  TO_OUTPUT,                                                                                                   \
	  .choices = formats,                                                                                          \
	  .metavar = "{table,json,value,csv,shell,yaml}",                                                              \
	  .help = "How the result is printed; a table unless told otherwise" },                                        \
		{ "column",                                                                                            \
		  'c',                                                                                                 \
		  OPTION_LIST,                                                                                         \
		  TO_OUTPUT,                                                                                           \
		  .metavar = "COLUMN",                                                                                 \
		  .help = "Print this column only; may be repeated" },                                                 \
	{                                                                                                              \
		"noindent", 0, OPTION_FLAG, TO_OUTPUT, .constant = "true", .help = "JSON on one line"                  \
	}

#define FIELD_OPTIONS                                                                                                  \
	{ "field",                                                                                                     \
	  'F',                                                                                                         \
	  OPTION_LIST,                                                                                                 \
	  TO_QUERY,                                                                                                    \
	  "fields",                                                                                                    \
	  .metavar = "FIELD",                                                                                          \
	  .help = "Ask the server for this attribute only; may be repeated" },                                         \
		{ "fields", 0, OPTION_LIST, TO_QUERY, "fields", .metavar = "FIELD" },                                  \
		{ "detail", 'D', OPTION_FLAG, TO_OUTPUT, .constant = "true", .help = "Print every attribute" },        \
	{                                                                                                              \
		"show-details", 0, OPTION_FLAG, TO_OUTPUT, "detail", .constant = "true"                                \
	}

const struct option list_options[] = {
	OUTPUT_OPTIONS,
	FIELD_OPTIONS,
	{ "sort-key", 0, OPTION_LIST, TO_QUERY, .metavar = "FIELD", .help = "Sort by this attribute; may be repeated" },
	{ "sort-dir", 0, OPTION_LIST, TO_QUERY, .choices = directions, .metavar = "{asc,desc}",
	  .help = "The direction of the sort key at the same place; may be repeated" },
	{ "page-size", 'P', OPTION_INT, TO_QUERY, "limit", .metavar = "SIZE",
	  .help = "Ask for so many at a time; all are printed" },
	{ NULL },
};

const struct option show_options[] = {
	OUTPUT_OPTIONS,
	FIELD_OPTIONS,
	{ NULL },
};

const struct option create_options[] = {
	OUTPUT_OPTIONS,
	{ "tenant-id", 0, OPTION_STRING, TO_BODY, .metavar = "TENANT_ID", .help = "The project that owns it" },
	{ "project-id", 0, OPTION_STRING, TO_BODY, .metavar = "PROJECT_ID", .help = "The project that owns it" },
	{ "description", 0, OPTION_STRING, TO_BODY, .metavar = "DESCRIPTION", .help = "A text for people" },
	{ NULL },
};

const struct positional no_positionals[] = { { NULL } };

static const struct verb *const groups[] = {
	network_verbs, subnet_verbs, port_verbs, router_verbs, agent_verbs, extension_verbs,
};

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		for (const struct verb *v = groups[i]; v->name; v++) {
			if (strcmp(v->name, name) == 0)
				return v;
		}
	}
	return NULL;
}

void verb_each(void (*fn)(const struct verb *v, void *arg), void *arg)
{
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		for (const struct verb *v = groups[i]; v->name; v++)
			fn(v, arg);
	}
}
