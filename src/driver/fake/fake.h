/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fake: a driver without a datapath. It keeps the plan it was given, forwards single frames by it
 * (forward.h), and fails when told to. For tests of what stands above a driver, and for an agent
 * that shall only show what it would do ([neutrino] datapath = fake).
 *
 * With a state_dir its "datapath" is a file there, which outlives the process like a real one.
 * It has no port devices but those that a test gives it.
 */

#include "driver/driver.h"
#include "driver/fake/forward.h"

/* The n-th record (1: the next) that sync or apply changes from now on fails; once. 0: none. */
void driver_fake_fail_nth(struct driver *d, unsigned n);
/* All records of the n-th sync or apply from now on fail; once. 0: none. */
void driver_fake_fail_call(struct driver *d, unsigned n);
/* Every change of the record of this key fails until NULL is set. */
void driver_fake_fail_record(struct driver *d, const struct plan_record *key);

/* A device comes or goes: "tap" + 11 characters. The event follows from the loop. */
void driver_fake_device(struct driver *d, const char *name, bool there);
/* The datapath loses all it had, as if its process had restarted; events->lost follows from the loop. */
void driver_fake_lose(struct driver *d);

const struct plan *driver_fake_plan(const struct driver *d); /* what is applied now */
size_t driver_fake_calls(const struct driver *d); /* sync and apply so far */

/* Forwards a frame and counts it. The result is new: forward_result_fini(). */
void driver_fake_input(struct driver *d, const struct forward_in *in, struct forward_result *ret);
