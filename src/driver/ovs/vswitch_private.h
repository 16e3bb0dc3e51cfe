/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of vswitch:
 *
 *     vswitch.c        the database's connection, the bridge and its tunnel port, transactions
 *     vswitch_iface.c  interfaces, which port each is, and who is told
 *     vswitch_ops.c    the bridge as the rows have it, and operations on them: pure
 */

#include "base/json.h"
#include "driver/ovs/vswitch.h"

/* Keys of external_ids. */
#define MARK_OURS "neutrino" /* "true": made here */
#define MARK_INSTALLED "neutrino-installed" /* "true": its flows are in */
#define MARK_IFINDEX "neutrino-ifindex" /* of the device that was installed */
#define MARK_REPLUG "neutrino-replug" /* "OFPORT,OFPORT_REQUEST" before: it is being plugged again */

#define VSWITCH_MAX_OFPORT 65279 /* of ofport_request */

/* The bridge as the database has it. Begins as zeros. Borrowed, as long as the connection lasts. */
struct view {
	unsigned versions; /* of the tables that say what is in the bridge */
	bool rooted; /* there is a row of Open_vSwitch */
	const char *bridge_uuid; /* NULL: there is none */
	const json_t *bridge, *ports, *interfaces; /* the row; the tables */
	const char *tunnel_uuid, *tunnel_port_uuid, *local_uuid;
	const json_t *tunnel, *local; /* Interface rows, or NULL */
};

struct ovsdb;
/* After a change. true: the bridge or which interfaces it has may be others. */
bool view_update(struct view *view, const struct ovsdb *o, const char *bridge);
typedef void (*view_fn)(const char *uuid, const json_t *interface, void *arg);
void view_each(const struct view *view, view_fn fn, void *arg); /* each interface of the bridge */
bool view_tunnel_is_elsewhere(const struct view *view); /* in another bridge: names are unique */
bool view_is_userspace(const struct view *view); /* datapath_type netdev: devices made again are dead */

const char *mark_of(const json_t *row, const char *key); /* of external_ids, or NULL */

/* Appends to `ops` what makes the bridge and its tunnel port as configured; says in `text` what it corrects ("" else).
 */
void ops_bridge(json_t *ops, const struct view *view, const struct vswitch_config *config, char *text, size_t size);
/* The marks of an interface: installed with this ifindex (0: none), or neither. Nothing when they are so. */
void ops_marks(json_t *ops, const char *uuid, const json_t *row, bool installed, json_int_t ifindex);
/* Away to this number, and, once it is there, back. */
void ops_replug_away(json_t *ops, const char *uuid, const json_t *row, uint16_t ofport);
bool ops_replug_back(json_t *ops, const char *uuid, const json_t *row); /* true: to a number that is asked for */
bool replug_is_away(const json_t *row); /* it has another number than before: the device was opened anew */
void ops_cleanup(json_t *ops, const struct view *view);

/* ---- vswitch_iface.c ---- */
struct ifaces;
struct ifaces *ifaces_new(const struct vswitch_events *events);
void ifaces_free(struct ifaces *s);
void ifaces_update(struct ifaces *s, const struct view *view, bool members); /* tells */
void ifaces_write(struct ifaces *s, const struct view *view, json_t *ops); /* appends what is to be written */
bool ifaces_installed(struct ifaces *s, const struct uuid *port, bool installed); /* false: there is no such port */
