/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * server: the parts put together, and taken apart in order.
 *
 *     main thread    signals
 *     2 threads      HTTP, api: reads; writes are suspended and handed on
 *     writer         the service's: answers writes after their commit, wakes the hub
 *     hub thread     agents' streams
 */

struct err;
struct settings;

/* Serves until SIGTERM or SIGINT; what was accepted by then is answered. */
int server_run(const struct settings *settings, struct err *err);
/* Gives a host a token and prints it; the server may be running. */
int server_enroll(const struct settings *settings, const char *host, struct err *err);
