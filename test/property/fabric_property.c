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
 * The fabric property: in any cloud, a packet that is walked through the plans of its hosts arrives
 * exactly where the oracle says, and on its way: goes by one tunnel at most, only between the hosts of
 * source and destination, on the segment of the network it arrives on; no router's MAC is on
 * the tunnel; what was routed is from the sender's DVR MAC there, and from the gateway's at the end.
 */

#define ARRIVALS_MAX 64
#define PROBES 60
#define CHANGES 4

struct arrival {
	uint32_t host, port;
	uint8_t frame[PROBE_FRAME_MAX];
	size_t len;
};

struct fabric {
	struct cloud cloud;
	struct compile
		*compiles[HOSTS_MAX + 1]; /* by host; kept over the changes, so that those are compiled one by one */
	struct model *models[HOSTS_MAX + 1];
	struct complaint *c;
	char what[200]; /* the packet being walked */
	struct arrival arrivals[ARRIVALS_MAX];
	size_t n_arrivals;
	size_t tunnels;
};

static const struct plan *plan_of(const struct fabric *f, uint32_t host)
{
	return compile_plan(f->compiles[host]);
}

/* ------------------------------------------------------------------ the hosts' plans */

static void touch(const struct object *o, void *arg)
{
	compile_touch(arg, &o->id);
}

static void update_plans(struct fabric *f)
{
	for (uint32_t host = 1; host <= f->cloud.n_hosts; host++) {
		struct model *m = cloud_model(&f->cloud, host);

		if (!f->compiles[host])
			f->compiles[host] = compile_new();
		if (f->models[host])
			model_each(f->models[host], touch, f->compiles[host]);
		model_each(m, touch, f->compiles[host]);
		compile_run(f->compiles[host], m, NULL);
		model_free(f->models[host]);
		f->models[host] = m;
	}
}

/* ------------------------------------------------------------------ the walk */

static bool is_interface_mac(const struct cloud *c, const uint8_t *mac)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		if (c->interfaces[i].there && memcmp(&c->interfaces[i].mac, mac, sizeof(struct mac)) == 0)
			return true;
	return false;
}

static void arrive(struct fabric *f, uint32_t host, const struct forward_out *out)
{
	struct arrival *a = &f->arrivals[f->n_arrivals];

	if (f->n_arrivals == ARRIVALS_MAX || out->len > sizeof(a->frame)) {
		complain(f->c, "%s: too much came of it", f->what);
		return;
	}
	a->host = host;
	a->port = out->port;
	a->len = out->len;
	memcpy(a->frame, out->frame, out->len);
	f->n_arrivals++;
}

static void walk_tunnel(struct fabric *f, uint32_t from, const struct forward_out *out)
{
	const struct forward_in in = {
		.tunnel = cloud_tunnel(from), .type = out->type, .id = out->id, .frame = out->frame, .len = out->len
	};
	struct forward_result result;

	f->tunnels++;
	if (is_interface_mac(&f->cloud, out->frame) || is_interface_mac(&f->cloud, out->frame + 6))
		complain(f->c, "%s: a router's MAC on the tunnel", f->what);
	if (out->peer == 0 || out->peer > f->cloud.n_hosts || out->peer == from) {
		complain(f->c, "%s: sent to host %u", f->what, out->peer);
		return;
	}
	forward_run(plan_of(f, out->peer), NULL, &in, &result);
	if (result.verdict == VERDICT_DROP && result.reason != DROP_PORT_DOWN)
		complain(f->c, "%s: host %u sent it to host %u, which drops it: %s", f->what, from, out->peer,
			 drop_reason_name(result.reason));
	for (size_t i = 0; i < result.n_outs; i++) {
		if (result.outs[i].port)
			arrive(f, out->peer, &result.outs[i]);
		else
			complain(f->c, "%s: host %u sends on what came by tunnel", f->what, out->peer);
	}
	forward_result_fini(&result);
}

static enum verdict walk(struct fabric *f, uint32_t host, uint32_t port, const uint8_t *frame, size_t len)
{
	const struct forward_in in = { .port = port, .frame = frame, .len = len };
	struct forward_result result;
	enum verdict verdict;

	f->n_arrivals = f->tunnels = 0;
	forward_run(plan_of(f, host), NULL, &in, &result);
	for (size_t i = 0; i < result.n_outs; i++) {
		if (result.outs[i].port)
			arrive(f, host, &result.outs[i]);
		else
			walk_tunnel(f, host, &result.outs[i]);
	}
	verdict = result.verdict;
	forward_result_fini(&result);
	return verdict;
}

/* ------------------------------------------------------------------ held against the oracle */

static bool header_is_right(const struct arrival *a)
{
	return a->len >= ETH_SIZE + IPV4_SIZE && checksum_ok(a->frame + ETH_SIZE, IPV4_SIZE);
}

static void check_delivered(struct fabric *f, const struct probe *p, const struct expected *e, const uint8_t *sent)
{
	const struct cloud_vm *vm = &f->cloud.vms[e->vm];
	const struct arrival *a = &f->arrivals[0];

	if (f->n_arrivals != 1 || a->port != cloud_vm_port(e->vm) || a->host != vm->host) {
		complain(f->c, "%s: must arrive at port %u on host %u; %zu arrivals, first port %u on host %u", f->what,
			 cloud_vm_port(e->vm), vm->host, f->n_arrivals, a->port, a->host);
		return;
	}
	if (memcmp(a->frame, &vm->mac, sizeof(vm->mac)) != 0)
		complain(f->c, "%s: arrives with another destination MAC", f->what);
	if (memcmp(a->frame + 6, &e->src_mac, sizeof(e->src_mac)) != 0)
		complain(f->c, "%s: arrives with the wrong source MAC ..:%02x:%02x, not ..:%02x:%02x", f->what,
			 a->frame[10], a->frame[11], e->src_mac.b[4], e->src_mac.b[5]);
	if (a->frame[ETH_SIZE + 8] != e->ttl || !header_is_right(a))
		complain(f->c, "%s: arrives with TTL %u, not %u, or a wrong checksum", f->what, a->frame[ETH_SIZE + 8],
			 e->ttl);
	/* TTL and checksum apart, it is the packet that was sent. */
	if (a->len != (size_t)ETH_SIZE + p->length || memcmp(a->frame + ETH_SIZE, sent + ETH_SIZE, 8) != 0 ||
	    memcmp(a->frame + ETH_SIZE + 12, sent + ETH_SIZE + 12, p->length - 12U) != 0)
		complain(f->c, "%s: arrives changed", f->what);
	if (f->tunnels != (vm->host != p->host))
		complain(f->c, "%s: %zu tunnels from host %u to host %u", f->what, f->tunnels, p->host, vm->host);
}

/* To the sender alone, from whom it was sent to. */
static void check_turned(struct fabric *f, const struct probe *p, enum verdict verdict, bool is_reply)
{
	const struct arrival *a = &f->arrivals[0];
	const uint8_t *ip = a->frame + ETH_SIZE, *icmp = ip + IPV4_SIZE;

	if (verdict != VERDICT_ANSWER || f->n_arrivals != 1 || a->port != cloud_vm_port(p->vm) || a->host != p->host ||
	    f->tunnels) {
		complain(f->c, "%s: must be answered; verdict %s, %zu arrivals", f->what, verdict_name(verdict),
			 f->n_arrivals);
		return;
	}
	if (memcmp(a->frame, &f->cloud.vms[p->vm].mac, 6) != 0 || memcmp(a->frame + 6, &p->dst_mac, 6) != 0)
		complain(f->c, "%s: answered with wrong MACs", f->what);
	if (!header_is_right(a) || ip[9] != PROTO_ICMP || !checksum_ok(icmp, get_u16(ip + 2) - (size_t)IPV4_SIZE) ||
	    (icmp[0] == ICMP_ECHO_REPLY) != is_reply)
		complain(f->c, "%s: answered wrongly (ICMP type %u)", f->what, icmp[0]);
	if (get_u32(ip + 16) != ip_to_v4(&p->src) || (is_reply && get_u32(ip + 12) != ip_to_v4(&p->dst)))
		complain(f->c, "%s: answered with wrong addresses", f->what);
}

static void check_probe(struct fabric *f, struct rng *r)
{
	uint8_t frame[PROBE_FRAME_MAX];
	struct expected e;
	enum verdict verdict;
	struct probe p;
	size_t len;

	if (!probe_make(&p, &f->cloud, r))
		return;
	probe_print(&p, f->what);
	len = probe_frame(&p, &f->cloud, frame);
	e = oracle_ask(&f->cloud, &p);
	verdict = walk(f, p.host, cloud_vm_port(p.vm), frame, len);
	switch (e.what) {
	case EXPECT_VM:
		check_delivered(f, &p, &e, frame);
		break;
	case EXPECT_ANSWER:
		check_turned(f, &p, verdict, true);
		break;
	case EXPECT_ERROR:
		check_turned(f, &p, verdict, false);
		break;
	case EXPECT_NOBODY:
		if (f->n_arrivals)
			complain(f->c, "%s: must reach nobody, and arrives at port %u on host %u", f->what,
				 f->arrivals[0].port, f->arrivals[0].host);
		break;
	}
}

static bool has_arrived(const struct fabric *f, uint32_t host, uint32_t port)
{
	for (size_t i = 0; i < f->n_arrivals; i++)
		if (f->arrivals[i].host == host && f->arrivals[i].port == port)
			return true;
	return false;
}

/* A broadcast reaches each VM of the network once, at each place where it may be, and nobody else. */
static void check_broadcast(struct fabric *f, struct rng *r)
{
	static const struct mac all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct cloud *c = &f->cloud;
	uint8_t frame[PROBE_FRAME_MAX];
	size_t len, want = 0;
	struct probe p;

	if (!probe_make(&p, c, r) || !c->vms[p.vm].up)
		return;
	p.dst_mac = all;
	p.length = 60;
	probe_print(&p, f->what);
	len = probe_frame(&p, c, frame);
	walk(f, p.host, cloud_vm_port(p.vm), frame, len);
	for (uint32_t i = 0; i < VMS_MAX; i++) {
		const struct cloud_vm *vm = &c->vms[i];

		for (uint32_t host = 1; host <= c->n_hosts; host++) {
			if (!cloud_vm_on(vm, host) || vm->network != c->vms[p.vm].network || !vm->up ||
			    (i == p.vm && host == p.host))
				continue;
			want++;
			if (!has_arrived(f, host, cloud_vm_port(i)))
				complain(f->c, "%s: must arrive at port %u on host %u", f->what, cloud_vm_port(i),
					 host);
		}
	}
	if (f->n_arrivals != want)
		complain(f->c, "%s: %zu arrivals, not %zu", f->what, f->n_arrivals, want);
}

/* ARP for any address that the network has is answered on the VM's host, with the MAC that has it. */
static void check_arp(struct fabric *f, struct rng *r)
{
	const struct cloud *c = &f->cloud;
	const struct cloud_vm *vm = &c->vms[rng_below(r, VMS_MAX)], *other = &c->vms[rng_below(r, VMS_MAX)];
	uint8_t frame[ETH_SIZE + ARP_SIZE];
	struct eth eth = { .dst = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } }, .src = vm->mac, .type = ETHERTYPE_ARP };
	struct arp arp = { .op = ARP_REQUEST, .sender_mac = vm->mac };
	enum verdict verdict;

	if (!vm->there || !vm->up || !vm->n_ips || !other->there || !other->n_ips || vm == other ||
	    other->network != vm->network)
		return;
	arp.sender = vm->ips[0];
	arp.target = other->ips[0];
	eth_write(frame, &eth);
	arp_write(frame + ETH_SIZE, &arp);
	snprintf(f->what, sizeof(f->what), "ARP of port %u for port %u", cloud_vm_port((uint32_t)(vm - c->vms)),
		 cloud_vm_port((uint32_t)(other - c->vms)));
	verdict = walk(f, vm->host, cloud_vm_port((uint32_t)(vm - c->vms)), frame, sizeof(frame));
	if (verdict != VERDICT_ANSWER || f->n_arrivals != 1 ||
	    memcmp(f->arrivals[0].frame + ETH_SIZE + 8, &other->mac, sizeof(other->mac)) != 0)
		complain(f->c, "%s: verdict %s", f->what, verdict_name(verdict));
}

/* To standard error: they are long. */
static void print_plans(const struct fabric *f)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	for (uint32_t host = 1; host <= f->cloud.n_hosts; host++) {
		utstring_printf(text, "\n-- host %u\n", host);
		plan_format(plan_of(f, host), text);
	}
	fprintf(stderr, "%s\n%s", f->c->text, utstring_body(text));
}

void property_fabric(struct rng *r, struct complaint *c)
{
	struct fabric *f = xcalloc(1, sizeof(*f));

	f->c = c;
	cloud_make(&f->cloud, r);
	for (int change = 0; change <= CHANGES && !c->made; change++) {
		update_plans(f);
		for (int i = 0; i < PROBES && !c->made; i++) {
			check_probe(f, r);
			if (i % 4 == 0)
				check_broadcast(f, r);
			if (i % 4 == 1)
				check_arp(f, r);
		}
		if (c->made)
			print_plans(f);
		for (uint32_t n = 1 + rng_below(r, 3); n > 0; n--)
			cloud_change(&f->cloud, r);
	}
	for (uint32_t host = 1; host <= HOSTS_MAX; host++) {
		compile_free(f->compiles[host]);
		model_free(f->models[host]);
	}
	free(f);
}
