# SPDX-License-Identifier: Apache-2.0
"""Packets off an uplink, decoded as far as the lab talks about them.

A Capture is exact: sync() sends a frame of its own out of the uplink (to the address that bridges never forward)
and waits until tcpdump has written it, so everything before it has been seen. No waiting by the clock."""

import dataclasses
import ipaddress
import os
import select
import signal
import struct
import subprocess
import threading

from .base import LabError

MARKER = b"\x01\x80\xc2\x00\x00\x0e" + b"\x02neutr" + b"\x88\xb5"
ETH_IP, ETH_ARP = 0x0800, 0x0806
VXLAN_PORT = 4789
COMMAND = ("tcpdump", "--immediate-mode", "-U", "-n", "-w", "-")


def mac_text(raw):
    return ":".join(f"{b:02x}" for b in raw)


def kind(raw):
    """What of a VXLAN frame over IPv4 does not change from packet to packet of a flow; others: all of it."""
    if raw[12:15] != b"\x08\x00\x45" or raw[23] != 17 or raw[36:38] != b"\x12\xb5":
        return raw
    ip = raw[64:84] # of the inner packet, if it is one: TTL, protocol and addresses count
    return raw[0:14] + raw[20:22] + raw[26:34] + raw[42:64] + (ip[8:10] + ip[12:] if raw[62:64] == b"\x08\x00" else raw[64:])


def checksum(data):
    """RFC 1071; 0 over something that holds its own right checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


@dataclasses.dataclass
class Frame:
    """An Ethernet frame, its IPv4 or ARP, its ports; for VXLAN to VXLAN_PORT the frame inside."""

    raw: bytes
    time: float = 0
    dst: str = ""
    src: str = ""
    ethertype: int = 0
    ip_src: str = None # ARP: the sender
    ip_dst: str = None # ARP: the target
    ttl: int = None
    df: bool = None
    proto: int = None
    fragment: bool = False
    sport: int = None
    dport: int = None
    payload: bytes = b"" # of UDP, TCP and ICMP (from the type on)
    arp_op: int = None
    vni: int = None
    inner: "Frame" = None

    @staticmethod
    def parse(raw, time=0):
        f = Frame(raw, time)
        if len(raw) < 14:
            return f
        f.dst, f.src = mac_text(raw[0:6]), mac_text(raw[6:12])
        f.ethertype = struct.unpack_from("!H", raw, 12)[0]
        if f.ethertype == ETH_IP and len(raw) >= 34:
            f._ip(raw[14:])
        elif f.ethertype == ETH_ARP and len(raw) >= 42:
            f.arp_op = struct.unpack_from("!H", raw, 20)[0]
            f.ip_src, f.ip_dst = str(ipaddress.ip_address(raw[28:32])), str(ipaddress.ip_address(raw[38:42]))
        return f

    def _ip(self, p):
        size = (p[0] & 15) * 4
        total = struct.unpack_from("!H", p, 2)[0]
        frag = struct.unpack_from("!H", p, 6)[0]
        self.df, self.fragment = bool(frag & 0x4000), bool(frag & 0x3fff)
        self.ttl, self.proto = p[8], p[9]
        self.ip_src, self.ip_dst = str(ipaddress.ip_address(p[12:16])), str(ipaddress.ip_address(p[16:20]))
        l4 = p[size:total] if total else p[size:] # 0: larger than 64 kB
        if frag & 0x1fff:
            return
        if self.proto in (6, 17) and len(l4) >= 8:
            self.sport, self.dport = struct.unpack_from("!HH", l4)
            self.payload = l4[8:] if self.proto == 17 else l4[(l4[12] >> 4) * 4:] if len(l4) > 12 else b""
            if self.proto == 17 and self.dport == VXLAN_PORT and len(l4) >= 16 and l4[8] & 8:
                self.vni = struct.unpack_from("!I", l4, 12)[0] >> 8
                self.inner = Frame.parse(l4[16:], self.time)
        else:
            self.payload = l4

    def bad_checksum(self):
        """What is wrong with the checksums of this frame (whole, not offloaded), or None."""
        if self.ethertype != ETH_IP or len(self.raw) < 34:
            return None
        p = self.raw[14:]
        size, total = (p[0] & 15) * 4, struct.unpack_from("!H", p, 2)[0]
        if checksum(p[:size]):
            return "IP header"
        l4 = p[size:total]
        if self.fragment or len(p) < total:
            return None
        if self.proto == 1 and checksum(l4):
            return "ICMP"
        if self.proto in (6, 17) and not (self.proto == 17 and l4[6:8] == b"\0\0"):
            if checksum(p[12:20] + struct.pack("!BBH", 0, self.proto, len(l4)) + l4):
                return "TCP" if self.proto == 6 else "UDP"
        return self.inner.bad_checksum() if self.inner else None

    def __str__(self):
        names = {1: "ICMP", 6: "TCP", 17: "UDP"}
        if self.ethertype == ETH_ARP:
            what = f"ARP {'who-has' if self.arp_op == 1 else 'reply'} {self.ip_dst} from {self.ip_src}"
        elif self.ethertype == ETH_IP:
            what = f"{self.ip_src} > {self.ip_dst} {names.get(self.proto, self.proto)} ttl {self.ttl}"
        else:
            what = f"ethertype {self.ethertype:04x}"
        inside = f" vni {self.vni} [{self.inner}]" if self.inner else ""
        return f"{self.src} > {self.dst} {what}{inside}"


class Capture:
    """with lab.capture("compute1") as c: ...; c.frames() is what has passed the host's uplink so far."""

    def __init__(self, space, name, device, filter="", snaplen=262144):
        self.space = space
        self.name = name
        self.device = device
        self.seen = []
        self.markers = 0
        self.changed = threading.Condition()
        self.process = space.popen(*COMMAND, "-B", "16384", "-s", str(snaplen), "-i", device,
                                   *([f"({filter}) or ether proto 0x88b5"] if filter else []),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self._wait_listening()
            self.marker = space.packet_socket(device, 0x88b5)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _wait_listening(self):
        said = b""
        while b"listening on" not in said:
            if not select.select([self.process.stderr], [], [], 10)[0]:
                raise LabError(f"tcpdump on {self.name}: not listening after 10 s: {said.decode()}")
            more = os.read(self.process.stderr.fileno(), 4096)
            if not more:
                raise LabError(f"tcpdump on {self.name}: {said.decode()}")
            said += more

    def _read(self):
        pipe = self.process.stdout
        pipe.read(24)
        while len(head := pipe.read(16)) == 16:
            sec, usec, size, _ = struct.unpack("=IIII", head)
            raw = pipe.read(size)
            with self.changed:
                if raw.startswith(MARKER):
                    self.markers = max(self.markers, struct.unpack_from("!I", raw, 14)[0])
                    self.changed.notify_all()
                else:
                    self.seen.append((raw, sec + usec / 1e6))
        with self.changed:
            self.markers = None
            self.changed.notify_all()

    def sync(self, seconds=10):
        with self.changed:
            if self.markers is None:
                return
            number = self.markers + 1
            self.marker.send(MARKER + struct.pack("!I", number) + bytes(46))
            if not self.changed.wait_for(lambda: self.markers is None or self.markers >= number, seconds):
                raise LabError(f"capture on {self.name}: the marker did not come back")

    def frames(self, sync=True):
        """Everything since the start or the last clear()."""
        if sync:
            self.sync()
        with self.changed:
            return [Frame.parse(raw, time) for raw, time in self.seen]

    def tunnelled(self):
        """The VXLAN frames, that is tenants' traffic; the rest of an uplink is the lab's own."""
        return [f for f in self.frames() if f.inner is not None]

    def kinds(self):
        """One VXLAN frame of each kind: same ends, segment, MACs, TTL and addresses. For long captures."""
        self.sync()
        with self.changed:
            found = {kind(raw): (raw, time) for raw, time in self.seen}
        frames = [Frame.parse(raw, time) for raw, time in found.values()]
        return [f for f in frames if f.inner is not None]

    def alive(self):
        return self.process.poll() is None

    def clear(self):
        self.sync()
        with self.changed:
            self.seen.clear()

    def close(self):
        if self.alive():
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        self.marker.close()
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


def shown(space, devices):
    """Becomes tcpdump: one classic pcap of the devices on standard output, until interrupted."""
    assert len(devices) == 1
    words = [*space.enter(), *COMMAND, "-i", devices[0]]
    os.execvp(words[0], words)
