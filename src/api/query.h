/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * query: the arguments of a list: filters, sorting, paging and the members wanted, against the
 * resource's table. What is not known is a 400 that names it.
 */

#include "api/url.h"
#include "service/service.h"

struct query {
	struct service_query q;
	struct service_filter *filters; /* owned, with their values */
	const char **fields; /* members wanted, borrowed from the URL; n_fields 0: all */
	size_t n_fields;
	bool nothing; /* a filter asks for what no object can have */
};

int query_parse(const struct resource *resource, const struct url *url, struct query *ret, struct err *err);
void query_clear(struct query *q);
