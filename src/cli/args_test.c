/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/cli.h"

#define MAX_WORDS 32

/* Splits at blanks; '_' stands for nothing: no word of the cases has a blank inside. */
static int split(char *line, char **words)
{
	int n = 0;

	for (char *word = strtok(line, " "); word && n < MAX_WORDS; word = strtok(NULL, " "))
		words[n++] = word;
	return n;
}

/* Parses "VERB word word ..." */
static int parse(const char *line, struct args *ret, struct err *err)
{
	_cleanup_(freep) char *copy = xstrdup(line);
	char *words[MAX_WORDS] = { NULL };
	int n = split(copy, words);
	const struct verb *v;

	assert_true(n > 0);
	v = verb_find(words[0]);
	assert_non_null(v);
	return args_parse(v, n - 1, words + 1, ret, err);
}

static void assert_json(const json_t *have, const char *want, const char *line)
{
	json_t *expected = json_loads(want, 0, NULL);
	char *text = json_dumps(have, JSON_SORT_KEYS);

	assert_non_null(expected);
	if (!json_equal(have, expected))
		fail_msg("%s\n  has  %s\n  want %s", line, text, want);
	json_decref(expected);
	free(text);
}

static const struct {
	const char *line, *body;
} body_cases[] = {
	{ "net-create n1", "{\"admin_state_up\":true, \"name\":\"n1\"}" },
	{ "net-create --admin-state-down n1", "{\"admin_state_up\":false, \"name\":\"n1\"}" },
	{ "net-create --admin_state_down n1", "{\"admin_state_up\":false, \"name\":\"n1\"}" },
	{ "net-create n1 --tenant-id t --shared",
	  "{\"admin_state_up\":true, \"name\":\"n1\", \"tenant_id\":\"t\", \"shared\":true}" },
	{ "net-create --project-id=t n1", "{\"admin_state_up\":true, \"name\":\"n1\", \"project_id\":\"t\"}" },
	{ "net-create n1 --provider:network_type vxlan --provider:segmentation-id 7",
	  "{\"admin_state_up\":true, \"name\":\"n1\", \"provider:network_type\":\"vxlan\", "
	  "\"provider:segmentation_id\":7}" },
	/* what the tables do not know */
	{ "net-create n1 --port-security-enabled=False",
	  "{\"admin_state_up\":true, \"name\":\"n1\", \"port_security_enabled\":\"False\"}" },
	{ "net-create --flag n1", "{\"admin_state_up\":true, \"name\":\"n1\", \"flag\":true}" },
	{ "net-create --key v n1", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":\"v\"}" },
	{ "net-create n1 --key v w", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":[\"v\",\"w\"]}" },
	{ "net-create n1 --key type=int 5", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":5}" },
	{ "net-create n1 --key type=int -5", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":-5}" },
	{ "net-create --key type=int 5 n1", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":5}" },
	{ "net-create n1 --key type=bool true", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":true}" },
	{ "net-create n1 --key list=true v", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":[\"v\"]}" },
	{ "net-create n1 --key type=dict list=true a=1,b=2 c=3",
	  "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":[{\"a\":\"1\",\"b\":\"2\"},{\"c\":\"3\"}]}" },
	{ "net-create n1 --admin_state_up False", "{\"admin_state_up\":\"False\", \"name\":\"n1\"}" },
	{ "net-create n1 -- --key v", "{\"admin_state_up\":true, \"name\":\"n1\", \"key\":\"v\"}" },
	{ "net-update n1 --name n2", "{\"name\":\"n2\"}" },
	{ "net-update n1 --tags action=clear", "{\"tags\":null}" },
	{ "net-update n1", "{}" },
	{ "net-update n1 --admin_state_up type=bool False", "{\"admin_state_up\":false}" },
	{ "subnet-create n1 10.0.1.0/24", "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4}" },
	{ "subnet-create n1 10.0.1.0/24 --no-gateway --disable-dhcp --name s",
	  "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4, \"gateway_ip\":null, "
	  "\"enable_dhcp\":false, \"name\":\"s\"}" },
	{ "subnet-create --gateway 10.0.1.9 n1 10.0.1.0/24 --enable-dhcp=False",
	  "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4, \"gateway_ip\":\"10.0.1.9\", "
	  "\"enable_dhcp\":false}" },
	{ "subnet-create n1 --enable-dhcp 10.0.1.0/24",
	  "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4, \"enable_dhcp\":true}" },
	{ "subnet-create n1 10.0.1.0/24 --allocation-pool start=10.0.1.5,end=10.0.1.9 --allocation_pool "
	  "end=10.0.1.12,start=10.0.1.11",
	  "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4, \"allocation_pools\":["
	  "{\"start\":\"10.0.1.5\",\"end\":\"10.0.1.9\"},{\"start\":\"10.0.1.11\",\"end\":\"10.0.1.12\"}]}" },
	{ "subnet-create n1 10.0.1.0/24 --dns-nameserver 1.1.1.1 --dns-nameserver 8.8.8.8 --host-route "
	  "destination=10.9.0.0/16,nexthop=10.0.1.4",
	  "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4, "
	  "\"dns_nameservers\":[\"1.1.1.1\",\"8.8.8.8\"],"
	  "\"host_routes\":[{\"destination\":\"10.9.0.0/16\",\"nexthop\":\"10.0.1.4\"}]}" },
	{ "subnet-create n1 10.0.1.0/24 --dns-name 1.1.1.1 --desc x",
	  "{\"network_id\":\"n1\", \"cidr\":\"10.0.1.0/24\", \"ip_version\":4, "
	  "\"dns_nameservers\":[\"1.1.1.1\"],"
	  "\"description\":\"x\"}" },
	{ "port-create n1 --fixed-ip subnet_id=s1,ip_address=10.0.1.7 --fixed-ip ip_address=10.0.1.8 --host "
	  "compute1",
	  "{\"network_id\":\"n1\", \"admin_state_up\":true, \"binding:host_id\":\"compute1\","
	  "\"fixed_ips\":[{\"subnet_id\":\"s1\",\"ip_address\":\"10.0.1.7\"},{\"ip_address\":\"10.0.1.8\"}]}" },
	{ "port-create --binding:host_id=c1 --mac-address fa:16:3e:00:00:07 --device-id d --device-owner "
	  "compute:nova n1",
	  "{\"network_id\":\"n1\", \"admin_state_up\":true, \"binding:host_id\":\"c1\","
	  "\"mac_address\":\"fa:16:3e:00:00:07\", \"device_id\":\"d\", \"device_owner\":\"compute:nova\"}" },
	{ "port-update p --binding-profile {\"migrating_to\":\"c2\"} --admin-state-up False "
	  "--no-allowed-address-pairs",
	  "{\"binding:profile\":{\"migrating_to\":\"c2\"}, \"admin_state_up\":false, "
	  "\"allowed_address_pairs\":[]}" },
	{ "router-create r1", "{\"admin_state_up\":true, \"name\":\"r1\"}" },
	{ "router-create --distributed=True r1", "{\"admin_state_up\":true, \"name\":\"r1\", \"distributed\":true}" },
	{ "router-create --distributed False r1", "{\"admin_state_up\":true, \"name\":\"r1\", \"distributed\":false}" },
	{ "router-create --distributed true r1", "{\"admin_state_up\":true, \"name\":\"r1\", \"distributed\":true}" },
	{ "router-create --distributed r1", "{\"admin_state_up\":true, \"name\":\"r1\", \"distributed\":true}" },
	{ "router-create r1 --distributed", "{\"admin_state_up\":true, \"name\":\"r1\", \"distributed\":true}" },
	{ "router-update r1 --admin-state-up=False", "{\"admin_state_up\":false}" },
	{ "router-update r1 --no-routes", "{\"routes\":null}" },
	{ "router-update r1 --route destination=10.9.0.0/16,nexthop=10.0.1.4",
	  "{\"routes\":[{\"destination\":\"10.9.0.0/16\",\"nexthop\":\"10.0.1.4\"}]}" },
	{ "agent-update a --admin-state-down", "{\"admin_state_up\":false}" },
};

static void bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(body_cases); i++) {
		struct args a;
		struct err err = { 0 };

		if (parse(body_cases[i].line, &a, &err) < 0)
			fail_msg("%s: %s", body_cases[i].line, err.text);
		assert_json(a.body, body_cases[i].body, body_cases[i].line);
		args_done(&a);
	}
}

static void queries(void **state)
{
	static const struct {
		const char *line, *query;
	} cases[] = {
		{ "net-list", "" },
		{ "net-list --name n1 --shared", "?name=n1&shared=True" },
		{ "net-list --name=a&b", "?name=a%26b" },
		{ "net-list -F id --field name", "?fields=id&fields=name" },
		{ "net-list --sort-key name --sort-key id --sort-dir desc",
		  "?sort_key=name&sort_key=id&sort_dir=desc&sort_dir=asc" },
		{ "net-list --sort-dir desc", "" },
		{ "port-list --device-id d --fixed-ips ip_address=10.0.1.7",
		  "?device_id=d&fixed_ips=ip_address%3D10.0.1.7" },
		{ "port-list -P 10 --id a b", "?limit=10&id=a&id=b" },
		{ "port-list -- --tenant_id t", "?tenant_id=t" },
		{ "port-list --router:external=True", "?router%3Aexternal=True" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		_cleanup_(freep) char *query = NULL;
		struct args a;
		struct err err = { 0 };

		assert_int_equal(parse(cases[i].line, &a, &err), 0);
		args_even_sort(&a);
		query = cli_query(a.query);
		assert_string_equal(query, cases[i].query);
		args_done(&a);
	}
}

static void names_of_resources_are_listed(void **state)
{
	struct args a;
	struct err err;

	(void)state;
	assert_int_equal(parse("port-create n1 --fixed-ip subnet_id=s1 --fixed-ip ip_address=10.0.1.1", &a, &err), 0);
	assert_int_equal(a.n_refs, 2);
	assert_ptr_equal(a.refs[0].noun, &noun_subnet);
	assert_string_equal(json_string_value(json_object_get(a.refs[0].object, a.refs[0].key)), "s1");
	assert_ptr_equal(a.refs[1].noun, &noun_network);
	assert_string_equal(json_string_value(json_object_get(a.refs[1].object, a.refs[1].key)), "n1");
	args_done(&a);
}

static void output_and_words(void **state)
{
	struct args a;
	struct err err;

	(void)state;
	assert_int_equal(parse("router-interface-add r1 subnet=s1", &a, &err), 0);
	assert_string_equal(args_word(&a, 0), "r1");
	assert_string_equal(args_word(&a, 1), "subnet=s1");
	assert_null(args_word(&a, 2));
	args_done(&a);
	assert_int_equal(parse("net-show -f json -cid -c name n1", &a, &err), 0);
	assert_string_equal(args_output(&a, "format"), "json");
	assert_json(json_object_get(a.output, "column"), "[\"id\",\"name\"]", "columns");
	assert_string_equal(args_word(&a, 0), "n1");
	args_done(&a);
	assert_int_equal(parse("net-delete a b c", &a, &err), 0);
	assert_string_equal(args_word(&a, 2), "c");
	args_done(&a);
	assert_int_equal(parse("net-delete --help", &a, &err), 0);
	assert_true(a.help);
	args_done(&a);
}

static void mistakes(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{ "net-create", "NAME: this argument is required" },
		{ "net-create a b", "b: unrecognized argument" },
		{ "net-create a --name", NULL }, /* an attribute like any other */
		{ "net-create a --k v --k w", "--k: given twice" },
		{ "net-create a --k type=float 1", "--k: type float is not supported (str, int, bool, dict)" },
		{ "net-create a --k type=int x", "--k: invalid number: 'x'" },
		{ "net-create a --k type=int", "--k: a value is missing" },
		{ "net-create a ---k", "---k: no name of an option" },
		{ "net-create a --tenant-id", "--tenant-id: expected one argument" },
		{ "net-create a --tenant-id --shared", "--tenant-id: expected one argument" },
		{ "net-create a -x", "-x: unrecognized option" },
		{ "net-create a --provider:segmentation_id 1x", "--provider:segmentation_id: invalid number: '1x'" },
		{ "net-create a -f xml", "--format: invalid choice: 'xml'" },
		{ "net-create a --admin-state-down=True", "--admin-state-down: takes no value" },
		{ "router-create --distributed=Maybe r", "--distributed: invalid choice: 'Maybe' (True or False)" },
		{ "subnet-create n 10.0.0.0/8 --gateway 10.0.0.1 --no-gateway",
		  "--no-gateway: not allowed with --gateway" },
		{ "subnet-create n 10.0.0.0/8 --enable-dhcp --disable-dhcp",
		  "--disable-dhcp: not allowed with --enable-dhcp" },
		{ "subnet-create n 10.0.0.0/8 --allocation-pool start=10.0.0.4",
		  "--allocation-pool: Required key 'end' not specified" },
		{ "port-create n --fixed-ip 10.0.0.4",
		  "--fixed-ip: invalid key-value '10.0.0.4', expected format: key=value" },
		{ "port-create n --fixed-ip subnet=x",
		  "--fixed-ip: Invalid key 'subnet' specified, expected: subnet_id=SUBNET,ip_address=IP_ADDR" },
		{ "net-list --sort name", "--sort: could be --sort-key or --sort-dir" },
		{ "net-delete", "NETWORK: this argument is required" },
		{ "net-delete a --force", "--force: unrecognized option" },
		{ "router-interface-add r1", "INTERFACE: this argument is required" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct args a;
		struct err err = { 0 };
		int r = parse(cases[i].line, &a, &err);

		if (!cases[i].text) {
			assert_int_equal(r, 0);
			args_done(&a);
			continue;
		}
		assert_true(r < 0);
		assert_string_equal(err.text, cases[i].text);
	}
}

static void dicts(void **state)
{
	static const struct {
		const char *text, *json; /* json NULL: refused */
	} cases[] = {
		{ "a=1", "{\"a\":\"1\"}" },
		{ "a=1,b=2", "{\"a\":\"1\",\"b\":\"2\"}" },
		{ "a=1,2,b=3", "{\"a\":\"1,2\",\"b\":\"3\"}" },
		{ "a=x=y,b=", "{\"a\":\"x=y\",\"b\":\"\"}" },
		{ "a=1,", "{\"a\":\"1,\"}" },
		{ "a", NULL },
		{ "", NULL },
		{ "=1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		json_t *dict = NULL;
		int r = args_read_dict(cases[i].text, &dict, NULL);

		assert_int_equal(r == 0, cases[i].json != NULL);
		if (r == 0)
			assert_json(dict, cases[i].json, cases[i].text);
		json_decref(dict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),
		cmocka_unit_test(queries),
		cmocka_unit_test(names_of_resources_are_listed),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(output_and_words),
		cmocka_unit_test(dicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
