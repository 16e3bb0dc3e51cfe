/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* mac: a 48-bit Ethernet address as a value, bytes in transmission order. Text is "fa:16:3e:00:00:01". */

#include <stdbool.h>
#include <stdint.h>

#define MAC_TEXT_SIZE 18 /* with the final NUL */

struct mac {
	uint8_t b[6];
};

/* Six hexadecimal pairs in either case, separated by ':' throughout. -EINVAL otherwise. */
int mac_parse(const char *text, struct mac *ret);
const char *mac_format(const struct mac *m, char text[MAC_TEXT_SIZE]);
bool mac_equal(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *m);
bool mac_is_group(const struct mac *m); /* broadcast and multicast */
