# SPDX-License-Identifier: Apache-2.0
"""A VM behind a tap is served like one behind a veth, whatever its driver negotiates."""

import queue
import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from lab.base import until
from tap import FINISHED_ONLY, TUN_F_CSUM, TUN_F_TSO4, tap_guest


@pytest.fixture(params=[0, pytest.param(TUN_F_CSUM | TUN_F_TSO4, marks=FINISHED_ONLY)], ids=["no offloads", "csum and tso"])
def guest(request, watched):
    with tap_guest(watched, "green", "compute2", request.param) as vm:
        yield vm
        assert [str(f) for f in vm.bad] == []


@pytest.mark.parametrize("peer", ["green2", "blue2", "green1", "blue1"])
def test_answers_ping(watched, guest, peer):
    watched.sees(getattr(watched, peer), guest.ip, 3)


@pytest.mark.parametrize("peer", ["green2", "blue2", "green1", "blue1"])
def test_udp_arrives_with_right_checksums(watched, guest, peer):
    peer = getattr(watched, peer)
    with peer.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        got = []
        for i in range(100):
            s.sendto(i.to_bytes(2, "big") * 700, (guest.ip, 7300))
            if i % 20 == 19: # a packet socket that is not read holds some 90 of them
                got += [guest.udp.get(timeout=5) for _ in range(20)]
    assert [int.from_bytes(f.payload[:2], "big") for f in got] == list(range(100))
    routed = peer.data["network"] == "blue"
    assert {f.ttl for f in got} == {63 if routed else 64}
    assert {f.src for f in got} == {watched.gateway_mac("green") if routed else peer.mac}


@pytest.mark.parametrize("peer", ["blue2", "blue1"])
def test_its_packets_are_routed(watched, guest, peer):
    peer = getattr(watched, peer)
    frame = Ether(src=guest.mac, dst=watched.gateway_mac("green"))
    with peer.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((peer.ip, 7301))
        s.settimeout(5)
        for i in range(20):
            guest.send(frame / IP(src=guest.ip, dst=peer.ip) / UDP(sport=7, dport=7301) / bytes([i]))
        assert [s.recv(100)[0] for _ in range(20)] == list(range(20))


def test_it_may_not_spoof(watched, guest):
    before = watched.counters("compute2").get("drop_spoof_ip", 0)
    frame = Ether(src=guest.mac, dst=watched.gateway_mac("green"))
    guest.send(frame / IP(src=watched.nobodys_ip("green"), dst=watched.blue1.ip) / UDP(sport=7, dport=7))
    until("it is counted", lambda: watched.counters("compute2").get("drop_spoof_ip", 0) == before + 1, 10)
    with pytest.raises(queue.Empty):
        guest.other.get_nowait()
