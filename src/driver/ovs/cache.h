/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * cache: a fault of the userspace datapath before Open vSwitch 3.1.3 (Debian 12 has 3.1.0), kept from doing harm.
 *
 * When flows change, Open vSwitch goes through its cache and changes what entries do, or drops them. An entry that
 * looks at more of a packet than the flows need now is kept, and then a wider one may lie over it. To change an entry
 * it is looked up by a packet, not by its identity: with two that hold the packet it is the wrong one that is changed,
 * and the other goes on by flows that are gone for as long as packets come. (A router that is switched off and on
 * again: what a VM was sending meanwhile stays dropped.)
 *
 * So there the cache is emptied after bundles that take flows away or lead them elsewhere, at most ten times a second.
 * Packets find their way anew; none is lost.
 */

struct cache;
struct loop;

struct cache *cache_open(struct loop *loop, const char *rundir); /* `rundir`: that of ovs-vswitchd */
struct cache *cache_close(struct cache *c); /* accepts NULL, returns NULL. Not from a callback. */
void cache_again(struct cache *c); /* another ovs-vswitchd runs, perhaps another version */
/* Flows that were there are gone, or do something else. It is emptied at once, or a tenth of a second after the last
 * time; where it cannot be asked, that is said in the log, and tried again every second. */
void cache_changed(struct cache *c);
/* Whether an ovs-vswitchd of this version is such a one: "ovs-vswitchd (Open vSwitch) 3.1.0"; also what cannot be read.
 */
bool cache_is_faulty(const char *version);
