/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/context.h"

/* arp: which MAC has an address of a network: what ARP is answered from, and next hops are found by. */

static void give_neighbour(struct context *ctx, uint32_t network, const struct ip *ip, const struct mac *mac,
			   enum rank rank)
{
	struct plan_record r = PLAN_RECORD(PLAN_NEIGHBOUR);

	r.neighbour.key.network = network;
	r.neighbour.key.ip = *ip;
	r.neighbour.mac = *mac;
	context_add(ctx, &r, rank);
}

void arp_endpoint(struct context *ctx, const struct object *o)
{
	const struct object_endpoint *e = &o->endpoint;
	uint32_t port, peer;

	/* An answer for what cannot be reached would only hide that. */
	if (!l2_place(ctx, o, &port, &peer))
		return;
	for (uint8_t i = 0; i < e->n_ips; i++)
		give_neighbour(ctx, e->network, &e->ips[i], &e->mac, RANK_NORMAL);
}

/* A router's address is its own, whatever a port claims. */
void arp_interface(struct context *ctx, const struct object *o)
{
	const struct object_interface *i = &o->interface;

	if (!l2_carries(ctx, i->network))
		return;
	for (uint8_t n = 0; n < i->n_addrs; n++)
		give_neighbour(ctx, i->network, &i->addrs[n].addr, &i->mac, RANK_FIRST);
}
