/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* url: a request's target, taken apart: decoded path segments and arguments. Bounded, and UTF-8 without NUL. */

#include <stdbool.h>
#include <stddef.h>

struct err;

#define URL_MAX_SEGMENTS 6
#define URL_MAX_ARGS 512

struct url_arg {
	const char *name, *value;
};

struct url {
	char *text; /* what the others point into */
	const char *segments[URL_MAX_SEGMENTS];
	size_t n_segments; /* URL_MAX_SEGMENTS + 1: more than any path that is served */
	struct url_arg *args;
	size_t n_args;
};

/* "/v2.0/ports.json?name=a%20b"; ".json" at the end of the path is dropped, as Neutron does. */
int url_parse(const char *target, struct url *ret, struct err *err);
void url_clear(struct url *u);
/* The last value of an argument, or NULL. */
const char *url_arg(const struct url *u, const char *name);
size_t url_character(const char *s); /* the length of the UTF-8 character at s; 0: none */
bool url_is_text(const char *s); /* UTF-8 without control characters */
