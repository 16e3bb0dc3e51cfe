/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ofp: messages of OpenFlow 1.4 (ONF TS-012) as bytes: what the driver sends is encoded here, what a switch sends is
 * taken apart. Pure. Numbers are in host order. Everything that comes in is checked against the bytes that are
 * there; -EPROTO and an error's text say what is wrong with it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/ovs/openflow.h"

struct err;

#define OFP_VERSION 0x05
#define OFP_MAX 65535 /* bytes of a message */

enum ofp_type {
	OFP_HELLO = 0,
	OFP_ERROR = 1,
	OFP_ECHO_REQUEST = 2,
	OFP_ECHO_REPLY = 3,
	OFP_EXPERIMENTER = 4,
	OFP_SET_CONFIG = 9,
	OFP_PACKET_IN = 10,
	OFP_FLOW_REMOVED = 11,
	OFP_PORT_STATUS = 12,
	OFP_PACKET_OUT = 13,
	OFP_FLOW_MOD = 14,
	OFP_MULTIPART_REQUEST = 18,
	OFP_MULTIPART_REPLY = 19,
	OFP_BARRIER_REQUEST = 20,
	OFP_BARRIER_REPLY = 21,
	OFP_METER_MOD = 29,
	OFP_ROLE_STATUS = 30,
	OFP_TABLE_STATUS = 31,
	OFP_REQUESTFORWARD = 32,
	OFP_BUNDLE_CONTROL = 33,
	OFP_BUNDLE_ADD = 34,
	OFP_N_TYPES
};

enum ofp_bundle_control {
	OFP_BUNDLE_OPEN = 0,
	OFP_BUNDLE_OPENED = 1,
	OFP_BUNDLE_COMMIT = 4,
	OFP_BUNDLE_COMMITTED = 5,
	OFP_BUNDLE_DISCARD = 6,
	OFP_BUNDLE_DISCARDED = 7,
};

enum ofp_multipart { OFP_MULTIPART_FLOW = 1, OFP_MULTIPART_METER = 9 };

/* Bytes to be sent. Zero-initialised it is empty. */
struct ofp_out {
	uint8_t *bytes;
	size_t len, max;
};

void ofp_out_reserve(struct ofp_out *out, size_t more); /* room for so many bytes, at once */
void ofp_out_fini(struct ofp_out *out); /* empty and usable afterwards */

/* ---- to the switch ---- */
void ofp_put_hello(struct ofp_out *out, uint32_t xid);
/* Fragments by nx-match; asynchronous messages on, packets whole. */
void ofp_put_set_config(struct ofp_out *out, uint32_t xid);
/* Of type echo request, echo reply, barrier request: with nothing, or with what is to be given back. */
void ofp_put_plain(struct ofp_out *out, enum ofp_type type, uint32_t xid, const uint8_t *body, size_t n);
/* In an atomic and ordered bundle. */
void ofp_put_bundle_add(struct ofp_out *out, uint32_t xid, uint32_t bundle, const struct flow_mod *mod);
size_t ofp_bundle_add_size(const struct flow *f);
void ofp_put_bundle_control(struct ofp_out *out, uint32_t xid, uint32_t bundle, enum ofp_bundle_control what);
void ofp_put_delete(struct ofp_out *out, uint32_t xid, uint64_t cookie, uint64_t mask); /* all tables, not strict */
void ofp_put_dump(struct ofp_out *out, uint32_t xid, uint8_t table, uint64_t cookie, uint64_t mask);
enum ofp_meter { OFP_METER_ADD, OFP_METER_MODIFY, OFP_METER_DELETE };
void ofp_put_meter(struct ofp_out *out, uint32_t xid, enum ofp_meter command, const struct openflow_meter *meter);
void ofp_put_meter_stats(struct ofp_out *out, uint32_t xid); /* of all meters */
bool ofp_put_packet_out(struct ofp_out *out, uint32_t xid, uint32_t in_port, const struct flow *actions,
			const uint8_t *frame, size_t n); /* false: it does not fit a message, and nothing was put */

/* ---- from the switch ---- */
struct ofp_message {
	uint8_t version, type;
	uint32_t xid;
	const uint8_t *body; /* behind the header */
	size_t n;
};

/* The first message of the bytes: how long it is; 0: not all of it is there; -EPROTO. */
int ofp_read(const uint8_t *bytes, size_t n, struct ofp_message *ret, struct err *err);

int ofp_read_hello(const struct ofp_message *m, struct err *err); /* 0: it speaks OpenFlow 1.4 */
int ofp_read_error(const struct ofp_message *m, struct openflow_error *ret, struct err *err); /* all but `mod` */
int ofp_read_packet_in(const struct ofp_message *m, struct openflow_packet_in *ret, struct err *err);
int ofp_read_flow_removed(const struct ofp_message *m, uint64_t *ret_cookie, struct err *err);
int ofp_read_bundle_control(const struct ofp_message *m, uint32_t *ret_bundle, enum ofp_bundle_control *ret,
			    struct err *err);

/* A part of a multipart reply, and then its items one after the other: 1; 0: that was the last one. */
struct ofp_part {
	uint16_t type;
	bool more;
	const uint8_t *at;
	size_t n;
};
int ofp_read_part(const struct ofp_message *m, struct ofp_part *ret, struct err *err);

struct ofp_flow_item {
	uint64_t cookie;
	struct openflow_stats stats;
	uint16_t priority;
	uint8_t table;
	const uint8_t *match, *instructions; /* match: OXM TLVs alone */
	size_t match_len, instructions_len;
};
int ofp_read_flow(struct ofp_part *p, struct ofp_flow_item *ret, struct err *err);

struct ofp_meter_item {
	uint32_t id;
	struct openflow_stats in, dropped;
};
int ofp_read_meter(struct ofp_part *p, struct ofp_meter_item *ret, struct err *err);

/* "OFPBAC_BAD_OUT_PORT"; else a text with both numbers. `experimenter`: 0, or who numbered the code. */
void ofp_error_text(uint16_t type, uint16_t code, uint32_t experimenter, char *text, size_t size);
const char *ofp_type_name(unsigned type); /* "barrier reply" */
