/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * control: the agent's control socket (unix, mode 0600): one JSON line each way.
 *
 *     {"request":"plan show"}   ->   {"text":"host ...\n...","data":{...}}
 *                                    {"error":"..."}
 *
 * Requests: "plan show", "plan show --flows", "plan diff", "counters", "status", "accept". `text` is for people, `data`
 * for programs.
 */

#include <stdbool.h>
#include <utstring.h>

struct agent;
struct control;
struct err;
struct loop;

int control_open(struct loop *l, const char *where, struct agent *a, struct control **ret, struct err *err);
struct control *control_close(struct control *c); /* accepts NULL, returns NULL */

/* Writes the answer's line, without its newline. */
void control_answer(struct agent *a, const char *request, UT_string *out);

/* The other end: asks, and gives the answer's text, or its data as JSON. A negative errno, or 0. */
int control_ask(const char *where, const char *request, bool json, UT_string *out, struct err *err);
