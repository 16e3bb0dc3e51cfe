/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pipeline_parts: the pipeline's files, each with the tables of one part of the way: what is always there, and for
 * each record that says something there a function. Inside driver/ovs only.
 */

#include "driver/ovs/make.h"

/* pipeline_arrive.c: until it is known whom a packet comes from. */
void pipeline_arrive_static(const struct maker *m);
void pipeline_arrive_host(const struct maker *m, const struct plan_host *h);
void pipeline_arrive_peer(const struct maker *m, const struct plan_peer *p);
void pipeline_arrive_segment(const struct maker *m, const struct plan_segment *s);
void pipeline_arrive_port(const struct maker *m, const struct plan_port *p);
void pipeline_arrive_fdb(const struct maker *m, const struct plan_fdb *f);
void pipeline_arrive_interface(const struct maker *m, const struct plan_interface *i);
void pipeline_arrive_network_routers(const struct maker *m, uint32_t network, const uint32_t *routers, size_t n);
void pipeline_arrive_peer_routers(const struct maker *m, uint32_t peer, const uint32_t *routers, size_t n);

/* pipeline_answer.c: what goes back. */
void pipeline_answer_static(const struct maker *m);
void pipeline_answer_port(const struct maker *m, const struct plan_port *p);
void pipeline_answer_neighbour(const struct maker *m, const struct plan_neighbour *n);
void pipeline_answer_interface(const struct maker *m, const struct plan_interface *i);

/* pipeline_switch.c: by destination MAC; floods. */
void pipeline_switch_static(const struct maker *m);
void pipeline_switch_port(const struct maker *m, const struct plan_port *p);
void pipeline_switch_peer(const struct maker *m, const struct plan_peer *p);
void pipeline_switch_segment(const struct maker *m, const struct plan_segment *s);
void pipeline_switch_fdb(const struct maker *m, const struct plan_fdb *f);
void pipeline_switch_interface(const struct maker *m, const struct plan_interface *i);
void pipeline_switch_flood_ports(const struct maker *m, uint32_t network, const uint32_t *ports, size_t n);
void pipeline_switch_flood_peers(const struct maker *m, uint32_t network, const uint32_t *peers, size_t n);

/* pipeline_route.c: routers. */
void pipeline_route_static(const struct maker *m);
void pipeline_route_segment(const struct maker *m, const struct plan_segment *s);
void pipeline_route_neighbour(const struct maker *m, const struct plan_neighbour *n);
void pipeline_route_route(const struct maker *m, const struct plan_route *r);
void pipeline_route_interface(const struct maker *m, const struct plan_interface *i);

/* pipeline_out.c: the last steps of a single frame. */
void pipeline_out_static(const struct maker *m);
void pipeline_out_host(const struct maker *m, const struct plan_host *h);
void pipeline_out_peer(const struct maker *m, const struct plan_peer *p);
void pipeline_out_segment(const struct maker *m, const struct plan_segment *s);
void pipeline_out_subnet(const struct maker *m, const struct plan_subnet *s);
void pipeline_out_port(const struct maker *m, const struct plan_port *p);
