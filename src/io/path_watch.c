/* SPDX-License-Identifier: Apache-2.0 */
#include "io/path_watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"

/*
 * One directory is watched at a time: the deepest one of the path's that exists. When the next one appears in it,
 * or it goes itself, the right one is looked for again.
 */

#define MASK (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct path_watch {
	char *path;
	path_watch_fn fn;
	void *arg;
	struct loop_source *source;
	int fd, wd;
	char *name; /* what is awaited in the watched directory */
	bool last; /* that is the path itself */
};

/* The part of the path that lies `up` levels above it. To be freed. */
static char *above(const char *path, unsigned up)
{
	char *p = xstrdup(path);

	while (up-- > 0) {
		char *parent = xstrdup(dirname(p));

		free(p);
		p = parent;
	}
	return p;
}

static bool is_root(const char *dir)
{
	return strcmp(dir, "/") == 0 || strcmp(dir, ".") == 0;
}

static bool watch_dir(struct path_watch *w, unsigned up)
{
	_cleanup_(freep) char *dir = above(w->path, up), *child = above(w->path, up - 1);

	w->wd = inotify_add_watch(w->fd, dir, MASK);
	free(w->name);
	w->name = xstrdup(basename(child));
	w->last = up == 1;
	return w->wd >= 0 || is_root(dir);
}

/* Watches the deepest directory. One that appears while we look is seen by looking again, unless it is one that may
 * not be watched. */
static void place(struct path_watch *w)
{
	for (int i = 0; i < 3; i++) {
		unsigned up = 1;
		_cleanup_(freep) char *next = NULL;

		if (w->wd >= 0)
			inotify_rm_watch(w->fd, w->wd);
		while (!watch_dir(w, up))
			up++;
		next = above(w->path, up - 1);
		if (w->last || w->wd < 0 || access(next, F_OK) < 0)
			return;
	}
}

/* Whether the events concern what is awaited. */
static bool concerns(const struct path_watch *w, const char *bytes, size_t n)
{
	struct inotify_event e;

	for (size_t at = 0; at + sizeof(e) <= n; at += sizeof(e) + e.len) {
		memcpy(&e, bytes + at, sizeof(e));
		if (e.mask & IN_Q_OVERFLOW)
			return true;
		if (e.wd != w->wd)
			continue;
		if (!(e.mask & (IN_CREATE | IN_MOVED_TO)) || strcmp(bytes + at + sizeof(e), w->name) == 0)
			return true;
	}
	return false;
}

static void on_events(uint32_t events, void *arg)
{
	_Alignas(struct inotify_event) char bytes[4096 + NAME_MAX];
	struct path_watch *w = arg;
	ssize_t n = read(w->fd, bytes, sizeof(bytes));

	(void)events;
	if (n <= 0 || !concerns(w, bytes, (size_t)n))
		return;
	place(w);
	if (w->last)
		w->fn(w->arg);
}

struct path_watch *path_watch_open(struct loop *l, const char *path, path_watch_fn fn, void *arg)
{
	struct path_watch *w = xcalloc(1, sizeof(*w));

	w->path = xstrdup(path);
	w->fn = fn;
	w->arg = arg;
	w->wd = -1;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return w;
	w->source = loop_io(l, w->fd, EPOLLIN, on_events, w);
	place(w);
	return w;
}

struct path_watch *path_watch_close(struct path_watch *w)
{
	if (!w)
		return NULL;
	loop_source_free(w->source);
	if (w->fd >= 0)
		close(w->fd);
	free(w->name);
	free(w->path);
	free(w);
	return NULL;
}
