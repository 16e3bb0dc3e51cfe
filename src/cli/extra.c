/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/extra.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/args.h"

int extra_open(struct extra *x, const char *name, size_t len, const char *value, struct err *err)
{
	if (len == 0 || name[0] == '-')
		return err_set(err, ERR_BAD_REQUEST, "", "--%s: no name of an option", name);
	*x = (struct extra) { .name = xstrndup(name, len), .has_equals = value };
	for (char *p = x->name; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	if (value)
		x->words[x->n_words++] = value;
	return 0;
}

bool extra_takes(const struct extra *x)
{
	return !x->has_equals;
}

int extra_word(struct extra *x, const char *word, struct err *err)
{
	static const char *const types[] = { "str", "int", "bool", "dict" };

	if (strcmp(word, "list=true") == 0) {
		x->list = true;
		return 0;
	}
	if (strcmp(word, "action=clear") == 0) {
		x->clear = true;
		return 0;
	}
	if (strncmp(word, "type=", 5) == 0 && !*x->type) {
		for (size_t i = 0; i < N_ELEMENTS(types); i++) {
			if (strcmp(word + 5, types[i]) == 0) {
				snprintf(x->type, sizeof(x->type), "%s", types[i]);
				return 0;
			}
		}
		return err_set(err, ERR_BAD_REQUEST, "", "--%s: type %s is not supported (str, int, bool, dict)",
			       x->name, word + 5);
	}
	if (x->n_words == EXTRA_MAX_WORDS)
		return err_set(err, ERR_BAD_REQUEST, "", "--%s: more than %d values", x->name, EXTRA_MAX_WORDS);
	x->words[x->n_words++] = word;
	return 0;
}

static int read_typed(const struct extra *x, const char *word, json_t **ret, struct err *err)
{
	if (strcmp(x->type, "dict") == 0)
		return args_read_dict(word, ret, err);
	if (strcmp(x->type, "int") == 0) {
		if (args_read_int(word, ret) < 0)
			return err_set(err, ERR_BAD_REQUEST, "", "invalid number: '%s'", word);
		return 0;
	}
	if (strcmp(x->type, "bool") == 0) {
		*ret = json_boolean(strcasecmp(word, "true") == 0);
		return 0;
	}
	*ret = json_string(word);
	return *ret ? 0 : err_set(err, ERR_BAD_REQUEST, "", "not UTF-8");
}

static int read_all(const struct extra *x, json_t **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *list = json_array();

	if (x->n_words == 0) {
		if (!x->clear && (x->list || *x->type))
			return err_set(err, ERR_BAD_REQUEST, "", "a value is missing");
		*ret = x->clear ? json_null() : json_true();
		return 0;
	}
	for (size_t i = 0; i < x->n_words; i++) {
		json_t *value;
		int r = read_typed(x, x->words[i], &value, err);

		if (r < 0)
			return r;
		json_array_append_new(list, value);
	}
	*ret = x->list || x->n_words > 1 ? take(&list) : json_incref(json_array_get(list, 0));
	return 0;
}

int extra_close(struct extra *x, json_t *object, struct err *err)
{
	json_t *value = NULL;
	int r;

	if (!x->name)
		return 0;
	r = read_all(x, &value, err);
	if (r < 0)
		r = err_prefix(err, r, "--%s", x->name);
	else
		json_object_set_new(object, x->name, value);
	extra_done(x);
	return r;
}

void extra_done(struct extra *x)
{
	free(x->name);
	*x = (struct extra) { 0 };
}
