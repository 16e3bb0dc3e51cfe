/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * schema: the tables, as numbered migrations. A new database runs all of them, an older one those
 * that it lacks; one that is newer than this program is refused.
 */

#include "base/uuid.h"

struct db;
struct err;

int schema_migrate(struct db *db, struct err *err);
/* The UUID that this database was given when it was made. */
int schema_incarnation(struct db *db, char ret[UUID_TEXT_SIZE], struct err *err);
