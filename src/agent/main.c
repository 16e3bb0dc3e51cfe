/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/journal.h"
#include "agent/options.h"
#include "base/conf_judge.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"

#define MAX_SOURCES 32
#define WAIT_ADDR_US 2000000

/* The one place that knows which datapaths there are. */
static const struct driver_ops *const drivers[] = { &driver_ebpf, &driver_fake, &driver_ovs };

static const char usage[] =
	"usage: neutrino-agent [OPTIONS]              run the agent of this host\n"
	"       neutrino-agent [OPTIONS] COMMAND      ask the agent that runs\n"
	"\n"
	"commands:\n"
	"  status       connection, position, ports and their state\n"
	"  plan show    everything this host forwards, one record a line\n"
	"  plan show --flows\n"
	"               the same, each record with the flows that Open vSwitch gets for it\n"
	"  plan diff    what of it the datapath does not have, or has and should not\n"
	"  counters     packets by what happened to them\n"
	"  accept       let a held snapshot of the server through\n"
	"  cleanup      remove everything of ours from this host (the agent must not run)\n"
	"\n"
	"options:\n"
	"  --config-file FILE   read this in place of the files in /etc/neutron; may be repeated\n"
	"  --config-dir DIR     read the *.conf and *.ini of a directory; may be repeated\n"
	"  --check-config       say of each option what becomes of it, and stop: 1 if the start would\n"
	"  --format text|json   of a command's answer\n"
	"  --all                cleanup: the snapshot on disk too\n"
	"  --version, --help\n";

struct app {
	struct options options;
	struct loop *loop;
	struct agent *agent;
	struct loop_source *start, *wait;
	bool waited;
};

static int make_dirs(const char *path)
{
	_cleanup_(freep) char *copy = xstrdup(path);

	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = c;
		if (c == '\0')
			return 0;
	}
}

static int make_dir_of(const char *path, struct err *err)
{
	_cleanup_(freep) char *copy = xstrdup(path);
	int r = make_dirs(dirname(copy));

	return r < 0 ? err_errno(err, r, "%s: its directory cannot be made", path) : 0;
}

static void fail(struct app *app, const struct err *err)
{
	log_err("%s", err->text);
	loop_stop(app->loop, 1);
}

/* Without the tunnels' address nothing can be sent; it may come with a bridge or bond that is being made. */
static void on_start(void *arg)
{
	struct app *app = arg;
	const struct options *o = &app->options;
	struct err err = { 0 };
	int r;

	if (!options_local_ip_is_here(o)) {
		if (!app->waited)
			log_warn("[ovs] local_ip %s is not an address of this host: waiting for it",
				 o->config.tunnel_ip);
		if (!app->waited)
			loop_notify("STATUS=waiting for the address of [ovs] local_ip");
		app->waited = true;
		loop_timer_arm(app->wait, WAIT_ADDR_US);
		return;
	}
	r = make_dir_of(o->config.snapshot_path, &err);
	if (r == 0)
		r = make_dir_of(o->config.control + strlen("unix:"), &err);
	if (r == 0)
		r = agent_open(app->loop, &o->config, &app->agent, &err);
	if (r < 0)
		fail(app, &err);
	else
		log_info("host %s: datapath %s, tunnel %s, server %s", o->config.host, o->config.ops->name,
			 o->config.tunnel_ip, o->config.server);
}

static void on_stop(void *arg)
{
	struct app *app = arg;

	loop_notify("STOPPING=1");
	loop_stop(app->loop, 0);
}

static int run(struct app *app)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct loop_source *sources[N_ELEMENTS(signals)];
	int code;

	conf_judge_warn(app->options.conf, "neutrino-agent");
	app->loop = loop_new();
	for (size_t i = 0; i < N_ELEMENTS(signals); i++)
		sources[i] = loop_signal(app->loop, signals[i], on_stop, app);
	app->wait = loop_timer(app->loop, on_start, app);
	app->start = loop_idle(app->loop, on_start, app);
	loop_idle_arm(app->start);
	loop_notify("READY=1");
	code = loop_run(app->loop);
	app->agent = agent_close(app->agent);
	loop_source_free(app->start);
	loop_source_free(app->wait);
	for (size_t i = 0; i < N_ELEMENTS(signals); i++)
		loop_source_free(sources[i]);
	app->loop = loop_free(app->loop);
	return code == 0 ? 0 : 1;
}

static int remove_file(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	fprintf(stderr, "neutrino-agent: %s: %s\n", path, strerror(errno));
	return 1;
}

static int cleanup(const struct options *o, bool all)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct err err = { 0 };
	int code = 0;

	utstring_new(out);
	if (control_ask(o->config.control, "status", false, out, &err) == 0) {
		fprintf(stderr, "neutrino-agent: the agent runs: stop it first\n");
		return 1;
	}
	for (size_t i = 0; i < N_ELEMENTS(drivers); i++) { /* the host may have had another datapath before */
		if (drivers[i]->cleanup(&o->config.driver, &err) >= 0)
			continue;
		fprintf(stderr, "neutrino-agent: %s: %s\n", drivers[i]->name, err.text);
		code = 1;
	}
	if (all) {
		_cleanup_(freep) char *journal = xasprintf("%s" JOURNAL_SUFFIX, o->config.snapshot_path);

		code |= remove_file(journal) | remove_file(o->config.snapshot_path);
	}
	return code;
}

static int ask(const struct options *o, const char *request, bool json)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct err err = { 0 };

	utstring_new(out);
	if (control_ask(o->config.control, request, json, out, &err) < 0) {
		fprintf(stderr, "neutrino-agent: %s\n", err.text);
		return 1;
	}
	fwrite(utstring_body(out), 1, utstring_len(out), stdout);
	return 0;
}

struct arguments {
	struct options_source sources[MAX_SOURCES];
	size_t n_sources;
	bool check, json, all, flows;
	char command[64];
};

enum { OPT_FILE = 256, OPT_DIR, OPT_CHECK, OPT_FORMAT, OPT_ALL, OPT_FLOWS, OPT_VERSION };

/* -1: go on; otherwise the exit code. */
static int parse_option(int c, struct arguments *a)
{
	switch (c) {
	case OPT_FILE:
	case OPT_DIR:
		if (a->n_sources == MAX_SOURCES)
			return 2;
		a->sources[a->n_sources++] = (struct options_source) { optarg, c == OPT_DIR };
		return -1;
	case OPT_CHECK:
		a->check = true;
		return -1;
	case OPT_FORMAT:
		a->json = !strcmp(optarg, "json");
		return a->json || !strcmp(optarg, "text") ? -1 : 2;
	case OPT_ALL:
		a->all = true;
		return -1;
	case OPT_FLOWS:
		a->flows = true;
		return -1;
	case OPT_VERSION:
		puts("neutrino-agent " NEUTRINO_VERSION);
		return 0;
	case 'h':
		fputs(usage, stdout);
		return 0;
	default:
		return 2;
	}
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option long_options[] = {
		{ "config-file", required_argument, NULL, OPT_FILE },
		{ "config-dir", required_argument, NULL, OPT_DIR },
		{ "check-config", no_argument, NULL, OPT_CHECK },
		{ "format", required_argument, NULL, OPT_FORMAT },
		{ "all", no_argument, NULL, OPT_ALL },
		{ "flows", no_argument, NULL, OPT_FLOWS },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, r = -1;

	while (r < 0 && (c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0)
		r = parse_option(c, a);
	for (int i = optind; i < argc && r < 0; i++) {
		size_t used = strlen(a->command);

		snprintf(a->command + used, sizeof(a->command) - used, "%s%s", used ? " " : "", argv[i]);
	}
	if (r < 0 && a->flows) {
		if (!strcmp(a->command, "plan show"))
			snprintf(a->command, sizeof(a->command), "plan show --flows");
		else
			r = 2;
	}
	if (r == 2)
		fputs(usage, stderr);
	return r;
}

/* What the arguments ask for, with the configuration as read. */
static int act(const struct arguments *arguments, struct conf *conf)
{
	struct app app = { 0 };
	struct err err = { 0 };
	int code;

	if (options_read(conf, drivers, N_ELEMENTS(drivers), &app.options, &err) < 0) {
		fprintf(stderr, "neutrino-agent: %s\n", err.text);
		code = 1;
	} else if (!arguments->command[0]) {
		if (conf_bool(conf, "DEFAULT", "debug"))
			log_set_level(LOG_LEVEL_DEBUG);
		code = run(&app);
	} else if (!strcmp(arguments->command, "cleanup")) {
		code = cleanup(&app.options, arguments->all);
	} else {
		code = ask(&app.options, arguments->command, arguments->json);
	}
	options_fini(&app.options);
	return code;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct conf *conf = NULL;
	struct err err = { 0 };
	int r = parse_arguments(argc, argv, &arguments);

	if (r >= 0)
		return r;
	log_set_name("neutrino-agent");
	if (options_load(arguments.sources, arguments.n_sources, drivers, N_ELEMENTS(drivers), &conf, &err) < 0) {
		fprintf(stderr, "neutrino-agent: %s\n", err.text);
		return 1;
	}
	r = arguments.check ? conf_judge_print(conf) > 0 : act(&arguments, conf);
	conf_free(conf);
	return r;
}
