/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * mem: allocation that cannot fail (running out of memory aborts) and cleanup at
 * the end of a scope. Sizes that come from outside are bounded before they get here.
 *
 *     _cleanup_(freep) char *text = xstrdup(name);
 *     return take(&text);
 */

#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((returns_nonnull, malloc));
void *xcalloc(size_t n, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
void *xmemdup(const void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((returns_nonnull, malloc));
char *xstrndup(const char *s, size_t n) __attribute__((returns_nonnull, malloc));
char *xasprintf(const char *fmt, ...) __attribute__((returns_nonnull, format(printf, 1, 2)));

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Cleanup functions get the address of the variable. */
static inline void freep(void *p)
{
	free(*(void **)p);
}

void closep(int *fd); /* closes a descriptor that is not negative */

/* Moves a pointer out of its variable, which becomes NULL. */
#define take(pp)                                                                                                       \
	({                                                                                                             \
		__typeof__(*(pp)) taken = *(pp);                                                                       \
		*(pp) = NULL;                                                                                          \
		taken;                                                                                                 \
	})

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
