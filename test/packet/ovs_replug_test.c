/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/ovs_devices_bed.h"

#include <stdio.h>
#include <string.h>

/* Devices and rows that are deleted and made again, by whomever, in whatever order. */

static void make_again(void)
{
	tap_close(&bed.t1);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	tap_open(&bed.t1, "t1");
}

#define SEEN "ovs-vsctl wait-until interface t1 ifindex=$(ip -o link show t1 | cut -d: -f1)" /* by Open vSwitch */

static void make_again_unseen(void)
{
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh(SEEN);
}

static bool is_back(const char *ofport_request)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "%s {iface-id=%s, vm-uuid=x}", ofport_request, ID_1);
	return bed.iface[0].state == VSWITCH_IFACE_UP &&
	       !strcmp(printed("ovs-vsctl get interface t1 ofport_request external_ids | xargs"), expected);
}

static void test_made_again(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	assert_passes();
	make_again();
	UNTIL(is_back("[]"));
	assert_passes();
	make_again();
	UNTIL(is_back("[]"));
	assert_passes();
}

static void test_made_again_with_its_number(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=7");
	UNTIL(bed.iface[0].ofport == 7);
	assert_passes();
	make_again();
	UNTIL(is_back("7") && bed.iface[0].ofport == 7);
	assert_int_equal(bed.highest, 7); /* not up in between, on the number away */
	assert_passes();
}

/* Another one asks for the same number, and gets it while the device is away. */
static void test_made_again_with_anothers_number(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=7");
	UNTIL(bed.iface[0].ofport == 7);
	sh("ovs-vsctl --no-wait set interface t2 ofport_request=7");
	make_again();
	UNTIL(is_back("7") && bed.iface[1].state == VSWITCH_IFACE_UP);
	assert_passes();
}

/* While nobody looked: what was installed says with which device. */
static void test_made_again_unseen(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(*printed("ovs-vsctl --if-exists get interface t1 external_ids:neutrino-ifindex"));
	bed.vswitch = vswitch_close(bed.vswitch);
	make_again_unseen();
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("[]"));
	assert_passes();
}

/* As libvirt plugs it: Open vSwitch sees no change and goes on with the device that is gone. The row has no marks. */
static void test_plugged_anew_unseen(void **state)
{
	uint32_t others;

	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl del-port t1 -- add-port br-int t1 -- set interface t1 external_ids:iface-id=" ID_1
	   " external_ids:vm-uuid=x");
	sh(SEEN);
	bed.iface[0].state = bed.iface[1].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(both_up());
	assert_true(bed.iface[0].doubtful);
	others = bed.iface[1].ofport;
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	UNTIL(is_back("[]"));
	assert_false(bed.iface[0].doubtful);
	assert_passes();
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(*printed("ovs-vsctl --if-exists get interface t1 external_ids:neutrino-ifindex"));
	assert_int_equal(bed.iface[0].state, VSWITCH_IFACE_UP);
	assert_passes();
	/* Of a port that is none of ours it is not our business. */
	assert_int_equal(bed.iface[1].ofport, others);
	assert_string_equal(printed("ovs-vsctl get interface t2 external_ids | xargs"), "{iface-id=" ID_2 "}");
}

#define PLUG_T1 "add-port br-int t1 -- set interface t1 external_ids:iface-id=" ID_1 " external_ids:vm-uuid=x"

/* Deleted and made again, device and row, when Open vSwitch is slow: it sees no change; or when we are. */
static void test_plugged_anew(void **state)
{
	static const char *const plugs[] = {
		"ovs-vsctl --no-wait del-port t1; ovs-vsctl --no-wait " PLUG_T1,
		"ovs-vsctl --no-wait del-port t1 -- " PLUG_T1,
	};

	(void)state;
	open_vswitch();
	plug_two();
	for (size_t i = 0; i < 2 * N_ELEMENTS(plugs); i++) {
		bool slow = i < N_ELEMENTS(plugs);

		if (slow)
			sh("kill -STOP $(cat ovs-vswitchd.pid)");
		tap_close(&bed.t1);
		tap_open(&bed.t1, "t1");
		sh(plugs[i % N_ELEMENTS(plugs)]);
		if (slow)
			sh("kill -CONT $(cat ovs-vswitchd.pid)");
		sh(SEEN " -- wait-until "
			"interface t1 'ofport>0'");
		bed.iface[0].state = VSWITCH_IFACE_WAIT;
		UNTIL(is_back("[]"));
		assert_passes();
	}
}

/* We come when the new row is there, and Open vSwitch has not come round. */
static void test_plugged_anew_before_us(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	sh("kill -STOP $(cat ovs-vswitchd.pid)");
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl --no-wait del-port t1 -- " PLUG_T1);
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	sh("kill -CONT $(cat ovs-vswitchd.pid)");
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_UP && bed.iface[0].doubtful);
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	UNTIL(is_back("[]"));
	assert_passes();
}

/* Whoever began is gone in the middle of it. */
static void test_killed_between(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=7");
	UNTIL(bed.iface[0].ofport == 7);
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl set interface t1 ofport_request=65000 external_ids:neutrino-replug=7,7");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("7") && bed.iface[0].ofport == 7);
	assert_passes();
}

/* And the device is made again once more; back is no change where no number is asked for. */
static void test_made_again_between(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	sh("ovs-vsctl set interface t1 ofport_request=65000 "
	   "external_ids:neutrino-replug=$(ovs-vsctl get interface t1 ofport),0");
	make_again_unseen();
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("[]") && bed.iface[0].doubtful);
	vswitch_installed(bed.vswitch, &bed.iface[0].port, true);
	UNTIL(bed.iface[0].state == VSWITCH_IFACE_WAIT);
	UNTIL(is_back("[]") && !bed.iface[0].doubtful);
	assert_passes();
}

/* And the row is made again before Open vSwitch has done it. */
static void test_plugged_anew_between(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	make_again_unseen();
	sh("kill -STOP $(cat ovs-vswitchd.pid)");
	sh("ovs-vsctl --no-wait set interface t1 ofport_request=65000 "
	   "external_ids:neutrino-replug=$(ovs-vsctl get interface t1 ofport),0");
	open_vswitch();
	sh("ovs-vsctl --no-wait del-port t1 -- " PLUG_T1);
	sh("kill -CONT $(cat ovs-vswitchd.pid)");
	sh(SEEN " -- wait-until "
		"interface t1 'ofport>0'");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	UNTIL(is_back("[]"));
	assert_passes();
}

/* Somebody has taken the number away that was asked for. */
static void test_request_taken_back(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	bed.vswitch = vswitch_close(bed.vswitch);
	tap_close(&bed.t1);
	tap_open(&bed.t1, "t1");
	sh("ovs-vsctl set interface t1 external_ids:neutrino-replug=$(ovs-vsctl get interface t1 ofport),0");
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	open_vswitch();
	UNTIL(is_back("[]"));
	assert_passes();
}

/* What came first, the number or the device, cannot be seen any more. */
static void test_made_again_without_the_database(void **state)
{
	(void)state;
	open_vswitch();
	plug_two();
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	sandbox_run_daemon(&bed.box, SANDBOX_OVSDB);
	sh("ovs-vsctl --timeout=60 --retry set interface t1 ofport_request=7 && ovs-vsctl wait-until interface t1 "
	   "ofport=7");
	make_again_unseen();
	bed.iface[0].state = VSWITCH_IFACE_WAIT;
	UNTIL(is_back("7"));
	assert_passes();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(test_made_again),
		CASE(test_made_again_with_its_number),
		CASE(test_made_again_with_anothers_number),
		CASE(test_made_again_unseen),
		CASE(test_plugged_anew_unseen),
		CASE(test_plugged_anew),
		CASE(test_plugged_anew_before_us),
		CASE(test_killed_between),
		CASE(test_made_again_between),
		CASE(test_plugged_anew_between),
		CASE(test_request_taken_back),
		CASE(test_made_again_without_the_database),
	};

	return RUN_CASES(tests, argc, argv);
}
