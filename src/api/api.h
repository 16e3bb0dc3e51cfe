/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * api: the Neutron API v2.0 over HTTP. It knows URLs, bodies, the error envelope, filters and
 * paging; resources are tables (model/resource.h), and what a call means is the service's.
 *
 * Reads are answered in the HTTP server's thread; a write suspends its request, goes to the
 * service's writer, and is answered from there after the commit.
 */

#include <stddef.h>

struct api;
struct err;
struct http_request;
struct service;

/* `readers`: as many as the HTTP server has threads. */
int api_open(struct service *service, unsigned readers, struct api **ret, struct err *err);
struct api *api_close(struct api *a); /* no request is open; accepts NULL, returns NULL */

/* For struct http_options; `arg` is the api. */
void api_handle(struct http_request *req, void *arg);
void api_refusal(struct http_request *req, int status, const char *text, char *body, size_t size);
