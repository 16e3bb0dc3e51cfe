/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/vswitch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

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

enum installed { INSTALLED_UNTOLD, INSTALLED_NO, INSTALLED_YES };

/* A port of which the caller was told. */
struct port {
	UT_hash_handle hh; /* by now.port */
	struct vswitch_iface now, said;
	char row[UUID_TEXT_SIZE], said_row[UUID_TEXT_SIZE]; /* of Interface */
	unsigned seen; /* evaluation that found it */
	bool told;
	enum installed installed;
	char rival[16]; /* another interface with its iface-id, of which was warned */
};

/* A row of Interface, and the device that Open vSwitch opened for it. */
struct plug {
	UT_hash_handle hh;
	char row[UUID_TEXT_SIZE];
	json_int_t ifindex; /* 0: it was gone already; -1: not known, or nothing is opened */
	unsigned seen;
};

struct vswitch {
	struct loop *loop;
	struct vswitch_config config;
	struct vswitch_events events;
	struct ovsdb *ovsdb;
	struct view view; /* during an evaluation */
	struct port *ports;
	struct plug *plugs;
	unsigned evaluation;
	struct loop_source *write, *refused, *slow;
	uint64_t refused_us;
	json_t *last; /* the operations of the last transaction; NULL: after it all was as wanted */
	bool slow_armed;
	bool writing; /* a transaction is under way, or waits to be tried again */
	char mgmt[108]; /* a path in sockaddr_un */
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

/* ---- interfaces ---- */

static struct plug *plug_get(struct vswitch *v, const char *row_uuid, const json_t *row)
{
	const char *mark = mark_of(row, MARK_IFINDEX);
	struct plug *p;

	HASH_FIND_STR(v->plugs, row_uuid, p);
	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	snprintf(p->row, sizeof(p->row), "%s", row_uuid);
	p->ifindex = mark ? strtoll(mark, NULL, 10) : -1;
	HASH_ADD_STR(v->plugs, row, p);
	return p;
}

/* The first device after Open vSwitch gave a number is the one that it opened. */
static struct plug *plug_follow(struct vswitch *v, const char *row_uuid, const json_t *row)
{
	struct plug *p = plug_get(v, row_uuid, row);
	json_int_t ofport = 0, ifindex;

	p->seen = v->evaluation;
	datum_integer(json_object_get(row, "ofport"), &ofport);
	if (ofport <= 0)
		p->ifindex = -1;
	else if (p->ifindex < 0 && datum_integer(json_object_get(row, "ifindex"), &ifindex))
		p->ifindex = ifindex;
	return p;
}

/* Whether Open vSwitch took the device from the system, and which it is now; 0: it is gone. */
static bool is_of_system(const json_t *row, json_int_t *ret_ifindex)
{
	const char *type = datum_string(json_object_get(row, "type"));

	return (!*type || !strcmp(type, "system")) && datum_integer(json_object_get(row, "ifindex"), ret_ifindex);
}

/* The device is another one than Open vSwitch opened, and nobody but us will make it open this one. */
static bool is_dead(const struct vswitch *v, const struct plug *p, const json_t *row)
{
	json_int_t ifindex;

	return is_of_system(row, &ifindex) && ifindex > 0 && p->ifindex >= 0 && p->ifindex != ifindex &&
	       view_is_userspace(&v->view);
}

static enum vswitch_iface_state state_of(const struct vswitch *v, const struct plug *p, const json_t *row)
{
	json_int_t ofport = 0, ifindex;

	if (*datum_string(json_object_get(row, "error")))
		return VSWITCH_IFACE_BAD;
	if (mark_of(row, MARK_REPLUG) || is_dead(v, p, row) || (is_of_system(row, &ifindex) && ifindex == 0))
		return VSWITCH_IFACE_WAIT;
	datum_integer(json_object_get(row, "ofport"), &ofport);
	return ofport > 0 && ofport <= VSWITCH_MAX_OFPORT ? VSWITCH_IFACE_UP : VSWITCH_IFACE_WAIT;
}

static bool read_iface(const struct vswitch *v, const struct plug *p, const json_t *row, struct vswitch_iface *ret)
{
	const char *id = mark_of(row, "iface-id");
	json_int_t ofport = 0;

	memset(ret, 0, sizeof(*ret));
	if (!id || uuid_parse_text(id, &ret->port) < 0)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", datum_string(json_object_get(row, "name")));
	ret->state = state_of(v, p, row);
	if (ret->state == VSWITCH_IFACE_UP) {
		datum_integer(json_object_get(row, "ofport"), &ofport);
		ret->ofport = (uint32_t)ofport;
	}
	if (ret->state == VSWITCH_IFACE_BAD)
		snprintf(ret->text, sizeof(ret->text), "%s", datum_string(json_object_get(row, "error")));
	return true;
}

static bool is_better(const struct vswitch_iface *a, const struct vswitch_iface *b)
{
	bool a_up = a->state == VSWITCH_IFACE_UP, b_up = b->state == VSWITCH_IFACE_UP;

	return a_up != b_up ? a_up : strcmp(a->name, b->name) < 0;
}

static void warn_of_rival(struct vswitch *v, struct port *p, const char *rival)
{
	char text[160], uuid[UUID_TEXT_SIZE];

	if (!strcmp(p->rival, rival))
		return;
	snprintf(p->rival, sizeof(p->rival), "%s", rival);
	snprintf(text, sizeof(text), "iface-id %s stands at %s and %s: %s is the port", uuid_format(&p->now.port, uuid),
		 p->now.name, rival, p->now.name);
	v->events.warning(text, v->events.arg);
}

static void take_interface(const char *uuid, const json_t *row, void *arg)
{
	struct vswitch *v = arg;
	struct plug *plug = plug_follow(v, uuid, row);
	struct vswitch_iface now, rival;
	struct port *p;

	if (!read_iface(v, plug, row, &now))
		return;
	HASH_FIND(hh, v->ports, &now.port, sizeof(now.port), p);
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->now.port = now.port;
		HASH_ADD(hh, v->ports, now.port, sizeof(now.port), p);
	}
	rival = p->now;
	if (p->seen == v->evaluation && !is_better(&now, &rival)) {
		warn_of_rival(v, p, now.name);
		return;
	}
	p->now = now;
	snprintf(p->row, sizeof(p->row), "%s", uuid);
	if (p->seen == v->evaluation)
		warn_of_rival(v, p, rival.name);
	p->seen = v->evaluation;
}

static void tell_port(struct vswitch *v, struct port *p)
{
	if (p->told && !memcmp(&p->now, &p->said, sizeof(p->now)) && !strcmp(p->row, p->said_row))
		return;
	if (p->told)
		p->installed = INSTALLED_NO;
	p->told = true;
	p->said = p->now;
	memcpy(p->said_row, p->row, sizeof(p->row));
	v->events.iface(&p->said, v->events.arg);
}

static void evaluate_ports(struct vswitch *v)
{
	struct port *p, *next;
	struct plug *plug, *next_plug;

	v->evaluation++;
	view_each(&v->view, take_interface, v);
	HASH_ITER (hh, v->plugs, plug, next_plug) {
		if (plug->seen == v->evaluation)
			continue;
		HASH_DEL(v->plugs, plug);
		free(plug);
	}
	/* What frees a number goes first. */
	HASH_ITER (hh, v->ports, p, next) {
		if (p->seen == v->evaluation)
			continue;
		HASH_DEL(v->ports, p);
		v->events.iface_gone(&p->now.port, v->events.arg);
		free(p);
	}
	HASH_ITER (hh, v->ports, p, next)
		tell_port(v, p);
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

struct writing {
	struct vswitch *v;
	json_t *ops;
	uint8_t *taken; /* OpenFlow ports, a bit each; made when it is needed */
	uint32_t next; /* the last one that was handed out */
};

static void mark_taken(const char *uuid, const json_t *row, void *arg)
{
	uint8_t *taken = arg;
	json_int_t n;

	(void)uuid;
	if (datum_integer(json_object_get(row, "ofport"), &n) && n > 0 && n <= VSWITCH_MAX_OFPORT)
		taken[n / 8] |= (uint8_t)(1 << n % 8);
	if (datum_integer(json_object_get(row, "ofport_request"), &n) && n > 0 && n <= VSWITCH_MAX_OFPORT)
		taken[n / 8] |= (uint8_t)(1 << n % 8);
}

/* From above, where Open vSwitch's own choice does not come; 0: there is none. */
static uint16_t free_ofport(struct writing *w)
{
	if (!w->taken) {
		w->taken = xcalloc(1, VSWITCH_MAX_OFPORT / 8 + 1);
		w->next = VSWITCH_MAX_OFPORT + 1;
		view_each(&w->v->view, mark_taken, w->taken);
	}
	while (w->next > 1) {
		w->next--;
		if (!(w->taken[w->next / 8] & 1 << w->next % 8))
			return (uint16_t)w->next;
	}
	return 0;
}

static void replug(struct writing *w, struct plug *plug, const char *uuid, const json_t *row)
{
	uint16_t n = free_ofport(w);

	if (!n)
		return;
	datum_integer(json_object_get(row, "ifindex"), &plug->ifindex);
	ops_replug_away(w->ops, uuid, row, n);
}

static void write_interface(const char *uuid, const json_t *row, void *arg)
{
	struct writing *w = arg;
	struct vswitch *v = w->v;
	struct plug *plug = plug_get(v, uuid, row);
	struct vswitch_iface now;
	struct port *p = NULL;

	if (!read_iface(v, plug, row, &now))
		return;
	if (mark_of(row, MARK_REPLUG)) {
		if (replug_is_away(row))
			ops_replug_back(w->ops, uuid, row);
		return;
	}
	if (is_dead(v, plug, row)) {
		replug(w, plug, uuid, row);
		return;
	}
	HASH_FIND(hh, v->ports, &now.port, sizeof(now.port), p);
	if (!p || strcmp(p->row, uuid) != 0)
		ops_marks(w->ops, uuid, row, false, 0);
	else if (p->installed != INSTALLED_UNTOLD)
		ops_marks(w->ops, uuid, row, p->installed == INSTALLED_YES, plug->ifindex);
}

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

static void on_written(int r, const json_t *result, const char *err_text, void *arg)
{
	struct vswitch *v = arg;

	(void)result;
	v->writing = false;
	if (r == 0)
		write_wanted(v);
	else if (r != -ECONNRESET)
		refused(v, err_text);
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
	struct writing w = { .v = v };
	char text[320];

	if (v->writing || !ovsdb_rows(v->ovsdb, "Bridge"))
		return;
	w.ops = json_array();
	view_read(&v->view, v->ovsdb, v->config.bridge);
	ops_bridge(w.ops, &v->view, &v->config, text, sizeof(text));
	if (*text)
		warn(v, ABOUT_BRIDGE, text);
	view_each(&v->view, write_interface, &w);
	free(w.taken);
	if (json_array_size(w.ops) > 0 && !json_equal(w.ops, v->last)) {
		json_decref(v->last);
		v->last = json_copy(w.ops);
		v->writing = ovsdb_transact(v->ovsdb, w.ops, on_written, v) == 0;
		return;
	}
	/* What was done and is to be done again at once: somebody undoes it, or it cannot be. */
	if (json_array_size(w.ops) > 0)
		refused(v, "it did not last");
	else
		settled(v);
	json_decref(w.ops);
}

void vswitch_installed(struct vswitch *v, const struct uuid *port, bool installed)
{
	struct port *p;

	HASH_FIND(hh, v->ports, port, sizeof(*port), p);
	if (!p)
		return;
	p->installed = installed ? INSTALLED_YES : INSTALLED_NO;
	loop_idle_arm(v->write);
}

/* ---- life ---- */

static void on_changed(void *arg)
{
	struct vswitch *v = arg;

	v->about[ABOUT_DATABASE][0] = '\0';
	view_read(&v->view, v->ovsdb, v->config.bridge);
	judge_datapath(v);
	evaluate_bridge(v);
	evaluate_ports(v);
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
	return json_pack("{s:{s:[s]}, s:{s:[s,s,s,s,s,s],s:[[s,s,s]]}, s:{s:[s,s]}, s:{s:[s,s,s,s,s,s,s,s]}}",
			 "Open_vSwitch", "columns", "ovs_version", "Bridge", "columns", "name", "ports", "fail_mode",
			 "datapath_type", "other_config", "external_ids", "where", "name", "==", bridge, "Port",
			 "columns", "name", "interfaces", "Interface", "columns", "name", "type", "options",
			 "external_ids", "ofport", "ofport_request", "ifindex", "error");
}

void vswitch_rundir(const char *ovsdb, char *ret, size_t size)
{
	const char *path = !strncmp(ovsdb, "unix:", 5) ? ovsdb + 5 : "", *slash = strrchr(path, '/');

	if (slash)
		snprintf(ret, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	else
		snprintf(ret, size, "%s", RUNDIR);
}

int vswitch_open(struct loop *loop, const struct vswitch_config *config, const struct vswitch_events *events,
		 struct vswitch **ret, struct err *err)
{
	static const struct ovsdb_events on = { .changed = on_changed, .down = on_down };
	struct ovsdb_config database = { .where = config->ovsdb, .database = "Open_vSwitch" };
	struct ovsdb_events events_of_database = on;
	char rundir[96];
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
	vswitch_rundir(config->ovsdb, rundir, sizeof(rundir));
	snprintf(v->mgmt, sizeof(v->mgmt), "%s/%s.mgmt", rundir, config->bridge);
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
	struct port *p, *next;
	struct plug *plug, *next_plug;

	if (!v)
		return NULL;
	v->ovsdb = ovsdb_close(v->ovsdb);
	loop_source_free(v->write);
	loop_source_free(v->refused);
	loop_source_free(v->slow);
	json_decref(v->last);
	HASH_ITER (hh, v->ports, p, next) {
		HASH_DEL(v->ports, p);
		free(p);
	}
	HASH_ITER (hh, v->plugs, plug, next_plug) {
		HASH_DEL(v->plugs, plug);
		free(plug);
	}
	free_text(&v->config.ovsdb);
	free_text(&v->config.bridge);
	free_text(&v->config.datapath_type);
	free_text(&v->config.local_ip);
	free(v);
	return NULL;
}

/* ---- cleanup ---- */

struct cleanup {
	const struct vswitch_config *config;
	struct ovsdb *ovsdb;
	bool asked, done;
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
	struct view view;
	json_t *ops;

	if (c->asked)
		return;
	c->asked = true;
	ops = json_array();
	view_read(&view, c->ovsdb, c->config->bridge);
	ops_cleanup(ops, &view);
	ovsdb_transact(c->ovsdb, ops, on_cleaned, c); /* an empty one is answered too */
}

static void on_cleanup_down(const char *why, void *arg)
{
	struct cleanup *c = arg;

	snprintf(c->failure, sizeof(c->failure), "%s", why);
	c->done = true;
}

int vswitch_cleanup(const struct vswitch_config *config, struct err *err)
{
	struct cleanup c = { .config = config };
	struct ovsdb_events events = { .changed = on_cleanup_changed, .down = on_cleanup_down, .arg = &c };
	struct ovsdb_config database = { .where = config->ovsdb, .database = "Open_vSwitch" };
	struct loop *loop = loop_new();

	c.ovsdb = ovsdb_open(loop, &database, monitor_of(config->bridge), &events);
	while (!c.done)
		loop_turn(loop, UINT64_MAX);
	ovsdb_close(c.ovsdb);
	loop_free(loop);
	return *c.failure ? err_set(err, ERR_UNAVAILABLE, "", "%s: %s", config->ovsdb, c.failure) : 0;
}
