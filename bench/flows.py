# SPDX-License-Identifier: Apache-2.0
"""What the Open vSwitch driver takes for many flows (ovs.c): medians in milliseconds, against limits."""

import json
import os
import statistics

from lab.base import run

# name: (measures of bench-ovs, of which the slowest counts; the bar: less than, ms)
BARS = {
    "ovs_change_one": (("down", "up", "go", "come"), 10),
    "ovs_sync_20k": (("sync",), 1000),
    "ovs_sync_same": (("same",), 300),
}
RUNS = 9


def measure(build, names, runs):
    print("setting up: an Open vSwitch with the dummy datapath", flush=True)
    got = json.loads(run(os.path.join(os.path.abspath(build), "bench-ovs"), str(runs or RUNS), timeout=600))
    rows = []
    for name in names:
        measures, bar = BARS[name]
        value, slowest = max((statistics.median(got[what]), what) for what in measures)
        rows.append({"name": name, "value": round(value, 3), "limit": bar, "most": True, "runs": got[slowest], "unit": "ms",
                     "flows": got["flows"]})
        if name == "ovs_change_one":
            rows[-1]["mods"] = got["mods"]
    return rows
