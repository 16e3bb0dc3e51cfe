/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply.h"

#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"

#define PAUSE_MIN_US 500000
#define PAUSE_MAX_US 30000000

/* A key whose record in the datapath may differ from the plan's. */
struct entry {
	struct plan_record record; /* what the datapath has; only its key when it has none */
	bool has;
	unsigned tries; /* that failed */
	uint64_t again_us; /* waiting: when it is due */
	char why[256];
	UT_hash_handle hh;
};

struct apply {
	struct loop *loop;
	const struct driver_ops *ops;
	struct driver *driver;
	apply_fn fn;
	void *arg;
	const struct plan *plan;
	uint64_t position; /* of the plan */
	uint64_t out_position; /* of the plan when the call that is out was made */
	uint64_t applied;
	bool sync_wanted, sync_out, busy;
	struct entry *pending, *out, *waiting;
	uint64_t pause_min_us, pause_max_us;
	struct loop_source *kick, *retry;
};

static void on_done(const struct driver_failure *failures, size_t n, void *arg);

/* ---- entries by key ---- */

static unsigned key_size(const struct plan_record *r)
{
	return (unsigned)offsetof(struct plan_record, host) + plan_record_key_size(r->table);
}

static struct entry *find(struct entry *in, const struct plan_record *r)
{
	struct entry *e;

	HASH_FIND(hh, in, r, key_size(r), e);
	return e;
}

static void add(struct entry **to, struct entry *e)
{
	HASH_ADD_KEYPTR(hh, *to, &e->record, key_size(&e->record), e);
}

static void move(struct entry **from, struct entry **to, struct entry *e)
{
	HASH_DEL(*from, e);
	add(to, e);
}

static void clear(struct entry **in)
{
	struct entry *e, *tmp;

	HASH_ITER (hh, *in, e, tmp) {
		HASH_DEL(*in, e);
		free(e);
	}
}

static struct entry *entry_new(const struct plan_record *r, bool has)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->record = *r;
	e->has = has;
	return e;
}

/* ---- giving to the driver ---- */

/* What makes the datapath's record the plan's. False when it is already. */
static bool entry_change(const struct apply *a, const struct entry *e, struct plan_changes *to)
{
	const struct plan_record *want = plan_find(a->plan, &e->record);

	if (want && !e->has)
		plan_changes_add(to, PLAN_ADD, want, NULL);
	else if (want && (e->tries || !plan_record_equal(want, &e->record)))
		plan_changes_add(to, PLAN_UPDATE, want, &e->record);
	else if (!want && e->has)
		plan_changes_add(to, PLAN_DELETE, &e->record, NULL);
	else
		return false;
	return true;
}

static void give_sync(struct apply *a)
{
	a->sync_wanted = false;
	a->sync_out = a->busy = true;
	a->out_position = a->position;
	clear(&a->pending);
	clear(&a->waiting);
	a->ops->sync(a->driver, a->plan, on_done, a);
}

static void give_changes(struct apply *a)
{
	struct plan_changes changes = { 0 };
	struct entry *e, *tmp;

	HASH_ITER (hh, a->pending, e, tmp) {
		if (entry_change(a, e, &changes)) {
			move(&a->pending, &a->out, e);
			continue;
		}
		HASH_DEL(a->pending, e);
		free(e);
	}
	a->out_position = a->position;
	if (changes.n > 0) {
		a->busy = true;
		plan_changes_order(&changes);
		a->ops->apply(a->driver, &changes, on_done, a);
	} else {
		a->applied = a->out_position;
	}
	plan_changes_fini(&changes);
}

static void give(struct apply *a)
{
	if (a->busy || !a->plan)
		return;
	if (a->sync_wanted)
		give_sync(a);
	else
		give_changes(a);
}

/* From the loop, so that changes which come together go together and no caller is called back inside its call. */
static void on_kick(void *arg)
{
	struct apply *a = arg;
	bool was_busy = a->busy;

	give(a);
	if (!was_busy && !a->busy)
		a->fn(a->arg);
}

/* ---- what comes back ---- */

static void arm_retry(struct apply *a)
{
	uint64_t now = loop_now_us(a->loop), due = UINT64_MAX;
	struct entry *e, *tmp;

	HASH_ITER (hh, a->waiting, e, tmp)
		if (e->again_us < due)
			due = e->again_us;
	if (due == UINT64_MAX)
		loop_timer_off(a->retry);
	else
		loop_timer_arm(a->retry, due > now ? due - now : 0);
}

static void on_retry(void *arg)
{
	struct apply *a = arg;
	uint64_t now = loop_now_us(a->loop);
	struct entry *e, *tmp;

	HASH_ITER (hh, a->waiting, e, tmp)
		if (e->again_us <= now)
			move(&a->waiting, &a->pending, e);
	arm_retry(a);
	loop_idle_arm(a->kick);
}

static void wait_for_another_try(struct apply *a, struct entry *e, const char *why)
{
	uint64_t pause = a->pause_min_us;

	for (unsigned i = 0; i < e->tries && pause < a->pause_max_us; i++)
		pause *= 2;
	if (pause > a->pause_max_us)
		pause = a->pause_max_us;
	e->tries++;
	e->again_us = loop_now_us(a->loop) + pause;
	snprintf(e->why, sizeof(e->why), "%s", why);
	add(&a->waiting, e);
}

static void log_failure(const struct driver_failure *f)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;

	utstring_new(text);
	plan_record_format(&f->record, text);
	LOG_LIMIT(log_warn, 5, "could not be applied, will be tried again: %s: %s", utstring_body(text), f->text);
}

/* After a sync only the plan tells what the datapath was to have: a failed record of it is not there, any other is too
 * much. */
static struct entry *entry_of_failure(struct apply *a, const struct driver_failure *f)
{
	struct entry *e = find(a->out, &f->record);

	if (e) {
		HASH_DEL(a->out, e);
		return e;
	}
	if (!a->sync_out)
		return NULL;
	return entry_new(&f->record, !plan_find(a->plan, &f->record) && !find(a->pending, &f->record));
}

static void on_failure(struct apply *a, const struct driver_failure *f)
{
	struct entry *e = entry_of_failure(a, f), *newer;

	log_failure(f);
	if (!e)
		return;
	newer = find(a->pending, &f->record);
	if (newer) {
		/* It has changed meanwhile, starting from a state that never came to be. */
		newer->record = e->record;
		newer->has = e->has;
		newer->tries = e->tries + 1;
		snprintf(newer->why, sizeof(newer->why), "%s", f->text);
		free(e);
		return;
	}
	if (find(a->waiting, &f->record)) {
		/* named twice */
		free(e);
		return;
	}
	wait_for_another_try(a, e, f->text);
}

static void on_done(const struct driver_failure *failures, size_t n, void *arg)
{
	struct apply *a = arg;

	a->busy = false;
	for (size_t i = 0; i < n; i++)
		on_failure(a, &failures[i]);
	clear(&a->out);
	a->sync_out = false;
	a->applied = a->out_position;
	arm_retry(a);
	if (a->sync_wanted || a->pending || a->position != a->out_position)
		loop_idle_arm(a->kick);
	a->fn(a->arg);
}

/* ---- what goes in ---- */

void apply_sync(struct apply *a, const struct plan *plan, uint64_t position)
{
	a->plan = plan;
	a->position = position;
	a->sync_wanted = true;
	loop_idle_arm(a->kick);
}

void apply_changes(struct apply *a, const struct plan *plan, const struct plan_changes *changes, uint64_t position)
{
	a->plan = plan;
	a->position = position;
	for (size_t i = 0; i < changes->n; i++) {
		const struct plan_change *c = &changes->items[i];
		struct entry *e;

		if (find(a->pending, &c->record))
			continue;
		e = find(a->waiting, &c->record);
		if (e)
			move(&a->waiting, &a->pending, e);
		else
			add(&a->pending, entry_new(c->op == PLAN_UPDATE ? &c->old : &c->record, c->op != PLAN_ADD));
	}
	loop_idle_arm(a->kick);
}

void apply_advance(struct apply *a, uint64_t position)
{
	a->position = position;
	if (a->plan && apply_idle(a))
		a->applied = position;
}

uint64_t apply_position(const struct apply *a)
{
	return a->applied;
}

void apply_forget_position(struct apply *a)
{
	a->applied = 0;
	a->out_position = 0;
}

bool apply_idle(const struct apply *a)
{
	return !a->busy && !a->sync_wanted && !a->pending;
}

bool apply_is_syncing(const struct apply *a)
{
	return a->sync_wanted || a->sync_out;
}

size_t apply_failures(const struct apply *a)
{
	const struct entry *e;
	size_t n = HASH_COUNT(a->waiting);

	for (e = a->pending; e; e = e->hh.next)
		n += e->tries > 0;
	for (e = a->out; e; e = e->hh.next)
		n += e->tries > 0;
	return n;
}

bool apply_port_is_up(const struct apply *a, uint32_t port)
{
	struct entry *const sets[] = { a->pending, a->out, a->waiting };
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	const struct plan_record *want;

	key.port.key.port = port;
	want = a->plan && !apply_is_syncing(a) ? plan_find(a->plan, &key) : NULL;
	if (!want || !want->port.up)
		return false;
	for (size_t i = 0; i < N_ELEMENTS(sets); i++) {
		const struct entry *e = find(sets[i], &key);

		if (e && !(e->has && e->record.port.up))
			return false;
	}
	return true;
}

static bool matters_to_port(const struct plan_record *r, uint32_t port, uint32_t network)
{
	switch (r->table) {
	case PLAN_HOST:
		return true;
	case PLAN_PORT:
		return r->port.key.port == port;
	case PLAN_FDB:
		return r->fdb.port == port;
	case PLAN_SEGMENT:
		return r->segment.network == network;
	case PLAN_PEER:
	case PLAN_MEMBER:
	case PLAN_NEIGHBOUR:
	case PLAN_FLOOD:
	case PLAN_SUBNET:
	case PLAN_INTERFACE:
	case PLAN_ROUTE:
		return false;
	}
	return false;
}

const char *apply_port_error(const struct apply *a, uint32_t port, uint32_t network)
{
	struct entry *const sets[] = { a->waiting, a->pending, a->out };

	for (size_t i = 0; i < N_ELEMENTS(sets) && a->plan; i++)
		for (const struct entry *e = sets[i]; e; e = e->hh.next) {
			const struct plan_record *want = e->tries ? plan_find(a->plan, &e->record) : NULL;

			if (want && matters_to_port(want, port, network))
				return e->why;
		}
	return NULL;
}

static void format_entries(const struct apply *a, const struct entry *in, UT_string *out)
{
	for (const struct entry *e = in; e; e = e->hh.next) {
		_cleanup_(utstring_freep) UT_string *text = NULL;
		struct plan_changes change = { 0 };

		utstring_new(text);
		if (a->plan && entry_change(a, e, &change))
			plan_changes_format(&change, text);
		plan_changes_fini(&change);
		if (utstring_len(text) == 0)
			continue;
		if (e->tries)
			utstring_printf(out, "failed %.*s: %s\n", (int)utstring_len(text) - 1, utstring_body(text),
					e->why);
		else
			utstring_printf(out, "pending %s", utstring_body(text));
	}
}

void apply_format(const struct apply *a, UT_string *out)
{
	if (apply_is_syncing(a))
		utstring_printf(out, "pending sync of the whole plan\n");
	format_entries(a, a->out, out);
	format_entries(a, a->pending, out);
	format_entries(a, a->waiting, out);
}

void apply_set_times(struct apply *a, uint64_t pause_min_us, uint64_t pause_max_us)
{
	a->pause_min_us = pause_min_us;
	a->pause_max_us = pause_max_us;
}

struct apply *apply_new(struct loop *l, const struct driver_ops *ops, struct driver *d, apply_fn fn, void *arg)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->loop = l;
	a->ops = ops;
	a->driver = d;
	a->fn = fn;
	a->arg = arg;
	a->kick = loop_idle(l, on_kick, a);
	a->retry = loop_timer(l, on_retry, a);
	apply_set_times(a, PAUSE_MIN_US, PAUSE_MAX_US);
	return a;
}

struct apply *apply_free(struct apply *a)
{
	if (!a)
		return NULL;
	clear(&a->pending);
	clear(&a->out);
	clear(&a->waiting);
	loop_source_free(a->kick);
	loop_source_free(a->retry);
	free(a);
	return NULL;
}
