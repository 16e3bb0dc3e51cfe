/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forward: what happens to one frame, by a plan. The reference that the other drivers are held
 * to: a pure function, as plain as it can be, that looks each record up in the plan as it stands.
 *
 *      port ──► arrive ──► switch ──┬─► route ──┐        tunnel ──► arrive ──► switch
 *                 │ARP              │   ▲  │    │                                │
 *                 ▼                 │   └──┘    ▼                                │
 *               answer              ├────────► send ─► peer                      │
 *                                   └────────► deliver ─► port ◄─────────────────┘
 *
 * A port is asked in this order, and the first thing wrong is the reason: it is known; it is up;
 * the frame has an Ethernet header; no VLAN tag; its source MAC; ARP or IPv4 and nothing else; that
 * header; its source addresses. A tunnel: the outer source is a peer; the segment is a network
 * here; Ethernet; no VLAN tag; the peer may send from the MAC; ARP or IPv4, and that header.
 *
 * What else the design leaves open is settled so:
 *   - Sources. With port security: the MACs of the port's addresses and its own; an address with
 *     the MAC it stands by; 0.0.0.0, whatever the addresses are, for DHCP (UDP 68 to 67, to
 *     255.255.255.255) and for ARP probes alone. Always: no group, no zero, no router's MAC of the network,
 *     no host's DVR MAC, also where it is the port's own.
 *   - ARP requests are answered for every neighbour but the sender's own MAC (gratuitous ones and
 *     probes of one's own address flood); for the address of an interface that is down they are
 *     dropped (interface_down). Unknown addresses flood, like any group, inside the network.
 *   - A router refuses: what is no IPv4 (router_address), options, bad header checksums (malformed),
 *     sources and destinations that are never routed (not_routed): 0/8, 127/8, 169.254/16, multicast,
 *     and what is behind it (RFC 1812, 5.3.7; RFC 3927, 7). A subnet's broadcast address is nobody's.
 *   - An address of the router: ICMP echo is answered, TTL 64, also each of its fragments; the rest
 *     is router_address.
 *   - Errors: ICMP net unreachable, TTL exceeded, fragmentation needed (also without DF: nothing
 *     is fragmented here). From the first IPv4 address of the interface the packet came in by; they
 *     quote header and 8 bytes, have TTL 64 and ToS 0xc0. None about ICMP errors or later fragments, or
 *     with less than 8 bytes after the header: then a drop with that reason. A driver may limit their
 *     rate (rate) and quote more.
 *   - MTU: what is behind the Ethernet header, against that of the network it goes to, when routed or
 *     sent by tunnel. Bytes behind the IP packet count: they go over the wire too.
 *   - A frame that a peer has routed gets its gateway's MAC by the destination address, else by the
 *     port's first single IPv4 address.
 *   - A driver may limit the rate of a port's broadcast frames (rate).
 *   - Answers go back out of the port they came from, to the MAC they came from.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "plan/verdict.h"

struct plan;

struct forward_in {
	uint32_t port; /* it came from this port, or, when 0, by tunnel: */
	struct ip tunnel; /* the outer source */
	uint8_t type; /* enum plan_segment_type */
	uint32_t id; /* of the segment */
	const uint8_t *frame;
	size_t len;
};

struct forward_out {
	uint32_t port; /* to this port, or, when 0, by tunnel: */
	uint32_t peer; /* to this host */
	uint8_t type;
	uint32_t id; /* of the segment */
	uint8_t *frame;
	size_t len;
};

struct forward_result {
	enum verdict verdict;
	enum drop_reason reason;
	size_t n_outs;
	struct forward_out *outs;
};

/* What the plan does not say. All may be NULL. */
struct forward_world {
	bool (*has_device)(uint32_t port, void *arg); /* NULL: all have one */
	void *arg;
};

/* `world` may be NULL. The result is new: forward_result_fini(). */
void forward_run(const struct plan *p, const struct forward_world *world, const struct forward_in *in,
		 struct forward_result *ret);
void forward_result_fini(struct forward_result *r);
