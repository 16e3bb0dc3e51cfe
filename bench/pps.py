# SPDX-License-Identifier: Apache-2.0
"""Small packets a second, routed: the Open vSwitch driver against what routes on Open vSwitch today (switches.py).

Each run is a search for the highest rate with at most 1 % of the packets lost (pps.c). The sides take turns, pinned
alike and in front of what else wants to run; all are up all the time, and whose turn it is not is idle. Beside the rate
stands what the switches took for a packet, which depends less on what else the machine does.
"""

import json
import os
import statistics

from lab.base import run
from switches import Netns, Ovn, Routed

SIDES = {"ours": Routed, "netns": Netns, "ovn": Ovn}
FIRST = 20000  # packets a second to begin with; later a part of what went before
PART = 0.7

SENDER = 0  # its core
SWITCHES = {"local": (1,), "remote": (1, 0)}  # of the thread that forwards, on the sender's host and the receiver's

# name: (pair of ends, the other side, the bar: at least)
BARS = {
    "ovs_ew_local_pps_netns": ("local", "netns", 1.25),
    "ovs_ew_remote_pps_netns": ("remote", "netns", 1.0),
    "ovs_ew_local_pps_ovn": ("local", "ovn", 0.9),
    "ovs_ew_remote_pps_ovn": ("remote", "ovn", 0.95),
}
RUNS = {"local": 25, "remote": 25}  # switches on two shared cores scatter: by 9 runs a parity is missed one time in six


def cpu_ns(process):
    """Of all threads, by the scheduler's own account."""
    total = 0
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total


class Bench:
    def __init__(self, build, runs):
        self.program = os.path.join(os.path.abspath(build), "bench-pps")
        self.build = build
        self.runs = {kind: runs or RUNS[kind] for kind in RUNS}
        self.sides = {}

    def up(self, names):
        for name in names:
            side = self.sides[name] = SIDES[name](self.build)
            print(f"setting up: {side.name}", flush=True)
            side.up()

    def down(self):
        for side in self.sides.values():
            side.down()

    def once(self, side, ends, start):
        """Thousands of packets a second, and microseconds of the switches' CPU time for each that arrived."""
        sender, receiver = (f"/proc/{end.space.holder.pid}/ns/net" for end in ends)
        before = sum(cpu_ns(p) for p in side.switches())
        got = json.loads(run(self.program, str(SENDER), sender, receiver, ends[1].ip, str(start), timeout=120))
        used = sum(cpu_ns(p) for p in side.switches()) - before
        return got["pps"] / 1000, used / 1000 / got["received"]

    def measure(self, kind, names):
        """{side: its runs}, {side: CPU time of each}"""
        for name in names:
            for process, core in zip(self.sides[name].switches(), SWITCHES[kind]):
                os.sched_setaffinity(process.pid, {core})
                os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(1))
        pairs = {name: self.sides[name].pair(kind) for name in names}
        runs, cpu = ({name: [] for name in names} for _ in range(2))
        for n in range(self.runs[kind]):
            for name, ends in pairs.items():
                start = runs[name][-1] * 1000 * PART if runs[name] else FIRST
                rate, used = self.once(self.sides[name], ends, start)
                runs[name].append(round(rate, 2))
                cpu[name].append(used)
            print(f"  ovs_ew_{kind}_pps {n + 1}/{self.runs[kind]}  " +
                  "  ".join(f"{name} {runs[name][-1]:.1f} ({cpu[name][-1]:.1f} us)" for name in names) + "  kpps", flush=True)
        return runs, cpu


def row(name, runs, cpu):
    _, other, bar = BARS[name]
    ours, theirs = (statistics.median(runs[side]) for side in ("ours", other))
    ours_cpu, theirs_cpu = (statistics.median(cpu[side]) for side in ("ours", other))
    return {"name": name, "ratio": round(ours / theirs, 4), "limit": bar, "most": False, "ours": runs["ours"],
            "theirs": runs[other], "unit": "kpps", "cpu_us": [round(ours_cpu, 2), round(theirs_cpu, 2)]}


def measure(build, names, runs):
    others = [side for side in SIDES if any(BARS[name][1] == side for name in names)]
    bench = Bench(build, runs)
    rows = []
    try:
        bench.up(["ours", *others])
        for kind in ("local", "remote"):
            wanted = [name for name in names if BARS[name][0] == kind]
            if wanted:
                figures = bench.measure(kind, ["ours", *(BARS[name][1] for name in wanted)])
                rows += [row(name, *figures) for name in wanted]
    finally:
        bench.down()
    return rows
