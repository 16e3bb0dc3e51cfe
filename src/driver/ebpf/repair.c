/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "driver/ebpf/ebpf.h"
#include "io/loop.h"

/*
 * What failed once, or what others undid, is tried again with a growing pause. Records that
 * the kernel refused are not here: the agent gives them again.
 */

#define PAUSE_MIN_US 100000
#define PAUSE_MAX_US 30000000
#define LOOK_US 30000000 /* the kernel tells nobody of a tcx program that is detached */

static bool failed(int r)
{
	return r < 0;
}

static int relist(struct driver *d)
{
	int r = d->relist ? port_relist(d) : 0;

	d->relist = r < 0;
	return r;
}

/* Maps that could not be read: the agent answers with another sync, after which this has nothing to say. */
static bool read_again(struct driver *d)
{
	if (d->unread && d->events.lost)
		d->events.lost(d->events.arg);
	return d->unread;
}

/* Every part is tried, whatever became of the one before. */
static bool all_is_well(struct driver *d)
{
	unsigned wrong = 0;

	wrong += read_again(d);
	wrong += failed(relist(d));
	wrong += failed(tunnel_check(d));
	wrong += failed(ports_repair(d));
	wrong += failed(ways_refresh(d));
	wrong += failed(floods_sweep(d));
	wrong += failed(cells_sweep(&d->cells));
	return !wrong;
}

static void arm(struct driver *d)
{
	d->repair_armed = true;
	loop_timer_arm(d->repair, d->repair_us);
}

void ebpf_repair_soon(struct driver *d)
{
	if (d->repair_armed)
		return;
	if (!d->repair_us)
		d->repair_us = PAUSE_MIN_US;
	arm(d);
}

void ebpf_repair(void *arg)
{
	struct driver *d = arg;

	d->repair_armed = true; /* what fails on the way is counted here */
	if (all_is_well(d)) {
		loop_timer_off(d->repair);
		d->repair_armed = false;
		d->repair_us = 0;
		return;
	}
	d->repair_us = d->repair_us ? d->repair_us * 2 : PAUSE_MIN_US;
	if (d->repair_us > PAUSE_MAX_US)
		d->repair_us = PAUSE_MAX_US;
	arm(d);
}

static void on_missing(enum driver_audit_kind kind, const char *what, void *arg)
{
	(void)kind;
	(void)arg;
	LOG_LIMIT(log_warn, 5, "missing %s: somebody else removed it", what);
}

void ebpf_look(void *arg)
{
	struct driver *d = arg;

	ports_audit(d, on_missing, NULL);
	tunnel_audit(d, on_missing, NULL);
	loop_timer_arm(d->look, LOOK_US);
}
