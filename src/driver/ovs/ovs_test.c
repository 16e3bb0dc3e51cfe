/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs_bed.h"

#include <errno.h>
#include <unistd.h>

#include "driver/ovs/tables.h"
#include "net/icmp_error.h"

/* The driver while the switch is there: plans, ports, packets, and what the switch does not take. */

static void a_plan_comes_into_the_switch(void **state)
{
	(void)state;
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_string_equal(bed.told, "3:ready 4:ready ");
	assert_true(flows() > 100);
	assert_int_equal(bed.driver->sent_bundles, 1);
	assert_equal_to(PLAN);
}

static void a_sync_without_a_difference_sends_nothing(void **state)
{
	(void)state;
	sync_to(PLAN);
	close_driver();
	open_driver();
	sync_to(PLAN);
	assert_string_equal(bed.told, "3:ready 4:ready ");
	assert_int_equal(bed.driver->sent_bundles, 0);
	assert_equal_to(PLAN);
}

static void a_change_touches_only_its_own_flows(void **state)
{
	uint64_t before;

	(void)state;
	sync_to(PLAN);
	before = bed.driver->sent_mods;
	step(PLAN, PLAN NEIGHBOUR);
	assert_in_range(bed.driver->sent_mods - before, 1, 8);
	assert_int_equal(bed.driver->sent_bundles, 2);
	step(PLAN NEIGHBOUR, PLAN);
	assert_equal_to(PLAN);
}

#define MARKS "ovs-vsctl --bare --columns=name find interface external_ids:neutrino-installed=true | grep -c tap"

static void a_port_that_comes_and_goes_is_followed(void **state)
{
	(void)state;
	sync_to(PLAN);
	bed.told[0] = '\0';
	sh("ovs-vsctl del-port tap3");
	UNTIL(!strcmp(bed.told, "3:absent "));
	assert_equal_to(PLAN);
	plug("tap3", UUID("3"));
	UNTIL(!strcmp(bed.told, "3:absent 3:ready "));
	assert_equal_to(PLAN);
	until_number(MARKS, 2);
}

static void on_done_count_marks(const struct driver_failure *failures, size_t n, void *arg)
{
	long *marks = arg;

	*marks = number(MARKS);
	on_done(failures, n, &bed);
}

/* Open vSwitch goes through all ports for it, which its flows would wait for. */
static void the_mark_of_a_port_that_goes_is_taken_away_after_its_flows(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(PLAN), *q = parsed(HOST PEER SEGMENT PORT_4 FDB FLOOD);
	struct plan_changes changes;
	unsigned dones;
	long marks = 0;

	(void)state;
	sync_to(PLAN);
	until_number(MARKS, 2);
	dones = bed.dones;
	plan_diff(p, q, &changes);
	driver_ovs.apply(bed.driver, &changes, on_done_count_marks, &marks);
	plan_changes_fini(&changes);
	wait_done(dones);
	assert_int_equal(marks, 2);
	until_number(MARKS, 1);
}

static void the_mark_of_a_port_that_went_while_nobody_looked_is_taken_away(void **state)
{
	(void)state;
	sync_to(PLAN);
	until_number(MARKS, 2);
	close_driver();
	open_driver();
	sync_to(HOST PEER SEGMENT PORT_4 FDB FLOOD);
	until_number(MARKS, 1);
}

static void flows_that_others_remove_come_back(void **state)
{
	long all;

	(void)state;
	sync_to(PLAN);
	all = flows();
	sh(OFCTL "del-flows br-int");
	until_number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74", all);
	close_driver();
	open_driver(); /* it adopts them */
	sync_to(PLAN);
	assert_int_equal(bed.driver->sent_mods, 0);
	assert_int_equal(sandbox_run(&bed.box, NULL, OFCTL "del-flows br-int table=%u", TABLE_FDB), 0);
	until_number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74", all);
	UNTIL(is_settled());
	assert_equal_to(PLAN);
}

/* However long the pause is until that is tried again. */
static void flows_come_back_soon_while_a_record_is_refused(void **state)
{
	long all;

	(void)state;
	sync_to(PLAN);
	all = flows();
	bed.driver->tries = 20;
	ovs_later(bed.driver);
	sh(OFCTL "del-flows br-int");
	until_number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74", all);
}

static void the_flows_of_others_are_left_alone(void **state)
{
	(void)state;
	sh(OFCTL "add-flow br-int cookie=0x1234,table=200,priority=7,ip,actions=drop");
	sync_to(PLAN);
	assert_equal_to(PLAN);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	close_driver();
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	assert_int_equal(flows(), 0);
}

#define METERS OFCTL "dump-meters br-int | grep -c meter="

static void meters_come_with_their_ports_and_go_with_them(void **state)
{
	(void)state;
	sh(OFCTL "add-meter br-int meter=5000,pktps,band=type=drop,rate=10");
	sync_to(PLAN);
	assert_int_equal(number(METERS), 1 + 1 + 2 * N_METERS);
	sh("ovs-vsctl del-port tap3");
	until_number(METERS, 1 + 1 + N_METERS);
	close_driver();
	sh("ovs-vsctl del-port tap4"); /* while nobody looks */
	open_driver();
	sync_to(PLAN);
	until_number(METERS, 1 + 1);
	plug("tap3", UUID("3"));
	UNTIL(strstr(bed.told, "3:ready "));
	assert_int_equal(number(METERS), 1 + 1 + N_METERS);
	close_driver();
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	assert_int_equal(number(METERS), 1); /* which is another's */
}

/* The tunnel's port has flows of ours, and no meters. */
static void meters_of_the_tunnels_number_are_anothers(void **state)
{
	(void)state;
	sync_to(PLAN);
	for (uint32_t which = 0; which < N_METERS; which++)
		assert_int_equal(sandbox_run(&bed.box, NULL,
					     OFCTL "add-meter br-int meter=%u,pktps,band=type=drop,rate=10",
					     METER_ID(bed.driver->world.tunnel_ofport, which)),
				 0);
	close_driver();
	open_driver();
	sync_to(PLAN);
	assert_int_equal(number(METERS), N_METERS + 1 + 2 * N_METERS);
	close_driver();
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	assert_int_equal(number(METERS), N_METERS);
}

/* Only then do flows need it that go in. */
static void a_meter_that_others_remove_comes_back_when_it_is_needed(void **state)
{
	static const char rest[] = HOST PEER SEGMENT PORT_4 FDB FLOOD;
	static const char down[] =
		HOST PEER SEGMENT "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3 up=no uuid=" UUID(
			"3") "\n" PORT_4 FDB FLOOD;

	(void)state;
	sync_to(PLAN);
	step(PLAN, down);
	assert_int_equal(sandbox_run(&bed.box, NULL, OFCTL "del-meter br-int meter=%u",
				     METER_ID(ovs_ofport(3, bed.driver), METER_BROADCAST)),
			 0);
	step(down, PLAN);
	if (bed.n_failures > 0)
		step(rest, PLAN); /* as the agent gives it again */
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN);
	assert_string_equal(strrchr(bed.told, '3'), "3:ready ");
}

/* Where another program has the bridge to itself, its meters have numbers of ours. */
static void a_cleanup_where_nothing_is_ours_removes_nothing(void **state)
{
	(void)state;
	close_driver();
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	assert_int_equal(sandbox_run(&bed.box, NULL, OFCTL "add-meter br-int meter=%u,pktps,band=type=drop,rate=10",
				     METER_TOO_BIG),
			 0);
	sh(OFCTL "add-flow br-int cookie=0x1234,table=0,priority=0,actions=drop");
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	assert_int_equal(number(METERS), 1);
	assert_int_equal(number(OFCTL "dump-flows br-int | grep -c priority=0"), 1);
}

static void what_remains_is_what_a_cleanup_removes(void **state)
{
	char lines[4096] = "";

	(void)state;
	sync_to(PLAN);
	close_driver();
	driver_ovs.remains(&bed.config, on_line, lines);
	assert_string_equal(lines, "flows of br-int\nrows of br-int in Open vSwitch's database\n");
	assert_int_equal(driver_ovs.cleanup(&bed.config, NULL), 0);
	lines[0] = '\0';
	driver_ovs.remains(&bed.config, on_line, lines);
	assert_string_equal(lines, "");
}

/* Rows outlive the switch; a socket may outlive it too. */
static void a_cleanup_needs_no_switch(void **state)
{
	char lines[4096] = "";
	struct err err = { 0 };

	(void)state;
	sync_to(PLAN);
	close_driver();
	sandbox_kill(&bed.box, SANDBOX_VSWITCHD);
	assert_int_equal(access(bed.box.mgmt, F_OK), 0);
	driver_ovs.remains(&bed.config, on_line, lines);
	assert_string_equal(lines, "rows of br-int in Open vSwitch's database\n");
	assert_int_equal(driver_ovs.cleanup(&bed.config, &err), 0);
	assert_int_equal(number(MARKS), 0);
	sandbox_kill(&bed.box, SANDBOX_OVSDB);
	assert_int_equal(driver_ovs.cleanup(&bed.config, &err), 0);
}

/* Of another version of the agent, which knew fields and actions that this one does not. */
static void what_is_ours_and_not_understood_goes(void **state)
{
	_cleanup_(plan_freep) struct plan *p = parsed(PLAN);
	char differences[4096] = "";
	long before;

	(void)state;
	sync_to(PLAN);
	before = flows();
	close_driver();
	sh(OFCTL "add-flow br-int "
		 "'cookie=0x6e74000000000001,table=0,priority=9,tcp,tcp_flags=+syn,ct_state=+trk,actions=drop'");
	sh(OFCTL
	   "add-flow br-int 'cookie=0x6e74000000000001,table=0,priority=8,actions=learn(table=1,NXM_OF_ETH_SRC[])'");
	sh(OFCTL "mod-flows br-int 'table=0,priority=0,actions=push:NXM_OF_ETH_SRC[]' --strict");
	open_driver();
	UNTIL(driver_ovs.audit(bed.driver, p, on_difference, differences, NULL) == 0);
	assert_non_null(strstr(differences, "cookie=0x6e74000000000001, priority=9,match:"));
	assert_non_null(strstr(differences, "cookie=0x6e74000000000001, priority=8 actions=instructions:"));
	assert_non_null(strstr(differences, "static"));
	sync_to(PLAN);
	assert_int_equal(bed.driver->sent_mods, 3);
	assert_int_equal(flows(), before);
	assert_equal_to(PLAN);
}

/* ------------------------------------------------------------------ packets */

#define ROUTED                                                                                                         \
	PLAN "segment type=vxlan id=101 network=8 mtu=1300 uuid=" UUID(                                                \
		"e") "\n"                                                                                              \
		     "route router=1 prefix=10.0.2.0/24 network=8 interface=fa:16:3e:00:00:0e\n"                       \
		     "interface network=7 mac=fa:16:3e:00:00:0f router=1 addrs=10.0.1.1/24 uuid=" UUID(                \
			     "d") "\n"                                                                                 \
				  "interface network=8 mac=fa:16:3e:00:00:0e router=1 addrs=10.0.2.1/24 uuid=" UUID(   \
					  "c") "\n"

/* From the VM of port 3 to its gateway. */
static size_t udp_frame(uint8_t frame[2000], uint32_t dst, uint8_t ttl, uint16_t payload)
{
	const struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, 0x0f } },
				 .src = { { 0xfa, 0x16, 0x3e, 0, 0, 3 } },
				 .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = ttl, .proto = PROTO_UDP, .size = IPV4_SIZE };
	uint8_t *udp = frame + ETH_SIZE + IPV4_SIZE;

	ip.total = (uint16_t)(IPV4_SIZE + payload);
	ip.src = ip_from_v4(0x0a000103);
	ip.dst = ip_from_v4(dst);
	memset(frame, 0, 2000);
	eth_write(frame, &eth);
	ipv4_write(frame + ETH_SIZE, &ip);
	put_u16(udp, 1000);
	put_u16(udp + 2, 2000);
	put_u16(udp + 4, payload);
	return ETH_SIZE + (size_t)ip.total;
}

static void receive(const char *device, const uint8_t *frame, size_t len)
{
	_cleanup_(utstring_freep) UT_string *hex = NULL;

	utstring_new(hex);
	for (size_t i = 0; i < len; i++)
		utstring_printf(hex, "%02x", frame[i]);
	assert_int_equal(sandbox_run(&bed.box, NULL, "ovs-appctl -t $PWD/vswitchd.ctl netdev-dummy/receive %s %s",
				     device, utstring_body(hex)),
			 0);
}

static uint64_t counter(const char *name)
{
	struct driver_counter list[VERDICT_COUNT + DROP_COUNT];
	size_t n = driver_ovs.counters(bed.driver, list, N_ELEMENTS(list));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return list[i].packets;
	fail_msg("no counter %s", name);
	return 0;
}

/* Open vSwitch adds up in its own time. */
static void until_counter(const char *name, uint64_t wanted)
{
	uint64_t end = loop_now_us(bed.loop) + TURN_US;

	while (counter(name) != wanted) {
		if (loop_now_us(bed.loop) > end)
			fail_msg("%s: %lu, not %lu", name, (unsigned long)counter(name), (unsigned long)wanted);
		loop_turn(bed.loop, 20000);
	}
}

/* The frame that went out of the device last. */
static size_t last_sent(const char *device, uint8_t *ret, size_t size)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s.pcap", bed.box.dir, device);
	FILE *f = fopen(path, "r");
	uint8_t head[24];
	uint32_t record[4];
	size_t n = 0;

	assert_non_null(f);
	assert_int_equal(fread(head, 1, sizeof(head), f), sizeof(head));
	while (fread(record, sizeof(record), 1, f) == 1) {
		n = record[2];
		assert_true(n <= size && fread(ret, 1, n, f) == n);
	}
	fclose(f);
	return n;
}

static void check_error(const char *device, uint32_t dst, uint8_t ttl, uint16_t payload, const struct icmp *what)
{
	struct ip gateway = ip_from_v4(0x0a000101);
	uint8_t frame[2000], wanted[ICMP_ERROR_MAX], got[2000];
	size_t len = udp_frame(frame, dst, ttl, payload), n;
	uint64_t before = counter("answer");

	receive(device, frame, len);
	until_counter("answer", before + 1);
	n = icmp_error(frame, len, &gateway, what, wanted);
	assert_int_equal(last_sent(device, got, sizeof(got)), n);
	assert_memory_equal(got, wanted, n);
}

static void what_cannot_be_forwarded_is_answered(void **state)
{
	uint8_t frame[2000];
	size_t len;

	(void)state;
	sync_to(ROUTED);
	check_error("tap3", 0x0a000205, 1, 100, &(struct icmp) { ICMP_EXCEEDED, 0, 0 });
	check_error("tap3", 0x0a000305, 9, 100, &(struct icmp) { ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE, 0 });
	check_error("tap3", 0x0a000205, 9, 1400, &(struct icmp) { ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1300 });
	/* The flows cannot see that this one is too short to be answered. */
	len = udp_frame(frame, 0x0a000305, 9, 7);
	receive("tap3", frame, len);
	until_counter("drop_no_route", 1);
	assert_int_equal(counter("answer"), 3);
}

/* Which meters are ours is not known meanwhile. */
static void counters_do_not_fall_while_the_switch_is_read(void **state)
{
	uint8_t frame[2000];
	size_t len = udp_frame(frame, 0x0a0001ff, 9, 100);
	uint64_t before;

	(void)state;
	sync_to(PLAN);
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     OFCTL "mod-meter br-int meter=%u,pktps,burst,stats,band=type=drop,rate=1,"
					   "burst_size=1",
				     METER_ID(ovs_ofport(3, bed.driver), METER_BROADCAST)),
			 0);
	memset(frame, 0xff, 6);
	for (int i = 0; i < 1000 && counter("drop_rate") == 0; i++)
		receive("tap3", frame, len);
	before = counter("drop_rate");
	assert_true(before > 0);
	ovs_read_again(bed.driver);
	ovs_meters_read_begin(bed.driver);
	assert_true(counter("drop_rate") >= before);
	ovs_kick(bed.driver);
	UNTIL(is_settled());
	assert_true(counter("drop_rate") >= before);
}

/* ------------------------------------------------------------------ what does not go in */

static void limit_table(enum table table, unsigned flow_limit)
{
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl set bridge br-int flow_tables:%u=@t -- --id=@t create flow_table "
				     "flow_limit=%u overflow_policy=refuse",
				     table, flow_limit),
			 0);
}

static void what_the_switch_refuses_is_set_aside_and_the_rest_goes_in(void **state)
{
	(void)state;
	sync_to(PLAN);
	limit_table(TABLE_NEIGHBOUR, 2); /* the default and one more */
	step(PLAN, PLAN NEIGHBOURS PORT_5);
	assert_int_equal(bed.n_failures, 2);
	assert_non_null(strstr(bed.failures, "neighbour network=7 ip=10.0.1."));
	assert_non_null(strstr(bed.failures, "Open vSwitch: OFPFMFC_TABLE_FULL"));
	sh("ovs-vsctl clear bridge br-int flow_tables");
	sync_to(PLAN NEIGHBOURS PORT_5);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN NEIGHBOURS PORT_5);
}

static void a_flow_of_anothers_is_not_overwritten(void **state)
{
	_cleanup_(utstring_freep) UT_string *theirs = NULL;
	char warnings[4096] = "";

	(void)state;
	utstring_new(theirs);
	sync_to(PLAN);
	assert_int_equal(sandbox_run(&bed.box, theirs,
				     OFCTL "--no-stats dump-flows br-int table=%u | grep metadata=0x7,dl_dst=.*:05 | "
					   "sed 's/^.*priority/priority/; s/actions.*$//'",
				     TABLE_FDB),
			 0);
	utstring_body(theirs)[strcspn(utstring_body(theirs), "\n")] = '\0';
	assert_int_equal(sandbox_run(&bed.box, NULL, OFCTL "add-flow br-int 'cookie=0x1234,table=%u,%s actions=drop'",
				     TABLE_FDB, utstring_body(theirs)),
			 0);
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 1);
	assert_int_equal(strncmp(bed.failures, "fdb network=7 mac=fa:16:3e:00:00:05 ", 36), 0);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_non_null(strstr(warnings, "a flow of another program's"));
	/* as the agent gives it again */
	step(HOST PEER SEGMENT PORTS FDB_34 FLOOD, PLAN);
	assert_int_equal(bed.n_failures, 1);
	sh(OFCTL "del-flows br-int cookie=0x1234/-1");
	step(HOST PEER SEGMENT PORTS FDB_34 FLOOD, PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_equal_to(PLAN);
	warnings[0] = '\0';
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

static void a_flow_of_anothers_that_took_a_place_meanwhile_stays(void **state)
{
	(void)state;
	sync_to(PLAN NEIGHBOUR);
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     OFCTL "add-flow br-int 'cookie=0x1234,table=%u,priority=1,ip,reg2=0x0a000109,"
					   "metadata=7 actions=drop'",
				     TABLE_NEIGHBOUR),
			 0);
	step(PLAN NEIGHBOUR, PLAN);
	assert_int_equal(bed.n_failures, 0);
	assert_int_equal(number(OFCTL "dump-flows br-int cookie=0x1234/-1 | grep -c priority"), 1);
	assert_equal_to(PLAN);
}

/* test/packet/ovs_devices_test.c has real ones. */
static void the_devices_of_the_kernel_are_no_underlay_of_a_dummy_datapath(void **state)
{
	char warnings[4096] = "";

	(void)state;
	sync_to(HOST PEER "segment type=vxlan id=100 network=7 mtu=65530 uuid=" UUID("f") "\n");
	driver_ovs.warnings(bed.driver, on_line, warnings);
	assert_string_equal(warnings, "");
}

static void a_second_agent_does_not_open_it(void **state)
{
	const struct driver_events events = { .arg = &bed };
	struct driver *second;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(driver_ovs.open(&bed.config, bed.loop, &events, &second, &err), -EBUSY);
	assert_int_equal(driver_ovs.cleanup(&bed.config, &err), -EBUSY);
	sync_to(PLAN);
	assert_int_equal(bed.n_failures, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_plan_comes_into_the_switch),
		CASE(a_sync_without_a_difference_sends_nothing),
		CASE(a_change_touches_only_its_own_flows),
		CASE(a_port_that_comes_and_goes_is_followed),
		CASE(the_mark_of_a_port_that_goes_is_taken_away_after_its_flows),
		CASE(the_mark_of_a_port_that_went_while_nobody_looked_is_taken_away),
		CASE(flows_that_others_remove_come_back),
		CASE(flows_come_back_soon_while_a_record_is_refused),
		CASE(the_flows_of_others_are_left_alone),
		CASE(meters_come_with_their_ports_and_go_with_them),
		CASE(meters_of_the_tunnels_number_are_anothers),
		CASE(a_meter_that_others_remove_comes_back_when_it_is_needed),
		CASE(a_cleanup_where_nothing_is_ours_removes_nothing),
		CASE(what_remains_is_what_a_cleanup_removes),
		CASE(a_cleanup_needs_no_switch),
		CASE(what_is_ours_and_not_understood_goes),
		CASE(what_cannot_be_forwarded_is_answered),
		CASE(counters_do_not_fall_while_the_switch_is_read),
		CASE(what_the_switch_refuses_is_set_aside_and_the_rest_goes_in),
		CASE(a_flow_of_anothers_is_not_overwritten),
		CASE(a_flow_of_anothers_that_took_a_place_meanwhile_stays),
		CASE(the_devices_of_the_kernel_are_no_underlay_of_a_dummy_datapath),
		CASE(a_second_agent_does_not_open_it),
	};

	return RUN_CASES(tests, argc, argv);
}
