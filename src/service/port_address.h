/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* port_address: a port's fixed_ips as the API asks for them, made into addresses of its row. */

#include "service/internal.h"
#include "store/ports.h"

/* `ips` NULL or null: one address of the first IPv4 subnet of the network that has one left, if there is a subnet. */
int port_address_create(struct tx *tx, const struct port_row *p, const json_t *ips, struct err *err);
/* The port has these addresses from now on; those that it keeps stay its own all the time. */
int port_address_change(struct tx *tx, const struct port_row *p, const json_t *ips, struct err *err);
