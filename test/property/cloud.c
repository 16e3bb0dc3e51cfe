/* SPDX-License-Identifier: Apache-2.0 */
#include "cloud.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_VM_PORT 100
#define FIRST_INTERFACE_PORT 900

struct ip cloud_tunnel(uint32_t host)
{
	return ip_from_v4(0xc0000200 + host);
}

struct mac cloud_dvr_mac(uint32_t host)
{
	return (struct mac) { { 0xfa, 0x16, 0x3f, 0, 0, (uint8_t)host } };
}

uint32_t cloud_vm_port(uint32_t vm)
{
	return FIRST_VM_PORT + vm;
}

bool cloud_vm_on(const struct cloud_vm *vm, uint32_t host)
{
	return vm->there && (vm->host == host || vm->next == host);
}

/* ------------------------------------------------------------------ making */

static struct mac port_mac(uint32_t number)
{
	return (struct mac) { { 0xfa, 0x16, 0x3e, 0, (uint8_t)(number >> 8), (uint8_t)number } };
}

/* Isolated networks may use the same addresses; routers then do not join them. */
static void make_subnets(struct cloud *c, struct rng *r)
{
	for (uint32_t network = 1; network <= c->n_networks; network++) {
		for (uint32_t n = 1 + rng_chance(r, 30); n > 0 && c->n_subnets < SUBNETS_MAX; n--) {
			struct cloud_subnet *s = &c->subnets[c->n_subnets];
			uint32_t third = rng_chance(r, 80) ? 1 + c->n_subnets : 1;

			if (c->n_subnets > 0 && s[-1].network == network)
				third = 100 + c->n_subnets; /* two of one network never overlap */
			s->network = network;
			s->cidr.addr = ip_from_v4(0x0a000000 + (third << 8));
			s->cidr.len = IP_V4_BITS + 24;
			if (rng_chance(r, 85))
				s->gateway = ip_from_v4(0x0a000000 + (third << 8) + 1);
			c->n_subnets++;
		}
	}
}

static bool address_taken(const struct cloud *c, uint32_t subnet, const struct ip *ip)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && c->interfaces[i].subnet == subnet && ip_equal(&c->interfaces[i].ip, ip))
			return true;
	return false;
}

/* Neutron's rule: the subnets of one router do not overlap, and it is on each once. */
static bool may_join(const struct cloud *c, uint32_t router, uint32_t subnet)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct cloud_interface *f = &c->interfaces[i];

		if (f->there && f->router == router &&
		    prefix_overlaps(&c->subnets[f->subnet - 1].cidr, &c->subnets[subnet - 1].cidr))
			return false;
	}
	return true;
}

static void add_interface(struct cloud *c, struct rng *r)
{
	uint32_t router = 1 + rng_below(r, c->n_routers), subnet = 1 + rng_below(r, c->n_subnets);
	const struct cloud_subnet *s = &c->subnets[subnet - 1];
	struct cloud_interface *f = c->interfaces;
	struct ip ip = s->gateway;

	while (f < c->interfaces + INTERFACES_MAX && f->there)
		f++;
	if (c->n_routers == 0 || f == c->interfaces + INTERFACES_MAX || !may_join(c, router, subnet))
		return;
	for (uint32_t last = 2; ip_is_zero(&ip) || address_taken(c, subnet, &ip); last++)
		ip = ip_from_v4(ip_to_v4(&s->cidr.addr) + last);
	f->there = true;
	f->up = !rng_chance(r, 10);
	f->router = router;
	f->subnet = subnet;
	f->network = s->network;
	f->ip = ip;
	f->mac = port_mac(++c->next_ip);
}

static void add_vm_address(struct cloud *c, struct rng *r, struct cloud_vm *vm)
{
	uint32_t subnet = 1 + rng_below(r, c->n_subnets);

	if (c->subnets[subnet - 1].network != vm->network || vm->n_ips == VM_IPS_MAX)
		return;
	vm->subnets[vm->n_ips] = subnet;
	vm->ips[vm->n_ips++] = ip_from_v4(ip_to_v4(&c->subnets[subnet - 1].cidr.addr) + 10 + ++c->next_ip % 240);
}

static void add_vm(struct cloud *c, struct rng *r)
{
	struct cloud_vm *vm = c->vms;

	while (vm < c->vms + VMS_MAX && vm->there)
		vm++;
	if (vm == c->vms + VMS_MAX)
		return;
	memset(vm, 0, sizeof(*vm));
	vm->there = true;
	vm->network = 1 + rng_below(r, c->n_networks);
	vm->host = 1 + rng_below(r, c->n_hosts);
	vm->up = rng_chance(r, 90);
	vm->security = rng_chance(r, 80);
	vm->mac = port_mac(++c->next_ip);
	for (int i = 0; i < 12; i++)
		add_vm_address(c, r, vm);
	if (vm->n_ips == VM_IPS_MAX && rng_chance(r, 70))
		vm->n_ips = 1;
}

void cloud_make(struct cloud *c, struct rng *r)
{
	memset(c, 0, sizeof(*c));
	c->n_hosts = 1 + rng_below(r, HOSTS_MAX);
	c->n_networks = 1 + rng_below(r, NETWORKS_MAX);
	c->n_routers = rng_below(r, ROUTERS_MAX + 1);
	for (uint32_t i = 0; i < c->n_networks; i++) {
		c->networks[i].vni = 1000 + 7 * i;
		c->networks[i].mtu = rng_chance(r, 80) ? 1450 : 1300 + 50 * rng_below(r, 5);
	}
	make_subnets(c, r);
	for (uint32_t i = 0; i < c->n_routers; i++)
		c->router_up[i] = rng_chance(r, 85);
	for (uint32_t n = rng_below(r, INTERFACES_MAX + 1); n > 0; n--)
		add_interface(c, r);
	for (uint32_t n = 2 + rng_below(r, VMS_MAX - 1); n > 0; n--)
		add_vm(c, r);
}

/* ------------------------------------------------------------------ change */

static void move_vm(struct cloud *c, struct rng *r, struct cloud_vm *vm)
{
	if (vm->next) {
		/* It arrives, or the move is given up. */
		if (rng_chance(r, 80))
			vm->host = vm->next;
		vm->next = 0;
	} else if (rng_chance(r, 40)) {
		vm->host = 1 + rng_below(r, c->n_hosts); /* without notice: rebuilt elsewhere */
	} else {
		vm->next = 1 + rng_below(r, c->n_hosts);
		if (vm->next == vm->host)
			vm->next = 0;
	}
}

static void change_vm(struct cloud *c, struct rng *r)
{
	struct cloud_vm *vm = &c->vms[rng_below(r, VMS_MAX)];

	if (!vm->there)
		return;
	switch (rng_below(r, 5)) {
	case 0:
		vm->there = false;
		break;
	case 1:
		vm->up = !vm->up;
		break;
	case 2:
		/* Another address, also one that it gives back. */
		if (vm->n_ips > 1)
			vm->n_ips--;
		else
			add_vm_address(c, r, vm);
		break;
	default:
		move_vm(c, r, vm);
		break;
	}
}

/* Two VMs of a network: one takes the other's address. */
static void hand_over_address(struct cloud *c, struct rng *r)
{
	for (int i = 0; i < 20; i++) {
		struct cloud_vm *from = &c->vms[rng_below(r, VMS_MAX)], *to = &c->vms[rng_below(r, VMS_MAX)];

		if (from == to || !from->there || !to->there || from->network != to->network || from->n_ips == 0 ||
		    to->n_ips == VM_IPS_MAX)
			continue;
		from->n_ips--;
		to->ips[to->n_ips] = from->ips[from->n_ips];
		to->subnets[to->n_ips++] = from->subnets[from->n_ips];
		if (rng_chance(r, 50)) {
			from->host = 1 + rng_below(r, c->n_hosts);
			from->next = 0;
		}
		return;
	}
}

/* Never in Neutron, but a host that was away long may find a number in another network's hands. */
static void swap_segments(struct cloud *c, struct rng *r)
{
	struct cloud_network *a = &c->networks[rng_below(r, c->n_networks)],
			     *b = &c->networks[rng_below(r, c->n_networks)];
	uint32_t vni = a->vni;

	a->vni = b->vni;
	b->vni = vni;
}

void cloud_usual_change(struct cloud *c, struct rng *r)
{
	uint32_t router = rng_below(r, c->n_routers);

	if (rng_chance(r, 20))
		add_vm(c, r);
	else if (rng_chance(r, 20))
		add_interface(c, r);
	else if (rng_chance(r, 20) && c->n_routers)
		c->router_up[router] = !c->router_up[router];
	else
		change_vm(c, r);
}

void cloud_change(struct cloud *c, struct rng *r)
{
	uint32_t router = rng_below(r, c->n_routers), subnet = rng_below(r, c->n_subnets);
	struct cloud_interface *f = &c->interfaces[rng_below(r, INTERFACES_MAX)];

	switch (rng_below(r, 13)) {
	case 0:
	case 1:
		add_vm(c, r);
		break;
	case 2:
		if (c->n_routers)
			c->router_up[router] = !c->router_up[router];
		break;
	case 3:
		add_interface(c, r);
		break;
	case 4:
		f->there = false;
		break;
	case 5:
		c->subnets[subnet].gateway = ip_from_v4(ip_to_v4(&c->subnets[subnet].cidr.addr) + 1 + rng_below(r, 3));
		break;
	case 6:
		hand_over_address(c, r);
		break;
	case 7:
		swap_segments(c, r);
		break;
	case 8:
		f->up = !f->up;
		break;
	default:
		change_vm(c, r);
		break;
	}
}

/* ------------------------------------------------------------------ placement */

static bool router_on_network(const struct cloud *c, uint32_t router, uint32_t network)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && c->interfaces[i].router == router && c->interfaces[i].network == network)
			return true;
	return false;
}

static bool router_on_subnet(const struct cloud *c, uint32_t router, uint32_t subnet)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && c->interfaces[i].router == router && c->interfaces[i].subnet == subnet)
			return true;
	return false;
}

static bool router_serves(const struct cloud *c, uint32_t router, uint32_t host)
{
	for (uint32_t i = 0; i < VMS_MAX; i++)
		for (uint32_t n = 0; cloud_vm_on(&c->vms[i], host) && n < c->vms[i].n_ips; n++)
			if (router_on_subnet(c, router, c->vms[i].subnets[n]))
				return true;
	return false;
}

static bool are_related(const struct cloud *c, uint32_t a, uint32_t b)
{
	for (uint32_t network = 1; network <= c->n_networks; network++)
		if (router_on_network(c, a, network) && router_on_network(c, b, network))
			return true;
	return false;
}

bool cloud_router_lives(const struct cloud *c, uint32_t router, uint32_t host)
{
	for (uint32_t other = 1; other <= c->n_routers; other++)
		if ((other == router || are_related(c, router, other)) && router_serves(c, other, host))
			return true;
	return false;
}

static bool needs_network(const struct cloud *c, uint32_t network, uint32_t host)
{
	for (uint32_t i = 0; i < VMS_MAX; i++)
		if (cloud_vm_on(&c->vms[i], host) && c->vms[i].network == network)
			return true;
	for (uint32_t router = 1; router <= c->n_routers; router++)
		if (router_on_network(c, router, network) && cloud_router_lives(c, router, host))
			return true;
	return false;
}

static bool needs_peer(const struct cloud *c, uint32_t peer, uint32_t host)
{
	if (peer == host)
		return false;
	for (uint32_t i = 0; i < VMS_MAX; i++)
		if (cloud_vm_on(&c->vms[i], peer) && needs_network(c, c->vms[i].network, host))
			return true;
	for (uint32_t router = 1; router <= c->n_routers; router++)
		if (cloud_router_lives(c, router, host) && cloud_router_lives(c, router, peer))
			return true;
	return false;
}

/* ------------------------------------------------------------------ objects */

static struct object new_object(enum object_kind kind, uint32_t num, enum unit_kind unit, uint32_t unit_num)
{
	return object_init(kind, num, 0, (struct unit) { unit, unit_num });
}

static struct uuid make_uuid(uint8_t kind, uint32_t number)
{
	return (struct uuid) { { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				 (uint8_t)number, kind, 1 } };
}

static void add_host(struct model *m, enum object_kind kind, uint32_t host)
{
	struct object o = new_object(kind, host, kind == OBJECT_HOST ? UNIT_HOST : UNIT_PEER, host);

	snprintf(o.host.name, sizeof(o.host.name), "host%u", host);
	o.host.tunnel = cloud_tunnel(host);
	o.host.dvr_mac = cloud_dvr_mac(host);
	model_set(m, &o);
}

static void add_vm_port(struct model *m, const struct cloud_vm *vm, uint32_t num, uint32_t host)
{
	struct object o = new_object(OBJECT_PORT, num, UNIT_HOST, host);

	o.port.uuid = make_uuid(3, num);
	o.port.network = vm->network;
	o.port.mac = vm->mac;
	o.port.admin_state_up = vm->up;
	o.port.port_security = vm->security;
	for (uint32_t i = 0; i < vm->n_ips; i++) {
		o.port.addrs[i].mac = vm->mac;
		o.port.addrs[i].prefix = prefix_host(&vm->ips[i]);
	}
	o.port.n_addrs = (uint8_t)vm->n_ips;
	model_set(m, &o);
}

static void add_endpoint(struct model *m, const struct cloud_vm *vm, uint32_t num)
{
	struct object o = new_object(OBJECT_ENDPOINT, num, UNIT_NETWORK, vm->network);

	o.endpoint.network = vm->network;
	o.endpoint.host = vm->host;
	o.endpoint.next = vm->next;
	o.endpoint.mac = vm->mac;
	o.endpoint.n_ips = (uint8_t)vm->n_ips;
	memcpy(o.endpoint.ips, vm->ips, vm->n_ips * sizeof(vm->ips[0]));
	model_set(m, &o);
}

static void add_network(struct model *m, const struct cloud *c, uint32_t network)
{
	struct object o = new_object(OBJECT_NETWORK, network, UNIT_NETWORK, network);

	o.network.uuid = make_uuid(1, network);
	snprintf(o.network.type, sizeof(o.network.type), "vxlan");
	o.network.segmentation_id = c->networks[network - 1].vni;
	o.network.mtu = c->networks[network - 1].mtu;
	model_set(m, &o);
	for (uint32_t i = 0; i < c->n_subnets; i++) {
		if (c->subnets[i].network != network)
			continue;
		o = new_object(OBJECT_SUBNET, i + 1, UNIT_NETWORK, network);
		o.subnet.uuid = make_uuid(2, i + 1);
		o.subnet.network = network;
		o.subnet.cidr = c->subnets[i].cidr;
		o.subnet.gateway = c->subnets[i].gateway;
		model_set(m, &o);
	}
	for (uint32_t i = 0; i < VMS_MAX; i++)
		if (c->vms[i].there && c->vms[i].network == network)
			add_endpoint(m, &c->vms[i], cloud_vm_port(i));
}

static void add_router(struct model *m, const struct cloud *c, uint32_t router)
{
	struct object o = new_object(OBJECT_ROUTER, router, UNIT_ROUTER, router);

	o.router.uuid = make_uuid(4, router);
	o.router.admin_state_up = c->router_up[router - 1];
	o.router.distributed = true;
	model_set(m, &o);
	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct cloud_interface *f = &c->interfaces[i];

		if (!f->there || f->router != router)
			continue;
		o = new_object(OBJECT_INTERFACE, FIRST_INTERFACE_PORT + i, UNIT_ROUTER, router);
		o.interface.uuid = make_uuid(5, i);
		o.interface.router = router;
		o.interface.network = f->network;
		o.interface.mac = f->mac;
		o.interface.admin_state_up = f->up;
		o.interface.n_addrs = 1;
		o.interface.addrs[0].addr = f->ip;
		o.interface.addrs[0].len = c->subnets[f->subnet - 1].cidr.len;
		model_set(m, &o);
	}
	for (uint32_t host = 1; host <= c->n_hosts; host++) {
		if (!cloud_router_lives(c, router, host))
			continue;
		o = object_init(OBJECT_MEMBER, router, host, (struct unit) { UNIT_ROUTER, router });
		model_set(m, &o);
	}
}

struct model *cloud_model(const struct cloud *c, uint32_t host)
{
	struct model *m = model_new();

	add_host(m, OBJECT_HOST, host);
	for (uint32_t i = 0; i < VMS_MAX; i++)
		if (cloud_vm_on(&c->vms[i], host))
			add_vm_port(m, &c->vms[i], cloud_vm_port(i), host);
	for (uint32_t network = 1; network <= c->n_networks; network++)
		if (needs_network(c, network, host))
			add_network(m, c, network);
	for (uint32_t router = 1; router <= c->n_routers; router++)
		if (cloud_router_lives(c, router, host))
			add_router(m, c, router);
	for (uint32_t peer = 1; peer <= c->n_hosts; peer++)
		if (needs_peer(c, peer, host))
			add_host(m, OBJECT_PEER, peer);
	return m;
}
