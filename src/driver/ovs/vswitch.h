/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * vswitch: what the driver wants of Open vSwitch's database: the integration bridge with its tunnel port, and
 * which interface is which port.
 *
 * It makes what is missing (bridge: fail_mode secure, no in-band control, datapath_type; a flow-based VXLAN
 * port, external_ids:neutrino=true on what is ours), makes it again when somebody deletes it, and keeps
 * `ready` told. A bridge that is there is adopted: fail_mode, in-band control and the tunnel port's options are
 * corrected, all else is left alone. An interface counts by external_ids:iface-id, wherever it stands on the
 * integration bridge; of several with the same one that is up counts, then the first by name.
 *
 * A device that goes keeps its row and number. One made again under its name is dead in the userspace datapath
 * (ofport, error and link_state look right; only ifindex tells), so it is plugged again in two transactions:
 * ofport_request goes to a free number, which has Open vSwitch open the device anew, and back. Nothing of the
 * rows is deleted, and external_ids:neutrino-replug says how to go back, whoever dies in between.
 *
 * Everything is worked out of the database's rows as they are, after each change of them; one transaction is
 * under way at a time, and holds all there is to write. Without the database nothing changes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

struct err;
struct loop;
struct vswitch;

struct vswitch_config {
	const char *ovsdb; /* "unix:/var/run/openvswitch/db.sock" or "tcp:127.0.0.1:6640" */
	const char *bridge; /* integration_bridge: "br-int" */
	const char *datapath_type; /* "system", "netdev" ("dummy" in tests) */
	const char *local_ip; /* outer source; NULL: no tunnel port */
	uint16_t vxlan_udp_port; /* host byte order */
	bool tunnel_csum;
};

#define VSWITCH_TUNNEL_PORT "vxlan-neutrino"

/* WAIT: it has no OpenFlow port (yet), or its device is gone or being plugged again. BAD: Open vSwitch says why. */
enum vswitch_iface_state { VSWITCH_IFACE_WAIT, VSWITCH_IFACE_UP, VSWITCH_IFACE_BAD };
struct vswitch_iface {
	struct uuid port; /* external_ids:iface-id */
	char name[16];
	enum vswitch_iface_state state;
	uint32_t ofport; /* > 0 when UP */
	bool doubtful; /* UP, but perhaps of a dead device: once its flows are in, it is plugged again */
	char text[160]; /* of BAD: Open vSwitch's own `error` */
};

struct vswitch_events {
	/*
	 * The bridge is there and its tunnel port has this number (0 without local_ip); told again when either changed
	 * (both made again). `mgmt` is the path of the bridge's OpenFlow socket.
	 */
	void (*ready)(const char *mgmt, uint32_t tunnel_ofport, void *arg);
	/* New, or changed: also another row with the same content. It counts as not installed from then on. */
	void (*iface)(const struct vswitch_iface *i, void *arg);
	void (*iface_gone)(const struct uuid *port, void *arg);
	void (*warning)(const char *text, void *arg); /* also what it waits for; once */
	void *arg;
};

int vswitch_open(struct loop *loop, const struct vswitch_config *config, const struct vswitch_events *events,
		 struct vswitch **ret, struct err *err);
/* Accepts NULL, returns NULL; no callback follows. Not from a callback. */
struct vswitch *vswitch_close(struct vswitch *v);
/* What is wrong, or waited for, as things stand. */
void vswitch_warnings(const struct vswitch *v, void (*fn)(const char *text, void *arg), void *arg);
/*
 * Its flows are in (or not any more): external_ids:neutrino-installed of the Interface row; batched. What an
 * earlier run wrote there stays until the port is told of here.
 */
void vswitch_installed(struct vswitch *v, const struct uuid *port, bool installed);
/*
 * Removes the tunnel port, marks, and the bridge if it was made here and holds nothing of others. Waits for the
 * answer: 1 when there was something, else 0, also when nobody listens there. A database that does not answer is
 * an error.
 */
int vswitch_cleanup(const struct vswitch_config *config, struct err *err);
int vswitch_remains(const struct vswitch_config *config, struct err *err); /* the same, and removes nothing */

/* The run directory of the daemons behind a database: that of its socket, else /var/run/openvswitch. */
char *vswitch_rundir(const char *ovsdb); /* new */
