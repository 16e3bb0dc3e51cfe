/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * route: from an interface's MAC to the next MAC that is none.
 *
 *   interface ─► address of the part? ─► echo
 *       ▲            │ no
 *       │        longest prefix ─► TTL ─► size ─► neighbour
 *       └──────────── is an interface here ◄──────────┘
 *                     (at most ROUTE_MAX_HOPS)        │ no
 *                                              fdb: port or peer
 */

#include "answer.h"

struct hop {
	__u32 router;
	__u32 part;
	__u32 error; /* IPv4 that errors come from */
	__u32 hops;
	struct eb_mac mac, interface;
};

/* 0/8, 127/8, 169.254/16, multicast, reserved and broadcast. */
static __always_inline bool routable(__u32 daddr)
{
	__u32 a = bpf_ntohl(daddr);

	return a >> 24 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 0xe;
}

static __noinline int route_error(struct __sk_buff *skb, struct way *w, const struct hop *h, __u32 reason, __u32 what)
{
	w->reason = reason;
	if (!h->hops)
		return answer_error(skb, w, h->error, what);
	/* Quote the TTL that this router saw. */
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return drop(w, DROP_MALFORMED);
	__u32 sum = ip->check + bpf_htons(h->hops << 8);

	ip->check = (sum & 0xffff) + (sum >> 16);
	ip->ttl -= h->hops;
	return answer_error(skb, w, h->error, what);
}

/* One router. Positive: go on in the next one; 0: h->mac is the next hop on w->network; negative: *ret is the end. */
static __always_inline int route_one(struct __sk_buff *skb, struct way *w, struct hop *h, int *ret)
{
	struct eb_router_address_key own = { .router = h->router, .part = h->part, .addr = addr_v4(w->daddr) };
	struct eb_route_key key = { .prefixlen = EB_ROUTE_BITS + 128 };
	struct eb_neighbour_key nkey = {};
	struct eb_mac_key ikey = {};
	struct eb_neighbour *neighbour_row;
	struct eb_interface *iface;
	struct eb_network *n;
	struct eb_route *r;

	if (bpf_map_lookup_elem(&router_address, &own)) {
		*ret = answer_echo(skb, w);
		return -1;
	}
	key.router = h->router;
	key.part = h->part;
	key.addr = own.addr;
	r = bpf_map_lookup_elem(&route, &key);
	if (!r) {
		*ret = route_error(skb, w, h, DROP_NO_ROUTE, ICMP_ERROR(3, 0, 0));
		return -1;
	}
	if (w->ttl <= h->hops + 1) {
		*ret = route_error(skb, w, h, DROP_TTL, ICMP_ERROR(11, 0, 0));
		return -1;
	}
	nkey.network = r->network;
	h->interface = r->interface;
	n = bpf_map_lookup_elem(&network, &nkey.network);
	if (n && w->seg_len > n->mtu) {
		*ret = route_error(skb, w, h, DROP_TOO_BIG, ICMP_ERROR(3, 4, n->mtu & 0xffff));
		return -1;
	}
	nkey.addr = own.addr;
	neighbour_row = bpf_map_lookup_elem(&neighbour, &nkey);
	if (!neighbour_row) {
		*ret = drop(w, DROP_NO_NEIGHBOUR);
		return -1;
	}
	h->mac = neighbour_row->mac;
	w->network = nkey.network;
	h->hops++;
	ikey.network = nkey.network;
	ikey.mac = h->mac;
	iface = bpf_map_lookup_elem(&interface, &ikey);
	if (!iface)
		return 0;
	if (!iface->up) {
		*ret = drop(w, DROP_INTERFACE_DOWN);
		return -1;
	}
	h->router = iface->router;
	h->part = iface->part;
	h->error = iface->addr.w[3];
	return 1;
}

/* TTL, its checksum and the MACs, in one go. */
static __always_inline int rewrite(struct __sk_buff *skb, struct hop *h, const struct eb_mac *src)
{
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;
	__u32 sum;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -1;
	sum = ip->check + bpf_htons(h->hops << 8);
	ip->check = (sum & 0xffff) + (sum >> 16);
	ip->ttl -= h->hops;
	return write_macs(skb, &h->mac, src);
}

static __always_inline int route_out(struct __sk_buff *skb, struct way *w, struct hop *h)
{
	struct eb_mac_key key = { .network = w->network, .mac = h->mac };
	struct eb_fdb *f = bpf_map_lookup_elem(&fdb, &key);
	__u32 zero = EB_CONFIG_KEY;
	struct eb_config *c;

	if (!f)
		return drop(w, DROP_UNKNOWN_MAC);
	if (f->port) {
		if (rewrite(skb, h, &h->interface))
			return drop(w, DROP_MALFORMED);
		return deliver(skb, w, f->port);
	}
	c = bpf_map_lookup_elem(&config, &zero);
	if (!c || rewrite(skb, h, &c->dvr_mac))
		return drop(w, DROP_MALFORMED);
	return send(skb, w, f->peer);
}

static __always_inline int route_packet(struct __sk_buff *skb, struct way *w, const struct eb_interface *iface)
{
	struct hop h = { .router = iface->router, .part = iface->part, .error = iface->addr.w[3] };
	int i, r, ret = TC_ACT_SHOT;

	if (!iface->up)
		return drop(w, DROP_INTERFACE_DOWN);
	if (w->proto != bpf_htons(ETH_P_IP))
		return drop(w, DROP_ROUTER_ADDRESS);
	if (w->ihl != 20)
		return drop(w, DROP_IP_OPTIONS);
	if (!routable(w->daddr))
		return drop(w, DROP_NOT_ROUTED);
	for (i = 0; i < ROUTE_MAX_HOPS; i++) {
		r = route_one(skb, w, &h, &ret);
		if (r < 0)
			return ret;
		if (!r)
			return route_out(skb, w, &h);
	}
	return drop(w, DROP_LOOP);
}
