# SPDX-License-Identifier: Apache-2.0
"""A VM moves under traffic: what is lost is what was sent while it was nowhere, and nobody else loses anything."""

import contextlib
import time

import pytest

from lab.base import until
from lab.traffic import Stream

FEW = 200 # packets
SLOWEST = 0.2 # s: a port that waited so long for ACTIVE did not wait for the last host (service/ready.h)


class Flows:
    """Numbered packets from and to green2, from the host that it leaves and the one that it comes to; and of others."""

    PAIRS = [("blue1", "green2"), ("blue2", "green2"), ("green2", "blue1")]
    OTHERS = [("green1", "blue2")]

    def __init__(self, fabric, stack):
        self.fabric = fabric
        self.streams = {pair: stack.enter_context(Stream(getattr(fabric, pair[0]), getattr(fabric, pair[1]), port=7300 + i))
                        for i, pair in enumerate(self.PAIRS + self.OTHERS)}
        self.until_more()

    def of(self, *pairs):
        return [self.streams[p] for p in pairs or self.streams]

    def sent(self):
        return {pair: s.sent for pair, s in self.streams.items()}

    def arrived(self):
        """The numbers up to which all is there; a packet behind them may be on its way still."""
        return {pair: max(list(s.arrived)[-50:]) + 1 for pair, s in self.streams.items()}

    def until_more(self, *pairs):
        for s, goal in [(s, s.arrivals() + FEW) for s in self.of(*pairs)]:
            s.until(goal)

    def until_after(self, numbers, *pairs):
        """Until packets sent after these numbers have arrived."""
        for pair in pairs:
            s = self.streams[pair]
            until(f"{pair[0]} reaches {pair[1]}", lambda: any(n > numbers[pair] for n in list(s.arrived)[-50:]), 10)

    def check(self, begin, end):
        """`begin`, `end`: the numbers between which a pair may lose packets; a pair that is in neither loses none."""
        for pair, s in self.streams.items():
            first, last = begin.get(pair, s.sent), end.get(pair, 0)
            outside = [n for n in s.lost() if not first <= n <= last]
            outside = self.fabric.unexcused(outside, *(getattr(self.fabric, name) for name in pair))
            assert not outside, f"{pair[0]} to {pair[1]}: lost {outside[:5]}…, may lose {first} to {last} of {s.sent}"
            assert s.duplicates == 0, f"{pair[0]} to {pair[1]}: {s.duplicates} came twice"


@contextlib.contextmanager
def flows(fabric):
    with contextlib.ExitStack() as stack:
        f = Flows(fabric, stack)
        yield f
        f.until_more()


@pytest.fixture
def moving(watched):
    """The fabric; green2 is on compute2 before and afterwards."""
    yield watched
    if watched.green2.hostname != "compute2":
        watched.lab.move("green2", "compute2")


def replug(lab, name, to):
    """The VM goes on running on another host; its binding does not say so yet."""
    with lab.state.locked():
        lab.vm(name).replug(lab.host(to))


def arrive(fabric, name, since):
    """Until the VM's port is ACTIVE at its host; hosts that were too slow to be waited for are given the time."""
    vm = fabric.lab.vm(name)
    vm.wait_active()

    def place(host):
        return next((line for line in fabric.lab.agent(host, "plan", "show").splitlines()
                     if line.startswith("fdb ") and f"mac={vm.mac}" in line), "")

    if time.monotonic() - since > SLOWEST:
        for host in ("compute1", "compute2"):
            until(f"{host} knows where {name} is", lambda: ("port=" if host == vm.hostname else "peer=") in place(host), 10)


def mine(begin, end):
    """Only flows of the VM that moves."""
    return [{pair: n for pair, n in numbers.items() if pair in Flows.PAIRS} for numbers in (begin, end)]


def test_nothing_is_lost_before_a_move_and_after_it(moving):
    with flows(moving) as f:
        begin, since = f.arrived(), time.monotonic()
        moving.lab.move("green2", "compute1")
        moving.remember_places()
        arrive(moving, "green2", since)
        end = f.sent()
        f.until_after(end, *Flows.PAIRS)
    f.check(*mine(begin, end))


def test_a_live_migration(moving):
    """It is announced: nothing is lost. It runs there: what it sends arrives. Its binding follows: all arrives."""
    lab, api, port = moving.lab, moving.api, moving.green2.data["port"]
    with flows(moving) as f:
        api.update("ports", port, **{"binding:profile": {"migrating_to": "compute1"}})
        until("compute1 knows the port", lambda: f"uuid={port}" in lab.agent("compute1", "plan", "show"), 10)
        f.until_more()
        begin = f.arrived()
        replug(lab, "green2", "compute1")
        moving.remember_places()
        there = f.sent()
        out = [p for p in Flows.PAIRS if p[0] == "green2"]
        f.until_after(there, *out)
        spoke = {pair: f.streams[pair].sent for pair in out}
        f.until_more(*out)
        since = time.monotonic()
        api.update("ports", port, **{"binding:host_id": "compute1", "binding:profile": {}})
        arrive(moving, "green2", since)
        end = f.sent()
        f.until_after(end, *Flows.PAIRS)
    f.check(*mine(begin, {**end, **spoke}))


def test_a_live_migration_that_is_given_up_loses_nothing(moving):
    lab, api, port = moving.lab, moving.api, moving.green2.data["port"]
    with flows(moving) as f:
        api.update("ports", port, **{"binding:profile": {"migrating_to": "compute1"}})
        until("compute1 knows the port", lambda: f"uuid={port}" in lab.agent("compute1", "plan", "show"), 10)
        f.until_more()
        api.update("ports", port, **{"binding:profile": {}})
        until("compute1 forgets the port", lambda: f"uuid={port}" not in lab.agent("compute1", "plan", "show"), 10)
    f.check({}, {})
