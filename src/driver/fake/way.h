/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* way: what forward.c and its parts carry along about the frame in hand. Inside driver/fake only. */

#include "driver/fake/forward.h"
#include "net/packet.h"
#include "plan/plan.h"

struct way {
	const struct plan *plan;
	const struct forward_world *world;
	struct forward_result *result;
	uint32_t port; /* it came from this port, */
	uint32_t peer; /* or from this host */
	uint32_t network; /* where it is now */
	bool routed; /* it came with its sender's DVR MAC */
	uint8_t *frame; /* a copy, to be written */
	size_t len;
	struct eth eth; /* as it came */
	struct ipv4 ip; /* eth.type is IPv4 */
};

void way_drop(struct way *w, enum drop_reason reason);
/* The frame as it stands is one more output. */
void way_out_port(struct way *w, uint32_t port);
void way_out_peer(struct way *w, uint32_t peer, const struct plan_segment *s);
/* What goes through a tunnel, or to another network, is as long as the frame says: bytes behind the packet count too.
 */
bool way_fits(const struct way *w, const struct plan_segment *s);
/* The last step of a single frame: into a port here, or to a peer. */
void way_deliver(struct way *w, uint32_t port);
void way_send(struct way *w, uint32_t peer);

const struct plan_segment *way_segment(const struct way *w, uint32_t network); /* or NULL */
const struct plan_interface *way_interface(const struct way *w, uint32_t network, const struct mac *mac);
const struct plan_fdb *way_fdb(const struct way *w, uint32_t network, const struct mac *mac);
const struct plan_neighbour *way_neighbour(const struct way *w, uint32_t network, const struct ip *ip);
const struct plan_host *way_host(const struct way *w);

/* forward_route.c: to an interface that lives here. */
void way_route(struct way *w, const struct plan_interface *iface);
/* forward_answer.c: turns the frame round. */
void way_answer_arp(struct way *w, const struct arp *arp, const struct mac *mac);
void way_answer_echo(struct way *w);
/* An ICMP error from the interface's address, or a drop with `reason` where none may be sent. */
void way_answer_error(struct way *w, const struct plan_interface *iface, enum drop_reason reason,
		      const struct icmp *what);
