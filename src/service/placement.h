/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * placement: which host needs what.
 *
 *   served port    bound, and no service of the network: its owner does not begin with "network:"
 *                  (but network:dhcp is served too with host_dvr_for_dhcp)
 *   component      routers that networks join, directly or through others
 *   lives(h, R)    R is up, h may have routers, and h has a served port with an address of a subnet on
 *                  which a router of R's component has an interface
 *   network N at h a port of N is bound at h, or a router with an interface on N lives at h
 *   router R at h  h needs a network of R
 *   peer P at h    h and P need a network in common
 *   host h at h    always
 *
 * A port counts where it is bound and where it is migrating to, on hosts that have registered.
 *
 * All of this is kept in rows and changed with its cause. What follows from what:
 *
 *   bind ───► presence(h, N) ──────────────────────────────────► needs(h, network N) ──► needs(h, router R)
 *   serve ──► served(h, S) ──► audience(component, h) ─► members(R, h) ─┘         └────► needs(h, peer P) both ways
 *
 * Each arrow is followed only when a count leaves or reaches zero, so one more port of a subnet
 * on a host that has one changes two rows.
 */

#include "service/internal.h"

bool placement_is_served(const struct service *s, const char *device_owner);
/* A port of the network was bound at the host (1), or left it (-1). */
int placement_bind(struct tx *tx, uint32_t host, uint32_t network, int by, struct err *err);
/* A served port at the host has an address of the subnet (1), or has it no longer (-1). */
int placement_serve(struct tx *tx, uint32_t host, uint32_t subnet, int by, struct err *err);
/* Nobody has an address of the subnet any more. */
int placement_forget_subnet(struct tx *tx, uint32_t subnet, struct err *err);
/* The port becomes an interface of the router, or ceases to be one, with the addresses that it has. Changes the
 * interface's rows too. */
int placement_link(struct tx *tx, uint32_t router, uint32_t port, uint32_t network, struct err *err);
int placement_unlink(struct tx *tx, uint32_t router, uint32_t port, uint32_t network, struct err *err);
/* The router's admin_state_up has changed. */
int placement_router(struct tx *tx, uint32_t router, bool up, struct err *err);
/* Whether the host may have routers has changed. */
int placement_host(struct tx *tx, uint32_t host, bool capable, struct err *err);
