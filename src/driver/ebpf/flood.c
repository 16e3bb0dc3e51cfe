/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "driver/ebpf/ebpf.h"

/*
 * Slots 1..n of a network name who gets a copy, slot 0 says how many. Adding writes the new
 * slot, then the count. Removing lowers the count, moves the last slot into the gap, then
 * erases the last: in between one copy is missing, none goes twice.
 */

static struct flood_net *net_find(const struct floods *f, uint32_t network)
{
	struct flood_net *n;

	HASH_FIND_INT(f->hash, &network, n);
	return n;
}

static struct flood_net *net_get(struct floods *f, uint32_t network)
{
	struct flood_net *n = net_find(f, network);

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		n->network = network;
		HASH_ADD_INT(f->hash, network, n);
	}
	return n;
}

static void push(struct flood_net *n, const struct flood_target *t)
{
	if (n->n == n->allocated) {
		n->allocated = n->allocated ? n->allocated * 2 : 8;
		n->targets = xrealloc(n->targets, n->allocated * sizeof(*n->targets));
	}
	n->targets[n->n++] = *t;
}

void floods_push(struct floods *f, uint32_t network, const struct flood_target *t)
{
	push(net_get(f, network), t);
}

static void net_free(struct floods *f, struct flood_net *n)
{
	HASH_DEL(f->hash, n);
	free(n->targets);
	free(n);
}

static uint32_t slot_of(const struct flood_net *n, const struct flood_target *t)
{
	for (uint32_t i = 0; n && i < n->n; i++)
		if (n->targets[i].port == t->port && n->targets[i].peer == t->peer)
			return i + 1;
	return 0;
}

bool flood_has(const struct floods *f, uint32_t network, const struct flood_target *t)
{
	return slot_of(net_find(f, network), t);
}

void floods_fini(struct floods *f)
{
	struct flood_net *n, *tmp;

	HASH_ITER (hh, f->hash, n, tmp) {
		net_free(f, n);
	}
}

static int write_slot(struct driver *d, uint32_t network, uint32_t slot, const struct eb_flood *value)
{
	struct eb_flood_key key = { .network = network, .slot = slot };

	return bpf_map_update_elem(d->fds.fd[TABLE_flood], &key, value, BPF_ANY) ? -errno : 0;
}

static int erase_slot(struct driver *d, uint32_t network, uint32_t slot)
{
	struct eb_flood_key key = { .network = network, .slot = slot };

	return bpf_map_delete_elem(d->fds.fd[TABLE_flood], &key) && errno != ENOENT ? -errno : 0;
}

int flood_add(struct driver *d, uint32_t network, const struct flood_target *t)
{
	struct flood_net *n = net_get(&d->floods, network);
	struct eb_flood slot = { .port = t->port, .peer = t->peer }, head = { .count = n->n + 1 };
	int r;

	if (slot_of(n, t))
		return 0;
	if (n->n >= EB_FLOOD_MAX)
		return -ENOSPC;
	r = write_slot(d, network, n->n + 1, &slot);
	if (r < 0)
		return r;
	r = write_slot(d, network, 0, &head);
	if (r < 0)
		return r;
	push(n, t);
	return 0;
}

static int net_close(struct driver *d, struct flood_net *n)
{
	int r = erase_slot(d, n->network, 0);

	if (r >= 0)
		net_free(&d->floods, n);
	return r;
}

static int del(struct driver *d, struct flood_net *n, uint32_t gone)
{
	uint32_t network = n->network;
	int r = 0;
	struct flood_target last = n->targets[n->n - 1];
	struct eb_flood slot = { .port = last.port, .peer = last.peer }, head = { .count = n->n - 1 };

	r = write_slot(d, network, 0, &head);
	if (r < 0)
		return r;
	if (gone != n->n)
		r = write_slot(d, network, gone, &slot);
	if (r < 0)
		return r;
	r = erase_slot(d, network, n->n);
	n->targets[gone - 1] = last;
	n->n--;
	return n->n ? r : net_close(d, n);
}

/* On failure the copy stays in the list or a slot behind it, until floods_sweep() or the next sync. */
int flood_del(struct driver *d, uint32_t network, const struct flood_target *t)
{
	struct flood_net *n = net_find(&d->floods, network);
	uint32_t gone = slot_of(n, t);
	int r = gone ? del(d, n, gone) : 0;

	d->flood_left |= r < 0;
	return r;
}

static bool wanted(const struct driver *d, uint32_t network, const struct flood_target *t)
{
	struct plan_record key = PLAN_RECORD(PLAN_FLOOD), port = PLAN_RECORD(PLAN_PORT);
	const struct plan_record *r;

	key.flood.key.network = network;
	key.flood.key.host = t->peer;
	port.port.key.port = t->port;
	r = plan_find(d->plan, t->port ? &port : &key);
	return r && (!t->port || r->port.network == network);
}

int floods_sweep(struct driver *d)
{
	struct flood_net *n, *tmp;
	int ret = 0, r;

	if (!d->flood_left)
		return 0;
	HASH_ITER (hh, d->floods.hash, n, tmp) {
		struct eb_flood head = { .count = n->n };
		uint32_t network = n->network, i = n->n;

		/* the count may have been lowered for a copy that stayed */
		r = i ? write_slot(d, network, 0, &head) : net_close(d, n);
		while (i-- > 0 && r >= 0) /* the last one that goes takes the list with it */
			if (!wanted(d, network, &n->targets[i]))
				r = del(d, n, i + 1);
		ret = r < 0 ? r : ret;
	}
	d->flood_left = ret < 0;
	return ret;
}

/* What an earlier run left. Slots beyond a count are of an interrupted change. */
int floods_read(struct driver *d, struct floods *ret)
{
	int fd = d->fds.fd[TABLE_flood];
	struct eb_flood_key key, *previous = NULL;
	struct eb_flood value, slot;

	while (!bpf_map_get_next_key(fd, previous, &key)) {
		struct eb_flood_key at = { .network = key.network };

		previous = &key;
		if (key.slot || bpf_map_lookup_elem(fd, &key, &value))
			continue;
		struct flood_net *n = net_get(ret, key.network);

		for (at.slot = 1; at.slot <= value.count && at.slot <= EB_FLOOD_MAX; at.slot++) {
			if (bpf_map_lookup_elem(fd, &at, &slot))
				break;
			push(n, &(struct flood_target) { slot.port, slot.peer });
		}
	}
	return errno == ENOENT ? 0 : -errno;
}

/* Erases what no count reaches: an interrupted change left it. */
int floods_trim(struct driver *d)
{
	int fd = d->fds.fd[TABLE_flood], ret = 0, r;
	struct eb_flood_key key, *previous = NULL, *stray = NULL;
	size_t n = 0;

	while (!bpf_map_get_next_key(fd, previous, &key)) {
		const struct flood_net *net = net_find(&d->floods, key.network);

		previous = &key;
		if (net && net->n && key.slot <= net->n)
			continue;
		stray = xrealloc(stray, (n + 1) * sizeof(*stray));
		stray[n++] = key;
	}
	while (n--) {
		r = erase_slot(d, stray[n].network, stray[n].slot);
		ret = r < 0 ? r : ret;
	}
	free(stray);
	return ret;
}
