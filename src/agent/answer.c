/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/control.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "watch/client.h"

#define MAX_COUNTERS 256

/* Each request writes its text for people and its data, one JSON value. */
struct answer {
	struct agent *agent;
	UT_string *text;
	struct jw data;
	struct err err;
};

/* The text once more as a list of its lines. */
static void lines_as_data(struct answer *an, const char *key)
{
	const char *line = utstring_body(an->text);

	jw_object(&an->data);
	jw_key(&an->data, key);
	jw_array(&an->data);
	while (*line) {
		size_t len = strcspn(line, "\n");
		_cleanup_(freep) char *copy = xstrndup(line, len);

		jw_string(&an->data, copy);
		line += line[len] ? len + 1 : len;
	}
	jw_end_array(&an->data);
	jw_end_object(&an->data);
}

static int show_plan(struct answer *an)
{
	plan_format(follow_plan(agent_follow(an->agent)), an->text);
	lines_as_data(an, "plan");
	return 0;
}

static void on_flow(const char *line, void *arg)
{
	struct answer *an = arg;

	utstring_printf(an->text, "    %s\n", line);
	jw_string(&an->data, line);
}

static void record_and_flows(const struct plan_record *r, void *arg)
{
	_cleanup_(utstring_freep) UT_string *record = NULL;
	struct answer *an = arg;

	utstring_new(record);
	plan_record_format(r, record);
	utstring_printf(an->text, "%s\n", utstring_body(record));
	jw_object(&an->data);
	jw_kv_string(&an->data, "record", utstring_body(record));
	jw_key(&an->data, "flows");
	jw_array(&an->data);
	agent_config(an->agent)->ops->show(agent_driver(an->agent), r, on_flow, an);
	jw_end_array(&an->data);
	jw_end_object(&an->data);
}

/* What is made from no single record, as the driver orders it. */
static void on_rest(const char *line, void *arg)
{
	struct answer *an = arg;

	utstring_printf(an->text, "%s%s\n", line[0] == '#' ? "" : "    ", line);
	jw_string(&an->data, line);
}

static int show_flows(struct answer *an)
{
	const struct driver_ops *ops = agent_config(an->agent)->ops;

	if (!ops->show)
		return err_set(&an->err, ERR_NOT_IMPLEMENTED, "", "the datapath %s has no flows", ops->name);
	jw_object(&an->data);
	jw_key(&an->data, "plan");
	jw_array(&an->data);
	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(follow_plan(agent_follow(an->agent)), (enum plan_table)t, record_and_flows, an);
	jw_end_array(&an->data);
	jw_key(&an->data, "rest");
	jw_array(&an->data);
	ops->show(agent_driver(an->agent), NULL, on_rest, an);
	jw_end_array(&an->data);
	jw_end_object(&an->data);
	return 0;
}

static void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	static const char *const names[] = {
		[DRIVER_AUDIT_MISSING] = "missing",
		[DRIVER_AUDIT_EXTRA] = "extra",
		[DRIVER_AUDIT_DIFFERENT] = "different",
	};
	struct answer *an = arg;

	utstring_printf(an->text, "%s %s\n", names[kind], what);
}

static int show_differences(struct answer *an)
{
	const struct driver_ops *ops = agent_config(an->agent)->ops;
	int r;

	if (!follow_has_state(agent_follow(an->agent)))
		return err_set(&an->err, ERR_UNAVAILABLE, "", "there is no plan yet: the server has not been heard");
	apply_format(agent_apply(an->agent), an->text);
	r = ops->audit(agent_driver(an->agent), follow_plan(agent_follow(an->agent)), on_difference, an, &an->err);
	lines_as_data(an, "differences");
	return r;
}

static int show_counters(struct answer *an)
{
	struct driver_counter list[MAX_COUNTERS];
	size_t n = agent_config(an->agent)->ops->counters(agent_driver(an->agent), list, N_ELEMENTS(list));

	jw_object(&an->data);
	for (size_t i = 0; i < n && i < N_ELEMENTS(list); i++) {
		jw_key(&an->data, list[i].name);
		jw_object(&an->data);
		jw_kv_uint(&an->data, "packets", list[i].packets);
		jw_kv_uint(&an->data, "bytes", list[i].bytes);
		jw_end_object(&an->data);
		if (list[i].packets > 0)
			utstring_printf(an->text, "%-24s %12" PRIu64 " packets %15" PRIu64 " bytes\n", list[i].name,
					list[i].packets, list[i].bytes);
	}
	jw_end_object(&an->data);
	return 0;
}

static const char *device_name(enum driver_port_state state)
{
	switch (state) {
	case DRIVER_PORT_ABSENT:
		return "absent";
	case DRIVER_PORT_READY:
		return "ready";
	case DRIVER_PORT_FAILED:
		return "failed";
	}
	return "?";
}

static void status_port(const struct status_port *p, void *arg)
{
	struct answer *an = arg;
	char uuid[UUID_TEXT_SIZE];

	uuid_format(&p->port->uuid, uuid);
	utstring_printf(an->text, "port %s  %-5s  device %s%s%s\n", uuid, message_port_state_name(p->now.state),
			device_name(p->device), p->now.text[0] ? ": " : "", p->now.text);
	jw_object(&an->data);
	jw_kv_uint(&an->data, "num", p->port->key.port);
	jw_kv_string(&an->data, "id", uuid);
	jw_kv_string(&an->data, "state", message_port_state_name(p->now.state));
	jw_kv_string(&an->data, "device", device_name(p->device));
	if (p->now.text[0])
		jw_kv_string(&an->data, "text", p->now.text);
	jw_end_object(&an->data);
}

static void status_head(struct answer *an)
{
	const struct agent_config *config = agent_config(an->agent);
	const struct follow *f = agent_follow(an->agent);
	const struct apply *ap = agent_apply(an->agent);
	bool up = client_is_up(agent_client(an->agent));
	const char *trouble = agent_trouble(an->agent);

	utstring_printf(an->text, "host %s  datapath %s  tunnel %s  mode %s\n", config->host, config->ops->name,
			config->tunnel_ip, config->agent_mode);
	utstring_printf(an->text, "server %s  %s%s%s\n", config->server, up ? "connected" : "not connected",
			trouble[0] ? ": " : "", trouble);
	utstring_printf(an->text, "database %s  position %" PRIu64 "  applied %" PRIu64 "%s%s\n",
			follow_has_state(f) ? follow_incarnation(f) : "-", follow_position(f), apply_position(ap),
			apply_idle(ap) ? "" : "  applying", follow_is_held(f) ? "  HELD" : "");
	if (apply_failures(ap) > 0)
		utstring_printf(an->text, "%zu records could not be applied: see 'plan diff'\n", apply_failures(ap));
	jw_kv_string(&an->data, "host", config->host);
	jw_kv_string(&an->data, "datapath", config->ops->name);
	jw_kv_string(&an->data, "tunnel_ip", config->tunnel_ip);
	jw_kv_string(&an->data, "agent_mode", config->agent_mode);
	jw_kv_string(&an->data, "server", config->server);
	jw_kv_bool(&an->data, "connected", up);
	jw_kv_string(&an->data, "trouble", trouble);
	jw_kv_string(&an->data, "incarnation", follow_incarnation(f));
	jw_kv_uint(&an->data, "position", follow_position(f));
	jw_kv_uint(&an->data, "applied", apply_position(ap));
	jw_kv_bool(&an->data, "idle", apply_idle(ap));
	jw_kv_bool(&an->data, "held", follow_is_held(f));
	jw_kv_uint(&an->data, "failed", apply_failures(ap));
}

static void on_warning(const char *text, void *arg)
{
	struct answer *an = arg;

	utstring_printf(an->text, "warning: %s\n", text);
	jw_string(&an->data, text);
}

static void status_warnings(struct answer *an)
{
	jw_key(&an->data, "warnings");
	jw_array(&an->data);
	agent_warnings(an->agent, on_warning, an);
	jw_end_array(&an->data);
}

static int show_status(struct answer *an)
{
	struct agent *a = an->agent;

	jw_object(&an->data);
	status_head(an);
	status_warnings(an);
	jw_key(&an->data, "ports");
	jw_array(&an->data);
	status_each(agent_status(a), follow_plan(agent_follow(a)), agent_apply(a), status_port, an);
	jw_end_array(&an->data);
	jw_end_object(&an->data);
	return 0;
}

static int accept_held(struct answer *an)
{
	if (!agent_accept(an->agent))
		return err_set(&an->err, ERR_CONFLICT, "", "nothing is held");
	utstring_printf(an->text, "accepted\n");
	jw_object(&an->data);
	jw_kv_bool(&an->data, "accepted", true);
	jw_end_object(&an->data);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct answer *an);
} requests[] = {
	{ "plan show", show_plan },    { "plan show --flows", show_flows }, { "plan diff", show_differences },
	{ "counters", show_counters }, { "status", show_status },           { "accept", accept_held },
};

void control_answer(struct agent *a, const char *request, UT_string *out)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	_cleanup_(utstring_freep) UT_string *data = NULL;
	struct answer an = { .agent = a };
	struct jw w = jw_init(out);
	int r;

	utstring_new(text);
	utstring_new(data);
	an.text = text;
	an.data = jw_init(data);
	r = err_set(&an.err, ERR_NOT_FOUND, "", "no such request: %.100s", request);
	for (size_t i = 0; i < N_ELEMENTS(requests); i++)
		if (!strcmp(request, requests[i].name))
			r = requests[i].fn(&an);
	jw_object(&w);
	if (r < 0) {
		jw_kv_string(&w, "error", an.err.text);
	} else {
		jw_kv_string(&w, "text", utstring_body(text));
		jw_key(&w, "data");
		jw_raw(&w, utstring_body(data), utstring_len(data));
	}
	jw_end_object(&w);
}
