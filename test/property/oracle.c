/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

static const struct cloud_interface *interface_by_mac(const struct cloud *c, uint32_t network, const struct mac *mac)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && c->interfaces[i].network == network &&
		    mac_equal(&c->interfaces[i].mac, mac))
			return &c->interfaces[i];
	return NULL;
}

static const struct cloud_interface *interface_by_ip(const struct cloud *c, uint32_t network, const struct ip *ip)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && c->interfaces[i].network == network && ip_equal(&c->interfaces[i].ip, ip))
			return &c->interfaces[i];
	return NULL;
}

/* The interface that the router has on the subnet with this address; its subnets do not overlap. */
static const struct cloud_interface *way_to(const struct cloud *c, uint32_t router, const struct ip *ip)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct cloud_interface *f = &c->interfaces[i];

		if (f->there && f->up && f->router == router && prefix_contains(&c->subnets[f->subnet - 1].cidr, ip))
			return f;
	}
	return NULL;
}

static bool is_address_of(const struct cloud *c, uint32_t router, const struct ip *ip)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && c->interfaces[i].up && c->interfaces[i].router == router &&
		    ip_equal(&c->interfaces[i].ip, ip))
			return true;
	return false;
}

/* The interface and its router are on, and the router is on this host. */
static bool works(const struct cloud *c, const struct cloud_interface *f, uint32_t host)
{
	return f->up && c->router_up[f->router - 1] && cloud_router_lives(c, f->router, host);
}

/* What the subnet's VMs take for their gateway: who has the gateway's address, else its first router. */
static struct mac gateway_of(const struct cloud *c, uint32_t subnet)
{
	const struct cloud_interface *first = NULL;

	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct cloud_interface *f = &c->interfaces[i];

		if (!f->there || f->subnet != subnet)
			continue;
		if (ip_equal(&f->ip, &c->subnets[subnet - 1].gateway))
			return f->mac;
		if (!first)
			first = f;
	}
	return first->mac;
}

static struct expected arrives(const struct cloud *c, const struct probe *p, uint32_t vm)
{
	struct expected e = { EXPECT_VM, .vm = vm, .ttl = p->ttl, .src_mac = c->vms[p->vm].mac };

	e.vni = c->networks[c->vms[vm].network - 1].vni;
	if (!c->vms[vm].up)
		e.what = EXPECT_NOBODY;
	return e;
}

/* Within the network: by MAC, whatever the addresses say. */
static struct expected ask_switched(const struct cloud *c, const struct probe *p)
{
	uint32_t network = c->vms[p->vm].network;

	for (uint32_t i = 0; i < VMS_MAX; i++) {
		const struct cloud_vm *vm = &c->vms[i];

		if (!vm->there || vm->network != network || !mac_equal(&vm->mac, &p->dst_mac))
			continue;
		if (vm->host != p->host && p->length > c->networks[network - 1].mtu)
			break;
		return arrives(c, p, i);
	}
	return (struct expected) { EXPECT_NOBODY };
}

static struct expected answer(const struct probe *p)
{
	return (struct expected) { p->echo ? EXPECT_ANSWER : EXPECT_NOBODY };
}

static struct expected ask_routed(const struct cloud *c, const struct probe *p, const struct cloud_interface *in)
{
	const struct cloud_interface *out, *other;
	struct expected e;

	if (!works(c, in, p->host))
		return (struct expected) { EXPECT_NOBODY };
	if (is_address_of(c, in->router, &p->dst))
		return answer(p);
	out = way_to(c, in->router, &p->dst);
	if (!out || p->ttl <= 1 || p->length > c->networks[out->network - 1].mtu)
		return (struct expected) { EXPECT_ERROR };
	/* Another router's address there: that router answers, on this host. */
	other = interface_by_ip(c, out->network, &p->dst);
	if (other)
		return works(c, other, p->host) ? answer(p) : (struct expected) { EXPECT_NOBODY };
	for (uint32_t i = 0; i < VMS_MAX; i++) {
		const struct cloud_vm *vm = &c->vms[i];

		for (uint32_t n = 0; vm->there && vm->network == out->network && n < vm->n_ips; n++) {
			if (!ip_equal(&vm->ips[n], &p->dst))
				continue;
			e = arrives(c, p, i);
			e.ttl = (uint8_t)(p->ttl - 1);
			e.src_mac = vm->host == p->host ? out->mac : gateway_of(c, vm->subnets[n]);
			e.routed = true;
			return e;
		}
	}
	return (struct expected) { EXPECT_NOBODY };
}

struct expected oracle_ask(const struct cloud *c, const struct probe *p)
{
	const struct cloud_interface *in = interface_by_mac(c, c->vms[p->vm].network, &p->dst_mac);

	if (!c->vms[p->vm].up)
		return (struct expected) { EXPECT_NOBODY };
	return in ? ask_routed(c, p, in) : ask_switched(c, p);
}
