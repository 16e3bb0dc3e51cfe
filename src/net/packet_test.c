/* SPDX-License-Identifier: Apache-2.0 */
#include "net/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* A header from RFC 1071's readers: the sum was made by another implementation. */
static const uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
				  0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };

static void checksums_add_up(void **state)
{
	uint8_t bytes[sizeof(header)];
	uint16_t sum;

	(void)state;
	assert_true(checksum_ok(header, sizeof(header)));
	memcpy(bytes, header, sizeof(bytes));
	put_u16(bytes + 10, 0);
	assert_int_equal(checksum_fold(checksum_add(0, bytes, sizeof(bytes))), 0xb861);
	/* Every value of TTL and protocol: updated equals computed. */
	for (uint32_t word = 0; word <= 0xffff; word++) {
		put_u16(bytes + 8, (uint16_t)word);
		sum = checksum_update(0xb861, 0x4011, (uint16_t)word);
		put_u16(bytes + 10, sum);
		assert_true(checksum_ok(bytes, sizeof(bytes)));
	}
}

static void ipv4_comes_back(void **state)
{
	uint8_t bytes[0x73] = { 0 };
	struct ipv4 ip = { 0 };

	(void)state;
	memcpy(bytes, header, sizeof(header));
	assert_int_equal(ipv4_read(bytes, sizeof(bytes), &ip), 0);
	assert_true(ip.dont_fragment);
	assert_int_equal(ip.ttl, 64);
	assert_int_equal(ip.total, 0x73);
	memset(bytes, 0xff, sizeof(bytes));
	ipv4_write(bytes, &ip);
	assert_memory_equal(bytes, header, sizeof(header));
}

static void lengths_are_held_against_the_bytes(void **state)
{
	static const struct {
		int at;
		uint8_t value;
	} spoilt[] = { { 0, 0x44 }, { 0, 0x65 }, { 3, 19 }, { 3, 0x74 }, { 2, 1 } };
	uint8_t bytes[0x73] = { 0 };
	struct ipv4 ip;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(spoilt); i++) {
		memcpy(bytes, header, sizeof(header));
		bytes[spoilt[i].at] = spoilt[i].value;
		assert_true(ipv4_read(bytes, sizeof(bytes), &ip) < 0);
	}
	memcpy(bytes, header, sizeof(header));
	for (size_t len = 0; len < sizeof(bytes); len++)
		assert_true(ipv4_read(bytes, len, &ip) < 0);
}

static void arp_comes_back(void **state)
{
	uint8_t bytes[ARP_SIZE], again[ARP_SIZE];
	struct arp arp = { .op = ARP_REPLY,
			   .sender_mac = { { 2, 0, 0, 0, 0, 1 } },
			   .target_mac = { { 2, 0, 0, 0, 0, 2 } } };

	(void)state;
	assert_int_equal(ip_parse("10.0.1.1", &arp.sender), 0);
	assert_int_equal(ip_parse("10.0.1.2", &arp.target), 0);
	arp_write(bytes, &arp);
	memset(&arp, 0, sizeof(arp));
	assert_int_equal(arp_read(bytes, sizeof(bytes), &arp), 0);
	arp_write(again, &arp);
	assert_memory_equal(bytes, again, sizeof(bytes));
	for (size_t len = 0; len < sizeof(bytes); len++)
		assert_true(arp_read(bytes, len, &arp) < 0);
	bytes[7] = 3;
	assert_true(arp_read(bytes, sizeof(bytes), &arp) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_add_up),
		cmocka_unit_test(ipv4_comes_back),
		cmocka_unit_test(lengths_are_held_against_the_bytes),
		cmocka_unit_test(arp_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
