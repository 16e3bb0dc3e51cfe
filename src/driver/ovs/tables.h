/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tables: the pipeline of the integration bridge: its OpenFlow tables, registers and flags. docs/openflow.md
 * says what each holds.
 *
 *   port ─► CLASSIFY ─► ETH ─► SOURCE_MAC ─► PAYLOAD ─┬► SOURCE_ARP ─► ARP ──► ARP_ANSWER ─► back
 *                                                     └► SOURCE_NONE, SOURCE_IP ─┐   │
 *   tunnel ─► CLASSIFY ─► PEER ─► SEGMENT ─► TUNNEL_ETH ─► MEMBER (a DVR source) │   │
 *                                               └─► TUNNEL_SOURCE ─► TUNNEL_PAYLOAD  │
 *                                                                         ▼          │
 *   SWITCH ◄─────────────────────────────────────────────────────────────────────────┘
 *           ├► ROUTER ─► ADDRESS ─┬► ECHO ─► back                      (dl_dst)
 *           │              ▲      └► ROUTE ─► TTL ─► MTU ─► SIZE ─► NEIGHBOUR ─► NEXT ─┐
 *           │              └──────────────── HOP (an interface here: once more) ◄──────┤
 *           ├► FDB ◄────────────────────────────────────────────────────────────────── ┘
 *           │   ├► DELIVER ─► GATEWAY (came routed: the source that the VM expects) ─► OUT
 *           │   └► SEND ─► SEND_PEER ─► SEND_SIZE ─► SEND_OUT
 *           └► FLOOD ─► FLOOD_PORTS ─► FLOOD_PORT...; FLOOD_SEGMENT ─► FLOOD_PEERS ─► FLOOD_PEER...
 *
 *   anywhere ─► ERROR ─► ERROR_OUT (to the agent, at the port's rate) · DROP (one flow a reason: its counter)
 *   what is answered, delivered, sent, flooded passes COUNT (one flow a verdict)
 *
 * Each flow is made from one record of the plan and this host's numbers of ports (ofport), whatever other
 * records say: a change touches the flows of its record. What must hold a set stands in four aggregates: the
 * ports and the peers of a network's flood, the routers of a network and those of a peer (MEMBER).
 *
 * Open vSwitch's own about size: check_pkt_larger goes on in both of its branches, and a packet is credited to the
 * flows of both, whatever its length: a flow behind it counts nothing that can be told apart. A meter does: in the
 * branch that the packet did not take it is not run. (So "too big" is counted by a meter, and what is counted as sent
 * or delivered includes those.) And the userspace datapath takes bytes behind an IP packet off its length.
 */

#include <stdint.h>

#include "driver/ovs/flow.h"

enum table {
	TABLE_CLASSIFY,
	TABLE_PEER,
	TABLE_SEGMENT,
	TABLE_TUNNEL_ETH,
	TABLE_MEMBER,
	TABLE_TUNNEL_SOURCE,
	TABLE_TUNNEL_PAYLOAD,
	TABLE_ETH,
	TABLE_SOURCE_MAC,
	TABLE_PAYLOAD,
	TABLE_SOURCE_NONE,
	TABLE_SOURCE_ARP,
	TABLE_SOURCE_IP,
	TABLE_ARP,
	TABLE_ARP_ANSWER,
	TABLE_SWITCH,
	TABLE_ROUTER,
	TABLE_ADDRESS,
	TABLE_ECHO,
	TABLE_ROUTE,
	TABLE_TTL,
	TABLE_MTU,
	TABLE_SIZE,
	TABLE_NEIGHBOUR,
	TABLE_NEXT,
	TABLE_HOP,
	TABLE_FDB,
	TABLE_DELIVER,
	TABLE_GATEWAY,
	TABLE_FIRST_ADDRESS,
	TABLE_FIRST_GATEWAY,
	TABLE_OUT,
	TABLE_SEND,
	TABLE_SEND_PEER,
	TABLE_SEND_SIZE,
	TABLE_SEND_OUT,
	TABLE_FLOOD,
	TABLE_FLOOD_PORTS,
	TABLE_FLOOD_PORT,
	TABLE_FLOOD_SEGMENT,
	TABLE_FLOOD_PEERS,
	TABLE_FLOOD_PEER,
	TABLE_ERROR,
	TABLE_ERROR_OUT,
	TABLE_TOO_BIG,
	TABLE_COUNT,
	TABLE_DROP,
	N_TABLES
};

const char *tables_name(enum table table); /* "route" */

/* Registers. */
#define METADATA_NETWORK FIELD_METADATA /* where the packet is now */
#define REG_FLAGS FIELD_REG0
#define REG_ROUTER FIELD_REG1
#define REG_NEXT_HOP FIELD_REG2 /* IPv4 */
#define REG_IN FIELD_REG3 /* the port it came from; 0: by tunnel */
#define REG_PEER FIELD_REG4 /* the host it came from, then the one it goes to */
#define REG_OUT FIELD_REG5 /* the port it goes to */
#define XREG_MAC FIELD_XREG3 /* reg6, reg7: of the neighbour */
#define REG_HOPS FIELD_REG8 /* routers behind it */
#define REG_ADDRESS FIELD_REG9 /* of the interface it came in by: the source of errors; 0: none */
#define XREG_INTERFACE FIELD_XREG5 /* reg10, reg11: the MAC of the interface it leaves by */
#define REG_MTU FIELD_REG12 /* of the network it goes to */
#define REG_VERDICT FIELD_REG14 /* enum verdict + 1 */
#define REG_REASON FIELD_REG15 /* enum drop_reason: of ERROR too */

enum flag { /* bits of REG_FLAGS */
	    FLAG_FROM_TUNNEL, /* a peer sent it */
	    FLAG_ROUTED, /* it came with its sender's DVR MAC */
	    FLAG_ROUTED_HERE, /* a router of this host had it */
	    FLAG_TOO_BIG,
};

/*
 * Cookies: 16 bits that say ours, 8 the version of this layout, 8 the plan's table + 1 (0: no record's, always there;
 * 0x80 and up: an aggregate), 32 a hash of the record's key.
 */
#define COOKIE_OURS 0x6e74000000000000ull
#define COOKIE_OURS_MASK 0xffff000000000000ull
#define COOKIE_OF(cookie) ((cookie) >> 32 & 0xff) /* the third of these */
#define COOKIE_LAYOUT 1 /* one more with each change of tables, registers or flags */
