/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * loop: the event loop (sd-event), and the only file that knows it. One loop a thread; all
 * callbacks of a loop come from the thread that runs it. loop_post() alone may be called from
 * other threads.
 *
 * Sources belong to who made them and are freed with loop_source_free(), also from inside
 * their own callback.
 *
 * Do not watch many descriptors directly: the loop visits ready sources one a turn, so k ready
 * ones cost k². Streams (stream.h) sit on an epoll of their own, which is one source here.
 */

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_source;

typedef void (*loop_fn)(void *arg);
typedef void (*loop_io_fn)(uint32_t events, void *arg); /* EPOLLIN, EPOLLOUT, ... */

struct loop *loop_new(void);
struct loop *loop_free(struct loop *l);
int loop_run(struct loop *l); /* until loop_stop(); returns its code */
void loop_stop(struct loop *l, int code);
int loop_turn(struct loop *l, uint64_t timeout_us); /* one turn: for tests. >0 if something ran */

struct loop_source *loop_io(struct loop *l, int fd, uint32_t events, loop_io_fn fn, void *arg);
void loop_io_events(struct loop_source *s, uint32_t events);

/* A timer that fires once; loop_timer_arm() starts it (again), loop_timer_off() stops it. Made stopped. */
struct loop_source *loop_timer(struct loop *l, loop_fn fn, void *arg);
void loop_timer_arm(struct loop_source *s, uint64_t after_us);
void loop_timer_off(struct loop_source *s);

/* Runs fn in a later turn, once, before the loop waits again. May be armed again from fn. Made stopped. */
struct loop_source *loop_idle(struct loop *l, loop_fn fn, void *arg);
void loop_idle_arm(struct loop_source *s);

/* SIGTERM, SIGINT, SIGHUP: blocked in this thread and delivered as a callback. Call before making threads. */
struct loop_source *loop_signal(struct loop *l, int signo, loop_fn fn, void *arg);

/* A wake-up that other threads may give: fn runs once in the loop's thread for one or more calls of loop_post(). */
struct loop_source *loop_wakeup(struct loop *l, loop_fn fn, void *arg);
void loop_post(struct loop_source *wakeup);

struct loop_source *loop_source_free(struct loop_source *s); /* accepts NULL, returns NULL */
void loop_source_freep(struct loop_source **s);

uint64_t loop_now_us(struct loop *l); /* CLOCK_MONOTONIC at the start of this turn */
void loop_notify(const char *state); /* sd_notify: "READY=1", "STATUS=..." */
