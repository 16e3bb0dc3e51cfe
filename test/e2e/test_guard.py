# SPDX-License-Identifier: Apache-2.0
"""What a VM or a host may not send is dropped where it arrives, and counted by its reason."""

import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from frames import send
from lab.base import until

STRANGER = "fa:16:3e:00:99:99"
EVERYONE = "ff:ff:ff:ff:ff:ff"
TIMES = 5


def foreign(fabric, capture, sent):
    """What a VM's card saw that neither it nor its neighbour table's own upkeep (ARP for its own sake) explains."""
    mac = getattr(fabric, capture.name).mac
    return [str(f) for f in capture.frames() if not (f.src == mac and f.dst != mac)
            and (f.arp_op is None or f.raw[14:34] == sent[14:34])]


def expect_drop(fabric, host, reason, act, victims, sent):
    """act() sends `sent`, TIMES times: the counter rises by as many, and nothing gets anywhere."""
    name = f"drop_{reason}"
    before = fabric.counters(host).get(name, 0)
    wire = {h: len(fabric.tenant(h)) for h in ("compute1", "compute2")}
    captures = [fabric.lab.capture_vm(v) for v in victims]
    try:
        for _ in range(TIMES):
            act()
        counted = until(f"{name} on {host} rises from {before} to {before + TIMES}",
                        lambda: (now := fabric.counters(host).get(name, 0)) >= before + TIMES and now, 5)
        assert counted == before + TIMES
        for c in captures:
            assert foreign(fabric, c, bytes(sent)) == [], f"arrived at {c.name}"
    finally:
        for c in captures:
            c.close()
    return {h: len(fabric.tenant(h)) - wire[h] for h in wire}


def from_vm(f, case):
    """The frames of blue1 that must not go anywhere."""
    a, local, remote, routed = f.blue1, f.green1, f.blue2, f.green2
    gateway = f.gateway_mac("blue")
    good, to_gateway = Ether(src=a.mac, dst=remote.mac), Ether(src=a.mac, dst=gateway)
    ip = IP(src=a.ip, dst=remote.ip)
    echo = ICMP() / (b"x" * 20)
    arp = Ether(src=a.mac, dst=EVERYONE)
    return {
        "mac of a neighbour": ("spoof_mac", Ether(src=remote.mac, dst=remote.mac) / ip / echo),
        "mac of the gateway": ("spoof_mac", Ether(src=gateway, dst=remote.mac) / ip / echo),
        "group mac": ("spoof_mac", Ether(src="01:00:5e:00:00:01", dst=remote.mac) / ip / echo),
        "stranger's mac": ("spoof_mac", Ether(src=STRANGER, dst=remote.mac) / ip / echo),
        "ip of nobody": ("spoof_ip", good / IP(src=f.nobodys_ip("blue"), dst=remote.ip) / echo),
        "ip of the gateway": ("spoof_ip", good / IP(src=f.gateway_ip("blue"), dst=remote.ip) / echo),
        "routed, ip of another network": ("spoof_ip", to_gateway / IP(src=local.ip, dst=routed.ip) / echo),
        "arp reply for a neighbour": ("spoof_arp", arp / ARP(op=2, hwsrc=a.mac, psrc=remote.ip, pdst=a.ip)),
        "arp reply for the gateway": ("spoof_arp", arp / ARP(op=2, hwsrc=a.mac, psrc=f.gateway_ip("blue"), pdst=a.ip)),
        "arp with another mac inside": ("spoof_arp", arp / ARP(op=1, hwsrc=STRANGER, psrc=a.ip, pdst=remote.ip)),
        "tagged": ("vlan_tagged", Ether(src=a.mac, dst=remote.mac) / Dot1Q(vlan=7) / ip / echo),
        "ipv6": ("ipv6", good / IPv6(src="fe80::1", dst="fe80::2") / b"x"),
        "other ethertype": ("ethertype", Ether(src=a.mac, dst=remote.mac, type=0x1234) / Raw(b"x" * 46)),
        "unknown mac": ("unknown_mac", Ether(src=a.mac, dst=STRANGER) / ip / echo),
        "no neighbour": ("no_neighbour", to_gateway / IP(src=a.ip, dst=f.nobodys_ip("green")) / echo),
        "multicast to the gateway": ("not_routed", to_gateway / IP(src=a.ip, dst="224.0.0.5") / echo),
        "link-local to the gateway": ("not_routed", to_gateway / IP(src=a.ip, dst="169.254.1.1") / echo),
        "tcp to the gateway": ("router_address", to_gateway / IP(src=a.ip, dst=f.gateway_ip("blue")) / TCP(dport=22)),
        "options, routed": ("ip_options", to_gateway / IP(src=a.ip, dst=routed.ip,
                                                          options=IPOption_RR(routers=["0.0.0.0"] * 3)) / echo),
        "only an ethernet header": ("malformed", bytes(Ether(src=a.mac, dst=remote.mac, type=0x0800))),
        "half an ip header": ("malformed", bytes(good / ip)[:14 + 10]),
        "ip longer than the frame": ("malformed", bytes(good / IP(src=a.ip, dst=remote.ip, len=500) / echo)),
        "ip header too short": ("malformed", bytes(good / IP(src=a.ip, dst=remote.ip, ihl=4) / echo)),
        "half an arp": ("malformed", bytes(arp / ARP(op=1, hwsrc=a.mac, psrc=a.ip, pdst=remote.ip))[:14 + 20]),
    }[case] if case else None


CASES = ["mac of a neighbour", "mac of the gateway", "group mac", "stranger's mac", "ip of nobody", "ip of the gateway",
         "routed, ip of another network", "arp reply for a neighbour", "arp reply for the gateway",
         "arp with another mac inside", "tagged", "ipv6", "other ethertype", "unknown mac", "no neighbour",
         "multicast to the gateway", "link-local to the gateway", "tcp to the gateway",
         pytest.param("options, routed", marks=pytest.mark.only_on("ebpf", why="flows do not see IP options, docs/openflow.md")),
         "only an ethernet header", "half an ip header", "ip longer than the frame", "ip header too short", "half an arp"]


@pytest.mark.parametrize("case", CASES)
def test_from_a_vm(watched, case):
    reason, frame = from_vm(watched, case)
    gone = expect_drop(watched, "compute1", reason, lambda: send(watched.blue1, frame), ["green1", "blue2", "green2"], frame)
    assert gone == {"compute1": 0, "compute2": 0}, "nothing of it on the wire"
    watched.sees(watched.blue1, watched.green2.ip, 1)


def test_source_zero_may_only_ask_for_an_address(watched):
    """0.0.0.0 is DHCP's before there is an address; for anything else it is spoofed."""
    frame = Ether(src=watched.blue1.mac, dst=watched.blue2.mac) / IP(src="0.0.0.0", dst=watched.blue2.ip) / ICMP()
    expect_drop(watched, "compute1", "spoof_ip", lambda: send(watched.blue1, frame), ["blue2"], frame)


# ---- tunnels ----

def tunnel(fabric, host, vni, inner, flags=0x08):
    """Sends a VXLAN frame to compute1 from another host, as any program there could."""
    with fabric.lab.host(host).need().socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(struct.pack("!BxxxI", flags, vni << 8) + bytes(inner), ("172.20.0.11", 4789))


def from_tunnel(f, case):
    """(sending host, reason, VNI, inner frame) of what compute1 must not accept."""
    a, other, routed = f.blue1, f.blue2, f.green2
    blue, green = f.vni("blue"), f.vni("green")
    dvr = f.dvr_mac("compute2")
    ip = IP(src=other.ip, dst=a.ip) / ICMP()
    right = Ether(src=other.mac, dst=a.mac) / ip
    return {
        "a host that is no peer": ("network", "tunnel_peer", blue, right),
        "unknown segment": ("compute2", "tunnel_segment", 0xabcdef, right),
        "stranger's mac": ("compute2", "tunnel_source", blue, Ether(src=STRANGER, dst=a.mac) / ip),
        "mac of a VM here": ("compute2", "tunnel_source", green, Ether(src=f.green1.mac, dst=f.green1.mac) / ip),
        "mac in the wrong network": ("compute2", "tunnel_source", blue, Ether(src=routed.mac, dst=a.mac) / ip),
        "another host's dvr mac": ("compute2", "tunnel_source", blue, Ether(src=f.dvr_mac("compute1"), dst=a.mac) / ip),
        "dvr mac to everyone": ("compute2", "tunnel_group", blue, Ether(src=dvr, dst=EVERYONE) / ip),
        "to the gateway": ("compute2", "gateway_mac", blue, Ether(src=other.mac, dst=f.gateway_mac("blue")) / ip),
        "to a mac that is not here": ("compute2", "tunnel_remote", blue, Ether(src=dvr, dst=other.mac) / ip),
        "ip inside longer than the frame": ("compute2", "malformed", blue, bytes(
            Ether(src=other.mac, dst=a.mac) / IP(src=other.ip, dst=a.ip, len=500) / ICMP())),
    }[case]


TUNNEL_CASES = ["a host that is no peer", "unknown segment", "stranger's mac", "mac of a VM here", "mac in the wrong network",
                "another host's dvr mac", "dvr mac to everyone", "to the gateway", "to a mac that is not here",
                "ip inside longer than the frame"]


@pytest.fixture
def wired(fabric):
    """Captures without the invariants: these tests break them on purpose."""
    with fabric.watch():
        yield fabric


@pytest.mark.parametrize("case", TUNNEL_CASES)
def test_from_a_tunnel(wired, case):
    host, reason, vni, inner = from_tunnel(wired, case)
    expect_drop(wired, "compute1", reason, lambda: tunnel(wired, host, vni, inner), ["blue1", "green1"],
                inner)
    wired.sees(wired.blue1, wired.green2.ip, 1)


def test_the_right_frame_from_a_tunnel_is_accepted(wired):
    """The cases above fail for their one fault: without it the frame arrives."""
    a, other = wired.blue1, wired.blue2
    with wired.lab.capture_vm("blue1", "udp") as c:
        inner = Ether(src=other.mac, dst=a.mac) / IP(src=other.ip, dst=a.ip) / UDP(sport=1, dport=2) / b"right"
        tunnel(wired, "compute2", wired.vni("blue"), inner)
        until("it arrives", lambda: [f for f in c.frames() if f.payload == b"right"], 10)
