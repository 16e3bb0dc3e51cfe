/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * log: one line a message, to standard error: the journal's priority prefix ("<6>")
 * when systemd reads it, a timestamp otherwise. Log where an error is handled, not
 * where it passes. Anything a peer or a tenant can trigger goes through LOG_LIMIT.
 *
 *     log_info("host %s: registered", host);
 *     LOG_LIMIT(log_warn, 5, "stream from %s: %s", peer, err.text);
 */

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Messages above this level are dropped; LOG_LEVEL_INFO at the start. */
void log_set_level(enum log_level level);

/* The name in front of each line; must outlive the program's logging. */
void log_set_name(const char *name);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* True at most `per_second` times a second for the call site that owns *state. */
bool log_allow(long long *state, int per_second);

#define log_err(...) log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#define LOG_LIMIT(fn, per_second, ...)                                                                                 \
	do {                                                                                                           \
		static long long log_limit_state;                                                                      \
		if (log_allow(&log_limit_state, (per_second)))                                                         \
			fn(__VA_ARGS__);                                                                               \
	} while (0)
