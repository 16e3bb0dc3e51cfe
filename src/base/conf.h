/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conf: configuration files in oslo.config's dialect: [sections], "option = value" or
 * "option: value", '#' and ';' comments at the start of a line, continuation lines that begin
 * with a blank, quotes kept around a value taken off, later files override earlier ones, section
 * names compared without case for [ovs] and [agent], '-' and '_' alike in option names, the
 * $option and ${section.option} references, and "$$".
 *
 * Read all files first, then conf_check(), then the options.
 *
 * What a program obeys is a table of options; typed reads go through it, so that defaults,
 * old names, types and what else a value must be stand in one place. conf_judge.h says of
 * each line of the files what becomes of it.
 *
 *     static const struct conf_option options[] = {
 *             { "DEFAULT", "bind_port", CONF_INT, "9696", .min = 1, .max = 65535 },
 *             { "ml2", "project_network_types", CONF_LIST, "local", .old_name = "tenant_network_types" },
 *     };
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct conf;

#define CONF_SHOW_SIZE 256

enum conf_type { CONF_STRING, CONF_BOOL, CONF_INT, CONF_FLOAT, CONF_LIST, CONF_IP, CONF_MAC };

struct conf_option {
	const char *section;
	const char *name;
	enum conf_type type;
	const char *fallback; /* as text; NULL: none */
	int64_t min, max; /* CONF_INT, CONF_FLOAT; both 0: any */
	const char *old_name; /* read when `name` is absent: "name", or "section.name" if it stood elsewhere; or NULL */
	const char *const *choices; /* the values there are, NULL at the end; NULL: any */
	/* What was expected in place of the value (NULL: not set and no default), or NULL if it will do. */
	const char *(*check)(const struct conf *c, const struct conf_option *o, const char *value);
	/* Why it has no effect beside what else is set, or NULL. It is checked all the same. */
	const char *(*idle)(const struct conf *c, const struct conf_option *o);
};

struct conf *conf_new(const struct conf_option *options, size_t n);
struct conf *conf_free(struct conf *c);

/* A file that does not exist is an error; the text names file and line. */
int conf_read_file(struct conf *c, const char *path, struct err *err);
/* Parses text (tests, fuzzing); `name` stands for the file in errors. */
int conf_read_text(struct conf *c, const char *name, const char *text, size_t len, struct err *err);
/* All *.conf and *.ini of a directory in byte order of their names. */
int conf_read_dir(struct conf *c, const char *path, struct err *err);
/* A default that was worked out from what the files say; no effect where it is set. A value read before is gone. */
void conf_set_default(struct conf *c, const char *section, const char *name, const char *value);
/* Checks the options of the table, set or not; the error names file, line, section, option, value and what was
 * expected. */
int conf_check(const struct conf *c, struct err *err);
int conf_check_option(const struct conf *c, const struct conf_option *o, struct err *err);

/* The table, and what stands in the files. */
const struct conf_option *conf_options(const struct conf *c, size_t *ret_n);

struct conf_found {
	const char *where; /* "FILE:LINE" */
	const char *section, *name; /* as written */
	const struct conf_option *option; /* NULL: the table does not have it */
	const char *in_use; /* where its value comes from, if from another line; else NULL */
};

/* In the order in which it was read. */
void conf_each_found(const struct conf *c, void (*fn)(const struct conf_found *found, void *arg), void *arg);
/* An option's value for people's eyes, on one line, with what an URL has before '@' left out. */
const char *conf_show(const struct conf *c, const struct conf_option *o, char text[CONF_SHOW_SIZE]);

/* Reads by table; asking for an option that is not in the table is a programming mistake and aborts. Borrowed, never
 * freed before c. */
const char *conf_string(const struct conf *c, const char *section, const char *name); /* NULL: not set and no default */
bool conf_bool(const struct conf *c, const char *section, const char *name);
int64_t conf_int(const struct conf *c, const char *section, const char *name);
double conf_float(const struct conf *c, const char *section, const char *name);
/* Blanks around the elements are trimmed, empty ones skipped. Returns the count; *ret is borrowed. */
size_t conf_list(const struct conf *c, const char *section, const char *name, const char *const **ret);
bool conf_is_set(const struct conf *c, const char *section, const char *name); /* in a file, not by default */
