/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * maps: the plan's tables as the programs read them. All but flow are pinned; only
 * bucket, flow, the counters and decision are written here, everything else by the driver. Sizes bound what a
 * host can hold; hashes take memory as they fill.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "plan/verdict.h"

#ifndef AF_INET
#define AF_INET 2
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif

#define LIKELY(x) __builtin_expect(!!(x), 1)

#define MAP(map_name, map_type, key_type, value_type, entries, flags)                                                  \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                                                                   \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
	} map_name SEC(".maps")

#define HASH(name, key, value, entries) MAP(name, BPF_MAP_TYPE_HASH, key, value, entries, BPF_F_NO_PREALLOC)
#define TRIE(name, key, value, entries) MAP(name, BPF_MAP_TYPE_LPM_TRIE, key, value, entries, BPF_F_NO_PREALLOC)
#define CPUS(name, value, entries) MAP(name, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, value, entries, 0)

MAP(config, BPF_MAP_TYPE_ARRAY, __u32, struct eb_config, 1, 0);
HASH(peer, __u32, struct eb_peer, 16384);
HASH(peer_address, __u32, struct eb_peer_address, 16384);
HASH(peer_mac, struct eb_mac_key, __u32, 16384);
HASH(segment, struct eb_segment_key, struct eb_segment, 65536);
HASH(network, __u32, struct eb_network, 65536);
HASH(sender, struct eb_sender_key, __u32, 1048576);
HASH(port, __u32, struct eb_port, 16384);
HASH(device, __u32, struct eb_device, 16384);
HASH(source, struct eb_source_key, __u32, 1048576);
TRIE(source_wide, struct eb_source_wide_key, __u32, 262144);
HASH(bucket, __u32, struct eb_bucket, 16384);
HASH(fdb, struct eb_mac_key, struct eb_fdb, 1048576);
HASH(neighbour, struct eb_neighbour_key, struct eb_neighbour, 1048576);
HASH(flood, struct eb_flood_key, struct eb_flood, 1048576);
TRIE(subnet, struct eb_subnet_key, struct eb_neighbour, 131072);
HASH(interface, struct eb_mac_key, struct eb_interface, 131072);
HASH(router_address, struct eb_router_address_key, __u32, 262144);
TRIE(route, struct eb_route_key, struct eb_route, 262144);
MAP(generation, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1, 0);
CPUS(verdicts, struct eb_counter, EB_VERDICTS);
CPUS(drops, struct eb_counter, EB_DROPS);
CPUS(decision, struct eb_decision, 1);

_Static_assert(VERDICT_COUNT <= EB_VERDICTS && DROP_COUNT <= EB_DROPS, "room for counters");

/* The driver makes it as large as there are processors. BPF_F_MMAPABLE: begins on a page, so that a flow takes whole
 * lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << EB_FLOW_BITS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct eb_flow);
} flow SEC(".maps");

/* Set by the driver before loading. */
const volatile bool trace; /* leave decision records */
const volatile bool by_hand = true; /* push the outer header here rather than in the VXLAN device */
const volatile __u16 vxlan_port = 4789;
