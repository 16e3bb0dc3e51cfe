/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * packet: what the programs carry along about the frame in hand (struct way), how it is read,
 * and how it ends. Every terminal function sets verdict and reason in the way and returns the
 * tc action; the entry points count once.
 */

#include "maps.h"

struct way {
	__u32 port; /* it came from this port, */
	__u32 peer; /* or by tunnel from this host */
	__u32 network; /* the network that it is on now */
	__u32 dvr; /* it came by tunnel with the peer's DVR MAC as source */
	__u32 verdict;
	__u32 reason;
	__u32 saddr, daddr; /* IPv4 only */
	__u32 l3_len; /* of the largest packet that becomes of it: differs from tot_len for GSO */
	__u32 seg_len; /* behind the Ethernet header as it goes on the wire, a trailer too: of one segment when GSO */
	struct eb_mac dst, src;
	__u16 proto; /* ethertype, network order */
	__u16 frag; /* frag_off, host order */
	__u8 ihl, ttl, tos, l4;
	__u8 hops; /* routers passed here */
	__u8 cut; /* it ends before its Ethernet header does */
	__u32 mtu; /* the smallest of the networks that it is sent to */
	__u32 slot; /* where its flow is remembered, plus 1; 0: nowhere */
	struct eb_flow_key key;
};

#define PULL 54 /* Ethernet, IPv4, TCP: what is read directly is within this */

static __always_inline int drop(struct way *w, __u32 reason)
{
	w->verdict = VERDICT_DROP;
	w->reason = reason;
	return TC_ACT_SHOT;
}

static __always_inline bool mac_same(const struct eb_mac *a, const struct eb_mac *b)
{
	const __u16 *x = (const void *)a, *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

static __always_inline bool mac_zero(const struct eb_mac *m)
{
	const __u16 *x = (const void *)m;

	return !(x[0] | x[1] | x[2]);
}

static __always_inline bool mac_group(const struct eb_mac *m)
{
	return m->b[0] & 1;
}

static __always_inline struct eb_addr addr_v4(__u32 be)
{
	struct eb_addr a = { .w = { 0, 0, bpf_htonl(0xffff), be } };

	return a;
}

static __always_inline void count(struct way *w, __u32 len)
{
	__u32 verdict = w->verdict, reason = w->reason;
	struct eb_counter *c = bpf_map_lookup_elem(&verdicts, &verdict);

	if (c) {
		c->packets++;
		c->bytes += len;
	}
	if (verdict != VERDICT_DROP)
		return;
	c = bpf_map_lookup_elem(&drops, &reason);
	if (c) {
		c->packets++;
		c->bytes += len;
	}
}

/* A leaky bucket: *empty is when it would be. Two processors may count one for two; that is fine. */
static __always_inline bool within_rate(__u64 *empty, __u64 per_second, __u64 burst)
{
	__u64 interval = 1000000000ULL / per_second, now = bpf_ktime_get_ns(), at = *empty;

	if (at < now)
		at = now;
	else if (at - now > burst * interval)
		return false;
	*empty = at + interval;
	return true;
}

/* The decision record. Dead code unless `trace` is set at load. */
static __always_inline void trace_out(__u32 how, __u32 port, __u32 peer, __u32 id, __u32 ifindex)
{
	struct eb_decision *d;
	__u32 key = 0, n;

	if (!trace)
		return;
	d = bpf_map_lookup_elem(&decision, &key);
	if (!d)
		return;
	n = d->n_outs;
	if (n >= EB_TRACE_OUTS)
		return;
	d->outs[n].how = how;
	d->outs[n].port = port;
	d->outs[n].peer = peer;
	d->outs[n].id = id;
	d->outs[n].ifindex = ifindex;
	d->n_outs = n + 1;
}

static __always_inline void trace_end(struct way *w)
{
	struct eb_decision *d;
	__u32 key = 0;

	if (!trace)
		return;
	d = bpf_map_lookup_elem(&decision, &key);
	if (!d)
		return;
	d->seen = 1;
	d->verdict = w->verdict;
	d->reason = w->reason;
}

/* Makes the first bytes directly readable: a guest chooses how little of a frame is linear. */
static __always_inline void pull(struct __sk_buff *skb)
{
	__u32 linear = skb->data_end - skb->data;

	if (linear < PULL && linear < skb->len)
		bpf_skb_pull_data(skb, skb->len < PULL ? skb->len : PULL);
}

static __always_inline int read_ethernet(struct __sk_buff *skb, struct way *w)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(&w->dst, eth->h_dest, sizeof(w->dst));
	__builtin_memcpy(&w->src, eth->h_source, sizeof(w->src));
	w->proto = eth->h_proto;
	return 0;
}

/* Of a header without options: what its check must be, when that is zero; zero when its check is right. */
static __always_inline __u16 ip_checksum(const struct iphdr *ip)
{
	const __u32 *words = (const void *)ip;
	__u64 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < 5; i++)
		sum += words[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* What a router asks before it routes; not of options. */
static __always_inline bool header_right(struct __sk_buff *skb)
{
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;

	return (void *)(ip + 1) <= (void *)(long)skb->data_end && !ip_checksum(ip);
}

/* Routers passed, at least one. As Linux does it: 0xffff becomes 0 (RFC 1624). */
static __always_inline void lower_ttl(struct iphdr *ip, __u32 hops)
{
	__u32 sum = ip->check + bpf_htons(hops << 8);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl -= hops;
}

/*
 * The length behind the Ethernet header that goes on the wire. For a super-packet that is one
 * segment with its headers; bpf_redirect checks nothing, so it is compared with the network's MTU by us.
 */
static __always_inline __u32 segment_length(struct __sk_buff *skb, struct way *w)
{
	__u8 *byte = (void *)(long)skb->data + ETH_HLEN + w->ihl + 12, offset;

	if (!skb->gso_size)
		return skb->len - ETH_HLEN;
	if (w->l4 == IPPROTO_UDP)
		return w->ihl + sizeof(struct udphdr) + skb->gso_size;
	if (w->l4 != IPPROTO_TCP) /* a tunnel: at least so much, its headers are the sender's business */
		return w->ihl + skb->gso_size;
	if ((void *)(byte + 1) <= (void *)(long)skb->data_end)
		offset = *byte;
	else if (bpf_skb_load_bytes(skb, ETH_HLEN + w->ihl + 12, &offset, 1))
		return w->l3_len;
	return w->ihl + (offset >> 4) * 4 + skb->gso_size;
}

static __always_inline int read_ipv4(struct __sk_buff *skb, struct way *w)
{
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;
	__u32 total;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return -1;
	if (ip->version != 4 || ip->ihl < 5)
		return -1;
	total = bpf_ntohs(ip->tot_len);
	w->ihl = ip->ihl * 4;
	w->ttl = ip->ttl;
	w->tos = ip->tos;
	w->l4 = ip->protocol;
	w->frag = bpf_ntohs(ip->frag_off);
	w->saddr = ip->saddr;
	w->daddr = ip->daddr;
	w->l3_len = total;
	if (skb->gso_size) /* a big one may say 0 */
		w->l3_len = skb->len - ETH_HLEN;
	else if (total < w->ihl || total + ETH_HLEN > skb->len)
		return -1;
	w->seg_len = segment_length(skb, w);
	return 0;
}

/*
 * Room to remember the flow in, with what is known of every way out, or NULL. Not valid before
 * flow_keep(). The frame is as it leaves.
 */
static __always_inline struct eb_flow *flow_begin(struct __sk_buff *skb, struct way *w)
{
	__u32 *macs = (void *)(long)skb->data, slot = w->slot - 1;
	struct eb_flow *f;

	if (!w->slot || (void *)(macs + 3) > (void *)(long)skb->data_end)
		return NULL;
	f = bpf_map_lookup_elem(&flow, &slot);
	if (!f)
		return NULL;
	f->key.generation = 0;
	barrier();
	f->macs[0] = macs[0];
	f->macs[1] = macs[1];
	f->macs[2] = macs[2];
	f->hops = w->hops;
	f->mtu = w->mtu;
	return f;
}

static __always_inline void flow_keep(struct eb_flow *f, const struct way *w)
{
	f->key.ifindex = w->key.ifindex;
	f->key.from = w->key.from;
	f->key.to = w->key.to;
	f->key.id = w->key.id;
	f->key.macs[0] = w->key.macs[0];
	f->key.macs[1] = w->key.macs[1];
	f->key.macs[2] = w->key.macs[2];
	barrier();
	f->key.generation = w->key.generation;
}

static __always_inline int write_macs(struct __sk_buff *skb, const struct eb_mac *dst, const struct eb_mac *src)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(eth->h_dest, dst, sizeof(*dst));
	__builtin_memcpy(eth->h_source, src, sizeof(*src));
	return 0;
}
