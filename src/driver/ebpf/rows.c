/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "driver/ebpf/ebpf.h"

/*
 * One function a table of the plan: the entries that a record makes. Flood lists are not
 * here: their slots depend on what is in the list already (flood.c).
 */

static void row(struct rows *rows, enum table t, const void *key, const void *value)
{
	struct row *r;

	if (rows->n == rows->allocated) {
		rows->allocated = rows->allocated ? rows->allocated * 2 : 8;
		rows->items = xrealloc(rows->items, rows->allocated * sizeof(*rows->items));
	}
	r = &rows->items[rows->n++];
	memset(r, 0, sizeof(*r));
	r->table = t;
	memcpy(r->key, key, table_key_size(t));
	memcpy(r->value, value, table_value_size(t));
}

void rows_fini(struct rows *rows)
{
	free(rows->items);
	memset(rows, 0, sizeof(*rows));
}

static struct eb_addr addr(const struct ip *ip)
{
	struct eb_addr a;

	memcpy(&a, ip, sizeof(a));
	return a;
}

static struct eb_mac mac(const struct mac *m)
{
	struct eb_mac a;

	memcpy(&a, m, sizeof(a));
	return a;
}

static uint32_t v4(const struct ip *ip)
{
	return ip_is_v4(ip) ? htonl(ip_to_v4(ip)) : 0;
}

static struct eb_mac_key mac_key(uint32_t network, const struct mac *m)
{
	return (struct eb_mac_key) { .network = network, .mac = mac(m) };
}

static void rows_host(const struct driver *d, const struct plan_host *h, struct rows *rows)
{
	uint32_t key = EB_CONFIG_KEY;
	struct eb_config c = {
		.host = h->host, .tunnel = v4(&h->tunnel), .dvr_mac = mac(&h->dvr_mac), .vxlan = d->vxlan
	};

	row(rows, TABLE_config, &key, &c);
}

static void rows_peer(const struct driver *d, const struct plan_peer *p, struct rows *rows)
{
	const struct peer_way *way = way_find(d, p->key.host);
	uint32_t tunnel = v4(&p->tunnel);
	struct eb_peer value = { .tunnel = tunnel, .dvr_mac = mac(&p->dvr_mac) };
	struct eb_mac_key by_mac = mac_key(0, &p->dvr_mac);
	struct eb_peer_address by_address = { .host = p->key.host, .dvr_mac = mac(&p->dvr_mac) };

	if (way) {
		value.ifindex = way->ifindex;
		value.next_hop = way->next_hop;
	}
	row(rows, TABLE_peer, &p->key.host, &value);
	row(rows, TABLE_peer_address, &tunnel, &by_address);
	row(rows, TABLE_peer_mac, &by_mac, &p->key.host);
}

static void rows_segment(const struct plan_segment *s, struct rows *rows)
{
	struct eb_segment_key key = { .type = s->key.type, .id = s->key.id };
	struct eb_segment value = { .network = s->network };
	struct eb_network n = { .type = s->key.type, .id = s->key.id, .mtu = s->mtu };

	row(rows, TABLE_network, &s->network, &n);
	row(rows, TABLE_segment, &key, &value);
}

static void rows_senders(struct rows *rows, uint32_t network, uint32_t host)
{
	struct eb_sender_key key = { .network = network, .host = host };
	uint32_t one = 1;

	row(rows, TABLE_sender, &key, &one);
}

static const struct router_index *index_find(const struct driver *d, uint32_t router)
{
	struct router_index *x;

	HASH_FIND_INT(d->routers, &router, x);
	return x;
}

static void rows_member(const struct driver *d, const struct plan_member *m, struct rows *rows)
{
	const struct router_index *x = index_find(d, m->key.router);

	for (size_t i = 0; x && i < x->n_networks; i++)
		rows_senders(rows, x->networks[i], m->key.host);
}

static void rows_source(const struct plan_port *p, const struct plan_port_addr *a, struct rows *rows, uint32_t *flags)
{
	struct eb_source_key key = { .port = p->key.port, .mac = mac(&a->mac) };
	uint32_t one = 1;

	row(rows, TABLE_source, &key, &one); /* the MAC alone */
	key.family = (uint16_t)prefix_version(&a->prefix);
	key.addr = addr(&a->prefix.addr);
	if (a->prefix.len == 128) {
		row(rows, TABLE_source, &key, &one);
	} else {
		struct eb_source_wide_key wide = { .prefixlen = EB_SOURCE_BITS + a->prefix.len, .source = key };

		row(rows, TABLE_source_wide, &wide, &one);
		*flags |= EB_PORT_WIDE;
	}
}

/* Only IPv4 is forwarded so far, and a prefix is no address to have. */
static const struct ip *first_address(const struct plan_port *p)
{
	for (size_t i = 0; i < p->n_addrs; i++) {
		const struct prefix *a = &p->addrs[i].prefix;

		if (mac_equal(&p->addrs[i].mac, &p->mac) && ip_is_v4(&a->addr) && a->len == 128)
			return &a->addr;
	}
	return NULL;
}

static void rows_port(const struct driver *d, const struct plan_port *p, struct rows *rows)
{
	const struct port_device *dev = port_find(d, p->key.port);
	struct eb_port value = { .network = p->network, .mac = mac(&p->mac) };
	struct eb_source_key key = { .port = p->key.port, .mac = mac(&p->mac) };
	const struct ip *first = first_address(p);
	struct eb_bucket empty = { 0 };
	uint32_t one = 1;

	row(rows, TABLE_bucket, &p->key.port, &empty);
	row(rows, TABLE_source, &key, &one);
	for (size_t i = 0; i < p->n_addrs; i++)
		rows_source(p, &p->addrs[i], rows, &value.flags);
	if (first)
		value.first = addr(first);
	value.flags |= (p->up ? EB_PORT_UP : 0) | (p->security ? EB_PORT_SECURITY : 0);
	if (dev && dev->ifindex) {
		value.ifindex = dev->ifindex;
		value.flags |= dev->peer_elsewhere ? EB_PORT_PEER : 0;
	}
	row(rows, TABLE_port, &p->key.port, &value);
	if (value.ifindex) {
		struct eb_device device = { .number = p->key.port, .port = value };

		row(rows, TABLE_device, &value.ifindex, &device);
	}
}

static void rows_fdb(const struct plan_fdb *f, struct rows *rows)
{
	struct eb_mac_key key = mac_key(f->key.network, &f->key.mac);
	struct eb_fdb value = { .port = f->port, .peer = f->peer, .next = f->next };

	row(rows, TABLE_fdb, &key, &value);
}

static void rows_neighbour(const struct plan_neighbour *n, struct rows *rows)
{
	struct eb_neighbour_key key = { .network = n->key.network, .addr = addr(&n->key.ip) };
	struct eb_neighbour value = { .mac = mac(&n->mac) };

	row(rows, TABLE_neighbour, &key, &value);
}

static void rows_subnet(const struct plan_subnet *s, struct rows *rows)
{
	struct eb_subnet_key key = { .prefixlen = EB_SUBNET_BITS + s->key.prefix.len,
				     .network = s->key.network,
				     .family = (uint32_t)prefix_version(&s->key.prefix),
				     .addr = addr(&s->key.prefix.addr) };
	struct eb_neighbour value = { .mac = mac(&s->mac) };

	row(rows, TABLE_subnet, &key, &value);
}

static void rows_interface(const struct driver *d, const struct plan_interface *i, struct rows *rows)
{
	const struct router_index *x = index_find(d, i->part.router);
	struct eb_mac_key key = mac_key(i->key.network, &i->key.mac);
	struct eb_interface value = { .router = i->part.router, .part = i->part.kind, .up = i->up };
	uint32_t one = 1;

	for (size_t n = 0; n < i->n_addrs; n++) {
		struct eb_router_address_key own = { .router = i->part.router,
						     .part = i->part.kind,
						     .addr = addr(&i->addrs[n].addr) };

		if (!value.addr.w[3] && ip_is_v4(&i->addrs[n].addr))
			value.addr = own.addr;
		row(rows, TABLE_router_address, &own, &one);
	}
	for (size_t n = 0; x && n < x->n_hosts; n++)
		rows_senders(rows, i->key.network, x->hosts[n]);
	row(rows, TABLE_interface, &key, &value);
}

static void rows_route(const struct plan_route *r, struct rows *rows)
{
	struct eb_route_key key = { .prefixlen = EB_ROUTE_BITS + r->key.prefix.len,
				    .router = r->key.part.router,
				    .part = r->key.part.kind,
				    .family = (uint16_t)prefix_version(&r->key.prefix),
				    .addr = addr(&r->key.prefix.addr) };
	struct eb_route value = { .kind = r->kind, .network = r->network, .interface = mac(&r->interface) };

	row(rows, TABLE_route, &key, &value);
}

void rows_of(const struct driver *d, const struct plan_record *r, struct rows *ret)
{
	switch (r->table) {
	case PLAN_HOST:
		return rows_host(d, &r->host, ret);
	case PLAN_PEER:
		return rows_peer(d, &r->peer, ret);
	case PLAN_SEGMENT:
		return rows_segment(&r->segment, ret);
	case PLAN_MEMBER:
		return rows_member(d, &r->member, ret);
	case PLAN_PORT:
		return rows_port(d, &r->port, ret);
	case PLAN_FDB:
		return rows_fdb(&r->fdb, ret);
	case PLAN_NEIGHBOUR:
		return rows_neighbour(&r->neighbour, ret);
	case PLAN_SUBNET:
		return rows_subnet(&r->subnet, ret);
	case PLAN_INTERFACE:
		return rows_interface(d, &r->interface, ret);
	case PLAN_ROUTE:
		return rows_route(&r->route, ret);
	case PLAN_FLOOD:
		return;
	}
}

static void push(uint32_t **list, size_t *n, uint32_t value)
{
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = value;
}

static void pull(uint32_t *list, size_t *n, uint32_t value)
{
	for (size_t i = 0; i < *n; i++) {
		if (list[i] != value)
			continue;
		list[i] = list[--*n];
		return;
	}
}

static struct router_index *index_get(struct router_index **routers, uint32_t router)
{
	struct router_index *x;

	HASH_FIND_INT(*routers, &router, x);
	if (!x) {
		x = xcalloc(1, sizeof(*x));
		x->router = router;
		HASH_ADD_INT(*routers, router, x);
	}
	return x;
}

void index_add(struct router_index **routers, const struct plan_record *r)
{
	struct router_index *x;

	if (r->table == PLAN_MEMBER) {
		x = index_get(routers, r->member.key.router);
		push(&x->hosts, &x->n_hosts, r->member.key.host);
	} else if (r->table == PLAN_INTERFACE) {
		x = index_get(routers, r->interface.part.router);
		push(&x->networks, &x->n_networks, r->interface.key.network);
	}
}

static void index_free(struct router_index **routers, struct router_index *x)
{
	HASH_DEL(*routers, x);
	free(x->networks);
	free(x->hosts);
	free(x);
}

void index_del(struct router_index **routers, const struct plan_record *r)
{
	struct router_index *x;

	if (r->table == PLAN_MEMBER) {
		x = index_get(routers, r->member.key.router);
		pull(x->hosts, &x->n_hosts, r->member.key.host);
	} else if (r->table == PLAN_INTERFACE) {
		x = index_get(routers, r->interface.part.router);
		pull(x->networks, &x->n_networks, r->interface.key.network);
	} else {
		return;
	}
	if (!x->n_networks && !x->n_hosts)
		index_free(routers, x);
}

void index_fini(struct router_index **routers)
{
	struct router_index *x, *tmp;

	HASH_ITER (hh, *routers, x, tmp)
		index_free(routers, x);
}
