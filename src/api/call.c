/* SPDX-License-Identifier: Apache-2.0 */
#include "api/call.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

static const struct {
	int status;
	const char *type; /* when the error names none */
} kinds[] = {
	[ERR_NONE] = { 500, "HTTPInternalServerError" },
	[ERR_BAD_REQUEST] = { 400, "HTTPBadRequest" },
	[ERR_UNAUTHORIZED] = { 401, "HTTPUnauthorized" },
	[ERR_FORBIDDEN] = { 403, "HTTPForbidden" },
	[ERR_NOT_FOUND] = { 404, "HTTPNotFound" },
	[ERR_CONFLICT] = { 409, "HTTPConflict" },
	[ERR_PRECONDITION] = { 412, "HTTPPreconditionFailed" },
	[ERR_TOO_LARGE] = { 413, "HTTPRequestEntityTooLarge" },
	[ERR_INTERNAL] = { 500, "HTTPInternalServerError" },
	[ERR_NOT_IMPLEMENTED] = { 501, "NotImplementedError" },
	[ERR_UNAVAILABLE] = { 503, "ServiceUnavailable" },
};

void error_body(UT_string *out, const char *key, const char *type, const char *text)
{
	struct jw w = jw_init(out);

	jw_object(&w);
	jw_key(&w, key);
	jw_object(&w);
	jw_kv_string(&w, "type", type);
	jw_kv_string(&w, "message", text);
	jw_kv_string(&w, "detail", "");
	jw_end_object(&w);
	jw_end_object(&w);
}

/* One line for each write and each failure; reads only with debugging on. What came from outside is printed harmlessly.
 */
static void log_call(const struct call *c, int status)
{
	const char *method = http_method(c->http), *target = http_target(c->http);
	struct timespec now;
	char path[160];
	uint64_t us;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - c->started_us;
	for (n = 0; n < sizeof(path) - 1 && target[n]; n++)
		path[n] = target[n] > ' ' && target[n] <= '~' ? target[n] : '?';
	path[n] = '\0';
	if (strcmp(method, "GET") == 0 && status < 500)
		log_debug("%s %s%s%s %s %s: %d in %llu us", c->caller.request_id, c->global_id,
			  *c->global_id ? " " : "", http_peer(c->http), method, path, status, (unsigned long long)us);
	else
		LOG_LIMIT(log_info, 200, "%s %s%s%s %s %s: %d in %llu us", c->caller.request_id, c->global_id,
			  *c->global_id ? " " : "", http_peer(c->http), method, path, status, (unsigned long long)us);
}

void call_answer(struct call *c, int status, const char *body, size_t len)
{
	log_call(c, status);
	http_answer_header(c->http, "x-openstack-request-id", c->caller.request_id);
	http_answer(c->http, status, body, len);
	url_clear(&c->url);
	free(c);
}

/* An error's text may have been cut anywhere: what is no UTF-8 does not get into an answer. */
static void clean(const char *text, char *to, size_t size)
{
	size_t n = 0;

	while (*text && n + 5 < size) {
		size_t len = url_character(text);

		if (len == 0) {
			to[n++] = '?';
			text++;
		} else {
			memcpy(to + n, text, len);
			n += len;
			text += len;
		}
	}
	to[n] = '\0';
}

void call_fail(struct call *c, const struct err *err)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	const char *type = *err->type ? err->type : kinds[err->kind].type;
	int status = kinds[err->kind].status;
	char text[sizeof(err->text) + 8];

	clean(err->text, text, sizeof(text));
	if (status == 500) {
		LOG_LIMIT(log_err, 10, "%s: %s", c->caller.request_id, err->text);
		type = "HTTPInternalServerError";
		snprintf(text, sizeof(text), "Request Failed: internal server error while processing your request.");
	}
	utstring_new(body);
	error_body(body, status == 501 ? "NotImplementedError" : "NeutronError", type, text);
	call_answer(c, status, utstring_body(body), utstring_len(body));
}

void call_not_found(struct call *c)
{
	struct err err;

	err_set(&err, ERR_NOT_FOUND, "HTTPNotFound", "The resource could not be found.");
	call_fail(c, &err);
}

void call_not_allowed(struct call *c, const char *allow)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;

	utstring_new(body);
	error_body(body, "NeutronError", "HTTPMethodNotAllowed", "The method is not allowed for this resource.");
	http_answer_header(c->http, "Allow", allow);
	call_answer(c, 405, utstring_body(body), utstring_len(body));
}

void call_base_url(const struct call *c, UT_string *out)
{
	const char *host = http_header(c->http, "Host");
	size_t n = host ? strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") : 0;

	utstring_printf(out, "http://%s", host && *host && !host[n] ? host : "localhost");
}
