/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/remains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "base/json.h"
#include "base/mem.h"

static void two(const struct driver_config *config, driver_line fn, void *arg)
{
	fn(config->pin_dir, arg);
	fn("a tunnel", arg);
}

static void many(const struct driver_config *config, driver_line fn, void *arg)
{
	(void)config;
	for (const char *c = "1234567"; *c; c++) {
		char line[] = { *c, '\0' };

		fn(line, arg);
	}
}

static void none(const struct driver_config *config, driver_line fn, void *arg)
{
	(void)config;
	(void)fn;
	(void)arg;
}

static const struct driver_ops used = { .name = "used", .remains = two };
static const struct driver_ops left = { .name = "left", .remains = two };
static const struct driver_ops littered = { .name = "littered", .remains = many };
static const struct driver_ops clean = { .name = "clean", .remains = none };
static const struct driver_ops stateless = { .name = "stateless" };

static void add(const char *text, void *arg)
{
	strcat(strcat(arg, text), "\n");
}

static void test_of_others(void **state)
{
	static const struct driver_ops *const drivers[] = { &used, &clean, &left, &stateless, &littered };
	const struct agent_config config = {
		.ops = &used, .driver = { .pin_dir = "pins" }, .drivers = drivers, .n_drivers = N_ELEMENTS(drivers)
	};
	char said[1024] = "";

	(void)state;
	assert_true(remains_each(&config, add, said));
#define DO ". Stop the agent, run 'neutrino-agent cleanup', start it again\n"
	assert_string_equal(said, "the datapath left has left behind: pins, a tunnel" DO
				  "the datapath littered has left behind: 1, 2, 3, 4, 5, ..." DO);
}

static void test_nothing(void **state)
{
	static const struct driver_ops *const drivers[] = { &used, &clean, &stateless };
	const struct agent_config config = { .ops = &used, .drivers = drivers, .n_drivers = N_ELEMENTS(drivers) };
	char said[64] = "";

	(void)state;
	assert_false(remains_each(&config, add, said));
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_others),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
