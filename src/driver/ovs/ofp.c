/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/ofp.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * The layouts of TS-012 as structs of numbers in network order. `_size` asserts hold them to the standard; what
 * comes in is copied into them before it is looked at, since nothing on the wire is aligned.
 */
#define WIRE __attribute__((packed))
#define WIRE_SIZE(type, size) static_assert(sizeof(struct wire_##type) == (size), #type)

#define NO_BUFFER 0xffffffffu
#define ANY 0xffffffffu /* port, group, meters */
#define ALL_TABLES 0xff
#define MATCH_OXM 1
#define INSTRUCTION_APPLY_ACTIONS 4
#define HELLO_VERSION_BITMAP 1
#define ERROR_EXPERIMENTER 0xffff

struct wire_header {
	uint8_t version, type;
	uint16_t length;
	uint32_t xid;
} WIRE;
WIRE_SIZE(header, 8);

struct wire_tlv { /* of hello elements, instructions, meter bands; match too */
	uint16_t type, length;
} WIRE;

struct wire_hello_bitmap {
	struct wire_tlv tlv;
	uint32_t versions;
} WIRE;

struct wire_config {
#define CONFIG_FRAG_NX_MATCH 3
	uint16_t flags, miss_send_len;
} WIRE;

struct wire_error {
	uint16_t type, code;
} WIRE;

struct wire_bundle_control {
	uint32_t bundle;
	uint16_t type, flags;
#define BUNDLE_ATOMIC 1
#define BUNDLE_ORDERED 2
} WIRE;
WIRE_SIZE(bundle_control, 8);

struct wire_bundle_add {
	uint32_t bundle;
	uint8_t pad[2];
	uint16_t flags;
} WIRE;
WIRE_SIZE(bundle_add, 8);

struct wire_flow_mod {
	uint64_t cookie, cookie_mask;
	uint8_t table, command;
#define FLOW_MOD_ADD 0
#define FLOW_MOD_DELETE 3
#define FLOW_MOD_DELETE_STRICT 4
	uint16_t idle_timeout, hard_timeout, priority;
	uint32_t buffer, out_port, out_group;
	uint16_t flags, importance;
#define FLOW_MOD_SEND_REMOVED 1
} WIRE;
WIRE_SIZE(flow_mod, 40);

struct wire_flow_removed {
	uint64_t cookie;
	uint16_t priority;
	uint8_t reason, table;
	uint32_t seconds, nanoseconds;
	uint16_t idle_timeout, hard_timeout;
	uint64_t packets, bytes;
} WIRE;
WIRE_SIZE(flow_removed, 40);

struct wire_multipart {
	uint16_t type, flags;
#define MULTIPART_MORE 1
	uint8_t pad[4];
} WIRE;
WIRE_SIZE(multipart, 8);

struct wire_flow_request {
	uint8_t table, pad[3];
	uint32_t out_port, out_group;
	uint8_t pad2[4];
	uint64_t cookie, cookie_mask;
} WIRE;
WIRE_SIZE(flow_request, 32);

struct wire_flow_stats {
	uint16_t length;
	uint8_t table, pad;
	uint32_t seconds, nanoseconds;
	uint16_t priority, idle_timeout, hard_timeout, flags, importance;
	uint8_t pad2[2];
	uint64_t cookie, packets, bytes;
} WIRE;
WIRE_SIZE(flow_stats, 48);

struct wire_meter_mod {
	uint16_t command, flags;
#define METER_PACKETS 2
#define METER_BURST 4
#define METER_STATS 8
	uint32_t id;
} WIRE;
WIRE_SIZE(meter_mod, 8);

struct wire_meter_band {
	uint16_t type, length;
#define METER_BAND_DROP 1
	uint32_t rate, burst;
	uint8_t pad[4];
} WIRE;
WIRE_SIZE(meter_band, 16);

struct wire_meter_request {
	uint32_t id;
	uint8_t pad[4];
} WIRE;

struct wire_meter_stats {
	uint32_t id;
	uint16_t length;
	uint8_t pad[6];
	uint32_t flows;
	uint64_t packets, bytes;
	uint32_t seconds, nanoseconds;
} WIRE;
WIRE_SIZE(meter_stats, 40);

struct wire_band_stats {
	uint64_t packets, bytes;
} WIRE;

struct wire_packet_in {
	uint32_t buffer;
	uint16_t total;
	uint8_t reason, table;
	uint64_t cookie;
} WIRE;
WIRE_SIZE(packet_in, 16);

struct wire_packet_out {
	uint32_t buffer, in_port;
	uint16_t actions_len;
	uint8_t pad[6];
} WIRE;
WIRE_SIZE(packet_out, 16);

#define PAD8(n) (((n) + 7) / 8 * 8)

static const char *const type_names[] = {
	"hello",
	"error",
	"echo request",
	"echo reply",
	"experimenter message",
	"features request",
	"features reply",
	"get-config request",
	"get-config reply",
	"set-config",
	"packet-in",
	"flow-removed",
	"port-status",
	"packet-out",
	"flow-mod",
	"group-mod",
	"port-mod",
	"table-mod",
	"multipart request",
	"multipart reply",
	"barrier request",
	"barrier reply",
	"queue-config request",
	"queue-config reply",
	"role request",
	"role reply",
	"get-async request",
	"get-async reply",
	"set-async",
	"meter-mod",
	"role-status",
	"table-status",
	"request-forward",
	"bundle control",
	"bundle add",
};
static_assert(N_ELEMENTS(type_names) == OFP_N_TYPES, "a name for each type");

const char *ofp_type_name(unsigned type)
{
	return type < OFP_N_TYPES ? type_names[type] : "message of unknown type";
}

/* ---- to the switch ---- */

void ofp_out_reserve(struct ofp_out *out, size_t more)
{
	if (out->max - out->len >= more)
		return;
	out->max = out->len + more > 2 * out->max ? out->len + more : 2 * out->max;
	out->bytes = xrealloc(out->bytes, out->max);
}

void ofp_out_fini(struct ofp_out *out)
{
	free(out->bytes);
	*out = (struct ofp_out) { 0 };
}

static void put(struct ofp_out *out, const void *bytes, size_t n)
{
	ofp_out_reserve(out, n);
	if (n > 0)
		memcpy(out->bytes + out->len, bytes, n);
	out->len += n;
}

static void put_zeros(struct ofp_out *out, size_t n)
{
	static const uint8_t zeros[8];

	put(out, zeros, n);
}

/* The header of a message of `n` bytes, header included. */
static void put_header(struct ofp_out *out, enum ofp_type type, uint32_t xid, size_t n)
{
	struct wire_header h = { OFP_VERSION, (uint8_t)type, htobe16((uint16_t)n), htobe32(xid) };

	assert(n <= OFP_MAX);
	put(out, &h, sizeof(h));
}

static void put_match(struct ofp_out *out, const uint8_t *oxm, size_t n)
{
	struct wire_tlv match = { htobe16(MATCH_OXM), htobe16((uint16_t)(sizeof(match) + n)) };

	put(out, &match, sizeof(match));
	put(out, oxm, n);
	put_zeros(out, PAD8(sizeof(match) + n) - sizeof(match) - n);
}

#define MATCH_SIZE(n) PAD8(sizeof(struct wire_tlv) + (n))

void ofp_put_hello(struct ofp_out *out, uint32_t xid)
{
	struct wire_hello_bitmap bitmap = { { htobe16(HELLO_VERSION_BITMAP), htobe16(sizeof(bitmap)) },
					    htobe32(1u << OFP_VERSION) };

	put_header(out, OFP_HELLO, xid, sizeof(struct wire_header) + sizeof(bitmap));
	put(out, &bitmap, sizeof(bitmap));
}

void ofp_put_set_config(struct ofp_out *out, uint32_t xid)
{
	struct wire_config c = { htobe16(CONFIG_FRAG_NX_MATCH), htobe16(0xffff) };

	put_header(out, OFP_SET_CONFIG, xid, sizeof(struct wire_header) + sizeof(c));
	put(out, &c, sizeof(c));
}

void ofp_put_plain(struct ofp_out *out, enum ofp_type type, uint32_t xid, const uint8_t *body, size_t n)
{
	put_header(out, type, xid, sizeof(struct wire_header) + n);
	put(out, body, n);
}

static size_t flow_mod_size(const struct flow *f)
{
	return sizeof(struct wire_header) + sizeof(struct wire_flow_mod) + MATCH_SIZE(f->match_len) +
	       f->instructions_len;
}

size_t ofp_bundle_add_size(const struct flow *f)
{
	return sizeof(struct wire_header) + sizeof(struct wire_bundle_add) + flow_mod_size(f);
}

void ofp_put_bundle_add(struct ofp_out *out, uint32_t xid, uint32_t bundle, const struct flow_mod *mod)
{
	struct wire_bundle_add add = { htobe32(bundle), { 0 }, htobe16(BUNDLE_ATOMIC | BUNDLE_ORDERED) };
	const struct flow *f = mod->flow;
	struct wire_flow_mod body = {
		.cookie = htobe64(f->cookie),
		.cookie_mask = mod->op == FLOW_DELETE ? UINT64_MAX : 0,
		.table = f->table,
		.command = mod->op == FLOW_DELETE ? FLOW_MOD_DELETE_STRICT : FLOW_MOD_ADD,
		.priority = htobe16(f->priority),
		.buffer = NO_BUFFER,
		.out_port = ANY,
		.out_group = ANY,
		.flags = mod->op == FLOW_ADD_KEPT ? htobe16(FLOW_MOD_SEND_REMOVED) : 0,
	};
	size_t size = ofp_bundle_add_size(f);

	ofp_out_reserve(out, size);
	put_header(out, OFP_BUNDLE_ADD, xid, size);
	put(out, &add, sizeof(add));
	put_header(out, OFP_FLOW_MOD, xid, flow_mod_size(f));
	put(out, &body, sizeof(body));
	put_match(out, f->match, f->match_len);
	put(out, f->instructions, f->instructions_len);
}

void ofp_put_bundle_control(struct ofp_out *out, uint32_t xid, uint32_t bundle, enum ofp_bundle_control what)
{
	struct wire_bundle_control c = { htobe32(bundle), htobe16((uint16_t)what),
					 htobe16(BUNDLE_ATOMIC | BUNDLE_ORDERED) };

	put_header(out, OFP_BUNDLE_CONTROL, xid, sizeof(struct wire_header) + sizeof(c));
	put(out, &c, sizeof(c));
}

void ofp_put_delete(struct ofp_out *out, uint32_t xid, uint64_t cookie, uint64_t mask)
{
	struct wire_flow_mod body = {
		.cookie = htobe64(cookie),
		.cookie_mask = htobe64(mask),
		.table = ALL_TABLES,
		.command = FLOW_MOD_DELETE,
		.buffer = NO_BUFFER,
		.out_port = ANY,
		.out_group = ANY,
	};

	put_header(out, OFP_FLOW_MOD, xid, sizeof(struct wire_header) + sizeof(body) + MATCH_SIZE(0));
	put(out, &body, sizeof(body));
	put_match(out, NULL, 0);
}

static void put_multipart(struct ofp_out *out, uint32_t xid, enum ofp_multipart type, size_t n)
{
	struct wire_multipart m = { .type = htobe16((uint16_t)type) };

	put_header(out, OFP_MULTIPART_REQUEST, xid, sizeof(struct wire_header) + sizeof(m) + n);
	put(out, &m, sizeof(m));
}

void ofp_put_dump(struct ofp_out *out, uint32_t xid, uint8_t table, uint64_t cookie, uint64_t mask)
{
	struct wire_flow_request q = {
		.table = table,
		.out_port = ANY,
		.out_group = ANY,
		.cookie = htobe64(cookie),
		.cookie_mask = htobe64(mask),
	};

	put_multipart(out, xid, OFP_MULTIPART_FLOW, sizeof(q) + MATCH_SIZE(0));
	put(out, &q, sizeof(q));
	put_match(out, NULL, 0);
}

void ofp_put_meter(struct ofp_out *out, uint32_t xid, enum ofp_meter command, const struct openflow_meter *meter)
{
	struct wire_meter_mod mod = { htobe16((uint16_t)command), htobe16(METER_PACKETS | METER_BURST | METER_STATS),
				      htobe32(meter->id) };
	struct wire_meter_band band = {
		htobe16(METER_BAND_DROP), htobe16(sizeof(band)), htobe32(meter->rate), htobe32(meter->burst), { 0 }
	};
	size_t n_band = command == OFP_METER_DELETE ? 0 : sizeof(band);

	put_header(out, OFP_METER_MOD, xid, sizeof(struct wire_header) + sizeof(mod) + n_band);
	put(out, &mod, sizeof(mod));
	put(out, &band, n_band);
}

void ofp_put_meter_stats(struct ofp_out *out, uint32_t xid)
{
	struct wire_meter_request q = { .id = ANY };

	put_multipart(out, xid, OFP_MULTIPART_METER, sizeof(q));
	put(out, &q, sizeof(q));
}

/* The actions of the first apply-actions among a flow's instructions. */
static size_t apply_actions(const struct flow *f, const uint8_t **ret)
{
	struct wire_tlv t;

	for (size_t at = 0; at + sizeof(t) <= f->instructions_len; at += be16toh(t.length)) {
		memcpy(&t, f->instructions + at, sizeof(t));
		if (be16toh(t.type) != INSTRUCTION_APPLY_ACTIONS)
			continue;
		*ret = f->instructions + at + 8;
		return be16toh(t.length) - 8u;
	}
	*ret = NULL;
	return 0;
}

bool ofp_put_packet_out(struct ofp_out *out, uint32_t xid, uint32_t in_port, const struct flow *actions,
			const uint8_t *frame, size_t n)
{
	const uint8_t *list;
	size_t list_len = apply_actions(actions, &list);
	struct wire_packet_out body = { NO_BUFFER, htobe32(in_port), htobe16((uint16_t)list_len), { 0 } };

	if (n > OFP_MAX || sizeof(struct wire_header) + sizeof(body) + list_len + n > OFP_MAX)
		return false;
	put_header(out, OFP_PACKET_OUT, xid, sizeof(struct wire_header) + sizeof(body) + list_len + n);
	put(out, &body, sizeof(body));
	put(out, list, list_len);
	put(out, frame, n);
	return true;
}

/* ---- from the switch ---- */

/* What is left of a message. */
struct in {
	const uint8_t *at;
	size_t n;
};

static bool take_bytes(struct in *in, size_t n, const uint8_t **ret)
{
	if (n > in->n)
		return false;
	*ret = in->at;
	in->at += n;
	in->n -= n;
	return true;
}

static bool take_struct(struct in *in, void *ret, size_t n)
{
	const uint8_t *bytes;

	if (!take_bytes(in, n, &bytes))
		return false;
	memcpy(ret, bytes, n);
	return true;
}

static int wrong(struct err *err, const char *what)
{
	err_set(err, ERR_INTERNAL, "", "malformed %s", what);
	return -EPROTO;
}

int ofp_read(const uint8_t *bytes, size_t n, struct ofp_message *ret, struct err *err)
{
	struct wire_header h;
	size_t length;

	if (n < sizeof(h))
		return 0;
	memcpy(&h, bytes, sizeof(h));
	length = be16toh(h.length);
	if (length < sizeof(h))
		return wrong(err, "header");
	/* A hello says what its sender speaks at best; before it an error may come in any version. */
	if (h.version != OFP_VERSION && h.type != OFP_HELLO && h.type != OFP_ERROR) {
		err_set(err, ERR_INTERNAL, "", "a message of OpenFlow version 0x%02x", h.version);
		return -EPROTO;
	}
	if (n < length)
		return 0;
	*ret = (struct ofp_message) { h.version, h.type, be32toh(h.xid), bytes + sizeof(h), length - sizeof(h) };
	return (int)length;
}

/* One element of a list of TLVs, without its header, which counts in its length; false: malformed. */
static bool take_tlv(struct in *in, uint16_t *ret_type, struct in *ret)
{
	struct in from = *in;
	struct wire_tlv t;
	size_t length;

	if (!take_struct(&from, &t, sizeof(t)))
		return false;
	length = be16toh(t.length);
	if (length < sizeof(t) || !take_bytes(in, length, &ret->at))
		return false;
	*ret_type = be16toh(t.type);
	ret->at += sizeof(t);
	ret->n = length - sizeof(t);
	return true;
}

int ofp_read_hello(const struct ofp_message *m, struct err *err)
{
	struct in in = { m->body, m->n }, element;
	bool speaks = m->version >= OFP_VERSION;
	const uint8_t *pad;
	uint32_t versions;
	uint16_t type;

	while (in.n > 0) {
		if (!take_tlv(&in, &type, &element))
			return wrong(err, "hello");
		/* The padding of the last element may be missing. */
		if (in.n > 0 && !take_bytes(&in, PAD8(element.n + 4) - element.n - 4, &pad))
			return wrong(err, "hello");
		if (type != HELLO_VERSION_BITMAP)
			continue;
		if (!take_struct(&element, &versions, sizeof(versions)))
			return wrong(err, "hello");
		speaks = be32toh(versions) & (1u << OFP_VERSION);
	}
	if (speaks)
		return 0;
	err_set(err, ERR_INTERNAL, "", "it does not speak OpenFlow 1.4");
	return -EPROTO;
}

int ofp_read_error(const struct ofp_message *m, struct openflow_error *ret, struct err *err)
{
	struct in in = { m->body, m->n };
	uint32_t experimenter = 0;
	struct wire_error e;

	if (!take_struct(&in, &e, sizeof(e)))
		return wrong(err, "error");
	if (be16toh(e.type) == ERROR_EXPERIMENTER && !take_struct(&in, &experimenter, sizeof(experimenter)))
		return wrong(err, "error");
	ret->type = be16toh(e.type);
	ret->code = be16toh(e.code);
	ofp_error_text(ret->type, ret->code, be32toh(experimenter), ret->text, sizeof(ret->text));
	return 0;
}

/* An ofp_match and its padding. */
static bool take_match(struct in *in, const uint8_t **ret, size_t *ret_n)
{
	const uint8_t *pad;
	struct in oxm;
	uint16_t type;

	if (!take_tlv(in, &type, &oxm) || type != MATCH_OXM)
		return false;
	*ret = oxm.at;
	*ret_n = oxm.n;
	return take_bytes(in, MATCH_SIZE(oxm.n) - sizeof(struct wire_tlv) - oxm.n, &pad);
}

int ofp_read_packet_in(const struct ofp_message *m, struct openflow_packet_in *ret, struct err *err)
{
	struct in in = { m->body, m->n };
	const uint8_t *pad;
	struct wire_packet_in p;

	if (!take_struct(&in, &p, sizeof(p)) || !take_match(&in, &ret->oxm, &ret->oxm_len) || !take_bytes(&in, 2, &pad))
		return wrong(err, "packet-in");
	ret->table = p.table;
	ret->cookie = be64toh(p.cookie);
	ret->frame = in.at;
	ret->len = in.n;
	return 0;
}

int ofp_read_flow_removed(const struct ofp_message *m, uint64_t *ret_cookie, struct err *err)
{
	struct in in = { m->body, m->n };
	struct wire_flow_removed f;

	if (!take_struct(&in, &f, sizeof(f)))
		return wrong(err, "flow removed");
	*ret_cookie = be64toh(f.cookie);
	return 0;
}

int ofp_read_bundle_control(const struct ofp_message *m, uint32_t *ret_bundle, enum ofp_bundle_control *ret,
			    struct err *err)
{
	struct in in = { m->body, m->n };
	struct wire_bundle_control c;

	if (!take_struct(&in, &c, sizeof(c)))
		return wrong(err, "bundle control");
	*ret_bundle = be32toh(c.bundle);
	*ret = be16toh(c.type);
	return 0;
}

int ofp_read_part(const struct ofp_message *m, struct ofp_part *ret, struct err *err)
{
	struct in in = { m->body, m->n };
	struct wire_multipart p;

	if (!take_struct(&in, &p, sizeof(p)))
		return wrong(err, "multipart reply");
	*ret = (struct ofp_part) { be16toh(p.type), be16toh(p.flags) & MULTIPART_MORE, in.at, in.n };
	return 0;
}

int ofp_read_flow(struct ofp_part *p, struct ofp_flow_item *ret, struct err *err)
{
	struct in item = { p->at, p->n };
	struct wire_flow_stats s;
	size_t length;

	if (p->n == 0)
		return 0;
	if (!take_struct(&item, &s, sizeof(s)))
		return wrong(err, "flow of a dump");
	length = be16toh(s.length);
	if (length < sizeof(s) || length > p->n)
		return wrong(err, "flow of a dump");
	item.n = length - sizeof(s);
	if (!take_match(&item, &ret->match, &ret->match_len))
		return wrong(err, "match in a dump");
	ret->cookie = be64toh(s.cookie);
	ret->stats = (struct openflow_stats) { be64toh(s.packets), be64toh(s.bytes) };
	ret->priority = be16toh(s.priority);
	ret->table = s.table;
	ret->instructions = item.at;
	ret->instructions_len = item.n;
	p->at += length;
	p->n -= length;
	return 1;
}

int ofp_read_meter(struct ofp_part *p, struct ofp_meter_item *ret, struct err *err)
{
	struct in item = { p->at, p->n };
	struct wire_band_stats band;
	struct wire_meter_stats s;
	size_t length;

	if (p->n == 0)
		return 0;
	if (!take_struct(&item, &s, sizeof(s)))
		return wrong(err, "meter's figures");
	length = be16toh(s.length);
	if (length < sizeof(s) || length > p->n)
		return wrong(err, "meter's figures");
	*ret = (struct ofp_meter_item) { .id = be32toh(s.id), .in = { be64toh(s.packets), be64toh(s.bytes) } };
	item.n = length - sizeof(s);
	while (take_struct(&item, &band, sizeof(band))) {
		ret->dropped.packets += be64toh(band.packets);
		ret->dropped.bytes += be64toh(band.bytes);
	}
	if (item.n > 0)
		return wrong(err, "meter's figures");
	p->at += length;
	p->n -= length;
	return 1;
}
