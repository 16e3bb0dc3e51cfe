/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench-ovs: what the Open vSwitch driver takes for a sync and for a change, on a host with many flows: a real agent
 * in this process, told of a cloud by a server's end that is here too, and an Open vSwitch of its own with the dummy
 * datapath.
 *
 *     bench-ovs RUNS
 *
 * All of it runs in front of what else wants to. Prints a line of JSON: the runs of each measure in milliseconds, and
 * the figures that make them believable.
 *
 *     sync     agent's start with its snapshot, no flow of ours in the switch: from the driver's call to its answer
 *     same     agent's start, all flows there
 *     down, up, go, come   one port's change: from the server's message to the driver's answer, that is the switch's to
 *                          the bundle
 *
 * Mods are counted where they are sent. One that adds must carry the cookie of a record that the change has, or of a
 * set that such a record is in; and a change must bring back as many flows as its opposite has taken away: so a change
 * that touches other flows is an error.
 */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/openflow.h"
#include "driver/ovs/pipeline.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"
#include "io/stream.h"

#define NETWORKS 20
#define PEERS 50
#define PORTS_HERE 10 /* of each network */
#define PORTS_THERE 180
#define ROUTERS (NETWORKS / 2)
#define FLOWS 20000 /* at least */
#define WAIT_US 20000000 /* an event that does not come in this time never does */
#define INCARNATION "6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01"
#define COOKIE_TABLE(cookie) ((uint8_t)((cookie) >> 32))

static struct {
	struct loop *loop;
	struct sandbox sandbox;
	struct agent_config config;
	struct driver_ops ops; /* driver_ovs, with the calls timed */
	struct agent *agent;
	struct listener *listener;
	struct stream *stream;
	UT_string *text; /* what is being said */
	unsigned position, up; /* ports that were reported to be up */
	/* The driver's call that is out, or was the last one. */
	driver_done done;
	void *done_arg;
	double began, ended;
	size_t calls, mods, n_cookies;
	uint64_t *cookies;
} bench;

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench-ovs: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	sandbox_stop(&bench.sandbox);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void turn(void)
{
	if (loop_turn(bench.loop, WAIT_US) <= 0)
		die("nothing happens any more");
}

/* ---- the driver, watched ---- */

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	(void)arg;
	bench.ended = now();
	bench.calls++;
	if (n > 0)
		die("the driver failed: %s", failures[0].text);
	bench.done(failures, n, bench.done_arg);
}

static void begin(driver_done done, void *arg)
{
	bench.began = now();
	bench.done = done;
	bench.done_arg = arg;
}

static void watched_sync(struct driver *d, const struct plan *plan, driver_done done, void *arg)
{
	begin(done, arg);
	driver_ovs.sync(d, plan, on_done, NULL);
}

static void allow(const struct plan_record *r)
{
	bench.cookies = xrealloc(bench.cookies, (bench.n_cookies + 1) * sizeof(*bench.cookies));
	bench.cookies[bench.n_cookies++] = pipeline_cookie(r);
}

static void watched_apply(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg)
{
	begin(done, arg);
	for (size_t i = 0; i < changes->n; i++)
		allow(&changes->items[i].record);
	driver_ovs.apply(d, changes, on_done, NULL);
}

void __real_openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			    void *arg);
void __wrap_openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			    void *arg);
void __wrap_openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			    void *arg)
{
	bench.mods += n;
	for (size_t i = 0; i < n && bench.n_cookies > 0; i++) {
		uint64_t cookie = mods[i].flow->cookie;
		size_t k = 0;

		if (mods[i].op == FLOW_DELETE)
			continue;
		while (k < bench.n_cookies && bench.cookies[k] != cookie)
			k++;
		if (k == bench.n_cookies && COOKIE_TABLE(cookie) < 0x80)
			die("a change touches a flow that is not its own, of cookie %#llx", (unsigned long long)cookie);
	}
	__real_openflow_bundle(o, mods, n, done, arg);
}

/* ---- the server's end ---- */

static void on_line(struct stream *s, char *line, size_t len, void *arg)
{
	(void)s;
	(void)len;
	(void)arg;
	for (char *at = line; (at = strstr(at, "\"state\":\"up\"")); at++)
		bench.up++;
}

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	return stream_lines(s, bytes, n, on_line, arg);
}

static void on_closed(struct stream *s, int r, const char *why, void *arg)
{
	(void)r;
	(void)why;
	(void)arg;
	if (bench.stream == s)
		bench.stream = NULL;
}

static const struct stream_events stream_events = { .data = on_data, .closed = on_closed };

static void on_accept(int fd, const char *peer, void *arg)
{
	const struct stream_options options = { .max_backlog = 64 << 20 };

	(void)peer;
	(void)arg;
	bench.stream = stream_new(bench.loop, fd, &options, &stream_events, NULL);
}

static void say(void)
{
	stream_send(bench.stream, utstring_body(bench.text), utstring_len(bench.text));
	utstring_clear(bench.text);
}

#define LINE(...) utstring_printf(bench.text, __VA_ARGS__)
#define PORT_UUID "%08x-0b1e-4f0e-9d52-2f4b6f1f6a0c"

/* The `n`th of a network, from 1: its number, its MAC and its address all say who it is. */
static unsigned port_number(unsigned network, unsigned n)
{
	return network * 1000 + n;
}

static void line_endpoint(unsigned network, unsigned n, unsigned host)
{
	LINE("{\"set\":{\"kind\":\"endpoint\",\"num\":%u,\"unit\":\"network:%u\",\"network\":%u,\"host\":%u,\"next\":0,"
	     "\"mac\":\"fa:16:3e:00:%02x:%02x\",\"ips\":[\"10.%u.1.%u\"]}}\n",
	     port_number(network, n), network, network, host, network, n, network, n);
}

static void line_port(unsigned network, unsigned n, bool up)
{
	LINE("{\"set\":{\"kind\":\"port\",\"num\":%u,\"unit\":\"host:1\",\"uuid\":\"" PORT_UUID "\",\"network\":%u,"
	     "\"mac\":\"fa:16:3e:00:%02x:%02x\",\"admin_state_up\":%s,\"port_security\":true,"
	     "\"device_owner\":\"compute:nova\",\"addrs\":[{\"mac\":\"fa:16:3e:00:%02x:%02x\","
	     "\"prefix\":\"10.%u.1.%u/32\"}]}}\n",
	     port_number(network, n), port_number(network, n), network, network, n, up ? "true" : "false", network, n,
	     network, n);
}

static void line_del(const char *kind, unsigned network, unsigned n)
{
	LINE("{\"del\":{\"kind\":\"%s\",\"num\":%u}}\n", kind, port_number(network, n));
}

static void line_frame(void)
{
	LINE("{\"frame\":{\"position\":%u,\"request_id\":\"req-%u\"}}\n", bench.position + 1, bench.position + 1);
	bench.position++;
}

static void lines_of_hosts(void)
{
	for (unsigned h = 1; h <= 1 + PEERS; h++)
		LINE("{\"set\":{\"kind\":\"%s\",\"num\":%u,\"unit\":\"%s:%u\",\"name\":\"compute%u\","
		     "\"tunnel\":\"127.0.1.%u\",\"dvr_mac\":\"fa:16:3f:00:00:%02x\"}}\n",
		     h == 1 ? "host" : "peer", h, h == 1 ? "host" : "peer", h, h, h, h);
	for (unsigned r = 1; r <= ROUTERS; r++) {
		LINE("{\"set\":{\"kind\":\"router\",\"num\":%u,\"unit\":\"router:%u\","
		     "\"uuid\":\"%08x-0b1e-4f0e-9d52-2f4b6f1f6a0d\",\"admin_state_up\":true,\"distributed\":true}}\n",
		     r, r, r);
		for (unsigned h = 1; h <= 1 + PEERS; h++)
			LINE("{\"set\":{\"kind\":\"member\",\"router\":%u,\"host\":%u,\"unit\":\"router:%u\"}}\n", r, h,
			     r);
	}
}

static void lines_of_network(unsigned net)
{
	unsigned router = 1 + (net - 1) / 2;

	LINE("{\"set\":{\"kind\":\"network\",\"num\":%u,\"unit\":\"network:%u\",\"uuid\":"
	     "\"%08x-0b1e-4f0e-9d52-2f4b6f1f6a0e\",\"type\":\"vxlan\",\"physical_network\":\"\","
	     "\"segmentation_id\":%u,\"mtu\":1450}}\n",
	     net, net, net, 4000 + net);
	LINE("{\"set\":{\"kind\":\"subnet\",\"num\":%u,\"unit\":\"network:%u\",\"uuid\":"
	     "\"%08x-0b1e-4f0e-9d52-2f4b6f1f6a0f\",\"network\":%u,\"cidr\":\"10.%u.0.0/"
	     "16\",\"gateway\":\"10.%u.0.1\"}}\n",
	     net, net, net, net, net, net);
	LINE("{\"set\":{\"kind\":\"interface\",\"num\":%u,\"unit\":\"router:%u\",\"uuid\":"
	     "\"%08x-0b1e-4f0e-9d52-2f4b6f1f6a10\",\"router\":%u,\"network\":%u,\"admin_state_up\":true,"
	     "\"mac\":\"fa:16:3e:01:00:%02x\",\"addrs\":[\"10.%u.0.1/16\"]}}\n",
	     port_number(net, 0), router, net, router, net, net, net);
	for (unsigned n = 1; n <= PORTS_HERE; n++) {
		line_endpoint(net, n, 1);
		line_port(net, n, true);
	}
	for (unsigned n = PORTS_HERE + 1; n <= PORTS_HERE + PORTS_THERE; n++)
		line_endpoint(net, n, 2 + n % PEERS);
}

static void lines_of_cloud(void)
{
	lines_of_hosts();
	for (unsigned net = 1; net <= NETWORKS; net++)
		lines_of_network(net);
	LINE("{\"frame\":{\"position\":%u,\"snapshot\":true}}\n", ++bench.position);
}

/* ---- the agent ---- */

static void agent_up(void)
{
	struct err err = { 0 };

	bench.calls = bench.mods = bench.n_cookies = 0;
	if (agent_open(bench.loop, &bench.config, &bench.agent, &err) < 0)
		die("%s", err.text);
}

static void agent_down(void)
{
	bench.agent = agent_close(bench.agent);
	stream_close(bench.stream);
	bench.stream = NULL;
}

static void welcome(const char *mode)
{
	while (!bench.stream)
		turn();
	LINE("{\"welcome\":{\"proto\":1,\"incarnation\":\"" INCARNATION "\",\"host\":1,\"mode\":\"%s\"}}\n", mode);
}

static void until_applied(void)
{
	while (!apply_idle(agent_apply(bench.agent)) || apply_position(agent_apply(bench.agent)) < bench.position)
		turn();
}

/* A dummy device for each port of this host, as Nova's os-vif would plug it; one more of network 1 for what comes and
 * goes. */
static void plug(void)
{
	UT_string *s;

	utstring_new(s);
	utstring_printf(s, "ovs-vsctl --timeout=60");
	for (unsigned net = 1; net <= NETWORKS; net++)
		for (unsigned n = 1; n <= PORTS_HERE; n++)
			utstring_printf(s,
					" -- add-port br-int p%u -- set interface p%u type=dummy "
					"external_ids:iface-id=" PORT_UUID,
					port_number(net, n), port_number(net, n), port_number(net, n));
	if (sandbox_run(&bench.sandbox, NULL, "%s", utstring_body(s)) != 0)
		die("the devices cannot be plugged");
	utstring_free(s);
}

/* ---- what is measured ---- */

static size_t first_sync(void)
{
	agent_up();
	welcome("snapshot");
	lines_of_cloud();
	say();
	until_applied();
	while (bench.up < NETWORKS * PORTS_HERE)
		turn();
	agent_down();
	return bench.mods;
}

static double restart(bool emptied)
{
	if (emptied && sandbox_run(&bench.sandbox, NULL, "ovs-ofctl -O OpenFlow14 del-flows br-int") != 0)
		die("the flows cannot be removed");
	agent_up();
	while (bench.calls == 0)
		turn();
	agent_down();
	if (emptied && bench.mods < FLOWS)
		die("only %zu flows", bench.mods);
	if (!emptied && bench.mods > 0)
		die("%zu changes where nothing differs", bench.mods);
	return bench.ended - bench.began;
}

/* A frame with what stands in bench.text. */
static double change(size_t *ret_mods)
{
	double began = now();

	bench.mods = bench.n_cookies = 0;
	bench.ended = 0;
	line_frame();
	say();
	until_applied();
	if (bench.ended == 0)
		die("the change did not reach the driver");
	*ret_mods = bench.mods;
	return bench.ended - began;
}

static void print_runs(const char *name, const double *runs, size_t n)
{
	printf(", \"%s\": [", name);
	for (size_t i = 0; i < n; i++)
		printf("%s%.3f", i ? ", " : "", runs[i]);
	putchar(']');
}

static void measure_syncs(size_t runs)
{
	double *ms = xcalloc(runs, sizeof(*ms));

	for (size_t i = 0; i < runs; i++)
		ms[i] = restart(true);
	printf("\"flows\": %zu", bench.mods);
	print_runs("sync", ms, runs);
	for (size_t i = 0; i < runs; i++)
		ms[i] = restart(false);
	print_runs("same", ms, runs);
	free(ms);
}

enum step { DOWN, UP, GO, COME, N_STEPS }; /* each but the first of two takes back what the one before did */

static double take_step(enum step step, unsigned net, unsigned n, size_t *ret_mods)
{
	if (step == GO) {
		line_del("port", net, n);
		line_del("endpoint", net, n);
	} else {
		line_endpoint(net, n, 1);
		line_port(net, n, step != DOWN);
	}
	return change(ret_mods);
}

static void measure_changes(size_t runs)
{
	static const char *const names[N_STEPS] = { "down", "up", "go", "come" };
	double *ms[N_STEPS];
	size_t mods[N_STEPS], most = 0;

	for (enum step step = DOWN; step < N_STEPS; step++)
		ms[step] = xcalloc(runs, sizeof(*ms[step]));
	agent_up();
	welcome("resume");
	say();
	while (bench.calls == 0)
		turn();
	for (size_t i = 0; i < runs; i++) {
		unsigned net = 1 + (unsigned)i % NETWORKS, n = 1 + (unsigned)i / NETWORKS % PORTS_HERE;

		for (enum step step = DOWN; step < N_STEPS; step++) {
			ms[step][i] = take_step(step, net, n, &mods[step]);
			most = mods[step] > most ? mods[step] : most;
			if (step % 2 == 1 && mods[step] != mods[step - 1])
				die("%zu flows were taken away, %zu brought back", mods[step - 1], mods[step]);
		}
	}
	printf(", \"mods\": %zu", most);
	for (enum step step = DOWN; step < N_STEPS; step++) {
		print_runs(names[step], ms[step], runs);
		free(ms[step]);
	}
	agent_down();
}

int main(int argc, char **argv)
{
	const struct sched_param first = { .sched_priority = 1 };
	size_t runs = argc == 2 ? (size_t)atoi(argv[1]) : 0;
	char server[96], snapshot[96], ovsdb[96];
	struct err err = { 0 };

	if (runs == 0) {
		fputs("usage: bench-ovs RUNS\n", stderr);
		return 2;
	}
	if (sched_setscheduler(0, SCHED_RR, &first) < 0)
		die("sched_setscheduler: %s", strerror(errno));
	log_set_level(LOG_LEVEL_WARN);
	if (sandbox_start(&bench.sandbox, &err) < 0)
		die("%s", err.text);
	snprintf(server, sizeof(server), "unix:%s/server", bench.sandbox.dir);
	snprintf(snapshot, sizeof(snapshot), "%s/agent.snapshot", bench.sandbox.dir);
	snprintf(ovsdb, sizeof(ovsdb), "unix:%s", bench.sandbox.db);
	bench.ops = driver_ovs;
	bench.ops.sync = watched_sync;
	bench.ops.apply = watched_apply;
	bench.config = (struct agent_config) {
		.host = "compute1",
		.server = server,
		.token = "secret",
		.snapshot_path = snapshot,
		.tunnel_ip = "127.0.1.1",
		.agent_mode = "dvr",
		.ops = &bench.ops,
		.driver = { .state_dir = bench.sandbox.dir,
			    .vxlan_udp_port = 4789,
			    .local_ip = "127.0.1.1",
			    .ovsdb = ovsdb,
			    .integration_bridge = SANDBOX_BRIDGE,
			    .datapath_type = "dummy" },
	};
	utstring_new(bench.text);
	bench.loop = loop_new();
	if (listener_open(bench.loop, server, on_accept, NULL, &bench.listener, &err) < 0)
		die("%s", err.text);
	plug();
	first_sync();
	putchar('{');
	measure_syncs(runs);
	measure_changes(10 * runs);
	puts("}");
	listener_close(bench.listener);
	loop_free(bench.loop);
	utstring_free(bench.text);
	free(bench.cookies);
	sandbox_stop(&bench.sandbox);
	return 0;
}
