/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"

/*
 * The VXLAN device receives every tunnel frame of this host, and sends floods and ARP. What
 * the packet side sends itself needs the underlay's device and next hop for each peer: looked
 * up here, and again whenever a route or an address of the host changes.
 */

int tunnel_open(struct driver *d, struct err *err)
{
	struct netlink_link l;
	int r = netlink_link_find(d->netlink, EBPF_DEVICE, &l, NULL);

	if (!r && (strcmp(l.kind, "vxlan") || !l.collect || (*l.alias && strcmp(l.alias, EBPF_ALIAS))))
		return err_errno(err, -EEXIST, "a device %s is there that is not ours", EBPF_DEVICE);
	if (!r && l.udp_port != d->config.vxlan_udp_port) {
		log_info("%s: UDP port %u now %u: made anew", EBPF_DEVICE, l.udp_port, d->config.vxlan_udp_port);
		r = netlink_link_delete(d->netlink, l.ifindex, err);
		if (r < 0)
			return r;
		r = -ENODEV;
	}
	if (r == -ENODEV) {
		r = netlink_vxlan_make(d->netlink, EBPF_DEVICE, EBPF_ALIAS, d->config.vxlan_udp_port, err);
		if (r < 0)
			return r;
		r = netlink_link_find(d->netlink, EBPF_DEVICE, &l, err);
	}
	if (r < 0)
		return err_prefix(err, r, "tunnel");
	if (!l.up)
		r = netlink_link_up(d->netlink, l.ifindex, err);
	d->vxlan = l.ifindex;
	return r;
}

struct peer_way *way_find(const struct driver *d, uint32_t host)
{
	struct peer_way *w;

	HASH_FIND_INT(d->ways, &host, w);
	return w;
}

static void look_up(struct driver *d, struct peer_way *w, uint32_t *ifindex, uint32_t *next_hop)
{
	if (netlink_route_v4(d->netlink, &w->tunnel, ifindex, next_hop) < 0)
		*ifindex = *next_hop = 0;
}

void way_add(struct driver *d, const struct plan_peer *p)
{
	struct peer_way *w = way_find(d, p->key.host);

	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->host = p->key.host;
		HASH_ADD_INT(d->ways, host, w);
	}
	w->tunnel = ip_is_v4(&p->tunnel) ? htonl(ip_to_v4(&p->tunnel)) : 0;
	look_up(d, w, &w->ifindex, &w->next_hop);
}

void way_del(struct driver *d, uint32_t host)
{
	struct peer_way *w = way_find(d, host);

	if (!w)
		return;
	HASH_DEL(d->ways, w);
	free(w);
}

void ways_fini(struct driver *d)
{
	struct peer_way *w, *tmp;

	HASH_ITER (hh, d->ways, w, tmp) {
		HASH_DEL(d->ways, w);
		free(w);
	}
}

void ways_refresh(struct driver *d)
{
	struct peer_way *w, *tmp;

	HASH_ITER (hh, d->ways, w, tmp) {
		struct plan_record key = PLAN_RECORD(PLAN_PEER);
		const struct plan_record *r;
		struct rows was = { 0 }, now = { 0 };
		uint32_t ifindex, next_hop;

		look_up(d, w, &ifindex, &next_hop);
		if (ifindex == w->ifindex && next_hop == w->next_hop)
			continue;
		key.peer.key.host = w->host;
		r = plan_find(d->plan, &key);
		if (r)
			rows_of(d, r, &was);
		w->ifindex = ifindex;
		w->next_hop = next_hop;
		if (r) {
			rows_of(d, r, &now);
			if (ebpf_remake(d, &was, &now) < 0)
				log_warn("peer %s: its new way was not taken", r->peer.name);
		}
		rows_fini(&was);
		rows_fini(&now);
	}
}
