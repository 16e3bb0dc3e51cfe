/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* uuid: RFC 4122 identifiers as 16-byte values. Text is the 36-character lower-case form. */

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* with the final NUL */

struct uuid {
	uint8_t b[16];
};

/* Accepts the 36-character form in either case, nothing else. -EINVAL otherwise. */
int uuid_parse_text(const char *text, struct uuid *ret);
/* Writes into `text`, and returns it. */
const char *uuid_format(const struct uuid *u, char text[UUID_TEXT_SIZE]);
/* A random (version 4) UUID: time-ordered ones would collide in tap names, which take 11 characters. */
void uuid_make(struct uuid *ret);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *u);
int uuid_cmp(const struct uuid *a, const struct uuid *b);
