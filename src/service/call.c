/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "service/internal.h"
#include "service/router.h"

/* call: an API call in the writer: which row, under which condition, and the reply. */

struct call_job {
	struct job job;
	struct service_call *call;
};

struct service_call *service_call_new(void)
{
	struct service_call *call = xcalloc(1, sizeof(*call));

	call->if_match = -1;
	utstring_new(call->reply);
	return call;
}

void service_call_free(struct service_call *call)
{
	if (!call)
		return;
	json_decref(call->attrs);
	utstring_free(call->reply);
	free(call);
}

static int reply(struct tx *tx, const struct kind *k, const void *row, struct service_call *call, struct err *err)
{
	return kind_write(tx->db, k, tx->service, tx->caller, row, call->reply, err);
}

static int create_one(struct tx *tx, const struct kind *k, struct service_call *call, const json_t *attrs, void *row,
		      struct err *err)
{
	uint32_t num = 0;
	int r = k->create(tx, attrs, &num, err);

	if (r < 0 || (r = table_find_num(tx->db, k->table, num, row, err)) < 0)
		return r;
	return reply(tx, k, row, call, err);
}

/* All of a list, or, since a call that fails is rolled back, none. */
static int run_create(struct tx *tx, const struct kind *k, struct service_call *call, void *row, struct err *err)
{
	const json_t *attrs;
	size_t i;

	if (!json_is_array(call->attrs))
		return create_one(tx, k, call, call->attrs, row, err);
	utstring_bincpy(call->reply, "[", 1);
	json_array_foreach(call->attrs, i, attrs)
	{
		int r;

		if (i > 0)
			utstring_bincpy(call->reply, ",", 1);
		if ((r = create_one(tx, k, call, attrs, row, err)) < 0)
			return r;
	}
	utstring_bincpy(call->reply, "]", 1);
	return 0;
}

static int check_revision(const struct service_call *call, const struct base_row *base, struct err *err)
{
	if (call->if_match < 0 || call->if_match == base->revision)
		return 0;
	return err_set(err, ERR_PRECONDITION, "RevisionNumberConstraintFailed",
		       "Constrained to %" PRId64 ", but current revision is %" PRId64, call->if_match, base->revision);
}

static int run_update(struct tx *tx, const struct kind *k, struct service_call *call, void *row, struct err *err)
{
	struct base_row *base = row;
	uint32_t num;
	int r;

	if ((r = kind_get(tx->db, k, tx->caller, call->id, row, err)) < 0 || (r = check_revision(call, base, err)) < 0)
		return r;
	num = base->num;
	if ((r = k->update(tx, row, call->attrs, err)) < 0 || (r = table_find_num(tx->db, k->table, num, row, err)) < 0)
		return r;
	return reply(tx, k, row, call, err);
}

static int run_delete(struct tx *tx, const struct kind *k, struct service_call *call, void *row, struct err *err)
{
	int r;

	if ((r = kind_get(tx->db, k, tx->caller, call->id, row, err)) < 0 || (r = check_revision(call, row, err)) < 0)
		return r;
	return k->delete (tx, row, err);
}

static int run_call(struct tx *tx, struct job *job, struct err *err)
{
	struct service_call *call = ((struct call_job *)job)->call;
	const struct kind *k = kind_find(call->resource);
	_cleanup_(freep) void *row = k ? xmalloc(k->table->size) : NULL;

	if (!k)
		return err_set(err, ERR_NOT_FOUND, "HTTPNotFound", "The resource could not be found.");
	switch (call->op) {
	case SERVICE_CREATE:
		return run_create(tx, k, call, row, err);
	case SERVICE_UPDATE:
		return run_update(tx, k, call, row, err);
	case SERVICE_DELETE:
		return run_delete(tx, k, call, row, err);
	case SERVICE_ADD_ROUTER_INTERFACE:
		return router_add_interface(tx, call->id, call->attrs, call->reply, err);
	case SERVICE_REMOVE_ROUTER_INTERFACE:
		return router_remove_interface(tx, call->id, call->attrs, call->reply, err);
	}
	return -EINVAL;
}

static void call_done(struct job *job)
{
	struct service_call *call = ((struct call_job *)job)->call;

	call->r = job->r < 0 ? job->r : 0;
	call->err = job->err;
	if (job->r < 0)
		utstring_clear(call->reply);
	free(job);
	call->done(call, call->arg);
}

void service_submit(struct service *s, struct service_call *call)
{
	struct call_job *c = xcalloc(1, sizeof(*c));

	c->job.run = run_call;
	c->job.done = call_done;
	c->job.caller = call->caller;
	c->call = call;
	service_queue(s, &c->job);
}
