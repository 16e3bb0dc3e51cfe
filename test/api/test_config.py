# SPDX-License-Identifier: Apache-2.0
"""Neutron's files of several releases, given to both programs; and what stops the start of each."""

import collections
import pathlib
import re
import socket
import subprocess

import pytest

from server import BUILD

RELEASES = pathlib.Path(__file__).resolve().parent / "config"
LINE = re.compile(r"(obeyed|default|ignored|refused|unknown) +(?:(\S+:\d+): )?\[(\S+)\] ([^:= ]+)(?: = ([^\n]*)| is not set[^:]*)?(?:: (.*))?")

SERVER = """\
[DEFAULT]
auth_strategy = noauth
[database]
connection = sqlite:///{dir}/neutron.db
"""
AGENT = """\
[ovs]
local_ip = 192.0.2.1
"""

Judged = collections.namedtuple("Judged", "verdict where section name value note")


def run(program, *args):
    return subprocess.run([BUILD / f"neutrino-{program}", *map(str, args)], capture_output=True, text=True, timeout=30)


def check(program, *args):
    """(exit code, what it says of each option)"""
    done = run(program, *args, "--check-config")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, f in zip(lines, found) if not f]
    return done.returncode, [Judged(*f.groups()) for f in found]


def options(path):
    """Each option that a file sets: "FILE:LINE"."""
    lines = path.read_text().splitlines()
    return [f"{path}:{n}" for n, line in enumerate(lines, 1) if re.match(r"[A-Za-z]", line)]


@pytest.mark.parametrize("program", ["server", "agent"])
@pytest.mark.parametrize("release", sorted(p.name for p in RELEASES.iterdir()))
def test_files_of_a_release(release, program):
    folder = RELEASES / release
    code, judged = check(program, "--config-dir", folder)
    assert code == 0
    assert not [j for j in judged if j.verdict in ("unknown", "refused")]
    assert all(j.note for j in judged if j.verdict == "ignored")
    assert sorted(j.where for j in judged if j.where) == sorted(w for p in folder.iterdir() for w in options(p))
    obeyed = {(j.section.lower(), j.name) for j in judged if j.verdict == "obeyed"}
    if program == "server":
        assert {("default", "auth_strategy"), ("database", "connection"), ("ml2_type_vxlan", "vni_ranges")} <= obeyed
    else:
        assert {("default", "agent_mode"), ("ovs", "local_ip"), ("agent", "l2_population")} <= obeyed


@pytest.mark.parametrize("program", ["server", "agent"])
def test_secrets_stay_in_the_files(program):
    for folder in RELEASES.iterdir():
        done = run(program, "--config-dir", folder, "--check-config")
        assert "s3cret" not in done.stdout + done.stderr


def test_capitals_and_the_old_name():
    """ovs_neutron_plugin.ini: [OVS] and [AGENT]."""
    _, judged = check("agent", "--config-dir", RELEASES / "mitaka")
    assert [j for j in judged if (j.section, j.name, j.verdict, j.value) == ("OVS", "local_ip", "obeyed", "192.0.2.11")]
    assert [j for j in judged if (j.section, j.name, j.value) == ("AGENT", "vxlan_udp_port", "4790")]


def test_agent_reads_ml2_conf():
    _, judged = check("agent", "--config-file", RELEASES / "queens" / "ml2_conf.ini")
    values = {(j.section, j.name): j.value for j in judged if j.verdict == "obeyed"}
    assert values["ovs", "local_ip"] == "192.0.2.12" and values["agent", "report_interval"] == "15"


REFUSED = [
    ("server", "DEFAULT", "enable_dvr", "False", "True"),
    ("server", "DEFAULT", "auth_strategy", "keystone", "noauth"),
    ("server", "DEFAULT", "use_ssl", "True", "False"),
    ("server", "DEFAULT", "bind_port", "many", "an integer from 0 to 65535"),
    ("server", "DEFAULT", "dvr_base_mac", "fa:16:3e:00:00:00", "one that differs from base_mac"),
    ("server", "ml2", "overlay_ip_version", "6", "4"),
    ("server", "ml2", "type_drivers", "flat,vlan", "vxlan among them"),
    ("server", "ml2", "tenant_network_types", "vlan", "vxlan among them"),
    ("server", "ml2_type_vxlan", "vni_ranges", "9:1", "MIN:MAX"),
    ("server", "database", "connection", "mysql://db/neutron", "sqlite:////PATH"),
    ("server", "neutrino", "agent_listen", "everywhere", "ADDRESS:PORT"),
    ("agent", "ml2", "overlay_ip_version", "6", "4"),
    ("agent", "DEFAULT", "agent_mode", "distributed_agent", "one of legacy, dvr, dvr_snat, dvr_no_external"),
    ("agent", "DEFAULT", "host", "h" * 64, "a name of 1 to 63"),
    ("agent", "ovs", "local_ip", "2001:db8::1", "an IPv4 address"),
    ("agent", "ovs", "local_ip", "224.0.0.1", "the address of this host"),
    ("agent", "AGENT", "tunnel_types", "gre", "vxlan among them"),
    ("agent", "AGENT", "vxlan_udp_port", "0", "an integer from 1 to 65535"),
    ("agent", "AGENT", "report_interval", "0", "a number from 1 to 600"),
    ("agent", "OVS", "integration_bridge", "br/int", "the name of a bridge"),
    ("agent", "ovs", "integration_bridge", "a-bridge-of-16-c", "the name of a bridge"),
    ("agent", "ovs", "datapath_type", "dpdk", "one of system, netdev"),
    ("agent", "ovs", "ovsdb_connection", "ssl:127.0.0.1:6640", "unix:PATH or tcp:ADDRESS:PORT: TLS is not served so far"),
    ("agent", "ovs", "ovsdb_connection", "127.0.0.1:6640", "unix:PATH or tcp:ADDRESS:PORT"),
    ("agent", "AGENT", "tunnel_csum", "maybe", "true or false"),
    ("agent", "neutrino", "server", "nowhere", "ADDRESS:PORT"),
    ("agent", "neutrino", "datapath", "ovs-dpdk", "one of ebpf, fake, openvswitch"),
]


@pytest.mark.parametrize("program, section, name, value, expected", REFUSED)
def test_refused(tmp_path, program, section, name, value, expected):
    base, path = tmp_path / "base.conf", tmp_path / "more.conf"
    base.write_text((SERVER if program == "server" else AGENT).replace("{dir}", str(tmp_path)))
    path.write_text(f"[{section}]\n\n{name} = {value}\n")
    args = ["--config-file", base, "--config-file", path]
    text = f"{path}:3: [{section}] {name} = {value}: expected {expected}"
    code, judged = check(program, *args)
    assert code == 1
    assert [j.where for j in judged if j.verdict == "refused"] == [f"{path}:3"]
    done = run(program, *args)
    assert done.returncode == 1 and text in done.stderr, done.stderr


@pytest.mark.parametrize("program, text", [("server", "[DEFAULT] auth_strategy is not set, and its default is keystone"),
                                           ("agent", "[ovs] local_ip is not set: expected the address of this host")])
def test_refused_because_it_is_missing(tmp_path, program, text):
    path = tmp_path / "empty.conf"
    path.write_text("")
    code, judged = check(program, "--config-file", path)
    assert code == 1 and [j.verdict for j in judged].count("refused") == 1
    done = run(program, "--config-file", path)
    assert done.returncode == 1 and text in done.stderr, done.stderr


@pytest.mark.parametrize("population, types, routing, code", [
    ("False", "vxlan", "True", 1), (None, "vxlan", "True", 1), ("True", "vxlan", "True", 0),
    ("False", "", "True", 0), (None, "vxlan", "False", 0), (None, "vxlan", None, 0)])
def test_distributed_routing_over_tunnels_needs_l2_population(tmp_path, population, types, routing, code):
    path = tmp_path / "agent.ini"
    lines = [f"{k} = {v}\n" for k, v in (("tunnel_types", types), ("enable_distributed_routing", routing),
                                         ("l2_population", population)) if v is not None]
    path.write_text(AGENT + "[agent]\n" + "".join(lines))
    got, judged = check("agent", "--config-file", path)
    assert got == code
    assert [j.name for j in judged if j.verdict == "refused"] == ["l2_population"] * code
    if code:
        done = run("agent", "--config-file", path)
        assert done.returncode == 1
        assert "[agent] l2_population" in done.stderr and "enable_distributed_routing" in done.stderr


OVS_ONLY = {"integration_bridge": "br-kilo", "datapath_type": "netdev", "tunnel_csum": "True"}


@pytest.mark.parametrize("datapath", ["ebpf", "openvswitch"])
def test_what_is_of_one_datapath(tmp_path, datapath):
    """Obeyed where it is the host's, else ignored, and said why; what the other one has for itself is left out."""
    path = tmp_path / "neutrino.conf"
    path.write_text(f"[neutrino]\ndatapath = {datapath}\npin_dir = /sys/fs/bpf/x\n")
    _, judged = check("agent", "--config-dir", RELEASES / "kilo", "--config-file", path)
    found = {j.name: j for j in judged}
    for name, value in OVS_ONLY.items():
        assert (found[name].verdict, found[name].value) == (("obeyed", value) if datapath == "openvswitch" else ("ignored", None))
    assert found["pin_dir"].verdict == ("obeyed" if datapath == "ebpf" else "ignored")
    assert ("ovsdb_connection" in found) == (datapath == "openvswitch")
    for name in ("tunnel_bridge", "int_peer_patch_port", "of_interface", "arp_responder", "vhostuser_socket_dir"):
        assert found[name].verdict == "ignored" and found[name].note


def test_open_vswitch_where_its_database_answers(tmp_path):
    path, database = tmp_path / "agent.ini", tmp_path / "db.sock"
    path.write_text(AGENT + f"ovsdb_connection = unix:{database}\n")

    def chosen():
        return [(j.verdict, j.value) for j in check("agent", "--config-file", path)[1] if j.name == "datapath"]

    assert chosen() == [("default", "ebpf")]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(database))
        assert chosen() == [("default", "ebpf")]  # nobody listens
        listener.listen()
        assert chosen() == [("default", "openvswitch")]
        more = tmp_path / "neutrino.conf"
        more.write_text("[neutrino]\ndatapath = ebpf\n")
        _, judged = check("agent", "--config-file", path, "--config-file", more)
        assert [(j.verdict, j.value) for j in judged if j.name == "datapath"] == [("obeyed", "ebpf")]


def test_unknown_are_guessed(tmp_path):
    path = tmp_path / "neutron.conf"
    path.write_text(SERVER.replace("{dir}", str(tmp_path)) + "[DEFAULT]\nrouter_distribute = True\nzzz = 1\nagent_dwon_time = 3\n"
                    "[ml2]\nvni_ranges = 1:2\n")
    code, judged = check("server", "--config-file", path)
    assert code == 0
    assert {j.name: j.note for j in judged if j.verdict == "unknown"} == {
        "router_distribute": "did you mean [DEFAULT] router_distributed?",
        "agent_dwon_time": "did you mean [DEFAULT] agent_down_time?",
        "vni_ranges": "did you mean [ml2_type_vxlan] vni_ranges?",
        "zzz": None,
    }


def test_each_knows_what_the_other_obeys(tmp_path):
    """One file for both is usual: nothing in it is unknown to either."""
    told = {program: check(program, "--config-dir", RELEASES / "2025.1")[1] for program in ("server", "agent")}
    path = tmp_path / "both.conf"
    for program, other in (("server", "agent"), ("agent", "server")):
        names = [(j.section, j.name) for j in told[program] if j.verdict in ("obeyed", "default")]
        path.write_text("".join(f"[{s}]\n{n} = 1\n" for s, n in names))
        assert [j for j in check(other, "--config-file", path)[1] if j.verdict == "unknown"] == []


@pytest.mark.parametrize("program", ["server", "agent"])
@pytest.mark.parametrize("text, words", [("[DEFAULT\n", ":1: a section must end"), ("x = 1\n", ":1: assignment before"),
                                         ("[DEFAULT]\nstate_path = $nothing\n", ":2: [DEFAULT] state_path = $nothing")])
def test_malformed_files(tmp_path, program, text, words):
    path = tmp_path / "bad.conf"
    path.write_text(text)
    if "$" in text:
        path.write_text(text + (SERVER if program == "server" else AGENT))
    done = run(program, "--config-file", path)
    assert done.returncode == 1 and f"{path}{words}" in done.stderr
    done = run(program, "--config-file", path, "--check-config")
    assert done.returncode == 1 and f"{path}{words}" in done.stdout + done.stderr
