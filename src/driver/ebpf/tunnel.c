/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/ebpf.h"
#include "driver/ebpf/neutrino.skel.h"

/*
 * The VXLAN device receives every tunnel frame of this host, and sends floods and ARP. What
 * the packet side sends itself needs the underlay's device and next hop for each peer: looked
 * up here, and again whenever a route or an address of the host changes.
 */

bool tunnel_is_ours(const struct netlink_link *l)
{
	/* Without a mark: whoever made it died before he marked it. */
	return !strcmp(l->kind, "vxlan") && l->collect && (!*l->alias || !strcmp(l->alias, EBPF_ALIAS));
}

static int make(struct driver *d, struct netlink_link *ret, struct err *err)
{
	int r = netlink_vxlan_make(d->netlink, EBPF_DEVICE, d->config.vxlan_udp_port, err);

	return r < 0 ? r : netlink_link_find(d->netlink, EBPF_DEVICE, ret, err);
}

int tunnel_open(struct driver *d, struct err *err)
{
	struct netlink_link l;
	int r = netlink_link_find(d->netlink, EBPF_DEVICE, &l, NULL);

	if (!r && !tunnel_is_ours(&l))
		return err_errno(err, -EEXIST, "a device %s is there that is not ours", EBPF_DEVICE);
	if (!r && l.udp_port != d->config.vxlan_udp_port) {
		log_info("%s: UDP port %u now %u: made anew", EBPF_DEVICE, l.udp_port, d->config.vxlan_udp_port);
		r = netlink_link_delete(d->netlink, l.ifindex, err);
		if (r < 0)
			return r;
		r = -ENODEV;
	}
	if (r == -ENODEV)
		r = make(d, &l, err);
	if (r >= 0 && !*l.alias)
		r = netlink_link_alias(d->netlink, l.ifindex, EBPF_ALIAS, err);
	if (r < 0)
		return err_prefix(err, r, "tunnel");
	d->vxlan = l.ifindex;
	return 0;
}

/* Not before it has its program: what comes by tunnel would meet the host's own stack. */
static int attach_and_up(struct driver *d, struct err *err)
{
	int r = attach(d->vxlan, bpf_program__fd(d->bpf->progs.from_tunnel));

	if (r < 0)
		return err_errno(err, r, "%s: attach", EBPF_DEVICE);
	return netlink_link_up(d->netlink, d->vxlan, err);
}

/* Without the device nothing comes by tunnel; what stays on this host, and what leaves it, goes. */
int tunnel_up(struct driver *d)
{
	struct err err = { 0 };
	int r = tunnel_open(d, &err);

	if (r >= 0)
		r = attach_and_up(d, &err);
	if (r < 0) {
		d->vxlan = 0;
		log_err("%s", err.text);
	}
	return r;
}

static void lost(struct driver *d)
{
	log_err("%s was removed by somebody else", EBPF_DEVICE);
	d->vxlan = 0;
	if (d->events.lost)
		d->events.lost(d->events.arg);
}

static const char missing[] = "is gone";

/* What is wrong with the device, or NULL. Negative: not known. */
static int examine(struct driver *d, const char **ret_what)
{
	struct netlink_link l;
	int r = d->vxlan ? netlink_link_find(d->netlink, EBPF_DEVICE, &l, NULL) : 0;

	*ret_what = NULL;
	if (!d->vxlan || (r < 0 && r != -ENODEV))
		return r;
	if (r < 0 || l.ifindex != d->vxlan)
		*ret_what = missing;
	else if (!attached(l.ifindex))
		*ret_what = "has lost its filter";
	else if (!l.up)
		*ret_what = "is down";
	return 0;
}

static int put_right(struct driver *d, const char *what)
{
	struct err err = { 0 };
	int r = attach_and_up(d, &err);

	if (r < 0)
		LOG_LIMIT(log_err, 5, "%s %s: %s", EBPF_DEVICE, what, err.text);
	else
		LOG_LIMIT(log_warn, 5, "%s %s: somebody else did that; put right", EBPF_DEVICE, what);
	return r;
}

int tunnel_check(struct driver *d)
{
	const char *what;
	int r = examine(d, &what);

	if (what == missing)
		lost(d);
	else if (what)
		r = put_right(d, what);
	if (r < 0)
		ebpf_repair_soon(d);
	return r;
}

void tunnel_link(struct driver *d, const struct netlink_link *l, bool gone)
{
	if (gone)
		lost(d);
	else if (!l->up && d->synced)
		tunnel_check(d);
}

void tunnel_audit(struct driver *d, driver_audit fn, void *arg)
{
	const char *what;
	char text[64];

	examine(d, &what);
	if (!what)
		return;
	snprintf(text, sizeof(text), "device %s: it %s", EBPF_DEVICE, what);
	fn(DRIVER_AUDIT_MISSING, text, arg);
	ebpf_repair_soon(d);
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

/* Gives the peer another way. On failure it has the one before. */
static int way_use(struct driver *d, struct peer_way *w, uint32_t ifindex, uint32_t next_hop)
{
	struct peer_way before = *w;
	struct plan_record key = PLAN_RECORD(PLAN_PEER);
	struct rows was = { 0 }, now = { 0 };
	const struct plan_record *r;
	int ret = 0;

	key.peer.key.host = w->host;
	r = plan_find(d->plan, &key);
	if (r)
		rows_of(d, r, &was);
	w->ifindex = ifindex;
	w->next_hop = next_hop;
	if (r) {
		rows_of(d, r, &now);
		ret = ebpf_remake(d, &was, &now);
	}
	if (ret < 0) {
		LOG_LIMIT(log_warn, 5, "peer %s: its new way was not taken: %s", r->peer.name, strerror(-ret));
		w->ifindex = before.ifindex;
		w->next_hop = before.next_hop;
	}
	rows_fini(&was);
	rows_fini(&now);
	return ret;
}

int ways_refresh(struct driver *d)
{
	struct peer_way *w, *tmp;
	int ret = 0, r;

	HASH_ITER (hh, d->ways, w, tmp) {
		uint32_t ifindex, next_hop;

		look_up(d, w, &ifindex, &next_hop);
		if (ifindex == w->ifindex && next_hop == w->next_hop)
			continue;
		r = way_use(d, w, ifindex, next_hop);
		ret = r < 0 ? r : ret;
	}
	return ret;
}
