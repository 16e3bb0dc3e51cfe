/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/cell.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "driver/ovs/tables.h"

/* ------------------------------------------------------------------ contents */

struct content *content_new(const struct flow *f)
{
	struct content *c = xmalloc(sizeof(*c) + f->instructions_len);

	c->refs = 1;
	c->cookie = f->cookie;
	c->len = f->instructions_len;
	if (c->len)
		memcpy(c->instructions, f->instructions, c->len);
	return c;
}

static struct content *content_ref(struct content *c)
{
	if (c)
		c->refs++;
	return c;
}

void content_unref(struct content *c)
{
	if (c && --c->refs == 0)
		free(c);
}

static bool content_equal(const struct content *a, const struct content *b)
{
	if (a == b || !a || !b)
		return a == b;
	return a->cookie == b->cookie && a->len == b->len && memcmp(a->instructions, b->instructions, a->len) == 0;
}

/* ------------------------------------------------------------------ cells */

struct place {
	uint16_t priority;
	uint8_t table;
	uint8_t match[FLOW_MATCH_MAX];
};

static unsigned place_size(size_t match_len)
{
	return (unsigned)(offsetof(struct place, match) + match_len);
}

static struct cell *cell_find(const struct cells *s, const struct flow *f)
{
	struct place place;
	struct cell *c;

	memset(&place, 0, sizeof(place));
	place.priority = f->priority;
	place.table = f->table;
	memcpy(place.match, f->match, f->match_len);
	HASH_FIND(hh, s->hash, &place, place_size(f->match_len), c);
	return c;
}

struct cell *cells_get(struct cells *s, const struct flow *f)
{
	struct cell *c = cell_find(s, f);

	if (c)
		return c;
	c = xcalloc(1, sizeof(*c) + f->match_len);
	c->match_len = f->match_len;
	c->priority = f->priority;
	c->table = f->table;
	memcpy(c->match, f->match, f->match_len);
	HASH_ADD_KEYPTR(hh, s->hash, &c->priority, place_size(f->match_len), c);
	return c;
}

/* What belongs to it has changed: is it due, is it needed at all? */
static void settle(struct cells *s, struct cell *c)
{
	bool due = !c->foreign && !c->given_up && !content_equal(c->there, c->wanted);

	if (due && !c->due) {
		DL_APPEND(s->due, c);
		s->n_due++;
	} else if (!due && c->due) {
		DL_DELETE(s->due, c);
		s->n_due--;
	}
	c->due = due;
	s->n_conflicts -= c->conflict;
	c->conflict = c->foreign && c->wanted;
	s->n_conflicts += c->conflict;
	if (c->wanted || c->there || c->foreign || c->in_batch)
		return;
	HASH_DEL(s->hash, c);
	free(c);
}

void cells_want(struct cells *s, struct cell *c, struct content *content)
{
	struct content *old = c->wanted;

	c->wanted = content_ref(content);
	content_unref(old);
	if (content)
		c->given_up = false; /* it was the removal that was */
	settle(s, c);
}

bool cell_is_in(const struct cell *c)
{
	return content_equal(c->there, c->wanted);
}

struct flow cell_flow(const struct cell *c, struct content *content)
{
	struct flow f;

	flow_init(&f, c->table, c->priority, content ? content->cookie : 0);
	memcpy(f.match, c->match, c->match_len);
	f.match_len = c->match_len;
	if (content) {
		f.instructions = content->instructions;
		f.instructions_len = content->len;
	}
	return f;
}

/* ------------------------------------------------------------------ what is there */

static void cell_there(struct cell *c, struct content *content)
{
	struct content *old = c->there;

	c->there = content_ref(content);
	content_unref(old);
}

void cells_dump_begin(struct cells *s)
{
	struct cell *c, *tmp;

	HASH_ITER (hh, s->hash, c, tmp) {
		cell_there(c, NULL);
		c->foreign = c->given_up = false;
		settle(s, c);
	}
}

void cells_found(struct cells *s, const struct flow *f)
{
	struct cell *c = cells_get(s, f);
	struct content *content;

	if ((f->cookie & COOKIE_OURS_MASK) != COOKIE_OURS) {
		c->foreign = true;
	} else {
		content = content_new(f);
		/* Mostly it is what is wanted: one copy of it is enough. */
		cell_there(c, content_equal(content, c->wanted) ? c->wanted : content);
		content_unref(content);
	}
	settle(s, c);
}

/* ------------------------------------------------------------------ batches */

/* Each table has a flow that is always there: whoever removes more than some flows of a record removes one of those. */
static enum flow_op op_of(const struct content *c)
{
	if (!c)
		return FLOW_DELETE;
	return COOKIE_OF(c->cookie) == 0 ? FLOW_ADD_KEPT : FLOW_ADD;
}

static bool is_list(uint8_t table)
{
	return table == TABLE_FLOOD_PORTS || table == TABLE_FLOOD_PEERS;
}

const struct flow_mod *cells_begin(struct cells *s, size_t max, size_t *ret_n)
{
	size_t n = 0, room = s->n_due < max ? s->n_due : max;
	struct cell *c;

	assert(s->n_sent == 0);
	s->takes_away = false;
	s->sent = xcalloc(room, sizeof(*s->sent));
	s->mods = xcalloc(room, sizeof(*s->mods));
	DL_FOREACH (s->due, c) {
		struct sent *sent = &s->sent[n];

		if (n == room)
			break;
		c->in_batch = true;
		sent->cell = c;
		sent->content = content_ref(c->wanted);
		s->takes_away |= c->there && !(c->wanted && is_list(c->table));
		sent->flow = cell_flow(c, sent->content);
		if (!sent->content)
			sent->flow.cookie = c->there->cookie;
		s->mods[n++] = (struct flow_mod) { op_of(sent->content), &sent->flow };
	}
	s->n_sent = *ret_n = n;
	return s->mods;
}

void cells_end(struct cells *s, bool done)
{
	for (size_t i = 0; i < s->n_sent; i++) {
		struct sent *sent = &s->sent[i];

		if (done)
			cell_there(sent->cell, sent->content);
		content_unref(sent->content);
		sent->cell->in_batch = false;
		settle(s, sent->cell);
	}
	s->n_sent = 0;
	free(take(&s->sent));
	free(take(&s->mods));
}

void cells_give_up(struct cells *s, size_t mod)
{
	if (mod >= s->n_sent)
		return;
	s->sent[mod].cell->given_up = true;
	settle(s, s->sent[mod].cell);
}
