# SPDX-License-Identifier: Apache-2.0
"""TCP throughput and latency of routed traffic against plain kernel networking.

The sides take turns (ours, theirs, ours, ...), pinned alike: the sender on core 0, the receiver on core 1. gen_tcp and
gen_rr are the traffic generator alone, over loopback, in the same turns: it must be faster than what it measures.
Local rows have a third side, a program that only redirects from tap to tap (floor.c): what the kernel takes for that is
not ours to save.
"""

import json
import os
import statistics
import subprocess

from lab import LabError
from sides import End, Ours, Theirs

SENDER, RECEIVER = "0", "1"  # cores
PORT = "5301"
SECONDS = {"tcp": 0.8, "rr": 0.6}
UNIT = {"tcp": "Gbit/s", "rr": "us"}
PAIR = {"tcp": ("sink", "send"), "rr": ("echo", "ask")}

# name: (pair of ends, what is measured, the bar: at least for tcp, at most for rr)
BARS = {
    "ew_remote_tcp": ("remote", "tcp", 0.90),
    "ew_remote_rr": ("remote", "rr", 1.10),
    "ew_local_tcp": ("local", "tcp", 1.0),
    "ew_local_rr": ("local", "rr", 1.10),
}
RUNS = 21


class Bench:
    def __init__(self, build, runs):
        self.program = os.path.join(os.path.abspath(build), "bench-traffic")
        self.build = build
        self.runs = runs or RUNS
        self.sides = []
        self.loopback = None

    def measure(self, kind, sender, receiver):
        """One run of one side: its figure, and for tcp Gbit for each second of CPU time of the sender."""
        server, client = PAIR[kind]
        answer = receiver.space.popen(self.program, server, RECEIVER, receiver.ip, PORT, stdout=subprocess.PIPE, text=True)
        with answer:
            try:
                if answer.stdout.readline() != "ready\n":
                    raise LabError(f"bench-traffic {server} in {receiver.space.name} does not listen")
                said = sender.space.run(self.program, client, SENDER, receiver.ip, PORT, str(SECONDS[kind]))
                said += answer.communicate(timeout=30)[0]
            except BaseException:
                answer.kill()
                raise
        figures = {k: v for line in said.splitlines() for k, v in json.loads(line).items()}
        if kind == "rr":
            return figures["p50"], None
        return figures["gbit"], figures["gbit"] / figures["sender_cpu"]

    def up(self):
        for make in (Ours, Theirs):
            side = make(self.build)
            self.sides.append(side)
            print(f"setting up: {side.name}", flush=True)
            side.up()
        self.loopback = self.sides[-1].ends["local0"].space

    def down(self):
        for side in self.sides:
            side.down()

    def ratio(self, name):
        """The row of a bar, and what the generator alone did in the same rounds."""
        ends, kind, bar = BARS[name]
        pairs = {side.name: side.pair(ends) for side in self.sides}
        if ends == "local":
            pairs["floor"] = self.sides[-1].pair("floor")
        pairs["alone"] = (End(self.loopback, "127.0.0.1"),) * 2
        runs, per_cpu = ({side: [] for side in pairs} for _ in range(2))
        for n in range(self.runs):
            for side, (sender, receiver) in pairs.items():
                value, efficiency = self.measure(kind, sender, receiver)
                runs[side].append(round(value, 3))
                per_cpu[side].append(efficiency)
            print(f"  {name} {n + 1}/{self.runs}  " + "  ".join(f"{side} {runs[side][-1]:.2f}" for side in runs) +
                  f"  {UNIT[kind]}", flush=True)
        ours, theirs = (statistics.median(runs[s]) for s in ("ours", "theirs"))
        row = {"name": name, "ratio": round(ours / theirs, 4), "limit": bar, "most": kind == "rr", "ours": runs["ours"],
               "theirs": runs["theirs"], "unit": UNIT[kind]}
        if "floor" in runs:
            row["floor"] = runs["floor"]
            row["floor_ratio"] = round(ours / statistics.median(runs["floor"]), 4)
        if kind == "tcp":
            ours, theirs = (statistics.median(per_cpu[s]) for s in ("ours", "theirs"))
            row["per_cpu_ratio"] = round(ours / theirs, 4)
        return row, runs["alone"]


def generator(kind, rounds):
    """The generator's row: its figure where the measured sides came closest to it, and the faster side's there."""
    best = max if kind == "tcp" else min
    pairs = [(statistics.median(alone), best(statistics.median(row["ours"]), statistics.median(row["theirs"])))
             for row, alone in rounds if BARS[row["name"]][1] == kind]
    closest = min if kind == "tcp" else max
    value, limit = closest(pairs, key=lambda pair: pair[0] / pair[1])
    return {"name": f"gen_{kind}", "value": round(value, 3), "limit": round(limit, 3), "most": kind == "rr", "unit": UNIT[kind]}


def measure(build, names, runs):
    bench = Bench(build, runs)
    try:
        bench.up()
        rounds = [bench.ratio(name) for name in names]
    finally:
        bench.down()
    kinds = sorted({BARS[name][1] for name in names}, reverse=True)
    return [row for row, _ in rounds] + [generator(kind, rounds) for kind in kinds]
