# SPDX-License-Identifier: Apache-2.0
"""build/neutrino against build/neutrino-server: the verbs of a day's work, on a real API."""

import json
import os
import pathlib
import socket
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("NEUTRINO_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))

CONFIG = """
[DEFAULT]
auth_strategy = noauth
bind_host = 127.0.0.1
bind_port = {api}
state_path = {dir}
router_distributed = True
[database]
connection = sqlite:///{dir}/neutron.db
[ml2]
type_drivers = vxlan
tenant_network_types = vxlan
[neutrino]
agent_listen = 127.0.0.1:{agents}
"""


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server on a database of its own; it says READY when it serves."""
    folder = tmp_path_factory.mktemp("server")
    api, agents = free_ports(2)
    (folder / "neutron.conf").write_text(CONFIG.format(api=api, agents=agents, dir=folder))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(folder / "notify"))
        ready.settimeout(30)
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen([str(BUILD / "neutrino-server"), "--config-file", str(folder / "neutron.conf")],
                                      stdout=log, stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")})
        try:
            while b"READY=1" not in ready.recv(4096).splitlines():
                pass
            yield f"http://127.0.0.1:{api}"
        except TimeoutError:
            pytest.fail((folder / "log").read_text())
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture
def run(url):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "NEUTRINO_"))}

    def run(line, expect=0):
        done = subprocess.run([str(BUILD / "neutrino"), *line.split()], capture_output=True, text=True, timeout=60,
                              env={**env, "NEUTRINO_URL": url, "OS_PROJECT_ID": "p1"})
        assert done.returncode == expect, done.stderr
        return done.stdout.strip() if expect == 0 else done.stderr.strip()

    return run


def test_a_days_work(run):
    net = run("net-create red -f value -c id")
    assert json.loads(run("net-show red -f json"))["project_id"] == "p1"
    subnet = run("subnet-create red 10.0.1.0/24 --name red4 --allocation-pool start=10.0.1.10,end=10.0.1.20"
                 " -f value -c id")
    router = json.loads(run("router-create --distributed=True r1 -f json"))
    assert router["distributed"] is True
    port = json.loads(run("port-create red --name vm --fixed-ip subnet_id=red4,ip_address=10.0.1.15 --host nowhere"
                          " --device-owner compute:nova -f json"))
    assert port["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.1.15"}]
    assert port["binding:host_id"] == "nowhere" and port["network_id"] == net
    assert run("router-interface-add r1 red4").startswith("Added interface ")
    owners = run("router-port-list r1 -F device_owner -f value").splitlines()
    assert owners == ["network:router_interface_distributed"]
    assert f"{subnet} 10.0.1.0/24" in run("net-list")
    assert run("port-list --device-owner compute:nova -f value -c name") == "vm"
    assert run("router-update r1 --name r2") == "Updated router: r1"
    assert run("router-delete r2", expect=1)  # has an interface
    assert run(f"router-interface-delete r2 subnet={subnet}") == "Removed interface from router r2."
    assert run("router-delete r2") == "Deleted router: r2"
    assert "in use" in run("net-delete red", expect=1)
    assert run("port-delete vm") == "Deleted port: vm"
    assert run("subnet-delete red4") == "Deleted subnet: red4"
    assert run(f"net-delete {net}") == f"Deleted network: {net}"
    assert run("net-list") == ""


def test_paging_and_sorting(run):
    run("net-create pages")
    run("subnet-create pages 10.0.2.0/24 --no-gateway")
    for n in (3, 1, 2):
        run(f"port-create pages --name p{n}")
    assert run("port-list -P 1 --sort-key name -f value -c name").split() == ["p1", "p2", "p3"]
    assert run("port-list -P 2 --sort-key name --sort-dir desc -f value -c name").split() == ["p3", "p2", "p1"]
    run("port-delete p1 p2 p3")
    run("net-delete pages")


def test_refusals_are_the_servers_words(run):
    assert "not served yet" in run("router-create --distributed=False r", expect=1)
    assert "bogus" in run("net-create n --bogus 1", expect=1)
    assert run("subnet-create n 10.0.0.0/24", expect=1) == "Unable to find network with name or id 'n'"
    assert run("agent-list") == ""
    assert "dvr" in run("ext-list -f value -c alias").split()
