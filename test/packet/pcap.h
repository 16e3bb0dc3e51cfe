/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pcap: frames out of a capture that another process writes, as they come (the tx_pcap of Open vSwitch's dummy
 * ports, which is flushed with each frame).
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct pcap {
	int fd;
	off_t at; /* of the next frame */
};

int pcap_open(struct pcap *p, const char *path, struct err *err);
void pcap_close(struct pcap *p);
/* 1: the next frame, the caller's; 0: there is none; -EBADMSG: that is no capture, or it was cut off. */
int pcap_next(struct pcap *p, uint8_t **ret, size_t *ret_len, struct err *err);
