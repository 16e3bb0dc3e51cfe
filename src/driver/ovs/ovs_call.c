/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/ovs.h"
#include "io/loop.h"

/* ------------------------------------------------------------------ a call */

static void begin(struct driver *d, enum ovs_call call, driver_done done, void *arg)
{
	if (d->call != CALL_NONE)
		abort(); /* one call at a time is the interface's rule */
	d->call = call;
	d->done = done;
	d->done_arg = arg;
	d->synced = true;
	ovs_wait(d);
	if (d->away) /* it may be up by now, and not be made good: this call is waited for as long as the first */
		loop_timer_arm(d->patience, d->patience_us);
	ovs_kick(d);
}

void ovs_sync(struct driver *d, const struct plan *plan, driver_done done, void *arg)
{
	ovs_ports_bind_all(d, plan);
	ovs_peers_sync(d, plan);
	plan_free(d->again);
	d->again = plan_new();
	flowset_sync(d->flows, plan);
	ovs_mtu_log(d);
	ovs_read_again(d); /* it is asked for what is there, not for what should be */
	begin(d, CALL_SYNC, done, arg);
}

void ovs_apply(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct plan_change *c = &changes->items[i];

		plan_changes_add(&d->changes, c->op, &c->record, &c->old);
		plan_del(d->again, &c->record);
		ovs_peers_apply(d, c);
		if (c->record.table == PLAN_PORT && c->op == PLAN_DELETE)
			ovs_ports_unbind(d, c->record.port.key.port);
		else if (c->record.table == PLAN_PORT)
			ovs_ports_bind(d, &c->record);
	}
	flowset_apply(d->flows, changes);
	if (d->conflict[0])
		ovs_read_again(d); /* another's flow may have gone */
	begin(d, CALL_APPLY, done, arg);
}

void ovs_end_call(struct driver *d)
{
	struct driver_failure *failures = take(&d->failures);
	size_t n = d->n_failures;

	if (d->call == CALL_NONE)
		return;
	d->n_failures = 0;
	d->call = CALL_NONE;
	plan_changes_fini(&d->changes);
	d->done(failures, n, d->done_arg);
	free(failures);
}

static bool is_failed(const struct driver *d, const struct plan_record *r)
{
	for (size_t i = 0; i < d->n_failures; i++)
		if (plan_record_same_key(&d->failures[i].record, r))
			return true;
	return false;
}

static void fail(struct driver *d, const struct plan_record *r, int error, const char *text)
{
	struct driver_failure *f;

	if (is_failed(d, r))
		return;
	d->failures = xrealloc(d->failures, (d->n_failures + 1) * sizeof(*d->failures));
	f = &d->failures[d->n_failures++];
	memset(f, 0, sizeof(*f));
	f->record = *r;
	f->r = error;
	snprintf(f->text, sizeof(f->text), "%s", text);
}

/* The record that stands for this host as a whole. */
static struct plan_record host_of(const struct driver *d)
{
	struct plan_record key = PLAN_RECORD(PLAN_HOST);
	const struct plan_record *host = plan_find(flowset_plan(d->flows), &key);

	return host ? *host : key;
}

void ovs_give_up(void *arg)
{
	struct driver *d = arg;
	struct plan_record host = host_of(d);
	char text[OVS_TEXT_SIZE];

	if (!d->away)
		ovs_ports_touch(d);
	d->away = true;
	ovs_ports_tell(d);
	ovs_why(d, text);
	if (d->call == CALL_NONE)
		return;
	d->gave_up = true;
	fail(d, &host, -EAGAIN, text);
	ovs_end_call(d);
}

/* ------------------------------------------------------------------ records that cannot be in the switch */

/* What the call says of the record; the last word counts. */
static const struct plan_change *change_of(const struct driver *d, const struct plan_record *r)
{
	for (size_t i = d->changes.n; i-- > 0;)
		if (plan_record_same_key(&d->changes.items[i].record, r))
			return &d->changes.items[i];
	return NULL;
}

/* Who gave it hears of it, or it is tried again from here. */
static void tell_refused(struct driver *d, const struct plan_record *r, int error, const char *text)
{
	if (d->call == CALL_SYNC || change_of(d, r)) {
		fail(d, r, error, text);
	} else {
		plan_set(d->again, r);
		ovs_later(d);
	}
}

/* It stays as it was before the call where it can, else it is out. */
static void isolate(struct driver *d, const struct plan_record *refused, int error, const char *text)
{
	struct plan_record r = *refused;
	const struct plan_change *c = change_of(d, &r);
	bool back = c && c->op == PLAN_UPDATE && !is_failed(d, &r) && !plan_record_equal(&c->old, &r);

	if (back && r.table == PLAN_PORT)
		back = uuid_equal(&c->old.port.uuid, &r.port.uuid); /* else it is another device's */
	tell_refused(d, &r, error, text);
	if (back)
		flowset_set(d->flows, &c->old);
	else
		flowset_del(d->flows, &r);
	if (r.table == PLAN_PORT)
		ovs_port_refused(d, r.port.key.port, text);
}

static bool is_member(const struct plan_record *r, const struct flowset_origin *o)
{
	struct pipeline_membership m[PIPELINE_MEMBERSHIPS];
	size_t n = pipeline_memberships(r, m);

	for (size_t i = 0; i < n; i++)
		if (m[i].kind == o->kind && m[i].key == o->key)
			return true;
	return false;
}

/* A set was refused: those that this call brings into it stay out. */
static bool isolate_members(struct driver *d, const struct flowset_origin *o, int error, const char *text)
{
	bool any = false;

	for (size_t i = 0; i < d->changes.n; i++) {
		const struct plan_change *c = &d->changes.items[i];

		if (c->op == PLAN_DELETE || is_failed(d, &c->record) || !is_member(&c->record, o))
			continue;
		isolate(d, &c->record, error, text);
		any = true;
	}
	return any;
}

struct search {
	uint32_t network;
	const struct plan_record *found;
};

static void match_segment(const struct plan_record *r, void *arg)
{
	struct search *s = arg;

	if (r->segment.network == s->network)
		s->found = r;
}

/* The record that a set hangs on. */
static const struct plan_record *record_behind(const struct driver *d, const struct flowset_origin *o)
{
	struct plan_record key = PLAN_RECORD(PLAN_PEER);
	struct search s = { .network = o->key };

	switch (o->kind) {
	case ORIGIN_STATIC:
		key = PLAN_RECORD(PLAN_HOST);
		return plan_find(flowset_plan(d->flows), &key);
	case ORIGIN_PEER_ROUTERS:
		key.peer.key.host = o->key;
		return plan_find(flowset_plan(d->flows), &key);
	case ORIGIN_FLOOD_PORTS:
	case ORIGIN_FLOOD_PEERS:
	case ORIGIN_NETWORK_ROUTERS:
		plan_each(flowset_plan(d->flows), PLAN_SEGMENT, match_segment, &s);
		return s.found;
	case ORIGIN_RECORD:
		break;
	}
	return plan_find(flowset_plan(d->flows), &o->record);
}

void ovs_refuse(struct driver *d, const struct flowset_origin *o, int error, const char *text)
{
	const struct plan_record *r = record_behind(d, o);

	if (o->kind == ORIGIN_RECORD) {
		if (r)
			isolate(d, r, error, text);
		return;
	}
	if (isolate_members(d, o, error, text))
		return;
	flowset_set_aside(d->flows, o);
	if (r)
		tell_refused(d, r, error, text);
}

static void set_again(const struct plan_record *r, void *arg)
{
	struct driver *d = arg;

	if (r->table == PLAN_PORT)
		ovs_port_refused(d, r->port.key.port, "");
	flowset_set(d->flows, r);
}

void ovs_try_again(struct driver *d)
{
	struct plan *again = take(&d->again);

	d->again = plan_new();
	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(again, (enum plan_table)t, set_again, d);
	plan_free(again);
	if (d->conflict[0])
		ovs_read_again(d);
	ovs_kick(d);
}
