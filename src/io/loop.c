/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define TIMER_ACCURACY_US 1000 /* 0 would mean 250 ms */

struct loop {
	sd_event *event;
};

struct loop_source {
	sd_event_source *source;
	loop_fn fn;
	loop_io_fn io_fn;
	void *arg;
	int wakeup_fd; /* eventfd of loop_wakeup(), or -1 */
};

/* sd-event calls fail only on misuse or lack of memory or descriptors at the start: nothing to go on with. */
static void must(int r)
{
	if (r < 0)
		abort();
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	must(sd_event_new(&l->event));
	return l;
}

struct loop *loop_free(struct loop *l)
{
	if (l)
		sd_event_unref(l->event);
	free(l);
	return NULL;
}

int loop_run(struct loop *l)
{
	return sd_event_loop(l->event);
}

void loop_stop(struct loop *l, int code)
{
	must(sd_event_exit(l->event, code));
}

int loop_turn(struct loop *l, uint64_t timeout_us)
{
	return sd_event_run(l->event, timeout_us);
}

static struct loop_source *source_new(loop_fn fn, void *arg)
{
	struct loop_source *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	s->arg = arg;
	s->wakeup_fd = -1;
	return s;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct loop_source *s = arg;

	(void)source;
	(void)fd;
	s->io_fn(events, s->arg);
	return 0;
}

struct loop_source *loop_io(struct loop *l, int fd, uint32_t events, loop_io_fn fn, void *arg)
{
	struct loop_source *s = source_new(NULL, arg);

	s->io_fn = fn;
	must(sd_event_add_io(l->event, &s->source, fd, events, on_io, s));
	return s;
}

void loop_io_events(struct loop_source *s, uint32_t events)
{
	must(sd_event_source_set_io_events(s->source, events));
}

static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
	struct loop_source *s = arg;

	(void)source;
	(void)usec;
	s->fn(s->arg);
	return 0;
}

struct loop_source *loop_timer(struct loop *l, loop_fn fn, void *arg)
{
	struct loop_source *s = source_new(fn, arg);

	must(sd_event_add_time(l->event, &s->source, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_US, on_time, s));
	must(sd_event_source_set_enabled(s->source, SD_EVENT_OFF));
	return s;
}

void loop_timer_arm(struct loop_source *s, uint64_t after_us)
{
	must(sd_event_source_set_time_relative(s->source, after_us));
	must(sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT));
}

void loop_timer_off(struct loop_source *s)
{
	must(sd_event_source_set_enabled(s->source, SD_EVENT_OFF));
}

static int on_defer(sd_event_source *source, void *arg)
{
	struct loop_source *s = arg;

	(void)source;
	s->fn(s->arg);
	return 0;
}

struct loop_source *loop_idle(struct loop *l, loop_fn fn, void *arg)
{
	struct loop_source *s = source_new(fn, arg);

	must(sd_event_add_defer(l->event, &s->source, on_defer, s));
	must(sd_event_source_set_enabled(s->source, SD_EVENT_OFF));
	return s;
}

void loop_idle_arm(struct loop_source *s)
{
	must(sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT));
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *arg)
{
	struct loop_source *s = arg;

	(void)source;
	(void)si;
	s->fn(s->arg);
	return 0;
}

struct loop_source *loop_signal(struct loop *l, int signo, loop_fn fn, void *arg)
{
	struct loop_source *s = source_new(fn, arg);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	must(-pthread_sigmask(SIG_BLOCK, &set, NULL));
	must(sd_event_add_signal(l->event, &s->source, signo, on_signal, s));
	return s;
}

static int on_wakeup(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct loop_source *s = arg;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) == sizeof(count))
		s->fn(s->arg);
	return 0;
}

struct loop_source *loop_wakeup(struct loop *l, loop_fn fn, void *arg)
{
	struct loop_source *s = source_new(fn, arg);

	s->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(s->wakeup_fd < 0 ? -errno : 0);
	must(sd_event_add_io(l->event, &s->source, s->wakeup_fd, EPOLLIN, on_wakeup, s));
	return s;
}

void loop_post(struct loop_source *wakeup)
{
	uint64_t one = 1;

	/* Fails only when the counter is full, and then a wake-up is waiting anyway. */
	if (write(wakeup->wakeup_fd, &one, sizeof(one)) < 0)
		return;
}

struct loop_source *loop_source_free(struct loop_source *s)
{
	if (!s)
		return NULL;
	sd_event_source_disable_unref(s->source);
	if (s->wakeup_fd >= 0)
		close(s->wakeup_fd);
	free(s);
	return NULL;
}

void loop_source_freep(struct loop_source **s)
{
	*s = loop_source_free(*s);
}

uint64_t loop_now_us(struct loop *l)
{
	uint64_t now;

	must(sd_event_now(l->event, CLOCK_MONOTONIC, &now));
	return now;
}

void loop_notify(const char *state)
{
	sd_notify(0, state);
}
