/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cell: the places of flows in the switch's tables, each with the flow that is wanted there and the one that is. Where
 * they differ, the cell is due: its mod goes out with the next batch. Inside driver/ovs: flowset.h is what others see.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "driver/ovs/openflow.h"

/* What a flow does: shared by who wants it and by what the switch has. */
struct content {
	unsigned refs;
	uint16_t len;
	uint64_t cookie;
	uint8_t instructions[];
};

struct content *content_new(const struct flow *f);
void content_unref(struct content *c); /* accepts NULL */

struct cell {
	struct claim *claims; /* the flow set's: who wants a flow here, the one that counts first */
	struct content *wanted; /* of the one that counts; NULL: nothing */
	struct content *there; /* in the switch; NULL: nothing of ours */
	struct cell *prev, *next; /* of those that are due */
	UT_hash_handle hh;
	bool due;
	bool in_batch;
	bool given_up; /* its removal was refused */
	bool foreign; /* another's flow is there */
	bool conflict; /* and one of ours is wanted */
	uint16_t match_len;
	/* its key, as in struct place */
	uint16_t priority;
	uint8_t table;
	uint8_t match[];
};

struct sent {
	struct cell *cell;
	struct content *content; /* NULL: a removal */
	struct flow flow; /* its instructions are the content's */
};

struct cells {
	struct cell *hash;
	struct cell *due;
	size_t n_due, n_conflicts;
	struct sent *sent; /* the batch that is out */
	struct flow_mod *mods;
	size_t n_sent;
	bool takes_away; /* it removes or replaces flows; a flood's list that grows or shrinks does not count */
};

struct cell *cells_get(struct cells *s, const struct flow *f); /* made if need be; then it is to be settled */
void cells_want(struct cells *s, struct cell *c, struct content *content); /* settles it too */
bool cell_is_in(const struct cell *c);
/* The flow of a cell with this content; its instructions stay the content's. */
struct flow cell_flow(const struct cell *c, struct content *content);

void cells_dump_begin(struct cells *s);
void cells_found(struct cells *s, const struct flow *f);
const struct flow_mod *cells_begin(struct cells *s, size_t max, size_t *ret_n);
void cells_end(struct cells *s, bool done);
void cells_give_up(struct cells *s, size_t mod);
