/* SPDX-License-Identifier: Apache-2.0 */
#include "api/url.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

size_t url_character(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool url_is_text(const char *text)
{
	while (*text) {
		size_t n = url_character(text);

		if (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
		text += n;
	}
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. False when it is not text. */
static bool decode(char *s, bool plus)
{
	char *to = s;
	const char *begin = s;

	for (; *s; s++) {
		if (*s == '+' && plus) {
			*to++ = ' ';
		} else if (*s == '%') {
			int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*to++ = (char)(high << 4 | low);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return url_is_text(begin);
}

static bool parse_path(struct url *u, char *path)
{
	char *save = NULL, *last = NULL;

	for (char *s = strtok_r(path, "/", &save); s; s = strtok_r(NULL, "/", &save)) {
		if (!decode(s, false))
			return false;
		if (u->n_segments < URL_MAX_SEGMENTS)
			u->segments[u->n_segments] = last = s;
		if (u->n_segments <= URL_MAX_SEGMENTS)
			u->n_segments++;
	}
	if (last && strlen(last) > 5 && strcmp(last + strlen(last) - 5, ".json") == 0)
		last[strlen(last) - 5] = '\0';
	return true;
}

static bool parse_args(struct url *u, char *query)
{
	char *save = NULL;
	size_t n = 1;

	for (const char *p = query; *p; p++)
		n += *p == '&';
	if (n > URL_MAX_ARGS)
		return false;
	u->args = xcalloc(n, sizeof(*u->args));
	for (char *s = strtok_r(query, "&", &save); s; s = strtok_r(NULL, "&", &save)) {
		char *value = strchr(s, '=');

		if (value)
			*value++ = '\0';
		else
			value = s + strlen(s);
		if (!decode(s, true) || !decode(value, true))
			return false;
		u->args[u->n_args++] = (struct url_arg) { s, value };
	}
	return true;
}

int url_parse(const char *target, struct url *ret, struct err *err)
{
	struct url u = { 0 };
	char *path, *query;

	if (strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0) {
		target = strchr(strstr(target, "//") + 2, '/');
		if (!target)
			target = "/";
	}
	u.text = path = xstrdup(target);
	path[strcspn(path, "#")] = '\0';
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	if (!parse_path(&u, path) || (query && !parse_args(&u, query))) {
		url_clear(&u);
		return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest", "The request's URL is malformed.");
	}
	*ret = u;
	return 0;
}

void url_clear(struct url *u)
{
	free(u->text);
	free(u->args);
	*u = (struct url) { 0 };
}

const char *url_arg(const struct url *u, const char *name)
{
	for (size_t i = u->n_args; i-- > 0;)
		if (strcmp(u->args[i].name, name) == 0)
			return u->args[i].value;
	return NULL;
}
