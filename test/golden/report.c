/* SPDX-License-Identifier: Apache-2.0 */
#include "golden/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utstring.h>

#include "base/json.h"
#include "base/mem.h"

char *report_read(const char *path)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	FILE *f = fopen(path, "re");
	char buf[4096];
	size_t n;

	if (!f)
		return NULL;
	utstring_new(text);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		utstring_bincpy(text, buf, n);
	fclose(f);
	return xstrdup(utstring_body(text));
}

static int write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	int r = f && fputs(text, f) >= 0 ? 0 : -EIO;

	if (f && fclose(f) != 0)
		r = -EIO;
	return r;
}

/* Lines of one text that the other does not have: enough to see what changed. */
static void print_missing(const char *text, const char *other, const char *sign)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_(freep) char *line = xasprintf("%.*s\n", (int)len, text);
		const char *found = strstr(other, line);

		if (!found || (found != other && found[-1] != '\n'))
			printf("# %s %s", sign, line);
		text += len + (text[len] == '\n');
	}
}

void report_difference(const char *want, const char *got)
{
	print_missing(want, got, "missing:");
	print_missing(got, want, "extra:  ");
}

void report_check(struct golden_report *r, bool ok, const char *name)
{
	r->tests++;
	r->failed += !ok;
	printf("%s %u - %s\n", ok ? "ok" : "not ok", r->tests, name);
}

void report_skip(struct golden_report *r, const char *name, const char *why)
{
	r->tests++;
	printf("ok %u - %s # SKIP %s\n", r->tests, name, why);
}

void report_text(struct golden_report *r, const char *path, const char *text)
{
	_cleanup_(freep) char *want = NULL;
	bool ok;

	if (r->update && write_text(path, text) < 0)
		printf("# cannot write %s\n", path);
	want = report_read(path);
	ok = want && strcmp(want, text) == 0;
	if (!want) {
		printf("# %s is not there\n", path);
	} else if (!ok) {
		report_difference(want, text);
		printf("# (or another order)\n");
	}
	report_check(r, ok, path);
}

int report_end(const struct golden_report *r)
{
	printf("1..%u\n", r->tests);
	return r->failed ? 1 : 0;
}
