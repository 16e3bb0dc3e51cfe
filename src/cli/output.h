/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * output: results in the format that was asked for.
 *
 *     table   the border of +-| that scripts for the old client cut apart
 *     json    the server's values
 *     value   the bare values: a list's row is one line, blanks between
 *     csv, shell
 *
 * -c chooses columns by the names of attributes, in the order given (of one object: in the
 * alphabet's). Control characters of the values do not reach a terminal.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/json.h"

struct args;
struct err;

bool output_is_table(const struct args *a);
/* rows: an array of objects. */
int output_list(FILE *out, const struct args *a, const json_t *rows, struct err *err);
int output_one(FILE *out, const struct args *a, const json_t *object, struct err *err);
