/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utarray.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/cache.h"
#include "driver/ovs/neighbour.h"
#include "driver/ovs/ovs.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"

#define LATER_US 1000000
#define LATER_MAX_US 30000000

void ovs_kick(struct driver *d)
{
	loop_idle_arm(d->kick);
}

/* Whatever comes meanwhile is tried with the rest. */
void ovs_later(struct driver *d)
{
	uint64_t pause = LATER_US << (d->tries < 5 ? d->tries : 5);

	if (d->pausing)
		return;
	d->tries++;
	loop_timer_arm(d->later, pause < LATER_MAX_US ? pause : LATER_MAX_US);
	d->pausing = true;
}

bool ovs_is_up(const struct driver *d)
{
	return d->openflow && openflow_is_up(d->openflow);
}

/* An answer that there should not have been: once more, but not at once. */
static void not_known(struct driver *d, int r, const char *what, const char *why)
{
	d->known = false;
	if (r == -ECONNRESET)
		return; /* the connection's end is told by itself */
	LOG_LIMIT(log_warn, 1, "%s: %s", what, why && *why ? why : strerror(-r));
	ovs_later(d);
}

void ovs_read_again(struct driver *d)
{
	d->known = d->reading = false;
}

void ovs_wait(struct driver *d)
{
	if (!d->synced)
		return; /* nobody waits */
	if (!d->away && !d->waiting)
		loop_timer_arm(d->patience, d->patience_us);
	d->waiting = true;
}

void ovs_forget_switch(struct driver *d, const char *why)
{
	ovs_read_again(d);
	snprintf(d->why, sizeof(d->why), "%s", why);
	ovs_wait(d);
}

/* ------------------------------------------------------------------ what is there */

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	struct driver *d = arg;

	(void)stats;
	flowset_found(d->flows, f);
	ovs_meters_found_flow(&d->meters.used, f);
}

static void on_meters(int r, const char *why, void *arg)
{
	struct driver *d = arg;

	d->busy = false;
	if (r < 0 && r != -ECONNRESET) /* without meters there are none; that flows need them is said when they come */
		LOG_LIMIT(log_warn, 1, "meters: %s", why && *why ? why : strerror(-r));
	ovs_meters_read_end(d);
	d->known = d->reading && r != -ECONNRESET;
	ovs_kick(d);
}

static void on_dump(int r, const char *why, void *arg)
{
	struct driver *d = arg;

	d->busy = false;
	if (r < 0)
		return not_known(d, r, "the flows cannot be read", why);
	d->busy = true;
	openflow_meter_stats(d->openflow, ovs_meters_found, on_meters, d);
}

static void read_switch(struct driver *d)
{
	d->busy = d->reading = true;
	d->conflict[0] = '\0';
	flowset_dump_begin(d->flows);
	ovs_meters_read_begin(d);
	openflow_dump(d->openflow, OPENFLOW_ALL_TABLES, 0, 0, on_flow, on_dump, d);
}

/* ------------------------------------------------------------------ bundles */

/* Whose flow cannot be in the switch, and why: kept until what it was found in is done with. */
struct refused {
	struct flowset_origin origin;
	int r;
	char text[OVS_TEXT_SIZE];
};

static const UT_icd refused_icd = { sizeof(struct refused), NULL, NULL, NULL };

static void refuse_all(struct driver *d, const UT_array *all)
{
	for (const struct refused *x = NULL; (x = utarray_next((UT_array *)all, x));)
		ovs_refuse(d, &x->origin, x->r, x->text);
}

static void note_refused(struct driver *d, size_t mod, const char *why, UT_array *to)
{
	_cleanup_(utstring_freep) UT_string *flow = NULL;
	struct refused refused = { .r = -EINVAL };

	utstring_new(flow);
	flow_format(d->mods[mod].flow, flow);
	LOG_LIMIT(log_warn, 5, "Open vSwitch refused %s: %s", utstring_body(flow), why);
	if (!flowset_whose(d->flows, mod, &refused.origin)) {
		if (d->mods[mod].op == FLOW_DELETE)
			flowset_give_up(d->flows, mod);
		return;
	}
	snprintf(refused.text, sizeof(refused.text), "Open vSwitch: %s: %s", why, utstring_body(flow));
	utarray_push_back(to, &refused);
}

/* Nothing of the bundle is in. A refusal that names no mod is looked for by halving what goes out together. */
static void bundle_refused(struct driver *d, const struct openflow_error *errors, size_t n)
{
	const char *why = n ? errors[0].text : "refused";
	UT_array *refused;
	size_t named = 0;

	utarray_new(refused, &refused_icd);
	for (size_t i = 0; i < n; i++)
		if (errors[i].mod < d->n_mods) {
			note_refused(d, errors[i].mod, errors[i].text, refused);
			named++;
		}
	if (!named && d->n_mods == 1)
		note_refused(d, 0, why, refused);
	d->limit = named || d->n_mods == 1 ? SIZE_MAX : d->n_mods / 2;
	flowset_end(d->flows, false);
	if (utarray_len(refused) > 0)
		ovs_read_again(d); /* perhaps something that it needs has gone: a meter */
	refuse_all(d, refused);
	utarray_free(refused);
}

static void on_bundle(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	struct driver *d = arg;

	d->busy = false;
	/* where no answer has come, it may be done all the same */
	if (r != -EBADMSG && d->cache && flowset_takes_away(d->flows))
		cache_changed(d->cache);
	if (r == -EBADMSG)
		bundle_refused(d, errors, n);
	else
		flowset_end(d->flows, r == 0);
	if (r < 0 && r != -EBADMSG)
		not_known(d, r, "flows cannot be changed", NULL);
	if (!flowset_due(d->flows))
		d->limit = SIZE_MAX;
	ovs_kick(d);
}

static void send_bundle(struct driver *d)
{
	d->busy = true;
	d->mods = flowset_begin(d->flows, d->limit, &d->n_mods);
	d->sent_bundles++;
	d->sent_mods += d->n_mods;
	openflow_bundle(d->openflow, d->mods, d->n_mods, on_bundle, d);
}

struct conflicts {
	struct driver *driver;
	UT_array *refused;
};

static void on_conflict(const struct flowset_origin *o, const struct flow *wanted, void *arg)
{
	_cleanup_(utstring_freep) UT_string *flow = NULL;
	struct refused refused = { .origin = *o, .r = -EEXIST };
	struct conflicts *c = arg;

	utstring_new(flow);
	flow_format(wanted, flow);
	snprintf(refused.text, sizeof(refused.text), "a flow of another program's is in the place of %s",
		 utstring_body(flow));
	LOG_LIMIT(log_warn, 5, "%s", refused.text);
	snprintf(c->driver->conflict, sizeof(c->driver->conflict), "%s", refused.text);
	utarray_push_back(c->refused, &refused);
}

static void set_aside_conflicts(struct driver *d)
{
	struct conflicts c = { .driver = d };

	utarray_new(c.refused, &refused_icd);
	flowset_conflicts(d->flows, on_conflict, &c);
	refuse_all(d, c.refused);
	utarray_free(c.refused);
}

/* ------------------------------------------------------------------ the next thing */

static bool plan_is_empty(const struct plan *p)
{
	for (int t = 0; t < PLAN_N_TABLES; t++)
		if (plan_count(p, (enum plan_table)t) > 0)
			return false;
	return true;
}

/* The switch is as it should be. */
static void settle(struct driver *d)
{
	bool gave_up = d->gave_up;

	loop_timer_off(d->patience);
	if (d->away)
		ovs_ports_touch(d);
	d->away = d->waiting = d->gave_up = false;
	if (plan_is_empty(d->again))
		d->tries = 0;
	ovs_ports_tell(d);
	ovs_end_call(d);
	/* What was answered meanwhile was that it has failed. */
	if (gave_up && d->events.lost)
		d->events.lost(d->events.arg);
}

void ovs_work(void *arg)
{
	struct driver *d = arg;

	if (!d->synced || d->busy)
		return;
	if (!ovs_is_up(d)) {
		if (d->away)
			ovs_give_up(d);
		else
			ovs_wait(d);
		return;
	}
	if (!d->known)
		return read_switch(d);
	while (flowset_n_conflicts(d->flows))
		set_aside_conflicts(d);
	if (ovs_meters_add(d))
		return;
	if (flowset_due(d->flows))
		return send_bundle(d);
	if (ovs_meters_del(d))
		return;
	/* who hears that it is done may send to a new peer at once */
	if (d->neighbours && !neighbour_is_settled(d->neighbours))
		return;
	settle(d);
}
