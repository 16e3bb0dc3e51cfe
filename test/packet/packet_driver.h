/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * packet_driver: what the packet suite needs of a datapath. One file a datapath (on_fake.c,
 * on_ebpf.c ...) defines one of these; packet_test.c has the table of them, meson.build the list.
 *
 * The suite loads a plan, gives one frame and asks what became of it: outputs with their frames,
 * verdict, reason. In and out are the reference's own types (driver/fake/forward.h): ports, peers
 * and segments are named as in the plan; a frame that goes to a peer is the inner one, without
 * the tunnel's headers. Outputs may come in any order.
 *
 * ebpf: load() makes an interface for each port of the plan (a dummy device, a veth) in a network
 * namespace of its own and gives the plan to the driver by sync(), in the same process, with
 * driver_config.trace set. run() is BPF_PROG_TEST_RUN: ctx_in.ifindex is the port's device, cb[]
 * stands for the tunnel's metadata; outputs come from the decision record, the frame from
 * data_out, less what was pushed in front. A flooded frame is the same for all outputs. Frames
 * that the test run cannot be given return -ENOTSUP, and are counted as such.
 *
 * openvswitch: a real Open vSwitch of the suite's own, on its dummy datapath, without root (ovs_rig.h). The plan goes
 * to the driver, the first one by sync(), each later one by apply(). Frames are real ones, and so are the tunnel's
 * headers.
 */

#include <stdbool.h>
#include <stdint.h>

#include "driver/fake/forward.h"

struct err;
struct plan;

struct packet_driver {
	const char *name; /* --driver NAME */
	int (*open)(void **ret, struct err *err);
	void (*close)(void *d);
	/* The datapath is this plan now, as after a sync; each port has a device. Plans of one run may be alike. */
	int (*load)(void *d, const struct plan *p, struct err *err);
	/* The port's device goes or comes back, until the next load(). -ENOTSUP: cannot be shown. */
	int (*device)(void *d, uint32_t port, bool there, struct err *err);
	/* *ret is new: forward_result_fini(). -ENOTSUP: no such frame can be given. */
	int (*run)(void *d, const struct forward_in *in, struct forward_result *ret, struct err *err);
	/* Prints the last frame's way, as comments of TAP. NULL: it knows no more than the result. */
	void (*explain)(void *d);
};

extern const struct packet_driver packet_on_fake;
extern const struct packet_driver packet_on_ebpf;
extern const struct packet_driver packet_on_ovs;
