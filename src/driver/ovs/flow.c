/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/flow.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/action.h"
#include "driver/ovs/field.h"
#include "driver/ovs/match.h"
#include "net/packet.h"

#define OFPIT_GOTO_TABLE 1
#define OFPIT_APPLY_ACTIONS 4
#define OFPIT_METER 6
#define INSTRUCTION_SIZE 8 /* of each; actions stand behind */

void flow_init(struct flow *f, uint8_t table, uint16_t priority, uint64_t cookie)
{
	memset(f, 0, sizeof(*f));
	f->table = table;
	f->priority = priority;
	f->cookie = cookie;
}

void flow_fini(struct flow *f)
{
	free(f->instructions);
	memset(f, 0, sizeof(*f));
}

void flow_move(struct flow *to, struct flow *from)
{
	*to = *from;
	memset(from, 0, sizeof(*from));
}

void flow_copy(struct flow *to, const struct flow *from)
{
	*to = *from;
	to->allocated = from->instructions_len;
	to->instructions = from->instructions_len ? xmemdup(from->instructions, from->instructions_len) : NULL;
}

/* ---- match ---- */

static uint64_t ip_value(const struct ip *ip)
{
	assert(ip_is_v4(ip));
	return ip_to_v4(ip);
}

static uint64_t mac_value(const struct mac *mac)
{
	return field_get(mac->b, sizeof(mac->b));
}

static void need(struct flow *f, enum field field)
{
	const struct field_info *i = field_info(field);
	struct match_entry there;

	if (i->needs == FIELD_COUNT)
		return;
	need(f, i->needs);
	if (match_find(f, i->needs, &there))
		assert(there.value == i->needs_value);
	else
		flow_match(f, i->needs, i->needs_value);
}

void flow_match_masked(struct flow *f, enum field field, uint64_t value, uint64_t mask)
{
	const struct field_info *i = field_info(field);
	uint64_t all = bits_mask(i->bits);
	bool fits;

	assert(!(mask & ~all) && !(value & ~mask) && (mask == all || i->may & MAY_MASK));
	if (mask == 0)
		return;
	if (field >= FIELD_XREG0 && field <= FIELD_XREG7) { /* the switch tells registers by their halves */
		enum field high = FIELD_REG0 + 2 * (field - FIELD_XREG0);

		flow_match_masked(f, high, value >> 32, mask >> 32);
		flow_match_masked(f, high + 1, value & UINT32_MAX, mask & UINT32_MAX);
		return;
	}
	need(f, field);
	fits = match_insert(f, &(struct match_entry) { field, value, mask });
	assert(fits);
}

void flow_match(struct flow *f, enum field field, uint64_t value)
{
	flow_match_masked(f, field, value, bits_mask(field_info(field)->bits));
}

void flow_match_mac(struct flow *f, enum field field, const struct mac *mac)
{
	flow_match(f, field, mac_value(mac));
}

void flow_match_ip(struct flow *f, enum field field, const struct ip *ip)
{
	flow_match(f, field, ip_value(ip));
}

void flow_match_prefix(struct flow *f, enum field field, const struct prefix *prefix)
{
	uint64_t mask;

	assert(prefix->len >= IP_V4_BITS);
	mask = bits_mask(32) & ~bits_mask(128u - prefix->len);
	need(f, field);
	flow_match_masked(f, field, ip_value(&prefix->addr) & mask, mask);
}

/* ---- instructions ---- */

static uint8_t *append(struct flow *f, const uint8_t *bytes, size_t n)
{
	uint8_t *at;

	assert(f->instructions_len + n <= FLOW_INSTRUCTIONS_MAX);
	if (f->instructions_len + n > f->allocated) {
		f->allocated = f->instructions_len + n < 128 ? 128 : (f->instructions_len + n) * 2;
		f->instructions = xrealloc(f->instructions, f->allocated);
	}
	at = f->instructions + f->instructions_len;
	memcpy(at, bytes, n);
	f->instructions_len = (uint16_t)(f->instructions_len + n);
	return at;
}

static void append_instruction(struct flow *f, uint16_t type, uint32_t argument)
{
	uint8_t bytes[INSTRUCTION_SIZE];

	put_u16(bytes, type);
	put_u16(bytes + 2, INSTRUCTION_SIZE);
	put_u32(bytes + 4, argument);
	append(f, bytes, sizeof(bytes));
}

static void append_action(struct flow *f, const struct action *a)
{
	uint8_t bytes[FLOW_ACTION_MAX];
	size_t n = action_encode(a, bytes);
	uint8_t *length;

	assert(!f->ended);
	if (f->actions_at == 0) {
		append_instruction(f, OFPIT_APPLY_ACTIONS, 0);
		f->actions_at = f->instructions_len;
	}
	append(f, bytes, n);
	length = f->instructions + f->actions_at - INSTRUCTION_SIZE + 2;
	put_u16(length, (uint16_t)(get_u16(length) + n));
}

static void check_part(const struct flow *f, enum field field, enum field_may may, unsigned first, unsigned n)
{
	const struct field_info *i = field_info(field);

	assert(i->may & may && n > 0 && first + n <= i->nxm_bits && match_allows(f, field));
}

void flow_meter(struct flow *f, uint32_t meter)
{
	assert(f->instructions_len == 0 && meter != 0);
	append_instruction(f, OFPIT_METER, meter);
}

void flow_load(struct flow *f, enum field field, uint64_t value)
{
	const struct field_info *i = field_info(field);

	if (!(i->may & MAY_SET)) { /* in_port: OpenFlow forbids it, Nicira's does not */
		check_part(f, field, MAY_LOAD, 0, i->nxm_bits);
		assert(!(value & ~bits_mask(i->nxm_bits)));
		append_action(f, &(struct action) { ACTION_LOAD, .field = field, .n = i->nxm_bits, .value = value });
		return;
	}
	assert(!(value & ~bits_mask(i->bits)) && match_allows(f, field));
	append_action(f, &(struct action) { ACTION_SET_FIELD, .field = field, .value = value });
}

void flow_load_bits(struct flow *f, enum field field, unsigned first, unsigned n, uint64_t value)
{
	check_part(f, field, MAY_LOAD, first, n);
	assert(!(value & ~bits_mask(n)));
	if (n == field_info(field)->nxm_bits)
		flow_load(f, field, value);
	else
		append_action(f,
			      &(struct action) { ACTION_LOAD, .field = field, .first = first, .n = n, .value = value });
}

void flow_load_mac(struct flow *f, enum field field, const struct mac *mac)
{
	flow_load(f, field, mac_value(mac));
}

void flow_load_ip(struct flow *f, enum field field, const struct ip *ip)
{
	flow_load(f, field, ip_value(ip));
}

void flow_move_bits(struct flow *f, enum field from, unsigned from_first, enum field to, unsigned to_first, unsigned n)
{
	check_part(f, from, MAY_READ, from_first, n);
	check_part(f, to, MAY_LOAD, to_first, n);
	append_action(f, &(struct action) { ACTION_MOVE, .from = from, .from_first = from_first, .field = to,
					    .first = to_first, .n = n });
}

void flow_output(struct flow *f, uint32_t ofport)
{
	append_action(f, &(struct action) { ACTION_OUTPUT, .value = ofport });
}

void flow_output_in_port(struct flow *f)
{
	flow_output(f, OFPP_IN_PORT);
}

void flow_controller(struct flow *f)
{
	flow_output(f, OFPP_CONTROLLER);
}

void flow_resubmit(struct flow *f, uint8_t table)
{
	append_action(f, &(struct action) { ACTION_RESUBMIT, .value = table });
}

void flow_dec_ttl(struct flow *f)
{
	assert(match_allows(f, FIELD_IP_TTL));
	append_action(f, &(struct action) { ACTION_DEC_TTL });
}

void flow_check_pkt_larger(struct flow *f, uint16_t bytes, enum field field, unsigned bit)
{
	check_part(f, field, MAY_LOAD, bit, 1);
	append_action(
		f, &(struct action) { ACTION_CHECK_PKT_LARGER, .field = field, .first = bit, .n = 1, .value = bytes });
}

void flow_conjunction(struct flow *f, uint32_t id, unsigned clause, unsigned n_clauses)
{
	assert(n_clauses >= 2 && n_clauses <= 64 && clause >= 1 && clause <= n_clauses);
	append_action(f, &(struct action) { ACTION_CONJUNCTION, .value = id, .first = clause - 1, .n = n_clauses });
}

void flow_goto(struct flow *f, uint8_t table)
{
	assert(!f->ended && table > f->table);
	append_instruction(f, OFPIT_GOTO_TABLE, (uint32_t)table << 24);
	f->ended = true;
}

size_t flow_room(const struct flow *f)
{
	size_t used = f->instructions_len + (f->actions_at ? INSTRUCTION_SIZE : 2 * INSTRUCTION_SIZE);

	return f->ended || used > FLOW_INSTRUCTIONS_MAX ? 0 : FLOW_INSTRUCTIONS_MAX - used;
}

/* ---- comparison ---- */

bool flow_same(const struct flow *a, const struct flow *b)
{
	return a->table == b->table && a->priority == b->priority && a->match_len == b->match_len &&
	       memcmp(a->match, b->match, a->match_len) == 0;
}

bool flow_equal(const struct flow *a, const struct flow *b)
{
	return flow_same(a, b) && a->cookie == b->cookie && a->instructions_len == b->instructions_len &&
	       (a->instructions_len == 0 || memcmp(a->instructions, b->instructions, a->instructions_len) == 0);
}

uint32_t flow_hash(const struct flow *f)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	hash = (hash ^ f->table) * 16777619u;
	hash = (hash ^ f->priority) * 16777619u;
	for (size_t i = 0; i < f->match_len; i++)
		hash = (hash ^ f->match[i]) * 16777619u;
	return hash;
}

/* ---- the wire ---- */

static int decode_actions(struct flow *f, const uint8_t *at, size_t n, struct err *err)
{
	if (n == 0)
		return err_set(err, ERR_BAD_REQUEST, "", "a list of no actions is not understood");
	while (n > 0) {
		struct action a = { 0 };
		int r = n < INSTRUCTION_SIZE ? -EINVAL : action_decode(at, n, &a);

		if (r < 0)
			return err_set(err, ERR_BAD_REQUEST, "", "an action (type %d) is not understood",
				       n < 2 ? 0 : get_u16(at));
		append_action(f, &a);
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

/* One instruction, in the order that we know: meter, actions, goto. */
static int decode_instruction(struct flow *f, const uint8_t *at, size_t size, struct err *err)
{
	uint16_t type = get_u16(at);
	uint32_t argument = get_u32(at + 4);

	if (type == OFPIT_METER && size == INSTRUCTION_SIZE && f->instructions_len == 0 && argument != 0) {
		flow_meter(f, argument);
		return 0;
	}
	if (type == OFPIT_APPLY_ACTIONS && f->actions_at == 0 && !f->ended && argument == 0)
		return decode_actions(f, at + INSTRUCTION_SIZE, size - INSTRUCTION_SIZE, err);
	if (type == OFPIT_GOTO_TABLE && size == INSTRUCTION_SIZE && !f->ended && !(argument & 0xffffff) &&
	    at[4] > f->table) {
		flow_goto(f, at[4]);
		return 0;
	}
	return err_set(err, ERR_BAD_REQUEST, "", "an instruction (type %d) is not understood", type);
}

int flow_decode_instructions(struct flow *f, const uint8_t *bytes, size_t n, struct err *err)
{
	if (n > FLOW_INSTRUCTIONS_MAX)
		return err_set(err, ERR_BAD_REQUEST, "", "%zu bytes of instructions are too many", n);
	for (size_t at = 0; at < n;) {
		size_t left = n - at, size = left < INSTRUCTION_SIZE ? 0 : get_u16(bytes + at + 2);
		int r;

		if (size < INSTRUCTION_SIZE || size > left)
			return err_set(err, ERR_BAD_REQUEST, "", "an instruction is cut short");
		r = decode_instruction(f, bytes + at, size, err);
		if (r < 0)
			return r;
		at += size;
	}
	return 0;
}

static bool match_understood(const struct flow *f)
{
	struct flow again;

	flow_init(&again, f->table, f->priority, f->cookie);
	return flow_decode_match(&again, f->match, f->match_len, NULL) == 0;
}

static bool instructions_understood(const struct flow *f)
{
	struct flow again;
	bool understood;

	flow_init(&again, f->table, f->priority, f->cookie);
	understood = flow_decode_instructions(&again, f->instructions, f->instructions_len, NULL) == 0;
	flow_fini(&again);
	return understood;
}

bool flow_decode(struct flow *f, const uint8_t *oxm, size_t n_oxm, const uint8_t *instructions, size_t n_instructions)
{
	if (n_oxm > FLOW_MATCH_MAX || n_instructions > FLOW_INSTRUCTIONS_MAX)
		return false;
	if (flow_decode_match(f, oxm, n_oxm, NULL) < 0) {
		memcpy(f->match, oxm, n_oxm);
		f->match_len = (uint16_t)n_oxm;
	}
	if (flow_decode_instructions(f, instructions, n_instructions, NULL) < 0) {
		f->instructions_len = 0;
		append(f, instructions, n_instructions);
	}
	return true;
}

/* ---- text ---- */

static void format_bytes(const char *what, const uint8_t *at, size_t n, UT_string *out)
{
	utstring_printf(out, "%s:", what);
	for (size_t i = 0; i < n; i++)
		utstring_printf(out, "%02x", at[i]);
}

static void format_actions(const uint8_t *at, size_t n, UT_string *out)
{
	for (const char *comma = ""; n > 0; comma = ",") {
		struct action a;
		int r = action_decode(at, n, &a);

		assert(r > 0);
		utstring_printf(out, "%s", comma);
		action_format(&a, out);
		at += r;
		n -= (size_t)r;
	}
}

static void format_instruction(const uint8_t *at, size_t size, UT_string *out)
{
	switch (get_u16(at)) {
	case OFPIT_METER:
		utstring_printf(out, "meter:%" PRIu32, get_u32(at + 4));
		break;
	case OFPIT_APPLY_ACTIONS:
		format_actions(at + INSTRUCTION_SIZE, size - INSTRUCTION_SIZE, out);
		break;
	default:
		utstring_printf(out, "goto_table:%d", at[4]);
	}
}

static void format_instructions(const struct flow *f, UT_string *out)
{
	for (size_t at = 0; at < f->instructions_len;) {
		size_t size = get_u16(f->instructions + at + 2);

		utstring_printf(out, "%s", at ? "," : "");
		format_instruction(f->instructions + at, size, out);
		at += size;
	}
}

void flow_format(const struct flow *f, UT_string *out)
{
	size_t before;

	if (f->cookie)
		utstring_printf(out, "cookie=0x%" PRIx64 ", ", f->cookie);
	if (f->table)
		utstring_printf(out, "table=%d, ", f->table);
	before = utstring_len(out);
	if (match_understood(f)) {
		match_format(f, out);
	} else {
		utstring_printf(out, "priority=%d,", f->priority);
		format_bytes("match", f->match, f->match_len, out);
	}
	utstring_printf(out, "%sactions=", utstring_len(out) > before ? " " : "");
	if (f->instructions_len == 0)
		utstring_printf(out, "drop");
	else if (instructions_understood(f))
		format_instructions(f, out);
	else
		format_bytes("instructions", f->instructions, f->instructions_len, out);
}
