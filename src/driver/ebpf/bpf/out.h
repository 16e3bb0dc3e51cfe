/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * out: the ways out of this host: deliver (the one function into a port), send (to a peer),
 * flood. Frames are complete when they come here, but for what depends on the way out: a DVR
 * source MAC becomes the gateway's on the way into a port.
 */

#include "packet.h"

struct outer {
	struct iphdr ip;
	struct udphdr udp;
	struct {
		__u32 flags; /* 0x08: the VNI is valid */
		__u32 vni;
	} vxlan;
	struct ethhdr inner;
	__u16 unused; /* ends on a word; not sent */
};
#define OUTER_SIZE (sizeof(struct outer) - 2)

/* The MAC that the VM takes for its gateway: by the destination address, else by the port's own. */
static __noinline int restore_gateway(struct __sk_buff *skb, struct way *w, const struct eb_addr *first)
{
	struct eb_subnet_key key = { .prefixlen = EB_SUBNET_BITS + 128, .family = 4 };
	struct eb_neighbour *gateway = NULL;
	struct ethhdr *eth;

	key.network = w->network;
	if (w->proto == bpf_htons(ETH_P_IP)) {
		key.addr = addr_v4(w->daddr);
		gateway = bpf_map_lookup_elem(&subnet, &key);
	}
	if (!gateway) {
		__builtin_memcpy(&key.addr, first, sizeof(key.addr));
		gateway = bpf_map_lookup_elem(&subnet, &key);
	}
	eth = (void *)(long)skb->data;
	if (!gateway || (void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(eth->h_source, &gateway->mac, sizeof(gateway->mac));
	return 0;
}

static __always_inline int deliver_to(struct __sk_buff *skb, struct way *w, __u32 number, __u32 ifindex, __u32 flags)
{
	w->verdict = VERDICT_DELIVER;
	if (flags & EB_PORT_PEER) {
		trace_out(EB_HOW_PEER, number, 0, 0, ifindex);
		/* Nobody looks at the MAC again on this way: say that the frame is for who gets it. */
		if (skb->pkt_type != PACKET_HOST)
			bpf_skb_change_type(skb, PACKET_HOST);
		return bpf_redirect_peer(ifindex, 0);
	}
	trace_out(EB_HOW_REDIRECT, number, 0, 0, ifindex);
	return bpf_redirect(ifindex, 0);
}

static __always_inline int deliver(struct __sk_buff *skb, struct way *w, __u32 number)
{
	struct eb_port *p = bpf_map_lookup_elem(&port, &number);
	struct eb_addr first;
	__u32 ifindex, flags;
	struct eb_flow *f;

	if (!p)
		return drop(w, DROP_PORT_MISSING);
	ifindex = p->ifindex;
	flags = p->flags;
	if (!(flags & EB_PORT_UP))
		return drop(w, DROP_PORT_DOWN);
	if (!ifindex)
		return drop(w, DROP_PORT_MISSING);
	if (w->dvr) {
		first = p->first;
		if (restore_gateway(skb, w, &first))
			return drop(w, DROP_TUNNEL_SOURCE);
	}
	f = flow_begin(skb, w);
	if (f) {
		f->port = number;
		f->ifindex = ifindex;
		f->flags = flags;
		flow_keep(f, w);
	}
	return deliver_to(skb, w, number, ifindex, flags);
}

static __always_inline long set_tunnel_key(struct __sk_buff *skb, __u32 tunnel, __u32 source, __u32 id)
{
	struct bpf_tunnel_key key = {
		.tunnel_id = id,
		.remote_ipv4 = bpf_ntohl(tunnel),
		.local_ipv4 = bpf_ntohl(source),
		.tunnel_ttl = 64,
	};

	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT);
}

/* The inner packet's ECN, and CE as ECT(0): what the kernel's tunnel devices send, and what they restore from. */
static __always_inline __u8 outer_tos(__u8 inner)
{
	__u8 ecn = inner & 3;

	return ecn == 3 ? 2 : ecn;
}

/*
 * Pushes the outer header here and hands the packet to the underlay's next hop; the kernel
 * resolves that one and keeps the first packets meanwhile. FIXED_GSO: segments keep their size
 * (the network's MTU leaves room), and UDP super-packets pass. Of the largest ones the outer length runs over:
 * no device takes them whole, and what the kernel cuts gets its own. Negative: the packet is as it was, and
 * not to be sent this way: a VM's own tunnel with offloads is marked as encapsulated already.
 */
static __noinline int send_by_hand(struct __sk_buff *skb, struct way *w, const struct eb_send *to, __u32 id)
{
	const __u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
			    BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_FIXED_GSO;
	struct bpf_redir_neigh nh = { .nh_family = AF_INET, .ipv4_nh = to->next_hop };
	struct outer o = {};
	__u32 hash = bpf_get_hash_recalc(skb);
	__u32 len = skb->len;

	if (bpf_skb_load_bytes(skb, 0, &o.inner, sizeof(o.inner)))
		return -1;
	if (bpf_skb_adjust_room(skb, OUTER_SIZE, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	o.ip.version = 4;
	o.ip.ihl = 5;
	o.ip.tos = outer_tos(w->tos);
	o.ip.tot_len = bpf_htons(len + OUTER_SIZE - ETH_HLEN);
	o.ip.frag_off = bpf_htons(0x4000);
	o.ip.ttl = 64;
	o.ip.protocol = IPPROTO_UDP;
	o.ip.saddr = to->source;
	o.ip.daddr = to->tunnel;
	o.ip.check = ip_checksum(&o.ip);
	/* Linux's own range for tunnels is the local port range; what counts is that a flow keeps its port. */
	o.udp.source = bpf_htons(0xc000 | ((hash ^ (hash >> 16)) & 0x3fff));
	o.udp.dest = bpf_htons(vxlan_port);
	o.udp.len = bpf_htons(len + OUTER_SIZE - ETH_HLEN - sizeof(o.ip));
	o.vxlan.flags = bpf_htonl(0x08000000);
	o.vxlan.vni = bpf_htonl(id << 8);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &o, OUTER_SIZE, BPF_F_RECOMPUTE_CSUM))
		return drop(w, DROP_ENCAP);
	w->verdict = VERDICT_SEND;
	return bpf_redirect_neigh(to->ifindex, &nh, sizeof(nh), 0);
}

static __always_inline int send_to(struct __sk_buff *skb, struct way *w, const struct eb_send *to, __u32 host, __u32 id)
{
	__u32 vxlan = to->vxlan;
	int act = -1;

	/* adjust_room takes IP only */
	if (by_hand && to->ifindex && w->proto == bpf_htons(ETH_P_IP))
		act = send_by_hand(skb, w, to, id);
	if (act >= 0) {
		trace_out(EB_HOW_HAND, 0, host, id, to->ifindex);
		return act;
	}
	if (set_tunnel_key(skb, to->tunnel, to->source, id))
		return drop(w, DROP_ENCAP);
	trace_out(EB_HOW_DEVICE, 0, host, id, vxlan);
	w->verdict = VERDICT_SEND;
	return bpf_redirect(vxlan, 0);
}

/* The largest packet that the way to the peer takes, as the underlay's device says; bpf_redirect does not ask it. */
static __always_inline __u32 way_mtu(struct __sk_buff *skb, const struct eb_peer *p)
{
	__u32 mtu = 0;

	if (!p->ifindex || bpf_check_mtu(skb, p->ifindex, &mtu, 0, 0) < 0 || mtu < OUTER_SIZE)
		return 0xffffffff;
	return mtu - OUTER_SIZE;
}

static __always_inline int send(struct __sk_buff *skb, struct way *w, __u32 host)
{
	__u32 zero = EB_CONFIG_KEY, network_number = w->network, id;
	struct eb_network *n = bpf_map_lookup_elem(&network, &network_number);
	struct eb_peer *p = bpf_map_lookup_elem(&peer, &host);
	struct eb_config *c = bpf_map_lookup_elem(&config, &zero);
	struct eb_send to = {};
	struct eb_flow *f;
	__u32 mtu;

	if (!n)
		return drop(w, DROP_TUNNEL_SEGMENT);
	if (!p || !c)
		return drop(w, DROP_TUNNEL_PEER);
	mtu = way_mtu(skb, p);
	if (mtu > n->mtu)
		mtu = n->mtu;
	if (w->seg_len > mtu)
		return drop(w, DROP_TOO_BIG);
	id = n->id;
	to.tunnel = p->tunnel;
	to.ifindex = p->ifindex;
	to.next_hop = p->next_hop;
	to.source = c->tunnel;
	to.vxlan = c->vxlan;
	if (w->mtu > mtu)
		w->mtu = mtu;
	f = flow_begin(skb, w);
	if (f) {
		f->ifindex = 0;
		f->peer = host;
		f->id = id;
		f->out = to;
		flow_keep(f, w);
	}
	return send_to(skb, w, &to, host, id);
}

#define BROADCAST_RATE 1000 /* frames a second and port, each of which becomes many; */
#define BROADCAST_BURST 1000 /* so many at once. Multicast has no limit: it may be what the network is there for. */

static __always_inline bool may_broadcast(const struct way *w)
{
	const __u16 *dst = (const void *)&w->dst;
	__u32 number = w->port;
	struct eb_bucket *b;

	if (!number || (dst[0] & dst[1] & dst[2]) != 0xffff)
		return true;
	b = bpf_map_lookup_elem(&bucket, &number);
	return b && within_rate(&b->broadcasts, BROADCAST_RATE, BROADCAST_BURST);
}

struct flood_way {
	struct __sk_buff *skb;
	__u32 network;
	__u32 from; /* the port that sent it */
	__u32 tunnel; /* copies to peers too */
	__u32 id;
	__u32 source;
	__u32 vxlan;
};

static long flood_one(__u32 i, void *arg)
{
	struct flood_way *f = arg;
	struct eb_flood_key key = { .network = f->network, .slot = i + 1 };
	struct eb_flood *slot = bpf_map_lookup_elem(&flood, &key);
	__u32 number;

	if (!slot)
		return 0;
	if (slot->port) {
		struct eb_port *p;
		__u32 ifindex;

		number = slot->port;
		p = bpf_map_lookup_elem(&port, &number);
		if (number == f->from || !p || !p->ifindex || !(p->flags & EB_PORT_UP))
			return 0;
		ifindex = p->ifindex;
		trace_out(EB_HOW_REDIRECT, number, 0, 0, ifindex);
		bpf_clone_redirect(f->skb, ifindex, 0);
	} else if (f->tunnel) {
		struct eb_peer *p;

		number = slot->peer;
		p = bpf_map_lookup_elem(&peer, &number);
		if (!p || set_tunnel_key(f->skb, p->tunnel, f->source, f->id))
			return 0;
		trace_out(EB_HOW_DEVICE, 0, number, f->id, f->vxlan);
		bpf_clone_redirect(f->skb, f->vxlan, 0);
	}
	return 0;
}

/* Copies to every port of the network here and, for frames from here, to the peers that have it. */
static __always_inline int flood_all(struct __sk_buff *skb, struct way *w)
{
	__u32 zero = EB_CONFIG_KEY, network_number = w->network;
	struct eb_flood_key key = { .network = network_number };
	struct eb_network *n = bpf_map_lookup_elem(&network, &network_number);
	struct eb_config *c = bpf_map_lookup_elem(&config, &zero);
	struct eb_flood *head = bpf_map_lookup_elem(&flood, &key);
	struct flood_way f = { .skb = skb, .network = network_number, .from = w->port };

	if (!may_broadcast(w))
		return drop(w, DROP_RATE);
	w->verdict = VERDICT_FLOOD;
	if (!head)
		return TC_ACT_SHOT;
	if (n && c && w->port && w->seg_len <= n->mtu) {
		f.tunnel = 1;
		f.id = n->id;
		f.source = c->tunnel;
		f.vxlan = c->vxlan;
	}
	bpf_loop(head->count < EB_FLOOD_MAX ? head->count : EB_FLOOD_MAX, flood_one, &f, 0);
	return TC_ACT_SHOT;
}
