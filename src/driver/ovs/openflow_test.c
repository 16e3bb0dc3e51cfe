/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/openflow.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/ofp.h"
#include "io/loop.h"
#include "io/stream.h"

/*
 * openflow against a switch that is played: it answers as it should, but for one message, at which it does something
 * else. What is asked of it is always the same: see ask().
 */

#define PATIENCE_S 20 /* a test that waits this long for an event has failed */
#define PATIENCE_MS 30
#define LATE_MS 10000 /* where no time-out is wanted */

/* What the switch says instead of an answer. It says nothing more after that. */
struct fault {
	const char *name;
	bool close, silent; /* silent: only the time-out tells */
	uint32_t stray; /* added to the xid of the message in hand */
	size_t n;
	uint8_t bytes[26];
};

#define XID 0, 0, 0, 0
static const struct fault faults[] = {
	{ "closes", .close = true },
	{ "says nothing", .silent = true },
	{ "half a message", .silent = true, .n = 5, .bytes = { 5, OFP_BARRIER_REPLY, 0, 8, 0 } },
	{ "half a message, closes", .close = true, .n = 5, .bytes = { 5, OFP_BARRIER_REPLY, 0, 8, 0 } },
	{ "garbage", .n = 26, .bytes = "HTTP/1.1 400 Bad Request\r\n" },
	{ "a length below 8", .n = 8, .bytes = { 5, OFP_ECHO_REPLY, 0, 7, XID } },
	{ "another version", .n = 8, .bytes = { 4, OFP_ECHO_REPLY, 0, 8, XID } },
	{ "no type of message", .n = 8, .bytes = { 5, 77, 0, 8, XID } },
	{ "a message of ours", .n = 8, .bytes = { 5, OFP_BARRIER_REQUEST, 0, 8, XID } },
	{ "an error out of the blue", .stray = 1000, .n = 12, .bytes = { 5, OFP_ERROR, 0, 12, XID, 0, 1, 0, 1 } },
	{ "a reply out of the blue", .stray = 1000, .n = 8, .bytes = { 5, OFP_BARRIER_REPLY, 0, 8, XID } },
	{ "another reply", .n = 16, .bytes = { 5, OFP_ECHO_REPLY, 0, 8, XID, 5, OFP_ECHO_REPLY, 0, 8, XID } },
	{ "a second hello", .n = 16, .bytes = { 5, OFP_HELLO, 0, 8, XID, 5, OFP_HELLO, 0, 8, XID } },
	{ "an old hello", .n = 8, .bytes = { 4, OFP_HELLO, 0, 8, XID } },
	{ "an empty error", .n = 8, .bytes = { 5, OFP_ERROR, 0, 8, XID } },
	{ "an error without a code", .n = 10, .bytes = { 5, OFP_ERROR, 0, 10, XID, 0, 1 } },
	{ "an experimenter's error without him", .n = 12, .bytes = { 5, OFP_ERROR, 0, 12, XID, 255, 255, 0, 1 } },
	{ "an empty part", .n = 8, .bytes = { 5, OFP_MULTIPART_REPLY, 0, 8, XID } },
	{ "another part", .n = 16, .bytes = { 5, OFP_MULTIPART_REPLY, 0, 16, XID, 0, 3 } },
	{ "half an item", .n = 20, .bytes = { 5, OFP_MULTIPART_REPLY, 0, 20, XID, 0, 1, 0, 0, 0, 0, 0, 0, 0, 56 } },
	{ "half a meter", .n = 20, .bytes = { 5, OFP_MULTIPART_REPLY, 0, 20, XID, 0, 9, 0, 0, 0, 0, 0, 0, 0, 56 } },
	{ "an empty bundle control", .n = 8, .bytes = { 5, OFP_BUNDLE_CONTROL, 0, 8, XID } },
	{ "another bundle", .n = 16, .bytes = { 5, OFP_BUNDLE_CONTROL, 0, 16, XID, 9, 9, 9, 9, 0, 5 } },
	{ "an empty packet-in", .n = 8, .bytes = { 5, OFP_PACKET_IN, 0, 8, XID } },
	{ "a removed flow that is cut off", .n = 16, .bytes = { 5, OFP_FLOW_REMOVED, 0, 16, XID } },
};

struct peer {
	struct listener *listener;
	struct stream *stream;
	const struct fault *fault; /* NULL: none */
	unsigned at; /* the message it is done at, from 1 */
	unsigned n; /* messages received on this connection */
	bool mute;
	unsigned seed; /* != 0: what it says is changed at random */
	/* what else a test wants: called for each message; true: it was answered */
	bool (*special)(struct peer *p, const struct ofp_message *m);
	unsigned accepts, commits, discards, adds, echoes;
};

struct bed {
	char dir[32], path[48], where[64];
	struct loop *loop;
	struct peer peer;
	struct openflow *o;
	bool inside; /* a call of ours */
	bool ask_when_up;
	char log[512]; /* what ended, and how */
	unsigned ups, downs, callbacks, close_at;
	char why[192];
	int r;
	size_t n_errors;
	struct openflow_error errors[OPENFLOW_ERRORS];
};

static struct bed bed;

static void gone_wrong(const char *what)
{
	fail_msg("does not come: %s; %s at %u; log %s; down: %s", what, bed.peer.fault ? bed.peer.fault->name : "",
		 bed.peer.at, bed.log, bed.why);
}

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		for (time_t until = time(NULL) + PATIENCE_S; !(what); loop_turn(bed.loop, 1000000))                    \
			if (time(NULL) > until)                                                                        \
				gone_wrong(#what);                                                                     \
	} while (0)

/* ---- the switch ---- */

static void send_bytes(struct peer *p, const void *bytes, size_t n)
{
	_cleanup_(freep) uint8_t *copy = NULL;

	if (!p->stream || p->mute)
		return;
	copy = xmemdup(bytes, n);
	if (p->seed && n > 0 && rand_r(&p->seed) % 8 == 0)
		copy[(size_t)rand_r(&p->seed) % n] ^= (uint8_t)(1 << rand_r(&p->seed) % 8);
	stream_send(p->stream, copy, n);
}

static void reply(struct peer *p, enum ofp_type type, uint32_t xid, const void *body, size_t n)
{
	struct ofp_out out = { 0 };

	ofp_put_plain(&out, type, xid, body, n);
	send_bytes(p, out.bytes, out.len);
	ofp_out_fini(&out);
}

static void reply_error(struct peer *p, uint32_t xid, uint8_t type, uint8_t code)
{
	uint8_t body[] = { 0, type, 0, code, 1, 2, 3, 4 };

	reply(p, OFP_ERROR, xid, body, sizeof(body));
}

static void reply_bundle(struct peer *p, const struct ofp_message *m)
{
	uint8_t body[8];

	assert_int_equal(m->n, sizeof(body));
	memcpy(body, m->body, sizeof(body));
	p->commits += body[5] == OFP_BUNDLE_COMMIT;
	p->discards += body[5] == OFP_BUNDLE_DISCARD;
	body[5]++;
	reply(p, OFP_BUNDLE_CONTROL, m->xid, body, sizeof(body));
}

/* Two parts of two items each. */
static void reply_multipart(struct peer *p, const struct ofp_message *m)
{
	static const uint8_t flow[56] = { [1] = 56, [2] = 7, [49] = 1, [51] = 4 }, meter[56] = { [3] = 9, [5] = 56 };
	uint8_t body[8 + 2 * 56] = { m->body[0], m->body[1] };

	for (int i = 0; i < 2; i++)
		memcpy(body + 8 + (size_t)i * 56, body[1] == OFP_MULTIPART_FLOW ? flow : meter, 56);
	body[3] = 1;
	reply(p, OFP_MULTIPART_REPLY, m->xid, body, sizeof(body));
	body[3] = 0;
	reply(p, OFP_MULTIPART_REPLY, m->xid, body, sizeof(body));
}

static void answer(struct peer *p, const struct ofp_message *m)
{
	static const uint8_t hello[] = { 6, OFP_HELLO, 0, 16, 0, 0, 0, 9, 0, 1, 0, 8, 0, 0, 0, 0x72 };

	if (m->type == OFP_HELLO)
		send_bytes(p, hello, sizeof(hello));
	else if (m->type == OFP_BARRIER_REQUEST)
		reply(p, OFP_BARRIER_REPLY, m->xid, NULL, 0);
	else if (m->type == OFP_ECHO_REQUEST)
		reply(p, OFP_ECHO_REPLY, m->xid, m->body, m->n);
	else if (m->type == OFP_ECHO_REPLY)
		p->echoes++;
	else if (m->type == OFP_BUNDLE_CONTROL)
		reply_bundle(p, m);
	else if (m->type == OFP_MULTIPART_REQUEST)
		reply_multipart(p, m);
}

static void misbehave(struct peer *p, const struct ofp_message *m)
{
	const struct fault *f = p->fault;
	uint32_t xid = htobe32(m->xid + f->stray);
	uint8_t bytes[sizeof(f->bytes)];

	memcpy(bytes, f->bytes, sizeof(bytes));
	for (size_t at = 0; at + 8 <= f->n && bytes[0] <= OFP_VERSION; at += bytes[at + 3])
		memcpy(bytes + at + 4, &xid, sizeof(xid));
	send_bytes(p, bytes, f->n);
	if (f->close)
		stream_finish(take(&p->stream));
	p->mute = true;
}

static size_t on_peer_data(struct stream *s, const char *bytes, size_t n, void *arg)
{
	struct peer *p = arg;
	struct ofp_message m;
	size_t used = 0;
	int len;

	while (p->stream == s && (len = ofp_read((const uint8_t *)bytes + used, n - used, &m, NULL)) > 0) {
		used += (size_t)len;
		p->n++;
		p->adds += m.type == OFP_BUNDLE_ADD;
		if (p->mute || (p->special && p->special(p, &m)))
			continue;
		if (p->fault && p->n == p->at)
			misbehave(p, &m);
		else
			answer(p, &m);
	}
	return used;
}

static void on_peer_closed(struct stream *s, int r, const char *why, void *arg)
{
	struct peer *p = arg;

	(void)r;
	(void)why;
	if (p->stream == s)
		p->stream = NULL;
}

static void on_accept(int fd, const char *name, void *arg)
{
	static const struct stream_events events = { on_peer_data, NULL, on_peer_closed };
	struct peer *p = arg;

	(void)name;
	p->accepts++;
	stream_close(p->stream);
	p->stream = stream_new(bed.loop, fd, NULL, &events, p);
	p->n = 0;
	p->mute = false;
}

static void peer_listen(void)
{
	struct err err;

	if (listener_open(bed.loop, bed.where, on_accept, &bed.peer, &bed.peer.listener, &err) < 0)
		fail_msg("%s", err.text);
}

/* From now on it behaves; a connection that there is is cut, and its socket is made anew. */
static void peer_behave(void)
{
	struct listener *old = bed.peer.listener;

	stream_close(bed.peer.stream);
	listener_close(old);
	bed.peer = (struct peer) { 0 };
	peer_listen();
}

/* ---- who asks ---- */

/* Every callback comes here; false: the object was closed in it. */
static bool called(void)
{
	assert_false(bed.inside);
	assert_non_null(bed.o); /* no callback after the close */
	if (++bed.callbacks != bed.close_at)
		return true;
	bed.o = openflow_close(bed.o);
	return false;
}

static void note(const char *what, int r)
{
	size_t n = strlen(bed.log);

	snprintf(bed.log + n, sizeof(bed.log) - n, "%s%s ", what, r == 0 ? "" : r == -ECONNRESET ? ":reset" : ":bad");
	bed.r = r;
}

static void on_done(int r, const char *why, void *arg)
{
	assert_non_null(why);
	note(arg, r);
	called();
}

static void on_bundle(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	note(arg, r);
	bed.n_errors = n;
	if (n > 0)
		memcpy(bed.errors, errors, n * sizeof(*errors));
	called();
}

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	(void)arg;
	if (!bed.peer.seed) {
		assert_int_equal(f->table, 7);
		assert_int_equal(stats->packets, 0);
	}
	called();
}

static void on_meter(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	(void)arg;
	(void)in;
	(void)dropped;
	if (!bed.peer.seed)
		assert_int_equal(id, 9);
	called();
}

/* One of everything, with two mods and two meters. */
static void ask(void)
{
	static const struct openflow_meter meters[] = { { 1, 100, 100 }, { 2, 0, 0 } };
	struct flow f[2];
	struct flow_mod mods[] = { { FLOW_ADD, &f[0] }, { FLOW_DELETE, &f[1] } };

	for (uint8_t i = 0; i < 2; i++) {
		flow_init(&f[i], i, 1, 1);
		flow_match(&f[i], FIELD_REG1, 5);
		flow_output(&f[i], 7);
	}
	bed.inside = true;
	openflow_bundle(bed.o, mods, 2, on_bundle, "bundle");
	openflow_dump(bed.o, OPENFLOW_ALL_TABLES, 0, 0, on_flow, on_done, "dump");
	openflow_delete(bed.o, 1, 1, on_done, "delete");
	openflow_meters(bed.o, meters, 2, on_done, "meters");
	openflow_meter_stats(bed.o, on_meter, on_done, "figures");
	bed.inside = false;
	flow_fini(&f[0]);
	flow_fini(&f[1]);
}

#define ALL_WELL "bundle dump delete meters figures "
/* Messages of a connection: hello, set-config, barrier; bundle 5, dump 1, delete 2, meters 4, figures 1. */
#define N_HELLO 3
#define N_MESSAGES 16

static void on_up(void *arg)
{
	(void)arg;
	bed.ups++;
	if (called() && bed.ask_when_up)
		ask();
}

static void on_down(const char *why, void *arg)
{
	(void)arg;
	bed.downs++;
	snprintf(bed.why, sizeof(bed.why), "%s", why);
	assert_true(why[0] != '\0');
	called();
}

static void on_packet_in(const struct openflow_packet_in *p, void *arg)
{
	(void)arg;
	(void)p;
	called();
}

static void open_it(unsigned patience_ms)
{
	static const struct openflow_events events = { on_up, on_down, on_packet_in, NULL, NULL };

	bed.o = openflow_open(bed.loop, bed.path, &events);
	openflow_patience(bed.o, patience_ms);
}

static int setup(void **state)
{
	(void)state;
	bed = (struct bed) { .dir = "/tmp/openflow-test.XXXXXX" };
	assert_non_null(mkdtemp(bed.dir));
	snprintf(bed.path, sizeof(bed.path), "%s/br.mgmt", bed.dir);
	snprintf(bed.where, sizeof(bed.where), "unix:%s", bed.path);
	bed.loop = loop_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	openflow_close(bed.o);
	stream_close(bed.peer.stream);
	listener_close(bed.peer.listener);
	loop_free(bed.loop);
	rmdir(bed.dir);
	return 0;
}

/* ---- faults at every step ---- */

/* Each is over once, and in order; from some point on all are reset. True: some were. */
static bool check_order(void)
{
	static const char *const names[] = { "bundle", "dump", "delete", "meters", "figures" };
	char log[sizeof(bed.log)], *at, *rest = log;
	bool reset = false;
	size_t i = 0;

	snprintf(log, sizeof(log), "%s", bed.log);
	for (; (at = strtok_r(rest, " ", &rest)); i++) {
		size_t n = i < N_ELEMENTS(names) ? strlen(names[i]) : 0;

		if (n == 0 || strncmp(at, names[i], n) != 0 || (reset && strcmp(at + n, ":reset") != 0))
			fail_msg("not in order: %s", bed.log);
		reset = strcmp(at + n, ":reset") == 0;
	}
	assert_int_equal(i, N_ELEMENTS(names));
	return reset;
}

static void begin(const struct fault *fault, unsigned at)
{
	peer_behave();
	bed.peer.fault = fault;
	bed.peer.at = at;
	UNTIL(bed.downs == 1); /* the connection of before */
	bed.ups = bed.downs = 0;
	bed.log[0] = '\0';
	openflow_patience(bed.o, fault && fault->silent ? PATIENCE_MS : LATE_MS);
}

static void try_fault(const struct fault *fault, unsigned at)
{
	begin(fault, at);
	if (at <= N_HELLO) {
		UNTIL(bed.peer.n >= at && !bed.peer.stream);
		assert_int_equal(bed.ups, 0);
		assert_string_equal(bed.log, "");
		bed.downs = 1;
	} else {
		UNTIL(bed.downs == 1);
		assert_int_equal(bed.ups, 1);
		assert_true(check_order());
		assert_null(strstr(bed.log, ":bad"));
	}
	assert_false(openflow_is_up(bed.o));
	begin(NULL, 0);
	UNTIL(strcmp(bed.log, ALL_WELL) == 0);
	assert_int_equal(bed.ups, 1);
}

static void test_faults(void **state)
{
	(void)state;
	bed.ask_when_up = true;
	peer_listen();
	open_it(LATE_MS);
	UNTIL(strcmp(bed.log, ALL_WELL) == 0);
	for (unsigned at = 1; at <= N_MESSAGES; at++)
		for (size_t i = 0; i < N_ELEMENTS(faults); i++)
			try_fault(&faults[i], at);
}

/* Whatever it says: each request ends once and in order, or the connection does; and then it goes on. */
static void test_mutated(void **state)
{
	(void)state;
	bed.ask_when_up = true;
	peer_listen();
	open_it(LATE_MS);
	UNTIL(strcmp(bed.log, ALL_WELL) == 0);
	for (unsigned seed = 1; seed <= 300; seed++) {
		begin(NULL, 0);
		bed.peer.seed = seed;
		openflow_patience(bed.o, 3);
		UNTIL(bed.downs == 1 || strstr(bed.log, "figures"));
		if (bed.ups == 0)
			assert_string_equal(bed.log, "");
		else if (bed.downs == 1)
			check_order();
	}
	begin(NULL, 0);
	UNTIL(strcmp(bed.log, ALL_WELL) == 0);
}

/* ---- refusals ---- */

static void up(unsigned patience_ms)
{
	bed.ask_when_up = false;
	if (!bed.peer.listener)
		peer_listen();
	open_it(patience_ms);
	UNTIL(bed.ups == 1);
}

static void ask_and_wait(const char *log)
{
	bed.log[0] = '\0';
	ask();
	UNTIL(strstr(bed.log, "figures"));
	assert_string_equal(bed.log, log);
	assert_int_equal(bed.downs, 0);
}

static void expect_error(size_t i, size_t mod, const char *text)
{
	assert_true(i < bed.n_errors);
	assert_int_equal(bed.errors[i].mod, mod);
	assert_string_equal(bed.errors[i].text, text);
}

static bool refuse_adds(struct peer *p, const struct ofp_message *m)
{
	if (m->type != OFP_BUNDLE_ADD)
		return false;
	reply_error(p, m->xid, 2, 4);
	return true;
}

static bool refuse_commit(struct peer *p, const struct ofp_message *m)
{
	if (m->type != OFP_BUNDLE_CONTROL || m->body[5] != OFP_BUNDLE_COMMIT)
		return false;
	reply_error(p, m->xid, 17, 13);
	return true;
}

/* What Open vSwitch does: the mod, then the commit. */
static bool refuse_second_at_commit(struct peer *p, const struct ofp_message *m)
{
	if (m->type == OFP_BUNDLE_CONTROL && m->body[5] == OFP_BUNDLE_COMMIT)
		reply_error(p, m->xid - 2, 5, 1);
	return refuse_commit(p, m);
}

/* The bundle is gone when the barrier is answered: so nothing can be thrown away. */
static bool time_out(struct peer *p, const struct ofp_message *m)
{
	if (m->type == OFP_BARRIER_REQUEST && p->n == 7)
		reply_error(p, m->xid - 3, 17, 14);
	if (m->type != OFP_BUNDLE_CONTROL || m->body[5] != OFP_BUNDLE_DISCARD)
		return false;
	reply_error(p, m->xid, 17, 2);
	p->discards++;
	return true;
}

static bool refuse_rest(struct peer *p, const struct ofp_message *m)
{
	bool meter = m->type == OFP_METER_MOD, exists = meter && m->body[1] == OFP_METER_ADD;

	if (m->type != OFP_MULTIPART_REQUEST && m->type != OFP_FLOW_MOD && !meter)
		return false;
	reply_error(p, m->xid, meter ? 12 : 1, exists ? 1 : 5);
	return true;
}

static bool meter_exists(struct peer *p, const struct ofp_message *m)
{
	return m->type == OFP_METER_MOD && m->body[1] == OFP_METER_ADD && refuse_rest(p, m);
}

static void test_refused(void **state)
{
	static const struct {
		bool (*special)(struct peer *p, const struct ofp_message *m);
		const char *log;
		unsigned discards;
		size_t mods[3];
		const char *texts[3];
	} cases[] = {
		{ refuse_adds,
		  "bundle:bad dump delete meters figures ",
		  1,
		  { 0, 1 },
		  { "OFPBAC_BAD_OUT_PORT", "OFPBAC_BAD_OUT_PORT" } },
		{ refuse_commit, "bundle:bad dump delete meters figures ", 0, { SIZE_MAX }, { "OFPBFC_MSG_FAILED" } },
		{ refuse_second_at_commit,
		  "bundle:bad dump delete meters figures ",
		  0,
		  { 1 },
		  { "OFPFMFC_TABLE_FULL" } },
		{ time_out, "bundle:bad dump delete meters figures ", 1, { SIZE_MAX }, { "OFPBFC_TIMEOUT" } },
		{ refuse_rest, "bundle dump:bad delete:bad meters:bad figures:bad ", 0, { 0 }, { NULL } },
		{ meter_exists, ALL_WELL, 0, { 0 }, { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		size_t n = 0;

		bed.ups = 0;
		peer_behave();
		bed.peer.special = cases[i].special;
		up(LATE_MS);
		ask_and_wait(cases[i].log);
		for (; n < 3 && cases[i].texts[n]; n++)
			expect_error(n, cases[i].mods[n], cases[i].texts[n]);
		assert_int_equal(bed.n_errors, n);
		assert_int_equal(bed.peer.discards, cases[i].discards);
		assert_int_equal(bed.peer.adds, 2);
		bed.o = openflow_close(bed.o);
	}
}

/* ---- closing from inside any callback ---- */

static unsigned run_until_closed(unsigned close_at)
{
	peer_behave();
	bed.ups = bed.downs = bed.callbacks = 0;
	bed.log[0] = '\0';
	bed.close_at = close_at;
	bed.ask_when_up = true;
	open_it(LATE_MS);
	while (bed.o && bed.downs == 0) {
		if (loop_turn(bed.loop, PATIENCE_S * 1000000) == 0)
			fail_msg("does not come to an end: %s", bed.log);
		if (bed.peer.stream && strstr(bed.log, "meters "))
			stream_finish(take(&bed.peer.stream));
	}
	if (bed.o)
		bed.o = openflow_close(bed.o);
	UNTIL(!bed.peer.stream); /* also that the peer sees the end */
	return bed.callbacks;
}

static void test_close_inside(void **state)
{
	unsigned n;

	(void)state;
	n = run_until_closed(0);
	assert_int_equal(n, 1 + 1 + 5 + 1 + 1 + 1 + 1); /* up, bundle, dump, delete, meters, figures reset, down */
	for (unsigned i = 1; i <= n; i++)
		assert_int_equal(run_until_closed(i), i);
}

/* Requests that are made in the callbacks of those that end with the connection. */
static void test_ask_again(void **state)
{
	(void)state;
	up(LATE_MS);
	bed.peer.mute = true;
	ask();
	stream_close(take(&bed.peer.stream));
	UNTIL(bed.downs == 1);
	assert_string_equal(bed.log, "bundle:reset dump:reset delete:reset meters:reset figures:reset ");
	bed.log[0] = '\0';
	ask();
	assert_string_equal(bed.log, "");
	UNTIL(strstr(bed.log, "figures"));
	assert_string_equal(bed.log, "bundle:reset dump:reset delete:reset meters:reset figures:reset ");

	/* What nobody waits for any more is told nobody. */
	ask();
	bed.o = openflow_close(bed.o);
}

/* ---- a switch that asks, tells, keeps still, is not there ---- */

static void test_unasked(void **state)
{
	static const enum ofp_type news[] = { OFP_EXPERIMENTER, OFP_PORT_STATUS, OFP_ROLE_STATUS, OFP_TABLE_STATUS,
					      OFP_REQUESTFORWARD };

	(void)state;
	up(LATE_MS);
	for (size_t i = 0; i < N_ELEMENTS(news); i++)
		reply(&bed.peer, news[i], 0, "whatever", 8);
	reply(&bed.peer, OFP_ECHO_REQUEST, 77, "whatever", 8);
	UNTIL(bed.peer.echoes == 1);
	ask_and_wait(ALL_WELL);
}

static bool count_echo(struct peer *p, const struct ofp_message *m)
{
	p->echoes += m->type == OFP_ECHO_REQUEST;
	return false;
}

/* When nothing is asked, an echo is, again and again; without an answer the connection is over. */
static void test_echo(void **state)
{
	(void)state;
	bed.peer.special = count_echo;
	up(LATE_MS);
	openflow_patience(bed.o, 10);
	ask_and_wait(ALL_WELL);
	UNTIL(bed.peer.echoes == 3);
	assert_int_equal(bed.downs, 0);
	bed.peer.mute = true;
	UNTIL(bed.downs == 1);
	assert_string_equal(bed.why, "no answer to echo for 10 ms");
}

/* It waits for the socket, says so once, and is there when it is. */
static void test_absent(void **state)
{
	(void)state;
	open_it(LATE_MS);
	UNTIL(bed.downs == 1);
	assert_non_null(strstr(bed.why, bed.path));
	assert_non_null(strstr(bed.why, "No such file"));
	for (int i = 0; i < 3; i++) /* attempts that say the same */
		loop_turn(bed.loop, 300000);
	assert_int_equal(bed.downs, 1);
	peer_listen();
	UNTIL(bed.ups == 1);
	assert_int_equal(bed.downs, 1);
}

/* One that sends garbage every time is not asked without pause. */
static void test_no_storm(void **state)
{
	uint64_t begin_us = loop_now_us(bed.loop);

	(void)state;
	peer_listen();
	bed.peer.fault = &faults[4];
	bed.peer.at = 1;
	open_it(LATE_MS);
	UNTIL(bed.peer.accepts == 5);
	assert_true(loop_now_us(bed.loop) - begin_us >= 300000);
	assert_int_equal(bed.downs, 1);
	assert_int_equal(bed.ups, 0);
}

/* A switch that takes nothing is not sent without bound. */
static void test_packet_outs(void **state)
{
	static const uint8_t frame[1400];
	struct flow f;

	(void)state;
	up(LATE_MS);
	flow_init(&f, 0, 0, 0);
	flow_resubmit(&f, 1);
	for (int i = 0; i < 2000; i++)
		openflow_packet_out(bed.o, 1, &f, frame, sizeof(frame));
	ask_and_wait(ALL_WELL);
	assert_in_range(bed.peer.n, 3 + 13 + 300, 3 + 13 + 400);
	openflow_packet_out(bed.o, 1, &f, frame, 65500);
	openflow_packet_out(bed.o, 1, &f, frame, SIZE_MAX);
	flow_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ask_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unasked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packet_outs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
