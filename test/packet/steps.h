/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * steps: a plan of two hosts in a rig, changed a step at a time, for the driver's own tests. What
 * goes wrong where nothing should fails the test.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "rig.h"

#define must(call)                                                                                                     \
	do {                                                                                                           \
		struct err must_err = { 0 };                                                                           \
		if ((call) < 0)                                                                                        \
			fail_msg("%s: %s", #call, must_err.text);                                                      \
	} while (0)

#define until(condition)                                                                                               \
	do {                                                                                                           \
		if (rig_until(g, condition, NULL) < 0)                                                                 \
			fail_msg("%s does not come true", #condition);                                                 \
	} while (0)

/* Ports 3 and 4 are here, the VM with MAC :05 is at host 2, and a router joins two networks. */
#define PORT_3 "port port=3 network=7 mac=fa:16:3e:00:00:03 uuid=00000003-0000-4000-8000-000000000003"
#define PORT_4 "port port=4 network=7 mac=fa:16:3e:00:00:04 uuid=00000004-0000-4000-8000-000000000004"
#define FDB_5 "fdb network=7 mac=fa:16:3e:00:00:05 peer=2"
#define FLOOD_2 "flood network=7 host=2"

void planp(struct plan **p);

int steps_open(void **state); /* setup: the rig, with an address and an MTU of 1500 on the underlay */
int steps_close(void **state);
struct plan *steps_load(struct rig *g); /* devices, and a sync */
unsigned findings(struct rig *g, const struct plan *p); /* of an audit; printed */

/* The plan with these records, or without those of the same keys. */
struct plan *with(const struct plan *p, const char *lines);
struct plan *without(const struct plan *p, const char *lines);
/* Applies the difference, and is there then. How many records were refused. */
size_t step(struct rig *g, struct plan **p, struct plan *next);

void set_address(struct rig *g, const char *device, const char *address); /* a /24 */
void set_mtu(struct rig *g, const char *device, int mtu);
void set_up(struct rig *g, const char *device, bool up);
bool has_filter(const char *device);
void drop_qdisc(const char *device); /* as `tc qdisc del` does, with what is attached there */
bool tunnel_is_up(struct rig *g); /* with its filter */
uint64_t counted(struct rig *g, const char *name);
