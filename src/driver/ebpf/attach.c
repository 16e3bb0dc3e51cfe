/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "driver/ebpf/ebpf.h"

/*
 * One clsact filter on ingress, at a handle and priority of our own. Attaching replaces what
 * an earlier run attached there in one step: no packet goes unprocessed. The qdisc stays when
 * the filter goes: others may have filters there.
 */

#define HANDLE 0x4e /* N */
#define PRIORITY 0x4e55 /* before nobody in particular */

static int ask_quietly(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int attach(uint32_t ifindex, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE);
	libbpf_print_fn_t print = libbpf_set_print(ask_quietly);
	int r = bpf_tc_hook_create(&hook);

	if (!r || r == -EEXIST)
		r = bpf_tc_attach(&hook, &opts);
	libbpf_set_print(print);
	return r;
}

static bool is_ours(uint32_t prog_id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(prog_id), r;

	if (fd < 0)
		return false;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return !r && (!strcmp(info.name, "from_port") || !strcmp(info.name, "from_tunnel"));
}

int detach(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, found, .handle = HANDLE, .priority = PRIORITY);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	libbpf_print_fn_t print = libbpf_set_print(ask_quietly);
	int r = 0;

	if (!bpf_tc_query(&hook, &found) && is_ours(found.prog_id))
		r = bpf_tc_detach(&hook, &opts);
	libbpf_set_print(print);
	return r;
}
