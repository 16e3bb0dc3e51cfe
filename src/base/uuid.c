/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include <uuid/uuid.h>

int uuid_parse_text(const char *text, struct uuid *ret)
{
	struct uuid u;

	if (strlen(text) != UUID_TEXT_SIZE - 1 || uuid_parse(text, u.b) < 0)
		return -EINVAL;
	*ret = u;
	return 0;
}

const char *uuid_format(const struct uuid *u, char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[u->b[i] >> 4];
		*p++ = digits[u->b[i] & 15];
	}
	*p = '\0';
	return text;
}

void uuid_make(struct uuid *ret)
{
	uuid_generate_random(ret->b);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;

	return uuid_equal(u, &zero);
}

int uuid_cmp(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof(*a));
}
