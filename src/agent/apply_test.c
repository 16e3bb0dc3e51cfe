/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/loop.h"

#define TURN_US 5000000

/*
 * A driver that notes each call as text and ends it when the test says: "sync\n" or the changes,
 * one a line. What it was given it has, but for the keys that the test lets fail.
 */
struct driver {
	driver_done done;
	void *arg;
	int calls;
	UT_string *text;
	struct plan *has;
	struct plan_changes changes;
};

static struct driver mock;
static struct loop *loop;
static struct apply *apply;
static struct plan *plan; /* the target */
static int told;

static void mock_sync(struct driver *d, const struct plan *p, driver_done done, void *arg)
{
	assert_null(d->done);
	d->done = done;
	d->arg = arg;
	d->calls++;
	utstring_clear(d->text);
	utstring_printf(d->text, "sync\n");
	plan_diff(d->has, p, &d->changes);
}

static void mock_apply(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg)
{
	assert_null(d->done);
	d->done = done;
	d->arg = arg;
	d->calls++;
	utstring_clear(d->text);
	plan_changes_format(changes, d->text);
	for (size_t i = 0; i < changes->n; i++)
		plan_changes_add(&d->changes, changes->items[i].op, &changes->items[i].record, &changes->items[i].old);
}

static const struct driver_ops ops = { .name = "mock", .vif_type = "tap", .sync = mock_sync, .apply = mock_apply };

static struct plan_record record(const char *text)
{
	struct plan_record r;
	struct err err;

	if (plan_record_parse(text, &r, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* Ends the call; the record of this key fails. */
static void done(const char *failing)
{
	struct driver_failure f = { .r = -ENOSPC, .text = "no room" };
	driver_done fn = take(&mock.done);

	if (failing)
		f.record = record(failing);
	for (size_t i = 0; i < mock.changes.n; i++) {
		const struct plan_change *c = &mock.changes.items[i];

		if (failing && plan_record_same_key(&c->record, &f.record))
			continue;
		if (c->op == PLAN_DELETE)
			plan_del(mock.has, &c->record);
		else
			plan_set(mock.has, &c->record);
	}
	plan_changes_fini(&mock.changes);
	fn(&f, failing ? 1 : 0, mock.arg);
}

static void on_told(void *arg)
{
	(void)arg;
	told++;
}

static void turn(void)
{
	assert_true(loop_turn(loop, TURN_US) > 0);
}

static void call(const char *expected)
{
	while (!mock.done)
		turn();
	assert_string_equal(utstring_body(mock.text), expected);
}

/* One frame: "+ RECORD", "~ RECORD", "- RECORD" lines become the plan's changes. */
static void frame(uint64_t position, const char *text)
{
	struct plan *before = plan_copy(plan);
	struct plan_changes changes = { 0 };

	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_(freep) char *line = xstrndup(text, len);
		struct plan_record r = record(line + 2);

		if (line[0] == '-')
			plan_del(plan, &r);
		else
			plan_set(plan, &r);
		text += text[len] ? len + 1 : len;
	}
	plan_diff(before, plan, &changes);
	apply_changes(apply, plan, &changes, position);
	plan_changes_fini(&changes);
	plan_free(before);
}

static int setup(void **state)
{
	(void)state;
	memset(&mock, 0, sizeof(mock));
	utstring_new(mock.text);
	mock.has = plan_new();
	loop = loop_new();
	plan = plan_new();
	told = 0;
	apply = apply_new(loop, &ops, &mock, on_told, NULL);
	apply_set_times(apply, 1000, 4000);
	apply_sync(apply, plan, 1);
	call("sync\n");
	done(NULL);
	assert_int_equal(apply_position(apply), 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (mock.done)
		done(NULL);
	apply_free(apply);
	plan_free(plan);
	plan_free(mock.has);
	utstring_free(mock.text);
	loop_free(loop);
	return 0;
}

#define N1 "neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:01"
#define N1_MOVE "neighbour network=7 ip=10.0.1.5 mac=fa:16:3e:00:00:02"
#define N2 "neighbour network=7 ip=10.0.1.6 mac=fa:16:3e:00:00:03"

static void test_position_follows_done(void **state)
{
	(void)state;
	frame(2, "+ " N1);
	call("+ " N1 "\n");
	assert_int_equal(apply_position(apply), 1);
	assert_false(apply_idle(apply));
	done(NULL);
	assert_int_equal(apply_position(apply), 2);
	assert_true(apply_idle(apply));
	/* A frame that changes nothing here is applied as soon as it is there. */
	frame(3, "");
	while (apply_position(apply) != 3)
		turn();
	assert_true(plan_equal(plan, mock.has));
}

/* Also when it came while a call was out, and with nothing for the driver. */
static void test_position_of_nothing_while_out(void **state)
{
	(void)state;
	frame(2, "+ " N1);
	call("+ " N1 "\n");
	frame(3, "");
	turn();
	assert_int_equal(apply_position(apply), 1);
	told = 0;
	done(NULL);
	while (apply_position(apply) != 3)
		turn();
	assert_int_equal(told, 2);
	assert_int_equal(mock.calls, 2);
}

static void test_merged_while_out(void **state)
{
	int calls;

	(void)state;
	frame(2, "+ " N1);
	call("+ " N1 "\n");
	calls = mock.calls;
	frame(3, "~ " N1_MOVE);
	frame(4, "+ " N2);
	frame(5, "- " N2);
	frame(6, "- " N1);
	frame(7, "+ " N1_MOVE);
	assert_int_equal(mock.calls, calls);
	done(NULL);
	assert_int_equal(apply_position(apply), 2);
	call("~ " N1_MOVE "\n");
	done(NULL);
	assert_int_equal(apply_position(apply), 7);
	assert_true(plan_equal(plan, mock.has));
}

static void test_there_and_back(void **state)
{
	int calls;

	(void)state;
	frame(2, "+ " N1);
	call("+ " N1 "\n");
	calls = mock.calls;
	frame(3, "- " N1);
	frame(4, "+ " N1);
	done(NULL);
	while (apply_position(apply) != 4)
		turn();
	assert_int_equal(mock.calls, calls);
}

static void test_failure_is_isolated_and_tried_again(void **state)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	(void)state;
	frame(2, "+ " N1 "\n+ " N2);
	call("+ " N1 "\n+ " N2 "\n");
	done(N1);
	assert_int_equal(apply_position(apply), 2);
	assert_int_equal(apply_failures(apply), 1);
	utstring_new(text);
	apply_format(apply, text);
	assert_string_equal(utstring_body(text), "failed + " N1 ": no room\n");
	call("+ " N1 "\n");
	done(N1);
	call("+ " N1 "\n");
	done(NULL);
	assert_int_equal(apply_failures(apply), 0);
	assert_true(plan_equal(plan, mock.has));
}

static void test_failed_then_changed(void **state)
{
	(void)state;
	frame(2, "+ " N1);
	call("+ " N1 "\n");
	done(NULL);
	frame(3, "~ " N1_MOVE);
	call("~ " N1_MOVE "\n");
	/* Meanwhile it goes back to what it was. The driver may have neither: it is told again. */
	frame(4, "~ " N1);
	done(N1_MOVE);
	call("~ " N1 "\n");
	done(NULL);
	assert_true(plan_equal(plan, mock.has));
	/* A removal that fails is tried again; and given up when the record is wanted again. */
	frame(5, "- " N1);
	call("- " N1 "\n");
	done(N1);
	call("- " N1 "\n");
	frame(6, "+ " N1);
	done(N1);
	call("~ " N1 "\n");
	done(NULL);
	assert_true(plan_equal(plan, mock.has));
	assert_int_equal(apply_failures(apply), 0);
}

static void test_failed_addition_withdrawn(void **state)
{
	(void)state;
	frame(2, "+ " N1);
	call("+ " N1 "\n");
	frame(3, "- " N1);
	done(N1);
	while (apply_position(apply) != 3)
		turn();
	assert_true(apply_idle(apply));
	assert_int_equal(apply_failures(apply), 0);
	assert_int_equal(plan_count(mock.has, PLAN_NEIGHBOUR), 0);
}

static void test_sync_with_failure_and_change(void **state)
{
	(void)state;
	frame(2, "+ " N1 "\n+ " N2);
	call("+ " N1 "\n+ " N2 "\n");
	done(NULL);
	plan_free(mock.has);
	mock.has = plan_new();
	apply_sync(apply, plan, 2);
	call("sync\n");
	frame(3, "- " N1);
	done(N1);
	/* It never came to be there: nothing is left to do. */
	while (apply_position(apply) != 3)
		turn();
	assert_true(apply_idle(apply));
	assert_true(plan_equal(plan, mock.has));
}

#define PORT_UP(up) "port port=12 network=7 mac=fa:16:3e:00:00:0c up=" up " uuid=6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a03"
#define PORT PORT_UP("yes")

static void test_port_truth(void **state)
{
	(void)state;
	frame(2, "+ " PORT "\n+ " N1);
	assert_false(apply_port_is_up(apply, 12));
	while (!mock.done)
		turn();
	assert_false(apply_port_is_up(apply, 12));
	done(PORT);
	assert_false(apply_port_is_up(apply, 12));
	assert_string_equal(apply_port_error(apply, 12, 7), "no room");
	assert_null(apply_port_error(apply, 13, 7));
	while (!mock.done)
		turn();
	assert_string_equal(apply_port_error(apply, 12, 7), "no room");
	done(NULL);
	assert_true(apply_port_is_up(apply, 12));
	assert_null(apply_port_error(apply, 12, 7));
	/* A neighbour that fails is nobody's port. */
	frame(3, "- " N1);
	while (!mock.done)
		turn();
	done(N1);
	assert_null(apply_port_error(apply, 12, 7));
	assert_true(apply_port_is_up(apply, 12));
	/* Switched off, and on again: not before the datapath knows. */
	frame(4, "~ " PORT_UP("no"));
	assert_false(apply_port_is_up(apply, 12));
	while (!mock.done)
		turn();
	done(NULL);
	assert_false(apply_port_is_up(apply, 12));
	frame(5, "~ " PORT);
	assert_false(apply_port_is_up(apply, 12));
	while (!mock.done)
		turn();
	assert_false(apply_port_is_up(apply, 12));
	done(NULL);
	assert_true(apply_port_is_up(apply, 12));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_position_follows_done),
		T(test_position_of_nothing_while_out),
		T(test_merged_while_out),
		T(test_there_and_back),
		T(test_failure_is_isolated_and_tried_again),
		T(test_failed_then_changed),
		T(test_failed_addition_withdrawn),
		T(test_sync_with_failure_and_change),
		T(test_port_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
