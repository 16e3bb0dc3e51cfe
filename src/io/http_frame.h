/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http_frame: is a request's head one that every HTTP implementation reads the same way? Fed with
 * what the HTTP library made of it, header by header, and with the size that the head had on the
 * wire: a folded line, a NUL or other bytes that the library swallowed show as a difference.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_frame {
	size_t expected; /* bytes of the head if each line is "Name: value" CR LF */
	unsigned hosts, lengths, encodings;
	uint64_t length;
	bool chunked;
	const char *wrong; /* the first thing found */
};

void http_frame_begin(struct http_frame *f, const char *method, const char *target, const char *version);
void http_frame_header(struct http_frame *f, const char *name, size_t name_len, const char *value, size_t value_len);
/* NULL if the framing is beyond doubt, else what is wrong with it. */
const char *http_frame_end(struct http_frame *f, const char *version, size_t size);
