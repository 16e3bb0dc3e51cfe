/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "out.h"

/*
 * flow: what the last packet alike came to. Each processor remembers, in a small table where a
 * new flow takes the place of another, the outcome for (device, addresses, MACs; of a tunnel
 * also the sender and the segment), so that most packets need one look-up instead of seven.
 *
 * Nothing is decided here, and nothing is kept that could be wrong: an entry holds the number of
 * the maps' state that it was made from, and the driver counts that on with every change. What
 * differs from packet to packet is checked again: the header, TTL, size. What does not fit goes
 * the long way, which also makes all errors. Only what is delivered or sent is remembered.
 *
 *   arrives ─► header ─► flow ─── hit, TTL and size fit ──► rewrite ─► out
 *                          └─ else ─► the long way ─► out: remembered
 */

static __always_inline __u32 flow_generation(void)
{
	__u32 zero = 0, *g = bpf_map_lookup_elem(&generation, &zero);

	return g ? *g : 0;
}

/* Only plain IPv4 headers, to a single station, from somebody. */
static __always_inline void flow_key(struct __sk_buff *skb, struct way *w, __u32 from, __u32 id)
{
	__u32 *macs = (void *)(long)skb->data, h;

	w->slot = 0;
	if ((void *)(macs + 3) > (void *)(long)skb->data_end)
		return;
	w->key.generation = flow_generation();
	if (!w->key.generation || w->ihl != sizeof(struct iphdr) || !from || mac_group(&w->dst))
		return;
	w->key.ifindex = skb->ifindex;
	w->key.from = from;
	w->key.to = w->daddr;
	w->key.id = id;
	w->key.macs[0] = macs[0];
	w->key.macs[1] = macs[1];
	w->key.macs[2] = macs[2];
	h = (w->daddr ^ (from << 16 | from >> 16)) * 0x9e3779b1;
	h = (h ^ w->key.ifindex) * 0x85ebca6b;
	w->slot = (bpf_get_smp_processor_id() << EB_FLOW_BITS | h >> (32 - EB_FLOW_BITS)) + 1;
}

static __always_inline struct eb_flow *flow_find(struct __sk_buff *skb, struct way *w)
{
	__u32 slot = w->slot - 1;
	struct eb_flow *f;

	if (!w->slot)
		return NULL;
	f = bpf_map_lookup_elem(&flow, &slot);
	if (!f || f->key.generation != w->key.generation || f->key.ifindex != w->key.ifindex ||
	    f->key.from != w->key.from || f->key.to != w->key.to || f->key.id != w->key.id ||
	    f->key.macs[0] != w->key.macs[0] || f->key.macs[1] != w->key.macs[1] || f->key.macs[2] != w->key.macs[2])
		return NULL;
	if (w->ttl <= f->hops || w->seg_len > f->mtu)
		return NULL;
	return !f->hops || header_right(skb) ? f : NULL;
}

/* Does what the flow's first packet came to. */
static __always_inline int flow_out(struct __sk_buff *skb, struct way *w, struct eb_flow *f)
{
	__u32 *macs = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return drop(w, DROP_MALFORMED);
	macs[0] = f->macs[0];
	macs[1] = f->macs[1];
	macs[2] = f->macs[2];
	if (f->hops)
		lower_ttl(ip, f->hops);
	if (f->ifindex)
		return deliver_to(skb, w, f->port, f->ifindex, f->flags);
	return send_to(skb, w, &f->out, f->peer, f->id);
}
