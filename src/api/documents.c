/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/call.h"
#include "base/mem.h"

static const struct resource *const served[] = {
	&resource_network, &resource_subnet, &resource_port, &resource_router, &resource_agent,
};

/* Clients choose what to ask for by these. One that is not enforced is not listed. */
static const struct extension {
	const char *alias, *name, *description;
} extensions[] = {
	{ "agent", "agent", "The agent management extension." },
	{ "binding", "Port Binding", "Expose port bindings of a virtual port to external application" },
	{ "dvr", "Distributed Virtual Router", "Enables configuration of Distributed Virtual Routers." },
	{ "empty-string-filtering", "Empty String Filtering Extension",
	  "Allow filtering by attributes with empty string value" },
	{ "filter-validation", "Filter parameters validation", "Provides validation on filter parameters." },
	{ "net-mtu", "Network MTU", "Provides MTU attribute for a network resource." },
	{ "net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource." },
	{ "pagination", "Pagination support", "Extension that indicates that pagination is enabled." },
	{ "port-security", "Port Security", "Provides port security" },
	{ "project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled." },
	{ "provider", "Provider Network", "Expose mapping of virtual networks to physical networks" },
	{ "revision-if-match", "If-Match constraints based on revision_number",
	  "Extension indicating that If-Match based on revision_number is supported." },
	{ "router", "Neutron L3 Router", "Router abstraction for basic L3 forwarding between L2 networks." },
	{ "sorting", "Sorting support", "Extension that indicates that sorting is enabled." },
	{ "standard-attr-description", "standard-attr-description",
	  "Extension to add descriptions to standard attributes" },
	{ "standard-attr-revisions", "Resource revision numbers",
	  "This extension will display the revision number of neutron resources." },
	{ "standard-attr-timestamp", "Resource timestamps",
	  "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes." },
};

static void write_self(const struct call *c, struct jw *w, const char *path, const char *last)
{
	_cleanup_(utstring_freep) UT_string *href = NULL;

	utstring_new(href);
	call_base_url(c, href);
	utstring_printf(href, "%s%s", path, last);
	jw_key(w, "links");
	jw_array(w);
	jw_object(w);
	jw_kv_string(w, "rel", "self");
	jw_kv_string(w, "href", utstring_body(href));
	jw_end_object(w);
	jw_end_array(w);
}

void versions_get(struct call *c)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	struct jw w;

	utstring_new(body);
	w = jw_init(body);
	jw_object(&w);
	jw_key(&w, "versions");
	jw_array(&w);
	jw_object(&w);
	jw_kv_string(&w, "id", "v2.0");
	jw_kv_string(&w, "status", "CURRENT");
	write_self(c, &w, "/v2.0/", "");
	jw_end_object(&w);
	jw_end_array(&w);
	jw_end_object(&w);
	call_answer(c, 200, utstring_body(body), utstring_len(body));
}

void resources_get(struct call *c)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	struct jw w;

	utstring_new(body);
	w = jw_init(body);
	jw_object(&w);
	jw_key(&w, "resources");
	jw_array(&w);
	for (size_t i = 0; i < N_ELEMENTS(served); i++) {
		jw_object(&w);
		jw_kv_string(&w, "name", served[i]->name);
		jw_kv_string(&w, "collection", served[i]->collection);
		write_self(c, &w, "/v2.0/", served[i]->collection);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	call_answer(c, 200, utstring_body(body), utstring_len(body));
}

static void write_extension(struct jw *w, const struct extension *e)
{
	jw_object(w);
	jw_kv_string(w, "name", e->name);
	jw_kv_string(w, "alias", e->alias);
	jw_kv_string(w, "description", e->description);
	jw_kv_string(w, "updated", "2024-01-01T00:00:00-00:00");
	jw_key(w, "links");
	jw_array(w);
	jw_end_array(w);
	jw_end_object(w);
}

void extensions_list(struct call *c)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	struct jw w;

	utstring_new(body);
	w = jw_init(body);
	jw_object(&w);
	jw_key(&w, "extensions");
	jw_array(&w);
	for (size_t i = 0; i < N_ELEMENTS(extensions); i++)
		write_extension(&w, &extensions[i]);
	jw_end_array(&w);
	jw_end_object(&w);
	call_answer(c, 200, utstring_body(body), utstring_len(body));
}

void extensions_show(struct call *c, const char *alias)
{
	_cleanup_(utstring_freep) UT_string *body = NULL;
	struct jw w;
	size_t i = 0;

	while (i < N_ELEMENTS(extensions) && strcmp(extensions[i].alias, alias) != 0)
		i++;
	if (i == N_ELEMENTS(extensions)) {
		struct err err;

		err_set(&err, ERR_NOT_FOUND, "HTTPNotFound", "Extension with alias %.100s does not exist", alias);
		call_fail(c, &err);
		return;
	}
	utstring_new(body);
	w = jw_init(body);
	jw_object(&w);
	jw_key(&w, "extension");
	write_extension(&w, &extensions[i]);
	jw_end_object(&w);
	call_answer(c, 200, utstring_body(body), utstring_len(body));
}
