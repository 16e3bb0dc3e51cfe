/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/jsonrpc.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* Where a message ends. The connection itself is tested by ovsdb_test.c and unixctl_test.c. */

static ssize_t scan(const char *text, size_t n)
{
	struct jsonrpc_scan s = { 0 };

	return jsonrpc_scan(&s, text, n);
}

static void test_ends(void **state)
{
	static const struct {
		const char *text;
		ssize_t end;
	} cases[] = {
		{ "", 0 },
		{ " \r\n\t", 0 },
		{ "{", 0 },
		{ "{}", 2 },
		{ " {}{}", 3 },
		{ "{\"a\":[1,{\"b\":[]}]}x", 18 },
		{ "{\"}\":\"]\"}", 9 },
		{ "{\"\\\"}\":1}", 9 },
		{ "{\"\\\\\":1}", 8 },
		{ "{\"\\\\\\\"}\":1}", 11 },
		{ "{\"a\":\"", 0 },
		{ "{\"a\":\"\\", 0 },
		/* brackets that do not match are for the parser */
		{ "{]", 2 },
		{ "x{}", -EBADMSG },
		{ "[]", -EBADMSG },
		{ "}", -EBADMSG },
		{ "\"{}\"", -EBADMSG },
		{ "HTTP/1.0 400 Bad Request", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		if (scan(cases[i].text, strlen(cases[i].text)) != cases[i].end)
			fail_msg("%s: %zd", cases[i].text, scan(cases[i].text, strlen(cases[i].text)));
	assert_int_equal(scan("\0{}", 3), -EBADMSG);
}

static void test_depth(void **state)
{
	char text[2 * JSONRPC_MAX_DEPTH + 2];

	(void)state;
	memset(text, '{', JSONRPC_MAX_DEPTH);
	memset(text + JSONRPC_MAX_DEPTH, '}', JSONRPC_MAX_DEPTH);
	assert_int_equal(scan(text, 2 * JSONRPC_MAX_DEPTH), 2 * JSONRPC_MAX_DEPTH);
	memset(text, '{', JSONRPC_MAX_DEPTH + 1);
	assert_int_equal(scan(text, JSONRPC_MAX_DEPTH + 1), -EBADMSG);
}

/* ---- seeded: any bytes, in any pieces ---- */

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

static void random_value(UT_string *out, struct jw *w, unsigned depth)
{
	static const char *const texts[] = { "", "a", "{", "}]", "\"", "\\", "\\\"", "\n", "ü" };
	unsigned n = below(4);

	switch (below(depth > 5 ? 2 : 4)) {
	case 0:
		jw_string(w, texts[below(N_ELEMENTS(texts))]);
		break;
	case 1:
		jw_int(w, (int64_t)below(1000) - 500);
		break;
	case 2:
		jw_array(w);
		while (n-- > 0)
			random_value(out, w, depth + 1);
		jw_end_array(w);
		break;
	default:
		jw_object(w);
		while (n-- > 0) {
			jw_key(w, texts[below(N_ELEMENTS(texts))]);
			random_value(out, w, depth + 1);
		}
		jw_end_object(w);
		break;
	}
}

/* Messages one behind the other; `ends` is where each ends. */
static size_t random_messages(UT_string *out, size_t ends[8])
{
	size_t n = 1 + below(7);

	for (size_t i = 0; i < n; i++) {
		struct jw w = jw_init(out);

		if (below(3) == 0)
			utstring_bincpy(out, "\n", 1);
		jw_object(&w);
		jw_key(&w, "params");
		random_value(out, &w, 0);
		jw_end_object(&w);
		ends[i] = utstring_len(out);
	}
	return n;
}

/* The first message's end (or what is wrong) when the bytes come in pieces, as a stream offers them: all that came. */
static ssize_t scan_in_pieces(const char *bytes, size_t n)
{
	struct jsonrpc_scan s = { 0 };
	ssize_t end = 0;

	for (size_t have = 0; have < n && end == 0;) {
		_cleanup_(freep) char *copy = NULL;

		have += 1 + below((uint32_t)(n - have));
		copy = xmemdup(bytes, have); /* of its own size, so that reading behind the end is seen */
		end = jsonrpc_scan(&s, copy, have);
	}
	return end;
}

static void test_any_pieces(void **state)
{
	(void)state;
	random_state = 0x9e3779b97f4a7c15;
	for (int round = 0; round < 20000; round++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;
		size_t ends[8], n, from = 0;

		utstring_new(text);
		n = random_messages(text, ends);
		for (size_t i = 0; i < n; i++) {
			ssize_t end = scan_in_pieces(utstring_body(text) + from, utstring_len(text) - from);

			if (end != (ssize_t)(ends[i] - from))
				fail_msg("round %d: %s: %zd, not %zu", round, utstring_body(text) + from, end,
					 ends[i] - from);
			from = ends[i];
		}
	}
}

static void test_any_bytes(void **state)
{
	(void)state;
	random_state = 0xc2b2ae3d27d4eb4f;
	for (int round = 0; round < 20000; round++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;
		size_t ends[8], len;
		ssize_t end;

		utstring_new(text);
		random_messages(text, ends);
		len = utstring_len(text);
		for (unsigned i = below(6); i > 0; i--)
			utstring_body(text)[below((uint32_t)len)] =
				(char)(below(2) ? "{}[]\"\\ \0"[below(8)] : (int)below(256));
		end = scan_in_pieces(utstring_body(text), len);
		assert_int_equal(end, scan(utstring_body(text), len));
		assert_true(end <= (ssize_t)len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_any_pieces),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
