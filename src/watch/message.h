/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * message: the lines of the stream between server and agents (docs/stream.md) as values, for
 * both ends. One table of fields a kind drives reading and writing.
 *
 * A line is one JSON object with one member that names the message. Members that the tables do
 * not have are ignored; so is, with result 1, a message that the reading end does not know.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utstring.h>

#include "base/json.h"
#include "base/uuid.h"
#include "model/object.h"

struct err;

#define MESSAGE_PROTO 1 /* the one version there is */
#define MESSAGE_MAX_LINE (1U << 20)
#define MESSAGE_TOKEN_SIZE 128
#define MESSAGE_HEARTBEAT_US (10 * 1000000ULL)
/* Then the connection is dead; to the server after 3 of the agent's heartbeats, if that is longer. */
#define MESSAGE_SILENCE_US (30 * 1000000ULL)
#define MESSAGE_MAX_HEARTBEAT_MS 600000

enum message_side { MESSAGE_AGENT, MESSAGE_SERVER }; /* who sent it */

enum message_kind {
	/* agent to server */
	MESSAGE_HELLO,
	MESSAGE_REPORT,
	MESSAGE_AGENT_HEARTBEAT,
	/* server to agent */
	MESSAGE_WELCOME,
	MESSAGE_REFUSED,
	MESSAGE_SET,
	MESSAGE_DEL,
	MESSAGE_ENTER,
	MESSAGE_DROP,
	MESSAGE_FRAME,
	MESSAGE_SERVER_HEARTBEAT,
	MESSAGE_ACCEPT,
};
#define N_MESSAGE_KINDS 12

struct message_hello {
	uint32_t proto_min, proto_max;
	char host[HOST_NAME_SIZE];
	char token[MESSAGE_TOKEN_SIZE];
	char version[32];
	char datapath[32];
	char vif_type[32];
	char tunnel_ip[IP_TEXT_SIZE];
	char agent_mode[32];
	json_t *configurations; /* or NULL */
	/* The state that the agent has; incarnation "" when it has none. */
	char incarnation[UUID_TEXT_SIZE];
	uint64_t position;
	uint32_t heartbeat_ms; /* how often it will send one; 0: as MESSAGE_HEARTBEAT_US */
};

struct message_report {
	uint64_t applied;
	json_t *ports; /* array of objects: message_port_decode() */
};

struct message_heartbeat {
	uint64_t applied; /* from an agent */
	json_t *counters; /* from an agent; or NULL */
	bool held; /* from an agent: it holds a snapshot back (design.md decision 5) */
	uint64_t position; /* from a server */
};

struct message_welcome {
	uint32_t proto;
	char incarnation[UUID_TEXT_SIZE];
	uint32_t host;
	char mode[16]; /* "snapshot" or "resume" */
};

struct message_refused {
	char reason[16]; /* "token", "protocol", "request" */
	char text[256];
};

struct message_frame {
	uint64_t position;
	char request_id[64];
	bool snapshot; /* the end of the snapshot */
};

struct message {
	enum message_kind kind;
	json_t *json; /* the whole line; owns what the pointers below point to. NULL in messages to be written */
	union {
		struct message_hello hello;
		struct message_report report;
		struct message_heartbeat heartbeat;
		struct message_welcome welcome;
		struct message_refused refused;
		struct message_frame frame;
		struct object set;
		struct object_id del;
		struct unit unit; /* MESSAGE_ENTER, MESSAGE_DROP */
	};
};

/* 0: *ret is filled, message_fini() it; 1: a message that this end does not know; -EINVAL with a text otherwise. */
int message_decode(enum message_side sender, const char *line, size_t len, struct message *ret, struct err *err);
void message_fini(struct message *m);
/* What stands under the message's name. */
const json_t *message_body(const struct message *m);

/* Appends the line, with its newline. */
void message_encode(const struct message *m, UT_string *out);
/* The same from JSON text that is there already: MESSAGE_SET and MESSAGE_DEL as the log has them. */
void message_encode_raw(enum message_kind kind, const char *json, UT_string *out);

enum message_port_state { MESSAGE_PORT_DOWN, MESSAGE_PORT_UP, MESSAGE_PORT_ERROR };

struct message_port {
	uint32_t num;
	uint32_t binding; /* of the port, as it was sent; 0: not known */
	enum message_port_state state;
	char text[256]; /* why it is in error */
};

json_t *message_port_encode(const struct message_port *p);
int message_port_decode(const json_t *json, struct message_port *ret, struct err *err);
const char *message_port_state_name(enum message_port_state state); /* "up" */
