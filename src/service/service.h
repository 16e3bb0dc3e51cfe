/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * service: what an API call means. Transactions, address and number allocation, binding,
 * placement (which host needs what), revisions, and the change log, over a store.
 *
 * Reads run in the caller's thread on a read handle of their own. Writes are handed to one
 * writer thread: it takes what waits, runs it in one transaction with a savepoint for each call,
 * commits, and then calls each call's `done` (from the writer thread). What was answered is on
 * disk; a call that failed left nothing.
 *
 * A change's log rows are written in the same transaction, numbered last. `changed` of the
 * options is called (from the writer thread) after each commit that wrote log rows.
 */

#include <stdbool.h>
#include <stdint.h>
#include <utstring.h>

#include "base/err.h"
#include "base/json.h"
#include "model/object.h"
#include "model/resource.h"
#include "net/mac.h"

struct service;

struct service_options {
	const char *database; /* path of the SQLite file; made if absent */
	struct mac base_mac; /* [DEFAULT] base_mac: of ports; the first 3 (or 4) octets count */
	struct mac dvr_base_mac; /* [DEFAULT] dvr_base_mac: of hosts */
	bool router_distributed; /* [DEFAULT] router_distributed */
	bool host_dvr_for_dhcp; /* [DEFAULT] host_dvr_for_dhcp */
	uint32_t vni_min, vni_max; /* [ml2_type_vxlan] vni_ranges; several ranges: see vni_ranges */
	const char *vni_ranges; /* "1:1000,2000:3000"; NULL: vni_min..vni_max */
	uint32_t physnet_mtu; /* [DEFAULT] global_physnet_mtu; a VXLAN network has 50 less */
	uint32_t agent_down_time; /* [DEFAULT] agent_down_time, seconds */
	void (*changed)(void *arg);
	/* What the host has reported could not be stored: it has to say it again. From the writer thread; or NULL. */
	void (*report_lost)(uint32_t host, void *arg);
	/* An operator lets the snapshot that the host holds back through. From the writer thread; or NULL. */
	void (*accept)(uint32_t host, void *arg);
	void *arg;
};

int service_open(const struct service_options *options, struct service **ret, struct err *err);
void service_close(struct service *s); /* waits for what was submitted; accepts NULL */

/* Who asks. project_id "" for an admin without one. */
struct caller {
	bool admin;
	char project_id[256];
	char request_id[64]; /* "req-UUID"; goes into the log rows */
};

enum service_op {
	SERVICE_CREATE,
	SERVICE_UPDATE,
	SERVICE_DELETE,
	SERVICE_ADD_ROUTER_INTERFACE, /* id: the router; attrs: {"subnet_id"} or {"port_id"} */
	SERVICE_REMOVE_ROUTER_INTERFACE, /* the same, or both */
};

struct service_call {
	/* in */
	enum service_op op;
	const struct resource *resource;
	char id[256]; /* of the path; any text: what is no UUID is simply not found */
	/* From resource_check(); the call owns it. SERVICE_CREATE takes a list too: all are made, or none; the reply is
	 * a list. */
	json_t *attrs;
	struct caller caller;
	int64_t if_match; /* revision_number that it must have, or -1 */
	/* out, when done is called */
	int r;
	struct err err;
	UT_string *reply; /* JSON of the resource (or of the action's answer), all members; "" after a delete */
	void (*done)(struct service_call *call, void *arg);
	void *arg;
	struct service_call *next; /* the queue's */
};

struct service_call *service_call_new(void);
void service_call_free(struct service_call *call);
void service_submit(struct service *s, struct service_call *call);

/* Reading. One handle a thread. */
struct service_reader;
int service_reader_open(struct service *s, struct service_reader **ret, struct err *err);
void service_reader_close(struct service_reader *r); /* accepts NULL */

/* Writes the resource as a JSON object with all the members that the caller may see. -ENOENT with Neutron's type. */
int service_show(struct service_reader *r, const struct caller *caller, const struct resource *resource, const char *id,
		 UT_string *out, struct err *err);

struct service_filter {
	const struct field *field;
	const char *value; /* as in the URL; several filters of one field are alternatives */
};

struct service_query {
	const struct service_filter *filters;
	size_t n_filters;
	const struct field *sort[4]; /* NULL ends */
	bool descending[4];
	uint32_t limit; /* 0: none */
	const char *marker; /* id of the last one of the page before, or NULL */
	bool page_reverse;
};

/* Calls fn with each object's JSON, in order. */
int service_list(struct service_reader *r, const struct caller *caller, const struct resource *resource,
		 const struct service_query *query, void (*fn)(const char *json, size_t len, const char *id, void *arg),
		 void *arg, struct err *err);

/* ---- hosts and what they are sent: used by the server's wiring of the watch hub ---- */

/* Makes the host's row if need be, gives it a new token (stored as a hash) and returns the token once. */
int service_enroll(struct service *s, const char *host, char ret_token[65], struct err *err);
/* -EACCES for an unknown host or wrong token. */
int service_authenticate(struct service_reader *r, const char *host, const char *token, uint32_t *ret_host,
			 struct err *err);

/* What a host's hello says; queued to the writer, done is called from the writer thread after commit. */
struct service_host_hello {
	uint32_t host;
	char datapath[32], vif_type[32], agent_mode[32];
	struct ip tunnel;
	json_t *configurations; /* owned by the call */
};
void service_host_hello(struct service *s, const struct service_host_hello *hello,
			void (*done)(int r, const struct err *err, void *arg), void *arg);

enum service_port_state { SERVICE_PORT_DOWN, SERVICE_PORT_UP, SERVICE_PORT_ERROR };
struct service_port_report {
	uint32_t port;
	uint32_t binding; /* as it was sent with the port; 0: not known */
	enum service_port_state state;
};
/* Status, acknowledgement and liveness; batched by the writer, never in the log. */
void service_host_report(struct service *s, uint32_t host, uint64_t applied, const struct service_port_report *ports,
			 size_t n);
/* held: it holds a snapshot back. */
void service_host_heartbeat(struct service *s, uint32_t host, uint64_t applied, bool held);

/* The feed: a consistent view from begin to end, on a reader of the hub's own. */
enum feed_op { FEED_SET, FEED_DEL, FEED_ENTER, FEED_DROP };
struct feed_row {
	uint64_t position; /* rows of one API call share it */
	enum feed_op op;
	struct unit unit;
	uint32_t host; /* FEED_ENTER and FEED_DROP: whose */
	const char *json; /* FEED_SET: the object; FEED_DEL: its identity */
	const char *request_id;
};
/* Positions are dense. *ret_oldest is the first that the log still has (*ret_position + 1 when it has none): who has
 * seen up to *ret_oldest - 1 can go on. */
int feed_begin(struct service_reader *r, uint64_t *ret_position, uint64_t *ret_oldest, struct err *err);
void feed_end(struct service_reader *r);
int feed_log(struct service_reader *r, uint64_t after, void (*fn)(const struct feed_row *row, void *arg), void *arg);
/* Only FEED_ENTER and FEED_DROP of the host. */
int feed_host_log(struct service_reader *r, uint32_t host, uint64_t after,
		  void (*fn)(const struct feed_row *row, void *arg), void *arg);
int feed_units(struct service_reader *r, uint32_t host, void (*fn)(const struct unit *u, void *arg), void *arg);
int feed_objects(struct service_reader *r, const struct unit *u, void (*fn)(const char *json, void *arg), void *arg);
const char *service_incarnation(const struct service *s); /* UUID text of this database's life */
