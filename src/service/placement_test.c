/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/mem.h"
#include "service/host.h"
#include "service/testing.h"

/*
 * Two properties after every one of some thousand random operations on a small cloud:
 *   1. members and needs, kept by increments, are what the definitions (placement.h) give from scratch;
 *   2. a host that follows the log has what a snapshot would give it.
 *
 * placement-test [--seed N] [--steps N]
 */
#define HOSTS 5
#define NETWORKS 6
#define SUBNETS 2 /* of a network */
#define ROUTERS 5
#define PORTS 24
#define NUMS 256 /* above the numbers of hosts, networks, subnets and routers */

static uint64_t seed = 1;
static int steps = 600;
static uint64_t state;

static uint32_t pick(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 16) % n);
}

/* ---- the cloud as the test knows it ---- */

struct cloud {
	struct testing t;
	uint32_t hosts[HOSTS];
	char networks[NETWORKS][UUID_TEXT_SIZE];
	char subnets[NETWORKS * SUBNETS][UUID_TEXT_SIZE];
	char routers[ROUTERS][UUID_TEXT_SIZE];
	char ports[PORTS][UUID_TEXT_SIZE]; /* "": none */
	uint64_t followed; /* position */
	struct held *held;
	int done, refused; /* operations */
};

static const char *const owners[] = { "compute:nova", "compute:az", "", "network:dhcp", "network:other" };
static const char *const modes[] = { "dvr", "dvr", "dvr_snat", "dvr_no_external", "legacy" };

static void host_name(uint32_t i, char ret[8])
{
	if (i < HOSTS)
		snprintf(ret, 8, "h%u", i);
	else
		ret[0] = '\0';
}

static void call(struct cloud *c, enum service_op op, const struct resource *resource, const char *id, json_t *attrs)
{
	int r = testing_call(&c->t, op, resource, id, attrs);

	/* Refusals are answers too; a failure of ours is not. */
	if (r < 0 && (c->t.err.kind == ERR_INTERNAL || c->t.err.kind == ERR_NONE))
		fail_msg("seed %" PRIu64 ": %s", seed, c->t.err.text);
	if (r < 0)
		c->refused++;
	else
		c->done++;
}

/* None, one, two, or two of one subnet: of some network's, which is not always the port's. */
static void fixed_ips(struct cloud *c, uint32_t network, char ret[256])
{
	const char *one = c->subnets[SUBNETS * network + pick(SUBNETS)];
	const char *other = c->subnets[SUBNETS * network + pick(SUBNETS)];

	switch (pick(5)) {
	case 0:
		snprintf(ret, 256, "[]");
		break;
	case 1:
		snprintf(ret, 256, "[{'subnet_id': '%s'}, {'subnet_id': '%s'}]", one, other);
		break;
	default:
		snprintf(ret, 256, "[{'subnet_id': '%s'}]", one);
	}
}

static void port_create(struct cloud *c, uint32_t i)
{
	uint32_t network = pick(NETWORKS);
	char host[8], ips[256];

	host_name(pick(HOSTS + 2), host);
	fixed_ips(c, network, ips);
	call(c, SERVICE_CREATE, &resource_port, NULL,
	     testing_attrs("{'network_id': '%s', 'device_owner': '%s', 'binding:host_id': '%s', 'fixed_ips': %s}",
			   c->networks[network], owners[pick(N_ELEMENTS(owners))], host, ips));
	snprintf(c->ports[i], sizeof(c->ports[i]), "%s", testing_text(&c->t, "id"));
}

static void port_step(struct cloud *c)
{
	uint32_t i = pick(PORTS);
	char host[8], ips[256];

	host_name(pick(HOSTS + 1), host);
	if (!c->ports[i][0]) {
		port_create(c, i);
		return;
	}
	switch (pick(8)) {
	case 0:
		call(c, SERVICE_DELETE, &resource_port, c->ports[i], NULL);
		if (c->t.err.kind == ERR_NONE || c->t.err.kind == ERR_NOT_FOUND)
			c->ports[i][0] = '\0';
		break;
	case 1:
		call(c, SERVICE_UPDATE, &resource_port, c->ports[i],
		     testing_attrs("{'device_owner': '%s'}", owners[pick(N_ELEMENTS(owners))]));
		break;
	case 2:
		call(c, SERVICE_UPDATE, &resource_port, c->ports[i],
		     host[0] ? testing_attrs("{'binding:profile': {'migrating_to': '%s'}}", host)
			     : testing_attrs("{'binding:profile': {}}"));
		break;
	case 3:
		call(c, SERVICE_UPDATE, &resource_port, c->ports[i],
		     testing_attrs("{'admin_state_up': %s}", pick(2) ? "true" : "false"));
		break;
	case 4:
		fixed_ips(c, pick(NETWORKS), ips);
		call(c, SERVICE_UPDATE, &resource_port, c->ports[i],
		     testing_attrs("{'fixed_ips': %s, 'binding:host_id': '%s'}", ips, host));
		break;
	case 5:
		call(c, SERVICE_UPDATE, &resource_port, c->ports[i], testing_attrs("{'fixed_ips': []}"));
		break;
	default:
		call(c, SERVICE_UPDATE, &resource_port, c->ports[i], testing_attrs("{'binding:host_id': '%s'}", host));
	}
}

static void router_step(struct cloud *c)
{
	const char *router = c->routers[pick(ROUTERS)];
	const char *subnet = c->subnets[pick(NETWORKS * SUBNETS)];
	uint32_t port = pick(PORTS);

	switch (pick(8)) {
	case 0:
		call(c, SERVICE_UPDATE, &resource_router, router,
		     testing_attrs("{'admin_state_up': %s}", pick(3) ? "true" : "false"));
		break;
	case 1:
		call(c, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, router,
		     testing_attrs("{'port_id': '%s'}", c->ports[port][0] ? c->ports[port] : subnet));
		break;
	case 2:
	case 3:
	case 4:
		call(c, SERVICE_ADD_ROUTER_INTERFACE, &resource_router, router,
		     testing_attrs("{'subnet_id': '%s'}", subnet));
		break;
	default:
		call(c, SERVICE_REMOVE_ROUTER_INTERFACE, &resource_router, router,
		     testing_attrs("{'subnet_id': '%s'}", subnet));
	}
}

/* Gone if services' ports alone have addresses of it; and made anew. */
static void subnet_step(struct cloud *c)
{
	uint32_t i = pick(NETWORKS * SUBNETS);

	call(c, SERVICE_DELETE, &resource_subnet, c->subnets[i], NULL);
	if (c->t.err.kind != ERR_NONE)
		return;
	call(c, SERVICE_CREATE, &resource_subnet, NULL,
	     testing_attrs("{'network_id': '%s', 'cidr': '10.%u.%u.0/24', 'ip_version': 4}", c->networks[i / SUBNETS],
			   i / SUBNETS, i % SUBNETS));
	snprintf(c->subnets[i], UUID_TEXT_SIZE, "%s", testing_text(&c->t, "id"));
}

static void register_host(struct cloud *c, uint32_t i)
{
	char name[8], tunnel[32];
	int r;

	host_name(i, name);
	snprintf(tunnel, sizeof(tunnel), "192.0.2.%u", 1 + i + (pick(4) ? 0 : 100));
	r = testing_hello(&c->t, name, tunnel, modes[pick(N_ELEMENTS(modes))], &c->hosts[i]);
	assert_int_equal(r, 0);
}

struct unregister {
	struct job job;
	uint32_t host;
	sem_t done;
};

static int run_unregister(struct tx *tx, struct job *job, struct err *err)
{
	return host_unregister(tx, ((struct unregister *)job)->host, err);
}

static void unregistered(struct job *job)
{
	sem_post(&((struct unregister *)job)->done);
}

static void toggle_agent(struct cloud *c, uint32_t host)
{
	_cleanup_(db_endp) struct db_rows *q =
		db_query(c->t.reader->db, "SELECT id FROM agents WHERE host = $1 AND face = 2", DB(v_int(host)));
	char text[UUID_TEXT_SIZE];
	struct uuid id;

	if (db_next(q, NULL) <= 0)
		return;
	db_copy_blob(q, 0, id.b, sizeof(id.b));
	uuid_format(&id, text);
	call(c, SERVICE_UPDATE, &resource_agent, text,
	     testing_attrs("{'admin_state_up': %s}", pick(3) ? "true" : "false"));
}

static void host_step(struct cloud *c)
{
	uint32_t i = pick(HOSTS);
	struct unregister u = { .job = { .run = run_unregister, .done = unregistered }, .host = c->hosts[i] };

	switch (pick(4)) {
	case 0:
		sem_init(&u.done, 0, 0);
		service_queue(c->t.service, &u.job);
		sem_wait(&u.done);
		sem_destroy(&u.done);
		assert_int_equal(u.job.r, 0);
		break;
	case 1:
		toggle_agent(c, c->hosts[i]);
		break;
	default:
		register_host(c, i);
	}
}

/* ---- the definitions ---- */

struct truth {
	bool capable[NUMS], registered[NUMS], up[NUMS]; /* hosts; routers */
	bool bound[HOSTS + 1][NUMS]; /* host, network */
	bool served[HOSTS + 1][NUMS]; /* host, subnet */
	bool link[NUMS][NUMS]; /* router, network */
	bool leads[NUMS][NUMS]; /* router, subnet */
	uint32_t networks[NETWORKS + 1], routers[ROUTERS + 1], n_networks, n_routers;
	bool joined[ROUTERS][ROUTERS]; /* the same component */
	bool lives[HOSTS + 1][ROUTERS];
	bool need[HOSTS + 1][NETWORKS];
};

static void each_row(struct db *db, const char *sql, void (*fn)(struct db_rows *q, struct truth *t), struct truth *t)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(db, sql, DB_NONE);

	while (db_next(q, NULL) > 0)
		fn(q, t);
}

static void read_host(struct db_rows *q, struct truth *t)
{
	t->registered[db_u32(q, 0)] = db_int(q, 1);
	t->capable[db_u32(q, 0)] = db_int(q, 1) && strncmp(db_text(q, 2), "dvr", 3) == 0 && db_int(q, 3);
}

static void read_network(struct db_rows *q, struct truth *t)
{
	t->networks[t->n_networks++] = db_u32(q, 0);
}

static void read_router(struct db_rows *q, struct truth *t)
{
	t->up[db_u32(q, 0)] = db_int(q, 1);
	t->routers[t->n_routers++] = db_u32(q, 0);
}

static void read_link(struct db_rows *q, struct truth *t)
{
	t->link[db_u32(q, 0)][db_u32(q, 1)] = true;
}

static void read_leads(struct db_rows *q, struct truth *t)
{
	t->leads[db_u32(q, 0)][db_u32(q, 1)] = true;
}

/* A port once for each of its addresses; once, with subnet 0, when it has none. */
static void read_port(struct db_rows *q, struct truth *t)
{
	uint32_t network = db_u32(q, 0);
	const char *owner = db_text(q, 3);

	for (int i = 1; i <= 2; i++) {
		uint32_t host = db_u32(q, i);

		if (!host || !t->registered[host])
			continue;
		t->bound[host][network] = true;
		if (strncmp(owner, "network:", 8) != 0 || strcmp(owner, "network:dhcp") == 0)
			t->served[host][db_u32(q, 4)] = true;
	}
}

static void read_truth(struct db *db, struct truth *t)
{
	each_row(db,
		 "SELECT num, registered, agent_mode, NOT EXISTS (SELECT 1 FROM agents a WHERE a.host = hosts.num AND"
		 " a.face = 2 AND NOT a.admin_state_up) FROM hosts",
		 read_host, t);
	each_row(db, "SELECT num FROM networks", read_network, t);
	each_row(db, "SELECT num, admin_state_up FROM routers", read_router, t);
	each_row(db, "SELECT router, network FROM interfaces", read_link, t);
	each_row(db, "SELECT i.router, a.subnet FROM interfaces i JOIN addresses a ON a.port = i.port", read_leads, t);
	each_row(db,
		 "SELECT p.network, p.host, p.next, p.device_owner, a.subnet FROM ports p LEFT JOIN addresses a"
		 " ON a.port = p.num WHERE p.num NOT IN (SELECT port FROM interfaces)",
		 read_port, t);
}

/* Components by closure, the slow way. */
static void join(struct truth *t)
{
	for (uint32_t a = 0; a < t->n_routers; a++) {
		for (uint32_t b = 0; b < t->n_routers; b++) {
			t->joined[a][b] = a == b;
			for (uint32_t n = 0; n < t->n_networks; n++)
				t->joined[a][b] |= t->link[t->routers[a]][t->networks[n]] &&
						   t->link[t->routers[b]][t->networks[n]];
		}
	}
	for (uint32_t k = 0; k < t->n_routers; k++)
		for (uint32_t a = 0; a < t->n_routers; a++)
			for (uint32_t b = 0; b < t->n_routers; b++)
				t->joined[a][b] |= t->joined[a][k] && t->joined[k][b];
}

static void place(struct truth *t)
{
	for (uint32_t h = 1; h <= HOSTS; h++) {
		for (uint32_t r = 0; r < t->n_routers; r++) {
			bool audience = false;

			for (uint32_t o = 0; o < t->n_routers; o++)
				for (uint32_t s = 1; s < NUMS; s++)
					audience |= t->joined[r][o] && t->leads[t->routers[o]][s] && t->served[h][s];
			t->lives[h][r] = audience && t->up[t->routers[r]] && t->capable[h];
		}
		for (uint32_t n = 0; n < t->n_networks; n++) {
			t->need[h][n] = t->bound[h][t->networks[n]];
			for (uint32_t r = 0; r < t->n_routers; r++)
				t->need[h][n] |= t->lives[h][r] && t->link[t->routers[r]][t->networks[n]];
		}
	}
}

static int64_t count_of(struct db *db, uint32_t host, enum unit_kind kind, uint32_t num)
{
	int64_t count = 0;

	db_get_int(db, 0, &count, NULL, "SELECT count FROM needs WHERE host = $1 AND kind = $2 AND num = $3",
		   DB(v_int(host), v_int(kind), v_int(num)));
	return count;
}

static void expect_count(struct db *db, uint32_t host, enum unit_kind kind, uint32_t num, int64_t expected,
			 int64_t *total)
{
	int64_t found = count_of(db, host, kind, num);
	struct unit u = { kind, num };
	char text[32];

	if (found != expected)
		fail_msg("seed %" PRIu64 ": host %u needs %s for %" PRId64 " reasons, and %" PRId64 " are kept", seed,
			 host, unit_format(&u, text), expected, found);
	*total += expected != 0;
}

static void check_host(struct db *db, const struct truth *t, uint32_t h, int64_t *total)
{
	expect_count(db, h, UNIT_HOST, h, 1, total);
	for (uint32_t n = 0; n < t->n_networks; n++) {
		int64_t reasons = t->bound[h][t->networks[n]];

		for (uint32_t r = 0; r < t->n_routers; r++)
			reasons += t->lives[h][r] && t->link[t->routers[r]][t->networks[n]];
		expect_count(db, h, UNIT_NETWORK, t->networks[n], reasons, total);
	}
	for (uint32_t r = 0; r < t->n_routers; r++) {
		int64_t reasons = 0;

		for (uint32_t n = 0; n < t->n_networks; n++)
			reasons += t->need[h][n] && t->link[t->routers[r]][t->networks[n]];
		expect_count(db, h, UNIT_ROUTER, t->routers[r], reasons, total);
	}
	for (uint32_t p = 1; p <= HOSTS; p++) {
		int64_t reasons = 0;

		for (uint32_t n = 0; n < t->n_networks; n++)
			reasons += p != h && t->need[h][n] && t->need[p][n];
		expect_count(db, h, UNIT_PEER, p, reasons, total);
	}
}

static void check_placement(struct cloud *c)
{
	_cleanup_(freep) struct truth *t = xcalloc(1, sizeof(*t));
	struct db *db = c->t.reader->db;
	int64_t total = 0, kept = -1, members = 0;

	assert_int_equal(db_begin(db, NULL), 0);
	read_truth(db, t);
	join(t);
	place(t);
	for (uint32_t h = 1; h <= HOSTS; h++)
		check_host(db, t, h, &total);
	db_get_int(db, -1, &kept, NULL, "SELECT count(*) FROM needs", DB_NONE);
	assert_int_equal(kept, total);
	for (uint32_t h = 1; h <= HOSTS; h++) {
		for (uint32_t r = 0; r < t->n_routers; r++) {
			db_get_int(db, -1, &kept, NULL, "SELECT count(*) FROM members WHERE router = $1 AND host = $2",
				   DB(v_int(t->routers[r]), v_int(h)));
			assert_int_equal(kept, t->lives[h][r]);
			members += t->lives[h][r];
		}
	}
	db_get_int(db, -1, &kept, NULL, "SELECT count(*) FROM members", DB_NONE);
	assert_int_equal(kept, members);
	db_rollback(db);
}

/* ---- a follower of the log, for all hosts at once ---- */

struct held {
	struct {
		uint32_t host, unit, num;
		struct object_id id;
	} key;
	char *json;
	UT_hash_handle hh;
};

struct follower {
	struct cloud *cloud;
	struct held **held;
	uint32_t host;
	struct unit unit;
	bool entered[HOSTS + 1][N_UNIT_KINDS][NUMS]; /* in this step */
	bool needed[HOSTS + 1][N_UNIT_KINDS][NUMS]; /* before this step */
};

static void hold(struct held **table, uint32_t host, const struct unit *u, const struct object_id *id, const char *json)
{
	struct held *h = xcalloc(1, sizeof(*h)), *known;

	h->key.host = host;
	h->key.unit = u->kind;
	h->key.num = u->num;
	h->key.id = *id;
	HASH_FIND(hh, *table, &h->key, sizeof(h->key), known);
	if (known) {
		HASH_DEL(*table, known);
		free(known->json);
		free(known);
	}
	if (!json) {
		free(h);
		return;
	}
	h->json = xstrdup(json);
	HASH_ADD(hh, *table, key, sizeof(h->key), h);
}

static void release(struct held **table, uint32_t host, const struct unit *u)
{
	struct held *h, *tmp;

	HASH_ITER (hh, *table, h, tmp) {
		if (host && (h->key.host != host || h->key.unit != u->kind || h->key.num != u->num))
			continue;
		HASH_DEL(*table, h);
		free(h->json);
		free(h);
	}
}

static void on_object(const char *json, void *arg)
{
	struct follower *f = arg;
	json_t *parsed = json_loads(json, 0, NULL);
	struct object o;

	assert_int_equal(object_decode(parsed, &o, NULL), 0);
	json_decref(parsed);
	hold(f->held, f->host, &f->unit, &o.id, json);
}

static void on_line(const struct feed_row *row, void *arg)
{
	struct follower *f = arg;
	struct object_id id;
	json_t *parsed;

	if (row->op == FEED_ENTER || row->op == FEED_DROP) {
		assert_true(f->needed[row->host][row->unit.kind][row->unit.num] == (row->op == FEED_DROP));
		f->needed[row->host][row->unit.kind][row->unit.num] = row->op == FEED_ENTER;
		f->entered[row->host][row->unit.kind][row->unit.num] = row->op == FEED_ENTER;
		if (row->op == FEED_DROP)
			release(f->held, row->host, &row->unit);
		return;
	}
	parsed = json_loads(row->json, 0, NULL);
	assert_int_equal(object_id_decode(parsed, &id, NULL), 0);
	json_decref(parsed);
	for (uint32_t h = 1; h <= HOSTS; h++) {
		if (f->needed[h][row->unit.kind][row->unit.num])
			hold(f->held, h, &row->unit, &id, row->op == FEED_SET ? row->json : NULL);
	}
}

static void on_unit(const struct unit *u, void *arg)
{
	struct follower *f = arg;

	f->unit = *u;
	assert_true(feed_objects(f->cloud->t.reader, u, on_object, f) >= 0);
}

static void enter_units(struct follower *f)
{
	for (uint32_t h = 1; h <= HOSTS; h++)
		for (uint32_t k = 0; k < N_UNIT_KINDS; k++)
			for (uint32_t n = 0; n < NUMS; n++) {
				struct unit u = { (enum unit_kind)k, n };

				if (!f->entered[h][k][n])
					continue;
				f->host = h;
				release(f->held, h, &u);
				on_unit(&u, f);
			}
}

static void compare(const struct held *followed, const struct held *snapshot)
{
	const struct held *h, *other;

	if (HASH_COUNT(followed) != HASH_COUNT(snapshot))
		fail_msg("seed %" PRIu64 ": followers hold %u objects, snapshots %u", seed, HASH_COUNT(followed),
			 HASH_COUNT(snapshot));
	for (h = snapshot; h; h = h->hh.next) {
		HASH_FIND(hh, followed, &h->key, sizeof(h->key), other);
		if (!other || strcmp(other->json, h->json) != 0)
			fail_msg("seed %" PRIu64 ": host %u follows %s, and a snapshot has %s", seed, h->key.host,
				 other ? other->json : "nothing", h->json);
	}
}

static void check_log(struct cloud *c, struct follower *f)
{
	struct held *snapshot = NULL;
	uint64_t position, oldest;

	memset(f->entered, 0, sizeof(f->entered));
	assert_int_equal(feed_begin(c->t.reader, &position, &oldest, NULL), 0);
	f->held = &c->held;
	assert_true(feed_log(c->t.reader, c->followed, on_line, f) >= 0);
	enter_units(f);
	c->followed = position;
	f->held = &snapshot;
	for (uint32_t h = 1; h <= HOSTS; h++) {
		f->host = h;
		assert_true(feed_units(c->t.reader, h, on_unit, f) >= 0);
	}
	feed_end(c->t.reader);
	compare(c->held, snapshot);
	release(&snapshot, 0, NULL);
}

/* ---- the run ---- */

static void build(struct cloud *c)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		register_host(c, i);
	for (uint32_t i = 0; i < NETWORKS; i++) {
		call(c, SERVICE_CREATE, &resource_network, NULL, testing_attrs("{'name': 'n%u'}", i));
		snprintf(c->networks[i], UUID_TEXT_SIZE, "%s", testing_text(&c->t, "id"));
		for (uint32_t k = 0; k < SUBNETS; k++) {
			call(c, SERVICE_CREATE, &resource_subnet, NULL,
			     testing_attrs("{'network_id': '%s', 'cidr': '10.%u.%u.0/24', 'ip_version': 4}",
					   c->networks[i], i, k));
			snprintf(c->subnets[SUBNETS * i + k], UUID_TEXT_SIZE, "%s", testing_text(&c->t, "id"));
		}
	}
	for (uint32_t i = 0; i < ROUTERS; i++) {
		call(c, SERVICE_CREATE, &resource_router, NULL, testing_attrs("{'name': 'r%u'}", i));
		snprintf(c->routers[i], UUID_TEXT_SIZE, "%s", testing_text(&c->t, "id"));
	}
}

static void increments_equal_definitions(void **unused)
{
	struct cloud *c = xcalloc(1, sizeof(*c));
	struct follower *f = xcalloc(1, sizeof(*f));

	(void)unused;
	state = seed * 0x9e3779b97f4a7c15u | 1;
	testing_open(&c->t, NULL);
	f->cloud = c;
	build(c);
	for (uint32_t h = 1; h <= HOSTS; h++)
		f->needed[h][UNIT_HOST][h] = f->entered[h][UNIT_HOST][h] = true;
	/* Enrolling makes no line: what a host always needs it has by a snapshot. */
	f->held = &c->held;
	enter_units(f);
	for (int i = 0; i < steps; i++) {
		uint32_t what = pick(24);

		if (what < 2)
			host_step(c);
		else if (what == 2)
			subnet_step(c);
		else if (what < 10)
			router_step(c);
		else
			port_step(c);
		check_placement(c);
		check_log(c, f);
	}
	print_message("seed %" PRIu64 ": %d operations done, %d refused, %" PRIu64 " positions\n", seed, c->done,
		      c->refused, c->followed);
	assert_true(c->done > steps / 3);
	release(&c->held, 0, NULL);
	testing_close(&c->t);
	free(f);
	free(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(increments_equal_definitions) };

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--steps") == 0)
			steps = (int)strtol(argv[i + 1], NULL, 10);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
