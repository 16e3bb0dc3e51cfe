/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http_server: the API's HTTP, and the only file that knows libmicrohttpd.
 *
 * A request reaches `handle` whole: head and body, its framing checked (a repeated or conflicting
 * length, two Hosts, folded or otherwise odd header lines are answered 400 and closed: behind a
 * proxy they are request smuggling). `handle` runs in one of the server's threads and either
 * answers at once, or calls http_suspend() before it hands the request to whoever will answer it,
 * from any thread. Each request is answered exactly once; it is gone after that.
 *
 *     handle ──► http_answer()
 *        └─────► http_suspend() ──► (another thread) ──► http_answer()
 *
 * A connection that does not deliver its request in time, or does not take its answer, is closed.
 * A client that leaves while its request is suspended is noticed; the answer then goes nowhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct http_server;
struct http_request;

struct http_options {
	const char *address; /* numeric, either family */
	uint16_t port; /* 0: any; see http_server_port() */
	unsigned threads;
	size_t max_body; /* bytes; more is a 413 */
	unsigned max_connections; /* in all, and from one address */
	unsigned max_per_address;
	unsigned request_seconds; /* for head and body */
	void (*handle)(struct http_request *req, void *arg);
	/* Fills what a refused request is answered with, as JSON, and may add headers; `text` says why. */
	void (*refusal)(struct http_request *req, int status, const char *text, char *body, size_t size);
	void *arg;
};

int http_server_open(const struct http_options *options, struct http_server **ret, struct err *err);
uint16_t http_server_port(const struct http_server *s);
/* No new connections; new requests on old ones are answered 503. Returns when all that `handle` got is answered. */
void http_server_drain(struct http_server *s);
struct http_server *http_server_close(struct http_server *s); /* drained; accepts NULL, returns NULL */

/* All borrowed, valid until the answer; http_header() before http_suspend() only. */
const char *http_method(const struct http_request *req);
const char *http_target(const struct http_request *req); /* path and query as they were sent */
const char *http_header(const struct http_request *req, const char *name); /* or NULL */
const char *http_body(const struct http_request *req, size_t *ret_len); /* NUL-terminated */
const char *http_peer(const struct http_request *req); /* address as text */

void http_suspend(struct http_request *req);
/* A header of the answer; before http_answer(). At most 4; name and value of at most 127 bytes together. */
void http_answer_header(struct http_request *req, const char *name, const char *value);
/* `body` is JSON and copied; NULL: none. */
void http_answer(struct http_request *req, int status, const char *body, size_t len);
