/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "store/changelog.h"
#include "store/schema.h"

static struct db *open_db(void)
{
	struct db *db;

	assert_int_equal(db_open(":memory:", DB_WRITER, &db, NULL), 0);
	assert_int_equal(schema_migrate(db, NULL), 0);
	return db;
}

static void append(struct db *db, uint64_t position, int line)
{
	struct changelog_line l = { .position = position,
				    .op = line,
				    .unit = { UNIT_NETWORK, (uint32_t)position },
				    .host = 3,
				    .json = "{}",
				    .request_id = "req-1" };

	assert_true(changelog_append(db, line, &l, NULL) >= 0);
}

struct seen {
	uint64_t first, last;
	int n;
};

static void see(const struct changelog_line *l, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(l->unit.kind, UNIT_NETWORK);
	assert_int_equal(l->unit.num, l->position);
	assert_string_equal(l->json, "{}");
	assert_string_equal(l->request_id, "req-1");
	assert_true(l->position > s->last || (l->position == s->last && l->op > 0));
	if (!s->n)
		s->first = l->position;
	s->last = l->position;
	s->n++;
}

static void lines_come_in_order(void **state)
{
	struct db *db = open_db();
	struct seen s = { 0 };
	uint64_t last, oldest;

	(void)state;
	assert_int_equal(changelog_last(db, &last, NULL), 0);
	assert_int_equal(changelog_oldest(db, &oldest, NULL), 0);
	assert_int_equal(last, 0);
	assert_int_equal(oldest, 0);
	for (uint64_t p = 1; p <= 20; p++) {
		append(db, p, 0);
		append(db, p, 1);
	}
	assert_true(changelog_read(db, 5, see, &s) >= 0);
	assert_int_equal(s.n, 30);
	assert_int_equal(s.first, 6);
	assert_int_equal(s.last, 20);
	db_close(db);
}

static void trimming_keeps_the_end(void **state)
{
	struct db *db = open_db();
	uint64_t last, oldest;

	(void)state;
	for (uint64_t p = 1; p <= 20; p++)
		append(db, p, 0);
	assert_true(changelog_trim(db, 30, NULL) >= 0);
	assert_int_equal(changelog_oldest(db, &oldest, NULL), 0);
	assert_int_equal(oldest, 1);
	assert_true(changelog_trim(db, 8, NULL) >= 0);
	assert_int_equal(changelog_oldest(db, &oldest, NULL), 0);
	assert_int_equal(changelog_last(db, &last, NULL), 0);
	/* Who has 12 can go on: 13 is there. */
	assert_int_equal(oldest, 13);
	assert_int_equal(last, 20);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines_come_in_order),
					    cmocka_unit_test(trimming_keeps_the_end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
