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
#define MUTATIONS 100000

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

	if (i->text == TEXT_FRAG) {
		value = 1;
		flow_match(add(s, 1), field, 3);
		flow_match_masked(add(s, 2), field, 2, 2);
	}
	if (i->text == TEXT_PORT)
		value = 0xfeff;
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

/* What is understood is the same when it is read again, and nothing of the instructions was passed over. */
static void check_understood(const struct flow *f, const uint8_t *instructions, size_t n, UT_string *out)
{
	struct flow again;
	struct err err;

	assert_int_equal(decode(&again, f, &err), 0);
	assert_true(flow_equal(&again, f));
	assert_int_equal(f->instructions_len, n);
	if (n > 0)
		assert_memory_equal(f->instructions, instructions, n);
	utstring_clear(out);
	flow_format(f, out);
	flow_fini(&again);
}

/* Returns a copy of its own size, so that reading behind its end is seen. */
static uint8_t *mutate(const uint8_t *bytes, size_t *n, unsigned *seed)
{
	static const uint8_t values[] = { 0, 1, 4, 8, 0x7f, 0x80, 0xff };
	size_t cut = rand_r(seed) % 4 ? *n : (size_t)rand_r(seed) % (*n + 1);
	uint8_t *copy = xmalloc(cut + 1);

	if (cut > 0)
		memcpy(copy, bytes, cut);
	for (int i = rand_r(seed) % 4; i > 0 && cut > 0; i--) {
		uint8_t *at = copy + (size_t)rand_r(seed) % cut;

		*at = rand_r(seed) % 2 ? values[(size_t)rand_r(seed) % N_ELEMENTS(values)]
				       : (uint8_t)(*at ^ 1 << rand_r(seed) % 8);
	}
	*n = cut;
	return xrealloc(copy, cut + !cut);
}

static void test_mutated(void **state)
{
	_cleanup_(free_flows) struct flows *s = all_flows();
	_cleanup_(utstring_freep) UT_string *out = NULL;
	unsigned seed = 20261, understood = 0, refused = 0;

	(void)state;
	utstring_new(out);
	for (unsigned round = 0; round < MUTATIONS; round++) {
		const struct flow *from = &s->f[(size_t)rand_r(&seed) % s->n];
		const struct flow *other = &s->f[(size_t)rand_r(&seed) % s->n];
		size_t n_match = from->match_len, n = other->instructions_len;
		_cleanup_(freep) uint8_t *match = mutate(from->match, &n_match, &seed);
		_cleanup_(freep) uint8_t *instructions = mutate(other->instructions, &n, &seed);
		struct err err = { 0 };
		struct flow f;

		flow_init(&f, 1, 1, 0);
		if (flow_decode_match(&f, match, n_match, &err) == 0 &&
		    flow_decode_instructions(&f, instructions, n, &err) == 0) {
			check_understood(&f, instructions, n, out);
			understood++;
		} else {
			assert_string_not_equal(err.text, "");
			refused++;
		}
		flow_fini(&f);
	}
	assert_true(understood > MUTATIONS / 10 && refused > MUTATIONS / 10);
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

/* ---- a switch: what it gives back is what it was sent ---- */

#define OFP_VERSION 5 /* 1.4 */
#define OFPT_HELLO 0
#define OFPT_ERROR 1
#define OFPT_FLOW_MOD 14
#define OFPT_MULTIPART_REQUEST 18
#define OFPT_MULTIPART_REPLY 19
#define OFPT_BARRIER_REQUEST 20
#define OFPT_BARRIER_REPLY 21
#define OFPMP_FLOW 1
#define OFPMPF_MORE 1

#define MESSAGE_MAX 65536

struct client {
	int fd;
	uint8_t in[MESSAGE_MAX];
	size_t len; /* of the message in `in` */
};

static void say(struct client *c, uint8_t type, uint32_t xid, const uint8_t *body, size_t n)
{
	uint8_t header[8] = { OFP_VERSION, type };

	assert_true(sizeof(header) + n <= UINT16_MAX);
	put_u16(header + 2, (uint16_t)(sizeof(header) + n));
	put_u32(header + 4, xid);
	assert_int_equal(write(c->fd, header, sizeof(header)), sizeof(header));
	if (n > 0)
		assert_int_equal(write(c->fd, body, n), n);
}

static uint8_t hear(struct client *c)
{
	assert_int_equal(recv(c->fd, c->in, 8, MSG_WAITALL), 8);
	c->len = get_u16(c->in + 2);
	if (c->len > 8)
		assert_int_equal(recv(c->fd, c->in + 8, c->len - 8, MSG_WAITALL), c->len - 8);
	return c->in[1];
}

static void dial(struct client *c, const char *path)
{
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0 && strlen(path) < sizeof(at.sun_path));
	strcpy(at.sun_path, path);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(c->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	say(c, OFPT_HELLO, 0, NULL, 0);
	assert_int_equal(hear(c), OFPT_HELLO);
}

static size_t padded(size_t n)
{
	return (n + 7) / 8 * 8;
}

static void send_flow(struct client *c, const struct flow *f, uint32_t xid)
{
	static uint8_t body[MESSAGE_MAX];
	size_t n = 40 + padded(4u + f->match_len);

	memset(body, 0, n);
	field_put(body, 8, f->cookie);
	body[16] = f->table;
	put_u16(body + 22, f->priority);
	put_u32(body + 24, UINT32_MAX); /* no buffer */
	put_u16(body + 40, 1); /* OXM */
	put_u16(body + 42, (uint16_t)(4 + f->match_len));
	memcpy(body + 44, f->match, f->match_len);
	if (f->instructions_len)
		memcpy(body + n, f->instructions, f->instructions_len);
	say(c, OFPT_FLOW_MOD, xid, body, n + f->instructions_len);
}

/* Sends all; a refusal is a failure that names the flow. */
static void send_flows(struct client *c, const struct flows *s)
{
	uint8_t type;

	for (uint32_t i = 0; i < s->n; i++)
		send_flow(c, &s->f[i], i);
	say(c, OFPT_BARRIER_REQUEST, UINT32_MAX, NULL, 0);
	while ((type = hear(c)) != OFPT_BARRIER_REPLY) {
		_cleanup_(utstring_freep) UT_string *out = NULL;

		if (type != OFPT_ERROR)
			continue;
		utstring_new(out);
		flow_format(&s->f[get_u32(c->in + 4)], out);
		fail_msg("refused (%d/%d): %s", get_u16(c->in + 8), get_u16(c->in + 10), utstring_body(out));
	}
}

struct wire_flow { /* an entry of a dump */
	struct flow f;
	const uint8_t *match, *instructions;
	size_t match_len, instructions_len;
};

static size_t read_entry(const uint8_t *at, struct wire_flow *ret)
{
	size_t n = get_u16(at), match = 48 + padded(get_u16(at + 50));

	flow_init(&ret->f, at[2], get_u16(at + 12), field_get(at + 24, 8));
	ret->match = at + 52;
	ret->match_len = get_u16(at + 50) - 4u;
	ret->instructions = at + match;
	ret->instructions_len = n - match;
	return n;
}

/* Calls fn for each flow of the switch. */
static void dump(struct client *c, void (*fn)(struct wire_flow *w, void *arg), void *arg)
{
	uint8_t body[48] = { 0, OFPMP_FLOW };

	body[8] = 0xff; /* all tables */
	put_u32(body + 12, UINT32_MAX); /* any port */
	put_u32(body + 16, UINT32_MAX); /* any group */
	body[41] = 1; /* OXM, nothing */
	body[43] = 4;
	say(c, OFPT_MULTIPART_REQUEST, 1, body, sizeof(body));
	do {
		assert_int_equal(hear(c), OFPT_MULTIPART_REPLY);
		for (size_t at = 16; at < c->len;) {
			struct wire_flow w;

			at += read_entry(c->in + at, &w);
			fn(&w, arg);
		}
	} while (get_u16(c->in + 10) & OFPMPF_MORE);
}

static void check_sent(struct wire_flow *w, void *arg)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct flows *sent = arg;
	struct err err = { 0 };
	int r = flow_decode_match(&w->f, w->match, w->match_len, &err);
	size_t i;

	utstring_new(out);
	if (r == 0)
		r = flow_decode_instructions(&w->f, w->instructions, w->instructions_len, &err);
	if (r < 0)
		fail_msg("cookie %#llx: %s", (unsigned long long)w->f.cookie, err.text);
	for (i = 0; i < sent->n && !flow_equal(&sent->f[i], &w->f); i++)
		;
	flow_format(&w->f, out);
	if (i == sent->n)
		fail_msg("nobody sent: %s", utstring_body(out));
	flow_fini(&w->f);
	flow_fini(&sent->f[i]);
	flow_move(&sent->f[i], &sent->f[--sent->n]);
}

static void start_or_skip(struct sandbox *s)
{
	struct err err;
	int r = sandbox_start(s, &err);

	if (r == -ENOENT) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(sandbox_run(s, NULL,
				     "ovs-ofctl -O OpenFlow14 add-meter " SANDBOX_BRIDGE
				     " meter=%d,pktps,band=type=drop,rate=100",
				     METER),
			 0);
}

static void test_switch_gives_back(void **state)
{
	_cleanup_(free_flows) struct flows *s = all_flows();
	struct sandbox sandbox;
	struct client *c;

	(void)state;
	start_or_skip(&sandbox);
	c = xcalloc(1, sizeof(*c));
	dial(c, sandbox.mgmt);
	send_flows(c, s);
	dump(c, check_sent, s);
	assert_int_equal(s->n, 0);
	close(c->fd);
	free(c);
	sandbox_stop(&sandbox);
}

/* Flows of one table and priority have no order in a dump: lines are compared as a set. */
static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t split(char *text, char **ret, size_t max)
{
	size_t n = 0;

	for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(n < max);
		ret[n++] = line + (*line == ' ');
	}
	qsort(ret, n, sizeof(*ret), compare_lines);
	return n;
}

static void test_switch_writes(void **state)
{
	_cleanup_(free_flows) struct flows *s = all_flows();
	_cleanup_(utstring_freep) UT_string *ours = NULL, *theirs = NULL;
	static char *our_lines[MAX_FLOWS], *their_lines[MAX_FLOWS];
	struct sandbox sandbox;
	struct client *c;

	(void)state;
	start_or_skip(&sandbox);
	utstring_new(ours);
	utstring_new(theirs);
	c = xcalloc(1, sizeof(*c));
	dial(c, sandbox.mgmt);
	send_flows(c, s);
	for (size_t i = 0; i < s->n; i++) {
		flow_format(&s->f[i], ours);
		utstring_printf(ours, "\n");
	}
	assert_int_equal(sandbox_run(&sandbox, theirs, "ovs-ofctl -O OpenFlow14 --no-stats --no-names dump-flows %s",
				     SANDBOX_BRIDGE),
			 0);
	assert_int_equal(split(utstring_body(ours), our_lines, MAX_FLOWS), s->n);
	assert_int_equal(split(utstring_body(theirs), their_lines, MAX_FLOWS), s->n);
	for (size_t i = 0; i < s->n; i++)
		assert_string_equal(our_lines[i], their_lines[i]);
	close(c->fd);
	free(c);
	sandbox_stop(&sandbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_text),           cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_copy_and_move),  cmocka_unit_test(test_room),
		cmocka_unit_test(test_oxm_find),       cmocka_unit_test(test_switch_gives_back),
		cmocka_unit_test(test_switch_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
