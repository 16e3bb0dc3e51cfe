/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* subnet: subnets and their allocation pools. */

#include "service/internal.h"

int subnet_delete_of_network(struct tx *tx, uint32_t network, struct err *err);
