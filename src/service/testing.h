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
/* The same of an agent that says this of itself; takes `configurations`. */
int testing_hello_as(struct testing *t, const char *host, const char *tunnel, const char *mode, const char *vif_type,
		     json_t *configurations, uint32_t *ret_host);
/* Waits until the writer has done what was queued before. */
void testing_settle(struct testing *t);

#define TESTING_NOWHERE "00000000-0000-4000-8000-000000000000" /* an id that nothing has */

/* Creates; fails the test if that is refused. */
void testing_make(struct testing *t, const struct resource *resource, json_t *attrs, char ret[UUID_TEXT_SIZE]);
/* Calls; fails the test unless that is refused in this way. */
void testing_refused(struct testing *t, enum service_op op, const struct resource *resource, const char *id,
		     json_t *attrs, enum err_kind kind, const char *type);

/* A network with one subnet, and a router, as many tests begin. */
struct testing_basis {
	struct testing t;
	char network[UUID_TEXT_SIZE], subnet[UUID_TEXT_SIZE], router[UUID_TEXT_SIZE];
};

void testing_basis_open(struct testing_basis *b, const char *cidr, const struct service_options *options);
json_t *testing_port_attrs(const struct testing_basis *b, const char *more); /* of a port on the network */
const char *testing_first_ip(const struct testing_basis *b); /* of the port in the reply */
const char *testing_shown(struct testing_basis *b, const char *port, const char *key); /* the port is read anew */
uint32_t testing_port_number(struct testing_basis *b, const char *id);
