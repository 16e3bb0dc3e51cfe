/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * frame: a frame as a test case writes it. One line a layer, in any order; each is a change to what
 * stood before, so that an expected frame is written as its differences from the one that went in:
 *
 *     eth DST < SRC [type=0xHEX] [vlan=N]
 *     arp request|reply SENDER_MAC SENDER_IP > TARGET_MAC TARGET_IP [op=N]
 *     ip [SRC > DST] [ttl=N] [tos=N] [id=N] [df] [mf] [offset=BYTES] [proto=N]
 *        [total=N] [options=HEX] [checksum=bad]
 *     icmp [echo|reply] [type=N] [code=N] [id=N] [seq=N] [checksum=bad]
 *     udp [SPORT > DPORT] [checksum=bad]
 *     tcp [SPORT > DPORT] [checksum=bad]
 *     data BYTES                 that many, of a pattern
 *     hex HEX                    the whole frame
 *     poke OFFSET HEX            at last, over the frame
 *     cut BYTES                  at last, the frame ends there
 *     pad BYTES                  at last, zeroes up to that length
 *     error type=N code=N src=IP [mtu=N] [quote_ttl=N]
 *                                expected only: an ICMP error about what went in
 *
 * Lengths and checksums are computed, unless said otherwise.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/packet.h"

struct err;

#define FRAME_POKES 4
#define FRAME_BYTES 128 /* of one hex value */

enum frame_l3 { FRAME_L3_NONE, FRAME_L3_ARP, FRAME_L3_IPV4 };

struct frame_poke {
	size_t at, len;
	uint8_t bytes[FRAME_BYTES];
};

struct frame {
	struct eth eth;
	bool has_type; /* eth.type was given, and is not that of the L3 layer */
	int vlan; /* -1: none */
	enum frame_l3 l3;
	struct arp arp;
	struct ipv4 ip;
	int total; /* -1: computed */
	uint8_t options[40];
	size_t n_options;
	bool bad_ip_checksum;
	int l4; /* PROTO_*, or -1: none */
	struct icmp icmp;
	uint16_t sport, dport;
	bool bad_l4_checksum;
	size_t data;
	uint8_t raw[FRAME_BYTES];
	size_t n_raw;
	struct frame_poke pokes[FRAME_POKES];
	size_t n_pokes;
	int cut, pad; /* -1: none */

	bool is_error; /* the `error` line; `icmp` and `ip.src` say which */
	int quote_ttl; /* -1: as it went in */
};

void frame_init(struct frame *f);
int frame_parse_line(struct frame *f, const char *line, struct err *err);
/* New bytes, the caller's. */
uint8_t *frame_build(const struct frame *f, size_t *ret_len);
/* The frame that came out is what was expected; `in` is what went in. The reason why not is put into err. */
int frame_check(const struct frame *expected, const struct frame *in, const uint8_t *frame, size_t len,
		struct err *err);
