/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/*
 * libsmartcols measures, pads and breaks; it draws no frame. Each line it prints ends with a
 * separator because of an empty last column, so that a "| " in front completes it, and the
 * rule between is the line of titles with '+' for '|' and '-' for the rest: titles are ASCII
 * without '|'.
 */
struct table {
	struct libscols_table *scols;
	size_t n_columns;
};

static void check(const void *p)
{
	if (!p)
		abort();
}

struct table *table_new(const char *const *columns, size_t n_columns)
{
	struct table *t = xcalloc(1, sizeof(*t));

	*t = (struct table) { scols_new_table(), n_columns };
	check(t->scols);
	scols_table_set_column_separator(t->scols, " | ");
	scols_table_set_termforce(t->scols, SCOLS_TERMFORCE_NEVER);
	for (size_t i = 0; i < n_columns; i++) {
		struct libscols_column *c = scols_table_new_column(t->scols, columns[i], 0, SCOLS_FL_WRAP);

		check(c);
		scols_column_set_safechars(c, "\n");
		scols_column_set_wrapfunc(c, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
	}
	check(scols_table_new_column(t->scols, "", 0, 0));
	return t;
}

struct table *table_free(struct table *t)
{
	if (t) {
		scols_unref_table(t->scols);
		free(t);
	}
	return NULL;
}

void table_row(struct table *t, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(t->scols, NULL);

	check(line);
	for (size_t i = 0; i < t->n_columns; i++)
		scols_line_set_data(line, i, cells[i]);
	scols_line_set_data(line, t->n_columns, "");
}

static void rule(const char *titles, size_t len, FILE *out)
{
	fputs("+-", out);
	for (size_t i = 0; i < len; i++)
		fputc(titles[i] == '|' ? '+' : '-', out);
	fputc('\n', out);
}

/* Takes the blanks off the end. */
static void print_line(char *line, FILE *out)
{
	size_t len = strlen(line);

	while (len && line[len - 1] == ' ')
		line[--len] = '\0';
	fprintf(out, "| %s\n", line);
}

void table_print(const struct table *t, FILE *out)
{
	_cleanup_(freep) char *text = NULL, *titles = NULL;
	char *rest, *line;
	size_t width;

	if (scols_print_table_to_string(t->scols, &text) < 0)
		abort();
	if (!*text)
		return; /* no rows */
	rest = text;
	line = strsep(&rest, "\n");
	titles = xstrdup(line);
	width = strlen(titles);
	while (width && titles[width - 1] == ' ')
		width--;
	rule(titles, width, out);
	print_line(line, out);
	rule(titles, width, out);
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			print_line(line, out);
	}
	rule(titles, width, out);
}
