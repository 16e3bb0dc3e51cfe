/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rig: network and mount namespaces of this process with an open ebpf driver in them, for the
 * suite (on_ebpf.c) and the driver's own tests. Taps stand for the devices of ports, and one
 * more for the underlay, so that each peer has a way. All of it ends with the process.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/driver.h"

struct err;

struct rig_tap {
	uint32_t port;
	char name[IFNAMSIZ];
	int fd; /* -1: the device is gone */
	bool ready; /* as the driver said */
};

struct rig {
	char pins[96];
	struct loop *loop;
	struct driver *driver;
	struct driver_config config;
	struct rig_tap *taps;
	size_t n_taps;
	int underlay;
	int control;
	bool done; /* the last call's answer came */
	size_t n_failures;
	char failure[320]; /* of the first one */
	unsigned lost; /* how often the driver said so */
	unsigned port_failures; /* as said by the driver */
};

int rig_open(struct rig *g, bool trace, struct err *err);
void rig_close(struct rig *g);

int rig_driver_open(struct rig *g, struct err *err);
void rig_driver_close(struct rig *g);

int rig_device(struct rig *g, const char *name); /* a tap, up; its descriptor holds it */

int rig_underlay_mtu(struct rig *g, int mtu);

/* Turns the loop until the condition holds. */
int rig_until(struct rig *g, bool (*holds)(struct rig *g), struct err *err);

/* Devices for exactly the ports of the plan; what is there stays. */
int rig_taps(struct rig *g, const struct plan *p, struct err *err);
struct rig_tap *rig_tap_of(struct rig *g, uint32_t port);
int rig_tap_set(struct rig *g, uint32_t port, bool there, struct err *err);

/* These wait until the driver has answered and said what it should of each device. */
int rig_settle(struct rig *g, struct err *err);
int rig_sync(struct rig *g, const struct plan *p, struct err *err);
int rig_apply(struct rig *g, const struct plan_changes *c, struct err *err);
