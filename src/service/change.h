/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * change: what one call changes for the hosts, collected while it runs and logged at its end.
 * Who changes rows only names the objects that may read differently now; at the end each is read
 * back, and what it is then is logged (or that it is gone). So the log cannot differ from what a
 * snapshot would say. A unit that a host came to need and lost again leaves no trace.
 */

#include "model/object.h"
#include "service/internal.h"

struct change *change_new(void);
struct change *change_free(struct change *c); /* accepts NULL, returns NULL */
void change_reset(struct change *c);

void change_touch(struct change *c, enum unit_kind unit, uint32_t num, enum object_kind kind, uint32_t a, uint32_t b);
void change_need(struct change *c, uint32_t host, enum unit_kind kind, uint32_t num, bool needed);
/* Writes the lines under this position; their number. Units that no host needs are left out. */
int change_log(struct change *c, struct tx *tx, uint64_t position, struct err *err);
