/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * feed: what the agents' hub reads and reports, from and to the service. The hub calls it from its
 * own thread; the service answers from its writer's. After feed_detach() those answers are dropped,
 * so the hub may be closed while the service still finishes what was submitted.
 */

#include <stdint.h>

struct err;
struct feed;
struct hub;
struct hub_source;
struct service;

int feed_open(struct service *service, struct feed **ret, struct err *err);
/* For hub_open(); valid until feed_close(). */
const struct hub_source *feed_source(struct feed *f);
void feed_attach(struct feed *f, struct hub *hub);
void feed_detach(struct feed *f); /* and gives back what it reads with */
void feed_wake(struct feed *f); /* the log has grown: from any thread */
void feed_report_lost(struct feed *f, uint32_t host); /* the host has to report anew: from any thread */
void feed_accept(struct feed *f, uint32_t host); /* what the host holds back is meant: from any thread */
struct feed *feed_close(struct feed *f); /* after the service; accepts NULL, returns NULL */
