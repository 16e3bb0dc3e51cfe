/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* port: ports: MACs, addresses, binding. */

#include "service/internal.h"
#include "store/ports.h"

#define PORT_OWNER_INTERFACE "network:router_interface_distributed"

/* A router's new port on a subnet, with this address. Its row is whole in *ret but for what is read along. */
int port_make_interface(struct tx *tx, const struct uuid *router, const char *project, uint32_t network,
			uint32_t subnet, const struct ip *ip, struct port_row *ret, struct err *err);
/* A port's row and all that hangs on it goes, whoever owns it. */
int port_delete_row(struct tx *tx, const struct port_row *p, struct err *err);
/* The same for each number that the query gives; $1 is `arg`. */
int port_delete_of(struct tx *tx, const char *sql, uint32_t arg, struct err *err);
/* The host has registered (1), or is no longer registered (-1): all ports that are bound to it. */
int port_attach_all(struct tx *tx, uint32_t host, int by, struct err *err);
/* The port's objects read differently. */
void port_touch(struct tx *tx, const struct port_row *p);
/* The port is taken from where it is bound (-1), or put there (1): placement and objects. */
int port_attach(struct tx *tx, const struct port_row *p, int by, struct err *err);
