/* SPDX-License-Identifier: Apache-2.0 */
#include "server/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/where.h"
#include "net/ip.h"

#define D "DEFAULT"
#define MAX_VNI 16777215

/* ---- what values will do: NULL, or what was expected ---- */

static const char *expect_noauth(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)c;
	(void)o;
	return strcmp(value, "noauth") == 0
		       ? NULL
		       : "noauth, which makes an admin of everyone who reaches the API: nothing else "
			 "is served so far";
}

static const char *expect_true(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)value;
	return conf_bool(c, o->section, o->name) ? NULL : "True: distributed routers are what this server is for";
}

static const char *expect_plain(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)value;
	return conf_bool(c, o->section, o->name) ? "False: TLS is not served so far" : NULL;
}

static const char *expect_four(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)value;
	return conf_int(c, o->section, o->name) == 4 ? NULL : "4: tunnels over IPv6 are not served so far";
}

static const char *database_path(const char *url)
{
	static const char scheme[] = "sqlite:///";

	return strncmp(url, scheme, strlen(scheme)) == 0 ? url + strlen(scheme) : NULL;
}

static const char *expect_sqlite(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *path = database_path(value);

	(void)c;
	(void)o;
	return path && *path && !strchr(path, '?') ? NULL : "sqlite:////PATH of a file: nothing else is served so far";
}

static const char *expect_vxlan(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *const *list;
	size_t n = conf_list(c, o->section, o->name, &list);

	(void)value;
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], "vxlan") == 0)
			return NULL;
	return "vxlan among them: nothing else is served so far";
}

static const char *bind_address(const char *host)
{
	return strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

static const char *expect_address(const struct conf *c, const struct conf_option *o, const char *value)
{
	struct ip ip;

	(void)c;
	(void)o;
	return ip_parse(bind_address(value), &ip) < 0 ? "an IP address" : NULL;
}

static const char *expect_where(const struct conf *c, const struct conf_option *o, const char *value)
{
	_cleanup_(freep) char *text = xasprintf("tcp:%s", value);
	struct where at;

	(void)c;
	(void)o;
	return where_parse(text, &at, NULL) < 0 ? "ADDRESS:PORT" : NULL;
}

static const char *expect_station(const struct conf *c, const struct conf_option *o, const char *value)
{
	struct mac mac;

	(void)c;
	(void)o;
	return mac_parse(value, &mac) < 0 || mac_is_group(&mac) ? "the MAC address of a station" : NULL;
}

static const char *expect_other_station(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *wrong = expect_station(c, o, value);
	struct mac own, base;

	if (wrong || mac_parse(value, &own) < 0 || mac_parse(conf_string(c, D, "base_mac"), &base) < 0)
		return wrong;
	return mac_equal(&own, &base) ? "one that differs from base_mac" : NULL;
}

/* A number at *p, within 1..max; moves behind it. 0: none. */
static unsigned long read_number(const char **p, unsigned long max)
{
	unsigned long n = 0;

	while (**p >= '0' && **p <= '9' && n <= max)
		n = n * 10 + (unsigned long)(*(*p)++ - '0');
	return n <= max ? n : 0;
}

static const char *expect_ranges(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *const *list;
	size_t n = conf_list(c, o->section, o->name, &list);

	(void)value;
	for (size_t i = 0; i < n; i++) {
		const char *p = list[i];
		unsigned long low = read_number(&p, MAX_VNI);

		if (!low || *p++ != ':' || read_number(&p, MAX_VNI) < low || *p)
			return "MIN:MAX within 1..16777215, or several of them";
	}
	return NULL;
}

static const struct conf_option options[] = {
	{ D, "bind_host", CONF_STRING, "0.0.0.0", .check = expect_address },
	{ D, "bind_port", CONF_INT, "9696", 0, 65535 },
	{ D, "use_ssl", CONF_BOOL, "false", .check = expect_plain },
	{ D, "auth_strategy", CONF_STRING, "keystone", .check = expect_noauth },
	{ D, "router_distributed", CONF_BOOL, "false" },
	{ D, "enable_dvr", CONF_BOOL, "true", .check = expect_true },
	{ D, "host_dvr_for_dhcp", CONF_BOOL, "true" },
	{ D, "base_mac", CONF_MAC, "fa:16:3e:00:00:00", .check = expect_station },
	{ D, "dvr_base_mac", CONF_MAC, "fa:16:3f:00:00:00", .check = expect_other_station },
	{ D, "global_physnet_mtu", CONF_INT, "1500", 118, 65535, .old_name = "ml2.segment_mtu" },
	{ D, "agent_down_time", CONF_INT, "75", 1, 86400 },
	{ D, "state_path", CONF_STRING, "/var/lib/neutrino" },
	{ D, "debug", CONF_BOOL, "false" },
	{ "database", "connection", CONF_STRING, "sqlite:////var/lib/neutrino/neutron.db", .check = expect_sqlite },
	{ "ml2", "type_drivers", CONF_LIST, "vxlan", .check = expect_vxlan },
	{ "ml2", "project_network_types", CONF_LIST, "vxlan", .old_name = "tenant_network_types",
	  .check = expect_vxlan },
	{ "ml2", "path_mtu", CONF_INT, "0", 0, 65535 },
	{ "ml2", "overlay_ip_version", CONF_INT, "4", .check = expect_four },
	{ "ml2_type_vxlan", "vni_ranges", CONF_LIST, "1:16777215", .check = expect_ranges },
	{ "neutrino", "noauth_anywhere", CONF_BOOL, "false" },
	{ "neutrino", "agent_listen", CONF_STRING, "127.0.0.1:9697", .check = expect_where },
};

/* ---- reading ---- */

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

static void warn_of_types(const struct conf *c, const char *name)
{
	const char *const *list;
	size_t n = conf_list(c, "ml2", name, &list);

	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], "vxlan") != 0)
			log_warn("[ml2] %s: %s is not served so far", name, list[i]);
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
static const char *read_address(const struct conf *c)
{
	const char *host = bind_address(conf_string(c, D, "bind_host"));

	if (is_loopback(host) || conf_bool(c, "neutrino", "noauth_anywhere"))
		return host;
	log_warn("bind_host %s with auth_strategy noauth: the API is on 127.0.0.1 only ([neutrino] "
		 "noauth_anywhere = true lifts this)",
		 host);
	return "127.0.0.1";
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

/* The MTU that the underlay gives a tunnel: path_mtu if it is the smaller one. */
static uint32_t read_mtu(const struct conf *c)
{
	int64_t global = conf_int(c, D, "global_physnet_mtu"), path = conf_int(c, "ml2", "path_mtu");

	return (uint32_t)(path >= 118 && path < global ? path : global);
}

/* Of a configuration that was checked. */
static void read_all(const struct conf *c, struct settings *s)
{
	warn_of_types(c, "type_drivers");
	warn_of_types(c, "project_network_types");
	s->database = xstrdup(database_path(conf_string(c, "database", "connection")));
	s->api_address = xstrdup(read_address(c));
	s->agent_listen = xasprintf("tcp:%s", conf_string(c, "neutrino", "agent_listen"));
	mac_parse(conf_string(c, D, "base_mac"), &s->base_mac);
	mac_parse(conf_string(c, D, "dvr_base_mac"), &s->dvr_base_mac);
	s->vni_ranges = join_ranges(c);
	s->api_port = (uint16_t)conf_int(c, D, "bind_port");
	s->router_distributed = conf_bool(c, D, "router_distributed");
	s->host_dvr_for_dhcp = conf_bool(c, D, "host_dvr_for_dhcp");
	s->physnet_mtu = read_mtu(c);
	s->agent_down_time = (uint32_t)conf_int(c, D, "agent_down_time");
	s->debug = conf_bool(c, D, "debug");
}

int settings_load(const struct settings_source *sources, size_t n, struct conf **ret, struct err *err)
{
	struct conf *c = conf_new(options, N_ELEMENTS(options));
	int r = read_sources(c, sources, n, err);

	if (r < 0) {
		conf_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int settings_read(const struct conf *c, struct settings *ret, struct err *err)
{
	int r = conf_check(c, err);

	if (r == 0)
		read_all(c, ret);
	return r;
}

void settings_clear(struct settings *s)
{
	free(s->api_address);
	free(s->agent_listen);
	free(s->database);
	free(s->vni_ranges);
	*s = (struct settings) { 0 };
}
