/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * datum: values of OVSDB columns in their JSON form (RFC 7047, 5.1): an atom, ["set", [...]], ["map", [[k, v], ...]],
 * ["uuid", "..."]. A set of one is its atom. Everything here accepts whatever a peer may send; what has another
 * shape than is asked for is not there. All that is returned is borrowed, unless it says `new`.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

size_t datum_size(const json_t *d); /* elements of a set or map; an atom is one */
const json_t *datum_at(const json_t *d, size_t i); /* of a set: an atom */
const char *datum_string(const json_t *d); /* a string or a set of one; else "" */
bool datum_integer(const json_t *d, json_int_t *ret);
const char *datum_uuid(const json_t *d); /* or NULL */
const char *datum_get(const json_t *d, const char *key); /* of a map of strings; or NULL */

/* What `update2` says of a changed column: the new value, for sets and maps (`composite`) the difference. New. */
json_t *datum_modified(const json_t *old, const json_t *change, bool composite);

/* For transactions. New. */
json_t *datum_new_uuid(const char *uuid);
json_t *datum_new_named(const char *name); /* a row of the same transaction */
json_t *datum_new_set(json_t *atoms); /* takes the array */
json_t *datum_new_map(const char *const (*pairs)[2], size_t n);
/* DATUM_MAP({ "key", "value" }, ...) */
#define DATUM_MAP(...)                                                                                                 \
	datum_new_map((const char *const[][2]) { __VA_ARGS__ },                                                        \
		      sizeof((const char *const[][2]) { __VA_ARGS__ }) / sizeof(const char *[2]))
