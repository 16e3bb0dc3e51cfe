/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/flowset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/members.h"
#include "driver/ovs/tables.h"

#define SEGMENT "segment type=vxlan id=100 network=7 mtu=1450\n"
#define PORT "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3\n"
#define NEIGHBOUR "neighbour network=7 ip=10.0.1.9 mac=fa:16:3e:00:00:09\n"
#define OTHER "neighbour network=7 ip=10.0.1.9 mac=fa:16:3e:00:00:0a\n"
#define PEER_2 "peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=two\n"
#define PEER_3 "peer host=3 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:03 name=three\n" /* with the address of 2 */
#define FLOOD_2 "flood network=7 host=2\n"
#define FLOOD_3 "flood network=7 host=3\n"

struct bed {
	struct flowset *set;
	uint32_t ofport; /* of every port */
	size_t n; /* of the batch that is out */
	const struct flow_mod *mods;
};

static uint32_t ofport(uint32_t port, void *arg)
{
	(void)port;
	return ((struct bed *)arg)->ofport;
}

static struct bed bed;
static const struct pipeline_world world = { .tunnel_ofport = 1, .ofport = ofport, .arg = &bed };

static struct plan *parsed(const char *text)
{
	struct err err = { 0 };
	struct plan *p;

	if (plan_parse(text, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void sync_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);

	flowset_sync(bed.set, p);
}

static void step(const char *from, const char *to)
{
	_cleanup_(plan_freep) struct plan *p = parsed(from), *q = parsed(to);
	struct plan_changes changes;

	plan_diff(p, q, &changes);
	flowset_apply(bed.set, &changes);
	plan_changes_fini(&changes);
}

static struct plan_record record(const char *text)
{
	_cleanup_(freep) char *line = xstrndup(text, strcspn(text, "\n"));
	struct plan_record r;

	assert_int_equal(plan_record_parse(line, &r, NULL), 0);
	return r;
}

static void begin(void)
{
	bed.mods = flowset_begin(bed.set, SIZE_MAX, &bed.n);
}

static size_t commit(void)
{
	begin();
	flowset_end(bed.set, true);
	return bed.n;
}

/* Of the batch that is out, and no table's last resort; -1: none. */
static int mod_of(enum table table)
{
	for (size_t i = 0; i < bed.n; i++)
		if (bed.mods[i].flow->table == table && bed.mods[i].flow->priority > 0)
			return (int)i;
	return -1;
}

static int setup(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	bed.ofport = 10;
	bed.set = flowset_new(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flowset_free(bed.set);
	return 0;
}

/* ------------------------------------------------------------------ what is wanted */

static void a_change_is_due_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(commit(), 0); /* before the first plan nothing is wanted */
	sync_to(SEGMENT PORT);
	assert_true(commit() > 100);
	assert_int_equal(flowset_due(bed.set), 0);
	step(SEGMENT PORT, SEGMENT PORT NEIGHBOUR);
	assert_in_range(commit(), 1, 4);
	step(SEGMENT PORT NEIGHBOUR, SEGMENT PORT OTHER);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_NEIGHBOUR)].op, FLOW_ADD); /* replaced, not deleted first */
	flowset_end(bed.set, true);
	step(SEGMENT PORT OTHER, SEGMENT PORT);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_NEIGHBOUR)].op, FLOW_DELETE);
	flowset_end(bed.set, true);
	sync_to(SEGMENT PORT);
	assert_int_equal(flowset_due(bed.set), 0);
}

static void another_number_renews_the_port_alone(void **state)
{
	struct plan_record port = record(PORT);
	size_t n;

	(void)state;
	sync_to(SEGMENT PORT NEIGHBOUR);
	commit();
	bed.ofport = 11;
	flowset_renew_port(bed.set, 3);
	begin();
	for (size_t i = 0; i < bed.n; i++)
		assert_true(bed.mods[i].flow->cookie == pipeline_cookie(&port));
	n = bed.n;
	flowset_end(bed.set, true);
	assert_in_range(n, 1, 16);
	flowset_renew_port(bed.set, 3);
	flowset_renew_port(bed.set, 4); /* which there is not */
	flowset_renew(bed.set);
	assert_int_equal(flowset_due(bed.set), 0);
}

/* Whoever came first: the same two records make the same flows. */
static void the_least_of_those_who_want_a_flow_has_it(void **state)
{
	struct flowset_origin who;

	(void)state;
	sync_to(PEER_3);
	commit();
	step(PEER_3, PEER_2 PEER_3);
	begin();
	assert_true(flowset_whose(bed.set, (size_t)mod_of(TABLE_PEER), &who));
	assert_int_equal(who.record.peer.key.host, 2);
	flowset_end(bed.set, true);
	step(PEER_2 PEER_3, PEER_3);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_PEER)].op, FLOW_ADD); /* the other is there again */
	assert_true(flowset_whose(bed.set, (size_t)mod_of(TABLE_PEER), &who));
	assert_int_equal(who.record.peer.key.host, 3);
	flowset_end(bed.set, true);
}

static void a_set_follows_its_members(void **state)
{
	(void)state;
	sync_to(SEGMENT PEER_2);
	commit();
	step(SEGMENT PEER_2, SEGMENT PEER_2 FLOOD_2);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_FLOOD_PEERS)].op, FLOW_ADD);
	flowset_end(bed.set, true);
	step(SEGMENT PEER_2 FLOOD_2, SEGMENT PEER_2 FLOOD_2 FLOOD_3);
	assert_int_equal(commit(), 1);
	step(SEGMENT PEER_2 FLOOD_2 FLOOD_3, SEGMENT PEER_2);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_FLOOD_PEERS)].op, FLOW_DELETE);
	flowset_end(bed.set, true);
}

/* ------------------------------------------------------------------ batches */

static void what_changes_while_a_batch_is_out_goes_with_the_next(void **state)
{
	struct plan_record other = record(OTHER);

	(void)state;
	sync_to(SEGMENT);
	commit();
	step(SEGMENT, SEGMENT NEIGHBOUR);
	begin();
	step(SEGMENT NEIGHBOUR, SEGMENT); /* back, before it is there */
	assert_int_equal(flowset_due(bed.set), 0);
	flowset_end(bed.set, true);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_NEIGHBOUR)].op, FLOW_DELETE);
	step(SEGMENT, SEGMENT OTHER);
	flowset_end(bed.set, false);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_NEIGHBOUR)].op, FLOW_ADD);
	assert_int_equal(flowset_is_in(bed.set, &other), false);
	flowset_end(bed.set, true);
	assert_int_equal(flowset_is_in(bed.set, &other), true);
	assert_int_equal(flowset_due(bed.set), 0);
}

static void a_batch_has_at_most_what_is_asked_for(void **state)
{
	size_t n, all = 0, due;

	(void)state;
	sync_to(SEGMENT PORT NEIGHBOUR);
	due = flowset_due(bed.set);
	while (flowset_due(bed.set) > 0) {
		flowset_begin(bed.set, 50, &n);
		assert_in_range(n, 1, 50);
		flowset_end(bed.set, true);
		all += n;
	}
	assert_int_equal(all, due);
}

static void who_is_refused_is_known(void **state)
{
	struct flowset_origin who;
	struct plan_record neighbour = record(NEIGHBOUR);

	(void)state;
	sync_to(SEGMENT);
	commit();
	step(SEGMENT, SEGMENT NEIGHBOUR);
	begin();
	assert_true(flowset_whose(bed.set, (size_t)mod_of(TABLE_NEIGHBOUR), &who));
	assert_int_equal(who.kind, ORIGIN_RECORD);
	assert_true(plan_record_same_key(&who.record, &neighbour));
	assert_false(flowset_whose(bed.set, bed.n, &who));
	flowset_end(bed.set, false);
	flowset_del(bed.set, &who.record);
	assert_int_equal(flowset_due(bed.set), 0);
	assert_null(plan_find(flowset_plan(bed.set), &neighbour));
}

static void a_set_that_is_refused_stays_out_until_it_changes(void **state)
{
	struct plan_record segment = record(SEGMENT);
	struct flowset_origin who;

	(void)state;
	sync_to(SEGMENT PEER_2);
	commit();
	for (int i = 0; i < 2; i++) {
		step(SEGMENT PEER_2, SEGMENT PEER_2 FLOOD_2);
		begin();
		assert_true(flowset_whose(bed.set, (size_t)mod_of(TABLE_FLOOD_PEERS), &who));
		assert_int_equal(who.kind, ORIGIN_FLOOD_PEERS);
		assert_int_equal(who.key, 7);
		flowset_end(bed.set, false);
		flowset_set_aside(bed.set, &who);
		assert_int_equal(flowset_due(bed.set), 0);
		flowset_renew(bed.set);
		assert_int_equal(flowset_due(bed.set), 0);
		if (i == 0)
			step(SEGMENT PEER_2 FLOOD_2, SEGMENT PEER_2);
	}
	flowset_set(bed.set, &segment); /* what it hangs on is given again */
	assert_int_equal(commit(), 1);
}

static void a_removal_that_is_given_up_is_tried_after_a_dump(void **state)
{
	struct flow there;

	(void)state;
	sync_to(SEGMENT NEIGHBOUR);
	commit();
	step(SEGMENT NEIGHBOUR, SEGMENT);
	begin();
	flow_copy(&there, bed.mods[mod_of(TABLE_NEIGHBOUR)].flow);
	for (size_t i = 0; i < bed.n; i++)
		flowset_give_up(bed.set, i);
	flowset_end(bed.set, false);
	assert_int_equal(flowset_due(bed.set), 0);
	flowset_dump_begin(bed.set);
	there.cookie = COOKIE_OURS;
	flowset_found(bed.set, &there);
	begin();
	assert_int_equal(bed.mods[mod_of(TABLE_NEIGHBOUR)].op, FLOW_DELETE);
	flowset_end(bed.set, true);
	flow_fini(&there);
}

/* What comes to the place of a flow that could not be removed. */
static void a_removal_that_is_given_up_keeps_nothing_out(void **state)
{
	(void)state;
	sync_to(SEGMENT NEIGHBOUR);
	commit();
	step(SEGMENT NEIGHBOUR, SEGMENT);
	begin();
	for (size_t i = 0; i < bed.n; i++)
		flowset_give_up(bed.set, i);
	flowset_end(bed.set, false);
	assert_int_equal(flowset_due(bed.set), 0);
	step(SEGMENT, SEGMENT OTHER);
	begin();
	assert_true(mod_of(TABLE_NEIGHBOUR) >= 0);
	assert_int_equal(bed.mods[mod_of(TABLE_NEIGHBOUR)].op, FLOW_ADD);
	flowset_end(bed.set, true);
}

/* ------------------------------------------------------------------ what is there */

struct dump {
	struct flow flows[512];
	size_t n;
};

/* As a switch that has all that is wanted would give it. */
static void take_all(struct dump *d)
{
	flowset_dump_begin(bed.set);
	begin();
	assert_true(bed.n <= N_ELEMENTS(d->flows));
	for (d->n = 0; d->n < bed.n; d->n++)
		flow_copy(&d->flows[d->n], bed.mods[d->n].flow);
	flowset_end(bed.set, false);
}

static void dump_fini(struct dump *d)
{
	for (size_t i = 0; i < d->n; i++)
		flow_fini(&d->flows[i]);
}

static void only_the_difference_to_a_dump_is_due(void **state)
{
	static struct dump d;
	struct flow extra;

	(void)state;
	sync_to(SEGMENT PORT NEIGHBOUR);
	take_all(&d);
	flowset_dump_begin(bed.set);
	for (size_t i = 0; i < d.n; i++)
		flowset_found(bed.set, &d.flows[i]);
	assert_int_equal(flowset_due(bed.set), 0);

	flowset_dump_begin(bed.set);
	d.flows[3].cookie++; /* ours, but another */
	for (size_t i = 0; i < d.n; i++)
		if (i != 5) /* missing */
			flowset_found(bed.set, &d.flows[i]);
	flow_init(&extra, TABLE_FDB, 9, COOKIE_OURS | 77);
	flowset_found(bed.set, &extra);
	assert_int_equal(commit(), 3);
	assert_int_equal(flowset_due(bed.set), 0);
	flow_fini(&extra);
	dump_fini(&d);
}

static void note_conflict(const struct flowset_origin *o, const struct flow *wanted, void *arg)
{
	(void)wanted;
	*(struct flowset_origin *)arg = *o;
}

static void a_flow_of_anothers_stays(void **state)
{
	static struct dump d;
	struct plan_record neighbour = record(NEIGHBOUR);
	struct flowset_origin who = { 0 };

	(void)state;
	sync_to(SEGMENT NEIGHBOUR);
	take_all(&d);
	flowset_dump_begin(bed.set);
	for (size_t i = 0; i < d.n; i++) {
		if (d.flows[i].table == TABLE_NEIGHBOUR && d.flows[i].priority > 0)
			d.flows[i].cookie = 0x1234;
		flowset_found(bed.set, &d.flows[i]);
	}
	assert_int_equal(flowset_due(bed.set), 0);
	assert_int_equal(flowset_n_conflicts(bed.set), 1);
	flowset_conflicts(bed.set, note_conflict, &who);
	assert_true(plan_record_same_key(&who.record, &neighbour));
	assert_false(flowset_is_in(bed.set, &neighbour));
	flowset_del(bed.set, &neighbour);
	assert_int_equal(flowset_n_conflicts(bed.set), 0);
	commit();
	flowset_set(bed.set, &neighbour);
	assert_int_equal(flowset_n_conflicts(bed.set), 1); /* as far as known */
	dump_fini(&d);
}

/* ------------------------------------------------------------------ members */

static void members_are_counted_and_ascend(void **state)
{
	struct members m = { 0 };

	(void)state;
	for (uint32_t i = 20; i > 0; i--)
		assert_true(members_add(&m, i * 7 % 23));
	assert_false(members_add(&m, 7));
	for (size_t i = 1; i < m.n; i++)
		assert_true(m.numbers[i - 1] < m.numbers[i]);
	assert_false(members_del(&m, 7));
	assert_true(members_has(&m, 7));
	assert_true(members_del(&m, 7));
	assert_false(members_has(&m, 7));
	assert_int_equal(m.n, 19);
	members_fini(&m);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_change_is_due_and_nothing_else),
		CASE(another_number_renews_the_port_alone),
		CASE(the_least_of_those_who_want_a_flow_has_it),
		CASE(a_set_follows_its_members),
		CASE(what_changes_while_a_batch_is_out_goes_with_the_next),
		CASE(a_batch_has_at_most_what_is_asked_for),
		CASE(who_is_refused_is_known),
		CASE(a_set_that_is_refused_stays_out_until_it_changes),
		CASE(a_removal_that_is_given_up_is_tried_after_a_dump),
		CASE(a_removal_that_is_given_up_keeps_nothing_out),
		CASE(only_the_difference_to_a_dump_is_due),
		CASE(a_flow_of_anothers_stays),
		cmocka_unit_test(members_are_counted_and_ascend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
