/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf: the inside of the driver, shared by its files.
 *
 *   ebpf.c    the driver's calls, and what holds them together
 *   rows.c    a record of the plan -> entries of maps
 *   table.c   maps and the belief of what they hold
 *   flood.c   the lists of copies of each network
 *   port.c    devices of ports: appear, attach, go
 *   tunnel.c  the VXLAN device, and the way to each peer
 *   mtu.c     warnings of networks that do not fit into the underlay
 *   attach.c  programs on devices
 *   audit.c   sync and audit: maps compared with a plan
 *   repair.c  what failed, or was undone by others, tried again
 *
 * What an entry says beyond its record (a port's ifindex, the underlay's next hop) is state
 * of the driver. It changes only between ebpf_unmake() and ebpf_make() of the records that
 * depend on it, so that entries that were made can always be computed again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "driver/driver.h"
#include "driver/ebpf/table.h"
#include "io/netlink.h"

struct neutrino_bpf;

#define EBPF_DEVICE "vxlan-neutrino"
#define EBPF_ALIAS "neutrino" /* marks the device as ours */

struct row {
	enum table table;
	uint8_t key[CELL_KEY_SIZE];
	uint8_t value[CELL_VALUE_SIZE];
};

struct rows {
	size_t n, allocated;
	struct row *items;
};

/* Members and interfaces of a router, for who may send routed frames on which network. */
struct router_index {
	uint32_t router;
	size_t n_networks, n_hosts;
	uint32_t *networks, *hosts; /* a network once for each interface there */
	UT_hash_handle hh;
};

/* The flood list of a network. Its order is the order of the slots. */
struct flood_target {
	uint32_t port; /* or */
	uint32_t peer;
};

struct flood_net {
	uint32_t network;
	uint32_t n, allocated;
	struct flood_target *targets;
	UT_hash_handle hh;
};

struct floods {
	struct flood_net *hash;
};

/* A device that could be a port's: its name begins with "tap". */
struct tap {
	uint32_t ifindex;
	char name[NETLINK_NAME_SIZE];
	bool peer_elsewhere;
	bool guest; /* of a kind that VMs have */
	bool claimed; /* now or once, by a record */
	uint32_t master;
	enum { TAP_OPEN, TAP_FILTER_EARLIER, TAP_FILTER } filter; /* none; an earlier run's; this run's */
	UT_hash_handle hh;
};

/* A port of the plan, and the device that it has now. */
struct port_device {
	uint32_t port;
	char name[NETLINK_NAME_SIZE];
	uint32_t ifindex; /* 0: none */
	bool peer_elsewhere;
	bool trouble; /* programming or attaching it failed: to be tried again */
	UT_hash_handle hh; /* by port */
	UT_hash_handle by_name;
};

struct peer_way {
	uint32_t host;
	uint32_t tunnel; /* network order */
	uint32_t ifindex; /* 0: not known */
	uint32_t next_hop;
	UT_hash_handle hh;
};

struct port_event {
	uint32_t port;
	enum driver_port_state state;
	char text[128];
};

struct driver {
	struct driver_config config;
	char *pin_dir;
	char *layout; /* folder in there */
	int held; /* the pin directory, locked */
	struct loop *loop;
	struct driver_events events;
	struct netlink *netlink;
	struct neutrino_bpf *bpf;
	struct table_fds fds;
	struct plan *plan; /* what is in the maps */
	struct cells cells;
	struct floods floods;
	struct router_index *routers;
	struct tap *taps;
	struct port_device *ports, *ports_by_name;
	struct peer_way *ways;
	struct mtu_warning *mtu_warnings;
	uint32_t generation; /* of what the maps hold */
	uint32_t vxlan; /* ifindex of the device, 0 until the first sync */
	bool synced;
	bool unread; /* the last sync did not come to an end */
	bool relist; /* devices are not known for sure */
	bool flood_left; /* a copy that should be gone is not */

	struct loop_source *idle; /* gives events and the answer of the last call */
	struct loop_source *reroute; /* looks the peers' ways up again */
	struct loop_source *mtu; /* compares networks and underlay again */
	struct loop_source *repair, *look;
	uint64_t repair_us; /* the pause before the next time */
	bool repair_armed;
	struct port_event *queue;
	size_t n_queue;
	driver_done done;
	void *done_arg;
	struct driver_failure *failures;
	size_t n_failures;
};

/* rows.c */
void rows_fini(struct rows *rows);
void rows_of(const struct driver *d, const struct plan_record *r, struct rows *ret);
void index_add(struct router_index **routers, const struct plan_record *r);
void index_del(struct router_index **routers, const struct plan_record *r);
void index_fini(struct router_index **routers);

/* ebpf.c: entries of a record in and out; the second undoes exactly the first */
int ebpf_make(struct driver *d, const struct plan_record *r);
int ebpf_unmake(struct driver *d, const struct plan_record *r);
/* Puts `now` in the place of `old`, which was made with the entries `was`. */
int ebpf_remake(struct driver *d, const struct rows *was, const struct rows *now);
/* What packets were remembered to come to (bpf/flow.h) is asked for anew. After each change, before the next. */
void ebpf_changed(struct driver *d);
void ebpf_event(struct driver *d, uint32_t port, enum driver_port_state state, const char *text);

/* flood.c */
void floods_fini(struct floods *f);
void floods_push(struct floods *f, uint32_t network, const struct flood_target *t); /* in memory alone */
bool flood_has(const struct floods *f, uint32_t network, const struct flood_target *t);
int flood_add(struct driver *d, uint32_t network, const struct flood_target *t);
int flood_del(struct driver *d, uint32_t network, const struct flood_target *t);
int floods_read(struct driver *d, struct floods *ret); /* from the kernel */
int floods_sweep(struct driver *d); /* copies that the plan does not want */
int floods_trim(struct driver *d);

/* port.c */
int ports_open(struct driver *d, struct err *err); /* finds devices */
void ports_fini(struct driver *d);
void port_link(struct driver *d, const struct netlink_link *l, bool gone);
struct port_device *port_find(const struct driver *d, uint32_t port);
struct port_device *port_add(struct driver *d, const struct plan_record *r);
void port_del(struct driver *d, uint32_t port);
int port_attach(struct driver *d, struct port_device *p); /* and says so */
void ports_attach(struct driver *d); /* of the plan, and those that no record claims */
void port_filter_gone(struct driver *d, uint32_t ifindex); /* perhaps */
int port_release(uint32_t ifindex, const char *name); /* the device is the host's again */
int port_relist(struct driver *d);
int ports_repair(struct driver *d);
void ports_audit(struct driver *d, driver_audit fn, void *arg);

/* tunnel.c */
bool tunnel_is_ours(const struct netlink_link *l);
int tunnel_open(struct driver *d, struct err *err); /* makes or adopts the device, as it is: down if it is new */
int tunnel_up(struct driver *d); /* with its program */
int tunnel_check(struct driver *d); /* still so? What fails is tried again. */
void tunnel_link(struct driver *d, const struct netlink_link *l, bool gone);
void tunnel_audit(struct driver *d, driver_audit fn, void *arg);
void way_add(struct driver *d, const struct plan_peer *p);
void way_del(struct driver *d, uint32_t host);
struct peer_way *way_find(const struct driver *d, uint32_t host);
int ways_refresh(struct driver *d);
void ways_fini(struct driver *d);

/* mtu.c */
void mtu_check(struct driver *d);
void mtu_each(struct driver *d, driver_warning fn, void *arg);
void mtu_fini(struct driver *d);

/* attach.c: one program of ours on a device's ingress */
int attach(uint32_t ifindex, int prog_fd);
int detach(uint32_t ifindex); /* only a program of ours; 0 when there is none */
uint32_t attached(uint32_t ifindex); /* the id of ours, 0 for none */

/* repair.c */
void ebpf_repair(void *d); /* now; what fails again is tried again later */
void ebpf_repair_soon(struct driver *d);
void ebpf_look(void *d); /* at the devices, now and from time to time: what is missing comes soon */

/* audit.c */
/* Brings every map to the plan. A cell remembers what the kernel refused; of copies that are not in their list it is
 * said why. Negative: the maps cannot be read, nothing was changed. */
int sync_maps(struct driver *d, const struct plan *plan, int *ret_lists);
int audit_maps(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err);
