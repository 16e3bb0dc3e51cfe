/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client: the agent's end of the stream (docs/stream.md). It connects, says hello, hands over
 * what comes, and connects again after 0.2 to 5 seconds, rising, with jitter, whenever the
 * connection ends, is silent for too long, or says what it must not.
 *
 * It keeps no state of the cloud. Before each hello it asks for the words to say; so the token,
 * and the position to resume from, are as of then.
 */

#include <stdbool.h>
#include <stdint.h>

#include "watch/message.h"

struct loop;
struct client;

struct client_events {
	/* Fills the hello; its JSON is the owner's. -errno: not now (a text of why), tried again later. */
	int (*hello)(struct message_hello *ret, struct err *err, void *arg);
	/* Every message of the server but `refused`. An error ends the connection: the state is to be had anew. */
	int (*message)(const struct message *m, struct err *err, void *arg);
	/* The connection is gone, refused (with the server's reason), or was not to be had. */
	void (*down)(const char *why, void *arg);
};

/* `where`: "tcp:ADDRESS:PORT" or "unix:PATH". The first attempt is made when the loop turns. */
struct client *client_new(struct loop *l, const char *where, const struct client_events *events, void *arg);
struct client *client_free(struct client *c); /* accepts NULL, returns NULL */
bool client_is_up(const struct client *c); /* welcomed */
/* Sends a report or heartbeat; dropped silently unless welcomed. */
void client_send(struct client *c, const struct message *m);
/* For tests: pauses between attempts, and the silence that is too long. */
void client_set_times(struct client *c, uint64_t pause_min_us, uint64_t pause_max_us, uint64_t silence_us);
