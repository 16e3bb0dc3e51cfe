/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "service/testing.h"

/* ---- many calls at once ---- */

#define MANY 300

struct many {
	sem_t done;
	int good, bad, unavailable;
};

static void one_done(struct service_call *call, void *arg)
{
	struct many *m = arg;

	if (call->r < 0)
		m->bad++;
	else
		m->good++;
	m->unavailable += call->r < 0 && call->err.kind == ERR_UNAVAILABLE;
	service_call_free(call);
	sem_post(&m->done);
}

/* Every third asks for an address that is taken: it fails alone, whatever shares its transaction. */
static void calls_of_a_batch_fail_alone(void **state)
{
	char port[UUID_TEXT_SIZE];
	struct many m = { .good = 0 };
	struct testing_basis b;
	int64_t n;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/16", NULL);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'fixed_ips':[{'ip_address':'10.0.0.9'}]"), port);
	sem_init(&m.done, 0, 0);
	for (int i = 0; i < MANY; i++) {
		struct service_call *call = service_call_new();
		json_t *attrs = testing_port_attrs(&b, i % 3 ? ""
							     : ",'fixed_ips':[{'subnet_id':'SUBNET'},"
							       "{'ip_address':'10.0.0.9'}]");
		json_t *first = json_array_get(json_object_get(attrs, "fixed_ips"), 0);

		if (first)
			json_object_set_new(first, "subnet_id", json_string(b.subnet));
		call->op = SERVICE_CREATE;
		call->resource = &resource_port;
		call->attrs = attrs;
		call->caller = (struct caller) { .admin = true, .project_id = "p" };
		call->done = one_done;
		call->arg = &m;
		service_submit(b.t.service, call);
	}
	for (int i = 0; i < MANY; i++)
		sem_wait(&m.done);
	sem_destroy(&m.done);
	assert_int_equal(m.bad, MANY / 3);
	assert_int_equal(m.good, MANY - MANY / 3);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM ports", DB_NONE);
	assert_int_equal(n, 1 + m.good);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM addresses", DB_NONE);
	assert_int_equal(n, 1 + m.good);
	testing_close(&b.t);
}

struct script {
	struct job job;
	const char *sql;
	sem_t entered, go_on;
};

static int run_script(struct tx *tx, struct job *job, struct err *err)
{
	struct script *s = (struct script *)job;

	sem_post(&s->entered);
	sem_wait(&s->go_on);
	return db_script(tx->db, s->sql, err);
}

static void script_done(struct job *job)
{
	sem_post(&((struct script *)job)->entered);
}

/* The database may grow by some pages more, in the middle of a batch of calls that all want to write. */
static void a_full_disk_loses_nothing(void **state)
{
	struct script fill = { .job = { .run = run_script, .done = script_done } };
	struct many m = { .good = 0 };
	char text[64], port[UUID_TEXT_SIZE];
	struct testing_basis b;
	int64_t n, pages, logged;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/16", NULL);
	db_get_int(b.t.reader->db, 0, &pages, NULL, "PRAGMA page_count", DB_NONE);
	snprintf(text, sizeof(text), "PRAGMA max_page_count = %lld", (long long)pages + 10);
	fill.sql = text;
	sem_init(&fill.entered, 0, 0);
	sem_init(&fill.go_on, 0, 0);
	sem_init(&m.done, 0, 0);
	service_queue(b.t.service, &fill.job);
	sem_wait(&fill.entered);
	for (int i = 0; i < MANY; i++) {
		struct service_call *call = service_call_new();

		call->op = SERVICE_CREATE;
		call->resource = &resource_port;
		call->attrs = testing_port_attrs(
			&b, ",'description':'a longer text, so that it is full before long, and not only then'");
		call->caller = (struct caller) { .admin = true, .project_id = "p" };
		call->done = one_done;
		call->arg = &m;
		service_submit(b.t.service, call);
	}
	sem_post(&fill.go_on);
	for (int i = 0; i < MANY; i++)
		sem_wait(&m.done);
	sem_wait(&fill.entered);
	assert_true(m.bad > 0);
	assert_int_equal(m.unavailable, m.bad);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM ports", DB_NONE);
	assert_int_equal(n, m.good);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(*) FROM addresses", DB_NONE);
	assert_int_equal(n, m.good);
	/* With room again it goes on, and the log has no gap. */
	fill.sql = "PRAGMA max_page_count = 1000000";
	sem_post(&fill.go_on);
	service_queue(b.t.service, &fill.job);
	sem_wait(&fill.entered);
	sem_wait(&fill.entered);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'binding:host_id':'h1'"), port);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'binding:host_id':'h1'"), port);
	db_get_int(b.t.reader->db, 0, &n, NULL, "SELECT count(DISTINCT position) FROM log", DB_NONE);
	db_get_int(b.t.reader->db, 0, &logged, NULL, "SELECT max(position) FROM log", DB_NONE);
	assert_int_equal(n, logged);
	sem_destroy(&fill.entered);
	sem_destroy(&fill.go_on);
	sem_destroy(&m.done);
	testing_close(&b.t);
}

/* ---- lists ---- */

static void collect(const char *json, size_t len, const char *id, void *arg)
{
	json_t *item = json_loadb(json, len, 0, NULL);

	(void)id;
	utstring_printf((UT_string *)arg, "%s ", json_string_value(json_object_get(item, "name")));
	json_decref(item);
}

static void expect_list(struct testing *t, const struct service_query *q, const char *names)
{
	_cleanup_(utstring_freep) UT_string *found = NULL;
	struct caller admin = { .admin = true };

	utstring_new(found);
	assert_int_equal(service_list(t->reader, &admin, &resource_network, q, collect, found, &t->err), 0);
	assert_string_equal(utstring_body(found), names);
}

static void lists_filter_sort_and_page(void **state)
{
	static const char *const names[] = { "b", "a", "c", "a" };
	const struct field *name = resource_field(&resource_network, "name");
	const struct field *up = resource_field(&resource_network, "admin_state_up");
	const struct field *external = resource_field(&resource_network, "router:external");
	struct service_filter filters[] = { { name, "a" }, { name, "b" }, { up, "True" } };
	struct service_query q = { 0 };
	struct caller stranger = { .project_id = "q" };
	_cleanup_(utstring_freep) UT_string *found = NULL;
	char ids[4][UUID_TEXT_SIZE];
	struct testing t;

	(void)state;
	testing_open(&t, NULL);
	for (int i = 0; i < 4; i++)
		testing_make(&t, &resource_network,
			     testing_attrs("{'name':'%s','admin_state_up':%s,'shared':%s}", names[i],
					   i == 3 ? "false" : "true", i == 2 ? "true" : "false"),
			     ids[i]);
	expect_list(&t, &q, "b a c a ");
	q = (struct service_query) { .filters = filters, .n_filters = 3 };
	expect_list(&t, &q, "b a ");
	filters[0] = (struct service_filter) { external, "true" };
	q = (struct service_query) { .filters = filters, .n_filters = 1 };
	expect_list(&t, &q, "");
	q = (struct service_query) { .sort = { name }, .limit = 2 };
	expect_list(&t, &q, "a a ");
	q.marker = ids[3]; /* the second "a" */
	expect_list(&t, &q, "b c ");
	q.page_reverse = true;
	expect_list(&t, &q, "a ");
	q = (struct service_query) { .sort = { name }, .descending = { true }, .limit = 3, .marker = ids[2] };
	expect_list(&t, &q, "b a a ");
	/* Another project sees what is shared, and nothing of the provider's. */
	utstring_new(found);
	q = (struct service_query) { 0 };
	assert_int_equal(service_list(t.reader, &stranger, &resource_network, &q, collect, found, &t.err), 0);
	assert_string_equal(utstring_body(found), "c ");
	testing_close(&t);
}

/* ---- the file ---- */

static void the_database_is_kept(void **state)
{
	char incarnation[UUID_TEXT_SIZE], port[UUID_TEXT_SIZE];
	struct testing_basis b;

	(void)state;
	testing_basis_open(&b, "10.0.0.0/24", NULL);
	testing_make(&b.t, &resource_port, testing_port_attrs(&b, ",'name':'kept'"), port);
	snprintf(incarnation, sizeof(incarnation), "%s", service_incarnation(b.t.service));
	testing_reopen(&b.t, NULL);
	assert_string_equal(service_incarnation(b.t.service), incarnation);
	assert_string_equal(testing_shown(&b, port, "name"), "kept");
	testing_close(&b.t);
}

static int open_again(const char *path, struct err *err)
{
	struct service_options o = testing_options();
	struct service *s = NULL;
	int r;

	o.database = path;
	r = service_open(&o, &s, err);
	service_close(s);
	return r;
}

static void other_files_are_left_alone(void **state)
{
	struct testing t;
	struct err err = { 0 };
	struct db *db;
	char path[96];
	int fd;

	(void)state;
	testing_open(&t, NULL);
	snprintf(path, sizeof(path), "%s/made/neutron.db", t.dir);
	assert_int_equal(db_open(path, DB_WRITER, &db, &err), 0);
	assert_true(db_script(db, "UPDATE meta SET value = '99' WHERE key = 'schema_version'", &err) >= 0);
	assert_true(open_again(path, &err) < 0);
	assert_non_null(strstr(err.text, "99"));
	assert_true(db_script(db, "PRAGMA application_id = 7", &err) >= 0);
	db_close(db);
	assert_true(open_again(path, &err) < 0);
	assert_non_null(strstr(err.text, "another program"));
	snprintf(path, sizeof(path), "%s/made/text", t.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "this is a text, and no database at all\n", 39), 39);
	close(fd);
	assert_true(open_again(path, &err) < 0);
	assert_non_null(strstr(err.text, "cannot be used"));
	testing_close(&t);
}

static void macs_of_hosts_and_ports_must_differ(void **state)
{
	struct service_options o = testing_options();
	struct service *s = NULL;
	struct err err = { 0 };

	(void)state;
	o.dvr_base_mac = o.base_mac;
	o.database = "/nowhere/at/all.db";
	assert_true(service_open(&o, &s, &err) < 0);
	assert_non_null(strstr(err.text, "dvr_base_mac"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_a_batch_fail_alone), cmocka_unit_test(a_full_disk_loses_nothing),
		cmocka_unit_test(lists_filter_sort_and_page),  cmocka_unit_test(the_database_is_kept),
		cmocka_unit_test(other_files_are_left_alone),  cmocka_unit_test(macs_of_hosts_and_ports_must_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
