/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* host: hosts: registration, tokens, reports; and what each is owed for being one. */

#include "service/internal.h"
#include "store/hosts.h"

/* The number of the host of that name; its row is made if it is not there. */
int host_ref(struct tx *tx, const char *name, uint32_t *ret, struct err *err);
/* Whether the host may have routers is decided anew: from its mode and its L3 agent. */
int host_judge(struct tx *tx, uint32_t host, struct err *err);
/* The host's last agent was deleted by an operator: it is no longer registered. */
int host_unregister(struct tx *tx, uint32_t host, struct err *err);

void host_flush_beats(struct service *s, struct db *db, int64_t now);
bool host_has_beats(struct service *s); /* under s->lock */
