/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/http_frame.h"

/*
 * A connection, as the watchman thread sees it. The library's own timeout counts idle time only: one
 * byte now and then keeps a connection for ever. So each phase has a deadline:
 *
 *            request line      head and body whole        answered
 *   WAITING ─────────────► READING ─────────────► HANDLED ────────► WRITING ──┐
 *      ▲                                                            taken     │
 *      └───────────────────────────────────────────────────────────────────────┘
 *
 * In HANDLED there is none: it is the server's turn. A client that leaves then is let go at once.
 */

#define IDLE_SECONDS 75
#define WRITE_SECONDS 300
#define CLOSE_WAIT_MS 2000
#define MAX_HEADERS 4
#define HEADER_SIZE 128
#define METHOD_SIZE 24
#define MAX_RESUMES 64
#define DRAINED 16 /* times the most that a body may have: what is read of one that is refused */
#define TOO_LARGE "The request's body is too large."
#define BODY_BUDGET (64u << 20) /* of all requests together */
#define CONNECTION_MEMORY (64u << 10) /* the longest head */

enum phase { WAITING, READING, HANDLED, WRITING };

struct conn {
	uint64_t id;
	int fd;
	enum phase phase;
	uint64_t deadline_ms; /* 0: none */
	struct http_request *req;
	char peer[INET6_ADDRSTRLEN];
	struct conn *prev, *next;
};

struct http_request {
	struct http_server *server;
	struct MHD_Connection *mhd;
	struct conn *conn;
	char *target;
	char method[METHOD_SIZE];
	char peer[INET6_ADDRSTRLEN];
	char *body;
	size_t len, size;
	char headers[MAX_HEADERS][HEADER_SIZE]; /* "Name\0value" */
	size_t n_headers;
	int too_much; /* status to refuse an endless body with, once it has ended */
	bool checked; /* the head was looked at */
	bool handled; /* `handle` has it, or had it */
	bool suspended; /* under the lock from here on */
	bool answered;
	bool gone; /* its client is; the connection goes with the next turn */
	bool released; /* by the library */
	int status;
	struct MHD_Response *response;
};

struct resumes {
	struct MHD_Connection *mhd[MAX_RESUMES];
	size_t n;
};

struct http_server {
	struct http_options options;
	char *address;
	struct MHD_Daemon *daemon;
	uint16_t port;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct conn *conns;
	uint64_t next_id;
	unsigned open; /* requests with `handle` or its delegate */
	unsigned pending; /* requests that exist */
	size_t body_bytes;
	bool draining;
	bool over; /* for the watchman */
	pthread_t watchman;
	int epoll, stop;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void enter(struct conn *c, enum phase phase, unsigned seconds)
{
	c->phase = phase;
	c->deadline_ms = seconds ? now_ms() + seconds * 1000ull : 0;
}

/* ---- requests ---- */

static void request_free(struct http_request *req)
{
	struct http_server *s = req->server;

	s->pending--;
	s->body_bytes -= req->size;
	pthread_cond_broadcast(&s->changed);
	if (req->response)
		MHD_destroy_response(req->response);
	free(req->target);
	free(req->body);
	free(req);
}

static struct conn *conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

/*
 * The library would take the arguments apart now, and when they are more than its memory holds, forget
 * the connection with its answer half made. They are ours to read (http_target()), so it sees none. What
 * it shows us is its own buffer, which it writes to in the same way.
 */
static void hide_arguments(const char *target)
{
	char *mark = (char *)(uintptr_t)strchr(target, '?');

	if (mark && mark[1])
		mark[1] = '\0';
}

/* The request line is there. */
static void *request_begin(void *arg, const char *target, struct MHD_Connection *mhd)
{
	struct http_server *s = arg;
	struct http_request *req = xcalloc(1, sizeof(*req));

	req->server = s;
	req->mhd = mhd;
	req->target = xstrdup(target);
	hide_arguments(target);
	req->conn = conn_of(mhd);
	pthread_mutex_lock(&s->lock);
	s->pending++;
	if (req->conn) {
		req->conn->req = req;
		memcpy(req->peer, req->conn->peer, sizeof(req->peer));
		enter(req->conn, READING, s->options.request_seconds);
	}
	pthread_mutex_unlock(&s->lock);
	return req;
}

static void request_end(void *arg, struct MHD_Connection *mhd, void **ctx, enum MHD_RequestTerminationCode how)
{
	struct http_server *s = arg;
	struct http_request *req = *ctx;

	(void)mhd;
	(void)how;
	if (!req)
		return;
	*ctx = NULL;
	pthread_mutex_lock(&s->lock);
	if (req->conn) {
		req->conn->req = NULL;
		enter(req->conn, WAITING, IDLE_SECONDS);
	}
	req->released = true;
	req->conn = NULL;
	if (!req->handled || req->answered)
		request_free(req);
	pthread_mutex_unlock(&s->lock);
}

static enum MHD_Result queue(struct http_request *req)
{
	if (req->conn) {
		pthread_mutex_lock(&req->server->lock);
		enter(req->conn, WRITING, WRITE_SECONDS);
		pthread_mutex_unlock(&req->server->lock);
	}
	return MHD_queue_response(req->mhd, (unsigned)req->status, req->response);
}

static void make_response(struct http_request *req, int status, const char *body, size_t len)
{
	req->status = status;
	req->response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	if (!req->response)
		abort();
	if (body)
		MHD_add_response_header(req->response, "Content-Type", "application/json");
	for (size_t i = 0; i < req->n_headers; i++) {
		const char *name = req->headers[i];

		MHD_add_response_header(req->response, name, name + strlen(name) + 1);
	}
}

/* An answer of the server's own, before `handle` saw the request; the connection is closed after it. */
static enum MHD_Result refuse(struct http_request *req, int status, const char *text)
{
	struct http_server *s = req->server;
	char body[1024] = "";

	LOG_LIMIT(log_info, 5, "http: %s: refused with %d: %s", http_peer(req), status, text);
	s->options.refusal(req, status, text, body, sizeof(body));
	http_answer_header(req, "Connection", "close");
	make_response(req, status, body, strlen(body));
	return queue(req);
}

static enum MHD_Result frame_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
				    const char *value, size_t value_len)
{
	(void)kind;
	http_frame_header(arg, name, name_len, value ? value : "", value ? value_len : 0);
	return MHD_YES;
}

static enum MHD_Result check_head(struct http_request *req, const char *method, const char *version)
{
	struct http_server *s = req->server;
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct http_frame f;
	const char *wrong;
	bool draining;

	http_frame_begin(&f, method, req->target, version);
	MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, frame_header, &f);
	wrong = http_frame_end(&f, version, i ? i->header_size : 0);
	if (wrong)
		return refuse(req, 400, wrong);
	if (f.length > s->options.max_body) {
		if (f.length > DRAINED * s->options.max_body || http_header(req, "Expect"))
			return refuse(req, 413, TOO_LARGE);
		req->too_much = 413;
	}
	pthread_mutex_lock(&s->lock);
	draining = s->draining;
	pthread_mutex_unlock(&s->lock);
	if (draining)
		return refuse(req, 503, "The server is stopping.");
	return MHD_YES;
}

/* Grows the body to hold `n` bytes and a NUL; false when it may not. */
static bool reserve(struct http_request *req, size_t n)
{
	struct http_server *s = req->server;
	size_t size = req->size ? req->size : 2048;
	bool ok;

	while (size < n + 1)
		size *= 2;
	if (size == req->size)
		return true;
	pthread_mutex_lock(&s->lock);
	ok = s->body_bytes + size - req->size <= BODY_BUDGET;
	if (ok)
		s->body_bytes += size - req->size;
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		return false;
	req->body = xrealloc(req->body, size);
	req->size = size;
	return true;
}

/*
 * A body that came without a length cannot be refused in its midst: the library takes no answer then. And most clients
 * read no answer before they have sent all: up to a limit it is taken, and thrown away.
 */
static enum MHD_Result more_body(struct http_request *req, const char *data, size_t *n)
{
	size_t max = req->server->options.max_body;

	if (req->too_much || req->len + *n > max) {
		req->too_much = req->too_much ? req->too_much : 413;
	} else if (!req->response && reserve(req, req->len + *n)) {
		memcpy(req->body + req->len, data, *n);
	} else if (!req->response) {
		req->too_much = 503;
	}
	req->len += *n;
	*n = 0;
	return req->len > DRAINED * max ? MHD_NO : MHD_YES;
}

/* The request is whole. */
static enum MHD_Result hand_over(struct http_request *req)
{
	struct http_server *s = req->server;
	bool waiting;

	if (req->too_much)
		return refuse(req, req->too_much, req->too_much == 413 ? TOO_LARGE : "The server is short of memory.");
	if (req->body)
		req->body[req->len] = '\0';
	pthread_mutex_lock(&s->lock);
	req->handled = !s->draining;
	s->open += req->handled;
	if (req->conn && req->handled)
		enter(req->conn, HANDLED, 0);
	pthread_mutex_unlock(&s->lock);
	if (!req->handled)
		return refuse(req, 503, "The server is stopping.");
	s->options.handle(req, s->options.arg);
	/* It may be answered from another thread by now, but is not gone: that takes this thread. */
	pthread_mutex_lock(&s->lock);
	waiting = req->suspended;
	pthread_mutex_unlock(&s->lock);
	return waiting ? MHD_YES : queue(req);
}

/*
 * Called by the library: once with the head, then for each piece of body, then with none when all is
 * there, and again after a resume.
 */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *n, void **ctx)
{
	struct http_request *req = *ctx;
	struct http_server *s = arg;
	bool waiting, gone;

	(void)mhd;
	(void)url;
	if (!req)
		return MHD_NO;
	if (!req->checked) {
		req->checked = true;
		snprintf(req->method, sizeof(req->method), "%s", method);
		return check_head(req, method, version);
	}
	if (*n)
		return more_body(req, data, n);
	if (req->response && !req->handled)
		return MHD_YES; /* refused already */
	if (!req->handled)
		return hand_over(req);
	pthread_mutex_lock(&s->lock);
	gone = req->gone;
	waiting = !req->answered;
	pthread_mutex_unlock(&s->lock);
	if (gone)
		return MHD_NO;
	return waiting ? MHD_YES : queue(req);
}

const char *http_method(const struct http_request *req)
{
	return req->method;
}

const char *http_target(const struct http_request *req)
{
	return req->target;
}

const char *http_header(const struct http_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

const char *http_body(const struct http_request *req, size_t *ret_len)
{
	*ret_len = req->len;
	return req->body ? req->body : "";
}

const char *http_peer(const struct http_request *req)
{
	return req->peer;
}

void http_suspend(struct http_request *req)
{
	struct http_server *s = req->server;

	pthread_mutex_lock(&s->lock);
	req->suspended = true;
	pthread_mutex_unlock(&s->lock);
	MHD_suspend_connection(req->mhd);
}

void http_answer_header(struct http_request *req, const char *name, const char *value)
{
	if (req->n_headers == MAX_HEADERS || strlen(name) + strlen(value) + 2 > HEADER_SIZE)
		abort();
	sprintf(req->headers[req->n_headers++], "%s%c%s", name, '\0', value);
}

void http_answer(struct http_request *req, int status, const char *body, size_t len)
{
	struct http_server *s = req->server;
	struct MHD_Connection *resume = NULL;

	make_response(req, status, body, len);
	pthread_mutex_lock(&s->lock);
	s->open--;
	pthread_cond_broadcast(&s->changed);
	req->answered = true;
	if (req->suspended && !req->gone)
		resume = req->mhd; /* cannot go away while it is suspended */
	if (req->released)
		request_free(req);
	pthread_mutex_unlock(&s->lock);
	if (resume)
		MHD_resume_connection(resume);
}

/* ---- connections ---- */

static void format_peer(struct MHD_Connection *mhd, char peer[INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (!i ||
	    getnameinfo(i->client_addr,
			i->client_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
			peer, INET6_ADDRSTRLEN, NULL, 0, NI_NUMERICHOST))
		snprintf(peer, INET6_ADDRSTRLEN, "?");
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **ctx, enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = arg;
	struct conn *c = *ctx;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLET };

		c = xcalloc(1, sizeof(*c));
		c->fd = i->connect_fd;
		format_peer(mhd, c->peer);
		enter(c, WAITING, s->options.request_seconds);
		*ctx = c;
		pthread_mutex_lock(&s->lock);
		c->id = ev.data.u64 = ++s->next_id;
		DL_APPEND(s->conns, c);
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &ev);
		if (s->conns == c)
			eventfd_write(s->stop, 1); /* the watchman slept without a limit */
		pthread_mutex_unlock(&s->lock);
	} else if (c) {
		pthread_mutex_lock(&s->lock);
		epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		DL_DELETE(s->conns, c);
		pthread_mutex_unlock(&s->lock);
		*ctx = NULL;
		free(c);
	}
}

/*
 * Lets a suspended request's connection go; its answer will be thrown away. The resume itself waits
 * until the lock is free, since the library calls us with locks of its own.
 */
static void let_go(struct conn *c, struct resumes *resumes)
{
	struct http_request *req = c->req;

	if (!req || !req->suspended || req->answered || req->gone || resumes->n == MAX_RESUMES)
		return;
	req->gone = true;
	c->deadline_ms = 0;
	resumes->mhd[resumes->n++] = req->mhd;
	LOG_LIMIT(log_info, 5, "http: %s: left before its answer", c->peer);
}

/* The library takes a half-closed connection for a lost one: no answer would leave by it. */
static void on_hangup(struct http_server *s, uint64_t id)
{
	for (struct conn *c = s->conns; c; c = c->next)
		if (c->id == id && c->phase == HANDLED)
			c->deadline_ms = now_ms();
}

static void check_deadlines(struct http_server *s, struct resumes *resumes)
{
	uint64_t now = now_ms();

	for (struct conn *c = s->conns; c; c = c->next) {
		if (!c->deadline_ms || now < c->deadline_ms)
			continue;
		if (c->phase == HANDLED) {
			let_go(c, resumes);
		} else {
			shutdown(c->fd, SHUT_RDWR); /* the library sees the end and closes */
			c->deadline_ms = 0;
		}
	}
}

/* Under the lock. */
static void watch_once(struct http_server *s, const struct epoll_event *ev, int n, struct resumes *resumes)
{
	for (int i = 0; i < n; i++) {
		eventfd_t value;

		if (ev[i].data.u64)
			on_hangup(s, ev[i].data.u64);
		else
			eventfd_read(s->stop, &value);
	}
	check_deadlines(s, resumes);
}

static void *watch_connections(void *arg)
{
	struct http_server *s = arg;
	struct epoll_event ev[64];
	int timeout = -1;
	bool over = false;

	while (!over) {
		int n = epoll_wait(s->epoll, ev, N_ELEMENTS(ev), timeout);
		struct resumes resumes = { 0 };

		pthread_mutex_lock(&s->lock);
		watch_once(s, ev, n, &resumes);
		timeout = s->conns ? 1000 : -1;
		over = s->over;
		pthread_mutex_unlock(&s->lock);
		for (size_t i = 0; i < resumes.n; i++)
			MHD_resume_connection(resumes.mhd[i]);
	}
	return NULL;
}

/* ---- the server ---- */

static int open_socket(struct http_server *s, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM };
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = { 0 };
	socklen_t len = sizeof(addr);
	struct addrinfo *ai;
	char port[8];
	int fd, r = 0;

	snprintf(port, sizeof(port), "%u", s->options.port);
	if (getaddrinfo(s->address, port, &hints, &ai) != 0)
		return err_set(err, ERR_BAD_REQUEST, "", "%s is not an address to listen on", s->address);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 1024) < 0 || getsockname(fd, &addr.any, &len) < 0)
		r = err_errno(err, -errno, "cannot listen on %s port %s", s->address, port);
	freeaddrinfo(ai);
	if (r < 0) {
		closep(&fd);
		return r;
	}
	s->port = ntohs(addr.any.sa_family == AF_INET ? addr.v4.sin_port : addr.v6.sin6_port);
	return fd;
}

static void library_log(void *arg, const char *fmt, va_list ap)
{
	char text[256];

	(void)arg;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\r\n")] = '\0';
	LOG_LIMIT(log_debug, 5, "http: %s", text);
}

/* Arguments stay as they were sent: http_target() is what counts. */
static size_t unescape_nothing(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

static int start(struct http_server *s, int fd, struct err *err)
{
	const struct http_options *o = &s->options;

	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
		s, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_THREAD_POOL_SIZE, o->threads > 1 ? o->threads : 0, MHD_OPTION_CONNECTION_LIMIT,
		o->max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->max_per_address,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_SECONDS, MHD_OPTION_URI_LOG_CALLBACK, request_begin, s, MHD_OPTION_NOTIFY_COMPLETED,
		request_end, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK,
		unescape_nothing, NULL, MHD_OPTION_END);
	if (s->daemon)
		return 0;
	return err_set(err, ERR_INTERNAL, "", "cannot start the HTTP server on %s port %u", s->address, s->port);
}

int http_server_open(const struct http_options *options, struct http_server **ret, struct err *err)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0 };
	int fd, r;

	s->options = *options;
	s->address = xstrdup(options->address);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->stop < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->stop, &ev) < 0 ||
	    pthread_create(&s->watchman, NULL, watch_connections, s))
		abort();
	fd = r = open_socket(s, err);
	if (r >= 0)
		r = start(s, fd, err);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		http_server_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

void http_server_drain(struct http_server *s)
{
	int fd = MHD_quiesce_daemon(s->daemon);

	if (fd >= 0)
		close(fd);
	pthread_mutex_lock(&s->lock);
	s->draining = true;
	while (s->open)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

/* Gives answers that are on their way a moment to leave. */
static void wait_for_answers(struct http_server *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_WAIT_MS / 1000;
	pthread_mutex_lock(&s->lock);
	s->draining = true;
	while (s->pending && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

struct http_server *http_server_close(struct http_server *s)
{
	if (!s)
		return NULL;
	wait_for_answers(s);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_mutex_unlock(&s->lock);
	eventfd_write(s->stop, 1);
	pthread_join(s->watchman, NULL);
	close(s->epoll);
	close(s->stop);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s->address);
	free(s);
	return NULL;
}
