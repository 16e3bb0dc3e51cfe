/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"
#include "driver/ebpf/neutrino.skel.h"

/*
 * Devices come and go with the VMs, in any order with the plan. `taps` is every device here
 * that could be a port's; `ports` is every port of the plan with the device it has now. A
 * VM that is plugged again has a new device of the same name.
 *
 * A VM behind a device without from_port talks to the host's own stack. So the program is on
 *
 *   what a record claims        and the record's entries say what may pass;
 *   what was claimed once       until it goes: without entries all is dropped (port_unknown);
 *   what looks like a VM's      named as a port's, a tap or a veth, and in no bridge. Its record
 *                               is on the way, or never comes.
 *
 * Any other device named "tap" is somebody else's, as the ones of Neutron's DHCP agent are: a
 * veth that goes into a bridge, or a device of Open vSwitch.
 */

#define NAME "tap"
#define NAME_FORM "xxxxxxxx-xx" /* of a UUID's beginning: x is a hexadecimal digit */

static const char *device_name(const struct plan_port *p, char name[NETLINK_NAME_SIZE])
{
	char text[UUID_TEXT_SIZE];

	snprintf(name, NETLINK_NAME_SIZE, NAME "%.11s", uuid_format(&p->uuid, text));
	return name;
}

static struct tap *tap_by_name(const struct driver *d, const char *name)
{
	for (struct tap *t = d->taps; t; t = t->hh.next)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

struct port_device *port_find(const struct driver *d, uint32_t port)
{
	struct port_device *p;

	HASH_FIND_INT(d->ports, &port, p);
	return p;
}

static bool named_as_port(const char *name)
{
	const char *at = name + strlen(NAME);

	if (strncmp(name, NAME, strlen(NAME)) || strlen(at) != strlen(NAME_FORM))
		return false;
	for (const char *form = NAME_FORM; *form; form++, at++)
		if (*form == 'x' ? !isxdigit((unsigned char)*at) : *at != *form)
			return false;
	return true;
}

static bool is_ours(const struct tap *t)
{
	return t->claimed || (t->guest && !t->master && named_as_port(t->name));
}

static struct port_device *owner(const struct driver *d, const struct tap *t)
{
	struct port_device *p;

	HASH_FIND(by_name, d->ports_by_name, t->name, strlen(t->name), p);
	return p;
}

struct port_device *port_add(struct driver *d, const struct plan_record *r)
{
	struct port_device *p = port_find(d, r->port.key.port);
	char name[NETLINK_NAME_SIZE];
	struct tap *t;

	device_name(&r->port, name);
	if (p && !strcmp(p->name, name))
		return p;
	port_del(d, r->port.key.port); /* a server that was made anew counts anew: another VM's port */
	p = xcalloc(1, sizeof(*p));
	p->port = r->port.key.port;
	memcpy(p->name, name, sizeof(p->name));
	t = tap_by_name(d, p->name);
	if (t) {
		p->ifindex = t->ifindex;
		p->peer_elsewhere = t->peer_elsewhere;
		t->claimed = true;
	}
	HASH_ADD_INT(d->ports, port, p);
	HASH_ADD_KEYPTR(by_name, d->ports_by_name, p->name, strlen(p->name), p);
	return p;
}

/* Its device keeps the program. */
void port_del(struct driver *d, uint32_t port)
{
	struct port_device *p = port_find(d, port);

	if (!p)
		return;
	HASH_DEL(d->ports, p);
	HASH_DELETE(by_name, d->ports_by_name, p);
	free(p);
}

/* The host's own stack has nothing to say to the VM on this link. */
static void hush(const char *name, bool quiet)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, quiet ? "1" : "0", 1) < 0)
		log_debug("%s: IPv6: %s", name, strerror(errno));
	close(fd);
}

static int tap_attach(struct driver *d, struct tap *t)
{
	int r;

	hush(t->name, true);
	r = attach(t->ifindex, bpf_program__fd(d->bpf->progs.from_port));
	if (r >= 0)
		t->filter = TAP_FILTER;
	return r;
}

int port_release(uint32_t ifindex, const char *name)
{
	int r = detach(ifindex);

	if (r >= 0)
		hush(name, false);
	return r;
}

static int tap_release(struct tap *t)
{
	int r = port_release(t->ifindex, t->name);

	if (r >= 0)
		t->filter = TAP_OPEN;
	return r;
}

/* A device that no record claims. What an earlier run attached is as good until the first sync. */
static int tap_settle(struct driver *d, struct tap *t)
{
	int r = 0;

	if (!is_ours(t))
		r = t->filter == TAP_FILTER ? tap_release(t) : 0;
	else if (t->filter == TAP_OPEN || (t->filter == TAP_FILTER_EARLIER && d->synced))
		r = tap_attach(d, t);
	if (r >= 0 || r == -ENODEV) /* gone: its notification is on the way */
		return 0;
	LOG_LIMIT(log_warn, 5, "%s: %s", t->name, strerror(-r));
	ebpf_repair_soon(d);
	return r;
}

static int port_failed(struct driver *d, struct port_device *p, int r)
{
	p->trouble = true;
	ebpf_event(d, p->port, DRIVER_PORT_FAILED, strerror(-r));
	ebpf_repair_soon(d);
	return r;
}

int port_attach(struct driver *d, struct port_device *p)
{
	struct tap *t;
	int r = -ENODEV;

	HASH_FIND_INT(d->taps, &p->ifindex, t);
	if (t)
		r = tap_attach(d, t);
	if (r < 0 && r != -ENODEV)
		return port_failed(d, p, r);
	p->trouble = false;
	ebpf_event(d, p->port, r < 0 ? DRIVER_PORT_ABSENT : DRIVER_PORT_READY, "");
	return 0;
}

void ports_attach(struct driver *d)
{
	for (struct port_device *p = d->ports; p; p = p->hh.next)
		port_attach(d, p);
	for (struct tap *t = d->taps; t; t = t->hh.next)
		if (!owner(d, t))
			tap_settle(d, t);
}

/* Gives a port of the plan another device, or none. On failure it has the one before. */
static int port_use(struct driver *d, struct port_device *p, uint32_t ifindex, bool peer_elsewhere)
{
	struct port_device before = *p;
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	struct rows was = { 0 }, now = { 0 };
	const struct plan_record *r;
	int ret = 0;

	key.port.key.port = p->port;
	r = plan_find(d->plan, &key);
	if (r)
		rows_of(d, r, &was);
	p->ifindex = ifindex;
	p->peer_elsewhere = peer_elsewhere;
	if (r) {
		rows_of(d, r, &now);
		ret = ebpf_remake(d, &was, &now);
	}
	if (ret < 0) {
		p->ifindex = before.ifindex;
		p->peer_elsewhere = before.peer_elsewhere;
	}
	rows_fini(&was);
	rows_fini(&now);
	return ret;
}

/* Makes the device that has the port's name the port's, if it is not. */
static int port_settle(struct driver *d, struct port_device *p)
{
	const struct tap *t = tap_by_name(d, p->name);
	uint32_t ifindex = t ? t->ifindex : 0;
	bool elsewhere = t && t->peer_elsewhere, same = p->ifindex == ifindex;
	int r = 0;

	if (!same || p->peer_elsewhere != elsewhere)
		r = port_use(d, p, ifindex, elsewhere);
	if (!d->synced)
		return r;
	if (r < 0)
		return port_failed(d, p, r);
	return same && !p->trouble ? 0 : port_attach(d, p);
}

int ports_repair(struct driver *d)
{
	int ret = 0, r;

	for (struct port_device *p = d->ports; p; p = p->hh.next) {
		r = p->trouble ? port_settle(d, p) : 0;
		ret = r < 0 ? r : ret;
	}
	for (struct tap *t = d->taps; t; t = t->hh.next) {
		r = owner(d, t) ? 0 : tap_settle(d, t);
		ret = r < 0 ? r : ret;
	}
	return ret;
}

static void tap_gone(struct driver *d, struct tap *t)
{
	struct port_device *p = owner(d, t);

	HASH_DEL(d->taps, t);
	if (p && p->ifindex == t->ifindex)
		port_settle(d, p);
	free(t);
}

static struct tap *tap_new(struct driver *d, const struct netlink_link *l)
{
	struct tap *t = xcalloc(1, sizeof(*t));

	t->ifindex = l->ifindex;
	snprintf(t->name, sizeof(t->name), "%s", l->name);
	t->guest = !strcmp(l->kind, "tun") || !strcmp(l->kind, "veth");
	if (attached(l->ifindex)) {
		t->filter = TAP_FILTER_EARLIER;
		t->claimed = true; /* or its record went, or was yet to come */
	}
	HASH_ADD_INT(d->taps, ifindex, t);
	return t;
}

void port_link(struct driver *d, const struct netlink_link *l, bool gone)
{
	struct port_device *p;
	struct tap *t;

	HASH_FIND_INT(d->taps, &l->ifindex, t);
	if (t && (gone || strcmp(t->name, l->name))) {
		tap_gone(d, t);
		t = NULL;
	}
	if (gone || strncmp(l->name, NAME, strlen(NAME)))
		return;
	if (!t)
		t = tap_new(d, l);
	t->peer_elsewhere = l->peer_elsewhere;
	t->master = l->master;
	p = owner(d, t);
	t->claimed |= p != NULL;
	if (p)
		port_settle(d, p);
	else
		tap_settle(d, t);
}

void port_filter_gone(struct driver *d, uint32_t ifindex)
{
	struct port_device *p;
	struct tap *t;

	HASH_FIND_INT(d->taps, &ifindex, t);
	if (!t || t->filter == TAP_OPEN || attached(ifindex))
		return;
	t->filter = TAP_OPEN;
	p = owner(d, t);
	if (p && d->synced)
		port_attach(d, p);
	else
		tap_settle(d, t);
	if (t->filter == TAP_FILTER)
		LOG_LIMIT(log_warn, 5, "%s: somebody else removed its filter: attached again", t->name);
}

/* Devices that should have the program and do not; they get it soon. */
void ports_audit(struct driver *d, driver_audit fn, void *arg)
{
	char text[64];

	for (struct tap *t = d->taps; t; t = t->hh.next) {
		struct port_device *p = owner(d, t);
		struct netlink_link l;

		if (!is_ours(t) || (p && !d->synced) || attached(t->ifindex))
			continue;
		if (netlink_link_get(d->netlink, t->ifindex, &l, NULL) < 0) /* its notification is on the way */
			continue;
		snprintf(text, sizeof(text), "filter device=%s", t->name);
		fn(DRIVER_AUDIT_MISSING, text, arg);
		t->filter = TAP_OPEN;
		if (p)
			p->trouble = true;
		ebpf_repair_soon(d);
	}
}

static void on_listed(const struct netlink_link *l, void *arg)
{
	port_link(arg, l, false);
}

int ports_open(struct driver *d, struct err *err)
{
	int r = netlink_links(d->netlink, on_listed, d, err);

	if (r != -EAGAIN)
		return r;
	d->relist = true;
	ebpf_repair_soon(d);
	return 0;
}

struct listing {
	uint32_t *ifindexes;
	size_t n;
};

static void on_listed_index(const struct netlink_link *l, void *arg)
{
	struct listing *list = arg;

	list->ifindexes = xrealloc(list->ifindexes, (list->n + 1) * sizeof(*list->ifindexes));
	list->ifindexes[list->n++] = l->ifindex;
}

/* Notifications were lost: what is no longer listed is gone, the rest as told anew. */
int port_relist(struct driver *d)
{
	struct listing list = { 0 };
	struct tap *t, *tmp;
	int r = netlink_links(d->netlink, on_listed_index, &list, NULL);

	if (r < 0)
		goto out;
	HASH_ITER (hh, d->taps, t, tmp) {
		size_t i = 0;

		while (i < list.n && list.ifindexes[i] != t->ifindex)
			i++;
		if (i == list.n)
			tap_gone(d, t);
		else
			port_filter_gone(d, t->ifindex);
	}
	r = netlink_links(d->netlink, on_listed, d, NULL);
out:
	free(list.ifindexes);
	return r;
}

void ports_fini(struct driver *d)
{
	struct port_device *p, *ptmp;
	struct tap *t, *ttmp;

	HASH_ITER (hh, d->ports, p, ptmp) {
		HASH_DEL(d->ports, p);
		HASH_DELETE(by_name, d->ports_by_name, p);
		free(p);
	}
	HASH_ITER (hh, d->taps, t, ttmp) {
		HASH_DEL(d->taps, t);
		free(t);
	}
}
