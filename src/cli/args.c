/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/extra.h"

/*
 * One pass over the words. A known option takes its value at once. An unknown one opens an
 * extra; the plain words that follow directly may be its values or the verb's positional
 * arguments, which is settled at the end of the run, when it is known how many there are:
 *
 *     net-create --flag n1            one word, one argument missing:  flag is true, name is n1
 *     net-create --key value n1       two words, one missing:          key is value, name is n1
 *     net-create n1 --key value       nothing missing:                 key is value
 */
struct parser {
	struct args *a;
	char **words;
	size_t n, at;
	const struct option *grouped[8]; /* by option.group: the one that was given */
	const char *plain[ARGS_MAX_WORDS]; /* positional words */
	size_t n_plain;
	struct extra extra; /* the open one, or none */
	json_t *extras; /* the names that were given */
	bool only_extra; /* after "--" */
};

static int usage(struct err *err, const char *what, const char *name)
{
	return err_set(err, ERR_BAD_REQUEST, "", "%s: %s", name, what);
}

int args_read_bool(const char *text, json_t **ret)
{
	if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0)
		return -EINVAL;
	*ret = json_boolean(strcasecmp(text, "true") == 0);
	return 0;
}

int args_read_int(const char *text, json_t **ret)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return -EINVAL;
	*ret = json_integer(n);
	return 0;
}

/* The comma that ends a pair: the first one whose next piece has a '='. NULL: the pair is the last. */
static char *pair_end(char *pair)
{
	for (char *comma = strchr(pair, ','); comma; comma = strchr(comma + 1, ',')) {
		if (comma[1 + strcspn(comma + 1, ",=")] == '=')
			return comma;
	}
	return NULL;
}

int args_read_dict(const char *text, json_t **ret, struct err *err)
{
	_cleanup_(freep) char *copy = xstrdup(text);
	_cleanup_(json_decrefp) json_t *object = json_object();

	for (char *pair = copy, *next; pair; pair = next) {
		char *end = pair_end(pair), *equals;

		next = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		equals = strchr(pair, '=');
		if (!equals || equals == pair)
			return err_set(err, ERR_BAD_REQUEST, "", "invalid key-value '%s', expected format: key=value",
				       pair);
		*equals = '\0';
		if (json_object_set_new(object, pair, json_string(equals + 1)) < 0)
			return err_set(err, ERR_BAD_REQUEST, "", "not UTF-8");
	}
	*ret = take(&object);
	return 0;
}

static bool begins_name(const char *a, size_t len, const char *b)
{
	for (size_t i = 0; i < len; i++) {
		if (!b[i] || (a[i] != b[i] && !(strchr("-_", a[i]) && strchr("-_", b[i]))))
			return false;
	}
	return true;
}

static bool same_name(const char *a, size_t len, const char *b)
{
	return begins_name(a, len, b) && !b[len];
}

static const struct option *find_option(const struct verb *v, const char *name, size_t len, char letter)
{
	for (size_t t = 0; t < VERB_MAX_OPTION_TABLES; t++) {
		for (const struct option *o = v->options[t]; o && o->name; o++) {
			if (letter ? o->letter == letter : same_name(name, len, o->name))
				return o;
		}
	}
	return NULL;
}

/* The one option whose name begins so: 1; none: 0; more than one is an error. */
static int find_abbreviated(const struct verb *v, const char *name, size_t len, const struct option **ret,
			    struct err *err)
{
	const struct option *found = NULL;

	for (size_t t = 0; t < VERB_MAX_OPTION_TABLES && len; t++) {
		for (const struct option *o = v->options[t]; o && o->name; o++) {
			if (!begins_name(name, len, o->name))
				continue;
			if (found)
				return err_set(err, ERR_BAD_REQUEST, "", "--%.*s: could be --%s or --%s", (int)len,
					       name, found->name, o->name);
			found = o;
		}
	}
	if (found)
		*ret = found;
	return found != NULL;
}

/* A word that can only be an option: "-5" and "-" are values. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] && !isdigit((unsigned char)word[1]) && word[1] != '.';
}

static json_t *target(struct args *a, enum option_to to)
{
	return to == TO_BODY ? a->body : to == TO_QUERY ? a->query : a->output;
}

static int add_ref(struct args *a, const struct noun *noun, json_t *object, const char *key, struct err *err)
{
	if (a->n_refs == ARGS_MAX_REFS)
		return err_set(err, ERR_BAD_REQUEST, "", "more than %d names of resources", ARGS_MAX_REFS);
	a->refs[a->n_refs++] = (struct args_ref) { noun, object, key };
	return 0;
}

static bool among(const char *text, const char *const *list)
{
	while (*list && strcmp(*list, text) != 0)
		list++;
	return *list;
}

/* Reads an OPTION_DICT's value and checks its keys. */
static int read_keys(const struct option *o, const char *text, json_t **ret, struct err *err)
{
	_cleanup_(json_decrefp) json_t *dict = NULL;
	const char *key;
	json_t *value;
	int r;

	r = args_read_dict(text, &dict, err);
	if (r < 0)
		return r;
	json_object_foreach(dict, key, value)
	{
		if (!among(key, o->keys))
			return err_set(err, ERR_BAD_REQUEST, "", "Invalid key '%s' specified, expected: %s", key,
				       o->metavar);
	}
	for (size_t i = 0; o->needs && o->needs[i]; i++) {
		if (!json_object_get(dict, o->needs[i]))
			return err_set(err, ERR_BAD_REQUEST, "", "Required key '%s' not specified", o->needs[i]);
	}
	*ret = take(&dict);
	return 0;
}

static int read_value(const struct option *o, const char *text, json_t **ret, struct err *err)
{
	switch (o->type) {
	case OPTION_BOOL:
		if (args_read_bool(text, ret) < 0)
			return err_set(err, ERR_BAD_REQUEST, "", "invalid choice: '%s' (True or False)", text);
		return 0;
	case OPTION_INT:
		if (args_read_int(text, ret) < 0)
			return err_set(err, ERR_BAD_REQUEST, "", "invalid number: '%s'", text);
		return 0;
	case OPTION_DICT:
		return read_keys(o, text, ret, err);
	case OPTION_JSON:
		return json_read(text, strlen(text), ret, err);
	case OPTION_FLAG:
		*ret = json_loads(o->constant, JSON_DECODE_ANY, NULL);
		if (!*ret)
			abort(); /* the table's text is wrong */
		return 0;
	case OPTION_STRING:
	case OPTION_LIST:
		break;
	}
	if (o->choices && !among(text, o->choices))
		return err_set(err, ERR_BAD_REQUEST, "", "invalid choice: '%s'", text);
	*ret = json_string(text);
	return *ret ? 0 : err_set(err, ERR_BAD_REQUEST, "", "not UTF-8");
}

static void attr_name(const char *name, char *ret, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && name[i]; i++)
		ret[i] = name[i] == '-' ? '_' : name[i];
	ret[i] = '\0';
}

/* Puts a value where the option says; repeated ones gather in a list. */
static int store(struct args *a, const struct option *o, json_t *value, struct err *err)
{
	json_t *to = target(a, o->to);
	char attr[128];

	attr_name(o->attr ? o->attr : o->name, attr, sizeof(attr));
	if (o->type == OPTION_DICT && o->ref_key && json_object_get(value, o->ref_key)) {
		int r = add_ref(a, o->ref, value, o->ref_key, err);

		if (r < 0) {
			json_decref(value);
			return r;
		}
	}
	if (o->type == OPTION_DICT || o->type == OPTION_LIST) {
		json_t *list = json_object_get(to, attr);

		if (!list) {
			list = json_array();
			json_object_set_new(to, attr, list);
		}
		json_array_append_new(list, value);
		return 0;
	}
	json_object_set_new(to, attr, value);
	return o->type == OPTION_STRING && o->ref ? add_ref(a, o->ref, to, o->attr, err) : 0;
}

static int exclude(struct parser *p, const struct option *o, struct err *err)
{
	const struct option *other = p->grouped[o->group];

	if (!o->group)
		return 0;
	p->grouped[o->group] = o;
	if (other && other != o)
		return err_set(err, ERR_BAD_REQUEST, "", "--%s: not allowed with --%s", o->name, other->name);
	return 0;
}

/* "--key type=T value" is how old scripts wrote options that are known by now; the type is the table's. */
static void skip_type(struct parser *p)
{
	if (p->at + 1 < p->n && strncmp(p->words[p->at], "type=", 5) == 0)
		p->at++;
}

/* `inline_value` is what stood behind '=' (or the letter), or NULL. */
static int known_option(struct parser *p, const struct option *o, const char *inline_value, struct err *err)
{
	const char *next, *text = inline_value;
	json_t *value = NULL;
	char name[128];
	int r;

	if (!inline_value && o->type != OPTION_FLAG)
		skip_type(p);
	next = p->at < p->n ? p->words[p->at] : NULL;
	snprintf(name, sizeof(name), "--%s", o->name);
	r = exclude(p, o, err);
	if (r < 0)
		return r;
	if (o->type == OPTION_FLAG) {
		if (inline_value)
			return usage(err, "takes no value", name);
	} else if (o->type == OPTION_BOOL) {
		json_t *test = NULL;

		if (!text && next && args_read_bool(next, &test) == 0) {
			json_decref(test);
			text = p->words[p->at++];
		}
		text = text ? text : "true";
	} else if (!text) {
		if (!next || is_option(next))
			return usage(err, "expected one argument", name);
		text = p->words[p->at++];
	}
	r = read_value(o, text, &value, err);
	if (r < 0)
		return err_prefix(err, r, "%s", name);
	return store(p->a, o, value, err);
}

/* How many more positional words the verb could take. */
static size_t missing(const struct parser *p)
{
	size_t n = 0;

	for (const struct positional *q = p->a->verb->positionals; q->metavar; q++) {
		if (q->count == MANY)
			return ARGS_MAX_WORDS;
		n++;
	}
	return n > p->n_plain ? n - p->n_plain : 0;
}

/* The run of words behind an unknown option is over: its last ones are positional as far as those are missing. */
static int close_extra(struct parser *p, struct err *err)
{
	size_t lacking = p->only_extra ? 0 : missing(p), n = p->extra.n_words;
	size_t given = n > lacking ? lacking : n;

	if (!p->extra.name)
		return 0;
	for (size_t i = n - given; i < n; i++)
		p->plain[p->n_plain++] = p->extra.words[i];
	p->extra.n_words = n - given;
	return extra_close(&p->extra, p->a->verb->flags & VERB_BODY ? p->a->body : p->a->query, err);
}

static int long_option(struct parser *p, const char *word, struct err *err)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option *o = find_option(p->a->verb, name, len, 0);
	int r;

	r = close_extra(p, err);
	if (r >= 0 && !o)
		r = find_abbreviated(p->a->verb, name, len, &o, err);
	if (r < 0)
		return r;
	if (o)
		return known_option(p, o, equals ? equals + 1 : NULL, err);
	if (!(p->a->verb->flags & VERB_EXTRA))
		return usage(err, "unrecognized option", word);
	r = extra_open(&p->extra, name, len, equals ? equals + 1 : NULL, err);
	if (r == 0 && json_object_get(p->extras, p->extra.name))
		return usage(err, "given twice", word);
	if (r == 0)
		json_object_set_new(p->extras, p->extra.name, json_true());
	return r;
}

static int short_option(struct parser *p, const char *word, struct err *err)
{
	const struct option *o = find_option(p->a->verb, NULL, 0, word[1]);
	int r;

	r = close_extra(p, err);
	if (r < 0)
		return r;
	if (!o || (word[2] && o->type == OPTION_FLAG))
		return usage(err, "unrecognized option", word);
	return known_option(p, o, word[2] ? word + 2 + (word[2] == '=') : NULL, err);
}

static int one_word(struct parser *p, const char *word, struct err *err)
{
	if (strcmp(word, "--") == 0 && !p->only_extra) {
		int r = close_extra(p, err);

		p->only_extra = true;
		return r;
	}
	if (!p->only_extra && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
		p->a->help = true;
		return 0;
	}
	if (is_option(word))
		return word[1] == '-' ? long_option(p, word, err) : short_option(p, word, err);
	if (p->extra.name && extra_takes(&p->extra))
		return extra_word(&p->extra, word, err);
	p->plain[p->n_plain++] = word;
	return 0;
}

static int set_positional(struct args *a, const struct positional *q, const char *word, struct err *err)
{
	json_t *text = json_string(word);

	if (!text)
		return usage(err, "not UTF-8", q->metavar);
	if (!q->attr) {
		json_array_append_new(a->words, text);
		return 0;
	}
	json_object_set_new(a->body, q->attr, text);
	return q->ref ? add_ref(a, q->ref, a->body, q->attr, err) : 0;
}

static int set_positionals(struct parser *p, struct err *err)
{
	size_t used = 0;
	int r = 0;

	for (const struct positional *q = p->a->verb->positionals; q->metavar && r == 0; q++) {
		if (used == p->n_plain) {
			if (q->count != OPTIONAL)
				return usage(err, "this argument is required", q->metavar);
			continue;
		}
		do {
			r = set_positional(p->a, q, p->plain[used++], err);
		} while (r == 0 && q->count == MANY && used < p->n_plain);
	}
	if (r == 0 && used < p->n_plain)
		return usage(err, "unrecognized argument", p->plain[used]);
	return r;
}

int args_parse(const struct verb *v, int argc, char **argv, struct args *ret, struct err *err)
{
	struct args a = { .verb = v, .query = json_object(), .output = json_object(), .words = json_array() };
	_cleanup_(freep) struct parser *p = xcalloc(1, sizeof(*p));
	int r = 0;

	a.body = v->defaults ? json_loads(v->defaults, 0, NULL) : json_object();
	if (!a.body)
		abort(); /* the table's text is wrong */
	*p = (struct parser) { .a = &a, .words = argv, .n = (size_t)argc, .extras = json_object() };
	if (p->n > ARGS_MAX_WORDS)
		r = err_set(err, ERR_BAD_REQUEST, "", "more than %d arguments", ARGS_MAX_WORDS);
	while (r == 0 && p->at < p->n)
		r = one_word(p, argv[p->at++], err);
	if (r == 0 && !a.help)
		r = close_extra(p, err);
	if (r == 0 && !a.help)
		r = set_positionals(p, err);
	extra_done(&p->extra);
	json_decref(p->extras);
	if (r < 0) {
		args_done(&a);
		return r;
	}
	*ret = a;
	return 0;
}

void args_done(struct args *a)
{
	json_decref(a->body);
	json_decref(a->query);
	json_decref(a->output);
	json_decref(a->words);
	*a = (struct args) { 0 };
}

const char *args_word(const struct args *a, size_t i)
{
	return json_string_value(json_array_get(a->words, i));
}

const char *args_output(const struct args *a, const char *name)
{
	return json_string_value(json_object_get(a->output, name));
}

void args_even_sort(const struct args *a)
{
	json_t *keys = json_object_get(a->query, "sort_key"), *dirs = json_object_get(a->query, "sort_dir");

	if (!keys) {
		json_object_del(a->query, "sort_dir");
		return;
	}
	if (!dirs) {
		dirs = json_array();
		json_object_set_new(a->query, "sort_dir", dirs);
	}
	while (json_array_size(dirs) < json_array_size(keys))
		json_array_append_new(dirs, json_string("asc"));
	while (json_array_size(dirs) > json_array_size(keys))
		json_array_remove(dirs, json_array_size(dirs) - 1);
}
