# SPDX-License-Identifier: Apache-2.0
"""Networks of different MTU behind one router: a packet too big is told so, by the gateway, on the sender's host."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from fabric import CIDRS
from frames import ask
from lab.traffic import ping, transfer


@pytest.fixture(scope="module")
def narrow(fabric):
    """A network of MTU 1400 behind the same router, with a VM on each host."""
    CIDRS["narrow"] = "10.0.3.0/24"
    try:
        fabric.networks["narrow"] = fabric.api.create("networks", name="narrow", mtu=1400)
        fabric.subnets["narrow"] = fabric.api.create("subnets", network_id=fabric.networks["narrow"]["id"],
                                                     cidr=CIDRS["narrow"], ip_version=4)
        fabric.add_interface("narrow")
        for i in (1, 2):
            fabric.lab.boot(f"narrow{i}", "narrow", f"compute{i}")
        yield fabric
    finally:
        del CIDRS["narrow"]


@pytest.mark.parametrize("b", ["narrow1", "narrow2"])
def test_too_big_with_df_is_told(narrow, watched, b):
    a, b = watched.blue1, getattr(watched, b)
    frame = Ether(src=a.mac, dst=watched.gateway_mac("blue"))
    packet = IP(src=a.ip, dst=b.ip, flags="DF") / UDP(sport=5, dport=6) / bytes(1401 - 28)
    answer, = ask(a, frame / packet, lambda p: ICMP in p and p[IP].dst == a.ip, 1)
    assert (answer[ICMP].type, answer[ICMP].code, answer[ICMP].nexthopmtu) == (3, 4, 1400)
    assert answer[IP].src == watched.gateway_ip("blue")
    assert watched.tenant("compute1") == []


@pytest.mark.parametrize("b", ["narrow1", "narrow2"])
def test_sizes_up_to_the_smaller_mtu(narrow, watched, b):
    b = getattr(watched, b)
    assert ping(watched.blue1, b.ip, 2, options=["-M", "do", "-s", "1372"]) == (2, 2)


@pytest.mark.parametrize("a,b", [("blue1", "narrow1"), ("blue1", "narrow2"), ("narrow2", "green1")])
def test_tcp_finds_the_smaller_mtu(narrow, watched, a, b):
    transfer(getattr(watched, a), getattr(watched, b), 4 << 20)


def test_no_route_is_told(watched):
    a = watched.blue1
    frame = Ether(src=a.mac, dst=watched.gateway_mac("blue")) / IP(src=a.ip, dst="203.0.113.9") / UDP(sport=5, dport=6) / b"x"
    answer, = ask(a, frame, lambda p: ICMP in p and p[IP].dst == a.ip, 1)
    assert answer[IP].src == watched.gateway_ip("blue") and (answer[ICMP].type, answer[ICMP].code) == (3, 0)
