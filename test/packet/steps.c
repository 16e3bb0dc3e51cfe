/* SPDX-License-Identifier: Apache-2.0 */
#include "steps.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "driver/ebpf/ebpf.h"
#include "fault.h"

#define OURS "192.0.2.1"

/* Ports 3 and 4 are here, the VM with MAC :05 is at host 2, and a router joins two networks. */
static const char two_hosts[] =
	"host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=one\n"
	"peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=two\n"
	"segment type=vxlan id=100 network=7 mtu=1450\n"
	"segment type=vxlan id=200 network=8 mtu=1450\n"
	"member router=1 host=2\n"
	"subnet network=7 prefix=10.0.1.0/24 mac=fa:16:3e:ff:00:07\n"
	"subnet network=8 prefix=10.0.2.0/24 mac=fa:16:3e:ff:00:08\n"
	"port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3 uuid=00000003-0000-4000-8000-000000000003\n"
	"port port=4 network=7 mac=fa:16:3e:00:00:04 addrs=10.0.1.4 uuid=00000004-0000-4000-8000-000000000004\n"
	"fdb network=7 mac=fa:16:3e:00:00:03 port=3\n"
	"fdb network=7 mac=fa:16:3e:00:00:04 port=4\n"
	"fdb network=7 mac=fa:16:3e:00:00:05 peer=2\n"
	"neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:05\n"
	"flood network=7 host=2\n"
	"route router=1 prefix=10.0.1.0/24 network=7 interface=fa:16:3e:ff:00:07\n"
	"route router=1 prefix=10.0.2.0/24 network=8 interface=fa:16:3e:ff:00:08\n"
	"interface network=7 mac=fa:16:3e:ff:00:07 router=1 addrs=10.0.1.1/24\n"
	"interface network=8 mac=fa:16:3e:ff:00:08 router=1 addrs=10.0.2.1/24\n";

void planp(struct plan **p)
{
	plan_free(*p);
}

void set_address(struct rig *g, const char *device, const char *address)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	inet_pton(AF_INET, address, &in.sin_addr);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	assert_int_equal(ioctl(g->control, SIOCSIFADDR, &ifr), 0);
	inet_pton(AF_INET, "255.255.255.0", &in.sin_addr);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	assert_int_equal(ioctl(g->control, SIOCSIFNETMASK, &ifr), 0);
}

void set_mtu(struct rig *g, const char *device, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	assert_int_equal(ioctl(g->control, SIOCSIFMTU, &ifr), 0);
}

void set_up(struct rig *g, const char *device, bool up)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	assert_int_equal(ioctl(g->control, SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	assert_int_equal(ioctl(g->control, SIOCSIFFLAGS, &ifr), 0);
}

bool has_filter(const char *device)
{
	return if_nametoindex(device) && attached(if_nametoindex(device));
}

void drop_qdisc(const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	libbpf_set_print(NULL);
	bpf_tc_hook_create(&hook); /* in case that it is not by clsact that programs are attached */
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
}

bool tunnel_is_up(struct rig *g)
{
	struct netlink_link l;

	return !netlink_link_find(g->driver->netlink, EBPF_DEVICE, &l, NULL) && l.up && attached(l.ifindex);
}

int steps_open(void **state)
{
	struct rig *g = xcalloc(1, sizeof(*g));

	memset(&fault, 0, sizeof(fault));
	must(rig_open(g, false, &must_err));
	set_address(g, "underlay", OURS);
	set_mtu(g, "underlay", 1500);
	*state = g;
	return 0;
}

int steps_close(void **state)
{
	memset(&fault, 0, sizeof(fault));
	rig_close(*state);
	free(*state);
	return 0;
}

struct plan *steps_load(struct rig *g)
{
	struct plan *p = NULL;

	must(plan_parse(two_hosts, &p, &must_err));
	must(rig_taps(g, p, &must_err));
	must(rig_sync(g, p, &must_err));
	return p;
}

static void count_finding(enum driver_audit_kind kind, const char *what, void *arg)
{
	static const char *const kinds[] = { "missing", "extra", "different" };

	++*(unsigned *)arg;
	print_message("%s %s\n", kinds[kind], what);
}

unsigned findings(struct rig *g, const struct plan *p)
{
	unsigned n = 0;

	must(driver_ebpf.audit(g->driver, p, count_finding, &n, &must_err));
	return n;
}

uint64_t counted(struct rig *g, const char *name)
{
	struct driver_counter c[256];
	size_t n = driver_ebpf.counters(g->driver, c, N_ELEMENTS(c));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(c[i].name, name))
			return c[i].packets;
	fail_msg("no counter %s", name);
	return 0;
}

size_t step(struct rig *g, struct plan **p, struct plan *next)
{
	struct plan_changes changes = { 0 };

	plan_diff(*p, next, &changes);
	plan_free(*p);
	*p = next;
	g->n_failures = 0;
	rig_apply(g, &changes, NULL);
	plan_changes_fini(&changes);
	return g->n_failures;
}

static void set_record(const struct plan_record *r, void *arg)
{
	plan_set(arg, r);
}

static void drop_record(const struct plan_record *r, void *arg)
{
	plan_del(arg, r);
}

static struct plan *edited(const struct plan *p, const char *lines, void (*fn)(const struct plan_record *r, void *arg))
{
	_cleanup_(planp) struct plan *of = NULL;
	struct plan *next = plan_copy(p);

	must(plan_parse(lines, &of, &must_err));
	for (int t = 0; t < PLAN_N_TABLES; t++)
		plan_each(of, t, fn, next);
	return next;
}

struct plan *with(const struct plan *p, const char *lines)
{
	return edited(p, lines, set_record);
}

struct plan *without(const struct plan *p, const char *lines)
{
	return edited(p, lines, drop_record);
}
