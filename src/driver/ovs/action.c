/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/action.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "driver/ovs/field.h"
#include "net/packet.h"

#define OFPAT_OUTPUT 0
#define OFPAT_DEC_NW_TTL 24
#define OFPAT_SET_FIELD 25
#define OFPAT_EXPERIMENTER 0xffff
#define NX_VENDOR 0x2320u
#define NXAST_REG_MOVE 6
#define NXAST_REG_LOAD 7
#define NXAST_RESUBMIT_TABLE 14
#define NXAST_CONJUNCTION 34
#define NXAST_CHECK_PKT_LARGER 49

#define NX_IN_PORT 0xfff8 /* of resubmit: the port as it is */
#define OFPCML_NO_BUFFER 0xffff /* the whole packet */
#define OFPP_MAX 0xff00 /* what Open vSwitch numbers its ports below */

/* Of each kind: `encode` fills in what stands behind the header; `decode` is true when the fields make sense. */
struct kind {
	uint16_t type, subtype; /* subtype: of an experimenter's */
	uint16_t size;
	void (*encode)(const struct action *a, uint8_t *at);
	bool (*decode)(const uint8_t *at, struct action *ret);
	void (*format)(const struct action *a, UT_string *out);
};

/* ---- output: port, max_len, pad ---- */

static void encode_output(const struct action *a, uint8_t *at)
{
	put_u32(at + 4, (uint32_t)a->value);
	put_u16(at + 8, a->value == OFPP_CONTROLLER ? OFPCML_NO_BUFFER : 0);
}

static bool decode_output(const uint8_t *at, struct action *ret)
{
	uint32_t port = get_u32(at + 4);

	ret->value = port;
	return port < OFPP_MAX || port == OFPP_IN_PORT || port == OFPP_CONTROLLER || port == OFPP_LOCAL;
}

static void format_output(const struct action *a, UT_string *out)
{
	if (a->value < OFPP_MAX)
		utstring_printf(out, "output:");
	field_format_port((uint32_t)a->value, out);
	if (a->value == OFPP_CONTROLLER)
		utstring_printf(out, ":%d", OFPCML_NO_BUFFER);
}

/* ---- dec_ttl: pad ---- */

static void encode_nothing(const struct action *a, uint8_t *at)
{
	(void)a;
	(void)at;
}

static bool decode_nothing(const uint8_t *at, struct action *ret)
{
	(void)at;
	(void)ret;
	return true;
}

static void format_dec_ttl(const struct action *a, UT_string *out)
{
	(void)a;
	utstring_printf(out, "dec_ttl");
}

/* ---- set_field: an OXM entry, pad ---- */

static void encode_set_field(const struct action *a, uint8_t *at)
{
	const struct field_info *i = field_info(a->field);

	put_u32(at + 4, i->header);
	field_put(at + 8, field_bytes(i), a->value);
}

static bool decode_set_field(const uint8_t *at, struct action *ret)
{
	uint32_t header = get_u32(at + 4);
	const struct field_info *i;

	ret->field = field_by_header(header);
	if (ret->field == FIELD_COUNT)
		return false;
	i = field_info(ret->field);
	ret->value = field_get(at + 8, field_bytes(i));
	return header == i->header && i->may & MAY_SET;
}

static void format_set_field(const struct action *a, UT_string *out)
{
	utstring_printf(out, "set_field:");
	field_format_value(a->field, a->value, out);
	utstring_printf(out, "->%s", field_info(a->field)->name);
}

/* ---- Nicira's ---- */

/* The part of a field that an NXM header, a first bit and a number of bits mean. */
static bool decode_part(uint32_t header, unsigned first, unsigned n, enum field_may may, enum field *ret)
{
	const struct field_info *i;

	*ret = field_by_nxm_header(header);
	if (*ret == FIELD_COUNT)
		return false;
	i = field_info(*ret);
	return i->may & may && n > 0 && first + n <= i->nxm_bits;
}

/* reg_load: first << 6 | n - 1, field, value */
static void encode_load(const struct action *a, uint8_t *at)
{
	put_u16(at + 10, (uint16_t)(a->first << 6 | (a->n - 1)));
	put_u32(at + 12, field_info(a->field)->nxm_header);
	field_put(at + 16, 8, a->value);
}

static bool decode_load(const uint8_t *at, struct action *ret)
{
	uint16_t part = get_u16(at + 10);

	ret->first = part >> 6;
	ret->n = (part & 0x3fu) + 1;
	ret->value = field_get(at + 16, 8);
	return decode_part(get_u32(at + 12), ret->first, ret->n, MAY_LOAD, &ret->field) &&
	       !(ret->value & ~bits_mask(ret->n));
}

static void format_load(const struct action *a, UT_string *out)
{
	utstring_printf(out, "load:%#" PRIx64 "->", a->value);
	field_format_part(a->field, a->first, a->n, out);
}

/* reg_move: n, first of the source, first of the destination, source, destination */
static void encode_move(const struct action *a, uint8_t *at)
{
	put_u16(at + 10, (uint16_t)a->n);
	put_u16(at + 12, (uint16_t)a->from_first);
	put_u16(at + 14, (uint16_t)a->first);
	put_u32(at + 16, field_info(a->from)->nxm_header);
	put_u32(at + 20, field_info(a->field)->nxm_header);
}

static bool decode_move(const uint8_t *at, struct action *ret)
{
	ret->n = get_u16(at + 10);
	ret->from_first = get_u16(at + 12);
	ret->first = get_u16(at + 14);
	return decode_part(get_u32(at + 16), ret->from_first, ret->n, MAY_READ, &ret->from) &&
	       decode_part(get_u32(at + 20), ret->first, ret->n, MAY_LOAD, &ret->field);
}

static void format_move(const struct action *a, UT_string *out)
{
	utstring_printf(out, "move:");
	field_format_part(a->from, a->from_first, a->n, out);
	utstring_printf(out, "->");
	field_format_part(a->field, a->first, a->n, out);
}

/* resubmit: in_port, table, pad */
static void encode_resubmit(const struct action *a, uint8_t *at)
{
	put_u16(at + 10, NX_IN_PORT);
	at[12] = (uint8_t)a->value;
}

static bool decode_resubmit(const uint8_t *at, struct action *ret)
{
	ret->value = at[12];
	return true;
}

static void format_resubmit(const struct action *a, UT_string *out)
{
	utstring_printf(out, "resubmit(,%d)", (int)a->value);
}

/* conjunction: clause, n_clauses, id */
static void encode_conjunction(const struct action *a, uint8_t *at)
{
	at[10] = (uint8_t)a->first;
	at[11] = (uint8_t)a->n;
	put_u32(at + 12, (uint32_t)a->value);
}

static bool decode_conjunction(const uint8_t *at, struct action *ret)
{
	ret->first = at[10];
	ret->n = at[11];
	ret->value = get_u32(at + 12);
	return ret->n >= 2 && ret->n <= 64 && ret->first < ret->n;
}

static void format_conjunction(const struct action *a, UT_string *out)
{
	utstring_printf(out, "conjunction(%" PRIu64 ",%u/%u)", a->value, a->first + 1, a->n);
}

/* check_pkt_larger: length, bit, field, pad */
static void encode_check_pkt_larger(const struct action *a, uint8_t *at)
{
	put_u16(at + 10, (uint16_t)a->value);
	put_u16(at + 12, (uint16_t)a->first);
	put_u32(at + 14, field_info(a->field)->nxm_header);
}

static bool decode_check_pkt_larger(const uint8_t *at, struct action *ret)
{
	ret->value = get_u16(at + 10);
	ret->first = get_u16(at + 12);
	ret->n = 1;
	return decode_part(get_u32(at + 14), ret->first, 1, MAY_LOAD, &ret->field);
}

static void format_check_pkt_larger(const struct action *a, UT_string *out)
{
	utstring_printf(out, "check_pkt_larger(%" PRIu64 ")->", a->value);
	field_format_part(a->field, a->first, 1, out);
}

#define NX OFPAT_EXPERIMENTER
static const struct kind kinds[N_ACTIONS] = {
	[ACTION_OUTPUT] = { OFPAT_OUTPUT, 0, 16, encode_output, decode_output, format_output },
	[ACTION_DEC_TTL] = { OFPAT_DEC_NW_TTL, 0, 8, encode_nothing, decode_nothing, format_dec_ttl },
	[ACTION_SET_FIELD] = { OFPAT_SET_FIELD, 0, 16, encode_set_field, decode_set_field, format_set_field },
	[ACTION_LOAD] = { NX, NXAST_REG_LOAD, 24, encode_load, decode_load, format_load },
	[ACTION_MOVE] = { NX, NXAST_REG_MOVE, 24, encode_move, decode_move, format_move },
	[ACTION_RESUBMIT] = { NX, NXAST_RESUBMIT_TABLE, 16, encode_resubmit, decode_resubmit, format_resubmit },
	[ACTION_CONJUNCTION] = { NX, NXAST_CONJUNCTION, 16, encode_conjunction, decode_conjunction,
				 format_conjunction },
	[ACTION_CHECK_PKT_LARGER] = { NX, NXAST_CHECK_PKT_LARGER, 24, encode_check_pkt_larger, decode_check_pkt_larger,
				      format_check_pkt_larger },
};

size_t action_encode(const struct action *a, uint8_t ret[FLOW_ACTION_MAX])
{
	const struct kind *k = &kinds[a->kind];

	memset(ret, 0, FLOW_ACTION_MAX);
	put_u16(ret, k->type);
	put_u16(ret + 2, k->size);
	if (k->type == OFPAT_EXPERIMENTER) {
		put_u32(ret + 4, NX_VENDOR);
		put_u16(ret + 8, k->subtype);
	}
	k->encode(a, ret);
	return k->size;
}

static bool is_kind(const uint8_t *at, size_t n, const struct kind *k)
{
	if (get_u16(at) != k->type || get_u16(at + 2) != k->size || n < k->size)
		return false;
	return k->type != OFPAT_EXPERIMENTER || (get_u32(at + 4) == NX_VENDOR && get_u16(at + 8) == k->subtype);
}

int action_decode(const uint8_t *at, size_t n, struct action *ret)
{
	for (enum action_kind kind = 0; kind < N_ACTIONS; kind++) {
		const struct kind *k = &kinds[kind];
		uint8_t again[FLOW_ACTION_MAX];

		if (!is_kind(at, n, k))
			continue;
		*ret = (struct action) { .kind = kind };
		if (!k->decode(at, ret))
			return -EINVAL;
		/* Nothing is in it that we do not see: padding, lengths, flags. */
		action_encode(ret, again);
		return memcmp(at, again, k->size) ? -EINVAL : k->size;
	}
	return -EINVAL;
}

void action_format(const struct action *a, UT_string *out)
{
	kinds[a->kind].format(a, out);
}
