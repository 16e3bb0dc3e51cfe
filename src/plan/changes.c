/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"
#include "plan/plan.h"

/*
 * The order of changes.
 *
 * A packet reads a chain of records: interface → route → neighbour → fdb → port or peer, with the
 * segment beside. A state in between is safe when the chain that a packet finds in it is the old
 * one, the new one, or broken. Three rules make that so:
 *
 *   leaves first   New and updated records go in from the end of the chain to its start; deleted
 *                  ones go out from its start to its end.
 *   free first     A value that only one record may have (a network's segment, a peer's tunnel
 *                  address, a DVR MAC, a port's device) is given up before another takes it.
 *   break first    A record whose old state leads to another that also gets a new state would, for
 *                  a moment, join its old half to the new one. It is taken out before, and put back
 *                  (if it comes back) in its turn: those packets are dropped for that moment.
 *
 * The last two are why an update may become a removal and an addition. They are rare: a port that
 * moves, comes, goes or changes its addresses breaks nothing. What a record leads to is named by
 * tokens; where it is a whole range (a route's neighbours) the token names the network, and so
 * may break a little more than it must.
 */

struct token {
	uint32_t kind;
	uint32_t a;
	uint8_t b[16];
};

/* What a record leads to, and what it alone has. */
enum token_kind {
	TOKEN_SEGMENT = 1, /* a: network */
	TOKEN_PEER, /* a: host */
	TOKEN_ANY_PEER,
	TOKEN_PORT, /* a: port */
	TOKEN_FDB, /* a: network, b: MAC */
	TOKEN_ANY_FDB, /* a: network */
	TOKEN_NEIGHBOURS, /* a: network */
	TOKEN_ROUTES, /* a: router, b: part */
	TOKEN_INTERFACE, /* a: network, b: MAC */
	TOKEN_ONE_SEGMENT, /* a: network that has it */
	TOKEN_ONE_TUNNEL, /* b: address */
	TOKEN_ONE_DVR_MAC, /* b: MAC */
	TOKEN_ONE_DEVICE, /* b: the part of the UUID that names the device */
};

struct token_set {
	struct token_node {
		struct token token;
		UT_hash_handle hh;
	} * nodes;
};

#define TOKENS_MAX 6
struct tokens {
	size_t n;
	struct token items[TOKENS_MAX];
};

static void token_add(struct tokens *t, enum token_kind kind, uint32_t a, const void *b, size_t size)
{
	struct token *token = &t->items[t->n++];

	memset(token, 0, sizeof(*token));
	token->kind = kind;
	token->a = a;
	if (b)
		memcpy(token->b, b, size);
}

static bool set_has(const struct token_set *s, const struct token *token)
{
	struct token_node *n;

	HASH_FIND(hh, s->nodes, token, sizeof(*token), n);
	return n;
}

static bool set_has_any(const struct token_set *s, const struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->n; i++)
		if (set_has(s, &tokens->items[i]))
			return true;
	return false;
}

static void set_add(struct token_set *s, const struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->n; i++) {
		struct token_node *n;

		if (set_has(s, &tokens->items[i]))
			continue;
		n = xcalloc(1, sizeof(*n));
		n->token = tokens->items[i];
		HASH_ADD(hh, s->nodes, token, sizeof(n->token), n);
	}
}

static void set_fini(struct token_set *s)
{
	struct token_node *n, *tmp;

	HASH_ITER (hh, s->nodes, n, tmp) {
		HASH_DEL(s->nodes, n);
		free(n);
	}
}

/* What other records may lead to it by. */
static struct tokens names_of(const struct plan_record *r)
{
	struct tokens t = { 0 };

	switch (r->table) {
	case PLAN_SEGMENT:
		token_add(&t, TOKEN_SEGMENT, r->segment.network, NULL, 0);
		break;
	case PLAN_PEER:
		token_add(&t, TOKEN_PEER, r->peer.key.host, NULL, 0);
		token_add(&t, TOKEN_ANY_PEER, 0, NULL, 0);
		break;
	case PLAN_PORT:
		token_add(&t, TOKEN_PORT, r->port.key.port, NULL, 0);
		break;
	case PLAN_FDB:
		token_add(&t, TOKEN_FDB, r->fdb.key.network, &r->fdb.key.mac, sizeof(struct mac));
		token_add(&t, TOKEN_ANY_FDB, r->fdb.key.network, NULL, 0);
		break;
	case PLAN_NEIGHBOUR:
		token_add(&t, TOKEN_NEIGHBOURS, r->neighbour.key.network, NULL, 0);
		break;
	case PLAN_ROUTE:
		token_add(&t, TOKEN_ROUTES, r->route.key.part.router, &r->route.key.part.kind, 1);
		break;
	case PLAN_INTERFACE:
		token_add(&t, TOKEN_INTERFACE, r->interface.key.network, &r->interface.key.mac, sizeof(struct mac));
		break;
	case PLAN_HOST:
	case PLAN_MEMBER:
	case PLAN_FLOOD:
	case PLAN_SUBNET:
		break;
	}
	return t;
}

static void leads_to_network(struct tokens *t, uint32_t network)
{
	token_add(t, TOKEN_SEGMENT, network, NULL, 0);
	token_add(t, TOKEN_ANY_PEER, 0, NULL, 0);
}

/* What a packet that reads this record goes on to read. */
static struct tokens leads_to(const struct plan_record *r)
{
	struct tokens t = { 0 };

	switch (r->table) {
	case PLAN_PORT:
		token_add(&t, TOKEN_SEGMENT, r->port.network, NULL, 0);
		break;
	case PLAN_FDB:
		token_add(&t, TOKEN_SEGMENT, r->fdb.key.network, NULL, 0);
		if (r->fdb.port)
			token_add(&t, TOKEN_PORT, r->fdb.port, NULL, 0);
		if (r->fdb.peer)
			token_add(&t, TOKEN_PEER, r->fdb.peer, NULL, 0);
		break;
	case PLAN_FLOOD:
		token_add(&t, TOKEN_SEGMENT, r->flood.key.network, NULL, 0);
		token_add(&t, TOKEN_PEER, r->flood.key.host, NULL, 0);
		break;
	case PLAN_NEIGHBOUR:
		leads_to_network(&t, r->neighbour.key.network);
		token_add(&t, TOKEN_FDB, r->neighbour.key.network, &r->neighbour.mac, sizeof(struct mac));
		token_add(&t, TOKEN_INTERFACE, r->neighbour.key.network, &r->neighbour.mac, sizeof(struct mac));
		break;
	case PLAN_ROUTE:
		leads_to_network(&t, r->route.network);
		token_add(&t, TOKEN_NEIGHBOURS, r->route.network, NULL, 0);
		token_add(&t, TOKEN_ANY_FDB, r->route.network, NULL, 0);
		break;
	case PLAN_INTERFACE:
		if (r->interface.up)
			token_add(&t, TOKEN_ROUTES, r->interface.part.router, &r->interface.part.kind, 1);
		break;
	case PLAN_HOST:
	case PLAN_PEER:
	case PLAN_SEGMENT:
	case PLAN_MEMBER:
	case PLAN_SUBNET:
		break;
	}
	return t;
}

/* The update sends packets another way; otherwise its two states join to the same. */
static bool turns(const struct plan_record *old, const struct plan_record *new)
{
	switch (new->table) {
	case PLAN_PORT:
		return old->port.network != new->port.network;
	case PLAN_FDB:
		return old->fdb.port != new->fdb.port || old->fdb.peer != new->fdb.peer;
	case PLAN_INTERFACE:
		return memcmp(&old->interface.part, &new->interface.part, sizeof(struct plan_part)) != 0;
	case PLAN_NEIGHBOUR:
	case PLAN_ROUTE:
		return true;
	case PLAN_HOST:
	case PLAN_PEER:
	case PLAN_SEGMENT:
	case PLAN_MEMBER:
	case PLAN_FLOOD:
	case PLAN_SUBNET:
		return false;
	}
	abort();
}

/* Values that no two records may have at one time. */
static struct tokens owns(const struct plan_record *r)
{
	struct tokens t = { 0 };

	if (r->table == PLAN_SEGMENT) {
		token_add(&t, TOKEN_ONE_SEGMENT, r->segment.network, NULL, 0);
	} else if (r->table == PLAN_HOST) {
		token_add(&t, TOKEN_ONE_TUNNEL, 0, &r->host.tunnel, sizeof(struct ip));
		token_add(&t, TOKEN_ONE_DVR_MAC, 0, &r->host.dvr_mac, sizeof(struct mac));
	} else if (r->table == PLAN_PEER) {
		token_add(&t, TOKEN_ONE_TUNNEL, 0, &r->peer.tunnel, sizeof(struct ip));
		token_add(&t, TOKEN_ONE_DVR_MAC, 0, &r->peer.dvr_mac, sizeof(struct mac));
	} else if (r->table == PLAN_PORT) {
		/* The device has the first 11 characters of the UUID: 8 digits, '-', 2 digits. */
		token_add(&t, TOKEN_ONE_DEVICE, 0, r->port.uuid.b, 5);
	}
	return t;
}

/* ------------------------------------------------------------------ the three phases */

enum phase { PHASE_OUT_FIRST, PHASE_IN, PHASE_OUT };

struct ordered {
	enum phase phase;
	const struct plan_change *change;
};

/* Tables from the end of a packet's chain to its start are in the order of the enum. */
static int by_phase(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int c;

	if (x->phase != y->phase)
		return x->phase > y->phase ? 1 : -1;
	c = plan_record_cmp(&x->change->record, &y->change->record);
	return x->phase == PHASE_IN ? c : -c;
}

static bool must_go_first(const struct plan_change *c, const struct token_set *new_states,
			  const struct token_set *taken)
{
	const struct plan_record *old = c->op == PLAN_UPDATE ? &c->old : &c->record;
	struct tokens t;

	if (c->op == PLAN_ADD)
		return false;
	t = owns(old);
	if (c->op == PLAN_UPDATE) {
		/* What it keeps is not given up. */
		struct tokens kept = owns(&c->record), given = { 0 };

		for (size_t i = 0; i < t.n; i++)
			if (memcmp(&t.items[i], &kept.items[i], sizeof(t.items[i])) != 0)
				given.items[given.n++] = t.items[i];
		t = given;
	}
	if (set_has_any(taken, &t))
		return true;
	if (c->op == PLAN_UPDATE && !turns(old, &c->record))
		return false;
	t = leads_to(old);
	return set_has_any(new_states, &t);
}

static void collect_tokens(const struct plan_changes *c, struct token_set *new_states, struct token_set *taken)
{
	for (size_t i = 0; i < c->n; i++) {
		struct tokens t;

		if (c->items[i].op == PLAN_DELETE)
			continue;
		t = names_of(&c->items[i].record);
		set_add(new_states, &t);
		if (c->items[i].op == PLAN_UPDATE) {
			t = names_of(&c->items[i].old);
			set_add(new_states, &t);
		}
		t = owns(&c->items[i].record);
		set_add(taken, &t);
	}
}

void plan_changes_order(struct plan_changes *c)
{
	struct token_set new_states = { 0 }, taken = { 0 };
	struct plan_changes split = { 0 };
	struct ordered *order;

	if (c->n == 0)
		return;
	collect_tokens(c, &new_states, &taken);
	/* Twice the room: an update may become two. `split` must not move while `order` points into it. */
	split.allocated = 2 * c->n;
	split.items = xcalloc(split.allocated, sizeof(*split.items));
	order = xcalloc(split.allocated, sizeof(*order));
	for (size_t i = 0; i < c->n; i++) {
		const struct plan_change *item = &c->items[i];
		bool first = must_go_first(item, &new_states, &taken);

		if (first && item->op == PLAN_UPDATE) {
			plan_changes_add(&split, PLAN_DELETE, &item->old, NULL);
			order[split.n - 1] = (struct ordered) { PHASE_OUT_FIRST, &split.items[split.n - 1] };
			plan_changes_add(&split, PLAN_ADD, &item->record, NULL);
			order[split.n - 1] = (struct ordered) { PHASE_IN, &split.items[split.n - 1] };
			continue;
		}
		split.items[split.n++] = *item;
		order[split.n - 1] = (struct ordered) { first                     ? PHASE_OUT_FIRST
							: item->op == PLAN_DELETE ? PHASE_OUT
										  : PHASE_IN,
							&split.items[split.n - 1] };
	}
	qsort(order, split.n, sizeof(*order), by_phase);
	if (c->allocated < split.n) {
		c->items = xrealloc(c->items, split.n * sizeof(*c->items));
		c->allocated = split.n;
	}
	c->n = split.n;
	for (size_t i = 0; i < split.n; i++)
		c->items[i] = *order[i].change;
	free(order);
	plan_changes_fini(&split);
	set_fini(&new_states);
	set_fini(&taken);
}

/* ------------------------------------------------------------------ the list */

void plan_changes_fini(struct plan_changes *c)
{
	free(c->items);
	memset(c, 0, sizeof(*c));
}

void plan_changes_add(struct plan_changes *c, enum plan_op op, const struct plan_record *record,
		      const struct plan_record *old)
{
	struct plan_change *item;

	if (c->n == c->allocated) {
		c->allocated = c->allocated ? 2 * c->allocated : 16;
		c->items = xrealloc(c->items, c->allocated * sizeof(*c->items));
	}
	item = &c->items[c->n++];
	item->op = op;
	item->record = *record;
	if (old)
		item->old = *old;
	else
		memset(&item->old, 0, sizeof(item->old));
}

void plan_changes_format(const struct plan_changes *c, UT_string *out)
{
	static const char *const signs[] = { [PLAN_ADD] = "+ ", [PLAN_UPDATE] = "~ ", [PLAN_DELETE] = "- " };

	for (size_t i = 0; i < c->n; i++) {
		utstring_printf(out, "%s", signs[c->items[i].op]);
		plan_record_format(&c->items[i].record, out);
		utstring_printf(out, "\n");
	}
}
