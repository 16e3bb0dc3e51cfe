/* SPDX-License-Identifier: Apache-2.0 */
#include "appctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define ANSWER_S 30
#define ANSWER_MAX (16 * 1024 * 1024)

int appctl_open(struct appctl *a, const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = ANSWER_S };

	a->id = 0;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd >= 0 && connect(a->fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
		return 0;
	return err_errno(err, -errno, "%s", path);
}

void appctl_close(struct appctl *a)
{
	closep(&a->fd);
	a->fd = -1;
}

static int send_request(struct appctl *a, const char *method, va_list ap, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	const char *arg, *at;
	struct jw w;
	size_t left;

	utstring_new(text);
	w = jw_init(text);
	jw_object(&w);
	jw_kv_uint(&w, "id", ++a->id);
	jw_kv_string(&w, "method", method);
	jw_key(&w, "params");
	jw_array(&w);
	while ((arg = va_arg(ap, const char *)))
		jw_string(&w, arg);
	jw_end_array(&w);
	jw_end_object(&w);
	at = utstring_body(text);
	left = utstring_len(text);
	while (left) {
		ssize_t n = send(a->fd, at, left, MSG_NOSIGNAL);

		if (n < 0)
			return err_errno(err, -errno, "send");
		at += n;
		left -= (size_t)n;
	}
	return 0;
}

/* An answer is one JSON object, with nothing behind it: it is there when it can be read. */
static int receive(struct appctl *a, json_t **ret, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *text = NULL;
	char bytes[65536];

	utstring_new(text);
	while (utstring_len(text) < ANSWER_MAX) {
		ssize_t n = recv(a->fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			return err_errno(err, n < 0 ? -errno : -ECONNRESET, "no answer");
		utstring_bincpy(text, bytes, (size_t)n);
		if (bytes[n - 1] == '}' && json_read(utstring_body(text), utstring_len(text), ret, NULL) == 0)
			return 0;
	}
	return err_errno(err, -EMSGSIZE, "the answer");
}

int appctl_ask(struct appctl *a, struct err *err, const char *method, ...)
{
	va_list ap;
	int r;

	va_start(ap, method);
	r = send_request(a, method, ap, err);
	va_end(ap);
	return r;
}

int appctl_answer(struct appctl *a, UT_string *ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const json_t *refusal, *result;
	int r = receive(a, &answer, err);

	if (r < 0)
		return r;
	refusal = json_object_get(answer, "error");
	if (json_is_string(refusal))
		return err_set(err, ERR_INTERNAL, "", "%s", json_string_value(refusal));
	result = json_object_get(answer, "result");
	if (ret && json_is_string(result))
		utstring_bincpy(ret, json_string_value(result), json_string_length(result));
	return 0;
}

int appctl_call(struct appctl *a, UT_string *ret, struct err *err, const char *method, ...)
{
	va_list ap;
	int r;

	va_start(ap, method);
	r = send_request(a, method, ap, err);
	va_end(ap);
	if (r >= 0)
		r = appctl_answer(a, ret, err);
	return r < 0 ? err_prefix(err, r, "%s", method) : 0;
}
