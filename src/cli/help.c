/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/verb.h"

static const char intro[] = "usage: neutrino [--url URL] [--debug] VERB ...\n"
			    "       neutrino help [VERB]\n"
			    "\n"
			    "The command line of a cloud network that speaks the Neutron API.\n"
			    "\n"
			    "  --url URL         Where the API is; $NEUTRINO_URL, $OS_ENDPOINT or $OS_URL unless\n"
			    "                    given, http://127.0.0.1:9696 without them\n"
			    "  --token TOKEN     Sent as X-Auth-Token; $OS_TOKEN unless given\n"
			    "  --project-id ID   Sent as X-Project-Id; $OS_PROJECT_ID unless given\n"
			    "  --debug           Show each request and its reply\n"
			    "  --version         Show the version\n"
			    "\n"
			    "Verbs:\n";

static void one_line(const struct verb *v, void *arg)
{
	fprintf(arg, "  %-24s %s\n", v->name, v->help);
}

void help_program(FILE *out)
{
	fputs(intro, out);
	verb_each(one_line, out);
}

void help_usage(const struct verb *v, FILE *out)
{
	fprintf(out, "usage: neutrino %s%s", v->name, v->options[0] ? " [OPTION ...]" : "");
	for (const struct positional *p = v->positionals; p->metavar; p++) {
		const char *format = p->count == ONE ? " %s" : p->count == MANY ? " %s [%s ...]" : " [%s]";

		fprintf(out, format, p->metavar, p->metavar);
	}
	fputc('\n', out);
}

static void option_line(const struct option *o, FILE *out)
{
	_cleanup_(freep) char *letter = o->letter ? xasprintf("-%c, ", o->letter) : xstrdup("");
	const char *format = o->type == OPTION_BOOL ? "  %s--%s[=%s]" : "  %s--%s %s";

	fprintf(out, format, letter, o->name, o->metavar ? o->metavar : "");
	fprintf(out, "\n        %s\n", o->help);
}

void help_verb(const struct verb *v, FILE *out)
{
	help_usage(v, out);
	fprintf(out, "\n%s.\n", v->help);
	for (const struct positional *p = v->positionals; p->metavar; p++)
		fprintf(out, "%s  %s\n        %s\n", p == v->positionals ? "\n" : "", p->metavar, p->help);
	for (size_t t = 0; t < VERB_MAX_OPTION_TABLES; t++) {
		for (const struct option *o = v->options[t]; o && o->name; o++) {
			if (o == v->options[0])
				fputc('\n', out);
			if (o->help)
				option_line(o, out);
		}
	}
	if (!(v->flags & VERB_EXTRA))
		return;
	fprintf(out,
		v->flags & VERB_BODY
			? "\nAny other attribute: --key value, --key type=int|bool|dict value, --key list=true a b,\n"
			  "--key action=clear; --key alone is true.\n"
			: "\nAny other attribute is a filter: --key value.\n");
}
