/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* verdict_names: the words of verdict.h as text, for counters, traces and test cases. */

#include "plan/verdict.h"

const char *verdict_name(enum verdict v); /* "deliver" */
const char *drop_reason_name(enum drop_reason r); /* "spoof_ip" */
int verdict_parse(const char *text, enum verdict *ret); /* -EINVAL */
int drop_reason_parse(const char *text, enum drop_reason *ret); /* -EINVAL */
/* What a packet is counted as: the reason's "drop_spoof_ip" when it was dropped, else the verdict's name. Static. */
const char *verdict_counter(enum verdict v, enum drop_reason r);
