/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs_bed.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The driver while the switch goes and comes, and each of them killed at each step. */

static void the_flows_are_back_after_a_restart_of_ovs_vswitchd(void **state)
{
	long before;

	(void)state;
	sync_to(PLAN);
	before = flows();
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(!ovs_is_up(bed.driver));
	assert_false(bed.driver->known);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(is_settled());
	assert_int_equal(bed.driver->sent_bundles, 2);
	assert_int_equal(flows(), before);
	assert_equal_to(PLAN);
	assert_string_equal(bed.told, "3:ready 4:ready "); /* it was short */
	assert_int_equal(bed.lost, 0);
}

/* With its flows it says good-bye. */
static void an_end_of_ovs_vswitchd_is_no_removal_of_flows(void **state)
{
	static const char removals[] = "grep -c 'flows of ours were removed' log || true";
	_cleanup_(freep) char *path = xasprintf("%s/log", bed.box.dir);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), usual = dup(STDERR_FILENO);
	long all, by_end;

	(void)state;
	sync_to(PLAN);
	all = flows();
	dup2(log, STDERR_FILENO);
	sh("ovs-appctl -t $PWD/vswitchd.ctl exit");
	UNTIL(!ovs_is_up(bed.driver));
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(is_settled());
	by_end = number(removals);
	sh(OFCTL "del-flows br-int");
	until_number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74", all);
	dup2(usual, STDERR_FILENO);
	close(usual);
	close(log);
	assert_int_equal(by_end, 0);
	assert_int_equal(number(removals), 1);
}

static void a_call_waits_for_a_short_absence(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(PLAN), *q = parsed(PLAN NEIGHBOUR);
	struct plan_changes changes;

	(void)state;
	sync_to(PLAN);
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(!ovs_is_up(bed.driver));
	plan_diff(p, q, &changes);
	driver_ovs.apply(bed.driver, &changes, on_done, &bed);
	plan_changes_fini(&changes);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	wait_done(1);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOUR);
}

static void a_long_absence_is_told_and_made_good(void **state)
{
	(void)state;
	sync_to(PLAN);
	bed.told[0] = '\0';
	bed.driver->patience_us = 1000;
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.driver->away);
	assert_non_null(strstr(bed.told, "3:failed:Open vSwitch does not answer: "));
	assert_non_null(strstr(bed.told, "4:failed:Open vSwitch does not answer: "));
	step(PLAN, PLAN NEIGHBOUR); /* answered all the same */
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	step(PLAN NEIGHBOUR, PLAN NEIGHBOUR FLOOD_3);
	assert_int_equal(bed.n_failures, 1);
	bed.driver->patience_us = TURN_US;
	bed.told[0] = '\0';
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.lost == 1);
	assert_equal_to(PLAN NEIGHBOUR FLOOD_3);
	assert_non_null(strstr(bed.told, "3:ready "));
	assert_non_null(strstr(bed.told, "4:ready "));
	sync_to(PLAN NEIGHBOUR FLOOD_3);
	assert_int_equal(bed.n_failures, 0);
}

static void a_switch_that_is_not_there_at_the_start_is_waited_for(void **state)
{
	char warnings[4096] = "";

	(void)state;
	close_driver();
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	open_driver();
	bed.driver->patience_us = 300000;
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	assert_string_equal(bed.told, "3:absent 4:absent ");
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_non_null(strstr(warnings, bed.where));
	bed.driver->patience_us = TURN_US;
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.lost == 1);
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN);
	assert_non_null(strstr(bed.told, "3:ready "));
	warnings[0] = '\0';
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

/* The bridge is known, its switch away: that was so before there was a plan. */
static void a_switch_that_goes_before_the_first_plan_is_an_absent_one(void **state)
{
	(void)state;
	UNTIL(ovs_is_up(bed.driver));
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(!ovs_is_up(bed.driver));
	bed.driver->patience_us = 300000;
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	bed.driver->patience_us = TURN_US;
	sandbox_run_daemon(&bed.box, SANDBOX_VSWITCHD);
	UNTIL(bed.lost == 1);
	assert_equal_to(PLAN);
}

static void a_bridge_that_is_deleted_is_made_and_filled_again(void **state)
{
	(void)state;
	sync_to(PLAN);
	bed.told[0] = '\0';
	sh("ovs-vsctl del-br br-int");
	UNTIL(strstr(bed.told, "3:absent ") && strstr(bed.told, "4:absent ") && is_settled());
	assert_equal_to(PLAN);
	plug("tap3", UUID("3"));
	UNTIL(strstr(bed.told, "3:ready "));
	assert_equal_to(PLAN);
}

/* ovs-vswitchd does nothing without its database, not even answer. */
static void an_absent_database_is_an_absent_switch(void **state)
{
	char warnings[4096] = "";

	(void)state;
	sync_to(PLAN);
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	bed.driver->patience_us = 300000;
	step(PLAN, PLAN NEIGHBOUR);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "host host=1 ", 12), 0);
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_non_null(strstr(warnings, bed.where));
	bed.driver->patience_us = TURN_US;
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	UNTIL(bed.lost == 1);
	sync_to(PLAN NEIGHBOUR);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOUR);
	plug("tap5", UUID("5"));
	step(PLAN NEIGHBOUR, PLAN NEIGHBOUR PORT_5);
	UNTIL(strstr(bed.told, "5:ready "));
	assert_equal_to(PLAN NEIGHBOUR PORT_5);
	warnings[0] = '\0';
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

static void a_tunnel_port_that_is_made_again_is_followed(void **state)
{
	uint32_t before;

	(void)state;
	sync_to(PLAN);
	before = bed.driver->world.tunnel_ofport;
	sh("ovs-vsctl del-port " VSWITCH_TUNNEL_PORT);
	UNTIL(bed.driver->world.tunnel_ofport != before && is_settled());
	assert_true(bed.driver->world.tunnel_ofport > 0);
	assert_equal_to(PLAN);
}

/* ------------------------------------------------------------------ killed at each step */

#define NEXT HOST PEER SEGMENT PORT_3 PORT_5 FDB_34 NEIGHBOURS FLOOD FLOOD_3

/* Opens the driver, syncs it to the next plan and dies after so many turns of its loop; 0: it came to its end. */
static int die_after(int turns)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		p = parsed(NEXT);
		bed.loop = loop_new();
		open_driver();
		driver_ovs.sync(bed.driver, p, on_done, &bed);
		bed.dones = 0;
		for (int i = 0; i < turns && bed.dones == 0; i++)
			loop_turn(bed.loop, TURN_US);
		if (bed.dones == 0)
			raise(SIGKILL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_driver_that_dies_leaves_the_old_or_the_new(void **state)
{
	int turns = 0, old = 0, new = 0, died;

	(void)state;
	do {
		sync_to(PLAN);
		close_driver();
		died = die_after(turns++);
		open_driver();
		UNTIL(bed.driver->mgmt);
		if (!differs_from(PLAN))
			old++;
		else if (!differs_from(NEXT))
			new ++;
		else
			fail_msg("neither, after %d turns", turns - 1);
	} while (died != 0);
	assert_true(old > 3);
	assert_true(new > 0);
	sync_to(NEXT);
	assert_equal_to(NEXT);
}

/* Syncs to the plan, turns so often, kills a daemon and starts it again. False: the sync was over before. */
static bool kill_after(int turns, enum sandbox_daemon which, const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	unsigned dones = bed.dones;

	bed.driver->patience_us = TURN_US;
	driver_ovs.sync(bed.driver, p, on_done, &bed);
	for (int i = 0; i < turns && bed.dones == dones; i++)
		loop_turn(bed.loop, TURN_US);
	if (bed.dones > dones)
		return false;
	sandbox_kill(&bed.box, which);
	UNTIL(which == SANDBOX_OVSDB || !ovs_is_up(bed.driver));
	sandbox_run_daemon(&bed.box, which);
	sh("ovs-vsctl --timeout=60 --retry set bridge br-int other_config:seen=true"); /* waits for ovs-vswitchd */
	UNTIL(bed.dones > dones && is_settled());
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(text);
	return true;
}

static void ovs_vswitchd_may_die_at_each_step(void **state)
{
	int turns = 0;

	(void)state;
	while (kill_after(turns, SANDBOX_VSWITCHD, turns % 2 ? NEXT : PLAN))
		turns++;
	assert_true(turns > 5);
}

/* A few only: ovs-vswitchd takes longer from time to time to come back to its database. */
static void ovsdb_server_may_die_at_any_step(void **state)
{
	(void)state;
	assert_true(kill_after(1, SANDBOX_OVSDB, PLAN));
	assert_true(kill_after(2, SANDBOX_OVSDB, NEXT));
	assert_true(kill_after(4, SANDBOX_OVSDB, PLAN));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(the_flows_are_back_after_a_restart_of_ovs_vswitchd),
		CASE(an_end_of_ovs_vswitchd_is_no_removal_of_flows),
		CASE(a_call_waits_for_a_short_absence),
		CASE(a_long_absence_is_told_and_made_good),
		CASE(a_switch_that_is_not_there_at_the_start_is_waited_for),
		CASE(a_switch_that_goes_before_the_first_plan_is_an_absent_one),
		CASE(a_bridge_that_is_deleted_is_made_and_filled_again),
		CASE(an_absent_database_is_an_absent_switch),
		CASE(a_tunnel_port_that_is_made_again_is_followed),
		CASE(a_driver_that_dies_leaves_the_old_or_the_new),
		CASE(ovs_vswitchd_may_die_at_each_step),
		CASE(ovsdb_server_may_die_at_any_step),
	};

	return RUN_CASES(tests, argc, argv);
}
