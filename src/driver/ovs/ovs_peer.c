/* SPDX-License-Identifier: Apache-2.0 */
/* The peers of the plan, kept resolved on the underlay. */
#include "driver/ovs/neighbour.h"
#include "driver/ovs/ovs.h"

static void set(const struct plan_record *r, void *arg)
{
	struct driver *d = arg;

	neighbour_set(d->neighbours, &r->peer.tunnel);
}

static void del(const struct plan_record *r, void *arg)
{
	struct driver *d = arg;

	neighbour_del(d->neighbours, &r->peer.tunnel);
}

void ovs_peers_sync(struct driver *d, const struct plan *plan)
{
	if (!d->neighbours)
		return;
	plan_each(flowset_plan(d->flows), PLAN_PEER, del, d);
	plan_each(plan, PLAN_PEER, set, d);
}

void ovs_peers_apply(struct driver *d, const struct plan_change *c)
{
	if (!d->neighbours || c->record.table != PLAN_PEER)
		return;
	if (c->op != PLAN_ADD)
		del(c->op == PLAN_DELETE ? &c->record : &c->old, d);
	if (c->op != PLAN_DELETE)
		set(&c->record, d);
}
