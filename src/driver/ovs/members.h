/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* members: a set of numbers, ascending, each with how many times it was added. Begins zeroed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct members {
	size_t n, allocated;
	uint32_t *numbers;
	uint32_t *times;
};

bool members_add(struct members *m, uint32_t number); /* true: it is new */
bool members_del(struct members *m, uint32_t number); /* true: it is gone. It must be there. */
bool members_has(const struct members *m, uint32_t number);
void members_fini(struct members *m);
