/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/openflow_request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

/* Bounds of what a switch may answer. (What it may say at each step: openflow_test.c.) */

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	(void)f;
	(void)stats;
	(void)arg;
	fail_msg("there is no flow");
}

static void on_done(int r, const char *why, void *arg)
{
	(void)r;
	(void)why;
	(void)arg;
	fail_msg("it is not over");
}

/* Parts without an end, and with nothing in them. */
static void test_endless(void **state)
{
	static const uint8_t part[8] = { 0, OFP_MULTIPART_FLOW, 0, 1 };
	struct request *q = request_dump(1, 0, 0, 0, on_flow, on_done, NULL);
	struct ofp_message m = { OFP_VERSION, OFP_MULTIPART_REPLY, 1, part, sizeof(part) };
	struct err err = { 0 };
	int r = 0;

	(void)state;
	for (int i = 0; i < 10000000 && r == 0; i++)
		r = request_message(q, &m, &err);
	assert_int_equal(r, -EPROTO);
	assert_string_equal(err.text, "dump does not come to an end");
	request_free(q);
}

#define MANY (OPENFLOW_ERRORS + 10)

static void on_bundle(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	bool *told = arg;

	*told = true;
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(n, OPENFLOW_ERRORS);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(errors[i].mod, i);
	assert_string_equal(errors[n - 1].text, "OFPBAC_BAD_OUT_PORT");
}

/* All mods are refused, and more than are told. */
static void test_many_errors(void **state)
{
	static const uint8_t refusal[] = { 0, 2, 0, 4 }, discarded[] = { 0, 0, 0, 1, 0, OFP_BUNDLE_DISCARDED, 0, 3 };
	struct ofp_message m = { OFP_VERSION, OFP_ERROR, 1, refusal, sizeof(refusal) };
	struct flow_mod mods[MANY];
	bool told = false;
	struct request *q;
	struct flow f;
	struct err err;

	(void)state;
	flow_init(&f, 0, 0, 0);
	for (size_t i = 0; i < MANY; i++)
		mods[i] = (struct flow_mod) { FLOW_ADD, &f };
	q = request_bundle(1, mods, MANY, on_bundle, &told);
	for (size_t i = 0; i < MANY; i++) {
		m.xid++;
		assert_int_equal(request_message(q, &m, &err), 0);
	}
	ofp_out_fini(&q->out);
	m = (struct ofp_message) { OFP_VERSION, OFP_BARRIER_REPLY, m.xid + 1, NULL, 0 };
	assert_int_equal(request_message(q, &m, &err), 0);
	assert_int_equal(q->out.bytes[8 + 5], OFP_BUNDLE_DISCARD);
	m = (struct ofp_message) { OFP_VERSION, OFP_BUNDLE_CONTROL, m.xid + 1, discarded, sizeof(discarded) };
	assert_int_equal(request_message(q, &m, &err), 1);
	request_end(q, q->r, q->why);
	assert_true(told);
	request_free(q);
	flow_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_many_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
