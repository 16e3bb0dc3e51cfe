# SPDX-License-Identifier: Apache-2.0
"""Namespaces. Each is kept by a holder: a sleeping process whose name says whose it is.

No name in /run/netns: nothing of a lab outlives its processes, so ending them is all the cleaning there is."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading

from .base import LabError, Process, run, spawn

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Space:
    """The namespaces of one holder: network and host name, and for hosts mounts too."""

    def __init__(self, name, holder, mounts):
        self.name = name
        self.holder = holder
        self.mounts = mounts

    @staticmethod
    def make(lab, name, mounts=False):
        enter = ["unshare", "--net", "--uts"] + (["--mount", "--propagation", "private"] if mounts else [])
        holder = spawn((enter, ["bash", "-c", f'exec -a "{title(lab, name)}" sleep infinity']))
        space = Space(name, holder, mounts)
        try:
            # VMs and wires stay quiet: no address of its own accord, so no router solicitations either.
            space.run("sh", "-c", f"hostname {name.rpartition(':')[2]}; ip link set lo up;"
                      "for i in all default; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6 || :; done")
        except BaseException:
            holder.end(signal.SIGKILL, 5)
            raise
        return space

    @staticmethod
    def load(name, value):
        return Space(name, Process.load(value["holder"]), value["mounts"]) if value else None

    def save(self):
        return {"holder": self.holder.save(), "mounts": self.mounts}

    def alive(self):
        return self.holder.alive()

    def enter(self):
        """The words that go before a command to run it in here."""
        if not self.alive():
            raise LabError(f"{self.name} is down")
        mounts = ["-m", f"--wdns={os.getcwd()}"] if self.mounts else []  # a path typed is a path found
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-u", *mounts]

    def run(self, *argv, **kw):
        return run(*self.enter(), *argv, **kw)

    def popen(self, *argv, **kw):
        return subprocess.Popen([*self.enter(), *argv], **kw)

    def spawn(self, *argv, log=None):
        return spawn((self.enter(), argv), log=log)

    def enter_thread(self):
        """Puts the calling thread into this network namespace: for one that ends soon."""
        fd = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def socket(self, *args):
        """A socket that lives in this network namespace, for use from here.

        A thread of its own enters the namespace: threads have their own, and it ends with it."""
        result = []

        def make():
            try:
                self.enter_thread()
                result.append(socket.socket(*args))
            except OSError as e:
                result.append(e)

        if not self.alive():
            raise LabError(f"{self.name} is down")
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def packet_socket(self, device, ethertype=3):
        """Whole frames of a device, in and out."""
        s = self.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        s.bind((device, ethertype))
        return s

    def net_inode(self):
        try:
            return os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino if self.alive() else None
        except OSError:
            return None

    def end(self):
        """Kills everything that runs in here, the holder last: the kernel does the rest."""
        inode = self.net_inode()
        if inode is None:
            return
        for _ in range(20): # a dying shell may still fork
            inside = [p for p in processes_in({inode}) if p.pid != self.holder.pid]
            if not inside:
                break
            end_all(inside)
        self.holder.end(signal.SIGKILL, 10)


def title(lab, name):
    return f"neutrino-lab:{lab}:{name}"


def pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


def processes_in(inodes):
    """Every process whose network namespace is one of these; never ourselves."""
    found = []
    for pid in pids():
        try:
            if pid != os.getpid() and os.stat(f"/proc/{pid}/ns/net").st_ino in inodes:
                p = Process(pid)
                if p.start is not None:
                    found.append(p)
        except OSError:
            pass
    return found


def end_all(processes):
    """kill -9 for all of them first, then waits: each takes its time to let go of what it holds."""
    for wait in (0, 10):
        for p in processes:
            with contextlib.suppress(*((LabError,) if wait == 0 else ())):
                p.end(signal.SIGKILL, wait)


def holders(lab, prefix=False):
    """The holders of a lab by their names: {"compute1": Process}. Works without its state file.

    With `prefix` those of all labs whose name begins so."""
    found = {}
    prefix = title(lab, "")[:-1 if prefix else None]
    for pid in pids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                word = f.read(256).split(b"\0")[0].decode(errors="replace")
        except OSError:
            continue
        if word.startswith(prefix):
            found[word[len(prefix):]] = Process(pid)
    return found
