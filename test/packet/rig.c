/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/route.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"

#define BPF_DIR "/sys/fs/bpf"
#define UNDERLAY_MTU 9000 /* for what plans have */
#define WAIT_US 30000000 /* for a notification that must come */

int rig_device(struct rig *g, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(g->control, SIOCGIFFLAGS, &ifr))
		goto failed;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(g->control, SIOCSIFFLAGS, &ifr))
		goto failed;
	return fd;
failed:
	close(fd);
	return -EIO;
}

int rig_underlay_mtu(struct rig *g, int mtu)
{
	struct ifreq ifr = { .ifr_name = "underlay", .ifr_mtu = mtu };

	return ioctl(g->control, SIOCSIFMTU, &ifr) ? -errno : 0;
}

/* Everything by one device, so that each peer has a way. */
static int add_default_route(struct rig *g)
{
	struct rtentry rt = { .rt_flags = RTF_UP, .rt_dev = (char *)"underlay" };
	struct sockaddr_in any = { .sin_family = AF_INET };

	memcpy(&rt.rt_dst, &any, sizeof(any));
	memcpy(&rt.rt_genmask, &any, sizeof(any));
	return ioctl(g->control, SIOCADDRT, &rt) ? -errno : 0;
}

struct rig_tap *rig_tap_of(struct rig *g, uint32_t port)
{
	for (size_t i = 0; i < g->n_taps; i++)
		if (g->taps[i].port == port)
			return &g->taps[i];
	return NULL;
}

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	struct rig *g = arg;
	struct rig_tap *t = rig_tap_of(g, port);

	(void)text;
	g->port_failures += state == DRIVER_PORT_FAILED;
	if (t)
		t->ready = state == DRIVER_PORT_READY;
}

static void on_lost(void *arg)
{
	((struct rig *)arg)->lost++;
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct rig *g = arg;

	g->done = true;
	g->n_failures = n;
	if (n)
		snprintf(g->failure, sizeof(g->failure), "%s: %s", plan_table_name(failures[0].record.table),
			 failures[0].text);
}

static int open_namespaces(struct rig *g, struct err *err)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return err_errno(err, -errno, "own namespaces (this needs root)");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_errno(err, -errno, "private mounts");
	/* over a folder that is there anyway: nothing is left, however this ends */
	if (mount("bpf", BPF_DIR, "bpf", 0, NULL))
		return err_errno(err, -errno, "BPF file system on %s", BPF_DIR);
	snprintf(g->pins, sizeof(g->pins), "%s/neutrino", BPF_DIR);
	return 0;
}

void rig_driver_close(struct rig *g)
{
	if (g->driver)
		driver_ebpf.close(g->driver);
	g->driver = NULL;
	for (size_t i = 0; i < g->n_taps; i++)
		g->taps[i].ready = false;
}

int rig_driver_open(struct rig *g, struct err *err)
{
	struct driver_events events = { .port = on_port, .lost = on_lost, .arg = g };

	return driver_ebpf.open(&g->config, g->loop, &events, &g->driver, err);
}

void rig_close(struct rig *g)
{
	rig_driver_close(g);
	loop_free(g->loop);
	for (size_t i = 0; i < g->n_taps; i++)
		closep(&g->taps[i].fd);
	free(g->taps);
	closep(&g->underlay);
	closep(&g->control);
	if (*g->pins)
		umount2(BPF_DIR, MNT_DETACH);
}

int rig_open(struct rig *g, bool trace, struct err *err)
{
	int r;

	memset(g, 0, sizeof(*g));
	g->underlay = g->control = -1;
	g->done = true;
	r = open_namespaces(g, err);
	if (r < 0)
		goto failed;
	g->config = (struct driver_config) {
		.state_dir = "/tmp", .pin_dir = g->pins, .vxlan_udp_port = 4789, .trace = trace
	};
	g->loop = loop_new();
	g->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g->underlay = rig_device(g, "underlay");
	r = g->underlay < 0 ? g->underlay : rig_underlay_mtu(g, UNDERLAY_MTU);
	if (r >= 0)
		r = add_default_route(g);
	if (r < 0) {
		err_errno(err, r, "underlay");
		goto failed;
	}
	r = rig_driver_open(g, err);
	if (r >= 0)
		return 0;
failed:
	rig_close(g);
	return r;
}

int rig_until(struct rig *g, bool (*holds)(struct rig *g), struct err *err)
{
	uint64_t end = loop_now_us(g->loop) + WAIT_US;

	while (!holds(g)) {
		if (loop_now_us(g->loop) > end)
			return err_errno(err, -ETIMEDOUT, "what should come does not");
		loop_turn(g->loop, 100000);
	}
	return 0;
}

static bool settled(struct rig *g)
{
	bool yes = g->done;

	for (size_t i = 0; i < g->n_taps; i++)
		yes &= g->taps[i].ready == (g->taps[i].fd >= 0);
	return yes;
}

int rig_settle(struct rig *g, struct err *err)
{
	int r = rig_until(g, settled, err);

	return r < 0 ? err_prefix(err, r, "the driver's word that its ports are ready") : 0;
}

struct making {
	struct rig *rig;
	int r;
};

static struct rig_tap *tap_named(struct rig *g, const char *name)
{
	for (size_t i = 0; i < g->n_taps; i++)
		if (!strcmp(g->taps[i].name, name))
			return &g->taps[i];
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
	struct rig *g = m->rig;
	char name[IFNAMSIZ];
	struct rig_tap *t;

	tap_name(r, name);
	t = tap_named(g, name);
	if (!t) {
		g->taps = xrealloc(g->taps, (g->n_taps + 1) * sizeof(*g->taps));
		t = &g->taps[g->n_taps++];
		snprintf(t->name, sizeof(t->name), "%s", name);
		t->fd = -1;
		t->ready = false;
	}
	t->port = r->port.key.port;
	if (t->fd < 0)
		t->fd = rig_device(g, t->name);
	if (t->fd < 0)
		m->r = t->fd;
}

/* Removing a device is slow: one that the next plan has too stays. */
static void drop_taps(struct rig *g, const struct plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n_taps; i++) {
		struct plan_record key = PLAN_RECORD(PLAN_PORT);
		const struct plan_record *r;
		char name[IFNAMSIZ] = "";

		key.port.key.port = g->taps[i].port;
		r = plan_find(p, &key);
		if (r)
			tap_name(r, name);
		if (!strcmp(name, g->taps[i].name))
			g->taps[kept++] = g->taps[i];
		else
			closep(&g->taps[i].fd);
	}
	g->n_taps = kept;
}

int rig_taps(struct rig *g, const struct plan *p, struct err *err)
{
	struct making m = { .rig = g };

	drop_taps(g, p);
	plan_each(p, PLAN_PORT, make_tap, &m);
	return m.r < 0 ? err_errno(err, m.r, "tap") : 0;
}

int rig_tap_set(struct rig *g, uint32_t port, bool there, struct err *err)
{
	struct rig_tap *t = rig_tap_of(g, port);

	if (!t)
		return err_set(err, ERR_NOT_FOUND, "", "no port %u", port);
	if (!there) {
		closep(&t->fd);
		t->fd = -1;
	} else if (t->fd < 0) {
		t->fd = rig_device(g, t->name);
	}
	if (there && t->fd < 0)
		return err_errno(err, t->fd, "tap");
	return rig_settle(g, err);
}

static int answer(struct rig *g, struct err *err)
{
	int r = rig_settle(g, err);

	if (r >= 0 && g->n_failures)
		r = err_set(err, ERR_INTERNAL, "", "%zu records refused: %s", g->n_failures, g->failure);
	return r;
}

int rig_sync(struct rig *g, const struct plan *p, struct err *err)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);

	g->done = false;
	for (size_t i = 0; i < g->n_taps; i++) {
		key.port.key.port = g->taps[i].port;
		g->taps[i].ready = g->taps[i].fd >= 0 && !plan_find(p, &key); /* a sync says it of each port */
	}
	driver_ebpf.sync(g->driver, p, on_done, g);
	return answer(g, err);
}

int rig_apply(struct rig *g, const struct plan_changes *c, struct err *err)
{
	g->done = false;
	driver_ebpf.apply(g->driver, c, on_done, g);
	return answer(g, err);
}
