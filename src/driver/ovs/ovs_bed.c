/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ovs_bed.h"

#include <unistd.h>

struct bed bed;

void append(char *to, size_t size, const char *format, ...)
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

void on_done(const struct driver_failure *failures, size_t n, void *arg)
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

void sh(const char *command)
{
	assert_int_equal(sandbox_run(&bed.box, NULL, "%s", command), 0);
}

/* What a command prints as a number. */
long number(const char *command)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	sandbox_run(&bed.box, out, "%s", command);
	return strtol(utstring_body(out), NULL, 10);
}

/* Polled: it comes about in another process. */
void until_number(const char *command, long wanted)
{
	uint64_t end = loop_now_us(bed.loop) + TURN_US;

	while (number(command) != wanted) {
		if (loop_now_us(bed.loop) > end)
			fail_msg("%s: %ld, not %ld", command, number(command), wanted);
		loop_turn(bed.loop, 20000);
	}
}

long flows(void)
{
	return number(OFCTL "dump-flows br-int | grep -c cookie=0x6e74");
}

void plug(const char *device, const char *uuid)
{
	assert_int_equal(sandbox_run(&bed.box, NULL,
				     "ovs-vsctl add-port br-int %s -- set interface %s type=dummy "
				     "external_ids:iface-id=%s options:tx_pcap=$PWD/%s.pcap",
				     device, device, uuid, device),
			 0);
}

void open_driver(void)
{
	const struct driver_events events = { .port = on_port, .lost = on_lost, .arg = &bed };
	struct err err = { 0 };

	if (driver_ovs.open(&bed.config, bed.loop, &events, &bed.driver, &err) < 0)
		fail_msg("%s", err.text);
}

void close_driver(void)
{
	if (bed.driver)
		driver_ovs.close(bed.driver);
	bed.driver = NULL;
	bed.told[0] = '\0';
}

struct plan *parsed(const char *text)
{
	struct err err = { 0 };
	struct plan *p;

	if (plan_parse(text, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

void wait_done(unsigned dones)
{
	UNTIL(bed.dones > dones);
}

void sync_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	unsigned dones = bed.dones;

	driver_ovs.sync(bed.driver, p, on_done, &bed);
	wait_done(dones);
}

void step(const char *from, const char *to)
{
	_cleanup_(plan_freep) struct plan *p = parsed(from), *q = parsed(to);
	struct plan_changes changes;
	unsigned dones = bed.dones;

	plan_diff(p, q, &changes);
	driver_ovs.apply(bed.driver, &changes, on_done, &bed);
	plan_changes_fini(&changes);
	wait_done(dones);
}

void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	(void)kind;
	append(arg, 4096, "%s\n", what);
}

void assert_equal_to(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	char differences[4096] = "";
	struct err err = { 0 };

	if (driver_ovs.audit(bed.driver, p, on_difference, differences, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(differences, "");
}

bool differs_from(const char *text)
{
	_cleanup_(plan_freep) struct plan *p = parsed(text);
	char differences[4096] = "";
	struct err err = { 0 };

	if (driver_ovs.audit(bed.driver, p, on_difference, differences, &err) < 0)
		fail_msg("%s", err.text);
	return *differences;
}

bool is_settled(void)
{
	const struct driver *d = bed.driver;

	return ovs_is_up(d) && d->known && !d->busy && flowset_due(d->flows) == 0;
}

void on_line(const char *line, void *arg)
{
	append(arg, 4096, "%s\n", line);
}

int setup(void **state)
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

int teardown(void **state)
{
	(void)state;
	close_driver();
	loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

static void open_vswitch_is_not_installed(void **state)
{
	(void)state;
	skip();
}

bool has_open_vswitch(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return access("/usr/sbin/ovs-vswitchd", X_OK) == 0;
}

int no_case(void)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(open_vswitch_is_not_installed) };

	return cmocka_run_group_tests(none, NULL, NULL);
}
