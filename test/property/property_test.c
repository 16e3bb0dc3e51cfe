/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "property.h"

static const struct property properties[] = {
	{ "text", 2000, property_text }, /* parse(format(x)) is x */
	{ "diff", 500, property_diff }, /* diff, then apply, gives the target */
	{ "between", 400, property_between }, /* each state between two plans: before, after, or a drop */
	{ "lossless", 400, property_lossless }, /* what arrives before and after a usual change arrives meanwhile */
	{ "incremental", 300, property_incremental }, /* compiled change by change equals compiled at once */
	{ "flows", 100, property_flows }, /* change by change as at once, each with one origin, whom its cookie names */
	{ "switch", 100, property_switch }, /* what a switch has in the end, whatever went wrong on the way */
	{ "fabric", 400, property_fabric }, /* packets arrive exactly where they must, in whole clouds */
};

#define COMPLAINTS_MAX 5 /* of one property, then it stops */

bool complain(struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	if (c->made)
		return false;
	c->made = true;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	return false;
}

static void print_complaint(const struct complaint *c, uint64_t seed, const char *name)
{
	printf("# with --only %s --seed %" PRIu64 " --count 1:\n", name, seed);
	for (const char *line = c->text; *line;) {
		size_t len = strcspn(line, "\n");

		printf("#   %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static bool run(const struct property *p, uint64_t seed, unsigned count)
{
	unsigned complaints = 0;

	for (unsigned i = 0; i < count && complaints < COMPLAINTS_MAX; i++) {
		struct complaint c = { 0 };
		struct rng r = { .state = (seed + i) * 0x2545f4914f6cdd1d };

		p->run(&r, &c);
		if (c.made) {
			print_complaint(&c, seed + i, p->name);
			complaints++;
		}
	}
	return complaints == 0;
}

int main(int argc, char **argv)
{
	const char *count_text = getenv("PROPERTY_COUNT"), *only = NULL;
	uint64_t seed = 1;
	unsigned n = 0, failed = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--only") == 0)
			only = argv[i + 1];
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--count") == 0)
			count_text = argv[i + 1];
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < N_ELEMENTS(properties); i++) {
		unsigned count = count_text ? (unsigned)strtoul(count_text, NULL, 10) : properties[i].count;
		bool ok;

		if (only && strcmp(only, properties[i].name) != 0)
			continue;
		ok = run(&properties[i], seed, count);
		n++;
		failed += !ok;
		printf("%s %u - %s: %u runs from seed %" PRIu64 "\n", ok ? "ok" : "not ok", n, properties[i].name,
		       count, seed);
	}
	printf("1..%u\n", n);
	return n == 0 ? 2 : failed ? 1 : 0;
}
