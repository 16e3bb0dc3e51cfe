/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench-traffic: one TCP connection, measured. Both ends are this program, pinned to the
 * cores that they are told.
 *
 *     bench-traffic sink CPU ADDRESS PORT            takes bytes until the end
 *     bench-traffic send CPU ADDRESS PORT SECONDS    sends as fast as it can
 *     bench-traffic echo CPU ADDRESS PORT            answers each byte with a byte
 *     bench-traffic ask  CPU ADDRESS PORT SECONDS    sends a byte, waits for the answer, ...
 *
 * sink and echo print "ready" when they listen, and end with their connection. sink, send
 * and ask print their figures as one line of JSON; "cpu" is the part of a core that was used,
 * the kernel's work on the packets included. The first WARM_UP seconds are not counted: windows and
 * buffers grow in them.
 *
 * It is made to cost little, so that what is measured is the way between the ends. Bytes are
 * never copied: a file's pages are sent and, at the other end, dropped in the kernel. Nobody
 * sleeps while he waits: to wake a sleeper on another core of a virtual machine takes ten times
 * as long as a packet's way.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 0.2
#define BLOCK (128 * 1024)
#define MAX_SAMPLES (4 * 1000 * 1000)

static void die(const char *what)
{
	fprintf(stderr, "bench-traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What this process used of its core so far, in seconds. */
static double cpu_used(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* To its core, and in front of what else wants to run there. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("sched_setaffinity");
	if (setpriority(PRIO_PROCESS, 0, -20) < 0)
		die("setpriority");
}

static struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1) {
		errno = EINVAL;
		die(ip);
	}
	return a;
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	/* The kernel's default. Where bbr is the system's, its pacing and not the path would set the pace. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
		die("TCP_CONGESTION");
	return fd;
}

/* Each byte is sent at once. Not for bulk: the kernel then fills its packets. */
static void no_delay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		die("TCP_NODELAY");
}

/* Waits for the one connection. */
static int listen_one(const char *ip, const char *port)
{
	struct sockaddr_in a = address(ip, port);
	int listener = tcp_socket(), one = 1, fd;

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		die("SO_REUSEADDR");
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 1) < 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	close(listener);
	return fd;
}

static int connect_to(const char *ip, const char *port)
{
	struct sockaddr_in a = address(ip, port);
	int fd = tcp_socket();

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	return fd;
}

static void sink(const char *ip, const char *port)
{
	int fd = listen_one(ip, port);
	double start = now(), from = 0, last = 0, cpu = 0;
	uint64_t bytes = 0;

	for (;;) {
		ssize_t n = recv(fd, NULL, 8 * BLOCK, MSG_TRUNC | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			die("recv");
		if (n == 0)
			break;
		last = now();
		if (from > 0) {
			bytes += (uint64_t)n;
		} else if (last - start >= WARM_UP) {
			from = last;
			cpu = cpu_used();
		}
	}
	if (last <= from || from <= 0)
		(errno = ENODATA, die("after the warm-up"));
	printf("{\"gbit\": %.4f, \"seconds\": %.3f, \"receiver_cpu\": %.4f}\n", (double)bytes * 8 / (last - from) / 1e9,
	       last - from, (cpu_used() - cpu) / (last - from));
}

static void send_for(const char *ip, const char *port, double seconds)
{
	int fd = connect_to(ip, port), file = memfd_create("bench", MFD_CLOEXEC);
	double start = now(), from = 0, at, cpu = 0;

	if (file < 0 || ftruncate(file, BLOCK) < 0)
		die("memfd");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("O_NONBLOCK");
	while ((at = now()) - start < seconds) {
		off_t offset = 0;

		if (from == 0 && at - start >= WARM_UP) {
			from = at;
			cpu = cpu_used();
		}
		if (sendfile(fd, file, &offset, BLOCK) < 0 && errno != EAGAIN)
			die("sendfile");
	}
	if (from == 0)
		from = start;
	printf("{\"sender_cpu\": %.4f}\n", (cpu_used() - cpu) / (now() - from));
}

/* One byte, awaited without sleep; false at the end of the connection. */
static bool take_byte(int fd)
{
	char byte;
	ssize_t n;

	do
		n = recv(fd, &byte, 1, MSG_DONTWAIT);
	while (n < 0 && errno == EAGAIN);
	if (n < 0)
		die("recv");
	return n == 1;
}

static void give_byte(int fd)
{
	if (send(fd, "x", 1, 0) != 1)
		die("send");
}

static void echo(const char *ip, const char *port)
{
	int fd = listen_one(ip, port);

	no_delay(fd);
	while (take_byte(fd))
		give_byte(fd);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void ask(const char *ip, const char *port, double seconds)
{
	int fd = connect_to(ip, port);
	float *samples = malloc(MAX_SAMPLES * sizeof(*samples));
	double start = now(), end = start + seconds, sent, got = start;
	size_t n = 0;

	no_delay(fd);
	while (got < end && n < MAX_SAMPLES) {
		sent = now();
		give_byte(fd);
		if (!take_byte(fd))
			break;
		got = now();
		if (sent - start >= WARM_UP)
			samples[n++] = (float)((got - sent) * 1e6);
	}
	if (n == 0)
		die("no answers after the warm-up");
	qsort(samples, n, sizeof(*samples), by_value);
	printf("{\"p50\": %.3f, \"p99\": %.3f, \"count\": %zu}\n", (double)samples[n / 2],
	       (double)samples[n * 99 / 100], n);
	free(samples);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	double seconds = argc > 5 ? atof(argv[5]) : 0;

	if (argc < 5 || argc > 6) {
		fputs("usage: bench-traffic sink|send|echo|ask CPU ADDRESS PORT [SECONDS]\n", stderr);
		return 2;
	}
	pin(atoi(argv[2]));
	if (strcmp(what, "sink") == 0)
		sink(argv[3], argv[4]);
	else if (strcmp(what, "send") == 0)
		send_for(argv[3], argv[4], seconds);
	else if (strcmp(what, "echo") == 0)
		echo(argv[3], argv[4]);
	else if (strcmp(what, "ask") == 0)
		ask(argv[3], argv[4], seconds);
	else
		return 2;
	return 0;
}
