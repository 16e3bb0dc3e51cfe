/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <utstring.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

static const char *expect_even(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)value;
	return conf_int(c, o->section, o->name) % 2 ? "an even number" : NULL;
}

static const char *expect_something(const struct conf *c, const struct conf_option *o, const char *value)
{
	(void)c;
	(void)o;
	return value ? NULL : "something";
}

static const char *beside_legacy(const struct conf *c, const struct conf_option *o)
{
	(void)o;
	return strcmp(conf_string(c, "DEFAULT", "agent_mode"), "legacy") == 0 ? "the mode is legacy" : NULL;
}

static const char *const modes[] = { "legacy", "dvr", NULL };

static const struct conf_option options[] = {
	{ "DEFAULT", "bind_port", CONF_INT, "9696", .min = 1, .max = 65535 },
	{ "DEFAULT", "agent_mode", CONF_STRING, "legacy", .choices = modes },
	{ "DEFAULT", "agent_down_time", CONF_INT, "74", .check = expect_even },
	{ "DEFAULT", "global_physnet_mtu", CONF_INT, "1500", .old_name = "ml2.segment_mtu" },
	{ "database", "connection", CONF_STRING, "sqlite:////x" },
	{ "ml2", "project_network_types", CONF_LIST, "vxlan", .old_name = "tenant_network_types" },
	{ "agent", "polling_interval", CONF_INT, "2", .min = 1, .max = 9, .idle = beside_legacy },
	{ "agent", "report_interval", CONF_FLOAT, "10", .min = 1, .max = 600 },
	{ "ovs", "local_ip", CONF_IP, .check = expect_something },
};

static void collect(const struct conf_judged *jd, void *arg)
{
	static const char letters[] = { 'O', 'D', 'I', 'R', 'U' };

	if (jd->where || jd->verdict == CONF_REFUSED)
		utstring_printf((UT_string *)arg, "%c %s [%s] %s=%s|%s\n", letters[jd->verdict],
				jd->where ? jd->where : "-", jd->section, jd->name, jd->value, jd->note);
}

static void expect(const char *text, const char *lines)
{
	_cleanup_(utstring_freep) UT_string *found = NULL;
	struct conf *c = conf_new(options, N_ELEMENTS(options));
	struct err err = { 0 };

	utstring_new(found);
	assert_int_equal(conf_read_text(c, "f", text, strlen(text), &err), 0);
	conf_judge(c, collect, found);
	assert_string_equal(utstring_body(found), lines);
	conf_free(c);
}

#define LOCAL_IP "[OVS]\nlocal_ip=192.0.2.1\n"
#define LOCAL_IP_LINE "O f:2 [OVS] local_ip=192.0.2.1|\n"

static void obeyed(void **state)
{
	(void)state;
	expect(LOCAL_IP "[AGENT]\nreport-interval = 2.5\n", LOCAL_IP_LINE "O f:4 [AGENT] report-interval=2.5|\n");
	expect(LOCAL_IP "[ml2]\ntenant_network_types = vxlan,\n gre\nsegment_mtu = 1600\n",
	       LOCAL_IP_LINE "O f:4 [ml2] tenant_network_types=vxlan, gre|\nO f:6 [ml2] segment_mtu=1600|\n");
}

static void secrets_are_not_shown(void **state)
{
	(void)state;
	expect(LOCAL_IP "[database]\nconnection = mysql://neutron:pa@ss@db/neutron\n",
	       LOCAL_IP_LINE "O f:4 [database] connection=mysql://...@db/neutron|\n");
	expect(LOCAL_IP "[DEFAULT]\ntransport_url = rabbit://u:secret@h\nadmin_passwrod = secret\n",
	       LOCAL_IP_LINE "I f:4 [DEFAULT] transport_url=|there is no message queue: agents connect to the server "
			     "itself\nU f:5 [DEFAULT] admin_passwrod=|did you mean [DEFAULT] admin_password?\n");
}

static void the_last_line_counts(void **state)
{
	(void)state;
	expect(LOCAL_IP "[DEFAULT]\nbind_port = 1\nbind_port = 2\n",
	       LOCAL_IP_LINE "I f:4 [DEFAULT] bind_port=|f:5 has the last word\nO f:5 [DEFAULT] bind_port=2|\n");
	/* A new name before the old one, wherever they stand. */
	expect(LOCAL_IP "[DEFAULT]\nglobal_physnet_mtu = 1400\n[ml2]\nsegment_mtu = 1600\n", LOCAL_IP_LINE
	       "O f:4 [DEFAULT] global_physnet_mtu=1400|\nI f:6 [ml2] segment_mtu=|f:4 has the last word\n");
}

static void refused(void **state)
{
	(void)state;
	expect("", "R - [ovs] local_ip=|[ovs] local_ip is not set: expected something\n");
	expect(LOCAL_IP "[DEFAULT]\nbind_port = 0\nagent_mode = dvr_all\nagent_down_time = 3\n", LOCAL_IP_LINE
	       "R f:4 [DEFAULT] bind_port=|f:4: [DEFAULT] bind_port = 0: expected an integer from 1 to 65535\n"
	       "R f:5 [DEFAULT] agent_mode=|f:5: [DEFAULT] agent_mode = dvr_all: expected one of legacy, dvr\n"
	       "R f:6 [DEFAULT] agent_down_time=|f:6: [DEFAULT] agent_down_time = 3: expected an even number\n");
	expect(LOCAL_IP "[agent]\nreport_interval = 0.5\n", LOCAL_IP_LINE
	       "R f:4 [agent] report_interval=|f:4: [agent] report_interval = 0.5: expected a number from 1 to 600\n");
	expect(LOCAL_IP "[agent]\nreport_interval = nan\n", LOCAL_IP_LINE
	       "R f:4 [agent] report_interval=|f:4: [agent] report_interval = nan: expected a number from 1 to 600\n");
}

/* Said where it is set, left out where it is not; a bad value is refused all the same. */
static void without_effect(void **state)
{
	(void)state;
	expect(LOCAL_IP "[agent]\npolling_interval = 3\n",
	       LOCAL_IP_LINE "I f:4 [agent] polling_interval=|the mode is legacy\n");
	expect(LOCAL_IP "[agent]\npolling_interval = 3\n[DEFAULT]\nagent_mode = dvr\n",
	       LOCAL_IP_LINE "O f:4 [agent] polling_interval=3|\nO f:6 [DEFAULT] agent_mode=dvr|\n");
	expect(LOCAL_IP "[agent]\npolling_interval = 0\n", LOCAL_IP_LINE
	       "R f:4 [agent] polling_interval=|f:4: [agent] polling_interval = 0: expected an integer from "
	       "1 to 9\n");
}

static void count_unset(const struct conf_judged *jd, void *arg)
{
	((int *)arg)[strcmp(jd->name, "polling_interval") == 0] += jd->where == NULL;
}

static void unset_without_effect(void **state)
{
	struct conf *c = conf_new(options, N_ELEMENTS(options));
	int counts[2] = { 0, 0 };

	(void)state;
	conf_judge(c, count_unset, counts);
	assert_int_equal(counts[0], N_ELEMENTS(options) - 1);
	assert_int_equal(counts[1], 0);
	conf_free(c);
}

static void unknown(void **state)
{
	(void)state;
	expect(LOCAL_IP "bind_prot = 1\n[DEFAULT]\nbind_prot = 1\nquite_something_else = 1\n[agent]\nlocal_ip = 1\n"
			"[ml2_type_vxlam]\nvni_ranges = 1\n",
	       LOCAL_IP_LINE "U f:3 [OVS] bind_prot=|\n"
			     "U f:5 [DEFAULT] bind_prot=|did you mean [DEFAULT] bind_port?\n"
			     "U f:6 [DEFAULT] quite_something_else=|\n"
			     "U f:8 [agent] local_ip=|did you mean [ovs] local_ip?\n"
			     "U f:10 [ml2_type_vxlam] vni_ranges=|did you mean [ml2_type_vxlan] vni_ranges?\n");
}

static void known_by_pattern(void **state)
{
	static const char *const known[][2] = {
		{ "DEFAULT", "rabbit_host" },
		{ "oslo_messaging_rabbit", "rabbit_hosts" },
		{ "oslo_reports", "log_dir" },
		{ "keystone_authtoken", "auth_uri" },
		{ "OVS", "of_interface" },
		{ "AGENT", "root_helper" },
		{ "DEFAULT", "dnsmasq-dns-servers" },
		{ "DEFAULT", "nova_metadata_ip" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(known); i++)
		assert_non_null(conf_known_why(known[i][0], known[i][1]));
	assert_null(conf_known_why("DEFAULT", "rabbi"));
	assert_null(conf_known_why("oslo", "x"));
	/* The more special row is first. */
	assert_string_equal(conf_known_why("oslo_messaging_rabbit", "x"), conf_known_why("DEFAULT", "transport_url"));
	assert_string_equal(conf_known_why("DEFAULT", "nova_metadata_ip"), conf_known_why("metadata", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(obeyed),
		cmocka_unit_test(secrets_are_not_shown),
		cmocka_unit_test(the_last_line_counts),
		cmocka_unit_test(refused),
		cmocka_unit_test(without_effect),
		cmocka_unit_test(unset_without_effect),
		cmocka_unit_test(unknown),
		cmocka_unit_test(known_by_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
