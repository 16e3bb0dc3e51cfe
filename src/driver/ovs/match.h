/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* match: a list of OXM entries, ascending by enum field, each field once, whole fields without a mask. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utstring.h>

#include "driver/ovs/flow.h"

struct match_entry {
	enum field field;
	uint64_t value, mask;
};

bool match_find(const struct flow *f, enum field field, struct match_entry *ret);
/* False: the field is there already, or there is no room. A mask of 0: nothing. */
bool match_insert(struct flow *f, const struct match_entry *e);
/* What the field needs beside it in a match is there. */
bool match_allows(const struct flow *f, enum field field);
void match_format(const struct flow *f, UT_string *out); /* "priority=7,ip,nw_dst=10.0.0.1", or "" */
