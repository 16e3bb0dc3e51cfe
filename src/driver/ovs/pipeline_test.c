/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/openflow.h"
#include "driver/ovs/pipeline.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"

/* What the golden flows (test/golden) do not show: many members, odd values, what is missing. */

#define TUNNEL 1
#define INSTRUCTION_SIZE 8 /* bytes of one that holds actions */
#define CONJUNCTION_SIZE 16
#define OFPORT 5 /* of each port but these: 9 has no device, */
#define SENDER 6 /* and this has its own number */

struct made {
	UT_string *text; /* a flow a line */
	size_t n, conjunctions;
};

static uint32_t ofport(uint32_t port, void *arg)
{
	(void)arg;
	return port == 9 ? 0 : port == SENDER ? SENDER : OFPORT;
}

static const struct pipeline_world world = { .tunnel_ofport = TUNNEL, .ofport = ofport };
static const struct pipeline_world no_tunnel = { .ofport = ofport };

static void add(struct flow *f, void *arg)
{
	struct made *m = arg;

	flow_format(f, m->text);
	utstring_bincpy(m->text, "\n", 1);
	m->n++;
	flow_fini(f);
}

static struct made made_new(void)
{
	struct made m = { 0 };

	utstring_new(m.text);
	return m;
}

static struct made made_of(const char *record, const struct pipeline_world *w)
{
	struct made m = made_new();
	struct plan_record r;
	struct err err = { 0 };

	if (plan_record_parse(record, &r, &err) < 0)
		fail_msg("%s: %s", record, err.text);
	pipeline_record(&r, w, add, &m);
	return m;
}

static size_t times(const char *text, const char *what)
{
	size_t n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

static size_t times_in(const char *record, const struct pipeline_world *w, const char *what)
{
	struct made m = made_of(record, w);
	size_t n = times(utstring_body(m.text), what);

	utstring_free(m.text);
	return n;
}

/* ------------------------------------------------------------------ sets */

static struct made made_of_set(enum origin_kind kind, size_t n_members)
{
	_cleanup_(freep) uint32_t *members = xcalloc(n_members + 1, sizeof(*members));
	struct made m = made_new();

	for (size_t i = 0; i < n_members; i++)
		members[i] = (uint32_t)(0x10000 + i);
	pipeline_aggregate(kind, 7, members, n_members, &world, add, &m);
	return m;
}

/* Their removal is what another program's del-flows is noticed by, whichever table it is of. */
static void note_table(struct flow *f, void *arg)
{
	bool *seen = arg;

	seen[f->table] = true;
	flow_fini(f);
}

static void test_a_flow_that_is_always_there_in_each_table(void **state)
{
	bool seen[N_TABLES] = { false };

	(void)state;
	pipeline_static(&no_tunnel, note_table, seen);
	for (unsigned t = 0; t < N_TABLES; t++)
		if (!seen[t])
			fail_msg("none in %s", tables_name((enum table)t));
}

/* ------------------------------------------------------------------ a switch */

#define TURN_US 20000000 /* a test that waits this long for an event has failed */

struct bed {
	struct sandbox sandbox;
	struct loop *loop;
	struct openflow *openflow;
	unsigned answers;
	int r; /* of the last one */
	struct flow *flows; /* to be given to it */
	size_t n, found;
};

static struct bed bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		while (!(what))                                                                                        \
			if (loop_turn(bed.loop, TURN_US) == 0)                                                         \
				fail_msg("does not come: %s", #what);                                                  \
	} while (0)

static void on_up(void *arg)
{
	(void)arg;
}

static void on_down(const char *why, void *arg)
{
	(void)arg;
	fail_msg("%s", why);
}

static void on_packet_in(const struct openflow_packet_in *p, void *arg)
{
	(void)p;
	(void)arg;
}

static void on_bundle(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	(void)arg;
	if (n > 0)
		print_error("%zu: %s\n", errors[0].mod, errors[0].text);
	bed.answers++;
	bed.r = r;
}

static void on_done(int r, const char *why, void *arg)
{
	(void)arg;
	(void)why;
	bed.answers++;
	bed.r = r;
}

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	(void)stats;
	(void)arg;
	for (size_t i = 0; i < bed.n; i++)
		bed.found += flow_equal(&bed.flows[i], f);
}

static void answered(void)
{
	unsigned before = bed.answers;

	UNTIL(bed.answers > before);
	assert_int_equal(bed.r, 0);
}

static void keep(struct flow *f, void *arg)
{
	(void)arg;
	bed.flows = xrealloc(bed.flows, (bed.n + 1) * sizeof(*bed.flows));
	flow_move(&bed.flows[bed.n++], f);
}

/* What was kept is what the switch has then. */
static void give(void)
{
	_cleanup_(freep) struct flow_mod *mods = xcalloc(bed.n, sizeof(*mods));

	for (size_t i = 0; i < bed.n; i++)
		mods[i] = (struct flow_mod) { FLOW_ADD, &bed.flows[i] };
	openflow_bundle(bed.openflow, mods, bed.n, on_bundle, &bed);
	answered();
	openflow_dump(bed.openflow, OPENFLOW_ALL_TABLES, 0, 0, on_flow, on_done, &bed);
	answered();
	assert_int_equal(bed.found, bed.n);
}

static int start(void **state)
{
	static const struct openflow_events events = { on_up, on_down, on_packet_in, NULL, &bed };
	struct err err = { 0 };
	int r;

	(void)state;
	memset(&bed, 0, sizeof(bed));
	r = sandbox_start(&bed.sandbox, &err);
	if (r < 0 && r != -ENOENT)
		fail_msg("%s", err.text);
	if (r < 0) {
		print_message("skipped: %s\n", err.text);
		return 0;
	}
	bed.loop = loop_new();
	bed.openflow = openflow_open(bed.loop, bed.sandbox.mgmt, &events);
	UNTIL(openflow_is_up(bed.openflow));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < bed.n; i++)
		flow_fini(&bed.flows[i]);
	free(bed.flows);
	openflow_close(bed.openflow);
	if (bed.loop)
		loop_free(bed.loop);
	sandbox_stop(&bed.sandbox);
	return 0;
}

static void keep_record(const char *record)
{
	struct plan_record r;
	struct err err = { 0 };

	assert_int_equal(plan_record_parse(record, &r, &err), 0);
	pipeline_record(&r, &world, keep, NULL);
}

/* ------------------------------------------------------------------ floods */

/* More than a flow can hold: the first 2,000. */
static void test_floods_are_bounded(void **state)
{
	static const enum origin_kind kinds[] = { ORIGIN_FLOOD_PORTS, ORIGIN_FLOOD_PEERS };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct made few = made_of_set(kinds[i], 1024), many = made_of_set(kinds[i], 70000);

		assert_int_equal(few.n, 1);
		assert_int_equal(times(utstring_body(few.text), "resubmit"), 1024);
		assert_int_equal(many.n, 1);
		assert_int_equal(times(utstring_body(many.text), "resubmit"), 2000);
		utstring_free(few.text);
		utstring_free(many.text);
	}
}

/* What a list needs to be gone through: ports 100 and on, which are all one here, and peers 100 and on, as one. */
static void keep_largest(void)
{
	_cleanup_(freep) uint32_t *members = xcalloc(5000, sizeof(*members));

	for (uint32_t i = 0; i < 5000; i++)
		members[i] = 100 + i;
	pipeline_static(&world, keep, NULL);
	keep_record("port port=6 network=7 mac=02:00:00:00:00:01 security=no");
	keep_record("port port=2099 network=7 mac=02:00:00:00:00:02 addrs=10.0.0.5");
	keep_record("peer host=2099 tunnel=192.0.2.2 dvr_mac=02:00:00:00:00:03 name=x");
	keep_record("segment type=vxlan id=1 network=7 mtu=1450");
	pipeline_aggregate(ORIGIN_FLOOD_PORTS, 7, members, 5000, &world, keep, NULL);
	pipeline_aggregate(ORIGIN_FLOOD_PEERS, 7, members, 5000, &world, keep, NULL);
}

static void add_devices(void)
{
	static const uint32_t ofports[] = { TUNNEL, OFPORT, SENDER };
	static const uint32_t meters[] = { METER_TOO_BIG, METER_ID(OFPORT, METER_ERRORS),
					   METER_ID(OFPORT, METER_BROADCAST), METER_ID(SENDER, METER_ERRORS),
					   METER_ID(SENDER, METER_BROADCAST) };
	struct openflow_meter list[N_ELEMENTS(meters)];

	for (size_t i = 0; i < N_ELEMENTS(ofports); i++)
		assert_int_equal(sandbox_run(&bed.sandbox, NULL,
					     "ovs-vsctl add-port br-int p%u -- set interface p%u type=dummy "
					     "ofport_request=%u",
					     ofports[i], ofports[i], ofports[i]),
				 0);
	for (size_t i = 0; i < N_ELEMENTS(meters); i++)
		list[i] = (struct openflow_meter) { meters[i], 1000, 1000 };
	openflow_meters(bed.openflow, list, N_ELEMENTS(list), on_done, &bed);
	answered();
}

/* The switch takes the largest lists, and a broadcast comes to the last of each. */
static void test_largest_flood(void **state)
{
	_cleanup_(utstring_freep) UT_string *said = NULL;
	const char *actions;

	(void)state;
	if (!bed.openflow)
		skip();
	add_devices();
	keep_largest();
	give();
	utstring_new(said);
	sandbox_run(&bed.sandbox, said,
		    "ovs-appctl -t $PWD/vswitchd.ctl ofproto/trace br-int 'in_port=6,arp,dl_src=02:00:00:00:00:01,"
		    "dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_tpa=10.0.0.9'");
	actions = strstr(utstring_body(said), "Datapath actions: ");
	if (!actions || !strstr(actions, ",check_pkt_len(size=1464,gt(drop),le(") ||
	    strstr(utstring_body(said), "over 4096"))
		fail_msg("%s", actions ? actions : utstring_body(said));
}

/* Counts what flows of nothing but conjunctions hold. */
static void count(struct flow *f, void *arg)
{
	struct made *m = arg;

	m->conjunctions += (f->instructions_len - INSTRUCTION_SIZE) / CONJUNCTION_SIZE;
	flow_fini(f);
}

static size_t conjunctions_of(size_t n_routers)
{
	_cleanup_(freep) uint32_t *routers = xcalloc(n_routers, sizeof(*routers));
	struct made m = { 0 };

	for (size_t i = 0; i < n_routers; i++)
		routers[i] = (uint32_t)(1 + i);
	pipeline_aggregate(ORIGIN_PEER_ROUTERS, 7, routers, n_routers, &world, count, &m);
	return m.conjunctions;
}

/* Each has one, as long as there is room. */
static void test_many_routers(void **state)
{
	(void)state;
	assert_int_equal(conjunctions_of(1), 1);
	assert_int_equal(conjunctions_of(100000), 100000);
	assert_in_range(conjunctions_of(300000), 250000, 299999);
}

/* Both sides of the join stand at the same priority: Open vSwitch joins no others. */
static void test_routers_meet(void **state)
{
	struct made network = made_of_set(ORIGIN_NETWORK_ROUTERS, 200), peer = made_of_set(ORIGIN_PEER_ROUTERS, 200);

	(void)state;
	for (int i = 0; i < 200; i++) {
		static const char *const shapes[] = { "conjunction(%d,1/2)", "conjunction(%d,2/2)", "conj_id=%d," };
		long priorities[3];

		for (int k = 0; k < 3; k++) {
			_cleanup_(freep) char *what = xasprintf(shapes[k], 0x10000 + i);
			const char *text = utstring_body(k == 1 ? peer.text : network.text), *at = strstr(text, what);

			assert_non_null(at);
			while (at > text && at[-1] != '\n')
				at--;
			at = strstr(at, " table=4, priority=");
			assert_non_null(at);
			priorities[k] = strtol(at + strlen(" table=4, priority="), NULL, 10);
		}
		assert_int_equal(priorities[0], priorities[1]);
		assert_int_equal(priorities[0], priorities[2]);
	}
	utstring_free(network.text);
	utstring_free(peer.text);
}

static void test_no_members(void **state)
{
	struct made m = made_of_set(ORIGIN_NETWORK_ROUTERS, 0);

	(void)state;
	assert_int_equal(m.n, 0);
	utstring_free(m.text);
}

/* ------------------------------------------------------------------ records */

static void test_odd_records(void **state)
{
	static const struct {
		const char *record, *flow;
		size_t n;
	} cases[] = {
		/* two lengths are one address */
		{ "interface network=1 mac=02:00:00:00:00:01 router=1 addrs=10.0.0.1/24,10.0.0.1/16",
		  "nw_dst=10.0.0.1 ", 1 },
		{ "port port=1 network=1 mac=02:00:00:00:00:01 addrs=10.0.0.5,10.0.0.5@02:00:00:00:00:02",
		  "nw_src=10.0.0.5", 2 },
		/* each MAC once, its own with or without an address */
		{ "port port=1 network=1 mac=02:00:00:00:00:01 addrs=10.0.0.5,10.0.0.6", "table=8, ", 1 },
		{ "port port=1 network=1 mac=02:00:00:00:00:01", "table=8, ", 1 },
		{ "port port=1 network=1 mac=02:00:00:00:00:01 "
		  "addrs=10.0.0.5@02:00:00:00:00:02,10.0.0.6@02:00:00:00:00:02",
		  "table=8, ", 2 },
		/* any address, but for a probe */
		{ "port port=1 network=1 mac=02:00:00:00:00:01 addrs=0.0.0.0/0", "nw_src", 0 },
		/* IPv6 is not routed, and hides nothing */
		{ "route router=1 prefix=::/0 network=1 interface=02:00:00:00:00:01", "table", 0 },
		{ "neighbour network=1 ip=2001:db8::1 mac=02:00:00:00:00:01", "table", 0 },
		{ "subnet network=1 prefix=2001:db8::/64 mac=02:00:00:00:00:01", "table", 0 },
		{ "peer host=2 tunnel=2001:db8::2 dvr_mac=02:00:00:00:00:02", "tun_", 0 },
		{ "interface network=1 mac=02:00:00:00:00:01 router=1 addrs=2001:db8::1/64", "set_field:0->reg9", 2 },
		/* an MTU that no frame is beyond */
		{ "segment type=vxlan id=1 network=1 mtu=65520", "check_pkt_larger(65534)", 3 },
		{ "segment type=vxlan id=1 network=1 mtu=65521", "check_pkt_larger", 0 },
		{ "segment type=vxlan id=1 network=1 mtu=4000000000", "check_pkt_larger", 0 },
		/* nobody's MAC is no peer's */
		{ "peer host=2 tunnel=192.0.2.2 name=x", "dl_src=00:00:00:00:00:00", 0 },
		/* without a device, or down */
		{ "port port=9 network=1 mac=02:00:00:00:00:01", "table", 0 },
		{ "port port=9 network=1 mac=02:00:00:00:00:01 up=no", "table=27, ", 1 },
		{ "port port=1 network=1 mac=02:00:00:00:00:01 up=no", "output", 0 },
		/* the sets have them */
		{ "member router=1 host=2", "table", 0 },
		{ "flood network=1 host=2", "table", 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		size_t n = times_in(cases[i].record, &world, cases[i].flow);

		if (n != cases[i].n)
			fail_msg("%s: %s stands there %zu times", cases[i].record, cases[i].flow, n);
	}
}

static void test_without_a_tunnel(void **state)
{
	static const char *const records[] = {
		"host host=1 tunnel=192.0.2.1 dvr_mac=02:00:00:00:00:01 name=x",
		"peer host=2 tunnel=192.0.2.2 dvr_mac=02:00:00:00:00:02 name=y",
	};
	struct made m = made_new();

	(void)state;
	pipeline_static(&no_tunnel, add, &m);
	assert_int_equal(times(utstring_body(m.text), "output"), 0);
	assert_int_equal(times(utstring_body(m.text), " in_port="), 0);
	utstring_free(m.text);
	for (size_t i = 0; i < N_ELEMENTS(records); i++) {
		assert_int_equal(times_in(records[i], &no_tunnel, "output"), 0);
		assert_int_equal(times_in(records[i], &world, "output"), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floods_are_bounded),
		cmocka_unit_test_setup_teardown(test_largest_flood, start, stop),
		cmocka_unit_test(test_a_flow_that_is_always_there_in_each_table),
		cmocka_unit_test(test_many_routers),
		cmocka_unit_test(test_routers_meet),
		cmocka_unit_test(test_no_members),
		cmocka_unit_test(test_odd_records),
		cmocka_unit_test(test_without_a_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
