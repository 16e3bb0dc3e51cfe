/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * compile: from the model that a host was sent to the plan it forwards by. Pure: no clock, no
 * kernel, no socket; the same model gives the same plan, byte for byte, in whatever order its
 * objects came.
 *
 * Each object is compiled by itself into records (one function a kind; files by concern:
 * l2.c, arp.c, route.c). While it runs it looks other objects up, and every look-up is noted as
 * a dependency, also of an object that is not there. A changed object recompiles itself and what
 * depends on it, nothing else. Several objects may give the same record (each endpoint of a
 * network at a host gives the flood record of that host); it stands as long as one gives it, and
 * where they differ the best rank, then the lowest object id wins.
 *
 *     struct compile *c = compile_new();
 *     model_set(m, &o); compile_touch(c, &o.id);        for each object that changed
 *     compile_run(c, m, &changes);                      plan's ordered changes
 *
 * compile_run after touching every object of a model equals any sequence of partial runs that
 * ends in the same model (a property test holds it to that).
 */

#include "model/model.h"
#include "plan/plan.h"

struct compile;

struct compile *compile_new(void);
struct compile *compile_free(struct compile *c); /* accepts NULL, returns NULL */

/* The object was set or deleted since the last run. */
void compile_touch(struct compile *c, const struct object_id *id);

/* Recompiles what the touched objects reach. Adds what changed, ordered, to *ret, which may be NULL. */
void compile_run(struct compile *c, const struct model *m, struct plan_changes *ret);

/* The plan as of the last run; owned by c, good until the next. */
const struct plan *compile_plan(const struct compile *c);

/* The whole in one call: for golden texts and as the reference for the partial one. The caller owns the plan. */
struct plan *compile_all(const struct model *m);
