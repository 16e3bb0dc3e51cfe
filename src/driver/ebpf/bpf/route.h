/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * route: from an interface's MAC to the next MAC that is none.
 *
 *   interface ─► longest prefix ─► TTL ─► size ─► neighbour ─► fdb: port or peer
 *       ▲              └─────────────┴──────┬───────────┤ no
 *       │                                   ▼           ▼
 *       └────── no ◄── an address of the part? ◄── is an interface here
 *  (at most ROUTE_MAX_HOPS)             │
 *                                       └─► echo
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
static __always_inline bool routable(__u32 addr)
{
	__u32 a = bpf_ntohl(addr);

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
	lower_ttl(ip, h->hops);
	return answer_error(skb, w, h->error, what);
}

static __always_inline bool own_address(const struct way *w, const struct hop *h)
{
	struct eb_router_address_key own = { .router = h->router, .part = h->part, .addr = addr_v4(w->daddr) };

	return bpf_map_lookup_elem(&router_address, &own);
}

/* The end of the way in this router: an answer of it when the packet is for it, else an error or a drop. */
static __noinline int route_end(struct __sk_buff *skb, struct way *w, const struct hop *h, __u32 reason, __u32 what)
{
	if (own_address(w, h))
		return answer_echo(skb, w);
	if (!what)
		return drop(w, reason);
	return route_error(skb, w, h, reason, what);
}

/* What is wrong with sending the packet on the network, or DROP_NONE. */
static __always_inline __u32 check_network(struct way *w, __u32 number, __u32 *what)
{
	struct eb_network *n = bpf_map_lookup_elem(&network, &number);

	*what = 0;
	if (!n)
		return DROP_TUNNEL_SEGMENT;
	if (w->seg_len > n->mtu) {
		*what = ICMP_ERROR(3, 4, n->mtu & 0xffff);
		return DROP_TOO_BIG;
	}
	if (w->mtu > n->mtu)
		w->mtu = n->mtu;
	return DROP_NONE;
}

/* The neighbour's MAC is no station: the next router, the same one's other address, or nobody. As route_one(). */
static __always_inline int route_on(struct __sk_buff *skb, struct way *w, struct hop *h, struct eb_mac_key *key,
				    int *ret)
{
	struct eb_interface *iface = bpf_map_lookup_elem(&interface, key);

	if (!iface || own_address(w, h)) {
		*ret = route_end(skb, w, h, DROP_UNKNOWN_MAC, 0);
		return -1;
	}
	if (!iface->up) {
		*ret = drop(w, DROP_INTERFACE_DOWN);
		return -1;
	}
	w->network = key->network;
	h->hops++;
	h->router = iface->router;
	h->part = iface->part;
	h->error = iface->addr.w[3];
	return 1;
}

/*
 * One router. Positive: go on in the next one; 0: *row is where h->mac lives on w->network;
 * negative: *ret is the end. Most packets go through to somebody else's address: whether it is
 * the router's own is asked only where the way could end.
 */
static __always_inline int route_one(struct __sk_buff *skb, struct way *w, struct hop *h, struct eb_fdb **row, int *ret)
{
	struct eb_route_key key = { .prefixlen = EB_ROUTE_BITS + 128, .family = 4 };
	struct eb_neighbour_key nkey = {};
	struct eb_neighbour *next = NULL;
	struct eb_mac_key mkey = {};
	__u32 reason, what;
	struct eb_route *r;

	key.router = h->router;
	key.part = h->part;
	key.addr = nkey.addr = addr_v4(w->daddr);
	r = bpf_map_lookup_elem(&route, &key);
	reason = DROP_NO_ROUTE;
	what = ICMP_ERROR(3, 0, 0);
	if (!r)
		goto end;
	reason = DROP_TTL;
	what = ICMP_ERROR(11, 0, 0);
	if (w->ttl <= h->hops + 1)
		goto end;
	nkey.network = mkey.network = r->network;
	h->interface = r->interface;
	reason = check_network(w, nkey.network, &what);
	if (reason)
		goto end;
	next = bpf_map_lookup_elem(&neighbour, &nkey);
	reason = DROP_NO_NEIGHBOUR;
	what = 0;
	if (!next)
		goto end;
	mkey.mac = h->mac = next->mac;
	*row = bpf_map_lookup_elem(&fdb, &mkey);
	if (!*row)
		return route_on(skb, w, h, &mkey, ret);
	w->network = mkey.network;
	h->hops++;
	return 0;
end:
	*ret = route_end(skb, w, h, reason, what);
	return -1;
}

/* TTL, its checksum and the MACs, in one go. */
static __always_inline int rewrite(struct __sk_buff *skb, struct hop *h, const struct eb_mac *src)
{
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -1;
	lower_ttl(ip, h->hops);
	return write_macs(skb, &h->mac, src);
}

static __always_inline int route_out(struct __sk_buff *skb, struct way *w, struct hop *h, const struct eb_fdb *f)
{
	__u32 zero = EB_CONFIG_KEY;
	struct eb_config *c;

	w->hops = h->hops;
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

/*
 * A loop's way back, as a jump. Kernel 6.1 refuses a program whose way back is a fall into the
 * loop's head, and for the compiler's own loops it may lay it out like that.
 */
#define go_back(label) asm volatile goto("goto %l0" ::: "memory" : label)

static __always_inline int route_packet(struct __sk_buff *skb, struct way *w, const struct eb_interface *iface)
{
	struct hop h = { .router = iface->router, .part = iface->part, .error = iface->addr.w[3] };
	struct eb_fdb *f = NULL;
	int r, ret = TC_ACT_SHOT;

	if (!iface->up)
		return drop(w, DROP_INTERFACE_DOWN);
	if (w->proto != bpf_htons(ETH_P_IP))
		return drop(w, DROP_ROUTER_ADDRESS);
	if (w->ihl != 20)
		return drop(w, DROP_IP_OPTIONS);
	if (!header_right(skb))
		return drop(w, DROP_MALFORMED);
	if (!routable(w->saddr) || !routable(w->daddr))
		return drop(w, DROP_NOT_ROUTED);
again:
	r = route_one(skb, w, &h, &f, &ret);
	if (r < 0)
		return ret;
	if (!r)
		return f ? route_out(skb, w, &h, f) : TC_ACT_SHOT;
	if (h.hops < ROUTE_MAX_HOPS)
		go_back(again);
	return drop(w, DROP_LOOP);
}
