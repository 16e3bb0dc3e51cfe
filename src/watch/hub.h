/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * hub: the server's end of the stream (docs/stream.md). It accepts agents, checks their token,
 * sends each a snapshot or resumes it, and then what the log says about the units that the host
 * needs. It reads through a source (below) that the server fills in from the service.
 *
 * On each wake-up it opens one consistent view, reads the log from where it stands to the end,
 * once for all streams, and hands each row to the streams subscribed to its unit. A unit that a
 * host enters in that batch is sent as it is in the view, so the batch's other rows of it are
 * skipped for that host. Hosts that resume take part from the position they are at. No queue a
 * stream: a reader too far behind is closed, and resumes.
 *
 * The hub lives in its loop's thread. hub_wake() may be called from any.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "model/object.h"

struct err;
struct loop;
struct hub;

enum hub_op { HUB_SET, HUB_DEL, HUB_ENTER, HUB_DROP };

struct hub_row {
	uint64_t position;
	enum hub_op op;
	struct unit unit;
	uint32_t host; /* HUB_ENTER, HUB_DROP: whose */
	const char *json; /* HUB_SET: the object, HUB_DEL: its identity */
	const char *request_id;
};

typedef void (*hub_row_fn)(const struct hub_row *row, void *arg);
typedef void (*hub_unit_fn)(const struct unit *u, void *arg);
typedef void (*hub_json_fn)(const char *json, void *arg);

/*
 * Where the hub gets its facts and gives its reports. All calls come from the hub's thread. Between begin
 * and end there is one consistent view; objects() is called from inside log() too, when a unit is entered.
 * Texts that are handed out live until the callback returns. `ret_oldest` is the lowest position that the
 * log still holds, or any above *ret_position when it holds none.
 */
struct hub_source {
	const char *(*incarnation)(void *arg);
	int (*begin)(void *arg, uint64_t *ret_position, uint64_t *ret_oldest, struct err *err);
	void (*end)(void *arg);
	int (*log)(void *arg, uint64_t after, hub_row_fn fn, void *fn_arg);
	/* Only HUB_ENTER and HUB_DROP of the host. */
	int (*host_log)(void *arg, uint32_t host, uint64_t after, hub_row_fn fn, void *fn_arg);
	int (*units)(void *arg, uint32_t host, hub_unit_fn fn, void *fn_arg);
	int (*objects)(void *arg, const struct unit *u, hub_json_fn fn, void *fn_arg);
	int (*authenticate)(void *arg, const char *host, const char *token, uint32_t *ret_host, struct err *err);
	/* The source calls hub_hello_done(hub, ticket, ...) from any thread once the registration is stored. */
	void (*hello)(void *arg, uint32_t host, const json_t *hello, uint64_t ticket);
	void (*report)(void *arg, uint32_t host, const json_t *report);
	void (*heartbeat)(void *arg, uint32_t host, const json_t *heartbeat);
	void *arg;
};

/* `listen`: "tcp:ADDRESS:PORT", or "unix:PATH" in tests. */
int hub_open(struct loop *l, const char *listen, const struct hub_source *source, struct hub **ret, struct err *err);
struct hub *hub_close(struct hub *h); /* accepts NULL, returns NULL */
void hub_wake(struct hub *h); /* the log has grown */
void hub_hello_done(struct hub *h, uint64_t ticket, int r, const char *text);
/* Closes the host's connection: it comes back and says all anew. From any thread. */
void hub_drop_host(struct hub *h, uint32_t host, const char *why);
/* Tells the host that the snapshot which it holds back is meant. From any thread; lost if it is not connected. */
void hub_accept(struct hub *h, uint32_t host);
int hub_port(const struct hub *h); /* the TCP port that it listens on */
/* For tests: how often it says that it lives, and how long an agent may be silent. */
void hub_set_times(struct hub *h, uint64_t heartbeat_us, uint64_t silence_us);
