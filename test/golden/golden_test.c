/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Golden tests: what a host was sent, and the plan that comes of it.
 *
 *     golden-test [--update] DIR
 *
 * Each folder of DIR is a case: model.jsonl makes plan.txt; then each N-NAME.jsonl, in order,
 * makes N-NAME.txt, the ordered changes. Lines are those of the stream (docs/stream.md): set,
 * del, drop; {"include":FILE} reads another file first, '#' begins a comment. --update writes the texts
 * instead of comparing them: read the difference before it is committed.
 */

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "golden/report.h"

#define INCLUDE_DEPTH 4

struct golden {
	struct model *model;
	struct compile *compile;
	struct golden_report report;
};

/* ------------------------------------------------------------------ objects in */

struct dropped {
	struct object_id *ids;
	size_t n;
};

static void collect_id(const struct object *o, void *arg)
{
	struct dropped *d = arg;

	d->ids = xrealloc(d->ids, (d->n + 1) * sizeof(*d->ids));
	d->ids[d->n++] = o->id;
}

static int drop_unit(struct golden *g, const char *name, struct err *err)
{
	struct dropped d = { 0 };
	struct unit unit;

	if (unit_parse(name, &unit) < 0)
		return err_set(err, ERR_BAD_REQUEST, "", "no unit: %s", name);
	model_each_of_unit(g->model, &unit, collect_id, &d);
	for (size_t i = 0; i < d.n; i++) {
		model_del(g->model, &d.ids[i]);
		compile_touch(g->compile, &d.ids[i]);
	}
	free(d.ids);
	return 0;
}

static int read_file(struct golden *g, const char *path, int depth, struct err *err);

static int read_message(struct golden *g, const json_t *json, const char *path, int depth, struct err *err)
{
	const json_t *set = json_object_get(json, "set"), *del = json_object_get(json, "del");
	const char *drop = json_string_value(json_object_get(json, "drop"));
	const char *include = json_string_value(json_object_get(json, "include"));
	struct object_id id;
	struct object o;
	int r;

	if (set) {
		r = object_decode(set, &o, err);
		if (r == 0 && model_set(g->model, &o))
			compile_touch(g->compile, &o.id);
		return r;
	}
	if (del) {
		r = object_id_decode(del, &id, err);
		if (r == 0 && !model_del(g->model, &id))
			return err_set(err, ERR_BAD_REQUEST, "", "no such object to delete");
		if (r == 0)
			compile_touch(g->compile, &id);
		return r;
	}
	if (drop)
		return drop_unit(g, drop, err);
	if (include && depth < INCLUDE_DEPTH) {
		_cleanup_(freep) char *copy = xstrdup(path), *other = NULL;

		other = xasprintf("%s/%s", dirname(copy), include);
		return read_file(g, other, depth + 1, err);
	}
	return err_set(err, ERR_BAD_REQUEST, "", "neither set, del, drop nor include");
}

static int read_line(struct golden *g, const char *line, const char *path, int depth, struct err *err)
{
	json_t *json;
	int r;

	if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
		return 0;
	r = json_read(line, strlen(line), &json, err);
	if (r < 0)
		return r;
	r = read_message(g, json, path, depth, err);
	json_decref(json);
	return r;
}

static int read_file(struct golden *g, const char *path, int depth, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!f)
		return err_errno(err, -errno, "%s", path);
	for (int number = 1; r >= 0 && getline(&line, &size, f) >= 0; number++) {
		r = read_line(g, line, path, depth, err);
		if (r < 0)
			err_prefix(err, r, "%s:%d", path, number);
	}
	free(line);
	fclose(f);
	return r;
}

/* ------------------------------------------------------------------ text out */

/* The plan that was made step by step is the one that is made at once. */
static void check_whole(struct golden *g, const char *path)
{
	_cleanup_(plan_freep) struct plan *whole = compile_all(g->model);
	_cleanup_(freep) char *name = xasprintf("%s: equals the whole compiled at once", path);

	report_check(&g->report, plan_equal(whole, compile_plan(g->compile)), name);
}

/* The text's file beside the objects' one. */
static char *text_path(const char *path)
{
	return xasprintf("%.*s.txt", (int)(strlen(path) - strlen(".jsonl")), path);
}

static int run_step(struct golden *g, const char *path, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	_cleanup_(freep) char *expected = text_path(path);
	_cleanup_(plan_freep) struct plan *before = plan_copy(compile_plan(g->compile));
	struct plan_changes changes = { 0 };
	int r = read_file(g, path, 0, err);

	if (r < 0)
		return r;
	compile_run(g->compile, g->model, &changes);
	utstring_new(text);
	plan_changes_format(&changes, text);
	report_text(&g->report, expected, utstring_body(text));
	plan_apply(before, &changes);
	report_check(&g->report, plan_equal(before, compile_plan(g->compile)), "the changes lead to the plan");
	check_whole(g, path);
	plan_changes_fini(&changes);
	return 0;
}

static int run_model(struct golden *g, const char *dir, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	_cleanup_(freep) char *model = xasprintf("%s/model.jsonl", dir), *plan = xasprintf("%s/plan.txt", dir);
	int r = read_file(g, model, 0, err);

	if (r < 0)
		return r;
	compile_run(g->compile, g->model, NULL);
	utstring_new(text);
	plan_format(compile_plan(g->compile), text);
	report_text(&g->report, plan, utstring_body(text));
	check_whole(g, model);
	return 0;
}

static int run_case(struct golden *g, const char *dir, struct err *err)
{
	_cleanup_(freep) char *pattern = xasprintf("%s/[0-9]*.jsonl", dir);
	glob_t steps;
	int r;

	g->model = model_new();
	g->compile = compile_new();
	r = run_model(g, dir, err);
	if (r >= 0 && glob(pattern, 0, NULL, &steps) == 0) {
		for (size_t i = 0; r >= 0 && i < steps.gl_pathc; i++)
			r = run_step(g, steps.gl_pathv[i], err);
		globfree(&steps);
	}
	g->compile = compile_free(g->compile);
	g->model = model_free(g->model);
	return r;
}

int main(int argc, char **argv)
{
	struct golden g = { .report.update = argc > 2 && strcmp(argv[1], "--update") == 0 };
	_cleanup_(freep) char *pattern = NULL;
	struct err err = { 0 };
	glob_t cases;
	int r = 0;

	if (argc < 2)
		return 2;
	pattern = xasprintf("%s/*/model.jsonl", argv[argc - 1]);
	if (glob(pattern, 0, NULL, &cases) != 0) {
		fprintf(stderr, "no cases in %s\n", argv[argc - 1]);
		return 2;
	}
	for (size_t i = 0; i < cases.gl_pathc && r >= 0; i++)
		r = run_case(&g, dirname(cases.gl_pathv[i]), &err);
	globfree(&cases);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	return report_end(&g.report);
}
