/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ebpf/table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name;
	uint32_t key, value;
} shapes[TABLE_COUNT] = {
#define SHAPE(n, k, v) [TABLE_##n] = { #n, sizeof(k), sizeof(v) }
	SHAPE(config, uint32_t, struct eb_config),
	SHAPE(peer, uint32_t, struct eb_peer),
	SHAPE(peer_address, uint32_t, struct eb_peer_address),
	SHAPE(peer_mac, struct eb_mac_key, uint32_t),
	SHAPE(network, uint32_t, struct eb_network),
	SHAPE(segment, struct eb_segment_key, struct eb_segment),
	SHAPE(sender, struct eb_sender_key, uint32_t),
	SHAPE(bucket, uint32_t, struct eb_bucket),
	SHAPE(source, struct eb_source_key, uint32_t),
	SHAPE(source_wide, struct eb_source_wide_key, uint32_t),
	SHAPE(port, uint32_t, struct eb_port),
	SHAPE(device, uint32_t, struct eb_device),
	SHAPE(fdb, struct eb_mac_key, struct eb_fdb),
	SHAPE(neighbour, struct eb_neighbour_key, struct eb_neighbour),
	SHAPE(subnet, struct eb_subnet_key, struct eb_neighbour),
	SHAPE(route, struct eb_route_key, struct eb_route),
	SHAPE(router_address, struct eb_router_address_key, uint32_t),
	SHAPE(interface, struct eb_mac_key, struct eb_interface),
	SHAPE(flood, struct eb_flood_key, struct eb_flood),
#undef SHAPE
};

_Static_assert(sizeof(struct eb_source_wide_key) <= CELL_KEY_SIZE, "key");
_Static_assert(sizeof(struct eb_device) <= CELL_VALUE_SIZE, "value");

const char *table_name(enum table t)
{
	return shapes[t].name;
}

uint32_t table_max(const struct table_fds *fds, enum table t)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fds->fd[t], &info, &size) ? 0 : info.max_entries;
}

uint32_t table_key_size(enum table t)
{
	return shapes[t].key;
}

uint32_t table_value_size(enum table t)
{
	return shapes[t].value;
}

void cells_fini(struct cells *c)
{
	struct cell *cell, *tmp;

	HASH_ITER (hh, c->hash, cell, tmp) {
		HASH_DEL(c->hash, cell);
		free(cell);
	}
}

static struct cell_id make_id(enum table t, const void *key)
{
	struct cell_id id = { .table = t };

	memcpy(id.key, key, shapes[t].key);
	return id;
}

struct cell *cells_find(const struct cells *c, enum table t, const void *key)
{
	struct cell_id id = make_id(t, key);
	struct cell *cell;

	HASH_FIND(hh, c->hash, &id, sizeof(id), cell);
	return cell;
}

int table_write(const struct table_fds *fds, const struct cell *cell)
{
	return bpf_map_update_elem(fds->fd[cell->id.table], cell->id.key, cell->value, BPF_ANY) ? -errno : 0;
}

/* The only entry of an array cannot be removed: zero is none. */
static bool is_none(enum table t, const uint8_t *value)
{
	static const uint8_t none[CELL_VALUE_SIZE];

	return t == TABLE_config && !memcmp(value, none, shapes[t].value);
}

int table_erase(const struct table_fds *fds, const struct cell *cell)
{
	if (cell->id.table == TABLE_config)
		return table_write(fds, &(struct cell) { .id = cell->id });
	if (bpf_map_delete_elem(fds->fd[cell->id.table], cell->id.key) && errno != ENOENT)
		return -errno;
	return 0;
}

int cells_put(struct cells *c, enum table t, const void *key, const void *value)
{
	struct cell *cell = cells_find(c, t, key), now = { .id = make_id(t, key) };
	int r;

	memcpy(now.value, value, shapes[t].value);
	/* A bucket's value is the packet side's: the driver only makes and removes it. */
	if (c->live && (!cell || (t != TABLE_bucket && memcmp(cell->value, now.value, sizeof(now.value))))) {
		r = table_write(c->live, &now);
		if (r < 0) {
			c->refused = t;
			return r;
		}
	}
	if (!cell) {
		cell = xcalloc(1, sizeof(*cell));
		cell->id = now.id;
		HASH_ADD(hh, c->hash, id, sizeof(cell->id), cell);
	} else if (!cell->wanted) {
		c->n_left--;
	}
	memcpy(cell->value, now.value, sizeof(now.value));
	cell->wanted++;
	return 0;
}

static int erase(struct cells *c, struct cell *cell)
{
	int r = c->live ? table_erase(c->live, cell) : 0;

	if (r < 0)
		return r;
	HASH_DEL(c->hash, cell);
	free(cell);
	return 0;
}

int cells_del(struct cells *c, enum table t, const void *key)
{
	struct cell *cell = cells_find(c, t, key);
	int r;

	if (!cell || !cell->wanted || --cell->wanted)
		return 0;
	r = erase(c, cell);
	c->n_left += r < 0;
	return r;
}

void cells_leave(struct cells *c, const struct cell *left)
{
	struct cell *cell = xcalloc(1, sizeof(*cell));

	cell->id = left->id;
	memcpy(cell->value, left->value, sizeof(cell->value));
	HASH_ADD(hh, c->hash, id, sizeof(cell->id), cell);
	c->n_left++;
}

int cells_sweep(struct cells *c)
{
	struct cell *cell, *tmp;
	int ret = 0, r;

	if (!c->n_left)
		return 0;
	HASH_ITER (hh, c->hash, cell, tmp) {
		if (cell->wanted)
			continue;
		r = erase(c, cell);
		c->n_left -= r >= 0;
		ret = r < 0 ? r : ret;
	}
	return ret;
}

int cells_read(struct cells *c, const struct table_fds *fds, enum table t)
{
	uint8_t key[CELL_KEY_SIZE], value[CELL_VALUE_SIZE];
	const void *previous = NULL;
	int r;

	while (!bpf_map_get_next_key(fds->fd[t], previous, key)) {
		previous = key;
		if (bpf_map_lookup_elem(fds->fd[t], key, value) || is_none(t, value))
			continue;
		r = cells_put(c, t, key, value);
		if (r < 0)
			return r;
	}
	return errno == ENOENT ? 0 : -errno;
}

static size_t hex(char *text, size_t size, const uint8_t *b, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n && at + 3 < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%02x%s", b[i], i % 4 == 3 && i + 1 < n ? " " : "");
	return at;
}

void cell_format(const struct cell *cell, char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "%s ", table_name(cell->id.table));

	at += hex(text + at, size - at, cell->id.key, table_key_size(cell->id.table));
	if (at + 4 < size)
		at += (size_t)snprintf(text + at, size - at, " = ");
	hex(text + at, size - at, cell->value, table_value_size(cell->id.table));
}
