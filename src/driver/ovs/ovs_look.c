/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/neighbour.h"
#include "driver/ovs/ovs.h"
#include "driver/ovs/tables.h"
#include "plan/verdict_names.h"

/* ------------------------------------------------------------------ words */

static void take_first(const char *text, void *arg)
{
	char *to = arg;

	if (!*to)
		snprintf(to, OVS_TEXT_SIZE, "%s", text);
}

void ovs_why(const struct driver *d, char ret[OVS_TEXT_SIZE])
{
	char why[OVS_TEXT_SIZE] = "";

	vswitch_warnings(d->vswitch, take_first, why);
	take_first(d->why, why);
	snprintf(ret, OVS_TEXT_SIZE, "Open vSwitch does not answer: %s", *why ? why : "nothing was heard yet");
}

static void format_set(const struct flowset_origin *o, UT_string *out)
{
	static const struct {
		const char *name, *key;
	} sets[] = {
		[ORIGIN_STATIC] = { "static", NULL },
		[ORIGIN_FLOOD_PORTS] = { "flood_ports", "network" },
		[ORIGIN_FLOOD_PEERS] = { "flood_peers", "network" },
		[ORIGIN_NETWORK_ROUTERS] = { "network_routers", "network" },
		[ORIGIN_PEER_ROUTERS] = { "peer_routers", "host" },
	};

	utstring_printf(out, "%s", sets[o->kind].name);
	if (sets[o->kind].key)
		utstring_printf(out, " %s=%u", sets[o->kind].key, o->key);
}

/* ------------------------------------------------------------------ audit */

struct audit {
	struct driver *driver;
	const struct plan *plan;
	struct flowset *flows; /* that should be there, and what is */
	driver_audit fn;
	void *arg;
};

/* Also of ports that the driver was not given yet. */
static uint32_t ofport_of(uint32_t port, void *arg)
{
	const struct audit *a = arg;
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	const struct plan_record *r;

	key.port.key.port = port;
	r = plan_find(a->plan, &key);
	return r ? ovs_iface_ofport(a->driver, &r->port.uuid) : 0;
}

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	const struct audit *a = arg;

	(void)stats;
	flowset_found(a->flows, f);
}

static void on_difference(enum flowset_difference what, const struct flowset_origin *o, const struct flow *f, void *arg)
{
	static const enum driver_audit_kind kinds[] = {
		[FLOWSET_MISSING] = DRIVER_AUDIT_MISSING,
		[FLOWSET_DIFFERENT] = DRIVER_AUDIT_DIFFERENT,
		[FLOWSET_EXTRA] = DRIVER_AUDIT_EXTRA,
	};
	_cleanup_(utstring_freep) UT_string *text = NULL;
	const struct audit *a = arg;

	utstring_new(text);
	if (!o)
		flow_format(f, text);
	else if (o->kind == ORIGIN_RECORD)
		plan_record_format(plan_find(flowset_plan(a->flows), &o->record), text);
	else
		format_set(o, text);
	a->fn(kinds[what], utstring_body(text), a->arg);
}

int ovs_audit(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err)
{
	_cleanup_(ovs_ask_closep) struct ovs_ask *ask = NULL;
	struct audit a = { .driver = d, .plan = plan, .fn = fn, .arg = arg };
	const struct pipeline_world world = { d->world.tunnel_ofport, ofport_of, &a };
	char why[OVS_TEXT_SIZE];
	int r;

	if (!d->mgmt) {
		ovs_why(d, why);
		return err_set(err, ERR_UNAVAILABLE, "", "%s", why);
	}
	r = ovs_ask_open(d->mgmt, OVS_ASK_US, &ask, err);
	if (r < 0)
		return r;
	a.flows = flowset_new(&world);
	flowset_sync(a.flows, plan);
	r = ovs_ask_dump(ask, OPENFLOW_ALL_TABLES, 0, 0, on_flow, &a, err);
	if (r == 0)
		flowset_differences(a.flows, on_difference, &a);
	flowset_free(a.flows);
	return r;
}

/* ------------------------------------------------------------------ counters */

struct counting {
	const struct ovs_meters *meters;
	struct openflow_stats verdicts[VERDICT_COUNT], drops[DROP_COUNT];
};

static void add(struct openflow_stats *to, const struct openflow_stats *more)
{
	to->packets += more->packets;
	to->bytes += more->bytes;
}

static void count_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	struct counting *c = arg;
	uint64_t n;

	if (f->table == TABLE_COUNT && flow_oxm_find(f->match, f->match_len, REG_VERDICT, &n) && n > 0 &&
	    n <= VERDICT_COUNT)
		add(&c->verdicts[n - 1], stats);
	else if (f->table == TABLE_DROP && flow_oxm_find(f->match, f->match_len, REG_REASON, &n) && n < DROP_COUNT)
		add(&c->drops[n], stats);
}

static void count_meter(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	struct counting *c = arg;

	if (id == METER_TOO_BIG)
		add(&c->drops[DROP_TOO_BIG], in);
	else if (members_has(&c->meters->there, id / N_METERS))
		add(&c->drops[DROP_RATE], dropped);
}

static bool count(struct driver *d, struct counting *ret)
{
	_cleanup_(ovs_ask_closep) struct ovs_ask *ask = NULL;

	*ret = (struct counting) { .meters = &d->meters };
	ret->drops[DROP_RATE] = d->meters.dropped;
	return ovs_ask_open(d->mgmt, OVS_COUNT_US, &ask, NULL) == 0 &&
	       ovs_ask_dump(ask, TABLE_COUNT, COOKIE_OURS, COOKIE_OURS_MASK, count_flow, ret, NULL) == 0 &&
	       ovs_ask_dump(ask, TABLE_DROP, COOKIE_OURS, COOKIE_OURS_MASK, count_flow, ret, NULL) == 0 &&
	       ovs_ask_meters(ask, count_meter, ret, NULL) == 0;
}

/* A switch that does not answer has counted what it had counted when it was asked last. So it has while it is read:
 * which meters are ours is not known then. */
size_t ovs_counters(struct driver *d, struct driver_counter *ret, size_t max)
{
	struct counting c = { 0 };
	bool fresh = ovs_is_up(d) && (d->known || !d->synced) && count(d, &c);
	size_t n = 0;

	for (unsigned i = 0; i < VERDICT_COUNT + DROP_COUNT; i++) {
		bool drop = i >= VERDICT_COUNT;
		const struct openflow_stats *stats = drop ? &c.drops[i - VERDICT_COUNT] : &c.verdicts[i];
		struct driver_counter *counter = &d->counters[i];

		if (i == VERDICT_DROP || i == VERDICT_COUNT + DROP_NONE)
			continue;
		counter->name = drop ? verdict_counter(VERDICT_DROP, (enum drop_reason)(i - VERDICT_COUNT))
				     : verdict_counter((enum verdict)i, DROP_NONE);
		if (fresh) {
			counter->packets = stats->packets;
			counter->bytes = stats->bytes;
		}
		if (n < max)
			ret[n] = *counter;
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------ show */

struct show {
	struct driver *driver;
	driver_line fn;
	void *arg;
};

static void show_flow(const struct flow *f, void *arg)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	const struct show *s = arg;

	utstring_new(text);
	flow_format(f, text);
	s->fn(utstring_body(text), s->arg);
}

static void show_set(const struct flowset_origin *o, void *arg)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	struct show *s = arg;

	utstring_new(text);
	utstring_printf(text, "# ");
	format_set(o, text);
	s->fn(utstring_body(text), s->arg);
	flowset_each_flow(s->driver->flows, o, show_flow, s);
}

void ovs_show(struct driver *d, const struct plan_record *r, driver_line fn, void *arg)
{
	struct show s = { d, fn, arg };
	struct flowset_origin o = { .kind = ORIGIN_RECORD };

	if (!r) {
		flowset_each_set(d->flows, show_set, &s);
		return;
	}
	o.record = *r;
	flowset_each_flow(d->flows, &o, show_flow, &s);
}

/* ------------------------------------------------------------------ warnings */

void ovs_warnings(struct driver *d, driver_warning fn, void *arg)
{
	vswitch_warnings(d->vswitch, fn, arg);
	if (d->why[0])
		fn(d->why, arg);
	if (d->conflict[0])
		fn(d->conflict, arg);
	if (d->neighbours && *neighbour_trouble(d->neighbours))
		fn(neighbour_trouble(d->neighbours), arg);
	ovs_mtu_each(d, fn, arg);
}
