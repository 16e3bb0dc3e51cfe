/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "driver/ovs/datum.h"
#include "driver/ovs/ovsdb.h"
#include "driver/ovs/vswitch_private.h"

#define PROTOCOL "OpenFlow14" /* what openflow.h speaks */

/* ---- what is there ---- */

static void find_ours(const char *uuid, const json_t *interface, void *arg)
{
	struct view *view = arg;
	const char *name = datum_string(json_object_get(interface, "name"));

	if (!strcmp(name, VSWITCH_TUNNEL_PORT)) {
		view->tunnel_uuid = uuid;
	} else if (!strcmp(name, datum_string(json_object_get(view->bridge, "name")))) {
		view->local_uuid = uuid;
	}
}

static void read_bridge(struct view *view, const struct ovsdb *o, const char *bridge)
{
	const char *uuid;
	json_t *row;

	json_object_foreach((json_t *)ovsdb_rows(o, "Bridge"), uuid, row)
	{
		if (strcmp(datum_string(json_object_get(row, "name")), bridge) != 0)
			continue;
		view->bridge_uuid = uuid;
		view->bridge = row;
	}
	view_each(view, find_ours, view);
	for (size_t i = 0; view->tunnel_uuid && i < datum_size(json_object_get(view->bridge, "ports")); i++) {
		const char *port = datum_uuid(datum_at(json_object_get(view->bridge, "ports"), i));
		const json_t *name = json_object_get(json_object_get(view->ports, port ? port : ""), "name");

		if (!strcmp(datum_string(name), VSWITCH_TUNNEL_PORT))
			view->tunnel_port_uuid = port;
	}
}

bool view_update(struct view *view, const struct ovsdb *o, const char *bridge)
{
	unsigned versions = ovsdb_version(o, "Bridge") + ovsdb_version(o, "Port"); /* both only grow */
	bool changed = versions != view->versions;

	if (changed) {
		*view = (struct view) { .versions = versions,
					.ports = ovsdb_rows(o, "Port"),
					.interfaces = ovsdb_rows(o, "Interface") };
		read_bridge(view, o, bridge);
	}
	view->rooted = json_object_size(ovsdb_rows(o, "Open_vSwitch")) > 0;
	view->tunnel = view->tunnel_uuid ? json_object_get(view->interfaces, view->tunnel_uuid) : NULL;
	view->local = view->local_uuid ? json_object_get(view->interfaces, view->local_uuid) : NULL;
	return changed;
}

void view_each(const struct view *view, view_fn fn, void *arg)
{
	const json_t *ports = json_object_get(view->bridge, "ports");

	for (size_t i = 0; i < datum_size(ports); i++) {
		const char *port = datum_uuid(datum_at(ports, i));
		const json_t *interfaces =
			json_object_get(json_object_get(view->ports, port ? port : ""), "interfaces");

		for (size_t k = 0; k < datum_size(interfaces); k++) {
			const char *uuid = datum_uuid(datum_at(interfaces, k));
			const json_t *row = json_object_get(view->interfaces, uuid ? uuid : "");

			if (row)
				fn(uuid, row, arg);
		}
	}
}

bool view_tunnel_is_elsewhere(const struct view *view)
{
	const char *uuid;
	json_t *row;

	json_object_foreach((json_t *)view->interfaces, uuid, row)
	{
		if (!strcmp(datum_string(json_object_get(row, "name")), VSWITCH_TUNNEL_PORT))
			return !view->tunnel_uuid || strcmp(uuid, view->tunnel_uuid) != 0;
	}
	return false;
}

bool view_is_userspace(const struct view *view)
{
	return !strcmp(datum_string(json_object_get(view->bridge, "datapath_type")), "netdev");
}

const char *mark_of(const json_t *row, const char *key)
{
	return datum_get(json_object_get(row, "external_ids"), key);
}

/* ---- operations ---- */

static void op_insert(json_t *ops, const char *table, const char *name, json_t *row)
{
	json_array_append_new(
		ops, json_pack("{s:s,s:s,s:s,s:o}", "op", "insert", "table", table, "uuid-name", name, "row", row));
}

static json_t *where_uuid(const char *uuid)
{
	return json_pack("[[s,s,o]]", "_uuid", "==", datum_new_uuid(uuid));
}

static void op_update(json_t *ops, const char *table, const char *uuid, json_t *row)
{
	json_array_append_new(ops, json_pack("{s:s,s:s,s:o,s:o}", "op", "update", "table", table, "where",
					     where_uuid(uuid), "row", row));
}

/* `where` and `mutations` are taken. */
static void op_mutate(json_t *ops, const char *table, json_t *where, json_t *mutations)
{
	json_array_append_new(ops, json_pack("{s:s,s:s,s:o,s:o}", "op", "mutate", "table", table, "where", where,
					     "mutations", mutations));
}

static json_t *mutation(const char *column, const char *mutator, json_t *value)
{
	return json_pack("[s,s,o]", column, mutator, value);
}

static json_t *keys_of_marks(void)
{
	return datum_new_set(json_pack("[s,s,s]", MARK_INSTALLED, MARK_IFINDEX, MARK_REPLUG));
}

/* ---- the bridge ---- */

static json_t *tunnel_options(const struct vswitch_config *config)
{
	char port[8];
	json_t *options;

	snprintf(port, sizeof(port), "%u", config->vxlan_udp_port);
	options = DATUM_MAP({ "remote_ip", "flow" }, { "key", "flow" }, { "local_ip", config->local_ip },
			    { "dst_port", port });
	if (config->tunnel_csum)
		json_array_append_new(json_array_get(options, 1), json_pack("[s,s]", "csum", "true"));
	return options;
}

/* Rows "tunnel_port" and "tunnel" of this transaction. */
static void insert_tunnel(json_t *ops, const struct vswitch_config *config)
{
	op_insert(ops, "Interface", "tunnel",
		  json_pack("{s:s,s:s,s:o}", "name", VSWITCH_TUNNEL_PORT, "type", "vxlan", "options",
			    tunnel_options(config)));
	op_insert(ops, "Port", "tunnel_port",
		  json_pack("{s:s,s:o,s:o}", "name", VSWITCH_TUNNEL_PORT, "interfaces", datum_new_named("tunnel"),
			    "external_ids", DATUM_MAP({ MARK_OURS, "true" })));
}

static void insert_bridge(json_t *ops, const struct view *view, const struct vswitch_config *config)
{
	json_t *ports = json_pack("[o]", datum_new_named("local_port"));

	op_insert(ops, "Interface", "local", json_pack("{s:s,s:s}", "name", config->bridge, "type", "internal"));
	op_insert(ops, "Port", "local_port",
		  json_pack("{s:s,s:o}", "name", config->bridge, "interfaces", datum_new_named("local")));
	if (config->local_ip) {
		insert_tunnel(ops, config);
		json_array_append_new(ports, datum_new_named("tunnel_port"));
	}
	op_insert(ops, "Bridge", "bridge",
		  json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "name", config->bridge, "datapath_type", config->datapath_type,
			    "fail_mode", "secure", "other_config", DATUM_MAP({ "disable-in-band", "true" }),
			    "external_ids", DATUM_MAP({ MARK_OURS, "true" }), "ports", datum_new_set(ports)));
	/* a database that nobody has used yet has no row there */
	if (view->rooted)
		op_mutate(ops, "Open_vSwitch", json_array(),
			  json_pack("[o]", mutation("bridges", "insert", datum_new_named("bridge"))));
	else
		op_insert(ops, "Open_vSwitch", "root", json_pack("{s:o}", "bridges", datum_new_named("bridge")));
}

/* What is there stays. An empty set is all versions. */
static bool lacks_protocol(const struct view *view)
{
	const json_t *protocols = json_object_get(view->bridge, "protocols");
	size_t n = datum_size(protocols);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(datum_string(datum_at(protocols, i)), PROTOCOL))
			return false;
	return n > 0;
}

static void correct_bridge(json_t *ops, const struct view *view, char *text, size_t size)
{
	const char *in_band = datum_get(json_object_get(view->bridge, "other_config"), "disable-in-band");
	const char *fail_mode = datum_string(json_object_get(view->bridge, "fail_mode"));

	if (strcmp(fail_mode, "secure") != 0) {
		op_update(ops, "Bridge", view->bridge_uuid, json_pack("{s:s}", "fail_mode", "secure"));
		snprintf(text, size, "fail_mode was %s, is set to secure", *fail_mode ? fail_mode : "standalone");
	}
	if (!in_band || strcmp(in_band, "true") != 0) {
		op_mutate(ops, "Bridge", where_uuid(view->bridge_uuid),
			  json_pack("[o,o]",
				    mutation("other_config", "delete",
					     datum_new_set(json_pack("[s]", "disable-in-band"))),
				    mutation("other_config", "insert", DATUM_MAP({ "disable-in-band", "true" }))));
		snprintf(text + strlen(text), size - strlen(text), "%sin-band control is switched off",
			 *text ? "; " : "");
	}
	if (lacks_protocol(view)) {
		op_mutate(ops, "Bridge", where_uuid(view->bridge_uuid),
			  json_pack("[o]", mutation("protocols", "insert", datum_new_set(json_pack("[s]", PROTOCOL)))));
		snprintf(text + strlen(text), size - strlen(text), "%s" PROTOCOL " is added to the protocols of %s",
			 *text ? "; " : "", datum_string(json_object_get(view->bridge, "name")));
	}
}

static bool same_options(const json_t *options, const json_t *wanted)
{
	const json_t *list = json_array_get(wanted, 1);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		const char *value = datum_get(options, json_string_value(json_array_get(pair, 0)));

		if (!value || strcmp(value, json_string_value(json_array_get(pair, 1))) != 0)
			return false;
	}
	return datum_size(options) == json_array_size(list);
}

static void correct_tunnel(json_t *ops, const struct view *view, const struct vswitch_config *config, char *text,
			   size_t size)
{
	json_t *wanted = tunnel_options(config);

	if (strcmp(datum_string(json_object_get(view->tunnel, "type")), "vxlan") != 0 ||
	    !same_options(json_object_get(view->tunnel, "options"), wanted)) {
		op_update(ops, "Interface", view->tunnel_uuid,
			  json_pack("{s:s,s:O}", "type", "vxlan", "options", wanted));
		snprintf(text + strlen(text), size - strlen(text), "%soptions of %s are set as configured",
			 *text ? "; " : "", VSWITCH_TUNNEL_PORT);
	}
	json_decref(wanted);
}

static void change_ports(json_t *ops, const struct view *view, const char *mutator, json_t *port)
{
	op_mutate(ops, "Bridge", where_uuid(view->bridge_uuid), json_pack("[o]", mutation("ports", mutator, port)));
}

void ops_bridge(json_t *ops, const struct view *view, const struct vswitch_config *config, char *text, size_t size)
{
	text[0] = '\0';
	if (!view->bridge) {
		insert_bridge(ops, view, config);
		return;
	}
	correct_bridge(ops, view, text, size);
	if (config->local_ip && view->tunnel) {
		correct_tunnel(ops, view, config, text, size);
	} else if (config->local_ip) {
		insert_tunnel(ops, config);
		change_ports(ops, view, "insert", datum_new_named("tunnel_port"));
	} else if (view->tunnel_port_uuid) {
		change_ports(ops, view, "delete", datum_new_uuid(view->tunnel_port_uuid));
	}
}

/* ---- interfaces ---- */

void ops_marks(json_t *ops, const char *uuid, const json_t *row, bool installed, json_int_t ifindex)
{
	const char *is_installed = mark_of(row, MARK_INSTALLED), *is_ifindex = mark_of(row, MARK_IFINDEX);
	char number[24] = "";
	const char *const marks[][2] = { { MARK_INSTALLED, "true" }, { MARK_IFINDEX, number } };
	json_t *mutations;

	if (installed && ifindex > 0)
		snprintf(number, sizeof(number), "%lld", (long long)ifindex);
	if (!strcmp(is_installed ? is_installed : "", installed ? "true" : "") &&
	    !strcmp(is_ifindex ? is_ifindex : "", number))
		return;
	mutations = json_pack("[o]", mutation("external_ids", "delete",
					      datum_new_set(json_pack("[s,s]", MARK_INSTALLED, MARK_IFINDEX))));
	if (installed)
		json_array_append_new(mutations,
				      mutation("external_ids", "insert", datum_new_map(marks, *number ? 2 : 1)));
	op_mutate(ops, "Interface", where_uuid(uuid), mutations);
}

void ops_replug_away(json_t *ops, const char *uuid, const json_t *row, uint16_t ofport)
{
	json_int_t was = 0, request = 0;
	char before[48];

	datum_integer(json_object_get(row, "ofport"), &was);
	datum_integer(json_object_get(row, "ofport_request"), &request);
	snprintf(before, sizeof(before), "%lld,%lld", (long long)was, (long long)request);
	op_update(ops, "Interface", uuid, json_pack("{s:i}", "ofport_request", (int)ofport));
	op_mutate(ops, "Interface", where_uuid(uuid),
		  json_pack("[o,o]", mutation("external_ids", "delete", keys_of_marks()),
			    mutation("external_ids", "insert", DATUM_MAP({ MARK_REPLUG, before }))));
}

bool replug_is_away(const json_t *row)
{
	const char *before = mark_of(row, MARK_REPLUG);
	json_int_t ofport = 0;

	return datum_integer(json_object_get(row, "ofport"), &ofport) && ofport != strtoll(before, NULL, 10);
}

bool ops_replug_back(json_t *ops, const char *uuid, const json_t *row)
{
	const char *comma = strchr(mark_of(row, MARK_REPLUG), ',');
	long long request = comma ? strtoll(comma + 1, NULL, 10) : 0;
	bool valid = request > 0 && request <= VSWITCH_MAX_OFPORT;

	op_update(ops, "Interface", uuid,
		  json_pack("{s:o}", "ofport_request", valid ? json_integer(request) : datum_new_set(json_array())));
	op_mutate(ops, "Interface", where_uuid(uuid),
		  json_pack("[o]", mutation("external_ids", "delete", keys_of_marks())));
	return valid;
}

/* ---- the end ---- */

static void clean_interface(const char *uuid, const json_t *row, void *arg)
{
	if (mark_of(row, MARK_REPLUG))
		ops_replug_back(arg, uuid, row);
	else
		ops_marks(arg, uuid, row, false, 0);
}

void ops_cleanup(json_t *ops, const struct view *view)
{
	const char *ours = mark_of(view->bridge, MARK_OURS);
	size_t of_ours = (view->tunnel_port_uuid != NULL) + (view->local != NULL);

	if (!view->bridge)
		return;
	if (ours && !strcmp(ours, "true") && datum_size(json_object_get(view->bridge, "ports")) == of_ours) {
		op_mutate(ops, "Open_vSwitch", json_array(),
			  json_pack("[o]", mutation("bridges", "delete", datum_new_uuid(view->bridge_uuid))));
		return;
	}
	view_each(view, clean_interface, ops);
	if (view->tunnel_port_uuid)
		change_ports(ops, view, "delete", datum_new_uuid(view->tunnel_port_uuid));
}
