/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/vswitch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/sandbox.h"
#include "io/loop.h"

/* vswitch on a real ovsdb-server and ovs-vswitchd with the dummy datapath. */

#define TURN_US 20000000 /* a test that waits this long for an event has failed */
#define ID(n) "00000000-0000-4000-8000-0000000000" n

struct bed {
	struct sandbox box;
	struct loop *loop;
	struct vswitch_config config;
	struct vswitch *v;
	char where[96];
	unsigned readies, ifaces, gones;
	uint32_t tunnel;
	char mgmt[128];
	struct vswitch_iface last; /* of iface() */
	struct uuid gone;
	char warnings[4096];
};

static struct bed bed;

static void on_ready(const char *mgmt, uint32_t tunnel_ofport, void *arg)
{
	struct bed *b = arg;

	b->readies++;
	b->tunnel = tunnel_ofport;
	snprintf(b->mgmt, sizeof(b->mgmt), "%s", mgmt);
}

static void on_iface(const struct vswitch_iface *i, void *arg)
{
	struct bed *b = arg;

	b->ifaces++;
	b->last = *i;
}

static void on_iface_gone(const struct uuid *port, void *arg)
{
	struct bed *b = arg;

	b->gones++;
	b->gone = *port;
}

static void on_warning(const char *text, void *arg)
{
	struct bed *b = arg;
	size_t n = strlen(b->warnings);

	snprintf(b->warnings + n, sizeof(b->warnings) - n, "%s\n", text);
}

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		while (!(what))                                                                                        \
			if (loop_turn(bed.loop, TURN_US) == 0)                                                         \
				fail_msg("does not come: %s; warnings: %s", #what, bed.warnings);                      \
	} while (0)

static void sh(const char *command)
{
	assert_int_equal(sandbox_run(&bed.box, NULL, "%s", command), 0);
}

static void open_vswitch(void)
{
	static const struct vswitch_events events = {
		.ready = on_ready, .iface = on_iface, .iface_gone = on_iface_gone, .warning = on_warning, .arg = &bed
	};
	struct err err;

	if (vswitch_open(bed.loop, &bed.config, &events, &bed.v, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct err err;
	int r;

	(void)state;
	memset(&bed, 0, sizeof(bed));
	r = sandbox_start(&bed.box, &err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	bed.loop = loop_new();
	snprintf(bed.where, sizeof(bed.where), "unix:%s", bed.box.db);
	bed.config = (struct vswitch_config) { .ovsdb = bed.where,
					       .bridge = "br-int",
					       .datapath_type = "dummy",
					       .local_ip = "192.0.2.1",
					       .vxlan_udp_port = 4789 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vswitch_close(bed.v);
	loop_free(bed.loop);
	sandbox_stop(&bed.box);
	return 0;
}

/* What a command prints, without its last newline. */
static const char *printed(const char *command)
{
	static char text[4096];
	_cleanup_(utstring_freep) UT_string *out = NULL;

	utstring_new(out);
	assert_int_equal(sandbox_run(&bed.box, out, "%s", command), 0);
	snprintf(text, sizeof(text), "%s", utstring_body(out));
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void need_sandbox(void)
{
	if (!bed.loop)
		skip();
}

static void test_bridge_is_made(void **state)
{
	(void)state;
	need_sandbox();
	bed.config.bridge = "br-own";
	open_vswitch();
	UNTIL(bed.readies == 1);
	assert_string_equal(strrchr(bed.mgmt, '/'), "/br-own.mgmt");
	assert_string_equal(
		printed("ovs-vsctl get bridge br-own fail_mode datapath_type external_ids other_config | xargs"),
		"secure dummy {neutrino=true} {disable-in-band=true}");
	assert_string_equal(printed("ovs-vsctl get interface vxlan-neutrino type options | xargs"),
			    "vxlan {dst_port=4789, key=flow, local_ip=192.0.2.1, remote_ip=flow}");
	assert_int_equal(bed.tunnel, atoi(printed("ovs-vsctl get interface vxlan-neutrino ofport")));
	assert_string_equal(bed.warnings, "");
}

static void add_port(const char *name, const char *id)
{
	assert_int_equal(
		sandbox_run(&bed.box, NULL,
			    "ovs-vsctl add-port br-int %s -- set interface %s type=dummy external_ids:iface-id=%s",
			    name, name, id),
		0);
}

static void assert_id(const struct uuid *port, const char *id)
{
	char text[UUID_TEXT_SIZE];

	assert_string_equal(uuid_format(port, text), id);
}

static void test_bridge_is_adopted(void **state)
{
	(void)state;
	need_sandbox();
	sh("ovs-vsctl set-fail-mode br-int standalone -- remove bridge br-int other_config disable-in-band -- "
	   "set-controller br-int tcp:127.0.0.1:1 -- add-port br-int other -- set interface other type=dummy -- "
	   "add-port br-int vxlan-neutrino -- set interface vxlan-neutrino type=vxlan options:remote_ip=192.0.2.9");
	open_vswitch();
	UNTIL(bed.readies > 0 &&
	      bed.tunnel == (uint32_t)atoi(printed("ovs-vsctl get interface vxlan-neutrino ofport")) &&
	      strstr(printed("ovs-vsctl get interface vxlan-neutrino options"), "remote_ip=flow"));
	assert_string_equal(printed("ovs-vsctl get bridge br-int fail_mode external_ids other_config | xargs"),
			    "secure {} {disable-in-band=true}");
	assert_string_equal(printed("ovs-vsctl get-controller br-int"), "tcp:127.0.0.1:1");
	sh("ovs-vsctl get interface other ofport");
	assert_non_null(strstr(bed.warnings, "fail_mode was standalone"));
	assert_non_null(strstr(bed.warnings, "in-band"));
	assert_non_null(strstr(bed.warnings, "options of vxlan-neutrino"));
}

static void test_interfaces(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	sh("ovs-vsctl add-port br-int stranger -- set interface stranger type=dummy external_ids:iface-id=me");
	add_port("p1", ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	assert_id(&bed.last.port, ID("01"));
	assert_string_equal(bed.last.name, "p1");
	assert_int_equal(bed.last.ofport, atoi(printed("ovs-vsctl get interface p1 ofport")));
	/* its number changes */
	sh("ovs-vsctl set interface p1 ofport_request=77");
	UNTIL(bed.last.ofport == 77);
	/* plugged again under another name, in one transaction */
	bed.ifaces = 0;
	sh("ovs-vsctl --no-wait del-port p1 -- add-port br-int p2 -- set interface p2 type=dummy "
	   "external_ids:iface-id=" ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_UP);
	assert_string_equal(bed.last.name, "p2");
	assert_int_equal(bed.gones, 0);
	sh("ovs-vsctl del-port p2");
	UNTIL(bed.gones == 1);
	assert_id(&bed.gone, ID("01"));
}

static void test_missing_device(void **state)
{
	(void)state;
	need_sandbox();
	open_vswitch();
	UNTIL(bed.readies == 1);
	sh("ovs-vsctl --no-wait add-port br-int p1 -- set interface p1 type=nonsense external_ids:iface-id=" ID("01"));
	UNTIL(bed.ifaces > 0 && bed.last.state == VSWITCH_IFACE_BAD);
	assert_string_equal(bed.last.text,
			    "could not open network device p1 (Address family not supported by protocol)");
	assert_int_equal(bed.last.ofport, 0);
	sh("ovs-vsctl set interface p1 type=dummy");
	UNTIL(bed.last.state == VSWITCH_IFACE_UP);
	assert_string_equal(bed.last.text, "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_bridge_is_made),
		T(test_bridge_is_adopted),
		T(test_interfaces),
		T(test_missing_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
