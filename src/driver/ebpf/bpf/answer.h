/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * answer: packets that are turned round at the port they came from: ARP replies, echo replies
 * of a gateway, ICMP errors.
 */

#include "out.h"

struct arp_v4 {
	__u16 htype, ptype;
	__u8 hlen, plen;
	__u16 op;
	struct eb_mac sha;
	__u8 spa[4];
	struct eb_mac tha;
	__u8 tpa[4];
}; /* 28 bytes, no padding */

#define ERROR_RATE 100 /* ICMP errors a second and port, */
#define ERROR_BURST 50 /* so many at once */

static __always_inline int answered(struct __sk_buff *skb, struct way *w)
{
	w->verdict = VERDICT_ANSWER;
	w->reason = DROP_NONE;
	trace_out(EB_HOW_REDIRECT, w->port, 0, 0, skb->ifindex);
	return bpf_redirect(skb->ifindex, 0);
}

/* Turns the ARP request into the reply that says `mac`. What the checksum of a network card covers is kept right. */
static __always_inline int answer_arp(struct __sk_buff *skb, const struct eb_mac *mac, struct arp_v4 *arp)
{
	struct eb_mac asker = arp->sha;
	__u8 asked[4];
	struct ethhdr *eth;

	arp->op = bpf_htons(2);
	__builtin_memcpy(asked, arp->tpa, 4);
	arp->tha = asker;
	__builtin_memcpy(arp->tpa, arp->spa, 4);
	arp->sha = *mac;
	__builtin_memcpy(arp->spa, asked, 4);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, arp, sizeof(*arp), BPF_F_RECOMPUTE_CSUM))
		return -1;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return 0;
}

/* To an address of the router: an echo request is answered, all fragments of it; the rest is dropped. */
static __noinline int answer_echo(struct __sk_buff *skb, struct way *w)
{
	__u8 type = 0, ttl = 64;
	__u32 l4 = ETH_HLEN + w->ihl;
	__u32 addrs[2] = { w->daddr, w->saddr };
	__u16 old, new;

	if (w->l4 != IPPROTO_ICMP)
		return drop(w, DROP_ROUTER_ADDRESS);
	if (!(w->frag & 0x1fff)) { /* only the first fragment has the ICMP header */
		if (w->l3_len < w->ihl + 8U || bpf_skb_load_bytes(skb, l4, &type, 1))
			return drop(w, DROP_MALFORMED);
		if (type != 8)
			return drop(w, DROP_ROUTER_ADDRESS);
		type = 0;
		if (bpf_l4_csum_replace(skb, l4 + 2, bpf_htons(8 << 8), 0, 2) ||
		    bpf_skb_store_bytes(skb, l4, &type, 1, 0))
			return drop(w, DROP_MALFORMED);
	}
	old = bpf_htons(w->ttl << 8 | w->l4);
	new = bpf_htons(ttl << 8 | w->l4);
	if (bpf_l3_csum_replace(skb, ETH_HLEN + 10, old, new, 2) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + 8, &ttl, 1, 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + 12, addrs, 8, 0) || write_macs(skb, &w->src, &w->dst))
		return drop(w, DROP_MALFORMED);
	return answered(skb, w);
}

static __always_inline bool may_send_error(__u32 number)
{
	struct eb_bucket *b = bpf_map_lookup_elem(&bucket, &number);

	return b && within_rate(&b->errors, ERROR_RATE, ERROR_BURST);
}

struct icmp_error {
	__u16 unused; /* so that words are aligned behind the Ethernet header; not sent */
	struct ethhdr eth;
	struct iphdr ip;
	struct {
		__u8 type, code;
		__u16 check;
		__u16 zero, mtu;
	} icmp;
	struct iphdr quoted;
	__u8 bytes[8];
};
#define ERROR_SIZE (sizeof(struct icmp_error) - 2)

#define ERROR_TAIL 154 /* room that adjust_room leaves: 14 + 20 + 120 */
#define ERROR_PULL 64 /* beyond any csum_start, so that no partial checksum is left to be completed in the quote */

/*
 * Turns the packet into an ICMP error to its sender, from the address of the interface it came
 * in by. It is built on the stack and replaces the packet: shrinking the packet in place would
 * leave the GSO marks and the partial checksum of the offender, and a tap would complete that
 * one into the quoted bytes. First all of it is read, then the tail is cut (clears GSO), then
 * bytes are taken off the front (clears the partial checksum).
 */
static __noinline int answer_error(struct __sk_buff *skb, struct way *w, __u32 source, __u32 what)
{
	struct icmp_error e = {};
	__u32 sum;

	/* RFC 1122, 3.2.2: never about an error or a later fragment. (Groups and nobody send to no router.) */
	if ((w->frag & 0x1fff) || !source || w->l3_len < w->ihl + sizeof(e.bytes))
		return drop(w, w->reason);
	if (w->l4 == IPPROTO_ICMP) {
		__u8 type;

		if (bpf_skb_load_bytes(skb, ETH_HLEN + w->ihl, &type, 1) ||
		    !(type == 0 || type == 8 || (type >= 13 && type <= 18)))
			return drop(w, w->reason);
	}
	if (!may_send_error(w->port))
		return drop(w, DROP_RATE);
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &e.quoted, sizeof(e.quoted) + sizeof(e.bytes)))
		return drop(w, DROP_MALFORMED);
	__builtin_memcpy(e.eth.h_dest, &w->src, ETH_ALEN);
	__builtin_memcpy(e.eth.h_source, &w->dst, ETH_ALEN);
	e.eth.h_proto = bpf_htons(ETH_P_IP);
	e.ip.version = 4;
	e.ip.ihl = 5;
	e.ip.tos = 0xc0; /* internetwork control, as routers do */
	e.ip.tot_len = bpf_htons(ERROR_SIZE - ETH_HLEN);
	e.ip.ttl = 64;
	e.ip.protocol = IPPROTO_ICMP;
	e.ip.saddr = source;
	e.ip.daddr = w->saddr;
	e.ip.check = ip_checksum(&e.ip);
	e.icmp.type = what >> 24;
	e.icmp.code = what >> 16;
	e.icmp.mtu = bpf_htons(what & 0xffff);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&e.icmp, ERROR_SIZE - ETH_HLEN - sizeof(e.ip), 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	e.icmp.check = ~sum;
	if (bpf_skb_change_tail(skb, ERROR_TAIL, 0) || bpf_skb_adjust_room(skb, -ERROR_PULL, BPF_ADJ_ROOM_MAC, 0) ||
	    bpf_skb_change_tail(skb, ERROR_SIZE, 0) || bpf_skb_store_bytes(skb, 0, &e.eth, ETH_HLEN, 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &e.ip, ERROR_SIZE - ETH_HLEN, BPF_F_RECOMPUTE_CSUM))
		return drop(w, DROP_MALFORMED);
	return answered(skb, w);
}

#define ICMP_ERROR(type, code, mtu) ((__u32)(type) << 24 | (code) << 16 | (mtu))
