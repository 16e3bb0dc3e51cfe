/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "packet_driver.h"
#include "plan/plan.h"

/* The reference itself. */

#define ABSENT_MAX 8

struct on_fake {
	struct plan *plan;
	uint32_t absent[ABSENT_MAX];
	size_t n_absent;
};

static int fake_open(void **ret, struct err *err)
{
	struct on_fake *f = xcalloc(1, sizeof(*f));

	(void)err;
	f->plan = plan_new();
	*ret = f;
	return 0;
}

static void fake_close(void *d)
{
	struct on_fake *f = d;

	plan_free(f->plan);
	free(f);
}

static int fake_load(void *d, const struct plan *p, struct err *err)
{
	struct on_fake *f = d;

	(void)err;
	plan_free(f->plan);
	f->plan = plan_copy(p);
	f->n_absent = 0;
	return 0;
}

static int fake_device(void *d, uint32_t port, bool there, struct err *err)
{
	struct on_fake *f = d;
	size_t kept = 0;

	(void)err;
	for (size_t i = 0; i < f->n_absent; i++)
		if (f->absent[i] != port)
			f->absent[kept++] = f->absent[i];
	f->n_absent = kept;
	if (!there && f->n_absent < ABSENT_MAX)
		f->absent[f->n_absent++] = port;
	return 0;
}

static bool has_device(uint32_t port, void *arg)
{
	const struct on_fake *f = arg;

	for (size_t i = 0; i < f->n_absent; i++)
		if (f->absent[i] == port)
			return false;
	return true;
}

static int fake_run(void *d, const struct forward_in *in, struct forward_result *ret, struct err *err)
{
	struct on_fake *f = d;
	const struct forward_world world = { .has_device = has_device, .arg = f };

	(void)err;
	forward_run(f->plan, &world, in, ret);
	return 0;
}

const struct packet_driver packet_on_fake = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.load = fake_load,
	.device = fake_device,
	.run = fake_run,
};
