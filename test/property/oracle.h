/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * oracle: what a tenant may expect of a packet, from the cloud alone: who gets it, from which MAC,
 * with how much TTL left. It knows nothing of hosts' tables, and shares no code with what makes them.
 */

#include "cloud.h"

/* An IPv4 packet that a VM sends from one of its addresses. */
struct probe {
	uint32_t vm; /* place in the array */
	uint32_t host; /* where it runs: its host, or where it is moving to */
	struct ip src, dst;
	struct mac dst_mac;
	uint8_t ttl;
	uint16_t length; /* of the IPv4 packet */
	bool echo; /* an ICMP echo request, else UDP */
};

enum expectation {
	EXPECT_NOBODY, /* no VM gets it */
	EXPECT_VM, /* exactly one VM gets it */
	EXPECT_ANSWER, /* the sender gets an echo reply */
	EXPECT_ERROR, /* the sender gets an ICMP error */
};

struct expected {
	enum expectation what;
	uint32_t vm;
	uint8_t ttl;
	struct mac src_mac; /* as the VM sees it */
	uint32_t vni; /* of the network that it arrives on */
	bool routed;
};

struct expected oracle_ask(const struct cloud *c, const struct probe *p);
