/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench-pps: the highest rate at which small packets pass between two network namespaces, with at most LOSS of
 * them lost.
 *
 *     bench-pps CPU FROM TO ADDRESS START
 *
 * CPU is the sender's core; FROM and TO are files of namespaces, ADDRESS is one of TO, START are packets a second to
 * begin with. Rises from there in steps of STEP until a rate does not pass, then halves the interval HALVES times. A
 * rate passes in one burst out of TRIES: what else runs on the machine makes a burst fail, nothing makes one pass that
 * the way could not carry. What waits in a queue at a burst's end is lost. Prints a line of JSON: "pps" is what was
 * really sent in the fastest burst that passed, "received" all packets that arrived in all bursts.
 *
 * Like bench-traffic it is made to cost little. The sender sleeps between its little bursts; it does not make good
 * what it missed while it was not run, so that no queue overflows on its account. Nobody receives: a filter on the
 * socket drops each packet when the kernel has taken it, checksum and all, and the socket counts what it drops.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 5302
#define PAYLOAD 18 /* with UDP, IPv4 and Ethernet: the smallest frame, 64 bytes with its FCS */
#define LOSS 0.01
#define STEP 1.3
#define HALVES 4
#define TRIES 5
#define BURST 0.2 /* seconds */
#define ON_THE_WAY 2e-3 /* seconds from the sender to the filter, at most */
#define TICK 100e-6 /* seconds between little bursts */
#define LATE 2e-3 /* what is due for longer is not sent any more */
#define BATCH 64
#define LOWEST 100.0 /* packets a second: a way that does not carry these carries nothing */

struct ends {
	int tx, rx;
	uint64_t received; /* so far, in all bursts */
	double best;
};

static void die(const char *what)
{
	fprintf(stderr, "bench-pps: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double at)
{
	struct timespec t = { .tv_sec = (time_t)at, .tv_nsec = (long)((at - (double)(time_t)at) * 1e9) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* To its core, in front of all that wants to run there, the switches too. */
static void pin(int cpu)
{
	const struct sched_param first = { .sched_priority = 2 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0 || sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		die("pin");
}

/* A UDP socket that lives in the namespace. */
static int udp_in(const char *space)
{
	int ns = open(space, O_RDONLY | O_CLOEXEC), fd, size = 1 << 20;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(space);
	close(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		die("socket");
	return fd;
}

static struct ends open_ends(const char *from, const char *to, const char *ip)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct ends e = { .rx = udp_in(to), .tx = udp_in(from) };

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1) {
		errno = EINVAL;
		die(ip);
	}
	if (bind(e.rx, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("bind");
	if (connect(e.tx, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	return e;
}

/* One packet really arrives, as it was sent; then the filter takes the reader's place. */
static void meet(const struct ends *e)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };
	struct pollfd p = { .fd = e->rx, .events = POLLIN };
	char sent[PAYLOAD] = "the first of many", got[PAYLOAD + 1];

	for (int i = 0; i < 20 && poll(&p, 1, 50) == 0; i++)
		if (send(e->tx, sent, sizeof(sent), 0) != sizeof(sent))
			die("send");
	if (recv(e->rx, got, sizeof(got), MSG_DONTWAIT) != sizeof(sent) || memcmp(sent, got, sizeof(sent)) != 0)
		die("the first packet");
	if (setsockopt(e->rx, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		die("SO_ATTACH_FILTER");
}

static uint32_t arrived(const struct ends *e)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t n = sizeof(info);

	if (getsockopt(e->rx, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
		die("SO_MEMINFO");
	return info[SK_MEMINFO_DROPS];
}

static void send_some(int fd, uint64_t n)
{
	static char payload[PAYLOAD];
	static struct iovec iov = { payload, PAYLOAD };
	static struct mmsghdr messages[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr) { .msg_iov = &iov, .msg_iovlen = 1 };
	while (n > 0) {
		int sent = sendmmsg(fd, messages, n < BATCH ? (unsigned)n : BATCH, 0);

		if (sent <= 0)
			die("sendmmsg");
		n -= (uint64_t)sent;
	}
}

/* Sends for BURST seconds; returns how many, and in which time. */
static uint64_t send_at(int fd, double rate, double *ret_took)
{
	double start = now(), at = start, credit = 0;
	uint64_t sent = 0;

	for (double tick = start + TICK; at - start < BURST; tick += TICK) {
		double was = at;

		sleep_until(tick);
		at = now();
		if (at - tick > LATE)
			tick = at;
		credit += rate * (at - was < LATE ? at - was : LATE);
		send_some(fd, (uint64_t)credit);
		sent += (uint64_t)credit;
		credit -= (double)(uint64_t)credit;
	}
	*ret_took = at - start;
	return sent;
}

/* Until the queues are empty, that is until nothing has come for a while. Returns what has arrived. */
static uint32_t settle(const struct ends *e)
{
	uint32_t seen = arrived(e);

	for (;;) {
		uint32_t more;

		sleep_until(now() + 0.01);
		more = arrived(e);
		if (more == seen)
			return more;
		seen = more;
	}
}

static bool passes(struct ends *e, double rate)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t before = settle(e), got;
		double took, real;
		uint64_t sent = send_at(e->tx, rate, &took);

		sleep_until(now() + ON_THE_WAY);
		got = arrived(e) - before;
		e->received += got;
		real = (double)sent / took;
		if (getenv("BENCH_PPS_DEBUG"))
			fprintf(stderr, "%.0f: sent %.0f loss %.4f\n", rate, real, 1 - (double)got / (double)sent);
		if ((double)got >= (double)sent * (1 - LOSS) && real > e->best) {
			e->best = real;
			return true;
		}
	}
	return false;
}

static void search(struct ends *e, double start)
{
	double low = start, high;

	while (low > LOWEST && !passes(e, low))
		low /= STEP * STEP;
	for (high = low * STEP; passes(e, high); high *= STEP)
		low = high;
	for (int i = 0; i < HALVES; i++) {
		double middle = (low + high) / 2;

		*(passes(e, middle) ? &low : &high) = middle;
	}
}

int main(int argc, char **argv)
{
	struct ends e;

	if (argc != 6 || atof(argv[5]) < LOWEST) {
		fputs("usage: bench-pps CPU FROM TO ADDRESS START\n", stderr);
		return 2;
	}
	pin(atoi(argv[1]));
	e = open_ends(argv[2], argv[3], argv[4]);
	meet(&e);
	search(&e, atof(argv[5]));
	printf("{\"pps\": %.0f, \"received\": %llu}\n", e.best, (unsigned long long)e.received);
	return 0;
}
