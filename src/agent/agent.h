/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * agent: one host's agent, put together: the stream's client, follow, apply, the driver, the
 * ports' status, the snapshot on disk and the control socket. One thread, one loop.
 *
 * agent_open() loads the snapshot, opens the driver and gives it the plan, before any server
 * has answered. agent_close() writes the snapshot and leaves the datapath forwarding.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utstring.h>

#include "agent/apply.h"
#include "agent/follow.h"
#include "agent/status.h"
#include "base/json.h"
#include "driver/driver.h"

struct agent;
struct client;
struct err;
struct loop;

struct agent_config {
	const char *host;
	const char *server; /* "tcp:ADDRESS:PORT" */
	const char *token; /* when NULL, read from token_file at each connect */
	const char *token_file;
	const char *snapshot_path;
	const char *control; /* "unix:PATH"; NULL: none */
	const char *tunnel_ip;
	const char *agent_mode;
	json_t *configurations; /* what the agent's hello says of this host beyond the rest, or NULL */
	uint64_t report_us; /* between heartbeats; 0: MESSAGE_HEARTBEAT_US */
	const struct driver_ops *ops;
	const struct driver_ops *const *drivers; /* all that there are: it warns of what others than `ops` have left */
	size_t n_drivers;
	struct driver_config driver;
};

/* What the config points to must outlive the agent. */
int agent_open(struct loop *l, const struct agent_config *config, struct agent **ret, struct err *err);
struct agent *agent_close(struct agent *a); /* accepts NULL, returns NULL */

/* Takes over the snapshot that is held back, and tells the server; false when there is none. */
bool agent_accept(struct agent *a);

/* Its parts, for the control socket and for tests. */
struct follow *agent_follow(struct agent *a);
struct apply *agent_apply(struct agent *a);
struct status *agent_status(struct agent *a);
struct client *agent_client(struct agent *a);
struct driver *agent_driver(struct agent *a);
/* The driver's, and of what other datapaths have left on this host. */
void agent_warnings(struct agent *a, driver_warning fn, void *arg);
const struct agent_config *agent_config(const struct agent *a);
const char *agent_trouble(const struct agent *a); /* why it is not connected; "" when it is */
