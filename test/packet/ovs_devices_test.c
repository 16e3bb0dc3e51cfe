/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/ovs_devices_bed.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

/* What only real devices show of the driver: the underlay's neighbours, its size, and what is said when. */

static const uint8_t mac_3[6] = { 2, 0, 0, 0, 0, 3 };

/* ---- the underlay's neighbours ---- */

static void on_settled(void *arg)
{
	(void)arg;
	bed.settled++;
}

static void open_neighbour(const char *rundir)
{
	static const struct neighbour_events events = { .warning = on_warning, .settled = on_settled };
	struct err err;

	if (neighbour_open(bed.loop, rundir, &events, &bed.neighbour, &err) < 0)
		fail_msg("%s", err.text);
}

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static bool was_requested(const char *text)
{
	uint8_t ip[4];

	inet_pton(AF_INET, text, ip);
	return memcmp(ip, bed.requested, 4) == 0;
}

/* Open vSwitch's entry: its MAC, or "". */
static const char *entry(const char *ip)
{
	char command[128];

	snprintf(command, sizeof(command), "ovs-appctl tnl/neigh/show 2>/dev/null | awk '$1 == \"%s\" { print $2 }'",
		 ip);
	return printed(command);
}

static void test_first_packet(void **state)
{
	const struct ip peer = address("192.0.2.2");

	(void)state;
	make_underlay();
	open_vswitch();
	plug_two();
	UNTIL(bed.readies == 1);
	sh("ovs-ofctl add-flow br-int "
	   "'priority=40000,in_port=t1,actions=set_field:192.0.2.2->tun_dst,set_field:5->tun_id,"
	   "output:vxlan-neutrino'");
	sh("ovs-appctl vlog/set unixctl:file:dbg");
	open_neighbour(bed.box.dir);
	neighbour_set(bed.neighbour, 2, &peer);
	assert_false(neighbour_is_settled(bed.neighbour));
	UNTIL(bed.settled);
	assert_true(neighbour_is_settled(bed.neighbour));
	assert_string_equal(entry("192.0.2.2"), "02:00:00:00:00:02");
	/* told, not only seen by Open vSwitch on the wire */
	assert_string_equal(printed("grep -c 'received request tnl/neigh/set' vswitchd.log"), "1");
	/* now nobody answers: what is sent is sent by what is known */
	bed.answer = false;
	tap_send(&bed.t1);
	UNTIL(bed.uplink.frames > 0);
	assert_memory_equal(bed.uplink.frame, mac_2, 6);
	assert_int_equal(bed.uplink.frame[36] << 8 | bed.uplink.frame[37], 4789);
	assert_int_equal(bed.uplink.frame[46] << 16 | bed.uplink.frame[47] << 8 | bed.uplink.frame[48], 5);
	assert_int_equal(bed.warnings, 0);
}

/* As a restart of ovs-vswitchd does. */
static void test_forgotten(void **state)
{
	const struct ip peer = address("192.0.2.2");

	(void)state;
	make_underlay();
	open_neighbour(bed.box.dir);
	neighbour_set(bed.neighbour, 2, &peer);
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:02"));
	bed.answer = false;
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	sh("ovs-vsctl --timeout=20 set open_vswitch . external_ids:test=1");
	assert_string_equal(printed("ovs-appctl tnl/neigh/show | wc -l"), "2"); /* its heading */
	neighbour_again(bed.neighbour);
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:02"));
}

static void test_other_mac(void **state)
{
	const struct ip peer = address("192.0.2.2");
	/* for us, from its new one, as after an exchange of its card */
	static const uint8_t request[MIN_FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   3, 8, 6,
						    0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0, 0, 3,
						    192,  0,    2,    2,    0,    0,    0, 0, 0, 0, 192, 0, 2, 1 };

	(void)state;
	make_underlay();
	open_neighbour(bed.box.dir);
	neighbour_set(bed.neighbour, 2, &peer);
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:02"));
	memcpy(bed.mac, mac_3, sizeof(bed.mac));
	assert_int_equal(write(bed.uplink.fd, request, sizeof(request)), sizeof(request));
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:03"));
	/* known here too */
	bed.answer = false;
	sh("ovs-appctl tnl/neigh/flush");
	neighbour_again(bed.neighbour);
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:03"));
}

/* By a router, and by another one when the route changes; from when there is a route at all. */
static void test_routes(void **state)
{
	const struct ip peer = address("198.51.100.9"), other = address("192.0.2.2");

	(void)state;
	make_underlay();
	open_neighbour(bed.box.dir);
	neighbour_set(bed.neighbour, 2, &peer);
	neighbour_set(bed.neighbour, 3, &other);
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:02"));
	assert_int_equal(bed.requests, 1);
	sh("ip route add 198.51.100.0/24 via 192.0.2.254");
	UNTIL(was_requested("192.0.2.254") && !strcmp(entry("192.0.2.254"), "02:00:00:00:00:02"));
	neighbour_del(bed.neighbour, 3);
	sh("ip route replace 198.51.100.0/24 via 192.0.2.253");
	UNTIL(was_requested("192.0.2.253") && !strcmp(entry("192.0.2.253"), "02:00:00:00:00:02"));
}

/* The kernel gives up after three requests, we do not. */
static void test_silent_peer(void **state)
{
	const struct ip peer = address("192.0.2.2");

	(void)state;
	make_underlay();
	bed.answer = false;
	open_neighbour(bed.box.dir);
	neighbour_set(bed.neighbour, 2, &peer);
	UNTIL(bed.settled == 1); /* it is not waited for */
	assert_string_equal(entry("192.0.2.2"), "");
	UNTIL(bed.requests == 4);
	bed.answer = true;
	UNTIL(!strcmp(entry("192.0.2.2"), "02:00:00:00:00:02"));
	assert_int_equal(bed.warnings, 0);
}

/* Others are not waited for longer because of it. */
static void test_beside_a_silent_peer(void **state)
{
	struct ip peer = address("192.0.2.2");
	uint64_t began;

	(void)state;
	make_underlay();
	bed.silent = 2;
	open_neighbour(bed.box.dir);
	neighbour_set(bed.neighbour, 2, &peer);
	UNTIL(bed.settled == 1);
	for (uint8_t i = 3; i < 100; i++) { /* a busy machine may take as long by itself */
		peer.b[15] = i;
		began = loop_now_us(bed.loop);
		neighbour_set(bed.neighbour, i, &peer);
		UNTIL(bed.settled == i - 1U);
		if (loop_now_us(bed.loop) - began < NEIGHBOUR_WAIT_MS * 1000)
			return;
	}
	fail_msg("each is waited for as long as for one that is silent");
}

static void test_no_control_socket(void **state)
{
	const struct ip peer = address("192.0.2.2"), other = address("192.0.2.3");
	char rundir[96];

	(void)state;
	make_underlay();
	snprintf(rundir, sizeof(rundir), "%s/none", bed.box.dir);
	open_neighbour(rundir);
	neighbour_set(bed.neighbour, 2, &peer);
	neighbour_set(bed.neighbour, 3, &other);
	UNTIL(bed.settled == 1);
	assert_int_equal(bed.warnings, 1);
	assert_non_null(strstr(bed.warning, "none/ovs-vswitchd.pid: No such file"));
	/* tried again, not said again; what Open vSwitch has seen on the wire itself is away */
	bed.answer = false;
	sh("ovs-appctl tnl/neigh/flush; ln -s . none");
	UNTIL(!strcmp(entry("192.0.2.3"), "02:00:00:00:00:02"));
	assert_int_equal(bed.warnings, 1);
}

/* ---- the driver does so ---- */

static unsigned answers;

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	(void)failures;
	(void)arg;
	assert_int_equal(n, 0);
	answers++;
}

static void sync_with(const char *plan)
{
	unsigned before = answers;
	struct plan *p;

	assert_int_equal(plan_parse(plan, &p, NULL), 0);
	driver_ovs.sync(bed.driver, p, on_done, NULL);
	plan_free(p);
	UNTIL(answers > before);
}

static void apply_one(enum plan_op op, const char *record, const char *old)
{
	struct plan_changes changes = { 0 };
	struct plan_record r, was = { 0 };
	unsigned before = answers;

	assert_int_equal(plan_record_parse(record, &r, NULL), 0);
	if (old)
		assert_int_equal(plan_record_parse(old, &was, NULL), 0);
	plan_changes_add(&changes, op, &r, &was);
	driver_ovs.apply(bed.driver, &changes, on_done, NULL);
	plan_changes_fini(&changes);
	UNTIL(answers > before);
}

#define HOST "host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01\n"
#define PEER(n, last) "peer host=" n " tunnel=192.0.2." last " dvr_mac=fa:16:3f:00:00:02"

/* When the port is first told to be ready, Open vSwitch's number for it. */
static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	long *ret = arg;

	assert_string_equal(text, "");
	if (port == 3 && state == DRIVER_PORT_READY && !*ret)
		*ret = strtol(printed("ovs-vsctl get interface t1 ofport"), NULL, 10);
}

static void open_driver(long *ready)
{
	const struct driver_events events = { .port = on_port, .arg = ready };
	const struct driver_config config = { .vxlan_udp_port = 4789,
					      .local_ip = "192.0.2.1",
					      .ovsdb = bed.where,
					      .integration_bridge = SANDBOX_BRIDGE,
					      .datapath_type = "netdev" };

	make_underlay();
	assert_int_equal(driver_ovs.open(&config, bed.loop, ready ? &events : NULL, &bed.driver, NULL), 0);
}

static void on_driver_warning(const char *text, void *arg)
{
	char *last = arg;

	snprintf(last, sizeof(bed.warning), "%s", text);
}

#define SEGMENT(mtu) "segment type=vxlan id=100 network=7 mtu=" mtu " uuid=00000000-0000-4000-8000-00000000000f\n"

static void test_too_large(void **state)
{
	char warning[sizeof(bed.warning)] = "";

	(void)state;
	open_driver(NULL);
	sync_with(HOST PEER("2", "2") "\n" SEGMENT("1450"));
	driver_ovs.warnings(bed.driver, on_driver_warning, warning);
	assert_string_equal(warning, "");
	sync_with(HOST PEER("2", "2") "\n" SEGMENT("1451"));
	driver_ovs.warnings(bed.driver, on_driver_warning, warning);
	assert_string_equal(warning,
			    "network 00000000-0000-4000-8000-00000000000f: its MTU 1451 and a tunnel header of "
			    "50 do not fit into br-phy's 1500");
}

static void test_driver(void **state)
{
	(void)state;
	open_driver(NULL);
	/* who hears that it is in may send at once */
	sync_with(HOST PEER("2", "2"));
	assert_string_equal(entry("192.0.2.2"), "02:00:00:00:00:02");
	apply_one(PLAN_ADD, PEER("3", "3"), NULL);
	assert_string_equal(entry("192.0.2.3"), "02:00:00:00:00:02");
	apply_one(PLAN_ADD, PEER("4", "4"), NULL);
	/* two exchange their addresses, one moves: where it was nobody is any more */
	apply_one(PLAN_UPDATE, PEER("2", "3"), PEER("2", "2"));
	apply_one(PLAN_UPDATE, PEER("3", "2"), PEER("3", "3"));
	apply_one(PLAN_UPDATE, PEER("4", "5"), PEER("4", "4"));
	UNTIL(*entry("192.0.2.5"));
	bed.answer = false;
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(*entry("192.0.2.2") && *entry("192.0.2.3") && *entry("192.0.2.5"));
	assert_string_equal(entry("192.0.2.4"), "");
}

/* A port whose device is opened anew is not told to be ready before that. */
static void test_plugged_before_the_driver(void **state)
{
	long ready = 0;

	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	open_driver(&ready);
	sync_with(HOST SEGMENT("1450") "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.0.3 uuid=" ID_1 "\n");
	UNTIL(ready);
	assert_int_not_equal(ready, bed.iface[0].ofport);
	assert_int_equal(ready, strtol(printed("ovs-vsctl get interface t1 ofport"), NULL, 10));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(test_first_packet),
		CASE(test_forgotten),
		CASE(test_other_mac),
		CASE(test_routes),
		CASE(test_silent_peer),
		CASE(test_beside_a_silent_peer),
		CASE(test_no_control_socket),
		CASE(test_too_large),
		CASE(test_driver),
		CASE(test_plugged_before_the_driver),
	};

	return RUN_CASES(tests, argc, argv);
}
