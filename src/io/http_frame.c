/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_frame.h"

#include <string.h>
#include <strings.h>

#define MAX_LENGTH_DIGITS 15

void http_frame_begin(struct http_frame *f, const char *method, const char *target, const char *version)
{
	*f = (struct http_frame) { 0 };
	/* two blanks and the line's end, and the empty line after the head */
	f->expected = strlen(method) + strlen(target) + strlen(version) + 4 + 2;
}

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s[i]))
			return false;
	return n > 0;
}

static bool is_text(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return false;
	return true;
}

static bool is(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(s, word, n) == 0;
}

static void content_length(struct http_frame *f, const char *value, size_t n)
{
	f->lengths++;
	f->length = 0;
	if (n == 0 || n > MAX_LENGTH_DIGITS)
		f->wrong = "Content-Length is not a plain number";
	for (size_t i = 0; i < n && !f->wrong; i++) {
		if (value[i] < '0' || value[i] > '9')
			f->wrong = "Content-Length is not a plain number";
		f->length = f->length * 10 + (uint64_t)(value[i] - '0');
	}
}

void http_frame_header(struct http_frame *f, const char *name, size_t name_len, const char *value, size_t value_len)
{
	f->expected += name_len + value_len + 4;
	if (f->wrong)
		return;
	if (!is_token(name, name_len))
		f->wrong = "a header's name has characters that do not belong there";
	else if (!is_text(value, value_len))
		f->wrong = "a header's value has control characters";
	else if (is(name, name_len, "Host"))
		f->hosts++;
	else if (is(name, name_len, "Content-Length"))
		content_length(f, value, value_len);
	else if (is(name, name_len, "Transfer-Encoding")) {
		f->encodings++;
		f->chunked = is(value, value_len, "chunked");
	}
}

/*
 * The size tells what the library does not: it folds lines (into the wrong place), cuts values at NUL
 * and skips blanks without a word. "Name:value" and several blanks are legal too, but could hide a
 * folded line, and no client writes them.
 */
static const char *check_size(const struct http_frame *f, size_t size)
{
	return size == f->expected ? NULL : "each header must be one line 'Name: value'";
}

const char *http_frame_end(struct http_frame *f, const char *version, size_t size)
{
	if (f->wrong)
		return f->wrong;
	if (f->hosts > 1 || (f->hosts == 0 && strcmp(version, "HTTP/1.1") == 0))
		return "there must be one Host header";
	if (f->lengths > 1)
		return "there is more than one Content-Length";
	if (f->encodings > 1 || (f->encodings && !f->chunked))
		return "the only Transfer-Encoding served is chunked";
	if (f->lengths && f->encodings)
		return "there are both Content-Length and Transfer-Encoding";
	return check_size(f, size);
}
