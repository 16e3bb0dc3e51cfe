# SPDX-License-Identifier: Apache-2.0
"""Hypervisors that follow the API, and guests without a network stack.

Every port bound to a compute gets a cable: a tap on its host whose other end lies in one namespace, that of all guests.
They say nothing of their own accord and answer nothing; this process speaks and listens for them, by packet sockets."""

import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

from cloud import runs
from lab import underlay
from lab.base import until
from lab.ns import Space

SO_ATTACH_FILTER, SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING = 26, 33, 263, 6, 23
STREAM_PORT = 7000
IS_STREAM = f"udp dst port {STREAM_PORT}"
OTHERS = f"not ({IS_STREAM})"
TUNNELLED = f"udp dst port 4789 and not (ether[73] = 17 and ether[86:2] = {STREAM_PORT})"
AT_ONCE = 50 # frames
_filters = {}


def attach(s, text):
    """A tcpdump filter on a packet socket; what came before it is thrown away."""
    if text not in _filters:
        lines = subprocess.run(["tcpdump", "-ddd", "-y", "EN10MB", text], check=True, capture_output=True, text=True).stdout
        rows = [tuple(map(int, line.split())) for line in lines.split("\n")[1:] if line]
        _filters[text] = b"".join(struct.pack("HBBI", *row) for row in rows)
    code = ctypes.create_string_buffer(_filters[text])
    s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(_filters[text]) // 8, ctypes.addressof(code)))
    s.setblocking(False)
    try:
        while True:
            s.recv(1)
    except BlockingIOError:
        return s


def all_is_read(space, but):
    """Whether nothing waits in the packet sockets there, except for those with these inodes."""
    with open(f"/proc/{space.holder.pid}/net/packet") as f:
        rows = [line.split() for line in f.readlines()[1:]] # sk RefCnt Type Proto Iface R Rmem User Inode
    return not any(int(row[6]) for row in rows if int(row[8]) not in but)


def carries(space, device):
    """A link that has come up drops what it sends until the kernel has got round to giving it a queue."""
    return json.loads(space.run("ip", "-j", "link", "show", device))[0]["qdisc"] != "noop"


class Guests:
    def __init__(self, lab):
        self.lab = lab
        self.space = Space.make(lab.name, "vm:guests")
        self.places = {} # port: the host that its cable is plugged into
        self.macs = {}
        self.sockets = {} # port: what its guest hears and says
        self.uplinks = {}
        for host in lab.hosts():
            if host.data["agent_mode"]:
                self.watch(host.name)

    def watch(self, host):
        s = attach(self.lab.host(host).need().packet_socket(underlay.UPLINK), TUNNELLED)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.uplinks[host] = s

    def power_cut(self, host):
        """The host goes, and with it the cables that it has; what is bound there is plugged when it has been started."""
        self.lab.kill(host)
        self.uplinks.pop(host).close()
        for port in [port for port, place in self.places.items() if place == host]:
            self.unplug(port)

    def power_back(self, host):
        self.lab.start(host)
        self.watch(host)

    def listen(self, port, filter):
        s = self.space.packet_socket("g" + port[:11])
        s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        return attach(s, filter)

    def place(self, port, host, mac=None, mtu=None):
        """Puts the port's cable into the host; None, or a host that is down: nowhere."""
        old = self.places.get(port)
        if host and not self.lab.host(host).alive():
            host = None
        if host == old:
            return
        if host is None:
            self.unplug(port)
        elif old is None:
            self.plug(port, host, mac, mtu)
        else:
            self.lab.host(host).take_over("tap" + port[:11], self.lab.host(old))
            self.settle(port, host)

    def unplug(self, port):
        self.sockets.pop(port).close()
        host = self.lab.host(self.places.pop(port))
        if host.alive():
            host.unplug("tap" + port[:11])
        underlay.unplug(self.space, "g" + port[:11])

    def plug(self, port, host, mac, mtu):
        end = "g" + port[:11]
        underlay.plug(self.lab.host(host).need(), self.space, "tap" + port[:11], mac, mtu, end)
        self.space.run("ip", "link", "set", end, "up")
        self.macs[port] = mac
        self.sockets[port] = self.listen(port, OTHERS)
        self.settle(port, host)

    def settle(self, port, host):
        tap, end, at = "tap" + port[:11], "g" + port[:11], self.lab.host(host)
        at.plug(tap, port, self.macs[port], "guest")
        until("the cable carries", lambda: carries(at.space, tap) and carries(self.space, end), 10)
        self.places[port] = host

    def follow(self, ports, mtus):
        """What hypervisors do when these are all ports that there are."""
        wanted = {p["id"]: p for p in ports if runs(p)}
        for gone in set(self.places) - set(wanted):
            self.place(gone, None)
        for id, p in wanted.items():
            if self.places.get(id, "") not in (p["binding:host_id"], p["binding:profile"].get("migrating_to")):
                self.place(id, p["binding:host_id"], p["mac_address"], mtus[p["network_id"]])

    def hear(self, handle, seconds, enough):
        """Calls handle(("guest", port) or ("uplink", host), frame) for all that comes until enough(), or nothing more came for a
        while; then for all that is there already."""
        poll = select.epoll()
        names = {}
        for kind, sockets in (("guest", self.sockets), ("uplink", self.uplinks)):
            for name, s in sockets.items():
                names[s.fileno()] = ((kind, name), s)
                poll.register(s.fileno(), select.EPOLLIN)
        end = time.monotonic() + seconds
        while True:
            done = enough()
            ready = poll.poll(0 if done else max(0, end - time.monotonic()))
            for fd, _ in ready:
                where, s = names[fd]
                try:
                    while True:
                        handle(where, s.recv(65536))
                except BlockingIOError:
                    end = max(end, time.monotonic() + 0.5) if not done else end
            if not ready:
                break
        poll.close()

    def say(self, frames):
        """Sends (port, frame) after (port, frame). An Open vSwitch reads what guests say from packet sockets, which hold
        some hundred frames and drop the next: it gets no more than that at once."""
        switches = [host.space for name in set(self.places.values()) if (host := self.lab.host(name)).vswitch]
        mine = {os.fstat(s.fileno()).st_ino for s in self.uplinks.values()}
        for n, (port, frame) in enumerate(frames, 1):
            self.sockets[port].send(frame)
            if n % AT_ONCE == 0:
                until("the switches have read it", lambda: all(all_is_read(space, mine) for space in switches), 10, 0.0001)

    def forget(self):
        """What was heard so far."""
        self.hear(lambda where, frame: None, 0, lambda: True)


class Stream:
    """Numbered frames of one guest to another, counted at the end."""

    def __init__(self, guests, source, destination, head, number):
        self.out = guests.sockets[source]
        self.inp = guests.listen(destination, f"{IS_STREAM} and udp src port {number}")
        self.head = head
        self.sent = 0
        self.got = []

    def send(self):
        try:
            self.out.send(self.head + struct.pack("!Q", self.sent))
        except OSError:
            return
        self.sent += 1

    def drain(self):
        try:
            while True:
                self.got.append(struct.unpack_from("!Q", self.inp.recv(256), 42)[0])
        except BlockingIOError:
            pass

    def result(self):
        """(lost numbers, duplicates), when all of it has arrived or nothing more comes."""
        while True:
            self.drain()
            if len(self.got) >= self.sent or not select.select([self.inp], [], [], 0.5)[0]:
                break
        dropped = struct.unpack("II", self.inp.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        self.inp.close()
        assert dropped == 0, f"the test itself was too slow for {dropped} frames"
        return sorted(set(range(self.sent)) - set(self.got)), len(self.got) - len(set(self.got))


class Traffic:
    """with Traffic(streams, rate): sends on all of them at a steady rate."""

    def __init__(self, streams, rate=1000):
        self.streams = streams
        self.rate = rate
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        start, rounds = time.monotonic(), 0
        while not self.stopping.wait(1 / self.rate):
            due = int((time.monotonic() - start) * self.rate)
            for _ in range(rounds, due):
                for s in self.streams:
                    s.send()
            rounds = due

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *what):
        self.stopping.set()
        self.thread.join()
