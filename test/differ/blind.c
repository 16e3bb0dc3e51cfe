/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "differ.h"
#include "net/packet.h"
#include "packet/packet_driver.h"

#define ETHERTYPE_MPLS 0x8847
#define ETHERTYPE_MPLS_MC 0x8848
#define MPLS_SIZE 4

/* But for what stands behind the shorter ones. */
static bool same_outs(const struct forward_result *a, const struct forward_result *b)
{
	if (a->n_outs != b->n_outs)
		return false;
	for (size_t i = 0; i < a->n_outs; i++) {
		size_t n = a->outs[i].len < b->outs[i].len ? a->outs[i].len : b->outs[i].len;

		if (memcmp(a->outs[i].frame, b->outs[i].frame, n) != 0)
			return false;
	}
	return true;
}

/* The same frame without what stands behind the IP packet comes to something else. */
static bool goes_by_padding(void *fake, const struct forward_in *in, const struct ipv4 *ip,
			    const struct forward_result *wanted)
{
	struct forward_in cut = *in;
	struct forward_result r = { 0 };
	bool differs;

	cut.len = (size_t)ETH_SIZE + ip->total;
	if (cut.len >= in->len || packet_on_fake.run(fake, &cut, &r, NULL) < 0)
		return false;
	differs = r.verdict != wanted->verdict || r.reason != wanted->reason || !same_outs(&r, wanted);
	forward_result_fini(&r);
	return differs;
}

/* Routers alone look at the header's checksum. */
static bool meets_router(void *fake, const struct forward_in *in)
{
	_cleanup_(freep) uint8_t *spoilt = xmemdup(in->frame, in->len);
	struct forward_in other = *in;
	struct forward_result r = { 0 };
	bool meets;

	spoilt[ETH_SIZE + 10] ^= 1;
	other.frame = spoilt;
	if (packet_on_fake.run(fake, &other, &r, NULL) < 0)
		return false;
	meets = r.verdict == VERDICT_DROP && r.reason == DROP_MALFORMED;
	forward_result_fini(&r);
	return meets;
}

bool ovs_is_blind(void *fake, const struct forward_in *in, const struct forward_result *wanted)
{
	bool malformed = wanted->verdict == VERDICT_DROP && wanted->reason == DROP_MALFORMED;
	struct eth eth;
	struct ipv4 ip;

	if (eth_read(in->frame, in->len, &eth) < 0)
		return false;
	if (eth.type == ETHERTYPE_MPLS || eth.type == ETHERTYPE_MPLS_MC)
		return in->len < ETH_SIZE + MPLS_SIZE; /* a megaflow without a label, whose counters are lost */
	if (eth.type != ETHERTYPE_V4)
		return false;
	if (ipv4_read(in->frame + ETH_SIZE, in->len - ETH_SIZE, &ip) < 0)
		return malformed && in->frame[ETH_SIZE] >> 4 != 4; /* the version */
	if (malformed) /* the header's checksum, or ICMP */
		return true;
	if (ip.proto == 0 && meets_router(fake, in))
		return true;
	return (wanted->verdict == VERDICT_DROP && wanted->reason == DROP_IP_OPTIONS) ||
	       goes_by_padding(fake, in, &ip, wanted);
}
