/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record: the rows of a plan. A plan is everything that one host forwards; each table
 * has one record type here, and each type has a list of fields in record.c that drives
 * text, parsing, comparison and hashing. Tables know no driver.
 *
 * Networks, routers, ports and hosts are named by the 32-bit numbers that the server
 * gives them (never 0, never reused): they are what map keys, registers and cookies hold.
 * The UUID that people know stands once, in the record that introduces the number
 * (segment: network, port: port, interface: its port and its router).
 *
 * Each record begins with its key. Start every record from PLAN_RECORD(), so that
 * padding is zero: keys and values are compared as bytes.
 *
 * Order of the enum is the order of making: what a record refers to stands in an earlier
 * table. Adding goes through it upwards, removing downwards.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "net/ip.h"
#include "net/mac.h"

#define PLAN_NAME_SIZE 64 /* host names and physical networks, with the final NUL */
#define PLAN_PORT_ADDRS 32 /* fixed IPs and allowed address pairs of a port */
#define PLAN_IFACE_ADDRS 16 /* addresses of one router interface */

enum plan_table {
	PLAN_HOST,
	PLAN_PEER,
	PLAN_SEGMENT,
	PLAN_SUBNET,
	PLAN_MEMBER,
	PLAN_PORT,
	PLAN_FDB,
	PLAN_NEIGHBOUR,
	PLAN_FLOOD,
	PLAN_ROUTE,
	PLAN_INTERFACE, /* last: it opens the way to the routes, and closes it first */
};
#define PLAN_N_TABLES 11

/* How a network's frames are carried. Neutron's provider:network_type. */
enum plan_segment_type {
	PLAN_SEGMENT_NONE,
	PLAN_SEGMENT_VXLAN, /* id is the VNI */
};

/* A router's part: R on every host that needs it. (R.snat comes with SNAT.) */
enum plan_part_kind {
	PLAN_PART_DISTRIBUTED,
};

enum plan_interface_kind {
	PLAN_INTERFACE_DISTRIBUTED, /* network:router_interface_distributed: its MAC is the same on every host */
};

enum plan_route_kind {
	PLAN_ROUTE_CONNECTED, /* the destination is on the network: look its neighbour up there */
};

struct plan_part {
	uint32_t router;
	uint8_t kind; /* enum plan_part_kind */
	uint8_t zero[3];
};

/* This host. One record, key 0. */
struct plan_host {
	struct {
		uint32_t zero;
	} key;
	uint32_t host;
	struct ip tunnel; /* its end of the tunnels: [ovs] local_ip */
	struct mac dvr_mac; /* source of frames that this host has routed (dvr_base_mac) */
	char name[PLAN_NAME_SIZE];
};

/* A host that shares a network or a router with this one. */
struct plan_peer {
	struct {
		uint32_t host;
	} key;
	struct ip tunnel;
	struct mac dvr_mac;
	char name[PLAN_NAME_SIZE];
};

/* A network and the segment that carries it. */
struct plan_segment {
	struct {
		uint8_t type; /* enum plan_segment_type */
		uint8_t zero[3];
		uint32_t id; /* VNI, GRE key, VLAN id; host byte order */
		char physical_network[PLAN_NAME_SIZE];
	} key;
	uint32_t network;
	uint32_t mtu; /* of the network: the largest IP packet of a VM, bytes */
	struct uuid uuid; /* of the network */
};

/* The peer may send routed frames (source: its DVR MAC) on the networks of the router. */
struct plan_member {
	struct {
		uint32_t router;
		uint32_t host;
	} key;
};

struct plan_port_addr {
	struct mac mac;
	struct prefix prefix; /* a host for fixed IPs; address pairs may be wider */
};

/* A port that is bound to this host. Its device is "tap" and the first 11 characters of the UUID. */
struct plan_port {
	struct {
		uint32_t port;
	} key;
	uint32_t network;
	struct mac mac;
	uint8_t up; /* admin_state_up; when 0, everything from and to it is dropped (port_down) */
	uint8_t security; /* port_security_enabled: source MAC, IP and ARP contents are checked */
	uint8_t n_addrs;
	struct uuid uuid;
	struct plan_port_addr addrs[PLAN_PORT_ADDRS]; /* what it may use as source; sorted, unused ones zero */
};

/* Where a MAC of a network is. */
struct plan_fdb {
	struct {
		uint32_t network;
		struct mac mac;
	} key;
	uint32_t port; /* a port of this host, or 0 */
	uint32_t peer; /* the host that has it, or 0 */
	uint32_t next; /* the host that will have it (migration): frames may come from there already; or 0 */
};

/* An address of a network: answers ARP and ND at the ports here, resolves next hops. */
struct plan_neighbour {
	struct {
		uint32_t network;
		struct ip ip;
	} key;
	struct mac mac;
};

/* One copy of a flooded frame of the network goes to the peer. (Ports here get theirs by the port table.) */
struct plan_flood {
	struct {
		uint32_t network;
		uint32_t host;
	} key;
};

/* The interface MAC that VMs see as source of routed frames for addresses of this prefix. */
struct plan_subnet {
	struct {
		uint32_t network;
		struct prefix prefix;
	} key;
	struct mac mac;
};

/* An interface of a router part on a network; what a VM takes for its gateway. */
struct plan_interface {
	struct {
		uint32_t network;
		struct mac mac;
	} key;
	struct plan_part part;
	uint8_t kind; /* enum plan_interface_kind */
	uint8_t up; /* 0: the part does not live here; frames to it are dropped (interface_down) */
	uint8_t n_addrs;
	struct prefix addrs[PLAN_IFACE_ADDRS]; /* address and subnet length; sorted, unused ones zero */
	struct uuid uuid; /* of the interface's port */
	struct uuid router_uuid;
};

struct plan_route {
	struct {
		struct plan_part part;
		struct prefix prefix;
	} key;
	uint8_t kind; /* enum plan_route_kind */
	uint32_t network; /* connected: the network, and the interface there */
	struct mac interface;
};

struct plan_record {
	enum plan_table table;
	union {
		struct plan_host host;
		struct plan_peer peer;
		struct plan_segment segment;
		struct plan_member member;
		struct plan_port port;
		struct plan_fdb fdb;
		struct plan_neighbour neighbour;
		struct plan_flood flood;
		struct plan_subnet subnet;
		struct plan_interface interface;
		struct plan_route route;
	};
};

/* A zeroed record of a table: struct plan_record r = PLAN_RECORD(PLAN_FDB); r.fdb.key.network = 7; ... */
#define PLAN_RECORD(t) plan_record_init(t)
static inline struct plan_record plan_record_init(enum plan_table table)
{
	struct plan_record r;

	__builtin_memset(&r, 0, sizeof(r));
	r.table = table;
	return r;
}

const char *plan_table_name(enum plan_table table); /* "fdb" */
uint32_t plan_record_key_size(enum plan_table table); /* bytes at the start of the record's struct */
uint32_t plan_record_size(enum plan_table table); /* bytes of the whole struct */
/* Brings the lists of a record into their one form: sorted, nothing twice, unused ones zero. */
void plan_record_normalize(struct plan_record *r);
bool plan_record_same_key(const struct plan_record *a, const struct plan_record *b);
bool plan_record_equal(const struct plan_record *a, const struct plan_record *b);
/* Total order: table, then key field by field (numbers as numbers). */
int plan_record_cmp(const struct plan_record *a, const struct plan_record *b);

/*
 * Canonical text: "TABLE field=value ...", key fields first, on one line without the newline.
 * Fields that are zero, empty or the default are left out (up and security default to yes).
 * Parsing refuses unknown and repeated fields, and says which token is wrong; a token that begins
 * with '#' ends the line. Lists have commas: an interface's "addrs=10.0.1.1/24", a port's
 * "addrs=10.0.1.5,10.0.9.0/24@00:00:5e:00:01:07" with the MAC where it is not the port's own.
 * Blanks, commas, '%' and '#' in names are written as %20.
 */
struct err;
#include <utstring.h>
void plan_record_format(const struct plan_record *r, UT_string *out); /* appends */
int plan_record_parse(const char *line, struct plan_record *ret, struct err *err);
