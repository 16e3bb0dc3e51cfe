/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The differential test: what a datapath makes of a frame is what the reference makes of it, byte for byte.
 *
 *     differ-test --driver ebpf|openvswitch [--seed N] [--rounds N]
 *
 * Frames that the driver is blind to (blind.c) are not held against it. A round is a plan and frames for it, made from
 * one seed; round i of a run has seed N + i. A difference is printed as a case of the packet suite, with the least of
 * the plan that still shows it, and what the reference says as what is expected.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "differ.h"
#include "packet/frame.h"
#include "packet/packet_driver.h"
#include "plan/verdict_names.h"

static const struct packet_driver *const drivers[] = { &packet_on_ebpf, &packet_on_ovs };

#define ROUNDS 60
#define FRAMES 80 /* of a round */
#define DIFFERENCES_MAX 3 /* then it stops */
#define ENDS_FROM 50 /* rounds that must have come to every end */

struct differ {
	const struct packet_driver *driver;
	void *fake, *other;
	struct plan *plan;
	uint32_t absent; /* a port whose device is not there, or 0 */
	unsigned frames, not_given, blind, differences;
	unsigned verdicts[VERDICT_COUNT], reasons[DROP_COUNT];
};

/* ------------------------------------------------------------------ comparison */

static int load(struct differ *d, const struct plan *p, struct err *err)
{
	int r = packet_on_fake.load(d->fake, p, err);

	if (r >= 0)
		r = d->driver->load(d->other, p, err);
	if (r >= 0 && d->absent)
		r = packet_on_fake.device(d->fake, d->absent, false, err);
	if (r >= 0 && d->absent)
		r = d->driver->device(d->other, d->absent, false, err);
	return r;
}

static bool out_in(const struct forward_out *o, const struct forward_result *r)
{
	for (size_t i = 0; i < r->n_outs; i++) {
		const struct forward_out *x = &r->outs[i];

		if (x->port == o->port && x->peer == o->peer && x->type == o->type && x->id == o->id &&
		    x->len == o->len && !memcmp(x->frame, o->frame, o->len))
			return true;
	}
	return false;
}

static bool same_result(const struct forward_result *a, const struct forward_result *b)
{
	bool same = a->verdict == b->verdict && a->reason == b->reason && a->n_outs == b->n_outs;

	for (size_t i = 0; same && i < a->n_outs; i++)
		same = out_in(&a->outs[i], b) && out_in(&b->outs[i], a);
	return same;
}

static void print_comment(const char *what, const struct forward_result *r)
{
	printf("#   %s: %s", what, verdict_counter(r->verdict, r->reason));
	for (size_t i = 0; i < r->n_outs; i++) {
		printf(r->outs[i].port ? " port=%u" : " peer=%u", r->outs[i].port ? r->outs[i].port : r->outs[i].peer);
		printf(",%zu bytes,", r->outs[i].len);
		for (size_t n = 0; n < r->outs[i].len && n < FRAME_BYTES; n++)
			printf("%02x", r->outs[i].frame[n]);
	}
	printf("\n");
}

enum outcome { SAME, DIFFERENT, NOT_GIVEN, BLIND };

/* One frame through both. With `say`, what is different goes to standard output. */
static enum outcome compare(struct differ *d, const struct forward_in *in, bool say, struct forward_result *ret_wanted)
{
	struct forward_result got = { 0 };
	enum outcome what = NOT_GIVEN;
	struct err err = { 0 };
	int r;

	packet_on_fake.run(d->fake, in, ret_wanted, &err);
	if (d->driver == &packet_on_ovs && ovs_is_blind(d->fake, in, ret_wanted))
		return BLIND;
	r = d->driver->run(d->other, in, &got, &err);
	if (r >= 0)
		what = same_result(ret_wanted, &got) ? SAME : DIFFERENT;
	else if (r != -ENOTSUP)
		what = DIFFERENT;
	if (say && what == DIFFERENT) {
		print_comment("the reference", ret_wanted);
		if (r < 0)
			printf("#   %s: %s\n", d->driver->name, err.text);
		else
			print_comment(d->driver->name, &got);
		if (d->driver->explain)
			d->driver->explain(d->other);
	}
	forward_result_fini(&got);
	return what;
}

/* ------------------------------------------------------------------ a difference, as a case */

static bool differs_with(struct differ *d, const struct plan *p, const struct forward_in *in)
{
	struct forward_result wanted = { 0 };
	struct err err = { 0 };
	bool differs;

	if (load(d, p, &err) < 0)
		return false;
	differs = compare(d, in, false, &wanted) == DIFFERENT;
	forward_result_fini(&wanted);
	return differs;
}

/* Takes away what the difference does not need, a record at a time. */
static struct plan *least_plan(struct differ *d, const struct forward_in *in)
{
	struct plan *least = plan_copy(d->plan);

	for (int table = PLAN_N_TABLES - 1; table >= 0; table--) {
		struct records all = records_of(d->plan, (enum plan_table)table);

		for (size_t i = 0; i < all.n; i++) {
			if (table == PLAN_PORT && all.items[i]->port.key.port == d->absent)
				continue;
			plan_del(least, all.items[i]);
			if (!differs_with(d, least, in))
				plan_set(least, all.items[i]);
		}
		records_fini(&all);
	}
	return least;
}

static void print_frame(const uint8_t *frame, size_t len)
{
	printf("#     hex ");
	for (size_t i = 0; i < len && i < FRAME_BYTES; i++)
		printf("%02x", frame[i]);
	printf("\n#     pad %zu\n", len);
}

static void print_expected(const struct forward_result *r)
{
	printf("#   %s", verdict_name(r->verdict));
	if (r->verdict == VERDICT_DROP)
		printf(" %s", drop_reason_name(r->reason));
	for (size_t i = 0; i < r->n_outs && r->verdict != VERDICT_ANSWER; i++) {
		if (r->outs[i].port)
			printf(" port=%u", r->outs[i].port);
		else
			printf(" peer=%u,vni=%u", r->outs[i].peer, r->outs[i].id);
	}
	printf("\n");
	if (r->n_outs)
		print_frame(r->outs[0].frame, r->outs[0].len);
}

static void print_case(struct differ *d, uint64_t seed, const struct forward_in *in)
{
	struct plan *least = least_plan(d, in);
	struct forward_result wanted = { 0 };
	_cleanup_(utstring_freep) UT_string *text = NULL;
	char tunnel[IP_TEXT_SIZE], *line, *rest;
	struct err err = { 0 };

	utstring_new(text);
	plan_format(least, text);
	printf("#   plan\n");
	for (rest = utstring_body(text); (line = strtok_r(rest, "\n", &rest));)
		printf("#     %s\n", line);
	printf("#   test the drivers differ (seed %" PRIu64 ")\n", seed);
	if (d->absent)
		printf("#   absent port=%u\n", d->absent);
	if (in->port)
		printf("#   in port=%u\n", in->port);
	else
		printf("#   in peer=%s vni=%u\n", ip_format(&in->tunnel, tunnel), in->id);
	print_frame(in->frame, in->len);
	if (load(d, least, &err) < 0)
		printf("# %s\n", err.text);
	compare(d, in, false, &wanted);
	print_expected(&wanted);
	forward_result_fini(&wanted);
	plan_free(least);
}

/* ------------------------------------------------------------------ rounds */

static void choose_absent(struct differ *d, struct rng *r)
{
	struct records ports = records_of(d->plan, PLAN_PORT);

	d->absent = ports.n && rng_chance(r, 10) ? records_pick(&ports, r)->port.key.port : 0;
	records_fini(&ports);
}

static void one_frame(struct differ *d, struct rng *r, uint64_t seed)
{
	struct forward_result wanted = { 0 };
	struct differ_frame f;
	enum outcome what;
	struct err err = { 0 };

	differ_frame(d->plan, r, &f);
	if (d->absent && f.in.port == d->absent)
		return; /* nothing comes from there */
	what = compare(d, &f.in, true, &wanted);
	d->frames++;
	if (what == NOT_GIVEN) {
		d->not_given++;
	} else if (what == BLIND) {
		d->blind++;
	} else {
		d->verdicts[wanted.verdict]++;
		d->reasons[wanted.reason]++;
	}
	forward_result_fini(&wanted);
	if (what != DIFFERENT)
		return;
	d->differences++;
	printf("# differ-test --driver %s --seed %" PRIu64 " --rounds 1:\n", d->driver->name, seed);
	print_case(d, seed, &f.in);
	if (load(d, d->plan, &err) < 0)
		printf("# %s\n", err.text);
}

static void some_frames(struct differ *d, struct rng *r, uint64_t seed)
{
	struct err err = { 0 };

	if (load(d, d->plan, &err) < 0) {
		printf("# seed %" PRIu64 ": %s\n", seed, err.text);
		d->differences++;
		return;
	}
	for (int i = 0; i < FRAMES / 2 && d->differences < DIFFERENCES_MAX; i++)
		one_frame(d, r, seed);
}

static void one_round(struct differ *d, uint64_t seed)
{
	struct rng r = { .state = seed * 0x2545f4914f6cdd1d };

	d->plan = differ_plan(&r);
	choose_absent(d, &r);
	some_frames(d, &r, seed);
	for (uint32_t n = 1 + rng_below(&r, 3); n > 0; n--)
		differ_change(d->plan, &r);
	choose_absent(d, &r);
	if (d->differences < DIFFERENCES_MAX)
		some_frames(d, &r, seed);
	d->plan = plan_free(d->plan);
}

/* What no frame here can come to: not in plans, or not in test runs. */
static bool is_out_of_reach(const struct packet_driver *driver, enum drop_reason reason)
{
	return reason == DROP_NONE || reason == DROP_ENCAP || reason == DROP_REDIRECT || reason == DROP_RATE ||
	       (driver == &packet_on_ovs && reason == DROP_IP_OPTIONS);
}

/* Frames that all end alike would show little. */
static unsigned missed_ends(const struct differ *d)
{
	unsigned n = 0;

	for (int v = 0; v <= VERDICT_ANSWER; v++) {
		printf("# %7u %s\n", d->verdicts[v], verdict_name(v));
		n += !d->verdicts[v];
	}
	for (int reason = 0; reason < DROP_COUNT; reason++) {
		if (is_out_of_reach(d->driver, (enum drop_reason)reason))
			continue;
		printf("# %7u drop %s\n", d->reasons[reason], drop_reason_name(reason));
		n += !d->reasons[reason];
	}
	return n;
}

static const struct packet_driver *find_driver(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(drivers); i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct differ d = { 0 };
	struct err err = { 0 };
	uint64_t seed = 1;
	unsigned rounds = ROUNDS, done = 0, missed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--driver") == 0)
			d.driver = find_driver(argv[i + 1]);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
	}
	if (!d.driver) {
		fprintf(stderr, "usage: differ-test --driver ebpf|openvswitch [--seed N] [--rounds N]\n");
		return 2;
	}
	if (packet_on_fake.open(&d.fake, &err) < 0 || d.driver->open(&d.other, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	for (; done < rounds && d.differences < DIFFERENCES_MAX; done++)
		one_round(&d, seed + done);
	d.driver->close(d.other);
	packet_on_fake.close(d.fake);
	printf("%s 1 - %s: %u rounds from seed %" PRIu64 ", %u frames, %u could not be given, to %u it is blind: "
	       "%u differences\n",
	       d.differences ? "not ok" : "ok", d.driver->name, done, seed, d.frames, d.not_given, d.blind,
	       d.differences);
	missed = missed_ends(&d);
	printf("%s 2 - every end is come to%s\n1..2\n", done >= ENDS_FROM && missed ? "not ok" : "ok",
	       done >= ENDS_FROM ? "" : " # SKIP too few rounds");
	return d.differences || (done >= ENDS_FROM && missed) || !done;
}
