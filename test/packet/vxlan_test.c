/* SPDX-License-Identifier: Apache-2.0 */
#include "vxlan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/packet.h"

static uint8_t *wrapped(uint8_t inner_ecn, uint8_t outer_tos, size_t *ret_len)
{
	struct vxlan_outer o = { .src = ip_from_v4(0xc0000201), .dst = ip_from_v4(0xc0000202), .vni = 0xabcdef };
	uint8_t frame[60] = { [12] = 0x08, [15] = inner_ecn }; /* IPv4 */
	uint8_t *bytes = vxlan_wrap(&o, frame, sizeof(frame));

	bytes[ETH_SIZE + 1] = outer_tos;
	put_u16(bytes + ETH_SIZE + 10, 0);
	put_u16(bytes + ETH_SIZE + 10, checksum_fold(checksum_add(0, bytes + ETH_SIZE, IPV4_SIZE)));
	*ret_len = VXLAN_OUTER + sizeof(frame);
	return bytes;
}

static void test_round(void **state)
{
	struct vxlan_outer o;
	size_t len;
	_cleanup_(freep) uint8_t *bytes = wrapped(1, 1, &len);

	(void)state;
	assert_int_equal(vxlan_unwrap(bytes, len, &o, NULL), 0);
	assert_int_equal(ip_to_v4(&o.src), 0xc0000201);
	assert_int_equal(ip_to_v4(&o.dst), 0xc0000202);
	assert_int_equal(o.vni, 0xabcdef);
	assert_int_equal(bytes[VXLAN_OUTER + 12], 0x08);
}

static void test_wrong(void **state)
{
	/* in the outer headers, each a byte that may be nothing else */
	static const struct {
		size_t at;
		const char *what;
	} cases[] = {
		{ 12, "outer headers" },           { 14, "outer headers" },     { 15, "outer checksum" },
		{ 17, "outer headers" },           { 20, "outer checksum" },    { 23, "outer protocol" },
		{ 24, "outer checksum" },          { 36, "outer protocol" },    { 39, "outer lengths" },
		{ 41, "outer checksum" },          { 42, "outer VXLAN flags" }, { 49, "outer VXLAN flags" },
		{ VXLAN_OUTER + 15, "outer ToS" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		size_t len;
		_cleanup_(freep) uint8_t *bytes = wrapped(1, 1, &len);
		struct vxlan_outer o;
		struct err err = { 0 };

		bytes[cases[i].at] ^= 0x01;
		assert_true(vxlan_unwrap(bytes, len, &o, &err) < 0);
		assert_string_equal(err.text, cases[i].what);
	}
}

static void test_congestion_experienced(void **state)
{
	struct vxlan_outer o;
	size_t len;
	_cleanup_(freep) uint8_t *right = wrapped(3, 2, &len), *wrong = wrapped(3, 3, &len);

	(void)state;
	assert_int_equal(vxlan_unwrap(right, len, &o, NULL), 0);
	assert_true(vxlan_unwrap(wrong, len, &o, NULL) < 0);
}

static void test_cut(void **state)
{
	size_t len;
	_cleanup_(freep) uint8_t *bytes = wrapped(1, 1, &len);
	struct vxlan_outer o;

	(void)state;
	while (len-- > 0) {
		_cleanup_(freep) uint8_t *copy = xmemdup(bytes, len);

		assert_true(vxlan_unwrap(copy, len, &o, NULL) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_congestion_experienced),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
