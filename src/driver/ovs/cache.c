/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/unixctl.h"
#include "io/loop.h"

#define REST_US 100000 /* in a row of changes: what comes finds an empty cache, which costs ovs-vswitchd its time */
#define RETRY_US 1000000

struct cache {
	struct unixctl *unixctl;
	bool faulty; /* as far as is known */
	bool busy, again; /* it is being emptied, or was just now; and must be once more */
	bool failed; /* the last time; it was said */
	struct loop_source *rest;
};

/* The first of each series that changes the right entry; all after the last of them do. */
static const unsigned mended[][3] = { { 2, 17, 8 }, { 3, 0, 5 }, { 3, 1, 3 } };

/* "ovs-vswitchd (Open vSwitch) 3.1.0" and what may follow, as three numbers. */
static bool read_version(const char *text, unsigned long ret[3])
{
	const char *at = strrchr(text, ')');
	char *end;

	for (size_t i = 0; i < 3; i++) {
		if (!at || !*at)
			return false;
		ret[i] = strtoul(at + 1, &end, 10);
		if (end == at + 1)
			return false;
		at = end;
	}
	return true;
}

bool cache_is_faulty(const char *version)
{
	unsigned long v[3];

	if (!read_version(version, v))
		return true;
	for (size_t i = 0; i < N_ELEMENTS(mended); i++) {
		if (v[0] == mended[i][0] && v[1] == mended[i][1])
			return v[2] < mended[i][2];
	}
	return v[0] < 2 || (v[0] == 2 && v[1] < 17);
}

static void on_version(int r, const char *text, void *arg)
{
	struct cache *c = arg;

	c->faulty = r < 0 || cache_is_faulty(text);
}

static void on_purged(int r, const char *text, void *arg)
{
	struct cache *c = arg;

	if (r < 0 && !c->failed)
		log_warn("the cache of Open vSwitch is not emptied after a change: %s", text);
	c->failed = r < 0;
	c->again |= c->failed && r != -EIO; /* it was not asked */
	loop_timer_arm(c->rest, c->failed ? RETRY_US : REST_US);
}

static void purge(struct cache *c)
{
	c->busy = true;
	c->again = false;
	unixctl_call(c->unixctl, "revalidator/purge", NULL, 0, on_purged, c);
}

static void on_rested(void *arg)
{
	struct cache *c = arg;

	c->busy = false;
	if (c->again)
		purge(c);
}

void cache_changed(struct cache *c)
{
	c->again = c->faulty;
	if (c->faulty && !c->busy)
		purge(c);
}

void cache_again(struct cache *c)
{
	unixctl_call(c->unixctl, "version", NULL, 0, on_version, c);
}

struct cache *cache_open(struct loop *loop, const char *rundir)
{
	struct cache *c = xcalloc(1, sizeof(*c));

	c->unixctl = unixctl_open(loop, rundir);
	c->rest = loop_timer(loop, on_rested, c);
	c->faulty = true;
	return c;
}

struct cache *cache_close(struct cache *c)
{
	if (!c)
		return NULL;
	unixctl_close(c->unixctl);
	loop_source_free(c->rest);
	free(c);
	return NULL;
}
