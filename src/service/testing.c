/* SPDX-License-Identifier: Apache-2.0 */
#include "service/testing.h"

#include <assert.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"

json_t *testing_attrs(const char *fmt, ...)
{
	char *text;
	json_t *json;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	for (char *p = text; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	json = json_loads(text, 0, NULL);
	assert(json);
	free(text);
	return json;
}

struct service_options testing_options(void)
{
	return (struct service_options) {
		.base_mac = { { 0xfa, 0x16, 0x3e, 0, 0, 0 } },
		.dvr_base_mac = { { 0xfa, 0x16, 0x3f, 0, 0, 0 } },
		.router_distributed = true,
		.host_dvr_for_dhcp = true,
		.vni_min = 1,
		.vni_max = 16777215,
		.physnet_mtu = 1500,
		.agent_down_time = 75,
	};
}

static void start(struct testing *t, const struct service_options *options)
{
	struct service_options o = options ? *options : testing_options();
	char path[96];
	int r;

	snprintf(path, sizeof(path), "%s/made/neutron.db", t->dir);
	o.database = path;
	r = service_open(&o, &t->service, &t->err);
	assert(r == 0);
	r = service_reader_open(t->service, &t->reader, &t->err);
	assert(r == 0);
}

/* Databases that are there, so that a test that fails leaves none behind. */
static char left[8][64];

static void remove_files(const char *dir)
{
	static const char *const files[] = { "made/text", "made/neutron.db", "made/neutron.db-wal",
					     "made/neutron.db-shm" };
	char path[128];

	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/made", dir);
	rmdir(path);
	rmdir(dir);
}

static void remove_left(void)
{
	for (size_t i = 0; i < N_ELEMENTS(left); i++) {
		if (left[i][0])
			remove_files(left[i]);
	}
}

static void remember(const char *dir, const char *instead)
{
	static bool registered;

	if (!registered)
		atexit(remove_left);
	registered = true;
	for (size_t i = 0; i < N_ELEMENTS(left); i++) {
		if (strcmp(left[i], dir) == 0) {
			snprintf(left[i], sizeof(left[i]), "%s", instead);
			return;
		}
	}
}

void testing_open(struct testing *t, const struct service_options *options)
{
	const char *dir;

	memset(t, 0, sizeof(*t));
	snprintf(t->dir, sizeof(t->dir), "/tmp/neutrino-service-XXXXXX");
	dir = mkdtemp(t->dir);
	assert(dir);
	remember("", t->dir);
	start(t, options);
}

static void stop(struct testing *t)
{
	service_reader_close(t->reader);
	service_close(t->service);
	json_decref(t->reply);
	t->reply = NULL;
}

void testing_reopen(struct testing *t, const struct service_options *options)
{
	stop(t);
	start(t, options);
}

void testing_close(struct testing *t)
{
	stop(t);
	remove_files(t->dir);
	remember(t->dir, "");
}

static void post(struct service_call *call, void *arg)
{
	(void)call;
	sem_post(arg);
}

static struct service_call *make_call(struct testing *t, enum service_op op, const struct resource *resource,
				      const char *id, json_t *attrs, int *ret_r)
{
	struct service_call *call = service_call_new();

	*ret_r = 0;
	if (op == SERVICE_CREATE || op == SERVICE_UPDATE) {
		*ret_r = resource_check(resource, op == SERVICE_CREATE ? RESOURCE_CREATE : RESOURCE_UPDATE, attrs, true,
					&call->attrs, &t->err);
		json_decref(attrs);
	} else {
		call->attrs = attrs;
	}
	call->op = op;
	call->resource = resource;
	snprintf(call->id, sizeof(call->id), "%s", id ? id : "");
	call->caller = (struct caller) { .admin = true, .project_id = "p", .request_id = "req-1" };
	return call;
}

int testing_call(struct testing *t, enum service_op op, const struct resource *resource, const char *id, json_t *attrs)
{
	struct service_call *call;
	sem_t done;
	int r;

	memset(&t->err, 0, sizeof(t->err));
	call = make_call(t, op, resource, id, attrs, &r);
	if (r < 0) {
		service_call_free(call);
		return r;
	}
	sem_init(&done, 0, 0);
	call->done = post;
	call->arg = &done;
	service_submit(t->service, call);
	sem_wait(&done);
	sem_destroy(&done);
	r = call->r;
	t->err = call->err;
	json_decref(t->reply);
	t->reply = json_loadb(utstring_body(call->reply), utstring_len(call->reply), 0, NULL);
	service_call_free(call);
	return r;
}

const char *testing_text(const struct testing *t, const char *key)
{
	const char *text = json_string_value(json_object_get(t->reply, key));

	return text ? text : "";
}

struct waiting {
	sem_t done;
	int r;
	struct err err;
};

static void hello_done(int r, const struct err *err, void *arg)
{
	struct waiting *w = arg;

	w->r = r;
	w->err = *err;
	sem_post(&w->done);
}

int testing_hello(struct testing *t, const char *host, const char *tunnel, const char *mode, uint32_t *ret_host)
{
	return testing_hello_as(t, host, tunnel, mode, "tap", json_object(), ret_host);
}

int testing_hello_as(struct testing *t, const char *host, const char *tunnel, const char *mode, const char *vif_type,
		     json_t *configurations, uint32_t *ret_host)
{
	struct service_host_hello hello = { .datapath = "fake", .configurations = configurations };
	struct waiting w = { .r = 0 };
	char token[65];
	int r;

	r = service_enroll(t->service, host, token, &t->err);
	assert(r == 0);
	r = service_authenticate(t->reader, host, token, ret_host, &t->err);
	assert(r == 0);
	hello.host = *ret_host;
	snprintf(hello.vif_type, sizeof(hello.vif_type), "%s", vif_type);
	snprintf(hello.agent_mode, sizeof(hello.agent_mode), "%s", mode);
	r = ip_parse(tunnel, &hello.tunnel);
	assert(r == 0);
	sem_init(&w.done, 0, 0);
	service_host_hello(t->service, &hello, hello_done, &w);
	sem_wait(&w.done);
	sem_destroy(&w.done);
	t->err = w.err;
	return w.r;
}

static int run_nothing(struct tx *tx, struct job *job, struct err *err)
{
	(void)tx;
	(void)job;
	(void)err;
	return 0;
}

struct settling {
	struct job job;
	sem_t done;
};

static void settled(struct job *job)
{
	sem_post(&((struct settling *)job)->done);
}

void testing_settle(struct testing *t)
{
	struct settling s = { .job = { .run = run_nothing, .done = settled } };

	sem_init(&s.done, 0, 0);
	service_queue(t->service, &s.job);
	sem_wait(&s.done);
	sem_destroy(&s.done);
}

void testing_make(struct testing *t, const struct resource *resource, json_t *attrs, char ret[UUID_TEXT_SIZE])
{
	if (testing_call(t, SERVICE_CREATE, resource, NULL, attrs) < 0)
		fail_msg("%s: %s", t->err.type, t->err.text);
	snprintf(ret, UUID_TEXT_SIZE, "%s", testing_text(t, "id"));
}

void testing_refused(struct testing *t, enum service_op op, const struct resource *resource, const char *id,
		     json_t *attrs, enum err_kind kind, const char *type)
{
	assert_true(testing_call(t, op, resource, id, attrs) < 0);
	assert_string_equal(t->err.type, type);
	assert_int_equal(t->err.kind, kind);
	assert_true(t->err.text[0] != '\0');
}

void testing_basis_open(struct testing_basis *b, const char *cidr, const struct service_options *options)
{
	testing_open(&b->t, options);
	testing_make(&b->t, &resource_network, testing_attrs("{'name': 'a'}"), b->network);
	testing_make(&b->t, &resource_subnet,
		     testing_attrs("{'network_id': '%s', 'cidr': '%s', 'ip_version': 4}", b->network, cidr), b->subnet);
	testing_make(&b->t, &resource_router, testing_attrs("{'name': 'r'}"), b->router);
}

json_t *testing_port_attrs(const struct testing_basis *b, const char *more)
{
	return testing_attrs("{'network_id': '%s'%s}", b->network, more);
}

const char *testing_first_ip(const struct testing_basis *b)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(b->t.reply, "fixed_ips"), 0), "ip_address"));
}

const char *testing_shown(struct testing_basis *b, const char *port, const char *key)
{
	_cleanup_(utstring_freep) UT_string *out = NULL;
	struct caller admin = { .admin = true };

	utstring_new(out);
	assert_int_equal(service_show(b->t.reader, &admin, &resource_port, port, out, &b->t.err), 0);
	json_decref(b->t.reply);
	b->t.reply = json_loads(utstring_body(out), 0, NULL);
	return testing_text(&b->t, key);
}

uint32_t testing_port_number(struct testing_basis *b, const char *id)
{
	struct uuid uuid;
	int64_t num;

	assert_int_equal(uuid_parse_text(id, &uuid), 0);
	assert_int_equal(
		db_get_int(b->t.reader->db, 0, &num, NULL, "SELECT num FROM ports WHERE id = $1", DB(v_uuid(&uuid))),
		0);
	return (uint32_t)num;
}
