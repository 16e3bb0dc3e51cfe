/* SPDX-License-Identifier: Apache-2.0 */
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
 */

static const char *device_name(const struct plan_port *p, char name[NETLINK_NAME_SIZE])
{
	char text[UUID_TEXT_SIZE];

	snprintf(name, NETLINK_NAME_SIZE, "tap%.11s", uuid_format(&p->uuid, text));
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

struct port_device *port_add(struct driver *d, const struct plan_record *r)
{
	struct port_device *p = port_find(d, r->port.key.port);
	struct tap *t;

	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->port = r->port.key.port;
	device_name(&r->port, p->name);
	t = tap_by_name(d, p->name);
	if (t) {
		p->ifindex = t->ifindex;
		p->peer_elsewhere = t->peer_elsewhere;
	}
	HASH_ADD_INT(d->ports, port, p);
	HASH_ADD_KEYPTR(by_name, d->ports_by_name, p->name, strlen(p->name), p);
	return p;
}

void port_del(struct driver *d, uint32_t port)
{
	struct port_device *p = port_find(d, port);

	if (!p)
		return;
	if (p->ifindex && p->attached)
		detach(p->ifindex);
	HASH_DEL(d->ports, p);
	HASH_DELETE(by_name, d->ports_by_name, p);
	free(p);
}

/* The host's own stack has nothing to say to the VM on this link. */
static void hush(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0)
		log_debug("%s: IPv6 stays on: %s", name, strerror(errno));
	close(fd);
}

void port_attach(struct driver *d, struct port_device *p)
{
	int r;

	if (!p->ifindex) {
		ebpf_event(d, p->port, DRIVER_PORT_ABSENT, "");
		return;
	}
	hush(p->name);
	r = attach(p->ifindex, bpf_program__fd(d->bpf->progs.from_port));
	p->attached = r >= 0;
	if (r == -ENODEV) /* went away again: its notification is on the way */
		ebpf_event(d, p->port, DRIVER_PORT_ABSENT, "");
	else if (r < 0)
		ebpf_event(d, p->port, DRIVER_PORT_FAILED, strerror(-r));
	else
		ebpf_event(d, p->port, DRIVER_PORT_READY, "");
}

void ports_attach(struct driver *d)
{
	for (struct port_device *p = d->ports; p; p = p->hh.next)
		port_attach(d, p);
}

/* Gives a port of the plan another device, or none. */
static void port_set_device(struct driver *d, struct port_device *p, uint32_t ifindex, bool peer_elsewhere)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	struct rows was = { 0 }, now = { 0 };
	const struct plan_record *r;
	bool same = p->ifindex == ifindex;
	int ret = 0;

	if (same && p->peer_elsewhere == peer_elsewhere)
		return;
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
	rows_fini(&was);
	rows_fini(&now);
	if (!d->synced)
		return;
	if (ret < 0)
		ebpf_event(d, p->port, DRIVER_PORT_FAILED, strerror(-ret));
	else if (!same)
		port_attach(d, p);
}

static void tap_gone(struct driver *d, struct tap *t)
{
	struct port_device *p;

	HASH_FIND(by_name, d->ports_by_name, t->name, strlen(t->name), p);
	if (p && p->ifindex == t->ifindex)
		port_set_device(d, p, 0, false);
	HASH_DEL(d->taps, t);
	free(t);
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
	if (gone || strncmp(l->name, "tap", 3))
		return;
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->ifindex = l->ifindex;
		snprintf(t->name, sizeof(t->name), "%s", l->name);
		HASH_ADD_INT(d->taps, ifindex, t);
	}
	t->peer_elsewhere = l->peer_elsewhere;
	HASH_FIND(by_name, d->ports_by_name, l->name, strlen(l->name), p);
	if (p)
		port_set_device(d, p, l->ifindex, l->peer_elsewhere);
}

static void on_listed(const struct netlink_link *l, void *arg)
{
	port_link(arg, l, false);
}

int ports_open(struct driver *d, struct err *err)
{
	return netlink_links(d->netlink, on_listed, d, err);
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
void port_relist(struct driver *d)
{
	struct listing list = { 0 };
	struct tap *t, *tmp;

	if (netlink_links(d->netlink, on_listed_index, &list, NULL) < 0)
		goto out;
	HASH_ITER (hh, d->taps, t, tmp) {
		size_t i = 0;

		while (i < list.n && list.ifindexes[i] != t->ifindex)
			i++;
		if (i == list.n)
			tap_gone(d, t);
	}
	netlink_links(d->netlink, on_listed, d, NULL);
out:
	free(list.ifindexes);
}

/* A device that has our program and no port of the plan: left by an earlier run. */
void ports_detach_strays(struct driver *d)
{
	struct port_device *p;
	struct tap *t, *tmp;

	HASH_ITER (hh, d->taps, t, tmp) {
		HASH_FIND(by_name, d->ports_by_name, t->name, strlen(t->name), p);
		if (!p)
			detach(t->ifindex);
	}
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
