/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* call: one API request on its way, and how it is answered. Inside api/ only. */

#include "api/url.h"
#include "base/err.h"
#include "io/http_server.h"
#include "service/service.h"

struct api;

struct call {
	struct api *api;
	struct http_request *http;
	struct url url;
	struct caller caller;
	char global_id[64]; /* the client's own request id, or "" */
	uint64_t started_us;
};

/* A read handle of the api's; given back with api_put_reader(). */
struct service_reader *api_get_reader(struct api *a);
void api_put_reader(struct api *a, struct service_reader *r);
struct service *api_service(struct api *a);

/* Each answers the request, and frees the call. */
void call_answer(struct call *c, int status, const char *body, size_t len);
void call_fail(struct call *c, const struct err *err);
void call_not_found(struct call *c);
void call_not_allowed(struct call *c, const char *allow);

/* "http://HOST" for links. */
void call_base_url(const struct call *c, UT_string *out);

/* The faces: each answers. */
void versions_get(struct call *c);
void resources_get(struct call *c); /* /v2.0/ */
void extensions_list(struct call *c);
void extensions_show(struct call *c, const char *alias);
void read_list(struct call *c, const struct resource *resource);
void read_show(struct call *c, const struct resource *resource, const char *id);
void write_create(struct call *c, const struct resource *resource);
void write_update(struct call *c, const struct resource *resource, const char *id);
void write_delete(struct call *c, const struct resource *resource, const char *id);
void write_interface(struct call *c, enum service_op op, const char *router);

/* {"NeutronError": {...}} */
void error_body(UT_string *out, const char *key, const char *type, const char *text);
