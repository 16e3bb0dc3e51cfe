/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/verdict_names.h"

#include <errno.h>
#include <string.h>

static const char *const verdicts[] = {
#define X(name, text) [VERDICT_##name] = text,
	VERDICTS(X)
#undef X
};

static const char *const reasons[] = {
#define X(name, text) [DROP_##name] = text,
	DROP_REASONS(X)
#undef X
};

static const char *const drop_counters[] = {
#define X(name, text) [DROP_##name] = "drop_" text,
	DROP_REASONS(X)
#undef X
};

const char *verdict_name(enum verdict v)
{
	return (unsigned)v < VERDICT_COUNT ? verdicts[v] : "?";
}

const char *drop_reason_name(enum drop_reason r)
{
	return (unsigned)r < DROP_COUNT ? reasons[r] : "?";
}

int verdict_parse(const char *text, enum verdict *ret)
{
	for (int i = 0; i < VERDICT_COUNT; i++) {
		if (strcmp(verdicts[i], text) == 0) {
			*ret = (enum verdict)i;
			return 0;
		}
	}
	return -EINVAL;
}

int drop_reason_parse(const char *text, enum drop_reason *ret)
{
	for (int i = 0; i < DROP_COUNT; i++) {
		if (strcmp(reasons[i], text) == 0) {
			*ret = (enum drop_reason)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *verdict_counter(enum verdict v, enum drop_reason r)
{
	if (v != VERDICT_DROP)
		return verdict_name(v);
	return (unsigned)r < DROP_COUNT ? drop_counters[r] : "?";
}
