/* SPDX-License-Identifier: Apache-2.0 */
#include "net/mac.h"

#include <errno.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, struct mac *ret)
{
	struct mac m;

	if (strlen(text) != MAC_TEXT_SIZE - 1)
		return -EINVAL;
	for (int i = 0; i < 6; i++, text += 3) {
		int hi = hex_digit(text[0]), lo = hex_digit(text[1]);

		if (hi < 0 || lo < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		m.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = m;
	return 0;
}

const char *mac_format(const struct mac *m, char text[MAC_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;

	for (int i = 0; i < 6; i++) {
		*p++ = digits[m->b[i] >> 4];
		*p++ = digits[m->b[i] & 15];
		*p++ = i < 5 ? ':' : '\0';
	}
	return text;
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool mac_is_zero(const struct mac *m)
{
	static const struct mac zero;

	return mac_equal(m, &zero);
}

bool mac_is_group(const struct mac *m)
{
	return m->b[0] & 1;
}
