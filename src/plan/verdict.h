/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * verdict: what happened to a packet, in one list of words for every driver, counter and
 * trace. Read by the kernel side too: plain C, no includes, no types beyond enums.
 *
 * Counters are named drop_<reason> and <verdict>.
 */

#define VERDICTS(X)                                                                                                    \
	X(DROP, "drop") /* with a reason */                                                                            \
	X(DELIVER, "deliver") /* to a port of this host */                                                             \
	X(SEND, "send") /* to a peer by tunnel */                                                                      \
	X(FLOOD, "flood") /* copies to ports here and to peers */                                                      \
	X(ANSWER, "answer") /* turned round: ARP, echo reply, ICMP error */                                            \
	X(PASS, "pass") /* not ours: left to the host's own stack */

#define DROP_REASONS(X)                                                                                                \
	X(NONE, "none")                                                                                                \
	X(MALFORMED, "malformed") /* truncated, or lengths that contradict each other */                               \
	X(VLAN_TAGGED, "vlan_tagged") /* a VM sent a tagged frame */                                                   \
	X(IPV6, "ipv6") /* not checked yet, so not forwarded */                                                        \
	X(ETHERTYPE, "ethertype") /* neither IPv4 nor ARP */                                                           \
	X(PORT_UNKNOWN, "port_unknown") /* a device that no port of the plan has */                                    \
	X(PORT_DOWN, "port_down") /* admin_state_up is false */                                                        \
	X(PORT_MISSING, "port_missing") /* the port's device is not there */                                           \
	X(SPOOF_MAC, "spoof_mac") /* source MAC is not the port's, or is a group */                                    \
	X(SPOOF_IP, "spoof_ip") /* source address is not the port's */                                                 \
	X(SPOOF_ARP, "spoof_arp") /* sender fields of ARP are not the port's */                                        \
	X(TUNNEL_PEER, "tunnel_peer") /* the outer source is no peer */                                                \
	X(TUNNEL_SEGMENT, "tunnel_segment") /* no network has this VNI here */                                         \
	X(TUNNEL_SOURCE, "tunnel_source") /* that peer may not send from this MAC here */                              \
	X(TUNNEL_GROUP, "tunnel_group") /* a routed frame (DVR source) to a group */                                   \
	X(TUNNEL_REMOTE, "tunnel_remote") /* came by tunnel for a MAC that is not here */                              \
	X(GATEWAY_MAC, "gateway_mac") /* a distributed interface's MAC on an uplink */                                 \
	X(INTERFACE_DOWN, "interface_down") /* the router part does not live here */                                   \
	X(UNKNOWN_MAC, "unknown_mac") /* no such MAC in the network */                                                 \
	X(RESERVED_MAC, "reserved_mac") /* 01:80:c2:00:00:0x: never forwarded */                                       \
	X(ROUTER_ADDRESS, "router_address") /* to an address of the router, not an echo */                             \
	X(NO_ROUTE, "no_route")                                                                                        \
	X(NO_NEIGHBOUR, "no_neighbour")                                                                                \
	X(TTL, "ttl") /* used up, and no error was sent */                                                             \
	X(TOO_BIG, "too_big") /* beyond the MTU, and no error was sent */                                              \
	X(NOT_ROUTED, "not_routed") /* multicast, broadcast, 169.254/16, 127/8, 0/8 */                                 \
	X(IP_OPTIONS, "ip_options") /* header options are not routed */                                                \
	X(LOOP, "loop") /* more than 8 routers in a row on one host */                                                 \
	X(ENCAP, "encap") /* the tunnel header could not be pushed */                                                  \
	X(REDIRECT, "redirect") /* the kernel refused the device */                                                    \
	X(RATE, "rate") /* an answer or a broadcast frame over the port's rate */

enum verdict {
#define X(name, text) VERDICT_##name,
	VERDICTS(X)
#undef X
		VERDICT_COUNT
};

enum drop_reason {
#define X(name, text) DROP_##name,
	DROP_REASONS(X)
#undef X
		DROP_COUNT
};

#define ROUTE_MAX_HOPS 8 /* routers in a row on one host, then DROP_LOOP */
