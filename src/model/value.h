/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * value: one value of a request body against one field of a table. Converts to the form that
 * attributes hold, or refuses with Neutron's words. `*ret` is new (json_decref).
 */

#include "model/resource.h"

#define VALUE_TEXT_SIZE 80

struct err;

int value_check(const struct field *f, const json_t *value, json_t **ret, struct err *err);

/* The booleans and integers of oslo.utils as text; -EINVAL without an error text. */
int value_bool_text(const char *text, bool *ret);
int value_int_text(const char *text, int64_t *ret);

/* How a value is named in an error: strings as they are, the rest as Neutron prints it; cut to fit, never inside a
 * character. Returns `text`. */
const char *value_text(const json_t *value, char text[VALUE_TEXT_SIZE]);
/* Appends at most what fits, cut between characters; for lists of names in errors. */
void text_append(char *to, size_t size, const char *more);
