/* SPDX-License-Identifier: Apache-2.0 */
#include "server/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/ip.h"

#define D "DEFAULT"
#define MAX_VNI 16777215

static const struct conf_option options[] = {
	{ D, "bind_host", CONF_STRING, "0.0.0.0" },
	{ D, "bind_port", CONF_INT, "9696", 0, 65535 },
	{ D, "auth_strategy", CONF_STRING, "keystone" },
	{ D, "router_distributed", CONF_BOOL, "false" },
	{ D, "host_dvr_for_dhcp", CONF_BOOL, "true" },
	{ D, "base_mac", CONF_MAC, "fa:16:3e:00:00:00" },
	{ D, "dvr_base_mac", CONF_MAC, "fa:16:3f:00:00:00" },
	{ D, "global_physnet_mtu", CONF_INT, "1500", 118, 65535 },
	{ D, "agent_down_time", CONF_INT, "75", 1, 86400 },
	{ D, "state_path", CONF_STRING, "/var/lib/neutrino" },
	{ D, "debug", CONF_BOOL, "false" },
	{ "database", "connection", CONF_STRING, "sqlite:////var/lib/neutrino/neutron.db" },
	{ "ml2", "type_drivers", CONF_LIST, "vxlan" },
	{ "ml2", "project_network_types", CONF_LIST, "vxlan", .old_name = "tenant_network_types" },
	{ "ml2", "path_mtu", CONF_INT, "0", 0, 65535 },
	{ "ml2_type_vxlan", "vni_ranges", CONF_LIST, "1:16777215" },
	{ "neutrino", "noauth_anywhere", CONF_BOOL, "false" },
	{ "neutrino", "agent_listen", CONF_STRING, "127.0.0.1:9697" },
	/* Known to Neutron's users; without a meaning here. */
	{ D, "core_plugin", CONF_STRING, NULL },
	{ D, "service_plugins", CONF_LIST, NULL },
	{ D, "transport_url", CONF_STRING, NULL },
	{ D, "api_workers", CONF_STRING, NULL },
	{ D, "rpc_workers", CONF_STRING, NULL },
	{ D, "allow_overlapping_ips", CONF_STRING, NULL },
	{ D, "advertise_mtu", CONF_STRING, NULL },
	{ D, "notify_nova_on_port_status_changes", CONF_STRING, NULL },
	{ D, "notify_nova_on_port_data_changes", CONF_STRING, NULL },
	{ "ml2", "mechanism_drivers", CONF_LIST, NULL },
	{ "ml2", "extension_drivers", CONF_LIST, NULL },
	{ "ml2_type_vxlan", "vxlan_group", CONF_STRING, NULL },
	{ "oslo_concurrency", "lock_path", CONF_STRING, NULL },
};

#define FIRST_IGNORED "core_plugin"

static const struct settings_source usual[] = {
	{ "/etc/neutron/neutron.conf", false },
	{ "/etc/neutron/plugins/ml2/ml2_conf.ini", false },
	{ "/etc/neutron/neutrino.conf", false },
};

static int read_sources(struct conf *c, const struct settings_source *sources, size_t n, struct err *err)
{
	bool given = n > 0;
	int r = 0;

	if (!given) {
		sources = usual;
		n = N_ELEMENTS(usual);
	}
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (!given && access(sources[i].path, F_OK) < 0)
			continue;
		r = sources[i].dir ? conf_read_dir(c, sources[i].path, err) : conf_read_file(c, sources[i].path, err);
	}
	return r;
}

static int refuse(struct err *err, const char *section, const char *name, const char *value, const char *why)
{
	return err_set(err, ERR_BAD_REQUEST, "", "[%s] %s = %.200s: %s", section, name, value, why);
}

static int read_auth(const struct conf *c, struct err *err)
{
	const char *strategy = conf_string(c, D, "auth_strategy");

	if (strcmp(strategy, "noauth") == 0)
		return 0;
	if (!conf_is_set(c, D, "auth_strategy"))
		return err_set(err, ERR_BAD_REQUEST, "",
			       "[DEFAULT] auth_strategy is not set, and its default, keystone, is "
			       "not served so far: set it to noauth (everyone who reaches the API is an admin)");
	return refuse(err, D, "auth_strategy", strategy, "only noauth is served so far");
}

static int read_database(const struct conf *c, char **ret, struct err *err)
{
	static const char scheme[] = "sqlite:///";
	const char *url = conf_string(c, "database", "connection");

	if (strncmp(url, scheme, strlen(scheme)) != 0) {
		const char *colon = strchr(url, ':');
		char shown[64]; /* without a password */

		snprintf(shown, sizeof(shown), "%.*s:...", colon ? (int)(colon - url) % 32 : 0, url);
		return refuse(err, "database", "connection", shown, "only sqlite:////PATH is served so far");
	}
	url += strlen(scheme);
	if (!*url || strchr(url, '?'))
		return refuse(err, "database", "connection", url, "a path of a file is wanted: sqlite:////PATH");
	*ret = xstrdup(url);
	return 0;
}

static int read_types(const struct conf *c, const char *name, struct err *err)
{
	const char *const *list;
	size_t n = conf_list(c, "ml2", name, &list);
	bool vxlan = false;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], "vxlan") == 0)
			vxlan = true;
		else if (conf_is_set(c, "ml2", name))
			log_warn("[ml2] %s: %s is not served so far", name, list[i]);
	}
	if (vxlan)
		return 0;
	return refuse(err, "ml2", name, n ? list[0] : "", "vxlan must be among them: nothing else is served so far");
}

static bool is_loopback(const char *address)
{
	struct ip ip, v6_loopback;

	if (ip_parse(address, &ip) < 0 || ip_parse("::1", &v6_loopback) < 0)
		return false;
	return ip_is_v4(&ip) ? ip_to_v4(&ip) >> 24 == 127 : ip_equal(&ip, &v6_loopback);
}

/* noauth makes an admin of whoever reaches the API: it is on loopback unless someone says otherwise in so many words.
 */
static int read_address(const struct conf *c, char **ret, struct err *err)
{
	const char *host = conf_string(c, D, "bind_host");
	struct ip ip;

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (ip_parse(host, &ip) < 0)
		return refuse(err, D, "bind_host", host, "an address is wanted");
	if (!is_loopback(host) && !conf_bool(c, "neutrino", "noauth_anywhere")) {
		log_warn("bind_host %s with auth_strategy noauth: the API is on 127.0.0.1 only ([neutrino] "
			 "noauth_anywhere = true lifts this)",
			 host);
		host = "127.0.0.1";
	}
	*ret = xstrdup(host);
	return 0;
}

static int read_agent_listen(const struct conf *c, char **ret, struct err *err)
{
	const char *text = conf_string(c, "neutrino", "agent_listen"), *colon = strrchr(text, ':');
	_cleanup_(freep) char *host = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	const char *address = host, *port;
	size_t n = host ? strlen(host) : 0;
	unsigned n_port = 0;
	struct ip ip;

	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		address = host + 1;
	}
	for (port = colon ? colon + 1 : ""; *port >= '0' && *port <= '9' && n_port <= 65535; port++)
		n_port = n_port * 10 + (unsigned)(*port - '0');
	if (!colon || ip_parse(address, &ip) < 0 || !colon[1] || *port || n_port > 65535)
		return refuse(err, "neutrino", "agent_listen", text, "ADDRESS:PORT is wanted");
	*ret = xasprintf("tcp:%s", text);
	return 0;
}

static char *join_ranges(const struct conf *c)
{
	const char *const *list;
	size_t n = conf_list(c, "ml2_type_vxlan", "vni_ranges", &list);
	char *out = xstrdup("");

	for (size_t i = 0; i < n; i++) {
		char *more = xasprintf("%s%s%s", out, i ? "," : "", list[i]);

		free(out);
		out = more;
	}
	if (*out)
		return out;
	free(out);
	return xstrdup("1:16777215");
}

/* A number at *p, within 1..max; moves behind it. 0: none. */
static unsigned long read_number(const char **p, unsigned long max)
{
	unsigned long n = 0;

	while (**p >= '0' && **p <= '9' && n <= max)
		n = n * 10 + (unsigned long)(*(*p)++ - '0');
	return n <= max ? n : 0;
}

/* Each "min:max", within 1..16777215, rising. */
static int check_ranges(const char *ranges, struct err *err)
{
	for (const char *p = ranges; *p; p += *p == ',') {
		unsigned long low = read_number(&p, MAX_VNI);

		if (!low || *p++ != ':' || read_number(&p, MAX_VNI) < low || (*p && *p != ','))
			return refuse(err, "ml2_type_vxlan", "vni_ranges", ranges,
				      "MIN:MAX within 1..16777215 is wanted");
	}
	return 0;
}

/* The MTU that the underlay gives a tunnel: path_mtu if it is the smaller one. */
static uint32_t read_mtu(const struct conf *c)
{
	int64_t global = conf_int(c, D, "global_physnet_mtu"), path = conf_int(c, "ml2", "path_mtu");

	return (uint32_t)(path >= 118 && path < global ? path : global);
}

static int read_macs(const struct conf *c, struct settings *s, struct err *err)
{
	const char *base = conf_string(c, D, "base_mac"), *dvr = conf_string(c, D, "dvr_base_mac");

	if (mac_parse(base, &s->base_mac) < 0 || mac_is_group(&s->base_mac))
		return refuse(err, D, "base_mac", base, "the MAC address of a station is wanted");
	if (mac_parse(dvr, &s->dvr_base_mac) < 0 || mac_is_group(&s->dvr_base_mac))
		return refuse(err, D, "dvr_base_mac", dvr, "the MAC address of a station is wanted");
	if (mac_equal(&s->base_mac, &s->dvr_base_mac))
		return refuse(err, D, "dvr_base_mac", dvr, "it must differ from base_mac");
	return 0;
}

static int read_all(const struct conf *c, struct settings *s, struct err *err)
{
	int r = read_auth(c, err);

	if (r >= 0)
		r = read_database(c, &s->database, err);
	if (r >= 0)
		r = read_types(c, "type_drivers", err);
	if (r >= 0)
		r = read_types(c, "project_network_types", err);
	if (r >= 0)
		r = read_address(c, &s->api_address, err);
	if (r >= 0)
		r = read_agent_listen(c, &s->agent_listen, err);
	if (r >= 0)
		r = read_macs(c, s, err);
	if (r < 0)
		return r;
	s->vni_ranges = join_ranges(c);
	s->api_port = (uint16_t)conf_int(c, D, "bind_port");
	s->router_distributed = conf_bool(c, D, "router_distributed");
	s->host_dvr_for_dhcp = conf_bool(c, D, "host_dvr_for_dhcp");
	s->physnet_mtu = read_mtu(c);
	s->agent_down_time = (uint32_t)conf_int(c, D, "agent_down_time");
	s->debug = conf_bool(c, D, "debug");
	return check_ranges(s->vni_ranges, err);
}

int settings_read(const struct settings_source *sources, size_t n, struct conf **ret_conf, struct settings *ret,
		  struct err *err)
{
	struct conf *c = conf_new(options, N_ELEMENTS(options));
	struct settings s = { 0 };
	int r = read_sources(c, sources, n, err);

	if (r >= 0)
		r = conf_check(c, err);
	if (r >= 0)
		r = read_all(c, &s, err);
	if (r < 0) {
		settings_clear(&s);
		conf_free(c);
		return r;
	}
	*ret_conf = c;
	*ret = s;
	return 0;
}

static void print_value(const struct conf *c, const struct conf_option *o)
{
	const char *const *list;
	size_t n;

	if (o->type == CONF_LIST) {
		n = conf_list(c, o->section, o->name, &list);
		for (size_t i = 0; i < n; i++)
			printf("%s%s", i ? "," : "", list[i]);
	} else if (o->type == CONF_BOOL) {
		printf("%s", conf_bool(c, o->section, o->name) ? "true" : "false");
	} else if (o->type == CONF_INT) {
		printf("%lld", (long long)conf_int(c, o->section, o->name));
	} else {
		const char *text = conf_string(c, o->section, o->name);

		printf("%s", text ? text : "");
	}
}

void settings_print(const struct conf *c, const struct settings *s)
{
	bool ignored = false;

	for (size_t i = 0; i < N_ELEMENTS(options); i++) {
		const struct conf_option *o = &options[i];
		bool set = conf_is_set(c, o->section, o->name);

		ignored = ignored || strcmp(o->name, FIRST_IGNORED) == 0;
		if (ignored && !set)
			continue;
		printf("[%s] %s = ", o->section, o->name);
		if (strcmp(o->name, "transport_url") == 0)
			printf("..."); /* holds a password */
		else
			print_value(c, o);
		printf("%s\n", ignored ? "  # ignored: it has no meaning here" : set ? "" : "  # default");
	}
	printf("# The API is served on %s port %u, agents on %s.\n", s->api_address, s->api_port,
	       s->agent_listen + strlen("tcp:"));
}

void settings_clear(struct settings *s)
{
	free(s->api_address);
	free(s->agent_listen);
	free(s->database);
	free(s->vni_ranges);
	*s = (struct settings) { 0 };
}
