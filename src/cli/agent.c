/* SPDX-License-Identifier: Apache-2.0 */
/* agent: agent-list, ...; ext-list and ext-show: what the server can do */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/action.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "io/http_client.h"

static const char *const columns[] = {
	"id", "agent_type", "host", "availability_zone", "alive", "admin_state_up", "binary", NULL,
};

/* A host may have several agents; its name is enough where it has one. */
const struct noun noun_agent = { "agent", "agents", "host", columns };

static const struct option update[] = {
	{ "admin-state-down", 0, OPTION_FLAG, TO_BODY, "admin_state_up", .constant = "false", .group = 1,
	  .help = "Switch it off" },
	{ "admin-state-up", 0, OPTION_BOOL, TO_BODY, .group = 1, .metavar = "{True,False}",
	  .help = "Switched on or off" },
	{ "description", 0, OPTION_STRING, TO_BODY, .metavar = "DESCRIPTION", .help = "A text for people" },
	{ NULL },
};

static const struct positional one[] = {
	{ "AGENT", .help = "Id of the agent, or its host when that has no other" },
	{ NULL },
};

static const struct positional many[] = {
	{ "AGENT", .count = MANY, .help = "Ids of the agents, or their hosts" },
	{ NULL },
};

static int list(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(json_decrefp) json_t *rows = NULL;
	json_t *row;
	size_t i;
	int r;

	args_even_sort(a);
	r = cli_list(c, a->verb->noun, a->query, &rows, err);
	if (r < 0)
		return r;
	json_array_foreach(rows, i, row)
	{
		json_t *alive = json_object_get(row, "alive");

		/* Scripts look for these faces. */
		if (alive)
			json_object_set_new(row, "alive", json_string(json_is_true(alive) ? ":-)" : "xxx"));
	}
	return output_list(c->out, a, rows, err);
}

static const struct positional held_on[] = {
	{ "HOST", .count = OPTIONAL, .help = "The host whose agent holds a snapshot back" },
	{ NULL },
};

static const struct option accept_options[] = {
	{ "all", 0, OPTION_FLAG, TO_BODY, .constant = "true", .help = "Each agent that holds one back" },
	{ NULL },
};

static int accept_one(struct cli *c, const json_t *agent, struct err *err)
{
	_cleanup_(json_decrefp) json_t *reply = NULL, *body = json_pack("{s:{s:b}}", "agent", "held", 0);
	_cleanup_(freep) char *path = xasprintf("/agents/%s", json_string_value(json_object_get(agent, "id")));
	int r = cli_call(c, "PUT", path, body, &reply, err);

	if (r == 0)
		fprintf(c->out, "Accepted what host %s held back.\n",
			json_string_value(json_object_get(agent, "host")));
	return r;
}

/* A host may show several agents: one is told. One that refuses keeps nobody else back. */
static int accept_each(struct cli *c, const json_t *agents, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *failed = NULL;
	_cleanup_(json_decrefp) json_t *told = json_object();
	const json_t *agent;
	int result = 0;
	size_t i;

	utstring_new(failed);
	json_array_foreach(agents, i, agent)
	{
		const char *host = json_string_value(json_object_get(agent, "host"));
		int r;

		if (!host || json_object_get(told, host))
			continue;
		json_object_set_new(told, host, json_true());
		r = accept_one(c, agent, err);
		if (r < 0) {
			result = r;
			utstring_printf(failed, "%s%s", utstring_len(failed) ? "\n" : "", err->text);
		}
	}
	return result < 0 ? err_set(err, err->kind, err->type, "%s", utstring_body(failed)) : 0;
}

static int accept(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(json_decrefp) json_t *query = json_pack("{s:s}", "held", "True"), *agents = NULL;
	const char *host = args_word(a, 0);
	int r;

	if (!host == !json_object_get(a->body, "all"))
		return err_set(err, ERR_BAD_REQUEST, "", "a host is wanted, or --all");
	if (host)
		json_object_set_new(query, "host", json_string(host));
	r = cli_list(c, a->verb->noun, query, &agents, err);
	if (r < 0)
		return r;
	if (host && json_array_size(agents) == 0)
		return err_set(err, ERR_CONFLICT, "", "no agent on host %s holds a snapshot back", host);
	return accept_each(c, agents, err);
}

const struct verb agent_verbs[] = {
	{ "agent-list", "List agents", &noun_agent, list, VERB_EXTRA, NULL, no_positionals, { list_options } },
	{ "agent-show", "Show an agent", &noun_agent, action_show, 0, NULL, one, { show_options } },
	{ "agent-update",
	  "Change an agent",
	  &noun_agent,
	  action_update,
	  VERB_EXTRA | VERB_BODY,
	  NULL,
	  one,
	  { update } },
	{ "agent-accept",
	  "Let through a snapshot that an agent holds back",
	  &noun_agent,
	  accept,
	  0,
	  NULL,
	  held_on,
	  { accept_options } },
	{ "agent-delete", "Delete agents that are gone", &noun_agent, action_delete, 0, NULL, many },
	{ NULL },
};

static const char *const extension_columns[] = { "alias", "name", NULL };

const struct noun noun_extension = { "extension", "extensions", "alias", extension_columns };

static const struct positional alias[] = { { "ALIAS", .help = "The alias of the extension" }, { NULL } };

/* Extensions are named by their alias and have no id. */
static int extension_show(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(freep) char *escaped = http_escape(args_word(a, 0)), *path = xasprintf("/extensions/%s", escaped);
	_cleanup_(json_decrefp) json_t *reply = NULL;
	const json_t *object;
	int r;

	r = cli_call(c, "GET", path, NULL, &reply, err);
	if (r < 0)
		return r;
	object = json_object_get(reply, "extension");
	if (!object)
		return err_set(err, ERR_INTERNAL, "", "the reply has no \"extension\"");
	return output_one(c->out, a, object, err);
}

const struct verb extension_verbs[] = {
	{ "ext-list",
	  "List what the API can do",
	  &noun_extension,
	  action_list,
	  VERB_EXTRA,
	  NULL,
	  no_positionals,
	  { list_options } },
	{ "ext-show",
	  "Show one extension of the API",
	  &noun_extension,
	  extension_show,
	  0,
	  NULL,
	  alias,
	  { show_options } },
	{ NULL },
};
