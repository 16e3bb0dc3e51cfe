/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * netlink: the links, routes and neighbours of this network namespace (libmnl, and the only file that
 * knows it). Requests are short and synchronous; changes come as callbacks from the loop.
 *
 * A watch may lose notifications when the kernel's buffer runs over: then what is still in it is
 * dropped, `again` is called, and who listens must list everything anew.
 */

#include <stdbool.h>
#include <stdint.h>

struct err;
struct loop;
struct netlink;

#define NETLINK_NAME_SIZE 16 /* IFNAMSIZ */
#define NETLINK_ALIAS_SIZE 64 /* longer ones are cut */

struct netlink_link {
	uint32_t ifindex;
	uint32_t mtu;
	uint32_t master; /* ifindex of the bridge or bond that it is part of; 0: none */
	bool up;
	bool peer_elsewhere; /* a veth whose other end is in another namespace */
	bool collect; /* a VXLAN device that takes tunnel metadata */
	uint16_t udp_port; /* of a VXLAN device, host byte order */
	char name[NETLINK_NAME_SIZE];
	char kind[NETLINK_NAME_SIZE]; /* "veth", "tun", "vxlan"; "" for hardware */
	char alias[NETLINK_ALIAS_SIZE];
};

/* What the kernel knows of an IPv4 neighbour. */
struct netlink_neighbour {
	uint32_t ifindex;
	unsigned char ip[4];
	unsigned char mac[6];
	bool known; /* `mac` is its */
};

/* What is NULL is not listened to; `again` is needed. */
struct netlink_events {
	void (*link)(const struct netlink_link *l, bool gone, void *arg); /* new, changed, gone */
	void (*route)(void *arg); /* some IPv4 route or address changed */
	void (*filter)(uint32_t ifindex, void *arg); /* a tc filter, or all of them, went from the device */
	void (*neighbour)(const struct netlink_neighbour *n, void *arg); /* one changed */
	void (*again)(void *arg); /* notifications were lost */
	void *arg;
};

typedef void (*netlink_link_fn)(const struct netlink_link *l, void *arg);

/* Without a loop and events nothing is watched, only requests can be made. */
int netlink_open(struct loop *loop, const struct netlink_events *events, struct netlink **ret, struct err *err);
struct netlink *netlink_close(struct netlink *n); /* accepts NULL, returns NULL */
void netlink_closep(struct netlink **n);

int netlink_links(struct netlink *n, netlink_link_fn fn, void *arg, struct err *err);
int netlink_link_find(struct netlink *n, const char *name, struct netlink_link *ret, struct err *err); /* -ENODEV */
int netlink_link_get(struct netlink *n, uint32_t ifindex, struct netlink_link *ret, struct err *err); /* -ENODEV */
int netlink_link_delete(struct netlink *n, uint32_t ifindex, struct err *err);

/* A VXLAN device without network or peers of its own: both come with each packet's metadata. It is down. */
int netlink_vxlan_make(struct netlink *n, const char *name, uint16_t udp_port, struct err *err);
int netlink_link_alias(struct netlink *n, uint32_t ifindex, const char *alias, struct err *err);
int netlink_link_up(struct netlink *n, uint32_t ifindex, struct err *err);

/* Where a packet to an IPv4 address (4 bytes) leaves: the device, and the router or the address itself. -ENETUNREACH.
 */
int netlink_route_v4(struct netlink *n, const void *to, uint32_t *ret_ifindex, void *ret_next_hop);
/* Has the kernel find out, or check, who has the address on the device's wire; the answer is a notification. */
int netlink_neighbour_ask(struct netlink *n, uint32_t ifindex, const void *ip);
int netlink_neighbour_find(struct netlink *n, uint32_t ifindex, const void *ip,
			   struct netlink_neighbour *ret); /* -ENOENT */
