/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* network: networks and their segments. */

#include "service/internal.h"

/* "1:1000,2000:3000"; the number of ranges. */
int network_parse_ranges(const char *text, struct vni_range *ret, size_t max, struct err *err);
