/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * path_watch: tells when something appears at a path, a server's socket above all: also when it was there before
 * and is made anew, and when its directories are not there yet (inotify on the deepest one that is).
 *
 * It tells too often rather than too seldom: `fn` looks for itself. It is no promise either: the kernel bounds
 * the number of watches, and some file systems tell nothing. So who uses it also tries from time to time.
 */

struct loop;
struct path_watch;

typedef void (*path_watch_fn)(void *arg);

struct path_watch *path_watch_open(struct loop *l, const char *path, path_watch_fn fn, void *arg);
struct path_watch *path_watch_close(struct path_watch *w); /* accepts NULL, returns NULL; also from inside fn */
