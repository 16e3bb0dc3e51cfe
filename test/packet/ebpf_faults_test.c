/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ebpf driver when calls into the kernel are refused, when tables are full, when another agent is there, and when
 * it dies at any call. As root; all of it in namespaces of this process.
 */
#include "steps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/ebpf/ebpf.h"
#include "fault.h"
#include "io/loop.h"

/* ---- what the kernel refuses ---- */

static bool knows(struct rig *g, enum table table, const void *key)
{
	uint8_t value[CELL_VALUE_SIZE];

	return !bpf_map_lookup_elem(g->driver->fds.fd[table], key, value);
}

static void refuse(struct rig *g, enum fault_call call, enum table table, unsigned times)
{
	fault = (struct fault) { .call = call, .fd = g->driver->fds.fd[table], .times = times, .error = ENOMEM };
}

static void a_refused_removal_is_told_and_tried_again(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	struct eb_mac_key key = { .network = 7, .mac = { { 0xfa, 0x16, 0x3e, 0, 0, 5 } } };
	struct plan_changes again = { 0 };

	refuse(g, FAULT_DELETE, TABLE_fdb, 2);
	assert_int_equal(step(g, &p, without(p, FDB_5)), 1);
	assert_true(knows(g, TABLE_fdb, &key));
	assert_int_equal(findings(g, p), 1);
	/* as the agent gives it again */
	must(plan_parse_line(p, FDB_5, &must_err));
	struct plan *next = without(p, FDB_5);

	plan_diff(p, next, &again);
	plan_free(p);
	p = next;
	assert_true(rig_apply(g, &again, NULL) < 0);
	must(rig_apply(g, &again, &must_err));
	plan_changes_fini(&again);
	assert_false(knows(g, TABLE_fdb, &key));
	assert_int_equal(findings(g, p), 0);
}

static bool nothing_is_left(struct rig *g)
{
	return !g->driver->cells.n_left && !g->driver->flood_left && !g->driver->repair_armed;
}

static void what_a_sync_could_not_remove_goes_later(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	_cleanup_(planp) struct plan *fewer = without(p, FDB_5 "\n" FLOOD_2);
	struct eb_mac_key key = { .network = 7, .mac = { { 0xfa, 0x16, 0x3e, 0, 0, 5 } } };

	refuse(g, FAULT_DELETE, TABLE_fdb, 2);
	must(rig_sync(g, fewer, &must_err));
	assert_true(knows(g, TABLE_fdb, &key));
	until(nothing_is_left);
	assert_int_equal(findings(g, fewer), 0);
	must(rig_sync(g, p, &must_err));
	refuse(g, FAULT_UPDATE, TABLE_flood, 1); /* the count that is to be lowered */
	must(rig_sync(g, fewer, &must_err));
	assert_int_equal(findings(g, fewer), 1);
	until(nothing_is_left);
	assert_int_equal(findings(g, fewer), 0);
}

static void a_refused_overwrite_in_a_sync_is_told(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	_cleanup_(planp) struct plan *other = with(p, "fdb network=7 mac=fa:16:3e:00:00:05 port=3");
	struct eb_mac_key key = { .network = 7, .mac = { { 0xfa, 0x16, 0x3e, 0, 0, 5 } } };
	struct plan *empty = plan_new();

	refuse(g, FAULT_UPDATE, TABLE_fdb, 2);
	assert_true(rig_sync(g, other, NULL) < 0);
	assert_int_equal(g->n_failures, 1);
	assert_int_equal(strncmp(g->failure, "fdb", 3), 0);
	assert_false(knows(g, TABLE_fdb, &key)); /* not what it was, either */
	assert_int_equal(step(g, &empty, with(empty, "fdb network=7 mac=fa:16:3e:00:00:05 port=3")), 0);
	plan_free(empty);
	assert_int_equal(findings(g, other), 0);
}

static void a_copy_that_stayed_in_its_list_goes_later(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	refuse(g, FAULT_UPDATE, TABLE_flood, 1);
	assert_int_equal(step(g, &p, without(p, FLOOD_2)), 1);
	assert_int_equal(findings(g, p), 1);
	until(nothing_is_left);
	assert_int_equal(findings(g, p), 0);
}

static void a_copy_that_comes_back_meanwhile_is_sent(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	/* so that another copy is the last of the list */
	assert_int_equal(step(g, &p,
			      with(p, "peer host=3 tunnel=192.0.2.3 dvr_mac=fa:16:3f:00:00:03 name=three\n"
				      "flood network=7 host=3")),
			 0);
	refuse(g, FAULT_UPDATE, TABLE_flood, 1);
	fault.after = 1; /* the count is lowered, but nothing moves into the gap */
	assert_int_equal(step(g, &p, without(p, FLOOD_2)), 1);
	assert_int_equal(step(g, &p, with(p, FLOOD_2)), 0);
	until(nothing_is_left);
	assert_int_equal(findings(g, p), 0);
}

static bool tunnel_runs(struct rig *g)
{
	struct ifreq ifr = { .ifr_name = EBPF_DEVICE };

	return !ioctl(g->control, SIOCGIFFLAGS, &ifr) && ifr.ifr_flags & IFF_UP && has_filter(EBPF_DEVICE);
}

static void a_tunnel_device_that_cannot_be_looked_at_is_not_lost(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	set_up(g, EBPF_DEVICE, false);
	fault = (struct fault) { .call = FAULT_REQUEST, .times = 4, .error = ENOBUFS };
	until(tunnel_runs);
	assert_int_equal(fault.call, FAULT_NONE);
	assert_int_equal(g->lost, 0);
	assert_int_equal(findings(g, p), 0);
}

static void a_tunnel_filter_that_is_refused_once_comes(void **state)
{
	struct rig *g = *state;

	plan_free(steps_load(g));
	loop_timer_off(g->driver->look); /* which would see it, but late */
	assert_int_equal(detach(if_nametoindex(EBPF_DEVICE)), 0);
	fault = (struct fault) { .call = FAULT_ATTACH, .times = 1, .error = ENOMEM };
	drop_qdisc(EBPF_DEVICE); /* the kernel tells of this one */
	until(tunnel_runs);
	assert_int_equal(fault.call, FAULT_NONE);
}

static bool port_4_is_ready(struct rig *g)
{
	return rig_tap_of(g, 4)->ready;
}

static void a_port_that_failed_is_tried_again(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);

	must(rig_tap_set(g, 4, false, &must_err));
	fault = (struct fault) { .call = FAULT_ATTACH, .times = 2, .error = ENOMEM };
	must(rig_tap_set(g, 4, true, &must_err));
	assert_int_equal(g->port_failures, 2);
	assert_true(has_filter(rig_tap_of(g, 4)->name));
	must(rig_tap_set(g, 4, false, &must_err));
	refuse(g, FAULT_UPDATE, TABLE_port, 1);
	must(rig_tap_set(g, 4, true, &must_err));
	assert_int_equal(g->port_failures, 3);
	until(port_4_is_ready);
	assert_int_equal(findings(g, p), 0);
}

static void a_full_table_is_named(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *p = steps_load(g);
	struct eb_peer value = { 0 };
	int fd = g->driver->fds.fd[TABLE_peer];
	uint32_t key = 1000;

	while (!bpf_map_update_elem(fd, &key, &value, BPF_NOEXIST))
		key++;
	assert_int_equal(errno, E2BIG);
	assert_int_equal(step(g, &p, with(p, "peer host=3 tunnel=192.0.2.3 dvr_mac=fa:16:3f:00:00:03 name=three")), 1);
	assert_string_equal(g->failure, "peer: the datapath's table peer is full (16384 entries)");
	must(rig_sync(g, p, &must_err)); /* which makes room */
	assert_int_equal(findings(g, p), 0);
}

/* ---- two lives ---- */

/* Holds the driver until it is killed. */
static pid_t other_agent(struct rig *g)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct err err = { 0 };

		g->loop = loop_new();
		if (rig_driver_open(g, &err) >= 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void one_agent_at_a_time(void **state)
{
	struct rig *g = *state;
	struct err err = { 0 };
	pid_t pid;

	rig_driver_close(g);
	pid = other_agent(g);
	assert_int_equal(rig_driver_open(g, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another agent"));
	assert_int_equal(driver_ebpf.cleanup(&g->config, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another agent"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	must(rig_driver_open(g, &must_err));
}

/* ---- death at any call ---- */

static size_t entries(struct rig *g)
{
	size_t n = 0;

	for (int t = 0; t < TABLE_COUNT; t++) {
		uint8_t key[CELL_KEY_SIZE];
		const void *previous = NULL;

		for (; !bpf_map_get_next_key(g->driver->fds.fd[t], previous, key); n++)
			previous = key;
	}
	return n;
}

static void forget(const struct driver_failure *failures, size_t n, void *arg)
{
	(void)failures;
	(void)n;
	(void)arg;
}

/* What comes by tunnel would meet the host's own stack. */
static bool tunnel_is_open(struct rig *g)
{
	struct netlink_link l;

	return !netlink_link_find(g->driver->netlink, EBPF_DEVICE, &l, NULL) && l.up && !attached(l.ifindex);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void drop_tunnel_device(struct rig *g)
{
	struct netlink_link l;

	if (!netlink_link_find(g->driver->netlink, EBPF_DEVICE, &l, NULL))
		must(netlink_link_delete(g->driver->netlink, l.ifindex, &must_err));
}

/* A sync in a process that dies before its call n. True when it came to the end. */
static bool sync_until(struct rig *g, const struct plan *p, unsigned n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct driver *d = g->driver;

		d->loop = loop_new(); /* one belongs to the process that made it */
		d->idle = loop_idle(d->loop, nothing, NULL);
		d->mtu = loop_idle(d->loop, nothing, NULL);
		d->repair = loop_timer(d->loop, nothing, NULL);
		fault = (struct fault) { .call = FAULT_ANY, .after = n };
		driver_ebpf.sync(g->driver, p, forget, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : !WEXITSTATUS(status));
	/* the answer to a request that the dead one made is not ours */
	netlink_close(g->driver->netlink);
	must(netlink_open(NULL, NULL, &g->driver->netlink, &must_err));
	return WIFEXITED(status);
}

static void killed_at_any_call_the_next_sync_converges(void **state)
{
	struct rig *g = *state;
	_cleanup_(planp) struct plan *from = steps_load(g), *fewer = NULL, *to = NULL;
	size_t all;
	unsigned n = 0;
	bool ended;

	/* removals, additions, and a number that is another's now */
	fewer = without(from, FDB_5 "\n" PORT_4 "\n" FLOOD_2 "\nsegment type=vxlan id=200 network=8 mtu=1450");
	to = with(fewer, "segment type=vxlan id=300 network=8 mtu=1450\n"
			 "peer host=3 tunnel=192.0.2.3 dvr_mac=fa:16:3f:00:00:03 name=three\n"
			 "flood network=7 host=3\n"
			 "fdb network=7 mac=fa:16:3e:00:00:06 peer=3\n");
	must(rig_sync(g, to, &must_err));
	assert_int_equal(findings(g, to), 0);
	all = entries(g);
	do {
		must(rig_sync(g, from, &must_err));
		drop_tunnel_device(g);
		ended = sync_until(g, to, n++);
		assert_false(tunnel_is_open(g));
		must(rig_sync(g, to, &must_err));
		if (findings(g, to) || entries(g) != all)
			fail_msg("killed before call %u: %zu entries where %zu should be", n - 1, entries(g), all);
	} while (!ended);
	print_message("killed at each of %u calls\n", n - 1);
	assert_true(n > 30);
	/* and from any of these states all of it can be removed */
	must(rig_sync(g, from, &must_err));
	drop_tunnel_device(g);
	sync_until(g, to, 4);
	rig_driver_close(g);
	must(driver_ebpf.cleanup(&g->config, &must_err));
	assert_int_equal(if_nametoindex(EBPF_DEVICE), 0);
	assert_false(has_filter(rig_tap_of(g, 3)->name));
}

int main(int argc, char **argv)
{
#define RIG(fn) cmocka_unit_test_setup_teardown(fn, steps_open, steps_close)
	const struct CMUnitTest tests[] = {
		RIG(a_refused_removal_is_told_and_tried_again),
		RIG(what_a_sync_could_not_remove_goes_later),
		RIG(a_refused_overwrite_in_a_sync_is_told),
		RIG(a_copy_that_stayed_in_its_list_goes_later),
		RIG(a_copy_that_comes_back_meanwhile_is_sent),
		RIG(a_tunnel_device_that_cannot_be_looked_at_is_not_lost),
		RIG(a_tunnel_filter_that_is_refused_once_comes),
		RIG(a_port_that_failed_is_tried_again),
		RIG(a_full_table_is_named),
		RIG(one_agent_at_a_time),
		RIG(killed_at_any_call_the_next_sync_converges),
	};
#undef RIG

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
