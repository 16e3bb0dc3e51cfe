/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"
#include "driver/ebpf/neutrino.skel.h"
#include "io/loop.h"
#include "packet_driver.h"

/*
 * The ebpf driver by test runs, in network and mount namespaces of this process: taps stand for
 * the devices, and one more for the underlay, so that what goes by tunnel is pushed by hand.
 * All of it ends with the process.
 */

#define WAIT_US 10000000 /* for a notification that must come */
#define MAX_OUT 4096
#define CHECKSUM_COMPLETE_FLAG 4 /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE */

struct tap_fd {
	uint32_t port;
	char name[IFNAMSIZ];
	int fd;
	bool ready; /* as the driver said */
};

struct on_ebpf {
	char dir[64];
	char pins[96];
	struct loop *loop;
	struct driver *driver;
	struct tap_fd *taps;
	size_t n_taps;
	int underlay;
	int control;
	bool done;
	size_t n_failures;
	char failure[320];
};

static int tap_make(struct on_ebpf *o, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(o->control, SIOCGIFFLAGS, &ifr))
		goto failed;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(o->control, SIOCSIFFLAGS, &ifr))
		goto failed;
	return fd;
failed:
	close(fd);
	return -EIO;
}

/* Everything by one device, so that each peer has a way. */
static int add_default_route(struct on_ebpf *o)
{
	struct rtentry rt = { .rt_flags = RTF_UP, .rt_dev = (char *)"underlay" };
	struct sockaddr_in any = { .sin_family = AF_INET };

	memcpy(&rt.rt_dst, &any, sizeof(any));
	memcpy(&rt.rt_genmask, &any, sizeof(any));
	return ioctl(o->control, SIOCADDRT, &rt) ? -errno : 0;
}

static struct tap_fd *tap_of(struct on_ebpf *o, uint32_t port)
{
	for (size_t i = 0; i < o->n_taps; i++)
		if (o->taps[i].port == port)
			return &o->taps[i];
	return NULL;
}

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	struct tap_fd *t = tap_of(arg, port);

	(void)text;
	if (t)
		t->ready = state == DRIVER_PORT_READY;
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct on_ebpf *o = arg;

	o->done = true;
	o->n_failures = n;
	if (n)
		snprintf(o->failure, sizeof(o->failure), "%s: %s", plan_table_name(failures[0].record.table),
			 failures[0].text);
}

static int open_namespaces(struct on_ebpf *o, struct err *err)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return err_errno(err, -errno, "own namespaces (this suite needs root)");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_errno(err, -errno, "private mounts");
	snprintf(o->dir, sizeof(o->dir), "/tmp/packet-test-XXXXXX");
	if (!mkdtemp(o->dir))
		return err_errno(err, -errno, "%s", o->dir);
	if (mount("bpf", o->dir, "bpf", 0, NULL))
		return err_errno(err, -errno, "BPF file system");
	snprintf(o->pins, sizeof(o->pins), "%s/neutrino", o->dir);
	return 0;
}

static void ebpf_close(void *d)
{
	struct on_ebpf *o = d;

	if (o->driver)
		driver_ebpf.close(o->driver);
	loop_free(o->loop);
	for (size_t i = 0; i < o->n_taps; i++)
		closep(&o->taps[i].fd);
	free(o->taps);
	closep(&o->underlay);
	closep(&o->control);
	if (*o->dir) {
		umount2(o->dir, MNT_DETACH);
		rmdir(o->dir);
	}
	free(o);
}

static int ebpf_open(void **ret, struct err *err)
{
	struct on_ebpf *o = xcalloc(1, sizeof(*o));
	struct driver_config config = {
		.state_dir = "/tmp", .pin_dir = o->pins, .vxlan_udp_port = 4789, .trace = true
	};
	struct driver_events events = { .port = on_port, .arg = o };
	int r;

	o->underlay = o->control = -1;
	r = open_namespaces(o, err);
	if (r < 0)
		goto failed;
	o->loop = loop_new();
	o->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	o->underlay = tap_make(o, "underlay");
	r = o->underlay < 0 ? o->underlay : add_default_route(o);
	if (r < 0) {
		err_errno(err, r, "underlay");
		goto failed;
	}
	r = driver_ebpf.open(&config, o->loop, &events, &o->driver, err);
	if (r < 0)
		goto failed;
	*ret = o;
	return 0;
failed:
	ebpf_close(o);
	return r;
}

/* Turns the loop until all taps are as they should be and the call is done. */
static int settle(struct on_ebpf *o, struct err *err)
{
	uint64_t end = loop_now_us(o->loop) + WAIT_US;

	for (;;) {
		bool settled = o->done;

		for (size_t i = 0; i < o->n_taps; i++)
			settled &= o->taps[i].ready == (o->taps[i].fd >= 0);
		if (settled)
			return 0;
		if (loop_now_us(o->loop) > end)
			return err_errno(err, -ETIMEDOUT, "the driver does not say that its ports are ready");
		loop_turn(o->loop, 100000);
	}
}

struct making {
	struct on_ebpf *o;
	int r;
};

static struct tap_fd *tap_named(struct on_ebpf *o, const char *name)
{
	for (size_t i = 0; i < o->n_taps; i++)
		if (!strcmp(o->taps[i].name, name))
			return &o->taps[i];
	return NULL;
}

static void tap_name(const struct plan_record *r, char name[IFNAMSIZ])
{
	char uuid[UUID_TEXT_SIZE];

	snprintf(name, IFNAMSIZ, "tap%.11s", uuid_format(&r->port.uuid, uuid));
}

static void make_tap(const struct plan_record *r, void *arg)
{
	struct making *m = arg;
	struct on_ebpf *o = m->o;
	char name[IFNAMSIZ];
	struct tap_fd *t;

	tap_name(r, name);
	t = tap_named(o, name);
	if (!t) {
		o->taps = xrealloc(o->taps, (o->n_taps + 1) * sizeof(*o->taps));
		t = &o->taps[o->n_taps++];
		snprintf(t->name, sizeof(t->name), "%s", name);
		t->fd = -1;
	}
	t->port = r->port.key.port;
	t->ready = false;
	if (t->fd < 0)
		t->fd = tap_make(o, t->name);
	if (t->fd < 0)
		m->r = t->fd;
}

/* Removing a device is slow: one that the next plan has too stays. */
static void drop_taps(struct on_ebpf *o, const struct plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->n_taps; i++) {
		struct plan_record key = PLAN_RECORD(PLAN_PORT);
		const struct plan_record *r;
		char name[IFNAMSIZ] = "";

		key.port.key.port = o->taps[i].port;
		r = plan_find(p, &key);
		if (r)
			tap_name(r, name);
		if (!strcmp(name, o->taps[i].name))
			o->taps[kept++] = o->taps[i];
		else
			closep(&o->taps[i].fd);
	}
	o->n_taps = kept;
}

static int ebpf_load(void *d, const struct plan *p, struct err *err)
{
	struct on_ebpf *o = d;
	struct making m = { .o = o };
	int r;

	drop_taps(o, p);
	plan_each(p, PLAN_PORT, make_tap, &m);
	if (m.r < 0)
		return err_errno(err, m.r, "tap");
	o->done = false;
	driver_ebpf.sync(o->driver, p, on_done, o);
	r = settle(o, err);
	if (r >= 0 && o->n_failures)
		r = err_set(err, ERR_INTERNAL, "", "%zu records refused: %s", o->n_failures, o->failure);
	return r;
}

static int ebpf_device(void *d, uint32_t port, bool there, struct err *err)
{
	struct on_ebpf *o = d;
	struct tap_fd *t = tap_of(o, port);

	if (!t)
		return err_set(err, ERR_NOT_FOUND, "", "no port %u", port);
	if (!there) {
		closep(&t->fd);
		t->fd = -1;
	} else if (t->fd < 0) {
		t->fd = tap_make(o, t->name);
	}
	if (there && t->fd < 0)
		return err_errno(err, t->fd, "tap");
	return settle(o, err);
}

static int clear_decision(const struct on_ebpf *o, uint32_t port)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) struct eb_decision *zero = xcalloc((size_t)n, sizeof(*zero));
	struct eb_bucket full = { 0 };
	uint32_t key = 0;

	/* cases come faster than a VM may provoke errors */
	bpf_map_update_elem(o->driver->fds.fd[TABLE_bucket], &port, &full, BPF_EXIST);
	return bpf_map_update_elem(bpf_map__fd(o->driver->bpf->maps.decision), &key, zero, BPF_ANY) ? -errno : 0;
}

static int read_decision(const struct on_ebpf *o, struct eb_decision *ret)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) struct eb_decision *all = xcalloc((size_t)n, sizeof(*all));
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(o->driver->bpf->maps.decision), &key, all))
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
	if ((uint32_t)(frame[46] << 16 | frame[47] << 8 | frame[48]) != out->id)
		return err_set(err, ERR_INTERNAL, "", "outer VNI");
	return 0;
}

static int run_once(struct on_ebpf *o, const struct forward_in *in, uint32_t flags, uint8_t *out, uint32_t *len,
		    struct err *err)
{
	const struct bpf_program *p = in->port ? o->driver->bpf->progs.from_port : o->driver->bpf->progs.from_tunnel;
	struct tap_fd *t = tap_of(o, in->port);
	struct __sk_buff ctx = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->frame, .data_size_in = (uint32_t)in->len, .data_out = out,
		    .data_size_out = *len, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1, .flags = flags);

	/* a port that the plan does not have comes in by a device that is no port's */
	ctx.ifindex = in->port ? if_nametoindex(t ? t->name : "underlay") : o->driver->vxlan;
	ctx.cb[EB_TRACE_CB_ID] = in->id;
	ctx.cb[EB_TRACE_CB_REMOTE] = htonl(ip_to_v4(&in->tunnel));
	clear_decision(o, in->port);
	if (bpf_prog_test_run_opts(bpf_program__fd(p), &opts))
		return errno == EINVAL ? -ENOTSUP : err_errno(err, -errno, "test run");
	*len = opts.data_size_out;
	return 0;
}

/*
 * The same with the checksum that some network cards give: no rewrite may spoil it. (A packet that
 * was cut or grown has none any more, which the kernel's check does not know: ICMP errors.)
 */
static int run_with_checksum(struct on_ebpf *o, const struct forward_in *in, const struct eb_decision *decision,
			     uint32_t out_len, struct err *err)
{
	uint8_t out[MAX_OUT];
	uint32_t len = sizeof(out);
	int r;

	if (decision->verdict == VERDICT_ANSWER && out_len != in->len)
		return 0;
	r = run_once(o, in, CHECKSUM_COMPLETE_FLAG, out, &len, err);
	return r < 0 ? err_prefix(err, r, "with CHECKSUM_COMPLETE") : 0;
}

static int ebpf_run(void *d, const struct forward_in *in, struct forward_result *ret, struct err *err)
{
	struct on_ebpf *o = d;
	struct eb_decision decision = { 0 };
	uint8_t out[MAX_OUT];
	uint32_t len = sizeof(out);
	int r = run_once(o, in, 0, out, &len, err);

	if (r >= 0)
		r = read_decision(o, &decision);
	if (r >= 0)
		r = run_with_checksum(o, in, &decision, len, err);
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
