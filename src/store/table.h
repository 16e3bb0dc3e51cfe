/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * table: reading rows of one resource as values. Each resource's file describes its table (how
 * to select, which members can be filtered and sorted by); finding, filtering, sorting and paging
 * are written here once.
 *
 * Rows begin with a struct base_row.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "store/db.h"

#define TEXT_COLUMN_SIZE 1021 /* 255 characters of UTF-8, with the final NUL */
#define JSON_COLUMN_SIZE 4096

struct base_row {
	uint32_t num;
	struct uuid id;
	char project[TEXT_COLUMN_SIZE];
	char name[TEXT_COLUMN_SIZE];
	char description[TEXT_COLUMN_SIZE];
	int64_t created, updated; /* seconds since 1970 */
	int64_t revision;
};

/* The columns of a base_row, of the table that the query calls `t`. */
#define BASE_COLUMNS "t.num, t.id, t.project, t.name, t.description, t.created, t.updated, t.revision"
#define N_BASE_COLUMNS 8
void base_row_read(struct db_rows *q, struct base_row *ret);

enum table_type { TABLE_TEXT, TABLE_INT, TABLE_BOOL, TABLE_UUID, TABLE_MAC, TABLE_IP, TABLE_TIME };

struct table_field {
	const char *name; /* as in the API */
	enum table_type type;
	const char *sql; /* the value; or, with a '$' for the value, the condition */
};

/* The fields that every base_row has. */
#define BASE_FIELDS                                                                                                    \
	{ "id", TABLE_UUID, "t.id" }, { "name", TABLE_TEXT, "t.name" }, { "project_id", TABLE_TEXT, "t.project" },     \
		{ "description", TABLE_TEXT, "t.description" }, { "created_at", TABLE_TIME, "t.created" },             \
		{ "updated_at", TABLE_TIME, "t.updated" }, { "changed_since", TABLE_TIME, "t.updated >= $" },          \
	{                                                                                                              \
		"revision_number", TABLE_INT, "t.revision"                                                             \
	}

struct table {
	const char *select; /* "SELECT ... FROM ports t ..." */
	const char *by_num; /* the same with the condition that it has the number $1 */
	const char *visible; /* what a project may see, $ being it; NULL: nothing */
	const struct table_field *fields; /* ends with a NULL name */
	size_t size; /* of a row */
	void (*read)(struct db_rows *q, void *row);
};

const struct table_field *table_field(const struct table *t, const char *name); /* or NULL */

/* 1 and the row, or 0. */
int table_find_num(struct db *db, const struct table *t, uint32_t num, void *row, struct err *err);

#define TABLE_MAX_TERMS 64
#define TABLE_MAX_VALUES 500 /* of one field */
#define TABLE_MAX_SORT 4

struct table_term {
	const struct table_field *field;
	const char *const *values; /* any of them; text in the API's form */
	size_t n;
};

struct table_query {
	struct table_term terms[TABLE_MAX_TERMS];
	size_t n_terms;
	const char *project; /* what this project may see; NULL: all */
	const struct table_field *sort[TABLE_MAX_SORT];
	bool descending[TABLE_MAX_SORT];
	size_t n_sort; /* then by num */
	uint32_t after; /* the row after which the page begins; 0: none */
	bool reverse; /* the page before `after`, from its end */
	uint64_t limit; /* 0: none */
};

typedef int (*table_fn)(const void *row, void *arg, struct err *err);
int table_select(struct db *db, const struct table *t, const struct table_query *q, table_fn fn, void *arg,
		 struct err *err);
