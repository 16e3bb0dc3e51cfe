/* SPDX-License-Identifier: Apache-2.0 */
#include "service/placement.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "service/change.h"
#include "store/routers.h"

/* Numbers that a query gave, read whole before anything is changed. */
struct nums {
	uint32_t *v;
	size_t n, allocated;
};

static void nums_fini(struct nums *s)
{
	free(s->v);
}

static void nums_add(struct nums *s, uint32_t num)
{
	if (s->n == s->allocated) {
		s->allocated = s->allocated ? 2 * s->allocated : 16;
		s->v = xrealloc(s->v, s->allocated * sizeof(*s->v));
	}
	s->v[s->n++] = num;
}

static bool nums_have(const struct nums *s, uint32_t num)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] == num)
			return true;
	}
	return false;
}

static int nums_read(struct tx *tx, struct nums *ret, struct err *err, const char *sql, const struct db_value *args,
		     size_t n)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(tx->db, sql, args, n);
	int r;

	ret->n = 0;
	while ((r = db_next(q, err)) > 0)
		nums_add(ret, db_u32(q, 0));
	return r;
}

bool placement_is_served(const struct service *s, const char *device_owner)
{
	if (strncmp(device_owner, "network:", 8) != 0)
		return true;
	return s->options.host_dvr_for_dhcp && strcmp(device_owner, "network:dhcp") == 0;
}

/* *ret_edge: 1 when the host has come to need the unit, -1 when it needs it no longer, else 0. */
static int need(struct tx *tx, uint32_t host, enum unit_kind kind, uint32_t num, int by, int *ret_edge, struct err *err)
{
	int64_t count;
	int r = db_get_int(tx->db, 0, &count, err,
			   "INSERT INTO needs (host, kind, num, count) VALUES ($1, $2, $3, $4)"
			   " ON CONFLICT (host, kind, num) DO UPDATE SET count = count + $4 RETURNING count",
			   DB(v_int(host), v_int(kind), v_int(num), v_int(by)));

	if (r < 0)
		return r;
	*ret_edge = count == 0 ? -1 : count == by;
	if (*ret_edge != 0)
		change_need(tx->change, host, kind, num, count != 0);
	if (count != 0)
		return 0;
	return db_run(tx->db, err, "DELETE FROM needs WHERE host = $1 AND kind = $2 AND num = $3",
		      DB(v_int(host), v_int(kind), v_int(num)));
}

/* The peers that the host has, or loses, by its need of the network. */
static int need_peers(struct tx *tx, uint32_t host, uint32_t network, int by, struct err *err)
{
	_cleanup_(nums_fini) struct nums peers = { 0 };
	int r, edge;

	r = nums_read(tx, &peers, err, "SELECT host FROM needs WHERE kind = $1 AND num = $2 AND host <> $3",
		      DB(v_int(UNIT_NETWORK), v_int(network), v_int(host)));
	for (size_t i = 0; i < peers.n && r >= 0; i++) {
		r = need(tx, host, UNIT_PEER, peers.v[i], by, &edge, err);
		if (r >= 0)
			r = need(tx, peers.v[i], UNIT_PEER, host, by, &edge, err);
	}
	return r;
}

/* One more, or one less, reason why the host needs the network. */
static int need_network(struct tx *tx, uint32_t host, uint32_t network, int by, struct err *err)
{
	_cleanup_(nums_fini) struct nums routers = { 0 };
	int edge, r = need(tx, host, UNIT_NETWORK, network, by, &edge, err);

	if (r < 0 || edge == 0)
		return r;
	r = nums_read(tx, &routers, err, "SELECT DISTINCT router FROM interfaces WHERE network = $1",
		      DB(v_int(network)));
	for (size_t i = 0; i < routers.n && r >= 0; i++)
		r = need(tx, host, UNIT_ROUTER, routers.v[i], by, &edge, err);
	return r < 0 ? r : need_peers(tx, host, network, by, err);
}

/* The router begins or ceases to live at the host. */
static int live(struct tx *tx, uint32_t host, uint32_t router, bool lives, struct err *err)
{
	_cleanup_(nums_fini) struct nums networks = { 0 };
	int r = db_run(tx->db, err,
		       lives ? "INSERT INTO members (router, host) VALUES ($1, $2)"
			     : "DELETE FROM members WHERE router = $1 AND host = $2",
		       DB(v_int(router), v_int(host)));

	if (r < 0)
		return r;
	change_touch(tx->change, UNIT_ROUTER, router, OBJECT_MEMBER, router, host);
	r = nums_read(tx, &networks, err, "SELECT DISTINCT network FROM interfaces WHERE router = $1",
		      DB(v_int(router)));
	for (size_t i = 0; i < networks.n && r >= 0; i++)
		r = need_network(tx, host, networks.v[i], lives ? 1 : -1, err);
	return r;
}

static int is_capable(struct tx *tx, uint32_t host, struct err *err)
{
	int64_t capable;
	int r = db_get_int(tx->db, 0, &capable, err, "SELECT capable FROM hosts WHERE num = $1", DB(v_int(host)));

	return r < 0 ? r : capable != 0;
}

/* The routers of the component that are up begin or cease to live at the host, if it may have routers. */
static int live_component(struct tx *tx, uint32_t host, uint32_t component, bool lives, struct err *err)
{
	_cleanup_(nums_fini) struct nums routers = { 0 };
	int r = is_capable(tx, host, err);

	if (r <= 0)
		return r;
	r = nums_read(tx, &routers, err, "SELECT num FROM routers WHERE component = $1 AND admin_state_up",
		      DB(v_int(component)));
	for (size_t i = 0; i < routers.n && r >= 0; i++)
		r = live(tx, host, routers.v[i], lives, err);
	return r;
}

/* Sets how many subnets of the component have served ports at the host; what was there before is `*ret_before`. */
static int audience_add(struct tx *tx, uint32_t component, uint32_t host, int by, int64_t *ret_before, struct err *err)
{
	int64_t count;
	int r = db_get_int(tx->db, 0, &count, err,
			   "INSERT INTO audience (component, host, subnets) VALUES ($1, $2, $3)"
			   " ON CONFLICT (component, host) DO UPDATE SET subnets = subnets + $3 RETURNING subnets",
			   DB(v_int(component), v_int(host), v_int(by)));

	if (r < 0)
		return r;
	*ret_before = count - by;
	if (count != 0)
		return 0;
	return db_run(tx->db, err, "DELETE FROM audience WHERE component = $1 AND host = $2",
		      DB(v_int(component), v_int(host)));
}

static int attend(struct tx *tx, uint32_t component, uint32_t host, int by, struct err *err)
{
	int64_t before;
	int r = audience_add(tx, component, host, by, &before, err);

	if (r < 0 || (before != 0 && before + by != 0))
		return r;
	return live_component(tx, host, component, by > 0, err);
}

/* The component that the network belongs to, 0: no router has an interface on it. */
static int component_of_network(struct tx *tx, uint32_t network, uint32_t *ret, struct err *err)
{
	int64_t component;
	int r = db_get_int(tx->db, 0, &component, err,
			   "SELECT r.component FROM interfaces i JOIN routers r ON r.num = i.router"
			   " WHERE i.network = $1 LIMIT 1",
			   DB(v_int(network)));

	if (r >= 0)
		*ret = (uint32_t)component;
	return r;
}

/* The same for a subnet. */
static int component_of_subnet(struct tx *tx, uint32_t subnet, uint32_t *ret, struct err *err)
{
	int64_t component;
	int r = db_get_int(tx->db, 0, &component, err,
			   "SELECT r.component FROM links l JOIN interfaces i ON i.port = l.port"
			   " JOIN routers r ON r.num = i.router WHERE l.subnet = $1 LIMIT 1",
			   DB(v_int(subnet)));

	if (r >= 0)
		*ret = (uint32_t)component;
	return r;
}

int placement_bind(struct tx *tx, uint32_t host, uint32_t network, int by, struct err *err)
{
	int64_t bound;
	int r = db_get_int(tx->db, 0, &bound, err,
			   "INSERT INTO presence (host, network, bound) VALUES ($1, $2, $3)"
			   " ON CONFLICT (host, network) DO UPDATE SET bound = bound + $3 RETURNING bound",
			   DB(v_int(host), v_int(network), v_int(by)));

	if (r >= 0 && bound == 0)
		r = db_run(tx->db, err, "DELETE FROM presence WHERE host = $1 AND network = $2",
			   DB(v_int(host), v_int(network)));
	if (r < 0 || (bound != 0 && bound != by))
		return r;
	return need_network(tx, host, network, by, err);
}

int placement_serve(struct tx *tx, uint32_t host, uint32_t subnet, int by, struct err *err)
{
	uint32_t component;
	int64_t served;
	int r = db_get_int(tx->db, 0, &served, err,
			   "INSERT INTO served (host, subnet, addresses) VALUES ($1, $2, $3)"
			   " ON CONFLICT (host, subnet) DO UPDATE SET addresses = addresses + $3 RETURNING addresses",
			   DB(v_int(host), v_int(subnet), v_int(by)));

	if (r >= 0 && served == 0)
		r = db_run(tx->db, err, "DELETE FROM served WHERE host = $1 AND subnet = $2",
			   DB(v_int(host), v_int(subnet)));
	if (r < 0 || (served != 0 && served != by))
		return r;
	r = component_of_subnet(tx, subnet, &component, err);
	return r < 0 || !component ? r : attend(tx, component, host, by, err);
}

int placement_forget_subnet(struct tx *tx, uint32_t subnet, struct err *err)
{
	return db_run(tx->db, err, "DELETE FROM served WHERE subnet = $1", DB(v_int(subnet)));
}

/* The hosts where the subnet has served ports join or leave the component's audience. */
static int attend_subnet(struct tx *tx, uint32_t component, uint32_t subnet, int by, struct err *err)
{
	_cleanup_(nums_fini) struct nums hosts = { 0 };
	int r = nums_read(tx, &hosts, err, "SELECT host FROM served WHERE subnet = $1", DB(v_int(subnet)));

	for (size_t i = 0; i < hosts.n && r >= 0; i++)
		r = attend(tx, component, hosts.v[i], by, err);
	return r;
}

/* A host of one component's audience is no host of another's: where the two differ, the routers begin or cease to live.
 */
static int live_difference(struct tx *tx, uint32_t of, uint32_t without, uint32_t routers_of, bool lives,
			   struct err *err)
{
	_cleanup_(nums_fini) struct nums hosts = { 0 };
	int r = nums_read(tx, &hosts, err,
			  "SELECT host FROM audience WHERE component = $1"
			  " EXCEPT SELECT host FROM audience WHERE component = $2",
			  DB(v_int(of), v_int(without)));

	for (size_t i = 0; i < hosts.n && r >= 0; i++)
		r = live_component(tx, hosts.v[i], routers_of, lives, err);
	return r;
}

/* Both components become `into`. */
static int merge(struct tx *tx, uint32_t into, uint32_t from, struct err *err)
{
	int r;

	if ((r = live_difference(tx, into, from, from, true, err)) < 0 ||
	    (r = live_difference(tx, from, into, into, true, err)) < 0)
		return r;
	r = db_run(tx->db, err,
		   "INSERT INTO audience (component, host, subnets)"
		   " SELECT $1, host, subnets FROM audience WHERE component = $2"
		   " ON CONFLICT (component, host) DO UPDATE SET subnets = subnets + excluded.subnets",
		   DB(v_int(into), v_int(from)));
	if (r < 0 || (r = db_run(tx->db, err, "DELETE FROM audience WHERE component = $1", DB(v_int(from)))) < 0)
		return r;
	return db_run(tx->db, err, "UPDATE routers SET component = $1 WHERE component = $2",
		      DB(v_int(into), v_int(from)));
}

static int merge_into_larger(struct tx *tx, uint32_t a, uint32_t b, struct err *err)
{
	static const char count[] = "SELECT count(*) FROM routers WHERE component = $1";
	int64_t n_a, n_b;
	int r;

	if ((r = db_get_int(tx->db, 0, &n_a, err, count, DB(v_int(a)))) < 0 ||
	    (r = db_get_int(tx->db, 0, &n_b, err, count, DB(v_int(b)))) < 0)
		return r;
	return n_a >= n_b ? merge(tx, a, b, err) : merge(tx, b, a, err);
}

static int component_of_router(struct tx *tx, uint32_t router, uint32_t *ret, struct err *err)
{
	int64_t component;
	int r = db_get_int(tx->db, 0, &component, err, "SELECT component FROM routers WHERE num = $1",
			   DB(v_int(router)));

	if (r >= 0)
		*ret = (uint32_t)component;
	return r;
}

/* The router has got, or is losing, its only interface on the network: who needs it by that, and where it lives. */
static int need_link(struct tx *tx, uint32_t router, uint32_t network, int by, struct err *err)
{
	_cleanup_(nums_fini) struct nums hosts = { 0 };
	int r, edge;

	r = nums_read(tx, &hosts, err, "SELECT host FROM needs WHERE kind = $1 AND num = $2",
		      DB(v_int(UNIT_NETWORK), v_int(network)));
	for (size_t i = 0; i < hosts.n && r >= 0; i++)
		r = need(tx, hosts.v[i], UNIT_ROUTER, router, by, &edge, err);
	return r;
}

static int need_where_living(struct tx *tx, uint32_t router, uint32_t network, int by, struct err *err)
{
	_cleanup_(nums_fini) struct nums hosts = { 0 };
	int r = nums_read(tx, &hosts, err, "SELECT host FROM members WHERE router = $1", DB(v_int(router)));

	for (size_t i = 0; i < hosts.n && r >= 0; i++)
		r = need_network(tx, hosts.v[i], network, by, err);
	return r;
}

static int count_links(struct tx *tx, uint32_t router, uint32_t network, int64_t *ret, struct err *err)
{
	return db_get_int(tx->db, 0, ret, err, "SELECT count(*) FROM interfaces WHERE router = $1 AND network = $2",
			  DB(v_int(router), v_int(network)));
}

/* The subnets that the interface leads to and no other does. */
static int subnets_of_one(struct tx *tx, uint32_t port, struct nums *ret, struct err *err)
{
	return nums_read(tx, ret, err,
			 "SELECT subnet FROM links l WHERE port = $1"
			 " AND NOT EXISTS (SELECT 1 FROM links o WHERE o.subnet = l.subnet AND o.port <> $1)",
			 DB(v_int(port)));
}

static int add_interface(struct tx *tx, uint32_t router, uint32_t port, uint32_t network, struct err *err)
{
	int r = routers_add_interface(tx->db, router, port, network, err);

	if (r < 0)
		return r;
	return db_run(tx->db, err,
		      "INSERT INTO links (subnet, port) SELECT DISTINCT subnet, port FROM addresses WHERE port = $1",
		      DB(v_int(port)));
}

int placement_link(struct tx *tx, uint32_t router, uint32_t port, uint32_t network, struct err *err)
{
	_cleanup_(nums_fini) struct nums subnets = { 0 };
	uint32_t own, other;
	int64_t links;
	int r;

	if ((r = count_links(tx, router, network, &links, err)) < 0 ||
	    (r = component_of_router(tx, router, &own, err)) < 0 ||
	    (r = component_of_network(tx, network, &other, err)) < 0 ||
	    (r = add_interface(tx, router, port, network, err)) < 0 ||
	    (r = subnets_of_one(tx, port, &subnets, err)) < 0)
		return r;
	if (links == 0 && ((r = need_link(tx, router, network, 1, err)) < 0 ||
			   (r = need_where_living(tx, router, network, 1, err)) < 0))
		return r;
	for (size_t i = 0; i < subnets.n && r >= 0; i++)
		r = attend_subnet(tx, own, subnets.v[i], 1, err);
	if (r < 0 || other == 0 || own == other)
		return r;
	return merge_into_larger(tx, other, own, err);
}

/* The routers that networks still join to this one, itself included. */
static int reachable(struct tx *tx, uint32_t router, struct nums *ret, struct err *err)
{
	return nums_read(tx, ret, err,
			 "WITH RECURSIVE reached(router) AS (SELECT CAST($1 AS INTEGER) UNION"
			 " SELECT b.router FROM reached JOIN interfaces a ON a.router = reached.router"
			 " JOIN interfaces b ON b.network = a.network) SELECT router FROM reached",
			 DB(v_int(router)));
}

/* The routers of `part` leave the component `whole` and become `name`; their hosts with them. */
static int split(struct tx *tx, uint32_t whole, const struct nums *part, uint32_t name, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < part->n && r >= 0; i++)
		r = db_run(tx->db, err, "UPDATE routers SET component = $1 WHERE num = $2",
			   DB(v_int(name), v_int(part->v[i])));
	if (r < 0)
		return r;
	/* Every host of the whole had all routers: those that a part has no ports for lose that part's. */
	r = db_run(tx->db, err,
		   "INSERT INTO audience (component, host, subnets)"
		   " SELECT $1, s.host, count(*) FROM served s WHERE s.subnet IN"
		   " (SELECT l.subnet FROM routers r JOIN interfaces i ON i.router = r.num"
		   " JOIN links l ON l.port = i.port WHERE r.component = $1) GROUP BY s.host",
		   DB(v_int(name)));
	if (r < 0 || (r = live_difference(tx, whole, name, name, false, err)) < 0)
		return r;
	r = db_run(tx->db, err,
		   "UPDATE audience SET subnets = subnets - (SELECT a.subnets FROM audience a"
		   " WHERE a.component = $2 AND a.host = audience.host)"
		   " WHERE component = $1 AND host IN (SELECT a.host FROM audience a WHERE a.component = $2)",
		   DB(v_int(whole), v_int(name)));
	if (r < 0 || (r = db_run(tx->db, err, "DELETE FROM audience WHERE component = $1 AND subnets = 0",
				 DB(v_int(whole)))) < 0)
		return r;
	return live_difference(tx, name, whole, whole, false, err);
}

/* The network no longer joins the router to the component: it may fall into two. */
static int part(struct tx *tx, uint32_t router, uint32_t network, uint32_t whole, struct err *err)
{
	_cleanup_(nums_fini) struct nums side = { 0 }, other = { 0 };
	uint32_t name = router;
	int r;

	r = nums_read(tx, &other, err, "SELECT DISTINCT router FROM interfaces WHERE network = $1 LIMIT 1",
		      DB(v_int(network)));
	if (r < 0 || (r = reachable(tx, router, &side, err)) < 0)
		return r;
	if (other.n == 0 || nums_have(&side, other.v[0]))
		return 0;
	/* A component bears the number of one of its routers: the part that has it keeps the name. */
	if (nums_have(&side, whole)) {
		name = other.v[0];
		if ((r = reachable(tx, name, &side, err)) < 0)
			return r;
	}
	return split(tx, whole, &side, name, err);
}

int placement_unlink(struct tx *tx, uint32_t router, uint32_t port, uint32_t network, struct err *err)
{
	_cleanup_(nums_fini) struct nums subnets = { 0 };
	uint32_t component;
	int64_t links;
	int r;

	if ((r = count_links(tx, router, network, &links, err)) < 0 ||
	    (r = component_of_router(tx, router, &component, err)) < 0 ||
	    (r = subnets_of_one(tx, port, &subnets, err)) < 0)
		return r;
	if (links == 1 && ((r = need_where_living(tx, router, network, -1, err)) < 0 ||
			   (r = need_link(tx, router, network, -1, err)) < 0))
		return r;
	r = routers_del_interface(tx->db, port, err);
	for (size_t i = 0; i < subnets.n && r >= 0; i++)
		r = attend_subnet(tx, component, subnets.v[i], -1, err);
	if (r < 0 || links > 1)
		return r;
	return part(tx, router, network, component, err);
}

int placement_router(struct tx *tx, uint32_t router, bool up, struct err *err)
{
	_cleanup_(nums_fini) struct nums hosts = { 0 };
	int r = nums_read(tx, &hosts, err,
			  up ? "SELECT a.host FROM audience a JOIN routers r ON r.component = a.component"
			       " JOIN hosts h ON h.num = a.host WHERE r.num = $1 AND h.capable"
			     : "SELECT host FROM members WHERE router = $1",
			  DB(v_int(router)));

	for (size_t i = 0; i < hosts.n && r >= 0; i++)
		r = live(tx, hosts.v[i], router, up, err);
	return r;
}

int placement_host(struct tx *tx, uint32_t host, bool capable, struct err *err)
{
	_cleanup_(nums_fini) struct nums routers = { 0 };
	int r = nums_read(tx, &routers, err,
			  capable ? "SELECT r.num FROM audience a JOIN routers r ON r.component = a.component"
				    " WHERE a.host = $1 AND r.admin_state_up"
				  : "SELECT router FROM members WHERE host = $1",
			  DB(v_int(host)));

	for (size_t i = 0; i < routers.n && r >= 0; i++)
		r = live(tx, host, routers.v[i], capable, err);
	return r;
}
