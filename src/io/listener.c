/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/where.h"

#define ACCEPTS_PER_TURN 64
#define BACKLOG 1024
#define PAUSE_US 200000 /* after running out of descriptors */

struct listener {
	int fd;
	struct loop_source *source, *pause;
	listener_fn fn;
	void *arg;
	char *path; /* of a unix socket, to remove */
	bool accepting, closed; /* closed inside the callback: freed when it is through */
};

static void on_pause_over(void *arg)
{
	struct listener *l = arg;

	loop_io_events(l->source, EPOLLIN);
}

static void on_accept(uint32_t events, void *arg)
{
	struct listener *l = arg;

	(void)events;
	l->accepting = true;
	for (int i = 0; i < ACCEPTS_PER_TURN && !l->closed; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t len = sizeof(addr);
		char peer[64];
		int fd = accept4(l->fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0 && errno != EAGAIN) {
			/* Out of descriptors or memory: the peer still waits, so the loop would spin. */
			LOG_LIMIT(log_warn, 1, "accept: %s", strerror(errno));
			loop_io_events(l->source, 0);
			loop_timer_arm(l->pause, PAUSE_US);
		}
		if (fd < 0)
			break;
		where_format(&addr, peer, sizeof(peer));
		l->fn(fd, peer, l->arg);
	}
	l->accepting = false;
	if (l->closed)
		free(l);
}

/* A path that was left behind refuses connections: take it. One that somebody serves stays his. */
static int clear_path(const struct where *at)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&at->addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&at->addr, at->len) == 0 || errno == EAGAIN)
		r = -EADDRINUSE;
	else if (errno == ECONNREFUSED && unlink(un->sun_path) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int bind_and_listen(int fd, const struct where *at)
{
	int on = 1, r;

	if (at->addr.ss_family == AF_UNIX) {
		r = clear_path(at);
		if (r < 0)
			return r;
		if (fchmod(fd, 0600) < 0)
			return -errno;
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	if (bind(fd, (const struct sockaddr *)&at->addr, at->len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

int listener_open(struct loop *loop, const char *where, listener_fn fn, void *arg, struct listener **ret,
		  struct err *err)
{
	struct listener *l;
	struct where at;
	int fd, r;

	r = where_parse(where, &at, err);
	if (r < 0)
		return r;
	fd = socket(at.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "%s: socket", where);
	r = bind_and_listen(fd, &at);
	if (r < 0) {
		close(fd);
		return err_errno(err, r, "cannot listen on %s", where);
	}
	l = xcalloc(1, sizeof(*l));
	l->fd = fd;
	l->fn = fn;
	l->arg = arg;
	if (at.addr.ss_family == AF_UNIX)
		l->path = xstrdup(((struct sockaddr_un *)&at.addr)->sun_path);
	l->source = loop_io(loop, fd, EPOLLIN, on_accept, l);
	l->pause = loop_timer(loop, on_pause_over, l);
	*ret = l;
	return 0;
}

int listener_port(const struct listener *l)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(l->fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	return where_port(&addr);
}

struct listener *listener_close(struct listener *l)
{
	if (!l)
		return NULL;
	loop_source_free(l->source);
	loop_source_free(l->pause);
	if (l->path)
		unlink(l->path);
	free(l->path);
	close(l->fd);
	l->closed = true;
	if (!l->accepting)
		free(l);
	return NULL;
}
