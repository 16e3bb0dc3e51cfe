# SPDX-License-Identifier: Apache-2.0
"""docs/demo.txt, and docs/demo-openvswitch.txt with that driver, are what the demo prints, but for what differs from run to run."""

import re
import subprocess

from conftest import BUILD, SOURCE

CHANGING = [
    (r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "MAC"),
    (r"VXLAN \d+", "VXLAN V"),
    (r"(kernel|Open vSwitch) \d+(\.\d+)+", r"\1 X"),
    (r"\b10\.0\.(\d)\.(?!1\b|0/)\d+", r"10.0.\1.N"),
    (r"\b(\d+\.\d+) s\b", "T s"),
    (r"\(\d+ s\)|in \d+ s", "T s"),
    (r"\b\d+ (sent|frames captured|processes)", r"N \1"),
    (r"0 of \d+ are missing", "0 of N are missing"),
    (r" +", " "),
]


def masked(text):
    for pattern, value in CHANGING:
        text = re.sub(pattern, value, text)
    return text.splitlines()


def from_step(lines, number):
    return lines[next(i for i, line in enumerate(lines) if line.startswith(f"[{number}/")):]


def test_demo_prints_what_docs_say(driver):
    done = subprocess.run([SOURCE / "lab/demo", "--build", BUILD, "--driver", driver], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = masked(done.stdout)
    if driver == "mixed": # its own are the first lines
        ebpf, ovs = (masked((SOURCE / "docs" / name).read_text()) for name in ("demo.txt", "demo-openvswitch.txt"))
        assert set(shown) <= set(ebpf) | set(ovs)
        assert from_step(shown, 2) == from_step(ovs, 2) == from_step(ebpf, 2)
    else:
        assert shown == masked((SOURCE / "docs" / ("demo.txt" if driver == "ebpf" else f"demo-{driver}.txt")).read_text())
