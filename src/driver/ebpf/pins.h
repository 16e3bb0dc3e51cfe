/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* pins: the directory of pinned maps, one folder a layout. Nothing but our folders is touched. */

struct err;

int pins_make(const char *root, const char *dir, struct err *err); /* must be on a BPF file system */
void pins_drop_others(const char *root, const char *keep);
int pins_remove(const char *root, struct err *err); /* all of it; fine when it is not there */
