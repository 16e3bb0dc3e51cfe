/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * table: the kernel's maps as the driver writes them, and cells: what it believes them to hold.
 *
 * A cell is one entry of one map. Several plan records may want the same entry (a peer is
 * member of two routers of a network): cells count who does. Without a `live` cells only
 * collects; with it every change goes to the kernel first and is noted if it took. An entry
 * that the kernel did not let go is wanted by nobody and left over, until cells_sweep()
 * removes it or somebody wants it again.
 *
 * Order of the enum is the order of making: what the packet side looks up from an entry
 * stands in an earlier table.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "driver/ebpf/bpf/layout.h"

#define TABLES(X)                                                                                                      \
	X(config)                                                                                                      \
	X(peer)                                                                                                        \
	X(peer_address)                                                                                                \
	X(peer_mac)                                                                                                    \
	X(network)                                                                                                     \
	X(segment)                                                                                                     \
	X(sender)                                                                                                      \
	X(bucket)                                                                                                      \
	X(source)                                                                                                      \
	X(source_wide)                                                                                                 \
	X(port)                                                                                                        \
	X(device)                                                                                                      \
	X(fdb)                                                                                                         \
	X(neighbour)                                                                                                   \
	X(subnet)                                                                                                      \
	X(route)                                                                                                       \
	X(router_address)                                                                                              \
	X(interface)                                                                                                   \
	X(flood)

enum table {
#define X(name) TABLE_##name,
	TABLES(X)
#undef X
		TABLE_COUNT
};

#define CELL_KEY_SIZE 32
#define CELL_VALUE_SIZE 40

struct cell_id {
	uint32_t table;
	uint8_t key[CELL_KEY_SIZE]; /* zero behind the map's key size */
};

struct cell {
	struct cell_id id;
	uint8_t value[CELL_VALUE_SIZE];
	uint32_t wanted; /* 0: left over */
	int refused; /* sync: the kernel did not take it; negative errno */
	UT_hash_handle hh;
};

struct table_fds {
	int fd[TABLE_COUNT];
};

struct cells {
	struct cell *hash;
	const struct table_fds *live; /* or NULL */
	size_t n_left; /* over */
	enum table refused; /* the last one that did not take an entry */
};

const char *table_name(enum table t);
uint32_t table_max(const struct table_fds *fds, enum table t); /* entries; 0: not known */
uint32_t table_key_size(enum table t);
uint32_t table_value_size(enum table t);

void cells_fini(struct cells *c);
/* Wants the entry (once more), with this value. Negative errno: the kernel refused, nothing changed. */
int cells_put(struct cells *c, enum table t, const void *key, const void *value);
/* Wants it once less; the last one removes it. Negative errno: it is left over. */
int cells_del(struct cells *c, enum table t, const void *key);
void cells_leave(struct cells *c, const struct cell *left); /* notes one that could not be removed */
int cells_sweep(struct cells *c); /* what was left over, again */
struct cell *cells_find(const struct cells *c, enum table t, const void *key);

/* Reads a whole map of the kernel into collecting cells. */
int cells_read(struct cells *c, const struct table_fds *fds, enum table t);
int table_write(const struct table_fds *fds, const struct cell *cell);
int table_erase(const struct table_fds *fds, const struct cell *cell);
/* The entry as text, for audit and errors. */
void cell_format(const struct cell *cell, char *text, size_t size);
