/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"
#include "net/icmp_error.h"

/* The driver on a real ovsdb-server and ovs-vswitchd with the dummy datapath. */

#define TURN_US 20000000 /* a test that waits this long for an event has failed */
#define UUID(n) "00000000-0000-4000-8000-00000000000" n

#define HOST "host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=one\n"
#define PEER "peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=two\n"
#define SEGMENT "segment type=vxlan id=100 network=7 mtu=1450 uuid=" UUID("f") "\n"
#define PORT_3 "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3 uuid=" UUID("3") "\n"
#define PORT_4 "port port=4 network=7 mac=fa:16:3e:00:00:04 addrs=10.0.1.4 uuid=" UUID("4") "\n"
#define PORT_5 "port port=5 network=7 mac=fa:16:3e:00:00:05 addrs=10.0.1.5 uuid=" UUID("5") "\n"
#define PORTS PORT_3 PORT_4
#define FDB_34 "fdb network=7 mac=fa:16:3e:00:00:03 port=3\nfdb network=7 mac=fa:16:3e:00:00:04 port=4\n"
#define FDB FDB_34 "fdb network=7 mac=fa:16:3e:00:00:05 peer=2\n"
#define NEIGHBOUR "neighbour network=7 ip=10.0.1.9 mac=fa:16:3e:00:00:09\n"
#define NEIGHBOURS                                                                                                     \
	NEIGHBOUR "neighbour network=7 ip=10.0.1.10 mac=fa:16:3e:00:00:0a\n"                                           \
		  "neighbour network=7 ip=10.0.1.11 mac=fa:16:3e:00:00:0b\n"
#define FLOOD "flood network=7 host=2\n"
#define FLOOD_3 "flood network=7 host=3\n"
#define PLAN HOST PEER SEGMENT PORTS FDB FLOOD

struct bed {
	struct sandbox box;
	struct loop *loop;
	struct driver_config config;
	struct driver *driver;
	char where[96];
	unsigned dones, lost;
	size_t n_failures;
	char failures[4096]; /* a line each */
	char told[4096]; /* "3:ready " for each event */
	char warnings[4096];
};

static struct bed bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		while (!(what))                                                                                        \
			if (loop_turn(bed.loop, TURN_US) == 0)                                                         \
				fail_msg("does not come: %s; told: %s", #what, bed.told);                              \
	} while (0)

static void append(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t size, const char *format, ...)
{
	size_t n = strlen(to);
	va_list args;

	va_start(args, format);
	vsnprintf(to + n, size - n, format, args);
	va_end(args);
}

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	static const char *const names[] = {
		[DRIVER_PORT_ABSENT] = "absent", [DRIVER_PORT_READY] = "ready", [DRIVER_PORT_FAILED] = "failed"
	};
	struct bed *b = arg;

	append(b->told, sizeof(b->told), "%u:%s%s%s ", port, names[state], *text ? ":" : "", text);
}

static void on_lost(void *arg)
{
	((struct bed *)arg)->lost++;
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct bed *b = arg;

	b->dones++;
	b->n_failures = n;
	b->failures[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;

		utstring_new(text);
		plan_record_format(&failures[i].record, text);
		append(b->failures, sizeof(b->failures), "%s: %s\n", utstring_body(text), failures[i].text);
	}
}

/* ------------------------------------------------------------------ steps */

static void sh(const char *command)
{
	assert_int_equal(sandbox_run(&bed.box, NULL, "%s", command), 0);
}

/* What a command prints as a number. */
static long number(const char *command)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	sandbox_run(&bed.box, out, "%s", command);
	return strtol(utstring_body(out), NULL, 10);
}

/* Polled: it comes about in another process. */
static void until_number(const char *command, long wanted)
{
	uint64_t end = loop_now_us(bed.loop) + TURN_US;

	while (number(command) != wanted) {
		if (loop_now_us(bed.loop) > end)
			fail_msg("%s: %ld, not %ld", command, number(command), wanted);
		loop_turn(bed.loop, 20000);
	}
}

#define OFCTL "ovs-ofctl -O OpenFlow14 "

static long flows(void)
{
	return number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74");
}

static void plug(const char *device, const char *uuid)
{
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl add-port br-int %s -- set interface %s type=dummy "
				     "external_ids:iface-id=%s options:tx_pcap=$PWD/%s.pcap",
				     device, device, uuid, device),
			 0);
}

static void open_driver(void)
{
	const struct driver_events events = { .port = on_port, .lost = on_lost, .arg = &bed };
	struct err err = { 0 };

	if (driver_ovs.open(&bed.config, bed.loop, &events, &bed.driver, &err) < 0)
		fail_msg("%s", err.text);
}

static void close_driver(void)
{
	if (bed.driver)
		driver_ovs.close(bed.driver);
	bed.driver = NULL;
	bed.told[0] = '\0';
}

static struct plan *parsed(const char *text)
{
	struct err err = { 0 };
	struct plan *p;

	if (plan_parse(text, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void wait_done(unsigned dones)
{
	UNTIL(bed.dones > dones);
}

static void sync_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	unsigned dones = bed.dones;

	driver_ovs.sync(bed.driver, p, on_done, &bed);
	wait_done(dones);
}

static void step(const char *from, const char *to)
{
	_cleanup_(plan_freep) struct plan *p = parsed(from), *q = parsed(to);
	struct plan_changes changes;
	unsigned dones = bed.dones;

	plan_diff(p, q, &changes);
	driver_ovs.apply(bed.driver, &changes, on_done, &bed);
	plan_changes_fini(&changes);
	wait_done(dones);
}

static void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	(void)kind;
	append(arg, 4096, "%s\n", what);
}

static void assert_equal_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	char differences[4096] = "";
	struct err err = { 0 };

	if (driver_ovs.audit(bed.driver, p, on_difference, differences, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(differences, "");
}

static void on_line(const char *line, void *arg)
{
	append(arg, 4096, "%s\n", line);
}

static int setup(void **state)
{
	struct err err;
	int r;

	(void)state;
	memset(&bed, 0, sizeof(bed));
	r = sandbox_start(&bed.box, &err);
	if (r < 0)
		return r;
	bed.loop = loop_new();
	snprintf(bed.where, sizeof(bed.where), "unix:%s", bed.box.db);
	bed.config = (struct driver_config) { .ovsdb = bed.where,
					      .state_dir = bed.box.dir,
					      .integration_bridge = SANDBOX_BRIDGE,
					      .datapath_type = "dummy",
					      .local_ip = "192.0.2.1",
					      .vxlan_udp_port = 4789 };
	plug("tap3", UUID("3"));
	plug("tap4", UUID("4"));
	open_driver();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_driver();
	loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

/* ------------------------------------------------------------------ tests */

static void a_plan_comes_into_the_switch(void **state)
{
	(void)state;
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_string_equal(bed.told, "3:ready 4:ready ");
	assert_true(flows() > 100);
	assert_int_equal(bed.driver->sent_bundles, 1);
	assert_equal_to(PLAN);
}

static void a_sync_without_a_difference_sends_nothing(void **state)
{
	(void)state;
	sync_to(PLAN);
	close_driver();
	open_driver();
	sync_to(PLAN);
	assert_string_equal(bed.told, "3:ready 4:ready ");
	assert_int_equal(bed.driver->sent_bundles, 0);
	assert_equal_to(PLAN);
}

static void a_change_touches_only_its_own_flows(void **state)
{
	uint64_t before;

	(void)state;
	sync_to(PLAN);
	before = bed.driver->sent_mods;
	step(PLAN, PLAN NEIGHBOUR);
	assert_in_range(bed.driver->sent_mods - before, 1, 8);
	assert_int_equal(bed.driver->sent_bundles, 2);
	step(PLAN NEIGHBOUR, PLAN);
	assert_equal_to(PLAN);
}

static void a_port_that_comes_and_goes_is_followed(void **state)
{
	(void)state;
	sync_to(PLAN);
	bed.told[0] = '\0';
	sh("ovs-vsctl del-port tap3");
	UNTIL(!strcmp(bed.told, "3:absent "));
	assert_equal_to(PLAN);
	plug("tap3", UUID("3"));
	UNTIL(!strcmp(bed.told, "3:absent 3:ready "));
	assert_equal_to(PLAN);
	until_number(
		"ovs-vsctl --bare --columns=name find interface external_ids:neutrino-installed=true | grep -c tap", 2);
}

static void the_flows_of_others_are_left_alone(void **state)
{
	(void)state;
	sh(OFCTL "add-flow br-int cookie=0x1234,table=200,priority=7,ip,actions=drop");
	sync_to(PLAN);
	assert_equal_to(PLAN);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	close_driver();
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	assert_int_equal(flows(), 0);
}

/* Of another version of the agent, which knew fields and actions that this one does not. */
static void what_is_ours_and_not_understood_goes(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(PLAN);
	char differences[4096] = "";
	long before;

	(void)state;
	sync_to(PLAN);
	before = flows();
	close_driver();
	sh(OFCTL "add-flow br-int "
		 "'cookie=0x6e74000000000001,table=0,priority=9,tcp,tcp_flags=+syn,ct_state=+trk,actions=drop'");
	sh(OFCTL
	   "add-flow br-int 'cookie=0x6e74000000000001,table=0,priority=8,actions=learn(table=1,NXM_OF_ETH_SRC[])'");
	sh(OFCTL "mod-flows br-int 'table=0,priority=0,actions=push:NXM_OF_ETH_SRC[]' --strict");
	open_driver();
	UNTIL(driver_ovs.audit(bed.driver, p, on_difference, differences, NULL) == 0);
	assert_non_null(strstr(differences, "cookie=0x6e74000000000001, priority=9,match:"));
	assert_non_null(strstr(differences, "cookie=0x6e74000000000001, priority=8 actions=instructions:"));
	assert_non_null(strstr(differences, "static"));
	sync_to(PLAN);
	assert_int_equal(bed.driver->sent_mods, 3);
	assert_int_equal(flows(), before);
	assert_equal_to(PLAN);
}

/* ------------------------------------------------------------------ packets */

#define ROUTED                                                                                                         \
	PLAN "segment type=vxlan id=101 network=8 mtu=1300 uuid=" UUID(                                                \
		"e") "\n"                                                                                              \
		     "route router=1 prefix=10.0.2.0/24 network=8 interface=fa:16:3e:00:00:0e\n"                       \
		     "interface network=7 mac=fa:16:3e:00:00:0f router=1 addrs=10.0.1.1/24 uuid=" UUID(                \
			     "d") "\n"                                                                                 \
				  "interface network=8 mac=fa:16:3e:00:00:0e router=1 addrs=10.0.2.1/24 uuid=" UUID(   \
					  "c") "\n"

/* From the VM of port 3 to its gateway. */
static size_t udp_frame(uint8_t frame[2000], uint32_t dst, uint8_t ttl, uint16_t payload)
{
	const struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, 0x0f } },
				 .src = { { 0xfa, 0x16, 0x3e, 0, 0, 3 } },
				 .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = ttl, .proto = PROTO_UDP, .size = IPV4_SIZE };
	uint8_t *udp = frame + ETH_SIZE + IPV4_SIZE;

	ip.total = (uint16_t)(IPV4_SIZE + payload);
	ip.src = ip_from_v4(0x0a000103);
	ip.dst = ip_from_v4(dst);
	memset(frame, 0, 2000);
	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	put_u16(udp, 1000);
	put_u16(udp + 2, 2000);
	put_u16(udp + 4, payload);
	return ETH_SIZE + (size_t)ip.total;
}

static void receive(const char *device, const uint8_t *frame, size_t len)
{
	_cleanup_(utstring_freep) UT_string *hex = NULL;

	utstring_new(hex);
	for (size_t i = 0; i < len; i++)
		utstring_printf(hex, "%02x", frame[i]);
	assert_int_equal(sandbox_run(&bed.box, NULL, "ovs-appctl -t $PWD/vswitchd.ctl netdev-dummy/receive %s %s",
				     device, utstring_body(hex)),
			 0);
}

static uint64_t counter(const char *name)
{
	struct driver_counter list[VERDICT_COUNT + DROP_COUNT];
	size_t n = driver_ovs.counters(bed.driver, list, N_ELEMENTS(list));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return list[i].packets;
	fail_msg("no counter %s", name);
	return 0;
}

/* Open vSwitch adds up in its own time. */
static void until_counter(const char *name, uint64_t wanted)
{
	uint64_t end = loop_now_us(bed.loop) + TURN_US;

	while (counter(name) != wanted) {
		if (loop_now_us(bed.loop) > end)
			fail_msg("%s: %lu, not %lu", name, (unsigned long)counter(name), (unsigned long)wanted);
		loop_turn(bed.loop, 20000);
	}
}

/* The frame that went out of the device last. */
static size_t last_sent(const char *device, uint8_t *ret, size_t size)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s.pcap", bed.box.dir, device);
	FILE *f = fopen(path, "r");
	uint8_t head[24];
	uint32_t record[4];
	size_t n = 0;

	assert_non_null(f);
	assert_int_equal(fread(head, 1, sizeof(head), f), sizeof(head));
	while (fread(record, sizeof(record), 1, f) == 1) {
		n = record[2];
		assert_true(n <= size && fread(ret, 1, n, f) == n);
	}
	fclose(f);
	return n;
}

static void check_error(const char *device, uint32_t dst, uint8_t ttl, uint16_t payload, const struct icmp *what)
{
	struct ip gateway = ip_from_v4(0x0a000101);
	uint8_t frame[2000], wanted[ICMP_ERROR_MAX], got[2000];
	size_t len = udp_frame(frame, dst, ttl, payload), n;
	uint64_t before = counter("answer");

	receive(device, frame, len);
	until_counter("answer", before + 1);
	n = icmp_error(frame, len, &gateway, what, wanted);
	assert_int_equal(last_sent(device, got, sizeof(got)), n);
	assert_memory_equal(got, wanted, n);
}

static void what_cannot_be_forwarded_is_answered(void **state)
{
	uint8_t frame[2000];
	size_t len;

	(void)state;
	sync_to(ROUTED);
	check_error("tap3", 0x0a000205, 1, 100, &(struct icmp) { ICMP_EXCEEDED, 0, 0 });
	check_error("tap3", 0x0a000305, 9, 100, &(struct icmp) { ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE, 0 });
	check_error("tap3", 0x0a000205, 9, 1400, &(struct icmp) { ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1300 });
	/* The flows cannot see that this one is too short to be answered. */
	len = udp_frame(frame, 0x0a000305, 9, 7);
	receive("tap3", frame, len);
	until_counter("drop_no_route", 1);
	assert_int_equal(counter("answer"), 3);
}

/* ------------------------------------------------------------------ the switch goes and comes */

static bool is_settled(void)
{
	const struct driver *d = bed.driver;

	return ovs_is_up(d) && d->known && !d->busy && flowset_due(d->flows) == 0;
}

static void the_flows_are_back_after_a_restart_of_ovs_vswitchd(void **state)
{
	long before;

	(void)state;
	sync_to(PLAN);
	before = flows();
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(!ovs_is_up(bed.driver));
	assert_false(bed.driver->known);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(is_settled());
	assert_int_equal(bed.driver->sent_bundles, 2);
	assert_int_equal(flows(), before);
	assert_equal_to(PLAN);
	assert_string_equal(bed.told, "3:ready 4:ready "); /* it was short */
	assert_int_equal(bed.lost, 0);
}

static void a_call_waits_for_a_short_absence(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(PLAN), *q = parsed(PLAN NEIGHBOUR);
	struct plan_changes changes;

	(void)state;
	sync_to(PLAN);
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(!ovs_is_up(bed.driver));
	plan_diff(p, q, &changes);
	driver_ovs.apply(bed.driver, &changes, on_done, &bed);
	plan_changes_fini(&changes);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	wait_done(1);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOUR);
}

static void a_long_absence_is_told_and_made_good(void **state)
{
	(void)state;
	sync_to(PLAN);
	bed.told[0] = '\0';
	bed.driver->patience_us = 1000;
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.driver->away);
	assert_non_null(strstr(bed.told, "3:failed:Open vSwitch does not answer: "));
	assert_non_null(strstr(bed.told, "4:failed:Open vSwitch does not answer: "));
	step(PLAN, PLAN NEIGHBOUR); /* answered all the same */
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	step(PLAN NEIGHBOUR, PLAN NEIGHBOUR FLOOD_3);
	assert_int_equal(bed.n_failures, 1);
	bed.driver->patience_us = TURN_US;
	bed.told[0] = '\0';
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.lost == 1);
	assert_equal_to(PLAN NEIGHBOUR FLOOD_3);
	assert_non_null(strstr(bed.told, "3:ready "));
	assert_non_null(strstr(bed.told, "4:ready "));
	sync_to(PLAN NEIGHBOUR FLOOD_3);
	assert_int_equal(bed.n_failures, 0);
}

static void a_switch_that_is_not_there_at_the_start_is_waited_for(void **state)
{
	char warnings[4096] = "";

	(void)state;
	close_driver();
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	open_driver();
	bed.driver->patience_us = 300000;
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	assert_string_equal(bed.told, "3:absent 4:absent ");
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_non_null(strstr(warnings, bed.where));
	bed.driver->patience_us = TURN_US;
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.lost == 1);
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN);
	assert_non_null(strstr(bed.told, "3:ready "));
	warnings[0] = '\0';
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

static void a_bridge_that_is_deleted_is_made_and_filled_again(void **state)
{
	(void)state;
	sync_to(PLAN);
	bed.told[0] = '\0';
	sh("ovs-vsctl del-br br-int");
	UNTIL(strstr(bed.told, "3:absent ") && strstr(bed.told, "4:absent ") && is_settled());
	assert_equal_to(PLAN);
	plug("tap3", UUID("3"));
	UNTIL(strstr(bed.told, "3:ready "));
	assert_equal_to(PLAN);
}

/* ovs-vswitchd does nothing without its database, not even answer. */
static void an_absent_database_is_an_absent_switch(void **state)
{
	char warnings[4096] = "";

	(void)state;
	sync_to(PLAN);
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	bed.driver->patience_us = 300000;
	step(PLAN, PLAN NEIGHBOUR);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_non_null(strstr(warnings, bed.where));
	bed.driver->patience_us = TURN_US;
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	UNTIL(bed.lost == 1);
	sync_to(PLAN NEIGHBOUR);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOUR);
	plug("tap5", UUID("5"));
	step(PLAN NEIGHBOUR, PLAN NEIGHBOUR PORT_5);
	UNTIL(strstr(bed.told, "5:ready "));
	assert_equal_to(PLAN NEIGHBOUR PORT_5);
	warnings[0] = '\0';
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

static void a_tunnel_port_that_is_made_again_is_followed(void **state)
{
	uint32_t before;

	(void)state;
	sync_to(PLAN);
	before = bed.driver->world.tunnel_ofport;
	sh("ovs-vsctl del-port " VSWITCH_TUNNEL_PORT);
	UNTIL(bed.driver->world.tunnel_ofport != before && is_settled());
	assert_true(bed.driver->world.tunnel_ofport > 0);
	assert_equal_to(PLAN);
}

/* ------------------------------------------------------------------ killed at each step */

#define NEXT HOST PEER SEGMENT PORT_3 PORT_5 FDB_34 NEIGHBOURS FLOOD FLOOD_3

static bool differs_from(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	char differences[4096] = "";
	struct err err = { 0 };

	if (driver_ovs.audit(bed.driver, p, on_difference, differences, &err) < 0)
		fail_msg("%s", err.text);
	return *differences;
}

/* Opens the driver, syncs it to the next plan and dies after so many turns of its loop; 0: it came to its end. */
static int die_after(int turns)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		p = parsed(NEXT);
		bed.loop = loop_new();
		open_driver();
		driver_ovs.sync(bed.driver, p, on_done, &bed);
		bed.dones = 0;
		for (int i = 0; i < turns && bed.dones == 0; i++)
			loop_turn(bed.loop, TURN_US);
		if (bed.dones == 0)
			raise(SIGKILL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_driver_that_dies_leaves_the_old_or_the_new(void **state)
{
	int turns = 0, old = 0, new = 0, died;

	(void)state;
	do {
		sync_to(PLAN);
		close_driver();
		died = die_after(turns++);
		open_driver();
		UNTIL(bed.driver->mgmt);
		if (!differs_from(PLAN))
			old++;
		else if (!differs_from(NEXT))
			new ++;
		else
			fail_msg("neither, after %d turns", turns - 1);
	} while (died != 0);
	assert_true(old > 3);
	assert_true(new > 0);
	sync_to(NEXT);
	assert_equal_to(NEXT);
}

/* Syncs to the plan, turns so often, kills a daemon and starts it again. False: the sync was over before. */
static bool kill_after(int turns, enum sandbox_daemon which, const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	unsigned dones = bed.dones;

	bed.driver->patience_us = TURN_US;
	driver_ovs.sync(bed.driver, p, on_done, &bed);
	for (int i = 0; i < turns && bed.dones == dones; i++)
		loop_turn(bed.loop, TURN_US);
	if (bed.dones > dones)
		return false;
	sandbox_kill(&bed.box, which);
	UNTIL(which == SANDBOX_OVSDB || !ovs_is_up(bed.driver));
	sandbox_run_daemon(&bed.box, which);
	sh("ovs-vsctl --timeout=60 --retry set bridge br-int other_config:seen=true"); /* waits for ovs-vswitchd */
	UNTIL(bed.dones > dones && is_settled());
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(text);
	return true;
}

static void ovs_vswitchd_may_die_at_each_step(void **state)
{
	int turns = 0;

	(void)state;
	while (kill_after(turns, SANDBOX_VSWITCHD, turns % 2 ? NEXT : PLAN))
		turns++;
	assert_true(turns > 5);
}

/* A few only: ovs-vswitchd takes longer from time to time to come back to its database. */
static void ovsdb_server_may_die_at_any_step(void **state)
{
	(void)state;
	assert_true(kill_after(1, SANDBOX_OVSDB, PLAN));
	assert_true(kill_after(2, SANDBOX_OVSDB, NEXT));
	assert_true(kill_after(4, SANDBOX_OVSDB, PLAN));
}

/* ------------------------------------------------------------------ what does not go in */

static void limit_table(enum table table, unsigned flow_limit)
{
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl set bridge br-int flow_tables:%u=@t -- --id=@t create flow_table "
				     "flow_limit=%u overflow_policy=refuse",
				     table, flow_limit),
			 0);
}

static void what_the_switch_refuses_is_set_aside_and_the_rest_goes_in(void **state)
{
	(void)state;
	sync_to(PLAN);
	limit_table(TABLE_NEIGHBOUR, 2); /* the default and one more */
	step(PLAN, PLAN NEIGHBOURS PORT_5);
	assert_int_equal(bed.n_failures, 2);
	assert_non_null(strstr(bed.failures, "neighbour network=7 ip=10.0.1."));
	assert_non_null(strstr(bed.failures, "Open vSwitch: OFPFMFC_TABLE_FULL"));
	sh("ovs-vsctl clear bridge br-int flow_tables");
	sync_to(PLAN NEIGHBOURS PORT_5);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOURS PORT_5);
}

static void a_flow_of_anothers_is_not_overwritten(void **state)
{
	_cleanup_(utstring_freep) UT_string *theirs = NULL;
	char warnings[4096] = "";

	(void)state;
	utstring_new(theirs);
	sync_to(PLAN);
	assert_int_equal(sandbox_run(&bed.box, theirs,
				     OFCTL "--no-stats dump-flows br-int table=%u | grep metadata=0x7,dl_dst=.*:05 | "
					   "sed 's/^.*priority/priority/; s/actions.*$//'",
				     TABLE_FDB),
			 0);
	utstring_body(theirs)[strcspn(utstring_body(theirs), "\n")] = '\0';
	assert_int_equal(sandbox_run(&bed.box, NULL, OFCTL "add-flow br-int 'cookie=0x1234,table=%u,%s actions=drop'",
				     TABLE_FDB, utstring_body(theirs)),
			 0);
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "fdb network=7 mac=fa:16:3e:00:00:05 ", 36), 0);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_non_null(strstr(warnings, "a flow of another program's"));
	/* as the agent gives it again */
	step(HOST PEER SEGMENT PORTS FDB_34 FLOOD, PLAN);
	assert_int_equal(bed.n_failures, 1);
	sh(OFCTL "del-flows br-int cookie=0x1234/-1");
	step(HOST PEER SEGMENT PORTS FDB_34 FLOOD, PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN);
	warnings[0] = '\0';
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

static void a_flow_of_anothers_that_took_a_place_meanwhile_stays(void **state)
{
	(void)state;
	sync_to(PLAN NEIGHBOUR);
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     OFCTL "add-flow br-int 'cookie=0x1234,table=%u,priority=1,ip,reg2=0x0a000109,"
					   "metadata=7 actions=drop'",
				     TABLE_NEIGHBOUR),
			 0);
	step(PLAN NEIGHBOUR, PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	assert_equal_to(PLAN);
}

static void a_second_agent_does_not_open_it(void **state)
{
	const struct driver_events events = { .arg = &bed };
	struct driver *second;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(driver_ovs.open(&bed.config, bed.loop, &events, &second, &err), -EBUSY);
	assert_int_equal(driver_ovs.cleanup(&bed.config, &err), -EBUSY);
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 0);
}

static void open_vswitch_is_not_installed(void **state)
{
	(void)state;
	skip();
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_plan_comes_into_the_switch),
		CASE(a_sync_without_a_difference_sends_nothing),
		CASE(a_change_touches_only_its_own_flows),
		CASE(a_port_that_comes_and_goes_is_followed),
		CASE(the_flows_of_others_are_left_alone),
		CASE(what_is_ours_and_not_understood_goes),
		CASE(what_cannot_be_forwarded_is_answered),
		CASE(the_flows_are_back_after_a_restart_of_ovs_vswitchd),
		CASE(a_call_waits_for_a_short_absence),
		CASE(a_long_absence_is_told_and_made_good),
		CASE(a_switch_that_is_not_there_at_the_start_is_waited_for),
		CASE(a_bridge_that_is_deleted_is_made_and_filled_again),
		CASE(an_absent_database_is_an_absent_switch),
		CASE(a_tunnel_port_that_is_made_again_is_followed),
		CASE(a_driver_that_dies_leaves_the_old_or_the_new),
		CASE(ovs_vswitchd_may_die_at_each_step),
		CASE(ovsdb_server_may_die_at_any_step),
		CASE(what_the_switch_refuses_is_set_aside_and_the_rest_goes_in),
		CASE(a_flow_of_anothers_is_not_overwritten),
		CASE(a_flow_of_anothers_that_took_a_place_meanwhile_stays),
		CASE(a_second_agent_does_not_open_it),
	};

	if (access("/usr/sbin/ovs-vswitchd", X_OK) < 0) {
		const struct CMUnitTest none[] = { cmocka_unit_test(open_vswitch_is_not_installed) };

		return cmocka_run_group_tests(none, NULL, NULL);
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
