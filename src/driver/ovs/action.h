/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * action: one OpenFlow action as a value, to and from the wire and as text.
 *
 * A whole field is set by set_field. A part of one is loaded by Nicira's reg_load, as OpenFlow 1.4 allows no mask in
 * set_field; the switch keeps and gives back which of the two it was.
 */

#include <stdint.h>
#include <utstring.h>

#include "driver/ovs/flow.h"

enum action_kind {
	ACTION_OUTPUT, /* value: the port */
	ACTION_DEC_TTL,
	ACTION_SET_FIELD, /* field, value */
	ACTION_LOAD, /* field, first, n, value */
	ACTION_MOVE, /* from, from_first, field, first, n */
	ACTION_RESUBMIT, /* value: the table */
	ACTION_CONJUNCTION, /* value: the id; first: the clause, from 0; n: how many */
	ACTION_CHECK_PKT_LARGER, /* value: the length; field, first */
	N_ACTIONS
};

struct action {
	enum action_kind kind;
	enum field field, from;
	unsigned first, from_first, n;
	uint64_t value;
};

size_t action_encode(const struct action *a, uint8_t ret[FLOW_ACTION_MAX]);
/* Of the n bytes that are there, at least 8; returns the action's bytes, or -EINVAL: nothing that we know. */
int action_decode(const uint8_t *at, size_t n, struct action *ret);
void action_format(const struct action *a, UT_string *out);
