/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * args: the words after a verb, read by the verb's tables into what a call needs. Nothing is
 * asked of the server here: where an attribute is another resource, the word is left in place
 * and listed in `refs`, and find.h puts the id there.
 */

#include "base/json.h"
#include "cli/verb.h"

#define ARGS_MAX_WORDS 1024
#define ARGS_MAX_REFS 64

/* "the string at object[key] names a noun" */
struct args_ref {
	const struct noun *noun;
	json_t *object; /* borrowed from the body */
	const char *key;
};

struct args {
	const struct verb *verb;
	json_t *body; /* the attributes, without the noun's name around them */
	json_t *query; /* a value is a string, or a list of strings for a parameter that is repeated */
	json_t *output; /* format, columns, fields, ... by their options' attributes */
	json_t *words; /* positional words without an attribute, in order */
	struct args_ref refs[ARGS_MAX_REFS];
	size_t n_refs;
	bool help; /* --help was among them: nothing else is checked */
};

/* The error's text is for the user; ret needs args_done() only on success. */
int args_parse(const struct verb *v, int argc, char **argv, struct args *ret, struct err *err);
void args_done(struct args *a); /* also right on a zeroed one */

const char *args_word(const struct args *a, size_t i); /* NULL: not given */
const char *args_output(const struct args *a, const char *name); /* NULL: not given */

/* Gives each sort key of the query one direction, "asc" where none was given. */
void args_even_sort(const struct args *a);

/* Reading of values, shared with the extra options. */
int args_read_bool(const char *text, json_t **ret); /* true/false in any case; -EINVAL */
int args_read_int(const char *text, json_t **ret); /* -EINVAL */
/* "k=v,k=v": a comma that begins no "k=" belongs to the value before it. */
int args_read_dict(const char *text, json_t **ret, struct err *err);
