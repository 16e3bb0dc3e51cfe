/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-load: a plan's text into a driver of this network namespace, without server or agent. It
 * stays, says what becomes of the ports, and prints the counters when it ends.
 *
 *     plan-load [OPTIONS] FILE     SIGHUP: reads FILE again and applies the difference; SIGUSR1: syncs once more
 *     plan-load [OPTIONS] --cleanup
 *
 *     --driver ebpf|openvswitch, --udp-port N, --state DIR, --pins DIR (ebpf)
 *     --ovsdb unix:PATH, --datapath-type TYPE, --local-ip ADDRESS (openvswitch)
 *
 * One line to standard output for each event ("ready PORT"), "synced" when all is in and "same" when an audit agrees.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/driver.h"
#include "io/loop.h"

#define FILE_MAX (64 * 1024 * 1024)

static const struct driver_ops *const drivers[] = { &driver_ebpf, &driver_ovs };

struct loader {
	const char *path;
	struct loop *loop;
	const struct driver_ops *ops;
	struct driver *driver;
	struct plan *plan;
	bool busy, again;
};

static int read_plan(const char *path, struct plan **ret, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0, n;
	FILE *f = fopen(path, "r");

	if (!f)
		return err_errno(err, -errno, "%s", path);
	do {
		text = xrealloc(text, len + 65536 + 1);
		n = fread(text + len, 1, 65536, f);
		len += n;
	} while (n == 65536 && len < FILE_MAX);
	fclose(f);
	text[len] = '\0';
	return plan_parse(text, ret, err);
}

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	static const char *const names[] = { "absent", "ready", "failed" };

	(void)arg;
	printf("%s %u%s%s\n", names[state], port, *text ? " " : "", text);
	fflush(stdout);
}

static void on_difference(enum driver_audit_kind kind, const char *what, void *arg)
{
	static const char *const names[] = {
		[DRIVER_AUDIT_MISSING] = "missing",
		[DRIVER_AUDIT_EXTRA] = "extra",
		[DRIVER_AUDIT_DIFFERENT] = "different",
	};

	printf("%s %s\n", names[kind], what);
	*(bool *)arg = false;
}

static void audit(struct loader *l)
{
	struct err err = { 0 };
	bool same = true;

	if (l->ops->audit(l->driver, l->plan, on_difference, &same, &err) < 0)
		log_err("%s", err.text);
	else if (same)
		puts("same");
}

static void reload(void *arg);

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct loader *l = arg;

	for (size_t i = 0; i < n; i++) {
		UT_string *s;

		utstring_new(s);
		plan_record_format(&failures[i].record, s);
		printf("refused %s: %s\n", utstring_body(s), failures[i].text);
		utstring_free(s);
	}
	puts("synced");
	audit(l);
	fflush(stdout);
	l->busy = false;
	if (l->again)
		reload(l);
}

static void reload(void *arg)
{
	struct loader *l = arg;
	struct plan_changes changes = { 0 };
	struct plan *next = NULL;
	struct err err = { 0 };

	l->again = l->busy;
	if (l->busy)
		return;
	if (read_plan(l->path, &next, &err) < 0) {
		log_err("%s", err.text);
		return;
	}
	l->busy = true;
	plan_diff(l->plan, next, &changes);
	l->ops->apply(l->driver, &changes, on_done, l);
	plan_changes_fini(&changes);
	plan_free(l->plan);
	l->plan = next;
}

static void resync(void *arg)
{
	struct loader *l = arg;

	if (l->busy)
		return;
	l->busy = true;
	l->ops->sync(l->driver, l->plan, on_done, l);
}

static void stop(void *arg)
{
	loop_stop(arg, 0);
}

static void print_counters(const struct loader *l)
{
	struct driver_counter c[128];
	size_t n = l->ops->counters(l->driver, c, N_ELEMENTS(c));

	for (size_t i = 0; i < n && i < N_ELEMENTS(c); i++)
		if (c[i].packets)
			printf("%s %llu packets %llu bytes\n", c[i].name, (unsigned long long)c[i].packets,
			       (unsigned long long)c[i].bytes);
}

static int serve(struct loader *l, const struct driver_config *config)
{
	struct driver_events events = { .port = on_port, .arg = l };
	struct loop_source *sources[4];
	struct err err = { 0 };
	int r = read_plan(l->path, &l->plan, &err);

	l->loop = loop_new();
	sources[0] = loop_signal(l->loop, SIGTERM, stop, l->loop);
	sources[1] = loop_signal(l->loop, SIGINT, stop, l->loop);
	sources[2] = loop_signal(l->loop, SIGHUP, reload, l);
	sources[3] = loop_signal(l->loop, SIGUSR1, resync, l);
	if (r >= 0)
		r = l->ops->open(config, l->loop, &events, &l->driver, &err);
	if (r >= 0) {
		resync(l);
		r = loop_run(l->loop);
		print_counters(l);
		l->ops->close(l->driver);
	} else {
		log_err("%s", err.text);
	}
	for (size_t i = 0; i < N_ELEMENTS(sources); i++)
		loop_source_free(sources[i]);
	loop_free(l->loop);
	plan_free(l->plan);
	return r < 0;
}

static const char usage[] = "usage: plan-load [OPTIONS] FILE | --cleanup\n";

static bool parse(int argc, char **argv, struct loader *l, struct driver_config *config, bool *ret_clean)
{
	static const struct option options[] = {
		{ "driver", required_argument, NULL, 'd' },
		{ "pins", required_argument, NULL, 'p' },
		{ "udp-port", required_argument, NULL, 'u' },
		{ "state", required_argument, NULL, 's' },
		{ "ovsdb", required_argument, NULL, 'o' },
		{ "datapath-type", required_argument, NULL, 't' },
		{ "local-ip", required_argument, NULL, 'l' },
		{ "cleanup", no_argument, NULL, 'c' },
		{ 0 },
	};
	const char *driver = "ebpf";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			driver = optarg;
		else if (c == 'p')
			config->pin_dir = optarg;
		else if (c == 'u')
			config->vxlan_udp_port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (c == 's')
			config->state_dir = optarg;
		else if (c == 'o')
			config->ovsdb = optarg;
		else if (c == 't')
			config->datapath_type = optarg;
		else if (c == 'l')
			config->local_ip = optarg;
		else if (c == 'c')
			*ret_clean = true;
		else
			return false;
	}
	for (size_t i = 0; i < N_ELEMENTS(drivers); i++)
		if (!strcmp(driver, drivers[i]->name))
			l->ops = drivers[i];
	l->path = argv[optind];
	return l->ops && optind + !*ret_clean == argc;
}

int main(int argc, char **argv)
{
	struct driver_config config = {
		.state_dir = "/run",
		.pin_dir = "/sys/fs/bpf/neutrino",
		.vxlan_udp_port = 4789,
		.ovsdb = "unix:/var/run/openvswitch/db.sock",
		.integration_bridge = "br-int",
		.datapath_type = "system",
	};
	struct loader l = { 0 };
	struct err err = { 0 };
	bool clean = false;

	if (!parse(argc, argv, &l, &config, &clean)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!clean)
		return serve(&l, &config);
	if (l.ops->cleanup(&config, &err) >= 0)
		return 0;
	log_err("%s", err.text);
	return 1;
}
