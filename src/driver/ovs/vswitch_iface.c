/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"
#include "driver/ovs/datum.h"
#include "driver/ovs/vswitch_private.h"

/*
 * A plug is a row of Interface in the bridge, a port is what plugs with the same iface-id stand for. A row is read
 * when it is another one than at the last look (rows are never changed in place), a port is judged when one of its
 * plugs was read, came or went.
 *
 *     row ─► plug ─iface-id─► port ─ the best of its plugs ─► iface(), iface_gone()
 *             └─ what is to be written: marks, plugging again
 *
 * Who deletes a row and makes it again may be faster than Open vSwitch, to which it is no change then: it goes on with
 * the number, and with the device that it has opened. So what a row that went had opened is kept by its number.
 */

enum installed { INSTALLED_UNTOLD, INSTALLED_NO, INSTALLED_YES };

struct plug {
	UT_hash_handle hh;
	char uuid[UUID_TEXT_SIZE]; /* of the row */
	json_t *row;
	bool member; /* seen in the bridge at the last look */
	bool due; /* there may be something to write */
	json_int_t ifindex; /* of the device that was opened; 0: none that is there; -1: none is, or it is not known */
	json_int_t ofport, shown; /* at the last look: the row's number and ifindex */
	bool early; /* its row was there before us, and the device may have been opened for an older one */
	bool unseen; /* it was so, and no mark says that it was this device */
	bool returning; /* it was told to go back to a number of its own, for which it is opened once more */
	struct vswitch_iface now;
	struct port *port; /* of now.port; NULL: it is none's */
	struct plug *prev, *next; /* of the same port */
};

struct port {
	UT_hash_handle hh;
	struct uuid uuid;
	struct plug *plugs;
	bool changed;
	bool told;
	struct vswitch_iface said; /* as told */
	char said_uuid[UUID_TEXT_SIZE]; /* of its row */
	char rival[16]; /* another interface with its iface-id, of which was warned */
	enum installed installed;
};

/* What had this number when its row went. */
struct left {
	UT_hash_handle hh;
	json_int_t ofport;
	char name[16];
	json_int_t ifindex; /* of the device that was opened */
	bool unseen;
};

struct ifaces {
	struct vswitch_events events;
	struct plug *plugs;
	struct left *left; /* not more than there are numbers */
	struct port *ports;
	bool userspace; /* devices that are made again are dead */
	bool looked; /* at all that was there when we came */
};

/* ------------------------------------------------------------------ a row */

static void note(struct ifaces *s, const struct plug *p, json_int_t ofport, json_int_t ifindex)
{
	struct left *l;

	if (ofport <= 0 || ofport > VSWITCH_MAX_OFPORT)
		return;
	HASH_FIND(hh, s->left, &ofport, sizeof(ofport), l);
	if (!l) {
		l = xcalloc(1, sizeof(*l));
		l->ofport = ofport;
		HASH_ADD(hh, s->left, ofport, sizeof(l->ofport), l);
	}
	snprintf(l->name, sizeof(l->name), "%s", datum_string(json_object_get(p->row, "name")));
	l->ifindex = ifindex;
	l->unseen = p->unseen;
}

/* Where it was being plugged again, it may have got that far. */
static void note_left(struct ifaces *s, const struct plug *p)
{
	json_int_t request = 0;

	if (p->ifindex < 0)
		return;
	if (mark_of(p->row, MARK_REPLUG) && datum_integer(json_object_get(p->row, "ofport_request"), &request))
		note(s, p, request, 0);
	note(s, p, p->ofport, p->ifindex);
}

/* The first device: the one that a new row took over with the number of one of its name; else the one that it has. */
static void first_device(struct ifaces *s, struct plug *p, json_int_t ofport, json_int_t ifindex)
{
	bool replug = mark_of(p->row, MARK_REPLUG) != NULL;
	struct left *l;

	p->ifindex = replug && !replug_is_away(p->row) ? 0 : ifindex;
	p->unseen = p->early; /* on its way back too: that changes no number where none is asked for */
	HASH_FIND(hh, s->left, &ofport, sizeof(ofport), l);
	if (!l)
		return;
	if (!strcmp(l->name, datum_string(json_object_get(p->row, "name")))) {
		p->ifindex = l->ifindex;
		p->unseen = l->unseen;
	}
	HASH_DEL(s->left, l);
	free(l);
}

/* With another number Open vSwitch has opened the device anew, the one that there is; where both are news (the database
 * was away) it may have been an older one. */
static void follow_device(struct ifaces *s, struct plug *p)
{
	json_int_t ofport = 0, ifindex = 0;

	if (!datum_integer(json_object_get(p->row, "ofport"), &ofport))
		return; /* Open vSwitch has not seen the row yet */
	if (ofport <= 0) {
		p->ifindex = -1;
		p->early = p->unseen = p->returning = false;
	} else if (!datum_integer(json_object_get(p->row, "ifindex"), &ifindex)) {
		return;
	} else if (p->ifindex < 0) {
		first_device(s, p, ofport, ifindex);
	} else if (p->ofport > 0 && p->ofport != ofport) {
		p->ifindex = p->shown == ifindex ? ifindex : 0;
		p->unseen = p->returning = false;
	}
	p->ofport = ofport;
	p->shown = ifindex;
}

/* Whether Open vSwitch took the device from the system, and which it is now; 0: it is gone. */
static bool is_of_system(const json_t *row, json_int_t *ret_ifindex)
{
	const char *type = datum_string(json_object_get(row, "type"));

	return (!*type || !strcmp(type, "system")) && datum_integer(json_object_get(row, "ifindex"), ret_ifindex);
}

/* The device is another one than Open vSwitch opened, and nobody but us will make it open this one. */
static bool is_dead(const struct ifaces *s, const struct plug *p)
{
	json_int_t ifindex;

	return s->userspace && is_of_system(p->row, &ifindex) && ifindex > 0 && p->ifindex >= 0 &&
	       p->ifindex != ifindex;
}

/*
 * It may be dead: a row deleted and made again in one transaction is no change to Open vSwitch, which goes on with
 * the device that it had. Only asked of ports that are ours, others may go by their OpenFlow numbers.
 */
static bool may_be_dead(const struct ifaces *s, const struct plug *p)
{
	json_int_t ifindex;

	return s->userspace && p->unseen && is_of_system(p->row, &ifindex) && ifindex > 0;
}

/* A device that is not there is nobody's fault: a VM's comes and goes. */
static bool is_missing(const char *error)
{
	return strstr(error, "(No such device)") != NULL;
}

/* It asks for another number than it has, for which Open vSwitch will open it anew. */
static bool is_on_its_way(const json_t *row)
{
	json_int_t ofport = 0, request = 0;

	datum_integer(json_object_get(row, "ofport"), &ofport);
	return datum_integer(json_object_get(row, "ofport_request"), &request) && request != ofport;
}

static enum vswitch_iface_state state_of(const struct ifaces *s, const struct plug *p)
{
	const char *error = datum_string(json_object_get(p->row, "error"));
	json_int_t ofport = 0, ifindex;

	if (*error)
		return is_missing(error) ? VSWITCH_IFACE_WAIT : VSWITCH_IFACE_BAD;
	if (mark_of(p->row, MARK_REPLUG) || (p->returning && is_on_its_way(p->row)) || is_dead(s, p) ||
	    (is_of_system(p->row, &ifindex) && ifindex == 0))
		return VSWITCH_IFACE_WAIT;
	datum_integer(json_object_get(p->row, "ofport"), &ofport);
	return ofport > 0 && ofport <= VSWITCH_MAX_OFPORT ? VSWITCH_IFACE_UP : VSWITCH_IFACE_WAIT;
}

/* false: it is no port's. */
static bool read_iface(const struct ifaces *s, const struct plug *p, struct vswitch_iface *ret)
{
	const char *id = mark_of(p->row, "iface-id");
	json_int_t ofport = 0;

	memset(ret, 0, sizeof(*ret));
	if (!id || uuid_parse_text(id, &ret->port) < 0)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", datum_string(json_object_get(p->row, "name")));
	ret->state = state_of(s, p);
	if (ret->state == VSWITCH_IFACE_UP) {
		datum_integer(json_object_get(p->row, "ofport"), &ofport);
		ret->ofport = (uint32_t)ofport;
		ret->doubtful = may_be_dead(s, p);
	}
	if (ret->state == VSWITCH_IFACE_BAD)
		snprintf(ret->text, sizeof(ret->text), "%s", datum_string(json_object_get(p->row, "error")));
	return true;
}

/* ------------------------------------------------------------------ plugs and ports */

static void changed(struct port *port)
{
	struct plug *p;

	port->changed = true;
	DL_FOREACH (port->plugs, p)
		p->due = true;
}

static void leave_port(struct plug *p)
{
	if (!p->port)
		return;
	DL_DELETE(p->port->plugs, p);
	changed(p->port);
	p->port = NULL;
}

static void join_port(struct ifaces *s, struct plug *p, const struct uuid *uuid)
{
	struct port *port;

	HASH_FIND(hh, s->ports, uuid, sizeof(*uuid), port);
	if (!port) {
		port = xcalloc(1, sizeof(*port));
		port->uuid = *uuid;
		HASH_ADD(hh, s->ports, uuid, sizeof(port->uuid), port);
	}
	p->port = port;
	DL_APPEND(port->plugs, p);
	changed(port);
}

static void read_row(struct ifaces *s, struct plug *p, json_t *row)
{
	struct vswitch_iface now;
	bool has_port;

	json_incref(row);
	json_decref(p->row);
	p->row = row;
	p->due = true;
	follow_device(s, p);
	has_port = read_iface(s, p, &now);
	if (p->port && has_port && !memcmp(&now, &p->now, sizeof(now)))
		return;
	leave_port(p);
	p->now = now;
	if (has_port)
		join_port(s, p, &now.port);
}

static void plug_free(struct ifaces *s, struct plug *p)
{
	leave_port(p);
	HASH_DEL(s->plugs, p);
	json_decref(p->row);
	free(p);
}

static void note_member(const char *uuid, const json_t *row, void *arg)
{
	const char *mark = mark_of(row, MARK_IFINDEX);
	struct ifaces *s = arg;
	struct plug *p;

	HASH_FIND_STR(s->plugs, uuid, p);
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		snprintf(p->uuid, sizeof(p->uuid), "%s", uuid);
		p->ifindex = mark ? strtoll(mark, NULL, 10) : -1;
		p->early = !s->looked;
		HASH_ADD_STR(s->plugs, uuid, p);
	}
	p->member = true;
}

static void look_for_members(struct ifaces *s, const struct view *view)
{
	struct plug *p, *next;

	HASH_ITER (hh, s->plugs, p, next)
		p->member = false;
	view_each(view, note_member, s);
	HASH_ITER (hh, s->plugs, p, next)
		if (!p->member) {
			note_left(s, p);
			plug_free(s, p);
		}
}

/* ------------------------------------------------------------------ who is the port, and is told */

static bool is_better(const struct vswitch_iface *a, const struct vswitch_iface *b)
{
	bool a_up = a->state == VSWITCH_IFACE_UP, b_up = b->state == VSWITCH_IFACE_UP;

	return a_up != b_up ? a_up : strcmp(a->name, b->name) < 0;
}

static struct plug *best_of(const struct port *port)
{
	struct plug *best = port->plugs, *p;

	DL_FOREACH (port->plugs, p)
		if (is_better(&p->now, &best->now))
			best = p;
	return best;
}

static void warn_of_rival(struct ifaces *s, struct port *port, const struct plug *best)
{
	const struct plug *rival = best == port->plugs ? best->next : port->plugs;
	char text[160], uuid[UUID_TEXT_SIZE];

	if (!rival || !strcmp(port->rival, rival->now.name))
		return;
	memcpy(port->rival, rival->now.name, sizeof(port->rival));
	snprintf(text, sizeof(text), "iface-id %s stands at %s and %s: %s is the port", uuid_format(&port->uuid, uuid),
		 best->now.name, rival->now.name, best->now.name);
	s->events.warning(text, s->events.arg);
}

static void tell(struct ifaces *s, struct port *port)
{
	const struct plug *best = best_of(port);

	warn_of_rival(s, port, best);
	if (port->told && !memcmp(&best->now, &port->said, sizeof(best->now)) && !strcmp(best->uuid, port->said_uuid))
		return;
	if (port->told)
		port->installed = INSTALLED_NO;
	port->told = true;
	port->said = best->now;
	memcpy(port->said_uuid, best->uuid, sizeof(port->said_uuid));
	s->events.iface(&port->said, s->events.arg);
}

static void tell_all(struct ifaces *s)
{
	struct port *port, *next;

	/* What frees a number goes first. */
	HASH_ITER (hh, s->ports, port, next) {
		if (port->plugs)
			continue;
		HASH_DEL(s->ports, port);
		s->events.iface_gone(&port->uuid, s->events.arg);
		free(port);
	}
	HASH_ITER (hh, s->ports, port, next) {
		if (port->changed)
			tell(s, port);
		port->changed = false;
	}
}

struct rival {
	const struct plug *plug;
	json_int_t request;
	bool found;
};

static void look_for_rival(const char *uuid, const json_t *row, void *arg)
{
	struct rival *rival = arg;
	json_int_t ofport;

	rival->found |= strcmp(uuid, rival->plug->uuid) != 0 &&
			datum_integer(json_object_get(row, "ofport"), &ofport) && ofport == rival->request;
}

/* Another interface that asks for the same number got it: this one keeps the one that it has. */
static bool stays_away(const struct view *view, const struct plug *p, const json_t *row)
{
	struct rival rival = { .plug = p };

	if (p->returning && datum_integer(json_object_get(row, "ofport_request"), &rival.request))
		view_each(view, look_for_rival, &rival);
	return rival.found;
}

void ifaces_update(struct ifaces *s, const struct view *view, bool members)
{
	bool userspace = view_is_userspace(view), again = userspace != s->userspace;
	struct plug *p, *next;

	s->userspace = userspace;
	if (members)
		look_for_members(s, view);
	HASH_ITER (hh, s->plugs, p, next) {
		json_t *row = json_object_get(view->interfaces, p->uuid);
		bool stays = stays_away(view, p, row);

		p->returning &= !stays;
		if (row && (row != p->row || again || stays))
			read_row(s, p, row);
	}
	s->looked |= members;
	tell_all(s);
}

/* ------------------------------------------------------------------ what is written */

struct writing {
	const struct view *view;
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
		view_each(w->view, mark_taken, w->taken);
	}
	while (w->next > 1) {
		w->next--;
		if (!(w->taken[w->next / 8] & 1 << w->next % 8))
			return (uint16_t)w->next;
	}
	return 0;
}

static void replug(struct writing *w, const struct plug *p)
{
	uint16_t n = free_ofport(w);

	if (n)
		ops_replug_away(w->ops, p->uuid, p->row, n);
}

static void write_plug(const struct ifaces *s, struct writing *w, struct plug *p)
{
	const struct port *port = p->port;

	if (!port) {
		ops_marks(w->ops, p->uuid, p->row, false, 0);
		return;
	}
	if (mark_of(p->row, MARK_REPLUG)) {
		if (replug_is_away(p->row))
			p->returning = ops_replug_back(w->ops, p->uuid, p->row);
		else if (!is_on_its_way(p->row)) /* somebody has taken our request back */
			replug(w, p);
	} else if (is_dead(s, p)) {
		replug(w, p);
	} else if (strcmp(p->uuid, port->said_uuid) != 0) {
		ops_marks(w->ops, p->uuid, p->row, false, 0);
	} else if (port->installed == INSTALLED_YES && may_be_dead(s, p)) {
		replug(w, p);
	} else if (port->installed != INSTALLED_UNTOLD) {
		ops_marks(w->ops, p->uuid, p->row, port->installed == INSTALLED_YES, p->ifindex);
	}
}

void ifaces_write(struct ifaces *s, const struct view *view, json_t *ops)
{
	struct writing w = { .view = view, .ops = ops };
	struct plug *p, *next;

	HASH_ITER (hh, s->plugs, p, next) {
		size_t before = json_array_size(ops);

		if (p->due)
			write_plug(s, &w, p);
		p->due = json_array_size(ops) > before; /* until it is found done */
	}
	free(w.taken);
}

bool ifaces_installed(struct ifaces *s, const struct uuid *uuid, bool installed)
{
	struct port *port;
	struct plug *p;

	HASH_FIND(hh, s->ports, uuid, sizeof(*uuid), port);
	if (!port)
		return false;
	port->installed = installed ? INSTALLED_YES : INSTALLED_NO;
	DL_FOREACH (port->plugs, p)
		p->due = true;
	return true;
}

/* ------------------------------------------------------------------ life */

struct ifaces *ifaces_new(const struct vswitch_events *events)
{
	struct ifaces *s = xcalloc(1, sizeof(*s));

	s->events = *events;
	return s;
}

void ifaces_free(struct ifaces *s)
{
	struct port *port, *next_port;
	struct plug *p, *next;
	struct left *l, *next_left;

	HASH_ITER (hh, s->plugs, p, next)
		plug_free(s, p);
	HASH_ITER (hh, s->left, l, next_left) {
		HASH_DEL(s->left, l);
		free(l);
	}
	HASH_ITER (hh, s->ports, port, next_port) {
		HASH_DEL(s->ports, port);
		free(port);
	}
	free(s);
}
