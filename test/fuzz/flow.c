/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/flow.h"
#include "fuzz.h"
#include "net/packet.h"

/*
 * A flow as a switch dumps it: two bytes that say how long the match is, the match, the instructions. What is
 * understood must be understood again, the same, and written.
 */

static void again(const struct flow *f)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct flow second;
	struct err err;

	utstring_new(out);
	flow_format(f, out);
	flow_init(&second, f->table, f->priority, f->cookie);
	if (flow_decode_match(&second, f->match, f->match_len, &err) < 0 ||
	    flow_decode_instructions(&second, f->instructions, f->instructions_len, &err) < 0 ||
	    !flow_equal(f, &second))
		abort();
	flow_fini(&second);
}

/* Kept as it came, where it is not understood, it is the same each time, and can be written. */
static void kept(const uint8_t *match, size_t n, const uint8_t *instructions, size_t n_instructions)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct flow f, second;

	utstring_new(out);
	flow_init(&f, 1, 1, 0);
	flow_init(&second, 1, 1, 0);
	if (flow_decode(&f, match, n, instructions, n_instructions)) {
		flow_format(&f, out);
		if (!flow_decode(&second, f.match, f.match_len, f.instructions, f.instructions_len) ||
		    !flow_equal(&f, &second))
			abort();
	}
	flow_fini(&f);
	flow_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) uint8_t *match = NULL;
	struct flow f;
	struct err err;
	uint64_t value;
	size_t n;

	if (size < 2 || (n = get_u16(data)) > size - 2)
		return 0;
	match = xmemdup(data + 2, n); /* of its own size, so that reading behind the end is seen */
	for (enum field field = 0; field < FIELD_COUNT; field++)
		flow_oxm_find(match, n, field, &value);
	flow_init(&f, 1, 1, 0);
	if (flow_decode_match(&f, match, n, &err) == 0 &&
	    flow_decode_instructions(&f, data + 2 + n, size - 2 - n, &err) == 0)
		again(&f);
	flow_fini(&f);
	kept(match, n, data + 2 + n, size - 2 - n);
	return 0;
}
