/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf_judge.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/server.h"
#include "server/settings.h"

#define MAX_SOURCES 64

enum { EXIT_USAGE = 2 };
enum { OPT_FILE = 256, OPT_DIR, OPT_CHECK, OPT_VERSION, OPT_HELP };

struct arguments {
	struct settings_source sources[MAX_SOURCES];
	size_t n;
	bool check;
	const char *enroll;
};

static const char help[] =
	"usage: neutrino-server [OPTIONS]               serve the Neutron API and the agents\n"
	"       neutrino-server [OPTIONS] enroll HOST   make a token for a host's agent and print it\n"
	"\n"
	"options:\n"
	"  --config-file FILE   read this in place of the files in /etc/neutron; may be repeated\n"
	"  --config-dir DIR     read the *.conf and *.ini of a directory; may be repeated\n"
	"  --check-config       say of each option what becomes of it, and stop: 1 if the start would\n"
	"  --version, --help\n"
	"\n"
	"Without --config-file and --config-dir, /etc/neutron/neutron.conf, plugins/ml2/ml2_conf.ini\n"
	"and neutrino.conf are read, as far as they are there; later ones override earlier ones.\n";

static int usage(const char *text)
{
	fprintf(stderr, "neutrino-server: %s\n%s", text, help);
	return -1;
}

/* 0: go on; 1: all is done; -1: wrong. */
static int read_option(struct arguments *a, int option)
{
	switch (option) {
	case OPT_FILE:
	case OPT_DIR:
		if (a->n == MAX_SOURCES)
			return usage("too many configuration files");
		a->sources[a->n++] = (struct settings_source) { optarg, option == OPT_DIR };
		return 0;
	case OPT_CHECK:
		a->check = true;
		return 0;
	case OPT_VERSION:
		printf("neutrino-server %s\n", NEUTRINO_VERSION);
		return 1;
	case OPT_HELP:
		fputs(help, stdout);
		return 1;
	default:
		return usage("that is no option");
	}
}

static int read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "config-file", required_argument, NULL, OPT_FILE },
		{ "config-dir", required_argument, NULL, OPT_DIR },
		{ "check-config", no_argument, NULL, OPT_CHECK },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		int r = read_option(a, option == 'h' ? OPT_HELP : option);

		if (r)
			return r;
	}
	if (optind == argc)
		return 0;
	if (strcmp(argv[optind], "enroll") != 0)
		return usage("that is no command");
	if (optind + 2 != argc)
		return usage("enroll takes the name of one host");
	a->enroll = argv[optind + 1];
	return 0;
}

/* Says what becomes of each option; 1 when the start would stop. */
static int check(const struct conf *c)
{
	struct settings s = { 0 };
	struct err err = { 0 };

	if (conf_judge_print(c) > 0)
		return EXIT_FAILURE;
	if (settings_read(c, &s, &err) < 0)
		return EXIT_FAILURE;
	printf("# The API is served on %s port %u, agents on %s.\n", s.api_address, s.api_port,
	       s.agent_listen + strlen("tcp:"));
	settings_clear(&s);
	return EXIT_SUCCESS;
}

static int act(const struct arguments *a, const struct conf *c, struct err *err)
{
	struct settings s = { 0 };
	int r;

	/* A command's warnings about the configuration were given when the server started. */
	if (a->enroll)
		log_set_level(LOG_LEVEL_ERR);
	r = settings_read(c, &s, err);
	if (r == 0 && s.debug && !a->enroll)
		log_set_level(LOG_LEVEL_DEBUG);
	if (r == 0 && a->enroll)
		r = server_enroll(&s, a->enroll, err);
	else if (r == 0) {
		conf_judge_warn(c, "neutrino-server");
		r = server_run(&s, err);
	}
	settings_clear(&s);
	return r;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct conf *conf = NULL;
	struct err err = { 0 };
	int code = EXIT_FAILURE, r = read_arguments(argc, argv, &arguments);

	if (r)
		return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	log_set_name("neutrino-server");
	umask(0027);
	r = settings_load(arguments.sources, arguments.n, &conf, &err);
	if (r == 0 && arguments.check)
		code = check(conf);
	else if (r == 0 && (r = act(&arguments, conf, &err)) >= 0)
		code = EXIT_SUCCESS;
	if (r < 0)
		log_err("%s", err.text);
	conf_free(conf);
	return code;
}
