/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/match.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/field.h"
#include "net/packet.h"

#define PRIORITY_DEFAULT 32768 /* which ovs-ofctl does not write */

/* The entry at `at`, of which n bytes are there; returns its bytes, or -EINVAL: cut short, or nothing that we know. */
static int match_read(const uint8_t *at, size_t n, struct match_entry *ret)
{
	const struct field_info *i;
	uint32_t header;
	enum field field;
	size_t bytes, size;
	uint64_t all;

	if (n < OXM_HEADER_SIZE)
		return -EINVAL;
	header = get_u32(at);
	field = field_by_header(header);
	if (field == FIELD_COUNT)
		return -EINVAL;
	i = field_info(field);
	bytes = field_bytes(i);
	all = bits_mask(i->bits);
	size = header & OXM_HAS_MASK ? bytes * 2 : bytes;
	if ((header & 0xff) != size || n < OXM_HEADER_SIZE + size || (header & OXM_HAS_MASK && !(i->may & MAY_MASK)))
		return -EINVAL;
	*ret = (struct match_entry) { field, field_get(at + OXM_HEADER_SIZE, bytes), all };
	if (header & OXM_HAS_MASK)
		ret->mask = field_get(at + OXM_HEADER_SIZE + bytes, bytes);
	if (ret->value & ~all || ret->mask & ~all)
		return -EINVAL;
	ret->value &= ret->mask;
	return (int)(OXM_HEADER_SIZE + size);
}

static size_t entry_write(const struct match_entry *e, uint8_t ret[OXM_HEADER_SIZE + 16])
{
	const struct field_info *i = field_info(e->field);
	size_t bytes = field_bytes(i);

	field_put(ret + OXM_HEADER_SIZE, bytes, e->value);
	if (e->mask == bits_mask(i->bits)) {
		put_u32(ret, i->header);
		return OXM_HEADER_SIZE + bytes;
	}
	put_u32(ret, i->header + bytes + OXM_HAS_MASK);
	field_put(ret + OXM_HEADER_SIZE + bytes, bytes, e->mask);
	return OXM_HEADER_SIZE + bytes * 2;
}

/* The offset of the first entry that is not before the field; *found: it is the field's own. */
static size_t seek(const struct flow *f, enum field field, struct match_entry *ret, bool *found)
{
	size_t at = 0;

	*found = false;
	while (at < f->match_len) {
		struct match_entry e;
		int r = match_read(f->match + at, f->match_len - at, &e);

		if (e.field >= field) {
			*found = e.field == field;
			*ret = e;
			break;
		}
		at += (size_t)r;
	}
	return at;
}

bool match_find(const struct flow *f, enum field field, struct match_entry *ret)
{
	bool found;

	seek(f, field, ret, &found);
	return found;
}

bool match_insert(struct flow *f, const struct match_entry *e)
{
	uint8_t bytes[OXM_HEADER_SIZE + 16];
	struct match_entry there;
	bool found;
	size_t at = seek(f, e->field, &there, &found), n;

	if (found)
		return false;
	if (e->mask == 0)
		return true;
	n = entry_write(e, bytes);
	if (f->match_len + n > FLOW_MATCH_MAX)
		return false;
	memmove(f->match + at + n, f->match + at, f->match_len - at);
	memcpy(f->match + at, bytes, n);
	f->match_len = (uint16_t)(f->match_len + n);
	return true;
}

bool match_allows(const struct flow *f, enum field field)
{
	const struct field_info *i = field_info(field);
	struct match_entry e;

	if (i->needs == FIELD_COUNT)
		return true;
	return match_find(f, i->needs, &e) && e.value == i->needs_value && match_allows(f, i->needs);
}

/* ---- the wire ---- */

/* Registers in pairs: what a switch of OpenFlow 1.4 knows of xreg. */
static bool insert_pair(struct flow *f, const struct match_entry *e)
{
	enum field high = FIELD_REG0 + 2 * (e->field - FIELD_XREG0);
	const struct match_entry halves[] = { { high, e->value >> 32, e->mask >> 32 },
					      { high + 1, e->value & UINT32_MAX, e->mask & UINT32_MAX } };

	return match_insert(f, &halves[0]) && match_insert(f, &halves[1]);
}

static bool is_xreg(enum field field)
{
	return field >= FIELD_XREG0 && field <= FIELD_XREG7;
}

static int decode_entries(struct flow *f, const uint8_t *oxm, size_t n, struct err *err)
{
	size_t at = 0;

	while (at < n) {
		struct match_entry e;
		int r = match_read(oxm + at, n - at, &e);

		if (r < 0)
			return err_set(err, ERR_BAD_REQUEST, "", "the match's entry 0x%08x is not understood",
				       n - at < OXM_HEADER_SIZE ? 0 : get_u32(oxm + at));
		if (!(is_xreg(e.field) ? insert_pair(f, &e) : match_insert(f, &e)))
			return err_set(err, ERR_BAD_REQUEST, "", "the match has %s twice, or is too long",
				       field_info(e.field)->name);
		at += (size_t)r;
	}
	return 0;
}

int flow_decode_match(struct flow *f, const uint8_t *oxm, size_t n, struct err *err)
{
	int r = decode_entries(f, oxm, n, err);

	for (size_t at = 0; at < f->match_len && r == 0;) {
		struct match_entry e;

		at += (size_t)match_read(f->match + at, f->match_len - at, &e);
		if (!match_allows(f, e.field))
			r = err_set(err, ERR_BAD_REQUEST, "", "the match lacks what %s needs",
				    field_info(e.field)->name);
	}
	return r;
}

static bool find_one(const uint8_t *oxm, size_t n, enum field field, uint64_t *ret)
{
	size_t at = 0;

	while (n - at >= OXM_HEADER_SIZE) {
		struct match_entry e;
		size_t size = OXM_HEADER_SIZE + oxm[at + 3];

		if (match_read(oxm + at, n - at, &e) > 0 && e.field == field) {
			*ret = e.value;
			return true;
		}
		if (n - at < size)
			break;
		at += size;
	}
	return false;
}

bool flow_oxm_find(const uint8_t *oxm, size_t n, enum field field, uint64_t *ret)
{
	enum field high = FIELD_REG0 + 2 * (field - FIELD_XREG0);
	uint64_t halves[2] = { 0, 0 };
	bool found;

	if (find_one(oxm, n, field, ret))
		return true;
	if (!is_xreg(field))
		return false;
	found = find_one(oxm, n, high, &halves[0]);
	found = find_one(oxm, n, high + 1, &halves[1]) || found;
	if (found)
		*ret = halves[0] << 32 | halves[1];
	return found;
}

/* ---- text ---- */

/* The order in which ovs-ofctl writes a match; FIELD_COUNT: the protocol by its name. */
static const enum field text_order[] = { FIELD_CONJ_ID, FIELD_COUNT,    FIELD_REG0,      FIELD_REG1,      FIELD_REG2,
					 FIELD_REG3,    FIELD_REG4,     FIELD_REG5,      FIELD_REG6,      FIELD_REG7,
					 FIELD_REG8,    FIELD_REG9,     FIELD_REG10,     FIELD_REG11,     FIELD_REG12,
					 FIELD_REG13,   FIELD_REG14,    FIELD_REG15,     FIELD_TUN_ID,    FIELD_TUN_SRC,
					 FIELD_TUN_DST, FIELD_METADATA, FIELD_IN_PORT,   FIELD_VLAN_TCI,  FIELD_ETH_SRC,
					 FIELD_ETH_DST, FIELD_ETH_TYPE, FIELD_IPV4_SRC,  FIELD_IPV4_DST,  FIELD_ARP_SPA,
					 FIELD_ARP_TPA, FIELD_IP_PROTO, FIELD_ARP_OP,    FIELD_ARP_SHA,   FIELD_ARP_THA,
					 FIELD_IP_TTL,  FIELD_IP_FRAG,  FIELD_ICMP_TYPE, FIELD_ICMP_CODE, FIELD_TCP_SRC,
					 FIELD_TCP_DST, FIELD_UDP_SRC,  FIELD_UDP_DST };

static const char *protocol_name(const struct flow *f, bool *says_type, bool *says_proto)
{
	static const struct {
		uint64_t type, proto;
		const char *name;
	} protocols[] = {
		{ ETHERTYPE_V4, PROTO_ICMP, "icmp" }, { ETHERTYPE_V4, PROTO_TCP, "tcp" },
		{ ETHERTYPE_V4, PROTO_UDP, "udp" },   { ETHERTYPE_V4, UINT64_MAX, "ip" },
		{ ETHERTYPE_ARP, UINT64_MAX, "arp" }, { ETHERTYPE_V6, UINT64_MAX, "ipv6" },
	};
	struct match_entry type, proto = { .value = UINT64_MAX };
	bool has_type = match_find(f, FIELD_ETH_TYPE, &type);

	*says_type = *says_proto = false;
	if (has_type && !match_find(f, FIELD_IP_PROTO, &proto))
		proto.value = UINT64_MAX;
	for (size_t i = 0; i < N_ELEMENTS(protocols) && has_type; i++) {
		if (protocols[i].type != type.value ||
		    (protocols[i].proto != UINT64_MAX && protocols[i].proto != proto.value))
			continue;
		*says_type = true;
		*says_proto = protocols[i].proto != UINT64_MAX;
		return protocols[i].name;
	}
	return NULL;
}

void match_format(const struct flow *f, UT_string *out)
{
	bool says_type, says_proto;
	const char *protocol = protocol_name(f, &says_type, &says_proto), *comma = "";

	if (f->priority != PRIORITY_DEFAULT) {
		utstring_printf(out, "priority=%d", f->priority);
		comma = ",";
	}
	for (size_t i = 0; i < N_ELEMENTS(text_order); i++) {
		enum field field = text_order[i];
		struct match_entry e;

		if (field == FIELD_COUNT && protocol) {
			utstring_printf(out, "%s%s", comma, protocol);
			comma = ",";
		}
		if (field == FIELD_COUNT || (field == FIELD_ETH_TYPE && says_type) ||
		    (field == FIELD_IP_PROTO && says_proto) || !match_find(f, field, &e))
			continue;
		utstring_printf(out, "%s", comma);
		comma = ",";
		field_format_match(field, e.value, e.mask, out);
	}
}
