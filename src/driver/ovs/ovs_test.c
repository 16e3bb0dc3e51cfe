/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/tables.h"
#include "io/loop.h"

/* The driver on a real ovsdb-server and ovs-vswitchd with the dummy datapath. */

#define TURN_US 20000000 /* a test that waits this long for an event has failed */
#define UUID(n) "00000000-0000-4000-8000-00000000000" n

#define HOST "host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=one\n"
#define PEER "peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=two\n"
#define SEGMENT "segment type=vxlan id=100 network=7 mtu=1450 uuid=" UUID("f") "\n"
#define PORT_3 "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3 uuid=" UUID("3") "\n"
#define PORT_4 "port port=4 network=7 mac=fa:16:3e:00:00:04 addrs=10.0.1.4 uuid=" UUID("4") "\n"
#define FDB                                                                                                            \
	"fdb network=7 mac=fa:16:3e:00:00:03 port=3\nfdb network=7 mac=fa:16:3e:00:00:04 port=4\n"                     \
	"fdb network=7 mac=fa:16:3e:00:00:05 peer=2\n"
#define FLOOD "flood network=7 host=2\n"
#define PLAN HOST PEER SEGMENT PORT_3 PORT_4 FDB FLOOD

struct bed {
	struct sandbox box;
	struct loop *loop;
	struct driver_config config;
	struct driver *driver;
	char where[96];
	unsigned dones, lost;
	size_t n_failures;
	char failures[4096]; /* a line each */
	char told[4096]; /* "3:ready " for each event */
	char warnings[4096];
};

static struct bed bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		while (!(what))                                                                                        \
			if (loop_turn(bed.loop, TURN_US) == 0)                                                         \
				fail_msg("does not come: %s; told: %s", #what, bed.told);                              \
	} while (0)

static void append(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t size, const char *format, ...)
{
	size_t n = strlen(to);
	va_list args;

	va_start(args, format);
	vsnprintf(to + n, size - n, format, args);
	va_end(args);
}

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	static const char *const names[] = {
		[DRIVER_PORT_ABSENT] = "absent", [DRIVER_PORT_READY] = "ready", [DRIVER_PORT_FAILED] = "failed"
	};
	struct bed *b = arg;

	append(b->told, sizeof(b->told), "%u:%s%s%s ", port, names[state], *text ? ":" : "", text);
}

static void on_lost(void *arg)
{
	((struct bed *)arg)->lost++;
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct bed *b = arg;

	b->dones++;
	b->n_failures = n;
	b->failures[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;

		utstring_new(text);
		plan_record_format(&failures[i].record, text);
		append(b->failures, sizeof(b->failures), "%s: %s\n", utstring_body(text), failures[i].text);
	}
}

/* ------------------------------------------------------------------ steps */

static void sh(const char *command)
{
	assert_int_equal(sandbox_run(&bed.box, NULL, "%s", command), 0);
}

/* What a command prints as a number. */
static long number(const char *command)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	sandbox_run(&bed.box, out, "%s", command);
	return strtol(utstring_body(out), NULL, 10);
}

/* Polled: it comes about in another process. */
static void until_number(const char *command, long wanted)
{
	uint64_t end = loop_now_us(bed.loop) + TURN_US;

	while (number(command) != wanted) {
		if (loop_now_us(bed.loop) > end)
			fail_msg("%s: %ld, not %ld", command, number(command), wanted);
		loop_turn(bed.loop, 20000);
	}
}

#define OFCTL "ovs-ofctl -O OpenFlow14 "

static long flows(void)
{
	return number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74");
}

static void plug(const char *device, const char *uuid)
{
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl add-port br-int %s -- set interface %s type=dummy "
				     "external_ids:iface-id=%s",
				     device, device, uuid),
			 0);
}

static void open_driver(void)
{
	const struct driver_events events = { .port = on_port, .lost = on_lost, .arg = &bed };
	struct err err = { 0 };

	if (driver_ovs.open(&bed.config, bed.loop, &events, &bed.driver, &err) < 0)
		fail_msg("%s", err.text);
}

static void close_driver(void)
{
	if (bed.driver)
		driver_ovs.close(bed.driver);
	bed.driver = NULL;
	bed.told[0] = '\0';
}

static struct plan *parsed(const char *text)
{
	struct err err = { 0 };
	struct plan *p;

	if (plan_parse(text, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void wait_done(unsigned dones)
{
	UNTIL(bed.dones > dones);
}

static void sync_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	unsigned dones = bed.dones;

	driver_ovs.sync(bed.driver, p, on_done, &bed);
	wait_done(dones);
}

static void step(const char *from, const char *to)
{
	_cleanup_(plan_freep) struct plan *p = parsed(from), *q = parsed(to);
	struct plan_changes changes;
	unsigned dones = bed.dones;

	plan_diff(p, q, &changes);
	driver_ovs.apply(bed.driver, &changes, on_done, &bed);
	plan_changes_fini(&changes);
	wait_done(dones);
}

static void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	(void)kind;
	append(arg, 4096, "%s\n", what);
}

static void assert_equal_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	char differences[4096] = "";
	struct err err = { 0 };

	if (driver_ovs.audit(bed.driver, p, on_difference, differences, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(differences, "");
}

static int setup(void **state)
{
	struct err err;
	int r;

	(void)state;
	memset(&bed, 0, sizeof(bed));
	r = sandbox_start(&bed.box, &err);
	if (r < 0)
		return r;
	bed.loop = loop_new();
	snprintf(bed.where, sizeof(bed.where), "unix:%s", bed.box.db);
	bed.config = (struct driver_config) { .ovsdb = bed.where,
					      .state_dir = bed.box.dir,
					      .integration_bridge = SANDBOX_BRIDGE,
					      .datapath_type = "dummy",
					      .local_ip = "192.0.2.1",
					      .vxlan_udp_port = 4789 };
	plug("tap3", UUID("3"));
	plug("tap4", UUID("4"));
	open_driver();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_driver();
	loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

/* ------------------------------------------------------------------ tests */

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
	step(PLAN, PLAN "neighbour network=7 ip=10.0.1.9 mac=fa:16:3e:00:00:09\n");
	assert_in_range(bed.driver->sent_mods - before, 1, 8);
	assert_int_equal(bed.driver->sent_bundles, 2);
	step(PLAN "neighbour network=7 ip=10.0.1.9 mac=fa:16:3e:00:00:09\n", PLAN);
	assert_equal_to(PLAN);
}

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
	until_number(
		"ovs-vsctl --bare --columns=name find interface external_ids:neutrino-installed=true | grep -c tap", 2);
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_plan_comes_into_the_switch),        CASE(a_sync_without_a_difference_sends_nothing),
		CASE(a_change_touches_only_its_own_flows), CASE(a_port_that_comes_and_goes_is_followed),
		CASE(the_flows_of_others_are_left_alone),
	};

	if (access("/usr/sbin/ovs-vswitchd", X_OK) < 0) {
		puts("Open vSwitch is not installed");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
