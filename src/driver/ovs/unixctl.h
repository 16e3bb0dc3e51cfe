/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * unixctl: commands to ovs-vswitchd over its control socket, as ovs-appctl(8) gives them:
 * RUNDIR/ovs-vswitchd.PID.ctl, the number from RUNDIR/ovs-vswitchd.pid. It connects when there is something to
 * ask and lets go when all is answered, so that a restart of ovs-vswitchd needs no care: what was asked on a
 * connection that ended is asked once more.
 */

#include <stddef.h>

struct loop;
struct unixctl;

struct unixctl *unixctl_open(struct loop *loop, const char *rundir);
/* Accepts NULL, returns NULL; no callback follows. Not from a callback. */
struct unixctl *unixctl_close(struct unixctl *u);

/*
 * r: 0 with the answer; -EIO with ovs-vswitchd's error; anything else: it was not asked, or did not answer, and
 * the text says why. From the loop.
 */
typedef void (*unixctl_done)(int r, const char *text, void *arg);
void unixctl_call(struct unixctl *u, const char *command, const char *const *args, size_t n, unixctl_done done,
		  void *arg);
