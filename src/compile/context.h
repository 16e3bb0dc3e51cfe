/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * context: what the per-object functions of compile (l2.c, arp.c, route.c) see: look-ups, which
 * are noted as dependencies, and a place to put records. They keep no state and read nothing else.
 */

#include "model/object.h"
#include "plan/record.h"

struct context;

/* Where several objects give the same record with different contents, the lowest rank wins, then the lowest id. */
enum rank { RANK_FIRST, RANK_NORMAL };

/* An object of the model, or NULL. What is compiled now is compiled again when that object changes, comes or goes. */
const struct object *context_find(struct context *ctx, enum object_kind kind, uint32_t a, uint32_t b);
/* The number of the host that the model is for; 0 while it is not known. */
uint32_t context_host(struct context *ctx);
/* The subnets of a network, in no order; noted as a whole, also those that will come. */
void context_each_subnet(struct context *ctx, uint32_t network, void (*fn)(const struct object *o, void *arg),
			 void *arg);
void context_add(struct context *ctx, const struct plan_record *r, enum rank rank);

typedef void (*context_fn)(struct context *ctx, const struct object *o);

void l2_host(struct context *ctx, const struct object *o);
void l2_peer(struct context *ctx, const struct object *o);
void l2_network(struct context *ctx, const struct object *o);
void l2_port(struct context *ctx, const struct object *o);
void l2_endpoint(struct context *ctx, const struct object *o);
void arp_endpoint(struct context *ctx, const struct object *o);
void arp_interface(struct context *ctx, const struct object *o);
void route_member(struct context *ctx, const struct object *o);
void route_interface(struct context *ctx, const struct object *o);

/* The plan has a segment for the network. */
bool l2_carries(struct context *ctx, uint32_t network);
/* The host is another one, and frames can be sent to it. */
bool l2_is_peer(struct context *ctx, uint32_t host);
/* Where an endpoint is: a port of this host or a peer; false when it is neither, or cannot be reached. */
bool l2_place(struct context *ctx, const struct object *endpoint, uint32_t *ret_port, uint32_t *ret_peer);
