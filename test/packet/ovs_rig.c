/* SPDX-License-Identifier: Apache-2.0 */
#include "ovs_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/vswitch.h"
#include "io/loop.h"
#include "net/packet.h"
#include "vxlan.h"

#define WAIT_US 30000000 /* for a notification that must come */
#define UNDERLAY_ADDRESS 0xc0000201 /* 192.0.2.1: the tunnels of all plans here are in 192.0.2.0/24 */
#define DUMMY "type=dummy mtu_request=9000 options:tx_pcap=$PWD/"

static const struct mac underlay_mac = { { 0xaa, 0x55, 0xaa, 0x55, 0, 1 } };

static const char setup[] = "ovs-vsctl --timeout=20 add-br br-phy -- set bridge br-phy datapath_type=dummy "
			    "other_config:hwaddr=aa:55:aa:55:00:01 "
			    "-- add-port br-phy underlay -- set interface underlay " DUMMY "underlay.pcap "
			    "-- add-port " SANDBOX_BRIDGE " " OVS_RIG_STRANGER " -- set interface " OVS_RIG_STRANGER
			    " " DUMMY "stranger.pcap 2>>setup.log";

/* ------------------------------------------------------------------ ports */

struct ovs_rig_port *ovs_rig_port_of(struct ovs_rig *g, uint32_t port)
{
	for (size_t i = 0; i < g->n_ports; i++)
		if (g->ports[i].port == port)
			return &g->ports[i];
	return NULL;
}

static struct ovs_rig_port *port_named(struct ovs_rig *g, const char *name)
{
	for (size_t i = 0; i < g->n_ports; i++)
		if (!strcmp(g->ports[i].name, name))
			return &g->ports[i];
	return NULL;
}

static int capture_open(const struct ovs_rig *g, const char *name, struct pcap *ret, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s.pcap", g->sandbox.dir, name);

	return pcap_open(ret, path, err);
}

static void add_port(UT_string *commands, const struct plan_port *p, const char *name)
{
	char uuid[UUID_TEXT_SIZE];

	utstring_printf(commands,
			" -- add-port " SANDBOX_BRIDGE " %s -- set interface %s external_ids:iface-id=%s " DUMMY
			"%s.pcap",
			name, name, uuid_format(&p->uuid, uuid), name);
}

static void remove_port(UT_string *commands, const char *name)
{
	utstring_printf(commands, " -- del-port " SANDBOX_BRIDGE " %s", name);
}

/* Returns when ovs-vswitchd has done it. */
static int run_commands(struct ovs_rig *g, const UT_string *commands, struct err *err)
{
	if (utstring_len(commands) &&
	    sandbox_run(&g->sandbox, NULL, "ovs-vsctl --timeout=20%s 2>>setup.log", utstring_body(commands)) != 0)
		return err_set(err, ERR_INTERNAL, "", "ovs-vsctl%s", utstring_body(commands));
	return 0;
}

/* Opens the captures of ports that are new, and puts away those of ports that are gone. */
static int follow_ports(struct ovs_rig *g, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < g->n_ports && r >= 0; i++) {
		struct ovs_rig_port *p = &g->ports[i];
		_cleanup_(freep) char *path = xasprintf("%s/%s.pcap", g->sandbox.dir, p->name);

		if (p->there && p->out.fd < 0) {
			r = pcap_open(&p->out, path, err);
		} else if (!p->there && p->out.fd >= 0) {
			pcap_close(&p->out);
			unlink(path);
		}
	}
	return r;
}

struct making {
	struct ovs_rig *rig;
	UT_string *commands;
	struct err *err;
	int r;
};

static void make_port(const struct plan_record *r, void *arg)
{
	struct making *m = arg;
	struct ovs_rig *g = m->rig;
	char uuid[UUID_TEXT_SIZE], name[16];
	struct ovs_rig_port *p;

	snprintf(name, sizeof(name), "tap%.11s", uuid_format(&r->port.uuid, uuid));
	p = port_named(g, name);
	if (!p) {
		g->ports = xrealloc(g->ports, (g->n_ports + 1) * sizeof(*g->ports));
		p = &g->ports[g->n_ports++];
		*p = (struct ovs_rig_port) { .out = { .fd = -1 } };
		memcpy(p->name, name, sizeof(name));
	}
	p->port = r->port.key.port;
	if (!p->there)
		add_port(m->commands, &r->port, name);
	p->there = true;
}

static bool plan_has(const struct plan *p, const struct ovs_rig_port *port)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	const struct plan_record *r;
	char uuid[UUID_TEXT_SIZE];

	key.port.key.port = port->port;
	r = plan_find(p, &key);
	return r && strncmp(port->name + 3, uuid_format(&r->port.uuid, uuid), 11) == 0;
}

static void find_way(const struct plan_record *r, void *arg)
{
	struct making *m = arg;
	char ip[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	struct mac there = underlay_mac;

	there.b[5] = r->peer.tunnel.b[15];
	if (m->r >= 0)
		m->r = appctl_call(&m->rig->control, NULL, m->err, "tnl/neigh/set", "br-phy",
				   ip_format(&r->peer.tunnel, ip), mac_format(&there, mac), NULL);
}

int ovs_rig_ports(struct ovs_rig *g, const struct plan *p, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *commands = NULL;
	struct making m = { .rig = g, .err = err };
	size_t kept = 0;

	utstring_new(commands);
	m.commands = commands;
	for (size_t i = 0; i < g->n_ports; i++) {
		if (g->ports[i].there && !plan_has(p, &g->ports[i])) {
			remove_port(commands, g->ports[i].name);
			g->ports[i].there = false;
		}
	}
	plan_each(p, PLAN_PORT, make_port, &m);
	m.r = run_commands(g, commands, err);
	if (m.r >= 0)
		m.r = follow_ports(g, err);
	for (size_t i = 0; i < g->n_ports; i++)
		if (g->ports[i].there)
			g->ports[kept++] = g->ports[i];
	g->n_ports = kept;
	plan_each(p, PLAN_PEER, find_way, &m);
	return m.r;
}

/* ------------------------------------------------------------------ frames */

char *ovs_rig_hex(const uint8_t *bytes, size_t n)
{
	char *text = xmalloc(2 * n + 1);

	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * n] = '\0';
	return text;
}

/*
 * The main loop of ovs-vswitchd deals with packets and OpenFlow, then with its control connections, in the order in
 * which they were opened. So when an answer on the first one follows one on the second, a turn lies in between: what
 * was given has gone, and what the driver is asked about it is on its connection.
 */
static int end_turn(struct ovs_rig *g, struct err *err)
{
	return appctl_call(&g->barrier, NULL, err, "version", NULL);
}

int ovs_rig_pass(struct ovs_rig *g, struct err *err)
{
	bool asked = false;
	int r = end_turn(g, err);

	while (r >= 0 && loop_turn(g->loop, 0) > 0)
		asked = true;
	if (r >= 0 && asked)
		r = appctl_call(&g->control, NULL, err, "version", NULL);
	return r >= 0 && asked ? end_turn(g, err) : r;
}

static int give(struct ovs_rig *g, const char *port, const uint8_t *frame, size_t len, struct err *err)
{
	_cleanup_(freep) char *hex = ovs_rig_hex(frame, len);
	int r;

	if (len < ETH_SIZE)
		return -ENOTSUP;
	r = appctl_call(&g->control, NULL, err, "netdev-dummy/receive", port, hex, NULL);
	return r < 0 ? r : ovs_rig_pass(g, err);
}

int ovs_rig_give(struct ovs_rig *g, const struct forward_in *in, struct err *err)
{
	const struct ovs_rig_port *p = ovs_rig_port_of(g, in->port);
	struct vxlan_outer outer = { .dst_mac = underlay_mac,
				     .src_mac = underlay_mac,
				     .src = in->tunnel,
				     .dst = ip_from_v4(UNDERLAY_ADDRESS),
				     .vni = in->id };
	_cleanup_(freep) uint8_t *wrapped = NULL;

	if (in->port)
		return give(g, p ? p->name : OVS_RIG_STRANGER, in->frame, in->len, err);
	outer.src_mac.b[5] = 0xff;
	wrapped = vxlan_wrap(&outer, in->frame, in->len);
	return give(g, "underlay", wrapped, VXLAN_OUTER + in->len, err);
}

static void add_out(struct forward_result *r, const struct forward_out *out)
{
	r->outs = xrealloc(r->outs, (r->n_outs + 1) * sizeof(*r->outs));
	r->outs[r->n_outs++] = *out;
}

static int take_port(struct pcap *p, uint32_t port, struct forward_result *ret, struct err *err)
{
	struct forward_out out = { .port = port };
	int r;

	while ((r = pcap_next(p, &out.frame, &out.len, err)) > 0)
		add_out(ret, &out);
	return r;
}

struct peer_search {
	const struct ip *tunnel;
	uint32_t found;
};

static void match_peer(const struct plan_record *r, void *arg)
{
	struct peer_search *s = arg;

	if (ip_equal(&r->peer.tunnel, s->tunnel))
		s->found = r->peer.key.host;
}

static int unwrap(const struct plan *p, const uint8_t *bytes, size_t len, struct forward_out *ret, struct err *err)
{
	struct vxlan_outer outer;
	struct peer_search s = { .tunnel = &outer.dst };
	int r = vxlan_unwrap(bytes, len, &outer, err);

	if (r < 0)
		return r;
	if (ip_to_v4(&outer.src) != UNDERLAY_ADDRESS)
		return err_set(err, ERR_INTERNAL, "", "outer source");
	plan_each(p, PLAN_PEER, match_peer, &s);
	*ret = (struct forward_out) { .peer = s.found,
				      .type = PLAN_SEGMENT_VXLAN,
				      .id = outer.vni,
				      .frame = xmemdup(bytes + VXLAN_OUTER, len - VXLAN_OUTER),
				      .len = len - VXLAN_OUTER };
	return s.found ? 0 : err_set(err, ERR_INTERNAL, "", "outer destination is no peer's");
}

static int take_underlay(struct ovs_rig *g, const struct plan *p, struct forward_result *ret, struct err *err)
{
	struct forward_out out = { 0 };
	uint8_t *bytes;
	size_t len;
	int r;

	while ((r = pcap_next(&g->underlay, &bytes, &len, err)) > 0) {
		r = unwrap(p, bytes, len, &out, err);
		free(bytes);
		if (r < 0)
			break;
		add_out(ret, &out);
	}
	return r;
}

int ovs_rig_take(struct ovs_rig *g, const struct plan *p, struct forward_result *ret, struct err *err)
{
	int r = take_underlay(g, p, ret, err);

	for (size_t i = 0; i < g->n_ports && r >= 0; i++)
		if (g->ports[i].there)
			r = take_port(&g->ports[i].out, g->ports[i].port, ret, err);
	return r < 0 ? r : take_port(&g->stranger, UINT32_MAX, ret, err);
}

int ovs_rig_port_set(struct ovs_rig *g, uint32_t port, bool there, struct err *err)
{
	struct ovs_rig_port *p = ovs_rig_port_of(g, port);
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	_cleanup_(utstring_freep) UT_string *commands = NULL;
	const struct plan_record *r;
	int e;

	key.port.key.port = port;
	r = g->plan ? plan_find(g->plan, &key) : NULL;
	if (!p || !r)
		return err_set(err, ERR_NOT_FOUND, "", "no port %u", port);
	if (p->there == there)
		return 0;
	utstring_new(commands);
	if (there)
		add_port(commands, &r->port, p->name);
	else
		remove_port(commands, p->name);
	p->there = there;
	e = run_commands(g, commands, err);
	if (e >= 0)
		e = follow_ports(g, err);
	return e < 0 ? e : ovs_rig_settle(g, err);
}

/* ------------------------------------------------------------------ the driver */

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	struct ovs_rig_port *p = ovs_rig_port_of(arg, port);

	(void)text;
	if (p)
		p->ready = state == DRIVER_PORT_READY;
}

static void on_lost(void *arg)
{
	(void)arg;
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct ovs_rig *g = arg;

	g->done = true;
	g->n_failures = n;
	if (n)
		snprintf(g->failure, sizeof(g->failure), "%s: %s", plan_table_name(failures[0].record.table),
			 failures[0].text);
}

int ovs_rig_until(struct ovs_rig *g, bool (*holds)(struct ovs_rig *g), struct err *err)
{
	uint64_t end = loop_now_us(g->loop) + WAIT_US;

	while (!holds(g)) {
		if (loop_now_us(g->loop) > end)
			return err_errno(err, -ETIMEDOUT, "what should come does not");
		loop_turn(g->loop, 100000);
	}
	return 0;
}

static bool settled(struct ovs_rig *g)
{
	bool yes = g->done;

	for (size_t i = 0; i < g->n_ports; i++)
		yes &= g->ports[i].ready == g->ports[i].there;
	return yes;
}

int ovs_rig_settle(struct ovs_rig *g, struct err *err)
{
	int r = ovs_rig_until(g, settled, err);

	return r < 0 ? err_prefix(err, r, "the driver's word that its ports are ready") : 0;
}

bool ovs_rig_is(const struct ovs_rig *g, const struct plan *p)
{
	for (size_t i = 0; i < g->n_ports; i++)
		if (!g->ports[i].there)
			return false;
	return g->plan && plan_equal(g->plan, p);
}

static void print_finding(enum driver_audit_kind kind, const char *what, void *arg)
{
	static const char *const kinds[] = { "missing", "extra", "different" };
	UT_string *text = arg;

	utstring_printf(text, " %s %s;", kinds[kind], what);
}

static int check_audit(struct ovs_rig *g, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	int r;

	utstring_new(text);
	r = driver_ovs.audit(g->driver, g->plan, print_finding, text, err);
	if (r >= 0 && utstring_len(text))
		r = err_set(err, ERR_INTERNAL, "", "audit:%s", utstring_body(text));
	return r;
}

int ovs_rig_plan(struct ovs_rig *g, const struct plan *p, struct err *err)
{
	struct plan_changes changes = { 0 };
	int r;

	g->done = false;
	if (g->plan) {
		plan_diff(g->plan, p, &changes);
		driver_ovs.apply(g->driver, &changes, on_done, g);
		plan_changes_fini(&changes);
	} else {
		driver_ovs.sync(g->driver, p, on_done, g);
	}
	plan_free(g->plan);
	g->plan = plan_copy(p);
	r = ovs_rig_settle(g, err);
	if (r >= 0 && g->n_failures)
		r = err_set(err, ERR_INTERNAL, "", "%zu records refused: %s", g->n_failures, g->failure);
	if (r >= 0)
		r = check_audit(g, err);
	if (r < 0)
		g->plan = plan_free(g->plan); /* whatever is there now */
	return r;
}

/*
 * A round may have begun before the change that the caller looks for; the one after it has not. A round begins at once
 * when a bridge learns an address.
 */
int ovs_rig_revalidated(struct ovs_rig *g, struct err *err)
{
	int r = 0;

	for (int i = 0; i < 2 && r >= 0; i++) {
		struct mac learned = { { 0x02, 0, 0, 0, (uint8_t)(g->learned >> 8), (uint8_t)g->learned } };
		char mac[MAC_TEXT_SIZE];

		g->learned++;
		r = appctl_ask(&g->control, err, "revalidator/wait", NULL);
		if (r >= 0)
			r = appctl_call(&g->barrier, NULL, err, "fdb/add", "br-phy", "underlay", "0",
					mac_format(&learned, mac), NULL);
		if (r >= 0)
			r = appctl_answer(&g->control, NULL, err);
	}
	return r;
}

/* ------------------------------------------------------------------ life */

static int open_switch(struct ovs_rig *g, struct err *err)
{
	int r = sandbox_start(&g->sandbox, err);

	if (r >= 0 && sandbox_run(&g->sandbox, NULL, setup) != 0)
		r = err_set(err, ERR_INTERNAL, "", "the underlay's bridge");
	if (r >= 0)
		r = appctl_open(&g->barrier, g->sandbox.unixctl, err);
	if (r >= 0)
		r = appctl_call(&g->barrier, NULL, err, "version", NULL);
	if (r >= 0)
		r = appctl_open(&g->control, g->sandbox.unixctl, err);
	if (r >= 0)
		r = appctl_call(&g->control, NULL, err, "netdev-dummy/ip4addr", "br-phy", "192.0.2.1/24", NULL);
	if (r >= 0)
		r = appctl_call(&g->control, NULL, err, "ovs/route/add", "192.0.2.0/24", "br-phy", NULL);
	if (r >= 0)
		r = capture_open(g, "underlay", &g->underlay, err);
	if (r >= 0)
		r = capture_open(g, OVS_RIG_STRANGER, &g->stranger, err);
	return r;
}

int ovs_rig_open(struct ovs_rig *g, struct err *err)
{
	struct driver_events events = { .port = on_port, .lost = on_lost, .arg = g };
	struct driver_config config = { .vxlan_udp_port = VXLAN_PORT,
					.local_ip = "flow",
					.integration_bridge = SANDBOX_BRIDGE,
					.datapath_type = "dummy",
					.trace = true };
	_cleanup_(freep) char *ovsdb = NULL;
	int r;

	memset(g, 0, sizeof(*g));
	g->barrier.fd = g->control.fd = g->underlay.fd = g->stranger.fd = -1;
	g->sandbox.alive = -1;
	g->loop = loop_new();
	r = open_switch(g, err);
	if (r >= 0) {
		config.state_dir = g->sandbox.dir;
		config.ovsdb = ovsdb = xasprintf("unix:%s", g->sandbox.db);
		r = driver_ovs.open(&config, g->loop, &events, &g->driver, err);
	}
	if (r < 0)
		ovs_rig_close(g);
	return r;
}

void ovs_rig_close(struct ovs_rig *g)
{
	if (g->driver)
		driver_ovs.close(g->driver);
	g->driver = NULL;
	for (size_t i = 0; i < g->n_ports; i++)
		pcap_close(&g->ports[i].out);
	free(g->ports);
	plan_free(g->plan);
	pcap_close(&g->underlay);
	pcap_close(&g->stranger);
	appctl_close(&g->control);
	appctl_close(&g->barrier);
	loop_free(g->loop);
	sandbox_stop(&g->sandbox);
}
