/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/datum.h"
#include "driver/ovs/ovsdb.h"
#include "fuzz.h"
#include "io/loop.h"
#include "io/stream.h"

/* What an OVSDB server says to its client, from the first byte to the end of the connection. */

#define MAX_INPUT 65536 /* fits a socket's buffer */

static struct loop *loop;
static struct ovsdb *ovsdb;
static int peer = -1;
static bool down;

static void on_accept(int fd, const char *text, void *arg)
{
	(void)text;
	(void)arg;
	peer = fd;
}

static void on_changed(void *arg)
{
	const char *uuid, *column;
	json_t *row, *value;

	(void)arg;
	json_object_foreach((json_t *)ovsdb_rows(ovsdb, "T"), uuid, row)
		json_object_foreach(row, column, value) for (size_t i = 0; i < datum_size(value); i++)
			datum_uuid(datum_at(value, i));
}

static void on_down(const char *why, void *arg)
{
	(void)why;
	(void)arg;
	down = true;
}

static const char *server(void)
{
	static char where[64];
	static struct listener *listener;

	if (listener)
		return where;
	loop = loop_new();
	if (listener_open(loop, "tcp:127.0.0.1:0", on_accept, NULL, &listener, NULL) < 0)
		abort();
	snprintf(where, sizeof(where), "tcp:127.0.0.1:%d", listener_port(listener));
	return where;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ovsdb_config config = { .where = server(), .database = "D" };
	const struct ovsdb_events events = { .changed = on_changed, .down = on_down };

	if (size > MAX_INPUT)
		return 0;
	down = false;
	ovsdb = ovsdb_open(loop, &config,
			   json_pack("{s:{s:[s,s,s,s]}}", "T", "columns", "name", "number", "set", "map"), &events);
	while (peer < 0)
		loop_turn(loop, UINT64_MAX);
	if (send(peer, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		abort();
	shutdown(peer, SHUT_WR);
	while (!down)
		loop_turn(loop, UINT64_MAX);
	ovsdb = ovsdb_close(ovsdb);
	close(peer);
	peer = -1;
	return 0;
}
