/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "differ.h"
#include "net/packet.h"

/*
 * Frames: addresses out of the plan, so that most of them get far, and a fault in some. What is
 * behind the first hundred bytes is zero, so that a case file can show it.
 */

#define LONGEST 1700 /* bytes behind the Ethernet header */

/* What a frame is made of. */
struct maker {
	struct rng *r;
	struct records ports, places, interfaces, neighbours, peers, segments;
	uint32_t network; /* where it comes in */
	struct eth eth;
	struct ip src;
	uint8_t *frame;
	size_t len;
};

static void maker_init(struct maker *m, const struct plan *p, struct rng *r, uint8_t *frame)
{
	memset(m, 0, sizeof(*m));
	m->r = r;
	m->frame = frame;
	m->ports = records_of(p, PLAN_PORT);
	m->places = records_of(p, PLAN_FDB);
	m->interfaces = records_of(p, PLAN_INTERFACE);
	m->neighbours = records_of(p, PLAN_NEIGHBOUR);
	m->peers = records_of(p, PLAN_PEER);
	m->segments = records_of(p, PLAN_SEGMENT);
}

static void maker_fini(struct maker *m)
{
	records_fini(&m->ports);
	records_fini(&m->places);
	records_fini(&m->interfaces);
	records_fini(&m->neighbours);
	records_fini(&m->peers);
	records_fini(&m->segments);
}

/* ------------------------------------------------------------------ addresses */

static struct ip odd_ip(struct rng *r)
{
	static const uint32_t odd[] = { 0,          0xffffffff, 0x7f000001, 0xe0000001, 0xefffffff,
					0xf0000001, 0xa9fe0001, 0x00000001, 0x0a0001ff, 0x0a000100,
					0x0a000101, 0x7effffff, 0x80000000, 0xdfffffff };

	return ip_from_v4(rng_chance(r, 90) ? odd[rng_below(r, N_ELEMENTS(odd))] : (uint32_t)rng_next(r));
}

static struct mac odd_mac(struct maker *m)
{
	static const struct mac odd[] = {
		{ { 0 } },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ { 0x01, 0x00, 0x5e, 0, 0, 1 } },
		{ { 0x01, 0x80, 0xc2, 0, 0, 0x0f } },
		{ { 0x01, 0x80, 0xc2, 0, 0, 0x10 } },
		{ { 0x33, 0x33, 0, 0, 0, 1 } },
		{ { 0xfa, 0x16, 0x3f, 0, 0, 1 } }, /* a host's DVR MAC */
		{ { 0xfa, 0x16, 0x3f, 0, 0, 2 } },
		{ { 0, 0, 0x5e, 0, 1, 1 } }, /* address pairs */
		{ { 0xfa, 0x16, 0x3e, 0xde, 0xad, 0 } },
	};
	const struct plan_record *r = records_pick(rng_chance(m->r, 50) ? &m->places : &m->interfaces, m->r);

	if (r && rng_chance(m->r, 40))
		return r->table == PLAN_FDB ? r->fdb.key.mac : r->interface.key.mac;
	return odd[rng_below(m->r, N_ELEMENTS(odd))];
}

/* Of the frame's network, if it has one; any else. */
static const struct plan_record *near(struct maker *m, const struct records *s)
{
	const struct plan_record *r = NULL;

	for (int i = 0; i < 20; i++) {
		r = records_pick(s, m->r);
		if (r && (r->table == PLAN_FDB ? r->fdb.key.network : r->interface.key.network) == m->network)
			break;
	}
	return r;
}

static struct ip somebody(struct maker *m)
{
	const struct plan_record *n = records_pick(&m->neighbours, m->r);
	const struct plan_record *i = records_pick(&m->interfaces, m->r);

	if (n && rng_chance(m->r, 75))
		return n->neighbour.key.ip;
	if (i && i->interface.n_addrs && rng_chance(m->r, 75))
		return i->interface.addrs[rng_below(m->r, i->interface.n_addrs)].addr;
	return odd_ip(m->r);
}

static void choose_destination(struct maker *m)
{
	uint32_t what = rng_below(m->r, 100);
	const struct plan_record *r;

	if (what < 45 && (r = near(m, &m->interfaces)))
		m->eth.dst = r->interface.key.mac;
	else if (what < 80 && (r = near(m, &m->places)))
		m->eth.dst = r->fdb.key.mac;
	else if (what < 90)
		m->eth.dst = (struct mac) { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	else
		m->eth.dst = odd_mac(m);
}

/* What comes by tunnel is for a station here, mostly. */
static void choose_port(struct maker *m)
{
	for (int i = 0; i < 10; i++) {
		const struct plan_record *r = records_pick(&m->ports, m->r);

		if (r && r->port.network == m->network)
			m->eth.dst = r->port.mac;
	}
}

/* ------------------------------------------------------------------ payload */

static size_t some_length(struct maker *m)
{
	const struct plan_record *s = records_pick(&m->segments, m->r);

	if (rng_chance(m->r, 15))
		return rng_below(m->r, 9);
	if (rng_chance(m->r, 70) || !s || s->segment.mtu < 100)
		return rng_below(m->r, 64);
	return s->segment.mtu - 40 + rng_below(m->r, 50);
}

/* A number that one's complement is touchy about, or any. */
static uint16_t touchy(struct rng *r)
{
	static const uint16_t numbers[] = { 0, 0xffff, 0xfffe, 0xfeff, 0xff00, 0xf7ff, 0x0100, 0x00ff, 0xfdff };

	return rng_chance(r, 70) ? numbers[rng_below(r, N_ELEMENTS(numbers))] : (uint16_t)rng_next(r);
}

static size_t put_transport(struct maker *m, const struct ipv4 *ip, uint8_t *at)
{
	static const uint8_t types[] = { 0, 3, 4, 5, 11, 12, 13, 17, 18, 30 };
	size_t len = some_length(m);

	if (ip->proto == PROTO_ICMP) {
		struct icmp icmp = { .type = ICMP_ECHO, .rest = (uint32_t)rng_next(m->r) };

		if (rng_chance(m->r, 30))
			icmp.type = types[rng_below(m->r, N_ELEMENTS(types))];
		icmp.code = rng_chance(m->r, 10);
		len += ICMP_SIZE;
		icmp_write(at, len, &icmp);
	} else if (ip->proto == PROTO_UDP) {
		bool dhcp = rng_chance(m->r, 15);

		len += UDP_SIZE;
		put_u16(at, dhcp ? 68 : (uint16_t)rng_next(m->r));
		put_u16(at + 2, dhcp ? 67 : (uint16_t)rng_next(m->r));
		put_u16(at + 4, (uint16_t)len);
		put_u16(at + 6, checksum_transport(ip, at, len));
	} else if (ip->proto == PROTO_TCP) {
		len += TCP_SIZE;
		at[12] = TCP_SIZE / 4 << 4;
		put_u16(at + 16, checksum_transport(ip, at, len));
	}
	if (rng_chance(m->r, 10) && len >= 8) /* where each of them has its checksum, or not */
		put_u16(at + (ip->proto == PROTO_ICMP ? 2 : 6), touchy(m->r));
	if (rng_chance(m->r, 8))
		len = rng_below(m->r, 9);
	return len;
}

/* The header's checksum becomes this one, by the right packet id. */
static void reach_checksum(uint8_t *ip, size_t size, uint16_t wanted)
{
	uint32_t sum;

	put_u16(ip + 4, 0);
	put_u16(ip + 10, 0);
	sum = (uint32_t)(uint16_t)~wanted + checksum_fold(checksum_add(0, ip, size));
	put_u16(ip + 4, (uint16_t)((sum & 0xffff) + (sum >> 16)));
	put_u16(ip + 10, wanted);
}

static void finish_header(struct maker *m, uint8_t *ip, size_t size)
{
	put_u16(ip + 10, 0);
	put_u16(ip + 10, checksum_fold(checksum_add(0, ip, size)));
	if (rng_chance(m->r, 25))
		reach_checksum(ip, size, touchy(m->r));
	else if (rng_chance(m->r, 5))
		put_u16(ip + 10, touchy(m->r));
}

static void put_ipv4(struct maker *m)
{
	static const uint8_t ttls[] = { 0, 1, 1, 2, 3, 8, 9, 10, 255 },
			     protos[] = { 1, 1, 1, 1, 1, 6, 6, 17, 17, 17, 17, 50, 0, 2, 4, 47, 58, 132 };
	struct ipv4 ip = { .ttl = 64, .proto = protos[rng_below(m->r, sizeof(protos))], .size = IPV4_SIZE };
	uint8_t *at = m->frame + ETH_SIZE;
	size_t len;

	if (rng_chance(m->r, 35))
		ip.ttl = ttls[rng_below(m->r, sizeof(ttls))];
	if (rng_chance(m->r, 40))
		ip.tos = (uint8_t)rng_next(m->r);
	ip.dont_fragment = rng_chance(m->r, 50);
	ip.more_fragments = rng_chance(m->r, 8);
	if (rng_chance(m->r, 8))
		ip.offset = (uint16_t)(8 * rng_below(m->r, 8192));
	if (rng_chance(m->r, 6))
		ip.size = (uint16_t)(ip.size + 4 * (1 + rng_below(m->r, 10)));
	ip.src = rng_chance(m->r, 85) && ip_is_v4(&m->src) ? m->src : rng_chance(m->r, 50) ? odd_ip(m->r) : somebody(m);
	ip.dst = rng_chance(m->r, 92) ? somebody(m) : odd_ip(m->r);
	if (mac_is_group(&m->eth.dst) && rng_chance(m->r, 30))
		ip.dst = ip_from_v4(0xffffffff);
	len = ip.size + put_transport(m, &ip, at + ip.size);
	ip.total = (uint16_t)len;
	if (rng_chance(m->r, 6))
		ip.total = (uint16_t)(rng_chance(m->r, 50) ? rng_below(m->r, 64) : len - 2 + rng_below(m->r, 5));
	ipv4_write(at, &ip);
	at[0] = (uint8_t)(0x40 | ip.size / 4);
	memset(at + IPV4_SIZE, 1, (size_t)ip.size - IPV4_SIZE); /* no-operations */
	finish_header(m, at, ip.size);
	m->len = ETH_SIZE + len;
}

static void put_arp(struct maker *m)
{
	struct arp arp = { .op = rng_chance(m->r, 75) ? ARP_REQUEST : ARP_REPLY,
			   .sender_mac = m->eth.src,
			   .sender = m->src,
			   .target = somebody(m) };

	if (rng_chance(m->r, 8))
		arp.sender_mac = odd_mac(m);
	if (rng_chance(m->r, 15))
		arp.sender = rng_chance(m->r, 60) ? ip_from_v4(0) : somebody(m);
	if (rng_chance(m->r, 10))
		arp.target = arp.sender;
	if (rng_chance(m->r, 4))
		arp.op = (uint16_t)rng_below(m->r, 12);
	arp_write(m->frame + ETH_SIZE, &arp);
	m->len = ETH_SIZE + ARP_SIZE;
}

static void put_payload(struct maker *m)
{
	static const uint16_t types[] = { 0,      ETHERTYPE_V6, ETHERTYPE_TAG, ETHERTYPE_STAG, 0x88cc, 46,    0x0600,
					  0x9100, 0xffff,       0x8847,        0x8848,         0x88e7, 0x894f };
	uint32_t what = rng_below(m->r, 100);

	m->eth.type = what < 78 ? ETHERTYPE_V4 : ETHERTYPE_ARP;
	if (m->eth.type == ETHERTYPE_V4)
		put_ipv4(m);
	else
		put_arp(m);
	if (what >= 95)
		m->eth.type = types[rng_below(m->r, N_ELEMENTS(types))];
	eth_write(m->frame, &m->eth);
}

/* Bytes behind the packet, bits that flip, an early end. */
static void spoil(struct maker *m)
{
	if (rng_chance(m->r, 10))
		m->len += rng_chance(m->r, 70) ? rng_below(m->r, 60) : rng_below(m->r, 1500);
	if (m->len > ETH_SIZE + LONGEST)
		m->len = ETH_SIZE + LONGEST;
	if (rng_chance(m->r, 12))
		m->frame[rng_below(m->r, 60)] ^= (uint8_t)(1u << rng_below(m->r, 8));
	if (rng_chance(m->r, 5))
		m->len = rng_below(m->r, (uint32_t)m->len + 1);
}

/* ------------------------------------------------------------------ where it comes in */

static void by_port(struct maker *m, struct forward_in *in)
{
	const struct plan_record *r = records_pick(&m->ports, m->r);
	const struct plan_port_addr *a = NULL;

	in->port = 4000; /* none */
	if (!r)
		return;
	if (r->port.n_addrs)
		a = &r->port.addrs[rng_below(m->r, r->port.n_addrs)];
	in->port = rng_chance(m->r, 98) ? r->port.key.port : 4000;
	m->network = r->port.network;
	m->eth.src = r->port.mac;
	m->src = odd_ip(m->r);
	if (a) {
		m->src = a->prefix.addr;
		m->eth.src = a->mac;
	}
	if (rng_chance(m->r, 10))
		m->eth.src = odd_mac(m);
}

static void by_tunnel(struct maker *m, struct forward_in *in)
{
	const struct plan_record *peer = records_pick(&m->peers, m->r), *s = records_pick(&m->segments, m->r), *f;

	in->type = PLAN_SEGMENT_VXLAN;
	in->tunnel = peer && rng_chance(m->r, 97) ? peer->peer.tunnel : ip_from_v4(0xc0000263);
	in->id = s && rng_chance(m->r, 97) ? s->segment.key.id : 4000;
	m->network = s ? s->segment.network : 0;
	m->src = somebody(m);
	m->eth.src = peer ? peer->peer.dvr_mac : odd_mac(m);
	if (rng_chance(m->r, 40))
		return;
	m->eth.src = odd_mac(m);
	for (int i = 0; i < 30 && peer && rng_chance(m->r, 98); i++) {
		f = records_pick(&m->places, m->r);
		if (f && f->fdb.key.network == m->network && f->fdb.peer == peer->peer.key.host)
			m->eth.src = f->fdb.key.mac;
	}
}

void differ_frame(const struct plan *p, struct rng *r, struct differ_frame *ret)
{
	struct maker m;

	memset(ret, 0, sizeof(*ret));
	maker_init(&m, p, r, ret->bytes);
	if (m.ports.n && (!m.peers.n || rng_chance(r, 75)))
		by_port(&m, &ret->in);
	else
		by_tunnel(&m, &ret->in);
	choose_destination(&m);
	if (!ret->in.port && rng_chance(r, 60))
		choose_port(&m);
	put_payload(&m);
	spoil(&m);
	ret->in.frame = ret->bytes;
	ret->in.len = m.len;
	maker_fini(&m);
}
