/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"

/*
 * The maps compared with a plan: what they should hold is computed as if into empty ones,
 * what they do hold is read from the kernel. sync() writes the difference, audit() names it.
 *
 * Order of sync: entries of networks and peers that are gone or have another number or
 * address now (their number may be another's next); everything new and changed, leaves
 * first; what is left over, roots first; and once more what the kernel did not take, as there
 * may be room now.
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

enum order { LEAVES_FIRST, ROOTS_FIRST };

static size_t place(const struct cell *c, enum order order)
{
	return order == LEAVES_FIRST ? c->id.table : TABLE_COUNT - 1 - c->id.table;
}

/* All cells by their tables, and NULL; the list is the caller's. */
static struct cell **in_order(const struct cells *c, enum order order)
{
	size_t at[TABLE_COUNT + 1] = { 0 }; /* where each table begins */
	struct cell **list = xcalloc(HASH_COUNT(c->hash) + 1, sizeof(struct cell *));

	for (const struct cell *cell = c->hash; cell; cell = cell->hh.next)
		at[place(cell, order) + 1]++;
	for (int t = 0; t < TABLE_COUNT; t++)
		at[t + 1] += at[t];
	for (struct cell *cell = c->hash; cell; cell = cell->hh.next)
		list[at[place(cell, order)]++] = cell;
	return list;
}

/* Each cell remembers whether it was refused. */
static void each_of(struct driver *d, struct cell **list, const struct cells *other,
		    int (*fn)(struct driver *d, struct cell *cell, struct cell *other))
{
	for (; *list; list++)
		(*list)->refused = fn(d, *list, cells_find(other, (*list)->id.table, (*list)->id.key));
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

static int write_again(struct driver *d, struct cell *wanted, struct cell *have)
{
	(void)have;
	return wanted->refused ? table_write(&d->fds, wanted) : 0;
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

static int sync_lists(struct driver *d, const struct floods *wanted)
{
	int r = sync_floods(d, wanted, true);

	sync_floods(d, wanted, false); /* what stays is swept later */
	return r < 0 ? sync_floods(d, wanted, true) : 0;
}

/* From here on this is what the driver believes. */
static void believe(struct driver *d, struct wish *w, const struct cells *have)
{
	cells_fini(&d->cells);
	index_fini(&d->routers);
	d->cells = (struct cells) { .hash = take(&w->cells.hash), .live = &d->fds };
	d->routers = take(&w->routers);
	for (const struct cell *c = have->hash; c; c = c->hh.next)
		if (c->refused && !cells_find(&d->cells, c->id.table, c->id.key))
			cells_leave(&d->cells, c);
	if (d->cells.n_left)
		log_warn("%zu old entries could not be removed: this is tried again", d->cells.n_left);
}

int sync_maps(struct driver *d, const struct plan *plan, int *ret_lists)
{
	_cleanup_(freep) struct cell **old = NULL, **new = NULL;
	struct cells have = { 0 };
	struct floods floods = { 0 };
	struct wish w;
	int r;

	wish_make(&w, d, plan);
	r = read_all(d, &have);
	if (r >= 0)
		r = floods_read(d, &floods);
	if (r < 0)
		goto out;
	floods_fini(&d->floods);
	d->floods.hash = take(&floods.hash);
	floods_trim(d);
	old = in_order(&have, ROOTS_FIRST);
	new = in_order(&w.cells, LEAVES_FIRST);
	each_of(d, old, &w.cells, erase_early);
	ebpf_changed(d);
	each_of(d, new, &have, write_new);
	*ret_lists = sync_lists(d, &w.floods);
	each_of(d, old, &w.cells, erase_old);
	each_of(d, new, &have, write_again);
	ebpf_changed(d);
	believe(d, &w, &have);
out:
	floods_fini(&floods);
	cells_fini(&have);
	wish_fini(&w);
	return r;
}

struct audit {
	struct wish wish;
	struct cells have;
	struct floods floods; /* there are */
	driver_audit fn;
	void *arg;
};

/* How the entries of one record are: 0 as they should, else the worst kind + 1. */
static int audit_rows(struct audit *a, const struct plan_record *r)
{
	struct driver view = *a->wish.d;
	struct rows rows = { 0 };
	int worst = 0;

	index_del(&a->wish.routers, r);
	view.routers = a->wish.routers;
	rows_of(&view, r, &rows);
	index_add(&a->wish.routers, r);
	for (size_t i = 0; i < rows.n && worst != DRIVER_AUDIT_MISSING + 1; i++) {
		const struct cell *have = cells_find(&a->have, rows.items[i].table, rows.items[i].key);
		const struct cell *wanted = cells_find(&a->wish.cells, rows.items[i].table, rows.items[i].key);

		if (!have)
			worst = DRIVER_AUDIT_MISSING + 1;
		else if (differs(have, wanted))
			worst = DRIVER_AUDIT_DIFFERENT + 1;
	}
	rows_fini(&rows);
	return worst;
}

static bool copy_missing(const struct audit *a, const struct plan_record *r)
{
	if (r->table == PLAN_FLOOD)
		return !flood_has(&a->floods, r->flood.key.network,
				  &(struct flood_target) { .peer = r->flood.key.host });
	if (r->table == PLAN_PORT)
		return !flood_has(&a->floods, r->port.network, &(struct flood_target) { .port = r->port.key.port });
	return false;
}

static void audit_record(const struct plan_record *r, void *arg)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct audit *a = arg;
	int worst = copy_missing(a, r) ? DRIVER_AUDIT_MISSING + 1 : audit_rows(a, r);

	if (!worst)
		return;
	utstring_new(text);
	plan_record_format(r, text);
	a->fn(worst - 1, utstring_body(text), a->arg);
}

/* What no record wants has no name but its bytes. */
static void audit_extra(struct audit *a)
{
	char text[256];

	for (const struct cell *c = a->have.hash; c; c = c->hh.next) {
		if (cells_find(&a->wish.cells, c->id.table, c->id.key))
			continue;
		cell_format(c, text, sizeof(text));
		a->fn(DRIVER_AUDIT_EXTRA, text, a->arg);
	}
	for (const struct flood_net *n = a->floods.hash; n; n = n->hh.next)
		for (uint32_t i = 0; i < n->n; i++) {
			if (flood_has(&a->wish.floods, n->network, &n->targets[i]))
				continue;
			snprintf(text, sizeof(text), "flood network=%u port=%u host=%u", n->network, n->targets[i].port,
				 n->targets[i].peer);
			a->fn(DRIVER_AUDIT_EXTRA, text, a->arg);
		}
}

int audit_maps(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err)
{
	struct audit a = { .fn = fn, .arg = arg };
	int r;

	wish_make(&a.wish, d, plan);
	r = read_all(d, &a.have);
	if (r >= 0)
		r = floods_read(d, &a.floods);
	if (r < 0) {
		err_errno(err, r, "maps");
	} else {
		for (int t = 0; t < PLAN_N_TABLES; t++)
			plan_each(plan, t, audit_record, &a);
		audit_extra(&a);
		ports_audit(d, fn, arg);
		tunnel_audit(d, fn, arg);
	}
	cells_fini(&a.have);
	floods_fini(&a.floods);
	wish_fini(&a.wish);
	return r;
}
