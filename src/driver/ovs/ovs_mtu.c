/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/ovs.h"
#include "io/netlink.h"

/*
 * A network whose largest packet does not fit into the underlay with a tunnel header loses exactly its largest
 * packets, which looks like anything but an MTU. So it is said.
 */

#define OUTER 50 /* IPv4, UDP and VXLAN headers, and the inner Ethernet header */

struct size {
	struct netlink *netlink;
	struct netlink_link narrowest; /* toward a peer; mtu 0: none */
	driver_warning fn;
	void *arg;
};

static void look_at_peer(const struct plan_record *r, void *arg)
{
	uint32_t to = htonl(ip_to_v4(&r->peer.tunnel)), hop, ifindex;
	struct netlink_link link;
	struct size *s = arg;

	if (ip_is_v4(&r->peer.tunnel) && netlink_route_v4(s->netlink, &to, &ifindex, &hop) == 0 &&
	    netlink_link_get(s->netlink, ifindex, &link, NULL) == 0 &&
	    (!s->narrowest.mtu || link.mtu < s->narrowest.mtu))
		s->narrowest = link;
}

static void look_at_segment(const struct plan_record *r, void *arg)
{
	const struct size *s = arg;
	char text[OVS_TEXT_SIZE], id[UUID_TEXT_SIZE];

	if (r->segment.mtu + OUTER <= s->narrowest.mtu)
		return;
	snprintf(text, sizeof(text), "network %s: its MTU %u and a tunnel header of %d do not fit into %s's %u",
		 uuid_format(&r->segment.uuid, id), r->segment.mtu, OUTER, s->narrowest.name, s->narrowest.mtu);
	s->fn(text, s->arg);
}

void ovs_mtu_each(struct driver *d, driver_warning fn, void *arg)
{
	_cleanup_(netlink_closep) struct netlink *netlink = NULL;
	struct size s = { .fn = fn, .arg = arg };

	if (!d->by_kernel_routes || netlink_open(NULL, NULL, &netlink, NULL) < 0)
		return;
	s.netlink = netlink;
	plan_each(flowset_plan(d->flows), PLAN_PEER, look_at_peer, &s);
	if (s.narrowest.mtu)
		plan_each(flowset_plan(d->flows), PLAN_SEGMENT, look_at_segment, &s);
}

static void log_too_large(const char *text, void *arg)
{
	(void)arg;
	log_warn("%s: large packets between hosts are lost", text);
}

void ovs_mtu_log(struct driver *d)
{
	ovs_mtu_each(d, log_too_large, NULL);
}
