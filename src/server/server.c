/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/http_server.h"
#include "io/loop.h"
#include "server/feed.h"
#include "server/settings.h"
#include "service/service.h"
#include "watch/hub.h"

#define API_THREADS 2
#define API_MAX_BODY (1u << 20)
#define API_MAX_CONNECTIONS 2048
#define API_MAX_PER_ADDRESS 1024
#define API_REQUEST_SECONDS 30

struct server {
	const struct settings *settings;
	int lock_fd;
	struct service *service;
	struct feed *feed;
	struct api *api;
	struct http_server *http;
	struct loop *loop; /* the main thread's */
	struct loop_source *term, *interrupt, *hangup;
	struct loop *hub_loop;
	struct loop_source *hub_stop;
	struct hub *hub;
	pthread_t hub_thread;
	bool hub_runs;
};

static void on_changed(void *arg)
{
	struct server *s = arg;

	if (s->feed)
		feed_wake(s->feed);
}

static int make_parent(const char *path, struct err *err)
{
	_cleanup_(freep) char *copy = xstrdup(path);
	char *dir = dirname(copy);

	for (char *p = dir + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(dir, 0750) < 0 && errno != EEXIST)
			return err_errno(err, -errno, "cannot make %s", dir);
		*p = c;
		if (!c)
			return 0;
	}
}

static void on_report_lost(uint32_t host, void *arg)
{
	struct server *s = arg;

	if (s->feed)
		feed_report_lost(s->feed, host);
}

static void on_accept(uint32_t host, void *arg)
{
	struct server *s = arg;

	if (s->feed)
		feed_accept(s->feed, host);
}

/* Two servers on one file would not hear of each other's changes. */
static int lock_database(struct server *s, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s.lock", s->settings->database);

	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "", "another neutrino-server has %s open", s->settings->database);
}

static int open_service(const struct settings *settings, void (*changed)(void *arg), void *arg, struct service **ret,
			struct err *err)
{
	struct service_options o = {
		.database = settings->database,
		.base_mac = settings->base_mac,
		.dvr_base_mac = settings->dvr_base_mac,
		.router_distributed = settings->router_distributed,
		.host_dvr_for_dhcp = settings->host_dvr_for_dhcp,
		.vni_min = 1,
		.vni_max = 16777215,
		.vni_ranges = settings->vni_ranges,
		.physnet_mtu = settings->physnet_mtu,
		.agent_down_time = settings->agent_down_time,
		.changed = changed,
		.report_lost = changed ? on_report_lost : NULL,
		.accept = changed ? on_accept : NULL,
		.arg = arg,
	};
	int r = make_parent(settings->database, err);

	return r < 0 ? r : service_open(&o, ret, err);
}

static void stop_hub_loop(void *arg)
{
	loop_stop(arg, 0);
}

static void *run_hub(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int start_hub(struct server *s, struct err *err)
{
	int r = feed_open(s->service, &s->feed, err);

	if (r < 0)
		return r;
	s->hub_loop = loop_new();
	s->hub_stop = loop_wakeup(s->hub_loop, stop_hub_loop, s->hub_loop);
	r = hub_open(s->hub_loop, s->settings->agent_listen, feed_source(s->feed), &s->hub, err);
	if (r < 0)
		return err_prefix(err, r, "[neutrino] agent_listen");
	feed_attach(s->feed, s->hub);
	r = -pthread_create(&s->hub_thread, NULL, run_hub, s->hub_loop);
	if (r < 0)
		return err_errno(err, r, "cannot start a thread");
	s->hub_runs = true;
	return 0;
}

static int start_api(struct server *s, struct err *err)
{
	struct http_options o = {
		.address = s->settings->api_address,
		.port = s->settings->api_port,
		.threads = API_THREADS,
		.max_body = API_MAX_BODY,
		.max_connections = API_MAX_CONNECTIONS,
		.max_per_address = API_MAX_PER_ADDRESS,
		.request_seconds = API_REQUEST_SECONDS,
		.handle = api_handle,
		.refusal = api_refusal,
	};
	int r = api_open(s->service, API_THREADS, &s->api, err);

	if (r < 0)
		return r;
	o.arg = s->api;
	return http_server_open(&o, &s->http, err);
}

static void on_stop(void *arg)
{
	struct server *s = arg;

	loop_stop(s->loop, 0);
}

static void on_hangup(void *arg)
{
	(void)arg;
	log_info("SIGHUP: nothing is read again; restart to change the configuration");
}

static int start(struct server *s, struct err *err)
{
	int r;

	s->loop = loop_new();
	/* Before any thread is made: they inherit which signals are blocked. */
	s->term = loop_signal(s->loop, SIGTERM, on_stop, s);
	s->interrupt = loop_signal(s->loop, SIGINT, on_stop, s);
	s->hangup = loop_signal(s->loop, SIGHUP, on_hangup, s);
	signal(SIGPIPE, SIG_IGN);
	r = make_parent(s->settings->database, err);
	if (r >= 0)
		r = lock_database(s, err);
	if (r >= 0)
		r = open_service(s->settings, on_changed, s, &s->service, err);
	if (r >= 0)
		r = start_hub(s, err);
	if (r >= 0)
		r = start_api(s, err);
	return r;
}

static void stop_hub(struct server *s)
{
	if (s->hub_runs) {
		loop_post(s->hub_stop);
		pthread_join(s->hub_thread, NULL);
	}
	if (s->feed)
		feed_detach(s->feed);
	hub_close(s->hub);
	loop_source_free(s->hub_stop);
	loop_free(s->hub_loop);
}

/* First no more calls come in, then what they use goes: the writer last, since it still answers. */
static void stop(struct server *s)
{
	if (s->http)
		http_server_drain(s->http);
	stop_hub(s);
	api_close(s->api);
	service_close(s->service);
	feed_close(s->feed);
	http_server_close(s->http);
	loop_source_free(s->term);
	loop_source_free(s->interrupt);
	loop_source_free(s->hangup);
	loop_free(s->loop);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
}

int server_run(const struct settings *settings, struct err *err)
{
	struct server s = { .settings = settings, .lock_fd = -1 };
	int r = start(&s, err);

	if (r >= 0) {
		log_info("serving the Neutron API on http://%s%s%s:%u/, agents on port %d, from %s",
			 strchr(settings->api_address, ':') ? "[" : "", settings->api_address,
			 strchr(settings->api_address, ':') ? "]" : "", http_server_port(s.http), hub_port(s.hub),
			 settings->database);
		log_info("noauth: everyone who reaches the API is an admin; new routers are %s",
			 settings->router_distributed ? "distributed" : "centralized unless asked otherwise");
		loop_notify("READY=1");
		r = loop_run(s.loop);
		loop_notify("STOPPING=1");
		log_info("stopping");
	}
	stop(&s);
	if (r >= 0)
		log_info("stopped");
	return r;
}

int server_enroll(const struct settings *settings, const char *host, struct err *err)
{
	struct service *service = NULL;
	char token[65];
	int r = open_service(settings, NULL, NULL, &service, err);

	if (r < 0)
		return r;
	r = service_enroll(service, host, token, err);
	service_close(service);
	if (r >= 0)
		printf("%s\n", token);
	return r;
}
