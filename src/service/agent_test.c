/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "service/testing.h"

static void count_agents(const char *json, size_t len, const char *id, void *arg)
{
	json_t *agent = json_loadb(json, len, 0, NULL);

	assert_true(json_is_true(json_object_get(agent, "alive")));
	snprintf(((char(*)[UUID_TEXT_SIZE])
			  arg)[!strcmp(json_string_value(json_object_get(agent, "agent_type")), "L3 agent")],
		 UUID_TEXT_SIZE, "%s", id);
	json_decref(agent);
}

static void list_agents(struct testing *t, char ret[2][UUID_TEXT_SIZE])
{
	struct caller admin = { .admin = true };
	struct service_query q = { 0 };

	ret[0][0] = ret[1][0] = '\0';
	assert_int_equal(service_list(t->reader, &admin, &resource_agent, &q, count_agents, ret, &t->err), 0);
}

static bool is_alive(struct testing *t)
{
	const struct field *alive = resource_field(&resource_agent, "alive");
	struct service_filter filter = { alive, "true" };
	struct service_query q = { .filters = &filter, .n_filters = 1 };
	struct caller admin = { .admin = true };
	char ids[2][UUID_TEXT_SIZE] = { "", "" };

	assert_int_equal(service_list(t->reader, &admin, &resource_agent, &q, count_agents, ids, &t->err), 0);
	return ids[0][0];
}

/* The clock was set back: who was heard then is not alive until then. */
static void clocks_jump(void **state)
{
	struct testing t;
	uint32_t host;
	struct db *db;
	char path[96];

	(void)state;
	testing_open(&t, NULL);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "legacy", &host), 0);
	assert_true(is_alive(&t));
	snprintf(path, sizeof(path), "%s/made/neutron.db", t.dir);
	assert_int_equal(db_open(path, DB_WRITER, &db, &t.err), 0);
	assert_true(db_script(db, "UPDATE hosts SET heartbeat = heartbeat + 3600", &t.err) >= 0);
	assert_false(is_alive(&t));
	assert_true(db_script(db, "UPDATE hosts SET heartbeat = heartbeat - 7200", &t.err) >= 0);
	assert_false(is_alive(&t));
	db_close(db);
	testing_close(&t);
}

static void agents_are_the_faces_of_hosts(void **state)
{
	char ids[2][UUID_TEXT_SIZE];
	struct testing t;
	uint32_t host;

	(void)state;
	testing_open(&t, NULL);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "legacy", &host), 0);
	list_agents(&t, ids);
	assert_true(ids[0][0] && !ids[1][0]);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "dvr", &host), 0);
	list_agents(&t, ids);
	assert_true(ids[0][0] && ids[1][0]);
	testing_refused(&t, SERVICE_CREATE, &resource_agent, NULL, testing_attrs("{}"), ERR_BAD_REQUEST, "BadRequest");
	testing_refused(&t, SERVICE_DELETE, &resource_agent, TESTING_NOWHERE, NULL, ERR_NOT_FOUND, "AgentNotFound");
	assert_int_equal(testing_call(&t, SERVICE_UPDATE, &resource_agent, ids[1],
				      testing_attrs("{'admin_state_up':false,'description':'being mended'}")),
			 0);
	assert_string_equal(testing_text(&t, "description"), "being mended");
	/* One that lives is listed again. */
	assert_int_equal(testing_call(&t, SERVICE_DELETE, &resource_agent, ids[0], NULL), 0);
	assert_int_equal(testing_call(&t, SERVICE_DELETE, &resource_agent, ids[1], NULL), 0);
	list_agents(&t, ids);
	assert_false(ids[0][0] || ids[1][0]);
	service_host_heartbeat(t.service, host, 1, false);
	testing_settle(&t);
	list_agents(&t, ids);
	assert_true(ids[0][0] && ids[1][0]);
	testing_close(&t);
}

static void on_accept(uint32_t host, void *arg)
{
	*(uint32_t *)arg = host;
}

/* An operator lets a snapshot that is held back through; the agent itself says when it has. */
static void what_is_held_is_accepted(void **state)
{
	struct service_options o = testing_options();
	uint32_t host, accepted = 0;
	char ids[2][UUID_TEXT_SIZE];
	struct testing t;

	(void)state;
	o.accept = on_accept;
	o.arg = &accepted;
	testing_open(&t, &o);
	assert_int_equal(testing_hello(&t, "h1", "192.0.2.1", "dvr", &host), 0);
	list_agents(&t, ids);
	testing_refused(&t, SERVICE_UPDATE, &resource_agent, ids[1], testing_attrs("{'held':false}"), ERR_CONFLICT,
			"AgentHoldsNothing");
	service_host_heartbeat(t.service, host, 0, true);
	testing_settle(&t);
	testing_refused(&t, SERVICE_UPDATE, &resource_agent, ids[1], testing_attrs("{'held':true}"), ERR_BAD_REQUEST,
			"InvalidInput");
	assert_int_equal(accepted, 0);
	assert_int_equal(testing_call(&t, SERVICE_UPDATE, &resource_agent, ids[1], testing_attrs("{'held':false}")), 0);
	assert_int_equal(accepted, host);
	assert_true(json_is_true(json_object_get(t.reply, "held")));
	assert_true(json_is_false(json_object_get(t.reply, "resources_synced")));
	service_host_heartbeat(t.service, host, 9, false);
	testing_settle(&t);
	testing_refused(&t, SERVICE_UPDATE, &resource_agent, ids[0], testing_attrs("{'held':false}"), ERR_CONFLICT,
			"AgentHoldsNothing");
	testing_close(&t);
}

static void tokens(void **state)
{
	char token[65], newer[65];
	struct testing t;
	uint32_t host = 0;

	(void)state;
	testing_open(&t, NULL);
	assert_int_equal(service_enroll(t.service, "h1", token, &t.err), 0);
	assert_int_equal(strlen(token), 64);
	assert_int_equal(service_authenticate(t.reader, "h1", token, &host, &t.err), 0);
	assert_int_not_equal(host, 0);
	assert_int_equal(service_authenticate(t.reader, "h2", token, &host, &t.err), -EACCES);
	assert_int_equal(service_authenticate(t.reader, "h1", "", &host, &t.err), -EACCES);
	assert_int_equal(service_enroll(t.service, "h1", newer, &t.err), 0);
	assert_int_equal(service_authenticate(t.reader, "h1", token, &host, &t.err), -EACCES);
	assert_int_equal(service_authenticate(t.reader, "h1", newer, &host, &t.err), 0);
	assert_true(service_enroll(t.service, "", token, &t.err) < 0);
	assert_true(service_enroll(t.service, "a b", token, &t.err) < 0);
	testing_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_jump),
		cmocka_unit_test(agents_are_the_faces_of_hosts),
		cmocka_unit_test(what_is_held_is_accepted),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
