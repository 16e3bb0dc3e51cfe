/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/where.h"

static const struct conf_option table[] = {
	{ "DEFAULT", "host", CONF_STRING },
	{ "DEFAULT", "state_path", CONF_STRING, "/var/lib/neutrino" },
	{ "DEFAULT", "agent_mode", CONF_STRING, "legacy" },
	{ "DEFAULT", "debug", CONF_BOOL, "false" },
	{ "ovs", "local_ip", CONF_IP },
	{ "agent", "vxlan_udp_port", CONF_INT, "4789", 1, 65535 },
	{ "neutrino", "server", CONF_STRING, "127.0.0.1:9697" },
	{ "neutrino", "token_file", CONF_STRING, "/etc/neutron/neutrino.token" },
	{ "neutrino", "datapath", CONF_STRING, "ebpf" },
	{ "neutrino", "control_socket", CONF_STRING, "/run/neutrino/agent.sock" },
	{ "neutrino", "pin_dir", CONF_STRING, "/sys/fs/bpf/neutrino" },
	{ "neutrino", "run_dir", CONF_STRING, "/run/neutrino" },
};

static const struct {
	const char *path;
	bool optional;
} usual_files[] = {
	{ "/etc/neutron/neutron.conf", false },
	{ "/etc/neutron/l3_agent.ini", true },
	{ "/etc/neutron/plugins/ml2/openvswitch_agent.ini", true },
	{ "/etc/neutron/neutrino.conf", true },
};

static const char *const agent_modes[] = { "legacy", "dvr", "dvr_snat", "dvr_no_external" };

static int read_files(struct conf *c, const struct options_source *sources, size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = sources[i].is_dir ? conf_read_dir(c, sources[i].path, err)
				      : conf_read_file(c, sources[i].path, err);
	for (size_t i = 0; i < N_ELEMENTS(usual_files) && n == 0 && r == 0; i++)
		if (!usual_files[i].optional || access(usual_files[i].path, F_OK) == 0)
			r = conf_read_file(c, usual_files[i].path, err);
	return r < 0 ? r : conf_check(c, err);
}

static int refuse(struct err *err, const char *option, const char *why)
{
	return err_set(err, ERR_BAD_REQUEST, "", "%s: %s", option, why);
}

static int pick_host(struct options *o, struct err *err)
{
	const char *host = conf_string(o->conf, "DEFAULT", "host");

	if (!host && gethostname(o->host, sizeof(o->host)) < 0)
		return refuse(err, "[DEFAULT] host", "not set, and this host's name is too long");
	if (host && strlen(host) >= sizeof(o->host))
		return refuse(err, "[DEFAULT] host", "too long");
	if (host)
		memcpy(o->host, host, strlen(host) + 1);
	o->config.host = o->host;
	return 0;
}

static int pick_driver(struct options *o, const struct driver_ops *const *drivers, size_t n, struct err *err)
{
	const char *name = conf_string(o->conf, "neutrino", "datapath");

	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, drivers[i]->name))
			o->config.ops = drivers[i];
	return o->config.ops ? 0 : refuse(err, "[neutrino] datapath", "no such datapath");
}

static int pick_mode(struct options *o, struct err *err)
{
	const char *mode = conf_string(o->conf, "DEFAULT", "agent_mode");

	for (size_t i = 0; i < N_ELEMENTS(agent_modes); i++)
		if (!strcmp(mode, agent_modes[i]))
			o->config.agent_mode = mode;
	return o->config.agent_mode
		       ? 0
		       : refuse(err, "[DEFAULT] agent_mode", "not one of legacy, dvr, dvr_snat, dvr_no_external");
}

static int pick_local_ip(struct options *o, struct err *err)
{
	const char *text = conf_string(o->conf, "ovs", "local_ip");
	struct ip ip;

	if (!text)
		return refuse(err, "[ovs] local_ip", "must be set: this host's address for the tunnels");
	if (ip_parse(text, &ip) < 0 || ip_is_zero(&ip) || ip_is_group(&ip))
		return refuse(err, "[ovs] local_ip", "not the address of a host");
	if (!ip_is_v4(&ip))
		return refuse(err, "[ovs] local_ip", "tunnels over IPv6 are not there yet");
	o->config.tunnel_ip = text;
	return 0;
}

static int pick_server(struct options *o, struct err *err)
{
	struct where at;
	int r;

	o->server = xasprintf("tcp:%s", conf_string(o->conf, "neutrino", "server"));
	o->config.server = o->server;
	r = where_parse(o->server, &at, err);
	return r < 0 ? err_prefix(err, r, "[neutrino] server") : 0;
}

static void pick_rest(struct options *o)
{
	struct agent_config *c = &o->config;

	o->snapshot_path = xasprintf("%s/agent.snapshot", conf_string(o->conf, "DEFAULT", "state_path"));
	o->control = xasprintf("unix:%s", conf_string(o->conf, "neutrino", "control_socket"));
	c->snapshot_path = o->snapshot_path;
	c->control = o->control;
	c->token_file = conf_string(o->conf, "neutrino", "token_file");
	c->driver.state_dir = conf_string(o->conf, "neutrino", "run_dir");
	c->driver.pin_dir = conf_string(o->conf, "neutrino", "pin_dir");
	c->driver.vxlan_udp_port = (uint16_t)conf_int(o->conf, "agent", "vxlan_udp_port");
}

int options_read(const struct options_source *sources, size_t n, const struct driver_ops *const *drivers,
		 size_t n_drivers, struct options *ret, struct err *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->conf = conf_new(table, N_ELEMENTS(table));
	r = read_files(ret->conf, sources, n, err);
	if (r == 0)
		r = pick_host(ret, err);
	if (r == 0)
		r = pick_driver(ret, drivers, n_drivers, err);
	if (r == 0)
		r = pick_mode(ret, err);
	if (r == 0)
		r = pick_local_ip(ret, err);
	if (r == 0)
		r = pick_server(ret, err);
	if (r == 0)
		pick_rest(ret);
	else
		options_fini(ret);
	return r;
}

void options_fini(struct options *o)
{
	conf_free(o->conf);
	free(o->server);
	free(o->snapshot_path);
	free(o->control);
	memset(o, 0, sizeof(*o));
}

void options_print(const struct options *o)
{
	for (size_t i = 0; i < N_ELEMENTS(table); i++) {
		const char *value;
		char text[24];

		if (i == 0 || strcmp(table[i].section, table[i - 1].section) != 0)
			printf("%s[%s]\n", i ? "\n" : "", table[i].section);
		if (table[i].type == CONF_INT) {
			snprintf(text, sizeof(text), "%lld",
				 (long long)conf_int(o->conf, table[i].section, table[i].name));
			value = text;
		} else if (table[i].type == CONF_BOOL) {
			value = conf_bool(o->conf, table[i].section, table[i].name) ? "true" : "false";
		} else {
			value = conf_string(o->conf, table[i].section, table[i].name);
		}
		if (!value && !strcmp(table[i].name, "host"))
			value = o->host;
		printf("%s = %s%s\n", table[i].name, value ? value : "",
		       conf_is_set(o->conf, table[i].section, table[i].name) ? "" : "  # default");
	}
}

int options_local_ip_is_here(const struct options *o)
{
	struct ifaddrs *list, *a;
	struct ip want;
	int found = 0;

	if (ip_parse(o->config.tunnel_ip, &want) < 0 || getifaddrs(&list) < 0)
		return 0;
	for (a = list; a && !found; a = a->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a->ifa_addr;
		struct ip ip;

		if (!in || in->sin_family != AF_INET)
			continue;
		ip = ip_from_bytes(4, &in->sin_addr);
		found = ip_equal(&ip, &want);
	}
	freeifaddrs(list);
	return found;
}
