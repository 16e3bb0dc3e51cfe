/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/fake/fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "plan/verdict_names.h"

#define DEVICE_NAME_SIZE 16
#define STATE_MAX (64 << 20)

struct device {
	char name[DEVICE_NAME_SIZE];
	UT_hash_handle hh;
};

/* What the agent was told last about a port. */
struct told {
	uint32_t port;
	enum driver_port_state state;
	UT_hash_handle hh;
};

struct driver {
	struct driver_events events;
	struct loop_source *idle;
	char *state_file; /* NULL: none */
	struct plan *plan;
	struct device *devices;
	struct told *told;
	struct driver_counter verdicts[VERDICT_COUNT];
	struct driver_counter drops[DROP_COUNT];

	/* the outstanding call */
	bool busy, lost;
	struct plan_changes changes;
	driver_done done;
	void *done_arg;
	size_t calls;

	unsigned fail_nth, fail_call;
	struct plan_record fail_key;
	bool has_fail_key;
};

/* ------------------------------------------------------------------ state on disk */

static char *state_file(const struct driver_config *config)
{
	return config->state_dir ? xasprintf("%s/fake.plan", config->state_dir) : NULL;
}

static void save(struct driver *d)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	_cleanup_(freep) char *tmp = NULL;
	bool ok;
	FILE *f;

	if (!d->state_file)
		return;
	utstring_new(text);
	plan_format(d->plan, text);
	tmp = xasprintf("%s.tmp", d->state_file);
	f = fopen(tmp, "we");
	ok = f && fwrite(utstring_body(text), 1, utstring_len(text), f) == utstring_len(text);
	if (f && fclose(f) != 0)
		ok = false;
	if (!ok || rename(tmp, d->state_file) < 0)
		log_warn("fake datapath: %s: %s", d->state_file, strerror(errno));
}

static int load(struct driver *d, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	struct plan *p;
	size_t n = 0;
	FILE *f;
	int r;

	f = d->state_file ? fopen(d->state_file, "re") : NULL;
	if (!f)
		return d->state_file && errno != ENOENT ? err_errno(err, -errno, "%s", d->state_file) : 0;
	text = xmalloc(STATE_MAX + 1);
	n = fread(text, 1, STATE_MAX + 1, f);
	fclose(f);
	if (n > STATE_MAX)
		return err_errno(err, -EFBIG, "%s", d->state_file);
	text[n] = '\0';
	r = plan_parse(text, &p, err);
	if (r < 0)
		return err_prefix(err, r, "%s", d->state_file);
	plan_free(d->plan);
	d->plan = p;
	return 0;
}

/* ------------------------------------------------------------------ ports */

static bool device_there(const struct driver *d, const struct plan_port *p)
{
	char name[DEVICE_NAME_SIZE], uuid[UUID_TEXT_SIZE];
	struct device *dev;

	snprintf(name, sizeof(name), "tap%.11s", uuid_format(&p->uuid, uuid));
	HASH_FIND_STR(d->devices, name, dev);
	return dev;
}

static void tell_port(const struct plan_record *r, void *arg)
{
	struct driver *d = arg;
	enum driver_port_state state = device_there(d, &r->port) ? DRIVER_PORT_READY : DRIVER_PORT_ABSENT;
	uint32_t port = r->port.key.port;
	struct told *t;

	HASH_FIND_INT(d->told, &port, t);
	if (t && t->state == state)
		return;
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->port = port;
		HASH_ADD_INT(d->told, port, t);
	}
	t->state = state;
	if (d->events.port)
		d->events.port(port, state, "", d->events.arg);
}

static void forget_ports(struct driver *d)
{
	struct told *t, *tmp;

	HASH_ITER (hh, d->told, t, tmp) {
		struct plan_record key = PLAN_RECORD(PLAN_PORT);

		key.port.key.port = t->port;
		if (plan_find(d->plan, &key))
			continue;
		HASH_DEL(d->told, t);
		free(t);
	}
}

/* ------------------------------------------------------------------ a call, from the loop */

static bool must_fail(struct driver *d, const struct plan_record *r, bool call_fails)
{
	if (d->fail_nth && --d->fail_nth == 0)
		return true;
	return call_fails || (d->has_fail_key && plan_record_same_key(&d->fail_key, r));
}

static size_t apply_changes(struct driver *d, struct driver_failure *failures)
{
	bool call_fails = d->fail_call && --d->fail_call == 0;
	size_t n = 0;

	for (size_t i = 0; i < d->changes.n; i++) {
		const struct plan_change *c = &d->changes.items[i];

		if (must_fail(d, &c->record, call_fails)) {
			failures[n].record = c->record;
			failures[n].r = -ENOSPC;
			snprintf(failures[n].text, sizeof(failures[n].text), "the fake datapath was told to fail");
			n++;
		} else if (c->op == PLAN_DELETE) {
			plan_del(d->plan, &c->record);
		} else {
			plan_set(d->plan, &c->record);
		}
	}
	return n;
}

static void run(void *arg)
{
	_cleanup_(freep) struct driver_failure *failures = NULL;
	struct driver *d = arg;
	driver_done done = d->done;
	size_t n = 0;

	if (d->lost) {
		d->lost = false;
		if (d->events.lost)
			d->events.lost(d->events.arg);
	}
	if (d->busy) {
		failures = xcalloc(d->changes.n, sizeof(*failures));
		n = apply_changes(d, failures);
		plan_changes_fini(&d->changes);
		save(d);
		forget_ports(d);
		d->busy = false;
	}
	plan_each(d->plan, PLAN_PORT, tell_port, d);
	/* Last: it may begin the next call. */
	if (failures)
		done(failures, n, d->done_arg);
}

static void begin(struct driver *d, driver_done done, void *arg)
{
	if (d->busy)
		abort(); /* one call at a time is the interface's rule */
	d->busy = true;
	d->done = done;
	d->done_arg = arg;
	d->calls++;
	loop_idle_arm(d->idle);
}

static void fake_sync(struct driver *d, const struct plan *plan, driver_done done, void *arg)
{
	plan_diff(d->plan, plan, &d->changes);
	begin(d, done, arg);
}

static void fake_apply(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg)
{
	for (size_t i = 0; i < changes->n; i++)
		plan_changes_add(&d->changes, changes->items[i].op, &changes->items[i].record, &changes->items[i].old);
	begin(d, done, arg);
}

/* ------------------------------------------------------------------ the interface */

static void init_counters(struct driver *d)
{
	for (int i = 0; i < VERDICT_COUNT; i++)
		d->verdicts[i].name = verdict_counter((enum verdict)i, DROP_NONE);
	for (int i = 0; i < DROP_COUNT; i++)
		d->drops[i].name = verdict_counter(VERDICT_DROP, (enum drop_reason)i);
}

static void fake_close(struct driver *d)
{
	struct device *dev, *tmp_dev;
	struct told *t, *tmp;

	HASH_ITER (hh, d->devices, dev, tmp_dev) {
		HASH_DEL(d->devices, dev);
		free(dev);
	}
	HASH_ITER (hh, d->told, t, tmp) {
		HASH_DEL(d->told, t);
		free(t);
	}
	loop_source_free(d->idle);
	plan_changes_fini(&d->changes);
	plan_free(d->plan);
	free(d->state_file);
	free(d);
}

static int fake_open(const struct driver_config *config, struct loop *loop, const struct driver_events *events,
		     struct driver **ret, struct err *err)
{
	struct driver *d = xcalloc(1, sizeof(*d));
	int r;

	if (events)
		d->events = *events;
	d->plan = plan_new();
	d->state_file = state_file(config);
	d->idle = loop_idle(loop, run, d);
	init_counters(d);
	r = load(d, err);
	if (r < 0) {
		fake_close(d);
		return r;
	}
	*ret = d;
	return 0;
}

static int fake_cleanup(const struct driver_config *config, struct err *err)
{
	_cleanup_(freep) char *path = state_file(config);

	if (path && unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "%s", path);
	return 0;
}

static int fake_audit(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err)
{
	static const enum driver_audit_kind kinds[] = {
		[PLAN_ADD] = DRIVER_AUDIT_MISSING,
		[PLAN_UPDATE] = DRIVER_AUDIT_DIFFERENT,
		[PLAN_DELETE] = DRIVER_AUDIT_EXTRA,
	};
	struct plan_changes c;

	(void)err;
	plan_diff_unordered(d->plan, plan, &c);
	for (size_t i = 0; i < c.n; i++) {
		_cleanup_(utstring_freep) UT_string *text = NULL;

		utstring_new(text);
		plan_record_format(&c.items[i].record, text);
		fn(kinds[c.items[i].op], utstring_body(text), arg);
	}
	plan_changes_fini(&c);
	return 0;
}

static size_t fake_counters(struct driver *d, struct driver_counter *ret, size_t max)
{
	size_t n = 0;

	for (int i = 0; i < VERDICT_COUNT; i++)
		if (i != VERDICT_DROP && n++ < max)
			ret[n - 1] = d->verdicts[i];
	for (int i = 0; i < DROP_COUNT; i++)
		if (i != DROP_NONE && n++ < max)
			ret[n - 1] = d->drops[i];
	return n;
}

const struct driver_ops driver_fake = {
	.name = "fake",
	.vif_type = "tap",
	.open = fake_open,
	.close = fake_close,
	.cleanup = fake_cleanup,
	.sync = fake_sync,
	.apply = fake_apply,
	.audit = fake_audit,
	.counters = fake_counters,
};

/* ------------------------------------------------------------------ for tests */

void driver_fake_fail_nth(struct driver *d, unsigned n)
{
	d->fail_nth = n;
}

void driver_fake_fail_call(struct driver *d, unsigned n)
{
	d->fail_call = n;
}

void driver_fake_fail_record(struct driver *d, const struct plan_record *key)
{
	d->has_fail_key = key;
	if (key)
		d->fail_key = *key;
}

void driver_fake_device(struct driver *d, const char *name, bool there)
{
	struct device *dev;

	HASH_FIND_STR(d->devices, name, dev);
	if (there && !dev) {
		dev = xcalloc(1, sizeof(*dev));
		snprintf(dev->name, sizeof(dev->name), "%s", name);
		HASH_ADD_STR(d->devices, name, dev);
	} else if (!there && dev) {
		HASH_DEL(d->devices, dev);
		free(dev);
	}
	loop_idle_arm(d->idle);
}

void driver_fake_lose(struct driver *d)
{
	plan_free(d->plan);
	d->plan = plan_new();
	d->lost = true;
	save(d);
	forget_ports(d);
	loop_idle_arm(d->idle);
}

const struct plan *driver_fake_plan(const struct driver *d)
{
	return d->plan;
}

size_t driver_fake_calls(const struct driver *d)
{
	return d->calls;
}

static bool port_has_device(uint32_t port, void *arg)
{
	struct driver *d = arg;
	struct plan_record key = PLAN_RECORD(PLAN_PORT);
	const struct plan_record *r;

	key.port.key.port = port;
	r = plan_find(d->plan, &key);
	return r && device_there(d, &r->port);
}

void driver_fake_input(struct driver *d, const struct forward_in *in, struct forward_result *ret)
{
	const struct forward_world world = { .has_device = port_has_device, .arg = d };
	struct driver_counter *c;

	forward_run(d->plan, &world, in, ret);
	c = ret->verdict == VERDICT_DROP ? &d->drops[ret->reason] : &d->verdicts[ret->verdict];
	c->packets++;
	c->bytes += in->len;
}
