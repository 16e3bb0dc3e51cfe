/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * object: what the server tells a host, as values. Each object belongs to one unit of
 * subscription; a host is sent the units that it needs and nothing else (docs/stream.md).
 *
 *   unit          objects
 *   host:H        host (itself), port (each one bound to H or migrating to it, whole)
 *   network:N     network, subnet, endpoint (where each bound port of the network is)
 *   router:R      router, interface, member (the hosts where R lives)
 *   peer:P        peer (another host)
 *
 * Objects refer to each other by the server's 32-bit numbers. An object may refer to one
 * that is not there (yet): who reads them copes. The text form is one JSON object, with
 * "kind" and "unit" among its members.
 */

#include <stdbool.h>
#include <stdint.h>
#include <utstring.h>

#include "base/json.h"
#include "base/uuid.h"
#include "net/ip.h"
#include "net/mac.h"

#define HOST_NAME_SIZE 64 /* with the final NUL */
#define PHYSNET_NAME_SIZE 64
#define OBJECT_MAX_ADDRS 32 /* of a port: fixed IPs and address pairs */
#define OBJECT_MAX_INTERFACE_ADDRS 16

enum unit_kind { UNIT_HOST, UNIT_NETWORK, UNIT_ROUTER, UNIT_PEER };
#define N_UNIT_KINDS 4

struct unit {
	enum unit_kind kind;
	uint32_t num;
};

enum object_kind {
	OBJECT_HOST,
	OBJECT_PEER,
	OBJECT_NETWORK,
	OBJECT_SUBNET,
	OBJECT_ENDPOINT,
	OBJECT_PORT,
	OBJECT_ROUTER,
	OBJECT_INTERFACE,
	OBJECT_MEMBER,
};
#define N_OBJECT_KINDS 9

/* Names an object; b is 0 but for a member (a router, b host). An endpoint's and a port's a is the port's number. */
struct object_id {
	uint32_t kind; /* enum object_kind; 32 bits so that the struct has no padding and hashes as bytes */
	uint32_t a;
	uint32_t b;
};

/* host and peer */
struct object_host {
	char name[HOST_NAME_SIZE];
	struct ip tunnel; /* zero when the host has not registered */
	struct mac dvr_mac;
};

struct object_network {
	struct uuid uuid;
	char type[16]; /* provider:network_type: "vxlan" */
	char physical_network[PHYSNET_NAME_SIZE]; /* "" for tunnels */
	uint32_t segmentation_id;
	uint32_t mtu;
};

struct object_subnet {
	struct uuid uuid;
	uint32_t network;
	struct prefix cidr;
	struct ip gateway; /* zero: none */
};

/* A bound port as the other hosts of its network see it. */
struct object_endpoint {
	uint32_t network;
	uint32_t host; /* where it is bound */
	uint32_t next; /* where it is migrating to, or 0 */
	struct mac mac;
	uint8_t n_ips;
	struct ip ips[OBJECT_MAX_ADDRS];
};

struct object_port_addr {
	struct mac mac;
	struct prefix prefix;
};

/* A port bound to this host, or migrating to it: what its VM may send. Where it is reached, its endpoint says. */
struct object_port {
	struct uuid uuid;
	uint32_t network;
	struct mac mac;
	bool admin_state_up;
	bool port_security;
	char device_owner[64];
	uint32_t binding; /* changes each time that the port is bound to a host; reports name it. 0: not known */
	uint8_t n_addrs;
	struct object_port_addr addrs[OBJECT_MAX_ADDRS]; /* what it may send from */
};

struct object_router {
	struct uuid uuid;
	bool admin_state_up;
	bool distributed;
};

/* A router's port on a network; object_id.a is the port's number. */
struct object_interface {
	struct uuid uuid;
	uint32_t router;
	uint32_t network;
	struct mac mac;
	bool admin_state_up; /* of its port */
	uint8_t n_addrs;
	struct prefix addrs[OBJECT_MAX_INTERFACE_ADDRS]; /* address with the length of its subnet */
};

struct object {
	struct object_id id;
	struct unit unit;
	union {
		struct object_host host; /* OBJECT_HOST, OBJECT_PEER */
		struct object_network network;
		struct object_subnet subnet;
		struct object_endpoint endpoint;
		struct object_port port;
		struct object_router router;
		struct object_interface interface;
		/* OBJECT_MEMBER has nothing but its id */
	};
};

const char *object_kind_name(enum object_kind kind); /* "endpoint" */
int object_kind_parse(const char *text, enum object_kind *ret);
const char *unit_format(const struct unit *u, char text[32]); /* "network:7" */
int unit_parse(const char *text, struct unit *ret); /* -EINVAL */

/* A zeroed object, so that objects compare as bytes. */
struct object object_init(enum object_kind kind, uint32_t a, uint32_t b, struct unit unit);

/*
 * {"kind":"endpoint","unit":"network:7","num":12,"network":7,"host":3,"next":0,"mac":"fa:..","ips":["10.0.1.5"]}
 * Members are named as the fields above; num is id.a; a member object has "router" and "host".
 * Decoding ignores members it does not know and refuses values out of range; the error names the member.
 */
void object_encode(const struct object *o, struct jw *w);
int object_decode(const json_t *json, struct object *ret, struct err *err);
/* Only the identity: {"kind":"endpoint","num":12}; a member has "router" and "host". */
void object_id_encode(const struct object_id *id, struct jw *w);
int object_id_decode(const json_t *json, struct object_id *ret, struct err *err);
