/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/unixctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/jsonrpc.h"
#include "io/loop.h"

struct call {
	struct call *prev, *next;
	struct unixctl *unixctl;
	char *command;
	json_t *args;
	unixctl_done done;
	void *arg;
	bool again; /* it was on a connection that ended */
};

struct unixctl {
	struct loop *loop;
	char *rundir;
	struct jsonrpc *rpc;
	struct call *waiting, *sent;
	struct loop_source *work;
};

static void call_free(struct call *c)
{
	json_decref(c->args);
	free(c->command);
	free(c);
}

/* "unix:RUNDIR/ovs-vswitchd.PID.ctl" */
static int socket_of(const char *rundir, char **ret, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/ovs-vswitchd.pid", rundir);
	FILE *f = fopen(path, "re");
	char text[16] = "";
	long pid;

	if (!f)
		return err_errno(err, -errno, "%s", path);
	pid = fgets(text, sizeof(text), f) ? strtol(text, NULL, 10) : 0;
	fclose(f);
	if (pid <= 0)
		return err_errno(err, -ESRCH, "%s", path);
	*ret = xasprintf("unix:%s/ovs-vswitchd.%ld.ctl", rundir, pid);
	return 0;
}

static int on_notify(const char *method, const json_t *params, void *arg)
{
	(void)method;
	(void)params;
	(void)arg;
	return -EBADMSG;
}

static void on_closed(const char *why, void *arg)
{
	struct unixctl *u = arg;

	(void)why; /* each call was told */
	u->rpc = NULL;
	loop_idle_arm(u->work);
}

static int on_answer(int r, const json_t *result, const json_t *error, void *arg)
{
	struct call *c = arg;
	const char *text = json_string_value(r == 0 ? result : error);

	DL_DELETE(c->unixctl->sent, c);
	/* An older ovs-vswitchd's connection, maybe. */
	if (r == -ECONNRESET && !c->again) {
		c->again = true;
		DL_APPEND(c->unixctl->waiting, c);
		return 0;
	}
	if (r == -ECONNRESET)
		text = "ovs-vswitchd does not answer";
	c->done(r == 0 && !text ? -EBADMSG : r, text ? text : "", c->arg);
	loop_idle_arm(c->unixctl->work);
	call_free(c);
	return 0;
}

static void fail_all(struct unixctl *u, int r, const char *text)
{
	struct call *c, *all = u->waiting;

	u->waiting = NULL; /* what is asked from a callback waits for the next turn */
	while ((c = all)) {
		DL_DELETE(all, c);
		c->done(r, text, c->arg);
		call_free(c);
	}
}

static int connect_to(struct unixctl *u)
{
	const struct jsonrpc_events events = { .notify = on_notify, .closed = on_closed, .arg = u };
	_cleanup_(freep) char *where = NULL;
	struct err err;
	int r = socket_of(u->rundir, &where, &err);

	if (r >= 0)
		r = jsonrpc_open(u->loop, where, JSONRPC_PROBE_US, &events, &u->rpc, &err);
	if (r < 0)
		fail_all(u, r, err.text);
	return r;
}

static void on_work(void *arg)
{
	struct unixctl *u = arg;
	struct call *c;

	if (!u->waiting && !u->sent)
		u->rpc = jsonrpc_close(u->rpc);
	if (!u->waiting || (!u->rpc && connect_to(u) < 0))
		return;
	while ((c = u->waiting)) {
		DL_DELETE(u->waiting, c);
		DL_APPEND(u->sent, c);
		jsonrpc_request(u->rpc, c->command, json_incref(c->args), on_answer, c);
	}
}

void unixctl_call(struct unixctl *u, const char *command, const char *const *args, size_t n, unixctl_done done,
		  void *arg)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->unixctl = u;
	c->command = xstrdup(command);
	c->args = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(c->args, json_string(args[i]));
	c->done = done;
	c->arg = arg;
	DL_APPEND(u->waiting, c);
	loop_idle_arm(u->work);
}

struct unixctl *unixctl_open(struct loop *loop, const char *rundir)
{
	struct unixctl *u = xcalloc(1, sizeof(*u));

	u->loop = loop;
	u->rundir = xstrdup(rundir);
	u->work = loop_idle(loop, on_work, u);
	return u;
}

struct unixctl *unixctl_close(struct unixctl *u)
{
	struct call *c, *next;

	if (!u)
		return NULL;
	jsonrpc_close(u->rpc);
	DL_CONCAT(u->waiting, u->sent);
	DL_FOREACH_SAFE (u->waiting, c, next)
		call_free(c);
	loop_source_free(u->work);
	free(u->rundir);
	free(u);
	return NULL;
}
