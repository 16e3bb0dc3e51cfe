/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fault: the driver's calls into the kernel, counted, refused or the last thing that the process
 * does. The program is linked with --wrap of each (test/meson.build).
 */

#include <stdint.h>

enum fault_call {
	FAULT_NONE,
	FAULT_UPDATE, /* bpf_map_update_elem */
	FAULT_DELETE, /* bpf_map_delete_elem */
	FAULT_ATTACH, /* attach() of a program */
	FAULT_REQUEST, /* to rtnetlink */
	FAULT_ANY,
};

struct fault {
	enum fault_call call;
	int fd; /* the map's; 0: any */
	unsigned after; /* calls that pass before */
	unsigned times; /* then so many fail; 0: the process is killed */
	int error; /* errno */
};

extern struct fault fault; /* all zero: nothing happens */
extern unsigned fault_calls; /* made since it was set to 0 */
