/* SPDX-License-Identifier: Apache-2.0 */
/* restart: what an agent is that begins anew with what the one before left, on disk and in the datapath. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/snapshot.h"
#include "agent/testing.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/fake/fake.h"
#include "io/loop.h"
#include "io/stream.h"

static void test_starts_without_the_server(void **state)
{
	struct driver *d;

	(void)state;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	testing_agent_down();
	testing_hang_up();
	testing.listener = listener_close(testing.listener);
	/* The datapath has lost all, the server is away: the disk heals it. */
	testing_agent_up();
	d = agent_driver(testing.agent);
	testing_converged(WORLD);
	driver_fake_lose(d);
	testing_turn();
	testing_converged(WORLD);
	while (!agent_trouble(testing.agent)[0])
		testing_turn();
	/* It comes back: resumed from where we were. */
	testing_server_up();
	testing_heard("\"resume\":{\"incarnation\":\"" INCARNATION "\",\"position\":100}");
	testing_say(WELCOME("resume"));
	testing_heard("{\"report\":{\"applied\":100,\"ports\":[{\"num\":12,\"state\":\"down\"}]}}");
	testing_say("{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n" FRAME("107"));
	testing_heard("{\"report\":{\"applied\":107");
}

/* A datapath that an earlier run left is not touched before anybody has said what it is to be. */
static void test_nothing_is_flushed(void **state)
{
	(void)state;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	testing_agent_down();
	testing_hang_up();
	unlink(testing.snapshot_path);
	testing_agent_up();
	testing_heard("{\"hello\"");
	assert_int_equal(driver_fake_calls(agent_driver(testing.agent)), 0);
	assert_int_equal(plan_count(driver_fake_plan(agent_driver(testing.agent)), PLAN_PORT), 1);
	testing_say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
	testing_heard("{\"report\":{\"applied\":100");
	testing_converged(WORLD);
}

static void test_damaged_snapshot(void **state)
{
	FILE *f;

	(void)state;
	f = fopen(testing.snapshot_path, "w");
	fputs("{\"version\":1,\"host\":\"compute1\",\"incarnation\":\"" INCARNATION "\",\"position\":5}\n{\"kind\"", f);
	fclose(f);
	testing_server_up();
	testing_agent_up();
	assert_false(follow_has_state(agent_follow(testing.agent)));
	testing_settle();
	testing_converged(WORLD);
}

/* ---- killed at any step ---- */

#define AFTER                                                                                                          \
	HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ROUTER INTERFACE MEMBER("1") ENDPOINT("15", "1")       \
		PORT("15")

/* What makes it of the world. */
#define TO_AFTER                                                                                                       \
	"{\"del\":{\"kind\":\"endpoint\",\"num\":13}}\n"                                                               \
	"{\"del\":{\"kind\":\"member\",\"router\":1,\"host\":2}}\n" ENDPOINT("15", "1") PORT("15")

/* Speaks its part as far as the agent has come. */
static bool step(int *said)
{
	if (*said == 0 && strstr(testing.got, "{\"hello\"")) {
		testing_say(WELCOME("snapshot") WORLD SNAPSHOT_END("100"));
		*said = 1;
	} else if (*said == 1 && strstr(testing.got, "\"applied\":100")) {
		testing_say(TO_AFTER FRAME("101"));
		*said = 2;
	}
	return strstr(testing.got, "\"applied\":101");
}

static int child(int turns)
{
	int said = 0;
	bool end = false;

	testing_child();
	while (turns-- > 0 && !end) {
		loop_turn(testing.loop, TURN_US);
		end = step(&said);
	}
	_exit(end ? 1 : 0);
}

static void test_killed_at_any_step(void **state)
{
	bool end = false;

	(void)state;
	for (int turns = 1; !end && turns < 200; turns++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			child(turns);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		end = WEXITSTATUS(status) == 1;
		testing_server_up(); /* takes the dead one's path over */
		testing_agent_up();
		testing_heard("{\"hello\"");
		testing_say(WELCOME("snapshot") AFTER SNAPSHOT_END("101"));
		testing_heard("{\"report\":{\"applied\":101");
		testing_converged(AFTER);
		testing_agent_down();
		testing_hang_up();
		testing.listener = listener_close(testing.listener);
		testing_forget();
	}
	assert_true(end);
}

/* Runs in a process that is not closed, but ends: what it says is done when fn returns. */
static void killed_after(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		testing_child();
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void frame_after_snapshot(void)
{
	testing_settle();
	testing_say(TO_AFTER FRAME("101"));
	testing_heard("\"applied\":101");
	testing_say("{\"drop\":\"router:1\"}\n{\"enter\":\"router:1\"}\n" ROUTER INTERFACE MEMBER("1") FRAME("102"));
	testing_heard("\"applied\":102");
	testing_say("{\"drop\":\"network:7\"}\n"); /* half of a frame, never applied */
	while (follow_between_frames(agent_follow(testing.agent)))
		testing_turn();
}

static void test_killed_and_alone(void **state)
{
	(void)state;
	/* What was applied is served by who starts after the kill, though no server is there. */
	killed_after(frame_after_snapshot);
	testing_agent_up();
	testing_converged(AFTER);
	driver_fake_lose(agent_driver(testing.agent));
	testing_turn();
	testing_converged(AFTER);
	assert_int_equal(follow_position(agent_follow(testing.agent)), 102);
	testing_agent_down();
	/* The same again, from what that one left. */
	testing_agent_up();
	testing_converged(AFTER);
}

static void write_journal(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s" JOURNAL_SUFFIX, testing.snapshot_path);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void test_journals(void **state)
{
	static const struct {
		const char *text;
		uint64_t position;
	} cases[] = {
		{ "", 100 },
		{ "nonsense", 100 },
		{ WELCOME_OF(OTHER, "resume") FRAME("101"), 100 }, /* of another database */
		{ WELCOME("resume") FRAME("99") FRAME("100"), 100 }, /* older than the snapshot */
		{ WELCOME("resume") FRAME("99") FRAME("101") "{\"drop\":\"network:7\"}\n{\"fra", 101 },
		{ WELCOME("resume") FRAME("101") "\n\n{\"frame\":7}\n" FRAME("103"), 101 },
		{ WELCOME("resume") FRAME("101") "garbage\n" FRAME("103"), 101 },
	};

	(void)state;
	testing_server_up();
	testing_agent_up();
	testing_settle();
	testing_agent_down();
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct snapshot_head head;
		struct model *m;
		struct err err;

		write_journal(cases[i].text);
		testing_agent_up();
		testing_converged(WORLD);
		assert_int_equal(follow_position(agent_follow(testing.agent)), cases[i].position);
		testing_agent_down();
		/* Back to 100 for the next. */
		assert_int_equal(snapshot_load(testing.snapshot_path, &head, &m, &err), 0);
		head.position = 100;
		assert_int_equal(snapshot_save(testing.snapshot_path, &head, m, &err), 0);
		model_free(m);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, testing_setup, testing_teardown)
	const struct CMUnitTest tests[] = {
		T(test_starts_without_the_server), T(test_nothing_is_flushed), T(test_damaged_snapshot),
		T(test_killed_at_any_step),        T(test_killed_and_alone),   T(test_journals),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
