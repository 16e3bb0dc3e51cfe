/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * openflow: a connection to one bridge of Open vSwitch, OpenFlow 1.4 over its management socket
 * (RUNDIR/BRIDGE.mgmt). It says hello, sets fragments to nx-match and asynchronous messages on, and is
 * then `up`. What ends it (the switch, garbage, silence, an error that no request of ours explains) makes it
 * `down`, and it connects again by itself: at once when the socket appears, else every 100 ms.
 *
 * Requests answer by their `done`, from the loop; when the connection ends first, with -ECONNRESET. Requests
 * are answered in the order in which they were made. At most OPENFLOW_ERRORS errors of a bundle are told.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/ovs/flow.h"

struct err;
struct loop;
struct openflow;

struct openflow_packet_in {
	uint8_t table;
	uint64_t cookie;
	const uint8_t *oxm; /* the pipeline's fields: flow_oxm_find() */
	size_t oxm_len;
	const uint8_t *frame;
	size_t len;
};

struct openflow_events {
	void (*up)(void *arg);
	/* All requests have ended. Also for an attempt that came to nothing, unless the one before said the same. */
	void (*down)(const char *why, void *arg);
	void (*packet_in)(const struct openflow_packet_in *p, void *arg);
	void (*removed)(uint64_t cookie, void *arg); /* NULL: of no interest */
	void *arg;
};

/* Does not fail: an absent socket is waited for. `path` is that of the socket, without "unix:". */
struct openflow *openflow_open(struct loop *loop, const char *path, const struct openflow_events *events);
struct openflow *openflow_close(struct openflow *o); /* accepts NULL, returns NULL; no callback follows */
bool openflow_is_up(const struct openflow *o);
void openflow_patience(struct openflow *o, unsigned ms); /* how long an answer may take; 10 s at the start */

enum flow_op {
	FLOW_ADD, /* replaces the same flow */
	FLOW_ADD_KEPT, /* and when it is removed, whoever did it, events->removed is called */
	FLOW_DELETE, /* the same flow, if its cookie is this one: another's that took its place stays */
};
struct flow_mod {
	enum flow_op op;
	const struct flow *flow;
};

#define OPENFLOW_ERRORS 1024
struct openflow_error {
	size_t mod; /* index into the mods; SIZE_MAX: the bundle as a whole, when the switch names none */
	uint16_t type, code;
	char text[96]; /* "OFPBAC_BAD_OUT_PORT" */
};
typedef void (*openflow_bundle_done)(int r, const struct openflow_error *errors, size_t n, void *arg);
/*
 * All mods or none, atomic and ordered. Sends the adds, a barrier, and commits only when nothing was refused.
 * r: 0; -EBADMSG when mods were refused (nothing was changed); -ECONNRESET. The mods are copied to the wire
 * before it returns.
 */
void openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done, void *arg);

struct openflow_stats {
	uint64_t packets, bytes;
};
typedef void (*openflow_flow_fn)(const struct flow *f, const struct openflow_stats *stats, void *arg);
typedef void (*openflow_done)(int r, const char *why, void *arg);
#define OPENFLOW_ALL_TABLES 0xff
/* Each flow whose cookie has these bits under the mask, also what is not understood (flow_decode()). */
void openflow_dump(struct openflow *o, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
		   openflow_done done, void *arg);
void openflow_delete(struct openflow *o, uint64_t cookie, uint64_t mask, openflow_done done, void *arg);

/* Meters (packets a second, drop) are not part of bundles. Set: adds or changes. */
struct openflow_meter {
	uint32_t id, rate, burst; /* packets a second; packets. rate 0: delete */
};
void openflow_meters(struct openflow *o, const struct openflow_meter *meters, size_t n, openflow_done done, void *arg);
typedef void (*openflow_meter_fn)(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped,
				  void *arg);
void openflow_meter_stats(struct openflow *o, openflow_meter_fn fn, openflow_done done, void *arg);

/* Sends a frame by the actions of `actions` (a flow's instructions; its match is not looked at), as from in_port. */
void openflow_packet_out(struct openflow *o, uint32_t in_port, const struct flow *actions, const uint8_t *frame,
			 size_t len);
