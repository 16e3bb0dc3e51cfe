/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "base/err.h"
#include "base/mem.h"
#include "io/http_server.h"

/* "/now" is answered at once, "/later" from another thread, "/never" when the test says so. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct http_request *kept;
static pthread_t helper;

static void answer(struct http_request *req)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	const char *body = http_body(req, &len);

	text = xasprintf("%s %s %zu %.20s", http_method(req), http_target(req), len, body);
	http_answer_header(req, "x-test", "yes");
	http_answer(req, 200, text, strlen(text));
}

static void *answer_later(void *arg)
{
	answer(arg);
	return NULL;
}

static void handle(struct http_request *req, void *arg)
{
	(void)arg;
	if (strcmp(http_target(req), "/later") == 0) {
		http_suspend(req);
		assert_int_equal(pthread_create(&helper, NULL, answer_later, req), 0);
	} else if (strcmp(http_target(req), "/never") == 0) {
		http_suspend(req);
		pthread_mutex_lock(&lock);
		kept = req;
		pthread_cond_signal(&changed);
		pthread_mutex_unlock(&lock);
	} else {
		answer(req);
	}
}

static void refusal(struct http_request *req, int status, const char *text, char *body, size_t size)
{
	(void)req;
	snprintf(body, size, "%d: %s", status, text);
}

static struct http_server *open_server(unsigned seconds)
{
	struct http_options o = {
		.address = "127.0.0.1",
		.threads = 2,
		.max_body = 1000,
		.max_connections = 64,
		.max_per_address = 64,
		.request_seconds = seconds,
		.handle = handle,
		.refusal = refusal,
	};
	struct http_server *s = NULL;
	struct err err = { 0 };

	assert_int_equal(http_server_open(&o, &s, &err), 0);
	return s;
}

static int dial(const struct http_server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(http_server_port(s)) };
	struct timeval tv = { .tv_sec = 15 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Sends, and reads until the end or until `until` was seen. */
static const char *talk(const struct http_server *s, const char *bytes, size_t n, const char *until)
{
	static char reply[8192];
	size_t have = 0;
	int fd = dial(s);

	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
	while (have < sizeof(reply) - 1) {
		ssize_t got = recv(fd, reply + have, sizeof(reply) - 1 - have, 0);

		if (got <= 0)
			break;
		have += (size_t)got;
		reply[have] = '\0';
		if (until && strstr(reply, until))
			break;
	}
	reply[have] = '\0';
	close(fd);
	return reply;
}

static void stop(struct http_server *s)
{
	http_server_drain(s);
	http_server_close(s);
}

#define TALK(s, bytes, until) talk(s, bytes, sizeof(bytes) - 1, until)
#define HAS(text, part)                                                                                                \
	do {                                                                                                           \
		const char *has_text = (text);                                                                         \
		if (!strstr(has_text, part))                                                                           \
			fail_msg("no \"%s\" in \"%s\"", part, has_text);                                               \
	} while (0)

static void test_answers(void **state)
{
	struct http_server *s = open_server(10);

	(void)state;
	HAS(TALK(s, "GET /now?a=%41%00 HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nGET"), "GET /now?a=%41%00 0 ");
	HAS(TALK(s, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nGET"), "x-test: yes");
	HAS(TALK(s, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "\r\n\r\nPOST"),
	    "POST /later 3 abc");
	pthread_join(helper, NULL);
	HAS(TALK(s, "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
		 " 3 abc"),
	    "200 OK");
	HAS(TALK(s, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n", NULL),
	    "413: ");
	stop(s);
}

static void test_framing(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
#define CASE(s) { s, sizeof(s) - 1 }
		CASE("POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
		CASE("POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
		CASE("POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
		     "chunked\r\n\r\n0\r\n\r\n"),
		CASE("POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
		CASE("POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
		     "chunked\r\n\r\n0\r\n\r\n"),
		CASE("GET /now HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
		CASE("GET /now HTTP/1.1\r\nHost : a\r\n\r\n"),
		CASE("GET /now HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"),
		CASE("GET /now HTTP/1.1\r\nHost: a\r\nX: 1\0 2\r\n\r\n"),
		CASE("GET /now HTTP/1.1\r\nHost:a\r\n\r\n"),
		CASE("GET /now HTTP/1.1\nHost: a\nX: 1\n\n"),
		CASE("POST /now HTTP/1.1\r\nHost:a\r\nA:b\r\nB:c\r\nContent-Length:\r\n 1\r\n\r\nx"),
	};
	struct http_server *s = open_server(10);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const char *reply = talk(s, cases[i].bytes, cases[i].len, NULL);

		HAS(reply, "HTTP/1.1 400 ");
		HAS(reply, "Connection: close");
		assert_ptr_equal(strstr(reply, "HTTP/1.1"), reply);
		assert_null(strstr(reply + 1, "HTTP/1.1"));
	}
	stop(s);
}

/* A body without a length that never ends to grow. */
static void test_long_chunked(void **state)
{
	static char bytes[3000] = "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5dc\r\n";
	size_t n = strlen(bytes);
	struct http_server *s = open_server(10);

	(void)state;
	memset(bytes + n, 'x', 1500);
	strcpy(bytes + n + 1500, "\r\n0\r\n\r\n");
	HAS(talk(s, bytes, n + 1507, NULL), "413: ");
	stop(s);
}

/* One byte now and then keeps no connection: the deadline is for the whole request. */
static void test_slow(void **state)
{
	struct http_server *s = open_server(1);
	struct timeval tv = { .tv_usec = 200000 };
	int fd = dial(s), n = 0;
	char c;

	(void)state;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(send(fd, "GET /now HTTP/1.1\r\nX: ", 22, MSG_NOSIGNAL), 22);
	while (recv(fd, &c, 1, 0) < 0 && n < 100) {
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
		n++;
	}
	assert_true(n > 0 && n < 50);
	close(fd);
	stop(s);
}

/* A client that resets while its request is suspended frees its connection; the answer then goes nowhere. */
static void test_gone(void **state)
{
	struct http_server *s = open_server(10);
	struct linger now = { .l_onoff = 1 };
	int fd = dial(s);

	(void)state;
	assert_true(send(fd, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n", 32, MSG_NOSIGNAL) == 32);
	pthread_mutex_lock(&lock);
	while (!kept)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	HAS(TALK(s, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nGET"), "200 OK");
	answer(kept);
	kept = NULL;
	stop(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_framing), cmocka_unit_test(test_long_chunked),
		cmocka_unit_test(test_slow),    cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
