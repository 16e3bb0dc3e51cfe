/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <stdio.h>
#include <string.h>

/* Somebody's address: a VM's, a router's, or nobody's. */
static struct ip random_target(const struct cloud *c, struct rng *r)
{
	const struct cloud_vm *vm = &c->vms[rng_below(r, VMS_MAX)];
	const struct cloud_interface *f = &c->interfaces[rng_below(r, INTERFACES_MAX)];

	if (vm->there && vm->n_ips && rng_chance(r, 75))
		return vm->ips[rng_below(r, vm->n_ips)];
	if (f->there && rng_chance(r, 75))
		return f->ip;
	return ip_from_v4(0x0a000000 + (rng_below(r, 10) << 8) + 250);
}

/* The MAC of a router on the network, mostly; else of a VM, or of nobody. */
static struct mac random_next_hop(const struct cloud *c, struct rng *r, uint32_t network)
{
	for (int i = 0; i < 40; i++) {
		const struct cloud_interface *f = &c->interfaces[rng_below(r, INTERFACES_MAX)];
		const struct cloud_vm *vm = &c->vms[rng_below(r, VMS_MAX)];

		if (i < 20 && f->there && f->network == network)
			return f->mac;
		if (i >= 20 && vm->there && vm->network == network)
			return vm->mac;
	}
	return (struct mac) { { 0xfa, 0x16, 0x3e, 0xde, 0xad, 0 } };
}

bool probe_make(struct probe *p, const struct cloud *c, struct rng *r)
{
	static const uint8_t ttls[] = { 1, 2, 64, 64, 64, 255 };
	const struct cloud_vm *vm, *other;

	memset(p, 0, sizeof(*p));
	p->vm = rng_below(r, VMS_MAX);
	vm = &c->vms[p->vm];
	if (!vm->there || vm->n_ips == 0)
		return false;
	p->host = vm->next && rng_chance(r, 50) ? vm->next : vm->host;
	p->src = vm->ips[rng_below(r, vm->n_ips)];
	p->dst = random_target(c, r);
	p->dst_mac = random_next_hop(c, r, vm->network);
	other = &c->vms[rng_below(r, VMS_MAX)];
	if (rng_chance(r, 25) && other->there && other->network == vm->network)
		p->dst_mac = other->mac;
	p->ttl = ttls[rng_below(r, sizeof(ttls))];
	p->echo = rng_chance(r, 40);
	p->length = (uint16_t)(rng_chance(r, 85) ? 60 : 1290 + 50 * rng_below(r, 5) + rng_below(r, 12));
	/* To oneself is nothing that a VM does. */
	return !mac_equal(&p->dst_mac, &vm->mac);
}

size_t probe_frame(const struct probe *p, const struct cloud *c, uint8_t frame[PROBE_FRAME_MAX])
{
	struct eth eth = { .dst = p->dst_mac, .src = c->vms[p->vm].mac, .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = p->ttl,
			   .proto = p->echo ? PROTO_ICMP : PROTO_UDP,
			   .total = p->length,
			   .size = IPV4_SIZE,
			   .src = p->src,
			   .dst = p->dst };
	uint8_t *l4 = frame + ETH_SIZE + IPV4_SIZE;
	size_t l4_len = p->length - IPV4_SIZE;

	memset(frame, 0, PROBE_FRAME_MAX);
	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	if (p->echo) {
		icmp_write(l4, l4_len, &(struct icmp) { ICMP_ECHO, 0, 0x00010002 });
	} else {
		put_u16(l4, 1000);
		put_u16(l4 + 2, 2000);
		put_u16(l4 + 4, (uint16_t)l4_len);
		put_u16(l4 + 6, checksum_transport(&ip, l4, l4_len));
	}
	return ETH_SIZE + p->length;
}

void probe_print(const struct probe *p, char text[200])
{
	char src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	snprintf(text, 200, "port %u on host %u: %s > %s by %s, ttl %u, %u bytes%s", cloud_vm_port(p->vm), p->host,
		 ip_format(&p->src, src), ip_format(&p->dst, dst), mac_format(&p->dst_mac, mac), p->ttl, p->length,
		 p->echo ? ", echo" : "");
}
