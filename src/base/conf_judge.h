/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conf_judge: what becomes of each line of the configuration. Operators bring Neutron's files as they
 * are: what we obey, what has no effect here and why, and what stops the start is said line by line.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"

enum conf_verdict {
	CONF_OBEYED,
	CONF_DEFAULT, /* obeyed, and not set */
	CONF_IGNORED, /* Neutron knows it; it has no effect here */
	CONF_REFUSED, /* to start without it would be something else than what was asked for */
	CONF_UNKNOWN, /* Neutron does not know it either */
};

struct conf_judged {
	enum conf_verdict verdict;
	const char *where; /* "FILE:LINE"; NULL: not set */
	const char *section, *name; /* as written */
	const char *value; /* for people's eyes; of what is obeyed only, for others may hold a secret */
	const char *note; /* why; of a refused one the whole error; "" */
};

/* The lines of the files in their order, then the options that are not set and would have an effect. */
void conf_judge(const struct conf *c, void (*fn)(const struct conf_judged *judged, void *arg), void *arg);
/* Prints them, one a line, and counts. Returns how many are refused. */
size_t conf_judge_print(const struct conf *c);
/* Logs a warning for each unknown option, and how many are ignored. `program` tells more with --check-config. */
void conf_judge_warn(const struct conf *c, const char *program);

/* Options of Neutron, and ours, that a program does not obey. */
struct conf_known {
	const char *section;
	const char *names; /* apart by blanks; "x_*" is each that begins with x_, "*" each */
	const char *why;
};

extern const struct conf_known conf_known[];
extern const size_t conf_n_known;

const char *conf_known_why(const char *section, const char *name); /* NULL: not known */
