/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/members.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

/* Where the number is, or would be. */
static size_t place(const struct members *m, uint32_t number)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (m->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool members_add(struct members *m, uint32_t number)
{
	size_t at = place(m, number);

	if (at < m->n && m->numbers[at] == number) {
		m->times[at]++;
		return false;
	}
	if (m->n == m->allocated) {
		m->allocated = m->allocated ? 2 * m->allocated : 8;
		m->numbers = xrealloc(m->numbers, m->allocated * sizeof(*m->numbers));
		m->times = xrealloc(m->times, m->allocated * sizeof(*m->times));
	}
	memmove(&m->numbers[at + 1], &m->numbers[at], (m->n - at) * sizeof(*m->numbers));
	memmove(&m->times[at + 1], &m->times[at], (m->n - at) * sizeof(*m->times));
	m->numbers[at] = number;
	m->times[at] = 1;
	m->n++;
	return true;
}

bool members_del(struct members *m, uint32_t number)
{
	size_t at = place(m, number);

	assert(at < m->n && m->numbers[at] == number);
	if (--m->times[at] > 0)
		return false;
	m->n--;
	memmove(&m->numbers[at], &m->numbers[at + 1], (m->n - at) * sizeof(*m->numbers));
	memmove(&m->times[at], &m->times[at + 1], (m->n - at) * sizeof(*m->times));
	return true;
}

bool members_has(const struct members *m, uint32_t number)
{
	size_t at = place(m, number);

	return at < m->n && m->numbers[at] == number;
}

void members_fini(struct members *m)
{
	free(m->numbers);
	free(m->times);
	memset(m, 0, sizeof(*m));
}
