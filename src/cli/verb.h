/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * verb: what the command line can do, as data. A noun is one of Neutron's resources as a
 * person names it; a verb ("router-create") is a noun with its positional arguments, its
 * options and the function that does it. Each option says which attribute of the API it
 * becomes and how its text is read, so that a new option is a line of a table, and the help,
 * the parser (args.h) and the man page's facts come from the same line.
 *
 * What the tables do not know is still understood where VERB_EXTRA is set: "--key value",
 * "--key type=int 5", "--key list=true a b", "--flag" become attributes of the body (filters,
 * for a list), as people's scripts for Neutron's old client expect.
 *
 * '-' and '_' are the same in the names of options.
 */

#include <stddef.h>

struct args;
struct cli;
struct err;

/* A resource. */
struct noun {
	const char *name; /* "network": the key of a body */
	const char *collection; /* "networks": the path, and the key of a list */
	const char *title; /* attribute that a person may name one by: "name", an agent's "host" */
	const char *const *columns; /* of a list, in order; ends with NULL */
};

enum option_type {
	OPTION_STRING,
	OPTION_INT,
	OPTION_BOOL, /* true or false; alone it means true */
	OPTION_FLAG, /* no value: `constant` is the attribute's JSON */
	OPTION_DICT, /* k=v,k=v with the keys of `keys`; may be repeated: a list of objects */
	OPTION_LIST, /* may be repeated: a list of strings */
	OPTION_JSON,
};

/* Where an option's value goes. */
enum option_to { TO_BODY, TO_QUERY, TO_OUTPUT };

struct option {
	const char *name; /* without "--" */
	char letter; /* 'f' for "-f"; 0: none */
	enum option_type type;
	enum option_to to;
	const char *attr; /* NULL: the name, '-' as '_' */
	const char *constant; /* OPTION_FLAG */
	const char *const *choices; /* OPTION_STRING: ends with NULL; NULL: any */
	const char *const *keys; /* OPTION_DICT: those that may occur */
	const char *const *needs; /* OPTION_DICT: those that must; NULL: none */
	const char *ref_key; /* OPTION_DICT: this key names a `ref` */
	const struct noun *ref; /* the value is a name or id of one, and becomes its id */
	unsigned group; /* of options that exclude each other; 0: none */
	const char *metavar;
	const char *help; /* NULL: not shown (another spelling) */
};

enum positional_count { ONE, OPTIONAL, MANY };

struct positional {
	const char *metavar; /* NULL ends a table */
	const char *attr; /* of the body; NULL: the verb's function takes it by its place */
	const struct noun *ref;
	enum positional_count count; /* MANY only as the last */
	const char *help;
};

enum verb_flags {
	VERB_EXTRA = 1 << 0, /* unknown options are attributes (filters when there is no body) */
	VERB_BODY = 1 << 1,
};

typedef int (*verb_fn)(struct cli *c, const struct args *a, struct err *err);

#define VERB_MAX_OPTION_TABLES 3

struct verb {
	const char *name;
	const char *help;
	const struct noun *noun;
	verb_fn run;
	unsigned flags; /* enum verb_flags */
	const char *defaults; /* JSON of what the body holds at the start; NULL: {} */
	const struct positional *positionals;
	const struct option *options[VERB_MAX_OPTION_TABLES]; /* tables that end with a NULL name */
};

/* The groups of verbs, one file each; tables end with a NULL name. */
extern const struct verb network_verbs[], subnet_verbs[], port_verbs[], router_verbs[], agent_verbs[],
	extension_verbs[];
extern const struct noun noun_network, noun_subnet, noun_port, noun_router, noun_agent, noun_extension;

/* Options that verbs of a kind share (option.c). */
extern const struct option list_options[], show_options[], create_options[];
extern const struct positional no_positionals[];

const struct verb *verb_find(const char *name); /* or NULL */
/* Calls fn for every verb in the order of the groups. */
void verb_each(void (*fn)(const struct verb *v, void *arg), void *arg);
