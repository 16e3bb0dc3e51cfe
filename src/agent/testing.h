/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* testing: an agent on the fake driver, and a server's end that says what the test says; for this folder's tests. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "driver/driver.h"

#define TURN_US 5000000 /* a test that waits this long for an event has failed */

struct testing {
	struct loop *loop;
	char dir[64], snapshot_path[96], where[96];
	struct agent_config config;
	struct agent *agent;
	/* The server's end. */
	struct listener *listener;
	struct stream *stream;
	char got[65536]; /* what the agent said, and no test has heard yet */
	size_t len;
	int connections;
};

extern struct testing testing;

int testing_setup(void **state);
int testing_teardown(void **state);

void testing_turn(void); /* of the loop, until an event */
void testing_server_up(void);
void testing_hang_up(void);
void testing_say(const char *text);
/* Turns until the agent has said it, and forgets everything up to its end. */
void testing_heard(const char *text);

void testing_agent_up(void);
void testing_agent_down(void);
void testing_forget(void); /* what the agent and its datapath have on disk */
/* Both are up in this forked process: what its parent has open is not its own. */
void testing_child(void);
/* Turns until the datapath is what these objects compile to, and nothing is under way. */
void testing_converged(const char *world);
/* Says the hello's answer and the world, and waits until it is in the datapath. */
void testing_settle(void);

/* ---- what a server says: a small cloud ---- */

#define INCARNATION "6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a01"
#define OTHER "00000000-0b1e-4f0e-9d52-2f4b6f1f6a01"
#define SET(object) "{\"set\":{" object "}}\n"
#define U(digit) "\"6f1b1c52-0b1e-4f0e-9d52-2f4b6f1f6a0" digit "\""
#define HOST                                                                                                           \
	SET("\"kind\":\"host\",\"num\":1,\"unit\":\"host:1\",\"name\":\"compute1\",\"tunnel\":\"192.0.2.1\",\"dvr_"    \
	    "mac\":\"fa:16:3f:00:00:01\"")
#define PEER                                                                                                           \
	SET("\"kind\":\"peer\",\"num\":2,\"unit\":\"peer:2\",\"name\":\"compute2\",\"tunnel\":\"192.0.2.2\",\"dvr_"    \
	    "mac\":\"fa:16:3f:00:00:02\"")
#define NETWORK                                                                                                        \
	SET("\"kind\":\"network\",\"num\":7,\"unit\":\"network:7\",\"uuid\":" U(                                       \
		"7") ",\"type\":\"vxlan\",\"physical_network\":\"\",\"segmentation_id\":1007,\"mtu\":1450")
#define SUBNET                                                                                                         \
	SET("\"kind\":\"subnet\",\"num\":9,\"unit\":\"network:7\",\"uuid\":" U(                                        \
		"9") ",\"network\":7,\"cidr\":\"10.0.1.0/24\",\"gateway\":\"10.0.1.1\"")
#define ENDPOINT(n, h)                                                                                                 \
	SET("\"kind\":\"endpoint\",\"num\":" n ",\"unit\":\"network:7\",\"network\":7,\"host\":" h                     \
	    ",\"next\":0,\"mac\":\"fa:16:3e:00:00:" n "\",\"ips\":[\"10.0.1." n "\"]")
#define PORT_UUID(n) "6f1b1c" n "-0b1e-4f0e-9d52-2f4b6f1f6a0c"
#define PORT_UP(n, up)                                                                                                 \
	SET("\"kind\":\"port\",\"num\":" n ",\"unit\":\"host:1\",\"uuid\":\"" PORT_UUID(                               \
		n) "\",\"network\":7,\"mac\":\"fa:16:3e:00:00:" n "\",\"admin_state_up\":" up                          \
		   ",\"port_security\":true,\"device_owner\":\"compute:nova\",\"addrs\":[{\"mac\":\"fa:16:3e:00:00:" n \
		   "\",\"prefix\":\"10.0.1." n "/32\"}]")
#define PORT(n) PORT_UP(n, "true")
#define TAP(n) "tap6f1b1c" n "-0b"
#define ROUTER                                                                                                         \
	SET("\"kind\":\"router\",\"num\":1,\"unit\":\"router:1\",\"uuid\":" U(                                         \
		"4") ",\"admin_state_up\":true,\"distributed\":true")
#define INTERFACE                                                                                                      \
	SET("\"kind\":\"interface\",\"num\":14,\"unit\":\"router:1\",\"uuid\":" U(                                     \
		"5") ",\"router\":1,\"network\":7,\"mac\":\"fa:16:3e:00:00:0e\",\"addrs\":[\"10.0.1.1/24\"]")
#define MEMBER(h) SET("\"kind\":\"member\",\"router\":1,\"host\":" h ",\"unit\":\"router:1\"")
#define WORLD                                                                                                          \
	HOST PEER NETWORK SUBNET ENDPOINT("12", "1") PORT("12") ENDPOINT("13", "2") ROUTER INTERFACE MEMBER("1")       \
		MEMBER("2")

#define WELCOME_OF(incarnation, mode)                                                                                  \
	"{\"welcome\":{\"proto\":1,\"incarnation\":\"" incarnation "\",\"host\":1,\"mode\":\"" mode "\"}}\n"
#define WELCOME(mode) WELCOME_OF(INCARNATION, mode)
#define FRAME(position) "{\"frame\":{\"position\":" position ",\"request_id\":\"req-" position "\"}}\n"
#define SNAPSHOT_END(position) "{\"frame\":{\"position\":" position ",\"snapshot\":true}}\n"
