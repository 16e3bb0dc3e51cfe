/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * where: the text that says where a stream leads, as a socket address: "unix:PATH",
 * "tcp:ADDRESS:PORT", "tcp:[V6]:PORT", "tcp:NAME:PORT" with a name of /etc/hosts. No DNS: it blocks,
 * and the control plane must come up without it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct err;

struct where {
	struct sockaddr_storage addr;
	socklen_t len;
};

int where_parse(const char *text, struct where *ret, struct err *err);
/* Whether somebody takes connections there. Waits for two seconds at most. */
bool where_answers(const char *text);
bool where_is_vacant(const char *text); /* nobody listens there: no such path, or refused */
/* "192.0.2.1:9697", "[2001:db8::1]:9697", "unix": for logs. */
void where_format(const struct sockaddr_storage *addr, char *text, size_t size);
int where_port(const struct sockaddr_storage *addr); /* -EAFNOSUPPORT for a unix address */
