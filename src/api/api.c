/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/call.h"
#include "base/mem.h"
#include "base/uuid.h"

struct api {
	struct service *service;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct service_reader **readers; /* those that are free */
	unsigned n_readers, n_free;
};

int api_open(struct service *service, unsigned readers, struct api **ret, struct err *err)
{
	struct api *a = xcalloc(1, sizeof(*a));

	a->service = service;
	a->readers = xcalloc(readers, sizeof(*a->readers));
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->returned, NULL);
	for (; a->n_readers < readers; a->n_readers++) {
		int r = service_reader_open(service, &a->readers[a->n_readers], err);

		if (r < 0) {
			a->n_free = a->n_readers;
			api_close(a);
			return r;
		}
	}
	a->n_free = a->n_readers;
	*ret = a;
	return 0;
}

struct api *api_close(struct api *a)
{
	if (!a)
		return NULL;
	for (unsigned i = 0; i < a->n_free; i++)
		service_reader_close(a->readers[i]);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->returned);
	free(a->readers);
	free(a);
	return NULL;
}

struct service *api_service(struct api *a)
{
	return a->service;
}

struct service_reader *api_get_reader(struct api *a)
{
	struct service_reader *r;

	pthread_mutex_lock(&a->lock);
	while (a->n_free == 0)
		pthread_cond_wait(&a->returned, &a->lock);
	r = a->readers[--a->n_free];
	pthread_mutex_unlock(&a->lock);
	return r;
}

void api_put_reader(struct api *a, struct service_reader *r)
{
	pthread_mutex_lock(&a->lock);
	a->readers[a->n_free++] = r;
	pthread_cond_signal(&a->returned);
	pthread_mutex_unlock(&a->lock);
}

static void make_request_id(char id[64])
{
	char text[UUID_TEXT_SIZE];
	struct uuid u;

	uuid_make(&u);
	snprintf(id, 64, "req-%s", uuid_format(&u, text));
}

/* The id that the client gave its request, if it has the form of one. */
static void read_global_id(const struct http_request *req, char id[64])
{
	const char *given = http_header(req, "X-Openstack-Request-Id");
	struct uuid u;

	id[0] = '\0';
	if (given && strncmp(given, "req-", 4) == 0 && uuid_parse_text(given + 4, &u) == 0)
		snprintf(id, 64, "%s", given);
}

/* noauth: whoever reaches us is an admin, of the project that the request names. */
static int read_caller(struct call *c, struct err *err)
{
	const char *project = http_header(c->http, "X-Project-Id");

	if (!project)
		project = http_header(c->http, "X-Tenant-Id");
	c->caller.admin = true;
	if (!project)
		return 0;
	if (strlen(project) >= sizeof(c->caller.project_id) || !url_is_text(project))
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
			       "Invalid input for X-Project-Id. Reason: it is too "
			       "long, or no text.");
	snprintf(c->caller.project_id, sizeof(c->caller.project_id), "%s", project);
	return 0;
}

static bool is(const struct call *c, const char *method)
{
	const char *m = http_method(c->http);

	return strcmp(m, method) == 0 || (strcmp(method, "GET") == 0 && strcmp(m, "HEAD") == 0);
}

static void route_collection(struct call *c, const struct resource *resource)
{
	if (is(c, "GET"))
		read_list(c, resource);
	else if (is(c, "POST"))
		write_create(c, resource);
	else
		call_not_allowed(c, "GET, POST");
}

static void route_member(struct call *c, const struct resource *resource, const char *id)
{
	if (is(c, "GET"))
		read_show(c, resource, id);
	else if (is(c, "PUT"))
		write_update(c, resource, id);
	else if (is(c, "DELETE"))
		write_delete(c, resource, id);
	else
		call_not_allowed(c, "GET, PUT, DELETE");
}

static void route_action(struct call *c, const struct resource *resource, const char *id, const char *action)
{
	bool add = strcmp(action, "add_router_interface") == 0;

	if (resource != &resource_router || (!add && strcmp(action, "remove_router_interface") != 0))
		call_not_found(c);
	else if (is(c, "PUT"))
		write_interface(c, add ? SERVICE_ADD_ROUTER_INTERFACE : SERVICE_REMOVE_ROUTER_INTERFACE, id);
	else
		call_not_allowed(c, "PUT");
}

static void route_document(struct call *c, size_t n, const char *const *segments)
{
	if (!is(c, "GET"))
		call_not_allowed(c, "GET");
	else if (n == 0)
		versions_get(c);
	else if (n == 1)
		resources_get(c);
	else if (n == 2)
		extensions_list(c);
	else
		extensions_show(c, segments[2]);
}

static void route(struct call *c)
{
	const char *const *s = c->url.segments;
	size_t n = c->url.n_segments;
	const struct resource *resource = n >= 2 && n <= 4 ? resource_find(s[1]) : NULL;

	if (n > 0 && strcmp(s[0], "v2.0") != 0)
		call_not_found(c);
	else if (n < 2 || (n <= 3 && strcmp(s[1], "extensions") == 0))
		route_document(c, n, s);
	else if (!resource)
		call_not_found(c);
	else if (n == 2)
		route_collection(c, resource);
	else if (n == 3)
		route_member(c, resource, s[2]);
	else
		route_action(c, resource, s[2], s[3]);
}

void api_handle(struct http_request *req, void *arg)
{
	struct call *c = xcalloc(1, sizeof(*c));
	struct err err = { 0 };
	struct timespec now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &now);
	c->started_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	c->api = arg;
	c->http = req;
	make_request_id(c->caller.request_id);
	read_global_id(req, c->global_id);
	r = url_parse(http_target(req), &c->url, &err);
	if (r >= 0)
		r = read_caller(c, &err);
	if (r < 0)
		call_fail(c, &err);
	else
		route(c);
}

void api_refusal(struct http_request *req, int status, const char *text, char *body, size_t size)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	char id[64];

	make_request_id(id);
	http_answer_header(req, "x-openstack-request-id", id);
	utstring_new(out);
	error_body(out, "NeutronError",
		   status == 413   ? "HTTPRequestEntityTooLarge"
		   : status == 503 ? "ServiceUnavailable"
				   : "HTTPBadRequest",
		   text);
	snprintf(body, size, "%s", utstring_body(out));
}
