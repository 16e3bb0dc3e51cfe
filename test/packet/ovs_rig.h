/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ovs_rig: an Open vSwitch on the dummy datapath (sandbox.h) with a port for each VM and an underlay, for the packet
 * suite (on_ovs.c). No root, no device.
 *
 *     give ─► dummy port of a VM ─► br-int ─► dummy port ─► its capture
 *     give ─► "underlay" ─► br-phy, 192.0.2.1 ─► VXLAN ─► br-int, and the other way
 *
 * Frames are given over ovs-vswitchd's control socket, and it has dealt with one when ovs_rig_give() returns, and so
 * has the driver with what it was asked about it: what is in the captures then is all there will be.
 *
 * The driver's tunnel has `local_ip` "flow": Open vSwitch refuses to send from an address that is no local one in the
 * kernel's routes, which the dummy datapath has not got; so it takes that of the underlay's route.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appctl.h"
#include "driver/driver.h"
#include "driver/fake/forward.h"
#include "driver/ovs/sandbox.h"
#include "pcap.h"

struct err;

#define OVS_RIG_STRANGER "stranger" /* a port that no plan has */

struct ovs_rig_port {
	uint32_t port; /* of the plan */
	char name[16];
	struct pcap out;
	bool there;
	bool ready; /* as the driver said */
};

struct ovs_rig {
	struct sandbox sandbox;
	struct appctl barrier, control; /* opened, and so served, in this order */
	struct pcap underlay, stranger;
	struct ovs_rig_port *ports;
	size_t n_ports;
	unsigned learned; /* addresses, by the underlay's bridge */
	struct plan *plan; /* as given to the driver last */
	struct loop *loop;
	struct driver *driver;
	bool done; /* the last call's answer came */
	size_t n_failures;
	char failure[320]; /* of the first one */
};

int ovs_rig_open(struct ovs_rig *g, struct err *err);
void ovs_rig_close(struct ovs_rig *g);

/* Turns the loop until the condition holds; the second: until the driver has said what it should of each port. */
int ovs_rig_until(struct ovs_rig *g, bool (*holds)(struct ovs_rig *g), struct err *err);
int ovs_rig_settle(struct ovs_rig *g, struct err *err);

/* Ports for exactly those of the plan, and the way to its peers; what is there stays. */
int ovs_rig_ports(struct ovs_rig *g, const struct plan *p, struct err *err);
struct ovs_rig_port *ovs_rig_port_of(struct ovs_rig *g, uint32_t port);
/* Returns when the driver has seen it. */
int ovs_rig_port_set(struct ovs_rig *g, uint32_t port, bool there, struct err *err);
/* To the driver: by sync() the first time, later as changes. All of it is in when it returns, by an audit too. */
int ovs_rig_plan(struct ovs_rig *g, const struct plan *p, struct err *err);
bool ovs_rig_is(const struct ovs_rig *g, const struct plan *p); /* already, and each port is there */

char *ovs_rig_hex(const uint8_t *bytes, size_t n); /* the caller's */
/* What the last command gave has gone through the switch, and the driver has answered what it was asked about it. */
int ovs_rig_pass(struct ovs_rig *g, struct err *err);
/* Gives a frame and passes. -ENOTSUP: no such frame can be given. */
int ovs_rig_give(struct ovs_rig *g, const struct forward_in *in, struct err *err);
/* What came out since the last time, as outputs of *ret (appended). */
int ovs_rig_take(struct ovs_rig *g, const struct plan *p, struct forward_result *ret, struct err *err);
/* All megaflows have been held against the flows as they are. */
int ovs_rig_revalidated(struct ovs_rig *g, struct err *err);
