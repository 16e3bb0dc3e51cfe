/* SPDX-License-Identifier: Apache-2.0 */
/* router: router-create, router-interface-add, ... */
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/action.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/verb.h"

static const char *const columns[] = { "id", "name", "external_gateway_info", "distributed", "ha", NULL };

const struct noun noun_router = { "router", "routers", "name", columns };

static const char *const route_keys[] = { "destination", "nexthop", NULL };

enum { GROUP_NONE, GROUP_ROUTES };

static const struct option attributes[] = {
	{ "distributed", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}",
	  .help = "It routes on every host that has VMs behind it (True), or on one" },
	{ "ha", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}",
	  .help = "Another host takes over when its own fails" },
	{ NULL },
};

static const struct option create[] = {
	{ "admin-state-down", 0, OPTION_FLAG, TO_BODY, "admin_state_up", .constant = "false",
	  .help = "Made switched off" },
	{ NULL },
};

static const struct option update[] = {
	{ "name", 0, OPTION_STRING, TO_BODY, .metavar = "NAME", .help = "The new name" },
	{ "description", 0, OPTION_STRING, TO_BODY, .metavar = "DESCRIPTION", .help = "A text for people" },
	{ "admin-state-up", 0, OPTION_BOOL, TO_BODY, .metavar = "{True,False}", .help = "Switched on or off" },
	{ "route", 0, OPTION_DICT, TO_BODY, "routes", .keys = route_keys, .needs = route_keys, .group = GROUP_ROUTES,
	  .metavar = "destination=CIDR,nexthop=IP_ADDR",
	  .help = "A route; may be repeated. They replace what there was" },
	{ "no-routes", 0, OPTION_FLAG, TO_BODY, "routes", .constant = "null", .group = GROUP_ROUTES,
	  .help = "No routes but those of its interfaces" },
	{ NULL },
};

static const struct positional create_words[] = {
	{ "NAME", "name", .help = "The name of the router" },
	{ NULL },
};

static const struct positional interface_words[] = {
	{ "ROUTER", .help = "Name or id of the router" },
	{ "INTERFACE", .help = "SUBNET, subnet=SUBNET or port=PORT, by name or id" },
	{ NULL },
};

static const struct positional port_list_words[] = { POSITIONAL_ONE("ROUTER", "router"), { NULL } };
static const struct positional one[] = { POSITIONAL_ONE("ROUTER", "router"), { NULL } };
static const struct positional many[] = { POSITIONAL_MANY("ROUTER", "router"), { NULL } };

/* {"subnet_id": ...} or {"port_id": ...} of "SUBNET", "subnet=SUBNET" or "port=PORT". */
static int interface_body(struct cli *c, const char *word, json_t **ret, struct err *err)
{
	const struct noun *n = strncmp(word, "port=", 5) == 0 ? &noun_port : &noun_subnet;
	_cleanup_(freep) char *id = NULL;
	const char *equals = strchr(word, '=');
	int r;

	if (equals && n == &noun_subnet && strncmp(word, "subnet=", 7) != 0)
		return err_set(err, ERR_BAD_REQUEST, "",
			       "INTERFACE: '%s' is neither SUBNET, subnet=SUBNET nor port=PORT", word);
	r = cli_find(c, n, equals ? equals + 1 : word, &id, err);
	if (r < 0)
		return r;
	*ret = json_pack("{s:s}", n == &noun_port ? "port_id" : "subnet_id", id);
	return 0;
}

static int change_interface(struct cli *c, const struct args *a, const char *action, json_t **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *body = NULL;
	_cleanup_(freep) char *id = NULL, *path = NULL;
	int r;

	r = cli_find(c, &noun_router, args_word(a, 0), &id, err);
	if (r < 0)
		return r;
	r = interface_body(c, args_word(a, 1), &body, err);
	if (r < 0)
		return r;
	path = xasprintf("/routers/%s/%s", id, action);
	return cli_call(c, "PUT", path, body, ret, err);
}

static int interface_add(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	const char *port;
	int r;

	r = change_interface(c, a, "add_router_interface", &reply, err);
	if (r < 0)
		return r;
	port = json_string_value(json_object_get(reply, "port_id"));
	fprintf(c->out, "Added interface %s to router %s.\n", port ? port : "?", args_word(a, 0));
	return 0;
}

static int interface_delete(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	int r;

	r = change_interface(c, a, "remove_router_interface", &reply, err);
	if (r < 0)
		return r;
	fprintf(c->out, "Removed interface from router %s.\n", args_word(a, 0));
	return 0;
}

/* The ports of one router. */
static int port_list(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(freep) char *id = NULL;
	int r;

	r = cli_find(c, &noun_router, args_word(a, 0), &id, err);
	if (r < 0)
		return r;
	json_object_set_new(a->query, "device_id", json_string(id));
	return action_list(c, a, err);
}

const struct verb router_verbs[] = {
	{ "router-create",
	  "Create a router",
	  &noun_router,
	  action_create,
	  VERB_EXTRA | VERB_BODY,
	  "{\"admin_state_up\": true}",
	  create_words,
	  { attributes, create, create_options } },
	{ "router-list",
	  "List routers",
	  &noun_router,
	  action_list,
	  VERB_EXTRA,
	  NULL,
	  no_positionals,
	  { list_options } },
	{ "router-show", "Show a router", &noun_router, action_show, 0, NULL, one, { show_options } },
	{ "router-update",
	  "Change a router",
	  &noun_router,
	  action_update,
	  VERB_EXTRA | VERB_BODY,
	  NULL,
	  one,
	  { attributes, update } },
	{ "router-delete", "Delete routers", &noun_router, action_delete, 0, NULL, many },
	{ "router-interface-add", "Connect a router with a subnet", &noun_router, interface_add, 0, NULL,
	  interface_words },
	{ "router-interface-delete", "Take a router's interface away", &noun_router, interface_delete, 0, NULL,
	  interface_words },
	{ "router-port-list",
	  "List the ports of a router",
	  &noun_port,
	  port_list,
	  VERB_EXTRA,
	  NULL,
	  port_list_words,
	  { list_options } },
	{ NULL },
};
