/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <string.h>

#include "agent/control.h"
#include "agent/testing.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/fake/fake.h"
#include "io/loop.h"

static void test_snapshot_then_frames(void **state)
{
	(void)state;
	testing_server_up();
	testing_agent_up();
	testing_heard("\"host\":\"compute1\",\"token\":\"secret\"");
	driver_fake_device(agent_driver(testing.agent), TAP("12"), true);
	testing_say(WELCOME("snapshot") WORLD);
	testing_heard("\n"); /* the end of the hello */
	testing_say(SNAPSHOT_END("100"));
	testing_heard("{\"report\":{\"applied\":100,\"ports\":[{\"num\":12,\"state\":\"up\"}]}}");
	testing_converged(WORLD);
	/* Half of an API call is nothing yet. */
	testing_say(ENDPOINT("15", "1") PORT("15"));
	testing_say("{\"heartbeat\":{\"position\":105}}\n" FRAME("101"));
	testing_heard("{\"report\":{\"applied\":101,\"ports\":[{\"num\":15,\"state\":\"down\"}]}}");
	testing_converged(WORLD ENDPOINT("15", "1") PORT("15"));
	driver_fake_device(agent_driver(testing.agent), TAP("15"), true);
	testing_heard("{\"report\":{\"applied\":101,\"ports\":[{\"num\":15,\"state\":\"up\"}]}}");
	testing_say("{\"del\":{\"kind\":\"port\",\"num\":15}}\n");
	testing_say("{\"del\":{\"kind\":\"endpoint\",\"num\":15}}\n" FRAME("102"));
	testing_heard("{\"report\":{\"applied\":102");
	testing_converged(WORLD);
	testing_say("{\"drop\":\"router:1\"}\n" FRAME("103"));
	testing_heard("{\"report\":{\"applied\":103");
	testing_converged(HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ENDPOINT("13", "2"));
	testing_say("{\"enter\":\"router:1\"}\n" ROUTER INTERFACE MEMBER("1") FRAME("104"));
	testing_heard("{\"report\":{\"applied\":104");
	testing_converged(HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ENDPOINT("13", "2")
				  ROUTER INTERFACE MEMBER("1"));
	/* Nothing of what came since concerns this host. */
	testing_say("{\"heartbeat\":{\"position\":110}}\n");
	while (apply_position(agent_apply(testing.agent)) != 110)
		testing_turn();
	assert_int_equal(follow_position(agent_follow(testing.agent)), 110);
}

/* Taken away and bound again before the agent turns to it: it has to be told again, for it is asked again. */
static void test_bound_anew(void **state)
{
#define BOUND(binding)                                                                                                 \
	SET("\"kind\":\"port\",\"num\":12,\"unit\":\"host:1\",\"uuid\":\"" PORT_UUID(                                  \
		"12") "\",\"network\":7,\"mac\":\"fa:16:3e:00:00:12\",\"admin_state_up\":true,\"port_security\":true," \
		      "\"device_owner\":\"compute:nova\",\"binding\":" binding                                         \
		      ",\"addrs\":[{\"mac\":\"fa:16:3e:00:00:12\",\"prefix\":\"10.0.1.12/32\"}]")
	(void)state;
	testing_server_up();
	testing_agent_up();
	driver_fake_device(agent_driver(testing.agent), TAP("12"), true);
	testing_heard("{\"hello\"");
	testing_say(WELCOME("snapshot") HOST PEER NETWORK SUBNET ENDPOINT("12", "1") BOUND("1") SNAPSHOT_END("100"));
	testing_heard("{\"num\":12,\"binding\":1,\"state\":\"up\"}");
	testing_say("{\"del\":{\"kind\":\"port\",\"num\":12}}\n" FRAME("101") BOUND("3") FRAME("102"));
	testing_heard("{\"num\":12,\"binding\":3,\"state\":\"up\"}");
}

/* A port that is switched off is not up, whatever the datapath has of it. */
static void test_switched_off(void **state)
{
	(void)state;
	testing_server_up();
	testing_agent_up();
	driver_fake_device(agent_driver(testing.agent), TAP("12"), true);
	testing_settle();
	testing_heard("{\"num\":12,\"state\":\"up\"}");
	testing_say(PORT_UP("12", "false") FRAME("101"));
	testing_heard("{\"num\":12,\"state\":\"down\"}");
	testing_say(PORT("12") FRAME("102"));
	testing_heard("{\"num\":12,\"state\":\"up\"}");
}

static void test_every_call_may_fail(void **state)
{
	(void)state;
	testing_server_up();
	for (unsigned n = 1; n < 40; n++) {
		testing_agent_up();
		driver_fake_device(agent_driver(testing.agent), TAP("12"), true);
		driver_fake_fail_nth(agent_driver(testing.agent), n);
		testing_settle();
		testing_say(ENDPOINT("15", "1")
				    PORT("15") "{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n" FRAME("101"));
		testing_heard("{\"report\":{\"applied\":101");
		testing_converged(HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ROUTER INTERFACE MEMBER("1")
					  MEMBER("2") ENDPOINT("15", "1") PORT("15"));
		testing_agent_down();
		testing_hang_up();
		testing_forget();
	}
}

static void test_failed_port_is_in_error(void **state)
{
	struct plan_record key = PLAN_RECORD(PLAN_PORT);

	(void)state;
	testing_server_up();
	testing_agent_up();
	key.port.key.port = 12;
	driver_fake_fail_record(agent_driver(testing.agent), &key);
	driver_fake_device(agent_driver(testing.agent), TAP("12"), true);
	testing_settle();
	/* The fake sees no device of a port that it does not have. */
	status_device(agent_status(testing.agent), 12, DRIVER_PORT_READY, "");
	driver_fake_device(agent_driver(testing.agent), TAP("99"), true);
	testing_heard("{\"num\":12,\"state\":\"error\",\"text\":\"the fake datapath was told to fail\"}");
	driver_fake_fail_record(agent_driver(testing.agent), NULL);
	testing_heard("{\"num\":12,\"state\":\"up\"}");
	testing_converged(WORLD);
}

/* ---- held ---- */

#define PORTS PORT("20") PORT("21") PORT("22") PORT("23") PORT("24") PORT("25") PORT("26")

static void many_ports(void)
{
	static const char *const taps[] = {
		TAP("20"), TAP("21"), TAP("22"), TAP("23"), TAP("24"), TAP("25"), TAP("26")
	};

	testing_server_up();
	testing_agent_up();
	for (size_t i = 0; i < N_ELEMENTS(taps); i++)
		driver_fake_device(agent_driver(testing.agent), taps[i], true);
	testing_heard("{\"hello\"");
	testing_say(WELCOME("snapshot") WORLD PORTS SNAPSHOT_END("100"));
	testing_heard("{\"num\":26,\"state\":\"up\"}");
	testing_converged(WORLD PORTS);
	testing_hang_up();
}

static void test_held_and_accepted(void **state)
{
	_cleanup_(utstring_freep) UT_string *answer = NULL;

	(void)state;
	utstring_new(answer);
	many_ports();
	/* A server on an empty database. */
	testing_heard("\"position\":100}}}");
	testing_say(WELCOME_OF(OTHER, "snapshot") HOST SNAPSHOT_END("3"));
	while (!follow_is_held(agent_follow(testing.agent)))
		testing_turn();
	testing_say(NETWORK FRAME("4"));
	testing_say("{\"heartbeat\":{\"position\":5}}\n");
	loop_turn(testing.loop, 100000);
	testing_converged(WORLD PORTS);
	/* The right one is back. */
	testing_hang_up();
	testing_heard("\"resume\":{\"incarnation\":\"" INCARNATION "\",\"position\":100}");
	testing_say(WELCOME("resume") "{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n" FRAME("101"));
	testing_heard("\"applied\":101");
	assert_false(follow_is_held(agent_follow(testing.agent)));
	/* Or it is meant. */
	testing_hang_up();
	testing_heard("\"position\":101}}}");
	testing_say(WELCOME_OF(OTHER, "snapshot") HOST NETWORK SNAPSHOT_END("4"));
	while (!follow_is_held(agent_follow(testing.agent)))
		testing_turn();
	control_answer(testing.agent, "accept", answer);
	assert_non_null(strstr(utstring_body(answer), "\"accepted\":true"));
	testing_heard("{\"heartbeat\":{\"applied\":0,\"counters\":{}}}\n"); /* no longer held */
	testing_converged(HOST NETWORK);
	testing_heard("\"applied\":4");
	assert_string_equal(follow_incarnation(agent_follow(testing.agent)), OTHER);
}

/* What is held is told at once, and let through by a message, which means nothing while nothing is held. */
static void test_accepted_by_the_server(void **state)
{
	(void)state;
	many_ports();
	testing_heard("\"position\":100}}}");
	testing_say(WELCOME_OF(OTHER, "snapshot") HOST "{\"accept\":{}}\n" NETWORK SNAPSHOT_END("4"));
	testing_heard("{\"heartbeat\":{\"applied\":0,\"counters\":{},\"held\":true}}"); /* nothing of that database */
	testing_say("{\"accept\":{}}\n");
	testing_heard("{\"heartbeat\"");
	testing_converged(HOST NETWORK);
}

static void test_not_held(void **state)
{
	(void)state;
	many_ports();
	/* Five of them may go; and from a newer position of the same database, all. */
	testing_heard("{\"hello\"");
	testing_say(WELCOME_OF(OTHER, "snapshot") WORLD PORT("20") PORT("21") SNAPSHOT_END("3"));
	testing_heard("\"applied\":3");
	testing_converged(WORLD PORT("20") PORT("21"));
	testing_hang_up();
	testing_heard("{\"hello\"");
	testing_say(WELCOME_OF(OTHER, "snapshot") HOST SNAPSHOT_END("9"));
	testing_heard("\"applied\":9");
	testing_converged(HOST);
}

/* ---- refusals and nonsense ---- */

static void test_refused_keeps_forwarding(void **state)
{
	int connections;

	(void)state;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	testing_hang_up();
	for (int i = 0; i < 3; i++) {
		connections = testing.connections;
		testing_heard("{\"hello\"");
		testing_say("{\"refused\":{\"reason\":\"token\",\"text\":\"unknown host or wrong token\"}}\n");
		while (testing.connections == connections)
			testing_turn();
		testing.len = 0;
		testing.got[0] = '\0';
	}
	assert_non_null(strstr(agent_trouble(testing.agent), "wrong token"));
	testing_converged(WORLD);
}

static void nonsense(const char *text)
{
	int connections = testing.connections;

	testing.len = 0;
	testing.got[0] = '\0';
	testing_say(text);
	while (testing.connections == connections)
		testing_turn();
	testing_heard("{\"hello\"");
}

static void test_nonsense_of_the_server(void **state)
{
	(void)state;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	nonsense("garbage\n");
	nonsense("{\"set\":{\"kind\":\"port\"}}\n");
	nonsense(WELCOME("resume") WELCOME("resume"));
	nonsense(WELCOME("resume") SNAPSHOT_END("102"));
	nonsense(WELCOME("snapshot") FRAME("102"));
	nonsense(WELCOME_OF(OTHER, "resume"));
	nonsense(WELCOME("elsewhere"));
	nonsense(WELCOME("resume") "{\"enter\":\"planet:7\"}\n");
	testing_converged(WORLD);
}

/* Of this host, in each hello. */
static void test_configurations(void **state)
{
	_cleanup_(json_decrefp) json_t *said = json_pack("{s:s}", "integration_bridge", "br-lab");

	(void)state;
	testing.config.configurations = said;
	testing_server_up();
	testing_agent_up();
	testing_heard("\"configurations\":{\"integration_bridge\":\"br-lab\"}");
	testing_say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	testing_heard("{\"report\":{\"applied\":100");
	testing_hang_up();
	testing_heard("\"configurations\":{\"integration_bridge\":\"br-lab\"}");
	testing_agent_down();
}

static void test_report_interval(void **state)
{
	(void)state;
	testing.config.report_us = 20000;
	testing_server_up();
	testing_agent_up();
	testing_heard("\"heartbeat_ms\":20}");
	testing_say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	testing_heard("{\"heartbeat\"");
}

static void test_answers(void **state)
{
	static const char *const requests[] = { "plan show", "plan diff", "counters", "status" };
	_cleanup_(utstring_freep) UT_string *out = NULL;
	static char control[96]; /* the agent keeps it until the teardown */
	struct err err;

	(void)state;
	utstring_new(out);
	snprintf(control, sizeof(control), "unix:%s/control", testing.dir);
	testing.config.control = control;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	for (size_t i = 0; i < N_ELEMENTS(requests); i++) {
		json_t *json;

		utstring_clear(out);
		control_answer(testing.agent, requests[i], out);
		assert_int_equal(json_read(utstring_body(out), utstring_len(out), &json, &err), 0);
		assert_true(json_is_string(json_object_get(json, "text")));
		assert_true(json_is_object(json_object_get(json, "data")));
		json_decref(json);
	}
	utstring_clear(out);
	control_answer(testing.agent, "make coffee", out);
	assert_string_equal(utstring_body(out), "{\"error\":\"no such request: make coffee\"}");
	utstring_clear(out);
	control_answer(testing.agent, "plan show --flows", out);
	assert_string_equal(utstring_body(out), "{\"error\":\"the datapath fake has no flows\"}");
	utstring_clear(out);
	control_answer(testing.agent, "status", out);
	assert_non_null(strstr(utstring_body(out), "\"connected\":true"));
	assert_non_null(strstr(utstring_body(out), "\"position\":100"));
	utstring_clear(out);
	control_answer(testing.agent, "plan show", out);
	assert_non_null(strstr(utstring_body(out), "neighbour network=7 ip=10.0.1.13"));
}

static void show_words(struct driver *d, const struct plan_record *r, driver_line fn, void *arg)
{
	(void)d;
	if (!r) {
		fn("# the rest", arg);
		fn("word", arg);
	} else if (r->table == PLAN_NEIGHBOUR) {
		fn("one word", arg);
		fn("another", arg);
	}
}

static void test_flows_under_their_records(void **state)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	static struct driver_ops with_words; /* the agent keeps it until the teardown */

	(void)state;
	utstring_new(out);
	with_words = driver_fake;
	with_words.show = show_words;
	testing.config.ops = &with_words;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	control_answer(testing.agent, "plan show --flows", out);
	assert_non_null(strstr(utstring_body(out), "\\u000a    one word\\u000a    another\\u000a"));
	assert_non_null(strstr(utstring_body(out), "\\u000a# the rest\\u000a    word\\u000a"));
	assert_non_null(strstr(utstring_body(out), "\"flows\":[\"one word\",\"another\"]"));
	assert_non_null(strstr(utstring_body(out), "\"rest\":[\"# the rest\",\"word\"]"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, testing_setup, testing_teardown)
	const struct CMUnitTest tests[] = {
		T(test_snapshot_then_frames),
		T(test_bound_anew),
		T(test_switched_off),
		T(test_every_call_may_fail),
		T(test_failed_port_is_in_error),
		T(test_held_and_accepted),
		T(test_accepted_by_the_server),
		T(test_not_held),
		T(test_refused_keeps_forwarding),
		T(test_nonsense_of_the_server),
		T(test_configurations),
		T(test_report_interval),
		T(test_answers),
		T(test_flows_under_their_records),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
