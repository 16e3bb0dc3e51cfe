/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * changelog: what changed, in order, as it goes to the hosts. Lines of one API call share a
 * position; positions are dense. The newest line is never trimmed: the next position follows it.
 */

#include "model/object.h"
#include "store/db.h"

struct changelog_line {
	uint64_t position;
	int op;
	struct unit unit;
	uint32_t host;
	const char *json;
	const char *request_id;
};

int changelog_last(struct db *db, uint64_t *ret, struct err *err); /* 0: nothing was ever logged */
int changelog_oldest(struct db *db, uint64_t *ret, struct err *err); /* 0: the same */
int changelog_append(struct db *db, int line, const struct changelog_line *l, struct err *err);
int changelog_read(struct db *db, uint64_t after, void (*fn)(const struct changelog_line *l, void *arg), void *arg);
/* Only the lines that name the host. */
int changelog_read_host(struct db *db, uint32_t host, uint64_t after,
			void (*fn)(const struct changelog_line *l, void *arg), void *arg);
/* Forgets the oldest positions until at most about `keep` positions are left. */
int changelog_trim(struct db *db, uint64_t keep, struct err *err);
