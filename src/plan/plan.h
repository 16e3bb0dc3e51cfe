/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * plan: everything one host forwards, as a set of records (record.h) with stable keys.
 *
 * The plan is the noun that everything meets in: compile makes it, golden tests compare its
 * text, `neutrino-agent plan show` prints it, drivers get it whole (sync) or as ordered
 * changes (apply), and the fake driver forwards packets by it.
 *
 *     struct plan *p = plan_new();
 *     struct plan_record r = PLAN_RECORD(PLAN_NEIGHBOUR);
 *     ...
 *     plan_set(p, &r);
 *
 * A plan owns its records; pointers into it are good until that record is set or deleted.
 * Find, set and del are O(1); ordered walks sort once per change of the table.
 */

#include <stdbool.h>
#include <stddef.h>
#include <utstring.h>

#include "plan/record.h"

struct err;
struct plan;

struct plan *plan_new(void);
struct plan *plan_free(struct plan *p); /* accepts NULL, returns NULL */
void plan_freep(struct plan **p);
struct plan *plan_copy(const struct plan *p);

void plan_set(struct plan *p, const struct plan_record *r); /* adds, or replaces the record of that key */
bool plan_del(struct plan *p, const struct plan_record *key); /* true if it was there */
const struct plan_record *plan_find(const struct plan *p, const struct plan_record *key); /* or NULL */
size_t plan_count(const struct plan *p, enum plan_table table);

/* Calls fn for each record of the table in key order. fn must not change the plan. */
void plan_each(const struct plan *p, enum plan_table table, void (*fn)(const struct plan_record *r, void *arg),
	       void *arg);

/* The text form: one record a line, tables in order of the enum, keys in order. '#' begins a comment when parsed. */
void plan_format(const struct plan *p, UT_string *out);
int plan_parse(const char *text, struct plan **ret, struct err *err); /* the error names the line */
int plan_parse_line(struct plan *p, const char *line, struct err *err); /* adds its record; blank lines add none */
bool plan_equal(const struct plan *a, const struct plan *b);

/*
 * Changes: what turns one plan into another, in an order in which every state in between
 * forwards a packet as before, as after, or drops it:
 *   1. removals, and ports and interfaces that go down: ports, then roots first (reverse order of enum plan_table)
 *   2. additions and updates, leaves first
 *   3. removals of what updated records led to until then, roots first
 * Unique values (a network's segment, a peer's tunnel address, a DVR MAC, a port's device) are given
 * up in 1 before another record takes them in 2.
 * An update that must give way is split: a removal in 1 and an addition in 2 of the same key.
 */
enum plan_op { PLAN_ADD, PLAN_UPDATE, PLAN_DELETE };

struct plan_change {
	enum plan_op op;
	struct plan_record record; /* new state; for PLAN_DELETE the old one */
	struct plan_record old; /* PLAN_UPDATE: the state before */
};

struct plan_changes {
	size_t n;
	size_t allocated;
	struct plan_change *items;
};

void plan_changes_fini(struct plan_changes *c);
void plan_changes_add(struct plan_changes *c, enum plan_op op, const struct plan_record *record,
		      const struct plan_record *old);
/* Puts collected changes (at most one for each key) into the order above. */
void plan_changes_order(struct plan_changes *c);
void plan_diff(const struct plan *from, const struct plan *to, struct plan_changes *ret); /* ordered */
/* The same by table and in no order, one change a key: to name differences, not to apply them. */
void plan_diff_unordered(const struct plan *from, const struct plan *to, struct plan_changes *ret);
void plan_apply(struct plan *p, const struct plan_changes *c);
/* One change a line: "+ fdb ...", "~ fdb ..." (new state), "- fdb ...". */
void plan_changes_format(const struct plan_changes *c, UT_string *out);
