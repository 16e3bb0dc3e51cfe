# SPDX-License-Identifier: Apache-2.0
"""What a test run of the programs cannot show: the outer header beside that of the kernel's own tunnels, super-packets,
and a VM's own tunnels in ours."""

import contextlib
import socket
import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from frames import send
from lab.base import until
from lab.traffic import transfer
from tap import FINISHED_ONLY, HEADER, NEEDS_CSUM, TUN_F_CSUM, TUN_F_TSO4, tap_guest
from test_guard import EVERYONE

NOT_ECT, ECT1, ECT0, CE = range(4)
GSO_TCPV4 = 1


def outer_tos(fabric, port):
    return {f.raw[15] for f in fabric.tenant("compute1") if f.inner.dport == port}


@pytest.mark.parametrize("ecn,outer", [(NOT_ECT, NOT_ECT), (ECT1, ECT1), (ECT0, ECT0), (CE, ECT0)])
def test_ecn_goes_into_the_outer_header(watched, ecn, outer):
    """Of a single station's frames we push that header; a flooded frame gets it from the kernel's device."""
    a, b, tos = watched.blue1, watched.blue2, 0xb8 | ecn
    send(a, Ether(src=a.mac, dst=b.mac) / IP(src=a.ip, dst=b.ip, tos=tos) / UDP(sport=5, dport=7401) / b"hand")
    send(a, Ether(src=a.mac, dst=EVERYONE) / IP(src=a.ip, dst="10.0.1.255", tos=tos) / UDP(sport=5, dport=7402) / b"device")
    until("both are on the wire", lambda: outer_tos(watched, 7401) and outer_tos(watched, 7402), 10)
    assert outer_tos(watched, 7401) == outer_tos(watched, 7402) == {outer}


@pytest.mark.parametrize("inner,outer,arrives", [(ECT0, CE, CE), (ECT1, CE, CE), (CE, ECT0, CE), (ECT0, ECT0, ECT0),
                                                 (NOT_ECT, NOT_ECT, NOT_ECT), (NOT_ECT, CE, None)])
def test_a_congestion_mark_of_the_underlay_arrives(fabric, inner, outer, arrives):
    """RFC 6040. Where the sender does not know ECN, the mark is a loss."""
    a, other = fabric.blue1, fabric.blue2

    def frame(tos, text):
        return Ether(src=other.mac, dst=a.mac) / IP(src=other.ip, dst=a.ip, tos=tos) / UDP(sport=1, dport=7403) / text

    def seen(text):
        return [f.raw[15] for f in c.frames() if f.payload == text]

    with fabric.lab.capture_vm("blue1", "udp port 7403") as c, \
         fabric.lab.host("compute2").need().socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for tos, inside in ((outer, frame(inner, b"marked")), (0, frame(0, b"last"))):
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            s.sendto(struct.pack("!BxxxI", 8, fabric.vni("blue") << 8) + bytes(inside), ("172.20.0.11", 4789))
        until("the last one arrives", lambda: seen(b"last"), 10)
        assert seen(b"marked") == ([] if arrives is None else [arrives])


# ---- a VM's own tunnel ----

class Nested:
    """A VM, by the address that it has in a tunnel of its own."""

    def __init__(self, vm, ip, remote):
        self.name, self.ip, self.socket, self.popen = vm.name, ip, vm.socket, vm.popen
        self.vm = vm
        vm.run("ip", "link", "add", "nest", "type", "vxlan", "id", "7", "local", vm.ip, "remote", remote.ip, "dstport", "8472",
               "dev", "eth0")
        vm.run("ip", "addr", "add", f"{ip}/24", "dev", "nest")
        vm.run("ip", "link", "set", "nest", "mtu", "1400", "up")

    def end(self):
        self.vm.run("ip", "link", "del", "nest")


@pytest.mark.parametrize("b", ["blue2", "green2", "green1"])
def test_a_tunnel_of_the_vms_themselves(watched, b):
    """Its super-packets are encapsulated once already when they come to us."""
    a, b = watched.blue1, getattr(watched, b)
    before = watched.counters("compute1").get("drop_encap", 0)
    with contextlib.ExitStack() as stack:
        ends = []
        for vm, ip, remote in ((a, "10.99.0.1", b), (b, "10.99.0.2", a)):
            ends.append(Nested(vm, ip, remote))
            stack.callback(ends[-1].end)
        transfer(*ends, 4 << 20)
        transfer(*reversed(ends), 4 << 20)
    assert watched.counters("compute1").get("drop_encap", 0) == before


# ---- the largest super-packet ----

@pytest.fixture
def guest(watched):
    with tap_guest(watched, "green", "compute2", TUN_F_CSUM | TUN_F_TSO4) as vm:
        yield vm


@FINISHED_ONLY
@pytest.mark.parametrize("peer", ["green1", "blue1", "blue2"])
@pytest.mark.parametrize("length", [65535, 65480, 65430, 1500 * 30])
def test_the_largest_super_packet_arrives_whole(watched, guest, peer, length):
    """With the outer headers it is longer than their length field can tell."""
    peer = getattr(watched, peer)
    routed = peer.data["network"] == "blue"
    mac = watched.gateway_mac("green") if routed else peer.mac
    data = bytes(i * 7 % 251 for i in range(length - 40))
    packet = IP(src=guest.ip, dst=peer.ip) / TCP(sport=9, dport=7404, seq=1000, flags="A") / data
    frame = bytearray(bytes(Ether(src=guest.mac, dst=mac) / packet))
    # The checksum field of a packet to be finished later holds the pseudo header's sum.
    pseudo = frame[26:34] + struct.pack("!BBH", 0, 6, length - 20)
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    struct.pack_into("!H", frame, 50, (total & 0xffff) + (total >> 16))
    with watched.lab.capture_vm(peer.name, "tcp dst port 7404") as c:
        guest.send(frame, HEADER.pack(NEEDS_CSUM, GSO_TCPV4, 54, 1370, 34, 16))

        def arrived():
            got = {f.raw[38:42]: f.payload for f in c.frames()}
            return b"".join(got[seq] for seq in sorted(got))

        until(f"all {len(data)} bytes arrive", lambda: arrived() == data, 10)
