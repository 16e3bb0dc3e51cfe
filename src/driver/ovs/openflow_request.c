/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/openflow_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define DUMP_MAX 4000000 /* items and parts; more is a switch that does not come to an end */
#define METER_EXISTS_TYPE 12
#define METER_EXISTS_CODE 1

static struct request *make(const struct request_kind *kind, uint32_t xid, uint32_t n_xids)
{
	struct request *q = xcalloc(1, sizeof(*q));

	q->kind = kind;
	q->xid = xid;
	q->n_xids = n_xids;
	return q;
}

struct request *request_free(struct request *q)
{
	if (!q)
		return NULL;
	if (q->kind->fini)
		q->kind->fini(q);
	ofp_out_fini(&q->out);
	free(q);
	return NULL;
}

static int unexpected(const struct request *q, const struct ofp_message *m, struct err *err)
{
	err_set(err, ERR_INTERNAL, "", "%s in answer to %s", ofp_type_name(m->type), q->kind->name);
	return -EPROTO;
}

int request_message(struct request *q, const struct ofp_message *m, struct err *err)
{
	struct openflow_error e;
	int r;

	if (m->type != OFP_ERROR)
		return q->kind->message(q, m, err);
	r = ofp_read_error(m, &e, err);
	return r < 0 ? r : q->kind->error(q, m->xid, &e, err);
}

void request_end(struct request *q, int r, const char *why)
{
	if (!q->cancelled)
		q->kind->end(q, r, why);
}

/* A refusal: the first one is what the request came to. */
static void refused(struct request *q, const struct openflow_error *e)
{
	if (q->r == 0)
		snprintf(q->why, sizeof(q->why), "%s", e->text);
	q->r = -EBADMSG;
}

/* ---- hello, echo, batch: over when the last of its xids is answered ---- */

static void plain_end(struct request *q, int r, const char *why)
{
	if (q->plain.done)
		q->plain.done(r, why, q->plain.arg);
}

static int plain_broken(struct request *q, uint32_t xid, const struct openflow_error *e, struct err *err)
{
	(void)xid;
	err_set(err, ERR_INTERNAL, "", "%s in answer to %s", e->text, q->kind->name);
	return -EPROTO;
}

static int hello_message(struct request *q, const struct ofp_message *m, struct err *err)
{
	int r;

	if (m->type == OFP_BARRIER_REPLY && q->n_xids == 3)
		return 1;
	if (m->type != OFP_HELLO || q->n_xids == 3)
		return unexpected(q, m, err);
	r = ofp_read_hello(m, err);
	if (r < 0)
		return r;
	q->n_xids = 3;
	ofp_put_set_config(&q->out, q->xid + 1);
	ofp_put_plain(&q->out, OFP_BARRIER_REQUEST, q->xid + 2, NULL, 0);
	return 0;
}

static int echo_message(struct request *q, const struct ofp_message *m, struct err *err)
{
	return m->type == OFP_ECHO_REPLY ? 1 : unexpected(q, m, err);
}

static int batch_message(struct request *q, const struct ofp_message *m, struct err *err)
{
	if (m->type != OFP_BARRIER_REPLY || m->xid != q->xid + q->n_xids - 1)
		return unexpected(q, m, err);
	return 1;
}

static int batch_error(struct request *q, uint32_t xid, const struct openflow_error *e, struct err *err)
{
	if (xid == q->xid + q->n_xids - 1)
		return plain_broken(q, xid, e, err);
	/* A meter that exists is changed by the message behind. */
	if (e->type != METER_EXISTS_TYPE || e->code != METER_EXISTS_CODE)
		refused(q, e);
	return 0;
}

static const struct request_kind hello = { "hello", hello_message, plain_broken, plain_end, NULL };
static const struct request_kind echo = { "echo", echo_message, plain_broken, plain_end, NULL };
static const struct request_kind delete = { "delete", batch_message, batch_error, plain_end, NULL };
static const struct request_kind meter_mods = { "meter-mod", batch_message, batch_error, plain_end, NULL };

struct request *request_hello(uint32_t xid, openflow_done done, void *arg)
{
	/* It has its other xids from the moment on that the switch speaks. */
	struct request *q = make(&hello, xid, 1);

	q->plain.done = done;
	q->plain.arg = arg;
	ofp_put_hello(&q->out, xid);
	return q;
}

struct request *request_echo(uint32_t xid)
{
	struct request *q = make(&echo, xid, 1);

	ofp_put_plain(&q->out, OFP_ECHO_REQUEST, xid, NULL, 0);
	return q;
}

struct request *request_delete(uint32_t xid, uint64_t cookie, uint64_t mask, openflow_done done, void *arg)
{
	struct request *q = make(&delete, xid, 2);

	q->plain.done = done;
	q->plain.arg = arg;
	ofp_put_delete(&q->out, xid, cookie, mask);
	ofp_put_plain(&q->out, OFP_BARRIER_REQUEST, xid + 1, NULL, 0);
	return q;
}

/* A meter is added and then modified: one of the two is right, and either way it is what it should be. (Deleted
 * first, it would take the flows along that use it.) */
struct request *request_meters(uint32_t xid, const struct openflow_meter *meters, size_t n, openflow_done done,
			       void *arg)
{
	struct request *q = make(&meter_mods, xid, 0);

	q->plain.done = done;
	q->plain.arg = arg;
	for (size_t i = 0; i < n; i++) {
		if (meters[i].rate == 0) {
			ofp_put_meter(&q->out, xid + q->n_xids++, OFP_METER_DELETE, &meters[i]);
			continue;
		}
		ofp_put_meter(&q->out, xid + q->n_xids++, OFP_METER_ADD, &meters[i]);
		ofp_put_meter(&q->out, xid + q->n_xids++, OFP_METER_MODIFY, &meters[i]);
	}
	ofp_put_plain(&q->out, OFP_BARRIER_REQUEST, xid + q->n_xids++, NULL, 0);
	return q;
}

/* ---- dump: parts with items ---- */

static void give_flow(struct request *q, const struct ofp_flow_item *item)
{
	struct flow f;

	flow_init(&f, item->table, item->priority, item->cookie);
	if (flow_decode(&f, item->match, item->match_len, item->instructions, item->instructions_len))
		q->dump.flow(&f, &item->stats, q->dump.arg);
	flow_fini(&f);
}

static int dump_item(struct request *q, struct ofp_part *p, struct err *err)
{
	struct ofp_meter_item meter;
	struct ofp_flow_item flow;
	int r;

	if (q->dump.flow) {
		r = ofp_read_flow(p, &flow, err);
		if (r > 0)
			give_flow(q, &flow);
	} else {
		r = ofp_read_meter(p, &meter, err);
		if (r > 0)
			q->dump.meter(meter.id, &meter.in, &meter.dropped, q->dump.arg);
	}
	return r;
}

static int dump_message(struct request *q, const struct ofp_message *m, struct err *err)
{
	struct ofp_part p;
	int r;

	if (m->type != OFP_MULTIPART_REPLY)
		return unexpected(q, m, err);
	r = ofp_read_part(m, &p, err);
	if (r < 0)
		return r;
	if (p.type != (q->dump.flow ? OFP_MULTIPART_FLOW : OFP_MULTIPART_METER))
		return unexpected(q, m, err);
	while (!q->cancelled && (r = dump_item(q, &p, err)) > 0)
		q->dump.n++;
	if (r >= 0 && p.more && ++q->dump.n > DUMP_MAX) {
		err_set(err, ERR_INTERNAL, "", "%s does not come to an end", q->kind->name);
		return -EPROTO;
	}
	return r < 0 ? r : !p.more;
}

static int dump_error(struct request *q, uint32_t xid, const struct openflow_error *e, struct err *err)
{
	(void)xid;
	(void)err;
	refused(q, e);
	return 1;
}

static void dump_end(struct request *q, int r, const char *why)
{
	q->dump.done(r, why, q->dump.arg);
}

static const struct request_kind dump = { "dump", dump_message, dump_error, dump_end, NULL };
static const struct request_kind meter_stats = { "meter statistics", dump_message, dump_error, dump_end, NULL };

struct request *request_dump(uint32_t xid, uint8_t table, uint64_t cookie, uint64_t mask, openflow_flow_fn fn,
			     openflow_done done, void *arg)
{
	struct request *q = make(&dump, xid, 1);

	q->dump.flow = fn;
	q->dump.done = done;
	q->dump.arg = arg;
	ofp_put_dump(&q->out, xid, table, cookie, mask);
	return q;
}

struct request *request_meter_stats(uint32_t xid, openflow_meter_fn fn, openflow_done done, void *arg)
{
	struct request *q = make(&meter_stats, xid, 1);

	q->dump.meter = fn;
	q->dump.done = done;
	q->dump.arg = arg;
	ofp_put_meter_stats(&q->out, xid);
	return q;
}

/* ---- bundle: xids of open, the adds, barrier, commit or discard. Its first xid is its id, too. ---- */

#define BUNDLE_BARRIER(q) ((q)->xid + 1 + (uint32_t)(q)->bundle.n)
#define BUNDLE_CLOSE(q) (BUNDLE_BARRIER(q) + 1)

static void bundle_refused(struct request *q, size_t mod, const struct openflow_error *e)
{
	q->r = -EBADMSG;
	if (q->bundle.n_errors == OPENFLOW_ERRORS)
		return;
	if (q->bundle.n_errors == q->bundle.max_errors) {
		q->bundle.max_errors = q->bundle.max_errors ? 2 * q->bundle.max_errors : 8;
		q->bundle.errors = xrealloc(q->bundle.errors, q->bundle.max_errors * sizeof(*e));
	}
	q->bundle.errors[q->bundle.n_errors] = *e;
	q->bundle.errors[q->bundle.n_errors++].mod = mod;
}

static void bundle_close(struct request *q)
{
	q->bundle.committing = q->r == 0;
	ofp_put_bundle_control(&q->out, BUNDLE_CLOSE(q), q->xid,
			       q->bundle.committing ? OFP_BUNDLE_COMMIT : OFP_BUNDLE_DISCARD);
}

static int bundle_message(struct request *q, const struct ofp_message *m, struct err *err)
{
	enum ofp_bundle_control what;
	uint32_t id;
	int r;

	if (m->type == OFP_BARRIER_REPLY && m->xid == BUNDLE_BARRIER(q)) {
		bundle_close(q);
		return 0;
	}
	if (m->type != OFP_BUNDLE_CONTROL)
		return unexpected(q, m, err);
	r = ofp_read_bundle_control(m, &id, &what, err);
	if (r < 0)
		return r;
	if (id == q->xid && m->xid == q->xid && what == OFP_BUNDLE_OPENED)
		return 0;
	if (id == q->xid && m->xid == BUNDLE_CLOSE(q) &&
	    what == (q->bundle.committing ? OFP_BUNDLE_COMMITTED : OFP_BUNDLE_DISCARDED))
		return 1;
	return unexpected(q, m, err);
}

/*
 * A mod is refused when it is added, or at the commit, which then fails as a whole. The bundle's time-out is
 * told with the xid of its opening.
 */
static int bundle_error(struct request *q, uint32_t xid, const struct openflow_error *e, struct err *err)
{
	if (xid == BUNDLE_BARRIER(q))
		return plain_broken(q, xid, e, err);
	if (xid != q->xid && xid != BUNDLE_CLOSE(q)) {
		bundle_refused(q, xid - q->xid - 1, e);
		return 0;
	}
	/* A commit that failed says which mod it was, and then that it failed: no news. */
	if (q->r == 0)
		bundle_refused(q, SIZE_MAX, e);
	return xid == BUNDLE_CLOSE(q);
}

static void bundle_end(struct request *q, int r, const char *why)
{
	(void)why;
	q->bundle.done(r, r == -EBADMSG ? q->bundle.errors : NULL, r == -EBADMSG ? q->bundle.n_errors : 0,
		       q->bundle.arg);
}

static void bundle_fini(struct request *q)
{
	free(q->bundle.errors);
}

static const struct request_kind bundle = { "bundle", bundle_message, bundle_error, bundle_end, bundle_fini };

struct request *request_bundle(uint32_t xid, const struct flow_mod *mods, size_t n, openflow_bundle_done done,
			       void *arg)
{
	struct request *q = make(&bundle, xid, (uint32_t)n + 3);
	size_t size = 64;

	q->bundle.done = done;
	q->bundle.arg = arg;
	q->bundle.n = n;
	for (size_t i = 0; i < n; i++)
		size += ofp_bundle_add_size(mods[i].flow);
	ofp_out_reserve(&q->out, size);
	ofp_put_bundle_control(&q->out, xid, xid, OFP_BUNDLE_OPEN);
	for (size_t i = 0; i < n; i++)
		ofp_put_bundle_add(&q->out, xid + 1 + (uint32_t)i, xid, &mods[i]);
	ofp_put_plain(&q->out, OFP_BARRIER_REQUEST, BUNDLE_BARRIER(q), NULL, 0);
	return q;
}
