/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "fuzz.h"
#include "watch/message.h"

/* What either end reads from the other. What is understood must be understood again as it is written. */

static void again(enum message_side sender, const struct message *m)
{
	_cleanup_(utstring_freep) UT_string *line = NULL;
	struct message second;
	struct err err;

	utstring_new(line);
	message_encode(m, line);
	if (message_decode(sender, utstring_body(line), utstring_len(line) - 1, &second, &err) != 0)
		abort();
	if (second.kind != m->kind)
		abort();
	message_fini(&second);
}

static void each_port(const struct message *m)
{
	struct message_port port;
	size_t i;
	json_t *json;
	struct err err;

	if (m->kind != MESSAGE_REPORT)
		return;
	json_array_foreach(m->report.ports, i, json) message_port_decode(json, &port, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum message_side sides[] = { MESSAGE_AGENT, MESSAGE_SERVER };

	for (size_t i = 0; i < N_ELEMENTS(sides); i++) {
		struct message m;
		struct err err;

		if (message_decode(sides[i], (const char *)data, size, &m, &err) != 0)
			continue;
		again(sides[i], &m);
		each_port(&m);
		message_fini(&m);
	}
	return 0;
}
