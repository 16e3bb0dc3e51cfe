/* SPDX-License-Identifier: Apache-2.0 */
#include "vxlan.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/packet.h"

#define HAS_VNI 0x08000000
#define IP_AT ETH_SIZE
#define UDP_AT (IP_AT + IPV4_SIZE)
#define VXLAN_AT (UDP_AT + UDP_SIZE)
#define SOURCE_PORT 50000

uint8_t *vxlan_wrap(const struct vxlan_outer *o, const uint8_t *frame, size_t len)
{
	uint8_t *bytes = xcalloc(1, VXLAN_OUTER + len);
	struct eth eth = { .dst = o->dst_mac, .src = o->src_mac, .type = ETHERTYPE_V4 };
	struct ipv4 ip = { .ttl = 64,
			   .proto = PROTO_UDP,
			   .dont_fragment = true,
			   .size = IPV4_SIZE,
			   .total = (uint16_t)(VXLAN_OUTER - IP_AT + len),
			   .src = o->src,
			   .dst = o->dst };

	eth_write(bytes, &eth);
	ipv4_write(bytes + IP_AT, &ip);
	put_u16(bytes + UDP_AT, SOURCE_PORT);
	put_u16(bytes + UDP_AT + 2, VXLAN_PORT);
	put_u16(bytes + UDP_AT + 4, (uint16_t)(VXLAN_OUTER - UDP_AT + len));
	put_u32(bytes + VXLAN_AT, HAS_VNI);
	put_u32(bytes + VXLAN_AT + 4, o->vni << 8);
	memcpy(bytes + VXLAN_OUTER, frame, len);
	return bytes;
}

static int wrong(struct err *err, const char *what)
{
	return err_set(err, ERR_INTERNAL, "", "outer %s", what);
}

/* As the kernel's tunnels: nothing of the inner ToS, but its ECN (RFC 3168, 9.1.1). */
static uint8_t outer_tos(const uint8_t *inner)
{
	static const uint8_t by_ecn[] = { 0, 1, 2, 2 };

	return get_u16(inner + 12) == ETHERTYPE_V4 ? by_ecn[inner[ETH_SIZE + 1] & 3] : 0;
}

int vxlan_unwrap(const uint8_t *bytes, size_t len, struct vxlan_outer *ret, struct err *err)
{
	const uint8_t *udp = bytes + UDP_AT, *vxlan = bytes + VXLAN_AT;
	struct eth eth;
	struct ipv4 ip;

	if (len < VXLAN_OUTER + ETH_SIZE + 2 || eth_read(bytes, len, &eth) < 0 || eth.type != ETHERTYPE_V4 ||
	    ipv4_read(bytes + IP_AT, len - IP_AT, &ip) < 0)
		return wrong(err, "headers");
	if (ip.size != IPV4_SIZE || ip.proto != PROTO_UDP || get_u16(udp + 2) != VXLAN_PORT)
		return wrong(err, "protocol");
	if (ip.total != len - IP_AT || get_u16(udp + 4) != len - UDP_AT)
		return wrong(err, "lengths");
	if (!checksum_ok(bytes + IP_AT, IPV4_SIZE) || get_u16(udp + 6) != 0)
		return wrong(err, "checksum");
	if (!ip.dont_fragment || ip.more_fragments || ip.offset)
		return wrong(err, "DF");
	if (ip.tos != outer_tos(bytes + VXLAN_OUTER))
		return wrong(err, "ToS");
	if (get_u32(vxlan) != HAS_VNI || vxlan[7] != 0)
		return wrong(err, "VXLAN flags");
	*ret = (struct vxlan_outer) {
		.dst_mac = eth.dst, .src_mac = eth.src, .src = ip.src, .dst = ip.dst, .vni = get_u32(vxlan + 4) >> 8
	};
	return 0;
}
