/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_INFO;
static const char *program = "neutrino";

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_name(const char *name)
{
	program = name;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char text[1024], line[1280], when[32];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int n;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (getenv("JOURNAL_STREAM")) {
		n = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
		n = snprintf(line, sizeof(line), "%s.%03ld %s[%d] %s%s\n", when, now.tv_nsec / 1000000, program,
			     (int)getpid(),
			     level == LOG_LEVEL_ERR    ? "error: "
			     : level == LOG_LEVEL_WARN ? "warning: "
						       : "",
			     text);
	}
	/* One write a line: lines of several threads do not mix. Nobody is left to tell when it fails. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

bool log_allow(long long *state, int per_second)
{
	/* The state packs the second (high bits) and how many were let through in it (low 16 bits). */
	struct timespec now;
	long long old, second, used;

	clock_gettime(CLOCK_MONOTONIC, &now);
	old = __atomic_load_n(state, __ATOMIC_RELAXED);
	second = old >> 16;
	used = second == now.tv_sec ? old & 0xffff : 0;
	if (used >= per_second)
		return false;
	__atomic_store_n(state, ((long long)now.tv_sec << 16) | (used + 1), __ATOMIC_RELAXED);
	return true;
}
