# SPDX-License-Identifier: Apache-2.0
"""docs/demo.txt is what the demo prints, but for what differs from run to run."""

import re
import subprocess

from conftest import BUILD, SOURCE

CHANGING = [
    (r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "MAC"),
    (r"VXLAN \d+", "VXLAN V"),
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


def test_demo_prints_what_docs_say():
    done = subprocess.run([SOURCE / "lab/demo", "--build", BUILD], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert masked(done.stdout) == masked((SOURCE / "docs/demo.txt").read_text())
