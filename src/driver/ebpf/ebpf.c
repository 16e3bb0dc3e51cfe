/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ebpf/ebpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/neutrino.skel.h"
#include "driver/ebpf/pins.h"
#include "io/loop.h"
#include "plan/verdict_names.h"

#define VERIFIER_LINES 8 /* the last of its log: why it refused, and where it was */

static char *last_lines(char *text, int n)
{
	char *at = text + strlen(text);

	while (at > text && (at[-1] != '\n' || n--))
		at--;
	return at;
}

/* What libbpf says, line by line; of a verifier's log, which may have megabytes, the end. */
static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	_cleanup_(freep) char *text = NULL;
	char *rest, *line;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return 0;
	}
	line = strtok_r(text, "\n", &rest);
	if (!line)
		return 0;
	log_warn("%s", line);
	rest = last_lines(rest, VERIFIER_LINES);
	while ((line = strtok_r(NULL, "\n", &rest)))
		log_warn("  %s", line);
	return 0;
}

void ebpf_event(struct driver *d, uint32_t port, enum driver_port_state state, const char *text)
{
	struct port_event *e;

	d->queue = xrealloc(d->queue, (d->n_queue + 1) * sizeof(*d->queue));
	e = &d->queue[d->n_queue++];
	e->port = port;
	e->state = state;
	snprintf(e->text, sizeof(e->text), "%s", text);
	loop_idle_arm(d->idle);
}

static void fail(struct driver *d, const struct plan_record *r, int error, enum table table)
{
	struct driver_failure *f;

	d->failures = xrealloc(d->failures, (d->n_failures + 1) * sizeof(*d->failures));
	f = &d->failures[d->n_failures++];
	memset(f, 0, sizeof(*f));
	f->record = *r;
	f->r = error;
	if (error == -E2BIG)
		snprintf(f->text, sizeof(f->text), "the datapath's table %s is full (%u entries)", table_name(table),
			 table_max(&d->fds, table));
	else if (error == -ENOSPC)
		snprintf(f->text, sizeof(f->text), "the network's flood list is full (%d copies)", EB_FLOOD_MAX);
	else
		snprintf(f->text, sizeof(f->text), "%s", strerror(-error));
}

/* Events and answers are given here, never from inside a call. */
static void on_idle(void *arg)
{
	struct driver *d = arg;
	struct port_event *queue = take(&d->queue);
	struct driver_failure *failures = take(&d->failures);
	size_t n_queue = d->n_queue, n_failures = d->n_failures;
	driver_done done = take(&d->done);

	d->n_queue = d->n_failures = 0;
	for (size_t i = 0; i < n_queue; i++)
		if (d->events.port)
			d->events.port(queue[i].port, queue[i].state, queue[i].text, d->events.arg);
	free(queue);
	if (done)
		done(failures, n_failures, d->done_arg);
	free(failures);
}

static void on_link(const struct netlink_link *l, bool gone, void *arg)
{
	struct driver *d = arg;

	if (d->vxlan && l->ifindex == d->vxlan) {
		tunnel_link(d, l, gone);
		return;
	}
	port_link(d, l, gone);
	if (strncmp(l->name, "tap", 3)) /* no way to a peer leads through a VM */
		loop_idle_arm(d->reroute);
}

static void on_filter(uint32_t ifindex, void *arg)
{
	struct driver *d = arg;

	if (d->vxlan && ifindex == d->vxlan)
		tunnel_check(d);
	else
		port_filter_gone(d, ifindex);
}

static void on_route(void *arg)
{
	loop_idle_arm(((struct driver *)arg)->reroute);
}

static void on_again(void *arg)
{
	struct driver *d = arg;

	log_warn("notifications of the kernel were lost: all devices are looked at anew");
	d->relist = true;
	ebpf_repair(d);
	on_route(d);
}

static void on_mtu(void *arg)
{
	mtu_check(arg);
}

/* Also where no way changes, the packet side asks anew what it asks of devices: their MTU. */
static void on_reroute(void *arg)
{
	struct driver *d = arg;

	loop_idle_arm(d->mtu);
	if (ways_refresh(d) < 0)
		ebpf_repair_soon(d);
	ebpf_changed(d);
}

static int find_maps(struct driver *d, struct err *err)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		d->fds.fd[t] = bpf_object__find_map_fd_by_name(d->bpf->obj, table_name(t));
		if (d->fds.fd[t] < 0)
			return err_errno(err, d->fds.fd[t], "map %s", table_name(t));
	}
	return 0;
}

void ebpf_changed(struct driver *d)
{
	uint32_t key = 0;

	if (!++d->generation)
		d->generation = 1;
	if (bpf_map_update_elem(bpf_map__fd(d->bpf->maps.generation), &key, &d->generation, BPF_ANY))
		log_err("generation: %s", strerror(errno)); /* an array's entry is always there */
}

static int read_generation(struct driver *d, struct err *err)
{
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(d->bpf->maps.generation), &key, &d->generation))
		return err_errno(err, -errno, "generation");
	ebpf_changed(d);
	return 0;
}

static int load(struct driver *d, struct err *err)
{
	int r;

	libbpf_set_print(quiet);
	d->bpf = neutrino_bpf__open();
	if (!d->bpf)
		return err_errno(err, -errno, "open of the BPF object");
	r = pins_set(d->pin_dir, d->bpf->obj, &d->layout, err);
	if (r < 0)
		return r;
	d->bpf->rodata->trace = d->config.trace;
	d->bpf->rodata->vxlan_port = d->config.vxlan_udp_port;
	bpf_map__set_max_entries(d->bpf->maps.flow, (uint32_t)libbpf_num_possible_cpus() << EB_FLOW_BITS);
	r = neutrino_bpf__load(d->bpf);
	if (r < 0)
		return err_errno(err, r, "load of the BPF programs (pins: %s/%s)", d->pin_dir, d->layout);
	r = find_maps(d, err);
	return r < 0 ? r : read_generation(d, err);
}

static void driver_close(struct driver *d)
{
	if (!d)
		return;
	loop_source_free(d->idle);
	loop_source_free(d->reroute);
	loop_source_free(d->mtu);
	loop_source_free(d->repair);
	loop_source_free(d->look);
	netlink_close(d->netlink);
	neutrino_bpf__destroy(d->bpf);
	plan_free(d->plan);
	cells_fini(&d->cells);
	floods_fini(&d->floods);
	index_fini(&d->routers);
	ports_fini(d);
	ways_fini(d);
	mtu_fini(d);
	free(d->queue);
	free(d->failures);
	free(d->layout);
	free(d->pin_dir);
	closep(&d->held); /* last: from here on another agent may come */
	free(d);
}

static void driver_closep(struct driver **d)
{
	driver_close(*d);
}

static int driver_open(const struct driver_config *config, struct loop *loop, const struct driver_events *events,
		       struct driver **ret, struct err *err)
{
	_cleanup_(driver_closep) struct driver *d = xcalloc(1, sizeof(*d));
	struct netlink_events watch = {
		.link = on_link, .route = on_route, .filter = on_filter, .again = on_again, .arg = d
	};
	int r;

	d->config = *config;
	d->pin_dir = xstrdup(config->pin_dir);
	d->held = -1;
	d->loop = loop;
	if (events)
		d->events = *events;
	d->plan = plan_new();
	d->idle = loop_idle(loop, on_idle, d);
	d->reroute = loop_idle(loop, on_reroute, d);
	d->mtu = loop_idle(loop, on_mtu, d);
	d->repair = loop_timer(loop, ebpf_repair, d);
	d->look = loop_timer(loop, ebpf_look, d);
	r = pins_open(d->pin_dir, &d->held, err);
	if (r >= 0)
		r = load(d, err);
	if (r < 0)
		return r;
	d->cells.live = &d->fds;
	r = netlink_open(loop, &watch, &d->netlink, err);
	if (r < 0)
		return r;
	r = ports_open(d, err);
	if (r < 0)
		return r;
	ebpf_look(d);
	*ret = take(&d);
	return 0;
}

static int put_all(struct driver *d, const struct rows *rows, size_t *ret_n)
{
	int r = 0;

	for (*ret_n = 0; *ret_n < rows->n; ++*ret_n) {
		const struct row *row = &rows->items[*ret_n];

		r = cells_put(&d->cells, row->table, row->key, row->value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int del_first(struct driver *d, const struct rows *rows, size_t n)
{
	int ret = 0, r;

	while (n--) {
		r = cells_del(&d->cells, rows->items[n].table, rows->items[n].key);
		ret = r < 0 ? r : ret;
	}
	if (ret < 0)
		ebpf_repair_soon(d);
	return ret;
}

int ebpf_remake(struct driver *d, const struct rows *was, const struct rows *now)
{
	size_t n, back;
	int r = put_all(d, now, &n);

	if (r >= 0) {
		del_first(d, was, was->n); /* what is left over goes later */
	} else {
		del_first(d, now, n);
		/* values that were overwritten */
		put_all(d, was, &back);
		del_first(d, was, back);
	}
	ebpf_changed(d);
	return r;
}

/* The copy of flooded frames that the record stands for; its network, or 0. */
static uint32_t copy_of(const struct plan_record *r, struct flood_target *ret)
{
	*ret = (struct flood_target) { 0 };
	if (r->table == PLAN_PORT) {
		ret->port = r->port.key.port;
		return r->port.network;
	}
	if (r->table == PLAN_FLOOD) {
		ret->peer = r->flood.key.host;
		return r->flood.key.network;
	}
	return 0;
}

static int make_flood(struct driver *d, const struct plan_record *r)
{
	struct flood_target t;
	uint32_t network = copy_of(r, &t);
	int ret = network ? flood_add(d, network, &t) : 0;

	if (ret < 0)
		d->cells.refused = TABLE_flood;
	return ret;
}

static int unmake_flood(struct driver *d, const struct plan_record *r)
{
	struct flood_target t;
	uint32_t network = copy_of(r, &t);
	int ret = network ? flood_del(d, network, &t) : 0;

	if (ret < 0)
		ebpf_repair_soon(d);
	return ret;
}

/* What the driver keeps beside the entries for this record. */
static void context_add(struct driver *d, const struct plan_record *r)
{
	if (r->table == PLAN_PEER)
		way_add(d, &r->peer);
	else if (r->table == PLAN_PORT)
		port_add(d, r);
}

static void context_del(struct driver *d, const struct plan_record *r)
{
	if (r->table == PLAN_PEER)
		way_del(d, r->peer.key.host);
	else if (r->table == PLAN_PORT)
		port_del(d, r->port.key.port);
}

int ebpf_make(struct driver *d, const struct plan_record *r)
{
	struct rows rows = { 0 };
	size_t n;
	int ret;

	context_add(d, r);
	rows_of(d, r, &rows);
	ret = put_all(d, &rows, &n);
	if (ret >= 0)
		ret = make_flood(d, r);
	if (ret < 0)
		del_first(d, &rows, n);
	ebpf_changed(d);
	if (ret < 0) {
		context_del(d, r);
	} else {
		index_add(&d->routers, r);
		plan_set(d->plan, r);
		if (r->table == PLAN_PORT)
			port_attach(d, port_find(d, r->port.key.port));
	}
	rows_fini(&rows);
	return ret;
}

/* Negative: something of it is left over, and goes later. The record is out in any case. */
int ebpf_unmake(struct driver *d, const struct plan_record *r)
{
	struct plan_record copy = *r; /* it may be the plan's own */
	struct rows rows = { 0 };
	int ret, r2;

	index_del(&d->routers, &copy);
	rows_of(d, &copy, &rows);
	ret = unmake_flood(d, &copy);
	r2 = del_first(d, &rows, rows.n);
	ebpf_changed(d);
	context_del(d, &copy);
	plan_del(d->plan, &copy);
	rows_fini(&rows);
	return ret < 0 ? ret : r2;
}

/* A removal that is asked for again: is anything left over? */
static int unmake_again(struct driver *d)
{
	int r = floods_sweep(d), r2 = cells_sweep(&d->cells);

	ebpf_changed(d);
	return r < 0 ? r : r2;
}

/* An update keeps its entries where the key stays, so that no packet finds none. */
static int update(struct driver *d, const struct plan_record *old, const struct plan_record *r)
{
	struct plan_record before = *old;
	struct rows was = { 0 }, now = { 0 };
	bool moves = r->table == PLAN_PORT && before.port.network != r->port.network;
	int ret = moves ? make_flood(d, r) : 0;

	if (ret < 0)
		return ret;
	index_del(&d->routers, &before);
	rows_of(d, &before, &was);
	context_add(d, r);
	rows_of(d, r, &now);
	ret = ebpf_remake(d, &was, &now);
	if (ret < 0) {
		context_add(d, &before);
		index_add(&d->routers, &before);
	} else {
		index_add(&d->routers, r);
		plan_set(d->plan, r);
		if (r->table == PLAN_PORT && !uuid_equal(&before.port.uuid, &r->port.uuid))
			port_attach(d, port_find(d, r->port.key.port)); /* another device */
	}
	if (moves)
		unmake_flood(d, ret < 0 ? r : &before);
	rows_fini(&was);
	rows_fini(&now);
	return ret;
}

static void finish(struct driver *d, driver_done done, void *arg)
{
	d->done = done;
	d->done_arg = arg;
	loop_idle_arm(d->mtu);
	loop_idle_arm(d->idle);
}

static void add_context(const struct plan_record *r, void *arg)
{
	context_add(arg, r);
}

/* Ports and peers of an earlier plan. */
static void drop_contexts(struct driver *d, const struct plan *plan)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	struct port_device *p, *ptmp;
	struct peer_way *w, *wtmp;

	HASH_ITER (hh, d->ports, p, ptmp) {
		key.port.key.port = p->port;
		if (!plan_find(plan, &key))
			port_del(d, p->port);
	}
	key = PLAN_RECORD(PLAN_PEER);
	HASH_ITER (hh, d->ways, w, wtmp) {
		key.peer.key.host = w->host;
		if (!plan_find(plan, &key))
			way_del(d, w->host);
	}
}

/* After a sync: records of which something was refused go out again, one by one. */
struct recheck {
	struct driver *d;
	int lists; /* why a copy is not in its list */
};

static int refused_of(const struct recheck *c, const struct plan_record *r, enum table *ret_table)
{
	struct rows rows = { 0 };
	struct flood_target t;
	uint32_t network = copy_of(r, &t);
	int ret = 0;

	index_del(&c->d->routers, r);
	rows_of(c->d, r, &rows);
	index_add(&c->d->routers, r);
	for (size_t i = 0; i < rows.n && !ret; i++) {
		*ret_table = rows.items[i].table;
		ret = cells_find(&c->d->cells, rows.items[i].table, rows.items[i].key)->refused;
	}
	rows_fini(&rows);
	if (ret || !network || flood_has(&c->d->floods, network, &t))
		return ret;
	*ret_table = TABLE_flood;
	return c->lists;
}

static void recheck(const struct plan_record *r, void *arg)
{
	struct recheck *c = arg;
	enum table table = TABLE_COUNT;
	int error = refused_of(c, r, &table);

	if (error)
		fail(c->d, r, error, table);
}

static void isolate(struct driver *d, int lists)
{
	struct recheck c = { .d = d, .lists = lists };

	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(d->plan, t, recheck, &c);
	for (size_t i = 0; i < d->n_failures; i++)
		ebpf_unmake(d, &d->failures[i].record);
	if (d->cells.n_left || d->flood_left)
		ebpf_repair_soon(d);
}

static int apply_one(struct driver *d, const struct plan_change *c)
{
	const struct plan_record *old = plan_find(d->plan, &c->record);
	int r = 0;

	if (c->op == PLAN_DELETE)
		return old ? ebpf_unmake(d, old) : unmake_again(d);
	if (c->record.table == PLAN_HOST && !d->vxlan)
		r = tunnel_up(d);
	if (r < 0)
		return r;
	return old ? update(d, old, &c->record) : ebpf_make(d, &c->record);
}

static void driver_apply(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg)
{
	for (size_t i = 0; i < changes->n; i++) {
		int r = apply_one(d, &changes->items[i]);

		if (r < 0)
			fail(d, &changes->items[i].record, r, d->cells.refused);
	}
	finish(d, done, arg);
}

/* The record that stands for this host as a whole. */
static struct plan_record host_of(const struct plan *plan)
{
	struct plan_record key = PLAN_RECORD(PLAN_HOST);
	const struct plan_record *host = plan_find(plan, &key);

	return host ? *host : key;
}

static void driver_sync(struct driver *d, const struct plan *plan, driver_done done, void *arg)
{
	struct plan_record host = host_of(plan);
	int r, lists = 0;

	if (tunnel_open(d, NULL) < 0) /* its number goes into the maps; why not is said below */
		d->vxlan = 0;
	drop_contexts(d, plan);
	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(plan, t, add_context, d);
	r = sync_maps(d, plan, &lists);
	d->unread = r < 0;
	if (r >= 0) {
		plan_free(d->plan);
		d->plan = plan_copy(plan);
		isolate(d, lists);
		r = tunnel_up(d);
	} else {
		log_err("the maps cannot be read: %s", strerror(-r));
		ebpf_repair_soon(d);
	}
	if (r < 0)
		fail(d, &host, r, TABLE_config);
	d->synced = true;
	ports_attach(d);
	if (!d->unread)
		pins_drop_others(d->pin_dir, d->layout);
	finish(d, done, arg);
}

static int driver_audit_call(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err)
{
	return audit_maps(d, plan, fn, arg, err);
}

static struct driver_counter sum(const struct bpf_map *map, uint32_t index, const char *name)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) struct eb_counter *values = xcalloc((size_t)(n < 1 ? 1 : n), sizeof(*values));
	struct driver_counter c = { .name = name };

	if (n > 0 && !bpf_map_lookup_elem(bpf_map__fd(map), &index, values))
		for (int i = 0; i < n; i++) {
			c.packets += values[i].packets;
			c.bytes += values[i].bytes;
		}
	return c;
}

static size_t driver_counters(struct driver *d, struct driver_counter *ret, size_t max)
{
	size_t n = 0;

	for (uint32_t i = VERDICT_DROP + 1; i < VERDICT_COUNT; i++, n++)
		if (n < max)
			ret[n] = sum(d->bpf->maps.verdicts, i, verdict_counter(i, DROP_NONE));
	for (uint32_t i = DROP_NONE + 1; i < DROP_COUNT; i++, n++)
		if (n < max)
			ret[n] = sum(d->bpf->maps.drops, i, verdict_counter(VERDICT_DROP, i));
	return n;
}

static bool is_filtered(const struct netlink_link *l)
{
	return !strncmp(l->name, "tap", 3) && attached(l->ifindex);
}

static void release(const struct netlink_link *l, void *arg)
{
	int r = is_filtered(l) ? port_release(l->ifindex, l->name) : 0;

	if (r < 0 && r != -ENODEV)
		*(int *)arg = r;
}

struct remains {
	driver_line fn;
	void *arg;
};

static void name_filter(const struct netlink_link *l, void *arg)
{
	_cleanup_(freep) char *text = NULL;
	struct remains *r = arg;

	if (!is_filtered(l))
		return;
	text = xasprintf("a filter on %s", l->name);
	r->fn(text, r->arg);
}

static void driver_remains(const struct driver_config *config, driver_line fn, void *arg)
{
	_cleanup_(netlink_closep) struct netlink *n = NULL;
	_cleanup_(freep) char *pins = xasprintf("maps in %s", config->pin_dir);
	struct remains r = { fn, arg };
	struct netlink_link l;

	if (pins_any(config->pin_dir))
		fn(pins, arg);
	if (netlink_open(NULL, NULL, &n, NULL) < 0)
		return;
	if (!netlink_link_find(n, EBPF_DEVICE, &l, NULL) && tunnel_is_ours(&l))
		fn("device " EBPF_DEVICE, arg);
	netlink_links(n, name_filter, &r, NULL);
}

static int driver_cleanup(const struct driver_config *config, struct err *err)
{
	_cleanup_(netlink_closep) struct netlink *n = NULL;
	_cleanup_(closep) int held = -1;
	struct netlink_link l;
	int r = pins_hold(config->pin_dir, &held, err), kept = 0;

	if (r < 0 && r != -ENOENT)
		return r;
	r = netlink_open(NULL, NULL, &n, err);
	if (r < 0)
		return r;
	r = netlink_links(n, release, &kept, err);
	if (r < 0)
		return r;
	if (!netlink_link_find(n, EBPF_DEVICE, &l, NULL) && tunnel_is_ours(&l)) {
		r = netlink_link_delete(n, l.ifindex, err);
		if (r < 0)
			return r;
	}
	r = pins_remove(config->pin_dir, err);
	if (r >= 0 && kept < 0)
		r = err_errno(err, kept, "filters of devices");
	return r;
}

const struct driver_ops driver_ebpf = {
	.name = "ebpf",
	.vif_type = "tap",
	.open = driver_open,
	.close = driver_close,
	.cleanup = driver_cleanup,
	.remains = driver_remains,
	.sync = driver_sync,
	.apply = driver_apply,
	.audit = driver_audit_call,
	.warnings = mtu_each,
	.counters = driver_counters,
};
