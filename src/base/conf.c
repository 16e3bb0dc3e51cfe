/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>
#include <utstring.h>

#include "base/conf_parse.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_REFERENCES 16 /* of $option inside $option: more is a circle */

struct entry {
	char *id; /* "section.name", normalized */
	char *where; /* "FILE:LINE", NULL for a default */
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
	free(e->where);
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

static void set_entry(struct conf *c, const char *section, const char *name, const char *value, char *where)
{
	struct entry *e = find_id(c, section, name);

	if (e) {
		HASH_DEL(c->entries, e);
		entry_free(e);
	}
	e = xcalloc(1, sizeof(*e));
	e->id = make_id(section, name);
	e->raw = xstrdup(value);
	e->where = where;
	HASH_ADD_KEYPTR(hh, c->entries, e->id, strlen(e->id), e);
}

struct assignment {
	struct conf *conf;
	const char *file;
};

static int on_assignment(const char *section, const char *key, const char *value, int line, void *arg)
{
	struct assignment *a = arg;

	set_entry(a->conf, section, key, value, xasprintf("%s:%d", a->file, line));
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

/* The entry of an option: from a file under its name or its old name, else from its default; NULL if there is none. */
static struct entry *find_entry(struct conf *c, const struct conf_option *o)
{
	struct entry *e = find_id(c, o->section, o->name);

	if (!e && o->old_name)
		e = find_id(c, o->section, o->old_name);
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

static const char *resolve(struct conf *c, struct entry *e, int depth, struct err *err);

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
	err_set(err, ERR_BAD_REQUEST, "", "%s: %s refers to $%s%s%s, which is not set",
		from->where ? from->where : "default", from->id, dot ? whole : "", dot ? "." : "", option);
	return NULL;
}

/* Replaces $name, ${name}, $section.name and "$$"; NULL and *err when that cannot be done. */
static const char *resolve(struct conf *c, struct entry *e, int depth, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;

	if (e->value)
		return e->value;
	if (depth > MAX_REFERENCES) {
		err_set(err, ERR_BAD_REQUEST, "", "%s: %s refers to itself", e->where ? e->where : "default", e->id);
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
			err_set(err, ERR_TOO_LARGE, "", "%s: %s is too long", e->where ? e->where : "default", e->id);
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

static int parse_int(const char *text, const struct conf_option *o, int64_t *ret)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return -EINVAL;
	if ((o->min || o->max) && (n < o->min || n > o->max))
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

static const char *expected(const struct conf_option *o, const char *value, char text[96])
{
	int64_t n;
	bool b;

	switch (o->type) {
	case CONF_BOOL:
		return parse_bool(value, &b) < 0 ? "true or false" : NULL;
	case CONF_INT:
		if (parse_int(value, o, &n) == 0)
			return NULL;
		if (o->min || o->max)
			snprintf(text, 96, "an integer from %lld to %lld", (long long)o->min, (long long)o->max);
		else
			snprintf(text, 96, "an integer");
		return text;
	case CONF_IP:
		return looks_like_ip(value) || !*value ? NULL : "an IP address";
	case CONF_MAC:
		return looks_like_mac(value) ? NULL : "a MAC address";
	case CONF_STRING:
	case CONF_LIST:
		return NULL;
	}
	abort();
}

int conf_check(const struct conf *c, struct err *err)
{
	struct conf *writable = (struct conf *)c; /* resolving caches */

	for (size_t i = 0; i < c->n_options; i++) {
		const struct conf_option *o = &c->options[i];
		struct entry *e = find_entry(writable, o);
		const char *value, *want;
		char text[96];

		if (!e)
			continue;
		value = resolve(writable, e, 0, err);
		if (!value)
			return -EINVAL;
		want = expected(o, value, text);
		if (want)
			return err_set(err, ERR_BAD_REQUEST, "", "%s: [%s] %s = %s: expected %s",
				       e->where ? e->where : "default", o->section, o->name, value, want);
	}
	return 0;
}

void conf_warn_unknown(const struct conf *c)
{
	struct entry *e, *next;

	HASH_ITER (hh, c->entries, e, next) {
		bool known = !e->where;

		for (size_t i = 0; i < c->n_options && !known; i++) {
			_cleanup_(freep) char *id = make_id(c->options[i].section, c->options[i].name);
			_cleanup_(freep) char *old =
				make_id(c->options[i].section, c->options[i].old_name ? c->options[i].old_name : "");

			known = strcmp(id, e->id) == 0 || strcmp(old, e->id) == 0;
		}
		if (!known)
			log_warn("%s: option %s is not known and has no effect", e->where, e->id);
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

	return e && e->where;
}
