/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "fuzz.h"
#include "plan/plan.h"

/* The text of a plan (the control socket's, a test's, the fake datapath's file). What is read is written so that it is
 * read again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = xstrndup((const char *)data, size);
	_cleanup_(utstring_freep) UT_string *first = NULL, *second = NULL;
	_cleanup_(plan_freep) struct plan *p = NULL, *again = NULL;

	if (plan_parse(text, &p, NULL) < 0)
		return 0;
	utstring_new(first);
	utstring_new(second);
	plan_format(p, first);
	if (plan_parse(utstring_body(first), &again, NULL) < 0 || !plan_equal(p, again))
		abort();
	plan_format(again, second);
	if (strcmp(utstring_body(first), utstring_body(second)) != 0)
		abort();
	return 0;
}
