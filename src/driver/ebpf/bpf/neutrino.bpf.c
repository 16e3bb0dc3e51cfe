// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The packet side of the ebpf driver: two tc programs, and a packet's way through the plan.
 *
 *   VM's device ─► from_port ──► arrive ──► switch ──► route ──┐
 *   VXLAN device ─► from_tunnel ─► arrive ──► switch            │
 *                                               │              │
 *                                  flood  answer│  deliver ◄───┤
 *                                                  send    ◄───┘
 *
 * Written for clang 14 and kernel 6.1: no dynptr, no open-coded iterators. Rules that the
 * kernel imposes and that are easy to break: no redirect checks sizes; a VM's VLAN tag is not
 * in the bytes; checksums may be partial; the linear part may be short.
 */
#include "answer.h"
#include "flow.h"
#include "maps.h"
#include "out.h"
#include "packet.h"
#include "route.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool source_known(__u32 number, __u32 flags, const struct eb_mac *mac, __u32 address)
{
	struct eb_source_wide_key wide = { .prefixlen = EB_SOURCE_BITS + 128 };

	wide.source.port = number;
	wide.source.mac = *mac;
	if (address) {
		wide.source.family = 4;
		wide.source.addr = addr_v4(address);
	}
	if (bpf_map_lookup_elem(&source, &wide.source))
		return true;
	return address && (flags & EB_PORT_WIDE) && bpf_map_lookup_elem(&source_wide, &wide);
}

static __always_inline int read_arp(struct __sk_buff *skb, struct arp_v4 *ret)
{
	struct arp_v4 *arp = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(arp + 1) > (void *)(long)skb->data_end)
		return -1;
	__builtin_memcpy(ret, arp, sizeof(*ret));
	if (ret->htype != bpf_htons(1) || ret->ptype != bpf_htons(ETH_P_IP) || ret->hlen != 6 || ret->plen != 4)
		return -1;
	return ret->op == bpf_htons(1) || ret->op == bpf_htons(2) ? 0 : -1;
}

static __always_inline bool reserved_group(const struct eb_mac *m)
{
	return m->b[0] == 0x01 && m->b[1] == 0x80 && m->b[2] == 0xc2 && !m->b[3] && !m->b[4] && m->b[5] < 0x10;
}

/* The sender's fields of an ARP packet; a probe has no address yet. */
static __always_inline bool arp_spoofed(struct way *w, __u32 flags, const struct arp_v4 *arp, __u32 spa)
{
	if (!(flags & EB_PORT_SECURITY))
		return false;
	if (!mac_same(&arp->sha, &w->src))
		return true;
	if (!spa)
		return arp->op != bpf_htons(1);
	return !source_known(w->port, flags, &arp->sha, spa);
}

/* ARP from a port: what the plan knows is answered here, and never leaves. Positive: goes on as a frame. */
static __always_inline int arp_from_port(struct __sk_buff *skb, struct way *w, __u32 flags)
{
	struct eb_neighbour_key key = { .network = w->network };
	struct eb_mac_key ikey = { .network = w->network };
	struct eb_neighbour *known;
	struct eb_interface *iface;
	struct arp_v4 arp;
	__u32 spa, tpa;

	w->reason = DROP_MALFORMED;
	if (read_arp(skb, &arp))
		return -1;
	__builtin_memcpy(&spa, arp.spa, 4);
	__builtin_memcpy(&tpa, arp.tpa, 4);
	w->reason = DROP_SPOOF_ARP;
	if (arp_spoofed(w, flags, &arp, spa))
		return -1;
	w->reason = DROP_NONE;
	if (arp.op != bpf_htons(1))
		return 1;
	key.addr = addr_v4(tpa);
	known = bpf_map_lookup_elem(&neighbour, &key);
	if (!known || mac_same(&known->mac, &w->src))
		return 1;
	ikey.mac = known->mac;
	iface = bpf_map_lookup_elem(&interface, &ikey);
	if (iface && !iface->up) {
		w->reason = DROP_INTERFACE_DOWN;
		return -1;
	}
	w->reason = DROP_MALFORMED;
	return answer_arp(skb, &ikey.mac, &arp);
}

/* What came by tunnel goes only to what lives here; the gateway's MAC is not asked for there. */
static __always_inline int switch_tunnel(struct __sk_buff *skb, struct way *w, struct eb_mac_key *key)
{
	struct eb_fdb *f = bpf_map_lookup_elem(&fdb, key);

	if (f && f->port)
		return deliver(skb, w, f->port);
	if (bpf_map_lookup_elem(&interface, key))
		return drop(w, DROP_GATEWAY_MAC);
	return drop(w, f ? DROP_TUNNEL_REMOTE : DROP_UNKNOWN_MAC);
}

static __always_inline int switch_port(struct __sk_buff *skb, struct way *w, struct eb_mac_key *key)
{
	struct eb_interface *iface = bpf_map_lookup_elem(&interface, key);
	struct eb_fdb *f;

	if (iface)
		return route_packet(skb, w, iface);
	f = bpf_map_lookup_elem(&fdb, key);
	if (!f)
		return drop(w, DROP_UNKNOWN_MAC);
	return f->port ? deliver(skb, w, f->port) : send(skb, w, f->peer);
}

static __always_inline int switch_group(struct __sk_buff *skb, struct way *w)
{
	if (reserved_group(&w->dst))
		return drop(w, DROP_RESERVED_MAC);
	if (w->dvr)
		return drop(w, DROP_TUNNEL_GROUP);
	return flood_all(skb, w);
}

static __always_inline bool tagged(const struct way *w)
{
	return w->proto == bpf_htons(ETH_P_8021Q) || w->proto == bpf_htons(ETH_P_8021AD);
}

/*
 * Reads the headers. What is wrong with them stands in w->reason, for the checks that come
 * before it; `cut` without a whole Ethernet header.
 */
static __always_inline void read_headers(struct __sk_buff *skb, struct way *w)
{
	struct arp_v4 arp;

	w->mtu = 0xffffffff;
	pull(skb);
	if (read_ethernet(skb, w)) {
		w->cut = 1;
		w->reason = DROP_MALFORMED;
	} else if (w->proto == bpf_htons(ETH_P_IP)) {
		w->reason = read_ipv4(skb, w) ? DROP_MALFORMED : DROP_NONE;
	} else if (w->proto == bpf_htons(ETH_P_ARP)) {
		w->l3_len = w->seg_len = skb->len - ETH_HLEN;
		w->reason = read_arp(skb, &arp) ? DROP_MALFORMED : DROP_NONE;
	} else {
		w->reason = w->proto == bpf_htons(ETH_P_IPV6) ? DROP_IPV6 : DROP_ETHERTYPE;
	}
}

/*
 * May the port send from this MAC? No port may take a router's MAC of the network or a host's
 * DVR MAC, whatever its security, and even if it is said to be its own.
 */
static __always_inline bool mac_spoofed(struct way *w, __u32 flags, const struct eb_mac *own)
{
	struct eb_mac_key key = { .network = w->network, .mac = w->src };
	__u32 zero = EB_CONFIG_KEY;
	struct eb_config *c;

	if (mac_group(&w->src) || mac_zero(&w->src) || bpf_map_lookup_elem(&interface, &key))
		return true;
	key.network = 0;
	c = bpf_map_lookup_elem(&config, &zero);
	if (!c || mac_same(&c->dvr_mac, &w->src) || bpf_map_lookup_elem(&peer_mac, &key))
		return true;
	return (flags & EB_PORT_SECURITY) && !mac_same(own, &w->src) && !source_known(w->port, flags, &w->src, 0);
}

/* A client that has no address yet. */
static __always_inline bool dhcp_request(struct __sk_buff *skb, struct way *w)
{
	__u16 ports[2];

	if (w->daddr != 0xffffffff || w->l4 != IPPROTO_UDP || (w->frag & 0x1fff))
		return false;
	if (w->l3_len < w->ihl + sizeof(struct udphdr) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + w->ihl, ports, sizeof(ports)))
		return false;
	return ports[0] == bpf_htons(68) && ports[1] == bpf_htons(67);
}

/* An address that the port may not use. Its own first one is in hand already. */
static __always_inline bool ip_spoofed(struct __sk_buff *skb, struct way *w, const struct eb_device *d)
{
	__u32 flags = d->port.flags;

	if (!(flags & EB_PORT_SECURITY))
		return false;
	if (!w->saddr) /* nobody's, whatever the prefixes are */
		return !dhcp_request(skb, w);
	if (w->saddr == d->port.first.w[3] && mac_same(&w->src, &d->port.mac))
		return false;
	return !source_known(w->port, flags, &w->src, w->saddr);
}

/* The long way of what a port sends. */
static __always_inline int port_arrives(struct __sk_buff *skb, struct way *w)
{
	__u32 ifindex = skb->ifindex;
	struct eb_device *d = bpf_map_lookup_elem(&device, &ifindex);
	struct eb_mac_key to = {};
	int r;

	if (!d)
		return drop(w, DROP_PORT_UNKNOWN);
	w->port = d->number;
	w->network = d->port.network;
	if (!(d->port.flags & EB_PORT_UP))
		return drop(w, DROP_PORT_DOWN);
	if (w->cut)
		return drop(w, DROP_MALFORMED);
	if (skb->vlan_present || tagged(w))
		return drop(w, DROP_VLAN_TAGGED);
	if (mac_spoofed(w, d->port.flags, &d->port.mac))
		return drop(w, DROP_SPOOF_MAC);
	if (w->reason)
		return drop(w, w->reason);
	if (w->proto == bpf_htons(ETH_P_ARP)) {
		r = arp_from_port(skb, w, d->port.flags);
		if (r < 0)
			return drop(w, w->reason);
		if (!r)
			return answered(skb, w);
	} else if (ip_spoofed(skb, w, d)) {
		return drop(w, DROP_SPOOF_IP);
	}
	if (mac_group(&w->dst))
		return switch_group(skb, w);
	to.network = w->network;
	to.mac = w->dst;
	return switch_port(skb, w, &to);
}

/* May this peer send from this MAC on this network? */
static __always_inline int check_tunnel_source(struct way *w, const struct eb_mac *dvr_mac)
{
	struct eb_mac_key key = { .network = w->network, .mac = w->src };
	struct eb_sender_key sender_key = { .network = w->network, .host = w->peer };
	struct eb_fdb *f;

	if (mac_same(dvr_mac, &w->src) && bpf_map_lookup_elem(&sender, &sender_key)) {
		w->dvr = 1;
		return DROP_NONE;
	}
	f = bpf_map_lookup_elem(&fdb, &key);
	if (f && (f->peer == w->peer || f->next == w->peer))
		return DROP_NONE;
	if (bpf_map_lookup_elem(&interface, &key))
		return DROP_GATEWAY_MAC;
	return DROP_TUNNEL_SOURCE;
}

static __always_inline int read_tunnel(struct __sk_buff *skb, __u32 *id, __u32 *remote)
{
	struct bpf_tunnel_key key = {};

	if (trace) { /* a test run cannot have tunnel metadata */
		*id = skb->cb[EB_TRACE_CB_ID];
		*remote = skb->cb[EB_TRACE_CB_REMOTE];
		if (*remote)
			return 0;
	}
	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return -1;
	*id = key.tunnel_id;
	*remote = bpf_htonl(key.remote_ipv4);
	return 0;
}

/* The long way of what a tunnel brings. */
static __always_inline int tunnel_arrives(struct __sk_buff *skb, struct way *w, __u32 id, __u32 remote)
{
	struct eb_segment_key key = { .type = 1, .id = id };
	struct eb_peer_address *from;
	struct eb_mac_key to = {};
	struct eb_segment *s;
	int reason;

	from = bpf_map_lookup_elem(&peer_address, &remote);
	if (!from)
		return drop(w, DROP_TUNNEL_PEER);
	w->peer = from->host;
	s = bpf_map_lookup_elem(&segment, &key);
	if (!s)
		return drop(w, DROP_TUNNEL_SEGMENT);
	w->network = s->network;
	if (w->cut)
		return drop(w, DROP_MALFORMED);
	if (skb->vlan_present || tagged(w))
		return drop(w, DROP_VLAN_TAGGED);
	reason = check_tunnel_source(w, &from->dvr_mac);
	if (reason)
		return drop(w, reason);
	if (w->reason)
		return drop(w, w->reason);
	if (mac_group(&w->dst))
		return switch_group(skb, w);
	to.network = w->network;
	to.mac = w->dst;
	return switch_tunnel(skb, w, &to);
}

/* Looks for the flow; NULL: the long way. */
static __always_inline struct eb_flow *remembered(struct __sk_buff *skb, struct way *w, __u32 from, __u32 id)
{
	if (w->proto != bpf_htons(ETH_P_IP) || w->reason || skb->vlan_present)
		return NULL;
	flow_key(skb, w, from, id);
	return flow_find(skb, w);
}

SEC("tc")
int from_port(struct __sk_buff *skb)
{
	__u32 len = skb->len;
	struct way w = {};
	struct eb_flow *f;
	int act;

	read_headers(skb, &w);
	f = remembered(skb, &w, w.saddr, 0);
	act = LIKELY(f) ? flow_out(skb, &w, f) : port_arrives(skb, &w);
	count(&w, len);
	trace_end(&w);
	return act;
}

SEC("tc")
int from_tunnel(struct __sk_buff *skb)
{
	__u32 len = skb->len, id = 0, remote = 0;
	struct eb_flow *f = NULL;
	struct way w = {};
	int act;

	if (read_tunnel(skb, &id, &remote)) {
		act = drop(&w, DROP_TUNNEL_PEER);
	} else {
		read_headers(skb, &w);
		f = remembered(skb, &w, remote, id);
		act = LIKELY(f) ? flow_out(skb, &w, f) : tunnel_arrives(skb, &w, id, remote);
	}
	count(&w, len);
	trace_end(&w);
	return act;
}
