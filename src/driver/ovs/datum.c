/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/datum.h"

#include <string.h>

#include "base/mem.h"

/* The list of ["set", [...]] and the like; NULL: it is not one. */
static const json_t *list_of(const json_t *d, const char *kind)
{
	const json_t *list = json_array_get(d, 1);
	const char *is = json_string_value(json_array_get(d, 0));

	return is && !strcmp(is, kind) && json_is_array(list) ? list : NULL;
}

static bool is_atom(const json_t *d)
{
	return d && (!json_is_array(d) || datum_uuid(d));
}

size_t datum_size(const json_t *d)
{
	const json_t *list = list_of(d, "set");

	if (!list)
		list = list_of(d, "map");
	return list ? json_array_size(list) : is_atom(d);
}

const json_t *datum_at(const json_t *d, size_t i)
{
	const json_t *list = list_of(d, "set");

	if (list)
		return json_array_get(list, i);
	return i == 0 && is_atom(d) ? d : NULL;
}

const char *datum_string(const json_t *d)
{
	const char *text = datum_size(d) == 1 ? json_string_value(datum_at(d, 0)) : NULL;

	return text ? text : "";
}

bool datum_integer(const json_t *d, json_int_t *ret)
{
	const json_t *atom = datum_size(d) == 1 ? datum_at(d, 0) : NULL;

	if (!json_is_integer(atom))
		return false;
	*ret = json_integer_value(atom);
	return true;
}

const char *datum_uuid(const json_t *d)
{
	const char *is = json_string_value(json_array_get(d, 0));

	return is && !strcmp(is, "uuid") ? json_string_value(json_array_get(d, 1)) : NULL;
}

const char *datum_get(const json_t *d, const char *key)
{
	const json_t *list = list_of(d, "map");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		const char *k = json_string_value(json_array_get(pair, 0));

		if (k && !strcmp(k, key))
			return json_string_value(json_array_get(pair, 1));
	}
	return NULL;
}

/* An element of a set, or a pair of a map, by what it is known by. */
static char *name_of(const json_t *element, bool map)
{
	return json_dumps(map ? json_array_get(element, 0) : element, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* The elements into `by_name`; one that is there already goes, or is replaced when the pair has another value. */
static void toggle(json_t *by_name, const json_t *d, bool map)
{
	const json_t *list = list_of(d, map ? "map" : "set");
	size_t n = list ? json_array_size(list) : !map && is_atom(d);

	for (size_t i = 0; i < n; i++) {
		json_t *element = list ? json_array_get(list, i) : (json_t *)d;
		char *name = name_of(element, map);

		if (name && json_equal(json_object_get(by_name, name), element))
			json_object_del(by_name, name);
		else if (name)
			json_object_set(by_name, name, element);
		free(name);
	}
}

json_t *datum_modified(const json_t *old, const json_t *change, bool composite)
{
	bool map = list_of(change, "map");
	json_t *by_name, *list, *element;
	const char *name;

	if (!composite)
		return json_incref((json_t *)change);
	by_name = json_object();
	toggle(by_name, old, map);
	toggle(by_name, change, map);
	list = json_array();
	json_object_foreach(by_name, name, element) json_array_append(list, element);
	json_decref(by_name);
	return json_pack("[s,o]", map ? "map" : "set", list);
}

json_t *datum_new_uuid(const char *uuid)
{
	return json_pack("[s,s]", "uuid", uuid);
}

json_t *datum_new_named(const char *name)
{
	return json_pack("[s,s]", "named-uuid", name);
}

json_t *datum_new_set(json_t *atoms)
{
	return json_pack("[s,o]", "set", atoms);
}

json_t *datum_new_map(const char *const (*pairs)[2], size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("[s,s]", pairs[i][0], pairs[i][1]));
	return json_pack("[s,o]", "map", list);
}
