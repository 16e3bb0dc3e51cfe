/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox: an Open vSwitch of a test's own: ovsdb-server and ovs-vswitchd with the dummy datapath, in a directory
 * of their own. Needs neither root nor a device, and touches nothing of the machine's. Whatever becomes of the
 * test (also SIGKILL), daemons and directory go with it.
 *
 *     struct sandbox s;
 *
 *     r = sandbox_start(&s, &err);
 *     if (r == -ENOENT)
 *             skip();  ... Debian's openvswitch-switch is not installed
 *     sandbox_run(&s, NULL, "ovs-vsctl add-port br-int p1 -- set interface p1 type=dummy");
 *     ... s.db, s.mgmt, s.unixctl ...
 *     sandbox_stop(&s);
 *
 * For tests only; waits for its processes. Calls other than sandbox_start() abort when the system refuses.
 */

#include <sys/types.h>
#include <utstring.h>

struct err;

#define SANDBOX_BRIDGE "br-int" /* datapath_type=dummy, fail_mode=secure; there from the start */

enum sandbox_daemon { SANDBOX_OVSDB, SANDBOX_VSWITCHD, N_SANDBOX_DAEMONS };

struct sandbox {
	const char *datapath; /* "dummy" or "netdev" */
	char dir[64]; /* also OVS_RUNDIR, OVS_DBDIR, OVS_LOGDIR */
	char db[80]; /* path of the database's socket */
	char mgmt[80]; /* path of the bridge's OpenFlow socket */
	char unixctl[80]; /* path of ovs-vswitchd's control socket */
	pid_t pids[N_SANDBOX_DAEMONS]; /* 0: does not run */
	pid_t keeper; /* removes the directory when `alive` is closed, by whomever */
	int alive;
};

/* -ENOENT: Open vSwitch is not installed. After any failure there is nothing to stop. */
int sandbox_start(struct sandbox *s, struct err *err);
/* With the userspace datapath on devices of the caller's network namespace, as root: real packets, real routes. */
int sandbox_start_netdev(struct sandbox *s, struct err *err);
void sandbox_stop(struct sandbox *s); /* also twice, and after a failed start */

/* SIGKILL, and gone when it returns. Started again it may not be ready yet when it returns: wait for its socket. */
void sandbox_kill(struct sandbox *s, enum sandbox_daemon which);
void sandbox_run_daemon(struct sandbox *s, enum sandbox_daemon which);

/*
 * A shell command in the directory, so that ovs-vsctl and ovs-ofctl find this Open vSwitch; for ovs-appctl give
 * `-t $PWD/vswitchd.ctl`. Standard output is appended to `out` (NULL: dropped). Returns the exit status.
 */
int sandbox_run(struct sandbox *s, UT_string *out, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
