/* SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utstring.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "plan/verdict_names.h"

#define INCLUDE_DEPTH 4
#define VARS_MAX 64

struct var {
	char name[32];
	char *text;
};

struct reader {
	struct case_file *file;
	struct plan *plan; /* as it stands here */
	struct case_test *test; /* the one being read */
	struct var vars[VARS_MAX];
	size_t n_vars;
	enum { BLOCK_NONE, BLOCK_PLAN, BLOCK_FRAME } block;
	struct frame *frame; /* of the block */
	int depth;
};

static int wrong(struct err *err, const char *what, const char *line)
{
	return err_set(err, ERR_BAD_REQUEST, "", "%s: %s", what, line);
}

/* ------------------------------------------------------------------ lines */

static const char *var_find(const struct reader *r, const char *name, size_t len)
{
	for (size_t i = 0; i < r->n_vars; i++)
		if (strlen(r->vars[i].name) == len && memcmp(r->vars[i].name, name, len) == 0)
			return r->vars[i].text;
	return NULL;
}

static int substitute(const struct reader *r, const char *line, UT_string *out, struct err *err)
{
	for (; *line; line++) {
		const char *value;
		size_t len;

		if (*line == '#' &&
		    (utstring_len(out) == 0 || strchr(" \t", utstring_body(out)[utstring_len(out) - 1])))
			break;
		if (*line != '$') {
			utstring_bincpy(out, line, 1);
			continue;
		}
		len = strspn(line + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
		value = var_find(r, line + 1, len);
		if (!value)
			return wrong(err, "no such name", line);
		utstring_printf(out, "%s", value);
		line += len;
	}
	return 0;
}

static int read_let(struct reader *r, const char *args, struct err *err)
{
	struct var *v = &r->vars[r->n_vars];
	int at = 0;

	if (r->n_vars == VARS_MAX || sscanf(args, "%31s %n", v->name, &at) != 1 || at == 0 || !args[at])
		return wrong(err, "expected let NAME TEXT", args);
	v->text = xstrdup(args + at);
	r->n_vars++;
	return 0;
}

static int read_test(struct reader *r, const char *args, int line)
{
	struct case_test *t = xcalloc(1, sizeof(*t));

	snprintf(t->name, sizeof(t->name), "%s", args);
	t->line = line;
	t->plan = plan_copy(r->plan);
	r->file->tests = xrealloc(r->file->tests, (r->file->n + 1) * sizeof(struct case_test *));
	r->file->tests[r->file->n++] = t;
	r->test = t;
	return 0;
}

static int read_with(struct reader *r, const char *args, bool with, struct err *err)
{
	struct plan_record record;
	int e;

	e = plan_record_parse(args, &record, err);
	if (e < 0)
		return e;
	if (with)
		plan_set(r->test->plan, &record);
	else if (!plan_del(r->test->plan, &record))
		return wrong(err, "the plan has no such record", args);
	return 0;
}

static int read_absent(struct reader *r, const char *args, struct err *err)
{
	struct case_test *t = r->test;

	if (t->n_absent == CASE_ABSENT || sscanf(args, "port=%u", &t->absent[t->n_absent]) != 1)
		return wrong(err, "expected absent port=N", args);
	t->n_absent++;
	return 0;
}

static int read_in(struct reader *r, const char *args, struct err *err)
{
	struct case_test *t = r->test;
	char tunnel[IP_TEXT_SIZE];

	if (sscanf(args, "port=%u", &t->port) != 1 &&
	    (sscanf(args, "peer=%45s vni=%u", tunnel, &t->vni) != 2 || ip_parse(tunnel, &t->tunnel) < 0))
		return wrong(err, "expected in port=N, or peer=IP vni=N", args);
	t->has_in = true;
	frame_init(&t->in);
	r->block = BLOCK_FRAME;
	r->frame = &t->in;
	return 0;
}

/* "port=2", "peer=2 vni=100" (send) or "peer=2,vni=100" (flood) */
static int read_outs(struct case_outcome *o, char *args, struct err *err)
{
	char *rest = args;

	for (char *word; (word = strtok_r(rest, " \t", &rest));) {
		struct case_out *out = &o->outs[o->n_outs];

		if (o->n_outs > 0 && sscanf(word, "vni=%u", &out[-1].vni) == 1)
			continue;
		if (o->n_outs == CASE_OUTS)
			return wrong(err, "too many outputs", args);
		if (sscanf(word, "port=%u", &out->port) != 1 &&
		    sscanf(word, "peer=%u,vni=%u", &out->peer, &out->vni) < 1)
			return wrong(err, "expected port=N, or peer=N vni=N", word);
		o->n_outs++;
	}
	return 0;
}

static int read_outcome(struct reader *r, const char *driver, const char *verdict, const char *args, struct err *err)
{
	_cleanup_(freep) char *copy = xstrdup(args);
	struct case_test *t = r->test;
	struct case_outcome *o = &t->outcomes[t->n_outcomes];

	if (!t->has_in || t->n_outcomes == CASE_OUTCOMES)
		return wrong(err, "expected `in` before, and not too many outcomes", verdict);
	if (verdict_parse(verdict, &o->verdict) < 0)
		return wrong(err, "no such thing", verdict);
	t->n_outcomes++;
	snprintf(o->driver, sizeof(o->driver), "%s", driver);
	o->frame = t->in;
	r->block = BLOCK_FRAME;
	r->frame = &o->frame;
	if (o->verdict == VERDICT_DROP)
		return drop_reason_parse(args, &o->reason) < 0 ? wrong(err, "no such reason", args) : 0;
	if (o->verdict == VERDICT_ANSWER) {
		o->outs[o->n_outs++].port = t->port;
		return 0;
	}
	return read_outs(o, copy, err);
}

static int read_path(struct reader *r, const char *path, struct err *err);

static int read_include(struct reader *r, const char *args, struct err *err)
{
	_cleanup_(freep) char *dir = xstrdup(r->file->path), *path = NULL;

	if (r->depth == INCLUDE_DEPTH)
		return wrong(err, "includes are too deep", args);
	path = xasprintf("%s/%s", dirname(dir), args);
	return read_path(r, path, err);
}

static int read_outcome_on(struct reader *r, const char *args, struct err *err)
{
	char driver[sizeof(r->test->outcomes[0].driver)], verdict[32];
	int at = 0;

	if (sscanf(args, "%15s %31s %n", driver, verdict, &at) != 2)
		return wrong(err, "expected on DRIVER VERDICT", args);
	return read_outcome(r, driver, verdict, args + (at ? at : (int)strlen(args)), err);
}

static int read_margin(struct reader *r, const char *line, int number, struct err *err)
{
	char word[32];
	int at = 0;

	if (sscanf(line, "%31s %n", word, &at) != 1)
		return wrong(err, "no word", line);
	line += at ? at : (int)strlen(line);
	if (strcmp(word, "or") == 0)
		return read_margin(r, line, number, err);
	r->block = BLOCK_NONE;
	if (strcmp(word, "let") == 0)
		return read_let(r, line, err);
	if (strcmp(word, "include") == 0)
		return read_include(r, line, err);
	if (strcmp(word, "plan") == 0) {
		r->block = BLOCK_PLAN;
		return 0;
	}
	if (strcmp(word, "test") == 0)
		return read_test(r, line, number);
	if (!r->test)
		return wrong(err, "expected a test first", word);
	if (strcmp(word, "with") == 0 || strcmp(word, "without") == 0)
		return read_with(r, line, strcmp(word, "with") == 0, err);
	if (strcmp(word, "absent") == 0)
		return read_absent(r, line, err);
	if (strcmp(word, "in") == 0)
		return read_in(r, line, err);
	if (strcmp(word, "on") == 0)
		return read_outcome_on(r, line, err);
	return read_outcome(r, "", word, line, err);
}

static int read_line(struct reader *r, const char *line, int number, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	char *end;
	int e;

	utstring_new(text);
	if ((e = substitute(r, line, text, err)) < 0)
		return e;
	for (end = utstring_body(text) + utstring_len(text); end > utstring_body(text) && strchr(" \t\r", end[-1]);)
		*--end = '\0';
	line = utstring_body(text);
	if (!*line)
		return 0;
	if (*line != ' ' && *line != '\t')
		return read_margin(r, line, number, err);
	line += strspn(line, " \t");
	if (r->block == BLOCK_PLAN) {
		struct plan_record record;

		e = plan_record_parse(line, &record, err);
		if (e == 0)
			plan_set(r->plan, &record);
		return e;
	}
	if (r->block == BLOCK_FRAME)
		return frame_parse_line(r->frame, line, err);
	return wrong(err, "belongs to nothing", line);
}

static int read_path(struct reader *r, const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int e = 0;

	if (!f)
		return err_errno(err, -errno, "%s", path);
	r->depth++;
	for (int number = 1; e >= 0 && getline(&line, &size, f) >= 0; number++) {
		line[strcspn(line, "\n")] = '\0';
		e = read_line(r, line, number, err);
		if (e < 0)
			err_prefix(err, e, "%s:%d", path, number);
	}
	r->depth--;
	free(line);
	fclose(f);
	return e;
}

static int check_complete(const struct case_file *f, struct err *err)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->tests[i]->n_outcomes == 0)
			return err_set(err, ERR_BAD_REQUEST, "", "%s:%d: the test expects nothing", f->path,
				       f->tests[i]->line);
	return 0;
}

int case_read(const char *path, struct case_file *ret, struct err *err)
{
	struct reader r = { .file = ret };
	int e;

	memset(ret, 0, sizeof(*ret));
	ret->path = xstrdup(path);
	r.plan = plan_new();
	e = read_path(&r, path, err);
	plan_free(r.plan);
	for (size_t i = 0; i < r.n_vars; i++)
		free(r.vars[i].text);
	return e < 0 ? e : check_complete(ret, err);
}

void case_fini(struct case_file *f)
{
	for (size_t i = 0; i < f->n; i++) {
		plan_free(f->tests[i]->plan);
		free(f->tests[i]);
	}
	free(f->tests);
	free(f->path);
	memset(f, 0, sizeof(*f));
}
