/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "driver/ovs/unixctl.h"

struct cache {
	struct unixctl *unixctl;
	bool faulty; /* as far as is known */
	bool purging, again; /* it is being emptied; and must be once more */
	void (*settled)(void *arg);
	void *arg;
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

static void purge(struct cache *c);

static void on_purged(int r, const char *text, void *arg)
{
	struct cache *c = arg;

	if (r < 0)
		LOG_LIMIT(log_warn, 1, "the cache of Open vSwitch is not emptied after a change: %s", text);
	c->purging = false;
	if (c->again)
		purge(c);
	else
		c->settled(c->arg);
}

static void purge(struct cache *c)
{
	c->again = c->purging;
	if (c->purging)
		return;
	c->purging = true;
	unixctl_call(c->unixctl, "revalidator/purge", NULL, 0, on_purged, c);
}

void cache_changed(struct cache *c)
{
	if (c->faulty)
		purge(c);
}

void cache_again(struct cache *c)
{
	unixctl_call(c->unixctl, "version", NULL, 0, on_version, c);
}

bool cache_is_settled(const struct cache *c)
{
	return !c->purging;
}

struct cache *cache_open(struct loop *loop, const char *rundir, void (*settled)(void *arg), void *arg)
{
	struct cache *c = xcalloc(1, sizeof(*c));

	c->unixctl = unixctl_open(loop, rundir);
	c->faulty = true;
	c->settled = settled;
	c->arg = arg;
	return c;
}

struct cache *cache_close(struct cache *c)
{
	if (!c)
		return NULL;
	unixctl_close(c->unixctl);
	free(c);
	return NULL;
}
