/* SPDX-License-Identifier: Apache-2.0 */
#include "server/feed.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/service.h"
#include "watch/hub.h"

#define MAX_PORTS_A_REPORT 65536

struct feed {
	struct service *service;
	struct service_reader *reader; /* the hub thread's */
	struct hub_source source;
	pthread_mutex_t lock;
	struct hub *hub; /* NULL when detached */
};

/* ---- reading ---- */

static const char *incarnation(void *arg)
{
	struct feed *f = arg;

	return service_incarnation(f->service);
}

static int begin(void *arg, uint64_t *ret_position, uint64_t *ret_oldest, struct err *err)
{
	struct feed *f = arg;

	return feed_begin(f->reader, ret_position, ret_oldest, err);
}

static void end(void *arg)
{
	struct feed *f = arg;

	feed_end(f->reader);
}

struct row_to {
	hub_row_fn fn;
	void *arg;
};

static void hand_row(const struct feed_row *row, void *arg)
{
	static const enum hub_op ops[] = {
		[FEED_SET] = HUB_SET,
		[FEED_DEL] = HUB_DEL,
		[FEED_ENTER] = HUB_ENTER,
		[FEED_DROP] = HUB_DROP,
	};
	const struct row_to *to = arg;
	struct hub_row out = {
		.position = row->position,
		.op = ops[row->op],
		.unit = row->unit,
		.host = row->host,
		.json = row->json,
		.request_id = row->request_id,
	};

	to->fn(&out, to->arg);
}

static int read_log(void *arg, uint64_t after, hub_row_fn fn, void *fn_arg)
{
	struct row_to to = { fn, fn_arg };
	struct feed *f = arg;

	return feed_log(f->reader, after, hand_row, &to);
}

static int read_host_log(void *arg, uint32_t host, uint64_t after, hub_row_fn fn, void *fn_arg)
{
	struct row_to to = { fn, fn_arg };
	struct feed *f = arg;

	return feed_host_log(f->reader, host, after, hand_row, &to);
}

static int read_units(void *arg, uint32_t host, hub_unit_fn fn, void *fn_arg)
{
	struct feed *f = arg;

	return feed_units(f->reader, host, fn, fn_arg);
}

static int read_objects(void *arg, const struct unit *u, hub_json_fn fn, void *fn_arg)
{
	struct feed *f = arg;

	return feed_objects(f->reader, u, fn, fn_arg);
}

static int authenticate(void *arg, const char *host, const char *token, uint32_t *ret_host, struct err *err)
{
	struct feed *f = arg;

	return service_authenticate(f->reader, host, token, ret_host, err);
}

/* ---- reporting ---- */

struct greeting {
	struct feed *feed;
	uint64_t ticket;
};

static void on_registered(int r, const struct err *err, void *arg)
{
	_cleanup_(freep) struct greeting *g = arg;
	struct feed *f = g->feed;

	pthread_mutex_lock(&f->lock);
	if (f->hub)
		hub_hello_done(f->hub, g->ticket, r, r < 0 && err ? err->text : "");
	pthread_mutex_unlock(&f->lock);
}

/* Texts from an agent: what is missing or too long for its place is refused. */
static int copy_text(const json_t *hello, const char *key, char *to, size_t size)
{
	const json_t *v = json_object_get(hello, key);

	if (!v)
		return 0;
	if (!json_is_string(v) || json_string_length(v) >= size)
		return -1;
	memcpy(to, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

static void hello(void *arg, uint32_t host, const json_t *json, uint64_t ticket)
{
	struct feed *f = arg;
	struct service_host_hello h = { .host = host };
	struct greeting *g = xcalloc(1, sizeof(*g));
	const json_t *configurations = json_object_get(json, "configurations");
	char tunnel[IP_TEXT_SIZE] = "";

	*g = (struct greeting) { f, ticket };
	if (copy_text(json, "datapath", h.datapath, sizeof(h.datapath)) < 0 ||
	    copy_text(json, "vif_type", h.vif_type, sizeof(h.vif_type)) < 0 ||
	    copy_text(json, "agent_mode", h.agent_mode, sizeof(h.agent_mode)) < 0 ||
	    copy_text(json, "tunnel_ip", tunnel, sizeof(tunnel)) < 0 || (*tunnel && ip_parse(tunnel, &h.tunnel) < 0)) {
		struct err err;

		on_registered(err_set(&err, ERR_BAD_REQUEST, "",
				      "the hello has a member that is no text, too long, or "
				      "no address"),
			      &err, g);
		return;
	}
	/* A copy: the hub's own goes on living in its thread. */
	h.configurations = json_is_object(configurations) ? json_deep_copy(configurations) : json_object();
	service_host_hello(f->service, &h, on_registered, g);
}

static uint64_t applied_of(const json_t *json)
{
	json_int_t n = json_integer_value(json_object_get(json, "applied"));

	return n > 0 ? (uint64_t)n : 0;
}

static int port_state(const char *text, enum service_port_state *ret)
{
	if (text && strcmp(text, "up") == 0)
		*ret = SERVICE_PORT_UP;
	else if (text && strcmp(text, "down") == 0)
		*ret = SERVICE_PORT_DOWN;
	else if (text && strcmp(text, "error") == 0)
		*ret = SERVICE_PORT_ERROR;
	else
		return -1;
	return 0;
}

static void report(void *arg, uint32_t host, const json_t *json)
{
	const json_t *list = json_object_get(json, "ports");
	struct feed *f = arg;
	_cleanup_(freep) struct service_port_report *ports = NULL;
	size_t i, n = 0;
	json_t *v;

	if (json_array_size(list) > MAX_PORTS_A_REPORT) {
		LOG_LIMIT(log_warn, 1, "host %u: a report of %zu ports: ignored", host, json_array_size(list));
		return;
	}
	ports = xcalloc(json_array_size(list) + 1, sizeof(*ports));
	json_array_foreach((json_t *)list, i, v)
	{
		const char *text = json_string_value(json_object_get(v, "text"));

		if (json_get_u32(v, "num", &ports[n].port, NULL) < 0 ||
		    port_state(json_string_value(json_object_get(v, "state")), &ports[n].state) < 0) {
			LOG_LIMIT(log_warn, 1, "host %u: a report of a port that is malformed: ignored", host);
			continue;
		}
		if (json_get_u32(v, "binding", &ports[n].binding, NULL) < 0)
			ports[n].binding = 0;
		if (ports[n].state == SERVICE_PORT_ERROR)
			LOG_LIMIT(log_warn, 10, "host %u: port %u: %.200s", host, ports[n].port, text ? text : "error");
		n++;
	}
	service_host_report(f->service, host, applied_of(json), ports, n);
}

static void heartbeat(void *arg, uint32_t host, const json_t *json)
{
	struct feed *f = arg;
	bool held = json_is_true(json_object_get(json, "held"));

	service_host_heartbeat(f->service, host, applied_of(json), held);
}

/* ---- the feed ---- */

int feed_open(struct service *service, struct feed **ret, struct err *err)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	int r;

	f->service = service;
	f->source = (struct hub_source) {
		.incarnation = incarnation,
		.begin = begin,
		.end = end,
		.log = read_log,
		.host_log = read_host_log,
		.units = read_units,
		.objects = read_objects,
		.authenticate = authenticate,
		.hello = hello,
		.report = report,
		.heartbeat = heartbeat,
		.arg = f,
	};
	r = service_reader_open(service, &f->reader, err);
	if (r < 0) {
		free(f);
		return r;
	}
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

const struct hub_source *feed_source(struct feed *f)
{
	return &f->source;
}

static void set_hub(struct feed *f, struct hub *hub)
{
	pthread_mutex_lock(&f->lock);
	f->hub = hub;
	pthread_mutex_unlock(&f->lock);
}

void feed_attach(struct feed *f, struct hub *hub)
{
	set_hub(f, hub);
}

void feed_detach(struct feed *f)
{
	set_hub(f, NULL);
	service_reader_close(f->reader);
	f->reader = NULL;
}

void feed_wake(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->hub)
		hub_wake(f->hub);
	pthread_mutex_unlock(&f->lock);
}

void feed_report_lost(struct feed *f, uint32_t host)
{
	pthread_mutex_lock(&f->lock);
	if (f->hub)
		hub_drop_host(f->hub, host, "what it has reported could not be stored");
	pthread_mutex_unlock(&f->lock);
}

void feed_accept(struct feed *f, uint32_t host)
{
	pthread_mutex_lock(&f->lock);
	if (f->hub)
		hub_accept(f->hub, host);
	pthread_mutex_unlock(&f->lock);
}

struct feed *feed_close(struct feed *f)
{
	if (!f)
		return NULL;
	service_reader_close(f->reader);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return NULL;
}
