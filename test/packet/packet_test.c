/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The packet suite: every case on one datapath.
 *
 *     packet-test --driver fake|ebpf|openvswitch [CASE...]       without names: all of test/packet/cases
 *
 * Prints TAP: a line a test, diagnostics below those that failed, and last how many tests there
 * were, failed, and could not be given to the datapath.
 */

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "case.h"
#include "packet_driver.h"
#include "plan/verdict_names.h"

static const struct packet_driver *const drivers[] = {
	&packet_on_fake,
	&packet_on_ebpf,
	&packet_on_ovs,
};

struct tally {
	unsigned tests, failed, skipped;
};

static const struct forward_out *find_out(const struct forward_result *r, const struct case_out *want)
{
	for (size_t i = 0; i < r->n_outs; i++) {
		const struct forward_out *o = &r->outs[i];

		if (want->port ? o->port == want->port : !o->port && o->peer == want->peer && o->id == want->vni)
			return o;
	}
	return NULL;
}

static int check_outcome(const struct case_outcome *want, const struct case_test *t, const struct forward_result *got,
			 struct err *err)
{
	if (want->verdict != got->verdict)
		return err_set(err, ERR_BAD_REQUEST, "", "verdict");
	if (want->verdict == VERDICT_DROP && want->reason != got->reason)
		return err_set(err, ERR_BAD_REQUEST, "", "reason");
	if (want->n_outs != got->n_outs)
		return err_set(err, ERR_BAD_REQUEST, "", "%zu outputs, not %zu", got->n_outs, want->n_outs);
	for (size_t i = 0; i < want->n_outs; i++) {
		const struct forward_out *out = find_out(got, &want->outs[i]);
		int r;

		if (!out)
			return err_set(err, ERR_BAD_REQUEST, "", "nothing went to %s %u",
				       want->outs[i].port ? "port" : "peer",
				       want->outs[i].port ? want->outs[i].port : want->outs[i].peer);
		r = frame_check(&want->frame, &t->in, out->frame, out->len, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void print_result(const struct forward_result *r)
{
	printf("# got %s", verdict_name(r->verdict));
	if (r->verdict == VERDICT_DROP)
		printf(" %s", drop_reason_name(r->reason));
	for (size_t i = 0; i < r->n_outs; i++) {
		if (r->outs[i].port)
			printf(" port=%u", r->outs[i].port);
		else
			printf(" peer=%u,vni=%u", r->outs[i].peer, r->outs[i].id);
	}
	printf("\n");
}

/* One of the outcomes that stand there for `driver` is what happened; else says why none is. */
static bool is_one_of(const struct case_test *t, const char *driver, const struct forward_result *got, bool say)
{
	for (size_t i = 0; i < t->n_outcomes; i++) {
		const struct case_outcome *want = &t->outcomes[i];
		struct err err = { 0 };

		if (strcmp(want->driver, driver) != 0)
			continue;
		if (check_outcome(want, t, got, &err) == 0)
			return true;
		if (say)
			printf("# expected %s%s%s: %s\n", verdict_name(want->verdict),
			       want->verdict == VERDICT_DROP ? " " : "",
			       want->verdict == VERDICT_DROP ? drop_reason_name(want->reason) : "", err.text);
	}
	return false;
}

static bool judge(const struct case_test *t, const char *driver, const struct forward_result *got)
{
	bool own = false;

	for (size_t i = 0; i < t->n_outcomes; i++)
		own |= strcmp(t->outcomes[i].driver, driver) == 0;
	if (own && is_one_of(t, "", got, false)) {
		printf("# %s does as all others: it needs no outcome of its own\n", driver);
		return false;
	}
	if (is_one_of(t, own ? driver : "", got, true))
		return true;
	print_result(got);
	return false;
}

static int prepare(const struct packet_driver *driver, void *d, const struct case_test *t, struct err *err)
{
	int r = driver->load(d, t->plan, err);

	for (size_t i = 0; r >= 0 && i < t->n_absent; i++)
		r = driver->device(d, t->absent[i], false, err);
	return r;
}

static void run_test(const struct packet_driver *driver, void *d, const struct case_file *file,
		     const struct case_test *t, struct tally *tally)
{
	struct forward_in in = { .port = t->port, .tunnel = t->tunnel, .type = PLAN_SEGMENT_VXLAN, .id = t->vni };
	_cleanup_(freep) uint8_t *frame = NULL;
	struct forward_result result = { 0 };
	const char *base = strrchr(file->path, '/'), *skip = "";
	struct err err = { 0 };
	bool ok = true;
	int r;

	tally->tests++;
	frame = frame_build(&t->in, &in.len);
	in.frame = frame;
	r = prepare(driver, d, t, &err);
	if (r >= 0)
		r = driver->run(d, &in, &result, &err);
	if (r == -ENOTSUP) {
		tally->skipped++;
		skip = " # SKIP ";
	} else if (r < 0) {
		ok = false;
		printf("# %s\n", err.text);
	} else {
		ok = judge(t, driver->name, &result);
	}
	if (!ok && driver->explain)
		driver->explain(d);
	tally->failed += !ok;
	printf("%s %u - %s:%d %s%s%s\n", ok ? "ok" : "not ok", tally->tests, base ? base + 1 : file->path, t->line,
	       t->name, skip, r == -ENOTSUP ? err.text : "");
	forward_result_fini(&result);
}

static const struct packet_driver *find_driver(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(drivers); i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

/* A misspelt driver's outcome would be nobody's. */
static int check_names(const struct case_file *f)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t n = 0; n < f->tests[i]->n_outcomes; n++) {
			const char *name = f->tests[i]->outcomes[n].driver;

			if (*name && !find_driver(name)) {
				fprintf(stderr, "%s:%d: no driver %s\n", f->path, f->tests[i]->line, name);
				return -EINVAL;
			}
		}
	return 0;
}

static int run_file(const struct packet_driver *driver, void *d, const char *path, struct tally *tally)
{
	struct case_file file;
	struct err err = { 0 };
	int r;

	r = case_read(path, &file, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	else
		r = check_names(&file);
	for (size_t i = 0; r >= 0 && i < file.n; i++)
		run_test(driver, d, &file, file.tests[i], tally);
	case_fini(&file);
	return r;
}

static int run_files(const struct packet_driver *driver, void *d, char **paths, size_t n, struct tally *tally)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++)
		r = run_file(driver, d, paths[i], tally);
	return r;
}

static int run_all(const struct packet_driver *driver, void *d, struct tally *tally)
{
	glob_t found;
	int r = -ENOENT;

	if (glob(PACKET_CASES "/*.case", 0, NULL, &found) == 0) {
		r = run_files(driver, d, found.gl_pathv, found.gl_pathc, tally);
		globfree(&found);
	} else {
		fprintf(stderr, "no cases in %s\n", PACKET_CASES);
	}
	return r;
}

static int usage(void)
{
	fprintf(stderr, "usage: packet-test --driver NAME [CASE...]; NAME is one of:");
	for (size_t i = 0; i < N_ELEMENTS(drivers); i++)
		fprintf(stderr, " %s", drivers[i]->name);
	fprintf(stderr, "\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct packet_driver *driver = argc > 2 && strcmp(argv[1], "--driver") == 0 ? find_driver(argv[2]) : NULL;
	struct tally tally = { 0 };
	struct err err = { 0 };
	void *d = NULL;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!driver)
		return usage();
	if (driver->open(&d, &err) < 0) {
		fprintf(stderr, "%s: %s\n", driver->name, err.text);
		return 2;
	}
	r = argc > 3 ? run_files(driver, d, argv + 3, (size_t)argc - 3, &tally) : run_all(driver, d, &tally);
	driver->close(d);
	if (r < 0)
		return 2;
	printf("1..%u\n# %s: %u tests, %u failed, %u could not be given to it\n", tally.tests, driver->name,
	       tally.tests, tally.failed, tally.skipped);
	return tally.failed ? 1 : 0;
}
