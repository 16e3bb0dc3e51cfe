/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/neighbour.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/unixctl.h"
#include "io/loop.h"
#include "io/netlink.h"
#include "net/mac.h"

#define TICK_US 5000000 /* who did not answer is asked again */
#define TICKS_FRESH 48 /* every four minutes all are: Open vSwitch forgets after fifteen */

/* Where packets to some peers go next. */
struct hop {
	UT_hash_handle hh;
	struct hop_key {
		uint32_t ifindex;
		unsigned char ip[4];
	} key;
	char bridge[NETLINK_NAME_SIZE];
	struct mac mac;
	bool awaited; /* its first answer */
	bool has_mac; /* the last one known */
	bool known; /* as the kernel said last */
	bool used; /* by a peer: during a look at all routes */
};

struct peer {
	UT_hash_handle hh;
	uint32_t num;
	struct ip ip;
	bool set; /* since neighbour_all_begin() */
	struct hop_key hop; /* ifindex 0: there is no way to it */
};

struct neighbour {
	struct netlink *netlink;
	struct unixctl *unixctl;
	struct loop_source *routes, *tick;
	struct hop *hops;
	struct peer *peers;
	unsigned ticks;
	bool refused; /* since then some hops are not set */
	char trouble[256]; /* of which was warned */
	struct neighbour_events events;
	struct loop_source *patience;
	bool waiting; /* not settled: for these two */
	unsigned awaited, telling; /* hops; commands without an answer */
};

static void settle(struct neighbour *n)
{
	if (!n->waiting || n->awaited || n->telling)
		return;
	n->waiting = false;
	loop_timer_off(n->patience);
	n->events.settled(n->events.arg);
}

static void begin_wait(struct neighbour *n)
{
	if (!n->waiting)
		loop_timer_arm(n->patience, NEIGHBOUR_WAIT_MS * 1000);
	n->waiting = true;
}

static void set_awaited(struct neighbour *n, struct hop *hop, bool awaited)
{
	if (hop->awaited != awaited)
		n->awaited += awaited ? 1 : -1U;
	hop->awaited = awaited;
}

/* Those who are silent are not waited for again with others. */
static void on_patience(void *arg)
{
	struct neighbour *n = arg;
	struct hop *hop, *next;

	HASH_ITER (hh, n->hops, hop, next)
		set_awaited(n, hop, false);
	n->waiting = false;
	n->events.settled(n->events.arg);
}

bool neighbour_is_settled(const struct neighbour *n)
{
	return !n->waiting;
}

static void on_set(int r, const char *text, void *arg)
{
	struct neighbour *n = arg;
	bool known = *n->trouble;

	n->telling--;
	settle(n);
	n->refused |= r < 0;
	n->trouble[0] = '\0';
	if (r == 0)
		return;
	snprintf(n->trouble, sizeof(n->trouble),
		 "Open vSwitch is not told the neighbours of peers, whose first packets may be lost: %s", text);
	if (!known)
		n->events.warning(n->trouble, n->events.arg);
}

const char *neighbour_trouble(const struct neighbour *n)
{
	return n->trouble;
}

static void tell(struct neighbour *n, const struct hop *hop)
{
	char ip[IP_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	const struct ip address = ip_from_bytes(4, hop->key.ip);
	const char *args[] = { hop->bridge, ip, mac };

	ip_format(&address, ip);
	mac_format(&hop->mac, mac);
	n->telling++;
	begin_wait(n);
	unixctl_call(n->unixctl, "tnl/neigh/set", args, N_ELEMENTS(args), on_set, n);
}

static void tell_all(struct neighbour *n)
{
	struct hop *hop, *next;

	n->refused = false;
	HASH_ITER (hh, n->hops, hop, next) {
		if (hop->has_mac)
			tell(n, hop);
	}
}

/* Who is not known any more (the link went down, it does not answer) is asked again by the timer; his last MAC stays.
 */
static void learn(struct neighbour *n, struct hop *hop, const struct netlink_neighbour *is)
{
	bool told = hop->known && !memcmp(hop->mac.b, is->mac, sizeof(is->mac));

	hop->known = is->known;
	if (!is->known || told)
		return;
	set_awaited(n, hop, false);
	memcpy(hop->mac.b, is->mac, sizeof(is->mac));
	hop->has_mac = true;
	tell(n, hop);
}

/* Both: what the kernel knows already comes with no notification. It fails for a device that goes: its routes do too.
 */
static void ask(struct neighbour *n, struct hop *hop, bool is_new)
{
	struct netlink_neighbour is = { 0 };

	if (netlink_neighbour_ask(n->netlink, hop->key.ifindex, hop->key.ip) == 0 && is_new) {
		set_awaited(n, hop, true);
		begin_wait(n);
	}
	if (netlink_neighbour_find(n->netlink, hop->key.ifindex, hop->key.ip, &is) == 0)
		learn(n, hop, &is);
}

static void on_neighbour(const struct netlink_neighbour *is, void *arg)
{
	struct neighbour *n = arg;
	struct hop_key key = { .ifindex = is->ifindex };
	struct hop *hop;

	memcpy(key.ip, is->ip, sizeof(key.ip));
	HASH_FIND(hh, n->hops, &key, sizeof(key), hop);
	if (hop)
		learn(n, hop, is);
}

/* ---- which hops there are ---- */

static void hop_add(struct neighbour *n, const struct hop_key *key)
{
	struct netlink_link link;
	struct hop *hop;

	HASH_FIND(hh, n->hops, key, sizeof(*key), hop);
	if (!hop) {
		if (netlink_link_get(n->netlink, key->ifindex, &link, NULL) < 0)
			return;
		hop = xcalloc(1, sizeof(*hop));
		hop->key = *key;
		snprintf(hop->bridge, sizeof(hop->bridge), "%s", link.name);
		HASH_ADD(hh, n->hops, key, sizeof(hop->key), hop);
		ask(n, hop, true);
	}
	hop->used = true;
}

static void look(struct neighbour *n, struct peer *p)
{
	uint32_t ip = htonl(ip_to_v4(&p->ip));

	memset(&p->hop, 0, sizeof(p->hop));
	if (netlink_route_v4(n->netlink, &ip, &p->hop.ifindex, p->hop.ip) == 0)
		hop_add(n, &p->hop);
}

static void drop_unused(struct neighbour *n)
{
	struct hop *hop, *next;

	HASH_ITER (hh, n->hops, hop, next) {
		if (hop->used)
			continue;
		HASH_DEL(n->hops, hop);
		set_awaited(n, hop, false);
		free(hop);
	}
	settle(n);
}

/* All routes anew: some changed, or peers went. */
static void look_at_all(void *arg)
{
	struct neighbour *n = arg;
	struct hop *hop, *next_hop;
	struct peer *p, *next;

	HASH_ITER (hh, n->hops, hop, next_hop)
		hop->used = false;
	HASH_ITER (hh, n->peers, p, next)
		look(n, p);
	drop_unused(n);
}

static void on_route(void *arg)
{
	struct neighbour *n = arg;

	loop_idle_arm(n->routes); /* many at once are one */
}

static void ask_all(struct neighbour *n)
{
	struct hop *hop, *next;

	HASH_ITER (hh, n->hops, hop, next)
		ask(n, hop, false);
}

static void on_again(void *arg)
{
	look_at_all(arg);
	ask_all(arg);
}

static void on_tick(void *arg)
{
	struct neighbour *n = arg;
	bool all = ++n->ticks % TICKS_FRESH == 0;
	struct hop *hop, *next;

	HASH_ITER (hh, n->hops, hop, next) {
		if (all || !hop->known)
			ask(n, hop, false);
	}
	if (all || n->refused)
		tell_all(n);
	loop_timer_arm(n->tick, TICK_US);
}

/* ---- for the driver ---- */

static void forget(struct neighbour *n, struct peer *p)
{
	HASH_DEL(n->peers, p);
	free(p);
	loop_idle_arm(n->routes);
}

void neighbour_del(struct neighbour *n, uint32_t peer)
{
	struct peer *p;

	HASH_FIND(hh, n->peers, &peer, sizeof(peer), p);
	if (p)
		forget(n, p);
}

void neighbour_set(struct neighbour *n, uint32_t peer, const struct ip *address)
{
	struct peer *p;

	HASH_FIND(hh, n->peers, &peer, sizeof(peer), p);
	if (p && !ip_equal(&p->ip, address)) {
		forget(n, p);
		p = NULL;
	}
	if (!p && ip_is_v4(address)) {
		p = xcalloc(1, sizeof(*p));
		p->num = peer;
		p->ip = *address;
		HASH_ADD(hh, n->peers, num, sizeof(p->num), p);
		look(n, p);
	}
	if (p)
		p->set = true;
}

void neighbour_all_begin(struct neighbour *n)
{
	struct peer *p, *next;

	HASH_ITER (hh, n->peers, p, next)
		p->set = false;
}

void neighbour_all_end(struct neighbour *n)
{
	struct peer *p, *next;

	HASH_ITER (hh, n->peers, p, next)
		if (!p->set)
			forget(n, p);
}

/* The bridge's device was without a carrier meanwhile: the kernel has forgotten too. */
void neighbour_again(struct neighbour *n)
{
	tell_all(n);
	ask_all(n);
}

int neighbour_open(struct loop *loop, const char *rundir, const struct neighbour_events *events, struct neighbour **ret,
		   struct err *err)
{
	struct neighbour *n = xcalloc(1, sizeof(*n));
	struct netlink_events watch = { .route = on_route, .neighbour = on_neighbour, .again = on_again, .arg = n };
	int r = netlink_open(loop, &watch, &n->netlink, err);

	if (r < 0) {
		free(n);
		return r;
	}
	n->events = *events;
	n->patience = loop_timer(loop, on_patience, n);
	n->unixctl = unixctl_open(loop, rundir);
	n->routes = loop_idle(loop, look_at_all, n);
	n->tick = loop_timer(loop, on_tick, n);
	loop_timer_arm(n->tick, TICK_US);
	*ret = n;
	return 0;
}

struct neighbour *neighbour_close(struct neighbour *n)
{
	struct hop *hop, *next_hop;
	struct peer *p, *next;

	if (!n)
		return NULL;
	unixctl_close(n->unixctl);
	netlink_close(n->netlink);
	loop_source_free(n->routes);
	loop_source_free(n->tick);
	loop_source_free(n->patience);
	HASH_ITER (hh, n->peers, p, next) {
		HASH_DEL(n->peers, p);
		free(p);
	}
	HASH_ITER (hh, n->hops, hop, next_hop) {
		HASH_DEL(n->hops, hop);
		free(hop);
	}
	free(n);
	return NULL;
}
