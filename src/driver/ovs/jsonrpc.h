/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jsonrpc: JSON-RPC 1.0 as Open vSwitch's daemons speak it (RFC 7047, 4.; their control sockets): objects one
 * behind the other, without a frame. Used by ovsdb.c and unixctl.c.
 *
 * The end of a message is found byte by byte as input comes, bounded in depth and size, before anything is
 * parsed. Echo is answered; a peer that is silent is asked by an echo, and is dead when it stays so for as long
 * again. Anything that is not a message, or answers nothing that was asked, ends the connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct err;
struct loop;
struct jsonrpc;

#define JSONRPC_MAX_MESSAGE (16U << 20) /* 1,000 interfaces are 0.3 MB */
#define JSONRPC_MAX_DEPTH 64
#define JSONRPC_PROBE_US 5000000

struct jsonrpc_events {
	/* A notification, or a request that is none of this file's. Negative: garbage, the connection ends. */
	int (*notify)(const char *method, const json_t *params, void *arg);
	/* The connection is over and so is this object; each request was answered with -ECONNRESET before. */
	void (*closed)(const char *why, void *arg);
	void *arg;
};

/*
 * r: 0 with the result; -EIO with the peer's error; -ECONNRESET with neither. All borrowed. A negative answer
 * to an answer: it is garbage, the connection ends.
 */
typedef int (*jsonrpc_done)(int r, const json_t *result, const json_t *error, void *arg);

/* `probe_us`: silence after which the peer is asked for a sign of life; JSONRPC_PROBE_US but for tests. */
int jsonrpc_open(struct loop *loop, const char *where, uint64_t probe_us, const struct jsonrpc_events *events,
		 struct jsonrpc **ret, struct err *err);
/* Accepts NULL, returns NULL; no callback follows. Not from a callback of this connection. */
struct jsonrpc *jsonrpc_close(struct jsonrpc *j);
void jsonrpc_request(struct jsonrpc *j, const char *method, json_t *params, jsonrpc_done done, void *arg);

/* Where a message ends. Zeroed before each message; `at` is how far it has looked. */
struct jsonrpc_scan {
	size_t at;
	unsigned depth;
	bool string, escape;
};
/* `bytes` are all that came since the last end. > 0: the message's length; 0: more is needed; -EBADMSG. */
ssize_t jsonrpc_scan(struct jsonrpc_scan *s, const char *bytes, size_t n);
