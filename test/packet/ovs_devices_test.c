/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/driver.h"
#include "driver/ovs/neighbour.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/vswitch.h"
#include "io/loop.h"

/*
 * What only real devices show: one that is deleted and made again, and the underlay's neighbours. Taps of the test
 * are plugged into the userspace datapath, in a namespace of the test's own:
 *
 *     t1, t2 ─ br-int ─ vxlan-neutrino ─ (route) ─ br-phy ─ uplink
 *                                        192.0.2.1/24
 */

#define WAIT_US 60000000 /* a test that waits this long for an event has failed */
#define ID_1 "00000000-0000-4000-8000-000000000001"
#define ID_2 "00000000-0000-4000-8000-000000000002"
#define MIN_FRAME 60

static const uint8_t mac_2[6] = { 2, 0, 0, 0, 0, 2 }, mac_3[6] = { 2, 0, 0, 0, 0, 3 };

struct tap {
	const char *name;
	int fd;
	struct loop_source *source;
	uint8_t frame[2048]; /* the last one that the wire gave and that is looked for */
	size_t len;
	unsigned frames;
};

static struct {
	struct sandbox box;
	struct loop *loop;
	char where[96];
	struct vswitch_config config;
	struct vswitch *vswitch;
	struct neighbour *neighbour;
	struct driver *driver;
	struct tap t1, t2, uplink;
	bool answer; /* on the uplink, ARP requests */
	uint8_t silent; /* but not for the address that ends so */
	uint8_t mac[6]; /* by this one */
	unsigned readies, warnings, requests, settled;
	uint8_t requested[4];
	char warning[320];
	struct vswitch_iface iface[2]; /* by the last digit of the port's UUID */
} bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		uint64_t end = loop_now_us(bed.loop) + WAIT_US;                                                        \
		while (!(what)) {                                                                                      \
			if (loop_now_us(bed.loop) > end)                                                               \
				fail_msg("does not come: %s; warning: %s", #what, bed.warning);                        \
			loop_turn(bed.loop, WAIT_US);                                                                  \
		}                                                                                                      \
	} while (0)

/* ---- the wire ---- */

static bool is_arp_request(const uint8_t *frame, size_t n)
{
	return n >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && frame[21] == 1;
}

/* By whom has the address, in `mac`. `to` is the request. */
static void arp_answer(struct tap *t, const uint8_t *to, const uint8_t *mac)
{
	uint8_t frame[MIN_FRAME] = { 0 };

	memcpy(frame, to + 6, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, to + 12, 8);
	frame[21] = 2;
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, to + 38, 4);
	memcpy(frame + 32, to + 22, 10);
	assert_int_equal(write(t->fd, frame, sizeof(frame)), sizeof(frame));
}

static void on_frame(uint32_t events, void *arg)
{
	struct tap *t = arg;
	uint8_t frame[2048];
	ssize_t n = read(t->fd, frame, sizeof(frame));

	(void)events;
	if (n <= 14)
		return;
	if (t == &bed.uplink && is_arp_request(frame, (size_t)n)) {
		bed.requests++;
		memcpy(bed.requested, frame + 38, 4);
		if (bed.answer && frame[41] != bed.silent)
			arp_answer(t, frame, bed.mac);
	}
	/* the kernel's own IPv6 is on these wires too */
	if (frame[12] != 0x08 || frame[13] == 0x06)
		return;
	memcpy(t->frame, frame, (size_t)n);
	t->len = (size_t)n;
	t->frames++;
}

static void tap_open(struct tap *t, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	t->name = name;
	t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(t->fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(control, SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags |= IFF_UP;
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, &ifr), 0);
	close(control);
	t->source = loop_io(bed.loop, t->fd, EPOLLIN, on_frame, t);
}

static void tap_close(struct tap *t)
{
	if (t->source)
		close(t->fd);
	t->source = loop_source_free(t->source);
}

/* An IPv4 frame, whose content does not matter. */
static void tap_send(struct tap *t)
{
	uint8_t frame[MIN_FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, 1, 0x08, 0x00, 0x45 };

	assert_int_equal(write(t->fd, frame, sizeof(frame)), sizeof(frame));
}

/* ---- the bed ---- */

static void on_ready(const char *mgmt, uint32_t tunnel_ofport, void *arg)
{
	(void)mgmt;
	(void)tunnel_ofport;
	(void)arg;
	bed.readies++;
}

static void on_iface(const struct vswitch_iface *i, void *arg)
{
	(void)arg;
	bed.iface[i->port.b[15] - 1] = *i;
}

static void on_gone(const struct uuid *port, void *arg)
{
	(void)port;
	(void)arg;
}

static void on_warning(const char *text, void *arg)
{
	(void)arg;
	bed.warnings++;
	snprintf(bed.warning, sizeof(bed.warning), "%s", text);
}

static void sh(const char *command)
{
	if (sandbox_run(&bed.box, NULL, "exec 2>>test.log; %s", command) == 0)
		return;
	sandbox_run(&bed.box, NULL, "cat test.log >&2");
	fail_msg("%s", command);
}

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

static void open_vswitch(void)
{
	static const struct vswitch_events events = {
		.ready = on_ready, .iface = on_iface, .iface_gone = on_gone, .warning = on_warning
	};
	unsigned before = bed.readies;
	struct err err;

	if (vswitch_open(bed.loop, &bed.config, &events, &bed.vswitch, &err) < 0)
		fail_msg("%s", err.text);
	UNTIL(bed.readies > before); /* it has seen what is there */
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	memset(&bed, 0, sizeof(bed));
	if (unshare(CLONE_NEWNET) < 0 || sandbox_start_netdev(&bed.box, &err) < 0) {
		print_error("%s\n", *err.text ? err.text : "this needs root");
		return -1;
	}
	bed.loop = loop_new();
	snprintf(bed.where, sizeof(bed.where), "unix:%s", bed.box.db);
	bed.config = (struct vswitch_config) { .ovsdb = bed.where,
					       .bridge = SANDBOX_BRIDGE,
					       .datapath_type = "netdev",
					       .local_ip = "192.0.2.1",
					       .vxlan_udp_port = 4789 };
	bed.answer = true;
	memcpy(bed.mac, mac_2, sizeof(bed.mac));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (bed.driver)
		driver_ovs.close(bed.driver);
	neighbour_close(bed.neighbour);
	vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_close(&bed.t2);
	tap_close(&bed.uplink);
	loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

/* ---- a device that is deleted and made again ---- */

static bool both_up(void)
{
	return bed.iface[0].state == VSWITCH_IFACE_UP && bed.iface[1].state == VSWITCH_IFACE_UP;
}

static void plug_two(void)
{
	tap_open(&bed.t1, "t1");
	tap_open(&bed.t2, "t2");
	sh("ovs-ofctl add-flow br-int actions=flood; ovs-vsctl add-port br-int t1 -- set interface t1 "
	   "external_ids:iface-id=" ID_1
	   " external_ids:vm-uuid=x -- add-port br-int t2 -- set interface t2 external_ids:iface-id=" ID_2);
	UNTIL(both_up());
}

static void assert_passes(void)
{
	unsigned before = bed.t2.frames;

	tap_send(&bed.t1);
	UNTIL(bed.t2.frames > before);
}

static void make_again(void)
{
	tap_close(&bed.t1);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	tap_open(&bed.t1, "t1");
}

static bool is_back(const char *ofport_request)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "%s {iface-id=%s, vm-uuid=x}", ofport_request, ID_1);
	return bed.iface[0].state == VSWITCH_IFACE_UP &&
	       !strcmp(printed("ovs-vsctl get interface t1 ofport_request external_ids | xargs"), expected);
}

static void test_made_again(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	assert_passes();
	make_again();
	UNTIL(is_back("[]"));
	assert_passes();
	make_again();
	UNTIL(is_back("[]"));
	assert_passes();
}

static void test_made_again_with_its_number(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=7");
	UNTIL(bed.iface[0].ofport == 7);
	assert_passes();
	make_again();
	UNTIL(is_back("7") && bed.iface[0].ofport == 7);
	assert_passes();
}

/* While nobody looked: what was installed says with which device. */
static void test_made_again_unseen(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(*printed("ovs-vsctl --if-exists get interface t1 external_ids:neutrino-ifindex"));
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl wait-until interface t1 ifindex=$(cat /proc/self/net/dev >/dev/null; ip -o link show t1 | cut "
	   "-d: -f1)");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("[]"));
	assert_passes();
}

/* As libvirt plugs it: Open vSwitch sees no change and goes on with the device that is gone. The row has no marks. */
static void test_plugged_anew_unseen(void **state)
{
	uint32_t others;

	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl del-port t1 -- add-port br-int t1 -- set interface t1 external_ids:iface-id=" ID_1
	   " external_ids:vm-uuid=x");
	sh("ovs-vsctl wait-until interface t1 ifindex=$(ip -o link show t1 | cut -d: -f1)");
	bed.iface[0].state = bed.iface[1].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(both_up());
	assert_true(bed.iface[0].doubtful);
	others = bed.iface[1].ofport;
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	UNTIL(is_back("[]"));
	assert_false(bed.iface[0].doubtful);
	assert_passes();
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(*printed("ovs-vsctl --if-exists get interface t1 external_ids:neutrino-ifindex"));
	assert_int_equal(bed.iface[0].state, VSWITCH_IFACE_UP);
	assert_passes();
	/* Of a port that is none of ours it is not our business. */
	assert_int_equal(bed.iface[1].ofport, others);
	assert_string_equal(printed("ovs-vsctl get interface t2 external_ids | xargs"), "{iface-id=" ID_2 "}");
}

#define PLUG_T1 "add-port br-int t1 -- set interface t1 external_ids:iface-id=" ID_1 " external_ids:vm-uuid=x"

/* Deleted and made again, device and row, when Open vSwitch is slow: it sees no change; or when we are. */
static void test_plugged_anew(void **state)
{
	static const char *const plugs[] = {
		"ovs-vsctl --no-wait del-port t1; ovs-vsctl --no-wait " PLUG_T1,
		"ovs-vsctl --no-wait del-port t1 -- " PLUG_T1,
	};

	(void)state;
	open_vswitch();
	plug_two();
	for (size_t i = 0; i < 2 * N_ELEMENTS(plugs); i++) {
		bool slow = i < N_ELEMENTS(plugs);

		if (slow)
			sh("kill -STOP $(cat ovs-vswitchd.pid)");
		tap_close(&bed.t1);
		tap_open(&bed.t1, "t1");
		sh(plugs[i % N_ELEMENTS(plugs)]);
		if (slow)
			sh("kill -CONT $(cat ovs-vswitchd.pid)");
		sh("ovs-vsctl wait-until interface t1 ifindex=$(ip -o link show t1 | cut -d: -f1) -- wait-until "
		   "interface t1 'ofport>0'");
		bed.iface[0].state = VSWITCH_IFACE_WAIT;
		UNTIL(is_back("[]"));
		assert_passes();
	}
}

/* We come when the new row is there, and Open vSwitch has not come round. */
static void test_plugged_anew_before_us(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	sh("kill -STOP $(cat ovs-vswitchd.pid)");
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl --no-wait del-port t1 -- " PLUG_T1);
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	sh("kill -CONT $(cat ovs-vswitchd.pid)");
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_UP && bed.iface[0].doubtful);
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	UNTIL(is_back("[]"));
	assert_passes();
}

/* Whoever began is gone in the middle of it. */
static void test_killed_between(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=7");
	UNTIL(bed.iface[0].ofport == 7);
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl set interface t1 ofport_request=65000 external_ids:neutrino-replug=7,7");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("7") && bed.iface[0].ofport == 7);
	assert_passes();
}

/* And the row is made again before Open vSwitch has done it. */
static void test_plugged_anew_between(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl wait-until interface t1 ifindex=$(ip -o link show t1 | cut -d: -f1)");
	sh("kill -STOP $(cat ovs-vswitchd.pid)");
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=65000 "
	   "external_ids:neutrino-replug=$(ovs-vsctl get interface t1 ofport),0");
	open_vswitch();
	sh("ovs-vsctl --no-wait del-port t1 -- " PLUG_T1);
	sh("kill -CONT $(cat ovs-vswitchd.pid)");
	sh("ovs-vsctl wait-until interface t1 ifindex=$(ip -o link show t1 | cut -d: -f1) -- wait-until "
	   "interface t1 'ofport>0'");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	UNTIL(is_back("[]"));
	assert_passes();
}

/* Somebody has taken the number away that was asked for. */
static void test_request_taken_back(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl set interface t1 external_ids:neutrino-replug=$(ovs-vsctl get interface t1 ofport),0");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("[]"));
	assert_passes();
}

/* ---- the underlay's neighbours ---- */

static void make_underlay(void)
{
	tap_open(&bed.uplink, "uplink");
	sh("ovs-vsctl add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy uplink && "
	   "ip addr add 192.0.2.1/24 dev br-phy && ip link set br-phy up");
}

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
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_made_again),
		T(test_made_again_with_its_number),
		T(test_made_again_unseen),
		T(test_plugged_anew_unseen),
		T(test_plugged_anew),
		T(test_plugged_anew_before_us),
		T(test_killed_between),
		T(test_plugged_anew_between),
		T(test_request_taken_back),
		T(test_first_packet),
		T(test_forgotten),
		T(test_other_mac),
		T(test_routes),
		T(test_silent_peer),
		T(test_beside_a_silent_peer),
		T(test_no_control_socket),
		T(test_too_large),
		T(test_driver),
		T(test_plugged_before_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
