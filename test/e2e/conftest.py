# SPDX-License-Identifier: Apache-2.0
"""Labs for the end-to-end tests. Each module has one of its own; what it starts, it ends."""

import contextlib
import os
import pathlib
import re
import signal
import sys

import pytest

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE))

from lab import Lab, ns  # noqa: E402
from lab.cloud import DRIVERS  # noqa: E402
from lab.host import tail  # noqa: E402
from fabric import Fabric  # noqa: E402

BUILD = pathlib.Path(os.environ.get("NEUTRINO_BUILD", SOURCE / "build")).resolve()


def end(*what):
    """Asked to end (SIGTERM), the tests end as by Ctrl-C: their labs go down."""
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, end)

# What a program that went wrong leaves in its log, with the sanitizers' own words.
BROKEN = re.compile(r"^.*(?:Sanitizer|runtime error|[Aa]ssert|core dumped).*$", re.MULTILINE)


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, action="append", help="only this random cloud; may be repeated")
    parser.addoption("--full", action="store_true", help="many random clouds")
    parser.addoption("--driver", default="ebpf", choices=list(DRIVERS), help="what the labs' hosts have as their datapath")


def pytest_configure(config):
    config.figures = []
    config.addinivalue_line("markers", "only_on(*drivers, why): a test of these drivers; for others it is skipped, and says why")


def pytest_collection_modifyitems(config, items):
    """Tests of a driver's own are no part of another's run; what all should do and one cannot is skipped."""
    driver = config.getoption("--driver")
    for item in items:
        mark = item.get_closest_marker("only_on")
        if mark and driver not in mark.args and "why" in mark.kwargs:
            item.add_marker(pytest.mark.skip(reason=f"not on {driver}: {mark.kwargs['why']}"))
    others = [i for i in items if (m := i.get_closest_marker("only_on")) and driver not in m.args and "why" not in m.kwargs]
    config.hook.pytest_deselected(items=others)
    items[:] = [i for i in items if i not in others]


@pytest.fixture
def figure(request):
    """figure("12 ms") is said at the end of the run."""
    return lambda text: request.config.figures.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter, config):
    for line in config.figures:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def driver(request):
    return request.config.getoption("--driver")


def broken_logs(lab):
    """What programs that went wrong have said."""
    said = {path.name: BROKEN.findall(path.read_text(errors="replace"))
            for path in pathlib.Path(lab.state.dir, "log").iterdir()}
    return {name: lines for name, lines in said.items() if lines}


def lab_name(suffix=""):
    return f"t{os.getpid() % 100000}{suffix}"


@pytest.fixture(scope="session", autouse=True)
def nothing_left():
    yield
    assert not ns.holders(lab_name(), prefix=True), "a lab of these tests is still there"


@pytest.fixture(scope="module")
def bare(driver):
    """Hosts and wires without server and agents."""
    lab = Lab(lab_name("b"), BUILD)
    lab.up(2, driver, services=False)
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def fabric(driver):
    """Two computes, networks blue and green behind one distributed router, VMs of both on both."""
    lab = Lab(lab_name("f"), BUILD)
    lab.up(2, driver)
    try:
        with contextlib.closing(Fabric(lab)) as f:
            yield f
        assert not broken_logs(lab)
    finally:
        lab.down()


@pytest.fixture(scope="module")
def three(driver):
    """Three computes, and nothing on them."""
    lab = Lab(lab_name("r"), BUILD)
    lab.up(3, driver)
    try:
        yield lab
        assert not broken_logs(lab)
    finally:
        lab.down()


@pytest.fixture
def watched(fabric):
    """The fabric, with every uplink captured; what must hold in every test is asked at its end."""
    with fabric.watch():
        yield fabric
        fabric.check_invariants()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the programs said."""
    report = (yield).get_result()
    given = getattr(item, "funcargs", {})
    lab = given.get("fabric") or given.get("bare") or given.get("three")
    lab = getattr(lab, "lab", lab)
    if report.failed and lab is not None and lab.state.exists():
        logs = pathlib.Path(lab.state.dir, "log")
        for path in sorted(logs.iterdir()):
            report.sections.append((path.name, tail(path, 30)))
