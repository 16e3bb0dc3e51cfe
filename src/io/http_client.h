/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http_client: calls that wait for their answer (libcurl, and the only file that knows it).
 * For programs whose one job is the call: the command line, tests. A client keeps its
 * connection between calls; it belongs to one thread.
 *
 * A reply of any status is an outcome, not an error. Errors are what kept a reply from
 * coming: no connection, a time-out, a reply over the limit; their text names the URL.
 * Redirects are not followed, and nothing but http and https is spoken. A proxy of the
 * environment is obeyed, but never for loopback.
 *
 *     _cleanup_(http_client_freep) struct http_client *c = http_client_new();
 *     struct http_request q = { .method = "GET", .url = url };
 *     struct http_reply reply;
 *
 *     r = http_client_call(c, &q, &reply, err);
 *     if (r < 0)
 *             return r;
 *     ... reply.status, reply.body, reply.len ...
 *     http_reply_done(&reply);
 */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct http_client;

#define HTTP_REPLY_MAX (64u << 20)

struct http_request {
	const char *method;
	const char *url;
	const char *const *headers; /* "Name: value", ends with NULL; NULL: none */
	const char *body; /* NULL: none */
	size_t body_len;
	size_t max_reply; /* bytes; 0: HTTP_REPLY_MAX */
	unsigned timeout_ms; /* for the whole call; 0: two minutes */
};

struct http_reply {
	long status;
	char *body; /* NUL-terminated, never NULL */
	size_t len;
};

struct http_client *http_client_new(void);
struct http_client *http_client_free(struct http_client *c); /* accepts NULL, returns NULL */
void http_client_freep(struct http_client **c);

int http_client_call(struct http_client *c, const struct http_request *q, struct http_reply *ret, struct err *err);
void http_reply_done(struct http_reply *r); /* also right on a zeroed one, and twice */

/* Percent-encodes what is not unreserved (RFC 3986), for a part of a path or a query. To be freed. */
char *http_escape(const char *text);
