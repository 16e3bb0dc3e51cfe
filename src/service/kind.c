/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "service/internal.h"

/* kind: finding and showing rows of any resource. */

static const struct kind *const kinds[] = { &kind_network, &kind_subnet, &kind_port, &kind_router, &kind_agent };

const struct kind *kind_find(const struct resource *resource)
{
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		if (kinds[i]->resource == resource)
			return kinds[i];
	}
	return NULL;
}

int kind_not_found(const struct kind *k, const char *id, struct err *err)
{
	const char *name = k->resource->name;

	return err_set(err, ERR_NOT_FOUND, k->resource->not_found, "%c%s %.255s could not be found.",
		       name[0] - 'a' + 'A', name + 1, id);
}

/* Where the one row goes that a query may find. */
struct kept {
	void *row;
	size_t size;
	bool found;
};

static int keep_row(const void *row, void *arg, struct err *err)
{
	struct kept *keep = arg;

	(void)err;
	memcpy(keep->row, row, keep->size);
	keep->found = true;
	return 0;
}

int kind_get(struct db *db, const struct kind *k, const struct caller *caller, const char *id, void *row,
	     struct err *err)
{
	struct kept keep = { .row = row, .size = k->table->size };
	struct table_query query = { .project = caller->admin ? NULL : caller->project_id };
	struct uuid uuid;
	int r;

	/* Any other way to write a UUID would be another name. */
	if (uuid_parse_text(id, &uuid) < 0)
		return kind_not_found(k, id, err);
	query.terms[0] = (struct table_term) { table_field(k->table, "id"), &id, 1 };
	query.n_terms = 1;
	if ((r = table_select(db, k->table, &query, keep_row, &keep, err)) < 0)
		return r;
	return keep.found ? 0 : kind_not_found(k, id, err);
}

int kind_write(struct db *db, const struct kind *k, const struct service *s, const struct caller *caller,
	       const void *row, UT_string *out, struct err *err)
{
	struct view v = { .w = jw_init(out), .resource = k->resource, .admin = caller->admin, .service = s };
	int r;

	jw_object(&v.w);
	r = k->write(db, row, &v, err);
	jw_end_object(&v.w);
	return r;
}

int service_show(struct service_reader *reader, const struct caller *caller, const struct resource *resource,
		 const char *id, UT_string *out, struct err *err)
{
	const struct kind *k = kind_find(resource);
	_cleanup_(freep) void *row = NULL;
	int r;

	if (!k)
		return err_set(err, ERR_NOT_FOUND, "HTTPNotFound", "The resource could not be found.");
	if ((r = db_begin(reader->db, err)) < 0)
		return r;
	row = xmalloc(k->table->size);
	r = kind_get(reader->db, k, caller, id, row, err);
	if (r >= 0)
		r = kind_write(reader->db, k, reader->service, caller, row, out, err);
	db_rollback(reader->db);
	return r < 0 ? r : 0;
}
