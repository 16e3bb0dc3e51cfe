/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/ovs.h"
#include "driver/ovs/tables.h"

/*
 * Meters are no part of bundles: they come before the flows that pass them, and go after them (a flow whose meter is
 * removed goes with it). In the switch they bear nobody's mark. Those of a number that is wanted, or that a flow of
 * ours comes from, are taken for ours; any other stays.
 */

static const uint32_t rates[N_METERS] = {
	[METER_ERRORS] = METER_ERRORS_RATE,
	[METER_BROADCAST] = METER_BROADCAST_RATE,
};

/* ------------------------------------------------------------------ what is there */

void ovs_meters_read_begin(struct driver *d)
{
	d->meters.too_big = false;
	members_fini(&d->meters.there);
	members_fini(&d->meters.used);
	members_fini(&d->meters.seen);
}

/* Not by the flow of the tunnel's port, which is always there and has no meter. */
void ovs_meters_found_flow(struct members *used, const struct flow *f)
{
	uint64_t ofport;

	if ((f->cookie & COOKIE_OURS_MASK) == COOKIE_OURS && COOKIE_OF(f->cookie) && f->table == TABLE_CLASSIFY &&
	    flow_oxm_find(f->match, f->match_len, FIELD_IN_PORT, &ofport))
		members_add(used, (uint32_t)ofport);
}

void ovs_meters_found(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	struct driver *d = arg;

	(void)in;
	(void)dropped;
	if (id == METER_TOO_BIG)
		d->meters.too_big = true;
	else
		members_add(&d->meters.seen, id / N_METERS);
}

void ovs_meters_read_end(struct driver *d)
{
	struct ovs_meters *m = &d->meters;

	for (size_t i = 0; i < m->seen.n; i++) {
		uint32_t ofport = m->seen.numbers[i];

		if (m->seen.times[i] == N_METERS && (members_has(&m->wanted, ofport) || members_has(&m->used, ofport)))
			members_add(&m->there, ofport);
	}
	members_fini(&m->used);
	members_fini(&m->seen);
}

/* ------------------------------------------------------------------ what is to be done */

/* Those of `these` that are not among `those`. */
static void without(const struct members *these, const struct members *those, struct members *ret)
{
	members_fini(ret);
	for (size_t i = 0; i < these->n; i++)
		if (!members_has(those, these->numbers[i]))
			members_add(ret, these->numbers[i]);
}

/* Of these ports, and the one that is nobody's if `too_big`. */
static struct openflow_meter *meters_of(const struct members *ofports, bool too_big, bool made, size_t *ret_n)
{
	struct openflow_meter *list = xcalloc(ofports->n * N_METERS + 1, sizeof(*list));
	size_t n = 0;

	for (; n < ofports->n * N_METERS; n++) {
		list[n].id = METER_ID(ofports->numbers[n / N_METERS], n % N_METERS);
		list[n].rate = list[n].burst = made ? rates[n % N_METERS] : 0;
	}
	if (too_big) {
		list[n].id = METER_TOO_BIG;
		list[n].rate = list[n].burst = made ? METER_TOO_BIG_RATE : 0;
		n++;
	}
	*ret_n = n;
	return list;
}

/* What a datapath has no meters for is seen when a flow is refused that needs one. */
static void done(struct driver *d, int r, const char *why)
{
	d->busy = false;
	if (r < 0 && r != -ECONNRESET)
		LOG_LIMIT(log_warn, 1, "meters: %s", why && *why ? why : strerror(-r));
	ovs_kick(d);
}

static void on_added(int r, const char *why, void *arg)
{
	struct driver *d = arg;

	if (r != -ECONNRESET) {
		d->meters.too_big = true;
		for (size_t i = 0; i < d->meters.asked.n; i++)
			members_add(&d->meters.there, d->meters.asked.numbers[i]);
	}
	done(d, r, why);
}

bool ovs_meters_add(struct driver *d)
{
	_cleanup_(freep) struct openflow_meter *list = NULL;
	struct ovs_meters *m = &d->meters;
	size_t n;

	without(&m->wanted, &m->there, &m->asked);
	list = meters_of(&m->asked, !m->too_big, true, &n);
	if (n == 0)
		return false;
	d->busy = true;
	openflow_meters(d->openflow, list, n, on_added, d);
	return true;
}

/* What they have dropped counts on. */
static void on_last_stats(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	struct driver *d = arg;

	(void)in;
	if (id == METER_TOO_BIG || !members_has(&d->meters.asked, id / N_METERS))
		return;
	d->meters.last.packets += dropped->packets;
	d->meters.last.bytes += dropped->bytes;
}

static void on_last_stats_end(int r, const char *why, void *arg)
{
	(void)r;
	(void)why;
	(void)arg;
}

static void on_deleted(int r, const char *why, void *arg)
{
	struct driver *d = arg;
	struct ovs_meters *m = &d->meters;

	if (r != -ECONNRESET) {
		m->dropped.packets += m->last.packets;
		m->dropped.bytes += m->last.bytes;
		for (size_t i = 0; i < m->asked.n; i++)
			members_del(&m->there, m->asked.numbers[i]);
	}
	done(d, r, why);
}

bool ovs_meters_del(struct driver *d)
{
	_cleanup_(freep) struct openflow_meter *list = NULL;
	struct ovs_meters *m = &d->meters;
	size_t n;

	without(&m->there, &m->wanted, &m->asked);
	list = meters_of(&m->asked, false, false, &n);
	if (n == 0)
		return false;
	d->busy = true;
	m->last = (struct openflow_stats) { 0 };
	openflow_meter_stats(d->openflow, on_last_stats, on_last_stats_end, d);
	openflow_meters(d->openflow, list, n, on_deleted, d);
	return true;
}

int ovs_ask_clean_meters(struct ovs_ask *a, const struct members *ports, struct err *err)
{
	_cleanup_(freep) struct openflow_meter *list = NULL;
	size_t n;

	list = meters_of(ports, true, false, &n);
	return ovs_ask_set_meters(a, list, n, err);
}

void ovs_meters_fini(struct driver *d)
{
	members_fini(&d->meters.wanted);
	members_fini(&d->meters.there);
	members_fini(&d->meters.used);
	members_fini(&d->meters.seen);
	members_fini(&d->meters.asked);
}
