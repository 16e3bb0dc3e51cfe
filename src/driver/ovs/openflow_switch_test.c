/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/openflow.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"

/* openflow on a real ovs-vswitchd with the dummy datapath. */

#define PATIENCE_S 20 /* a test that waits this long for an event has failed */
#define MANY 20000
#define NO_PORT 0xfffffff0u /* no such port can be */

struct bed {
	struct sandbox box;
	struct loop *loop;
	struct openflow *o;
	unsigned ups, downs, answers, packets;
	int r; /* of the last answer */
	char why[192];
	struct openflow_error errors[8];
	size_t n_errors;
	struct flow flows[MANY + 100]; /* of the last dump */
	size_t n_flows;
	struct openflow_stats meters[8], dropped[8];
	struct openflow_packet_in packet;
	uint64_t packet_network, packet_reg, packet_in_port;
	uint8_t frame[128];
};

static struct bed bed;

static void gone_wrong(const char *what)
{
	fail_msg("does not come: %s; it was down %u times: %s", what, bed.downs, bed.why);
}

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		for (time_t until = time(NULL) + PATIENCE_S; !(what); loop_turn(bed.loop, 1000000))                    \
			if (time(NULL) > until)                                                                        \
				gone_wrong(#what);                                                                     \
	} while (0)

static void on_up(void *arg)
{
	struct bed *b = arg;

	b->ups++;
}

static void on_down(const char *why, void *arg)
{
	struct bed *b = arg;

	b->downs++;
	snprintf(b->why, sizeof(b->why), "%s", why);
}

static void on_packet_in(const struct openflow_packet_in *p, void *arg)
{
	struct bed *b = arg;

	b->packets++;
	b->packet = *p;
	assert_true(p->len <= sizeof(b->frame));
	memcpy(b->frame, p->frame, p->len);
	if (!flow_oxm_find(p->oxm, p->oxm_len, METADATA_NETWORK, &b->packet_network) ||
	    !flow_oxm_find(p->oxm, p->oxm_len, REG_ADDRESS, &b->packet_reg) ||
	    !flow_oxm_find(p->oxm, p->oxm_len, FIELD_IN_PORT, &b->packet_in_port))
		fail_msg("fields are missing");
}

static void on_done(int r, const char *why, void *arg)
{
	struct bed *b = arg;

	b->answers++;
	b->r = r;
	snprintf(b->why, sizeof(b->why), "%s", why);
}

static void on_bundle(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	struct bed *b = arg;

	b->answers++;
	b->r = r;
	b->n_errors = n;
	assert_true(n <= N_ELEMENTS(b->errors));
	if (n > 0)
		memcpy(b->errors, errors, n * sizeof(*errors));
}

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	struct bed *b = arg;

	(void)stats;
	assert_true(b->n_flows < N_ELEMENTS(b->flows));
	flow_copy(&b->flows[b->n_flows++], f);
}

static void on_meter(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	struct bed *b = arg;

	assert_true(id < N_ELEMENTS(b->meters));
	b->meters[id] = *in;
	b->dropped[id] = *dropped;
}

static void forget_flows(void)
{
	while (bed.n_flows > 0)
		flow_fini(&bed.flows[--bed.n_flows]);
}

static void answered(int r)
{
	unsigned before = bed.answers;

	UNTIL(bed.answers > before);
	if (bed.r != r)
		fail_msg("%d instead of %d: %s", bed.r, r, bed.why);
}

static void dump(uint8_t table, uint64_t cookie, uint64_t mask)
{
	forget_flows();
	openflow_dump(bed.o, table, cookie, mask, on_flow, on_done, &bed);
	answered(0);
}

static void bundle(const struct flow_mod *mods, size_t n, int r)
{
	openflow_bundle(bed.o, mods, n, on_bundle, &bed);
	answered(r);
}

static int setup(void **state)
{
	static const struct openflow_events events = { on_up, on_down, on_packet_in, NULL, &bed };
	struct err err;
	int r = sandbox_start(&bed.box, &err);

	(void)state;
	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		return 0;
	}
	if (r < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	bed.loop = loop_new();
	bed.o = openflow_open(bed.loop, bed.box.mgmt, &events);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forget_flows();
	openflow_close(bed.o);
	if (bed.loop)
		loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

/* Each test begins with an empty switch. */
static void begin(void)
{
	if (!bed.o)
		skip();
	UNTIL(openflow_is_up(bed.o));
	openflow_delete(bed.o, 0, 0, on_done, &bed);
	answered(0);
}

/* ---- flows ---- */

static void make(struct flow *f, unsigned i, uint32_t out)
{
	flow_init(f, TABLE_FDB, 100, COOKIE_OURS | i);
	flow_match(f, METADATA_NETWORK, 1 + i % 7);
	flow_match(f, FIELD_ETH_DST, 0xfa163e000000ull + i);
	flow_load(f, REG_OUT, out);
	flow_output(f, out);
	flow_goto(f, TABLE_OUT);
}

static void expect(size_t at, const struct flow *f)
{
	_cleanup_(utstring_freep) UT_string *expected = NULL, *got = NULL;

	if (flow_equal(&bed.flows[at], f))
		return;
	utstring_new(expected);
	utstring_new(got);
	flow_format(f, expected);
	flow_format(&bed.flows[at], got);
	fail_msg("%s\ninstead of\n%s", utstring_body(got), utstring_body(expected));
}

static void test_bundle_and_dump(void **state)
{
	struct flow_mod mods[3];
	struct flow f[3];

	(void)state;
	begin();
	assert_int_equal(sandbox_run(&bed.box, NULL, "ovs-ofctl add-flow br-int table=0,priority=1,actions=normal"), 0);
	for (unsigned i = 0; i < 3; i++) {
		make(&f[i], i, 1);
		mods[i] = (struct flow_mod) { FLOW_ADD, &f[i] };
	}
	bundle(mods, 3, 0);
	dump(OPENFLOW_ALL_TABLES, COOKIE_OURS, COOKIE_OURS_MASK);
	assert_int_equal(bed.n_flows, 3);
	dump(TABLE_ROUTE, COOKIE_OURS, COOKIE_OURS_MASK);
	assert_int_equal(bed.n_flows, 0);
	dump(TABLE_FDB, COOKIE_OURS | 1, UINT64_MAX);
	assert_int_equal(bed.n_flows, 1);
	expect(0, &f[1]);

	/* Deleting is strict, adding replaces; both in one bundle. */
	flow_fini(&f[1]);
	make(&f[1], 1, 2);
	mods[0].op = FLOW_DELETE;
	bundle(mods, 2, 0);
	dump(OPENFLOW_ALL_TABLES, COOKIE_OURS | 1, UINT64_MAX);
	assert_int_equal(bed.n_flows, 1);
	expect(0, &f[1]);
	dump(OPENFLOW_ALL_TABLES, COOKIE_OURS, COOKIE_OURS_MASK);
	assert_int_equal(bed.n_flows, 2);

	/* Ours go by cookie, the other one stays. */
	openflow_delete(bed.o, COOKIE_OURS, COOKIE_OURS_MASK, on_done, &bed);
	answered(0);
	dump(OPENFLOW_ALL_TABLES, COOKIE_OURS, COOKIE_OURS_MASK);
	assert_int_equal(bed.n_flows, 0);
	assert_int_equal(sandbox_run(&bed.box, NULL, "ovs-ofctl dump-flows br-int | grep -q NORMAL"), 0);
	bundle(mods, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		flow_fini(&f[i]);
}

static void test_refused(void **state)
{
	struct flow_mod mods[4];
	struct flow f[4];

	(void)state;
	begin();
	for (unsigned i = 0; i < 4; i++) {
		make(&f[i], i, i % 2 ? NO_PORT : 1);
		mods[i] = (struct flow_mod) { FLOW_ADD, &f[i] };
	}
	bundle(mods, 4, -EBADMSG);
	assert_int_equal(bed.n_errors, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(bed.errors[i].mod, 1 + 2 * i);
		assert_string_equal(bed.errors[i].text, "OFPBAC_BAD_OUT_PORT");
	}
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 0);

	/* Refused at the commit: the second flow is one too many. */
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl -- --id=@t create flow_table flow_limit=1 overflow_policy=refuse "
				     "-- set bridge br-int flow_tables:%d=@t",
				     TABLE_FDB),
			 0);
	mods[1] = (struct flow_mod) { FLOW_ADD, &f[2] };
	bundle(mods, 2, -EBADMSG);
	assert_int_equal(bed.n_errors, 1);
	assert_int_equal(bed.errors[0].mod, 1);
	assert_string_equal(bed.errors[0].text, "OFPFMFC_TABLE_FULL");
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 0);
	assert_int_equal(sandbox_run(&bed.box, NULL, "ovs-vsctl clear bridge br-int flow_tables"), 0);

	bundle(mods, 2, 0);
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 2);
	assert_int_equal(bed.downs, 0);
	for (unsigned i = 0; i < 4; i++)
		flow_fini(&f[i]);
}

static int by_cookie(const void *a, const void *b)
{
	const struct flow *f = a, *g = b;

	return f->cookie < g->cookie ? -1 : f->cookie > g->cookie;
}

static void test_many(void **state)
{
	struct flow_mod *mods = xcalloc(MANY, sizeof(*mods));
	struct flow *f = xcalloc(MANY, sizeof(*f));

	(void)state;
	begin();
	for (unsigned i = 0; i < MANY; i++) {
		make(&f[i], i, 1 + i % 100);
		mods[i] = (struct flow_mod) { FLOW_ADD, &f[i] };
	}
	bundle(mods, MANY, 0);
	dump(OPENFLOW_ALL_TABLES, COOKIE_OURS, COOKIE_OURS_MASK);
	assert_int_equal(bed.n_flows, MANY);
	qsort(bed.flows, MANY, sizeof(*bed.flows), by_cookie);
	for (unsigned i = 0; i < MANY; i++) {
		expect(i, &f[i]);
		flow_fini(&f[i]);
	}
	forget_flows();
	free(mods);
	free(f);
}

/* ---- meters and packets ---- */

static const uint8_t frame[64] = { 0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5, 'h', 'e', 'l', 'l', 'o' };

/* table 0: the network and a register are set, then the packet goes to us, metered. */
static void make_controller(struct flow *f, uint32_t meter)
{
	flow_init(f, 0, 1, COOKIE_OURS | 77);
	if (meter)
		flow_meter(f, meter);
	flow_load(f, METADATA_NETWORK, 42);
	flow_load(f, REG_ADDRESS, 0x0a000001);
	flow_controller(f);
}

static void test_packets(void **state)
{
	struct flow f, out;
	struct flow_mod mod = { FLOW_ADD, &f };

	(void)state;
	begin();
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl --may-exist add-port br-int p1 -- "
				     "set interface p1 type=dummy ofport_request=1 options:tx_pcap=$PWD/p1.pcap"),
			 0);
	make_controller(&f, 0);
	bundle(&mod, 1, 0);
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-appctl -t $PWD/vswitchd.ctl netdev-dummy/receive p1 "
				     "02000000000102000000000288b568656c6c6f"),
			 0);
	bed.packets = 0;
	UNTIL(bed.packets == 1);
	assert_int_equal(bed.packet.cookie, COOKIE_OURS | 77);
	assert_int_equal(bed.packet.table, 0);
	assert_memory_equal(bed.frame, frame, 19);
	assert_int_equal(bed.packet_network, 42);
	assert_int_equal(bed.packet_reg, 0x0a000001);
	assert_int_equal(bed.packet_in_port, 1);

	/* A packet-out through the tables comes back, too; one to a port leaves there. */
	flow_init(&out, 0, 0, 0);
	flow_resubmit(&out, 0);
	openflow_packet_out(bed.o, OFPP_CONTROLLER, &out, frame, sizeof(frame));
	UNTIL(bed.packets == 2);
	assert_int_equal(bed.packet_in_port, OFPP_CONTROLLER);
	assert_int_equal(bed.packet.len, sizeof(frame));
	flow_fini(&out);
	flow_init(&out, 0, 0, 0);
	flow_output(&out, 1);
	openflow_packet_out(bed.o, OFPP_CONTROLLER, &out, frame, sizeof(frame));
	flow_fini(&out);

	/* An error about a packet-out is no reason to go down. */
	flow_init(&out, 0, 0, 0);
	flow_output(&out, NO_PORT);
	openflow_packet_out(bed.o, OFPP_CONTROLLER, &out, frame, sizeof(frame));
	flow_fini(&out);
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 1);
	assert_int_equal(sandbox_run(&bed.box, NULL, "grep -q hello p1.pcap"), 0);
	assert_int_equal(bed.downs, 0);
	flow_fini(&f);
}

static void test_meters(void **state)
{
	static const struct openflow_meter meters[] = { { 3, 1, 2 }, { 4, 100, 50 } }, changed = { 4, 200, 60 },
					   bad = { 0, 1, 1 }, gone[] = { { 3, 0, 0 }, { 5, 0, 0 } };
	struct flow f, out;
	struct flow_mod mod = { FLOW_ADD, &f };

	(void)state;
	begin();
	openflow_meters(bed.o, meters, 2, on_done, &bed);
	answered(0);
	make_controller(&f, 3);
	bundle(&mod, 1, 0);
	bed.packets = 0;
	flow_init(&out, 0, 0, 0);
	flow_resubmit(&out, 0);
	for (int i = 0; i < 50; i++)
		openflow_packet_out(bed.o, OFPP_CONTROLLER, &out, frame, sizeof(frame));
	openflow_meter_stats(bed.o, on_meter, on_done, &bed);
	answered(0);
	assert_int_equal(bed.meters[3].packets, 50);
	assert_in_range(bed.dropped[3].packets, 40, 48);
	assert_int_equal(bed.meters[4].packets, 0);
	assert_int_equal(bed.packets + bed.dropped[3].packets, 50);

	/* A meter that exists is changed; the flows that use it stay. */
	openflow_meters(bed.o, &changed, 1, on_done, &bed);
	answered(0);
	openflow_meters(bed.o, meters, 1, on_done, &bed);
	answered(0);
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 1);
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-ofctl -O OpenFlow14 dump-meters br-int | grep -q 'rate=200 burst_size=60'"),
			 0);
	openflow_meters(bed.o, &bad, 1, on_done, &bed);
	answered(-EBADMSG);
	assert_string_equal(bed.why, "OFPMMFC_INVALID_METER");

	/* One that does not exist is gone already. A meter that goes takes the flows along that use it. */
	openflow_meters(bed.o, gone, 2, on_done, &bed);
	answered(0);
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 0);
	assert_int_equal(bed.downs, 0);
	flow_fini(&out);
	flow_fini(&f);
}

/* ---- a switch that dies ---- */

static void test_restart(void **state)
{
	unsigned ups, answers;
	struct flow f;
	struct flow_mod mod = { FLOW_ADD, &f };

	(void)state;
	begin();
	ups = bed.ups;
	answers = bed.answers;
	make(&f, 0, 1);
	bed.downs = 0;
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	openflow_bundle(bed.o, &mod, 1, on_bundle, &bed);
	openflow_dump(bed.o, OPENFLOW_ALL_TABLES, 0, 0, on_flow, on_done, &bed);
	assert_int_equal(bed.answers, answers);
	UNTIL(bed.downs > 0);
	assert_int_equal(bed.answers, answers + 2);
	assert_int_equal(bed.r, -ECONNRESET);
	assert_false(openflow_is_up(bed.o));
	openflow_bundle(bed.o, &mod, 1, on_bundle, &bed);
	answered(-ECONNRESET);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.ups > ups);
	bundle(&mod, 1, 0);
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 1);
	expect(0, &f);

	/* The bridge is made anew: its socket too. */
	ups = bed.ups;
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl del-br br-int && ovs-vsctl add-br br-int -- set bridge br-int "
				     "datapath_type=dummy fail_mode=secure"),
			 0);
	UNTIL(bed.ups > ups);
	dump(OPENFLOW_ALL_TABLES, 0, 0);
	assert_int_equal(bed.n_flows, 0);
	flow_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bundle_and_dump), cmocka_unit_test(test_refused), cmocka_unit_test(test_many),
		cmocka_unit_test(test_packets),         cmocka_unit_test(test_meters),  cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
