/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* testing: a service on a database of its own, and calls that wait; for this folder's tests. */

#include "service/internal.h"

struct testing {
	char dir[64];
	struct service *service;
	struct service_reader *reader;
	json_t *reply; /* of the last call */
	struct err err;
};

/* Attributes as the API writes them: testing_attrs("{'name': 'a'}"), with printf's conversions; ' stands for ". */
json_t *testing_attrs(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void testing_open(struct testing *t, const struct service_options *options); /* NULL: usual ones */
void testing_reopen(struct testing *t, const struct service_options *options); /* the same database */
void testing_close(struct testing *t); /* and removes the database */
struct service_options testing_options(void);

/* Runs the call to its end; attrs are checked by the resource's table, and consumed. 0, or the error as in t->err. */
int testing_call(struct testing *t, enum service_op op, const struct resource *resource, const char *id, json_t *attrs);
const char *testing_text(const struct testing *t, const char *key); /* a member of the reply */
int testing_hello(struct testing *t, const char *host, const char *tunnel, const char *mode, uint32_t *ret_host);
/* Waits until the writer has done what was queued before. */
void testing_settle(struct testing *t);
