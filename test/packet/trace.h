/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * trace: what `ofproto/trace` says, as the flows that the packet met, in their order. Behind check_pkt_larger there
 * are those of both ways, the longer packet's first: the length of a packet is not consulted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct trace_step {
	unsigned table;
	const char *match; /* "ip,reg1=0x7"; NULL: the table had no flow for it */
};

struct trace {
	char *text; /* the steps point into it */
	struct trace_step *steps;
	size_t n;
	const char *actions; /* "Datapath actions" */
	const char
		*complaint; /* the first thing that Open vSwitch found wrong ("over max translation depth"), or NULL */
};

/* The error names what of the text is not understood. */
int trace_parse(const char *text, struct trace *ret, struct err *err);
void trace_fini(struct trace *t);
/* A field of the match that is one number; false: it has none. */
bool trace_field(const struct trace_step *s, const char *field, uint64_t *ret);
