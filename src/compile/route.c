/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "compile/context.h"

/* route: routers as this host has them: interfaces, what is reached through them, and which hosts route too. */

/* The router routes at all; where, its members say. */
static bool is_up(const struct object *router)
{
	return router && router->router.admin_state_up && router->router.distributed;
}

/* Another host where the router lives: it sends frames that it has routed. */
void route_member(struct context *ctx, const struct object *o)
{
	struct plan_record r = PLAN_RECORD(PLAN_MEMBER);

	if (!l2_is_peer(ctx, o->id.b) || !is_up(context_find(ctx, OBJECT_ROUTER, o->id.a, 0)))
		return;
	r.member.key.router = o->id.a;
	r.member.key.host = o->id.b;
	context_add(ctx, &r, RANK_NORMAL);
}

static bool lives_here(struct context *ctx, uint32_t router)
{
	uint32_t host = context_host(ctx);

	return is_up(context_find(ctx, OBJECT_ROUTER, router, 0)) && host != 0 &&
	       context_find(ctx, OBJECT_MEMBER, router, host);
}

static struct plan_part part_of(const struct object_interface *i)
{
	return (struct plan_part) { .router = i->router, .kind = PLAN_PART_DISTRIBUTED };
}

struct gateway_search {
	struct prefix prefix; /* as the interface has it: address and length */
	bool found;
};

static void check_gateway(const struct object *o, void *arg)
{
	struct gateway_search *s = arg;
	struct prefix net = prefix_canonical(&s->prefix), cidr = prefix_canonical(&o->subnet.cidr);

	if (prefix_equal(&cidr, &net) && ip_equal(&o->subnet.gateway, &s->prefix.addr))
		s->found = true;
}

/*
 * Which MAC the VMs of a subnet see as the source of routed frames. Several routers may have an
 * interface there; the one that is the subnet's gateway is what the VMs expect.
 */
static void give_subnet(struct context *ctx, const struct object_interface *i, const struct prefix *addr)
{
	struct plan_record r = PLAN_RECORD(PLAN_SUBNET);
	struct gateway_search search = { .prefix = *addr };

	context_each_subnet(ctx, i->network, check_gateway, &search);
	r.subnet.key.network = i->network;
	r.subnet.key.prefix = prefix_canonical(addr);
	r.subnet.mac = i->mac;
	context_add(ctx, &r, search.found ? RANK_FIRST : RANK_NORMAL);
}

static void give_connected(struct context *ctx, const struct object_interface *i, const struct prefix *addr)
{
	struct plan_record r = PLAN_RECORD(PLAN_ROUTE);

	r.route.key.part = part_of(i);
	r.route.key.prefix = prefix_canonical(addr);
	r.route.kind = PLAN_ROUTE_CONNECTED;
	r.route.network = i->network;
	r.route.interface = i->mac;
	context_add(ctx, &r, RANK_NORMAL);
}

/*
 * A record also where the router does not live, or is down: its MAC must be known everywhere, so
 * that frames to it never leave the host.
 */
void route_interface(struct context *ctx, const struct object *o)
{
	const struct object_interface *i = &o->interface;
	const struct object *router = context_find(ctx, OBJECT_ROUTER, i->router, 0);
	struct plan_record r = PLAN_RECORD(PLAN_INTERFACE);

	if (!l2_carries(ctx, i->network))
		return;
	r.interface.key.network = i->network;
	r.interface.key.mac = i->mac;
	r.interface.part = part_of(i);
	r.interface.kind = PLAN_INTERFACE_DISTRIBUTED;
	r.interface.up = i->admin_state_up && lives_here(ctx, i->router);
	r.interface.uuid = o->interface.uuid;
	if (router)
		r.interface.router_uuid = router->router.uuid;
	/* Its router may be up and reached by another: that one has only what is up. */
	if (i->admin_state_up) {
		r.interface.n_addrs = i->n_addrs;
		memcpy(r.interface.addrs, i->addrs, i->n_addrs * sizeof(i->addrs[0]));
	}
	plan_record_normalize(&r);
	context_add(ctx, &r, RANK_NORMAL);
	for (uint8_t n = 0; n < i->n_addrs; n++) {
		give_subnet(ctx, i, &i->addrs[n]);
		if (r.interface.up)
			give_connected(ctx, i, &i->addrs[n]);
	}
}
