/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Golden tests of the Open vSwitch driver's pipeline: a plan, and the flows that come of it.
 *
 *     golden-flows-test [--update] PLAN...
 *
 * Beside each NAME.txt stands NAME.flows: by table, highest priority first, as `ovs-ofctl dump-flows` writes them.
 * Open vSwitch itself must take them all, and say the same when asked for them. Where there is a NAME.traces, its
 * packets are traced: NAME.megaflows is what the datapath's cache would match on, and what it would do.
 *
 * Here a port's OpenFlow number is its number in the plan; one that ends in 9 has no device.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/flowset.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/tables.h"
#include "golden/report.h"

#define TUNNEL_OFPORT 1

/* ------------------------------------------------------------------ a plan's flows */

struct line {
	const struct flow *flow;
	char *text;
};

static uint32_t ofport(uint32_t port, void *arg)
{
	(void)arg;
	return port % 10 == 9 ? 0 : port;
}

static int line_cmp(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->flow->table != y->flow->table)
		return x->flow->table < y->flow->table ? -1 : 1;
	if (x->flow->priority != y->flow->priority)
		return x->flow->priority > y->flow->priority ? -1 : 1;
	return strcmp(strchr(x->text, ' '), strchr(y->text, ' ')); /* behind the cookie */
}

static char *flow_text(const struct flow *f)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	flow_format(f, text);
	return xstrdup(utstring_body(text));
}

static void write_lines(struct line *lines, size_t n, UT_string *out)
{
	int table = -1;

	qsort(lines, n, sizeof(*lines), line_cmp);
	for (size_t i = 0; i < n; i++) {
		if (lines[i].flow->table != table) {
			table = lines[i].flow->table;
			utstring_printf(out, "# %d: %s\n", table, tables_name((enum table)table));
		}
		utstring_printf(out, "%s\n", lines[i].text);
		free(lines[i].text);
	}
}

static void write_flows(const struct plan *plan, UT_string *out)
{
	const struct pipeline_world world = { .tunnel_ofport = TUNNEL_OFPORT, .ofport = ofport };
	struct flowset *set = flowset_new(&world);
	_cleanup_(freep) struct line *lines = NULL;
	const struct flow_mod *mods;
	size_t n;

	flowset_dump_begin(set);
	flowset_sync(set, plan);
	mods = flowset_begin(set, SIZE_MAX, &n);
	lines = xcalloc(n, sizeof(*lines));
	for (size_t i = 0; i < n; i++)
		lines[i] = (struct line) { mods[i].flow, flow_text(mods[i].flow) };
	write_lines(lines, n, out);
	flowset_end(set, true);
	flowset_free(set);
}

/* ------------------------------------------------------------------ what Open vSwitch makes of them */

#define OFCTL "ovs-ofctl -O OpenFlow14 "

/* The flows of the file, sorted, without the headings; and those of the switch. */
static const char ours[] = "grep -v '^#' '%s' | sed 's/^ *//' | LC_ALL=C sort";
static const char theirs[] =
	OFCTL "--no-stats --no-names dump-flows " SANDBOX_BRIDGE " | grep -v '^OFPST' | sed 's/^ *//' | LC_ALL=C sort";

/* Ports and meters of the flows, then they themselves. */
static const char load[] =
	"set -e; { grep -o 'output:[0-9]*' '%s'; grep -o 'in_port=[0-9]*' '%s'; } | tr -s 'a-z_:=' ' ' | sort -u | "
	"while read -r n; do echo \"-- add-port " SANDBOX_BRIDGE
	" p$n -- set interface p$n type=dummy ofport_request=$n\"; "
	"done | xargs ovs-vsctl; grep -o 'meter:[0-9]*' '%s' | sort -u | while IFS=: read -r _ n; do " OFCTL
	"add-meter " SANDBOX_BRIDGE " meter=$n,pktps,band=type=drop,rate=1000; done; " OFCTL "add-flows " SANDBOX_BRIDGE
	" '%s' 2>&1";
static const char unload[] = OFCTL "del-flows " SANDBOX_BRIDGE " && " OFCTL "del-meters " SANDBOX_BRIDGE
				   " && ovs-vsctl del-br " SANDBOX_BRIDGE " -- add-br " SANDBOX_BRIDGE
				   " -- set bridge " SANDBOX_BRIDGE " datapath_type=dummy fail_mode=secure";

static void check_switch(struct golden_report *report, struct sandbox *sandbox, const char *path)
{
	_cleanup_(utstring_freep) UT_string *said = NULL, *want = NULL, *got = NULL;
	_cleanup_(freep) char *name = xasprintf("%s: taken by Open vSwitch, and given back", path);

	utstring_new(said);
	utstring_new(want);
	utstring_new(got);
	if (sandbox_run(sandbox, said, load, path, path, path, path) != 0)
		printf("# %s\n", utstring_body(said));
	sandbox_run(sandbox, want, ours, path);
	sandbox_run(sandbox, got, theirs);
	report_difference(utstring_body(want), utstring_body(got));
	report_check(report, strcmp(utstring_body(want), utstring_body(got)) == 0, name);
}

/* The numbers that Open vSwitch gives for itself are taken out. */
static const char trace[] = "ovs-appctl -t $PWD/vswitchd.ctl ofproto/trace " SANDBOX_BRIDGE
			    " '%s' 2>&1 | grep -E '^(Megaflow|Datapath actions)|over|error' | "
			    "sed -E 's/,recirc_id=[0-9]+,/,/; s/recirc_id=0,//; s/^/  /'";

static void check_traces(struct golden_report *report, struct sandbox *sandbox, const char *traces, const char *path)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	_cleanup_(freep) char *text = report_read(traces);
	char *line, *rest = text;

	if (!text)
		return;
	utstring_new(out);
	while ((line = strsep(&rest, "\n"))) {
		char *packet = strstr(line, ": ");

		if (line[0] == '#' || !packet)
			continue;
		utstring_printf(out, "%.*s\n", (int)(packet - line), line);
		sandbox_run(sandbox, out, trace, packet + 2);
	}
	report_text(report, path, utstring_body(out));
}

/* ------------------------------------------------------------------ */

static int read_plan(const char *path, struct plan **ret, struct err *err)
{
	_cleanup_(freep) char *text = report_read(path);

	if (!text)
		return err_errno(err, -ENOENT, "%s", path);
	return plan_parse(text, ret, err);
}

static char *beside(const char *path, const char *suffix)
{
	return xasprintf("%.*s.%s", (int)(strlen(path) - strlen(".txt")), path, suffix);
}

static int run_plan(struct golden_report *report, struct sandbox *sandbox, const char *path, struct err *err)
{
	_cleanup_(freep) char *real = realpath(path, NULL), *flows = NULL, *traces = NULL, *megaflows = NULL;
	_cleanup_(utstring_freep) UT_string *text = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r = real ? read_plan(real, &plan, err) : err_errno(err, -errno, "%s", path);

	if (r < 0)
		return r;
	flows = beside(real, "flows");
	traces = beside(real, "traces");
	megaflows = beside(real, "megaflows");
	utstring_new(text);
	write_flows(plan, text);
	report_text(report, flows, utstring_body(text));
	if (!sandbox)
		return 0;
	check_switch(report, sandbox, flows);
	check_traces(report, sandbox, traces, megaflows);
	sandbox_run(sandbox, NULL, unload);
	return 0;
}

int main(int argc, char **argv)
{
	struct golden_report report = { .update = argc > 2 && strcmp(argv[1], "--update") == 0 };
	struct sandbox sandbox;
	struct err err = { 0 };
	int r = sandbox_start(&sandbox, &err);
	bool there = r == 0;

	if (r == -ENOENT)
		r = 0;
	for (int i = report.update ? 2 : 1; i < argc && r == 0; i++)
		r = run_plan(&report, there ? &sandbox : NULL, argv[i], &err);
	if (there)
		sandbox_stop(&sandbox);
	else if (r == 0)
		report_skip(&report, "taken by Open vSwitch", "it is not installed");
	if (r < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	return report_end(&report);
}
