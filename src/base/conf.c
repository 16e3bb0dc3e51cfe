/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>
#include <utstring.h>

#include "base/conf_parse.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_REFERENCES 16 /* of $option inside $option: more is a circle */

/* One assignment in a file. */
struct line {
	char *where; /* "FILE:LINE" */
	char *section, *name; /* as written */
};

struct entry {
	char *id; /* "section.name", normalized */
	const struct line *line; /* NULL for a default */
	char *raw;
	char *value; /* with references resolved; made at the first read */
	char *list_text; /* what list points into */
	const char **list;
	size_t n_list;
	bool list_made;
	UT_hash_handle hh;
};

struct conf {
	const struct conf_option *options;
	size_t n_options;
	struct entry *entries; /* what files set, and defaults that were read */
	struct line **lines;
	size_t n_lines;
};

struct conf *conf_new(const struct conf_option *options, size_t n)
{
	struct conf *c = xcalloc(1, sizeof(*c));

	c->options = options;
	c->n_options = n;
	return c;
}

static void entry_free(struct entry *e)
{
	free(e->id);
	free(e->raw);
	free(e->value);
	free(e->list_text);
	free(e->list);
	free(e);
}

struct conf *conf_free(struct conf *c)
{
	struct entry *e, *next;

	if (!c)
		return NULL;
	HASH_ITER (hh, c->entries, e, next) {
		HASH_DEL(c->entries, e);
		entry_free(e);
	}
	for (size_t i = 0; i < c->n_lines; i++) {
		free(c->lines[i]->where);
		free(c->lines[i]->section);
		free(c->lines[i]->name);
		free(c->lines[i]);
	}
	free(c->lines);
	free(c);
	return NULL;
}

/* Section names and option names are compared without case and with '-' as '_'. */
static char *make_id(const char *section, const char *name)
{
	char *id = xasprintf("%s.%s", section, name);

	for (char *p = id; *p; p++)
		*p = *p == '-' ? '_' : (char)tolower((unsigned char)*p);
	return id;
}

static struct entry *find_id(const struct conf *c, const char *section, const char *name)
{
	_cleanup_(freep) char *id = make_id(section, name);
	struct entry *e;

	HASH_FIND_STR(c->entries, id, e);
	return e;
}

static void set_entry(struct conf *c, const char *section, const char *name, const char *value, const struct line *line)
{
	struct entry *e = find_id(c, section, name);

	if (e) {
		HASH_DEL(c->entries, e);
		entry_free(e);
	}
	e = xcalloc(1, sizeof(*e));
	e->id = make_id(section, name);
	e->raw = xstrdup(value);
	e->line = line;
	HASH_ADD_KEYPTR(hh, c->entries, e->id, strlen(e->id), e);
}

struct assignment {
	struct conf *conf;
	const char *file;
};

static int on_assignment(const char *section, const char *key, const char *value, int line, void *arg)
{
	struct assignment *a = arg;
	struct conf *c = a->conf;
	struct line *l = xcalloc(1, sizeof(*l));

	l->where = xasprintf("%s:%d", a->file, line);
	l->section = xstrdup(section);
	l->name = xstrdup(key);
	c->lines = xrealloc(c->lines, (c->n_lines + 1) * sizeof(*c->lines));
	c->lines[c->n_lines++] = l;
	set_entry(c, section, key, value, l);
	return 0;
}

int conf_read_text(struct conf *c, const char *name, const char *text, size_t len, struct err *err)
{
	struct assignment a = { c, name };

	return conf_parse(name, text, len, on_assignment, &a, err);
}

int conf_read_file(struct conf *c, const char *path, struct err *err)
{
	_cleanup_(freep) char *text = xmalloc(CONF_MAX_FILE + 1);
	FILE *f = fopen(path, "re");
	size_t n;
	int r;

	if (!f)
		return err_errno(err, -errno, "cannot read %s", path);
	errno = 0;
	n = fread(text, 1, CONF_MAX_FILE + 1, f);
	r = ferror(f) ? -(errno ? errno : EIO) : 0;
	fclose(f);
	if (r < 0)
		return err_errno(err, r, "cannot read %s", path);
	return conf_read_text(c, path, text, n, err);
}

static int is_conf_file(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && dot != d->d_name && (strcmp(dot, ".conf") == 0 || strcmp(dot, ".ini") == 0);
}

int conf_read_dir(struct conf *c, const char *path, struct err *err)
{
	struct dirent **names;
	int n = scandir(path, &names, is_conf_file, NULL), r = 0;

	if (n < 0)
		return err_errno(err, -errno, "cannot read %s", path);
	/* Byte order, not the locale's. */
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && strcmp(names[j - 1]->d_name, names[j]->d_name) > 0; j--) {
			struct dirent *t = names[j];

			names[j] = names[j - 1];
			names[j - 1] = t;
		}
	for (int i = 0; i < n; i++) {
		_cleanup_(freep) char *file = xasprintf("%s/%s", path, names[i]->d_name);

		if (r >= 0)
			r = conf_read_file(c, file, err);
		free(names[i]);
	}
	free(names);
	return r;
}

static const struct conf_option *find_option(const struct conf *c, const char *section, const char *name)
{
	for (size_t i = 0; i < c->n_options; i++)
		if (strcasecmp(c->options[i].section, section) == 0 && strcmp(c->options[i].name, name) == 0)
			return &c->options[i];
	return NULL;
}

/* The id of an option's old name, which may be of another section: "section.name"; NULL: it has none. */
static char *make_old_id(const struct conf_option *o)
{
	if (!o->old_name)
		return NULL;
	return strchr(o->old_name, '.') ? xstrdup(o->old_name) : make_id(o->section, o->old_name);
}

static struct entry *find_old(const struct conf *c, const struct conf_option *o)
{
	_cleanup_(freep) char *id = make_old_id(o);
	struct entry *e = NULL;

	if (id)
		HASH_FIND_STR(c->entries, id, e);
	return e;
}

/* The entry of an option: from a file under its name or its old name, else from its default; NULL if there is none. */
static struct entry *find_entry(struct conf *c, const struct conf_option *o)
{
	struct entry *e = find_id(c, o->section, o->name);

	if (!e)
		e = find_old(c, o);
	if (!e && o->fallback) {
		set_entry(c, o->section, o->name, o->fallback, NULL);
		e = find_id(c, o->section, o->name);
	}
	return e;
}

/* ---- references ---- */

/* The length of a reference's name at `p` ("option" or "section.option"), 0 if it is none. */
static size_t name_length(const char *p)
{
	size_t n = 0;

	if (!isalpha((unsigned char)p[0]) && p[0] != '_')
		return 0;
	while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.')
		n++;
	return n;
}

/* On one line, without the name and password of an URL. */
static const char *show_text(const char *value, char text[CONF_SHOW_SIZE])
{
	const char *scheme = strstr(value, "://"), *at = scheme ? strrchr(scheme, '@') : NULL;

	if (at)
		snprintf(text, CONF_SHOW_SIZE, "%.*s://...%s", (int)(scheme - value), value, at);
	else
		snprintf(text, CONF_SHOW_SIZE, "%s", value);
	for (char *p = text; *p; p++)
		*p = iscntrl((unsigned char)*p) ? ' ' : *p;
	return text;
}

static const char *resolve(struct conf *c, struct entry *e, int depth, struct err *err);

static void refuse_reference(const struct entry *e, struct err *err, const char *fmt, ...)
{
	char why[256], shown[CONF_SHOW_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	show_text(e->raw, shown);
	if (e->line)
		err_set(err, ERR_BAD_REQUEST, "", "%s: [%s] %s = %.200s: the value %s", e->line->where,
			e->line->section, e->line->name, shown, why);
	else
		err_set(err, ERR_BAD_REQUEST, "", "the default of %s, %.200s, %s", e->id, shown, why);
}

static const char *referred(struct conf *c, const struct entry *from, const char *name, size_t n, int depth,
			    struct err *err)
{
	_cleanup_(freep) char *whole = xstrndup(name, n);
	_cleanup_(freep) char *own_section = xstrndup(from->id, (size_t)(strchr(from->id, '.') - from->id));
	char *dot = strchr(whole, '.');
	const char *sections[] = { own_section, "default" };
	const char *option = whole;

	if (dot) {
		*dot = '\0';
		sections[0] = sections[1] = whole;
		option = dot + 1;
	}
	for (size_t i = 0; i < N_ELEMENTS(sections); i++) {
		const struct conf_option *o = find_option(c, sections[i], option);
		struct entry *e = o ? find_entry(c, o) : find_id(c, sections[i], option);

		if (e)
			return resolve(c, e, depth + 1, err);
	}
	refuse_reference(from, err, "refers to $%s%s%s, which is not set", dot ? whole : "", dot ? "." : "", option);
	return NULL;
}

/* Replaces $name, ${name}, $section.name and "$$"; NULL and *err when that cannot be done. */
static const char *resolve(struct conf *c, struct entry *e, int depth, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	if (e->value)
		return e->value;
	if (depth > MAX_REFERENCES) {
		refuse_reference(e, err, "refers to itself");
		return NULL;
	}
	utstring_new(out);
	for (const char *p = e->raw; *p;) {
		bool braces = p[0] == '$' && p[1] == '{';
		size_t n = p[0] == '$' ? name_length(p + 1 + braces) : 0;
		const char *value;

		if (p[0] == '$' && p[1] == '$') {
			utstring_bincpy(out, "$", 1);
			p += 2;
			continue;
		}
		if (n == 0 || (braces && p[2 + n] != '}')) {
			utstring_bincpy(out, p++, 1);
			continue;
		}
		value = referred(c, e, p + 1 + braces, n, depth, err);
		if (!value)
			return NULL;
		utstring_bincpy(out, value, strlen(value));
		if (utstring_len(out) > CONF_MAX_VALUE) {
			refuse_reference(e, err, "is too long with what it refers to");
			return NULL;
		}
		p += 1 + n + 2 * braces;
	}
	e->value = xstrdup(utstring_body(out));
	return e->value;
}

/* ---- types ---- */

static int parse_bool(const char *text, bool *ret)
{
	static const char *const words[][2] = { { "false", "true" }, { "0", "1" }, { "off", "on" }, { "no", "yes" } };

	for (size_t i = 0; i < N_ELEMENTS(words); i++)
		for (int value = 0; value < 2; value++)
			if (strcasecmp(text, words[i][value]) == 0) {
				*ret = value;
				return 0;
			}
	return -EINVAL;
}

static bool in_range(const struct conf_option *o, double n)
{
	return (!o->min && !o->max) || (n >= (double)o->min && n <= (double)o->max);
}

static int parse_int(const char *text, const struct conf_option *o, int64_t *ret)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return -EINVAL;
	if (!in_range(o, (double)n))
		return -ERANGE;
	*ret = n;
	return 0;
}

/* base cannot use net/: these are shape checks; who reads the value parses it. */
static bool looks_like_ip(const char *text)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF.:");

	return n > 1 && text[n] == '\0' && (strchr(text, '.') || strchr(text, ':'));
}

static bool looks_like_mac(const char *text)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return text[17] == '\0';
}

static int parse_float(const char *text, const struct conf_option *o, double *ret)
{
	char *end;
	double n;

	errno = 0;
	n = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(n))
		return -EINVAL;
	if (!in_range(o, n))
		return -ERANGE;
	*ret = n;
	return 0;
}

static const char *number_wanted(const struct conf_option *o, char text[CONF_SHOW_SIZE])
{
	const char *what = o->type == CONF_INT ? "an integer" : "a number";

	if (o->min || o->max)
		snprintf(text, CONF_SHOW_SIZE, "%s from %lld to %lld", what, (long long)o->min, (long long)o->max);
	else
		snprintf(text, CONF_SHOW_SIZE, "%s", what);
	return text;
}

/* What was expected by the option's type, or NULL. */
static const char *type_wanted(const struct conf_option *o, const char *value, char text[CONF_SHOW_SIZE])
{
	int64_t n;
	double d;
	bool b;

	switch (o->type) {
	case CONF_BOOL:
		return parse_bool(value, &b) < 0 ? "true or false" : NULL;
	case CONF_INT:
		return parse_int(value, o, &n) < 0 ? number_wanted(o, text) : NULL;
	case CONF_FLOAT:
		return parse_float(value, o, &d) < 0 ? number_wanted(o, text) : NULL;
	case CONF_IP:
		return looks_like_ip(value) ? NULL : "an IP address";
	case CONF_MAC:
		return looks_like_mac(value) ? NULL : "a MAC address";
	case CONF_STRING:
	case CONF_LIST:
		return NULL;
	}
	abort();
}

static const char *choice_wanted(const struct conf_option *o, const char *value, char text[CONF_SHOW_SIZE])
{
	size_t used = (size_t)snprintf(text, CONF_SHOW_SIZE, "one of");

	for (size_t i = 0; o->choices[i]; i++)
		if (strcmp(value, o->choices[i]) == 0)
			return NULL;
	for (size_t i = 0; o->choices[i] && used < CONF_SHOW_SIZE; i++)
		used += (size_t)snprintf(text + used, CONF_SHOW_SIZE - used, "%s %s", i ? "," : "", o->choices[i]);
	return text;
}

const char *conf_show(const struct conf *c, const struct conf_option *o, char text[CONF_SHOW_SIZE])
{
	const char *value = conf_string(c, o->section, o->name);

	return show_text(value ? value : "", text);
}

static int refuse_value(const struct conf_option *o, const struct entry *e, const char *value, const char *wanted,
			struct err *err)
{
	char shown[CONF_SHOW_SIZE];

	if (!e)
		return err_set(err, ERR_BAD_REQUEST, "", "[%s] %s is not set: expected %s", o->section, o->name,
			       wanted);
	show_text(value, shown);
	if (!e->line)
		return err_set(err, ERR_BAD_REQUEST, "", "[%s] %s is not set, and its default is %s: expected %s",
			       o->section, o->name, shown, wanted);
	return err_set(err, ERR_BAD_REQUEST, "", "%s: [%s] %s = %s: expected %s", e->line->where, e->line->section,
		       e->line->name, shown, wanted);
}

void conf_set_default(struct conf *c, const char *section, const char *name, const char *value)
{
	if (!conf_is_set(c, section, name))
		set_entry(c, section, name, value, NULL);
}

int conf_check_option(const struct conf *c, const struct conf_option *o, struct err *err)
{
	struct conf *writable = (struct conf *)c; /* resolving caches */
	struct entry *e = find_entry(writable, o);
	const char *value = e ? resolve(writable, e, 0, err) : NULL, *wanted = NULL;
	char text[CONF_SHOW_SIZE];

	if (e && !value)
		return -EINVAL;
	if (e)
		wanted = type_wanted(o, value, text);
	if (e && !wanted && o->choices)
		wanted = choice_wanted(o, value, text);
	if (!wanted && o->check)
		wanted = o->check(c, o, value);
	return wanted ? refuse_value(o, e, value, wanted, err) : 0;
}

int conf_check(const struct conf *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->n_options && r == 0; i++)
		r = conf_check_option(c, &c->options[i], err);
	return r;
}

/* ---- what stands in the files ---- */

const struct conf_option *conf_options(const struct conf *c, size_t *ret_n)
{
	*ret_n = c->n_options;
	return c->options;
}

static const struct conf_option *option_of_line(const struct conf *c, const char *id)
{
	for (size_t i = 0; i < c->n_options; i++) {
		const struct conf_option *o = &c->options[i];
		_cleanup_(freep) char *now = make_id(o->section, o->name);
		_cleanup_(freep) char *then = make_old_id(o);

		if (strcmp(id, now) == 0 || (then && strcmp(id, then) == 0))
			return o;
	}
	return NULL;
}

void conf_each_found(const struct conf *c, void (*fn)(const struct conf_found *found, void *arg), void *arg)
{
	for (size_t i = 0; i < c->n_lines; i++) {
		const struct line *l = c->lines[i];
		_cleanup_(freep) char *id = make_id(l->section, l->name);
		struct conf_found f = { l->where, l->section, l->name, option_of_line(c, id), NULL };
		const struct entry *e = f.option ? find_entry((struct conf *)c, f.option) : NULL;

		if (e && e->line && e->line != l)
			f.in_use = e->line->where;
		fn(&f, arg);
	}
}

/* ---- reading ---- */

static const struct conf_option *must_find(const struct conf *c, const char *section, const char *name)
{
	const struct conf_option *o = find_option(c, section, name);

	if (!o)
		abort();
	return o;
}

const char *conf_string(const struct conf *c, const char *section, const char *name)
{
	struct conf *writable = (struct conf *)c;
	struct entry *e = find_entry(writable, must_find(c, section, name));

	return e ? resolve(writable, e, 0, NULL) : NULL;
}

bool conf_bool(const struct conf *c, const char *section, const char *name)
{
	const char *value = conf_string(c, section, name);
	bool b = false;

	if (value)
		parse_bool(value, &b);
	return b;
}

int64_t conf_int(const struct conf *c, const char *section, const char *name)
{
	const char *value = conf_string(c, section, name);
	int64_t n = 0;

	if (value)
		parse_int(value, must_find(c, section, name), &n);
	return n;
}

double conf_float(const struct conf *c, const char *section, const char *name)
{
	const char *value = conf_string(c, section, name);
	double n = 0;

	if (value)
		parse_float(value, must_find(c, section, name), &n);
	return n;
}

static void make_list(struct entry *e, const char *value)
{
	char *rest, *item;
	size_t commas = 1;

	for (const char *p = value; *p; p++)
		commas += *p == ',';
	e->list_text = xstrdup(value);
	e->list = xcalloc(commas, sizeof(*e->list));
	for (rest = e->list_text; (item = strsep(&rest, ","));) {
		size_t n;

		item += strspn(item, " \t\r\n");
		n = strlen(item);
		while (n > 0 && isspace((unsigned char)item[n - 1]))
			item[--n] = '\0';
		if (n > 0)
			e->list[e->n_list++] = item;
	}
	e->list_made = true;
}

size_t conf_list(const struct conf *c, const char *section, const char *name, const char *const **ret)
{
	struct entry *e = find_entry((struct conf *)c, must_find(c, section, name));
	const char *value = conf_string(c, section, name);

	*ret = NULL;
	if (!value)
		return 0;
	if (!e->list_made)
		make_list(e, value);
	*ret = e->list;
	return e->n_list;
}

bool conf_is_set(const struct conf *c, const char *section, const char *name)
{
	struct entry *e = find_entry((struct conf *)c, must_find(c, section, name));

	return e && e->line;
}
