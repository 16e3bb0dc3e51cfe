/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The hub's insides, shared by hub.c (connections and messages) and hub_feed.c (units, snapshots, the log). */

#include <pthread.h>
#include <uthash.h>
#include <utlist.h>
#include <utstring.h>

#include "watch/hub.h"
#include "watch/message.h"

#define HUB_MAX_BACKLOG (4U << 20)

struct conn;
struct stream;
struct text;

/* One host's interest in one unit. */
struct sub {
	struct unit unit;
	struct conn *conn;
	uint64_t batch; /* entered in this batch: sent as it is at the batch's end */
	struct sub *prev, *next; /* in topic->subs */
	UT_hash_handle hh; /* in conn->subs */
};

/* All that are interested in one unit. */
struct topic {
	struct unit unit;
	struct sub *subs;
	UT_hash_handle hh;
};

enum conn_state {
	CONN_NEW, /* has not said hello */
	CONN_STORING, /* its registration is being stored */
	CONN_READY, /* waits for its snapshot */
	CONN_LIVE,
	CONN_REPLACED, /* the same host has connected again: closed when the pass is over */
};

struct conn {
	struct hub *hub;
	struct stream *stream;
	enum conn_state state;
	uint64_t ticket;
	uint32_t host;
	char name[HOST_NAME_SIZE];
	char incarnation[UUID_TEXT_SIZE]; /* to resume from, or "" */
	uint64_t position;
	uint64_t since_us, heard_us;
	uint32_t heartbeat_ms; /* as its hello said */
	bool open_frame; /* was sent something since its last frame: in hub->open */
	struct conn *open_prev, *open_next;
	bool resuming; /* in this pass */
	bool broken; /* what it was sent is not complete: closed when the pass is over */
	size_t limit; /* of its stream's backlog */
	struct sub *subs;
	struct conn *prev, *next; /* in hub->conns */
	UT_hash_handle hh; /* in hub->hosts, when it is live */
};

struct verdict {
	uint64_t ticket; /* of a hello; 0: of the host's connection */
	uint32_t host;
	bool accept; /* it is told to accept; else it is to go */
	int r;
	char text[256];
};

struct hub {
	struct loop *loop;
	const struct hub_source *source;
	struct listener *listener;
	struct loop_source *wake, *tick, *retry;
	struct conn *conns, *hosts;
	unsigned n_new, n_ready;
	bool unswept; /* some are replaced or broken */
	struct topic *topics;
	struct conn *open; /* those that are owed a frame */
	uint64_t position; /* of the log: what all live ones were sent */
	uint64_t batch;
	struct text *texts; /* units as lines, as of this position */
	size_t texts_size;
	uint64_t next_ticket;
	uint64_t heartbeat_us, silence_us;
	bool beat; /* every second tick is a heartbeat */
	UT_string *line;
	pthread_mutex_t lock; /* the verdicts alone */
	struct verdict *verdicts;
	size_t n_verdicts;
};

/* hub.c */
void conn_drop(struct conn *c, const char *why);
void conn_send(struct conn *c, const struct message *m);

/* hub_feed.c */
void conn_close_frame(struct conn *c); /* it is owed none */
void hub_forget_texts(struct hub *h);
void conn_unsubscribe_all(struct conn *c);
/* Sends what is new to the live ones, and starts those that are ready. -errno: nothing was lost, try again. */
int hub_pass(struct hub *h, struct err *err);
