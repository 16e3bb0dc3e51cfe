/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/remains.h"

#include <utstring.h>

#include "agent/agent.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_NAMED 5

struct named {
	UT_string *text;
	size_t n;
};

static void name(const char *line, void *arg)
{
	struct named *named = arg;

	if (named->n < MAX_NAMED)
		utstring_printf(named->text, "%s%s", named->n ? ", " : "", line);
	else if (named->n == MAX_NAMED)
		utstring_printf(named->text, ", ...");
	named->n++;
}

bool remains_each(const struct agent_config *config, driver_warning fn, void *arg)
{
	bool any = false;

	for (size_t i = 0; i < config->n_drivers; i++) {
		const struct driver_ops *other = config->drivers[i];
		_cleanup_(utstring_freep) UT_string *text = NULL;
		struct named named = { 0 };

		if (other == config->ops || !other->remains)
			continue;
		utstring_new(text);
		named.text = text;
		utstring_printf(text, "the datapath %s has left behind: ", other->name);
		other->remains(&config->driver, name, &named);
		if (!named.n)
			continue;
		utstring_printf(text, ". Stop the agent, run 'neutrino-agent cleanup', start it again");
		fn(utstring_body(text), arg);
		any = true;
	}
	return any;
}
