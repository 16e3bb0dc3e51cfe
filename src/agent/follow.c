/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "compile/compile.h"

#define HELD_MIN 5 /* ports that any snapshot may remove */
#define HELD_SHARE 10 /* and one of this many */

/*
 *                    welcome(snapshot)              frame                 frames
 *     (model) ──────────────────────► COLLECTING ─────────► (model) ◄──────────────┐
 *        │                                │ too much is gone                      │
 *        └── welcome(resume) ─► (model)   └────────► HELD ──accepted, harmless────┘
 */
enum beside { BESIDE_NONE, BESIDE_COLLECTING, BESIDE_HELD };

struct follow {
	const struct follow_events *events;
	void *arg;
	struct model *model;
	struct compile *compile;
	char incarnation[UUID_TEXT_SIZE];
	uint64_t position;
	bool half; /* something came since the last frame */
	/* A snapshot that is not the model yet. */
	enum beside beside;
	struct model *other;
	char other_incarnation[UUID_TEXT_SIZE];
	uint64_t other_position;
};

/* ---- units and objects ---- */

struct ids {
	struct object_id *items;
	size_t n, allocated;
};

static void collect_id(const struct object *o, void *arg)
{
	struct ids *ids = arg;

	if (ids->n == ids->allocated) {
		ids->allocated = ids->allocated ? 2 * ids->allocated : 64;
		ids->items = xrealloc(ids->items, ids->allocated * sizeof(*ids->items));
	}
	ids->items[ids->n++] = o->id;
}

static struct model *target(struct follow *f)
{
	return f->beside == BESIDE_NONE ? f->model : f->other;
}

static void touch(struct follow *f, const struct object_id *id)
{
	if (f->beside == BESIDE_NONE)
		compile_touch(f->compile, id);
}

/* Dropped; or entered, and then what it holds follows: what we have of it from before is not to stay. */
static void forget_unit(struct follow *f, const struct unit *u)
{
	struct model *m = target(f);
	struct ids ids = { 0 };

	model_each_of_unit(m, u, collect_id, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		model_del(m, &ids.items[i]);
		touch(f, &ids.items[i]);
	}
	free(ids.items);
}

/* ---- snapshots ---- */

struct compare {
	struct follow *f;
	const struct model *other;
	unsigned here, gone; /* ports with a device: all, and those that the other does not have */
};

static const struct object *counterpart(const struct model *m, const struct object *o)
{
	return model_find(m, (enum object_kind)o->id.kind, o->id.a, o->id.b);
}

static void touch_if_different(const struct object *o, void *arg)
{
	struct compare *c = arg;
	const struct object *other = counterpart(c->other, o);

	/* Objects are made from zeroed memory, so that they compare as bytes. */
	if (!other || memcmp(o, other, sizeof(*o)) != 0) /* NOLINT(bugprone-suspicious-memory-comparison) */
		compile_touch(c->f->compile, &o->id);
}

static void count_port(const struct object *o, void *arg)
{
	struct compare *c = arg;
	const struct object *other;

	if (o->id.kind != OBJECT_PORT || !c->f->events->device(o->id.a, c->f->arg))
		return;
	c->here++;
	other = counterpart(c->other, o);
	if (!other || !uuid_equal(&other->port.uuid, &o->port.uuid))
		c->gone++;
}

static bool is_harmful(struct follow *f)
{
	struct compare c = { .f = f, .other = f->other };
	unsigned limit;

	if (!f->incarnation[0] || (!strcmp(f->incarnation, f->other_incarnation) && f->other_position >= f->position))
		return false;
	model_each(f->model, count_port, &c);
	limit = c.here / HELD_SHARE > HELD_MIN ? c.here / HELD_SHARE : HELD_MIN;
	if (c.gone > limit && f->beside != BESIDE_HELD)
		log_warn("the server's snapshot would remove %u of the %u ports whose devices are here: held "
			 "('neutrino-agent accept' lets it through)",
			 c.gone, c.here);
	return c.gone > limit;
}

static void forget_beside(struct follow *f)
{
	f->beside = BESIDE_NONE;
	f->other = model_free(f->other);
}

static void run(struct follow *f, bool whole, const char *request_id)
{
	struct plan_changes changes = { 0 };

	compile_run(f->compile, f->model, &changes);
	f->half = false;
	f->events->changes(&changes, whole, request_id, f->arg);
	plan_changes_fini(&changes);
}

static void take_over(struct follow *f)
{
	struct compare to_new = { .f = f, .other = f->other }, to_old = { .f = f, .other = f->model };

	model_each(f->model, touch_if_different, &to_new);
	model_each(f->other, touch_if_different, &to_old);
	model_free(f->model);
	f->model = take(&f->other);
	f->beside = BESIDE_NONE;
	memcpy(f->incarnation, f->other_incarnation, sizeof(f->incarnation));
	f->position = f->other_position;
	run(f, true, "");
}

/* ---- messages ---- */

static int on_welcome(struct follow *f, const struct message_welcome *w, struct err *err)
{
	forget_beside(f);
	if (!strcmp(w->mode, "snapshot")) {
		f->beside = BESIDE_COLLECTING;
		f->other = model_new();
		memcpy(f->other_incarnation, w->incarnation, sizeof(f->other_incarnation));
		f->other_position = 0;
		return 0;
	}
	if (strcmp(w->mode, "resume") != 0 || strcmp(w->incarnation, f->incarnation) != 0) {
		err_set(err, ERR_INTERNAL, "", "the server resumes what this agent did not ask for");
		return -EPROTO;
	}
	return 0;
}

static int on_frame(struct follow *f, const struct message_frame *frame, struct err *err)
{
	if (frame->snapshot != (f->beside == BESIDE_COLLECTING)) {
		err_set(err, ERR_INTERNAL, "", "the server's frame is out of place");
		return -EPROTO;
	}
	if (f->beside == BESIDE_NONE) {
		f->position = frame->position;
		run(f, false, frame->request_id);
		return 0;
	}
	f->other_position = frame->position;
	if (is_harmful(f))
		f->beside = BESIDE_HELD;
	else
		take_over(f);
	return 0;
}

/* With nothing under way, all up to there that concerns this host has come. */
static void on_heartbeat(struct follow *f, uint64_t position)
{
	if (f->beside == BESIDE_NONE && !f->half && position > f->position)
		f->position = position;
}

bool follow_accept(struct follow *f)
{
	if (f->beside != BESIDE_HELD)
		return false;
	log_info("the held snapshot is accepted");
	take_over(f);
	return true;
}

int follow_message(struct follow *f, const struct message *m, struct err *err)
{
	switch (m->kind) {
	case MESSAGE_WELCOME:
		return on_welcome(f, &m->welcome, err);
	case MESSAGE_SET:
		f->half |= f->beside == BESIDE_NONE;
		if (model_set(target(f), &m->set))
			touch(f, &m->set.id);
		return 0;
	case MESSAGE_DEL:
		f->half |= f->beside == BESIDE_NONE;
		if (model_del(target(f), &m->del))
			touch(f, &m->del);
		return 0;
	case MESSAGE_ENTER:
	case MESSAGE_DROP:
		f->half |= f->beside == BESIDE_NONE;
		forget_unit(f, &m->unit);
		return 0;
	case MESSAGE_FRAME:
		return on_frame(f, &m->frame, err);
	case MESSAGE_SERVER_HEARTBEAT:
		on_heartbeat(f, m->heartbeat.position);
		return 0;
	case MESSAGE_ACCEPT:
		follow_accept(f);
		return 0;
	case MESSAGE_HELLO:
	case MESSAGE_REPORT:
	case MESSAGE_AGENT_HEARTBEAT:
	case MESSAGE_REFUSED:
		break;
	}
	err_set(err, ERR_INTERNAL, "", "a message that is not for an agent");
	return -EPROTO;
}

static void touch_object(const struct object *o, void *arg)
{
	compile_touch(arg, &o->id);
}

void follow_load(struct follow *f, struct model *m, const char *incarnation, uint64_t position)
{
	model_free(f->model);
	f->model = m;
	snprintf(f->incarnation, sizeof(f->incarnation), "%s", incarnation);
	f->position = position;
	model_each(m, touch_object, f->compile);
	compile_run(f->compile, m, NULL);
}

void follow_hello(const struct follow *f, struct message_hello *ret)
{
	/* Half a frame came, and then the connection went: what came is in the model, and comes again. */
	memcpy(ret->incarnation, f->incarnation, sizeof(ret->incarnation));
	ret->position = f->position;
}

bool follow_has_state(const struct follow *f)
{
	return f->incarnation[0] != '\0';
}

bool follow_is_held(const struct follow *f)
{
	return f->beside == BESIDE_HELD;
}

const char *follow_incarnation(const struct follow *f)
{
	return f->incarnation;
}

uint64_t follow_position(const struct follow *f)
{
	return f->position;
}

const struct model *follow_model(const struct follow *f)
{
	return f->model;
}

bool follow_is_live(const struct follow *f)
{
	return f->beside == BESIDE_NONE;
}

bool follow_between_frames(const struct follow *f)
{
	return !f->half;
}

const struct plan *follow_plan(const struct follow *f)
{
	return compile_plan(f->compile);
}

struct follow *follow_new(const struct follow_events *events, void *arg)
{
	struct follow *f = xcalloc(1, sizeof(*f));

	f->events = events;
	f->arg = arg;
	f->model = model_new();
	f->compile = compile_new();
	return f;
}

struct follow *follow_free(struct follow *f)
{
	if (!f)
		return NULL;
	model_free(f->model);
	model_free(f->other);
	compile_free(f->compile);
	free(f);
	return NULL;
}
