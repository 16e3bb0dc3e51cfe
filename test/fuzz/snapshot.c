/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/journal.h"
#include "agent/snapshot.h"
#include "base/err.h"
#include "base/mem.h"
#include "fuzz.h"

static int ignore(const struct message *m, struct err *err, void *arg)
{
	(void)m;
	(void)err;
	(void)arg;
	return 0;
}

/* The agent's snapshot and journal on disk: after a power cut they may be anything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = xmemdup(data, size);
	struct snapshot_head head;
	struct model *m;
	struct err err;

	if (snapshot_parse(text, size, &head, &m, &err) == 0)
		model_free(m);
	journal_parse((const char *)data, size, "6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01", 7, ignore, NULL, &err);
	return 0;
}
