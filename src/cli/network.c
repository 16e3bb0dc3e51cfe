/* SPDX-License-Identifier: Apache-2.0 */
/* network: net-create, net-list, ... */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/action.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/verb.h"

#define SUBNETS_A_CALL 100 /* ids in one query: 4 kB of a URL */

static const char *const columns[] = { "id", "name", "subnets", NULL };

const struct noun noun_network = { "network", "networks", "name", columns };

/* What net-create and net-update share. */
static const struct option attributes[] = {
	{ "shared", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}", .help = "Every project may use it" },
	{ "router:external", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}",
	  .help = "It is the outside of the cloud: routers may have their gateway on it" },
	{ NULL },
};

static const struct option create[] = {
	{ "admin-state-down", 0, OPTION_FLAG, TO_BODY, "admin_state_up", .constant = "false",
	  .help = "Made switched off" },
	{ "provider:network_type", 0, OPTION_STRING, TO_BODY, .metavar = "TYPE",
	  .help = "How it is carried: vxlan, ..." },
	{ "provider:physical_network", 0, OPTION_STRING, TO_BODY, .metavar = "NAME",
	  .help = "The physical network that carries it" },
	{ "provider:segmentation_id", 0, OPTION_INT, TO_BODY, .metavar = "ID", .help = "VNI or VLAN id" },
	{ "mtu", 0, OPTION_INT, TO_BODY, .metavar = "MTU", .help = "Largest packet, headers of Ethernet not counted" },
	{ NULL },
};

static const struct option update[] = {
	{ "name", 0, OPTION_STRING, TO_BODY, .metavar = "NAME", .help = "The new name" },
	{ "description", 0, OPTION_STRING, TO_BODY, .metavar = "DESCRIPTION", .help = "A text for people" },
	{ "admin-state-up", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}", .help = "Switched on or off" },
	{ "mtu", 0, OPTION_INT, TO_BODY, .metavar = "MTU", .help = "Largest packet, headers of Ethernet not counted" },
	{ NULL },
};

static const struct positional create_words[] = {
	{ "NAME", "name", .help = "The name of the network" },
	{ NULL },
};

static const struct positional one[] = { POSITIONAL_ONE("NETWORK", "network"), { NULL } };
static const struct positional many[] = { POSITIONAL_MANY("NETWORK", "network"), { NULL } };

/* Puts "ID CIDR" for the id of each subnet in `ids` that `found` has. */
static void describe(json_t *ids, const json_t *found)
{
	json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
	{
		const json_t *subnet;
		size_t k;

		json_array_foreach(found, k, subnet)
		{
			const char *cidr = json_string_value(json_object_get(subnet, "cidr"));

			if (!cidr || !json_equal(json_object_get(subnet, "id"), id))
				continue;
			json_array_set_new(ids, i, json_pack("s++", json_string_value(id), " ", cidr));
			break;
		}
	}
}

/* Asks for the CIDRs of `ids` and replaces them in the rows. */
static int describe_rows(struct cli *c, json_t *rows, json_t *ids, struct err *err)
{
	_cleanup_(json_decrefp) json_t *query = json_pack("{s:O, s:[s,s]}", "id", ids, "fields", "id", "cidr");
	_cleanup_(json_decrefp) json_t *found = NULL;
	json_t *row;
	size_t i;
	int r;

	r = cli_list(c, &noun_subnet, query, &found, err);
	if (r < 0)
		return r;
	json_array_foreach(rows, i, row) describe(json_object_get(row, "subnets"), found);
	return 0;
}

/* A network names its subnets by id only; people want to see the CIDRs. */
static int add_cidrs(struct cli *c, json_t *rows, struct err *err)
{
	_cleanup_(json_decrefp) json_t *ids = json_array();
	json_t *row, *id;
	size_t i, k;

	json_array_foreach(rows, i, row)
	{
		json_array_foreach(json_object_get(row, "subnets"), k, id) json_array_append(ids, id);
	}
	for (size_t from = 0; from < json_array_size(ids); from += SUBNETS_A_CALL) {
		_cleanup_(json_decrefp) json_t *some = json_array();
		int r;

		for (k = from; k < from + SUBNETS_A_CALL && k < json_array_size(ids); k++)
			json_array_append(some, json_array_get(ids, k));
		r = describe_rows(c, rows, some, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(json_decrefp) json_t *rows = NULL;
	int r;

	args_even_sort(a);
	r = cli_list(c, a->verb->noun, a->query, &rows, err);
	if (r < 0)
		return r;
	if (output_is_table(a)) {
		r = add_cidrs(c, rows, err);
		if (r < 0)
			return r;
	}
	return output_list(c->out, a, rows, err);
}

const struct verb network_verbs[] = {
	{ "net-create",
	  "Create a network",
	  &noun_network,
	  action_create,
	  VERB_EXTRA | VERB_BODY,
	  "{\"admin_state_up\": true}",
	  create_words,
	  { create, attributes, create_options } },
	{ "net-list", "List networks", &noun_network, list, VERB_EXTRA, NULL, no_positionals, { list_options } },
	{ "net-show", "Show a network", &noun_network, action_show, 0, NULL, one, { show_options } },
	{ "net-update",
	  "Change a network",
	  &noun_network,
	  action_update,
	  VERB_EXTRA | VERB_BODY,
	  NULL,
	  one,
	  { update, attributes } },
	{ "net-delete", "Delete networks", &noun_network, action_delete, 0, NULL, many },
	{ NULL },
};
