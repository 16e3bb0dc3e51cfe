/* SPDX-License-Identifier: Apache-2.0 */
#include "service/port_address.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "service/address.h"
#include "store/subnets.h"

/* One element of fixed_ips, resolved. */
struct wish {
	uint32_t subnet;
	bool has_ip;
	struct ip ip;
	bool kept; /* the port has it already */
};

struct wishes {
	struct wish v[PORT_MAX_FIXED_IPS];
	size_t n;
};

static int invalid(struct err *err, const char *fmt, const char *a)
{
	char text[300];

	snprintf(text, sizeof(text), fmt, a);
	return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s", text);
}

static int generation_failure(const struct port_row *p, struct err *err)
{
	char id[UUID_TEXT_SIZE];

	return err_set(err, ERR_CONFLICT, "IpAddressGenerationFailure", "No more IP addresses available on network %s.",
		       uuid_format(&p->network_id, id));
}

static bool is_host_address(const struct prefix *cidr, const struct ip *ip)
{
	struct prefix last = { *ip, 128 };

	if (!prefix_contains(cidr, ip))
		return false;
	if (cidr->len >= 127)
		return true;
	/* Neither the first nor, in IPv4, the last of its range. */
	if (ip_equal(&cidr->addr, ip))
		return false;
	if (!ip_is_v4(ip))
		return true;
	for (unsigned bit = cidr->len; bit < 128; bit++)
		last.addr.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return !ip_equal(&last.addr, ip);
}

/* The subnet of the network that the address is in. */
static int subnet_of_ip(struct tx *tx, const struct port_row *p, struct wish *w, struct err *err)
{
	_cleanup_(db_endp) struct db_rows *q = db_query(
		tx->db, "SELECT num, cidr FROM subnets WHERE network = $1 ORDER BY num", DB(v_int(p->network)));
	char text[IP_TEXT_SIZE];
	int r;

	while ((r = db_next(q, err)) > 0) {
		struct prefix cidr;

		if (prefix_parse(db_text(q, 1), &cidr) < 0 || !is_host_address(&cidr, &w->ip))
			continue;
		w->subnet = db_u32(q, 0);
		return 0;
	}
	if (r < 0)
		return r;
	return err_set(err, ERR_BAD_REQUEST, "InvalidIpForNetwork",
		       "IP address %s is not a valid IP for any of the subnets on the specified network.",
		       ip_format(&w->ip, text));
}

static int subnet_of_id(struct tx *tx, const struct port_row *p, const char *id, struct wish *w, struct err *err)
{
	struct subnet_row s;
	char network[UUID_TEXT_SIZE], text[IP_TEXT_SIZE];
	int r = kind_get(tx->db, &kind_subnet, tx->caller, id, &s, err);

	if (r < 0)
		return r;
	if (s.network != p->network) {
		char why[160];

		snprintf(why, sizeof(why),
			 "Failed to create port on network %s, because fixed_ips included invalid subnet",
			 uuid_format(&p->network_id, network));
		return err_set(err, ERR_BAD_REQUEST, "InvalidInput", "Invalid input for operation: %s %s.", why, id);
	}
	if (w->has_ip && !is_host_address(&s.cidr, &w->ip))
		return err_set(err, ERR_BAD_REQUEST, "InvalidIpForSubnet",
			       "IP address %s is not a valid IP for the specified subnet.", ip_format(&w->ip, text));
	w->subnet = s.base.num;
	return 0;
}

static int read_wish(struct tx *tx, const struct port_row *p, const json_t *item, struct wish *w, struct err *err)
{
	const char *ip = json_string_value(json_object_get(item, "ip_address"));
	const char *subnet = json_string_value(json_object_get(item, "subnet_id"));

	memset(w, 0, sizeof(*w));
	if (ip && ip_parse(ip, &w->ip) < 0)
		return invalid(err, "fixed_ips: '%s' is not a valid IP address.", ip);
	w->has_ip = ip != NULL;
	if (subnet)
		return subnet_of_id(tx, p, subnet, w, err);
	if (ip)
		return subnet_of_ip(tx, p, w, err);
	return invalid(err, "fixed_ips: IP allocation requires subnet_id or ip_address.%s", "");
}

static int read_wishes(struct tx *tx, const struct port_row *p, const json_t *ips, struct wishes *ret, struct err *err)
{
	const json_t *item;
	size_t i;
	int r;

	ret->n = 0;
	if (json_array_size(ips) > PORT_MAX_FIXED_IPS)
		return invalid(err, "Exceeded maximum amount of fixed ips per port.%s", "");
	json_array_foreach(ips, i, item)
	{
		struct wish *w = &ret->v[i];
		char text[IP_TEXT_SIZE];

		if ((r = read_wish(tx, p, item, w, err)) < 0)
			return r;
		for (size_t k = 0; k < i; k++) {
			if (w->has_ip && ret->v[k].has_ip && ip_equal(&w->ip, &ret->v[k].ip))
				return invalid(err, "Duplicate fixed_ips address %s.", ip_format(&w->ip, text));
		}
		ret->n++;
	}
	return 0;
}

static int take_all(struct tx *tx, const struct port_row *p, struct wishes *wishes, struct err *err)
{
	char text[IP_TEXT_SIZE];

	/* Those that name an address first: an allocation must not take it away. */
	for (int allocate = 0; allocate <= 1; allocate++) {
		for (size_t i = 0; i < wishes->n; i++) {
			struct wish *w = &wishes->v[i];
			int r;

			if (w->kept || w->has_ip == (bool)allocate)
				continue;
			r = allocate ? address_allocate(tx, w->subnet, p->base.num, (int)i, &w->ip, err)
				     : subnets_take(tx->db, w->subnet, &w->ip, p->base.num, (int)i, err);
			if (r < 0)
				return r;
			if (r == 0 && allocate)
				return generation_failure(p, err);
			if (r == 0)
				return err_set(err, ERR_CONFLICT, "IpAddressAlreadyAllocated",
					       "IP address %s already allocated in the subnet.",
					       ip_format(&w->ip, text));
		}
	}
	return 0;
}

static int take_default(struct tx *tx, const struct port_row *p, struct err *err)
{
	struct db_rows *q =
		db_query(tx->db, "SELECT num FROM subnets WHERE network = $1 AND ip_version = 4 ORDER BY num",
			 DB(v_int(p->network)));
	bool any = false;
	struct ip ip;
	int r;

	while ((r = db_next(q, err)) > 0) {
		any = true;
		if ((r = address_allocate(tx, db_u32(q, 0), p->base.num, 0, &ip, err)) != 0)
			break;
	}
	db_end(q);
	if (r != 0)
		return r < 0 ? r : 0;
	return any ? generation_failure(p, err) : 0;
}

int port_address_create(struct tx *tx, const struct port_row *p, const json_t *ips, struct err *err)
{
	struct wishes wishes;
	int r;

	if (!json_is_array(ips))
		return take_default(tx, p, err);
	r = read_wishes(tx, p, ips, &wishes, err);
	return r < 0 ? r : take_all(tx, p, &wishes, err);
}

/* What of the port's present addresses fulfils a wish stays, first those that are named. */
static void keep(struct wishes *wishes, const struct port_address *now, size_t n, bool *kept)
{
	for (int exact = 1; exact >= 0; exact--) {
		for (size_t i = 0; i < wishes->n; i++) {
			struct wish *w = &wishes->v[i];

			for (size_t k = 0; k < n && !w->kept && w->has_ip == (bool)exact; k++) {
				if (kept[k] || now[k].subnet != w->subnet || (exact && !ip_equal(&now[k].ip, &w->ip)))
					continue;
				kept[k] = w->kept = true;
				w->ip = now[k].ip;
			}
		}
	}
}

static bool changes(const struct wishes *wishes, const bool *kept, size_t n)
{
	for (size_t i = 0; i < wishes->n; i++)
		if (!wishes->v[i].kept)
			return true;
	for (size_t i = 0; i < n; i++)
		if (!kept[i])
			return true;
	return false;
}

int port_address_change(struct tx *tx, const struct port_row *p, const json_t *ips, struct err *err)
{
	struct port_address now[PORT_MAX_ADDRESSES];
	bool kept[PORT_MAX_ADDRESSES] = { false };
	char id[UUID_TEXT_SIZE];
	struct wishes wishes;
	int n, r;

	if ((n = ports_addresses(tx->db, p->base.num, now, err)) < 0)
		return n;
	if ((r = read_wishes(tx, p, ips, &wishes, err)) < 0)
		return r;
	keep(&wishes, now, (size_t)n, kept);
	if (p->router && changes(&wishes, kept, (size_t)n))
		return err_set(err, ERR_BAD_REQUEST, "IPAddressChangeNotAllowed",
			       "IP updates for port %s are not allowed: it is a router interface.",
			       uuid_format(&p->base.id, id));
	for (int i = 0; i < n; i++) {
		if (!kept[i] && (r = subnets_release(tx->db, now[i].subnet, &now[i].ip, err)) < 0)
			return r;
	}
	for (size_t i = 0; i < wishes.n; i++) {
		if (wishes.v[i].kept &&
		    (r = db_run(tx->db, err, "UPDATE addresses SET place = $3 WHERE subnet = $1 AND ip = $2",
				DB(v_int(wishes.v[i].subnet), v_ip(&wishes.v[i].ip), v_int((int64_t)i)))) < 0)
			return r;
	}
	return take_all(tx, p, &wishes, err);
}
