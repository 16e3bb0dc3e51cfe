/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define SCHEMA "/usr/share/openvswitch/vswitch.ovsschema"

/* Each runs as `sh -c`, in the directory. */
static const char *const commands[N_SANDBOX_DAEMONS] = {
	[SANDBOX_OVSDB] = "exec ovsdb-server -vconsole:off conf.db --remote=punix:db.sock --unixctl=$PWD/ovsdb.ctl "
			  "--log-file=ovsdb.log",
	/* the control socket has a name of the test's, and the one that clients look for by the pid file */
	[SANDBOX_VSWITCHD] =
		"[ $DATAPATH = netdev ] || options='--enable-dummy --disable-system --disable-system-route'; "
		"ln -s vswitchd.ctl ovs-vswitchd.$$.ctl; exec ovs-vswitchd -vconsole:off unix:db.sock "
		"--unixctl=$PWD/vswitchd.ctl --pidfile --log-file=vswitchd.log $options",
};

static const char setup[] =
	"ovs-vsctl --timeout=20 --retry init -- add-br " SANDBOX_BRIDGE " -- set bridge " SANDBOX_BRIDGE
	" datapath_type=$DATAPATH fail_mode=secure other_config:disable-in-band=true 2>>setup.log";

static void die(const char *what)
{
	perror(what);
	abort();
}

static void environment(const struct sandbox *s)
{
	static const char *const names[] = { "OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR" };
	_cleanup_(freep) char *path =
		xasprintf("%s:/usr/sbin:/sbin", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		setenv(names[i], s->dir, 1);
	setenv("PATH", path, 1);
	setenv("DATAPATH", s->datapath, 1);
}

/* In the child: becomes the command, with standard input `in` and output `out`; -1: /dev/null. */
static _Noreturn void become(const struct sandbox *s, const char *command, int in, int out)
{
	FILE *null = fopen("/dev/null", "r+");

	if (!null || dup2(in >= 0 ? in : fileno(null), 0) < 0 || dup2(out >= 0 ? out : fileno(null), 1) < 0)
		_exit(126);
	environment(s);
	if (chdir(s->dir) == 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* A child that dies with its parent. */
static pid_t spawn(const struct sandbox *s, const char *command, int out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	become(s, command, -1, out);
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In a session of its own, where no signal to the test's group reaches it. Daemons may write until they are dead. */
static void keeper_start(struct sandbox *s)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe");
	s->keeper = fork();
	if (s->keeper < 0)
		die("fork");
	if (s->keeper == 0) {
		setsid();
		close(ends[1]);
		become(s, "cat; cd /; while ! rm -rf \"$OVS_RUNDIR\" 2>/dev/null; do :; done", ends[0], -1);
	}
	close(ends[0]);
	s->alive = ends[1];
}

int sandbox_run(struct sandbox *s, UT_string *out, const char *fmt, ...)
{
	_cleanup_(freep) char *command = NULL;
	char bytes[4096];
	int ends[2];
	va_list ap;
	ssize_t n;
	pid_t pid;

	va_start(ap, fmt);
	if (vasprintf(&command, fmt, ap) < 0)
		die("vasprintf");
	va_end(ap);
	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe");
	pid = spawn(s, command, ends[1]);
	close(ends[1]);
	while ((n = read(ends[0], bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
		if (out && n > 0)
			utstring_bincpy(out, bytes, (size_t)n);
	close(ends[0]);
	return reap(pid);
}

void sandbox_run_daemon(struct sandbox *s, enum sandbox_daemon which)
{
	s->pids[which] = spawn(s, commands[which], -1);
}

void sandbox_kill(struct sandbox *s, enum sandbox_daemon which)
{
	if (s->pids[which] == 0)
		return;
	kill(s->pids[which], SIGKILL);
	reap(s->pids[which]);
	s->pids[which] = 0;
}

static bool answers(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	r = connect(fd, (struct sockaddr *)&un, sizeof(un));
	close(fd);
	return r == 0;
}

/* Clients that come too early try again after a second. Returns also when the server has died. */
static void await_database(const struct sandbox *s)
{
	int watch = inotify_init1(IN_CLOEXEC), server = pidfd_open(s->pids[SANDBOX_OVSDB], 0);
	struct pollfd either[] = { { .fd = watch, .events = POLLIN }, { .fd = server, .events = POLLIN } };
	char events[4096];

	if (watch < 0 || server < 0 || inotify_add_watch(watch, s->dir, IN_CREATE) < 0)
		die("inotify");
	while (!answers(s->db) && !(either[1].revents & POLLIN)) {
		/* bound, and about to listen: no event comes of that */
		if (poll(either, 2, access(s->db, F_OK) == 0 ? 1 : -1) < 0 && errno != EINTR)
			die("poll");
		if (either[0].revents & POLLIN && read(watch, events, sizeof(events)) < 0)
			die("inotify");
	}
	close(watch);
	close(server);
}

static int start(struct sandbox *s, const char *datapath, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *log = NULL;

	*s = (struct sandbox) { .dir = "/tmp/neutrino-ovs.XXXXXX", .datapath = datapath, .alive = -1 };
	if (access("/usr/sbin/ovs-vswitchd", X_OK) < 0 || access(SCHEMA, R_OK) < 0)
		return err_errno(err, -ENOENT, "Open vSwitch");
	if (!mkdtemp(s->dir))
		return err_errno(err, -errno, "%s", s->dir);
	snprintf(s->db, sizeof(s->db), "%s/db.sock", s->dir);
	snprintf(s->mgmt, sizeof(s->mgmt), "%s/" SANDBOX_BRIDGE ".mgmt", s->dir);
	snprintf(s->unixctl, sizeof(s->unixctl), "%s/vswitchd.ctl", s->dir);
	keeper_start(s);
	if (sandbox_run(s, NULL, "ovsdb-tool create conf.db " SCHEMA " 2>>setup.log") == 0) {
		sandbox_run_daemon(s, SANDBOX_OVSDB);
		await_database(s);
		sandbox_run_daemon(s, SANDBOX_VSWITCHD);
		if (sandbox_run(s, NULL, setup) == 0)
			return 0;
	}
	utstring_new(log);
	sandbox_run(s, log, "tail -n 3 *.log");
	sandbox_stop(s);
	return err_set(err, ERR_INTERNAL, "", "Open vSwitch did not start: %s", utstring_body(log));
}

int sandbox_start(struct sandbox *s, struct err *err)
{
	return start(s, "dummy", err);
}

int sandbox_start_netdev(struct sandbox *s, struct err *err)
{
	return start(s, "netdev", err);
}

void sandbox_stop(struct sandbox *s)
{
	if (s->alive < 0)
		return;
	sandbox_kill(s, SANDBOX_VSWITCHD);
	sandbox_kill(s, SANDBOX_OVSDB);
	close(s->alive);
	s->alive = -1;
	reap(s->keeper);
}
