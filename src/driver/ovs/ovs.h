/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ovs: the parts of the Open vSwitch driver, which is one object. Inside driver/ovs only.
 *
 *     vswitch ─ports, bridge─► port ─ofport─► flowset ─due─► work ─bundles─► openflow ─► switch
 *                                ▲               ▲            │  ▲              │
 *     agent ─sync, apply─────────┴──── call ─────┘◄─refused───┘  └─what is there─┤
 *                                                                error ◄─packets─┘
 *
 * work is one loop: whenever something may be to do, it takes the first of these that is, and waits for its answer:
 * read what the switch has (after each connection); meters that flows need; flows that are due, in one bundle;
 * meters that none needs any more; the underlay's neighbours, for a moment; tell ports and answer the call. A
 * connection that ends, whatever the reason, only means that what is there is not known: the way back is the same as
 * the first one.
 */

#include <uthash.h>

#include "base/err.h"
#include "driver/driver.h"
#include "driver/ovs/flowset.h"
#include "driver/ovs/members.h"
#include "driver/ovs/openflow.h"
#include "driver/ovs/pipeline.h"
#include "driver/ovs/vswitch.h"
#include "plan/verdict.h"

#define OVS_TEXT_SIZE sizeof(((struct driver_failure *)NULL)->text)

/* A port of the plan, an interface of the switch, or both: they meet by the UUID. */
struct ovs_port {
	struct uuid uuid;
	uint32_t num; /* in the plan; 0: it is not there */
	bool plugged; /* `iface` is there */
	struct vswitch_iface iface;
	char refused[OVS_TEXT_SIZE]; /* why its record is not in the switch */
	bool told; /* the agent knows */
	enum driver_port_state state;
	char text[OVS_TEXT_SIZE];
	enum { MARK_UNKNOWN, MARK_NOT_INSTALLED, MARK_INSTALLED } mark; /* of the switch's row */
	bool changed; /* in the list of what is to be told */
	struct ovs_port *prev, *next;
	UT_hash_handle hh, by_num;
};

/* A meter has a port's number (METER_ID), not the port's record: what counts is which numbers are used. */
struct ovs_meters {
	struct members wanted; /* ofports */
	struct members there; /* ofports that have theirs */
	struct members used; /* while reading: ofports that flows of ours name */
	struct members seen; /* while reading: ofports that have meters, and how many */
	struct members asked; /* ofports whose meters are being made or removed */
	bool too_big; /* METER_TOO_BIG is there */
	struct openflow_stats last; /* dropped by those that are being removed */
	struct openflow_stats dropped; /* by meters that are gone */
};

enum ovs_call { CALL_NONE, CALL_SYNC, CALL_APPLY };

struct driver {
	struct driver_events events;
	struct loop *loop;
	int lock; /* of the state directory; -1 */
	struct loop_source *kick; /* there may be something to do */
	struct loop_source *later; /* the same after a pause, with what was refused */
	bool pausing; /* until then */
	struct loop_source *look; /* the same, after flows of ours were removed */
	struct loop_source *patience; /* how long is the switch waited for */
	uint64_t patience_us;
	bool by_kernel_routes; /* the tunnels' packets go */

	struct vswitch *vswitch;
	struct cache *cache; /* NULL: the kernel's */
	struct neighbour *neighbours; /* NULL: no tunnels, or the kernel sees to it */
	char *mgmt; /* NULL: no bridge yet */
	struct openflow *openflow;
	char why[OVS_TEXT_SIZE]; /* it is not up */

	struct pipeline_world world;
	struct flowset *flows;
	struct ovs_port *ports, *ports_by_num, *changed;
	struct ovs_meters meters;

	bool synced; /* a plan was given */
	bool known; /* what the switch has */
	bool reading; /* and since it began to be read, nobody doubted it */
	bool waiting; /* for a switch that is not there */
	bool busy; /* it was asked something */
	bool away; /* for longer than one waits; */
	bool gave_up; /* and a call was answered so */
	size_t limit; /* mods of a bundle: less than all while one that is refused is looked for */
	const struct flow_mod *mods; /* of the bundle that is out */
	size_t n_mods;
	uint64_t sent_bundles, sent_mods; /* since it was opened */

	enum ovs_call call;
	struct plan_changes changes; /* of an apply */
	driver_done done;
	void *done_arg;
	struct driver_failure *failures;
	size_t n_failures;

	struct plan *again; /* records that were refused without a call to say so */
	unsigned tries;
	char conflict[OVS_TEXT_SIZE]; /* a flow of another's in the place of one of ours */
	struct driver_counter counters[VERDICT_COUNT + DROP_COUNT]; /* as last read */
};

/* ---- ovs_work.c ---- */
void ovs_work(void *arg);
void ovs_kick(struct driver *d);
void ovs_later(struct driver *d);
void ovs_wait(struct driver *d); /* from now on, for as long as one waits */
bool ovs_is_up(const struct driver *d);
void ovs_forget_switch(struct driver *d, const char *why); /* the connection has ended */
void ovs_read_again(struct driver *d); /* what it has may have changed */

/* ---- ovs_peer.c ---- */
void ovs_peers_sync(struct driver *d, const struct plan *plan); /* before the flow set is */
void ovs_peers_apply(struct driver *d, const struct plan_change *c);

/* ---- ovs_call.c: what the agent asks, and what becomes of records ---- */
void ovs_sync(struct driver *d, const struct plan *plan, driver_done done, void *arg);
void ovs_apply(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg);
void ovs_end_call(struct driver *d);
/* The switch is away for longer than one waits. */
void ovs_give_up(void *arg);
void ovs_refuse(struct driver *d, const struct flowset_origin *o, int r, const char *text);
void ovs_try_again(struct driver *d);

/* ---- ovs_port.c ---- */
void ovs_ports_bind(struct driver *d, const struct plan_record *r); /* the record comes, or is another one */
void ovs_ports_unbind(struct driver *d, uint32_t num); /* it goes */
void ovs_ports_bind_all(struct driver *d, const struct plan *plan); /* these and no others */
void ovs_port_refused(struct driver *d, uint32_t num, const char *text); /* "": not any more */
void ovs_ports_touch(struct driver *d); /* all are told, where that is news */
void ovs_ports_tell(struct driver *d);
uint32_t ovs_ofport(uint32_t port, void *arg);
uint32_t ovs_iface_ofport(const struct driver *d, const struct uuid *uuid); /* 0: it has none */
void ovs_iface(const struct vswitch_iface *i, void *arg);
void ovs_iface_gone(const struct uuid *uuid, void *arg);
void ovs_ports_fini(struct driver *d);

/* ---- ovs_meter.c ---- */
void ovs_meters_read_begin(struct driver *d);
void ovs_meters_found_flow(struct members *used, const struct flow *f);
void ovs_meters_found(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg);
void ovs_meters_read_end(struct driver *d);
/* Starts what is to be done; false: nothing is. */
bool ovs_meters_add(struct driver *d);
bool ovs_meters_del(struct driver *d);
void ovs_meters_fini(struct driver *d);

/* ---- ovs_mtu.c: networks that do not fit into the underlay ---- */
void ovs_mtu_each(struct driver *d, driver_warning fn, void *arg);
void ovs_mtu_log(struct driver *d);

/* ---- ovs_error.c ---- */
void ovs_packet_in(const struct openflow_packet_in *p, void *arg);

/* ---- ovs_look.c ---- */
void ovs_why(const struct driver *d, char ret[OVS_TEXT_SIZE]); /* "Open vSwitch does not answer: ..." */
int ovs_audit(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err);
size_t ovs_counters(struct driver *d, struct driver_counter *ret, size_t max);
void ovs_show(struct driver *d, const struct plan_record *r, driver_line fn, void *arg);
void ovs_warnings(struct driver *d, driver_warning fn, void *arg);

/* ---- ovs_ask.c: a connection for one question, waited for ---- */
struct ovs_ask;
#define OVS_ASK_US 5000000 /* somebody waits for the answer */
#define OVS_COUNT_US 500000 /* nobody does */
int ovs_ask_open(const char *mgmt, uint64_t within_us, struct ovs_ask **ret, struct err *err);
void ovs_ask_closep(struct ovs_ask **a);
int ovs_ask_dump(struct ovs_ask *a, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn, void *arg,
		 struct err *err);
int ovs_ask_meters(struct ovs_ask *a, openflow_meter_fn fn, void *arg, struct err *err);
int ovs_ask_delete(struct ovs_ask *a, uint64_t cookie, uint64_t mask, struct err *err);
int ovs_ask_set_meters(struct ovs_ask *a, const struct openflow_meter *meters, size_t n, struct err *err);
int ovs_ask_clean_meters(struct ovs_ask *a, const struct members *ports, struct err *err);
