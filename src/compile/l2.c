/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "compile/context.h"

/*
 * l2: hosts, segments, ports, and where each MAC is.
 *
 * A record is made only when what it refers to can be made too, so that every reference of a plan
 * leads somewhere.
 */

_Static_assert(OBJECT_MAX_ADDRS <= PLAN_PORT_ADDRS, "a port's addresses fit");
_Static_assert(OBJECT_MAX_INTERFACE_ADDRS <= PLAN_IFACE_ADDRS, "an interface's addresses fit");
_Static_assert(HOST_NAME_SIZE <= PLAN_NAME_SIZE && PHYSNET_NAME_SIZE <= PLAN_NAME_SIZE, "names fit");

/* Network types that can be carried. */
static const struct type_driver {
	const char *name;
	enum plan_segment_type type;
	uint32_t min, max; /* of segmentation_id */
	bool physical; /* has a physical network */
} type_drivers[] = {
	{ "vxlan", PLAN_SEGMENT_VXLAN, 1, 0xffffff, false },
};

static const struct type_driver *type_driver(const struct object_network *n)
{
	for (size_t i = 0; i < N_ELEMENTS(type_drivers); i++) {
		const struct type_driver *t = &type_drivers[i];

		if (strcmp(t->name, n->type) == 0)
			return n->segmentation_id >= t->min && n->segmentation_id <= t->max ? t : NULL;
	}
	return NULL;
}

/* Both end in zeroes: the record compares as bytes. */
static void copy_name(char *to, const char *from, size_t from_size)
{
	memcpy(to, from, strnlen(from, from_size - 1));
}

void l2_host(struct context *ctx, const struct object *o)
{
	struct plan_record r = PLAN_RECORD(PLAN_HOST);

	if (context_host(ctx) != o->id.a)
		return;
	r.host.host = o->id.a;
	r.host.tunnel = o->host.tunnel;
	r.host.dvr_mac = o->host.dvr_mac;
	copy_name(r.host.name, o->host.name, sizeof(o->host.name));
	context_add(ctx, &r, RANK_NORMAL);
}

bool l2_is_peer(struct context *ctx, uint32_t host)
{
	const struct object *o;

	if (host == 0 || host == context_host(ctx))
		return false;
	o = context_find(ctx, OBJECT_PEER, host, 0);
	return o && !ip_is_zero(&o->host.tunnel);
}

void l2_peer(struct context *ctx, const struct object *o)
{
	struct plan_record r = PLAN_RECORD(PLAN_PEER);

	if (!l2_is_peer(ctx, o->id.a))
		return;
	r.peer.key.host = o->id.a;
	r.peer.tunnel = o->host.tunnel;
	r.peer.dvr_mac = o->host.dvr_mac;
	copy_name(r.peer.name, o->host.name, sizeof(o->host.name));
	context_add(ctx, &r, RANK_NORMAL);
}

bool l2_carries(struct context *ctx, uint32_t network)
{
	const struct object *o = context_find(ctx, OBJECT_NETWORK, network, 0);

	return o && type_driver(&o->network);
}

void l2_network(struct context *ctx, const struct object *o)
{
	const struct type_driver *t = type_driver(&o->network);
	struct plan_record r = PLAN_RECORD(PLAN_SEGMENT);

	if (!t)
		return;
	r.segment.key.type = (uint8_t)t->type;
	r.segment.key.id = o->network.segmentation_id;
	if (t->physical)
		copy_name(r.segment.key.physical_network, o->network.physical_network,
			  sizeof(o->network.physical_network));
	r.segment.network = o->id.a;
	r.segment.mtu = o->network.mtu;
	r.segment.uuid = o->network.uuid;
	context_add(ctx, &r, RANK_NORMAL);
}

void l2_port(struct context *ctx, const struct object *o)
{
	const struct object_port *p = &o->port;
	struct plan_record r = PLAN_RECORD(PLAN_PORT);

	if (!l2_carries(ctx, p->network))
		return;
	r.port.key.port = o->id.a;
	r.port.network = p->network;
	r.port.mac = p->mac;
	r.port.up = p->admin_state_up;
	r.port.security = p->port_security;
	r.port.uuid = p->uuid;
	for (r.port.n_addrs = 0; r.port.n_addrs < p->n_addrs; r.port.n_addrs++) {
		r.port.addrs[r.port.n_addrs].mac = p->addrs[r.port.n_addrs].mac;
		r.port.addrs[r.port.n_addrs].prefix = prefix_canonical(&p->addrs[r.port.n_addrs].prefix);
	}
	plan_record_normalize(&r);
	context_add(ctx, &r, RANK_NORMAL);
}

bool l2_place(struct context *ctx, const struct object *endpoint, uint32_t *ret_port, uint32_t *ret_peer)
{
	const struct object_endpoint *e = &endpoint->endpoint;

	*ret_port = *ret_peer = 0;
	if (!l2_carries(ctx, e->network))
		return false;
	if (e->host != 0 && e->host == context_host(ctx)) {
		const struct object *port = context_find(ctx, OBJECT_PORT, endpoint->id.a, 0);

		if (!port || port->port.network != e->network)
			return false;
		*ret_port = endpoint->id.a;
		return true;
	}
	if (!l2_is_peer(ctx, e->host))
		return false;
	*ret_peer = e->host;
	return true;
}

static void give_flood(struct context *ctx, uint32_t network, uint32_t host)
{
	struct plan_record r = PLAN_RECORD(PLAN_FLOOD);

	r.flood.key.network = network;
	r.flood.key.host = host;
	context_add(ctx, &r, RANK_NORMAL);
}

void l2_endpoint(struct context *ctx, const struct object *o)
{
	const struct object_endpoint *e = &o->endpoint;
	struct plan_record r = PLAN_RECORD(PLAN_FDB);
	bool to_peer;

	if (!l2_place(ctx, o, &r.fdb.port, &r.fdb.peer))
		return;
	/* Where it will be, flooded frames go already: the VM runs there before the server says so. */
	to_peer = e->next != e->host && l2_is_peer(ctx, e->next);
	if (to_peer || (e->next != 0 && e->next != e->host && e->next == context_host(ctx)))
		r.fdb.next = e->next;
	r.fdb.key.network = e->network;
	r.fdb.key.mac = e->mac;
	context_add(ctx, &r, RANK_NORMAL);
	if (r.fdb.peer)
		give_flood(ctx, e->network, r.fdb.peer);
	if (to_peer)
		give_flood(ctx, e->network, e->next);
}
