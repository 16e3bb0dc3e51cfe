/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "driver/ovs/ovs.h"

static struct ovs_port *find_uuid(const struct driver *d, const struct uuid *uuid)
{
	struct ovs_port *p;

	HASH_FIND(hh, d->ports, uuid, sizeof(*uuid), p);
	return p;
}

static struct ovs_port *find_num(const struct driver *d, uint32_t num)
{
	struct ovs_port *p;

	HASH_FIND(by_num, d->ports_by_num, &num, sizeof(num), p);
	return p;
}

static struct ovs_port *get(struct driver *d, const struct uuid *uuid)
{
	struct ovs_port *p = find_uuid(d, uuid);

	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->uuid = *uuid;
	HASH_ADD(hh, d->ports, uuid, sizeof(p->uuid), p);
	return p;
}

static void touch(struct driver *d, struct ovs_port *p)
{
	if (!p->changed)
		DL_APPEND(d->changed, p);
	p->changed = true;
	ovs_kick(d);
}

static void untouch(struct driver *d, struct ovs_port *p)
{
	if (p->changed)
		DL_DELETE(d->changed, p);
	p->changed = false;
}

static void drop_unneeded(struct driver *d, struct ovs_port *p)
{
	if (p->num || p->plugged)
		return;
	untouch(d, p);
	HASH_DEL(d->ports, p);
	free(p);
}

static uint32_t iface_number(const struct ovs_port *p)
{
	return p->plugged && p->iface.state == VSWITCH_IFACE_UP ? p->iface.ofport : 0;
}

/* Its OpenFlow number, where there are both a record and a device that works. */
static uint32_t number_of(const struct ovs_port *p)
{
	return p->num ? iface_number(p) : 0;
}

uint32_t ovs_iface_ofport(const struct driver *d, const struct uuid *uuid)
{
	const struct ovs_port *p = find_uuid(d, uuid);

	return p ? iface_number(p) : 0;
}

static void number_changed(struct driver *d, uint32_t was, uint32_t is)
{
	if (was == is)
		return;
	if (was)
		members_del(&d->meters.wanted, was);
	if (is)
		members_add(&d->meters.wanted, is);
}

static void mark_installed(struct driver *d, struct ovs_port *p, bool installed)
{
	int mark = installed ? MARK_INSTALLED : MARK_NOT_INSTALLED;

	if (!p->plugged || (int)p->mark == mark)
		return;
	vswitch_installed(d->vswitch, &p->uuid, installed);
	p->mark = mark;
}

uint32_t ovs_ofport(uint32_t port, void *arg)
{
	const struct ovs_port *p = find_num(arg, port);

	return p ? number_of(p) : 0;
}

/* ------------------------------------------------------------------ the plan's side */

void ovs_ports_unbind(struct driver *d, uint32_t num)
{
	struct ovs_port *p = find_num(d, num);

	if (!p)
		return;
	number_changed(d, number_of(p), 0);
	HASH_DELETE(by_num, d->ports_by_num, p);
	p->num = 0;
	touch(d, p);
	drop_unneeded(d, p);
}

void ovs_ports_bind(struct driver *d, const struct plan_record *r)
{
	struct ovs_port *p = find_num(d, r->port.key.port);

	if (p && !uuid_equal(&p->uuid, &r->port.uuid))
		ovs_ports_unbind(d, p->num);
	p = get(d, &r->port.uuid);
	if (p->num != r->port.key.port) {
		if (p->num)
			ovs_ports_unbind(d, p->num);
		p = get(d, &r->port.uuid); /* without a device it is gone by now */
		p->num = r->port.key.port;
		p->told = false;
		HASH_ADD(by_num, d->ports_by_num, num, sizeof(p->num), p);
		number_changed(d, 0, number_of(p));
	}
	p->refused[0] = '\0';
	touch(d, p);
}

static void bind(const struct plan_record *r, void *arg)
{
	ovs_ports_bind(arg, r);
}

void ovs_ports_bind_all(struct driver *d, const struct plan *plan)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	struct ovs_port *p, *tmp;

	HASH_ITER (by_num, d->ports_by_num, p, tmp) {
		key.port.key.port = p->num;
		if (!plan_find(plan, &key))
			ovs_ports_unbind(d, p->num);
	}
	plan_each(plan, PLAN_PORT, bind, d);
}

void ovs_port_refused(struct driver *d, uint32_t num, const char *text)
{
	struct ovs_port *p = find_num(d, num);

	if (!p)
		return;
	snprintf(p->refused, sizeof(p->refused), "%s", text);
	touch(d, p);
}

/* ------------------------------------------------------------------ the switch's side */

static void renew(struct driver *d, struct ovs_port *p, uint32_t was)
{
	uint32_t is = number_of(p);

	number_changed(d, was, is);
	if (was != is)
		flowset_renew_port(d->flows, p->num);
	touch(d, p);
}

void ovs_iface(const struct vswitch_iface *i, void *arg)
{
	struct driver *d = arg;
	struct ovs_port *p = get(d, &i->port);
	uint32_t was = number_of(p);

	p->plugged = true;
	p->mark = MARK_UNKNOWN; /* it may be another row */
	p->iface = *i;
	renew(d, p, was);
}

void ovs_iface_gone(const struct uuid *uuid, void *arg)
{
	struct driver *d = arg;
	struct ovs_port *p = find_uuid(d, uuid);
	uint32_t was = p ? number_of(p) : 0;

	if (!p)
		return;
	p->plugged = false;
	if (p->num)
		renew(d, p, was);
	else
		drop_unneeded(d, p);
}

/* ------------------------------------------------------------------ what the agent is told */

/* False: that is not known before its flows are in. */
static bool state_of(const struct driver *d, const struct ovs_port *p, enum driver_port_state *ret,
		     char text[OVS_TEXT_SIZE])
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);

	key.port.key.port = p->num;
	text[0] = '\0';
	*ret = DRIVER_PORT_FAILED;
	if (!p->plugged || p->iface.state == VSWITCH_IFACE_WAIT)
		*ret = DRIVER_PORT_ABSENT;
	else if (p->iface.state == VSWITCH_IFACE_BAD)
		snprintf(text, OVS_TEXT_SIZE, "%s", p->iface.text);
	else if (d->away)
		ovs_why(d, text);
	else if (p->refused[0])
		snprintf(text, OVS_TEXT_SIZE, "%s", p->refused);
	else if (flowset_is_in(d->flows, &key))
		*ret = DRIVER_PORT_READY;
	else
		return false;
	return true;
}

/* What goes is marked here too, when its flows are gone: for a mark Open vSwitch goes through all its ports. */
static void tell(struct driver *d, struct ovs_port *p)
{
	enum driver_port_state state;
	char text[OVS_TEXT_SIZE];

	if (!p->num) {
		untouch(d, p);
		mark_installed(d, p, false);
		return;
	}
	if (!state_of(d, p, &state, text))
		return;
	untouch(d, p);
	mark_installed(d, p, state == DRIVER_PORT_READY);
	if (state == DRIVER_PORT_READY && p->iface.doubtful)
		state = DRIVER_PORT_ABSENT; /* until it was plugged again, which that has begun */
	if (p->told && p->state == state && !strcmp(p->text, text))
		return;
	p->told = true;
	p->state = state;
	memcpy(p->text, text, sizeof(p->text));
	if (d->events.port)
		d->events.port(p->num, state, text, d->events.arg);
}

void ovs_ports_tell(struct driver *d)
{
	struct ovs_port *p, *tmp;

	DL_FOREACH_SAFE (d->changed, p, tmp)
		tell(d, p);
}

void ovs_ports_touch(struct driver *d)
{
	for (struct ovs_port *p = d->ports; p; p = p->hh.next)
		touch(d, p);
}

void ovs_ports_fini(struct driver *d)
{
	struct ovs_port *p, *tmp;

	HASH_CLEAR(by_num, d->ports_by_num);
	HASH_ITER (hh, d->ports, p, tmp) {
		HASH_DEL(d->ports, p);
		free(p);
	}
}
