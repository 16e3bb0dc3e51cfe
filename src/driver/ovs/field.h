/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * field: what Open vSwitch knows of each field of enum field (ovs-fields(7)): its headers on the wire, its width, what
 * it needs beside it in a match, what may be done with it, and how it is written.
 *
 * A field has two headers. In a match and in set_field it stands by the one that OpenFlow 1.4 has for it (OXM, or
 * Nicira's NXM where OpenFlow has none); in Nicira's own actions (load, move, check_pkt_larger) by the NXM one where
 * there is one. In the latter in_port has 16 bits, in the former 32.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utstring.h>

#include "driver/ovs/flow.h"

#define OXM_HEADER_SIZE 4
#define OXM_HAS_MASK 0x100u

enum field_text { TEXT_HEX, TEXT_DECIMAL, TEXT_IPV4, TEXT_MAC, TEXT_PORT, TEXT_FRAG, TEXT_VLAN };

enum field_may {
	MAY_MASK = 1 << 0, /* be matched in part */
	MAY_SET = 1 << 1, /* be set by set_field */
	MAY_LOAD = 1 << 2, /* be loaded and moved to */
	MAY_READ = 1 << 3, /* be moved from */
	MAY_CHANGE = MAY_SET | MAY_LOAD | MAY_READ,
};

struct field_info {
	const char *name; /* in set_field */
	const char *match_name; /* in a match */
	const char *nxm_name; /* in load and move */
	uint32_t header, nxm_header; /* without OXM_HAS_MASK */
	uint8_t bits, nxm_bits;
	uint8_t may; /* enum field_may */
	enum field_text text;
	enum field needs; /* the field that the match must have, or FIELD_COUNT */
	uint64_t needs_value;
};

const struct field_info *field_info(enum field field);
enum field field_by_header(uint32_t header); /* of a match, OXM_HAS_MASK or not; FIELD_COUNT: unknown */
enum field field_by_nxm_header(uint32_t header);

static inline size_t field_bytes(const struct field_info *i)
{
	return i->header & 0xff;
}

static inline uint64_t bits_mask(unsigned n)
{
	return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

uint64_t field_get(const uint8_t *at, size_t bytes); /* big-endian, 1 to 8 bytes */
void field_put(uint8_t *at, size_t bytes, uint64_t value);

/* "reg0=0x1/0xff", as in a match; "0x1", as in set_field; "NXM_NX_REG0[3..7]" as in move. */
void field_format_match(enum field field, uint64_t value, uint64_t mask, UT_string *out);
void field_format_value(enum field field, uint64_t value, UT_string *out);
void field_format_part(enum field field, unsigned first, unsigned n, UT_string *out);
void field_format_port(uint32_t ofport, UT_string *out);
