/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

/* A server that answers one connection's requests with the same text and remembers the last one. */
struct peer {
	int listener;
	pthread_t thread;
	const char *answer;
	char url[64];
	char request[4096];
};

/* Reads one request: head, and a body of Content-Length. False at the end of the connection. */
static bool read_request(int fd, char *text, size_t size)
{
	size_t len = 0, want = 0;

	for (;;) {
		ssize_t n = read(fd, text + len, size - 1 - len);
		const char *end, *length;

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (!end)
			continue;
		length = strstr(text, "Content-Length: ");
		want = (size_t)(end + 4 - text) + (length ? strtoul(length + 16, NULL, 10) : 0);
		if (len >= want)
			return true;
	}
}

static void *serve(void *arg)
{
	struct peer *p = arg;
	int fd = accept(p->listener, NULL, NULL);

	while (fd >= 0 && read_request(fd, p->request, sizeof(p->request)))
		if (write(fd, p->answer, strlen(p->answer)) < 0)
			break;
	closep(&fd);
	return NULL;
}

static void peer_start(struct peer *p, const char *answer)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	*p = (struct peer) { .answer = answer, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(p->listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(p->listener, 1), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &len), 0);
	snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u/x", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void peer_stop(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->listener);
}

static void calls_on_one_connection(void **state)
{
	const char *const headers[] = { "X-Auth-Token: t", NULL };
	struct http_client *c = http_client_new();
	struct http_request q = { .method = "PUT", .headers = headers, .body = "{\"a\":1}", .body_len = 7 };
	struct http_reply reply;
	struct err err;
	struct peer p;

	(void)state;
	peer_start(&p, "HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nused");
	q.url = p.url;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(http_client_call(c, &q, &reply, &err), 0);
		assert_int_equal(reply.status, 409);
		assert_string_equal(reply.body, "used");
		assert_int_equal(reply.len, 4);
		http_reply_done(&reply);
		http_reply_done(&reply);
		assert_non_null(strstr(p.request, "PUT /x HTTP/1.1\r\n"));
		assert_non_null(strstr(p.request, "X-Auth-Token: t\r\n"));
		assert_non_null(strstr(p.request, "\r\n\r\n{\"a\":1}"));
	}
	q = (struct http_request) { .method = "DELETE", .url = p.url };
	assert_int_equal(http_client_call(c, &q, &reply, &err), 0);
	assert_null(strstr(p.request, "{"));
	http_reply_done(&reply);
	http_client_free(c);
	peer_stop(&p);
}

static void long_replies_are_refused(void **state)
{
	struct http_client *c = http_client_new();
	struct http_request q = { .method = "GET", .max_reply = 3 };
	struct http_reply reply;
	struct err err;
	struct peer p;

	(void)state;
	peer_start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong");
	q.url = p.url;
	assert_true(http_client_call(c, &q, &reply, &err) < 0);
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_non_null(strstr(err.text, p.url));
	http_client_free(c);
	peer_stop(&p);
}

static void failures_name_the_url(void **state)
{
	static const char *const urls[] = { "http://127.0.0.1:1/v2.0/networks", "file:///etc/passwd", "nonsense://x" };
	struct http_client *c = http_client_new();
	struct http_reply reply;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(urls); i++) {
		struct http_request q = { .method = "GET", .url = urls[i] };

		assert_true(http_client_call(c, &q, &reply, &err) < 0);
		assert_int_equal(err.kind, ERR_UNAVAILABLE);
		assert_non_null(strstr(err.text, urls[i]));
	}
	http_client_free(c);
}

static void escapes(void **state)
{
	char *text = http_escape("a b/\xc3\xa4&=~-._Z9");

	(void)state;
	assert_string_equal(text, "a%20b%2F%C3%A4%26%3D~-._Z9");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_on_one_connection),
		cmocka_unit_test(long_replies_are_refused),
		cmocka_unit_test(failures_name_the_url),
		cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
