/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/field.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "net/packet.h"

#define NXM_OF(n, bytes) (0x0000u << 16 | (n) << 9 | (bytes))
#define NXM_NX(n, bytes) (0x0001u << 16 | (n) << 9 | (bytes))
#define OXM_OF(n, bytes) (0x8000u << 16 | (n) << 9 | (bytes))
#define OXM_PKT_REG(n) (0x8001u << 16 | (n) << 9 | 8u)

#define NEEDS_NOTHING .needs = FIELD_COUNT
#define NEEDS_IPV4 .needs = FIELD_ETH_TYPE, .needs_value = ETHERTYPE_V4
#define NEEDS_ARP .needs = FIELD_ETH_TYPE, .needs_value = ETHERTYPE_ARP
#define NEEDS_PROTO(proto) .needs = FIELD_IP_PROTO, .needs_value = (proto)

#define BOTH(h) .header = (h), .nxm_header = (h)
#define BITS(n) .bits = (n), .nxm_bits = (n)

#define REG(n)                                                                                                         \
	[FIELD_REG##n] = { .name = "reg" #n,                                                                           \
			   .match_name = "reg" #n,                                                                     \
			   .nxm_name = "NXM_NX_REG" #n,                                                                \
			   BOTH(NXM_NX(n, 4u)),                                                                        \
			   BITS(32),                                                                                   \
			   .may = MAY_MASK | MAY_CHANGE,                                                               \
			   .text = TEXT_HEX,                                                                           \
			   NEEDS_NOTHING }
#define XREG(n)                                                                                                        \
	[FIELD_XREG##n] = { .name = "xreg" #n,                                                                         \
			    .match_name = "xreg" #n,                                                                   \
			    .nxm_name = "OXM_OF_PKT_REG" #n,                                                           \
			    BOTH(OXM_PKT_REG(n)),                                                                      \
			    BITS(64),                                                                                  \
			    .may = MAY_MASK | MAY_CHANGE,                                                              \
			    .text = TEXT_HEX,                                                                          \
			    NEEDS_NOTHING }

/* clang-format off */
static const struct field_info table[FIELD_COUNT] = {
	[FIELD_IN_PORT] = { "in_port", "in_port", "NXM_OF_IN_PORT", OXM_OF(0, 4u), NXM_OF(0, 2u), 32, 16,
			    MAY_LOAD | MAY_READ, TEXT_PORT, NEEDS_NOTHING },
	[FIELD_METADATA] = { "metadata", "metadata", "OXM_OF_METADATA", BOTH(OXM_OF(2, 8u)), BITS(64),
			     MAY_MASK | MAY_CHANGE, TEXT_HEX, NEEDS_NOTHING },
	REG(0), REG(1), REG(2), REG(3), REG(4), REG(5), REG(6), REG(7),
	REG(8), REG(9), REG(10), REG(11), REG(12), REG(13), REG(14), REG(15),
	XREG(0), XREG(1), XREG(2), XREG(3), XREG(4), XREG(5), XREG(6), XREG(7),
	[FIELD_TUN_ID] = { "tun_id", "tun_id", "NXM_NX_TUN_ID", OXM_OF(38, 8u), NXM_NX(16, 8u), 64, 64,
			   MAY_MASK | MAY_CHANGE, TEXT_HEX, NEEDS_NOTHING },
	[FIELD_TUN_SRC] = { "tun_src", "tun_src", "NXM_NX_TUN_IPV4_SRC", BOTH(NXM_NX(31, 4u)), BITS(32),
			    MAY_MASK | MAY_CHANGE, TEXT_IPV4, NEEDS_NOTHING },
	[FIELD_TUN_DST] = { "tun_dst", "tun_dst", "NXM_NX_TUN_IPV4_DST", BOTH(NXM_NX(32, 4u)), BITS(32),
			    MAY_MASK | MAY_CHANGE, TEXT_IPV4, NEEDS_NOTHING },
	[FIELD_CONJ_ID] = { "conj_id", "conj_id", "NXM_NX_CONJ_ID", BOTH(NXM_NX(37, 4u)), BITS(32),
			    MAY_READ, TEXT_DECIMAL, NEEDS_NOTHING },
	[FIELD_ETH_DST] = { "eth_dst", "dl_dst", "NXM_OF_ETH_DST", OXM_OF(3, 6u), NXM_OF(1, 6u), BITS(48),
			    MAY_MASK | MAY_CHANGE, TEXT_MAC, NEEDS_NOTHING },
	[FIELD_ETH_SRC] = { "eth_src", "dl_src", "NXM_OF_ETH_SRC", OXM_OF(4, 6u), NXM_OF(2, 6u), BITS(48),
			    MAY_MASK | MAY_CHANGE, TEXT_MAC, NEEDS_NOTHING },
	[FIELD_ETH_TYPE] = { "eth_type", "dl_type", "NXM_OF_ETH_TYPE", OXM_OF(5, 2u), NXM_OF(3, 2u), BITS(16),
			     MAY_READ, TEXT_HEX, NEEDS_NOTHING },
	/* vlan_vid: the tag's number, and 0x1000 where there is a tag. The priority is not looked at. */
	[FIELD_VLAN_TCI] = { "vlan_vid", "vlan_tci", "OXM_OF_VLAN_VID", BOTH(OXM_OF(6, 2u)), BITS(13),
			     MAY_MASK, TEXT_VLAN, NEEDS_NOTHING },
	[FIELD_IP_PROTO] = { "ip_proto", "nw_proto", "NXM_OF_IP_PROTO", OXM_OF(10, 1u), NXM_OF(6, 1u), BITS(8),
			     MAY_READ, TEXT_DECIMAL, NEEDS_IPV4 },
	[FIELD_IP_TTL] = { "nw_ttl", "nw_ttl", "NXM_NX_IP_TTL", BOTH(NXM_NX(29, 1u)), BITS(8),
			   MAY_CHANGE, TEXT_DECIMAL, NEEDS_IPV4 },
	[FIELD_IP_FRAG] = { "ip_frag", "nw_frag", "NXM_NX_IP_FRAG", BOTH(NXM_NX(26, 1u)), BITS(2),
			    MAY_MASK, TEXT_FRAG, NEEDS_IPV4 },
	[FIELD_IPV4_SRC] = { "ip_src", "nw_src", "NXM_OF_IP_SRC", OXM_OF(11, 4u), NXM_OF(7, 4u), BITS(32),
			     MAY_MASK | MAY_CHANGE, TEXT_IPV4, NEEDS_IPV4 },
	[FIELD_IPV4_DST] = { "ip_dst", "nw_dst", "NXM_OF_IP_DST", OXM_OF(12, 4u), NXM_OF(8, 4u), BITS(32),
			     MAY_MASK | MAY_CHANGE, TEXT_IPV4, NEEDS_IPV4 },
	[FIELD_ARP_OP] = { "arp_op", "arp_op", "NXM_OF_ARP_OP", OXM_OF(21, 2u), NXM_OF(15, 2u), 8, 16,
			   MAY_CHANGE, TEXT_DECIMAL, NEEDS_ARP },
	[FIELD_ARP_SPA] = { "arp_spa", "arp_spa", "NXM_OF_ARP_SPA", OXM_OF(22, 4u), NXM_OF(16, 4u), BITS(32),
			    MAY_MASK | MAY_CHANGE, TEXT_IPV4, NEEDS_ARP },
	[FIELD_ARP_TPA] = { "arp_tpa", "arp_tpa", "NXM_OF_ARP_TPA", OXM_OF(23, 4u), NXM_OF(17, 4u), BITS(32),
			    MAY_MASK | MAY_CHANGE, TEXT_IPV4, NEEDS_ARP },
	[FIELD_ARP_SHA] = { "arp_sha", "arp_sha", "NXM_NX_ARP_SHA", OXM_OF(24, 6u), NXM_NX(17, 6u), BITS(48),
			    MAY_MASK | MAY_CHANGE, TEXT_MAC, NEEDS_ARP },
	[FIELD_ARP_THA] = { "arp_tha", "arp_tha", "NXM_NX_ARP_THA", OXM_OF(25, 6u), NXM_NX(18, 6u), BITS(48),
			    MAY_MASK | MAY_CHANGE, TEXT_MAC, NEEDS_ARP },
	[FIELD_ICMP_TYPE] = { "icmp_type", "icmp_type", "NXM_OF_ICMP_TYPE", OXM_OF(19, 1u), NXM_OF(13, 1u), BITS(8),
			      MAY_CHANGE, TEXT_DECIMAL, NEEDS_PROTO(PROTO_ICMP) },
	[FIELD_ICMP_CODE] = { "icmp_code", "icmp_code", "NXM_OF_ICMP_CODE", OXM_OF(20, 1u), NXM_OF(14, 1u), BITS(8),
			      MAY_CHANGE, TEXT_DECIMAL, NEEDS_PROTO(PROTO_ICMP) },
	[FIELD_TCP_SRC] = { "tcp_src", "tp_src", "NXM_OF_TCP_SRC", OXM_OF(13, 2u), NXM_OF(9, 2u), BITS(16),
			    MAY_MASK | MAY_CHANGE, TEXT_DECIMAL, NEEDS_PROTO(PROTO_TCP) },
	[FIELD_TCP_DST] = { "tcp_dst", "tp_dst", "NXM_OF_TCP_DST", OXM_OF(14, 2u), NXM_OF(10, 2u), BITS(16),
			    MAY_MASK | MAY_CHANGE, TEXT_DECIMAL, NEEDS_PROTO(PROTO_TCP) },
	[FIELD_UDP_SRC] = { "udp_src", "tp_src", "NXM_OF_UDP_SRC", OXM_OF(15, 2u), NXM_OF(11, 2u), BITS(16),
			    MAY_MASK | MAY_CHANGE, TEXT_DECIMAL, NEEDS_PROTO(PROTO_UDP) },
	[FIELD_UDP_DST] = { "udp_dst", "tp_dst", "NXM_OF_UDP_DST", OXM_OF(16, 2u), NXM_OF(12, 2u), BITS(16),
			    MAY_MASK | MAY_CHANGE, TEXT_DECIMAL, NEEDS_PROTO(PROTO_UDP) },
};
/* clang-format on */

const struct field_info *field_info(enum field field)
{
	return &table[field];
}

enum field field_by_header(uint32_t header)
{
	enum field f = 0;

	while (f < FIELD_COUNT && table[f].header >> 9 != header >> 9)
		f++;
	return f;
}

enum field field_by_nxm_header(uint32_t header)
{
	enum field f = 0;

	while (f < FIELD_COUNT && table[f].nxm_header != header)
		f++;
	return f;
}

uint64_t field_get(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

void field_put(uint8_t *at, size_t bytes, uint64_t value)
{
	for (size_t i = bytes; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

/* ---- text, each kind as ovs-ofctl writes it ---- */

static void format_ip(uint64_t value, uint64_t mask, UT_string *out)
{
	struct ip ip = ip_from_v4((uint32_t)value);
	char text[IP_TEXT_SIZE];
	uint32_t m = (uint32_t)mask;

	utstring_printf(out, "%s", ip_format(&ip, text));
	if (m == UINT32_MAX)
		return;
	if ((~m & (~m + 1)) == 0) {
		utstring_printf(out, "/%d", __builtin_popcount(m));
		return;
	}
	ip = ip_from_v4(m);
	utstring_printf(out, "/%s", ip_format(&ip, text));
}

static void format_mac(uint64_t value, uint64_t mask, UT_string *out)
{
	struct mac mac;
	char text[MAC_TEXT_SIZE];

	field_put(mac.b, sizeof(mac.b), value);
	utstring_printf(out, "%s", mac_format(&mac, text));
	if (mask == bits_mask(48))
		return;
	field_put(mac.b, sizeof(mac.b), mask);
	utstring_printf(out, "/%s", mac_format(&mac, text));
}

void field_format_port(uint32_t ofport, UT_string *out)
{
	static const char *const names[] = {
		"IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "ANY"
	};

	if (ofport >= OFPP_IN_PORT)
		utstring_printf(out, "%s", names[ofport - OFPP_IN_PORT]);
	else
		utstring_printf(out, "%" PRIu32, ofport);
}

static void format_frag(uint64_t value, uint64_t mask, UT_string *out)
{
	static const char *const names[4][4] = {
		[1] = { "no", "yes" },
		[2] = { [0] = "not_later", [2] = "later" },
		[3] = { "no", "first", "<error>", "later" },
	};

	utstring_printf(out, "nw_frag=%s", names[mask][value]);
}

static void format_vlan(uint64_t value, uint64_t mask, UT_string *out)
{
	if (mask == bits_mask(13) && value & 0x1000)
		utstring_printf(out, "dl_vlan=%d", (int)(value & 0xfff));
	else
		utstring_printf(out, "vlan_tci=0x%04x/0x%04x", (unsigned)value, (unsigned)mask);
}

static void format_number(const struct field_info *i, uint64_t value, uint64_t mask, UT_string *out)
{
	bool whole = mask == bits_mask(i->bits);

	if (i->text == TEXT_DECIMAL && whole)
		utstring_printf(out, "%" PRIu64, value);
	else if (i->text == TEXT_DECIMAL)
		utstring_printf(out, "0x%" PRIx64 "/0x%" PRIx64, value, mask);
	else if (whole)
		utstring_printf(out, "%#" PRIx64, value);
	else
		utstring_printf(out, "%#" PRIx64 "/%#" PRIx64, value, mask);
}

void field_format_match(enum field field, uint64_t value, uint64_t mask, UT_string *out)
{
	const struct field_info *i = field_info(field);

	if (i->text == TEXT_FRAG) {
		format_frag(value, mask, out);
		return;
	}
	if (i->text == TEXT_VLAN) {
		format_vlan(value, mask, out);
		return;
	}
	utstring_printf(out, "%s=", i->match_name);
	if (field == FIELD_ETH_TYPE)
		utstring_printf(out, "0x%04" PRIx64, value);
	else if (i->text == TEXT_IPV4)
		format_ip(value, mask, out);
	else if (i->text == TEXT_MAC)
		format_mac(value, mask, out);
	else if (i->text == TEXT_PORT)
		field_format_port((uint32_t)value, out);
	else
		format_number(i, value, mask, out);
}

void field_format_value(enum field field, uint64_t value, UT_string *out)
{
	const struct field_info *i = field_info(field);

	if (i->text == TEXT_IPV4)
		format_ip(value, bits_mask(32), out);
	else if (i->text == TEXT_MAC)
		format_mac(value, bits_mask(48), out);
	else if (i->text == TEXT_DECIMAL)
		utstring_printf(out, "%" PRIu64, value);
	else
		utstring_printf(out, "%#" PRIx64, value);
}

void field_format_part(enum field field, unsigned first, unsigned n, UT_string *out)
{
	const struct field_info *i = field_info(field);

	utstring_printf(out, "%s", i->nxm_name);
	if (first == 0 && n == i->nxm_bits)
		utstring_printf(out, "[]");
	else if (n == 1)
		utstring_printf(out, "[%u]", first);
	else
		utstring_printf(out, "[%u..%u]", first, first + n - 1);
}
