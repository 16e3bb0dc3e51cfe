/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "driver/ebpf/ebpf.h"

/*
 * One program on a device's ingress: by tcx, in front of what others have there, or before
 * kernel 6.6 as a clsact filter at a handle and priority of our own, which costs each packet
 * some 50 ns more. Either way attaching replaces what an earlier run attached there in one
 * step, no packet goes unprocessed, and what we attached stays when we die. Of others nothing
 * is touched: the qdisc stays when the filter goes.
 */

#define HANDLE 0x4e /* N */
#define PRIORITY 0x4e55 /* before nobody in particular */

/* From linux/bpf.h of 6.6 */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_BEFORE (1U << 3) /* with nothing to be before: the first */
#define TCX_MAX 64 /* programs on a device: BPF_MPROG_MAX */

static int ask_quietly(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* A program that is on a device. */
struct on_device {
	uint32_t id; /* 0: none */
	int fd;
};

/* The program if it is one of ours. */
static struct on_device open_ours(uint32_t prog_id)
{
	struct on_device p = { prog_id, bpf_prog_get_fd_by_id(prog_id) };
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (p.fd >= 0 && !bpf_obj_get_info_by_fd(p.fd, &info, &len) &&
	    (!strcmp(info.name, "from_port") || !strcmp(info.name, "from_tunnel")))
		return p;
	if (p.fd >= 0)
		close(p.fd);
	return (struct on_device) { 0, -1 };
}

/* Which of the device's programs is ours, to be closed. -EINVAL: this kernel has no tcx. */
static int tcx_find(uint32_t ifindex, struct on_device *ret)
{
	uint32_t ids[TCX_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids, .prog_cnt = TCX_MAX);
	struct on_device p = { 0, -1 };
	int r = bpf_prog_query_opts((int)ifindex, TCX_INGRESS, &query);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < query.prog_cnt && !p.id; i++)
		p = open_ours(ids[i]);
	*ret = p;
	return 0;
}

static int tcx_attach(uint32_t ifindex, int prog_fd)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = TCX_BEFORE);
	struct on_device old;
	int r = tcx_find(ifindex, &old);

	if (r < 0)
		return r;
	if (old.id) {
		opts.flags = BPF_F_REPLACE;
		opts.replace_prog_fd = old.fd;
	}
	r = bpf_prog_attach_opts(prog_fd, (int)ifindex, TCX_INGRESS, &opts);
	if (old.id)
		close(old.fd);
	return r == -EEXIST ? 0 : r; /* this very program */
}

static int tcx_detach(uint32_t ifindex)
{
	struct on_device old;
	int r = tcx_find(ifindex, &old);

	if (r < 0)
		return r == -EINVAL ? 0 : r;
	if (!old.id)
		return 0;
	r = bpf_prog_detach2(old.fd, (int)ifindex, TCX_INGRESS);
	close(old.fd);
	return r;
}

static int clsact_attach(uint32_t ifindex, int prog_fd)
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

static struct on_device clsact_find(const struct bpf_tc_hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, found, .handle = HANDLE, .priority = PRIORITY);
	libbpf_print_fn_t print = libbpf_set_print(ask_quietly);
	int r = bpf_tc_query(hook, &found);

	libbpf_set_print(print);
	return r ? (struct on_device) { 0, -1 } : open_ours(found.prog_id);
}

static int clsact_detach(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	struct on_device old = clsact_find(&hook);

	if (!old.id)
		return 0;
	close(old.fd);
	return bpf_tc_detach(&hook, &opts);
}

int attach(uint32_t ifindex, int prog_fd)
{
	int r = tcx_attach(ifindex, prog_fd);

	if (r == -EINVAL)
		return clsact_attach(ifindex, prog_fd);
	return r < 0 ? r : clsact_detach(ifindex); /* left by a version that knew no tcx */
}

int detach(uint32_t ifindex)
{
	int r = tcx_detach(ifindex);

	return r < 0 ? r : clsact_detach(ifindex);
}

uint32_t attached(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	struct on_device p = { 0, -1 };
	int r = tcx_find(ifindex, &p);

	if (r == -EINVAL || (!r && !p.id)) /* or of a version that knew no tcx */
		p = clsact_find(&hook);
	if (p.id)
		close(p.fd);
	return p.id;
}
