/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/where.h"

#define MAX_DATAPATHS 8
#define OVSDB_SOCKET "unix:/var/run/openvswitch/db.sock"
#define OVSDB_NEUTRON "tcp:127.0.0.1:6640" /* Neutron's default: where its agent makes Open vSwitch listen */
#define BRIDGE_NAME_SIZE 16 /* of a device */
#define SOCKET_PATH_MAX 107
#define OVSDB_DIR_MAX 82 /* in it are /ovs-vswitchd.PID.ctl and /BRIDGE.mgmt */

static const char *const agent_modes[] = { "legacy", "dvr", "dvr_snat", "dvr_no_external", NULL };
static const char *const datapath_types[] = { "system", "netdev", NULL };
static const char *datapaths[MAX_DATAPATHS + 1]; /* the names of the drivers that there are */

/* ---- what values will do: NULL, or what was expected ---- */

static const char *expect_host(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)c;
	(void)o;
	return !value || (*value && strlen(value) < HOST_NAME_SIZE) ? NULL : "a name of 1 to 63 characters";
}

static const char *expect_tunnel_ip(const struct conf *c, const struct conf_option *o, const char *value)
{
	struct ip ip;

	(void)c;
	(void)o;
	if (!value || ip_parse(value, &ip) < 0 || ip_is_zero(&ip) || ip_is_group(&ip))
		return "the address of this host for the tunnels";
	if (!ip_is_v4(&ip))
		return "an IPv4 address: tunnels over IPv6 are not served so far";
	return strchr(value, ':') ? "an IPv4 address as A.B.C.D" : NULL;
}

static const char *expect_four(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)value;
	return conf_int(c, o->section, o->name) == 4 ? NULL : "4: tunnels over IPv6 are not served so far";
}

static const char *expect_vxlan(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *const *list;
	size_t n = conf_list(c, o->section, o->name, &list);

	(void)value;
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], "vxlan") == 0)
			return NULL;
	return n ? "vxlan among them: nothing else is served so far" : NULL;
}

/* What Neutron's agent does not start without, either. */
static const char *expect_population(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *const *types;

	(void)value;
	if (conf_bool(c, o->section, o->name) || !conf_bool(c, "agent", "enable_distributed_routing") ||
	    conf_list(c, "agent", "tunnel_types", &types) == 0)
		return NULL;
	return "True: enable_distributed_routing over tunnels (tunnel_types) needs it";
}

static const char *expect_where(const struct conf *c, const struct conf_option *o, const char *value)
{
	_cleanup_(freep) char *text = xasprintf("tcp:%s", value);
	struct where at;

	(void)c;
	(void)o;
	return where_parse(text, &at, NULL) < 0 ? "ADDRESS:PORT" : NULL;
}

static const char *expect_ovsdb(const struct conf *c, const struct conf_option *o, const char *value)
{
	const char *path = !strncmp(value, "unix:", 5) ? value + 5 : "", *slash = strrchr(path, '/');
	struct where at;

	(void)c;
	(void)o;
	if (!strncmp(value, "ssl:", 4))
		return "unix:PATH or tcp:ADDRESS:PORT: TLS is not served so far";
	if (strlen(path) > SOCKET_PATH_MAX || (slash && slash - path > OVSDB_DIR_MAX))
		return "a path of at most 107 bytes, its directory of at most 82: ovs-vswitchd's sockets stand there";
	return where_parse(value, &at, NULL) < 0 ? "unix:PATH or tcp:ADDRESS:PORT" : NULL;
}

static const char *expect_bridge(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)c;
	(void)o;
	return *value && strlen(value) < BRIDGE_NAME_SIZE && !strpbrk(value, "/ \t")
		       ? NULL
		       : "the name of a bridge: 1 to 15 characters, no blank and no slash";
}

/* ---- what has no effect beside the rest ---- */

static bool is_datapath(const struct conf *c, const char *name)
{
	return !strcmp(conf_string(c, "neutrino", "datapath"), name);
}

static const char *idle_without_ovs(const struct conf *c, const struct conf_option *o)
{
	(void)o;
	return is_datapath(c, "openvswitch") ? NULL : "the datapath of this host is not Open vSwitch";
}

static const char *idle_without_ebpf(const struct conf *c, const struct conf_option *o)
{
	(void)o;
	return is_datapath(c, "ebpf") ? NULL : "the datapath of this host is not eBPF";
}

static const struct conf_option table[] = {
	{ "DEFAULT", "host", CONF_STRING, .check = expect_host },
	{ "DEFAULT", "state_path", CONF_STRING, "/var/lib/neutrino" },
	{ "DEFAULT", "agent_mode", CONF_STRING, "legacy", .choices = agent_modes },
	{ "DEFAULT", "debug", CONF_BOOL, "false" },
	{ "ovs", "local_ip", CONF_IP, .check = expect_tunnel_ip },
	{ "ovs", "ovsdb_connection", CONF_STRING, OVSDB_SOCKET, .check = expect_ovsdb, .idle = idle_without_ovs },
	{ "ovs", "integration_bridge", CONF_STRING, "br-int", .check = expect_bridge, .idle = idle_without_ovs },
	{ "ovs", "datapath_type", CONF_STRING, "system", .choices = datapath_types, .idle = idle_without_ovs },
	{ "agent", "tunnel_csum", CONF_BOOL, "false", .idle = idle_without_ovs },
	{ "agent", "report_interval", CONF_FLOAT, "10", 1, 600 },
	{ "agent", "tunnel_types", CONF_LIST, "", .check = expect_vxlan },
	{ "agent", "vxlan_udp_port", CONF_INT, "4789", 1, 65535 },
	{ "agent", "enable_distributed_routing", CONF_BOOL, "false" },
	{ "agent", "l2_population", CONF_BOOL, "false", .check = expect_population },
	{ "ml2", "overlay_ip_version", CONF_INT, "4", .check = expect_four },
	{ "neutrino", "server", CONF_STRING, "127.0.0.1:9697", .check = expect_where },
	{ "neutrino", "token_file", CONF_STRING, "/etc/neutron/neutrino.token" },
	{ "neutrino", "datapath", CONF_STRING, "ebpf", .choices = datapaths },
	{ "neutrino", "control_socket", CONF_STRING, "/run/neutrino/agent.sock" },
	{ "neutrino", "pin_dir", CONF_STRING, "/sys/fs/bpf/neutrino", .idle = idle_without_ebpf },
	{ "neutrino", "run_dir", CONF_STRING, "/run/neutrino" },
};

/* ---- reading ---- */

/* The L2 agent's options once stood in the plugin's file, and later where the server's are. */
static const struct {
	const char *path;
	bool optional;
} usual_files[] = {
	{ "/etc/neutron/neutron.conf", false },
	{ "/etc/neutron/l3_agent.ini", true },
	{ "/etc/neutron/plugins/ml2/ml2_conf.ini", true },
	{ "/etc/neutron/plugins/openvswitch/ovs_neutron_plugin.ini", true },
	{ "/etc/neutron/plugins/ml2/openvswitch_agent.ini", true },
	{ "/etc/neutron/neutrino.conf", true },
};

static int read_files(struct conf *c, const struct options_source *sources, size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = sources[i].is_dir ? conf_read_dir(c, sources[i].path, err)
				      : conf_read_file(c, sources[i].path, err);
	for (size_t i = 0; i < N_ELEMENTS(usual_files) && n == 0 && r == 0; i++)
		if (!usual_files[i].optional || access(usual_files[i].path, F_OK) == 0)
			r = conf_read_file(c, usual_files[i].path, err);
	return r;
}

/* ---- defaults that this host decides ---- */

static bool has_datapath(const char *name)
{
	for (size_t i = 0; datapaths[i]; i++)
		if (!strcmp(datapaths[i], name))
			return true;
	return false;
}

/* Open vSwitch, where its database answers: by the option, or else by its own socket or where Neutron has it listen. */
static void pick_defaults(struct conf *c)
{
	static const char *const usual[] = { OVSDB_SOCKET, OVSDB_NEUTRON };
	const char *ovsdb;

	for (size_t i = 0; i < N_ELEMENTS(usual) && !conf_is_set(c, "ovs", "ovsdb_connection"); i++)
		if (where_answers(usual[i])) {
			conf_set_default(c, "ovs", "ovsdb_connection", usual[i]);
			break;
		}
	ovsdb = conf_string(c, "ovs", "ovsdb_connection"); /* NULL: refers to nothing; told by conf_check() */
	if (ovsdb && has_datapath("openvswitch") && where_answers(ovsdb))
		conf_set_default(c, "neutrino", "datapath", "openvswitch");
}

static int pick_host(struct options *o, struct err *err)
{
	const char *host = conf_string(o->conf, "DEFAULT", "host");

	if (!host && gethostname(o->host, sizeof(o->host)) < 0)
		return err_set(err, ERR_BAD_REQUEST, "",
			       "[DEFAULT] host is not set: expected one, as this host's own name is longer than 63 "
			       "characters");
	if (host)
		memcpy(o->host, host, strlen(host) + 1);
	o->config.host = o->host;
	return 0;
}

static void pick_driver(struct options *o, const struct driver_ops *const *drivers, size_t n)
{
	const char *name = conf_string(o->conf, "neutrino", "datapath");

	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, drivers[i]->name))
			o->config.ops = drivers[i];
}

/* What Neutron's Open vSwitch agent reports of its bridge, by its names. */
static void pick_configurations(struct options *o)
{
	const struct driver_config *d = &o->config.driver;

	if (!is_datapath(o->conf, "openvswitch"))
		return;
	o->configurations =
		json_pack("{s:s,s:s}", "integration_bridge", d->integration_bridge, "datapath_type", d->datapath_type);
	o->config.configurations = o->configurations;
}

static void pick_rest(struct options *o)
{
	struct agent_config *c = &o->config;

	o->server = xasprintf("tcp:%s", conf_string(o->conf, "neutrino", "server"));
	o->snapshot_path = xasprintf("%s/agent.snapshot", conf_string(o->conf, "DEFAULT", "state_path"));
	o->control = xasprintf("unix:%s", conf_string(o->conf, "neutrino", "control_socket"));
	c->server = o->server;
	c->snapshot_path = o->snapshot_path;
	c->tunnel_ip = conf_string(o->conf, "ovs", "local_ip");
	c->agent_mode = conf_string(o->conf, "DEFAULT", "agent_mode");
	c->report_us = (uint64_t)(conf_float(o->conf, "agent", "report_interval") * 1e6);
	c->control = o->control;
	c->token_file = conf_string(o->conf, "neutrino", "token_file");
	c->driver.state_dir = conf_string(o->conf, "neutrino", "run_dir");
	c->driver.pin_dir = conf_string(o->conf, "neutrino", "pin_dir");
	c->driver.vxlan_udp_port = (uint16_t)conf_int(o->conf, "agent", "vxlan_udp_port");
	c->driver.local_ip = c->tunnel_ip;
	c->driver.ovsdb = conf_string(o->conf, "ovs", "ovsdb_connection");
	c->driver.integration_bridge = conf_string(o->conf, "ovs", "integration_bridge");
	c->driver.datapath_type = conf_string(o->conf, "ovs", "datapath_type");
	c->driver.tunnel_csum = conf_bool(o->conf, "agent", "tunnel_csum");
}

int options_load(const struct options_source *sources, size_t n, const struct driver_ops *const *drivers,
		 size_t n_drivers, struct conf **ret, struct err *err)
{
	struct conf *c;
	int r;

	for (size_t i = 0; i < MAX_DATAPATHS; i++)
		datapaths[i] = i < n_drivers ? drivers[i]->name : NULL;
	c = conf_new(table, N_ELEMENTS(table));
	r = read_files(c, sources, n, err);
	if (r < 0) {
		conf_free(c);
		return r;
	}
	pick_defaults(c);
	*ret = c;
	return 0;
}

int options_read(struct conf *c, const struct driver_ops *const *drivers, size_t n_drivers, struct options *ret,
		 struct err *err)
{
	int r = conf_check(c, err);

	memset(ret, 0, sizeof(*ret));
	ret->conf = c;
	if (r == 0)
		r = pick_host(ret, err);
	if (r < 0)
		return r;
	ret->config.drivers = drivers;
	ret->config.n_drivers = n_drivers;
	pick_driver(ret, drivers, n_drivers);
	pick_rest(ret);
	pick_configurations(ret);
	return 0;
}

void options_fini(struct options *o)
{
	free(o->server);
	free(o->snapshot_path);
	free(o->control);
	json_decref(o->configurations);
	memset(o, 0, sizeof(*o));
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
