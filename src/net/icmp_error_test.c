/* SPDX-License-Identifier: Apache-2.0 */
#include "net/icmp_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST_HEADER 60

static const struct eth eth = { .dst = { { 0xfa, 0x16, 0x3e, 0, 0, 1 } },
				.src = { { 0xfa, 0x16, 0x3e, 0, 0, 2 } },
				.type = ETHERTYPE_V4 };
static const struct icmp exceeded = { ICMP_EXCEEDED, 0, 0 };

struct packet {
	uint8_t bytes[200];
	size_t len;
};

/* From 10.0.1.5 to 10.0.2.5, with `payload` bytes that count up. */
static struct packet packet(uint8_t proto, size_t header, size_t payload)
{
	struct packet p = { .len = ETH_SIZE + header + payload };
	struct ipv4 ip = { .ttl = 1, .proto = proto, .size = IPV4_SIZE, .total = (uint16_t)(header + payload) };
	uint8_t *at = p.bytes + ETH_SIZE;

	ip.src = ip_from_v4(0x0a000105);
	ip.dst = ip_from_v4(0x0a000205);
	eth_write(p.bytes, &eth);
	ipv4_write(at, &ip);
	at[0] = (uint8_t)(0x40 | header / 4);
	for (size_t i = 0; i < payload; i++)
		at[header + i] = (uint8_t)i;
	return p;
}

static size_t error_of(const struct packet *p, const struct icmp *what, uint8_t ret[ICMP_ERROR_MAX])
{
	struct ip from = ip_from_v4(0x0a000101);
	uint8_t *exact = malloc(p->len ? p->len : 1); /* so that a byte too far is seen */
	size_t n;

	memcpy(exact, p->bytes, p->len);
	n = icmp_error(exact, p->len, &from, what, ret);
	free(exact);
	return n;
}

static void it_goes_back_and_quotes(void **state)
{
	struct packet p = packet(PROTO_UDP, IPV4_SIZE, 40);
	uint8_t error[ICMP_ERROR_MAX], *icmp = error + ETH_SIZE + IPV4_SIZE;
	size_t n = error_of(&p, &(struct icmp) { ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1400 }, error);
	struct icmp said;
	struct ipv4 ip;
	struct eth back;

	(void)state;
	assert_int_equal(n, ETH_SIZE + IPV4_SIZE + ICMP_SIZE + IPV4_SIZE + 8);
	assert_int_equal(eth_read(error, n, &back), 0);
	assert_true(mac_equal(&back.dst, &eth.src));
	assert_true(mac_equal(&back.src, &eth.dst));
	assert_int_equal(ipv4_read(error + ETH_SIZE, n - ETH_SIZE, &ip), 0);
	assert_int_equal(ip_to_v4(&ip.src), 0x0a000101);
	assert_int_equal(ip_to_v4(&ip.dst), 0x0a000105);
	assert_int_equal(ip.ttl, 64);
	assert_int_equal(ip.tos, 0xc0);
	assert_int_equal(ip.total, n - ETH_SIZE);
	assert_true(checksum_ok(error + ETH_SIZE, IPV4_SIZE));
	assert_true(checksum_ok(icmp, n - ETH_SIZE - IPV4_SIZE));
	assert_int_equal(icmp_read(icmp, ICMP_SIZE, &said), 0);
	assert_int_equal(said.type, ICMP_UNREACHABLE);
	assert_int_equal(said.code, ICMP_FRAG_NEEDED);
	assert_int_equal(said.rest, 1400);
	assert_memory_equal(icmp + ICMP_SIZE, p.bytes + ETH_SIZE, IPV4_SIZE + 8);
}

static void the_longest_header_is_quoted_whole(void **state)
{
	struct packet p = packet(PROTO_TCP, LONGEST_HEADER, 20);
	uint8_t error[ICMP_ERROR_MAX];

	(void)state;
	assert_int_equal(error_of(&p, &exceeded, error), ICMP_ERROR_MAX);
	assert_memory_equal(error + ETH_SIZE + IPV4_SIZE + ICMP_SIZE, p.bytes + ETH_SIZE, LONGEST_HEADER + 8);
}

static void eight_bytes_are_enough_and_seven_are_not(void **state)
{
	struct packet p = packet(PROTO_UDP, IPV4_SIZE, 8);
	uint8_t error[ICMP_ERROR_MAX];

	(void)state;
	assert_int_not_equal(error_of(&p, &exceeded, error), 0);
	p = packet(PROTO_UDP, IPV4_SIZE, 7);
	assert_int_equal(error_of(&p, &exceeded, error), 0);
}

static void later_fragments_are_not_answered(void **state)
{
	struct packet p = packet(PROTO_UDP, IPV4_SIZE, 40);
	uint8_t error[ICMP_ERROR_MAX];

	(void)state;
	put_u16(p.bytes + ETH_SIZE + 6, 0x2000); /* the first of several */
	assert_int_not_equal(error_of(&p, &exceeded, error), 0);
	put_u16(p.bytes + ETH_SIZE + 6, 1);
	assert_int_equal(error_of(&p, &exceeded, error), 0);
}

static void errors_are_not_answered(void **state)
{
	static const struct {
		uint8_t type;
		bool answered;
	} types[] = {
		{ ICMP_ECHO_REPLY, true },
		{ ICMP_UNREACHABLE, false },
		{ ICMP_SOURCE_QUENCH, false },
		{ ICMP_REDIRECT, false },
		{ ICMP_ECHO, true },
		{ ICMP_EXCEEDED, false },
		{ ICMP_PARAMETER, false },
		{ 13, true },
		{ 18, true },
		{ 19, false /* who knows */ },
		{ 255, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct packet p = packet(PROTO_ICMP, IPV4_SIZE, 40);
		uint8_t error[ICMP_ERROR_MAX];

		p.bytes[ETH_SIZE + IPV4_SIZE] = types[i].type;
		assert_int_equal(error_of(&p, &exceeded, error) > 0, types[i].answered);
	}
}

static void what_is_no_ipv4_or_cut_short_is_not_answered(void **state)
{
	struct packet p = packet(PROTO_UDP, IPV4_SIZE, 40);
	uint8_t error[ICMP_ERROR_MAX];
	size_t whole = p.len;

	(void)state;
	for (p.len = 0; p.len < whole; p.len++)
		assert_int_equal(error_of(&p, &exceeded, error), 0);
	put_u16(p.bytes + 12, ETHERTYPE_V6);
	assert_int_equal(error_of(&p, &exceeded, error), 0);
}

/* Whatever a VM sends: no byte of it is read that is not there, and what is answered is an error in good order. */
static void any_bytes_are_survived(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct packet p = packet(i % 2 ? PROTO_UDP : PROTO_ICMP, IPV4_SIZE + 4 * (i % 11), 20);
		uint8_t error[ICMP_ERROR_MAX];
		struct ipv4 ip;
		size_t n;

		for (int k = i % 4; k > 0; k--) {
			random = random * 1664525 + 1013904223;
			p.bytes[ETH_SIZE + (random >> 8) % 40] = (uint8_t)(random >> 24);
		}
		p.len -= (random >> 4) % 2 * ((random >> 6) % 50);
		n = error_of(&p, &exceeded, error);
		if (n == 0)
			continue;
		assert_in_range(n, ETH_SIZE + IPV4_SIZE + ICMP_SIZE + IPV4_SIZE + 8, ICMP_ERROR_MAX);
		assert_int_equal(ipv4_read(error + ETH_SIZE, n - ETH_SIZE, &ip), 0);
		assert_int_equal(ip.total, n - ETH_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_back_and_quotes),
		cmocka_unit_test(the_longest_header_is_quoted_whole),
		cmocka_unit_test(eight_bytes_are_enough_and_seven_are_not),
		cmocka_unit_test(later_fragments_are_not_answered),
		cmocka_unit_test(errors_are_not_answered),
		cmocka_unit_test(any_bytes_are_survived),
		cmocka_unit_test(what_is_no_ipv4_or_cut_short_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
