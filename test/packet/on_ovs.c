/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/tables.h"
#include "driver/ovs/vswitch.h"
#include "net/packet.h"
#include "ovs_rig.h"
#include "packet_driver.h"
#include "plan/plan.h"
#include "plan/verdict_names.h"
#include "trace.h"

/*
 * The openvswitch driver on the dummy datapath. What became of a frame is
 *
 *   outputs   what came out of the ports and, in VXLAN, of the underlay, after the frame was given for real
 *   verdict   the driver's counter that grew
 *   trace     ofproto/trace of the same frame must meet the flow of that end, and find nothing wrong
 *
 * A frame is given twice: first without, then with the megaflow that the first one left, and must come to the same.
 * So it must, in load(), by a megaflow that was made before the plan changed.
 */

#define N_COUNTERS (VERDICT_COUNT + DROP_COUNT)
#define TIMES 2 /* a frame is given */
#define LAST 6 /* frames that are remembered */
#define ASKED_MAX 50
#define FRESH_US 300000 /* counters that take longer may be those of the time before */

struct counts {
	uint64_t verdicts[VERDICT_COUNT], reasons[DROP_COUNT];
};

struct on_ovs {
	struct ovs_rig rig;
	struct counts counts; /* after the last frame */
	bool counted; /* nothing was given since then */
	bool paused; /* revalidators */
	struct trace trace; /* of the last frame */
	struct forward_in last[LAST]; /* frames, with bytes of their own */
	size_t n_last;
};

static int ovs_open(void **ret, struct err *err)
{
	struct on_ovs *o = xcalloc(1, sizeof(*o));
	int r = ovs_rig_open(&o->rig, err);

	if (r < 0)
		free(o);
	else
		*ret = o;
	return r;
}

static void ovs_close(void *d)
{
	struct on_ovs *o = d;

	ovs_rig_close(&o->rig);
	trace_fini(&o->trace);
	for (size_t i = 0; i < LAST; i++)
		free((void *)o->last[i].frame);
	free(o);
}

/* ------------------------------------------------------------------ verdict */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Into o->counts. */
static int read_counts(struct on_ovs *o, struct err *err)
{
	struct driver_counter c[N_COUNTERS];
	struct counts *ret = &o->counts;
	uint64_t began;
	bool fresh = false;
	size_t n = 0;
	int r;

	/* brings what megaflows counted into the flows, and lets no megaflow live */
	r = appctl_call(&o->rig.control, NULL, err, "revalidator/purge", NULL);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < ASKED_MAX; i++) {
		began = now_us();
		n = driver_ovs.counters(o->rig.driver, c, N_COUNTERS);
		fresh = now_us() - began < FRESH_US;
		if (fresh)
			break;
	}
	if (!fresh)
		return err_errno(err, -ETIMEDOUT, "counters");
	for (size_t i = 0; i < n && i < N_COUNTERS; i++) {
		enum drop_reason reason;
		enum verdict verdict;

		if (strncmp(c[i].name, "drop_", 5) == 0 && drop_reason_parse(c[i].name + 5, &reason) == 0)
			ret->reasons[reason] = c[i].packets;
		else if (verdict_parse(c[i].name, &verdict) == 0)
			ret->verdicts[verdict] = c[i].packets;
	}
	return n ? 0 : err_set(err, ERR_INTERNAL, "", "the driver has no counters");
}

struct growth {
	unsigned n; /* how many ends were counted */
	uint64_t by; /* of the last of them: */
	enum verdict verdict;
	enum drop_reason reason;
	bool answer, too_big;
};

static struct growth grown(const struct counts *before, const struct counts *after)
{
	struct growth g = { 0 };

	for (int i = 1; i < DROP_COUNT; i++) {
		if (after->reasons[i] == before->reasons[i])
			continue;
		g.n++;
		g.by = after->reasons[i] - before->reasons[i];
		g.verdict = VERDICT_DROP;
		g.reason = (enum drop_reason)i;
		g.too_big |= i == DROP_TOO_BIG;
	}
	for (int i = VERDICT_DROP + 1; i < VERDICT_COUNT; i++) {
		if (after->verdicts[i] == before->verdicts[i])
			continue;
		g.n++;
		g.by = after->verdicts[i] - before->verdicts[i];
		g.verdict = (enum verdict)i;
		g.reason = DROP_NONE;
		g.answer |= i == VERDICT_ANSWER;
	}
	return g;
}

/*
 * Behind check_pkt_larger a packet that was too big is also counted as what it had become otherwise, be it an answer
 * (tables.h); that it was too big, or answered so, is counted only where it is true.
 */
static int set_verdict(const struct counts *before, const struct counts *after, struct forward_result *ret,
		       struct err *err)
{
	struct growth g = grown(before, after);
	_cleanup_(utstring_freep) UT_string *text = NULL;

	ret->verdict = g.too_big ? VERDICT_DROP : g.answer ? VERDICT_ANSWER : g.verdict;
	ret->reason = g.too_big ? DROP_TOO_BIG : g.answer ? DROP_NONE : g.reason;
	if ((g.n == 1 && g.by == TIMES) || g.too_big || (g.answer && (g.n > 1 || g.by == 2 * TIMES)))
		return 0;
	utstring_new(text);
	for (int i = 1; i < DROP_COUNT; i++)
		if (after->reasons[i] != before->reasons[i])
			utstring_printf(text, " drop_%s %" PRIu64, drop_reason_name((enum drop_reason)i),
					after->reasons[i] - before->reasons[i]);
	for (int i = 1; i < VERDICT_COUNT; i++)
		if (after->verdicts[i] != before->verdicts[i])
			utstring_printf(text, " %s %" PRIu64, verdict_name((enum verdict)i),
					after->verdicts[i] - before->verdicts[i]);
	return err_set(err, ERR_INTERNAL, "", "counted as:%s", g.n ? utstring_body(text) : " nothing");
}

/* ------------------------------------------------------------------ trace */

/*
 * A trace carries out all but the outputs, and behind check_pkt_larger those too; the agent is asked. That is not what
 * is looked for.
 */
static int throw_away(struct on_ovs *o, const char *actions, struct err *err)
{
	struct forward_result nobodys = { 0 };
	int r = 0;

	if (!strstr(actions, "userspace") && !strstr(actions, "check_pkt_len"))
		return 0;
	o->counted = false;
	r = ovs_rig_pass(&o->rig, err);
	if (r >= 0)
		r = ovs_rig_take(&o->rig, o->rig.plan, &nobodys, err);
	forward_result_fini(&nobodys);
	return r;
}

static int trace_frame(struct on_ovs *o, const struct forward_in *in, struct trace *ret, struct err *err)
{
	const struct ovs_rig_port *p = ovs_rig_port_of(&o->rig, in->port);
	_cleanup_(freep) char *flow = NULL, *hex = ovs_rig_hex(in->frame, in->len);
	_cleanup_(utstring_freep) UT_string *text = NULL;
	char tunnel[IP_TEXT_SIZE];
	int r;

	if (in->port)
		flow = xasprintf("in_port=%s", p ? p->name : OVS_RIG_STRANGER);
	else
		flow = xasprintf("in_port=" VSWITCH_TUNNEL_PORT ",tun_src=%s,tun_dst=192.0.2.1,tun_id=%u",
				 ip_format(&in->tunnel, tunnel), in->id);
	utstring_new(text);
	r = appctl_call(&o->rig.control, text, err, "ofproto/trace", SANDBOX_BRIDGE, flow, hex, NULL);
	if (r >= 0)
		r = trace_parse(utstring_body(text), ret, err);
	return r < 0 ? r : throw_away(o, ret->actions, err);
}

static bool is_end(const struct trace_step *s, const struct forward_result *r)
{
	uint64_t n;

	switch (s->table) {
	case TABLE_DROP:
		return r->verdict == VERDICT_DROP && trace_field(s, "reg15", &n) && n == r->reason;
	case TABLE_COUNT:
		return r->verdict != VERDICT_DROP && trace_field(s, "reg14", &n) && n == (uint64_t)r->verdict + 1;
	case TABLE_TOO_BIG:
		return r->verdict == VERDICT_DROP && r->reason == DROP_TOO_BIG;
	case TABLE_ERROR_OUT: /* the rest is the agent's */
		return r->verdict == VERDICT_ANSWER || r->verdict == VERDICT_DROP;
	default:
		return false;
	}
}

static int check_trace(const struct trace *t, const struct forward_result *r, struct err *err)
{
	if (t->complaint)
		return err_set(err, ERR_INTERNAL, "", "trace: %s", t->complaint);
	for (size_t i = 0; i < t->n; i++)
		if (is_end(&t->steps[i], r))
			return 0;
	return err_set(err, ERR_INTERNAL, "", "the trace does not come to %s", verdict_counter(r->verdict, r->reason));
}

static void ovs_explain(void *d)
{
	const struct on_ovs *o = d;

	for (size_t i = 0; i < o->trace.n; i++) {
		const struct trace_step *s = &o->trace.steps[i];

		printf("#   %-16s %s\n", s->table < N_TABLES ? tables_name(s->table) : "",
		       s->match ? s->match : "(no flow)");
	}
	printf("#   datapath: %s\n", o->trace.actions ? o->trace.actions : "");
}

/* ------------------------------------------------------------------ frames */

static int give(struct on_ovs *o, const struct forward_in *in, struct forward_result *ret, struct err *err)
{
	int r = ovs_rig_give(&o->rig, in, err);

	return r < 0 ? r : ovs_rig_take(&o->rig, o->rig.plan, ret, err);
}

static bool same_outs(const struct forward_result *a, const struct forward_result *b)
{
	bool same = a->n_outs == b->n_outs;

	/* ports and peers are asked in the same order both times */
	for (size_t i = 0; same && i < a->n_outs; i++)
		same = a->outs[i].port == b->outs[i].port && a->outs[i].peer == b->outs[i].peer &&
		       a->outs[i].id == b->outs[i].id && a->outs[i].len == b->outs[i].len &&
		       !memcmp(a->outs[i].frame, b->outs[i].frame, a->outs[i].len);
	return same;
}

static int give_again(struct on_ovs *o, const struct forward_in *in, const struct forward_result *first,
		      struct err *err)
{
	struct forward_result again = { 0 };
	int r = give(o, in, &again, err);

	if (r >= 0 && !same_outs(first, &again))
		r = err_set(err, ERR_INTERNAL, "", "by the megaflow: %zu outputs, not the %zu of the first time",
			    again.n_outs, first->n_outs);
	forward_result_fini(&again);
	return r;
}

static bool asks_agent(const struct trace *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->steps[i].table == TABLE_ERROR_OUT)
			return true;
	return false;
}

/* Not what the agent may have answered: it does so at a rate. */
static void remember(struct on_ovs *o, const struct forward_in *in, const struct forward_result *r)
{
	struct forward_in *to = &o->last[o->n_last % LAST];

	if (asks_agent(&o->trace) && r->verdict != VERDICT_DELIVER && r->verdict != VERDICT_SEND)
		return;
	free((void *)to->frame);
	*to = *in;
	to->frame = xmemdup(in->frame, in->len);
	o->n_last++;
}

static int ovs_run(void *d, const struct forward_in *in, struct forward_result *ret, struct err *err)
{
	struct forward_result result = { 0 };
	struct counts before;
	struct on_ovs *o = d;
	int r;

	if (in->len < ETH_SIZE)
		return -ENOTSUP;
	trace_fini(&o->trace);
	r = trace_frame(o, in, &o->trace, err);
	if (r >= 0 && !o->counted)
		r = read_counts(o, err);
	before = o->counts;
	o->counted = false;
	if (r >= 0)
		r = give(o, in, &result, err);
	if (r >= 0)
		r = give_again(o, in, &result, err);
	if (r >= 0)
		r = read_counts(o, err);
	o->counted = r >= 0;
	if (r >= 0)
		r = set_verdict(&before, &o->counts, &result, err);
	if (r >= 0)
		r = check_trace(&o->trace, &result, err);
	if (r < 0) {
		forward_result_fini(&result);
		return r;
	}
	remember(o, in, &result);
	*ret = result;
	return 0;
}

/* ------------------------------------------------------------------ plans */

/* Off while frames are counted: a revalidator keeps what it has counted from a purge that comes meanwhile. */
static int revalidate(struct on_ovs *o, bool on, struct err *err)
{
	int r = 0;

	if (o->paused == on)
		r = appctl_call(&o->rig.control, NULL, err, on ? "revalidator/resume" : "revalidator/pause", NULL);
	o->paused = !on;
	o->counted = false;
	return r;
}

static bool can_come_again(struct on_ovs *o, const struct forward_in *in)
{
	const struct ovs_rig_port *p = ovs_rig_port_of(&o->rig, in->port);

	return in->frame && (!in->port || (p && p->there));
}

static int give_last(struct on_ovs *o, struct forward_result ret[LAST], struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < LAST && r >= 0; i++)
		if (can_come_again(o, &o->last[i]))
			r = give(o, &o->last[i], &ret[i], err);
	return r;
}

static void results_fini(struct forward_result r[LAST])
{
	for (size_t i = 0; i < LAST; i++)
		forward_result_fini(&r[i]);
}

/* What was given last, by what is left of the old plan and by nothing. */
static int check_stale(struct on_ovs *o, struct err *err)
{
	struct forward_result stale[LAST] = { 0 }, fresh[LAST] = { 0 };
	int r = ovs_rig_revalidated(&o->rig, err);

	if (r >= 0)
		r = give_last(o, stale, err);
	if (r >= 0)
		r = appctl_call(&o->rig.control, NULL, err, "revalidator/purge", NULL);
	if (r >= 0)
		r = give_last(o, fresh, err);
	for (size_t i = 0; i < LAST && r >= 0; i++)
		if (!same_outs(&stale[i], &fresh[i]))
			r = err_set(err, ERR_INTERNAL, "", "a megaflow of the plan before puts %zu frames out, not %zu",
				    stale[i].n_outs, fresh[i].n_outs);
	results_fini(stale);
	results_fini(fresh);
	return r;
}

static int ovs_load(void *d, const struct plan *p, struct err *err)
{
	struct on_ovs *o = d;
	struct forward_result before[LAST] = { 0 };
	int r;

	if (ovs_rig_is(&o->rig, p))
		return 0;
	r = revalidate(o, true, err);
	if (r >= 0)
		r = give_last(o, before, err);
	results_fini(before);
	if (r >= 0)
		r = ovs_rig_ports(&o->rig, p, err);
	if (r >= 0)
		r = ovs_rig_plan(&o->rig, p, err);
	if (r >= 0)
		r = check_stale(o, err);
	return r < 0 ? r : revalidate(o, false, err);
}

static int ovs_device(void *d, uint32_t port, bool there, struct err *err)
{
	struct on_ovs *o = d;
	int r = revalidate(o, true, err);

	if (r >= 0)
		r = ovs_rig_port_set(&o->rig, port, there, err);
	return r < 0 ? r : revalidate(o, false, err);
}

const struct packet_driver packet_on_ovs = {
	.name = "openvswitch",
	.open = ovs_open,
	.close = ovs_close,
	.load = ovs_load,
	.device = ovs_device,
	.run = ovs_run,
	.explain = ovs_explain,
};
