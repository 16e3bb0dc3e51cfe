/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "driver/fake/forward.h"
#include "fuzz.h"
#include "net/packet.h"
#include "plan/plan.h"

/*
 * A frame, as a VM or another host can make it, through the reference forwarder. The first byte says where it comes
 * from. A router's MAC is never on the tunnel; what comes by tunnel goes to ports only.
 */

static const char text[] = "host host=1 tunnel=192.0.2.1 dvr_mac=fa:16:3f:00:00:01\n"
			   "peer host=2 tunnel=192.0.2.2 dvr_mac=fa:16:3f:00:00:02\n"
			   "segment type=vxlan id=100 network=10 mtu=1450\n"
			   "segment type=vxlan id=200 network=20 mtu=1400\n"
			   "member router=1 host=2\n"
			   "port port=11 network=10 mac=fa:16:3e:00:00:0b addrs=10.0.1.11\n"
			   "port port=12 network=10 mac=fa:16:3e:00:00:0c security=no\n"
			   "port port=21 network=20 mac=fa:16:3e:00:00:15 addrs=10.0.2.21\n"
			   "fdb network=10 mac=fa:16:3e:00:00:0b port=11\n"
			   "fdb network=10 mac=fa:16:3e:00:00:0c port=12\n"
			   "fdb network=10 mac=fa:16:3e:00:00:6f peer=2\n"
			   "fdb network=20 mac=fa:16:3e:00:00:15 port=21\n"
			   "fdb network=20 mac=fa:16:3e:00:00:79 peer=2\n"
			   "neighbour network=10 ip=10.0.1.1 mac=fa:16:3e:ff:01:01\n"
			   "neighbour network=10 ip=10.0.1.11 mac=fa:16:3e:00:00:0b\n"
			   "neighbour network=10 ip=10.0.1.111 mac=fa:16:3e:00:00:6f\n"
			   "neighbour network=20 ip=10.0.2.21 mac=fa:16:3e:00:00:15\n"
			   "neighbour network=20 ip=10.0.2.121 mac=fa:16:3e:00:00:79\n"
			   "flood network=10 host=2\n"
			   "subnet network=10 prefix=10.0.1.0/24 mac=fa:16:3e:ff:01:01\n"
			   "subnet network=20 prefix=10.0.2.0/24 mac=fa:16:3e:ff:02:01\n"
			   "route router=1 prefix=10.0.1.0/24 network=10 interface=fa:16:3e:ff:01:01\n"
			   "route router=1 prefix=10.0.2.0/24 network=20 interface=fa:16:3e:ff:02:01\n"
			   "interface network=10 mac=fa:16:3e:ff:01:01 router=1 addrs=10.0.1.1/24\n"
			   "interface network=20 mac=fa:16:3e:ff:02:01 router=1 addrs=10.0.2.1/24\n";

static struct plan *plan;

static void check_out(const struct forward_in *in, const struct forward_out *out)
{
	static const uint8_t gateway[4] = { 0xfa, 0x16, 0x3e, 0xff };

	if (out->port)
		return;
	if (!in->port || out->len < ETH_SIZE || memcmp(out->frame, gateway, sizeof(gateway)) == 0 ||
	    memcmp(out->frame + 6, gateway, sizeof(gateway)) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ports[] = { 11, 12, 21, 0 };
	struct forward_in in = { .type = PLAN_SEGMENT_VXLAN };
	struct forward_result result;
	_cleanup_(freep) uint8_t *frame = NULL;

	if (size == 0)
		return 0;
	if (!plan && plan_parse(text, &plan, NULL) < 0)
		abort();
	/* Of its own size, so that reading behind the end is seen. */
	frame = xmemdup(data + 1, size - 1);
	in.port = ports[data[0] % N_ELEMENTS(ports)];
	in.tunnel = ip_from_v4(0xc0000202);
	in.id = data[0] & 0x80 ? 200 : 100;
	in.frame = frame;
	in.len = size - 1;
	forward_run(plan, NULL, &in, &result);
	for (size_t i = 0; i < result.n_outs; i++)
		check_out(&in, &result.outs[i]);
	forward_result_fini(&result);
	return 0;
}
