# SPDX-License-Identifier: Apache-2.0
"""A real neutrino-server on a free port of the loopback, with a database of its own."""

import contextlib
import io
import json
import logging
import os
import pathlib
import sys

import pytest
from openstackclient import shell

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from server import Server  # noqa: E402


def pytest_configure():
    os.umask(0o022)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    assert server.stop() == 0, "the server did not end in order:\n" + server.log()


@pytest.fixture
def server(shared_server, request):
    """The server that most tests share; each makes its own resources."""
    begin = len(shared_server.lines)
    yield shared_server
    report = getattr(request.node, "report_of_call", None)
    if report is not None and report.failed:
        print("---- the server's log during the test\n" + "\n".join(shared_server.lines[begin:][-60:]))


@pytest.fixture
def own_server(tmp_path):
    """A server for one test, which may configure it before the start, and kill it."""
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def api(server):
    return server.client()


@pytest.fixture(scope="module")
def cli(shared_server):
    """The client's own entry point, in this process: starting Python for each call would take most of the time."""
    options = ["--os-auth-type", "none", "--os-endpoint", f"http://127.0.0.1:{shared_server.port}"]

    def run(*args, code=0, parse=True):
        out, err = io.StringIO(), io.StringIO()
        loggers = {n: logging.getLogger(n).level for n in ("openstack", "keystoneauth", "")}
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = shell.OpenStackShell().run(options + list(args))
        for name, level in loggers.items():
            logging.getLogger(name).setLevel(level)
        assert got == code, f"{args}: {out.getvalue()}{err.getvalue()}"
        return json.loads(out.getvalue()) if parse and code == 0 and out.getvalue().strip() else out.getvalue()

    return run


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.report_of_call = outcome.get_result()
