/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "service/host.h"
#include "service/internal.h"
#include "store/agents.h"

/* agent: /v2.0/agents: the faces of each host's agent. Hosts make them by registering. */

static int create(struct tx *tx, const json_t *attrs, uint32_t *ret_num, struct err *err)
{
	(void)tx;
	(void)attrs;
	(void)ret_num;
	return err_set(err, ERR_BAD_REQUEST, "BadRequest", "Bad agent request: Create agents is not supported.");
}

/* A heartbeat from the future was heard before the clock was set back: that says as little as one from long ago. */
static bool is_alive(const struct service *s, const struct agent_row *a, int64_t now)
{
	int64_t time = (int64_t)s->options.agent_down_time;

	return a->where.heartbeat >= now - time && a->where.heartbeat <= now + time;
}

/* held = false: the snapshot that an agent holds back is meant. It says itself when it no longer holds it. */
static int set_held(struct tx *tx, const struct agent_row *a, bool held, struct err *err)
{
	const struct service_options *o = &tx->service->options;

	if (held)
		return err_set(err, ERR_BAD_REQUEST, "InvalidInput",
			       "Invalid input for operation: held can be set to false only.");
	if (!a->held || !is_alive(tx->service, a, tx->now))
		return err_set(err, ERR_CONFLICT, "AgentHoldsNothing", "Agent on host %s holds no snapshot back.",
			       a->where.name);
	if (o->accept)
		o->accept(a->host, o->arg);
	return 0;
}

static int update(struct tx *tx, void *row, const json_t *attrs, struct err *err)
{
	struct agent_row *a = row;
	const json_t *description = json_object_get(attrs, "description");
	bool held;
	int r;

	if (attr_bool(attrs, "held", &held) && (r = set_held(tx, a, held, err)) < 0)
		return r;
	attr_bool(attrs, "admin_state_up", &a->admin_state_up);
	if (description)
		a->has_description = json_is_string(description);
	attr_text(attrs, "description", a->base.description, sizeof(a->base.description));
	r = agents_update(tx->db, a, err);
	return r < 0 ? r : host_judge(tx, a->host, err);
}

/* An agent that lives comes back with its next heartbeat. With its last face a dead host's claims go. */
static int delete (struct tx *tx, void *row, struct err *err)
{
	const struct agent_row *a = row;
	bool alive = is_alive(tx->service, a, tx->now);
	int64_t left;
	int r;

	/* Whether it was disabled goes with it. */
	if ((r = agents_delete(tx->db, a->host, a->face, err)) < 0 || (r = host_judge(tx, a->host, err)) < 0 ||
	    (r = db_get_int(tx->db, 0, &left, err, "SELECT count(*) FROM agents WHERE host = $1", DB(v_int(a->host)))) <
		    0)
		return r;
	return left > 0 || alive ? 0 : host_unregister(tx, a->host, err);
}

static void write_time(struct view *v, const char *name, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[40];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	jw_kv_string(&v->w, name, text);
}

static void write_l2(const struct agent_row *a, struct jw *w)
{
	char ip[IP_TEXT_SIZE];

	jw_key(w, "bridge_mappings");
	jw_raw(w, "{}", 2);
	jw_key(w, "tunnel_types");
	jw_raw(w, "[\"vxlan\"]", 9);
	jw_kv_string(w, "tunneling_ip", ip_is_zero(&a->where.tunnel) ? "" : ip_format(&a->where.tunnel, ip));
	jw_kv_bool(w, "l2_population", true);
	jw_kv_bool(w, "arp_responder_enabled", true);
	jw_kv_bool(w, "enable_distributed_routing", strcmp(a->where.agent_mode, "legacy") != 0);
	jw_kv_bool(w, "in_distributed_mode", strcmp(a->where.agent_mode, "legacy") != 0);
	jw_kv_string(w, "datapath_type", a->where.datapath);
	jw_kv_bool(w, "ovs_hybrid_plug", false);
	jw_kv_uint(w, "devices", a->n_ports);
}

static void write_l3(const struct agent_row *a, struct jw *w)
{
	jw_kv_string(w, "agent_mode", a->where.agent_mode);
	jw_kv_bool(w, "handle_internal_only_routers", true);
	jw_kv_string(w, "interface_driver", "neutrino");
	jw_kv_uint(w, "routers", a->n_routers);
	jw_kv_uint(w, "ex_gw_ports", 0);
	jw_kv_uint(w, "interfaces", a->n_interfaces);
	jw_kv_uint(w, "floating_ips", 0);
	jw_kv_bool(w, "log_agent_heartbeats", false);
}

/* What we know, and what the agent says beyond it. Which kind of datapath Open vSwitch has, it knows better. */
static void write_configurations(const struct agent_row *a, struct view *v)
{
	_cleanup_(json_decrefp) json_t *reported = NULL;
	_cleanup_(json_decrefp) json_t *known = NULL;
	_cleanup_(utstring_freep) UT_string *text = NULL;
	json_t *type;
	struct jw w;

	utstring_new(text);
	w = jw_init(text);
	jw_object(&w);
	if (a->face == AGENT_FACE_L2)
		write_l2(a, &w);
	else
		write_l3(a, &w);
	jw_key(&w, "extensions");
	jw_raw(&w, "[]", 2);
	jw_end_object(&w);
	jw_key(&v->w, "configurations");
	if (json_read(utstring_body(text), utstring_len(text), &known, NULL) < 0 ||
	    json_read(a->where.configurations, strlen(a->where.configurations), &reported, NULL) < 0 ||
	    json_object_update_missing(known, reported) < 0) {
		jw_raw(&v->w, utstring_body(text), utstring_len(text));
		return;
	}
	type = json_object_get(reported, "datapath_type");
	if (a->face == AGENT_FACE_L2 && json_is_string(type))
		json_object_set(known, "datapath_type", type);
	jw_json(&v->w, known);
}

static int write(struct db *db, const void *row, struct view *v, struct err *err)
{
	const struct agent_row *a = row;
	int64_t now = (int64_t)time(NULL);

	(void)db;
	(void)err;
	view_uuid(v, "id", &a->base.id);
	jw_kv_string(&v->w, "agent_type", a->agent_type);
	jw_kv_string(&v->w, "binary", a->binary);
	jw_kv_string(&v->w, "topic", a->topic);
	jw_kv_string(&v->w, "host", a->where.name);
	jw_kv_string(&v->w, "availability_zone", a->face == AGENT_FACE_L3 ? "nova" : NULL);
	jw_kv_bool(&v->w, "admin_state_up", a->admin_state_up);
	jw_kv_string(&v->w, "description", a->has_description ? a->base.description : NULL);
	jw_kv_bool(&v->w, "alive", is_alive(v->service, a, now));
	write_time(v, "created_at", a->base.created);
	write_time(v, "started_at", a->where.started);
	write_time(v, "heartbeat_timestamp", a->where.heartbeat);
	jw_kv_bool(&v->w, "resources_synced", !a->held);
	jw_kv_bool(&v->w, "held", a->held);
	write_configurations(a, v);
	return 0;
}

const struct kind kind_agent = { &resource_agent, &agents_table, create, update, delete, write };
