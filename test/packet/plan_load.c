/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-load: a plan's text into the ebpf driver of this network namespace, without server or
 * agent. It stays, says what becomes of the ports, and prints the counters when it ends.
 *
 *     plan-load [--pins DIR] [--udp-port N] FILE     SIGHUP: reads FILE again and applies the difference
 *     plan-load [--pins DIR] --cleanup
 *
 * One line to standard output for each event ("ready PORT"), "synced" when all is in.
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

struct loader {
	const char *path;
	struct loop *loop;
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
	driver_ebpf.apply(l->driver, &changes, on_done, l);
	plan_changes_fini(&changes);
	plan_free(l->plan);
	l->plan = next;
}

static void stop(void *arg)
{
	loop_stop(arg, 0);
}

static void print_counters(struct driver *d)
{
	struct driver_counter c[128];
	size_t n = driver_ebpf.counters(d, c, N_ELEMENTS(c));

	for (size_t i = 0; i < n && i < N_ELEMENTS(c); i++)
		if (c[i].packets)
			printf("%s %llu packets %llu bytes\n", c[i].name, (unsigned long long)c[i].packets,
			       (unsigned long long)c[i].bytes);
}

static int serve(struct loader *l, const struct driver_config *config)
{
	struct driver_events events = { .port = on_port, .arg = l };
	struct loop_source *sources[3];
	struct err err = { 0 };
	int r = read_plan(l->path, &l->plan, &err);

	l->loop = loop_new();
	sources[0] = loop_signal(l->loop, SIGTERM, stop, l->loop);
	sources[1] = loop_signal(l->loop, SIGINT, stop, l->loop);
	sources[2] = loop_signal(l->loop, SIGHUP, reload, l);
	if (r >= 0)
		r = driver_ebpf.open(config, l->loop, &events, &l->driver, &err);
	if (r >= 0) {
		l->busy = true;
		driver_ebpf.sync(l->driver, l->plan, on_done, l);
		r = loop_run(l->loop);
		print_counters(l->driver);
		driver_ebpf.close(l->driver);
	} else {
		log_err("%s", err.text);
	}
	for (size_t i = 0; i < N_ELEMENTS(sources); i++)
		loop_source_free(sources[i]);
	loop_free(l->loop);
	plan_free(l->plan);
	return r < 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pins", required_argument, NULL, 'p' },
		{ "udp-port", required_argument, NULL, 'u' },
		{ "cleanup", no_argument, NULL, 'c' },
		{ 0 },
	};
	struct driver_config config = { .state_dir = "/run",
					.pin_dir = "/sys/fs/bpf/neutrino",
					.vxlan_udp_port = 4789 };
	struct loader l = { 0 };
	struct err err = { 0 };
	bool clean = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			config.pin_dir = optarg;
		else if (c == 'u')
			config.vxlan_udp_port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (c == 'c')
			clean = true;
		else
			return 2;
	}
	if (clean) {
		if (driver_ebpf.cleanup(&config, &err) >= 0)
			return 0;
		log_err("%s", err.text);
		return 1;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: plan-load [--pins DIR] [--udp-port N] FILE | --cleanup\n");
		return 2;
	}
	l.path = argv[optind];
	return serve(&l, &config);
}
