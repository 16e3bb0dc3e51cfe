/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * vxlan: a frame in its tunnel's headers (Ethernet, IPv4, UDP, VXLAN: RFC 7348), put on and taken off. Taking off
 * checks all that a receiver of ours may count on: lengths, checksum, DF, ToS by the inner ECN, flags.
 */

#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/mac.h"

struct err;

#define VXLAN_PORT 4789
#define VXLAN_OUTER 50 /* bytes in front */

struct vxlan_outer {
	struct mac dst_mac, src_mac;
	struct ip src, dst;
	uint32_t vni;
};

/* New bytes, the caller's: VXLAN_OUTER more than `len`. */
uint8_t *vxlan_wrap(const struct vxlan_outer *o, const uint8_t *frame, size_t len);
/* The inner frame begins behind VXLAN_OUTER bytes. The error names the field that is wrong. */
int vxlan_unwrap(const uint8_t *bytes, size_t len, struct vxlan_outer *ret, struct err *err);
