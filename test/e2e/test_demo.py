# SPDX-License-Identifier: Apache-2.0
"""docs/demo.txt, and that of the driver, is what the demo prints, but for what differs from run to run."""

import re
import subprocess

import pytest

from conftest import BUILD, SOURCE

CHANGING = [
    (r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "MAC"),
    (r"VXLAN \d+", "VXLAN V"),
    (r"(kernel,|Open vSwitch) \d+(\.\d+)+", r"\1 X"),
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


@pytest.fixture
def shown(driver):
    return SOURCE / "docs" / ("demo.txt" if driver == "ebpf" else f"demo-{driver}.txt")


def test_demo_prints_what_docs_say(driver, shown):
    done = subprocess.run([SOURCE / "lab/demo", "--build", BUILD, "--driver", driver], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert masked(done.stdout) == masked(shown.read_text())
