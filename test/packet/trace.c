/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define PRIORITY "priority "
#define ACTIONS "Datapath actions: "
#define USUAL "skipping output to input port" /* what a flood leaves to Open vSwitch */

/* "in_port=1, priority 5, cookie 0x7", "priority 0", or "No match." */
static const char *match_of(char *text)
{
	char *end = strstr(text, ", " PRIORITY);

	if (strncmp(text, PRIORITY, strlen(PRIORITY)) == 0)
		return "";
	if (!end)
		return NULL;
	*end = '\0';
	return text;
}

static void add_step(struct trace *t, unsigned table, char *text)
{
	t->steps = xrealloc(t->steps, (t->n + 1) * sizeof(*t->steps));
	t->steps[t->n++] = (struct trace_step) { .table = table, .match = match_of(text) };
}

static void read_line(struct trace *t, char *line)
{
	unsigned table;
	int at = 0;

	line += strspn(line, " ");
	if (sscanf(line, "%u. %n", &table, &at) == 1 && at)
		add_step(t, table, line + at);
	else if (strncmp(line, ACTIONS, strlen(ACTIONS)) == 0)
		t->actions = line + strlen(ACTIONS);
	else if (strncmp(line, ">>", 2) == 0 && !t->complaint && !strstr(line, USUAL))
		t->complaint = line + 2 + strspn(line + 2, "> ");
}

int trace_parse(const char *text, struct trace *ret, struct err *err)
{
	struct trace t = { .text = xstrdup(text) };
	char *rest = t.text;

	for (char *line; (line = strtok_r(rest, "\n", &rest));)
		read_line(&t, line);
	if (t.n && t.actions) {
		*ret = t;
		return 0;
	}
	trace_fini(&t);
	return err_set(err, ERR_INTERNAL, "", "a trace without %s: %.200s", t.n ? "actions" : "flows", text);
}

void trace_fini(struct trace *t)
{
	free(t->steps);
	free(t->text);
	memset(t, 0, sizeof(*t));
}

bool trace_field(const struct trace_step *s, const char *field, uint64_t *ret)
{
	size_t len = strlen(field);

	for (const char *at = s->match; at && *at; at += strcspn(at, ","), at += *at == ',') {
		char *end;

		if (strncmp(at, field, len) != 0 || at[len] != '=')
			continue;
		*ret = strtoull(at + len + 1, &end, 0);
		return end > at + len + 1 && (*end == ',' || *end == '\0');
	}
	return false;
}
