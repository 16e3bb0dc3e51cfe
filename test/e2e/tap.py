# SPDX-License-Identifier: Apache-2.0
"""A VM behind a real tap device, as under QEMU: we are the guest's network stack.

It answers ARP and echo, and checks each packet's checksum as a guest would. With offloads it says what a
guest's driver negotiates: then checksums may be left to it, told in the header before the frame."""

import contextlib
import fcntl
import os
import queue
import select
import struct
import threading

import pytest

from lab.base import until
from lab.capture import Frame, checksum
from lab.ns import Space

# What becomes of unfinished packets there: test_openvswitch.py.
FINISHED_ONLY = pytest.mark.only_on("ebpf", "mixed", why="the userspace datapath takes finished packets only")
TUNSETIFF, TUNSETOFFLOAD = 0x400454ca, 0x400454d0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 1, 2
NEEDS_CSUM = 1
HEADER = struct.Struct("=BBHHHH")


def open_tap(space: Space, device, offloads):
    """A file that is the device's other end; the device is made in the host's namespace."""
    result = []

    def make():
        try:
            space.enter_thread()
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
            fcntl.ioctl(fd, TUNSETOFFLOAD, offloads)
            result.append(fd)
        except OSError as e:
            result.append(e)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


class TapVM:
    def __init__(self, host, port, mtu, offloads=0):
        self.mac, self.ip = port["mac_address"], port["fixed_ips"][0]["ip_address"]
        self.device = "tap" + port["id"][:11]
        self.raw_mac = bytes.fromhex(self.mac.replace(":", ""))
        self.host = host
        self.fd = open_tap(host.need(), self.device, offloads)
        host.space.run("ip", "link", "set", self.device, "mtu", str(mtu), "up")
        host.plug(self.device, port["id"], self.mac, port["device_id"])
        self.bad = [] # frames that a guest would have thrown away
        self.udp = queue.Queue() # UDP frames, in order
        self.other = queue.Queue()
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            ready, _, _ = select.select([self.fd, self.wake], [], [])
            if self.wake in ready:
                return
            self._arrive(os.read(self.fd, 70000))

    def _arrive(self, data):
        flags, gso, _, _, start, offset = HEADER.unpack_from(data)
        raw = bytearray(data[HEADER.size:])
        if flags & NEEDS_CSUM:
            # What hardware would do: the field holds the pseudo header's sum already.
            struct.pack_into("!H", raw, start + offset, checksum(bytes(raw[start:])) or 0xffff)
        frame = Frame.parse(bytes(raw))
        if gso == 0 and frame.bad_checksum():
            self.bad.append(frame)
        elif frame.arp_op == 1 and frame.ip_dst == self.ip:
            self.send(raw[6:12] + self.raw_mac + raw[12:20] + b"\0\2" + self.raw_mac + raw[38:42] + raw[22:32])
        elif frame.proto == 1 and frame.payload[:1] == b"\x08" and frame.ip_dst == self.ip:
            self.send(self._echo(raw, frame))
        elif frame.proto == 17:
            self.udp.put(frame)
        else:
            self.other.put(frame)

    def _echo(self, raw, frame):
        body = b"\0\0\0\0" + frame.payload[4:]
        body = b"\0\0" + struct.pack("!H", checksum(body)) + body[4:]
        head = bytearray(raw[14:34])
        head[8], head[10:12], head[12:16], head[16:20] = 64, b"\0\0", raw[30:34], raw[26:30]
        head[10:12] = struct.pack("!H", checksum(bytes(head)))
        return raw[6:12] + self.raw_mac + raw[12:14] + head + body

    def send(self, frame, header=bytes(HEADER.size)):
        os.write(self.fd, header + bytes(frame))

    def close(self):
        self.host.unplug(self.device)
        os.write(self.waker, b".")
        self.thread.join()
        for fd in (self.fd, self.wake, self.waker):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


@contextlib.contextmanager
def tap_guest(fabric, network, host, offloads=0):
    """A guest on the host, behind a port that is ACTIVE."""
    api, network = fabric.api, fabric.networks[network]
    port = api.create("ports", network_id=network["id"], device_owner="compute:nova", device_id="guest", **{"binding:host_id": host})
    try:
        with TapVM(fabric.lab.host(host), port, network["mtu"], offloads) as vm:
            until("the tap's port is ACTIVE", lambda: api.show("ports", port["id"])["status"] == "ACTIVE", 10)
            fabric.places[vm.ip] = {host}
            yield vm
    finally:
        api.delete("ports", port["id"])
