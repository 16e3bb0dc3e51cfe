# SPDX-License-Identifier: Apache-2.0
"""Errors, deadlines, and processes held by pid and start time (a pid alone may be reused)."""

import os
import select
import signal
import subprocess
import time


class LabError(Exception):
    """Something a person reads: said without a traceback."""


def run(*argv, input=None, timeout=30):
    """Runs a command and returns its output; its failure is an error that shows what it said."""
    done = subprocess.run(argv, input=input, text=True, capture_output=True, timeout=timeout)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def until(what, check, seconds, interval=0.02):
    """Asks check() again and again until it is true, for things that send no event (an HTTP API)."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"{what}: not so after {seconds} s")
        time.sleep(interval)


def start_time(pid):
    """The kernel's start time of a process, None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else int(fields[19])


class Process:
    """A process of the lab: not our child, so it is watched by a pidfd."""

    def __init__(self, pid, start=None):
        self.pid = pid
        self.start = start if start is not None else start_time(pid)

    @staticmethod
    def load(value):
        return Process(*value) if value else None

    def save(self):
        return [self.pid, self.start]

    def alive(self):
        return self.start is not None and start_time(self.pid) == self.start

    def end(self, sig, seconds):
        """Sends the signal and waits for the end. True if it was alive."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(fd, sig)
            if not select.select([fd], [], [], seconds)[0]:
                raise LabError(f"process {self.pid} did not end within {seconds} s of {signal.Signals(sig).name}")
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)


def spawn(argv, log=None, env=None):
    """Starts a process in a session of its own that outlives us, and returns it when it is executing argv.

    `setsid --fork` makes it nobody's child, so that whoever runs init reaps it. It tells its pid through
    a pipe just before the last exec."""
    read, write = os.pipe()
    out = open(log, "ab") if log else subprocess.DEVNULL
    try:
        subprocess.run(
            ["setsid", "--fork", *argv[0], "bash", "-c", f'echo $$ >&{write}; exec {write}>&-; exec "$@"', "bash", *argv[1]],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=[write], env=env, check=True)
        os.close(write)
        write = -1
        with os.fdopen(read) as f:
            read = -1
            pid = f.read().strip()
    finally:
        for fd in (read, write):
            if fd >= 0:
                os.close(fd)
        if log:
            out.close()
    if not pid:
        raise LabError(f"could not start {' '.join(argv[1])}")
    return Process(int(pid))
