/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_judge.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_NAME 64 /* of what is compared: a longer name is like none */

/* As conf.c compares: without case, '-' as '_'. Longer ones are cut. */
static void normalize(const char *text, size_t len, char ret[MAX_NAME])
{
	size_t n = 0;

	for (; n < len && n < MAX_NAME - 1 && text[n]; n++)
		ret[n] = text[n] == '-' ? '_' : (char)tolower((unsigned char)text[n]);
	ret[n] = '\0';
}

/* ---- what Neutron knows ---- */

/* A pattern is a name, or the beginning of one and '*'. */
static bool matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	return n > 0 && pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

/* Calls fn for each name of the row; true when one returned true. */
static bool each_name(const struct conf_known *k, bool (*fn)(const char *section, const char *name, void *arg),
		      void *arg)
{
	char section[MAX_NAME], name[MAX_NAME];

	normalize(k->section, MAX_NAME, section);
	for (const char *p = k->names; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		normalize(p, n, name);
		if (fn(section, name, arg))
			return true;
		p += n;
	}
	return false;
}

struct pair {
	char section[MAX_NAME], name[MAX_NAME];
};

static struct pair pair_of(const char *section, const char *name)
{
	struct pair p;

	normalize(section, MAX_NAME, p.section);
	normalize(name, MAX_NAME, p.name);
	return p;
}

static bool is_pair(const char *section, const char *name, void *arg)
{
	const struct pair *p = arg;

	return matches(section, p->section) && matches(name, p->name);
}

const char *conf_known_why(const char *section, const char *name)
{
	struct pair p = pair_of(section, name);

	for (size_t i = 0; i < conf_n_known; i++)
		if (each_name(&conf_known[i], is_pair, &p))
			return conf_known[i].why;
	return NULL;
}

/* ---- did you mean ---- */

/* How many letters must be put in, taken out, replaced, or swapped with their neighbour. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][MAX_NAME + 1];
	size_t n = strlen(a), m = strlen(b);

	for (unsigned j = 0; j <= m; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *now = rows[i % 3], *before = rows[(i - 1) % 3], *before_that = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before_that[j - 2] + 1 < best)
				best = before_that[j - 2] + 1;
			now[j] = best;
		}
	}
	return rows[n % 3][m];
}

struct guess {
	struct pair wanted, best;
	unsigned best_distance;
};

/* The right name in a wrong section, or a name that is nearly right in a section that is nearly right. */
static bool consider(const char *section, const char *name, void *arg)
{
	struct guess *g = arg;
	unsigned by_section, by_name, d;

	if (strchr(section, '*') || strchr(name, '*'))
		return false;
	by_section = distance(section, g->wanted.section);
	by_name = distance(name, g->wanted.name);
	d = by_section + MAX_NAME * by_name;
	if (by_name > 1 + strlen(name) / 6 || (by_name > 0 && by_section > 2) || d >= g->best_distance)
		return false;
	g->best_distance = d;
	memcpy(g->best.section, section, strlen(section) + 1);
	memcpy(g->best.name, name, strlen(name) + 1);
	return false;
}

static bool guess(const struct conf *c, struct guess *g)
{
	size_t n;
	const struct conf_option *options = conf_options(c, &n);

	g->best_distance = ~0U;
	for (size_t i = 0; i < n; i++) {
		struct pair p = pair_of(options[i].section, options[i].name);

		consider(p.section, p.name, g);
	}
	for (size_t i = 0; i < conf_n_known; i++)
		each_name(&conf_known[i], consider, g);
	return g->best_distance != ~0U;
}

/* ---- judging ---- */

struct judge {
	const struct conf *conf;
	void (*fn)(const struct conf_judged *judged, void *arg);
	void *arg;
};

static void judge_option(const struct judge *j, const struct conf_option *o, struct conf_judged *jd,
			 enum conf_verdict good)
{
	const char *idle = o->idle ? o->idle(j->conf, o) : NULL;
	char value[CONF_SHOW_SIZE] = "";
	struct err err = { 0 };

	jd->verdict = good;
	if (conf_check_option(j->conf, o, &err) < 0) {
		jd->verdict = CONF_REFUSED;
		jd->note = err.text;
	} else if (idle && good == CONF_DEFAULT) {
		return;
	} else if (idle) {
		jd->verdict = CONF_IGNORED;
		jd->note = idle;
	} else {
		jd->value = conf_show(j->conf, o, value);
	}
	j->fn(jd, j->arg);
}

static void judge_unknown(const struct judge *j, struct conf_judged *jd)
{
	struct guess g = { .wanted = pair_of(jd->section, jd->name) };
	char note[2 * MAX_NAME + 32] = "";

	if (guess(j->conf, &g))
		snprintf(note, sizeof(note), "did you mean [%s] %s?",
			 strcmp(g.best.section, "default") == 0 ? "DEFAULT" : g.best.section, g.best.name);
	jd->verdict = CONF_UNKNOWN;
	jd->note = note;
	j->fn(jd, j->arg);
}

static void judge_line(const struct conf_found *f, void *arg)
{
	const struct judge *j = arg;
	struct conf_judged jd = { CONF_IGNORED, f->where, f->section, f->name, "", "" };
	const char *why = f->option ? NULL : conf_known_why(f->section, f->name);
	char note[CONF_SHOW_SIZE];

	if (f->in_use) {
		snprintf(note, sizeof(note), "%s has the last word", f->in_use);
		why = note;
	}
	if (why) {
		jd.note = why;
		j->fn(&jd, j->arg);
	} else if (f->option) {
		judge_option(j, f->option, &jd, CONF_OBEYED);
	} else {
		judge_unknown(j, &jd);
	}
}

void conf_judge(const struct conf *c, void (*fn)(const struct conf_judged *judged, void *arg), void *arg)
{
	struct judge j = { c, fn, arg };
	size_t n;
	const struct conf_option *options = conf_options(c, &n);

	conf_each_found(c, judge_line, &j);
	for (size_t i = 0; i < n; i++) {
		struct conf_judged jd = { CONF_DEFAULT, NULL, options[i].section, options[i].name, "", "" };

		if (!conf_is_set(c, options[i].section, options[i].name))
			judge_option(&j, &options[i], &jd, CONF_DEFAULT);
	}
}

/* ---- telling ---- */

static const char *const names[] = {
	[CONF_OBEYED] = "obeyed",   [CONF_DEFAULT] = "default", [CONF_IGNORED] = "ignored",
	[CONF_REFUSED] = "refused", [CONF_UNKNOWN] = "unknown",
};

static void print(const struct conf_judged *jd, void *arg)
{
	size_t *counts = arg;

	counts[jd->verdict]++;
	printf("%-7s ", names[jd->verdict]);
	if (jd->verdict == CONF_REFUSED) {
		printf("%s\n", jd->note);
		return;
	}
	printf("%s%s[%s] %s", jd->where ? jd->where : "", jd->where ? ": " : "", jd->section, jd->name);
	if (jd->verdict == CONF_OBEYED || jd->verdict == CONF_DEFAULT)
		printf(" = %s", jd->value);
	printf("%s%s\n", jd->note[0] ? ": " : "", jd->note);
}

size_t conf_judge_print(const struct conf *c)
{
	size_t counts[N_ELEMENTS(names)] = { 0 };

	conf_judge(c, print, counts);
	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		printf("%s%zu %s", i ? ", " : "# ", counts[i], names[i]);
	printf("%s\n", counts[CONF_REFUSED] ? ": the start would stop" : "");
	return counts[CONF_REFUSED];
}

static void warn(const struct conf_judged *jd, void *arg)
{
	size_t *ignored = arg;

	if (jd->verdict == CONF_UNKNOWN)
		log_warn("%s: [%s] %s is not known and has no effect%s%s", jd->where, jd->section, jd->name,
			 jd->note[0] ? ": " : "", jd->note);
	*ignored += jd->verdict == CONF_IGNORED;
}

void conf_judge_warn(const struct conf *c, const char *program)
{
	size_t ignored = 0;

	conf_judge(c, warn, &ignored);
	if (ignored)
		log_info("%zu lines of the configuration have no effect here: '%s --check-config' says why", ignored,
			 program);
}
