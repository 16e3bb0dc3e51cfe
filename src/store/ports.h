/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ports: rows of ports and the addresses that they have. */

#include "store/table.h"

#define PORT_MAX_ADDRESSES 32

/* What the host that a port is bound to last said of it. */
enum port_reported { PORT_REPORTED_NOTHING, PORT_REPORTED_DOWN, PORT_REPORTED_UP, PORT_REPORTED_ERROR };

struct port_row {
	struct base_row base;
	uint32_t network;
	bool admin_state_up, port_security;
	struct mac mac;
	char device_id[TEXT_COLUMN_SIZE], device_owner[TEXT_COLUMN_SIZE];
	uint32_t host, next; /* hosts; next: where it is migrating to; 0: none */
	uint32_t binding; /* the revision with which it was bound to this host */
	char vnic_type[32];
	char profile[JSON_COLUMN_SIZE]; /* JSON object */
	/* What follows is read along with it, and not written. */
	struct uuid network_id;
	char host_name[TEXT_COLUMN_SIZE];
	bool host_registered, next_registered;
	char host_vif_type[32];
	char host_bridge[16], host_datapath_type[16]; /* of a host with Open vSwitch, as it reported them; "" if not */
	uint32_t router; /* whose interface it is, or 0 */
	char status[16];
};

struct port_address {
	uint32_t subnet;
	struct uuid subnet_id;
	struct ip ip;
	uint8_t prefix_len; /* of the subnet, as in struct prefix */
};

extern const struct table ports_table;

/* -EEXIST: another port of the network has the MAC. */
int ports_insert(struct db *db, struct port_row *p, struct err *err); /* fills num */
int ports_update(struct db *db, const struct port_row *p, struct err *err);
int ports_delete(struct db *db, uint32_t num, struct err *err); /* and its addresses */
/* The port's addresses in the order in which they were asked for; their number. */
int ports_addresses(struct db *db, uint32_t num, struct port_address ret[PORT_MAX_ADDRESSES], struct err *err);
/* Records what `host` said of this binding (0: of any), if it is the port's. */
int ports_report(struct db *db, uint32_t num, uint32_t host, uint32_t binding, enum port_reported reported,
		 struct err *err);
/* What was said of the host's ports no longer holds. */
int ports_forget_reports_of(struct db *db, uint32_t host, struct err *err);
/* The port was bound anew: what was reported no longer holds. */
int ports_forget_report(struct db *db, uint32_t num, struct err *err);
