/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* report: texts that are compared with files, or written to them; what came of it, as TAP. Begins zeroed. */

#include <stdbool.h>

struct golden_report {
	bool update; /* the file becomes the text */
	unsigned tests, failed;
};

void report_check(struct golden_report *r, bool ok, const char *name);
void report_skip(struct golden_report *r, const char *name, const char *why);
void report_difference(const char *want, const char *got); /* prints lines that only one of them has */
char *report_read(const char *path); /* new; NULL: it cannot be read */
void report_text(struct golden_report *r, const char *path, const char *text);
int report_end(const struct golden_report *r); /* the exit status */
