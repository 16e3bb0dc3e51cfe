/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ovs/tables.h"

static const char *const names[N_TABLES] = {
	[TABLE_CLASSIFY] = "classify",
	[TABLE_PEER] = "peer",
	[TABLE_SEGMENT] = "segment",
	[TABLE_TUNNEL_ETH] = "tunnel_eth",
	[TABLE_TUNNEL_SOURCE] = "tunnel_source",
	[TABLE_MEMBER] = "member",
	[TABLE_TUNNEL_PAYLOAD] = "tunnel_payload",
	[TABLE_PORT] = "port",
	[TABLE_SOURCE_MAC] = "source_mac",
	[TABLE_PAYLOAD] = "payload",
	[TABLE_SOURCE_ARP] = "source_arp",
	[TABLE_SOURCE_IP] = "source_ip",
	[TABLE_ARP] = "arp",
	[TABLE_ARP_ANSWER] = "arp_answer",
	[TABLE_SWITCH] = "switch",
	[TABLE_ROUTER] = "router",
	[TABLE_ADDRESS] = "address",
	[TABLE_ECHO] = "echo",
	[TABLE_ROUTE] = "route",
	[TABLE_TTL] = "ttl",
	[TABLE_MTU] = "mtu",
	[TABLE_SIZE] = "size",
	[TABLE_NEIGHBOUR] = "neighbour",
	[TABLE_NEXT] = "next",
	[TABLE_HOP] = "hop",
	[TABLE_FDB] = "fdb",
	[TABLE_DELIVER] = "deliver",
	[TABLE_GATEWAY] = "gateway",
	[TABLE_GATEWAY_FIRST] = "gateway_first",
	[TABLE_OUT] = "out",
	[TABLE_SEND] = "send",
	[TABLE_SEND_PEER] = "send_peer",
	[TABLE_SEND_OUT] = "send_out",
	[TABLE_FLOOD] = "flood",
	[TABLE_FLOOD_PORTS] = "flood_ports",
	[TABLE_FLOOD_PORT] = "flood_port",
	[TABLE_FLOOD_SEGMENT] = "flood_segment",
	[TABLE_FLOOD_PEERS] = "flood_peers",
	[TABLE_FLOOD_PEER] = "flood_peer",
	[TABLE_ERROR] = "error",
	[TABLE_COUNT] = "count",
	[TABLE_DROP] = "drop",
};

const char *table_name(enum table table)
{
	return names[table];
}
