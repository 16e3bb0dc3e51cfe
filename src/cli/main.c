/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/verb.h"

/* What stands before the verb. */
struct globals {
	const char *url, *token, *project;
	bool debug;
};

enum { EXIT_USAGE = 2 };

static const struct {
	const char *name;
	size_t offset;
} value_options[] = {
	{ "--url", offsetof(struct globals, url) },
	{ "--os-url", offsetof(struct globals, url) },
	{ "--os-endpoint", offsetof(struct globals, url) },
	{ "--token", offsetof(struct globals, token) },
	{ "--os-token", offsetof(struct globals, token) },
	{ "--project-id", offsetof(struct globals, project) },
	{ "--os-project-id", offsetof(struct globals, project) },
	{ "--os-tenant-id", offsetof(struct globals, project) },
};

static const char *from_environment(const char *const *names)
{
	for (; *names; names++) {
		const char *value = getenv(*names);

		if (value && *value)
			return value;
	}
	return NULL;
}

/* Consumes an option with a value at argv[*i]; false if it is none. */
static bool value_option(struct globals *g, int argc, char **argv, int *i)
{
	for (size_t k = 0; k < N_ELEMENTS(value_options); k++) {
		size_t len = strlen(value_options[k].name);
		const char **value = (const char **)((char *)g + value_options[k].offset);

		if (strncmp(argv[*i], value_options[k].name, len) != 0)
			continue;
		if (argv[*i][len] == '=') {
			*value = argv[*i] + len + 1;
			return true;
		}
		if (!argv[*i][len] && *i + 1 < argc) {
			*value = argv[++*i];
			return true;
		}
	}
	return false;
}

static int help(int argc, char **argv)
{
	const struct verb *v;

	if (argc == 0) {
		help_program(stdout);
		return 0;
	}
	v = verb_find(argv[0]);
	if (!v) {
		fprintf(stderr, "neutrino: no verb '%s'; 'neutrino help' lists them\n", argv[0]);
		return EXIT_USAGE;
	}
	help_verb(v, stdout);
	return 0;
}

static int run(const struct globals *g, const struct verb *v, const struct args *a)
{
	struct cli *c = cli_new(g->url, g->token, g->project, g->debug);
	struct err err = { 0 };
	int r;

	r = v->run(c, a, &err);
	cli_free(c);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("neutrino: standard output");
		return EXIT_FAILURE;
	}
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int verb(const struct globals *g, const struct verb *v, int argc, char **argv)
{
	struct args a = { 0 };
	struct err err = { 0 };
	int code = 0;

	if (args_parse(v, argc, argv, &a, &err) < 0) {
		help_usage(v, stderr);
		fprintf(stderr, "neutrino %s: %s\n", v->name, err.text);
		return EXIT_USAGE;
	}
	if (a.help)
		help_verb(v, stdout);
	else
		code = run(g, v, &a);
	args_done(&a);
	return code;
}

static void from_environment_all(struct globals *g)
{
	static const char *const urls[] = { "NEUTRINO_URL", "OS_ENDPOINT", "OS_URL", NULL };
	static const char *const tokens[] = { "OS_TOKEN", NULL };
	static const char *const projects[] = { "OS_PROJECT_ID", "OS_TENANT_ID", NULL };
	const char *url = from_environment(urls);

	*g = (struct globals) { .url = url ? url : CLI_DEFAULT_URL,
				.token = from_environment(tokens),
				.project = from_environment(projects) };
}

int main(int argc, char **argv)
{
	const struct verb *v;
	struct globals g;
	int i;

	/* Names are UTF-8 whatever the environment says. */
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
		setlocale(LC_CTYPE, "C.UTF-8");
	from_environment_all(&g);
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--version") == 0) {
			puts("neutrino " NEUTRINO_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(0, NULL);
		if (strcmp(argv[i], "--debug") == 0 || strcmp(argv[i], "-v") == 0 ||
		    strcmp(argv[i], "--verbose") == 0) {
			g.debug = true;
		} else if (!value_option(&g, argc, argv, &i)) {
			fprintf(stderr, "neutrino: unrecognized option, or no value for it: %s\n", argv[i]);
			return EXIT_USAGE;
		}
	}
	if (i == argc) {
		help_program(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[i], "help") == 0)
		return help(argc - i - 1, argv + i + 1);
	v = verb_find(argv[i]);
	if (!v) {
		fprintf(stderr, "neutrino: no verb '%s'; 'neutrino help' lists them\n", argv[i]);
		return EXIT_USAGE;
	}
	return verb(&g, v, argc - i - 1, argv + i + 1);
}
