/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ovs_bed: what the driver's own tests share: the driver on a real ovsdb-server and ovs-vswitchd with the dummy
 * datapath, plans as text, and what the agent would hear. One bed a program.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "driver/ovs/ovs.h"
#include "driver/ovs/sandbox.h"
#include "io/loop.h"

#define TURN_US 20000000 /* a test that waits this long for an event has failed */
#define UUID(n) "00000000-0000-4000-8000-00000000000" n

#define HOST "host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01 name=one\n"
#define PEER "peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02 name=two\n"
#define SEGMENT "segment type=vxlan id=100 network=7 mtu=1300 uuid=" UUID("f") "\n"
#define PORT_3 "port port=3 network=7 mac=fa:16:3e:00:00:03 addrs=10.0.1.3 uuid=" UUID("3") "\n"
#define PORT_4 "port port=4 network=7 mac=fa:16:3e:00:00:04 addrs=10.0.1.4 uuid=" UUID("4") "\n"
#define PORT_5 "port port=5 network=7 mac=fa:16:3e:00:00:05 addrs=10.0.1.5 uuid=" UUID("5") "\n"
#define PORTS PORT_3 PORT_4
#define FDB_34 "fdb network=7 mac=fa:16:3e:00:00:03 port=3\nfdb network=7 mac=fa:16:3e:00:00:04 port=4\n"
#define FDB FDB_34 "fdb network=7 mac=fa:16:3e:00:00:05 peer=2\n"
#define NEIGHBOUR "neighbour network=7 ip=10.0.1.9 mac=fa:16:3e:00:00:09\n"
#define NEIGHBOURS                                                                                                     \
	NEIGHBOUR "neighbour network=7 ip=10.0.1.10 mac=fa:16:3e:00:00:0a\n"                                           \
		  "neighbour network=7 ip=10.0.1.11 mac=fa:16:3e:00:00:0b\n"
#define FLOOD "flood network=7 host=2\n"
#define FLOOD_3 "flood network=7 host=3\n"
#define PLAN HOST PEER SEGMENT PORTS FDB FLOOD

struct bed {
	struct sandbox box;
	struct loop *loop;
	struct driver_config config;
	struct driver *driver;
	char where[96];
	unsigned dones, lost;
	size_t n_failures;
	char failures[4096]; /* a line each */
	char told[4096]; /* "3:ready " for each event */
	char warnings[4096];
};

extern struct bed bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		while (!(what))                                                                                        \
			if (loop_turn(bed.loop, TURN_US) == 0)                                                         \
				fail_msg("does not come: %s; told: %s", #what, bed.told);                              \
	} while (0)

#define OFCTL "ovs-ofctl -O OpenFlow14 "

void append(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sh(const char *command);
long number(const char *command); /* what it prints */
void until_number(const char *command, long wanted);
long flows(void); /* of ours, in the switch */
void plug(const char *device, const char *uuid);
void open_driver(void);
void close_driver(void);
struct plan *parsed(const char *text);
void wait_done(unsigned dones);
void sync_to(const char *text);
void step(const char *from, const char *to); /* as changes */
void assert_equal_to(const char *text); /* by an audit */
bool differs_from(const char *text);
bool is_settled(void); /* the driver has nothing to do */
void on_done(const struct driver_failure *failures, size_t n, void *arg);
void on_line(const char *line, void *arg); /* appends to 4096 characters; so does this: */
void on_difference(enum driver_audit_kind kind, const char *what, void *arg);

int setup(void **state); /* with tap3 and tap4 plugged, and the driver open */
int teardown(void **state);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
/* One case is skipped where there is no Open vSwitch. argv[1]: a pattern of names. */
#define RUN_CASES(tests, argc, argv)                                                                                   \
	(has_open_vswitch(argc, argv) ? cmocka_run_group_tests(tests, NULL, NULL) : no_case())
bool has_open_vswitch(int argc, char **argv);
int no_case(void);
