/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ebpf driver beside real devices: VMs that come before their records and stay after them, a
 * tunnel device and filters that others touch, lost notifications, an underlay that changes. As
 * root; all of it in namespaces of this process.
 */
#include "steps.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/ebpf/ebpf.h"
#include "io/loop.h"
#include "net/packet.h"

#define WAIT_MS 30000
#define TUNNEL_PORT 4789
#define UNCLAIMED "tap00000009-00" /* no plan here has its port */
#define DROPS_COLUMN 8 /* of /proc/net/netlink */
#define NOTIFICATIONS 8000 /* more than the watch's buffer holds */

static void set_bridge(struct rig *g, const char *device, bool member)
{
	struct ifreq ifr = { .ifr_ifindex = (int)if_nametoindex(device) };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "br0");
	assert_int_equal(ioctl(g->control, member ? SIOCBRADDIF : SIOCBRDELIF, &ifr), 0);
}

static void forget_neighbour(struct rig *g, const char *address)
{
	struct arpreq a = { .arp_dev = "underlay" };
	struct sockaddr_in in = { .sin_family = AF_INET };

	inet_pton(AF_INET, address, &in.sin_addr);
	memcpy(&a.arp_pa, &in, sizeof(in));
	assert_true(!ioctl(g->control, SIOCDARP, &a) || errno == ENXIO || errno == ENOENT);
}

/* ---- who hears a VM ---- */

enum fate { NOBODY, HOST, SHUT };

static bool answered(int fd)
{
	uint8_t got[2048];
	ssize_t n;

	while ((n = read(fd, got, sizeof(got))) > 0)
		if (n >= ETH_SIZE + ARP_SIZE && got[12] == 0x08 && got[13] == 0x06 && got[21] == ARP_REPLY)
			return true;
	return false;
}

/* Asks the host's own stack for an address that it has on the device. */
static enum fate vm_calls_host(struct rig *g, int fd, const char *device)
{
	uint8_t frame[ETH_SIZE + ARP_SIZE];
	struct eth eth = { .dst = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
			   .src = { { 0xfa, 0x16, 0x3e, 0, 0, 9 } },
			   .type = ETHERTYPE_ARP };
	struct arp arp = { .op = ARP_REQUEST,
			   .sender_mac = eth.src,
			   .sender = ip_from_v4(0x0a000909),
			   .target = ip_from_v4(0x0a000901) };
	uint64_t before = counted(g, "drop_port_unknown");
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	set_address(g, device, "10.0.9.1");
	eth_write(frame, &eth);
	arp_write(frame + ETH_SIZE, &arp);
	answered(fd);
	assert_int_equal(write(fd, frame, sizeof(frame)), sizeof(frame));
	for (int i = 0; i < WAIT_MS / 50; i++) {
		if (answered(fd))
			return HOST;
		if (counted(g, "drop_port_unknown") > before)
			return SHUT;
		poll(&poll_fd, 1, 50);
	}
	return NOBODY;
}

static bool unclaimed_has_filter(struct rig *g)
{
	(void)g;
	return has_filter(UNCLAIMED);
}

static bool unclaimed_has_none(struct rig *g)
{
	(void)g;
	return !has_filter(UNCLAIMED);
}

static void without_the_driver_a_vm_reaches_the_host(void **state)
{
	struct rig *g = *state;
	int fd = rig_device(g, "tapnot-a-port");

	/* what the other tests would see if they could not fail; the name is no port's */
	assert_int_equal(vm_calls_host(g, fd, "tapnot-a-port"), HOST);
	close(fd);
}

/* Has the host's own stack IPv6 on the device? */
static bool has_ipv6(const char *device)
{
	_cleanup_(freep) char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", device);
	FILE *f = fopen(path, "re");
	int c;

	assert_non_null(f);
	c = fgetc(f);
	fclose(f);
	return c == '0';
}

static void a_tap_whose_record_goes_stays_shut(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	struct rig_tap *t = rig_tap_of(g, 4);

	assert_int_equal(step(g, &p, without(p, PORT_4)), 0);
	assert_int_equal(vm_calls_host(g, t->fd, t->name), SHUT);
	must(rig_sync(g, p, &must_err));
	assert_int_equal(vm_calls_host(g, t->fd, t->name), SHUT);
	assert_int_equal(findings(g, p), 0);
	assert_false(has_ipv6(t->name));
	rig_driver_close(g);
	must(driver_ebpf.cleanup(&g->config, &must_err));
	assert_false(has_filter(t->name));
	assert_true(has_ipv6(t->name));
}

/* The port that the device is, in the maps; 0: none. */
static uint32_t port_of(struct rig *g, const char *device)
{
	uint32_t ifindex = if_nametoindex(device);
	struct eb_device d = { 0 };

	bpf_map_lookup_elem(g->driver->fds.fd[TABLE_device], &ifindex, &d);
	return d.number;
}

/* As of a server that was made anew, and counts anew. */
static void a_number_that_is_another_ports_now_has_its_device(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g), *was = plan_copy(p);
	char old[NETLINK_NAME_SIZE];
	int fd = rig_device(g, UNCLAIMED);

	snprintf(old, sizeof(old), "%s", rig_tap_of(g, 4)->name);
	until(unclaimed_has_filter);
	assert_int_equal(step(g, &p,
			      with(p, "port port=4 network=7 mac=fa:16:3e:00:00:04 "
				      "uuid=00000009-0000-4000-8000-000000000009")),
			 0);
	assert_int_equal(port_of(g, UNCLAIMED), 4);
	assert_int_equal(port_of(g, old), 0);
	assert_true(has_filter(old));
	assert_int_equal(findings(g, p), 0);
	must(rig_sync(g, was, &must_err));
	assert_int_equal(port_of(g, UNCLAIMED), 0);
	assert_int_equal(port_of(g, old), 4);
	assert_int_equal(findings(g, was), 0);
	close(fd);
}

static void without_a_host_record_nothing_of_it_stays(void **state)
{
	static const struct eb_config none;
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g), *was = plan_copy(p), *empty = plan_new();
	struct eb_config c;
	uint32_t key = EB_CONFIG_KEY;

	assert_int_equal(step(g, &p, without(p, "host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=one")), 0);
	assert_int_equal(bpf_map_lookup_elem(g->driver->fds.fd[TABLE_config], &key, &c), 0);
	assert_memory_equal(&c, &none, sizeof(c));
	assert_int_equal(findings(g, p), 0);
	must(rig_sync(g, was, &must_err));
	assert_int_equal(findings(g, was), 0);
	must(rig_sync(g, empty, &must_err));
	assert_int_equal(bpf_map_lookup_elem(g->driver->fds.fd[TABLE_config], &key, &c), 0);
	assert_memory_equal(&c, &none, sizeof(c));
	assert_int_equal(findings(g, empty), 0);
}

static void a_tap_before_its_record_is_shut(void **state)
{
	struct rig *g = *state;
	int fd = rig_device(g, UNCLAIMED);

	until(unclaimed_has_filter);
	assert_int_equal(vm_calls_host(g, fd, UNCLAIMED), SHUT);
	close(fd);
	rig_driver_close(g);
	must(driver_ebpf.cleanup(&g->config, &must_err));
	fd = rig_device(g, UNCLAIMED); /* while nobody runs */
	assert_false(has_filter(UNCLAIMED));
	must(rig_driver_open(g, &must_err));
	assert_int_equal(vm_calls_host(g, fd, UNCLAIMED), SHUT);
	close(fd);
}

static void a_tap_in_a_bridge_is_somebody_elses(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	int fd = rig_device(g, UNCLAIMED);

	assert_int_equal(ioctl(g->control, SIOCBRADDBR, "br0"), 0);
	until(unclaimed_has_filter);
	set_bridge(g, UNCLAIMED, true); /* Neutron's DHCP agent does, right after making it */
	until(unclaimed_has_none);
	rig_driver_close(g);
	must(rig_driver_open(g, &must_err));
	must(rig_sync(g, p, &must_err));
	assert_false(has_filter(UNCLAIMED));
	/* a record's word counts more */
	assert_int_equal(step(g, &p,
			      with(p, "port port=9 network=7 mac=fa:16:3e:00:00:09 "
				      "uuid=00000009-0000-4000-8000-000000000009")),
			 0);
	assert_true(has_filter(UNCLAIMED));
	close(fd);
}

/* ---- what others do ---- */

static void the_tunnel_device_set_down_is_set_up(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	assert_true(tunnel_is_up(g));
	set_up(g, EBPF_DEVICE, false);
	assert_int_equal(findings(g, p), 1);
	until(tunnel_is_up);
	assert_int_equal(findings(g, p), 0);
}

static void an_unmarked_tunnel_device_is_ours(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = NULL;
	struct netlink *n = g->driver->netlink;
	struct netlink_link l;

	must(netlink_vxlan_make(n, EBPF_DEVICE, TUNNEL_PORT, &must_err));
	must(netlink_link_find(n, EBPF_DEVICE, &l, &must_err));
	assert_false(l.up);
	p = steps_load(g);
	must(netlink_link_find(n, EBPF_DEVICE, &l, &must_err));
	assert_string_equal(l.alias, EBPF_ALIAS);
	assert_true(tunnel_is_up(g));
	must(netlink_link_delete(n, l.ifindex, &must_err));
	must(netlink_vxlan_make(n, EBPF_DEVICE, TUNNEL_PORT, &must_err));
	rig_driver_close(g);
	must(driver_ebpf.cleanup(&g->config, &must_err));
	assert_int_equal(if_nametoindex(EBPF_DEVICE), 0);
}

static bool all_have_filters(struct rig *g)
{
	return has_filter(EBPF_DEVICE) && has_filter(rig_tap_of(g, 3)->name) && has_filter(rig_tap_of(g, 4)->name);
}

static void a_filter_that_somebody_removes_comes_again(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	const char *const devices[] = { EBPF_DEVICE, rig_tap_of(g, 3)->name };

	for (size_t i = 0; i < N_ELEMENTS(devices); i++) {
		assert_int_equal(detach(if_nametoindex(devices[i])), 0);
		assert_int_equal(findings(g, p), 1);
		until(all_have_filters);
		assert_int_equal(findings(g, p), 0);
		assert_int_equal(detach(if_nametoindex(devices[i])), 0);
		loop_timer_arm(g->driver->look, 0); /* the time has come */
		until(all_have_filters);
	}
	for (size_t i = 0; i < N_ELEMENTS(devices); i++) {
		drop_qdisc(devices[i]);
		until(all_have_filters);
	}
}

static bool port_4_is_absent(struct rig *g)
{
	const struct port_device *p = port_find(g->driver, 4);

	return !rig_tap_of(g, 4)->ready && p && !p->ifindex && g->lost;
}

/* Has a netlink socket of the driver overrun? The namespace has no others. */
static bool notifications_were_lost(void)
{
	FILE *f = fopen("/proc/net/netlink", "re");
	unsigned long drops = 0;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		const char *at = line;

		for (int column = 0; column < DROPS_COLUMN; column++) {
			at += strcspn(at, " ");
			at += strspn(at, " ");
		}
		drops += strtoul(at, NULL, 10); /* of the head line 0 */
	}
	fclose(f);
	return drops > 0;
}

static void lost_notifications_are_made_up_for(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	struct rig_tap *t = rig_tap_of(g, 4);
	struct netlink_link l;
	uint32_t dead;

	/* First one that tells of the device as alive, then too many, then what nobody hears. */
	set_mtu(g, t->name, 1400);
	for (int i = 0; i < NOTIFICATIONS; i++)
		set_mtu(g, "underlay", 1500 + i % 2);
	dead = if_nametoindex(t->name);
	closep(&t->fd);
	t->fd = -1;
	must(netlink_link_find(g->driver->netlink, EBPF_DEVICE, &l, &must_err));
	must(netlink_link_delete(g->driver->netlink, l.ifindex, &must_err));
	assert_true(t->ready);
	assert_true(notifications_were_lost());
	until(port_4_is_absent);
	assert_true(bpf_map_lookup_elem(g->driver->fds.fd[TABLE_device], &dead, &(struct eb_device) { 0 }));
	must(rig_sync(g, p, &must_err)); /* what the agent does when the state is lost */
	assert_true(tunnel_is_up(g));
	assert_int_equal(findings(g, p), 0);
}

/* ---- the underlay ---- */

static void set_sum(uint8_t *ip)
{
	put_u16(ip + 10, 0);
	put_u16(ip + 10, checksum_fold(checksum_add(0, ip, IPV4_SIZE)));
}

/* By the last byte of their MACs. */
static size_t vm_frame(uint8_t *frame, uint8_t here, uint8_t there)
{
	static uint32_t number;
	struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, there } },
			   .src = { { 0xfa, 0x16, 0x3e, 0, 0, here } },
			   .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = 9,
			   .proto = 253,
			   .total = IPV4_SIZE + 40,
			   .size = IPV4_SIZE,
			   .src = ip_from_v4(0x0a000100u + here),
			   .dst = ip_from_v4(0x0a000100u + there) };

	memset(frame, 0, ETH_SIZE + IPV4_SIZE + 40);
	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	put_u32(frame + ETH_SIZE + IPV4_SIZE + 36, ++number);
	return ETH_SIZE + IPV4_SIZE + 40;
}

static void answer_arp(struct rig *g, const uint8_t *request)
{
	uint8_t frame[ETH_SIZE + ARP_SIZE];
	struct arp arp;
	struct eth eth = { .src = { { 2, 0, 0, 0, 0, 2 } }, .type = ETHERTYPE_ARP };

	if (arp_read(request + ETH_SIZE, ARP_SIZE, &arp) < 0 || arp.op != ARP_REQUEST)
		return;
	eth.dst = arp.sender_mac;
	arp = (struct arp) { ARP_REPLY, eth.src, arp.sender_mac, arp.target, arp.sender };
	eth_write(frame, &eth);
	arp_write(frame + ETH_SIZE, &arp);
	assert_int_equal(write(g->underlay, frame, sizeof(frame)), sizeof(frame));
}

/* Sends one frame of port 3 to the far VM; where on the underlay it goes, host order; 0: nowhere. Others there answer
 * ARP. */
static uint32_t leaves_for(struct rig *g)
{
	struct pollfd fd = { .fd = g->underlay, .events = POLLIN };
	uint8_t frame[128], got[2048];
	size_t len = vm_frame(frame, 3, 5);

	assert_int_equal(write(rig_tap_of(g, 3)->fd, frame, len), len);
	while (poll(&fd, 1, WAIT_MS) == 1) {
		ssize_t n = read(g->underlay, got, sizeof(got));

		if (n >= ETH_SIZE + ARP_SIZE && got[12] == 0x08 && got[13] == 0x06)
			answer_arp(g, got);
		if (n == (ssize_t)(len + EB_OUTER) && !memcmp(got + EB_OUTER, frame, len))
			return get_u32(got + ETH_SIZE + 16);
	}
	return 0;
}

/* A frame of the far VM comes by tunnel. True when port 3 gets it. */
static bool arrives(struct rig *g)
{
	uint8_t frame[256] = { 0 }, got[2048];
	uint8_t *ip = frame + ETH_SIZE, *udp = ip + IPV4_SIZE, *vxlan = udp + 8;
	size_t len = vm_frame(frame + EB_OUTER, 5, 3);
	struct ifreq ifr = { .ifr_name = "underlay" };
	struct eth eth = { .src = { { 2, 0, 0, 0, 0, 2 } }, .type = ETHERTYPE_V4 };
	struct ipv4 outer = { .ttl = 64,
			      .proto = PROTO_UDP,
			      .total = (uint16_t)(len + EB_OUTER - ETH_SIZE),
			      .size = IPV4_SIZE,
			      .src = ip_from_v4(0xc0000202),
			      .dst = ip_from_v4(0xc0000201) };
	struct pollfd fd = { .fd = rig_tap_of(g, 3)->fd, .events = POLLIN };

	assert_int_equal(ioctl(g->control, SIOCGIFHWADDR, &ifr), 0);
	memcpy(&eth.dst, ifr.ifr_hwaddr.sa_data, 6);
	eth_write(frame, &eth);
	ipv4_write(ip, &outer);
	set_sum(ip);
	put_u16(udp, 5000);
	put_u16(udp + 2, TUNNEL_PORT);
	put_u16(udp + 4, (uint16_t)(len + 16));
	vxlan[0] = 8;
	vxlan[6] = 100;
	assert_int_equal(write(g->underlay, frame, len + EB_OUTER), len + EB_OUTER);
	while (poll(&fd, 1, WAIT_MS) == 1) {
		ssize_t n = read(fd.fd, got, sizeof(got));

		if (n == (ssize_t)len && !memcmp(got, frame + EB_OUTER, len))
			return true;
	}
	return false;
}

static bool way_is_known(struct rig *g)
{
	return way_find(g->driver, 2)->ifindex;
}

static bool way_is_gone(struct rig *g)
{
	return !way_is_known(g);
}

static void the_first_packet_waits_for_the_neighbour(void **state)
{
	struct rig *g = *state;

	plan_free(steps_load(g));
	until(way_is_known);
	assert_int_equal(leaves_for(g), 0xc0000202);
	assert_true(arrives(g));
	for (int i = 0; i < 3; i++) {
		forget_neighbour(g, "192.0.2.2");
		assert_int_equal(leaves_for(g), 0xc0000202);
	}
}

static void a_peer_with_another_address_is_sent_to_there(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	assert_int_equal(leaves_for(g), 0xc0000202);
	assert_int_equal(step(g, &p, with(p, "peer host=2 tunnel=192.0.2.7 dvr_mac=fa:16:3f:00:00:02 name=two")), 0);
	assert_int_equal(leaves_for(g), 0xc0000207);
	assert_int_equal(findings(g, p), 0);
}

static void an_uplink_that_comes_again_is_used_again(void **state)
{
	struct rig *g = *state;

	plan_free(steps_load(g));
	assert_int_equal(leaves_for(g), 0xc0000202);
	set_up(g, "underlay", false);
	until(way_is_gone);
	set_up(g, "underlay", true);
	until(way_is_known);
	assert_int_equal(leaves_for(g), 0xc0000202);
	set_up(g, EBPF_DEVICE, false);
	until(tunnel_is_up);
	assert_true(arrives(g));
}

/* Frames of port 3 to port 4, one after the other, until the socket is closed. The process succeeds if none is lost. */
static pid_t start_traffic(struct rig *g, int *ret_stop)
{
	struct pollfd to = { .fd = rig_tap_of(g, 4)->fd, .events = POLLIN }, stop = { .events = POLLIN };
	uint8_t frame[128], got[2048];
	unsigned n = 0;
	int ends[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	close(ends[pid ? 0 : 1]);
	if (pid) {
		*ret_stop = ends[1];
		assert_int_equal(read(ends[1], got, 1), 1);
		return pid;
	}
	close(g->driver->held); /* which would hold it for two */
	if (write(ends[0], "", 1) != 1)
		_exit(4);
	for (stop.fd = ends[0]; !poll(&stop, 1, 0); n++) {
		size_t len = vm_frame(frame, 3, 4);

		if (write(rig_tap_of(g, 3)->fd, frame, len) != (ssize_t)len)
			_exit(2);
		do
			if (poll(&to, 1, WAIT_MS) != 1)
				_exit(1);
		while (read(to.fd, got, sizeof(got)) != (ssize_t)len || memcmp(got, frame, len) != 0);
	}
	_exit(n > 100 ? 0 : 3);
}

static void another_layout_takes_over_without_a_gap(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	char was[160], old[160];
	int stop, status;
	pid_t pid = start_traffic(g, &stop);

	snprintf(was, sizeof(was), "%s/%s", g->pins, g->driver->layout);
	snprintf(old, sizeof(old), "%s/v0-0123456789abcdef", g->pins);
	rig_driver_close(g);
	assert_int_equal(rename(was, old), 0);
	must(rig_driver_open(g, &must_err)); /* new maps, empty; the old program forwards by the old ones */
	must(rig_sync(g, p, &must_err));
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(findings(g, p), 0);
	close(stop);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void take_warning(const char *text, void *arg)
{
	snprintf(arg, 256, "%s", text);
}

static const char *warned(struct rig *g)
{
	static char text[256];

	*text = '\0';
	driver_ebpf.warnings(g->driver, take_warning, text);
	return text;
}

static bool is_warned(struct rig *g)
{
	return *warned(g);
}

static bool is_not_warned(struct rig *g)
{
	return !*warned(g);
}

static void a_network_that_does_not_fit_is_named(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	until(is_not_warned);
	set_mtu(g, "underlay", 1499);
	until(is_warned);
	assert_non_null(strstr(warned(g), "MTU 1450"));
	assert_non_null(strstr(warned(g), "underlay's 1499"));
	set_mtu(g, "underlay", 1500);
	until(is_not_warned);
	assert_int_equal(step(g, &p, with(p, "segment type=vxlan id=100 network=7 mtu=1451")), 0);
	until(is_warned);
}

int main(int argc, char **argv)
{
#define RIG(fn) cmocka_unit_test_setup_teardown(fn, steps_open, steps_close)
	const struct CMUnitTest tests[] = {
		RIG(without_the_driver_a_vm_reaches_the_host),
		RIG(a_tap_whose_record_goes_stays_shut),
		RIG(a_number_that_is_another_ports_now_has_its_device),
		RIG(without_a_host_record_nothing_of_it_stays),
		RIG(a_tap_before_its_record_is_shut),
		RIG(a_tap_in_a_bridge_is_somebody_elses),
		RIG(the_tunnel_device_set_down_is_set_up),
		RIG(an_unmarked_tunnel_device_is_ours),
		RIG(a_filter_that_somebody_removes_comes_again),
		RIG(lost_notifications_are_made_up_for),
		RIG(the_first_packet_waits_for_the_neighbour),
		RIG(a_peer_with_another_address_is_sent_to_there),
		RIG(an_uplink_that_comes_again_is_used_again),
		RIG(another_layout_takes_over_without_a_gap),
		RIG(a_network_that_does_not_fit_is_named),
	};
#undef RIG

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
