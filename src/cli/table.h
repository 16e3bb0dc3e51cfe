/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* table: rows of text in a border of +-| (libsmartcols, and the only file that knows it). A cell may have several
 * lines. */

#include <stddef.h>
#include <stdio.h>

struct table;

struct table *table_new(const char *const *columns, size_t n_columns);
struct table *table_free(struct table *t);
/* As many cells as columns. */
void table_row(struct table *t, const char *const *cells);
void table_print(const struct table *t, FILE *out);
