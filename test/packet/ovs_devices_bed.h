/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ovs_devices_bed: what the tests share that need real devices. Taps of the test are plugged into the userspace
 * datapath, in a namespace of the test's own:
 *
 *     t1, t2 ─ br-int ─ vxlan-neutrino ─ (route) ─ br-phy ─ uplink
 *                                        192.0.2.1/24
 *
 * One bed a program.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/driver.h"
#include "driver/ovs/neighbour.h"
#include "driver/ovs/sandbox.h"
#include "driver/ovs/vswitch.h"
#include "io/loop.h"

#define WAIT_US 60000000 /* a test that waits this long for an event has failed */
#define MIN_FRAME 60
#define ID_1 "00000000-0000-4000-8000-000000000001"
#define ID_2 "00000000-0000-4000-8000-000000000002"

struct tap {
	const char *name;
	int fd;
	struct loop_source *source;
	uint8_t frame[2048]; /* the last one that the wire gave and that is looked for */
	size_t len;
	unsigned frames;
};

struct bed {
	struct sandbox box;
	struct loop *loop;
	char where[96];
	struct vswitch_config config;
	struct vswitch *vswitch;
	struct neighbour *neighbour;
	struct driver *driver;
	struct tap t1, t2, uplink;
	bool answer; /* on the uplink, ARP requests */
	uint8_t silent; /* but not for the address that ends so */
	uint8_t mac[6]; /* by this one */
	unsigned readies, warnings, requests, settled;
	uint8_t requested[4];
	char warning[320];
	struct vswitch_iface iface[2]; /* by the last digit of the port's UUID */
	uint32_t highest; /* number that a port was said to be up with */
};

extern struct bed bed;

#define UNTIL(what)                                                                                                    \
	do {                                                                                                           \
		uint64_t end = loop_now_us(bed.loop) + WAIT_US;                                                        \
		while (!(what)) {                                                                                      \
			if (loop_now_us(bed.loop) > end)                                                               \
				fail_msg("does not come: %s; warning: %s", #what, bed.warning);                        \
			loop_turn(bed.loop, WAIT_US);                                                                  \
		}                                                                                                      \
	} while (0)

extern const uint8_t mac_2[6];

void tap_open(struct tap *t, const char *name);
void tap_close(struct tap *t);
void tap_send(struct tap *t); /* an IPv4 frame, whose content does not matter */
void arp_answer(struct tap *t, const uint8_t *to, const uint8_t *mac); /* by whom has the address; `to`: the request */
void sh(const char *command);
const char *printed(const char *command); /* its first line, until the next */
void on_warning(const char *text, void *arg);
void open_vswitch(void);
void plug_two(void); /* t1 and t2 */
bool both_up(void);
void assert_passes(void); /* from t1 to t2 */
void make_underlay(void);

int setup(void **state);
int teardown(void **state);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
/* argv[1]: a pattern of names. */
#define RUN_CASES(tests, argc, argv)                                                                                   \
	((argc) > 1 ? cmocka_set_test_filter((argv)[1]) : (void)0, cmocka_run_group_tests(tests, NULL, NULL))
