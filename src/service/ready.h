/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ready: a port that its host reports up becomes ACTIVE when the live hosts that must accept its
 * frames have applied its place too, or READY_PATIENCE_MS later: who waits for ACTIVE loses no
 * first packet, and a host that is slow or dying holds nobody up for longer.
 *
 * All of it is the writer's, in memory: after a restart of the server a port that is up is ACTIVE
 * at once.
 */

#include <stdint.h>

#include "service/internal.h"

#define READY_PATIENCE_MS 200
#define READY_ALIVE 30 /* seconds since a host was heard: others are not waited for */

void ready_free(struct service *s);
/* The log says at this position where the port is. */
void ready_note(struct service *s, uint32_t port, uint64_t position);
/* The host reports the port up: stored now, or when its peers are ready. */
int ready_report(struct tx *tx, const struct service_port_report *report, uint32_t host, struct err *err);
/* It is not up any more, or not there any more. */
void ready_forget(struct service *s, uint32_t port);
/* Stores what need not wait any longer. */
int ready_settle(struct tx *tx, struct err *err);
/* Its transaction has ended. */
void ready_end(struct service *s, bool committed);
/* When that has to be asked again at the latest, CLOCK_MONOTONIC in ms; 0: nothing waits. */
uint64_t ready_deadline(const struct service *s);
