/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench-floor: the least that eBPF can do between two VMs on a host. Every frame that comes from
 * one device is handed to the other's peer, as it is: no address is checked, no table asked, no
 * header changed. What remains is what the kernel takes for it.
 *
 *     bench-floor FROM TO    names of two devices here, each a veth into another namespace
 */

#include <bpf/bpf.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCX_INGRESS ((enum bpf_attach_type)46) /* linux/bpf.h of 6.6 */

#define INSN(op, dst, src, offset, value)                                                                              \
	{                                                                                                              \
		.code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value)                      \
	}
#define SET(dst, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)
#define CALL(function) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)

/* The program's descriptor, or negative. */
static int load_redirect(int to)
{
	const struct bpf_insn program[] = {
		/* A frame that is not for this device is for who gets it: else the VM's kernel drops it. */
		INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct __sk_buff, pkt_type), 0),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, PACKET_OTHERHOST),
		SET(2, PACKET_HOST),
		CALL(BPF_FUNC_skb_change_type),
		SET(1, to),
		SET(2, 0),
		CALL(BPF_FUNC_redirect_peer),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bench_floor", "GPL", program,
			     sizeof(program) / sizeof(program[0]), NULL);
}

int main(int argc, char **argv)
{
	int from = argc == 3 ? (int)if_nametoindex(argv[1]) : 0, to = argc == 3 ? (int)if_nametoindex(argv[2]) : 0, fd;

	if (!from || !to) {
		fputs("usage: bench-floor FROM TO\n", stderr);
		return 2;
	}
	fd = load_redirect(to);
	if (fd < 0 || bpf_prog_attach(fd, from, TCX_INGRESS, 0) < 0) {
		perror("bench-floor");
		return 1;
	}
	return 0;
}
