/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal: what the server has said since the snapshot on disk was written, in its own words,
 * a frame at a time, written before the frame is applied. Snapshot and journal together are what
 * the datapath was told last: an agent that is killed and starts without a server does not fall
 * back behind it.
 *
 * It is for the death of the agent, not of the host: nothing is synced, and a tail that is torn
 * off counts for nothing. With the host goes the datapath, and the snapshot is enough.
 *
 *   {"welcome":{... the incarnation ...}}    of the snapshot that it goes with
 *   {"set":...} {"del":...} ... {"frame":{"position":124}}
 */

#include <stdint.h>

#include "watch/message.h"

#define JOURNAL_SUFFIX ".journal" /* beside the snapshot */

struct err;
struct journal;

struct journal *journal_new(const char *path);
struct journal *journal_free(struct journal *j); /* accepts NULL, returns NULL */
/* A snapshot has been written: from here on. On failure nothing is kept until the next one. */
int journal_restart(struct journal *j, const char *incarnation, struct err *err);
/* One message; a frame puts down what came since the last one. Nothing is kept before the first restart. */
int journal_note(struct journal *j, const struct message *m, struct err *err);
/* The connection ended: half a frame will come again. */
void journal_forget_half(struct journal *j);

/*
 * Hands over the messages of the whole frames beyond the position, if the journal is of this
 * incarnation. How many frames; -ENOENT when there is no journal. An error of fn ends it.
 */
typedef int (*journal_fn)(const struct message *m, struct err *err, void *arg);
int journal_replay(const char *path, const char *incarnation, uint64_t position, journal_fn fn, void *arg,
		   struct err *err);
/* The same from memory. For replay and for fuzzing. */
int journal_parse(const char *text, size_t len, const char *incarnation, uint64_t position, journal_fn fn, void *arg,
		  struct err *err);
