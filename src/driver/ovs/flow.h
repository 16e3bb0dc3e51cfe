/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * flow: one flow of an OpenFlow 1.4 table as a value: table, priority, cookie, match, instructions. Made by
 * builders, encoded to and decoded from the wire (openflow.c), and written as `ovs-ofctl -O OpenFlow14
 * --no-stats --no-names dump-flows` writes it.
 *
 *     struct flow f;
 *     flow_init(&f, TABLE_ROUTE, 124, cookie);
 *     flow_match(&f, FIELD_REG1, router);
 *     flow_match_prefix(&f, FIELD_IPV4_DST, &prefix);
 *     flow_load(&f, FIELD_METADATA, network);
 *     flow_goto(&f, TABLE_TTL);
 *     ...
 *     flow_fini(&f);
 *
 * Two flows are the same flow when table, priority and match are equal; the match is kept in one canonical
 * form (field order, no bits under a zero mask, prerequisites such as eth_type put in by the builder), and so are
 * the instructions: what the switch gives back in a dump is, byte by byte, what was sent. Values are in host
 * order. A builder that is used wrongly (a field without its prerequisite, an action behind goto) is a bug: it
 * asserts.
 *
 * Fields, their OXM or NXM header, width, prerequisite and name stand in one table (field.c), actions in another
 * (action.c).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utstring.h>

#include "net/ip.h"
#include "net/mac.h"

struct err;

/* Ports of OpenFlow that are none. */
#define OFPP_IN_PORT 0xfffffff8u
#define OFPP_CONTROLLER 0xfffffffdu
#define OFPP_LOCAL 0xfffffffeu

/* Names are those of ovs-fields(7), in capitals. */
enum field {
	FIELD_IN_PORT, /* 32 bits; OpenFlow port number (ofport) */
	FIELD_METADATA, /* 64 */
	FIELD_REG0,
	FIELD_REG1,
	FIELD_REG2,
	FIELD_REG3,
	FIELD_REG4,
	FIELD_REG5,
	FIELD_REG6,
	FIELD_REG7,
	FIELD_REG8,
	FIELD_REG9,
	FIELD_REG10,
	FIELD_REG11,
	FIELD_REG12,
	FIELD_REG13,
	FIELD_REG14,
	FIELD_REG15,
	FIELD_XREG0,
	FIELD_XREG1,
	FIELD_XREG2,
	FIELD_XREG3,
	FIELD_XREG4,
	FIELD_XREG5,
	FIELD_XREG6,
	FIELD_XREG7,
	FIELD_TUN_ID, /* 64 */
	FIELD_TUN_SRC,
	FIELD_TUN_DST, /* IPv4 */
	FIELD_CONJ_ID,
	FIELD_ETH_DST,
	FIELD_ETH_SRC,
	FIELD_ETH_TYPE,
	FIELD_VLAN_TCI, /* 13 bits: 0x1000: a tag is there; the tag's number. 0: no tag */
	FIELD_IP_PROTO,
	FIELD_IP_TTL,
	FIELD_IP_FRAG, /* 1: any, 2 (with 1): later */
	FIELD_IPV4_SRC,
	FIELD_IPV4_DST,
	FIELD_ARP_OP,
	FIELD_ARP_SPA,
	FIELD_ARP_TPA,
	FIELD_ARP_SHA,
	FIELD_ARP_THA,
	FIELD_ICMP_TYPE,
	FIELD_ICMP_CODE,
	FIELD_TCP_SRC,
	FIELD_TCP_DST,
	FIELD_UDP_SRC,
	FIELD_UDP_DST,
	FIELD_COUNT
};

struct flow {
	uint64_t cookie;
	uint16_t priority;
	uint8_t table;
	uint16_t match_len, instructions_len; /* bytes of each */
#define FLOW_MATCH_MAX 256
#define FLOW_INSTRUCTIONS_MAX 65200 /* what fits into a message of 64 kB with all that stands around it */
	uint8_t match[FLOW_MATCH_MAX]; /* OXM TLVs without ofp_match's header and padding, canonical */
	uint8_t *instructions; /* the ofp_instruction list, canonical; the flow's own */
	size_t allocated; /* bytes of it */
	uint16_t actions_at; /* inside instructions: where the first of the open actions begins, or 0 */
	bool ended; /* a goto stands behind */
};

void flow_init(struct flow *f, uint8_t table, uint16_t priority, uint64_t cookie);
void flow_fini(struct flow *f);
void flow_move(struct flow *to, struct flow *from); /* `from` is empty afterwards */
void flow_copy(struct flow *to, const struct flow *from);

/* ---- match. Each field once. ---- */
void flow_match(struct flow *f, enum field field, uint64_t value);
void flow_match_masked(struct flow *f, enum field field, uint64_t value, uint64_t mask);
void flow_match_mac(struct flow *f, enum field field, const struct mac *mac); /* an XREG: as flow_load_mac() left it */
void flow_match_ip(struct flow *f, enum field field, const struct ip *ip); /* IPv4 */
/* An IPv4 prefix (lengths of struct prefix count from ::ffff:0:0/96: 120 is /24); of length 0: no match on the field.
 */
void flow_match_prefix(struct flow *f, enum field field, const struct prefix *prefix);

/* ---- instructions: meter first, then actions in order, then goto. ---- */
void flow_meter(struct flow *f, uint32_t meter);
void flow_load(struct flow *f, enum field field, uint64_t value); /* the whole field: set_field */
void flow_load_bits(struct flow *f, enum field field, unsigned first, unsigned n, uint64_t value);
void flow_load_mac(struct flow *f, enum field field, const struct mac *mac); /* an XREG: its low 48 bits, the rest 0 */
void flow_load_ip(struct flow *f, enum field field, const struct ip *ip);
void flow_move_bits(struct flow *f, enum field from, unsigned from_first, enum field to, unsigned to_first, unsigned n);
void flow_output(struct flow *f, uint32_t ofport);
void flow_output_in_port(struct flow *f);
void flow_controller(struct flow *f); /* the whole packet, to who speaks on this connection */
void flow_resubmit(struct flow *f, uint8_t table);
void flow_dec_ttl(struct flow *f);
void flow_check_pkt_larger(struct flow *f, uint16_t bytes, enum field field,
			   unsigned bit); /* Ethernet header included */
void flow_conjunction(struct flow *f, uint32_t id, unsigned clause, unsigned n_clauses); /* clause from 1 */
void flow_goto(struct flow *f, uint8_t table);

#define FLOW_ACTION_MAX 24 /* bytes of the longest action */
size_t flow_room(const struct flow *f); /* bytes of actions that still fit, with a goto behind them */

/* ---- comparison ---- */
bool flow_same(const struct flow *a, const struct flow *b); /* table, priority, match */
bool flow_equal(const struct flow *a, const struct flow *b); /* the cookie and the instructions too */
uint32_t flow_hash(const struct flow *f); /* of what flow_same() compares */

/* As ovs-ofctl prints it, without the newline. "drop" for no instruction. What is not understood: "match:HEX". */
void flow_format(const struct flow *f, UT_string *out);

/*
 * Bytes as they come from the switch into the canonical form, into a flow that has none yet. -EINVAL: not understood;
 * the error names what, and the flow is to be thrown away.
 */
int flow_decode_match(struct flow *f, const uint8_t *oxm, size_t n, struct err *err);
int flow_decode_instructions(struct flow *f, const uint8_t *bytes, size_t n, struct err *err);

/*
 * Both, into a flow that has neither. What is not understood (another program's, or another version's) is kept as it
 * came: such a flow can be compared, written, deleted, and no more. False: it is too long for that.
 */
bool flow_decode(struct flow *f, const uint8_t *oxm, size_t n_oxm, const uint8_t *instructions, size_t n_instructions);

/* Reads one field of an OXM list (packet-in); false: it is not there (a register of a packet-in: it is 0). */
bool flow_oxm_find(const uint8_t *oxm, size_t n, enum field field, uint64_t *ret);
