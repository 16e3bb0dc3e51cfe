/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * resource: Neutron's API resources as tables of fields. One table a resource drives
 * validation of bodies (types, ranges, defaults, what may be set when), which members a reply
 * has, which may be filtered and sorted by, and who may see or set them. A new resource is a
 * new table and a service file, no new validation code.
 *
 * resource_check() turns the object of a request body into normalized attributes: converted
 * ("True" to true, MACs and UUIDs to lower case, CIDRs to canonical text), complete on create
 * (defaults filled in), only what was given on update. Errors are Neutron's (facts: 400
 * HTTPBadRequest "Invalid input for X. Reason: ...", InvalidInput for converters, ...) and name
 * the field.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct err;

enum field_type {
	FIELD_STRING, /* max: characters */
	FIELD_BOOL, /* JSON, "True"/"False", "0"/"1", "yes"/"no", "on"/"off", 0/1 */
	FIELD_INT, /* min..max; digits in a string too */
	FIELD_UUID,
	FIELD_MAC,
	FIELD_IP,
	FIELD_CIDR,
	FIELD_ENUM, /* values: NULL-terminated */
	FIELD_LIST, /* of objects with `fields`, or of `item` scalars when fields is NULL; max: elements */
	FIELD_DICT, /* free JSON object; max: bytes of its text */
};

enum field_flags {
	FIELD_POST = 1 << 0, /* may be given on create */
	FIELD_PUT = 1 << 1, /* may be given on update */
	FIELD_REQUIRED = 1 << 2, /* must be given on create */
	FIELD_NULLABLE = 1 << 3, /* null is a value */
	FIELD_ADMIN = 1 << 4, /* only admins set and see it */
	FIELD_FILTER = 1 << 5,
	FIELD_SORT = 1 << 6,
	FIELD_WRITE_ONLY = 1 << 7, /* never in replies */
	/* Known to clients, but only its default is served so far: another value is a 501. It is checked and left out
	 * of the attributes; replies show the default. */
	FIELD_FIXED = 1 << 8,
	FIELD_DISTINCT = 1 << 9, /* FIELD_LIST: no element twice */
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags; /* enum field_flags; none of POST and PUT: read-only */
	const char *fallback; /* JSON text of the default on create; NULL: absent from the attributes */
	int64_t min, max;
	const char *const *values; /* FIELD_ENUM; FIELD_INT too, as text */
	const struct field *fields; /* FIELD_LIST and FIELD_DICT of known members; ends with a NULL name */
	enum field_type item; /* FIELD_LIST without fields */
	const char *null_is; /* NULLABLE: JSON text that null turns into; "": as if not given; NULL: null itself */
};

struct resource {
	const char *name; /* "port": the key of a body */
	const char *collection; /* "ports": the path, and the key of a list */
	const char *not_found; /* Neutron's type: "PortNotFound" */
	const struct field *fields; /* ends with a NULL name; the order of replies */
};

extern const struct resource resource_network, resource_subnet, resource_port, resource_router, resource_agent;
const struct resource *resource_find(const char *collection); /* or NULL */
/* Or NULL. "tenant_id" is the field project_id. */
const struct field *resource_field(const struct resource *r, const char *name);

enum resource_op { RESOURCE_CREATE, RESOURCE_UPDATE };

/* `object` is what stands under the resource's name in the body; *ret is new (json_decref). project_id and tenant_id
 * are one: the attributes have project_id. */
int resource_check(const struct resource *r, enum resource_op op, const json_t *object, bool admin, json_t **ret,
		   struct err *err);

/*
 * A filter's value in the form in which attributes hold it: "true" and "false" for booleans, lower case for UUIDs and
 * MACs. Text that no object can have is no error: the filter matches nothing. A bad boolean or integer is InvalidInput.
 */
int resource_filter_value(const struct field *f, const char *text, char **ret, struct err *err);
