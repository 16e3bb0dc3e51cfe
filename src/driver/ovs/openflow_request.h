/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * openflow_request: what is asked of a switch, as a state machine of its own: it says what is to be sent, is given
 * what comes back, and says when it is over. It knows no connection (openflow.c does), so it can be given anything.
 *
 *     hello    HELLO ──► hello ─► SET_CONFIG, BARRIER ─► barrier reply
 *     echo     ECHO ─► echo reply
 *     batch    messages, BARRIER ─► errors... barrier reply
 *     dump     MULTIPART ─► multipart reply (more) ... multipart reply
 *     bundle   OPEN, ADD..., BARRIER ─► opened, errors..., barrier reply ─┬► nothing refused: COMMIT ─► committed
 *                                                                         └► DISCARD ─► discarded
 *
 * A request's messages have the xids xid ... xid + n_xids - 1: what comes back is the request's when its xid is
 * among them.
 */

#include "driver/ovs/ofp.h"

struct request;
struct err;

struct request_kind {
	const char *name;
	/* Something for this request. 0: more is awaited; 1: it is over (request_end() may be called); -EPROTO. */
	int (*message)(struct request *q, const struct ofp_message *m, struct err *err);
	int (*error)(struct request *q, uint32_t xid, const struct openflow_error *e, struct err *err);
	void (*end)(struct request *q, int r, const char *why); /* tells who asked */
	void (*fini)(struct request *q); /* NULL: nothing to do */
};

struct request {
	struct request *prev, *next;
	const struct request_kind *kind;
	uint32_t xid, n_xids;
	struct ofp_out out; /* to be sent now: at first, and after each message */
	bool cancelled; /* nobody is told anything any more */
	int r; /* what it came to, once it is over */
	char why[128];
	union {
		struct {
			openflow_done done;
			void *arg;
		} plain; /* hello, echo, batch */
		struct {
			openflow_flow_fn flow; /* one of the two */
			openflow_meter_fn meter;
			openflow_done done;
			void *arg;
			size_t n; /* items and parts so far */
		} dump;
		struct {
			openflow_bundle_done done;
			void *arg;
			size_t n; /* mods */
			struct openflow_error *errors;
			size_t n_errors, max_errors;
			bool committing;
		} bundle;
	};
};

/* `done` may be NULL in those two. */
struct request *request_hello(uint32_t xid, openflow_done done, void *arg);
struct request *request_echo(uint32_t xid);
struct request *request_delete(uint32_t xid, uint64_t cookie, uint64_t mask, openflow_done done, void *arg);
struct request *request_meters(uint32_t xid, const struct openflow_meter *meters, size_t n, openflow_done done,
			       void *arg);
struct request *request_dump(uint32_t xid, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
			     openflow_done done, void *arg);
struct request *request_meter_stats(uint32_t xid, openflow_meter_fn fn, openflow_done done, void *arg);
struct request *request_bundle(uint32_t xid, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			       void *arg);
struct request *request_free(struct request *q); /* accepts NULL, returns NULL */

int request_message(struct request *q, const struct ofp_message *m, struct err *err); /* as request_kind.message */
void request_end(struct request *q, int r, const char *why); /* tells who asked, unless cancelled */
