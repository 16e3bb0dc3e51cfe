/* SPDX-License-Identifier: Apache-2.0 */
#include "service/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "service/address.h"
#include "service/change.h"
#include "service/host.h"
#include "service/internal.h"
#include "service/network.h"
#include "service/placement.h"
#include "service/ready.h"
#include "store/changelog.h"
#include "store/ports.h"
#include "store/schema.h"

/*
 * The writer:
 *
 *   wait ──► take what is queued (≤ BATCH) ──► BEGIN ──► each: SAVEPOINT, run, log, RELEASE ──► COMMIT ──► done each
 *    ▲                                                        └─ failed: ROLLBACK TO                     │
 *    └───────────────────────────────────────────────────────────────────────────────────────────────────┘
 */
#define BATCH 128
#define LOG_KEEP 100000 /* positions */
#define LOG_SLACK 1000 /* trimmed only once in so many */
#define BEAT_DELAY_MS 1000 /* that heartbeats may wait for company */
#define READY_DELAY_MS 5 /* the same, while ports wait to hear that their peers are ready */

struct batch {
	struct service *service;
	struct job *jobs[BATCH];
	size_t n;
	uint64_t position; /* of the last line in the log */
	bool logged;
	int64_t now;
};

void service_queue(struct service *s, struct job *job)
{
	pthread_mutex_lock(&s->lock);
	LL_APPEND(s->queue, job);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static int run_in_savepoint(struct batch *b, struct job *job)
{
	struct service *s = b->service;
	struct tx tx = { s, s->db, s->change, &job->caller, b->now };
	int r;

	change_reset(s->change);
	if ((r = job->run(&tx, job, &job->err)) < 0)
		return r;
	if ((r = change_log(s->change, &tx, b->position + 1, &job->err)) <= 0)
		return r;
	b->position++;
	b->logged = true;
	return 0;
}

static void run_job(struct batch *b, struct job *job)
{
	struct db *db = b->service->db;
	int r;

	if ((job->r = db_savepoint(db, &job->err)) < 0)
		return;
	r = run_in_savepoint(b, job);
	if (r >= 0)
		r = db_savepoint_keep(db, &job->err);
	job->r = r < 0 ? r : 0;
	if (r >= 0)
		return;
	/* A constraint that nobody expected has no words yet. */
	if (job->err.kind == ERR_NONE)
		err_set(&job->err, ERR_INTERNAL, "HTTPInternalServerError",
			"Request Failed: internal server error while processing your request.");
	if (db_in_transaction(db))
		db_savepoint_undo(db, NULL);
}

static void fail_all(struct batch *b, int r, const struct err *err)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->jobs[i]->r < 0)
			continue;
		b->jobs[i]->r = r;
		b->jobs[i]->err = *err;
	}
}

static void trim(struct batch *b)
{
	struct service *s = b->service;

	if (b->position < s->trimmed + LOG_SLACK || b->position <= LOG_KEEP)
		return;
	if (changelog_trim(s->db, LOG_KEEP, NULL) >= 0)
		s->trimmed = b->position;
}

static void settle_ports(struct batch *b)
{
	struct tx tx = { b->service, b->service->db, b->service->change, NULL, b->now };
	struct err err = { 0 };

	if (ready_settle(&tx, &err) < 0)
		LOG_LIMIT(log_warn, 1, "a port's status was not stored: %s", err.text);
}

/*
 * Some errors (a full disk, memory, the disk's own) take the whole transaction away, not just the statement's
 * part of it. What ran before is undone then, and nothing may run after, for it would be no part of a whole.
 */
static int check_whole(struct batch *b, struct err *err)
{
	if (db_in_transaction(b->service->db))
		return 0;
	for (size_t i = 0; i < b->n; i++) {
		if (b->jobs[i]->r >= 0 || b->jobs[i]->err.kind != ERR_UNAVAILABLE)
			continue;
		*err = b->jobs[i]->err;
		return b->jobs[i]->r;
	}
	return err_set(err, ERR_UNAVAILABLE, "ServiceUnavailable", "The database is unavailable.");
}

static int run_jobs(struct batch *b, struct err *err)
{
	struct service *s = b->service;
	int r;

	/* Read anew each time: another process may write too (enroll). */
	if ((r = changelog_last(s->db, &b->position, err)) < 0)
		return r;
	host_flush_beats(s, s->db, b->now);
	for (size_t i = 0; i < b->n && (r = check_whole(b, err)) >= 0; i++)
		run_job(b, b->jobs[i]);
	if (r < 0 || (r = check_whole(b, err)) < 0)
		return r;
	settle_ports(b);
	trim(b);
	r = check_whole(b, err);
	return r < 0 ? r : db_commit(s->db, err);
}

static void run_batch(struct batch *b)
{
	struct service *s = b->service;
	struct err err = { 0 };
	int r;

	b->now = (int64_t)time(NULL);
	if ((r = db_begin(s->db, &err)) >= 0)
		r = run_jobs(b, &err);
	if (r < 0) {
		db_rollback(s->db);
		b->logged = false;
		fail_all(b, r, &err);
	}
	ready_end(s, r >= 0);
}

static void set_time(struct timespec *t, uint64_t after_ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += (time_t)(after_ms / 1000);
	t->tv_nsec += (long)(after_ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_nsec -= 1000000000;
		t->tv_sec++;
	}
}

/*
 * Until there is work; heartbeats alone wait for company, but not longer than their delay, and ports that wait for
 * their peers not longer than their patience.
 */
static void wait_for_work(struct service *s)
{
	uint64_t deadline = ready_deadline(s);
	struct timespec until = { .tv_sec = (time_t)(deadline / 1000), .tv_nsec = (long)(deadline % 1000) * 1000000 };
	bool beats = false;

	while (!s->queue && !s->stop) {
		if (!beats && host_has_beats(s)) {
			beats = true;
			set_time(&until, deadline ? READY_DELAY_MS : BEAT_DELAY_MS);
		}
		if (until.tv_sec == 0)
			pthread_cond_wait(&s->wake, &s->lock);
		else if (pthread_cond_timedwait(&s->wake, &s->lock, &until) == ETIMEDOUT)
			return;
	}
}

/* False: nothing is left, and nothing will come. */
static bool take_batch(struct service *s, struct batch *b)
{
	bool go_on;

	pthread_mutex_lock(&s->lock);
	wait_for_work(s);
	for (b->n = 0; s->queue && b->n < BATCH; b->n++) {
		b->jobs[b->n] = s->queue;
		LL_DELETE(s->queue, b->jobs[b->n]);
	}
	go_on = b->n > 0 || !s->stop || host_has_beats(s);
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static void *write_forever(void *arg)
{
	struct service *s = arg;
	struct batch b = { .service = s };

	while (take_batch(s, &b)) {
		b.logged = false;
		run_batch(&b);
		for (size_t i = 0; i < b.n; i++)
			b.jobs[i]->done(b.jobs[i]);
		if (b.logged && s->options.changed)
			s->options.changed(s->options.arg);
	}
	return NULL;
}

/* host_dvr_for_dhcp decides whether DHCP ports count as served: when it was changed, so does the placement. */
static int apply_dhcp_option(struct tx *tx, struct err *err)
{
	int64_t now = tx->service->options.host_dvr_for_dhcp, before;
	struct db_rows *q;
	int r = db_get_int(tx->db, -1, &before, err,
			   "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'host_dvr_for_dhcp'", DB_NONE);

	if (r < 0 || before == now)
		return r;
	r = db_run(tx->db, err,
		   "INSERT INTO meta (key, value) VALUES ('host_dvr_for_dhcp', $1)"
		   " ON CONFLICT (key) DO UPDATE SET value = $1",
		   DB(v_text(now ? "1" : "0")));
	if (r < 0 || before < 0)
		return r;
	q = db_query(tx->db,
		     "SELECT a.subnet, h.num FROM ports p JOIN hosts h ON h.num = p.host OR h.num = p.next"
		     " JOIN addresses a ON a.port = p.num WHERE p.device_owner = 'network:dhcp' AND h.registered",
		     DB_NONE);
	while ((r = db_next(q, err)) > 0) {
		if ((r = placement_serve(tx, db_u32(q, 1), db_u32(q, 0), now ? 1 : -1, err)) < 0)
			break;
	}
	db_end(q);
	return r;
}

static int run_dhcp_option(struct tx *tx, struct job *job, struct err *err)
{
	(void)job;
	return apply_dhcp_option(tx, err);
}

static void nothing_done(struct job *job)
{
	(void)job;
}

/* Before the writer starts. */
static int settle(struct service *s, struct err *err)
{
	struct job job = { .run = run_dhcp_option, .done = nothing_done };
	struct batch b = { .service = s, .jobs = { &job }, .n = 1 };

	run_batch(&b);
	if (job.r < 0)
		*err = job.err;
	return job.r;
}

static int read_options(struct service *s, const struct service_options *o, struct err *err)
{
	int n;

	s->options = *o;
	s->options.database = s->options.vni_ranges = NULL;
	if (address_mac_under(&o->base_mac, &o->dvr_base_mac) || address_mac_under(&o->dvr_base_mac, &o->base_mac))
		return err_set(err, ERR_BAD_REQUEST, "",
			       "dvr_base_mac must differ from base_mac: MACs of hosts and of ports would collide");
	if (mac_is_group(&o->base_mac) || mac_is_group(&o->dvr_base_mac))
		return err_set(err, ERR_BAD_REQUEST, "", "base_mac and dvr_base_mac must be unicast addresses");
	if (o->physnet_mtu < VXLAN_OVERHEAD + 68)
		return err_set(err, ERR_BAD_REQUEST, "", "global_physnet_mtu %u leaves no room for a network",
			       o->physnet_mtu);
	if (!o->vni_ranges || !*o->vni_ranges) {
		s->ranges[0] = (struct vni_range) { o->vni_min ? o->vni_min : 1, o->vni_max ? o->vni_max : 16777215 };
		s->n_ranges = 1;
		return 0;
	}
	n = network_parse_ranges(o->vni_ranges, s->ranges, N_ELEMENTS(s->ranges), err);
	s->n_ranges = n < 0 ? 0 : (size_t)n;
	return n < 0 ? n : 0;
}

static int open_database(struct service *s, const char *path, struct err *err)
{
	int r;

	s->database = xstrdup(path);
	if ((r = db_open(path, DB_WRITER, &s->db, err)) < 0 || (r = schema_migrate(s->db, err)) < 0 ||
	    (r = schema_incarnation(s->db, s->incarnation, err)) < 0)
		return r;
	return settle(s, err);
}

static void service_free(struct service *s)
{
	db_close(s->db);
	change_free(s->change);
	ready_free(s);
	address_close(s);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s->database);
	free(s);
}

int service_open(const struct service_options *options, struct service **ret, struct err *err)
{
	struct service *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;
	int r;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	s->change = change_new();
	r = read_options(s, options, err);
	if (r >= 0)
		r = open_database(s, options->database, err);
	if (r >= 0 && (r = -pthread_create(&s->writer, NULL, write_forever, s)) < 0)
		r = err_errno(err, r, "cannot start the writer");
	if (r < 0) {
		service_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void service_close(struct service *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->writer, NULL);
	service_free(s);
}

const char *service_incarnation(const struct service *s)
{
	return s->incarnation;
}

int service_reader_open(struct service *s, struct service_reader **ret, struct err *err)
{
	struct db *db;
	int r = db_open(s->database, DB_READER, &db, err);

	if (r < 0)
		return r;
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->service = s;
	(*ret)->db = db;
	return 0;
}

void service_reader_close(struct service_reader *r)
{
	if (!r)
		return;
	db_close(r->db);
	free(r);
}
