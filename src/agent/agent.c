/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/journal.h"
#include "agent/remains.h"
#include "agent/snapshot.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "watch/client.h"

#define SAVE_AFTER_US 1000000
#define SAVE_SHARE 50 /* no more than one part of this many of the time goes into saving */
#define REPORT_AFTER_US 20000 /* how far we are: once for all that comes in a burst */
#define SAVE_POSITION_US 60000000 /* when nothing but the position has changed */
#define MAX_COUNTERS 256

/*
 *     server ─► client ─► follow ─► changes ─► apply ─► driver
 *                  ▲         │                   │        │ devices
 *                  │         └─► snapshot        ▼        ▼
 *                  └──────── report ◄───────── status ◄───┘
 */

struct agent {
	struct loop *loop;
	struct agent_config config;
	struct follow *follow;
	struct apply *apply;
	struct status *status;
	struct client *client;
	struct driver *driver;
	struct driver_events driver_events;
	struct control *control;
	struct journal *journal;
	bool loading; /* what follow says is of the past */
	bool synced; /* the driver was given a whole plan: from then on changes */
	bool reporting; /* our state is of the server's database: it knows the ports and positions that we would name */
	uint64_t told_applied;
	uint64_t saved_position, saved_us, save_took_us;
	bool save_wanted, progress_armed, progress_due;
	bool remains; /* other datapaths had left something, when that was looked for last */
	char trouble[384];
	struct loop_source *report, *progress, *save, *heartbeat;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- the snapshot on disk ---- */

static void save(struct agent *a)
{
	struct snapshot_head head = { .position = follow_position(a->follow) };
	uint64_t began = now_us();
	struct err err = { 0 };

	/* In the middle of a frame the model is not what any position says: the file stays as it is. */
	if (!follow_has_state(a->follow) || !follow_between_frames(a->follow))
		return;
	snprintf(head.host, sizeof(head.host), "%s", a->config.host);
	snprintf(head.incarnation, sizeof(head.incarnation), "%s", follow_incarnation(a->follow));
	if (snapshot_save(a->config.snapshot_path, &head, follow_model(a->follow), &err) < 0) {
		LOG_LIMIT(log_warn, 1, "snapshot not written: %s", err.text);
		return;
	}
	if (journal_restart(a->journal, head.incarnation, &err) < 0)
		LOG_LIMIT(log_warn, 1, "journal not begun: %s", err.text);
	a->save_wanted = false;
	a->saved_position = head.position;
	a->saved_us = loop_now_us(a->loop);
	a->save_took_us = now_us() - began;
}

static void on_save(void *arg)
{
	struct agent *a = arg;

	/* Also when it cannot be done now: the next frame asks again. */
	a->save_wanted = false;
	save(a);
}

static void save_soon(struct agent *a)
{
	if (a->save_wanted)
		return;
	a->save_wanted = true;
	loop_timer_arm(a->save,
		       a->save_took_us * SAVE_SHARE > SAVE_AFTER_US ? a->save_took_us * SAVE_SHARE : SAVE_AFTER_US);
}

static int on_journal(const struct message *m, struct err *err, void *arg)
{
	struct agent *a = arg;

	return follow_message(a->follow, m, err);
}

/* What came after the snapshot. The journal goes on from a snapshot that has it all. */
static void replay(struct agent *a)
{
	_cleanup_(freep) char *path = xasprintf("%s" JOURNAL_SUFFIX, a->config.snapshot_path);
	struct err err = { 0 };
	int r;

	a->loading = true;
	r = journal_replay(path, follow_incarnation(a->follow), follow_position(a->follow), on_journal, a, &err);
	a->loading = false;
	if (r < 0 && r != -ENOENT)
		log_warn("the journal on disk is used as far as it can be read: %s", err.text);
	save(a);
}

static void load(struct agent *a)
{
	struct snapshot_head head;
	struct err err = { 0 };
	struct model *m;
	int r = snapshot_load(a->config.snapshot_path, &head, &m, &err);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		log_warn("the snapshot on disk is not used: %s", err.text);
		return;
	}
	if (strcmp(head.host, a->config.host) != 0) {
		log_warn("the snapshot on disk is of host %s and not used", head.host);
		model_free(m);
		return;
	}
	follow_load(a->follow, m, head.incarnation, head.position);
	a->saved_position = head.position;
	replay(a);
	log_info("starting from the snapshot on disk: %zu objects at %llu", model_count(follow_model(a->follow)),
		 (unsigned long long)follow_position(a->follow));
}

/* ---- reports ---- */

static void report_soon(struct agent *a)
{
	loop_idle_arm(a->report);
}

static void on_report(void *arg)
{
	struct message m = { .kind = MESSAGE_REPORT };
	struct agent *a = arg;

	/* While a sync is out nobody knows: a port that is up would be said to be down for a moment. */
	if (!client_is_up(a->client) || !a->reporting || apply_is_syncing(a->apply))
		return;
	m.report.applied = apply_position(a->apply);
	m.report.ports = status_report(a->status, follow_plan(a->follow), follow_model(a->follow), a->apply);
	if (json_array_size(m.report.ports) > 0 || (a->progress_due && m.report.applied != a->told_applied)) {
		client_send(a->client, &m);
		a->told_applied = m.report.applied;
	} else if (m.report.applied != a->told_applied && !a->progress_armed) {
		loop_timer_arm(a->progress, REPORT_AFTER_US);
		a->progress_armed = true;
	}
	json_decref(m.report.ports);
}

static void on_progress(void *arg)
{
	struct agent *a = arg;

	a->progress_armed = false;
	a->progress_due = true;
	on_report(a);
	a->progress_due = false;
}

static json_t *counters(struct agent *a)
{
	struct driver_counter list[MAX_COUNTERS];
	size_t n = a->config.ops->counters(a->driver, list, N_ELEMENTS(list));
	json_t *json = json_object();

	for (size_t i = 0; i < n && i < N_ELEMENTS(list); i++)
		if (list[i].packets > 0)
			json_object_set_new(json, list[i].name, json_integer((json_int_t)list[i].packets));
	return json;
}

static uint64_t heartbeat_us(const struct agent *a)
{
	return a->config.report_us ? a->config.report_us : MESSAGE_HEARTBEAT_US;
}

static void send_heartbeat(struct agent *a)
{
	struct message m = { .kind = MESSAGE_AGENT_HEARTBEAT };

	m.heartbeat.applied = a->reporting ? apply_position(a->apply) : 0;
	m.heartbeat.held = follow_is_held(a->follow);
	m.heartbeat.counters = counters(a);
	client_send(a->client, &m);
	json_decref(m.heartbeat.counters);
}

static void on_heartbeat(void *arg)
{
	struct agent *a = arg;

	send_heartbeat(a);
	if (follow_position(a->follow) != a->saved_position && loop_now_us(a->loop) - a->saved_us > SAVE_POSITION_US)
		save_soon(a);
	loop_timer_arm(a->heartbeat, heartbeat_us(a));
}

/* ---- what the parts say ---- */

static void on_changes(const struct plan_changes *changes, bool whole, const char *request_id, void *arg)
{
	struct agent *a = arg;
	uint64_t position = follow_position(a->follow);

	if (a->loading)
		return;
	if (changes->n > 0)
		log_info("%s%s%zu changes at %llu", request_id, request_id[0] ? ": " : "", changes->n,
			 (unsigned long long)position);
	if (whole) {
		apply_forget_position(a->apply);
		a->reporting = true;
		/* Before it is applied, as frames are put into the journal. */
		save(a);
	}
	if (a->synced)
		apply_changes(a->apply, follow_plan(a->follow), changes, position);
	else
		apply_sync(a->apply, follow_plan(a->follow), position);
	a->synced = true;
	if (!whole)
		save_soon(a);
}

static void on_applied(void *arg)
{
	report_soon(arg);
}

static bool has_device(uint32_t port, void *arg)
{
	const struct agent *a = arg;

	return status_has_device(a->status, port);
}

static const struct follow_events follow_events = { .changes = on_changes, .device = has_device };

static void on_port(uint32_t port, enum driver_port_state state, const char *text, void *arg)
{
	struct agent *a = arg;

	status_device(a->status, port, state, text);
	if (state == DRIVER_PORT_FAILED)
		LOG_LIMIT(log_warn, 5, "port %u: %s", port, text ? text : "failed");
	report_soon(a);
}

static void on_lost(void *arg)
{
	struct agent *a = arg;

	log_warn("the datapath has lost its state, or was away: it gets the whole plan again");
	if (a->synced)
		apply_sync(a->apply, follow_plan(a->follow), follow_position(a->follow));
}

/* ---- the stream ---- */

static int read_token(struct agent *a, char *ret, size_t size, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	if (a->config.token) {
		snprintf(ret, size, "%s", a->config.token);
		return 0;
	}
	fd = open(a->config.token_file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (n < 0)
		return err_errno(err, -errno, "%s", a->config.token_file);
	ret[n] = '\0';
	ret[strcspn(ret, " \t\r\n")] = '\0';
	if (!ret[0])
		return err_set(err, ERR_UNAUTHORIZED, "", "%s: no token in it", a->config.token_file);
	return 0;
}

static int on_hello(struct message_hello *ret, struct err *err, void *arg)
{
	struct agent *a = arg;
	int r = read_token(a, ret->token, sizeof(ret->token), err);

	if (r < 0)
		return r;
	snprintf(ret->host, sizeof(ret->host), "%s", a->config.host);
	snprintf(ret->version, sizeof(ret->version), "%s", NEUTRINO_VERSION);
	snprintf(ret->datapath, sizeof(ret->datapath), "%s", a->config.ops->name);
	snprintf(ret->vif_type, sizeof(ret->vif_type), "%s", a->config.ops->vif_type);
	snprintf(ret->tunnel_ip, sizeof(ret->tunnel_ip), "%s", a->config.tunnel_ip);
	snprintf(ret->agent_mode, sizeof(ret->agent_mode), "%s", a->config.agent_mode);
	ret->configurations = a->config.configurations;
	ret->heartbeat_ms = (uint32_t)(heartbeat_us(a) / 1000);
	follow_hello(a->follow, ret);
	return 0;
}

/* Down on disk before it is applied. */
static void note(struct agent *a, const struct message *m)
{
	struct err err = { 0 };

	switch (m->kind) {
	case MESSAGE_WELCOME:
		journal_forget_half(a->journal);
		break;
	case MESSAGE_SET:
	case MESSAGE_DEL:
	case MESSAGE_ENTER:
	case MESSAGE_DROP:
	case MESSAGE_FRAME:
		if (follow_is_live(a->follow) && journal_note(a->journal, m, &err) < 0)
			LOG_LIMIT(log_warn, 1, "journal not written: %s", err.text);
		break;
	case MESSAGE_HELLO:
	case MESSAGE_REPORT:
	case MESSAGE_AGENT_HEARTBEAT:
	case MESSAGE_REFUSED:
	case MESSAGE_SERVER_HEARTBEAT:
	case MESSAGE_ACCEPT:
		break;
	}
}

bool agent_accept(struct agent *a)
{
	bool accepted = follow_accept(a->follow);

	if (accepted)
		send_heartbeat(a);
	return accepted;
}

static int on_message(const struct message *m, struct err *err, void *arg)
{
	struct agent *a = arg;
	bool held = follow_is_held(a->follow);
	int r;

	if (m->kind == MESSAGE_WELCOME) {
		log_info("connected to %s: %s", a->config.server, m->welcome.mode);
		loop_notify("STATUS=connected");
		a->trouble[0] = '\0';
		a->told_applied = 0;
		/* After a snapshot the ports are told once it is taken over. */
		a->reporting = !strcmp(m->welcome.mode, "resume");
		status_forget_told(a->status);
		report_soon(a);
	}
	note(a, m);
	r = follow_message(a->follow, m, err);
	if (r == 0 && m->kind == MESSAGE_SERVER_HEARTBEAT && a->synced)
		apply_advance(a->apply, follow_position(a->follow));
	if (r == 0 && held != follow_is_held(a->follow))
		send_heartbeat(a); /* an operator is waiting to hear of it */
	return r;
}

static void on_down(const char *why, void *arg)
{
	struct agent *a = arg;

	/* Each reason once: an agent without its server tries for days. */
	if (strcmp(a->trouble, why) != 0)
		log_warn("not connected to %s: %s; forwarding goes on", a->config.server, why);
	snprintf(a->trouble, sizeof(a->trouble), "%s", why);
	a->reporting = false;
	loop_notify("STATUS=not connected to the server; forwarding goes on");
}

static const struct client_events client_events = { .hello = on_hello, .message = on_message, .down = on_down };

/* ---- opening, closing ---- */

static int open_driver(struct agent *a, struct err *err)
{
	int r;

	a->driver_events = (struct driver_events) { .port = on_port, .lost = on_lost, .arg = a };
	r = a->config.ops->open(&a->config.driver, a->loop, &a->driver_events, &a->driver, err);
	if (r < 0)
		return err_prefix(err, r, "datapath %s", a->config.ops->name);
	a->apply = apply_new(a->loop, a->config.ops, a->driver, on_applied, a);
	return 0;
}

static void on_remains(const char *text, void *arg)
{
	(void)arg;
	log_warn("%s", text);
}

int agent_open(struct loop *l, const struct agent_config *config, struct agent **ret, struct err *err)
{
	_cleanup_(freep) char *journal_path = NULL;
	struct agent *a = xcalloc(1, sizeof(*a));
	int r;

	a->loop = l;
	a->config = *config;
	a->follow = follow_new(&follow_events, a);
	a->status = status_new();
	journal_path = xasprintf("%s" JOURNAL_SUFFIX, config->snapshot_path);
	a->journal = journal_new(journal_path);
	snprintf(a->trouble, sizeof(a->trouble), "not yet");
	a->report = loop_idle(l, on_report, a);
	a->progress = loop_timer(l, on_progress, a);
	a->save = loop_timer(l, on_save, a);
	a->heartbeat = loop_timer(l, on_heartbeat, a);
	load(a);
	a->remains = remains_each(config, on_remains, NULL);
	r = open_driver(a, err);
	if (r == 0 && config->control)
		r = control_open(l, config->control, a, &a->control, err);
	if (r < 0) {
		agent_close(a);
		return r;
	}
	/* Without any state what an earlier run left in the datapath stays, until the server has said what is to be. */
	if (follow_has_state(a->follow)) {
		apply_sync(a->apply, follow_plan(a->follow), follow_position(a->follow));
		a->synced = true;
	}
	a->client = client_new(l, config->server, &client_events, a);
	loop_timer_arm(a->heartbeat, heartbeat_us(a));
	*ret = a;
	return 0;
}

struct agent *agent_close(struct agent *a)
{
	if (!a)
		return NULL;
	control_close(a->control);
	client_free(a->client);
	if (a->save_wanted || follow_position(a->follow) != a->saved_position)
		save(a);
	apply_free(a->apply);
	if (a->driver)
		a->config.ops->close(a->driver);
	loop_source_free(a->report);
	loop_source_free(a->progress);
	loop_source_free(a->save);
	loop_source_free(a->heartbeat);
	journal_free(a->journal);
	follow_free(a->follow);
	status_free(a->status);
	free(a);
	return NULL;
}

struct follow *agent_follow(struct agent *a)
{
	return a->follow;
}

struct apply *agent_apply(struct agent *a)
{
	return a->apply;
}

struct status *agent_status(struct agent *a)
{
	return a->status;
}

struct client *agent_client(struct agent *a)
{
	return a->client;
}

struct driver *agent_driver(struct agent *a)
{
	return a->driver;
}

void agent_warnings(struct agent *a, driver_warning fn, void *arg)
{
	if (a->config.ops->warnings)
		a->config.ops->warnings(a->driver, fn, arg);
	if (a->remains)
		a->remains = remains_each(&a->config, fn, arg);
}

const struct agent_config *agent_config(const struct agent *a)
{
	return &a->config;
}

const char *agent_trouble(const struct agent *a)
{
	return a->trouble;
}
