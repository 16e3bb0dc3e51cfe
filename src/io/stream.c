/* SPDX-License-Identifier: Apache-2.0 */
#include "io/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/where.h"

/*
 * The streams of a loop form a set. The set's epoll descriptor is one source of the loop; what
 * was queued in a turn is written by one idle source in the next. Streams that end while the set
 * is walking its events or its queue are only marked, and freed when the walk is over.
 *
 *     loop ─► epoll of the set ─► stream: read ─► data()
 *        └──► idle of the set  ─► stream: write what was queued, or closed() for one that failed
 */

#define EVENTS_PER_CALL 64
#define READ_SIZE 65536
#define READS_PER_EVENT 4 /* then the other streams have their turn */
#define DEFAULT_MAX_INPUT (1U << 20)
#define DEFAULT_MAX_BACKLOG (4U << 20)
#define KEEP_BUFFER 65536 /* an empty output buffer beyond this is given back */

struct stream_set {
	struct stream_set *next;
	struct loop *loop;
	int epoll;
	struct loop_source *source, *flush;
	unsigned n; /* streams not yet freed */
	int walking;
	struct stream *queued; /* have something to do in flush */
	struct stream *dead; /* to be freed after the walk */
	char scratch[READ_SIZE + 1];
};

enum stream_state { STREAM_CONNECTING, STREAM_OPEN, STREAM_FAILED, STREAM_FINISHING, STREAM_DEAD };

struct stream {
	struct stream *prev, *next; /* in set->queued, or set->dead (next alone) */
	struct stream_set *set;
	struct stream_options options;
	const struct stream_events *events;
	void *arg;
	int fd;
	enum stream_state state;
	bool queued;
	uint32_t watched; /* what epoll waits for */
	char *in; /* unconsumed input; NULL when there is none */
	size_t in_len, in_size;
	size_t scanned; /* the start of the input is known to have no newline */
	char *out;
	size_t out_from, out_len, out_size;
	int failure; /* STREAM_FAILED: what closed() will be told */
	const char *why;
	char peer[64];
};

static struct stream_set *sets;
static pthread_mutex_t sets_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_events(uint32_t events, void *arg);
static void on_flush(void *arg);

static struct stream_set *set_get(struct loop *l, struct err *err)
{
	struct stream_set *set;
	int fd, r;

	pthread_mutex_lock(&sets_lock);
	LL_SEARCH_SCALAR(sets, set, loop, l);
	if (!set) {
		fd = epoll_create1(EPOLL_CLOEXEC);
		if (fd < 0) {
			r = -errno;
			pthread_mutex_unlock(&sets_lock);
			err_errno(err, r, "epoll_create1");
			return NULL;
		}
		set = xcalloc(1, sizeof(*set));
		set->loop = l;
		set->epoll = fd;
		set->source = loop_io(l, fd, EPOLLIN, on_events, set);
		set->flush = loop_idle(l, on_flush, set);
		LL_PREPEND(sets, set);
	}
	set->n++;
	pthread_mutex_unlock(&sets_lock);
	return set;
}

static void set_put(struct stream_set *set)
{
	pthread_mutex_lock(&sets_lock);
	if (--set->n > 0) {
		pthread_mutex_unlock(&sets_lock);
		return;
	}
	LL_DELETE(sets, set);
	pthread_mutex_unlock(&sets_lock);
	loop_source_free(set->source);
	loop_source_free(set->flush);
	close(set->epoll);
	free(set);
}

static void stream_free(struct stream *s)
{
	struct stream_set *set = s->set;

	free(s->in);
	free(s->out);
	free(s);
	set_put(set);
}

/* The walk holds a reference, so that the set outlives the last of its streams until here. */
static void walk_begin(struct stream_set *set)
{
	pthread_mutex_lock(&sets_lock);
	set->n++;
	pthread_mutex_unlock(&sets_lock);
	set->walking++;
}

static void walk_end(struct stream_set *set)
{
	struct stream *s;

	set->walking--;
	while ((s = set->dead)) {
		LL_DELETE(set->dead, s);
		stream_free(s);
	}
	set_put(set);
}

static void queue(struct stream *s)
{
	if (s->queued)
		return;
	if (!s->set->queued)
		loop_idle_arm(s->set->flush);
	s->queued = true;
	DL_APPEND(s->set->queued, s);
}

static void watch(struct stream *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (s->watched == events)
		return;
	/* Fails only for a descriptor that is not in the set: a mistake of this file. */
	if (epoll_ctl(s->set->epoll, EPOLL_CTL_MOD, s->fd, &e) < 0)
		abort();
	s->watched = events;
}

void stream_close(struct stream *s)
{
	if (!s || s->state == STREAM_DEAD)
		return;
	s->state = STREAM_DEAD;
	if (s->queued)
		DL_DELETE(s->set->queued, s);
	s->queued = false;
	close(s->fd);
	if (s->set->walking)
		LL_PREPEND(s->set->dead, s);
	else
		stream_free(s);
}

/* Tells the owner, unless it has let go already, and ends the stream. From a walk only. */
static void end(struct stream *s, int r, const char *why)
{
	if (s->state == STREAM_DEAD)
		return;
	if (s->state != STREAM_FINISHING && s->events->closed)
		s->events->closed(s, r, why, s->arg);
	stream_close(s);
}

/* Ends the stream later, from the flush: the caller is not prepared for closed() now. */
static void fail_later(struct stream *s, int r, const char *why)
{
	if (s->state == STREAM_DEAD || s->state == STREAM_FAILED)
		return;
	s->failure = r;
	s->why = why;
	s->out_len = 0;
	if (s->state == STREAM_FINISHING) {
		/* nobody to tell */
		stream_close(s);
		return;
	}
	s->state = STREAM_FAILED;
	watch(s, 0);
	queue(s);
}

static void flush(struct stream *s)
{
	while (s->out_len > 0) {
		ssize_t n = send(s->fd, s->out + s->out_from, s->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch(s, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			end(s, -errno, strerror(errno));
			return;
		}
		s->out_from += (size_t)n;
		s->out_len -= (size_t)n;
	}
	s->out_from = 0;
	if (s->out_size > KEEP_BUFFER) {
		free(s->out);
		s->out = NULL;
		s->out_size = 0;
	}
	if (s->state == STREAM_FINISHING) {
		/* With unread input the kernel would send a reset, and the peer lose our last word. */
		while (recv(s->fd, s->set->scratch, READ_SIZE, MSG_DONTWAIT) > 0)
			;
		stream_close(s);
		return;
	}
	watch(s, EPOLLIN);
}

static void on_flush(void *arg)
{
	struct stream_set *set = arg;
	struct stream *s, *last = set->queued ? set->queued->prev : NULL;
	bool more = last;

	/* What is queued while we walk comes behind `last` and has the next turn. */
	walk_begin(set);
	while (more && (s = set->queued)) {
		more = s != last;
		DL_DELETE(set->queued, s);
		s->queued = false;
		if (s->state == STREAM_FAILED)
			end(s, s->failure, s->why);
		else if (s->state != STREAM_CONNECTING)
			flush(s);
		/* A callback may have closed `last`: then what is left waits for the next turn. */
		if (last && last->state == STREAM_DEAD)
			break;
	}
	if (set->queued)
		loop_idle_arm(set->flush);
	walk_end(set);
}

void stream_send(struct stream *s, const void *bytes, size_t n)
{
	if (n == 0 || (s->state != STREAM_OPEN && s->state != STREAM_CONNECTING))
		return;
	if (n > s->options.max_backlog || s->out_len > s->options.max_backlog - n) {
		fail_later(s, -ENOBUFS, "too far behind");
		return;
	}
	if (s->out_from + s->out_len + n > s->out_size) {
		if (s->out_len > 0)
			memmove(s->out, s->out + s->out_from, s->out_len);
		s->out_from = 0;
		/* Half of it free, so that moving costs no more than sending did. */
		if (s->out_len + n > s->out_size / 2) {
			s->out_size = 2 * (s->out_len + n);
			s->out = xrealloc(s->out, s->out_size);
		}
	}
	memcpy(s->out + s->out_from + s->out_len, bytes, n);
	s->out_len += n;
	if (!(s->watched & EPOLLOUT))
		queue(s);
}

void stream_finish(struct stream *s)
{
	if (s->state == STREAM_CONNECTING || s->state == STREAM_FAILED) {
		stream_close(s);
		return;
	}
	if (s->state != STREAM_OPEN)
		return;
	s->state = STREAM_FINISHING;
	queue(s);
}

size_t stream_backlog(const struct stream *s)
{
	return s->out_len;
}

void stream_limit_backlog(struct stream *s, size_t max_backlog)
{
	s->options.max_backlog = max_backlog;
}

const char *stream_peer(const struct stream *s)
{
	return s->peer;
}

/* Offers input to the owner until it takes no more; returns how much of it was taken. */
static size_t offer(struct stream *s, const char *bytes, size_t n)
{
	size_t used = 0;

	while (used < n && s->state == STREAM_OPEN) {
		size_t taken = s->events->data(s, bytes + used, n - used, s->arg);

		if (taken == 0)
			break;
		used += taken;
		s->scanned = 0;
	}
	return used;
}

static void keep(struct stream *s, const char *bytes, size_t n)
{
	if (n == 0) {
		free(s->in);
		s->in = NULL;
		s->in_len = s->in_size = 0;
		return;
	}
	if (n > s->in_size) {
		/* `bytes` is not in s->in then: what is in there fits */
		s->in_size = n;
		s->in = xrealloc(s->in, n);
	}
	memmove(s->in, bytes, n);
	s->in_len = n;
}

/* One read; > 0 to go on, 0 when there is no more for now or the stream has ended. */
static int receive(struct stream *s)
{
	char *into = s->set->scratch;
	size_t had = s->in_len, used;
	ssize_t n;

	if (had > 0) {
		if (s->in_size < had + READ_SIZE) {
			s->in_size = had + READ_SIZE < 2 * s->in_size ? 2 * s->in_size : had + READ_SIZE;
			s->in = xrealloc(s->in, s->in_size);
		}
		into = s->in;
	}
	n = recv(s->fd, into + had, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		end(s, n < 0 ? -errno : 0, n < 0 ? strerror(errno) : "closed by the peer");
		return 0;
	}
	if (s->state == STREAM_FINISHING)
		return 1;
	used = offer(s, into, had + (size_t)n);
	if (s->state == STREAM_DEAD)
		return 0;
	keep(s, into + used, had + (size_t)n - used);
	if (s->in_len > s->options.max_input) {
		end(s, -EMSGSIZE, "message too long");
		return 0;
	}
	return n == READ_SIZE;
}

static void on_connected(struct stream *s)
{
	socklen_t len = sizeof(int);
	int e = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		e = errno;
	if (e) {
		end(s, -e, strerror(e));
		return;
	}
	s->state = STREAM_OPEN;
	watch(s, EPOLLIN);
	if (s->out_len > 0)
		queue(s);
	if (s->events->connected)
		s->events->connected(s, s->arg);
}

static void handle(struct stream *s, uint32_t events)
{
	int reads = READS_PER_EVENT;

	if (s->state == STREAM_CONNECTING) {
		on_connected(s);
		return;
	}
	if (s->state != STREAM_OPEN && s->state != STREAM_FINISHING)
		return;
	if (events & EPOLLOUT)
		flush(s);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	while (reads-- > 0 && (s->state == STREAM_OPEN || s->state == STREAM_FINISHING) && receive(s) > 0)
		;
}

static void on_events(uint32_t unused, void *arg)
{
	struct epoll_event events[EVENTS_PER_CALL];
	struct stream_set *set = arg;
	int n = epoll_wait(set->epoll, events, EVENTS_PER_CALL, 0);

	(void)unused;
	walk_begin(set);
	for (int i = 0; i < n; i++)
		handle(events[i].data.ptr, events[i].events);
	walk_end(set);
}

/* Cut lines are noticed in about 20 seconds; nothing waits for more to send. Best effort: a unix socket has none of it.
 */
static void tune(int fd, const struct stream_options *options)
{
	int on = 1, idle = 10, interval = 3, count = 3, timeout_ms = 20000, size = options->send_buffer;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	if (size > 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static struct stream *make(struct stream_set *set, int fd, const struct stream_options *options,
			   const struct stream_events *events, void *arg, enum stream_state state)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	struct epoll_event e = { .events = state == STREAM_CONNECTING ? EPOLLOUT : EPOLLIN, .data.ptr = s };
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	s->set = set;
	if (options)
		s->options = *options;
	if (s->options.max_input == 0)
		s->options.max_input = DEFAULT_MAX_INPUT;
	if (s->options.max_backlog == 0)
		s->options.max_backlog = DEFAULT_MAX_BACKLOG;
	s->events = events;
	s->arg = arg;
	s->fd = fd;
	s->state = state;
	s->watched = e.events;
	snprintf(s->peer, sizeof(s->peer), "unix");
	if (getpeername(fd, (struct sockaddr *)&addr, &len) == 0)
		where_format(&addr, s->peer, sizeof(s->peer));
	tune(fd, &s->options);
	/* Fails only when the kernel is out of memory for it. */
	if (epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		abort();
	return s;
}

struct stream *stream_new(struct loop *l, int fd, const struct stream_options *options,
			  const struct stream_events *events, void *arg)
{
	struct stream_set *set = set_get(l, NULL);

	/* Only the first stream of a loop can fail so, for want of a descriptor: nothing works then. */
	if (!set)
		abort();
	return make(set, fd, options, events, arg, STREAM_OPEN);
}

int stream_connect(struct loop *l, const char *where, const struct stream_options *options,
		   const struct stream_events *events, void *arg, struct stream **ret, struct err *err)
{
	struct stream_set *set;
	struct where to;
	int fd, r;

	r = where_parse(where, &to, err);
	if (r < 0)
		return r;
	fd = socket(to.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "%s: socket", where);
	if (connect(fd, (struct sockaddr *)&to.addr, to.len) < 0 && errno != EINPROGRESS) {
		r = err_errno(err, -errno, "%s", where);
		close(fd);
		return r;
	}
	set = set_get(l, err);
	if (!set) {
		close(fd);
		return -EMFILE;
	}
	*ret = make(set, fd, options, events, arg, STREAM_CONNECTING);
	where_format(&to.addr, (*ret)->peer, sizeof((*ret)->peer));
	return 0;
}

size_t stream_lines(struct stream *s, const char *bytes, size_t n, stream_line_fn fn, void *arg)
{
	/* The buffer is the stream's own; callers only see it as const. */
	char *line = (char *)bytes, *end_of_line;
	size_t used = 0, from = s->scanned < n ? s->scanned : n;

	while (s->state == STREAM_OPEN && (end_of_line = memchr(line + from, '\n', n - used - from))) {
		size_t len = (size_t)(end_of_line - line);

		*end_of_line = '\0';
		fn(s, line, len, arg);
		line = end_of_line + 1;
		used += len + 1;
		from = 0;
	}
	if (used == 0)
		s->scanned = n;
	return used;
}
