/* SPDX-License-Identifier: Apache-2.0 */
#include "io/path_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "io/loop.h"

#define TURN_US 20000000

struct bed {
	struct loop *loop;
	struct path_watch *watch;
	char dir[64];
	unsigned told;
	bool close_inside;
};

static void on_told(void *arg)
{
	struct bed *b = arg;

	b->told++;
	if (b->close_inside)
		b->watch = path_watch_close(b->watch);
}

static void in_dir(const struct bed *b, const char *name, void (*fn)(const char *path))
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", b->dir, name);

	fn(path);
}

static void make_file(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
}

static void make_dir(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static void remove_it(const char *path)
{
	assert_int_equal(remove(path), 0);
}

static void rename_to(const char *path)
{
	_cleanup_(freep) char *from = xasprintf("%s.new", path);

	make_file(from);
	assert_int_equal(rename(from, path), 0);
}

static void start(struct bed *b, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", b->dir, name);

	b->watch = path_watch_open(b->loop, path, on_told, b);
}

static void expect_told(struct bed *b)
{
	while (b->told == 0)
		if (loop_turn(b->loop, TURN_US) == 0)
			fail_msg("not told");
	while (loop_turn(b->loop, 0) > 0)
		;
	b->told = 0;
}

static void expect_nothing(struct bed *b)
{
	while (loop_turn(b->loop, 0) > 0)
		;
	assert_int_equal(b->told, 0);
}

static int setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	snprintf(b->dir, sizeof(b->dir), "/tmp/path-watch-test.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->loop = loop_new();
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	path_watch_close(b->watch);
	loop_free(b->loop);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void test_file(void **state)
{
	struct bed *b = *state;

	start(b, "sock");
	expect_nothing(b);
	in_dir(b, "other", make_file);
	in_dir(b, "other", remove_it);
	expect_nothing(b);
	in_dir(b, "sock", make_file);
	expect_told(b);
	/* Made again, and put in its place. */
	in_dir(b, "sock", remove_it);
	in_dir(b, "sock", make_file);
	expect_told(b);
	in_dir(b, "sock", rename_to);
	expect_told(b);
	in_dir(b, "sock", remove_it);
}

static void test_directories(void **state)
{
	struct bed *b = *state;

	start(b, "a/b/sock");
	in_dir(b, "a", make_dir);
	expect_nothing(b);
	in_dir(b, "a/b", make_dir);
	in_dir(b, "a/b/sock", make_file);
	expect_told(b);
	in_dir(b, "a/b/sock", remove_it);
	in_dir(b, "a/b", remove_it);
	in_dir(b, "a", remove_it);
	expect_nothing(b);
	/* All at once: there is one event, in the directory above. */
	in_dir(b, "a", make_dir);
	in_dir(b, "a/b", make_dir);
	in_dir(b, "a/b/sock", make_file);
	expect_told(b);
	in_dir(b, "a/b/sock", remove_it);
	in_dir(b, "a/b", remove_it);
	in_dir(b, "a/b", make_file); /* no directory */
	expect_nothing(b);
	in_dir(b, "a/b", remove_it);
	in_dir(b, "a/b", make_dir);
	in_dir(b, "a/b/sock", make_file);
	expect_told(b);
	in_dir(b, "a/b/sock", remove_it);
	in_dir(b, "a/b", remove_it);
	in_dir(b, "a", remove_it);
}

static void test_close_inside(void **state)
{
	struct bed *b = *state;

	b->close_inside = true;
	start(b, "sock");
	in_dir(b, "sock", make_file);
	expect_told(b);
	assert_null(b->watch);
	in_dir(b, "sock", remove_it);
	path_watch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_inside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
