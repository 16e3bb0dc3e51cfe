/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pins: the directory of pinned maps, one folder a layout. Nothing but our folders is touched.
 *
 * Who opens it holds it alone until he closes it or dies: two agents on one set of maps would
 * undo each other's work.
 */

#include <stdbool.h>

struct bpf_object;
struct err;

/* Makes the directory (it must be on a BPF file system) and holds it; closing the descriptor lets go. -EBUSY. */
int pins_open(const char *root, int *ret_fd, struct err *err);
int pins_hold(const char *root, int *ret_fd, struct err *err); /* the same of what is there; -ENOENT */
/* Gives the maps of the opened object their places in the folder of their layout, and makes it; the name is the
 * caller's. */
int pins_set(const char *root, struct bpf_object *obj, char **ret_layout, struct err *err);
void pins_drop_others(const char *root, const char *layout);
bool pins_any(const char *root); /* a folder of ours is there */
int pins_remove(const char *root, struct err *err); /* all of it; fine when it is not there */
