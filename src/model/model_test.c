/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct unit net7 = { UNIT_NETWORK, 7 }, net8 = { UNIT_NETWORK, 8 };

static void count(const struct object *o, void *arg)
{
	(void)o;
	++*(size_t *)arg;
}

static size_t in_unit(const struct model *m, const struct unit *u)
{
	size_t n = 0;

	model_each_of_unit(m, u, count, &n);
	return n;
}

static void objects_are_set_found_and_deleted(void **state)
{
	struct model *m = model_new();
	struct object o = object_init(OBJECT_ENDPOINT, 12, 0, net7);
	size_t n = 0;

	(void)state;
	assert_true(model_set(m, &o));
	assert_false(model_set(m, &o)); /* equal: no change */
	o.endpoint.host = 3;
	assert_true(model_set(m, &o));
	assert_int_equal(model_find(m, OBJECT_ENDPOINT, 12, 0)->endpoint.host, 3);
	assert_null(model_find(m, OBJECT_PORT, 12, 0));
	assert_null(model_find(m, OBJECT_ENDPOINT, 12, 1));
	assert_int_equal(model_count(m), 1);
	model_each(m, count, &n);
	assert_int_equal(n, 1);
	assert_true(model_del(m, &o.id));
	assert_false(model_del(m, &o.id));
	assert_int_equal(model_count(m), 0);
	assert_null(model_free(m));
	assert_null(model_free(NULL));
}

static void units_hold_their_objects(void **state)
{
	struct model *m = model_new();
	struct object a = object_init(OBJECT_ENDPOINT, 1, 0, net7), b = object_init(OBJECT_ENDPOINT, 2, 0, net7);

	(void)state;
	model_set(m, &a);
	model_set(m, &b);
	assert_int_equal(in_unit(m, &net7), 2);
	assert_int_equal(in_unit(m, &net8), 0);
	b.unit = net8; /* it moves to another unit */
	model_set(m, &b);
	assert_int_equal(in_unit(m, &net7), 1);
	assert_int_equal(in_unit(m, &net8), 1);
	/* The id of an object in the model names it, also while it goes. */
	model_del(m, &model_find(m, OBJECT_ENDPOINT, 1, 0)->id);
	assert_int_equal(in_unit(m, &net7), 0);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_set_found_and_deleted),
		cmocka_unit_test(units_hold_their_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
