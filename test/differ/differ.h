/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * differ: random plans and frames for two datapaths that must come to the same. Both are odd on
 * purpose: what no server would write into a plan, and what only a broken or bad guest would send.
 *
 * A plan never contradicts itself, though: it has its host, one segment a network, one place a MAC, no
 * station's MAC or address that is also a router's. What a driver makes of those is its own affair.
 */

#include <stddef.h>
#include <stdint.h>

#include "driver/fake/forward.h"
#include "plan/plan.h"
#include "property/property.h"

#define DIFFER_FRAME_MAX 2048

/* A frame, and where it comes in: `in.frame` is `bytes`. */
struct differ_frame {
	struct forward_in in;
	uint8_t bytes[DIFFER_FRAME_MAX];
};

struct plan *differ_plan(struct rng *r); /* the caller's */
void differ_change(struct plan *p, struct rng *r); /* in something */
void differ_frame(const struct plan *p, struct rng *r, struct differ_frame *ret);

/*
 * What Open vSwitch cannot ask a packet for, where the reference goes by it (docs/openflow.md): IP options, the version
 * in the header, its checksum, an ICMP header that is cut short; bytes behind the packet, which its userspace datapath
 * takes off the length; and routed packets of IP protocol 0, which it does not change. `fake` is the reference with the
 * plan, `wanted` what it makes of the frame.
 */
bool ovs_is_blind(void *fake, const struct forward_in *in, const struct forward_result *wanted);

/* Records of one table, as an array to pick from. They are the plan's. */
struct records {
	size_t n;
	const struct plan_record **items;
};
struct records records_of(const struct plan *p, enum plan_table table);
void records_fini(struct records *r);
const struct plan_record *records_pick(const struct records *s, struct rng *r); /* or NULL */
