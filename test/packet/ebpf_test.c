/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ebpf driver itself: that changes leave what a sync would, that restarts and devices that come
 * and go are survived, that cleanup takes ours alone. As root; all of it in namespaces of this process.
 * (That it decides as the reference does: test/differ.)
 */
#include "steps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compile/compile.h"
#include "driver/ebpf/ebpf.h"
#include "driver/ebpf/neutrino.skel.h"
#include "io/loop.h"
#include "net/packet.h"
#include "packet_driver.h"
#include "property/cloud.h"

#define HOST 1 /* of a random cloud: who we are */
#define CLOUDS 12
#define CHANGES 8
#define FRAME_WAIT_MS 30000
#define INSNS_MAX 100000
#define TCX_INGRESS ((enum bpf_attach_type)46) /* linux/bpf.h of 6.6 */

static const char two_ports[] =
	"host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=one\n"
	"segment type=vxlan id=100 network=7 mtu=1450\n"
	"port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3 uuid=00000003-0000-4000-8000-000000000003\n"
	"port port=4 network=7 mac=fa:16:3e:00:00:04 addrs=10.0.1.4 uuid=00000004-0000-4000-8000-000000000004\n"
	"fdb network=7 mac=fa:16:3e:00:00:03 port=3\n"
	"fdb network=7 mac=fa:16:3e:00:00:04 port=4\n";

static struct plan *parsed(const char *text)
{
	struct plan *p = NULL;

	must(plan_parse(text, &p, &must_err));
	return p;
}

static int open_rig(void **state)
{
	struct rig *g = xcalloc(1, sizeof(*g));

	must(rig_open(g, true, &must_err));
	*state = g;
	return 0;
}

static int close_rig(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

/* How much of the program the verifier walked, as it says itself. */
static unsigned processed(const char *name)
{
	struct neutrino_bpf *bpf = neutrino_bpf__open();
	struct bpf_program *p;
	struct bpf_map *m;
	char log[4096] = "";
	unsigned insns;
	const char *at;

	assert_non_null(bpf);
	bpf_object__for_each_map(m, bpf->obj) bpf_map__set_pin_path(m, NULL);
	bpf_object__for_each_program(p, bpf->obj)
	{
		bool wanted = !strcmp(bpf_program__name(p), name);

		bpf_program__set_autoload(p, wanted);
		bpf_program__set_log_level(p, wanted ? 4 : 0); /* 4: the closing lines alone */
		bpf_program__set_log_buf(p, wanted ? log : NULL, wanted ? sizeof(log) : 0);
	}
	assert_int_equal(neutrino_bpf__load(bpf), 0);
	at = strstr(log, "processed ");
	assert_non_null(at);
	insns = (unsigned)strtoul(at + strlen("processed "), NULL, 10);
	print_message("%s: %u\n", name, insns);
	neutrino_bpf__destroy(bpf);
	return insns;
}

static void the_verifier_walks_less_than_its_budget(void **state)
{
	(void)state;
	assert_in_range(processed("from_port"), 100, INSNS_MAX);
	assert_in_range(processed("from_tunnel"), 100, INSNS_MAX);
}

static struct plan *plan_of(const struct cloud *c, uint32_t host)
{
	struct model *m = cloud_model(c, host);
	struct plan *p = compile_all(m);

	model_free(m);
	return p;
}

static void changes_leave_what_a_sync_would(void **state)
{
	struct rig *g = *state;

	for (uint64_t seed = 1; seed <= CLOUDS; seed++) {
		struct rng r = { .state = seed };
		struct cloud c;

		cloud_make(&c, &r);
		struct plan *now = plan_of(&c, HOST);

		must(rig_taps(g, now, &must_err));
		must(rig_sync(g, now, &must_err));
		for (int i = 0; i < CHANGES; i++) {
			struct plan_changes changes = { 0 };
			struct plan *next;

			cloud_change(&c, &r);
			next = plan_of(&c, HOST);
			plan_diff(now, next, &changes);
			must(rig_taps(g, next, &must_err));
			must(rig_apply(g, &changes, &must_err));
			plan_changes_fini(&changes);
			plan_free(now);
			now = next;
			if (findings(g, now))
				fail_msg("seed %d, change %d", (int)seed, i);
		}
		plan_free(now);
	}
}

/* A frame of port 3 to port 4, by their devices. True if it comes out. */
static bool passes_within(struct rig *g, int wait_ms)
{
	struct rig_tap *from = rig_tap_of(g, 3), *to = rig_tap_of(g, 4);
	static uint8_t number;
	uint8_t frame[ETH_SIZE + IPV4_SIZE + 40] = { 0 }, got[2048];
	struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, 4 } },
			   .src = { { 0xfa, 0x16, 0x3e, 0, 0, 3 } },
			   .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = 9,
			   .proto = 253,
			   .total = IPV4_SIZE + 40,
			   .size = IPV4_SIZE,
			   .src = ip_from_v4(0x0a000103),
			   .dst = ip_from_v4(0x0a000104) };
	struct pollfd fd = { .fd = to->fd, .events = POLLIN };

	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	frame[sizeof(frame) - 1] = ++number;
	if (write(from->fd, frame, sizeof(frame)) != sizeof(frame))
		return false;
	while (poll(&fd, 1, wait_ms) == 1)
		if (read(to->fd, got, sizeof(got)) == sizeof(frame) && !memcmp(got, frame, sizeof(frame)))
			return true;
	return false;
}

static bool passes(struct rig *g)
{
	return passes_within(g, FRAME_WAIT_MS);
}

/* The program of ours on the device's ingress, 0 for none. */
static uint32_t program_on(const char *name)
{
	return attached(if_nametoindex(name));
}

static void load_two_ports(struct rig *g)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);

	must(rig_taps(g, p, &must_err));
	must(rig_sync(g, p, &must_err));
}

static void it_forwards_while_nobody_runs_and_is_adopted(void **state)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);
	struct rig *g = *state;
	uint32_t before;

	load_two_ports(g);
	assert_true(passes(g));
	before = program_on(rig_tap_of(g, 3)->name);
	rig_driver_close(g);
	assert_true(passes(g));
	must(rig_driver_open(g, &must_err));
	/* opening changed nothing, and found everything */
	assert_int_equal(program_on(rig_tap_of(g, 3)->name), before);
	assert_int_equal(findings(g, p), 1 /* config: the device's number is looked up by the first sync */ +
						 4 /* port and device: so are theirs */);
	assert_true(passes(g));
	must(rig_sync(g, p, &must_err));
	assert_int_not_equal(program_on(rig_tap_of(g, 3)->name), before);
	assert_int_equal(findings(g, p), 0);
	assert_true(passes(g));
}

/* Flows that are good for the present state of the maps. */
static unsigned remembered(struct rig *g)
{
	struct bpf_map *flows = g->driver->bpf->maps.flow;
	struct eb_flow f;
	unsigned n = 0;

	for (uint32_t slot = 0; slot < bpf_map__max_entries(flows); slot++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(flows), &slot, &f), 0);
		n += f.key.generation == g->driver->generation;
	}
	return n;
}

static void change_port(struct rig *g, struct plan *p, bool up)
{
	struct plan_record r = PLAN_RECORD(PLAN_PORT), old;
	struct plan_changes changes = { 0 };

	r.port.key.port = 4;
	old = r = *plan_find(p, &r);
	r.port.up = up;
	plan_changes_add(&changes, PLAN_UPDATE, &r, &old);
	plan_apply(p, &changes);
	must(rig_apply(g, &changes, &must_err));
	plan_changes_fini(&changes);
}

static void a_flow_is_remembered_until_something_changes(void **state)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);
	struct rig *g = *state;

	load_two_ports(g);
	assert_int_equal(remembered(g), 0);
	assert_true(passes(g));
	assert_int_equal(remembered(g), 1);
	assert_true(passes(g));
	assert_int_equal(remembered(g), 1);
	change_port(g, p, false);
	assert_int_equal(remembered(g), 0);
	assert_false(passes_within(g, 0));
	change_port(g, p, true);
	assert_true(passes(g));
	assert_int_equal(remembered(g), 1);
}

/* Of a frame of port 3 to somebody on another host. */
static enum drop_reason sent(struct rig *g, size_t len)
{
	uint8_t frame[ETH_SIZE + 1500] = { 0 };
	struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, 5 } },
			   .src = { { 0xfa, 0x16, 0x3e, 0, 0, 3 } },
			   .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = 9,
			   .proto = 253,
			   .total = (uint16_t)len,
			   .size = IPV4_SIZE,
			   .src = ip_from_v4(0x0a000103),
			   .dst = ip_from_v4(0x0a000105) };
	struct forward_in in = { .port = 3, .frame = frame, .len = ETH_SIZE + len };
	struct forward_result result;
	enum drop_reason reason;

	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	must(packet_on_ebpf.run(g, &in, &result, &must_err));
	reason = result.reason;
	assert_int_equal(result.verdict, reason ? VERDICT_DROP : VERDICT_SEND);
	forward_result_fini(&result);
	return reason;
}

/* The new MTU has become known when what was remembered no longer counts. */
static void set_underlay_mtu(struct rig *g, int mtu)
{
	uint32_t before = g->driver->generation;
	uint64_t end = loop_now_us(g->loop) + FRAME_WAIT_MS * 1000;

	assert_int_equal(rig_underlay_mtu(g, mtu), 0);
	while (g->driver->generation == before && loop_now_us(g->loop) < end)
		loop_turn(g->loop, 100000);
	assert_int_not_equal(g->driver->generation, before);
}

static void load_with_peer(struct rig *g)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);
	struct err err = { 0 };

	assert_int_equal(plan_parse_line(p, "peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=two", &err),
			 0);
	assert_int_equal(plan_parse_line(p, "fdb network=7 mac=fa:16:3e:00:00:05 peer=2", &err), 0);
	must(rig_taps(g, p, &must_err));
	must(rig_sync(g, p, &must_err));
}

static void what_the_underlay_does_not_take_is_counted(void **state)
{
	struct rig *g = *state;

	load_with_peer(g);
	assert_int_equal(sent(g, 1450), DROP_NONE);
	set_underlay_mtu(g, 1400);
	assert_int_equal(sent(g, 1351), DROP_TOO_BIG);
	assert_int_equal(sent(g, 1350), DROP_NONE);
	set_underlay_mtu(g, 1500);
	assert_int_equal(sent(g, 1450), DROP_NONE);
	assert_int_equal(sent(g, 1451), DROP_TOO_BIG); /* the network's own */
}

/* A super-packet of port 3, with segments of so many bytes behind their headers, is sent to the peer. */
static bool is_sent_in_segments(struct rig *g, uint8_t proto, uint32_t size)
{
	uint8_t frame[3000] = { 0 }, out[4096];
	struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, 5 } },
			   .src = { { 0xfa, 0x16, 0x3e, 0, 0, 3 } },
			   .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = 9,
			   .proto = proto,
			   .total = sizeof(frame) - ETH_SIZE,
			   .size = IPV4_SIZE,
			   .src = ip_from_v4(0x0a000103),
			   .dst = ip_from_v4(0x0a000105) };
	struct __sk_buff ctx = { .ifindex = if_nametoindex(rig_tap_of(g, 3)->name), .gso_size = size, .gso_segs = 3 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	uint64_t sends = counted(g, "send"), drops = counted(g, "drop_too_big");

	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	frame[ETH_SIZE + IPV4_SIZE + 12] = TCP_SIZE / 4 << 4;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(g->driver->bpf->progs.from_port), &opts), 0);
	sends = counted(g, "send") - sends;
	drops = counted(g, "drop_too_big") - drops;
	assert_int_equal(sends + drops, 1);
	return sends;
}

static void a_super_packet_must_fit_by_its_segments(void **state)
{
	static const struct {
		uint8_t proto;
		uint32_t headers;
	} cases[] = { { PROTO_TCP, IPV4_SIZE + TCP_SIZE },
		      { PROTO_UDP, IPV4_SIZE + UDP_SIZE },
		      { 47 /* GRE */, IPV4_SIZE } };
	struct rig *g = *state;

	load_with_peer(g);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		assert_true(is_sent_in_segments(g, cases[i].proto, 1450 - cases[i].headers));
		assert_false(is_sent_in_segments(g, cases[i].proto, 1451 - cases[i].headers));
	}
}

static void broadcasts_have_a_rate(void **state)
{
	uint8_t frame[ETH_SIZE + ARP_SIZE] = { 0 };
	struct eth eth = { .dst = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
			   .src = { { 0xfa, 0x16, 0x3e, 0, 0, 3 } },
			   .type = ETHERTYPE_ARP };
	struct arp arp = { .op = ARP_REQUEST,
			   .sender_mac = eth.src,
			   .sender = ip_from_v4(0x0a000103),
			   .target = ip_from_v4(0x0a000199) };
	struct rig *g = *state;
	struct __sk_buff ctx = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 3000);

	load_two_ports(g);
	ctx.ifindex = if_nametoindex(rig_tap_of(g, 3)->name);
	eth_write(frame, &eth);
	arp_write(frame + ETH_SIZE, &arp);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(g->driver->bpf->progs.from_port), &opts), 0);
	assert_in_range(counted(g, "flood"), 1000, 2999); /* fewer of them in a burst, more where the machine is slow */
	assert_int_equal(counted(g, "flood") + counted(g, "drop_rate"), 3000);
}

static void a_device_that_comes_again_is_attached_again(void **state)
{
	struct rig *g = *state;

	load_two_ports(g);
	must(rig_tap_set(g, 4, false, &must_err));
	must(rig_tap_set(g, 4, true, &must_err));
	assert_true(program_on(rig_tap_of(g, 4)->name));
	assert_true(passes(g));
}

static void a_port_that_went_meanwhile_stays_shut(void **state)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	struct rig *g = *state;
	char name[IFNAMSIZ];
	int fd;

	load_two_ports(g);
	rig_driver_close(g);
	snprintf(name, sizeof(name), "%s", rig_tap_of(g, 4)->name);
	key.port.key.port = 4;
	plan_del(p, &key);
	fd = rig_tap_of(g, 4)->fd; /* the device stays, and a VM behind it */
	rig_tap_of(g, 4)->fd = -1;
	must(rig_driver_open(g, &must_err));
	must(rig_sync(g, p, &must_err));
	assert_true(if_nametoindex(name));
	assert_true(program_on(name));
	assert_true(program_on(rig_tap_of(g, 3)->name));
	assert_int_equal(findings(g, p), 0);
	close(fd);
}

/* A program that lets everything pass, of somebody else. */
static int others_program(void)
{
	const struct bpf_insn pass[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },
					 { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "others", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static const uint32_t our_filter[] = { 0x4e, 0x4e55 }, others_filter[] = { 1, 1 }; /* handle, priority */

static void add_filter(uint32_t ifindex, const uint32_t at[2], int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at[0], .priority = at[1], .prog_fd = prog_fd);
	int r = bpf_tc_hook_create(&hook);

	assert_true(!r || r == -EEXIST);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

static bool filter_is_at(uint32_t ifindex, const uint32_t at[2])
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at[0], .priority = at[1]);

	return bpf_tc_query(&hook, &opts) == 0;
}

/* How many programs there are by tcx; negative: this kernel has none. */
static int tcx_programs(uint32_t ifindex)
{
	uint32_t ids[8], n = 8;
	int r = bpf_prog_query((int)ifindex, TCX_INGRESS, 0, NULL, ids, &n);

	return r < 0 ? r : (int)n;
}

static void add_line(const char *line, void *arg)
{
	strcat(strcat(arg, line), "\n");
}

static void names_what_remains(struct rig *g)
{
	_cleanup_(freep) char *all = xasprintf("maps in %s\ndevice " EBPF_DEVICE "\na filter on %s\na filter on %s\n",
					       g->pins, rig_tap_of(g, 3)->name, rig_tap_of(g, 4)->name);
	char lines[512] = "";

	driver_ebpf.remains(&g->config, add_line, lines);
	assert_string_equal(lines, all);
}

static void nothing_remains(const struct rig *g)
{
	char lines[512] = "";

	driver_ebpf.remains(&g->config, add_line, lines);
	assert_string_equal(lines, "");
}

static void cleanup_takes_ours_alone(void **state)
{
	int others = others_program();
	struct rig *g = *state;
	uint32_t tap;
	bool tcx;

	load_two_ports(g);
	tap = if_nametoindex(rig_tap_of(g, 3)->name);
	tcx = tcx_programs(tap) >= 0;
	add_filter(tap, others_filter, others);
	assert_int_equal(bpf_prog_attach(others, (int)tap, TCX_INGRESS, 0), tcx ? 0 : -EINVAL);
	assert_true(passes(g)); /* ours is the first */
	rig_driver_close(g);
	names_what_remains(g);
	must(driver_ebpf.cleanup(&g->config, &must_err));
	nothing_remains(g);
	assert_int_equal(program_on(rig_tap_of(g, 3)->name), 0);
	assert_int_equal(program_on(rig_tap_of(g, 4)->name), 0);
	assert_int_equal(if_nametoindex(EBPF_DEVICE), 0);
	assert_int_equal(access(g->pins, F_OK), -1);
	assert_true(filter_is_at(tap, others_filter));
	assert_int_equal(tcx_programs(tap), tcx ? 1 : -EINVAL);
	close(others);
	must(driver_ebpf.cleanup(&g->config, &must_err)); /* with nothing there */
}

/* On an older kernel it is the one way, and stays. */
static void what_a_version_without_tcx_attached_is_replaced(void **state)
{
	struct rig *g = *state;
	uint32_t tap;
	bool tcx;

	load_two_ports(g);
	tap = if_nametoindex(rig_tap_of(g, 3)->name);
	tcx = tcx_programs(tap) >= 0;
	assert_int_equal(detach(tap), 0);
	add_filter(tap, our_filter, bpf_program__fd(g->driver->bpf->progs.from_port));
	assert_true(passes(g));
	rig_driver_close(g);
	must(rig_driver_open(g, &must_err));
	load_two_ports(g);
	assert_int_equal(filter_is_at(tap, our_filter), !tcx);
	assert_true(attached(tap));
	assert_true(passes(g));
}

static void what_does_not_fit_is_alone(void **state)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);
	struct rig *g = *state;
	struct err err = { 0 };

	for (uint32_t host = 10; host < 10 + EB_FLOOD_MAX; host++) {
		struct plan_record r = PLAN_RECORD(PLAN_FLOOD);

		r.flood.key.network = 7;
		r.flood.key.host = host;
		plan_set(p, &r);
	}
	must(rig_taps(g, p, &must_err));
	assert_true(rig_sync(g, p, &err) < 0);
	assert_int_equal(g->n_failures, 2); /* the two ports have a place each */
	assert_non_null(strstr(err.text, "full"));
	assert_true(passes(g));
}

static void without_its_tunnel_device_the_rest_goes(void **state)
{
	_cleanup_(planp) struct plan *p = parsed(two_ports);
	struct plan_record key = PLAN_RECORD(PLAN_HOST);
	struct plan_changes again = { 0 };
	struct rig *g = *state;
	struct err err = { 0 };
	int fd = rig_device(g, EBPF_DEVICE);

	assert_true(fd >= 0);
	must(rig_taps(g, p, &must_err));
	assert_true(rig_sync(g, p, &err) < 0);
	assert_int_equal(g->n_failures, 1);
	assert_int_equal(strncmp(g->failure, "host", 4), 0);
	assert_true(passes(g));
	close(fd);
	plan_changes_add(&again, PLAN_ADD, plan_find(p, &key), NULL);
	must(rig_apply(g, &again, &must_err));
	plan_changes_fini(&again);
	assert_true(program_on(EBPF_DEVICE));
	assert_int_equal(findings(g, p), 0);
}

static void another_layout_is_dropped_after_the_switch(void **state)
{
	struct rig *g = *state;
	char dir[128], pin[160];
	struct driver *d = g->driver;

	snprintf(dir, sizeof(dir), "%s/v0", g->pins);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(pin, sizeof(pin), "%s/config", dir);
	assert_int_equal(bpf_obj_pin(d->fds.fd[TABLE_config], pin), 0);
	load_two_ports(g);
	assert_int_equal(access(dir, F_OK), -1);
}

int main(void)
{
#define RIG(fn) cmocka_unit_test_setup_teardown(fn, open_rig, close_rig)
	const struct CMUnitTest tests[] = {
		RIG(the_verifier_walks_less_than_its_budget),
		RIG(changes_leave_what_a_sync_would),
		RIG(it_forwards_while_nobody_runs_and_is_adopted),
		RIG(a_flow_is_remembered_until_something_changes),
		RIG(what_the_underlay_does_not_take_is_counted),
		RIG(a_super_packet_must_fit_by_its_segments),
		RIG(broadcasts_have_a_rate),
		RIG(a_device_that_comes_again_is_attached_again),
		RIG(a_port_that_went_meanwhile_stays_shut),
		RIG(cleanup_takes_ours_alone),
		RIG(what_a_version_without_tcx_attached_is_replaced),
		RIG(what_does_not_fit_is_alone),
		RIG(without_its_tunnel_device_the_rest_goes),
		RIG(another_layout_is_dropped_after_the_switch),
	};
#undef RIG

	return cmocka_run_group_tests(tests, NULL, NULL);
}
