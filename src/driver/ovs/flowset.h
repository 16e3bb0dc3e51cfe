/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * flowset: the flows that the switch is to have, those that it has, and so what is to be changed. Pure: it speaks
 * to nobody.
 *
 *     plan, ofports ─► origins ─► claims ─► cell ◄─ what a dump found, what a bundle brought
 *                                            │ wanted is not what is there: due
 *                                            ▼
 *                                          batch ─► mods of one bundle ─► flowset_end()
 *
 * A cell is the place of a flow: its table, priority and match. Each origin (pipeline.h) claims the cells of the
 * flows that are made from it; where several want the same cell, the flow of the least of them counts, whoever came
 * first, so that what is wanted follows from the plan alone. What changes costs what it touches: records of the
 * changes, the four sets that they are members of, their cells.
 *
 * Flows of others (another cookie) stay: a wanted flow whose place one of them has is a conflict and does not go in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/ovs/openflow.h"
#include "driver/ovs/pipeline.h"

struct flowset;

struct flowset *flowset_new(const struct pipeline_world *world); /* the world stays the caller's, and alive */
struct flowset *flowset_free(struct flowset *s); /* accepts NULL, returns NULL */

/* ---- what is wanted. Nothing, before the first plan. ---- */

void flowset_sync(struct flowset *s, const struct plan *plan);
/* Also a record that is the same is made anew; so is the set that its network or host has, when it was set aside. */
void flowset_apply(struct flowset *s, const struct plan_changes *changes);
void flowset_set(struct flowset *s, const struct plan_record *r); /* one of them; the same for removal: */
void flowset_del(struct flowset *s, const struct plan_record *key);
void flowset_renew_port(struct flowset *s, uint32_t port); /* the world says another number of it */
void flowset_renew(struct flowset *s); /* the world is another one */
const struct plan *flowset_plan(const struct flowset *s);

/* ---- what is there ---- */

void flowset_dump_begin(struct flowset *s); /* what is there is not known any more: nothing, but for what follows */
void flowset_found(struct flowset *s, const struct flow *f); /* ours or another's */

/* ---- what is to be changed ---- */

size_t flowset_due(const struct flowset *s); /* cells */
/* The next mods, at most `max`, in the order in which they became due. They are good until flowset_end(). */
const struct flow_mod *flowset_begin(struct flowset *s, size_t max, size_t *ret_n);
bool flowset_takes_away(
	const struct flowset *s); /* flows that are there, by the batch: their place gets another or none */
void flowset_end(struct flowset *s, bool done); /* the switch has all of them, or nothing of them (as far as known) */

struct flowset_origin {
	enum origin_kind kind;
	uint32_t key; /* of a set: network or host */
	struct plan_record record; /* of ORIGIN_RECORD: its key */
};
/* Whose flow a mod of the batch is. False: nobody's (any more). */
bool flowset_whose(const struct flowset *s, size_t mod, struct flowset_origin *ret);
/* A removal of the batch that cannot be carried out stays away until the next dump, or until its place is wanted. */
void flowset_give_up(struct flowset *s, size_t mod);
/* An origin that is no record's has no flows until it changes, or flowset_apply() brings what it hangs on. */
void flowset_set_aside(struct flowset *s, const struct flowset_origin *o);

/* All flows of the record are in the switch. */
bool flowset_is_in(const struct flowset *s, const struct plan_record *key);
size_t flowset_n_conflicts(const struct flowset *s);
/* Flows that are not in the switch because another's are in their place. */
typedef void (*flowset_conflict)(const struct flowset_origin *o, const struct flow *wanted, void *arg);
void flowset_conflicts(const struct flowset *s, flowset_conflict fn, void *arg);

/* ---- to look at ---- */

typedef void (*flowset_flow)(const struct flow *f, void *arg);
/* By table, from the highest priority. */
void flowset_each_flow(const struct flowset *s, const struct flowset_origin *o, flowset_flow fn, void *arg);
/* Origins that are no record's. */
void flowset_each_set(const struct flowset *s, void (*fn)(const struct flowset_origin *o, void *arg), void *arg);

enum flowset_difference { FLOWSET_MISSING, FLOWSET_DIFFERENT, FLOWSET_EXTRA };
/* Once for each origin whose flows are not all in the switch; then for each flow that nobody wants (o is NULL). */
typedef void (*flowset_differs)(enum flowset_difference what, const struct flowset_origin *o, const struct flow *f,
				void *arg);
void flowset_differences(const struct flowset *s, flowset_differs fn, void *arg);
