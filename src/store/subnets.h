/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* subnets: rows of subnets, their allocation pools, and the addresses that ports have in them. */

#include "net/ip.h"
#include "store/table.h"

struct subnet_row {
	struct base_row base;
	uint32_t network;
	struct uuid network_id;
	struct prefix cidr;
	int ip_version;
	struct ip gateway; /* zero: none */
	bool enable_dhcp;
	char dns_nameservers[JSON_COLUMN_SIZE], host_routes[JSON_COLUMN_SIZE]; /* JSON lists */
};

struct pool {
	struct ip first, last;
};

#define SUBNET_MAX_POOLS 16

extern const struct table subnets_table;

int subnets_insert(struct db *db, struct subnet_row *s, struct err *err); /* fills num */
int subnets_update(struct db *db, const struct subnet_row *s, struct err *err);
int subnets_delete(struct db *db, uint32_t num, struct err *err);

int subnets_set_pools(struct db *db, uint32_t num, const struct pool *pools, size_t n, struct err *err);
/* The number of pools, in order of their addresses. */
int subnets_pools(struct db *db, uint32_t num, struct pool ret[SUBNET_MAX_POOLS], struct err *err);

/* Takes the address for the port: 1, or 0 when it is taken already. */
int subnets_take(struct db *db, uint32_t subnet, const struct ip *ip, uint32_t port, int place, struct err *err);
int subnets_release(struct db *db, uint32_t subnet, const struct ip *ip, struct err *err);
/* The first address from `from` to `last` that nobody has: 1, or 0 when there is none. */
int subnets_gap(struct db *db, uint32_t subnet, const struct ip *from, const struct ip *last, struct ip *ret,
		struct err *err);
