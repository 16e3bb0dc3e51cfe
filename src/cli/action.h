/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* action: what verbs do, for any noun: the functions that the tables of verbs name. */

struct args;
struct cli;
struct err;

int action_create(struct cli *c, const struct args *a, struct err *err);
int action_list(struct cli *c, const struct args *a, struct err *err);
int action_show(struct cli *c, const struct args *a, struct err *err);
int action_update(struct cli *c, const struct args *a, struct err *err);
/* Deletes all that were named; those that could not be are the error. */
int action_delete(struct cli *c, const struct args *a, struct err *err);

/* The positional arguments of show, update and delete. */
#define POSITIONAL_ONE(metavar_, what_)                                                                                \
	{                                                                                                              \
		metavar_, .help = "Name or id of the " what_                                                           \
	}
#define POSITIONAL_MANY(metavar_, what_)                                                                               \
	{                                                                                                              \
		metavar_, .count = MANY, .help = "Names or ids of the " what_ "s to delete"                            \
	}
