/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stream: a connected byte stream (unix socket or TCP; TLS later under the same type) with a
 * bounded backlog of output. Used for the watch stream, the agent's control socket, OVSDB and
 * OpenFlow.
 *
 * All streams of a loop sit on one epoll descriptor of their own, which is one source of the
 * loop. A stream that has more than `max_backlog` bytes unsent, or a message longer than
 * `max_input`, is closed: the peer resumes. `closed` is the last callback; the stream is
 * freed after it returns. stream_close() may be called from any callback of the stream, and
 * no callback follows it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct stream;
struct err;

struct stream_events {
	/* Unread input; returns how many bytes were consumed (0: wait for more). May be called again at once. */
	size_t (*data)(struct stream *s, const char *bytes, size_t n, void *arg);
	/* Connected (only after stream_connect). */
	void (*connected)(struct stream *s, void *arg);
	/* Ended by the peer, an error, a limit; r is a negative errno or 0 for an orderly end. */
	void (*closed)(struct stream *s, int r, const char *why, void *arg);
};

struct stream_options {
	size_t max_input; /* bytes that may wait unconsumed; default 1 MiB */
	size_t max_backlog; /* bytes that may wait unsent; default 4 MiB */
	int send_buffer; /* SO_SNDBUF; 0: the kernel's own. A reader that never reads pins that much. */
};

/* Takes over a connected, non-blocking socket. `options` may be NULL. */
struct stream *stream_new(struct loop *l, int fd, const struct stream_options *options,
			  const struct stream_events *events, void *arg);
/* "unix:PATH" or "tcp:HOST:PORT" ("[v6]:port" too); resolves numeric addresses and /etc/hosts names only. */
int stream_connect(struct loop *l, const char *where, const struct stream_options *options,
		   const struct stream_events *events, void *arg, struct stream **ret, struct err *err);
/* Queues bytes; they are sent when the loop turns (several calls make one write). */
void stream_send(struct stream *s, const void *bytes, size_t n);
size_t stream_backlog(const struct stream *s);
/* Another limit from now on: one big answer may wait whole, on top of what is usual. */
void stream_limit_backlog(struct stream *s, size_t max_backlog);
const char *stream_peer(const struct stream *s); /* "127.0.0.1:5342", "unix" : for logs */
void stream_close(struct stream *s); /* accepts NULL */
/* Closes once everything queued is sent: for a last word. No callback follows; the stream is no longer the caller's. */
void stream_finish(struct stream *s);

/* A listener: accepts, at most 64 a turn, and hands over each socket (non-blocking, close-on-exec). */
struct listener;
typedef void (*listener_fn)(int fd, const char *peer, void *arg);
/* A unix path gets mode 0600; one that nobody listens on any more is taken over. */
int listener_open(struct loop *l, const char *where, listener_fn fn, void *arg, struct listener **ret, struct err *err);
int listener_port(const struct listener *l); /* the TCP port, also when 0 was asked for */
struct listener *listener_close(struct listener *l); /* accepts NULL, returns NULL; a unix path is removed */

/* For `data` of protocols that are one line a message: calls fn for each full line (NUL-terminated, no newline). */
typedef void (*stream_line_fn)(struct stream *s, char *line, size_t len, void *arg);
size_t stream_lines(struct stream *s, const char *bytes, size_t n, stream_line_fn fn, void *arg);
