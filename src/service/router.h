/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* router: routers and their interfaces. */

#include "service/internal.h"

/* The member actions: `out` gets Neutron's answer. */
int router_add_interface(struct tx *tx, const char *id, const json_t *attrs, UT_string *out, struct err *err);
int router_remove_interface(struct tx *tx, const char *id, const json_t *attrs, UT_string *out, struct err *err);
