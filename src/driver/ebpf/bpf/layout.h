/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * layout: keys and values of the maps, as both sides see them. Included by the BPF programs
 * and by the driver; plain C on linux/types.h.
 *
 * The maps are pinned under a directory named after EB_LAYOUT and the maps' shapes. What
 * changes in a shape (type, sizes, flags) is seen by itself; change what a field means and
 * change EB_LAYOUT too. The next agent then fills new maps, switches the programs over, and
 * drops the old ones, instead of reading them wrongly.
 *
 * All padding is explicit and zero: keys are hashed as bytes. Addresses are 16 bytes in
 * network order, IPv4 mapped, like struct ip. Keys of prefixes have the family, 4 or 6: else ::/0
 * would have IPv4 too. No key is router x port.
 */

#include <linux/types.h>

#define EB_LAYOUT "v4"

#define EB_FLOOD_MAX 1024 /* copies of a flooded frame of one network */
#define EB_TRACE_OUTS 32 /* outputs that a decision record names */
#define EB_CONFIG_KEY 0

struct eb_addr {
	__u32 w[4];
};

struct eb_mac {
	__u8 b[6];
} __attribute__((aligned(2)));

/* config: one entry */
struct eb_config {
	__u32 host;
	__u32 tunnel; /* IPv4, network order */
	struct eb_mac dvr_mac;
	__u16 zero;
	__u32 vxlan; /* ifindex of the device */
};

/* peer: by host number */
struct eb_peer {
	__u32 tunnel; /* IPv4, network order */
	struct eb_mac dvr_mac;
	__u16 zero;
	__u32 ifindex; /* of the underlay device toward it; 0: let the kernel's VXLAN device find out */
	__u32 next_hop; /* IPv4, network order: a router of the underlay, or the peer itself */
};
/* peer_address: by IPv4 (network order). peer_mac: struct eb_mac_key with network 0 -> host number */
struct eb_peer_address {
	__u32 host;
	struct eb_mac dvr_mac;
	__u16 zero;
};

/* segment: what a VNI is here; network: the reverse */
struct eb_segment_key {
	__u32 type;
	__u32 id;
};
struct eb_segment {
	__u32 network;
};
struct eb_network {
	__u32 type;
	__u32 id;
	__u32 mtu;
};

/* sender: the peer may send routed frames on the network (it is a member of a router with an interface there) */
struct eb_sender_key {
	__u32 network;
	__u32 host;
};

/* port: by port number; device: the same by ifindex, for what comes from it */
#define EB_PORT_UP 1 /* admin_state_up */
#define EB_PORT_SECURITY 2 /* source addresses are checked */
#define EB_PORT_WIDE 4 /* has prefixes in source_wide */
#define EB_PORT_PEER 8 /* a veth into another namespace: bpf_redirect_peer */
struct eb_port {
	__u32 network;
	__u32 ifindex; /* 0: no device */
	__u32 flags;
	struct eb_mac mac;
	__u16 zero;
	struct eb_addr first; /* the first single IPv4 address with its own MAC; zero: none */
};
struct eb_device {
	__u32 number;
	struct eb_port port;
};

/* source: a MAC and address that the port may use; address zero: the MAC alone. source_wide: the same as a prefix */
struct eb_source_key {
	__u32 port;
	struct eb_mac mac;
	__u16 family; /* zero without address */
	struct eb_addr addr;
};
#define EB_SOURCE_BITS 96 /* of port, MAC and family */
struct eb_source_wide_key {
	__u32 prefixlen;
	struct eb_source_key source;
};

/* bucket: by port number. When the buckets of its rate limits would be empty. Written by the packet side. */
struct eb_bucket {
	__u64 errors; /* ICMP errors to it */
	__u64 broadcasts; /* that it sends */
};

/* fdb, interface: by network and MAC */
struct eb_mac_key {
	__u32 network;
	struct eb_mac mac;
	__u16 zero;
};
struct eb_fdb {
	__u32 port;
	__u32 peer;
	__u32 next;
};
struct eb_interface {
	__u32 router;
	__u32 part;
	__u32 up;
	struct eb_addr addr; /* source of ICMP errors */
};

/* neighbour: by network and address */
struct eb_neighbour_key {
	__u32 network;
	struct eb_addr addr;
};
struct eb_neighbour {
	struct eb_mac mac;
	__u16 zero;
};

/* subnet: longest prefix in a network -> the MAC that VMs see */
#define EB_SUBNET_BITS 64
struct eb_subnet_key {
	__u32 prefixlen;
	__u32 network;
	__u32 family;
	struct eb_addr addr;
};

/* router_address: an address of one of a part's interfaces. route: longest prefix in a part */
struct eb_router_address_key {
	__u32 router;
	__u32 part;
	struct eb_addr addr;
};
#define EB_ROUTE_BITS 64
struct eb_route_key {
	__u32 prefixlen;
	__u32 router;
	__u16 part;
	__u16 family;
	struct eb_addr addr;
};
struct eb_route {
	__u32 kind;
	__u32 network;
	struct eb_mac interface;
	__u16 zero;
};

/* flood: slots 1..count of a network; slot 0 holds the count */
struct eb_flood_key {
	__u32 network;
	__u32 slot;
};
struct eb_flood {
	__u32 count;
	__u32 port;
	__u32 peer;
};

/* generation: how often the other maps were changed; 0: nothing may be remembered */

/*
 * flow: what a packet came to, by processor and hash (flow.h). Not pinned: it belongs to the program that made it.
 * One array with a part for each processor: a cache line less to touch than with a per-CPU map.
 */
#define EB_FLOW_BITS 10
struct eb_flow_key {
	__u32 generation;
	__u32 ifindex; /* where it came in */
	__u32 from; /* IPv4 source; by tunnel: the outer one */
	__u32 to; /* IPv4 destination */
	__u32 id; /* by tunnel: the segment */
	__u32 macs[3]; /* destination and source as they came */
};
/* What sending to a peer takes. */
struct eb_send {
	__u32 tunnel; /* its IPv4, network order, */
	__u32 source; /* and ours */
	__u32 ifindex; /* of the underlay; 0: by the VXLAN device */
	__u32 next_hop;
	__u32 vxlan; /* ifindex of that device */
};
struct eb_flow {
	struct eb_flow_key key;
	__u32 macs[3]; /* as they leave */
	__u32 hops; /* routers passed */
	__u32 mtu; /* the smallest of the networks that it goes to */
	__u32 port, ifindex, flags; /* to a port; ifindex 0: */
	/* the first cache line ends here */
	__u32 peer, id; /* to a peer on a segment */
	struct eb_send out;
	__u32 zero[9];
};

/* verdicts, drops: one per verdict and reason and processor. A new reason is no new layout: there is room. */
#define EB_VERDICTS 32
#define EB_DROPS 128
struct eb_counter {
	__u64 packets;
	__u64 bytes;
};

/* decision: what became of the last packet on this processor (test runs only) */
#define EB_HOW_REDIRECT 1 /* to the device */
#define EB_HOW_PEER 2 /* to the veth's other end */
#define EB_HOW_DEVICE 3 /* to the VXLAN device, with a tunnel key */
#define EB_HOW_HAND 4 /* to the underlay, with the outer header pushed (EB_OUTER bytes behind the Ethernet header) */
#define EB_OUTER 50
struct eb_out {
	__u32 how;
	__u32 port;
	__u32 peer;
	__u32 id; /* of the segment, when sent by tunnel */
	__u32 ifindex;
};
struct eb_decision {
	__u32 seen;
	__u32 verdict;
	__u32 reason;
	__u32 n_outs;
	struct eb_out outs[EB_TRACE_OUTS];
};

/* What a test run puts into cb[] to stand for tunnel metadata, which it cannot have. */
#define EB_TRACE_CB_ID 0 /* segment id */
#define EB_TRACE_CB_REMOTE 1 /* outer source, IPv4 in network order */
