/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* probe: the frames that the properties send. */

#include "net/packet.h"
#include "oracle.h"

#define PROBE_FRAME_MAX 2048

/* A random packet of a VM: to a VM or a router of its network, or through a router to somebody. False: nobody to send.
 */
bool probe_make(struct probe *p, const struct cloud *c, struct rng *r);
/* The frame; returns its length. */
size_t probe_frame(const struct probe *p, const struct cloud *c, uint8_t frame[PROBE_FRAME_MAX]);
void probe_print(const struct probe *p, char text[200]);
