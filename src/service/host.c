/* SPDX-License-Identifier: Apache-2.0 */
#include "service/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uthash.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "service/address.h"
#include "service/change.h"
#include "service/placement.h"
#include "service/port.h"
#include "service/ready.h"
#include "store/agents.h"
#include "store/hosts.h"

#define MAC_TRIES 64

/* Heartbeats that wait to be written; the newest of each host. */
struct beat {
	uint32_t host;
	uint64_t applied;
	bool held;
	UT_hash_handle hh;
};

int host_ref(struct tx *tx, const char *name, uint32_t *ret, struct err *err)
{
	int64_t num;
	int r = db_get_int(tx->db, 0, &num, err, "SELECT num FROM hosts WHERE name = $1", DB(v_text(name)));

	if (r < 0)
		return r;
	*ret = (uint32_t)num;
	if (num)
		return 0;
	if ((r = hosts_insert(tx->db, name, ret, err)) < 0)
		return r;
	/* What it always needs. No line in the log: nobody can follow as this host yet. */
	return db_run(tx->db, err, "INSERT INTO needs (host, kind, num, count) VALUES ($1, $2, $1, 1)",
		      DB(v_int(*ret), v_int(UNIT_HOST)));
}

static void touch(struct tx *tx, uint32_t host)
{
	change_touch(tx->change, UNIT_HOST, host, OBJECT_HOST, host, 0);
	change_touch(tx->change, UNIT_PEER, host, OBJECT_PEER, host, 0);
}

static bool mode_has_routers(const char *mode)
{
	return strcmp(mode, "dvr") == 0 || strcmp(mode, "dvr_snat") == 0 || strcmp(mode, "dvr_no_external") == 0;
}

int host_judge(struct tx *tx, uint32_t num, struct err *err)
{
	struct host_row h;
	int64_t disabled;
	bool capable;
	int r = hosts_find(tx->db, num, &h, err);

	if (r <= 0)
		return r;
	r = db_get_int(tx->db, 0, &disabled, err,
		       "SELECT count(*) FROM agents WHERE host = $1 AND face = $2 AND NOT admin_state_up",
		       DB(v_int(num), v_int(AGENT_FACE_L3)));
	if (r < 0)
		return r;
	capable = h.registered && mode_has_routers(h.agent_mode) && !disabled;
	if (capable == h.capable)
		return 0;
	h.capable = capable;
	r = hosts_update(tx->db, &h, err);
	return r < 0 ? r : placement_host(tx, num, capable, err);
}

static int choose_dvr_mac(struct tx *tx, struct host_row *h, struct err *err)
{
	for (int i = 0; i < MAC_TRIES; i++) {
		_cleanup_(db_endp) struct db_rows *q = NULL;
		int r;

		address_random_mac(&tx->service->options.dvr_base_mac, &h->dvr_mac);
		if ((r = hosts_dvr_mac_taken(tx->db, &h->dvr_mac, err)) < 0)
			return r;
		if (r > 0)
			continue;
		q = db_query(tx->db, "SELECT 1 FROM ports WHERE mac = $1", DB(v_mac(&h->dvr_mac)));
		if ((r = db_next(q, err)) <= 0)
			return r;
	}
	return err_set(err, ERR_UNAVAILABLE, "HostMacAddressGenerationFailure",
		       "Unable to generate a unique DVR MAC for host %.64s.", h->name);
}

/* Its ports were waiting for a host that can serve them. */
static int admit(struct tx *tx, struct host_row *h, struct err *err)
{
	int r;

	if (h->registered)
		return 0;
	if (mac_is_zero(&h->dvr_mac) && (r = choose_dvr_mac(tx, h, err)) < 0)
		return r;
	h->registered = true;
	if ((r = hosts_update(tx->db, h, err)) < 0 || (r = ports_forget_reports_of(tx->db, h->num, err)) < 0)
		return r;
	return port_attach_all(tx, h->num, 1, err);
}

static int show_faces(struct tx *tx, const struct host_row *h, struct err *err)
{
	int r = agents_insert(tx->db, h->num, AGENT_FACE_L2, tx->now, err);

	if (r < 0)
		return r;
	if (mode_has_routers(h->agent_mode))
		return agents_insert(tx->db, h->num, AGENT_FACE_L3, tx->now, err);
	return agents_delete(tx->db, h->num, AGENT_FACE_L3, err);
}

static int two_hosts_one_address(struct tx *tx, const struct service_host_hello *hello, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = NULL;
	char text[IP_TEXT_SIZE];
	int r;

	if (ip_is_zero(&hello->tunnel))
		return 0;
	q = db_query(tx->db, "SELECT name FROM hosts WHERE tunnel = $1 AND num <> $2 AND registered",
		     DB(v_ip(&hello->tunnel), v_int(hello->host)));
	if ((r = db_next(q, err)) <= 0)
		return r;
	return err_set(err, ERR_CONFLICT, "", "the tunnel address %s is the host %.64s's",
		       ip_format(&hello->tunnel, text), db_text(q, 0));
}

static int copy_configurations(const struct service_host_hello *hello, struct host_row *h)
{
	_cleanup_(freep) char *text =
		json_is_object(hello->configurations) ? json_dumps(hello->configurations, JSON_COMPACT) : NULL;

	/* They are only shown: too long ones are left out. */
	snprintf(h->configurations, sizeof(h->configurations), "%s",
		 text && strlen(text) < sizeof(h->configurations) ? text : "{}");
	return 0;
}

static int registration(struct tx *tx, const struct service_host_hello *hello, struct err *err)
{
	struct host_row h;
	bool moved;
	int r = hosts_find(tx->db, hello->host, &h, err);

	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "", "there is no host %u", hello->host);
	if (r < 0 || (r = two_hosts_one_address(tx, hello, err)) < 0)
		return r;
	moved = !ip_equal(&h.tunnel, &hello->tunnel) || !h.registered;
	h.tunnel = hello->tunnel;
	snprintf(h.datapath, sizeof(h.datapath), "%s", hello->datapath);
	snprintf(h.vif_type, sizeof(h.vif_type), "%s", hello->vif_type);
	snprintf(h.agent_mode, sizeof(h.agent_mode), "%s", hello->agent_mode);
	copy_configurations(hello, &h);
	h.started = tx->now;
	if ((r = admit(tx, &h, err)) < 0 || (r = hosts_update(tx->db, &h, err)) < 0 ||
	    (r = show_faces(tx, &h, err)) < 0 || (r = host_judge(tx, h.num, err)) < 0)
		return r;
	if (moved)
		touch(tx, h.num);
	return db_run(tx->db, err, "UPDATE hosts SET heartbeat = $2, held = 0 WHERE num = $1",
		      DB(v_int(h.num), v_int(tx->now)));
}

int host_unregister(struct tx *tx, uint32_t num, struct err *err)
{
	struct host_row h;
	int r = hosts_find(tx->db, num, &h, err);

	if (r <= 0 || !h.registered)
		return r;
	/* First it has no routers any more: so its ports leave without moving any. */
	if (h.capable) {
		h.capable = false;
		if ((r = hosts_update(tx->db, &h, err)) < 0 || (r = placement_host(tx, num, false, err)) < 0)
			return r;
	}
	if ((r = port_attach_all(tx, num, -1, err)) < 0)
		return r;
	h.registered = false;
	memset(&h.tunnel, 0, sizeof(h.tunnel));
	memset(&h.dvr_mac, 0, sizeof(h.dvr_mac));
	touch(tx, num);
	return hosts_update(tx->db, &h, err);
}

/* ---- hello ---- */

struct hello_job {
	struct job job;
	struct service_host_hello hello;
	void (*done)(int r, const struct err *err, void *arg);
	void *arg;
};

static int run_hello(struct tx *tx, struct job *job, struct err *err)
{
	return registration(tx, &((struct hello_job *)job)->hello, err);
}

static void hello_done(struct job *job)
{
	struct hello_job *h = (struct hello_job *)job;

	if (h->done)
		h->done(job->r, &job->err, h->arg);
	json_decref(h->hello.configurations);
	free(h);
}

void service_host_hello(struct service *s, const struct service_host_hello *hello,
			void (*done)(int r, const struct err *err, void *arg), void *arg)
{
	struct hello_job *h = xcalloc(1, sizeof(*h));

	h->job.run = run_hello;
	h->job.done = hello_done;
	h->hello = *hello;
	h->done = done;
	h->arg = arg;
	service_queue(s, &h->job);
}

/* ---- reports and heartbeats ---- */

struct report_job {
	struct job job;
	struct service *service;
	uint32_t host;
	uint64_t applied;
	size_t n;
	struct service_port_report ports[];
};

static int run_report(struct tx *tx, struct job *job, struct err *err)
{
	static const enum port_reported states[] = {
		[SERVICE_PORT_DOWN] = PORT_REPORTED_DOWN,
		[SERVICE_PORT_ERROR] = PORT_REPORTED_ERROR,
	};
	struct report_job *p = (struct report_job *)job;
	int r = 0;

	for (size_t i = 0; i < p->n && r >= 0; i++) {
		const struct service_port_report *port = &p->ports[i];

		if (port->state == SERVICE_PORT_UP) {
			r = ready_report(tx, port, p->host, err);
			continue;
		}
		r = ports_report(tx->db, port->port, p->host, port->binding, states[port->state], err);
		if (r > 0)
			ready_forget(tx->service, port->port);
	}
	return r < 0 ? r : hosts_beat(tx->db, p->host, p->applied, false, tx->now, err);
}

static void report_done(struct job *job)
{
	const struct report_job *p = (struct report_job *)job;
	const struct service_options *o = &p->service->options;

	if (job->r < 0)
		LOG_LIMIT(log_warn, 5, "a report of host %u was not stored: %s", p->host, job->err.text);
	if (job->r < 0 && o->report_lost)
		o->report_lost(p->host, o->arg);
	free(job);
}

void service_host_report(struct service *s, uint32_t host, uint64_t applied, const struct service_port_report *ports,
			 size_t n)
{
	struct report_job *p;

	/* How far it is comes with every change, from every host that the change concerns: that can wait. */
	if (n == 0) {
		service_host_heartbeat(s, host, applied, false);
		return;
	}
	p = xcalloc(1, sizeof(*p) + n * sizeof(*ports));
	p->job.run = run_report;
	p->job.done = report_done;
	p->service = s;
	p->host = host;
	p->applied = applied;
	p->n = n;
	memcpy(p->ports, ports, n * sizeof(*ports));
	service_queue(s, &p->job);
}

void service_host_heartbeat(struct service *s, uint32_t host, uint64_t applied, bool held)
{
	struct beat *b;

	pthread_mutex_lock(&s->lock);
	HASH_FIND(hh, s->beats, &host, sizeof(host), b);
	if (!b) {
		b = xcalloc(1, sizeof(*b));
		b->host = host;
		HASH_ADD(hh, s->beats, host, sizeof(b->host), b);
		pthread_cond_signal(&s->wake);
	}
	b->applied = applied;
	b->held = held;
	pthread_mutex_unlock(&s->lock);
}

bool host_has_beats(struct service *s)
{
	return s->beats != NULL;
}

/* An agent that was deleted, and lives, is listed again. */
static void beat(struct tx *tx, const struct beat *b)
{
	struct host_row h;

	hosts_beat(tx->db, b->host, b->applied, b->held, tx->now, NULL);
	if (hosts_find(tx->db, b->host, &h, NULL) > 0 && h.registered)
		show_faces(tx, &h, NULL);
}

void host_flush_beats(struct service *s, struct db *db, int64_t now)
{
	struct tx tx = { .service = s, .db = db, .now = now };
	struct beat *beats, *b, *tmp;

	pthread_mutex_lock(&s->lock);
	beats = take(&s->beats);
	pthread_mutex_unlock(&s->lock);
	HASH_ITER (hh, beats, b, tmp) {
		HASH_DEL(beats, b);
		beat(&tx, b);
		free(b);
	}
}

/* ---- tokens ---- */

struct enroll_job {
	struct job job;
	char name[HOST_NAME_SIZE];
	uint8_t hash[SHA256_SIZE];
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool finished;
};

static int run_enroll(struct tx *tx, struct job *job, struct err *err)
{
	struct enroll_job *e = (struct enroll_job *)job;
	uint32_t host;
	int r = host_ref(tx, e->name, &host, err);

	return r < 0 ? r : hosts_set_token(tx->db, host, e->hash, sizeof(e->hash), err);
}

static void enroll_done(struct job *job)
{
	struct enroll_job *e = (struct enroll_job *)job;

	pthread_mutex_lock(&e->lock);
	e->finished = true;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

int service_enroll(struct service *s, const char *host, char ret_token[65], struct err *err)
{
	struct enroll_job e = { .job = { .run = run_enroll, .done = enroll_done } };
	uint8_t secret[32];

	if (!*host || strlen(host) >= sizeof(e.name) || strpbrk(host, " \t\r\n"))
		return err_set(err, ERR_BAD_REQUEST, "", "\"%.80s\" is no name of a host (1 to %zu bytes, no blanks)",
			       host, sizeof(e.name) - 1);
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return err_errno(err, -errno, "cannot make a token");
	for (size_t i = 0; i < sizeof(secret); i++)
		snprintf(ret_token + 2 * i, 3, "%02x", secret[i]);
	snprintf(e.name, sizeof(e.name), "%s", host);
	sha256(ret_token, 64, e.hash);
	pthread_mutex_init(&e.lock, NULL);
	pthread_cond_init(&e.wake, NULL);
	service_queue(s, &e.job);
	pthread_mutex_lock(&e.lock);
	while (!e.finished)
		pthread_cond_wait(&e.wake, &e.lock);
	pthread_mutex_unlock(&e.lock);
	pthread_mutex_destroy(&e.lock);
	pthread_cond_destroy(&e.wake);
	if (e.job.r < 0 && err)
		*err = e.job.err;
	return e.job.r < 0 ? e.job.r : 0;
}

int service_authenticate(struct service_reader *reader, const char *host, const char *token, uint32_t *ret_host,
			 struct err *err)
{
	uint8_t hash[SHA256_SIZE], stored[SHA256_SIZE];
	uint32_t num = 0;
	int r = hosts_token(reader->db, host, &num, stored, sizeof(stored), err);

	if (r < 0)
		return r;
	sha256(token, strlen(token), hash);
	if (r == 0 || !sha256_equal(hash, stored))
		return err_set(err, ERR_UNAUTHORIZED, "", "unknown host, or not its token");
	*ret_host = num;
	return 0;
}
