/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "driver/fake/forward.h"
#include "plan/verdict_names.h"
#include "probe.h"

/*
 * While the ordered changes are applied, one after the other, every packet meets what it would have met before all
 * of them, or after, or is dropped: never a mixture. Of a flooded frame that holds for each copy. A router that
 * drops a packet may say so: an ICMP error is a drop.
 *
 * Some records are the start of some packets' way and the end of others': a port, a peer, a segment, the fdb row of a
 * source. They have no one right place in the order and come early, for the latter. A packet may therefore meet the old
 * state with those that admit it as they will be, and the new one with those as they were.
 *
 * And of what happens all day nothing is lost: a packet that gets somewhere before a change and after it gets there in
 * each state between.
 */

#define PACKETS 40
#define RIGHT_RESULTS 4

struct packet {
	struct forward_in in;
	uint8_t frame[PROBE_FRAME_MAX];
	struct forward_result right[RIGHT_RESULTS];
	char what[200];
};

/* The plans that give them. */
static const char *const right_names[RIGHT_RESULTS] = { "before", "after", "before, admitted as after",
							"after, admitted as before" };

static bool same_out(const struct forward_out *a, const struct forward_out *b)
{
	return a->port == b->port && a->peer == b->peer && a->id == b->id && a->len == b->len &&
	       memcmp(a->frame, b->frame, a->len) == 0;
}

static bool has_out(const struct forward_result *r, const struct forward_out *out)
{
	for (size_t i = 0; i < r->n_outs; i++)
		if (same_out(&r->outs[i], out))
			return true;
	return false;
}

static bool same_result(const struct forward_result *a, const struct forward_result *b)
{
	if (a->verdict != b->verdict || a->n_outs != b->n_outs)
		return false;
	for (size_t i = 0; i < a->n_outs; i++)
		if (!has_out(b, &a->outs[i]))
			return false;
	return true;
}

static bool is_error(const struct forward_result *r)
{
	const uint8_t *ip = r->verdict == VERDICT_ANSWER ? r->outs[0].frame + ETH_SIZE : NULL;

	return ip && ip[9] == PROTO_ICMP && ip[IPV4_SIZE] != ICMP_ECHO_REPLY;
}

static bool is_allowed(const struct packet *p, const struct forward_result *now)
{
	if (now->verdict == VERDICT_DROP || is_error(now))
		return true;
	for (int i = 0; i < RIGHT_RESULTS; i++)
		if (same_result(now, &p->right[i]))
			return true;
	if (now->verdict != VERDICT_FLOOD)
		return false;
	for (size_t i = 0; i < now->n_outs; i++) {
		bool found = false;

		for (int n = 0; n < RIGHT_RESULTS && !found; n++)
			found = has_out(&p->right[n], &now->outs[i]);
		if (!found)
			return false;
	}
	return true;
}

struct admission {
	const struct forward_in *in;
	struct plan *into;
	uint32_t peer, network;
};

static void copy_peer(const struct plan_record *r, void *arg)
{
	struct admission *a = arg;

	if (!ip_equal(&r->peer.tunnel, &a->in->tunnel))
		return;
	a->peer = r->peer.key.host;
	plan_set(a->into, r);
}

static void copy_member(const struct plan_record *r, void *arg)
{
	struct admission *a = arg;

	if (r->member.key.host == a->peer)
		plan_set(a->into, r);
}

static void copy_segment(const struct plan_record *r, void *arg)
{
	struct admission *a = arg;

	if (r->segment.key.type != a->in->type || r->segment.key.id != a->in->id)
		return;
	a->network = r->segment.network;
	plan_set(a->into, r);
}

static void copy_record(struct admission *a, const struct plan *other, const struct plan_record *key)
{
	const struct plan_record *r = plan_find(other, key);

	if (r)
		plan_set(a->into, r);
}

/* The plan, with the records that let the packet in as they are in the other one. */
static struct plan *admitted_by(const struct plan *p, const struct plan *other, const struct forward_in *in)
{
	struct admission a = { .in = in, .into = plan_copy(p) };
	struct plan_record port = PLAN_RECORD(PLAN_PORT), fdb = PLAN_RECORD(PLAN_FDB);

	port.port.key.port = in->port;
	copy_record(&a, other, &port);
	if (in->port)
		return a.into;
	plan_each(other, PLAN_PEER, copy_peer, &a);
	plan_each(other, PLAN_MEMBER, copy_member, &a);
	plan_each(other, PLAN_SEGMENT, copy_segment, &a);
	fdb.fdb.key.network = a.network;
	memcpy(&fdb.fdb.key.mac, in->frame + 6, sizeof(struct mac));
	copy_record(&a, other, &fdb);
	return a.into;
}

static void forward_rightly(struct packet *p, const struct plan *from, const struct plan *to)
{
	_cleanup_(plan_freep) struct plan *from_admitted = admitted_by(from, to, &p->in);
	_cleanup_(plan_freep) struct plan *to_admitted = admitted_by(to, from, &p->in);
	const struct plan *const plans[RIGHT_RESULTS] = { from, to, from_admitted, to_admitted };

	for (int i = 0; i < RIGHT_RESULTS; i++)
		forward_run(plans[i], NULL, &p->in, &p->right[i]);
}

/* Out of a port of this host, or as it would come from another host by tunnel: sent by its VM, or routed there. */
static bool make_packet(struct packet *p, const struct cloud *c, struct rng *r, uint32_t host)
{
	struct probe probe;
	const struct cloud_vm *to;
	struct mac dvr;

	memset(p, 0, sizeof(*p));
	if (!probe_make(&probe, c, r))
		return false;
	probe.ttl = 64;
	p->in.len = probe_frame(&probe, c, p->frame);
	p->in.frame = p->frame;
	probe_print(&probe, p->what);
	if (rng_chance(r, 8))
		memset(p->frame, 0xff, 6);
	if (probe.host == host) {
		p->in.port = cloud_vm_port(probe.vm);
		return true;
	}
	p->in.tunnel = cloud_tunnel(probe.host);
	p->in.type = PLAN_SEGMENT_VXLAN;
	to = &c->vms[rng_below(r, VMS_MAX)];
	if (rng_chance(r, 50) && to->there && to->n_ips) {
		dvr = cloud_dvr_mac(probe.host);
		p->in.id = c->networks[to->network - 1].vni;
		memcpy(p->frame, &to->mac, 6);
		memcpy(p->frame + 6, &dvr, 6);
		put_u32(p->frame + ETH_SIZE + 16, ip_to_v4(&to->ips[0]));
	} else {
		p->in.id = c->networks[c->vms[probe.vm].network - 1].vni;
	}
	return true;
}

static void print_result(const struct forward_result *r, UT_string *out)
{
	utstring_printf(out, " %s %s", verdict_name(r->verdict), drop_reason_name(r->reason));
	for (size_t i = 0; i < r->n_outs; i++)
		utstring_printf(out, " [port %u peer %u id %u mac ..:%02x:%02x < ..:%02x:%02x]", r->outs[i].port,
				r->outs[i].peer, r->outs[i].id, r->outs[i].frame[4], r->outs[i].frame[5],
				r->outs[i].frame[10], r->outs[i].frame[11]);
}

static void explain(struct complaint *c, const struct packet *p, const struct forward_result *now,
		    const struct plan_changes *changes, size_t at)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	utstring_printf(text, "%s%s", p->what, p->in.port ? "" : " (by tunnel)");
	for (int i = 0; i < RIGHT_RESULTS; i++) {
		utstring_printf(text, "\n%s:", right_names[i]);
		print_result(&p->right[i], text);
	}
	utstring_printf(text, "\nafter change %zu:", at + 1);
	print_result(now, text);
	utstring_printf(text, "\n");
	plan_changes_format(changes, text);
	complain(c, "%s", utstring_body(text));
}

/* It gets somewhere before, and after. */
static bool must_pass(const struct packet *p)
{
	return p->right[0].n_outs > 0 && p->right[1].n_outs > 0 && !is_error(&p->right[0]) && !is_error(&p->right[1]);
}

static void check_states(struct complaint *c, struct packet *packets, size_t n, const struct plan *from,
			 const struct plan *to, bool lossless)
{
	_cleanup_(plan_freep) struct plan *now = plan_copy(from);
	struct plan_changes changes;

	plan_diff(from, to, &changes);
	for (size_t at = 0; at < changes.n; at++) {
		const struct plan_changes one = { .n = 1, .items = &changes.items[at] };

		plan_apply(now, &one);
		for (size_t i = 0; i < n && !c->made; i++) {
			struct forward_result result;

			forward_run(now, NULL, &packets[i].in, &result);
			if (!is_allowed(&packets[i], &result) ||
			    (lossless && must_pass(&packets[i]) && result.n_outs == 0))
				explain(c, &packets[i], &result, &changes, at);
			forward_result_fini(&result);
		}
	}
	plan_changes_fini(&changes);
}

static struct plan *plan_of(const struct cloud *c, uint32_t host)
{
	struct model *m = cloud_model(c, host);
	struct plan *p = compile_all(m);

	model_free(m);
	return p;
}

static void check(struct rng *r, struct complaint *c, const struct cloud *before, const struct cloud *after,
		  uint32_t host, bool lossless)
{
	struct packet *packets = xcalloc(PACKETS, sizeof(*packets));
	_cleanup_(plan_freep) struct plan *from = plan_of(before, host), *to = plan_of(after, host);
	size_t n = 0;

	for (int i = 0; i < 3 * PACKETS && n < PACKETS; i++) {
		if (!make_packet(&packets[n], rng_chance(r, 50) ? before : after, r, host))
			continue;
		forward_rightly(&packets[n], from, to);
		n++;
	}
	check_states(c, packets, n, from, to, lossless);
	for (size_t i = 0; i < n * RIGHT_RESULTS; i++)
		forward_result_fini(&packets[i / RIGHT_RESULTS].right[i % RIGHT_RESULTS]);
	free(packets);
}

void property_between(struct rng *r, struct complaint *c)
{
	struct cloud *before = xcalloc(1, sizeof(*before)), *after = xcalloc(1, sizeof(*after));

	cloud_make(before, r);
	*after = *before;
	/* From one call's change to what a host has missed in a night. */
	for (uint32_t i = 1 + rng_below(r, rng_chance(r, 70) ? 2 : 12); i > 0; i--)
		cloud_change(after, r);
	for (uint32_t host = 1; host <= before->n_hosts; host++)
		check(r, c, before, after, host, false);
	free(before);
	free(after);
}

void property_lossless(struct rng *r, struct complaint *c)
{
	struct cloud *before = xcalloc(1, sizeof(*before)), *after = xcalloc(1, sizeof(*after));

	cloud_make(before, r);
	for (uint32_t i = rng_below(r, 6); i > 0; i--)
		cloud_usual_change(before, r);
	*after = *before;
	cloud_usual_change(after, r);
	for (uint32_t host = 1; host <= before->n_hosts; host++)
		check(r, c, before, after, host, true);
	free(before);
	free(after);
}
