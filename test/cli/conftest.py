# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fake_neutron import FakeNeutron  # noqa: E402

BUILD = pathlib.Path(os.environ.get("NEUTRINO_BUILD", HERE.parent.parent / "build"))


class Result:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr


@pytest.fixture(scope="session")
def one_fake():
    """One address for all tests: Neutron's client keeps its first one for the life of a process."""
    f = FakeNeutron()
    yield f
    f.close()


@pytest.fixture
def fake(one_fake):
    one_fake.clear()
    return one_fake


@pytest.fixture
def neutrino(fake):
    """Runs build/neutrino against the fake and returns its code and output."""

    def run(*words, env=None, expect=0):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "NEUTRINO_"))}
        done = subprocess.run([str(BUILD / "neutrino"), *words], capture_output=True, text=True, timeout=60,
                              env={**clean, "NEUTRINO_URL": fake.url, **(env or {})})
        assert done.returncode == expect, done.stderr
        return Result(done)

    return run
