/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* icmp_error: what a router answers about an IPv4 packet that it cannot forward. Nothing here allocates. */

#include "net/packet.h"

#define ICMP_ERROR_MAX (ETH_SIZE + IPV4_SIZE + ICMP_SIZE + 60 + 8) /* it quotes the header and 8 bytes */

/*
 * Writes the frame that goes back to who sent this one, with the address `from` as its source (TTL 64, ToS 0xc0).
 * Returns its length; 0 when none may be sent (RFC 1122, 3.2.2): about an ICMP error, a later fragment, a packet with
 * less than 8 bytes behind its header, or what is no IPv4.
 */
size_t icmp_error(const uint8_t *frame, size_t len, const struct ip *from, const struct icmp *what,
		  uint8_t ret[ICMP_ERROR_MAX]);
