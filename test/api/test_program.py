# SPDX-License-Identifier: Apache-2.0
"""The program: its options, what stops its start, and what it does beside serving."""

import socket
import subprocess

import pytest

from server import PROGRAM


def test_enroll_while_serving(own_server):
    own_server.start()
    first, second = own_server.run("enroll", "compute1"), own_server.run("enroll", "compute2")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(first.stdout.strip()) >= 32 and first.stdout != second.stdout
    assert own_server.client().create("network")["status"] == "ACTIVE"
    database = b"".join(p.read_bytes() for p in own_server.dir.glob("neutron.db*"))
    assert first.stdout.strip().encode() not in database, "the token itself is stored"


def test_database_is_private(own_server):
    own_server.start()
    for path in own_server.dir.glob("neutron.db*"):
        assert path.stat().st_mode & 0o007 == 0, path


def test_one_server_a_database(own_server):
    own_server.start()
    second = own_server.run()
    assert second.returncode == 1 and "another neutrino-server" in second.stderr


def test_survives_restart(own_server):
    own_server.start()
    api = own_server.client()
    net, subnet = api.network("10.40.0.0/24")
    net = api.show("network", net["id"])
    assert own_server.stop() == 0
    own_server.start()
    api = own_server.client()
    assert api.show("network", net["id"]) == net and api.show("subnet", subnet["id"]) == subnet


@pytest.mark.parametrize("changes, words", [
    ({"DEFAULT": {"auth_strategy": "keystone"}}, ["auth_strategy", "keystone", "noauth"]),
    ({"DEFAULT": {"auth_strategy": None}}, ["auth_strategy", "noauth"]),
    ({"database": {"connection": "mysql+pymysql://u:secret@db/neutron"}}, ["connection", "sqlite"]),
    ({"database": {"connection": "sqlite://"}}, ["connection"]),
    ({"DEFAULT": {"bind_port": "x"}}, ["bind_port"]),
    ({"DEFAULT": {"bind_port": "65536"}}, ["bind_port"]),
    ({"DEFAULT": {"bind_host": "nowhere.example"}}, ["bind_host"]),
    ({"DEFAULT": {"base_mac": "fa:16"}}, ["base_mac"]),
    ({"DEFAULT": {"dvr_base_mac": "fa:16:3e:00:00:00"}}, ["dvr_base_mac", "differ"]),
    ({"DEFAULT": {"router_distributed": "perhaps"}}, ["router_distributed"]),
    ({"ml2": {"tenant_network_types": "vlan"}}, ["network_types", "vxlan"]),
    ({"ml2": {"type_drivers": "flat,vlan"}}, ["type_drivers", "vxlan"]),
    ({"ml2_type_vxlan": {"vni_ranges": "9:1"}}, ["vni_ranges"]),
    ({"neutrino": {"agent_listen": "everywhere"}}, ["agent_listen"]),
])
def test_refuses_to_start(own_server, changes, words):
    own_server.configure(**changes)
    done = own_server.run()
    assert done.returncode == 1
    assert all(w in done.stderr for w in words), done.stderr
    assert "secret" not in done.stderr


def test_noauth_stays_on_loopback(own_server):
    own_server.configure(DEFAULT={"bind_host": "0.0.0.0"})
    own_server.start()
    assert any("noauth_anywhere" in line for line in own_server.lines)
    assert listening(own_server.port) == {"0100007F"}


def test_noauth_anywhere(own_server):
    own_server.configure(DEFAULT={"bind_host": "0.0.0.0"}, neutrino={"noauth_anywhere": "true"})
    done = own_server.run("--check-config")
    assert done.returncode == 0 and "The API is served on 0.0.0.0" in done.stdout


def listening(port):
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


def test_port_taken(own_server):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        own_server.configure(DEFAULT={"bind_port": str(s.getsockname()[1])})
        done = own_server.run()
    assert done.returncode == 1 and "cannot listen" in done.stderr


def test_check_config(own_server):
    own_server.configure(DEFAULT={"api_workers": "4", "no_such_option": "1"})
    done = own_server.run("--check-config")
    assert done.returncode == 0
    assert f"obeyed  {own_server.conf}:3: [DEFAULT] auth_strategy = noauth\n" in done.stdout
    assert f"ignored {own_server.conf}:5: [DEFAULT] api_workers: one process" in done.stdout
    assert "default [DEFAULT] debug = false\n" in done.stdout
    assert f"unknown {own_server.conf}:6: [DEFAULT] no_such_option\n" in done.stdout
    assert not (own_server.dir / "neutron.db").exists()


def test_config_dir(own_server):
    extra = own_server.dir / "conf.d"
    extra.mkdir()
    (extra / "10.conf").write_text("[DEFAULT]\nagent_down_time = 11\n")
    (extra / "20.conf").write_text("[DEFAULT]\nagent_down_time = 22\n")
    done = own_server.run("--config-dir", str(extra), "--check-config")
    assert f"obeyed  {extra}/20.conf:2: [DEFAULT] agent_down_time = 22\n" in done.stdout
    assert f"ignored {extra}/10.conf:2: [DEFAULT] agent_down_time: {extra}/20.conf:2 has the last word\n" in done.stdout


def test_unknown_options_are_warned_of(own_server):
    own_server.configure(DEFAULT={"bind_prot": "1", "api_workers": "4"})
    own_server.start()
    assert any(f"{own_server.conf}:5: [DEFAULT] bind_prot is not known" in line and "bind_port?" in line
               for line in own_server.lines)
    assert any("have no effect here" in line for line in own_server.lines)


@pytest.mark.parametrize("args, code", [(["--version"], 0), (["--help"], 0), (["-h"], 0), (["--nonsense"], 2),
                                        (["explode"], 2), (["enroll"], 2), (["enroll", "a", "b"], 2)])
def test_arguments(args, code):
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=30)
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0) and bool(done.stderr) == (code != 0)


def test_missing_file(own_server):
    own_server.conf = own_server.dir / "absent.conf"
    done = own_server.run()
    assert done.returncode == 1 and "absent.conf" in done.stderr


@pytest.mark.parametrize("host", ["", "x" * 64, "a b", "\n"])
def test_enroll_refuses(own_server, host):
    done = own_server.run("enroll", host)
    assert done.returncode == 1 and done.stdout == "" and done.stderr


