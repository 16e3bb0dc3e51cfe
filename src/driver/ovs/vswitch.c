/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/vswitch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/datum.h"
#include "driver/ovs/ovsdb.h"
#include "driver/ovs/vswitch_private.h"
#include "io/loop.h"
#include "io/where.h"

#define REFUSED_MIN_US 1000000 /* a refused transaction is tried again after this, doubled each time */
#define REFUSED_MAX_US 30000000
#define SLOW_US 3000000 /* so long may ovs-vswitchd take before we say that we wait for it */
#define RUNDIR "/var/run/openvswitch"

/* Warnings of which the last is remembered, so that each is given once until things are right again. */
enum about { ABOUT_DATABASE, ABOUT_REFUSED, ABOUT_BRIDGE, ABOUT_DATAPATH, ABOUT_TUNNEL, N_ABOUTS };

struct vswitch {
	struct loop *loop;
	struct vswitch_config config;
	struct vswitch_events events;
	struct ovsdb *ovsdb;
	struct view view; /* as of the last change */
	struct ifaces *ifaces;
	struct loop_source *write, *refused, *slow;
	uint64_t refused_us;
	json_t *last; /* the operations of the last transaction; NULL: after it all was as wanted */
	bool slow_armed;
	bool writing; /* a transaction is under way, or waits to be tried again */
	char *mgmt;
	char ready_bridge[UUID_TEXT_SIZE]; /* UUID of the row that ready() was told of */
	uint32_t ready_tunnel;
	char about[N_ABOUTS][320];
};

static void write_wanted(void *arg);

static void warn(struct vswitch *v, enum about about, const char *text)
{
	if (!strcmp(v->about[about], text))
		return;
	snprintf(v->about[about], sizeof(v->about[about]), "%s", text);
	if (*text)
		v->events.warning(v->about[about], v->events.arg);
}

void vswitch_warnings(const struct vswitch *v, void (*fn)(const char *text, void *arg), void *arg)
{
	for (size_t i = 0; i < N_ABOUTS; i++)
		if (*v->about[i])
			fn(v->about[i], arg);
}

/* ---- the bridge ---- */

static void on_slow(void *arg)
{
	struct vswitch *v = arg;
	char text[160];

	snprintf(text, sizeof(text), "waiting for ovs-vswitchd to make %s: is it running?", v->config.bridge);
	warn(v, ABOUT_BRIDGE, text);
}

/* Another datapath would be another bridge, without the devices that are in this one: that is not for us to do. */
static void judge_datapath(struct vswitch *v)
{
	const char *is = datum_string(json_object_get(v->view.bridge, "datapath_type"));
	char text[160] = "";

	if (!*is)
		is = "system";
	if (v->view.bridge && strcmp(is, v->config.datapath_type) != 0)
		snprintf(text, sizeof(text), "%s has datapath_type %s, not %s as configured: it is left so",
			 v->config.bridge, is, v->config.datapath_type);
	warn(v, ABOUT_DATAPATH, text);
}

static void evaluate_bridge(struct vswitch *v)
{
	const json_t *row = v->config.local_ip ? v->view.tunnel : v->view.local;
	const char *error = datum_string(json_object_get(row, "error"));
	json_int_t ofport = 0;
	char text[320] = "";

	if (*error)
		snprintf(text, sizeof(text), "%s: %s", datum_string(json_object_get(row, "name")), error);
	warn(v, ABOUT_TUNNEL, text);
	datum_integer(json_object_get(row, "ofport"), &ofport);
	if (!v->view.bridge || ofport <= 0) {
		if (!v->slow_armed)
			loop_timer_arm(v->slow, SLOW_US);
		v->slow_armed = true;
		return;
	}
	loop_timer_off(v->slow);
	v->slow_armed = false;
	v->about[ABOUT_BRIDGE][0] = '\0';
	if (!v->config.local_ip)
		ofport = 0;
	if (!strcmp(v->ready_bridge, v->view.bridge_uuid) && v->ready_tunnel == (uint32_t)ofport)
		return;
	snprintf(v->ready_bridge, sizeof(v->ready_bridge), "%s", v->view.bridge_uuid);
	v->ready_tunnel = (uint32_t)ofport;
	v->events.ready(v->mgmt, v->ready_tunnel, v->events.arg);
}

/* ---- what is written ---- */

/* Tried again after a while. */
static void refused(struct vswitch *v, const char *why)
{
	char text[320];

	snprintf(text, sizeof(text), "the database refused a change: %s", why);
	warn(v, ABOUT_REFUSED, text);
	json_decref(v->last);
	v->last = NULL;
	v->writing = true;
	loop_timer_arm(v->refused, v->refused_us);
	v->refused_us = 2 * v->refused_us < REFUSED_MAX_US ? 2 * v->refused_us : REFUSED_MAX_US;
}

/* Where integration_bridge was another one before, the database's own words would not lead to that. */
static void change_refused(struct vswitch *v, const char *why)
{
	char text[240];

	if (!view_tunnel_is_elsewhere(&v->view))
		return refused(v, why);
	snprintf(text, sizeof(text),
		 "%s is a port of another bridge than %s: 'neutrino-agent cleanup' with that as integration_bridge "
		 "removes it",
		 VSWITCH_TUNNEL_PORT, v->config.bridge);
	refused(v, text);
}

static void on_written(int r, const json_t *result, const char *err_text, void *arg)
{
	struct vswitch *v = arg;

	(void)result;
	v->writing = false;
	if (r == 0)
		write_wanted(v);
	else if (r != -ECONNRESET)
		change_refused(v, err_text);
}

static void on_refused(void *arg)
{
	struct vswitch *v = arg;

	v->writing = false;
	write_wanted(v);
}

static void settled(struct vswitch *v)
{
	v->refused_us = REFUSED_MIN_US;
	v->about[ABOUT_REFUSED][0] = '\0';
	json_decref(v->last);
	v->last = NULL;
}

static void write_wanted(void *arg)
{
	struct vswitch *v = arg;
	json_t *ops;
	char text[320];

	if (v->writing || !ovsdb_rows(v->ovsdb, "Bridge"))
		return;
	ops = json_array();
	ops_bridge(ops, &v->view, &v->config, text, sizeof(text));
	if (*text)
		warn(v, ABOUT_BRIDGE, text);
	ifaces_write(v->ifaces, &v->view, ops);
	if (json_array_size(ops) > 0 && !json_equal(ops, v->last)) {
		json_decref(v->last);
		v->last = json_copy(ops);
		v->writing = ovsdb_transact(v->ovsdb, ops, on_written, v) == 0;
		return;
	}
	/* What was done and is to be done again at once: somebody undoes it, or it cannot be. */
	if (json_array_size(ops) > 0)
		refused(v, "it did not last");
	else
		settled(v);
	json_decref(ops);
}

void vswitch_installed(struct vswitch *v, const struct uuid *port, bool installed)
{
	if (ifaces_installed(v->ifaces, port, installed))
		loop_idle_arm(v->write);
}

/* ---- life ---- */

static void on_changed(void *arg)
{
	struct vswitch *v = arg;
	bool members = view_update(&v->view, v->ovsdb, v->config.bridge);

	v->about[ABOUT_DATABASE][0] = '\0';
	judge_datapath(v);
	evaluate_bridge(v);
	ifaces_update(v->ifaces, &v->view, members);
	write_wanted(v);
}

static void on_down(const char *why, void *arg)
{
	struct vswitch *v = arg;
	char text[320];

	loop_timer_off(v->refused);
	loop_timer_off(v->slow);
	v->slow_armed = false;
	v->writing = false;
	json_decref(v->last);
	v->last = NULL;
	snprintf(text, sizeof(text), "waiting for Open vSwitch's database at %s: %s", v->config.ovsdb, why);
	warn(v, ABOUT_DATABASE, text);
}

/* What the code of this file and vswitch_ops.c reads. */
static json_t *monitor_of(const char *bridge)
{
	return json_pack("{s:{s:[s]}, s:{s:[s,s,s,s,s,s,s],s:[[s,s,s]]}, s:{s:[s,s]}, s:{s:[s,s,s,s,s,s,s,s]}}",
			 "Open_vSwitch", "columns", "ovs_version", "Bridge", "columns", "name", "ports", "fail_mode",
			 "datapath_type", "protocols", "other_config", "external_ids", "where", "name", "==", bridge,
			 "Port", "columns", "name", "interfaces", "Interface", "columns", "name", "type", "options",
			 "external_ids", "ofport", "ofport_request", "ifindex", "error");
}

char *vswitch_rundir(const char *ovsdb)
{
	const char *path = !strncmp(ovsdb, "unix:", 5) ? ovsdb + 5 : "", *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(RUNDIR);
	return xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int vswitch_open(struct loop *loop, const struct vswitch_config *config, const struct vswitch_events *events,
		 struct vswitch **ret, struct err *err)
{
	static const struct ovsdb_events on = { .changed = on_changed, .down = on_down };
	struct ovsdb_config database = { .where = config->ovsdb, .database = "Open_vSwitch" };
	struct ovsdb_events events_of_database = on;
	_cleanup_(freep) char *rundir = NULL;
	struct where where;
	struct vswitch *v;
	int r = where_parse(config->ovsdb, &where, err);

	if (r < 0)
		return r;
	v = xcalloc(1, sizeof(*v));
	v->loop = loop;
	v->events = *events;
	v->config = *config;
	v->config.ovsdb = xstrdup(config->ovsdb);
	v->config.bridge = xstrdup(config->bridge);
	v->config.datapath_type = xstrdup(config->datapath_type);
	v->config.local_ip = config->local_ip ? xstrdup(config->local_ip) : NULL;
	rundir = vswitch_rundir(config->ovsdb);
	v->mgmt = xasprintf("%s/%s.mgmt", rundir, config->bridge);
	v->ifaces = ifaces_new(events);
	v->refused_us = REFUSED_MIN_US;
	v->write = loop_idle(loop, write_wanted, v);
	v->refused = loop_timer(loop, on_refused, v);
	v->slow = loop_timer(loop, on_slow, v);
	events_of_database.arg = v;
	v->ovsdb = ovsdb_open(loop, &database, monitor_of(config->bridge), &events_of_database);
	*ret = v;
	return 0;
}

static void free_text(const char **text)
{
	free((char *)*text);
}

struct vswitch *vswitch_close(struct vswitch *v)
{
	if (!v)
		return NULL;
	v->ovsdb = ovsdb_close(v->ovsdb);
	loop_source_free(v->write);
	loop_source_free(v->refused);
	loop_source_free(v->slow);
	json_decref(v->last);
	ifaces_free(v->ifaces);
	free_text(&v->config.ovsdb);
	free_text(&v->config.bridge);
	free_text(&v->config.datapath_type);
	free_text(&v->config.local_ip);
	free(v->mgmt);
	free(v);
	return NULL;
}

/* ---- cleanup ---- */

struct cleanup {
	const struct vswitch_config *config;
	struct ovsdb *ovsdb;
	bool look_only, asked, any, done;
	char failure[512];
};

static void on_cleaned(int r, const json_t *result, const char *err_text, void *arg)
{
	struct cleanup *c = arg;

	(void)result;
	if (r < 0)
		snprintf(c->failure, sizeof(c->failure), "%s", err_text);
	c->done = true;
}

static void on_cleanup_changed(void *arg)
{
	struct cleanup *c = arg;
	struct view view = { 0 };
	json_t *ops;

	if (c->asked)
		return;
	c->asked = true;
	ops = json_array();
	view_update(&view, c->ovsdb, c->config->bridge);
	ops_cleanup(ops, &view);
	c->any = json_array_size(ops) > 0;
	c->done = c->look_only || !c->any;
	if (c->done)
		json_decref(ops);
	else
		ovsdb_transact(c->ovsdb, ops, on_cleaned, c);
}

static void on_cleanup_down(const char *why, void *arg)
{
	struct cleanup *c = arg;

	snprintf(c->failure, sizeof(c->failure), "%s", why);
	c->done = true;
}

static int clean(struct cleanup *c, struct err *err)
{
	struct ovsdb_events events = { .changed = on_cleanup_changed, .down = on_cleanup_down, .arg = c };
	struct ovsdb_config database = { .where = c->config->ovsdb, .database = "Open_vSwitch" };
	struct loop *loop;

	if (where_is_vacant(c->config->ovsdb))
		return 0;
	loop = loop_new();
	c->ovsdb = ovsdb_open(loop, &database, monitor_of(c->config->bridge), &events);
	while (!c->done)
		loop_turn(loop, UINT64_MAX);
	ovsdb_close(c->ovsdb);
	loop_free(loop);
	if (*c->failure)
		return err_set(err, ERR_UNAVAILABLE, "", "%s: %s", c->config->ovsdb, c->failure);
	return c->any;
}

int vswitch_cleanup(const struct vswitch_config *config, struct err *err)
{
	struct cleanup c = { .config = config };

	return clean(&c, err);
}

int vswitch_remains(const struct vswitch_config *config, struct err *err)
{
	struct cleanup c = { .config = config, .look_only = true };

	return clean(&c, err);
}
