/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"

/*
 * The maps compared with a plan: what they should hold is computed as if into empty ones,
 * what they do hold is read from the kernel. sync() writes the difference, audit() names it.
 *
 * Order of sync: entries of networks and peers that are gone or have another number or
 * address now (their number may be another's next); everything new and changed, leaves
 * first; what is left over, roots first.
 */

struct wish {
	const struct driver *d;
	struct cells cells;
	struct router_index *routers;
	struct floods floods; /* wanted copies; order means nothing */
};

static void want(const struct plan_record *r, void *arg)
{
	struct wish *w = arg;
	struct driver view = *w->d; /* with the wish's own index */
	struct rows rows = { 0 };

	view.routers = w->routers;
	rows_of(&view, r, &rows);
	for (size_t i = 0; i < rows.n; i++)
		cells_put(&w->cells, rows.items[i].table, rows.items[i].key, rows.items[i].value);
	rows_fini(&rows);
	index_add(&w->routers, r);
	if (r->table == PLAN_PORT)
		floods_push(&w->floods, r->port.network, &(struct flood_target) { .port = r->port.key.port });
	else if (r->table == PLAN_FLOOD)
		floods_push(&w->floods, r->flood.key.network, &(struct flood_target) { .peer = r->flood.key.host });
}

static void wish_make(struct wish *w, const struct driver *d, const struct plan *plan)
{
	memset(w, 0, sizeof(*w));
	w->d = d;
	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(plan, t, want, w);
}

static void wish_fini(struct wish *w)
{
	cells_fini(&w->cells);
	floods_fini(&w->floods);
	index_fini(&w->routers);
}

static bool differs(const struct cell *have, const struct cell *wanted)
{
	return wanted->id.table != TABLE_bucket && memcmp(have->value, wanted->value, sizeof(have->value));
}

static bool loses_unique(const struct cell *have, const struct cell *wanted)
{
	if (have->id.table != TABLE_network && have->id.table != TABLE_peer)
		return false;
	/* network: type and id; peer: the tunnel address */
	return !wanted || memcmp(have->value, wanted->value, have->id.table == TABLE_network ? 8 : 4);
}

static int read_all(struct driver *d, struct cells *have)
{
	int r = 0;

	for (int t = 0; t < TABLE_flood && r >= 0; t++)
		r = cells_read(have, &d->fds, t);
	return r;
}

static int each_of(struct driver *d, struct cells *from, const struct cells *other, enum table t,
		   int (*fn)(struct driver *d, struct cell *cell, struct cell *other))
{
	struct cell *c, *tmp;
	int ret = 0, r;

	HASH_ITER (hh, from->hash, c, tmp) {
		if (c->id.table != t)
			continue;
		r = fn(d, c, cells_find(other, t, c->id.key));
		if (r < 0)
			ret = r;
	}
	return ret;
}

static int erase_early(struct driver *d, struct cell *have, struct cell *wanted)
{
	return loses_unique(have, wanted) ? table_erase(&d->fds, have) : 0;
}

static int write_new(struct driver *d, struct cell *wanted, struct cell *have)
{
	if (have && !differs(have, wanted) && !loses_unique(have, wanted))
		return 0;
	return table_write(&d->fds, wanted);
}

static int erase_old(struct driver *d, struct cell *have, struct cell *wanted)
{
	return wanted ? 0 : table_erase(&d->fds, have);
}

static int sync_floods(struct driver *d, const struct floods *wanted, bool add)
{
	const struct floods *from = add ? wanted : &d->floods;
	struct flood_net *n, *tmp;
	int ret = 0, r;

	HASH_ITER (hh, from->hash, n, tmp) {
		struct flood_net copy = *n; /* removing changes the list, and may free it */

		for (uint32_t i = 0; i < copy.n; i++) {
			if (!add && flood_has(wanted, copy.network, &copy.targets[i]))
				continue;
			r = add ? flood_add(d, copy.network, &copy.targets[i])
				: flood_del(d, copy.network, &copy.targets[i]);
			if (r < 0)
				ret = r;
		}
	}
	return ret;
}

/* Brings every map to the plan. What could not be written is found again by audit_maps(); the last error is returned.
 */
int sync_maps(struct driver *d, const struct plan *plan)
{
	struct cells have = { 0 };
	struct wish w;
	int r, ret = 0;

	wish_make(&w, d, plan);
	r = read_all(d, &have);
	if (r < 0)
		goto out;
	floods_fini(&d->floods);
	r = floods_read(d, &d->floods);
	if (r < 0)
		goto out;
	for (int t = 0; t < TABLE_flood; t++) {
		r = each_of(d, &have, &w.cells, t, erase_early);
		ret = r < 0 ? r : ret;
	}
	for (int t = 0; t < TABLE_flood; t++) {
		r = each_of(d, &w.cells, &have, t, write_new);
		ret = r < 0 ? r : ret;
	}
	r = sync_floods(d, &w.floods, true);
	ret = r < 0 ? r : ret;
	r = sync_floods(d, &w.floods, false);
	ret = r < 0 ? r : ret;
	for (int t = TABLE_flood - 1; t >= 0; t--) {
		r = each_of(d, &have, &w.cells, t, erase_old);
		ret = r < 0 ? r : ret;
	}
	/* From here on this is what the driver believes. */
	cells_fini(&d->cells);
	index_fini(&d->routers);
	d->cells.hash = take(&w.cells.hash);
	d->cells.live = &d->fds;
	d->routers = take(&w.routers);
	r = ret;
out:
	cells_fini(&have);
	wish_fini(&w);
	return r;
}

struct audit {
	driver_audit fn;
	void *arg;
};

static void tell(const struct audit *a, enum driver_audit_kind kind, const struct cell *cell)
{
	char text[256];

	cell_format(cell, text, sizeof(text));
	a->fn(kind, text, a->arg);
}

static void audit_floods(const struct floods *from, const struct floods *other, enum driver_audit_kind kind,
			 const struct audit *a)
{
	char text[96];

	for (const struct flood_net *n = from->hash; n; n = n->hh.next)
		for (uint32_t i = 0; i < n->n; i++) {
			if (flood_has(other, n->network, &n->targets[i]))
				continue;
			snprintf(text, sizeof(text), "flood network %u port %u peer %u", n->network, n->targets[i].port,
				 n->targets[i].peer);
			a->fn(kind, text, a->arg);
		}
}

int audit_maps(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err)
{
	struct audit a = { fn, arg };
	struct cells have = { 0 };
	struct floods floods = { 0 };
	struct cell *c, *other;
	struct wish w;
	int r;

	wish_make(&w, d, plan);
	r = read_all(d, &have);
	if (r >= 0)
		r = floods_read(d, &floods);
	if (r < 0) {
		err_errno(err, r, "maps");
		goto out;
	}
	for (c = w.cells.hash; c; c = c->hh.next) {
		other = cells_find(&have, c->id.table, c->id.key);
		if (!other)
			tell(&a, DRIVER_AUDIT_MISSING, c);
		else if (differs(other, c))
			tell(&a, DRIVER_AUDIT_DIFFERENT, c);
	}
	for (c = have.hash; c; c = c->hh.next)
		if (!cells_find(&w.cells, c->id.table, c->id.key))
			tell(&a, DRIVER_AUDIT_EXTRA, c);
	audit_floods(&w.floods, &floods, DRIVER_AUDIT_MISSING, &a);
	audit_floods(&floods, &w.floods, DRIVER_AUDIT_EXTRA, &a);
out:
	cells_fini(&have);
	floods_fini(&floods);
	wish_fini(&w);
	return r;
}
