/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

struct fault fault;
unsigned fault_calls;

/* True: this call is not to be made, errno says why. */
static bool strikes(enum fault_call call, int fd)
{
	fault_calls++;
	if (fault.call != FAULT_ANY && fault.call != call)
		return false;
	if (fault.fd && fault.fd != fd)
		return false;
	if (fault.after) {
		fault.after--;
		return false;
	}
	if (!fault.times)
		kill(getpid(), SIGKILL);
	if (--fault.times == 0)
		fault.call = FAULT_NONE;
	errno = fault.error;
	return true;
}

#define WRAP(result, name, call, fd, parameters, arguments)                                                            \
	result __real_##name parameters;                                                                               \
	result __wrap_##name parameters;                                                                               \
	result __wrap_##name parameters                                                                                \
	{                                                                                                              \
		return strikes(call, fd) ? (result)-errno : __real_##name arguments;                                   \
	}

WRAP(int, bpf_map_update_elem, FAULT_UPDATE, fd, (int fd, const void *key, const void *value, uint64_t flags),
     (fd, key, value, flags))
WRAP(int, bpf_map_delete_elem, FAULT_DELETE, fd, (int fd, const void *key), (fd, key))
WRAP(ssize_t, mnl_socket_sendto, FAULT_REQUEST, 0, (const struct mnl_socket *s, const void *bytes, size_t n),
     (s, bytes, n))
WRAP(int, attach, FAULT_ATTACH, 0, (uint32_t ifindex, int prog_fd), (ifindex, prog_fd))
