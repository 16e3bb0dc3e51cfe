/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * appctl: commands of a running Open vSwitch daemon (ovs-appctl's, by its control socket), one after the other on
 * one connection: a tenth of a millisecond each. For tests: it waits for the answers.
 */

#include <utstring.h>

struct err;

struct appctl {
	int fd;
	unsigned id; /* of the last request */
};

int appctl_open(struct appctl *a, const char *path, struct err *err);
void appctl_close(struct appctl *a);
/* Arguments up to NULL. The answer is appended to `ret` (may be NULL); a refusal is -EIO with its text. */
int appctl_call(struct appctl *a, UT_string *ret, struct err *err, const char *method, ...) __attribute__((sentinel));
/* The two halves of it, for an answer that something else must bring about. */
int appctl_ask(struct appctl *a, struct err *err, const char *method, ...) __attribute__((sentinel));
int appctl_answer(struct appctl *a, UT_string *ret, struct err *err);
