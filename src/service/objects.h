/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* objects: what hosts are sent (model/object.h), read from the rows. The log and snapshots both come from here. */

#include "model/object.h"
#include "store/db.h"

struct err;

/* 1: the unit has the object, as in *ret; 0: it has none of this identity. */
int objects_find(struct db *db, const struct unit *u, const struct object_id *id, struct object *ret, struct err *err);
/* Each object of the unit. */
int objects_each(struct db *db, const struct unit *u, void (*fn)(const struct object *o, void *arg), void *arg,
		 struct err *err);
