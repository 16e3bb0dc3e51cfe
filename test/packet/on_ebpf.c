/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"
#include "driver/ebpf/neutrino.skel.h"
#include "packet_driver.h"
#include "rig.h"

/*
 * The ebpf driver by test runs. Frames that a test run does not take (shorter than their
 * header) go in by the port's tap; they come out nowhere, or the case is not for us.
 */

#define MAX_OUT 4096
#define CHECKSUM_COMPLETE_FLAG 4 /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE */

static void ebpf_close(void *d)
{
	rig_close(d);
	free(d);
}

static int ebpf_open(void **ret, struct err *err)
{
	struct rig *g = xcalloc(1, sizeof(*g));
	int r = rig_open(g, true, err);

	if (r < 0)
		free(g);
	else
		*ret = g;
	return r;
}

static int ebpf_load(void *d, const struct plan *p, struct err *err)
{
	int r = rig_taps(d, p, err);

	return r < 0 ? r : rig_sync(d, p, err);
}

static int ebpf_device(void *d, uint32_t port, bool there, struct err *err)
{
	return rig_tap_set(d, port, there, err);
}

static int clear_decision(const struct rig *g, uint32_t port)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) struct eb_decision *zero = xcalloc((size_t)n, sizeof(*zero));
	struct eb_bucket full = { 0 };
	uint32_t key = 0;

	/* cases come faster than a VM may provoke errors */
	bpf_map_update_elem(g->driver->fds.fd[TABLE_bucket], &port, &full, BPF_EXIST);
	return bpf_map_update_elem(bpf_map__fd(g->driver->bpf->maps.decision), &key, zero, BPF_ANY) ? -errno : 0;
}

static int read_decision(const struct rig *g, struct eb_decision *ret)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) struct eb_decision *all = xcalloc((size_t)n, sizeof(*all));
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(g->driver->bpf->maps.decision), &key, all))
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!all[i].seen)
			continue;
		*ret = all[i];
		return 0;
	}
	return -ENODATA;
}

static void fill(const struct eb_decision *e, const uint8_t *frame, size_t len, struct forward_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->verdict = e->verdict;
	ret->reason = e->reason;
	ret->n_outs = e->verdict == VERDICT_DROP ? 0 : e->n_outs;
	ret->outs = xcalloc(ret->n_outs ? ret->n_outs : 1, sizeof(*ret->outs));
	for (size_t i = 0; i < ret->n_outs; i++) {
		const struct eb_out *from = &e->outs[i];
		struct forward_out *to = &ret->outs[i];
		size_t skip = from->how == EB_HOW_HAND && len > EB_OUTER ? EB_OUTER : 0;

		to->port = from->port;
		to->peer = from->peer;
		to->type = from->peer ? PLAN_SEGMENT_VXLAN : 0;
		to->id = from->id;
		to->frame = xmemdup(frame + skip, len - skip);
		to->len = len - skip;
	}
}

/* What was pushed in front of the frame must be right by itself. */
static int check_outer(const struct eb_out *out, const uint8_t *frame, size_t len, struct err *err)
{
	static const uint8_t outer_tos[] = { 0, 1, 2, 2 }; /* by inner ECN: as the kernel's tunnels (RFC 3168, 9.1.1) */
	uint32_t sum = 0;

	if (out->how != EB_HOW_HAND)
		return 0;
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum != 0xffff)
		return err_set(err, ERR_INTERNAL, "", "outer IP checksum");
	if ((size_t)(frame[16] << 8 | frame[17]) != len - 14 || (size_t)(frame[38] << 8 | frame[39]) != len - 34)
		return err_set(err, ERR_INTERNAL, "", "outer lengths");
	if (!(frame[20] & 0x40) || frame[42] != 0x08)
		return err_set(err, ERR_INTERNAL, "", "outer DF or VXLAN flags");
	if (frame[15] != outer_tos[frame[14 + EB_OUTER + 1] & 3])
		return err_set(err, ERR_INTERNAL, "", "outer ToS");
	if ((uint32_t)(frame[46] << 16 | frame[47] << 8 | frame[48]) != out->id)
		return err_set(err, ERR_INTERNAL, "", "outer VNI");
	return 0;
}

static int run_once(struct rig *g, const struct forward_in *in, uint32_t flags, uint8_t *out, uint32_t *len,
		    struct err *err)
{
	const struct bpf_program *p = in->port ? g->driver->bpf->progs.from_port : g->driver->bpf->progs.from_tunnel;
	struct rig_tap *t = rig_tap_of(g, in->port);
	struct __sk_buff ctx = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->frame, .data_size_in = (uint32_t)in->len, .data_out = out,
		    .data_size_out = *len, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1, .flags = flags);

	/* a port that the plan does not have comes in by a device that is no port's */
	ctx.ifindex = in->port ? if_nametoindex(t ? t->name : "underlay") : g->driver->vxlan;
	ctx.cb[EB_TRACE_CB_ID] = in->id;
	ctx.cb[EB_TRACE_CB_REMOTE] = htonl(ip_to_v4(&in->tunnel));
	clear_decision(g, in->port);
	if (bpf_prog_test_run_opts(bpf_program__fd(p), &opts))
		return errno == EINVAL ? -ENOTSUP : err_errno(err, -errno, "test run");
	*len = opts.data_size_out;
	return 0;
}

static bool same_decision(const struct eb_decision *a, const struct eb_decision *b)
{
	/* flooded copies are named in the order of their slots both times */
	return a->verdict == b->verdict && a->reason == b->reason && a->n_outs == b->n_outs &&
	       !memcmp(a->outs, b->outs, sizeof(a->outs));
}

static bool is_icmp_error(const uint8_t *frame, uint32_t len)
{
	return len > 34 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 1 && frame[34] != 0;
}

/*
 * Again: now the flow is remembered, and must come to the same. With the checksum that some
 * network cards give, which no rewrite may spoil. (A packet that was cut or grown has none any
 * more, which the kernel's check does not know: ICMP errors.)
 */
static int run_again(struct rig *g, const struct forward_in *in, const struct eb_decision *first,
		     const uint8_t *first_out, uint32_t first_len, struct err *err)
{
	bool resized = first->verdict == VERDICT_ANSWER && is_icmp_error(first_out, first_len);
	struct eb_decision decision = { 0 };
	uint8_t out[MAX_OUT];
	uint32_t len = sizeof(out);
	int r = run_once(g, in, resized ? 0 : CHECKSUM_COMPLETE_FLAG, out, &len, err);

	if (r >= 0)
		r = read_decision(g, &decision);
	if (r < 0)
		return err_prefix(err, r, "the second time");
	if (!same_decision(first, &decision) || len != first_len || memcmp(out, first_out, len))
		return err_set(err, ERR_INTERNAL, "", "it does not come to the same a second time");
	return 0;
}

/* What a test run does not take: the device's own way in. The program has run when write() returns, or soon. */
static int run_by_tap(struct rig *g, const struct forward_in *in, struct eb_decision *ret, struct err *err)
{
	struct rig_tap *t = rig_tap_of(g, in->port);

	if (!t || t->fd < 0 || in->len < 14) /* a tap takes no less */
		return -ENOTSUP;
	clear_decision(g, in->port);
	if (write(t->fd, in->frame, in->len) != (ssize_t)in->len)
		return err_errno(err, -errno, "write to %s", t->name);
	for (int i = 0; i < 1000; i++) {
		if (read_decision(g, ret) == 0)
			return ret->verdict == VERDICT_DROP ? 0 : -ENOTSUP;
		poll(NULL, 0, 1);
	}
	return err_errno(err, -ETIMEDOUT, "%s: no decision", t->name);
}

static int ebpf_run(void *d, const struct forward_in *in, struct forward_result *ret, struct err *err)
{
	struct rig *g = d;
	struct eb_decision decision = { 0 };
	uint8_t out[MAX_OUT];
	uint32_t len = sizeof(out);
	int r = run_once(g, in, 0, out, &len, err);

	if (r == -ENOTSUP) {
		r = run_by_tap(g, in, &decision, err);
		if (r >= 0)
			fill(&decision, NULL, 0, ret);
		return r;
	}
	if (r >= 0)
		r = read_decision(g, &decision);
	if (r >= 0)
		r = run_again(g, in, &decision, out, len, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < decision.n_outs && decision.verdict != VERDICT_DROP; i++) {
		r = check_outer(&decision.outs[i], out, len, err);
		if (r < 0)
			return r;
	}
	fill(&decision, out, len, ret);
	return 0;
}

const struct packet_driver packet_on_ebpf = {
	.name = "ebpf",
	.open = ebpf_open,
	.close = ebpf_close,
	.load = ebpf_load,
	.device = ebpf_device,
	.run = ebpf_run,
};
