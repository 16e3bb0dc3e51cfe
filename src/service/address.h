/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * address: which address a port gets. A cursor a subnet, in memory, starts at a random place of
 * the pools; an allocation takes the next address that nobody has, once around all pools.
 */

#include "service/internal.h"

/* 1: the port has *ret now, 0: the pools are used up. */
int address_allocate(struct tx *tx, uint32_t subnet, uint32_t port, int place, struct ip *ret, struct err *err);
void address_forget(struct service *s, uint32_t subnet); /* the subnet is gone */
void address_close(struct service *s);

/* A random MAC under a base: its first three octets, or four if the fourth is not 0. */
void address_random_mac(const struct mac *base, struct mac *ret);
bool address_mac_under(const struct mac *base, const struct mac *mac);
