/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/flow.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/field.h"
#include "driver/ovs/sandbox.h"
#include "net/packet.h"

#define MAX_FLOWS 1024
#define METER 7
#define MANY_OUTPUTS 2000

/* ---- flows that have each field and each action once, and some together ---- */

struct flows {
	struct flow f[MAX_FLOWS];
	size_t n;
};

static struct flow *add(struct flows *s, uint8_t table)
{
	struct flow *f = &s->f[s->n++];

	assert_true(s->n < MAX_FLOWS);
	flow_init(f, table, (uint16_t)(100 + s->n), s->n % 7 ? 0x6e74000000000000ull + s->n : 0);
	return f;
}

/* A field's whole, a part of it, and nothing of it. */
static void add_matches(struct flows *s, enum field field)
{
	const struct field_info *i = field_info(field);
	uint64_t all = bits_mask(i->bits), value = 0x0123456789abcdefull & all;
	uint64_t masks[] = { all << (i->bits / 2) & all, all & 0x5555555555555555ull, 1 };

	if (i->text == TEXT_FRAG)
		value = 1;
	flow_match(add(s, 1), field, value);
	flow_match(add(s, 1), field, i->text == TEXT_PORT ? OFPP_LOCAL : 0);
	for (size_t n = 0; n < N_ELEMENTS(masks) && i->may & MAY_MASK; n++) {
		if (i->text == TEXT_VLAN)
			masks[n] |= 0x1000;
		flow_match_masked(add(s, 2), field, value & masks[n], masks[n]);
		flow_match_masked(add(s, 2), field, 0, masks[n]);
	}
}

/* What a change of a field needs in the match, and what makes the flows differ. */
static struct flow *add_with(struct flows *s, enum field field)
{
	const struct field_info *i = field_info(field);
	struct flow *f = add(s, 3);

	if (i->needs != FIELD_COUNT)
		flow_match(f, i->needs, i->needs_value);
	return f;
}

static void add_changes(struct flows *s, enum field field)
{
	const struct field_info *i = field_info(field);
	unsigned bits = i->nxm_bits < i->bits ? i->nxm_bits : i->bits;
	struct flow *f;

	if (i->may & MAY_LOAD) {
		flow_load(add_with(s, field), field, 0x0123456789abcdefull & bits_mask(bits));
		flow_load(add_with(s, field), field, 0);
		flow_load_bits(add_with(s, field), field, 0, i->nxm_bits, 1);
		flow_load_bits(add_with(s, field), field, 1, bits - 2, 5);
		flow_load_bits(add_with(s, field), field, bits - 1, 1, 1);
		flow_load_bits(add_with(s, field), field, 0, 1, 0);
		flow_move_bits(add_with(s, field), FIELD_XREG0, 0, field, 0, i->nxm_bits);
		flow_check_pkt_larger(add_with(s, field), 1464, field, bits - 1);
	}
	if (i->may & MAY_READ) {
		f = add_with(s, field);
		flow_move_bits(f, field, 0, FIELD_XREG1, 0, i->nxm_bits);
		flow_move_bits(f, field, 1, FIELD_XREG2, 0, i->nxm_bits - 1);
		flow_goto(f, 4);
	}
}

static void add_actions(struct flows *s)
{
	static const uint32_t ports[] = { 1, 0xfeff, OFPP_IN_PORT, OFPP_LOCAL, OFPP_CONTROLLER };
	struct flow *f;

	add(s, 0); /* drop, nothing matched */
	flow_goto(add(s, 0), 253);
	flow_meter(add(s, 4), METER);
	for (size_t i = 0; i < N_ELEMENTS(ports); i++)
		flow_output(add(s, 4), ports[i]);
	flow_resubmit(add(s, 4), 3);
	flow_dec_ttl(add_with(s, FIELD_IP_TTL));
	f = add(s, 4);
	flow_conjunction(f, 0xfffffffe, 1, 2);
	flow_conjunction(f, 1, 64, 64);

	f = add(s, 4);
	flow_meter(f, METER);
	flow_match(f, FIELD_IP_TTL, 1);
	flow_load(f, FIELD_REG1, 5);
	flow_load_bits(f, FIELD_REG0, 3, 1, 1);
	flow_dec_ttl(f);
	flow_check_pkt_larger(f, 65535, FIELD_REG0, 31);
	flow_move_bits(f, FIELD_ETH_SRC, 0, FIELD_ETH_DST, 0, 48);
	flow_resubmit(f, 9);
	flow_controller(f);
	flow_output_in_port(f);
	flow_goto(f, 5);

	f = add(s, 4);
	for (uint32_t i = 1; i <= MANY_OUTPUTS; i++)
		flow_output(f, i);
}

static void add_matched_together(struct flows *s)
{
	struct mac mac = { { 0xfa, 0x16, 0x3e, 0, 0, 1 } };
	struct ip ip = ip_from_v4(0x0a000107);
	struct prefix prefix;
	struct flow *f = add(s, 5);

	flow_match(f, FIELD_UDP_DST, 67);
	flow_match(f, FIELD_UDP_SRC, 68);
	flow_match_ip(f, FIELD_IPV4_DST, &ip);
	flow_match_mac(f, FIELD_ETH_SRC, &mac);
	flow_match(f, FIELD_REG3, 9);
	flow_match(f, FIELD_METADATA, 7);
	flow_match(f, FIELD_IN_PORT, 3);
	flow_match_mac(f, FIELD_XREG3, &mac);
	flow_load_mac(f, FIELD_XREG5, &mac);
	flow_load_mac(f, FIELD_ETH_DST, &mac);
	flow_load_ip(f, FIELD_IPV4_SRC, &ip);
	for (uint8_t len = 0; len <= 32; len++) {
		prefix = (struct prefix) { ip, IP_V4_BITS + len };
		f = add(s, 5);
		flow_match_prefix(f, FIELD_IPV4_DST, &prefix);
		flow_goto(f, 6);
	}
	flow_match(add(s, 5), FIELD_ETH_TYPE, ETHERTYPE_V6);
	flow_match(add(s, 5), FIELD_ETH_TYPE, 0x88cc);
	f = add(s, 5);
	f->priority = 32768; /* not written */
	flow_match(f, FIELD_ARP_OP, 1);
	f = add(s, 6);
	f->priority = 32768;
}

static struct flows *all_flows(void)
{
	struct flows *s = xcalloc(1, sizeof(*s));

	for (enum field field = 0; field < FIELD_COUNT; field++) {
		add_matches(s, field);
		add_changes(s, field);
	}
	add_actions(s);
	add_matched_together(s);
	return s;
}

static void free_flows(struct flows **s)
{
	for (size_t i = 0; *s && i < (*s)->n; i++)
		flow_fini(&(*s)->f[i]);
	free(*s);
}

static int decode(struct flow *to, const struct flow *from, struct err *err)
{
	int r;

	flow_init(to, from->table, from->priority, from->cookie);
	r = flow_decode_match(to, from->match, from->match_len, err);
	return r < 0 ? r : flow_decode_instructions(to, from->instructions, from->instructions_len, err);
}

/* ---- without a switch ---- */

static void test_there_and_back(void **state)
{
	_cleanup_(free_flows) struct flows *s = all_flows();

	(void)state;
	for (size_t i = 0; i < s->n; i++) {
		struct flow f;
		struct err err = { 0 };

		if (decode(&f, &s->f[i], &err) < 0)
			fail_msg("flow %zu: %s", i, err.text);
		assert_true(flow_equal(&f, &s->f[i]));
		assert_int_equal(flow_hash(&f), flow_hash(&s->f[i]));
		flow_fini(&f);
	}
}

static void test_text(void **state)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct ip ip = ip_from_v4(0x0a000200);
	struct prefix prefix = { ip, IP_V4_BITS + 24 };
	struct flow f;

	(void)state;
	utstring_new(out);
	flow_init(&f, 20, 124, 0x6e74010200000001ull);
	flow_match(&f, FIELD_REG1, 3);
	flow_match_prefix(&f, FIELD_IPV4_DST, &prefix);
	flow_load(&f, FIELD_METADATA, 7);
	flow_load_bits(&f, FIELD_REG0, 2, 1, 1);
	flow_goto(&f, 21);
	flow_format(&f, out);
	assert_string_equal(utstring_body(out), "cookie=0x6e74010200000001, table=20, priority=124,ip,reg1=0x3,"
						"nw_dst=10.0.2.0/24 actions=set_field:0x7->metadata,"
						"load:0x1->NXM_NX_REG0[2],goto_table:21");
	flow_fini(&f);
}

static void test_order_does_not_matter(void **state)
{
	struct flow a, b;

	(void)state;
	flow_init(&a, 1, 1, 0);
	flow_init(&b, 1, 1, 0);
	flow_match(&a, FIELD_UDP_DST, 67);
	flow_match(&a, FIELD_XREG1, 0x100000002ull);
	flow_match(&b, FIELD_REG3, 2);
	flow_match(&b, FIELD_ETH_TYPE, ETHERTYPE_V4);
	flow_match(&b, FIELD_REG2, 1);
	flow_match(&b, FIELD_UDP_DST, 67);
	assert_true(flow_same(&a, &b));
	assert_true(flow_equal(&a, &b));
	flow_load(&b, FIELD_REG0, 1);
	assert_true(flow_same(&a, &b));
	assert_false(flow_equal(&a, &b));
	b.cookie = 1;
	assert_true(flow_same(&a, &b));
	b.priority = 2;
	assert_false(flow_same(&a, &b));
	flow_fini(&a);
	flow_fini(&b);
}

static void test_copy_and_move(void **state)
{
	_cleanup_(free_flows) struct flows *s = all_flows();

	(void)state;
	for (size_t i = 0; i < s->n; i++) {
		struct flow a, b;

		flow_copy(&a, &s->f[i]);
		assert_true(flow_equal(&a, &s->f[i]));
		flow_move(&b, &a);
		flow_fini(&a);
		assert_true(flow_equal(&b, &s->f[i]));
		if (!b.ended && flow_room(&b) >= FLOW_ACTION_MAX)
			flow_output(&b, 1); /* goes on where the first one stopped */
		flow_fini(&b);
	}
}

static void test_room(void **state)
{
	struct flow f;
	struct err err;

	(void)state;
	flow_init(&f, 1, 1, 0);
	while (flow_room(&f) >= FLOW_ACTION_MAX)
		flow_load_bits(&f, FIELD_REG0, 0, 1, 1);
	flow_goto(&f, 2);
	assert_true(f.instructions_len > FLOW_INSTRUCTIONS_MAX - 2 * FLOW_ACTION_MAX);
	assert_int_equal(flow_room(&f), 0);
	{
		struct flow g;

		assert_int_equal(decode(&g, &f, &err), 0);
		assert_true(flow_equal(&f, &g));
		flow_fini(&g);
	}
	flow_fini(&f);
}

static void test_oxm_find(void **state)
{
	/* in_port=3, an experimenter's field, tun_src=10.0.0.1, reg6=0xfa16, reg7=0x3e000001 */
	static const uint8_t oxm[] = { 0x80, 0, 0,    4,    0, 0, 0,    3, 0xff, 0xff, 0,    6, 0x4f, 0x4e,
				       0x46, 0, 0x12, 0x34, 0, 1, 0x3e, 4, 10,   0,    0,    1, 0,    1,
				       12,   4, 0,    0,    1, 2, 0,    1, 14,   4,    0x3e, 0, 0,    1 };
	uint64_t value = 99;

	(void)state;
	assert_true(flow_oxm_find(oxm, sizeof(oxm), FIELD_IN_PORT, &value));
	assert_int_equal(value, 3);
	assert_true(flow_oxm_find(oxm, sizeof(oxm), FIELD_TUN_SRC, &value));
	assert_int_equal(value, 0x0a000001);
	assert_true(flow_oxm_find(oxm, sizeof(oxm), FIELD_XREG3, &value));
	assert_int_equal(value, 0x000001023e000001ull);
	assert_false(flow_oxm_find(oxm, sizeof(oxm), FIELD_REG5, &value));
	assert_false(flow_oxm_find(oxm, sizeof(oxm), FIELD_XREG2, &value));
	for (size_t n = 0; n < sizeof(oxm); n++)
		flow_oxm_find(oxm, n, FIELD_XREG3, &value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_copy_and_move),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_oxm_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
