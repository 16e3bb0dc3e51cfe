/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* internal: what the files of this folder share. A transaction's state, and what each resource can do. */

#include <pthread.h>

#include "service/service.h"
#include "store/db.h"
#include "store/table.h"

struct change;
struct cursor;
struct placed;

#define SERVICE_MAX_RANGES 64
#define PORT_MAX_FIXED_IPS 5
#define VXLAN_OVERHEAD 50

struct vni_range {
	uint32_t first, last;
};

struct service {
	struct service_options options; /* its pointers are not kept */
	char *database;
	char incarnation[UUID_TEXT_SIZE];
	struct vni_range ranges[SERVICE_MAX_RANGES];
	size_t n_ranges;

	/* The writer's own: no lock. */
	pthread_t writer;
	struct db *db;
	struct cursor *cursors; /* where the next free address of a subnet is looked for */
	struct change *change;
	uint32_t vni_cursor;
	struct placed *placed; /* ports that are not up since they were placed (ready.c) */
	struct placed *waiting; /* of these, the ones whose peers are not ready */
	uint64_t trimmed; /* the log's end when it was last trimmed */

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *queue;
	struct beat *beats;
	bool stop;
};

struct service_reader {
	struct service *service;
	struct db *db;
};

/* One call inside of the writer's transaction. */
struct tx {
	struct service *service;
	struct db *db;
	struct change *change;
	const struct caller *caller;
	int64_t now; /* seconds since 1970 */
};

/* A piece of work for the writer. `done` is called after the commit, or after the failure. */
struct job {
	int (*run)(struct tx *tx, struct job *job, struct err *err);
	void (*done)(struct job *job);
	struct caller caller;
	int r;
	struct err err;
	struct job *next;
};

void service_queue(struct service *s, struct job *job);

/* A reply that is being written. */
struct view {
	struct jw w;
	const struct resource *resource;
	bool admin;
	const struct service *service;
};

/* What can be done with the rows of a resource. Rows are of the table's struct. */
struct kind {
	const struct resource *resource;
	const struct table *table;
	int (*create)(struct tx *tx, const json_t *attrs, uint32_t *ret_num, struct err *err);
	int (*update)(struct tx *tx, void *row, const json_t *attrs, struct err *err);
	int (*delete)(struct tx *tx, void *row, struct err *err);
	int (*write)(struct db *db, const void *row, struct view *v, struct err *err);
};

extern const struct kind kind_network, kind_subnet, kind_port, kind_router, kind_agent;
const struct kind *kind_find(const struct resource *resource);
int kind_not_found(const struct kind *k, const char *id, struct err *err);
/* The row of that UUID text if the caller may see it: 0, or -ENOENT with the type of the resource. */
int kind_get(struct db *db, const struct kind *k, const struct caller *caller, const char *id, void *row,
	     struct err *err);
/* The reply about a row. */
int kind_write(struct db *db, const struct kind *k, const struct service *s, const struct caller *caller,
	       const void *row, UT_string *out, struct err *err);

/* Reading attributes (checked before they get here). False: not given. */
bool attr_text(const json_t *attrs, const char *key, char *ret, size_t size);
bool attr_bool(const json_t *attrs, const char *key, bool *ret);
bool attr_u32(const json_t *attrs, const char *key, uint32_t *ret);
/* Keeps a list or a dictionary as text; an error when it is too long. */
int attr_json(const json_t *attrs, const char *key, char *ret, size_t size, struct err *err);

/* The attributes that all have: a new row's, and those that an update gives. */
void base_make(struct tx *tx, const json_t *attrs, struct base_row *ret);
void base_change(struct tx *tx, const json_t *attrs, struct base_row *base);

/* Parts of replies. */
bool view_may(const struct view *v, const char *name); /* may the caller see it? */
void view_head(struct view *v, const struct base_row *base);
void view_tail(struct view *v, const struct base_row *base); /* tags, times; and what has but one value */
void view_time(struct view *v, const char *name, int64_t seconds);
void view_uuid(struct view *v, const char *name, const struct uuid *id);
void view_ip(struct view *v, const char *name, const struct ip *ip); /* zero: null */
