/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * follow: what the server says becomes the model, and at each frame the plan's changes.
 *
 * A snapshot is collected beside the model and taken over at its end as a difference: what is in
 * it and what is not decide, and only what differs is compiled. Nothing is ever emptied first.
 *
 * Held: a snapshot of another life of the database, or from before what we have, that would
 * remove more than five and more than a tenth of the ports whose devices are here, is not taken
 * over. A server on an empty or old database must not take a host down. It is kept up to date
 * beside, taken over when it no longer removes so much or when follow_accept() says so, and
 * forgotten when the server is back with the database that we know. Nothing is taken from it
 * while it is held: its numbers may mean other things than ours.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"
#include "plan/plan.h"
#include "watch/message.h"

struct err;
struct follow;

struct follow_events {
	/* The plan is new; `changes` is what differs. `whole`: a snapshot was taken over. */
	void (*changes)(const struct plan_changes *changes, bool whole, const char *request_id, void *arg);
	/* Is the device of this port here? */
	bool (*device)(uint32_t port, void *arg);
};

struct follow *follow_new(const struct follow_events *events, void *arg);
struct follow *follow_free(struct follow *f); /* accepts NULL, returns NULL */

/* One message of the server. -EPROTO: it does not fit; the connection is to be made anew. */
int follow_message(struct follow *f, const struct message *m, struct err *err);
/* The state of an earlier run: takes over the model, and compiles it. No event follows. */
void follow_load(struct follow *f, struct model *m, const char *incarnation, uint64_t position);
/* What to resume from; incarnation "" when there is nothing. */
void follow_hello(const struct follow *f, struct message_hello *ret);
/* Takes a held snapshot over. False when none is held. */
bool follow_accept(struct follow *f);

bool follow_has_state(const struct follow *f); /* a whole snapshot, from whenever */
bool follow_is_held(const struct follow *f);
const char *follow_incarnation(const struct follow *f);
uint64_t follow_position(const struct follow *f);
const struct model *follow_model(const struct follow *f); /* as of the last frame, unless a frame is half here */
/* What comes now changes the model; otherwise it is for a snapshot beside it. */
bool follow_is_live(const struct follow *f);
bool follow_between_frames(const struct follow *f);
const struct plan *follow_plan(const struct follow *f); /* good until the next changes() */
