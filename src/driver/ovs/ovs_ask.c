/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/ovs.h"
#include "io/loop.h"

/*
 * What is asked of the switch and waited for: audit, counters, cleanup. It has a loop and a connection of its own, so
 * that nothing of the driver runs meanwhile, and an end in time.
 */

struct ovs_ask {
	struct loop *loop;
	struct openflow *openflow;
	struct loop_source *deadline;
	bool answered;
	bool late;
	int r;
	char why[OVS_TEXT_SIZE];
	/* the question's */
	openflow_flow_fn flow;
	openflow_meter_fn meter;
	void *arg;
};

static void on_deadline(void *arg)
{
	struct ovs_ask *a = arg;

	a->late = true;
}

static void on_up(void *arg)
{
	(void)arg;
}

static void on_down(const char *why, void *arg)
{
	struct ovs_ask *a = arg;

	snprintf(a->why, sizeof(a->why), "%s", why);
}

static void on_packet_in(const struct openflow_packet_in *p, void *arg)
{
	(void)p; /* the driver's connection gets it too */
	(void)arg;
}

static void on_done(int r, const char *why, void *arg)
{
	struct ovs_ask *a = arg;

	a->answered = true;
	a->r = r;
	if (r < 0)
		snprintf(a->why, sizeof(a->why), "%s", why && *why ? why : strerror(-r));
}

void ovs_ask_closep(struct ovs_ask **a)
{
	if (!*a)
		return;
	openflow_close((*a)->openflow);
	loop_source_free((*a)->deadline);
	loop_free((*a)->loop);
	free(*a);
}

int ovs_ask_open(const char *mgmt, uint64_t within_us, struct ovs_ask **ret, struct err *err)
{
	struct ovs_ask *a = xcalloc(1, sizeof(*a));
	const struct openflow_events events = { on_up, on_down, on_packet_in, NULL, a };

	a->loop = loop_new();
	a->deadline = loop_timer(a->loop, on_deadline, a);
	loop_timer_arm(a->deadline, within_us);
	snprintf(a->why, sizeof(a->why), "it does not answer");
	a->openflow = openflow_open(a->loop, mgmt, &events);
	while (!a->late && !openflow_is_up(a->openflow))
		loop_turn(a->loop, UINT64_MAX);
	if (!openflow_is_up(a->openflow)) {
		err_set(err, ERR_UNAVAILABLE, "", "Open vSwitch: %s: %s", mgmt, a->why);
		ovs_ask_closep(&a);
		return -EAGAIN;
	}
	*ret = a;
	return 0;
}

static int wait_for_answer(struct ovs_ask *a, struct err *err)
{
	while (!a->late && !a->answered)
		loop_turn(a->loop, UINT64_MAX);
	if (!a->answered)
		return err_set(err, ERR_UNAVAILABLE, "", "Open vSwitch does not answer");
	if (a->r < 0)
		return err_set(err, ERR_UNAVAILABLE, "", "Open vSwitch: %s", a->why);
	return 0;
}

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	const struct ovs_ask *a = arg;

	a->flow(f, stats, a->arg);
}

int ovs_ask_dump(struct ovs_ask *a, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn, void *arg,
		 struct err *err)
{
	a->answered = false;
	a->flow = fn;
	a->arg = arg;
	openflow_dump(a->openflow, table, cookie, mask, on_flow, on_done, a);
	return wait_for_answer(a, err);
}

static void on_meter(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	const struct ovs_ask *a = arg;

	a->meter(id, in, dropped, a->arg);
}

int ovs_ask_meters(struct ovs_ask *a, openflow_meter_fn fn, void *arg, struct err *err)
{
	a->answered = false;
	a->meter = fn;
	a->arg = arg;
	openflow_meter_stats(a->openflow, on_meter, on_done, a);
	return wait_for_answer(a, err);
}

int ovs_ask_delete(struct ovs_ask *a, uint64_t cookie, uint64_t mask, struct err *err)
{
	a->answered = false;
	openflow_delete(a->openflow, cookie, mask, on_done, a);
	return wait_for_answer(a, err);
}

int ovs_ask_set_meters(struct ovs_ask *a, const struct openflow_meter *meters, size_t n, struct err *err)
{
	a->answered = false;
	openflow_meters(a->openflow, meters, n, on_done, a);
	return wait_for_answer(a, err);
}
