/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/ovs_devices_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json.h"

struct bed bed;
const uint8_t mac_2[6] = { 2, 0, 0, 0, 0, 2 };

/* ---- the wire ---- */

static bool is_arp_request(const uint8_t *frame, size_t n)
{
	return n >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && frame[21] == 1;
}

/* By whom has the address, in `mac`. `to` is the request. */
void arp_answer(struct tap *t, const uint8_t *to, const uint8_t *mac)
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

void tap_open(struct tap *t, const char *name)
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

void tap_close(struct tap *t)
{
	if (t->source)
		close(t->fd);
	t->source = loop_source_free(t->source);
}

/* An IPv4 frame, whose content does not matter. */
void tap_send(struct tap *t)
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
	if (i->ofport > bed.highest)
		bed.highest = i->ofport;
}

static void on_gone(const struct uuid *port, void *arg)
{
	(void)port;
	(void)arg;
}

void on_warning(const char *text, void *arg)
{
	(void)arg;
	bed.warnings++;
	snprintf(bed.warning, sizeof(bed.warning), "%s", text);
}

void sh(const char *command)
{
	if (sandbox_run(&bed.box, NULL, "exec 2>>test.log; %s", command) == 0)
		return;
	sandbox_run(&bed.box, NULL, "cat test.log >&2");
	fail_msg("%s", command);
}

const char *printed(const char *command)
{
	static char text[4096];
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	assert_int_equal(sandbox_run(&bed.box, out, "%s", command), 0);
	snprintf(text, sizeof(text), "%s", utstring_body(out));
	text[strcspn(text, "\n")] = '\0';
	return text;
}

void open_vswitch(void)
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

int setup(void **state)
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

int teardown(void **state)
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

bool both_up(void)
{
	return bed.iface[0].state == VSWITCH_IFACE_UP && bed.iface[1].state == VSWITCH_IFACE_UP;
}

void plug_two(void)
{
	tap_open(&bed.t1, "t1");
	tap_open(&bed.t2, "t2");
	sh("ovs-ofctl add-flow br-int actions=flood; ovs-vsctl add-port br-int t1 -- set interface t1 "
	   "external_ids:iface-id=" ID_1
	   " external_ids:vm-uuid=x -- add-port br-int t2 -- set interface t2 external_ids:iface-id=" ID_2);
	UNTIL(both_up());
}

void assert_passes(void)
{
	unsigned before = bed.t2.frames;

	tap_send(&bed.t1);
	UNTIL(bed.t2.frames > before);
}

void make_underlay(void)
{
	tap_open(&bed.uplink, "uplink");
	sh("ovs-vsctl add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy uplink && "
	   "ip addr add 192.0.2.1/24 dev br-phy && ip link set br-phy up");
}
