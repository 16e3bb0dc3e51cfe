/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"

/*
 * A network whose largest packet does not fit into the underlay with a tunnel header loses
 * exactly its largest packets, which looks like anything but an MTU. So it is said: once in
 * the log, and in the agent's status as long as it is so.
 */

struct mtu_warning {
	uint32_t network;
	bool seen;
	char text[160];
	UT_hash_handle hh;
};

struct check {
	struct driver *d;
	struct netlink_link underlay; /* the narrowest device toward a peer; mtu 0: none */
};

static void find_underlay(struct check *c)
{
	uint32_t last = 0;

	for (const struct peer_way *w = c->d->ways; w; w = w->hh.next) {
		struct netlink_link l;

		if (!w->ifindex || w->ifindex == last)
			continue;
		last = w->ifindex;
		if (netlink_link_get(c->d->netlink, last, &l, NULL) < 0)
			continue;
		if (!c->underlay.mtu || l.mtu < c->underlay.mtu)
			c->underlay = l;
	}
}

static struct mtu_warning *get(struct driver *d, uint32_t network)
{
	struct mtu_warning *w;

	HASH_FIND_INT(d->mtu_warnings, &network, w);
	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->network = network;
		HASH_ADD_INT(d->mtu_warnings, network, w);
	}
	return w;
}

static void check_segment(const struct plan_record *r, void *arg)
{
	const struct plan_segment *s = &r->segment;
	struct check *c = arg;
	struct mtu_warning *w;
	char text[sizeof(w->text)], id[UUID_TEXT_SIZE];

	if (!c->underlay.mtu || s->mtu + EB_OUTER <= c->underlay.mtu)
		return;
	snprintf(text, sizeof(text), "network %s: its MTU %u and a tunnel header of %d do not fit into %s's %u",
		 uuid_format(&s->uuid, id), s->mtu, EB_OUTER, c->underlay.name, c->underlay.mtu);
	w = get(c->d, s->network);
	if (!*w->text)
		log_warn("%s: large packets between hosts are lost", text);
	w->seen = true;
	memcpy(w->text, text, sizeof(text));
}

static void drop(struct driver *d, bool all)
{
	struct mtu_warning *w, *tmp;

	HASH_ITER (hh, d->mtu_warnings, w, tmp) {
		bool stays = w->seen && !all;

		w->seen = false;
		if (stays)
			continue;
		HASH_DEL(d->mtu_warnings, w);
		free(w);
	}
}

void mtu_check(struct driver *d)
{
	struct check c = { .d = d };

	find_underlay(&c);
	plan_each(d->plan, PLAN_SEGMENT, check_segment, &c);
	drop(d, false);
}

void mtu_each(struct driver *d, driver_warning fn, void *arg)
{
	for (const struct mtu_warning *w = d->mtu_warnings; w; w = w->hh.next)
		fn(w->text, arg);
}

void mtu_fini(struct driver *d)
{
	drop(d, true);
}
