/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conf_parse: the line format of oslo.config (its iniparser), without meaning: sections,
 * assignments, continuation lines. conf.h gives them meaning.
 */

#include <stddef.h>

struct err;

#define CONF_MAX_FILE (1024 * 1024) /* bytes of one file */
#define CONF_MAX_VALUE (64 * 1024) /* bytes of one value with its continuation lines */

/* One assignment; the lines of a continued value are joined by '\n'. A negative result ends the parse. */
typedef int (*conf_assign_fn)(const char *section, const char *key, const char *value, int line, void *arg);

/* The error names `name` and the line. NUL bytes are refused. */
int conf_parse(const char *name, const char *text, size_t len, conf_assign_fn fn, void *arg, struct err *err);
