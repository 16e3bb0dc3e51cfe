/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/fake/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"

struct world {
	struct loop *loop;
	struct driver *driver;
	size_t dones, failures;
	struct driver_failure failure;
	char told[256]; /* "3:ready " for each event */
	size_t lost;
};

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	struct world *w = arg;
	size_t n = strlen(w->told);

	(void)text;
	snprintf(w->told + n, sizeof(w->told) - n, "%u:%s ", port, state == DRIVER_PORT_READY ? "ready" : "absent");
}

static void on_lost(void *arg)
{
	((struct world *)arg)->lost++;
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct world *w = arg;

	w->dones++;
	w->failures = n;
	if (n)
		w->failure = failures[0];
}

static void open_world(struct world *w, const char *state_dir)
{
	const struct driver_config config = { .state_dir = state_dir };
	const struct driver_events events = { .port = on_port, .lost = on_lost, .arg = w };

	memset(w, 0, sizeof(*w));
	w->loop = loop_new();
	assert_int_equal(driver_fake.open(&config, w->loop, &events, &w->driver, NULL), 0);
}

static void close_world(struct world *w)
{
	driver_fake.close(w->driver);
	loop_free(w->loop);
}

static void turn(struct world *w)
{
	while (loop_turn(w->loop, 0) > 0)
		continue;
}

static const char text[] =
	"segment type=vxlan id=100 network=7 mtu=1450\n"
	"port port=3 network=7 mac=fa:16:3e:00:00:01 addrs=10.0.1.5 uuid=01234567-89ab-4def-8123-456789abcdef\n"
	"fdb network=7 mac=fa:16:3e:00:00:01 port=3\n";

static struct plan *sync_text(struct world *w, const char *plan_text)
{
	struct plan *p;

	assert_int_equal(plan_parse(plan_text, &p, NULL), 0);
	driver_fake.sync(w->driver, p, on_done, w);
	turn(w);
	return p;
}

static void done_comes_from_the_loop(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct world w;

	(void)state;
	open_world(&w, NULL);
	assert_int_equal(plan_parse(text, &p, NULL), 0);
	driver_fake.sync(w.driver, p, on_done, &w);
	assert_int_equal(w.dones, 0);
	turn(&w);
	assert_int_equal(w.dones, 1);
	assert_int_equal(w.failures, 0);
	assert_true(plan_equal(p, driver_fake_plan(w.driver)));
	close_world(&w);
}

static void devices_come_and_go(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct world w;

	(void)state;
	open_world(&w, NULL);
	p = sync_text(&w, text);
	driver_fake_device(w.driver, "tap01234567-89", true);
	turn(&w);
	driver_fake_device(w.driver, "tap01234567-89", false);
	turn(&w);
	assert_string_equal(w.told, "3:absent 3:ready 3:absent ");
	driver_fake_lose(w.driver);
	turn(&w);
	assert_int_equal(w.lost, 1);
	close_world(&w);
}

static void failed_records_stay_out(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL, *again = NULL;
	struct world w;

	(void)state;
	open_world(&w, NULL);
	driver_fake_fail_nth(w.driver, 2);
	p = sync_text(&w, text);
	assert_int_equal(w.failures, 1);
	assert_int_equal(w.failure.record.table, PLAN_PORT);
	assert_false(plan_equal(p, driver_fake_plan(w.driver)));
	again = sync_text(&w, text);
	assert_int_equal(w.failures, 0);
	assert_true(plan_equal(again, driver_fake_plan(w.driver)));
	close_world(&w);
}

static void the_datapath_outlives_the_driver(void **state)
{
	char dir[] = "/tmp/neutrino-fake-XXXXXX";
	const struct driver_config config = { .state_dir = dir };
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct world w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	open_world(&w, dir);
	p = sync_text(&w, text);
	close_world(&w);
	open_world(&w, dir);
	assert_true(plan_equal(p, driver_fake_plan(w.driver)));
	close_world(&w);
	assert_int_equal(driver_fake.cleanup(&config, NULL), 0);
	open_world(&w, dir);
	assert_int_equal(plan_count(driver_fake_plan(w.driver), PLAN_PORT), 0);
	close_world(&w);
	assert_int_equal(rmdir(dir), 0);
}

static void count_spoofed(struct driver *d, uint64_t want)
{
	struct driver_counter counters[64];
	size_t n = driver_fake.counters(d, counters, N_ELEMENTS(counters));

	assert_in_range(n, 1, N_ELEMENTS(counters));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(counters[i].packets, strcmp(counters[i].name, "drop_spoof_mac") == 0 ? want : 0);
}

static void frames_are_counted(void **state)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	const uint8_t frame[60] = { 0xfa, 0x16, 0x3e, 0, 0, 2, 2, 0, 0, 0, 0, 9, 8, 0 };
	const struct forward_in in = { .port = 3, .frame = frame, .len = sizeof(frame) };
	struct forward_result result;
	struct world w;

	(void)state;
	open_world(&w, NULL);
	p = sync_text(&w, text);
	driver_fake_input(w.driver, &in, &result);
	assert_int_equal(result.verdict, VERDICT_DROP);
	assert_int_equal(result.reason, DROP_SPOOF_MAC);
	forward_result_fini(&result);
	count_spoofed(w.driver, 1);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(done_comes_from_the_loop), cmocka_unit_test(devices_come_and_go),
		cmocka_unit_test(failed_records_stay_out),  cmocka_unit_test(the_datapath_outlives_the_driver),
		cmocka_unit_test(frames_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
