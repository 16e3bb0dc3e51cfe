/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs_bed.h"

#include <errno.h>

#include "driver/ovs/cache.h"
#include "driver/ovs/tables.h"

/*
 * A switch that refuses what bears one cookie, and does not say which flow it was, or does not show its flows, or goes
 * between two messages: bundles, dumps and meters pass here on their way (the linker wraps openflow_bundle() and the
 * like).
 */

void __real_openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			    void *arg);
void __wrap_openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			    void *arg);
void __real_openflow_dump(struct openflow *o, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
			  openflow_done done, void *arg);
void __wrap_openflow_dump(struct openflow *o, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
			  openflow_done done, void *arg);

void __real_openflow_meters(struct openflow *o, const struct openflow_meter *meters, size_t n, openflow_done done,
			    void *arg);
void __wrap_openflow_meters(struct openflow *o, const struct openflow_meter *meters, size_t n, openflow_done done,
			    void *arg);

static struct {
	uint64_t cookie; /* 0: nothing is refused */
	unsigned refused; /* bundles */
	struct loop_source *answer;
	openflow_bundle_done done;
	void *arg;
	bool hides; /* flows; and then: */
	struct loop_source *no;
	openflow_done asked;
	bool loses; /* the answer to a bundle */
	bool cuts; /* what is said to meters, before it is said */
} switch_;

static void answer(void *arg)
{
	const struct openflow_error error = { .mod = SIZE_MAX, .text = "OFPBFC_UNKNOWN" };

	(void)arg;
	switch_.answer = loop_source_free(switch_.answer);
	switch_.done(-EBADMSG, &error, 1, switch_.arg);
}

static void lose(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	(void)errors;
	assert_int_equal(r, 0);
	assert_int_equal(n, 0);
	switch_.loses = false;
	switch_.done(-ECONNRESET, NULL, 0, arg);
}

void __wrap_openflow_bundle(struct openflow *o, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			    void *arg)
{
	if (switch_.loses) {
		switch_.done = done;
		done = lose;
	}
	for (size_t i = 0; i < n; i++) {
		if (!switch_.cookie || mods[i].op == FLOW_DELETE || mods[i].flow->cookie != switch_.cookie)
			continue;
		switch_.refused++;
		switch_.done = done;
		switch_.arg = arg;
		switch_.answer = loop_idle(bed.loop, answer, NULL);
		loop_idle_arm(switch_.answer);
		return;
	}
	__real_openflow_bundle(o, mods, n, done, arg);
}

static void say_no(void *arg)
{
	switch_.no = loop_source_free(switch_.no);
	switch_.asked(-EBADMSG, "OFPBRC_EPERM", arg);
}

void __wrap_openflow_dump(struct openflow *o, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
			  openflow_done done, void *arg)
{
	if (!switch_.hides) {
		__real_openflow_dump(o, table, cookie, mask, fn, done, arg);
		return;
	}
	switch_.asked = done;
	switch_.no = loop_idle(bed.loop, say_no, arg);
	loop_idle_arm(switch_.no);
}

static void cut(int r, const char *why, void *arg)
{
	(void)r;
	switch_.cuts = false;
	switch_.asked(-ECONNRESET, why, arg);
}

static void no_meter(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	(void)id;
	(void)in;
	(void)dropped;
	(void)arg;
}

void __wrap_openflow_meters(struct openflow *o, const struct openflow_meter *meters, size_t n, openflow_done done,
			    void *arg)
{
	if (!switch_.cuts) {
		__real_openflow_meters(o, meters, n, done, arg);
		return;
	}
	switch_.asked = done;
	openflow_meter_stats(o, no_meter, cut, arg); /* for its answer, in its turn */
}

static void refuse_record(const char *text)
{
	_cleanup_(freep) char *line = xstrndup(text, strcspn(text, "\n"));
	struct plan_record r;

	assert_int_equal(plan_record_parse(line, &r, NULL), 0);
	switch_.cookie = pipeline_cookie(&r);
}

static void take_cookie(struct flow *f, void *arg)
{
	(void)arg;
	switch_.cookie = f->cookie;
	flow_fini(f);
}

static void refuse_set(enum origin_kind kind, uint32_t key)
{
	const struct pipeline_world world = { .tunnel_ofport = 1, .ofport = ovs_ofport, .arg = bed.driver };
	const uint32_t members[] = { 1 };

	pipeline_aggregate(kind, key, members, 1, &world, take_cookie, NULL);
}

static int setup_all(void **state)
{
	memset(&switch_, 0, sizeof(switch_));
	return setup(state);
}

static void assert_failed(size_t n, const char *record)
{
	assert_int_equal(bed.n_failures, n);
	if (strncmp(bed.failures, record, strcspn(record, "\n")) != 0)
		fail_msg("failed: %s", bed.failures);
}

/* ------------------------------------------------------------------ */

static void it_is_found_by_halving(void **state)
{
	(void)state;
	refuse_record(NEIGHBOUR);
	sync_to(PLAN NEIGHBOURS);
	assert_failed(1, NEIGHBOUR);
	assert_in_range(switch_.refused, 5, 12); /* of some 200 flows */
	assert_true(differs_from(PLAN NEIGHBOURS));
	switch_.cookie = 0;
	step(PLAN, PLAN NEIGHBOUR); /* as the agent gives it again */
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOURS);
}

static void an_update_that_is_refused_leaves_the_old_state(void **state)
{
	static const char other[] = "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.33 uuid=" UUID("3") "\n";

	(void)state;
	sync_to(PLAN);
	refuse_record(PORT_3);
	step(HOST PEER SEGMENT PORTS FDB FLOOD, HOST PEER SEGMENT PORT_4 FDB FLOOD
	     "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.33 uuid=" UUID("3") "\n" NEIGHBOUR);
	assert_failed(1, other);
	assert_equal_to(PLAN NEIGHBOUR);
	assert_non_null(strstr(bed.told, "3:failed:Open vSwitch: OFPBFC_UNKNOWN: "));
	switch_.cookie = 0;
	step(PLAN NEIGHBOUR, PLAN NEIGHBOUR); /* nothing to do, and nothing is done */
	step(HOST PEER SEGMENT PORTS FDB FLOOD, HOST PEER SEGMENT PORT_4 FDB FLOOD
	     "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.33 uuid=" UUID("3") "\n");
	assert_int_equal(bed.n_failures, 0);
	assert_string_equal(strrchr(bed.told, '3'), "3:ready ");
}

static void a_port_that_is_refused_between_calls_is_tried_again(void **state)
{
	(void)state;
	sync_to(PLAN);
	sh("ovs-vsctl del-port tap3");
	UNTIL(strstr(bed.told, "3:absent "));
	bed.told[0] = '\0';
	refuse_record(PORT_3);
	plug("tap3", UUID("3"));
	UNTIL(strstr(bed.told, "3:failed:Open vSwitch: OFPBFC_UNKNOWN: "));
	switch_.cookie = 0;
	UNTIL(strstr(bed.told, "3:ready "));
	assert_equal_to(PLAN);
}

static void what_a_call_brings_into_a_set_that_is_refused_stays_out(void **state)
{
	(void)state;
	sync_to(PLAN);
	refuse_set(ORIGIN_FLOOD_PEERS, 7);
	step(PLAN, PLAN FLOOD_3 NEIGHBOUR);
	assert_failed(1, FLOOD_3);
	assert_equal_to(PLAN NEIGHBOUR);
	switch_.cookie = 0;
	step(PLAN NEIGHBOUR, PLAN NEIGHBOUR FLOOD_3);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOUR FLOOD_3);
}

static void a_set_that_is_refused_by_a_sync_fails_what_it_hangs_on(void **state)
{
	(void)state;
	sync_to(HOST);
	refuse_set(ORIGIN_FLOOD_PEERS, 7);
	sync_to(PLAN);
	assert_failed(1, SEGMENT);
	assert_true(differs_from(PLAN));
	switch_.cookie = 0;
	step(HOST PEER PORTS FDB FLOOD, PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN);
}

/* Its connection is up all the time. */
static void a_switch_that_does_not_show_its_flows_is_an_absent_one(void **state)
{
	(void)state;
	sync_to(PLAN);
	switch_.hides = true;
	bed.driver->patience_us = 300000;
	sync_to(PLAN);
	assert_failed(1, HOST);
	step(PLAN, PLAN NEIGHBOUR);
	assert_failed(1, HOST);
	bed.driver->patience_us = TURN_US;
	switch_.hides = false;
	UNTIL(bed.lost == 1);
	assert_equal_to(PLAN NEIGHBOUR);
}

/* The connection may have ended between the two. */
static void the_cache_is_emptied_also_when_the_answer_is_lost(void **state)
{
	_cleanup_(utstring_freep) UT_string *version = NULL;

	(void)state;
	utstring_new(version);
	assert_int_equal(sandbox_run(&bed.box, version, "ovs-vswitchd --version | head -n 1"), 0);
	utstring_body(version)[strcspn(utstring_body(version), "\n")] = '\0';
	if (!cache_is_faulty(utstring_body(version))) {
		print_message("skipped: the cache of %s needs no emptying\n", utstring_body(version));
		skip();
	}
	sync_to(PLAN NEIGHBOUR);
	sh("ovs-appctl -t $PWD/vswitchd.ctl vlog/set unixctl:file:dbg");
	switch_.loses = true;
	step(PLAN NEIGHBOUR, PLAN);
	assert_false(switch_.loses);
	assert_int_equal(bed.n_failures, 0);
	until_number("grep -c 'received request revalidator/purge' vswitchd.log", 1);
}

static uint64_t dropped_by_rate(void)
{
	struct driver_counter list[VERDICT_COUNT + DROP_COUNT];
	size_t n = driver_ovs.counters(bed.driver, list, N_ELEMENTS(list)), i = 0;

	while (i < n && strcmp(list[i].name, "drop_rate") != 0)
		i++;
	assert_true(i < n);
	return list[i].packets;
}

static void what_a_meter_that_goes_has_dropped_counts_once(void **state)
{
	uint64_t before;

	(void)state;
	sync_to(PLAN);
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     OFCTL "mod-meter br-int meter=%u,pktps,burst,stats,band=type=drop,rate=1,"
					   "burst_size=1",
				     METER_ID(ovs_ofport(3, bed.driver), METER_BROADCAST)),
			 0);
	for (int i = 0; i < 1000 && dropped_by_rate() == 0; i++) /* ARP requests */
		sh("ovs-appctl -t $PWD/vswitchd.ctl netdev-dummy/receive tap3 ffffffffffff"
		   "fa163e0000030806"
		   "0001080006040001"
		   "fa163e0000030a000103"
		   "0000000000000a000163");
	before = dropped_by_rate();
	assert_true(before > 0);
	switch_.cuts = true;
	sh("ovs-vsctl del-port tap3");
	UNTIL(bed.driver->meters.there.n == 1);
	assert_false(switch_.cuts);
	assert_int_equal(dropped_by_rate(), before);
}

/* However many were refused at once. */
static void the_first_pause_is_a_second(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		ovs_later(bed.driver);
	assert_int_equal(bed.driver->tries, 1);
}

int main(int argc, char **argv)
{
#define REFUSED(name) cmocka_unit_test_setup_teardown(name, setup_all, teardown)
	const struct CMUnitTest tests[] = {
		REFUSED(it_is_found_by_halving),
		REFUSED(an_update_that_is_refused_leaves_the_old_state),
		REFUSED(a_port_that_is_refused_between_calls_is_tried_again),
		REFUSED(what_a_call_brings_into_a_set_that_is_refused_stays_out),
		REFUSED(a_set_that_is_refused_by_a_sync_fails_what_it_hangs_on),
		REFUSED(a_switch_that_does_not_show_its_flows_is_an_absent_one),
		REFUSED(the_cache_is_emptied_also_when_the_answer_is_lost),
		REFUSED(what_a_meter_that_goes_has_dropped_counts_once),
		REFUSED(the_first_pause_is_a_second),
	};

	return RUN_CASES(tests, argc, argv);
}
