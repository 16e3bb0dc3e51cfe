/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_parse.h"

#include <stdbool.h>
#include <string.h>
#include <utstring.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

struct parser {
	const char *name;
	int line;
	char *section; /* NULL before the first one */
	char *key; /* NULL: no assignment is open */
	int key_line;
	UT_string *value;
	conf_assign_fn fn;
	void *arg;
	struct err *err;
};

static int refuse(struct parser *p, const char *why)
{
	return err_set(p->err, ERR_BAD_REQUEST, "", "%s:%d: %s", p->name, p->line, why);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* Without blanks at both ends. */
static char *stripped(const char *text, size_t n)
{
	while (n > 0 && blank(text[0])) {
		text++;
		n--;
	}
	while (n > 0 && blank(text[n - 1]))
		n--;
	return xstrndup(text, n);
}

/* An assignment ends at a blank line, at the next line that is no continuation, or at the end. */
static int finish_assignment(struct parser *p)
{
	_cleanup_(freep) char *key = take(&p->key);

	if (!key)
		return 0;
	return p->fn(p->section, key, utstring_body(p->value), p->key_line, p->arg);
}

static int continue_value(struct parser *p, const char *line, size_t n)
{
	_cleanup_(freep) char *more = stripped(line, n);

	if (!p->key)
		return refuse(p, "unexpected continuation line");
	if (utstring_len(p->value) + n > CONF_MAX_VALUE)
		return refuse(p, "value too long");
	utstring_printf(p->value, "\n%s", more);
	return 0;
}

static int begin_section(struct parser *p, const char *line, size_t n)
{
	if (line[n - 1] != ']')
		return refuse(p, "a section must end with ']'");
	if (n == 2)
		return refuse(p, "empty section name");
	free(p->section);
	p->section = xstrndup(line + 1, n - 2);
	return 0;
}

static int begin_assignment(struct parser *p, const char *line, size_t n)
{
	/* Whichever of '=' and ':' comes first divides. */
	size_t at = 0;
	_cleanup_(freep) char *value = NULL;
	size_t len;

	while (at < n && line[at] != '=' && line[at] != ':')
		at++;
	if (at == n)
		return refuse(p, "no '=' or ':' in an assignment");
	if (!p->section)
		return refuse(p, "assignment before the first section");
	if (n - at > CONF_MAX_VALUE)
		return refuse(p, "value too long");
	p->key = stripped(line, at);
	if (!*p->key) {
		free(take(&p->key));
		return refuse(p, "empty option name");
	}
	value = stripped(line + at + 1, n - at - 1);
	len = strlen(value);
	utstring_clear(p->value);
	if (len > 1 && value[0] == value[len - 1] && (value[0] == '"' || value[0] == '\''))
		utstring_bincpy(p->value, value + 1, len - 2);
	else
		utstring_bincpy(p->value, value, len);
	p->key_line = p->line;
	return 0;
}

static int parse_line(struct parser *p, const char *line, size_t n)
{
	int r;

	while (n > 0 && blank(line[n - 1]))
		n--;
	if (n > 0 && blank(line[0]))
		return continue_value(p, line, n);
	r = finish_assignment(p);
	if (r < 0 || n == 0 || line[0] == '#' || line[0] == ';')
		return r;
	return line[0] == '[' ? begin_section(p, line, n) : begin_assignment(p, line, n);
}

int conf_parse(const char *name, const char *text, size_t len, conf_assign_fn fn, void *arg, struct err *err)
{
	struct parser p = { .name = name, .fn = fn, .arg = arg, .err = err };
	const char *end = text + len;
	int r = 0;

	if (len > CONF_MAX_FILE)
		return err_set(err, ERR_TOO_LARGE, "", "%s: longer than %d bytes", name, CONF_MAX_FILE);
	if (memchr(text, '\0', len))
		return err_set(err, ERR_BAD_REQUEST, "", "%s: contains a NUL byte", name);
	utstring_new(p.value);
	while (r >= 0 && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		p.line++;
		r = parse_line(&p, text, n);
		text += n + 1;
	}
	if (r >= 0)
		r = finish_assignment(&p);
	free(p.key);
	free(p.section);
	utstring_free(p.value);
	return r;
}
