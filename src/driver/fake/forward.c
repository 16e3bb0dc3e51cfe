/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/fake/forward.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "driver/fake/way.h"

void forward_result_fini(struct forward_result *r)
{
	for (size_t i = 0; i < r->n_outs; i++)
		free(r->outs[i].frame);
	free(r->outs);
	memset(r, 0, sizeof(*r));
}

/* ------------------------------------------------------------------ look-ups */

const struct plan_interface *way_interface(const struct way *w, uint32_t network, const struct mac *mac)
{
	struct plan_record key = PLAN_RECORD(PLAN_INTERFACE);
	const struct plan_record *r;

	key.interface.key.network = network;
	key.interface.key.mac = *mac;
	r = plan_find(w->plan, &key);
	return r ? &r->interface : NULL;
}

const struct plan_fdb *way_fdb(const struct way *w, uint32_t network, const struct mac *mac)
{
	struct plan_record key = PLAN_RECORD(PLAN_FDB);
	const struct plan_record *r;

	key.fdb.key.network = network;
	key.fdb.key.mac = *mac;
	r = plan_find(w->plan, &key);
	return r ? &r->fdb : NULL;
}

const struct plan_neighbour *way_neighbour(const struct way *w, uint32_t network, const struct ip *ip)
{
	struct plan_record key = PLAN_RECORD(PLAN_NEIGHBOUR);
	const struct plan_record *r;

	key.neighbour.key.network = network;
	key.neighbour.key.ip = *ip;
	r = plan_find(w->plan, &key);
	return r ? &r->neighbour : NULL;
}

const struct plan_host *way_host(const struct way *w)
{
	struct plan_record key = PLAN_RECORD(PLAN_HOST);
	const struct plan_record *r = plan_find(w->plan, &key);

	return r ? &r->host : NULL;
}

static const struct plan_port *find_port(const struct way *w, uint32_t port)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	const struct plan_record *r;

	key.port.key.port = port;
	r = plan_find(w->plan, &key);
	return r ? &r->port : NULL;
}

static const struct plan_peer *find_peer(const struct way *w, uint32_t host)
{
	struct plan_record key = PLAN_RECORD(PLAN_PEER);
	const struct plan_record *r;

	key.peer.key.host = host;
	r = plan_find(w->plan, &key);
	return r ? &r->peer : NULL;
}

struct search {
	const struct way *w;
	uint32_t network;
	const struct ip *ip;
	const struct mac *mac;
	const struct plan_record *found;
};

static void match_segment(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (r->segment.network == s->network)
		s->found = r;
}

const struct plan_segment *way_segment(const struct way *w, uint32_t network)
{
	struct search s = { .network = network };

	plan_each(w->plan, PLAN_SEGMENT, match_segment, &s);
	return s.found ? &s.found->segment : NULL;
}

static void match_subnet(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (r->subnet.key.network == s->network && prefix_contains(&r->subnet.key.prefix, s->ip) &&
	    (!s->found || r->subnet.key.prefix.len > s->found->subnet.key.prefix.len))
		s->found = r;
}

/* The MAC that VMs see as source of what was routed to this address. */
static const struct mac *find_gateway(const struct way *w, uint32_t network, const struct ip *ip)
{
	struct search s = { .network = network, .ip = ip };

	plan_each(w->plan, PLAN_SUBNET, match_subnet, &s);
	return s.found ? &s.found->subnet.mac : NULL;
}

/* ------------------------------------------------------------------ out */

void way_drop(struct way *w, enum drop_reason reason)
{
	w->result->verdict = VERDICT_DROP;
	w->result->reason = reason;
}

static struct forward_out *add_out(struct way *w)
{
	struct forward_result *r = w->result;
	struct forward_out *out;

	r->outs = xrealloc(r->outs, (r->n_outs + 1) * sizeof(*r->outs));
	out = &r->outs[r->n_outs++];
	memset(out, 0, sizeof(*out));
	out->frame = xmemdup(w->frame, w->len);
	out->len = w->len;
	return out;
}

void way_out_port(struct way *w, uint32_t port)
{
	add_out(w)->port = port;
}

void way_out_peer(struct way *w, uint32_t peer, const struct plan_segment *s)
{
	struct forward_out *out = add_out(w);

	out->peer = peer;
	out->type = s->key.type;
	out->id = s->key.id;
}

static bool has_device(const struct way *w, uint32_t port)
{
	return !w->world || !w->world->has_device || w->world->has_device(port, w->world->arg);
}

static const struct ip *first_address(const struct plan_port *p)
{
	for (uint8_t i = 0; i < p->n_addrs; i++) {
		const struct prefix *a = &p->addrs[i].prefix;

		if (mac_equal(&p->addrs[i].mac, &p->mac) && ip_is_v4(&a->addr) && a->len == 128)
			return &a->addr;
	}
	return NULL;
}

/* A DVR source becomes what the VM takes for its gateway. False: nothing here could have routed to it. */
static bool restore_gateway(struct way *w, const struct plan_port *p)
{
	const struct ip *first = first_address(p);
	const struct mac *mac = NULL;

	if (w->eth.type == ETHERTYPE_V4)
		mac = find_gateway(w, w->network, &w->ip.dst);
	if (!mac && first)
		mac = find_gateway(w, w->network, first);
	if (!mac)
		return false;
	memcpy(w->frame + sizeof(*mac), mac, sizeof(*mac));
	return true;
}

void way_deliver(struct way *w, uint32_t port)
{
	const struct plan_port *p = find_port(w, port);

	if (!p)
		return way_drop(w, DROP_PORT_MISSING);
	if (!p->up)
		return way_drop(w, DROP_PORT_DOWN);
	if (!has_device(w, port))
		return way_drop(w, DROP_PORT_MISSING);
	if (w->routed && !restore_gateway(w, p))
		return way_drop(w, DROP_TUNNEL_SOURCE);
	w->result->verdict = VERDICT_DELIVER;
	way_out_port(w, port);
}

bool way_fits(const struct way *w, const struct plan_segment *s)
{
	return w->len - ETH_SIZE <= s->mtu;
}

void way_send(struct way *w, uint32_t peer)
{
	const struct plan_segment *s = way_segment(w, w->network);

	if (!s)
		return way_drop(w, DROP_TUNNEL_SEGMENT);
	if (!find_peer(w, peer))
		return way_drop(w, DROP_TUNNEL_PEER);
	if (!way_fits(w, s))
		return way_drop(w, DROP_TOO_BIG);
	w->result->verdict = VERDICT_SEND;
	way_out_peer(w, peer, s);
}

/* ------------------------------------------------------------------ switch */

struct flood {
	struct way *w;
	const struct plan_segment *segment; /* NULL: not to peers */
};

static void flood_port(const struct plan_record *r, void *arg)
{
	struct flood *f = arg;
	uint32_t port = r->port.key.port;

	if (r->port.network == f->w->network && r->port.up && port != f->w->port && has_device(f->w, port))
		way_out_port(f->w, port);
}

static void flood_peer(const struct plan_record *r, void *arg)
{
	struct flood *f = arg;

	if (r->flood.key.network == f->w->network && find_peer(f->w, r->flood.key.host))
		way_out_peer(f->w, r->flood.key.host, f->segment);
}

/* What came by tunnel was flooded to all hosts by its sender. */
static void flood(struct way *w)
{
	struct flood f = { .w = w, .segment = way_segment(w, w->network) };

	w->result->verdict = VERDICT_FLOOD;
	plan_each(w->plan, PLAN_PORT, flood_port, &f);
	if (w->port && f.segment && way_fits(w, f.segment))
		plan_each(w->plan, PLAN_FLOOD, flood_peer, &f);
}

static bool is_reserved(const struct mac *m)
{
	static const uint8_t reserved[] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return memcmp(m->b, reserved, sizeof(reserved)) == 0 && m->b[5] < 0x10;
}

static void switch_frame(struct way *w)
{
	const struct plan_interface *iface;
	const struct plan_fdb *fdb;

	if (is_reserved(&w->eth.dst))
		return way_drop(w, DROP_RESERVED_MAC);
	if (mac_is_group(&w->eth.dst))
		return w->routed ? way_drop(w, DROP_TUNNEL_GROUP) : flood(w);
	iface = way_interface(w, w->network, &w->eth.dst);
	if (iface && w->peer)
		return way_drop(w, DROP_GATEWAY_MAC);
	if (iface)
		return iface->up ? way_route(w, iface) : way_drop(w, DROP_INTERFACE_DOWN);
	fdb = way_fdb(w, w->network, &w->eth.dst);
	if (!fdb)
		return way_drop(w, DROP_UNKNOWN_MAC);
	if (fdb->port)
		return way_deliver(w, fdb->port);
	if (w->peer)
		return way_drop(w, DROP_TUNNEL_REMOTE);
	way_send(w, fdb->peer);
}

/* ------------------------------------------------------------------ arrive */

/* Ethernet without a VLAN tag. */
static bool read_ethernet(struct way *w)
{
	if (eth_read(w->frame, w->len, &w->eth) < 0) {
		way_drop(w, DROP_MALFORMED);
		return false;
	}
	if (w->eth.type == ETHERTYPE_TAG || w->eth.type == ETHERTYPE_STAG) {
		way_drop(w, DROP_VLAN_TAGGED);
		return false;
	}
	return true;
}

/* ARP or IPv4, with a header that can be read. */
static bool read_payload(struct way *w, struct arp *ret_arp)
{
	const uint8_t *at = w->frame + ETH_SIZE;
	size_t len = w->len - ETH_SIZE;
	int r;

	switch (w->eth.type) {
	case ETHERTYPE_V4:
		r = ipv4_read(at, len, &w->ip);
		break;
	case ETHERTYPE_ARP:
		r = arp_read(at, len, ret_arp);
		break;
	case ETHERTYPE_V6:
		way_drop(w, DROP_IPV6);
		return false;
	default:
		way_drop(w, DROP_ETHERTYPE);
		return false;
	}
	if (r < 0)
		way_drop(w, DROP_MALFORMED);
	return r == 0;
}

static void match_peer_mac(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (mac_equal(&r->peer.dvr_mac, s->mac))
		s->found = r;
}

static bool is_dvr_mac(const struct way *w, const struct mac *mac)
{
	const struct plan_host *host = way_host(w);
	struct search s = { .mac = mac };

	if (host && mac_equal(&host->dvr_mac, mac))
		return true;
	plan_each(w->plan, PLAN_PEER, match_peer_mac, &s);
	return s.found;
}

static bool may_use_mac(const struct way *w, const struct plan_port *p)
{
	if (mac_is_group(&w->eth.src) || mac_is_zero(&w->eth.src) || way_interface(w, w->network, &w->eth.src) ||
	    is_dvr_mac(w, &w->eth.src))
		return false;
	if (!p->security || mac_equal(&p->mac, &w->eth.src))
		return true;
	for (uint8_t i = 0; i < p->n_addrs; i++)
		if (mac_equal(&p->addrs[i].mac, &w->eth.src))
			return true;
	return false;
}

static bool may_use_ip(const struct plan_port *p, const struct mac *mac, const struct ip *ip)
{
	for (uint8_t i = 0; i < p->n_addrs; i++)
		if (mac_equal(&p->addrs[i].mac, mac) && prefix_contains(&p->addrs[i].prefix, ip))
			return true;
	return false;
}

/* A client that has no address yet. */
static bool is_dhcp_request(const struct way *w)
{
	const uint8_t *udp = w->frame + ETH_SIZE + w->ip.size;

	return ip_to_v4(&w->ip.dst) == 0xffffffff && w->ip.proto == PROTO_UDP && w->ip.offset == 0 &&
	       w->ip.total >= w->ip.size + UDP_SIZE && get_u16(udp) == 68 && get_u16(udp + 2) == 67;
}

static bool may_send_ipv4(const struct way *w, const struct plan_port *p)
{
	if (ip_is_zero(&w->ip.src))
		return is_dhcp_request(w);
	return may_use_ip(p, &w->eth.src, &w->ip.src);
}

static bool may_send_arp(const struct way *w, const struct plan_port *p, const struct arp *arp)
{
	if (!mac_equal(&arp->sender_mac, &w->eth.src))
		return false;
	if (ip_is_zero(&arp->sender))
		return arp->op == ARP_REQUEST;
	return may_use_ip(p, &arp->sender_mac, &arp->sender);
}

static void arp_from_port(struct way *w, const struct arp *arp)
{
	const struct plan_neighbour *n = way_neighbour(w, w->network, &arp->target);
	const struct plan_interface *iface;

	if (arp->op != ARP_REQUEST || !n || mac_equal(&n->mac, &w->eth.src))
		return switch_frame(w);
	iface = way_interface(w, w->network, &n->mac);
	if (iface && !iface->up)
		return way_drop(w, DROP_INTERFACE_DOWN);
	way_answer_arp(w, arp, &n->mac);
}

static void from_port(struct way *w, uint32_t port)
{
	const struct plan_port *p = find_port(w, port);
	struct arp arp;

	if (!p)
		return way_drop(w, DROP_PORT_UNKNOWN);
	w->port = port;
	w->network = p->network;
	if (!p->up)
		return way_drop(w, DROP_PORT_DOWN);
	if (!read_ethernet(w))
		return;
	if (!may_use_mac(w, p))
		return way_drop(w, DROP_SPOOF_MAC);
	if (!read_payload(w, &arp))
		return;
	if (w->eth.type == ETHERTYPE_ARP) {
		if (p->security && !may_send_arp(w, p, &arp))
			return way_drop(w, DROP_SPOOF_ARP);
		return arp_from_port(w, &arp);
	}
	if (p->security && !may_send_ipv4(w, p))
		return way_drop(w, DROP_SPOOF_IP);
	switch_frame(w);
}

static void match_tunnel(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (ip_equal(&r->peer.tunnel, s->ip))
		s->found = r;
}

static void match_member(const struct plan_record *r, void *arg)
{
	struct search *s = arg;
	struct plan_record key = PLAN_RECORD(PLAN_MEMBER);

	if (r->interface.key.network != s->w->network)
		return;
	key.member.key.router = r->interface.part.router;
	key.member.key.host = s->w->peer;
	if (plan_find(s->w->plan, &key))
		s->found = r;
}

/* The peer may send what it has routed: a router that it has too has an interface on this network. */
static bool may_route(const struct way *w)
{
	struct search s = { .w = w };

	plan_each(w->plan, PLAN_INTERFACE, match_member, &s);
	return s.found;
}

static enum drop_reason check_tunnel_source(struct way *w, const struct plan_peer *peer)
{
	const struct plan_fdb *fdb = way_fdb(w, w->network, &w->eth.src);

	if (mac_equal(&peer->dvr_mac, &w->eth.src) && may_route(w)) {
		w->routed = true;
		return DROP_NONE;
	}
	if (fdb && (fdb->peer == w->peer || fdb->next == w->peer))
		return DROP_NONE;
	return way_interface(w, w->network, &w->eth.src) ? DROP_GATEWAY_MAC : DROP_TUNNEL_SOURCE;
}

static void from_tunnel(struct way *w, const struct forward_in *in)
{
	struct plan_record key = PLAN_RECORD(PLAN_SEGMENT);
	struct search s = { .ip = &in->tunnel };
	const struct plan_record *segment;
	enum drop_reason reason;
	struct arp arp;

	plan_each(w->plan, PLAN_PEER, match_tunnel, &s);
	if (!s.found)
		return way_drop(w, DROP_TUNNEL_PEER);
	w->peer = s.found->peer.key.host;
	key.segment.key.type = in->type;
	key.segment.key.id = in->id;
	segment = plan_find(w->plan, &key);
	if (!segment)
		return way_drop(w, DROP_TUNNEL_SEGMENT);
	w->network = segment->segment.network;
	if (!read_ethernet(w))
		return;
	reason = check_tunnel_source(w, &s.found->peer);
	if (reason != DROP_NONE)
		return way_drop(w, reason);
	if (read_payload(w, &arp))
		switch_frame(w);
}

void forward_run(const struct plan *p, const struct forward_world *world, const struct forward_in *in,
		 struct forward_result *ret)
{
	struct way w = { .plan = p, .world = world, .result = ret, .len = in->len };

	memset(ret, 0, sizeof(*ret));
	w.frame = xmemdup(in->frame, in->len);
	if (in->port)
		from_port(&w, in->port);
	else
		from_tunnel(&w, in);
	free(w.frame);
}
