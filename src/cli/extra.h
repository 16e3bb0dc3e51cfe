/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * extra: one option that the tables do not know, with the words behind it.
 *
 *     --key                    true
 *     --key value, --key=value "value"
 *     --key type=T value       T: str, int, bool, dict
 *     --key list=true a b      ["a", "b"]; two words are a list without it, too
 *     --key action=clear       null
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

struct err;

#define EXTRA_MAX_WORDS 256

struct extra {
	char *name; /* the attribute: '-' is '_'; NULL: none open */
	const char *words[EXTRA_MAX_WORDS];
	size_t n_words;
	char type[8]; /* "": a string */
	bool list, clear, has_equals;
};

/* `value` is what stood behind '=' or NULL. None may be open. */
int extra_open(struct extra *x, const char *name, size_t len, const char *value, struct err *err);
bool extra_takes(const struct extra *x); /* may a plain word belong to it? */
int extra_word(struct extra *x, const char *word, struct err *err);
/* Reads the words and sets the attribute in `object`, over what was there. */
int extra_close(struct extra *x, json_t *object, struct err *err);
void extra_done(struct extra *x);
