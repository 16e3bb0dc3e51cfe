/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/cache.h"
#include "driver/ovs/neighbour.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"
#include "io/where.h"

#define ANSWER_MS 4000 /* 20,000 flows take a tenth of a second, a thousand new ports a second and a half */
#define LOOK_US 1000000 /* flows of ours were removed: until all are read */
#define PATIENCE_US 6000000 /* a restart of ovs-vswitchd takes a third of a second */

/* ------------------------------------------------------------------ the switch's connection */

static void on_up(void *arg)
{
	struct driver *d = arg;

	d->why[0] = '\0';
	if (d->cache)
		cache_again(d->cache);
	if (d->neighbours)
		neighbour_again(d->neighbours);
	ovs_kick(d);
}

static void on_down(const char *why, void *arg)
{
	struct driver *d = arg;

	log_warn("Open vSwitch: %s", why);
	loop_timer_off(d->look);
	ovs_forget_switch(d, why);
	ovs_kick(d);
}

static void on_look(void *arg)
{
	struct driver *d = arg;

	LOG_LIMIT(log_warn, 1, "flows of ours were removed from %s: what is missing is put back", d->mgmt);
	ovs_work(d);
}

/* By another program, mostly. (Where we do it ourselves, one look too many is taken.) Not at once: it may go on so, or
 * be the end of ovs-vswitchd. */
static void on_removed(uint64_t cookie, void *arg)
{
	struct driver *d = arg;

	if ((cookie & COOKIE_OURS_MASK) != COOKIE_OURS)
		return;
	if (d->known)
		loop_timer_arm(d->look, LOOK_US);
	ovs_read_again(d);
}

static void on_ready(const char *mgmt, uint32_t tunnel_ofport, void *arg)
{
	static const struct openflow_events events = {
		.up = on_up, .down = on_down, .packet_in = ovs_packet_in, .removed = on_removed
	};
	struct openflow_events mine = events;
	struct driver *d = arg;

	mine.arg = d;
	if (d->world.tunnel_ofport != tunnel_ofport) {
		d->world.tunnel_ofport = tunnel_ofport;
		flowset_renew(d->flows);
	}
	if (!d->mgmt) {
		d->mgmt = xstrdup(mgmt);
		d->openflow = openflow_open(d->loop, mgmt, &mine);
		openflow_patience(d->openflow, ANSWER_MS);
	}
	ovs_kick(d);
}

static void on_warning(const char *text, void *arg)
{
	(void)arg;
	log_warn("%s", text);
}

static void on_settled(void *arg)
{
	ovs_kick(arg);
}

static void on_later(void *arg)
{
	struct driver *d = arg;

	d->pausing = false;
	ovs_try_again(d);
}

/* ------------------------------------------------------------------ life */

static struct vswitch_config switch_of(const struct driver_config *c)
{
	return (struct vswitch_config) {
		.ovsdb = c->ovsdb,
		.bridge = c->integration_bridge,
		.datapath_type = c->datapath_type,
		.local_ip = c->local_ip,
		.vxlan_udp_port = c->vxlan_udp_port,
		.tunnel_csum = c->tunnel_csum,
	};
}

/* One agent at a time: the kernel lets go of the lock with the process. */
static int hold(const struct driver_config *config, bool make, int *ret_fd, struct err *err)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(closep) int fd = -1;

	if (!config->state_dir)
		return 0;
	if (make && mkdir(config->state_dir, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "%s", config->state_dir);
	path = xasprintf("%s/openvswitch.lock", config->state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, -errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return err_errno(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "another agent runs with %s", path);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static void ovs_close(struct driver *d)
{
	if (!d)
		return;
	openflow_close(d->openflow);
	vswitch_close(d->vswitch);
	neighbour_close(d->neighbours);
	cache_close(d->cache);
	loop_source_free(d->kick);
	loop_source_free(d->later);
	loop_source_free(d->look);
	loop_source_free(d->patience);
	flowset_free(d->flows);
	ovs_ports_fini(d);
	ovs_meters_fini(d);
	plan_changes_fini(&d->changes);
	plan_free(d->again);
	free(d->failures);
	free(d->mgmt);
	closep(&d->lock); /* last: from here on another agent may come */
	free(d);
}

static void closed(struct driver **d)
{
	ovs_close(*d);
}

static int ovs_open(const struct driver_config *config, struct loop *loop, const struct driver_events *events,
		    struct driver **ret, struct err *err)
{
	_cleanup_(closed) struct driver *d = xcalloc(1, sizeof(*d));
	const struct vswitch_config wanted = switch_of(config);
	const struct vswitch_events watch = { on_ready, ovs_iface, ovs_iface_gone, on_warning, d };
	const struct neighbour_events peers = { .warning = on_warning, .settled = on_settled, .arg = d };
	_cleanup_(freep) char *rundir = vswitch_rundir(config->ovsdb);
	int r;

	d->loop = loop;
	d->lock = -1;
	d->limit = SIZE_MAX;
	d->patience_us = PATIENCE_US;
	/* The userspace datapath takes them from the kernel too; the dummy one sends nothing anywhere. */
	d->by_kernel_routes = config->local_ip && strcmp(config->datapath_type, "dummy") != 0;
	if (events)
		d->events = *events;
	d->world = (struct pipeline_world) { .ofport = ovs_ofport, .arg = d };
	d->flows = flowset_new(&d->world);
	d->again = plan_new();
	d->kick = loop_idle(loop, ovs_work, d);
	d->later = loop_timer(loop, on_later, d);
	d->look = loop_timer(loop, on_look, d);
	d->patience = loop_timer(loop, ovs_give_up, d);
	r = hold(config, true, &d->lock, err);
	if (r == 0 && strcmp(config->datapath_type, "system") != 0)
		d->cache = cache_open(loop, rundir);
	/* The kernel's datapath asks the kernel, which keeps the packet that asks. */
	if (r == 0 && config->local_ip && !strcmp(config->datapath_type, "netdev"))
		r = neighbour_open(loop, rundir, &peers, &d->neighbours, err);
	if (r == 0)
		r = vswitch_open(loop, &wanted, &watch, &d->vswitch, err);
	if (r < 0)
		return r;
	*ret = take(&d);
	return 0;
}

/* ------------------------------------------------------------------ cleanup */

/* What is ours on the bridge. */
struct found {
	bool any;
	struct members ports;
};

static void find(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	struct found *found = arg;

	(void)stats;
	found->any = true;
	ovs_meters_found_flow(&found->ports, f);
}

static char *path_of_mgmt(const struct driver_config *config)
{
	_cleanup_(freep) char *rundir = vswitch_rundir(config->ovsdb);

	return xasprintf("unix:%s/%s.mgmt", rundir, config->integration_bridge);
}

/* Each set of tables has flows in the first one. Without a switch there are none, and *ret is NULL. */
static int find_flows(const struct driver_config *config, struct ovs_ask **ret, struct found *found, struct err *err)
{
	_cleanup_(ovs_ask_closep) struct ovs_ask *ask = NULL;
	_cleanup_(freep) char *mgmt = path_of_mgmt(config);
	int r = 0;

	if (!where_is_vacant(mgmt))
		r = ovs_ask_open(mgmt + strlen("unix:"), OVS_ASK_US, &ask, err);
	if (r == 0 && ask)
		r = ovs_ask_dump(ask, TABLE_CLASSIFY, COOKIE_OURS, COOKIE_OURS_MASK, find, found, err);
	if (r == 0)
		*ret = take(&ask);
	return r;
}

/* Flows first: a bridge that stays, because it holds what is others', must not forward for us. Meters bear nobody's
 * mark: without flows of ours none is. */
static int clean_flows(const struct driver_config *config, struct err *err)
{
	_cleanup_(ovs_ask_closep) struct ovs_ask *ask = NULL;
	struct found found = { 0 };
	int r = find_flows(config, &ask, &found, err);

	if (r == 0 && ask)
		r = ovs_ask_delete(ask, COOKIE_OURS, COOKIE_OURS_MASK, err);
	if (r == 0 && found.any)
		r = ovs_ask_clean_meters(ask, &found.ports, err);
	members_fini(&found.ports);
	return r;
}

static int ovs_cleanup(const struct driver_config *config, struct err *err)
{
	const struct vswitch_config wanted = switch_of(config);
	_cleanup_(closep) int lock = -1;
	int r = hold(config, false, &lock, err);

	if (r < 0 && r != -ENOENT)
		return r;
	r = clean_flows(config, err);
	if (r == 0)
		r = vswitch_cleanup(&wanted, err);
	return r < 0 ? r : 0;
}

static void ovs_remains(const struct driver_config *config, driver_line fn, void *arg)
{
	const struct vswitch_config wanted = switch_of(config);
	_cleanup_(ovs_ask_closep) struct ovs_ask *ask = NULL;
	_cleanup_(freep) char *flows = xasprintf("flows of %s", config->integration_bridge);
	_cleanup_(freep) char *rows = xasprintf("rows of %s in Open vSwitch's database", config->integration_bridge);
	struct found found = { 0 };

	find_flows(config, &ask, &found, NULL);
	members_fini(&found.ports);
	if (found.any)
		fn(flows, arg);
	if (vswitch_remains(&wanted, NULL) > 0)
		fn(rows, arg);
}

const struct driver_ops driver_ovs = {
	.name = "openvswitch",
	.vif_type = "ovs",
	.open = ovs_open,
	.close = ovs_close,
	.cleanup = ovs_cleanup,
	.remains = ovs_remains,
	.sync = ovs_sync,
	.apply = ovs_apply,
	.audit = ovs_audit,
	.warnings = ovs_warnings,
	.counters = ovs_counters,
	.show = ovs_show,
};
