/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

static const struct driver_ops ebpf = { .name = "ebpf" }, ovs = { .name = "openvswitch" };
static const struct driver_ops *const both[] = { &ebpf, &ovs };

static char dir[] = "/tmp/neutrino-options.XXXXXX";
static struct sockaddr_un database = { .sun_family = AF_UNIX };
static char file[96];

static struct conf *conf;
static struct options options;

static int setup(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - sizeof("XXXXXX"), "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(database.sun_path, sizeof(database.sun_path), "%s/db.sock", dir);
	snprintf(file, sizeof(file), "%s/agent.ini", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	options_fini(&options);
	conf = conf ? conf_free(conf) : NULL;
	unlink(database.sun_path);
	unlink(file);
	return rmdir(dir);
}

/* Reads a file of these lines, with [OVS] local_ip and ovsdb_connection before them. */
static int read_lines(const char *lines, size_t n_drivers, struct err *err)
{
	const struct options_source source = { file, false };
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	fprintf(f, "[OVS]\nlocal_ip = 192.0.2.1\novsdb_connection = unix:%s\n%s", database.sun_path, lines);
	fclose(f);
	options_fini(&options);
	conf = conf ? conf_free(conf) : NULL;
	if (options_load(&source, 1, both, n_drivers, &conf, err) < 0)
		fail_msg("%s", err->text);
	return options_read(conf, both, n_drivers, &options, err);
}

static void must_read(const char *lines, size_t n_drivers)
{
	struct err err = { 0 };

	if (read_lines(lines, n_drivers, &err) < 0)
		fail_msg("%s", err.text);
}

static int listen_as_database(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&database, sizeof(database)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* Where its database answers; a socket that nobody listens on is no answer. */
static void test_datapath_by_default(void **state)
{
	int fd;

	(void)state;
	must_read("", N_ELEMENTS(both));
	assert_ptr_equal(options.config.ops, &ebpf);
	fd = listen_as_database();
	must_read("", N_ELEMENTS(both));
	assert_ptr_equal(options.config.ops, &ovs);
	must_read("[neutrino]\ndatapath = ebpf\n", N_ELEMENTS(both));
	assert_ptr_equal(options.config.ops, &ebpf);
	must_read("", 1); /* without the driver */
	assert_ptr_equal(options.config.ops, &ebpf);
	close(fd);
	must_read("", N_ELEMENTS(both));
	assert_ptr_equal(options.config.ops, &ebpf);
	must_read("[neutrino]\ndatapath = openvswitch\n", N_ELEMENTS(both));
	assert_ptr_equal(options.config.ops, &ovs);
}

static void test_open_vswitch(void **state)
{
	const struct driver_config *d = &options.config.driver;

	(void)state;
	must_read("[neutrino]\ndatapath = openvswitch\n", N_ELEMENTS(both));
	assert_string_equal(d->local_ip, "192.0.2.1");
	assert_string_equal(d->integration_bridge, "br-int");
	assert_string_equal(d->datapath_type, "system");
	assert_int_equal(d->vxlan_udp_port, 4789);
	assert_false(d->tunnel_csum);
	must_read("integration_bridge = br-lab\ndatapath_type = netdev\n[AGENT]\ntunnel_csum = True\nvxlan_udp_port = "
		  "4790\n"
		  "[neutrino]\ndatapath = openvswitch\n",
		  N_ELEMENTS(both));
	assert_string_equal(d->ovsdb + strlen("unix:"), database.sun_path);
	assert_string_equal(d->integration_bridge, "br-lab");
	assert_string_equal(d->datapath_type, "netdev");
	assert_int_equal(d->vxlan_udp_port, 4790);
	assert_true(d->tunnel_csum);
}

/* What Neutron's agent reports of its bridge; of eBPF there is none. */
static void test_configurations(void **state)
{
	_cleanup_(freep) char *text = NULL;

	(void)state;
	must_read("integration_bridge = br-lab\n[neutrino]\ndatapath = openvswitch\n", N_ELEMENTS(both));
	text = json_dumps(options.config.configurations, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"datapath_type\":\"system\",\"integration_bridge\":\"br-lab\"}");
	must_read("[neutrino]\ndatapath = ebpf\n", N_ELEMENTS(both));
	assert_null(options.config.configurations);
}

static void test_bad_references(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_true(read_lines("ovsdb_connection = unix:$nothing\n", N_ELEMENTS(both), &err) < 0);
	assert_non_null(strstr(err.text, "ovsdb_connection"));
}

static void must_refuse(const char *lines, const char *option, const char *why)
{
	struct err err = { 0 };

	assert_true(read_lines(lines, N_ELEMENTS(both), &err) < 0);
	if (!strstr(err.text, option) || !strstr(err.text, why))
		fail_msg("%s", err.text);
}

/* Of a socket's path there are 107 bytes, and ovs-vswitchd's own are longer than the database's. */
static void test_long_paths(void **state)
{
	char lines[160];

	(void)state;
	snprintf(lines, sizeof(lines), "ovsdb_connection = unix:/%081d/db.sock\n", 0);
	must_read(lines, N_ELEMENTS(both));
	snprintf(lines, sizeof(lines), "ovsdb_connection = unix:/%082d/db.sock\n", 0);
	must_refuse(lines, "ovsdb_connection", "its directory of at most 82");
	snprintf(lines, sizeof(lines), "ovsdb_connection = unix:/run/%0103d\n", 0);
	must_refuse(lines, "ovsdb_connection", "at most 107 bytes");
}

/* Open vSwitch takes it for an IPv6 address. */
static void test_mapped_address(void **state)
{
	(void)state;
	must_refuse("local_ip = ::ffff:192.0.2.1\n", "local_ip", "an IPv4 address as A.B.C.D");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_datapath_by_default), T(test_open_vswitch), T(test_configurations),
		T(test_bad_references),      T(test_long_paths),   T(test_mapped_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
