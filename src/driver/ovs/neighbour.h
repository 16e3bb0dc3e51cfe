/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * neighbour: keeps the underlay's neighbours of the peers resolved in Open vSwitch. Its userspace datapath has a
 * table of them of its own, and drops the packet to a peer that makes it ask (the kernel would keep it).
 *
 *     peer ─ route of the host ─► hop: (device, address) ─ the kernel asks on the wire ─► MAC
 *                                                                    │ its notification
 *     ovs-vswitchd's table ◄─ tnl/neigh/set BRIDGE ADDRESS MAC ──────┘
 *
 * The device is the LOCAL port of the bridge that the uplink is in, and has the bridge's name. A hop is asked
 * for again while nobody answers, checked and set again well before Open vSwitch forgets it, and set anew when
 * its MAC changes. Where the kernel forwards (datapath_type system) this does no harm, and warms the kernel's table.
 */

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"

struct err;
struct loop;
struct neighbour;

#define NEIGHBOUR_WAIT_MS 100

struct neighbour_events {
	void (*warning)(const char *text, void *arg); /* what is wrong, once until it was right again */
	/* Peers set since it was settled last are resolved, or NEIGHBOUR_WAIT_MS have passed. From the loop. */
	void (*settled)(void *arg);
	void *arg;
};

/* `rundir`: that of ovs-vswitchd (vswitch_rundir()). */
int neighbour_open(struct loop *loop, const char *rundir, const struct neighbour_events *events, struct neighbour **ret,
		   struct err *err);
/* Accepts NULL, returns NULL; no callback follows. Not from a callback. */
struct neighbour *neighbour_close(struct neighbour *n);
/* A peer, by its number, has this tunnel address now (IPv4; another one is not kept). */
void neighbour_set(struct neighbour *n, uint32_t peer, const struct ip *address);
void neighbour_del(struct neighbour *n, uint32_t peer);
/* The peers that are set between the two are all there are. */
void neighbour_all_begin(struct neighbour *n);
void neighbour_all_end(struct neighbour *n);
/* ovs-vswitchd was restarted: it knows nobody. */
void neighbour_again(struct neighbour *n);
/* false: some are being resolved just now; settled() follows. */
bool neighbour_is_settled(const struct neighbour *n);
const char *neighbour_trouble(const struct neighbour *n); /* what is wrong now, or "" */
