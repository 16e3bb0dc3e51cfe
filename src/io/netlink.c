/* SPDX-License-Identifier: Apache-2.0 */
#include "io/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/mem.h"
#include "io/loop.h"

#define BUFFER_SIZE 32768
#define LIST_TRIES 8
#define WATCH_BUFFER (4 * 1024 * 1024) /* kernel side: hundreds of devices at once */

struct netlink {
	struct mnl_socket *request;
	struct mnl_socket *watch;
	struct loop_source *source;
	struct netlink_events events;
	unsigned int seq;
};

static void copy_text(char *to, size_t size, const struct nlattr *a)
{
	snprintf(to, size, "%.*s", (int)mnl_attr_get_payload_len(a), mnl_attr_get_str(a));
}

static void read_vxlan(const struct nlattr *data, struct netlink_link *l)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, data)
	{
		if (mnl_attr_get_type(a) == IFLA_VXLAN_PORT)
			l->udp_port = ntohs(mnl_attr_get_u16(a));
		else if (mnl_attr_get_type(a) == IFLA_VXLAN_COLLECT_METADATA)
			l->collect = mnl_attr_get_u8(a);
	}
}

static void read_info(const struct nlattr *info, struct netlink_link *l)
{
	const struct nlattr *a, *data = NULL;

	mnl_attr_for_each_nested(a, info)
	{
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			copy_text(l->kind, sizeof(l->kind), a);
		else if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			data = a;
	}
	if (data && !strcmp(l->kind, "vxlan"))
		read_vxlan(data, l);
}

static void read_link(const struct nlmsghdr *h, struct netlink_link *l)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	bool elsewhere = false;

	memset(l, 0, sizeof(*l));
	l->ifindex = (uint32_t)ifi->ifi_index;
	l->up = ifi->ifi_flags & IFF_UP;
	mnl_attr_for_each(a, h, sizeof(*ifi))
	{
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			copy_text(l->name, sizeof(l->name), a);
			break;
		case IFLA_IFALIAS:
			copy_text(l->alias, sizeof(l->alias), a);
			break;
		case IFLA_MTU:
			l->mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_MASTER:
			l->master = mnl_attr_get_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			read_info(a, l);
			break;
		default:
			break;
		}
	}
	l->peer_elsewhere = elsewhere && !strcmp(l->kind, "veth");
}

static void link_changed(struct netlink *n, const struct nlmsghdr *h)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);
	struct netlink_link l;

	if (ifi->ifi_family != AF_UNSPEC) /* a bridge's port: about another thing */
		return;
	read_link(h, &l);
	n->events.link(&l, h->nlmsg_type == RTM_DELLINK, n->events.arg);
}

/* false: not an IPv4 neighbour. */
static bool read_neighbour(const struct nlmsghdr *h, struct netlink_neighbour *ret)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	bool has_ip = false, has_mac = false;
	const struct nlattr *a;

	memset(ret, 0, sizeof(*ret));
	ret->ifindex = (uint32_t)nd->ndm_ifindex;
	mnl_attr_for_each(a, h, sizeof(*nd))
	{
		uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);

		if (type == NDA_DST && len == sizeof(ret->ip)) {
			memcpy(ret->ip, mnl_attr_get_payload(a), len);
			has_ip = true;
		} else if (type == NDA_LLADDR && len == sizeof(ret->mac)) {
			memcpy(ret->mac, mnl_attr_get_payload(a), len);
			has_mac = true;
		}
	}
	ret->known = has_mac && h->nlmsg_type == RTM_NEWNEIGH &&
		     nd->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP);
	return nd->ndm_family == AF_INET && has_ip;
}

static void neighbour_changed(struct netlink *n, const struct nlmsghdr *h)
{
	struct netlink_neighbour neighbour;

	if (read_neighbour(h, &neighbour))
		n->events.neighbour(&neighbour, n->events.arg);
}

/* Positive: a route or an address. */
static int changed(struct netlink *n, const struct nlmsghdr *h)
{
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_changed(n, h);
		return 0;
	case RTM_DELTFILTER:
	case RTM_DELQDISC:
		n->events.filter((uint32_t)((const struct tcmsg *)mnl_nlmsg_get_payload(h))->tcm_ifindex,
				 n->events.arg);
		return 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_changed(n, h);
		return 0;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return 1;
	default:
		return 0;
	}
}

/*
 * After a loss what is still queued tells of a past that the list to come is newer than: a
 * device that went meanwhile would seem to come again. So it is thrown away.
 */
static void on_watch(uint32_t events, void *arg)
{
	struct netlink *n = arg;
	_Alignas(8) char buffer[BUFFER_SIZE];
	bool route = false, lost = false;

	(void)events;
	for (;;) {
		ssize_t len = mnl_socket_recvfrom(n->watch, buffer, sizeof(buffer));
		int left = (int)len;

		if (len < 0 && errno != EINTR && errno != ENOBUFS)
			break;
		lost |= len < 0 && errno == ENOBUFS;
		if (len < 0 || lost)
			continue;
		for (const struct nlmsghdr *h = (void *)buffer; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			route |= changed(n, h);
	}
	if (lost)
		n->events.again(n->events.arg);
	else if (route)
		n->events.route(n->events.arg);
}

static unsigned int groups_of(const struct netlink_events *e)
{
	return (e->link ? RTMGRP_LINK : 0U) | (e->route ? RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_IFADDR : 0U) |
	       (e->filter ? RTMGRP_TC : 0U) | (e->neighbour ? RTMGRP_NEIGH : 0U);
}

static int open_watch(struct netlink *n, struct loop *loop)
{
	int size = WATCH_BUFFER;

	n->watch = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->watch)
		return -errno;
	setsockopt(mnl_socket_get_fd(n->watch), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (mnl_socket_bind(n->watch, groups_of(&n->events), MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	n->source = loop_io(loop, mnl_socket_get_fd(n->watch), EPOLLIN, on_watch, n);
	return 0;
}

int netlink_open(struct loop *loop, const struct netlink_events *events, struct netlink **ret, struct err *err)
{
	_cleanup_(netlink_closep) struct netlink *n = xcalloc(1, sizeof(*n));
	int r = 0;

	n->request = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!n->request || mnl_socket_bind(n->request, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_errno(err, -errno, "netlink");
	if (loop && events) {
		n->events = *events;
		r = open_watch(n, loop);
		if (r < 0)
			return err_errno(err, r, "netlink watch");
	}
	*ret = take(&n);
	return 0;
}

struct netlink *netlink_close(struct netlink *n)
{
	if (!n)
		return NULL;
	loop_source_free(n->source);
	if (n->watch)
		mnl_socket_close(n->watch);
	if (n->request)
		mnl_socket_close(n->request);
	free(n);
	return NULL;
}

void netlink_closep(struct netlink **n)
{
	netlink_close(*n);
}

/*
 * Sends a request and reads its answers; fn sees each message that is not the end. Returns a negative errno; -EAGAIN
 * after a list that changed while it was read, and may lack what was there all the time.
 */
static int ask(struct netlink *n, struct nlmsghdr *h, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg)
{
	_Alignas(8) char buffer[BUFFER_SIZE];
	bool torn = false;

	h->nlmsg_seq = ++n->seq;
	if (mnl_socket_sendto(n->request, h, h->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t len = mnl_socket_recvfrom(n->request, buffer, sizeof(buffer));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		int left = (int)len;

		for (const struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != n->seq)
				continue;
			torn |= m->nlmsg_flags & NLM_F_DUMP_INTR;
			if (m->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error;
			if (m->nlmsg_type == NLMSG_DONE)
				return torn ? -EAGAIN : 0;
			if (fn)
				fn(m, arg);
		}
	}
}

struct link_arg {
	netlink_link_fn fn;
	void *arg;
	struct netlink_link *one;
};

static void on_link(const struct nlmsghdr *h, void *arg)
{
	struct link_arg *la = arg;
	struct netlink_link l;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	read_link(h, la->one ? la->one : &l);
	if (la->fn)
		la->fn(la->one ? la->one : &l, la->arg);
}

static struct nlmsghdr *link_request(char *buffer, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	ifi->ifi_index = (int)ifindex;
	return h;
}

int netlink_links(struct netlink *n, netlink_link_fn fn, void *arg, struct err *err)
{
	_Alignas(8) char buffer[256];
	struct link_arg la = { .fn = fn, .arg = arg };
	int r = -EAGAIN;

	for (int i = 0; i < LIST_TRIES && r == -EAGAIN; i++)
		r = ask(n, link_request(buffer, RTM_GETLINK, NLM_F_DUMP, 0), on_link, &la);
	return r < 0 ? err_errno(err, r, "list of links") : 0;
}

int netlink_link_find(struct netlink *n, const char *name, struct netlink_link *ret, struct err *err)
{
	_Alignas(8) char buffer[256];
	struct nlmsghdr *h = link_request(buffer, RTM_GETLINK, NLM_F_ACK, 0);
	struct link_arg la = { .one = ret };
	int r;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	r = ask(n, h, on_link, &la);
	return r < 0 ? err_errno(err, r, "link %s", name) : 0;
}

int netlink_link_get(struct netlink *n, uint32_t ifindex, struct netlink_link *ret, struct err *err)
{
	_Alignas(8) char buffer[256];
	struct link_arg la = { .one = ret };
	int r = ask(n, link_request(buffer, RTM_GETLINK, NLM_F_ACK, ifindex), on_link, &la);

	return r < 0 ? err_errno(err, r, "link %u", ifindex) : 0;
}

int netlink_link_delete(struct netlink *n, uint32_t ifindex, struct err *err)
{
	_Alignas(8) char buffer[256];
	int r = ask(n, link_request(buffer, RTM_DELLINK, NLM_F_ACK, ifindex), NULL, NULL);

	return r < 0 ? err_errno(err, r, "delete link %u", ifindex) : 0;
}

int netlink_link_up(struct netlink *n, uint32_t ifindex, struct err *err)
{
	_Alignas(8) char buffer[256];
	struct nlmsghdr *h = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);
	int r;

	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	r = ask(n, h, NULL, NULL);
	return r < 0 ? err_errno(err, r, "link %u up", ifindex) : 0;
}

int netlink_link_alias(struct netlink *n, uint32_t ifindex, const char *alias, struct err *err)
{
	_Alignas(8) char buffer[256];
	struct nlmsghdr *h = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, ifindex);
	int r;

	mnl_attr_put_strz(h, IFLA_IFALIAS, alias);
	r = ask(n, h, NULL, NULL);
	return r < 0 ? err_errno(err, r, "alias of link %u", ifindex) : 0;
}

int netlink_vxlan_make(struct netlink *n, const char *name, uint16_t udp_port, struct err *err)
{
	_Alignas(8) char buffer[1024];
	struct nlmsghdr *h = link_request(buffer, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data;
	int r;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_MTU, 65000); /* sizes are checked against the network's MTU before */
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u8(h, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(h, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(h, IFLA_VXLAN_PORT, htons(udp_port));
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	r = ask(n, h, NULL, NULL);
	return r < 0 ? err_errno(err, r, "VXLAN device %s, UDP port %u", name, udp_port) : 0;
}

struct route_arg {
	uint32_t ifindex;
	unsigned char next_hop[4];
	bool found;
};

static void on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(h);
	struct route_arg *ra = arg;
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return;
	mnl_attr_for_each(a, h, sizeof(*rt))
	{
		if (mnl_attr_get_type(a) == RTA_OIF)
			ra->ifindex = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == RTA_GATEWAY && mnl_attr_get_payload_len(a) == 4)
			memcpy(ra->next_hop, mnl_attr_get_payload(a), 4);
	}
	ra->found = rt->rtm_type == RTN_UNICAST;
}

int netlink_route_v4(struct netlink *n, const void *to, uint32_t *ret_ifindex, void *ret_next_hop)
{
	_Alignas(8) char buffer[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	struct route_arg ra = { 0 };
	int r;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	rt->rtm_family = AF_INET;
	rt->rtm_dst_len = 32;
	mnl_attr_put(h, RTA_DST, 4, to);
	memcpy(ra.next_hop, to, 4);
	r = ask(n, h, on_route, &ra);
	if (r < 0)
		return r;
	if (!ra.found || !ra.ifindex)
		return -ENETUNREACH;
	*ret_ifindex = ra.ifindex;
	memcpy(ret_next_hop, ra.next_hop, 4);
	return 0;
}

/* ---- neighbours ---- */

static struct nlmsghdr *neighbour_request(char *buffer, uint16_t type, uint16_t flags, uint32_t ifindex, const void *ip)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(h, sizeof(*nd));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	nd->ndm_family = AF_INET;
	nd->ndm_ifindex = (int)ifindex;
	mnl_attr_put(h, NDA_DST, 4, ip);
	return h;
}

int netlink_neighbour_ask(struct netlink *n, uint32_t ifindex, const void *ip)
{
	_Alignas(8) char buffer[256];
	struct nlmsghdr *h = neighbour_request(buffer, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, ifindex, ip);

	((struct ndmsg *)mnl_nlmsg_get_payload(h))->ndm_flags = NTF_USE;
	return ask(n, h, NULL, NULL);
}

static void on_neighbour(const struct nlmsghdr *h, void *arg)
{
	if (h->nlmsg_type == RTM_NEWNEIGH)
		read_neighbour(h, arg);
}

int netlink_neighbour_find(struct netlink *n, uint32_t ifindex, const void *ip, struct netlink_neighbour *ret)
{
	_Alignas(8) char buffer[256];

	return ask(n, neighbour_request(buffer, RTM_GETNEIGH, NLM_F_ACK, ifindex, ip), on_neighbour, ret);
}
