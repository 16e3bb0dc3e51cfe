/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * case: a test case file. Lines at the margin say what to do; indented ones below them belong to
 * them; '#' at the start of a word ends a line.
 *
 *     let NAME TEXT...         $NAME stands for TEXT in what follows
 *     include FILE             its lines, here
 *     plan                     the records of the plan; adds to what was there
 *       RECORD
 *     test WHAT IT SHOWS
 *     with RECORD              this test only: the plan has this record
 *     without RECORD           this test only: the plan has not the record of this key
 *     absent port=N            this test only: the port has no device
 *     in port=N                or: in peer=IP vni=N (by tunnel; peer is the outer source)
 *       frame (frame.h)
 *     deliver port=N           what must become of it: the verdict, and where to;
 *       frame                  how the frame differs from what went in (nothing: it is the same)
 *     send peer=N vni=N
 *     flood port=N... peer=N,vni=N...    the same frame to each
 *     answer                   to the port it came from
 *     drop REASON
 *     or VERDICT ...           another outcome that is right too
 *     on DRIVER VERDICT ...    what that driver does instead, which cannot see what the others go by (say why)
 */

#include <stdbool.h>
#include <stddef.h>

#include "frame.h"
#include "plan/plan.h"
#include "plan/verdict.h"

#define CASE_OUTCOMES 4
#define CASE_OUTS 32
#define CASE_ABSENT 4

struct case_out {
	uint32_t port; /* or, when 0: */
	uint32_t peer, vni;
};

struct case_outcome {
	char driver[16]; /* "": of all that have none of their own */
	enum verdict verdict;
	enum drop_reason reason;
	struct case_out outs[CASE_OUTS];
	size_t n_outs;
	struct frame frame;
};

struct case_test {
	char name[160];
	int line;
	struct plan *plan;
	uint32_t absent[CASE_ABSENT];
	size_t n_absent;
	uint32_t port; /* or, when 0: */
	struct ip tunnel;
	uint32_t vni;
	bool has_in;
	struct frame in;
	struct case_outcome outcomes[CASE_OUTCOMES];
	size_t n_outcomes;
};

struct case_file {
	char *path;
	struct case_test **tests;
	size_t n;
};

/* The error names file and line. */
int case_read(const char *path, struct case_file *ret, struct err *err);
void case_fini(struct case_file *f);
