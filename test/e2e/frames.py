# SPDX-License-Identifier: Apache-2.0
"""Frames written by hand into a VM's card or a host's uplink, and what comes back."""

import select
import time

from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

PACKET_OUTGOING = 4


def send(where, frame, device="eth0"):
    """Puts bytes or a scapy frame on a device: as a guest kernel would send it, or a stranger on the wire."""
    with where.packet_socket(device) if hasattr(where, "holder") else where.packet_socket() as s:
        s.send(bytes(frame))


def receive(s, wanted, count, seconds):
    """Frames that came in (not what we sent), decoded, until there are `count` of them."""
    found, end = [], time.monotonic() + seconds
    while len(found) < count:
        left = end - time.monotonic()
        if left <= 0 or not select.select([s], [], [], left)[0]:
            break
        raw, address = s.recvfrom(65536)
        if address[2] != PACKET_OUTGOING:
            p = Ether(raw)
            if wanted(p):
                found.append(p)
    return found


def ask(vm, frame, wanted, count, seconds=3):
    with vm.packet_socket() as s:
        s.send(bytes(frame))
        found = receive(s, wanted, count, seconds)
    assert len(found) == count, f"{vm.name}: {len(found)} answers of {count}"
    return found


def quiet(lab, vm, frame, unwanted):
    """Whether nothing unwanted comes in answer to the frame.

    The end is known, not guessed: the gateway's echo reply to a ping sent after the frame is the last word."""
    gateway = vm.data["routes"][0].split()[-1]
    mac = gateway_mac(vm, gateway)
    ping = Ether(src=vm.mac, dst=mac) / IP(src=vm.ip, dst=gateway) / ICMP(id=0x7e57, seq=1) / b"last"
    with vm.packet_socket() as s:
        s.send(bytes(frame))
        s.send(bytes(ping))
        seen = receive(s, lambda p: unwanted(p) or (ICMP in p and p[ICMP].type == 0 and p[ICMP].id == 0x7e57), 1, 5)
    assert seen, f"{vm.name}: the gateway did not answer"
    return not unwanted(seen[0])


def gateway_mac(vm, gateway):
    vm.popen("ping", "-n", "-q", "-c", "1", "-W", "2", gateway, stdout=-3).wait()
    for line in vm.run("ip", "neigh", "show", gateway).splitlines():
        words = line.split()
        if "lladdr" in words:
            return words[words.index("lladdr") + 1]
    raise AssertionError(f"{vm.name} does not know {gateway}")
