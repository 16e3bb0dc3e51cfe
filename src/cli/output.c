/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/table.h"
#include "cli/verb.h"

#define MAX_COLUMNS 256

/* The columns to print; the names are borrowed from the rows, the arguments and the noun. */
struct columns {
	const char *names[MAX_COLUMNS];
	size_t n;
};

static const char *format_of(const struct args *a)
{
	const char *format = args_output(a, "format");

	return format ? format : "table";
}

bool output_is_table(const struct args *a)
{
	return strcmp(format_of(a), "table") == 0;
}

static void add_column(struct columns *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->names[i], name) == 0)
			return;
	}
	if (c->n < MAX_COLUMNS)
		c->names[c->n++] = name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every attribute of any row, in the alphabet's order. */
static struct columns all_columns(const json_t *rows)
{
	struct columns c = { .n = 0 };
	const json_t *row, *value;
	const char *key;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_object_foreach((json_t *)row, key, value) add_column(&c, key);
	}
	qsort(c.names, c.n, sizeof(*c.names), by_name);
	return c;
}

static bool has(const struct columns *c, const char *name)
{
	return bsearch(&name, c->names, c->n, sizeof(*c->names), by_name);
}

/* Those of `wanted` (strings) that there are. */
static struct columns chosen(const struct columns *all, const json_t *wanted)
{
	struct columns c = { .n = 0 };
	const json_t *name;
	size_t i;

	json_array_foreach(wanted, i, name)
	{
		if (has(all, json_string_value(name)))
			add_column(&c, json_string_value(name));
	}
	return c;
}

static int none_known(const struct columns *all, const json_t *wanted, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	for (size_t i = 0; i < all->n; i++)
		utstring_printf(text, "%s%s", i ? ", " : "", all->names[i]);
	return err_set(err, ERR_BAD_REQUEST, "", "No column '%s'; there are: %s",
		       json_string_value(json_array_get(wanted, 0)), utstring_body(text));
}

/* `usual`: a list's columns, NULL: all. */
static int pick(const struct args *a, const json_t *rows, const char *const *usual, struct columns *ret,
		struct err *err)
{
	const json_t *columns = json_object_get(a->output, "column"), *fields = json_object_get(a->query, "fields");
	struct columns all = all_columns(rows);

	if (columns) {
		*ret = chosen(&all, columns);
		return ret->n || !all.n ? 0 : none_known(&all, columns, err);
	}
	*ret = fields ? chosen(&all, fields) : (struct columns) { .n = 0 };
	if (ret->n)
		return 0;
	if (!usual || json_object_get(a->output, "detail")) {
		*ret = all;
		return 0;
	}
	for (; *usual; usual++) {
		if (has(&all, *usual))
			add_column(ret, *usual);
	}
	return 0;
}

static char *dump(const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);

	return text ? text : xstrdup("");
}

static char *scalar(const json_t *value)
{
	if (!value || json_is_null(value))
		return xstrdup("");
	if (json_is_boolean(value))
		return xstrdup(json_is_true(value) ? "True" : "False");
	return json_is_string(value) ? xstrdup(json_string_value(value)) : dump(value);
}

/* A list has a line for each element. */
static char *table_cell(const json_t *value)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return scalar(value);
	utstring_new(text);
	json_array_foreach(value, i, item)
	{
		_cleanup_(freep) char *line = scalar(item);

		utstring_printf(text, "%s%s", i ? "\n" : "", line);
	}
	return xstrdup(utstring_body(text));
}

/* One line of plain text: what would break the line or move a terminal's cursor becomes a blank. */
static char *plain_cell(const json_t *value)
{
	char *text = scalar(value);

	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	}
	return text;
}

static void list_table(FILE *out, const struct columns *c, const json_t *rows)
{
	struct table *t = table_new(c->names, c->n);
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		char *cells[MAX_COLUMNS];

		for (size_t k = 0; k < c->n; k++)
			cells[k] = table_cell(json_object_get(row, c->names[k]));
		table_row(t, (const char *const *)cells);
		for (size_t k = 0; k < c->n; k++)
			free(cells[k]);
	}
	table_print(t, out);
	if (!json_array_size(rows))
		fputc('\n', out);
	table_free(t);
}

static json_t *subset(const struct columns *c, const json_t *row)
{
	json_t *object = json_object();

	for (size_t i = 0; i < c->n; i++) {
		json_t *value = json_object_get(row, c->names[i]);

		if (value)
			json_object_set(object, c->names[i], value);
	}
	return object;
}

static void print_json(FILE *out, const struct args *a, const json_t *value)
{
	json_dumpf(value, out, json_object_get(a->output, "noindent") ? 0 : JSON_INDENT(2));
	fputc('\n', out);
}

static void list_json(FILE *out, const struct args *a, const struct columns *c, const json_t *rows)
{
	_cleanup_(json_decrefp) json_t *list = json_array();
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) json_array_append_new(list, subset(c, row));
	print_json(out, a, list);
}

/* JSON is YAML too; a resource's own members are lines, as people expect. */
static void yaml_lines(FILE *out, const char *first, const struct columns *c, const json_t *object)
{
	for (size_t i = 0; i < c->n; i++) {
		const json_t *value = json_object_get(object, c->names[i]);

		fprintf(out, "%s%s: ", i ? (*first ? "  " : "") : first, c->names[i]);
		if (!value || json_is_null(value))
			fputs("null", out);
		else
			json_dumpf(value, out, JSON_ENCODE_ANY);
		fputc('\n', out);
	}
}

static void list_yaml(FILE *out, const struct columns *c, const json_t *rows)
{
	const json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		fputs("[]\n", out);
	json_array_foreach(rows, i, row) yaml_lines(out, "- ", c, row);
}

static void csv_field(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

/* value and csv */
static void list_lines(FILE *out, const struct columns *c, const json_t *rows, bool csv)
{
	const json_t *row;
	size_t i;

	for (size_t k = 0; csv && k < c->n; k++) {
		fputs(k ? "," : "", out);
		csv_field(out, c->names[k]);
	}
	if (csv)
		fputc('\n', out);
	json_array_foreach(rows, i, row)
	{
		for (size_t k = 0; k < c->n; k++) {
			const json_t *value = json_object_get(row, c->names[k]);
			_cleanup_(freep) char *text = plain_cell(value);

			fputs(k ? (csv ? "," : " ") : "", out);
			if (csv && !json_is_number(value))
				csv_field(out, text);
			else
				fputs(text, out);
		}
		fputc('\n', out);
	}
}

int output_list(FILE *out, const struct args *a, const json_t *rows, struct err *err)
{
	const char *format = format_of(a);
	struct columns c;
	int r;

	r = pick(a, rows, a->verb->noun->columns, &c, err);
	if (r < 0)
		return r;
	if (strcmp(format, "json") == 0)
		list_json(out, a, &c, rows);
	else if (strcmp(format, "value") == 0)
		list_lines(out, &c, rows, false);
	else if (strcmp(format, "csv") == 0)
		list_lines(out, &c, rows, true);
	else if (strcmp(format, "yaml") == 0)
		list_yaml(out, &c, rows);
	else if (strcmp(format, "table") == 0)
		list_table(out, &c, rows);
	else
		return err_set(err, ERR_BAD_REQUEST, "", "--format: a list has no format %s", format);
	return 0;
}

static void one_table(FILE *out, const struct columns *c, const json_t *object)
{
	static const char *const titles[] = { "Field", "Value" };
	struct table *t = table_new(titles, 2);

	for (size_t i = 0; i < c->n; i++) {
		_cleanup_(freep) char *value = table_cell(json_object_get(object, c->names[i]));

		table_row(t, (const char *const[]) { c->names[i], value });
	}
	table_print(t, out);
	table_free(t);
}

static void one_values(FILE *out, const struct columns *c, const json_t *object)
{
	for (size_t i = 0; i < c->n; i++) {
		_cleanup_(freep) char *value = plain_cell(json_object_get(object, c->names[i]));

		fprintf(out, "%s\n", value);
	}
}

/* name="value", for eval: what a shell would expand is escaped. */
static void one_shell(FILE *out, const struct columns *c, const json_t *object)
{
	for (size_t i = 0; i < c->n; i++) {
		_cleanup_(freep) char *value = plain_cell(json_object_get(object, c->names[i]));

		for (const char *p = c->names[i]; *p; p++)
			fputc(strchr(":-.", *p) ? '_' : *p, out);
		fputs("=\"", out);
		for (const char *p = value; *p; p++) {
			if (strchr("\"$`\\", *p))
				fputc('\\', out);
			fputc(*p, out);
		}
		fputs("\"\n", out);
	}
}

int output_one(FILE *out, const struct args *a, const json_t *object, struct err *err)
{
	_cleanup_(json_decrefp) json_t *rows = json_pack("[O]", object), *part = NULL;
	const char *format = format_of(a);
	struct columns c;
	int r;

	r = pick(a, rows, NULL, &c, err);
	if (r < 0)
		return r;
	qsort(c.names, c.n, sizeof(*c.names), by_name);
	part = subset(&c, object);
	if (strcmp(format, "json") == 0)
		print_json(out, a, part);
	else if (strcmp(format, "value") == 0)
		one_values(out, &c, object);
	else if (strcmp(format, "csv") == 0)
		list_lines(out, &c, rows, true);
	else if (strcmp(format, "shell") == 0)
		one_shell(out, &c, object);
	else if (strcmp(format, "yaml") == 0)
		yaml_lines(out, "", &c, object);
	else
		one_table(out, &c, object);
	return 0;
}
