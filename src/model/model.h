/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model: the part of the cloud that one host was sent, as a set of objects. What compile reads.
 *
 * Find, set and del are O(1); dropping a unit costs what the unit holds.
 */

#include <stdbool.h>
#include <stddef.h>

#include "model/object.h"

struct model;

struct model *model_new(void);
struct model *model_free(struct model *m); /* accepts NULL, returns NULL */

/* True if anything changed (an equal object is no change). */
bool model_set(struct model *m, const struct object *o);
bool model_del(struct model *m, const struct object_id *id);
const struct object *model_find(const struct model *m, enum object_kind kind, uint32_t a, uint32_t b); /* or NULL */
size_t model_count(const struct model *m);

/* Each object, or each of a unit; fn must not change the model. */
typedef void (*model_fn)(const struct object *o, void *arg);
void model_each(const struct model *m, model_fn fn, void *arg);
void model_each_of_unit(const struct model *m, const struct unit *u, model_fn fn, void *arg);
