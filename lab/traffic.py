# SPDX-License-Identifier: Apache-2.0
"""Traffic between VMs, made and checked from this process: its sockets live in the VMs' namespaces.

    Stream     numbered UDP packets at a steady rate, one direction: which arrived, how late
    transfer() bytes by TCP, compared by their hash"""

import hashlib
import os
import select
import socket
import struct
import threading
import time

from .base import LabError

SO_RCVBUFFORCE = 33 # asm-generic/socket.h; Python has no name for it
NUMBER = struct.Struct("!Q")
BURST = 20 # packets at once, by a sender that had no processor for a while: no more than what is on the way holds


class Stream:
    """with Stream(a, b, rate=1000) as s: ...; then s.lost() is the list of numbers that never arrived.

    The sender's number is on every packet; nothing is sent twice. Leaving stops the sender, then waits
    until the last number has arrived or nothing more has for a second."""

    def __init__(self, source, destination, rate=1000, size=64, port=7000):
        self.rate = rate
        self.fill = bytes(size - NUMBER.size)
        self.sent = 0
        self.refused = 0 # by our own stack: not sent, so not lost on the way
        self.arrived = {}
        self.duplicates = 0
        self.stopping = threading.Event()
        self.progress = threading.Condition()
        self.receiver = destination.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.receiver.bind((destination.ip, port))
        self.sender = source.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.sender.bind((source.ip, 0))
        self.sender.connect((destination.ip, port))
        self.wake, self.waker = os.pipe()
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._receive, self._send)]

    def _send(self):
        start = time.monotonic()
        while not self.stopping.is_set():
            due = int((time.monotonic() - start) * self.rate) + 1
            due = min(due, self.sent + BURST)
            while self.sent < due and not self.stopping.is_set():
                try:
                    self.sender.send(NUMBER.pack(self.sent) + self.fill)
                except ConnectionRefusedError:
                    continue # an error for an earlier packet: that one counts as lost
                except OSError:
                    self.refused += 1
                    break
                self.sent += 1
            self.stopping.wait(1 / self.rate)

    def _receive(self):
        while True:
            ready, _, _ = select.select([self.receiver, self.wake], [], [])
            if self.wake in ready:
                return
            number = NUMBER.unpack_from(self.receiver.recv(65536))[0]
            with self.progress:
                if number in self.arrived:
                    self.duplicates += 1
                self.arrived[number] = time.monotonic()
                self.progress.notify_all()

    def arrivals(self):
        with self.progress:
            return len(self.arrived)

    def missing(self):
        """How many that were sent 0.2 s ago or earlier have not arrived."""
        with self.progress:
            return len([n for n in range(self.sent - self.rate // 5) if n not in self.arrived])

    def until_more(self, count, seconds=10):
        """Until `count` further packets have arrived."""
        self.until(self.arrivals() + count, seconds)

    def until(self, goal, seconds=10):
        """Until `goal` packets have arrived in all."""
        with self.progress:
            if not self.progress.wait_for(lambda: len(self.arrived) >= goal, seconds):
                raise LabError(f"only {len(self.arrived)} of {goal} packets arrived after {seconds} s")

    def stop(self):
        if self.stopping.is_set():
            return
        self.stopping.set()
        self.threads[1].join()
        with self.progress:
            while len(self.arrived) < self.sent and self.progress.wait(1):
                pass
        os.write(self.waker, b".")
        self.threads[0].join()
        for s in (self.receiver, self.sender):
            s.close()
        os.close(self.wake)
        os.close(self.waker)

    def lost(self):
        return [n for n in range(self.sent) if n not in self.arrived]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *what):
        self.stop()


def transfer(source, destination, size, port=7001, seconds=60):
    """Sends `size` bytes by TCP; returns seconds taken. Wrong bytes are an error."""
    block = os.urandom(1 << 16)
    result = {}

    def sink():
        digest, got = hashlib.sha256(), 0
        try:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(seconds)
                while data := connection.recv(1 << 20):
                    digest.update(data)
                    got += len(data)
                connection.sendall(b"!")
        except OSError as e:
            result["error"] = e
        result.update(digest=digest.digest(), got=got)

    digest, left = hashlib.sha256(), size
    with destination.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((destination.ip, port))
        server.listen()
        server.settimeout(seconds)
        thread = threading.Thread(target=sink, daemon=True)
        thread.start()
        start = time.monotonic()
        with source.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(seconds)
            client.connect((destination.ip, port))
            while left:
                part = block[:min(left, len(block))]
                client.sendall(part)
                digest.update(part)
                left -= len(part)
            client.shutdown(socket.SHUT_WR)
            client.recv(1) # the other side has it all
        took = time.monotonic() - start
        thread.join(seconds)
    if "error" in result or result.get("got") != size or result["digest"] != digest.digest():
        raise LabError(f"TCP {source.name} to {destination.name}: {result.get('got')} of {size} bytes, "
                       f"{result.get('error') or 'other bytes than were sent'}")
    return took


def ping(source, address, count=3, interval=0.05, options=()):
    """(sent, received) of the ordinary ping."""
    with source.popen("ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-W", "2", *options, address,
                      stdout=-1, stderr=-2, text=True) as p:
        return ping_result(p.communicate(timeout=count * interval + 30)[0])


def ping_result(said):
    for line in said.splitlines():
        if "packets transmitted" in line:
            words = line.split()
            return int(words[0]), int(words[3])
    raise LabError(f"ping: {said.strip()}")
