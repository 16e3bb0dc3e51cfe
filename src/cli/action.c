/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/action.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/verb.h"

/* The object that a reply carries under the noun's name. */
static int unwrap(const struct noun *n, const json_t *reply, json_t **ret, struct err *err)
{
	*ret = json_object_get(reply, n->name);
	return json_is_object(*ret) ? 0 : err_set(err, ERR_INTERNAL, "", "the reply has no \"%s\"", n->name);
}

static json_t *wrap(const struct noun *n, json_t *body)
{
	json_t *whole = json_object();

	json_object_set(whole, n->name, body);
	return whole;
}

/* "/networks/ID" of what the first word names. */
static int item_path(struct cli *c, const struct noun *n, const char *word, char **ret, struct err *err)
{
	_cleanup_(freep) char *id = NULL;
	int r = cli_find(c, n, word, &id, err);

	if (r == 0)
		*ret = xasprintf("/%s/%s", n->collection, id);
	return r;
}

int action_create(struct cli *c, const struct args *a, struct err *err)
{
	const struct noun *n = a->verb->noun;
	_cleanup_(json_decrefp) json_t *reply = NULL, *body = wrap(n, a->body);
	_cleanup_(freep) char *path = xasprintf("/%s", n->collection);
	json_t *object;
	int r;

	r = cli_resolve(c, a, err);
	if (r < 0)
		return r;
	r = cli_call(c, "POST", path, body, &reply, err);
	if (r < 0)
		return r;
	r = unwrap(n, reply, &object, err);
	if (r < 0)
		return r;
	if (output_is_table(a))
		fprintf(c->out, "Created a new %s:\n", n->name);
	return output_one(c->out, a, object, err);
}

int action_list(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(json_decrefp) json_t *rows = NULL;
	int r;

	args_even_sort(a);
	r = cli_list(c, a->verb->noun, a->query, &rows, err);
	return r < 0 ? r : output_list(c->out, a, rows, err);
}

int action_show(struct cli *c, const struct args *a, struct err *err)
{
	const struct noun *n = a->verb->noun;
	_cleanup_(json_decrefp) json_t *reply = NULL;
	_cleanup_(freep) char *path = NULL, *query = cli_query(a->query), *whole = NULL;
	json_t *object;
	int r;

	r = item_path(c, n, args_word(a, 0), &path, err);
	if (r < 0)
		return r;
	whole = xasprintf("%s%s", path, query);
	r = cli_call(c, "GET", whole, NULL, &reply, err);
	if (r < 0)
		return r;
	r = unwrap(n, reply, &object, err);
	return r < 0 ? r : output_one(c->out, a, object, err);
}

int action_update(struct cli *c, const struct args *a, struct err *err)
{
	const struct noun *n = a->verb->noun;
	_cleanup_(json_decrefp) json_t *reply = NULL, *body = wrap(n, a->body);
	_cleanup_(freep) char *path = NULL;
	int r;

	if (!json_object_size(a->body))
		return err_set(err, ERR_BAD_REQUEST, "", "Must specify new values to update %s", n->name);
	r = cli_resolve(c, a, err);
	if (r < 0)
		return r;
	r = item_path(c, n, args_word(a, 0), &path, err);
	if (r < 0)
		return r;
	r = cli_call(c, "PUT", path, body, &reply, err);
	if (r < 0)
		return r;
	fprintf(c->out, "Updated %s: %s\n", n->name, args_word(a, 0));
	return 0;
}

static int delete_one(struct cli *c, const struct noun *n, const char *word, struct err *err)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	_cleanup_(freep) char *path = NULL;
	int r = item_path(c, n, word, &path, err);

	return r < 0 ? r : cli_call(c, "DELETE", path, NULL, &reply, err);
}

int action_delete(struct cli *c, const struct args *a, struct err *err)
{
	_cleanup_(utstring_freep) UT_string *deleted = NULL, *failed = NULL;
	const struct noun *n = a->verb->noun;
	size_t n_words = json_array_size(a->words), n_deleted = 0;
	int result = 0;

	utstring_new(deleted);
	utstring_new(failed);
	for (size_t i = 0; i < n_words; i++) {
		const char *word = args_word(a, i);
		int r = delete_one(c, n, word, err);

		if (r < 0) {
			result = r;
			utstring_printf(failed, "%s%s", utstring_len(failed) ? "\n" : "", err->text);
			continue;
		}
		utstring_printf(deleted, "%s%s", n_deleted++ ? ", " : "", word);
	}
	if (n_deleted)
		fprintf(c->out, "Deleted %s%s: %s\n", n->name, n_deleted > 1 ? "(s)" : "", utstring_body(deleted));
	return result < 0 ? err_set(err, err->kind, err->type, "%s", utstring_body(failed)) : 0;
}
