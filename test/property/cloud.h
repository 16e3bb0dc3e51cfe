/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cloud: a small random cloud, as a tenant and an operator see it, and what each of its hosts would be
 * sent of it (placement). It knows nothing of plans. Everything is named by its place in an array plus 1
 * for hosts, networks and so on; VMs and interfaces share the numbers of ports.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"
#include "net/ip.h"
#include "net/mac.h"
#include "property.h"

#define HOSTS_MAX 5
#define NETWORKS_MAX 5
#define SUBNETS_MAX 8
#define ROUTERS_MAX 3
#define INTERFACES_MAX 12
#define VMS_MAX 14
#define VM_IPS_MAX 2

struct cloud_network {
	uint32_t vni;
	uint32_t mtu;
};

struct cloud_subnet {
	uint32_t network;
	struct prefix cidr;
	struct ip gateway; /* zero: none */
};

/* A router on one subnet. */
struct cloud_interface {
	bool there, up;
	uint32_t router, subnet, network;
	struct ip ip;
	struct mac mac;
};

struct cloud_vm {
	bool there;
	uint32_t network;
	uint32_t host, next; /* next: 0, or where it is moving to */
	bool up, security;
	struct mac mac;
	uint32_t n_ips;
	struct ip ips[VM_IPS_MAX];
	uint32_t subnets[VM_IPS_MAX]; /* of each address */
};

struct cloud {
	uint32_t n_hosts, n_networks, n_subnets, n_routers;
	struct cloud_network networks[NETWORKS_MAX];
	struct cloud_subnet subnets[SUBNETS_MAX];
	bool router_up[ROUTERS_MAX];
	struct cloud_interface interfaces[INTERFACES_MAX];
	struct cloud_vm vms[VMS_MAX];
	uint32_t next_ip; /* addresses and MACs are not used twice */
};

void cloud_make(struct cloud *c, struct rng *r);
/* One thing happens: a VM comes, goes, moves, a router changes, ... */
void cloud_change(struct cloud *c, struct rng *r);
/* One of those that happen all day. */
void cloud_usual_change(struct cloud *c, struct rng *r);

struct ip cloud_tunnel(uint32_t host);
struct mac cloud_dvr_mac(uint32_t host);
uint32_t cloud_vm_port(uint32_t vm); /* vm: its place in the array */
/* The router has work on the host: a VM there has an address in one of its subnets, or in one of a router beside it. */
bool cloud_router_lives(const struct cloud *c, uint32_t router, uint32_t host);
bool cloud_vm_on(const struct cloud_vm *vm, uint32_t host); /* there, or moving there */

/* What the host is sent. The caller's. */
struct model *cloud_model(const struct cloud *c, uint32_t host);
