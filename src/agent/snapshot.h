/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * snapshot: the model on disk, so that an agent that starts while the server is away forwards
 * and heals as before. JSON lines: a head with the position, the objects, and their count as
 * the end. Written beside and renamed: what is there is whole.
 */

#include <stdint.h>

#include "base/uuid.h"
#include "model/model.h"

struct err;

struct snapshot_head {
	char host[HOST_NAME_SIZE]; /* whose it is */
	char incarnation[UUID_TEXT_SIZE];
	uint64_t position;
};

int snapshot_save(const char *path, const struct snapshot_head *head, const struct model *m, struct err *err);
/* -ENOENT when there is none; otherwise the text says what is wrong with it. *ret is the caller's. */
int snapshot_load(const char *path, struct snapshot_head *ret_head, struct model **ret, struct err *err);
/* The same from memory; `text` is cut up. For load and for fuzzing. */
int snapshot_parse(char *text, size_t len, struct snapshot_head *ret_head, struct model **ret, struct err *err);
/* A file of bounded size, whole, with a NUL behind it. -ENOENT when there is none; *ret is the caller's. */
int snapshot_read_file(const char *path, char **ret, size_t *ret_len, struct err *err);
