/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/vswitch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/jsonrpc.h"
#include "driver/ovs/sandbox.h"
#include "io/loop.h"
#include "io/stream.h"

/* vswitch on a real ovsdb-server and ovs-vswitchd with the dummy datapath. */

#define WAIT_US 60000000 /* a test that waits this long for an event has failed */
#define ID(n) "00000000-0000-4000-8000-0000000000" n

struct bed {
	struct sandbox box;
	struct loop *loop;
	struct vswitch_config config;
	struct vswitch *v;
	char where[96];
	unsigned readies, ifaces, gones;
	uint32_t tunnel;
	char mgmt[128];
	struct vswitch_iface last; /* of iface() */
	struct uuid gone;
	char warnings[4096];
};

static struct bed bed;

static void on_ready(const char *mgmt, uint32_t tunnel_ofport, void *arg)
{
	struct bed *b = arg;

	b->readies++;
	b->tunnel = tunnel_ofport;
	snprintf(b->mgmt, sizeof(b->mgmt), "%s", mgmt);
}

static void on_iface(const struct vswitch_iface *i, void *arg)
{
	struct bed *b = arg;

	b->ifaces++;
	b->last = *i;
}

static void on_iface_gone(const struct uuid *port, void *arg)
{
	struct bed *b = arg;

	b->gones++;
	b->gone = *port;
}

static void on_warning(const char *text, void *arg)
{
	struct bed *b = arg;
	size_t n = strlen(b->warnings);

	snprintf(b->warnings + n, sizeof(b->warnings) - n, "%s\n", text);
}

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		uint64_t end = loop_now_us(bed.loop) + WAIT_US;                                                        \
		while (!(what)) {                                                                                      \
			if (loop_now_us(bed.loop) > end)                                                               \
				fail_msg("does not come: %s; warning: %s", #what, bed.warnings);                       \
			loop_turn(bed.loop, WAIT_US);                                                                  \
		}                                                                                                      \
	} while (0)

static void sh(const char *command)
{
	assert_int_equal(sandbox_run(&bed.box, NULL, "%s", command), 0);
}

static void open_vswitch(void)
{
	static const struct vswitch_events events = {
		.ready = on_ready, .iface = on_iface, .iface_gone = on_iface_gone, .warning = on_warning, .arg = &bed
	};
	struct err err;

	if (vswitch_open(bed.loop, &bed.config, &events, &bed.v, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct err err;
	int r;

	(void)state;
	memset(&bed, 0, sizeof(bed));
	r = sandbox_start(&bed.box, &err);
	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		return 0;
	}
	if (r < 0)
		return r;
	bed.loop = loop_new();
	snprintf(bed.where, sizeof(bed.where), "unix:%s", bed.box.db);
	bed.config = (struct vswitch_config) { .ovsdb = bed.where,
					       .bridge = "br-int",
					       .datapath_type = "dummy",
					       .local_ip = "192.0.2.1",
					       .vxlan_udp_port = 4789 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vswitch_close(bed.v);
	loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

/* What a command prints, without its last newline. */
static const char *printed(const char *command)
{
	static char text[4096];
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	assert_int_equal(sandbox_run(&bed.box, out, "%s", command), 0);
	snprintf(text, sizeof(text), "%s", utstring_body(out));
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static uint32_t number(const char *command)
{
	return (uint32_t)strtoul(printed(command), NULL, 10);
}

static void need_sandbox(void)
{
	if (!bed.loop)
		skip();
}

static void test_bridge_is_made(void **state)
{
	(void)state;
	need_sandbox();
	bed.config.bridge = "br-own";
	open_vswitch();
	UNTIL(bed.readies == 1);
	assert_string_equal(strrchr(bed.mgmt, '/'), "/br-own.mgmt");
	assert_string_equal(
		printed("ovs-vsctl get bridge br-own fail_mode datapath_type external_ids other_config | xargs"),
		"secure dummy {neutrino=true} {disable-in-band=true}");
	assert_string_equal(printed("ovs-vsctl get interface vxlan-neutrino type options | xargs"),
			    "vxlan {dst_port=4789, key=flow, local_ip=192.0.2.1, remote_ip=flow}");
	assert_int_equal(bed.tunnel, number("ovs-vsctl get interface vxlan-neutrino ofport"));
	assert_string_equal(bed.warnings, "");
}

static void add_port(const char *name, const char *id)
{
	assert_int_equal(
		sandbox_run(&bed.box, NULL,
			    "ovs-vsctl add-port br-int %s -- set interface %s type=dummy external_ids:iface-id=%s",
			    name, name, id),
		0);
}

static void assert_id(const struct uuid *port, const char *id)
{
	char text[UUID_TEXT_SIZE];

	assert_string_equal(uuid_format(port, text), id);
}

static void test_bridge_is_adopted(void **state)
{
	(void)state;
	need_sandbox();
	sh("ovs-vsctl set-fail-mode br-int standalone -- remove bridge br-int other_config disable-in-band -- "
	   "set-controller br-int tcp:127.0.0.1:1 -- add-port br-int other -- set interface other type=dummy -- "
	   "add-port br-int vxlan-neutrino -- set interface vxlan-neutrino type=vxlan options:remote_ip=192.0.2.9");
	open_vswitch();
	UNTIL(bed.readies > 0 && bed.tunnel == number("ovs-vsctl get interface vxlan-neutrino ofport") &&
	      strstr(printed("ovs-vsctl get interface vxlan-neutrino options"), "remote_ip=flow"));
	assert_string_equal(printed("ovs-vsctl get bridge br-int fail_mode external_ids other_config | xargs"),
			    "secure {} {disable-in-band=true}");
	assert_string_equal(printed("ovs-vsctl get-controller br-int"), "tcp:127.0.0.1:1");
	sh("ovs-vsctl get interface other ofport");
	assert_non_null(strstr(bed.warnings, "fail_mode was standalone"));
	assert_non_null(strstr(bed.warnings, "in-band"));
	assert_non_null(strstr(bed.warnings, "options of vxlan-neutrino"));
}

/* As Neutron's agents of old have left it. One that says nothing about versions speaks all. */
static void test_bridge_of_old_versions(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	assert_string_equal(printed("ovs-vsctl get bridge br-int protocols"), "[]");
	sh("ovs-vsctl set bridge br-int protocols=OpenFlow10,OpenFlow13");
	UNTIL(!strcmp(printed("ovs-vsctl get bridge br-int protocols"), "[OpenFlow10, OpenFlow13, OpenFlow14]"));
	assert_non_null(strstr(bed.warnings, "OpenFlow14 is added to the protocols of br-int"));
}

static void test_interfaces(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	sh("ovs-vsctl add-port br-int stranger -- set interface stranger type=dummy external_ids:iface-id=me");
	add_port("p1", ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	assert_id(&bed.last.port, ID("01"));
	assert_string_equal(bed.last.name, "p1");
	assert_int_equal(bed.last.ofport, number("ovs-vsctl get interface p1 ofport"));
	/* its number changes */
	sh("ovs-vsctl set interface p1 ofport_request=77");
	UNTIL(bed.last.ofport == 77);
	/* plugged again under another name, in one transaction */
	bed.ifaces = 0;
	sh("ovs-vsctl --no-wait del-port p1 -- add-port br-int p2 -- set interface p2 type=dummy "
	   "external_ids:iface-id=" ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	assert_string_equal(bed.last.name, "p2");
	assert_int_equal(bed.gones, 0);
	sh("ovs-vsctl del-port p2");
	UNTIL(bed.gones == 1);
	assert_id(&bed.gone, ID("01"));
}

static void test_missing_device(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	sh("ovs-vsctl --no-wait add-port br-int p1 -- set interface p1 type=nonsense external_ids:iface-id=" ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_BAD);
	assert_string_equal(bed.last.text,
			    "could not open network device p1 (Address family not supported by protocol)");
	assert_int_equal(bed.last.ofport, 0);
	sh("ovs-vsctl set interface p1 type=dummy");
	UNTIL(bed.last.state == VSWITCH_IFACE_UP);
	assert_string_equal(bed.last.text, "");
}

/* The kernel datapath's word for what the userspace one says by an ifindex of 0. */
static void test_gone_device(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	add_port("p1", ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	sh("ovs-vsctl --no-wait set interface p1 ofport=-1 "
	   "error='\"could not open network device p1 (No such device)\"'");
	UNTIL(bed.last.state != VSWITCH_IFACE_UP);
	assert_int_equal(bed.last.state, VSWITCH_IFACE_WAIT);
	assert_string_equal(bed.last.text, "");
}

/* What somebody deletes is made again, and told again. */
static void test_healed(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	add_port("p1", ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	sh("ovs-vsctl del-port vxlan-neutrino"); /* made again at once it would keep its number: no news */
	UNTIL(bed.readies == 2);
	assert_int_equal(bed.tunnel, number("ovs-vsctl get interface vxlan-neutrino ofport"));
	sh("ovs-vsctl --no-wait del-br br-int");
	UNTIL(bed.readies == 3 && bed.gones == 1);
	assert_string_equal(printed("ovs-vsctl get bridge br-int fail_mode external_ids | xargs"),
			    "secure {neutrino=true}");
	assert_string_equal(printed("ovs-vsctl list-ports br-int"), "vxlan-neutrino");
	sh("ovs-vsctl --no-wait set interface vxlan-neutrino options:local_ip=192.0.2.7");
	UNTIL(strstr(bed.warnings, "options"));
	UNTIL(strstr(printed("ovs-vsctl get interface vxlan-neutrino options"), "local_ip=\"192.0.2.1\""));
}

static void test_no_tunnel(void **state)
{
	(void)state;
	need_sandbox();
	sh("ovs-vsctl add-port br-int vxlan-neutrino -- set interface vxlan-neutrino type=vxlan "
	   "options:remote_ip=flow");
	bed.config.local_ip = NULL;
	open_vswitch();
	UNTIL(bed.readies == 1 && !*printed("ovs-vsctl list-ports br-int"));
	assert_int_equal(bed.tunnel, 0);
}

static void test_rivals(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	add_port("pb", ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	/* one that does not work does not count, whatever its name */
	sh("ovs-vsctl --no-wait add-port br-int pa -- set interface pa type=nonsense external_ids:iface-id=" ID("01"));
	UNTIL(strstr(bed.warnings, "iface-id " ID("01") " stands at pb and pa: pb is the port"));
	assert_string_equal(bed.last.name, "pb");
	sh("ovs-vsctl --no-wait set interface pa type=dummy");
	UNTIL(!strcmp(bed.last.name, "pa") && bed.last.state == VSWITCH_IFACE_UP);
	UNTIL(strstr(bed.warnings, "stands at pa and pb: pa is the port"));
	sh("ovs-vsctl --no-wait del-port pa");
	UNTIL(!strcmp(bed.last.name, "pb"));
	assert_int_equal(bed.gones, 0);
}

static const char *mark_of_port(const char *name)
{
	static char text[16];
	char command[128];

	snprintf(command, sizeof(command),
		 "ovs-vsctl --if-exists get interface %s external_ids:neutrino-installed | xargs", name);
	snprintf(text, sizeof(text), "%s", printed(command));
	return text;
}

static void test_installed(void **state)
{
	struct uuid port;

	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	add_port("p1", ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	port = bed.last.port;
	assert_string_equal(mark_of_port("p1"), "");
	vswitch_installed(bed.v, &port, true);
	UNTIL(!strcmp(mark_of_port("p1"), "true"));
	vswitch_installed(bed.v, &port, false);
	UNTIL(!strcmp(mark_of_port("p1"), ""));
	vswitch_installed(bed.v, &port, true);
	UNTIL(!strcmp(mark_of_port("p1"), "true"));
	/* somebody else takes it away */
	sh("ovs-vsctl --no-wait remove interface p1 external_ids neutrino-installed");
	UNTIL(!strcmp(mark_of_port("p1"), "true"));
	/* with another number the flows are not in */
	sh("ovs-vsctl --no-wait set interface p1 ofport_request=88");
	UNTIL(bed.last.ofport == 88 && !strcmp(mark_of_port("p1"), ""));
	vswitch_installed(bed.v, &port, true);
	UNTIL(!strcmp(mark_of_port("p1"), "true"));
	/* who gives the device to another port must not find that its flows are in */
	sh("ovs-vsctl --no-wait remove interface p1 external_ids iface-id");
	UNTIL(bed.gones == 1 && !strcmp(mark_of_port("p1"), ""));
	bed.ifaces = 0;
	sh("ovs-vsctl --no-wait set interface p1 external_ids:iface-id=" ID("01"));
	UNTIL(bed.ifaces == 1);
	vswitch_installed(bed.v, &port, true);
	UNTIL(!strcmp(mark_of_port("p1"), "true"));
	/* left alone by the next run, until it says so */
	bed.v = vswitch_close(bed.v);
	bed.ifaces = 0;
	open_vswitch();
	UNTIL(bed.ifaces == 1);
	assert_string_equal(mark_of_port("p1"), "true");
	vswitch_installed(bed.v, &port, false);
	UNTIL(!strcmp(mark_of_port("p1"), ""));
}

/* Records of the database's log: transactions of everybody. */
static uint32_t transactions(void)
{
	return number("ovsdb-tool show-log conf.db | grep -c ^record");
}

/* Many at once are one transaction. */
static void test_batch(void **state)
{
	enum { N = 100 };
	struct uuid port;
	uint32_t before;

	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	sh("ovs-vsctl $(for i in $(seq 100 199); do echo -- add-port br-int q$i -- set interface q$i type=dummy "
	   "external_ids:iface-id=00000000-0000-4000-8000-000000000$i; done)");
	UNTIL(bed.last.ofport > 0 && bed.ifaces >= N);
	before = transactions();
	for (int i = 100; i < 100 + N; i++) {
		char id[UUID_TEXT_SIZE];

		snprintf(id, sizeof(id), "00000000-0000-4000-8000-000000000%d", i);
		assert_int_equal(uuid_parse_text(id, &port), 0);
		vswitch_installed(bed.v, &port, true);
	}
	UNTIL(!strcmp(mark_of_port("q199"), "true"));
	assert_string_equal(mark_of_port("q100"), "true");
	assert_int_equal(transactions(), before + 1);
	assert_string_equal(bed.warnings, "");
}

/* The database is not there yet, is away, and comes back with less in it. */
static void test_database_away(void **state)
{
	(void)state;
	need_sandbox();
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	open_vswitch();
	UNTIL(strstr(bed.warnings, "waiting for Open vSwitch's database at unix:/"));
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	UNTIL(bed.readies == 1);
	add_port("p1", ID("01"));
	add_port("p2", ID("02"));
	UNTIL(bed.ifaces >= 2 && bed.last.state == VSWITCH_IFACE_UP);
	bed.ifaces = 0;
	bed.warnings[0] = '\0';
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	UNTIL(strstr(bed.warnings, "waiting for Open vSwitch's database at unix:/"));
	sh("ovsdb-tool transact conf.db '[\"Open_vSwitch\", {\"op\": \"update\", \"table\": \"Interface\", \"where\": "
	   "[[\"name\", \"==\", \"p2\"]], \"row\": {\"external_ids\": [\"map\", []]}}]'");
	assert_int_equal(bed.gones, 0);
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	UNTIL(bed.gones == 1);
	assert_id(&bed.gone, ID("02"));
	assert_int_equal(bed.ifaces, 0);
	assert_int_equal(bed.readies, 1);
}

static void test_vswitchd_away(void **state)
{
	(void)state;
	need_sandbox();
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	open_vswitch();
	UNTIL(strstr(bed.warnings, "waiting for ovs-vswitchd to make br-int"));
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.readies == 1);
}

/* A change that cannot be made is said, and made as soon as it can be. */
static void test_refused(void **state)
{
	(void)state;
	need_sandbox();
	sh("ovs-vsctl add-br br-x -- set bridge br-x datapath_type=dummy -- add-port br-x vxlan-neutrino -- "
	   "set interface vxlan-neutrino type=dummy");
	open_vswitch();
	UNTIL(strstr(bed.warnings,
		     "the database refused a change: vxlan-neutrino is a port of another bridge than br-int"));
	assert_int_equal(bed.readies, 0);
	sh("ovs-vsctl --no-wait del-br br-x");
	UNTIL(bed.readies == 1);
}

/* A database that nobody has used yet. */
static void test_new_database(void **state)
{
	(void)state;
	need_sandbox();
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	sh("rm conf.db && ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema");
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	open_vswitch();
	UNTIL(bed.readies == 1);
	assert_string_equal(printed("ovs-vsctl --no-wait list-br"), "br-int");
}

/* A database that was lost: the next one under its name is empty. */
static void test_lost_database(void **state)
{
	(void)state;
	need_sandbox();
	add_port("p1", ID("01"));
	open_vswitch();
	UNTIL(bed.readies == 1 && bed.last.state == VSWITCH_IFACE_UP);
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	UNTIL(*bed.warnings);
	sh("rm conf.db && ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema");
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	UNTIL(bed.gones == 1);
	assert_id(&bed.gone, ID("01"));
	UNTIL(bed.readies == 2);
	assert_string_equal(printed("ovs-vsctl --no-wait list-br"), "br-int");
}

/* ---- a server that is none: a test's own answers ---- */

static struct {
	struct listener *listener;
	struct stream *stream;
	const struct stream_events *events;
} fake;

static void on_accept(int fd, const char *peer, void *arg)
{
	(void)peer;
	(void)arg;
	fake.stream = stream_new(bed.loop, fd, NULL, fake.events, NULL);
}

static void fake_open(const struct stream_events *events)
{
	fake.events = events;
	fake.stream = NULL;
	assert_int_equal(listener_open(bed.loop, "tcp:127.0.0.1:0", on_accept, NULL, &fake.listener, NULL), 0);
	snprintf(bed.where, sizeof(bed.where), "tcp:127.0.0.1:%d", listener_port(fake.listener));
}

static void fake_close(void)
{
	bed.v = vswitch_close(bed.v);
	stream_close(fake.stream);
	listener_close(fake.listener);
}

/* ---- one that says yes to all, and does nothing ---- */

static unsigned transacts;

static size_t on_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	static const char schema[] = "{\"tables\":{}}", snapshot[] = "{}", done[] = "[{},{},{},{},{},{}]";
	struct jsonrpc_scan scan = { 0 };
	ssize_t end = jsonrpc_scan(&scan, bytes, n);
	_cleanup_(freep) char *answer = NULL;
	const char *method, *result;
	json_t *message;

	(void)arg;
	assert_true(end >= 0);
	if (end == 0)
		return 0;
	assert_int_equal(json_read(bytes, (size_t)end, &message, NULL), 0);
	method = json_string_value(json_object_get(message, "method"));
	transacts += !strcmp(method, "transact");
	result = !strcmp(method, "get_schema") ? schema : !strcmp(method, "monitor_cond") ? snapshot : done;
	answer = xasprintf("{\"id\":%d,\"error\":null,\"result\":%s}",
			   (int)json_integer_value(json_object_get(message, "id")), result);
	stream_send(s, answer, strlen(answer));
	json_decref(message);
	return (size_t)end;
}

static void test_without_effect(void **state)
{
	static const struct stream_events events = { .data = on_data };

	(void)state;
	need_sandbox();
	transacts = 0;
	fake_open(&events);
	open_vswitch();
	UNTIL(*bed.warnings);
	assert_string_equal(bed.warnings, "the database refused a change: it did not last\n");
	assert_int_equal(transacts, 1);
	UNTIL(transacts == 2); /* after a second */
	fake_close();
}

/* ---- one that has a dead device, and hangs up when it is to be plugged again ---- */

/* With ' for ". */
static const char dead[] =
	"{'Open_vSwitch':{'o':{'initial':{'ovs_version':'3.1.0'}}},"
	"'Bridge':{'b':{'initial':{'name':'br-int','datapath_type':'netdev','fail_mode':'secure',"
	"'other_config':['map',[['disable-in-band','true']]],'ports':['set',[['uuid','pl'],['uuid','p1']]]}}},"
	"'Port':{'pl':{'initial':{'name':'br-int','interfaces':['uuid','il']}},"
	"'p1':{'initial':{'name':'t1','interfaces':['uuid','i1']}}},"
	"'Interface':{'il':{'initial':{'name':'br-int','type':'internal','ofport':65534}},"
	"'i1':{'initial':{'name':'t1','type':'','ofport':4,'ifindex':7,'external_ids':['map',"
	"[['iface-id','" ID("01") "'],['neutrino-installed','true'],['neutrino-ifindex','5']]]}}}}";

static unsigned replugs;

static size_t on_data_of_dead(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct jsonrpc_scan scan = { 0 };
	ssize_t end = jsonrpc_scan(&scan, bytes, n);
	_cleanup_(freep) char *request = end > 0 ? xstrndup(bytes, (size_t)end) : NULL, *answer = NULL;
	const char *id;

	(void)arg;
	assert_true(end >= 0);
	if (end == 0)
		return 0;
	if (strstr(request, "\"transact\"")) {
		replugs += strstr(request, "neutrino-replug\",\"4,") != NULL;
		stream_close(s);
		fake.stream = NULL;
		return 0;
	}
	id = strstr(request, "\"id\":");
	assert_non_null(id);
	answer = xasprintf("{\"id\":%ld,\"error\":null,\"result\":%s}", strtol(id + 5, NULL, 10),
			   strstr(request, "get_schema") ? "{'tables':{}}" : dead);
	for (char *quote = answer; (quote = strchr(quote, '\''));)
		*quote = '"';
	stream_send(s, answer, strlen(answer));
	return (size_t)end;
}

/* It is dead as before, as long as nobody knows that it was plugged again. */
static void test_replug_cut_off(void **state)
{
	static const struct stream_events events = { .data = on_data_of_dead };

	(void)state;
	need_sandbox();
	replugs = 0;
	fake_open(&events);
	bed.config.datapath_type = "netdev";
	bed.config.local_ip = NULL;
	open_vswitch();
	UNTIL(replugs == 1);
	UNTIL(replugs == 2);
	assert_int_equal(bed.last.state, VSWITCH_IFACE_WAIT);
	fake_close();
}

static void test_other_datapath(void **state)
{
	(void)state;
	need_sandbox();
	bed.config.datapath_type = "system";
	open_vswitch();
	UNTIL(bed.readies == 1);
	assert_string_equal(bed.warnings, "br-int has datapath_type dummy, not system as configured: it is left so\n");
	assert_string_equal(printed("ovs-vsctl get bridge br-int datapath_type"), "dummy");
}

static void clean_up(void)
{
	struct err err;

	bed.v = vswitch_close(bed.v);
	assert_int_equal(vswitch_remains(&bed.config, &err), 1);
	if (vswitch_cleanup(&bed.config, &err) != 1)
		fail_msg("%s", err.text);
	assert_int_equal(vswitch_remains(&bed.config, &err), 0);
	assert_int_equal(vswitch_cleanup(&bed.config, &err), 0);
}

static void test_cleanup_of_own_bridge(void **state)
{
	(void)state;
	need_sandbox();
	bed.config.bridge = "br-own";
	open_vswitch();
	UNTIL(bed.readies == 1);
	clean_up();
	assert_string_equal(printed("ovs-vsctl list-br"), "br-int");
	/* with somebody's port in it, it stays */
	open_vswitch();
	UNTIL(bed.readies == 2);
	sh("ovs-vsctl add-port br-own p1 -- set interface p1 type=dummy external_ids:iface-id=" ID("01"));
	UNTIL(bed.ifaces > 0);
	vswitch_installed(bed.v, &bed.last.port, true);
	UNTIL(!strcmp(mark_of_port("p1"), "true"));
	clean_up();
	assert_string_equal(printed("ovs-vsctl list-ports br-own | xargs"), "p1");
	assert_string_equal(printed("ovs-vsctl get interface p1 external_ids"), "{iface-id=\"" ID("01") "\"}");
}

/* One that was being plugged again when its agent was killed gets its number back. */
static void test_cleanup_in_between(void **state)
{
	(void)state;
	need_sandbox();
	add_port("p1", ID("01"));
	sh("ovs-vsctl set interface p1 ofport_request=65000 external_ids:neutrino-replug=9,9 "
	   "external_ids:neutrino-installed=true external_ids:neutrino-ifindex=7");
	clean_up();
	assert_string_equal(printed("ovs-vsctl get interface p1 ofport_request external_ids | xargs"),
			    "9 {iface-id=" ID("01") "}");
}

static void test_cleanup_of_adopted_bridge(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	clean_up();
	assert_string_equal(printed("ovs-vsctl list-br"), "br-int");
	assert_string_equal(printed("ovs-vsctl list-ports br-int"), "");
}

static void test_cleanup_without_database(void **state)
{
	struct err err;

	(void)state;
	need_sandbox();
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	assert_int_equal(vswitch_remains(&bed.config, &err), 0);
	assert_int_equal(vswitch_cleanup(&bed.config, &err), 0); /* refused */
	assert_int_equal(unlink(bed.box.db), 0);
	assert_int_equal(vswitch_cleanup(&bed.config, &err), 0); /* no such path */
}

/* It takes connections, and says nothing. */
static void test_cleanup_without_an_answer(void **state)
{
	struct stream *stream;
	struct listener *listener;
	struct err err;

	(void)state;
	need_sandbox();
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	assert_int_equal(listener_open(bed.loop, bed.config.ovsdb, on_accept, &stream, &listener, &err), 0);
	assert_int_equal(vswitch_cleanup(&bed.config, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "db.sock"));
	listener_close(listener);
}

#define LONG "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789"

static void test_rundir(void **state)
{
	static const char *const cases[][2] = { { "unix:/run/ovs/db.sock", "/run/ovs" },
						{ "unix:/db.sock", "/" },
						{ "unix:db.sock", "/var/run/openvswitch" },
						{ "unix:" LONG "/db.sock", LONG },
						{ "tcp:127.0.0.1:6640", "/var/run/openvswitch" } };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		_cleanup_(freep) char *dir = vswitch_rundir(cases[i][0]);

		assert_string_equal(dir, cases[i][1]);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_bridge_is_made),
		T(test_bridge_is_adopted),
		T(test_bridge_of_old_versions),
		T(test_interfaces),
		T(test_missing_device),
		T(test_gone_device),
		T(test_healed),
		T(test_no_tunnel),
		T(test_rivals),
		T(test_installed),
		T(test_batch),
		T(test_database_away),
		T(test_vswitchd_away),
		T(test_refused),
		T(test_new_database),
		T(test_lost_database),
		T(test_without_effect),
		T(test_replug_cut_off),
		T(test_other_datapath),
		T(test_cleanup_of_own_bridge),
		T(test_cleanup_in_between),
		T(test_cleanup_of_adopted_bridge),
		T(test_cleanup_without_database),
		T(test_cleanup_without_an_answer),
		cmocka_unit_test(test_rundir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
