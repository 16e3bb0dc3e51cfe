/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define CONNECT_TIMEOUT_MS 10000L
#define CALL_TIMEOUT_MS 120000L

struct http_client {
	CURL *curl;
};

/* A reply on its way in: grows by doubling, up to max. */
struct incoming {
	char *bytes;
	size_t len, size, max;
	bool too_long;
};

static void library_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

struct http_client *http_client_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http_client *c = xcalloc(1, sizeof(*c));

	pthread_once(&once, library_init);
	c->curl = curl_easy_init();
	if (!c->curl)
		abort();
	return c;
}

struct http_client *http_client_free(struct http_client *c)
{
	if (c) {
		curl_easy_cleanup(c->curl);
		free(c);
	}
	return NULL;
}

void http_client_freep(struct http_client **c)
{
	http_client_free(*c);
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct incoming *in = arg;

	n *= size;
	if (n > in->max - in->len) {
		in->too_long = true;
		return 0;
	}
	while (in->size - in->len <= n) {
		in->size = in->size ? in->size * 2 : 4096;
		in->bytes = xrealloc(in->bytes, in->size);
	}
	memcpy(in->bytes + in->len, bytes, n);
	in->len += n;
	return n;
}

/* A proxy cannot reach the loopback of this machine. */
static bool is_loopback(const char *url)
{
	bool yes = false;
	char *host = NULL;
	CURLU *u = curl_url();

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		yes = strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
	curl_free(host);
	curl_url_cleanup(u);
	return yes;
}

static void set_up(CURL *curl, const struct http_request *q, struct curl_slist *headers, struct incoming *in)
{
	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_URL, q->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	if (is_loopback(q->url))
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, q->timeout_ms ? (long)q->timeout_ms : CALL_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, in);
	if (q->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->body);
	} else if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
}

int http_client_call(struct http_client *c, const struct http_request *q, struct http_reply *ret, struct err *err)
{
	struct incoming in = { .max = q->max_reply ? q->max_reply : HTTP_REPLY_MAX };
	char detail[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	CURLcode code;

	for (size_t i = 0; q->headers && q->headers[i]; i++)
		headers = curl_slist_append(headers, q->headers[i]);
	/* Waiting for "100 Continue" costs a second with servers that do not send it. */
	headers = curl_slist_append(headers, "Expect:");
	set_up(c->curl, q, headers, &in);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, detail);
	code = curl_easy_perform(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	if (code != CURLE_OK) {
		free(in.bytes);
		if (in.too_long)
			return err_set(err, ERR_TOO_LARGE, "", "%s: the reply is longer than %zu bytes", q->url,
				       in.max);
		return err_set(err, ERR_UNAVAILABLE, "", "%s: %s", q->url, *detail ? detail : curl_easy_strerror(code));
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	ret->body = in.bytes ? in.bytes : xcalloc(1, 1);
	ret->body[in.len] = '\0';
	ret->len = in.len;
	return 0;
}

void http_reply_done(struct http_reply *r)
{
	free(r->body);
	r->body = NULL;
	r->len = 0;
}

char *http_escape(const char *text)
{
	static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";
	char *out = xmalloc(strlen(text) * 3 + 1), *p = out;

	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (strchr(keep, byte)) {
			*p++ = (char)byte;
			continue;
		}
		*p++ = '%';
		*p++ = hex[byte >> 4];
		*p++ = hex[byte & 15];
	}
	*p = '\0';
	return out;
}
