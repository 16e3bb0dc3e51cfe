/* SPDX-License-Identifier: Apache-2.0 */
/* The peers of the plan, kept resolved on the underlay. */
#include "driver/ovs/neighbour.h"
#include "driver/ovs/ovs.h"

static void set(const struct plan_record *r, void *arg)
{
	struct driver *d = arg;

	neighbour_set(d->neighbours, r->peer.key.host, &r->peer.tunnel);
}

void ovs_peers_sync(struct driver *d, const struct plan *plan)
{
	if (!d->neighbours)
		return;
	neighbour_all_begin(d->neighbours);
	plan_each(plan, PLAN_PEER, set, d);
	neighbour_all_end(d->neighbours);
}

void ovs_peers_apply(struct driver *d, const struct plan_change *c)
{
	if (!d->neighbours || c->record.table != PLAN_PEER)
		return;
	if (c->op == PLAN_DELETE)
		neighbour_del(d->neighbours, c->record.peer.key.host);
	else
		set(&c->record, d);
}
