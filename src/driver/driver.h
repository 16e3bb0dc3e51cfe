/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * driver: the one interface between the agent and a datapath (fake, ebpf, openvswitch).
 * It speaks plan records, changes, ports and counters; nothing of maps or flows.
 *
 * The agent opens one driver. open() may find what an earlier run left (pins, flows): it
 * adopts them and changes nothing that forwards; the first sync() then changes the least that
 * makes the datapath equal to the plan. Nothing here flushes. close() lets go of the
 * program's resources and leaves the datapath forwarding; cleanup() removes all that is ours.
 *
 * sync and apply are asynchronous: they return at once and call `done` from the event loop,
 * never from inside the call. At most one is outstanding; the agent queues. `done` gets the
 * records that could not be applied (isolated: everything else is in). A failed record stays
 * out of the datapath, or in its old state where that is safe, until the agent gives it again.
 *
 * A datapath that is a process of its own may be away. The call that is out then waits for a few seconds, which a
 * restart takes; after that `done` comes with the host's record as the one that failed, and each port with a device
 * is FAILED: so says the API, and the agent is not held up. The driver keeps what it was given, goes on to answer so,
 * and when the datapath is back makes it good by itself; then it calls `lost`, so that the agent gives it all once
 * more and hears what came of it. An absence in which no call was answered ends without a word, but for the ports.
 *
 * Devices: the driver finds the device of each port record (by the name "tap" + 11 characters
 * of the UUID, or by what its datapath uses), attaches when it appears, and tells the agent by
 * events->port. A port without a device is not a failure. A device that looks like a port's and
 * has no record lets nothing through, from when the driver sees it until it goes or cleanup().
 *
 * All calls come from the loop's thread. Plans and changes passed in are read only until the
 * call returns; a driver copies what it needs later.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"

struct err;
struct loop;
struct driver;

enum driver_port_state {
	DRIVER_PORT_ABSENT, /* no device */
	DRIVER_PORT_READY, /* device there, programmed, forwarding */
	DRIVER_PORT_FAILED, /* device there, could not be programmed: see the text */
};

/* What a driver tells the agent; called from the loop. */
struct driver_events {
	void (*port)(uint32_t port, enum driver_port_state state, const char *text, void *arg);
	/* The datapath lost its state, or calls were answered while it was away: the agent answers with sync(). */
	void (*lost)(void *arg);
	void *arg;
};

struct driver_failure {
	struct plan_record record;
	int r; /* negative errno */
	char text[256];
};

typedef void (*driver_done)(const struct driver_failure *failures, size_t n, void *arg);

struct driver_counter {
	const char *name; /* "deliver", "drop_spoof_ip"; static */
	uint64_t packets;
	uint64_t bytes;
};

enum driver_audit_kind { DRIVER_AUDIT_MISSING, DRIVER_AUDIT_EXTRA, DRIVER_AUDIT_DIFFERENT };
typedef void (*driver_audit)(enum driver_audit_kind kind, const char *what, void *arg);

typedef void (*driver_warning)(const char *text, void *arg);
typedef void (*driver_line)(const char *line, void *arg);

struct driver_config {
	const char *state_dir; /* where the driver may keep files; "/run/neutrino" */
	const char *pin_dir; /* ebpf: "/sys/fs/bpf/neutrino" */
	uint16_t vxlan_udp_port; /* host byte order; 4789 */
	const char *local_ip; /* of the tunnels' outer packets: [ovs] local_ip */
	/* openvswitch */
	const char *ovsdb; /* "unix:PATH" or "tcp:HOST:PORT" */
	const char *integration_bridge; /* "br-int" */
	const char *datapath_type; /* "system", "netdev" */
	bool tunnel_csum;
	bool trace; /* leave a decision record for each packet (test runs only) */
};

struct driver_ops {
	const char *name; /* "ebpf": [neutrino] datapath */
	const char *vif_type; /* "tap", "ovs": what ports bound to this host get */

	int (*open)(const struct driver_config *config, struct loop *loop, const struct driver_events *events,
		    struct driver **ret, struct err *err);
	void (*close)(struct driver *d);
	/* Removes everything that is ours from this host, also without an open driver; fine when nothing is there. */
	int (*cleanup)(const struct driver_config *config, struct err *err);
	/* Names what a cleanup would remove, a line each; nobody has the driver open. NULL: never anything. */
	void (*remains)(const struct driver_config *config, driver_line fn, void *arg);

	void (*sync)(struct driver *d, const struct plan *plan, driver_done done, void *arg);
	void (*apply)(struct driver *d, const struct plan_changes *changes, driver_done done, void *arg);
	/* Compares the datapath with the plan and names each difference; changes nothing. What others took away from
	 * devices the driver puts back, from the loop. */
	int (*audit)(struct driver *d, const struct plan *plan, driver_audit fn, void *arg, struct err *err);
	/* What an operator should know of this host, a line each. NULL: never anything. */
	void (*warnings)(struct driver *d, driver_warning fn, void *arg);
	/* Totals since the datapath was made; fills at most `max`, returns how many there are. */
	size_t (*counters)(struct driver *d, struct driver_counter *ret, size_t max);
	/* What the datapath is given for a record of the plan, in its own words, a line each. NULL for the record: what
	 * is made from none, or from several, under lines that begin with '#'. NULL: it has no words for it. */
	void (*show)(struct driver *d, const struct plan_record *r, driver_line fn, void *arg);
};

extern const struct driver_ops driver_fake;
extern const struct driver_ops driver_ebpf;
extern const struct driver_ops driver_ovs;
