/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cli: the connection to the API and the calls that verbs are made of. Replies that are not a
 * success become errors with the server's own text.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/json.h"

struct err;
struct noun;
struct args;
struct http_client;

struct cli {
	struct http_client *http;
	char *url; /* without a final "/" and "/v2.0" */
	char *token, *project; /* NULL: not sent */
	bool debug;
	FILE *out;
};

#define CLI_DEFAULT_URL "http://127.0.0.1:9696"

/* Copies what it is given. */
struct cli *cli_new(const char *url, const char *token, const char *project, bool debug);
struct cli *cli_free(struct cli *c);

/*
 * One call of the API; `path` begins behind "/v2.0" or is a whole URL of this server (paging).
 * body may be NULL; *ret is a new value, NULL for an empty reply. Of the statuses that are no
 * success 404 is kind ERR_NOT_FOUND.
 */
int cli_call(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret, struct err *err);

/* A list: all pages, as one array. `query` as in args.h. */
int cli_list(struct cli *c, const struct noun *n, const json_t *query, json_t **ret, struct err *err);

/* The id of what a person named: its id, or its title when that is no one else's. To be freed. */
int cli_find(struct cli *c, const struct noun *n, const char *name_or_id, char **ret, struct err *err);

/* Puts ids where the arguments name resources. */
int cli_resolve(struct cli *c, const struct args *a, struct err *err);

/* "?a=b&a=c&d=e", or "" (for tests). To be freed. */
char *cli_query(const json_t *query);
