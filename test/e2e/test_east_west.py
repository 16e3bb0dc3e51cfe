# SPDX-License-Identifier: Apache-2.0
"""East-west traffic, routed and switched, on one host and between two, with and without offloads on the underlay."""

import itertools
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

from fabric import VMS
from frames import ask, quiet, receive, send
from lab.base import until
from lab.traffic import Stream, ping, transfer

PAIRS = [("blue1", "green1"), ("blue1", "green2"), ("blue1", "blue2"), ("green2", "blue1"), ("green2", "green1")]


# To a host with Open vSwitch the wire is plain anyway: where all are such, once is enough.
@pytest.fixture(scope="module", params=[pytest.param("offloads", marks=pytest.mark.only_on("ebpf", "mixed")), "plain"], autouse=True)
def wire(request, fabric):
    fabric.lab.offloads(request.param == "offloads")
    fabric.plain = request.param == "plain"
    yield request.param
    fabric.lab.offloads(True)
    fabric.plain = False


@pytest.mark.parametrize("a,b", PAIRS)
def test_ping(watched, a, b):
    a, b = getattr(watched, a), getattr(watched, b)
    watched.sees(a, b.ip, 5)
    expected = 0 if a.hostname == b.hostname else 10
    assert len([f for f in watched.tenant(a.hostname) if f.inner.proto == 1]) == expected


def test_all_pairs(watched):
    """One packet there and one back for each: what crosses, and how, is told by the captures of every uplink."""
    vms = [getattr(watched, name) for name, _, _ in VMS]
    for a, b in itertools.permutations(vms, 2):
        watched.sees(a, b.ip, 1)
    crossed = {(f.inner.ip_src, f.inner.ip_dst, f.vni, f.inner.src) for f in watched.tenant("compute1")}
    across = [(a, b) for a, b in itertools.permutations(vms, 2) if a.hostname != b.hostname]

    def source(a, b):
        return a.mac if a.data["network"] == b.data["network"] else watched.dvr_mac(a.hostname)

    assert crossed == {(a.ip, b.ip, watched.vni(b.data["network"]), source(a, b)) for a, b in across}
    assert len(watched.tenant("compute1")) == len(watched.tenant("compute2")) == 2 * len(across)


@pytest.mark.parametrize("a,b", PAIRS)
def test_tcp(watched, a, b):
    transfer(getattr(watched, a), getattr(watched, b), (1 if watched.plain else 8) << 20)


@pytest.mark.parametrize("a,b", [("blue1", "green1"), ("blue1", "green2"), ("green2", "blue1")])
def test_udp_loses_none(watched, a, b):
    with Stream(getattr(watched, a), getattr(watched, b), rate=1000, size=1400) as s:
        s.until_more(1000)
    assert watched.beyond_overflows(s.lost()) == [] and s.duplicates == 0 and s.refused == 0


@pytest.mark.parametrize("size", [0, 1, 1372, 1472])
def test_sizes_up_to_the_mtu(watched, size):
    for b in ("green1", "green2", "blue2"):
        assert ping(watched.blue1, getattr(watched, b).ip, 2, options=["-M", "do", "-s", str(size)]) == (2, 2)


def test_fragments_arrive_whole(watched):
    for b in ("green1", "green2", "blue2"):
        assert ping(watched.blue1, getattr(watched, b).ip, 2, options=["-s", "6000"]) == (2, 2)


def test_first_packet_is_not_lost(watched):
    """Nobody has to resolve anything first: one packet, one answer."""
    for vm in (watched.blue1, watched.green2):
        vm.run("ip", "neigh", "flush", "all")
    watched.sees(watched.blue1, watched.green2.ip, 1)


def test_every_gateway_of_the_router_answers_on_the_vms_own_host(watched):
    for vm in (watched.blue1, watched.green2):
        for network in ("blue", "green"):
            watched.sees(vm, watched.gateway_ip(network))
    assert watched.tenant("compute1") == [] and watched.tenant("compute2") == []


def test_the_gateway_answers_a_ping_in_fragments(watched):
    for network in ("blue", "green"):
        assert ping(watched.blue1, watched.gateway_ip(network), 3, options=["-s", "4000"]) == (3, 3)


@pytest.mark.parametrize("b", ["green1", "green2"])
def test_ttl_exceeded_comes_from_the_gateway(watched, b):
    """The first hop of a traceroute is the gateway, the second the VM."""
    a, b = watched.blue1, getattr(watched, b)
    hop = Ether(src=a.mac, dst=watched.gateway_mac("blue"))
    probe = IP(src=a.ip, dst=b.ip, ttl=1) / UDP(sport=33000, dport=33434) / b"probe"
    answer, = ask(a, hop / probe, lambda p: ICMP in p and p[IP].dst == a.ip, 1)
    assert answer[IP].src == watched.gateway_ip("blue") and answer[Ether].src == watched.gateway_mac("blue")
    assert (answer[ICMP].type, answer[ICMP].code) == (11, 0)
    quoted = answer[ICMP].payload
    assert (quoted.src, quoted.dst, quoted.dport) == (a.ip, b.ip, 33434)
    assert a.run("ip", "neigh") is not None and watched.tenant("compute1") == []
    probe.ttl = 2
    answer, = ask(a, hop / probe, lambda p: ICMP in p and p[IP].dst == a.ip, 1)
    assert answer[IP].src == b.ip and answer[ICMP].type == 3, "port unreachable, from the VM itself"


def test_errors_are_limited(watched):
    """A VM that asks for a thousand of them gets some at once, then few; others are not in their way."""
    a = watched.blue1
    probe = Ether(src=a.mac, dst=watched.gateway_mac("blue")) / IP(src=a.ip, dst=watched.green2.ip, ttl=1) / UDP(dport=33434)
    with a.packet_socket() as s, Stream(watched.green1, watched.green2, port=7010) as others:
        start = time.monotonic()
        for _ in range(1000):
            s.send(bytes(probe))
        others.until_more(500)
        told = len(receive(s, lambda p: ICMP in p and p[ICMP].type == 11, 1000, 0.5))
        took = time.monotonic() - start
    assert 50 <= told <= 50 + 100 * took + 10, f"{told} errors in {took:.2f} s"
    assert watched.beyond_overflows(others.lost()) == []


def test_ttl_falls_by_one_only_when_routed(watched):
    ends = {}
    for b in ("green1", "green2", "blue2"):
        with watched.lab.capture_vm(b, "icmp") as c:
            watched.sees(watched.blue1, getattr(watched, b).ip, 1)
            ends[b] = [f for f in c.frames() if f.ip_src == watched.blue1.ip][0]
    assert (ends["green1"].ttl, ends["green2"].ttl, ends["blue2"].ttl) == (63, 63, 64)
    assert ends["green1"].src == ends["green2"].src == watched.gateway_mac("green")
    assert ends["blue2"].src == watched.blue1.mac


def test_arp_for_known_addresses_is_answered_at_the_port(watched):
    a = watched.blue1
    for ip, mac in ((watched.gateway_ip("blue"), watched.gateway_mac("blue")), (watched.blue2.ip, watched.blue2.mac)):
        query = Ether(src=a.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=a.mac, psrc=a.ip, pdst=ip)
        answers = ask(a, query, lambda p: ARP in p and p[ARP].op == 2 and p[ARP].psrc == ip, 1)
        assert [p[ARP].hwsrc for p in answers] == [mac]
    assert [str(f) for host in ("compute1", "compute2") for f in watched.tenant(host)] == []


def test_own_address_probe_is_not_answered(watched):
    """Duplicate address detection: an answer would make a VM give up its own address."""
    a = watched.blue1
    probe = Ether(src=a.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=a.mac, psrc="0.0.0.0", pdst=a.ip)
    assert quiet(watched.lab, a, probe, lambda p: ARP in p and p[ARP].op == 2)


def test_broadcast_reaches_each_of_its_network_once(watched):
    a = watched.blue1
    frame = Ether(src=a.mac, dst="ff:ff:ff:ff:ff:ff") / IP(src=a.ip, dst="10.0.1.255") / UDP(sport=5, dport=6) / b"all"
    captures = {v: watched.lab.capture_vm(v, "udp") for v in ("blue2", "green1", "green2")}
    try:
        send(a, frame)
        until("blue2 has it", lambda: captures["blue2"].frames(), 10)
        watched.sees(a, watched.blue2.ip, 1) # what comes after it is there: so is all that came of it
        assert {v: len(c.frames()) for v, c in captures.items()} == {"blue2": 1, "green1": 0, "green2": 0}
    finally:
        for c in captures.values():
            c.close()


def test_network_node_sees_nothing(watched):
    for a, b in PAIRS:
        watched.sees(getattr(watched, a), getattr(watched, b).ip, 1)
    assert watched.tenant("network") == [] and watched.tenant("controller") == []
