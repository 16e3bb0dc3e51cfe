/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/snapshot.h"
#include "base/err.h"
#include "base/mem.h"
#include "fuzz.h"

/* The agent's snapshot on disk: after a power cut it may be anything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = xmemdup(data, size);
	struct snapshot_head head;
	struct model *m;
	struct err err;

	if (snapshot_parse(text, size, &head, &m, &err) == 0)
		model_free(m);
	return 0;
}
