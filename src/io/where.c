/* SPDX-License-Identifier: Apache-2.0 */
#include "io/where.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define HOST_SIZE 256

static int parse_unix(const char *path, struct where *ret, struct err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->addr;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(un->sun_path))
		return err_set(err, ERR_BAD_REQUEST, "", "unix:%s: the path must have 1 to %zu bytes", path,
			       sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

static int parse_address(const char *host, struct where *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->addr;

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		ret->len = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		ret->len = sizeof(*in6);
		return 0;
	}
	return -ENOENT;
}

/* "ADDRESS NAME ALIAS..." a line; the first line that has the name wins. */
static int find_in_hosts_file(const char *name, struct where *ret)
{
	FILE *f = fopen("/etc/hosts", "re");
	char line[1024];
	int r = -ENOENT;

	if (!f)
		return -ENOENT;
	while (r < 0 && fgets(line, sizeof(line), f)) {
		char *save = NULL, *address, *word;

		line[strcspn(line, "#\n")] = '\0';
		address = strtok_r(line, " \t", &save);
		while (address && r < 0 && (word = strtok_r(NULL, " \t", &save)))
			if (!strcasecmp(word, name))
				r = parse_address(address, ret);
	}
	fclose(f);
	return r;
}

static int parse_tcp(const char *text, struct where *ret, struct err *err)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_SIZE], *end;
	unsigned long port;
	size_t len;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, ERR_BAD_REQUEST, "", "tcp:%s: not ADDRESS:PORT", text);
	len = (size_t)(colon - text);
	if (text[0] == '[' && len > 2 && text[len - 1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)len, text);
	errno = 0;
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || errno || port > 65535)
		return err_set(err, ERR_BAD_REQUEST, "", "tcp:%s: the port must be a number from 0 to 65535", text);
	if (parse_address(host, ret) < 0 && find_in_hosts_file(host, ret) < 0)
		return err_set(err, ERR_BAD_REQUEST, "", "tcp:%s: %s is neither an address nor a name of /etc/hosts",
			       text, host);
	if (ret->addr.ss_family == AF_INET)
		((struct sockaddr_in *)&ret->addr)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&ret->addr)->sin6_port = htons((uint16_t)port);
	return 0;
}

int where_parse(const char *text, struct where *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (!strncmp(text, "unix:", 5))
		return parse_unix(text + 5, ret, err);
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text + 4, ret, err);
	return err_set(err, ERR_BAD_REQUEST, "", "%s: neither unix:PATH nor tcp:ADDRESS:PORT", text);
}

static int try(const char *text)
{
	const struct timeval patience = { .tv_sec = 2 };
	_cleanup_(closep) int fd = -1;
	struct where at;
	int r = where_parse(text, &at, NULL);

	if (r < 0)
		return r;
	fd = socket(at.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return connect(fd, (const struct sockaddr *)&at.addr, at.len) < 0 ? -errno : 0;
}

bool where_answers(const char *text)
{
	return try(text) == 0;
}

bool where_is_vacant(const char *text)
{
	int r = try(text);

	return r == -ENOENT || r == -ECONNREFUSED;
}

void where_format(const struct sockaddr_storage *addr, char *text, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	char host[INET6_ADDRSTRLEN] = "";

	if (addr->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
	} else if (addr->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%d", host, ntohs(in6->sin6_port));
	} else {
		snprintf(text, size, "unix");
	}
}

int where_port(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)addr)->sin_port);
	if (addr->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
	return -EAFNOSUPPORT;
}
