/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* help: what the tables say, for people. */

#include <stdio.h>

struct verb;

void help_program(FILE *out);
void help_verb(const struct verb *v, FILE *out);
void help_usage(const struct verb *v, FILE *out); /* the one line */
