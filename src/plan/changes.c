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
 * one, the new one, or broken.
 *
 *   1. out     Deleted records go, and ports and interfaces go down, from the start of the chain to its end
 *              (ports first: they are a start too): what is left is the old chain or a broken one. Unique values (a
 * network's segment, a peer's tunnel address, a DVR MAC, a port's device) are free before another record takes them.
 *   2. in      New and updated records come from the end of the chain to its start.
 *   3. out     What an updated record led to until now, and what another is there for now: without it
 *              packets would be lost meanwhile (a VM that moves away: its port goes last).
 *
 * A record whose old state leads to another that also gets a new state would, for a moment, join its
 * old half to the new one. It goes in 1, also if it stays, and comes back in 2 in its turn: such an
 * update is a removal and an addition, and its packets are dropped meanwhile. That is rare: a port that
 * moves, comes, goes or changes its addresses breaks nothing. (A port, a peer, a
 * segment are the start of some packets' way and the end of others': they come early, for the latter.) What a record
 * leads to is named by tokens; where it is a whole range (a route's neighbours) the token names the network, and so may
 * break a little more than it must.
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
	TOKEN_SUBNETS, /* a: network */
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
	case PLAN_SUBNET:
		token_add(&t, TOKEN_SUBNETS, r->subnet.key.network, NULL, 0);
		break;
	case PLAN_HOST:
	case PLAN_MEMBER:
	case PLAN_FLOOD:
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
		if (r->fdb.port) {
			token_add(&t, TOKEN_PORT, r->fdb.port, NULL, 0);
			token_add(&t, TOKEN_SUBNETS, r->fdb.key.network, NULL, 0);
		}
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

enum phase { PHASE_PORTS_OUT, PHASE_OUT, PHASE_IN, PHASE_OUT_LAST };

struct ordered {
	enum phase phase;
	const struct plan_change *change;
};

/* Tokens of all changes. */
struct sets {
	struct token_set new_states; /* names of what is added or updated */
	struct token_set taken; /* values that these own */
	struct token_set left; /* what updated records, and those that go last, led to */
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

static const struct plan_record *old_state(const struct plan_change *c)
{
	return c->op == PLAN_UPDATE ? &c->old : &c->record;
}

/* Gives up a value that another takes. */
static bool frees_taken(const struct plan_change *c, const struct sets *s)
{
	struct tokens t = owns(old_state(c)), kept = { 0 };

	if (c->op == PLAN_UPDATE)
		kept = owns(&c->record);
	for (size_t i = 0; i < t.n; i++)
		if ((kept.n == 0 || memcmp(&t.items[i], &kept.items[i], sizeof(t.items[i])) != 0) &&
		    set_has(&s->taken, &t.items[i]))
			return true;
	return false;
}

static bool must_go_first(const struct plan_change *c, const struct sets *s)
{
	struct tokens t = leads_to(old_state(c));

	if (c->op == PLAN_ADD)
		return false;
	if (frees_taken(c, s))
		return true;
	if (c->op == PLAN_UPDATE && c->record.table == PLAN_PORT)
		return turns(&c->old, &c->record); /* it is the start of its packets' way too */
	if (c->op == PLAN_UPDATE && !turns(&c->old, &c->record))
		return false;
	return set_has_any(&s->new_states, &t);
}

/* An interface or a port that goes down: from now on it only drops. */
static bool closes(const struct plan_change *c)
{
	if (c->op != PLAN_UPDATE)
		return false;
	if (c->record.table == PLAN_INTERFACE)
		return c->old.interface.up && !c->record.interface.up;
	return c->record.table == PLAN_PORT && c->old.port.up && !c->record.port.up;
}

/* Another prefix takes over some of this one's addresses: a route of the same part, a subnet of the same network. */
static bool takes_over(const struct plan_record *new, const struct plan_record *old)
{
	if (new->table != old->table)
		return false;
	if (new->table == PLAN_ROUTE)
		return memcmp(&new->route.key.part, &old->route.key.part, sizeof(struct plan_part)) == 0 &&
		       prefix_overlaps(&new->route.key.prefix, &old->route.key.prefix);
	return new->table == PLAN_SUBNET &&new->subnet.key.network ==
	       old->subnet.key.network &&prefix_overlaps(&new->subnet.key.prefix, &old->subnet.key.prefix);
}

/* Its packets have another way in the end, so it stays until that is there. */
static bool goes_last(const struct plan_change *c, const struct sets *s, const struct plan_changes *all)
{
	struct tokens t = names_of(&c->record);

	if (c->record.table == PLAN_INTERFACE)
		return false; /* its packets come by its own MAC */
	if (c->record.table == PLAN_FLOOD) {
		/* A station of the network moves: who is left last hears what is said meanwhile. */
		t.n = 0;
		token_add(&t, TOKEN_ANY_FDB, c->record.flood.key.network, NULL, 0);
		return set_has_any(&s->new_states, &t);
	}
	if (set_has_any(&s->left, &t))
		return true;
	if ((c->record.table != PLAN_ROUTE && c->record.table != PLAN_SUBNET) || !set_has_any(&s->new_states, &t))
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (all->items[i].op != PLAN_DELETE && takes_over(&all->items[i].record, &c->record))
			return true;
	return false;
}

static void collect_tokens(const struct plan_changes *c, struct sets *s)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct plan_change *item = &c->items[i];
		struct tokens t;

		if (item->op == PLAN_DELETE)
			continue;
		t = names_of(&item->record);
		set_add(&s->new_states, &t);
		t = owns(&item->record);
		set_add(&s->taken, &t);
		if (item->op == PLAN_ADD)
			continue;
		t = names_of(&item->old);
		set_add(&s->new_states, &t);
		if (closes(item))
			continue;
		t = leads_to(&item->old);
		set_add(&s->left, &t);
	}
}

static int by_table_down(const void *a, const void *b)
{
	const struct plan_change *x = a, *y = b;

	return (x->record.table < y->record.table) - (x->record.table > y->record.table);
}

/* From the start of the chain: what goes last keeps what it leads to. */
static enum phase phase_of(const struct plan_change *c, struct sets *s, const struct plan_changes *all)
{
	enum phase out = c->record.table == PLAN_PORT ? PHASE_PORTS_OUT : PHASE_OUT;
	struct tokens t;

	if (c->op != PLAN_DELETE)
		return closes(c) ? out : PHASE_IN;
	if (must_go_first(c, s) || !goes_last(c, s, all))
		return out;
	t = leads_to(&c->record);
	set_add(&s->left, &t);
	return PHASE_OUT_LAST;
}

static void replace_items(struct plan_changes *c, const struct ordered *order, size_t n)
{
	struct plan_change *items = xcalloc(n, sizeof(*items));

	for (size_t i = 0; i < n; i++)
		items[i] = *order[i].change;
	free(c->items);
	c->items = items;
	c->n = c->allocated = n;
}

void plan_changes_order(struct plan_changes *c)
{
	struct plan_changes split = { 0 };
	struct ordered *order;
	struct sets s = { 0 };

	if (c->n == 0)
		return;
	collect_tokens(c, &s);
	qsort(c->items, c->n, sizeof(*c->items), by_table_down);
	/* Twice the room: an update may become two. `split` must not move while `order` points into it. */
	split.allocated = 2 * c->n;
	split.items = xcalloc(split.allocated, sizeof(*split.items));
	order = xcalloc(split.allocated, sizeof(*order));
	for (size_t i = 0; i < c->n; i++) {
		const struct plan_change *item = &c->items[i];

		if (item->op == PLAN_UPDATE && must_go_first(item, &s)) {
			order[split.n] = (struct ordered) { PHASE_OUT, &split.items[split.n] };
			plan_changes_add(&split, PLAN_DELETE, &item->old, NULL);
			order[split.n] = (struct ordered) { PHASE_IN, &split.items[split.n] };
			plan_changes_add(&split, PLAN_ADD, &item->record, NULL);
			continue;
		}
		order[split.n] = (struct ordered) { phase_of(item, &s, c), &split.items[split.n] };
		split.items[split.n++] = *item;
	}
	qsort(order, split.n, sizeof(*order), by_phase);
	replace_items(c, order, split.n);
	free(order);
	plan_changes_fini(&split);
	set_fini(&s.new_states);
	set_fini(&s.taken);
	set_fini(&s.left);
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
