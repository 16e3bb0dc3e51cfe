# SPDX-License-Identifier: Apache-2.0
"""The lab itself: its hosts are there, apart from each other, and gone afterwards."""

import os
import select
import signal
import subprocess

import pytest

from conftest import BUILD, lab_name
from lab import Lab, LabError, ns, underlay
from lab.base import until
from lab.state import ROOT
from lab.traffic import ping


def left_of(name):
    """Everything that a lab of this name has on the machine."""
    left = list(ns.holders(name))
    left += [d for d in os.listdir("/sys/class/net") if d == f"nl-{name}"]
    left += [d for d in (os.listdir(ROOT) if os.path.isdir(ROOT) else []) if d == name]
    return left


def test_hosts_reach_each_other_over_the_underlay(bare):
    with bare.capture("compute1") as one, bare.capture("network") as other:
        assert ping(bare.host("compute2").space, "172.20.0.11") == (3, 3)
        icmp = [f for f in one.frames() if f.proto == 1]
        assert len(icmp) == 6 and {f.ttl for f in icmp} == {64}
        assert not [f for f in other.frames() if f.proto == 1], "the bridge learns"


def test_a_host_has_its_own_mounts_and_name(bare):
    host = bare.host("compute1").space
    assert host.run("hostname").strip() == "compute1"
    assert "local_ip = 172.20.0.11" in host.run("cat", "/etc/neutron/plugins/ml2/openvswitch_agent.ini")
    assert host.run("ls", "/var/lib").split() == ["neutrino"]
    assert "type bpf" in host.run("mount")
    host.run("mkdir", "/sys/fs/bpf/here")
    assert "here" not in bare.host("compute2").space.run("ls", "/sys/fs/bpf")
    assert not os.path.exists("/sys/fs/bpf/here")


@pytest.mark.only_on("openvswitch", "mixed")
def test_open_vswitch_is_the_hosts_own(bare):
    """By its usual paths, whatever the machine itself runs there; the host's address is on br-phy, and only there."""
    switch = {h.name: h.space.run("ovs-vsctl", "get", "Open_vSwitch", ".", "_uuid") for h in bare.hosts() if h.vswitch}
    assert "compute1" in switch and len(set(switch.values())) == len(switch)
    for host in bare.hosts():
        assert ("conf.db" in host.space.run("ls", "/etc/openvswitch")) == (host.name in switch)
        assert os.path.exists(f"{host.dir}/run/openvswitch") == (host.name in switch)
    host = bare.host("compute1").space
    assert host.run("ovs-vsctl", "list-br").split() == ["br-phy"]
    assert host.run("ovs-vsctl", "list-ports", "br-phy").split() == ["eth0"]
    assert [line.split()[1] for line in host.run("ip", "-4", "-o", "addr").splitlines()] == ["lo", "br-phy"]


@pytest.mark.only_on("openvswitch", "mixed")
def test_open_vswitch_dies_and_comes_back(bare):
    host = bare.host("compute1").space
    for what in ("ovs-vswitchd@compute1", "ovsdb-server@compute1"):
        bare.kill(what)
        assert bare.status()["hosts"]["compute1"][what.partition("@")[0]] is None
        with pytest.raises(LabError):
            bare.kill(what)
        assert ping(host, "172.20.0.12", 1, options=["-W", "0.2"])[1] == 0
        bare.start(what)
        until("the host is reached", lambda: ping(host, "172.20.0.12", 1, options=["-W", "0.2"])[1] == 1, 10)
        bare.restart(what)
        until("the host is reached", lambda: ping(host, "172.20.0.12", 1, options=["-W", "0.2"])[1] == 1, 10)


@pytest.mark.only_on("openvswitch", "mixed")
def test_the_hosts_own_stack_hears_nothing_from_vms(bare):
    """The kernel sees what the userspace datapath sees: a VM must not reach its host by that."""
    host, guest = bare.host("compute1").space, ns.Space.make(bare.name, "vm:guest")
    try:
        underlay.plug(host, guest, "taptest", "fa:16:3e:00:00:01", 1500)
        tap = host.run("cat", "/sys/class/net/taptest/address").strip()
        guest.run("ip", "-batch", "-", input="addr add 172.20.0.12/24 dev eth0\nlink set eth0 up\n")
        assert ping(guest, "172.20.0.11", 2, options=["-W", "0.2"])[1] == 0, "ARP"
        guest.run("ip", "neigh", "replace", "172.20.0.11", "lladdr", tap, "dev", "eth0")
        assert ping(guest, "172.20.0.11", 2, options=["-W", "0.2"])[1] == 0, "IP"
    finally:
        guest.end()


def test_only_one_device_in_the_root_namespace(bare):
    mine = [d for d in os.listdir("/sys/class/net") if bare.name in d]
    assert mine == [f"nl-{bare.name}"]


def test_a_killed_host_loses_its_links_and_comes_back(bare):
    host = bare.host("compute1")
    inside = host.space.spawn("sleep", "1000")
    bare.kill("compute1")
    try:
        assert not inside.alive()
        assert "compute1" not in bare.space("underlay").run("ip", "-br", "link")
        assert bare.status()["hosts"]["compute1"]["state"] == "down"
        assert ping(bare.host("compute2").space, "172.20.0.11", options=["-w", "1"])[1] == 0
        with pytest.raises(LabError):
            bare.kill("compute1")
    finally:
        with bare.state.locked():
            bare.host("compute1").power_on()
    assert ping(bare.host("compute2").space, "172.20.0.11")[1] == 3


def test_capture_verb_writes_a_pcap_until_interrupted(bare):
    words = [str(BUILD / "neutrino-lab"), "capture", "compute1", "--name", bare.name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        try:
            said = b""
            while b"listening" not in said:
                assert select.select([p.stderr], [], [], 10)[0]
                more = os.read(p.stderr.fileno(), 4096)
                assert more, said
                said += more
            ping(bare.host("compute2").space, "172.20.0.11", count=1)
            head = p.stdout.read(24 + 16)
        finally:
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=10)
    assert head[:4] == b"\xd4\xc3\xb2\xa1" and len(head) == 40


def test_two_labs_at_once(bare, driver):
    other = Lab(lab_name("c"), BUILD)
    try:
        other.up(1, driver, services=False)
        assert other.status()["api"] != bare.status()["api"]
        assert ping(other.host("network").space, "172.20.0.11")[1] == 3
    finally:
        assert other.down()
    assert left_of(other.name) == []
    assert ping(bare.host("network").space, "172.20.0.11")[1] == 3


def test_down_after_an_up_that_was_killed(driver):
    name = lab_name("d")
    lab = Lab(name, BUILD)
    script = f"from lab import Lab; Lab('{name}').up(5, '{driver}', services=False)"
    with subprocess.Popen(["/usr/bin/python3", "-c", script], cwd=lab.source) as p:
        until("two holders", lambda: len(ns.holders(name)) >= 2, 20)
        p.kill()
    assert left_of(name)
    assert lab.down()
    assert left_of(name) == []
    assert not lab.down()


def test_an_up_that_fails_leaves_nothing(tmp_path, driver):
    name = lab_name("e")
    for program in ("neutrino-server", "neutrino-agent"):
        (tmp_path / program).write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    with pytest.raises(LabError, match="no such luck"):
        Lab(name, tmp_path).up(1, driver)
    assert left_of(name) == []


def test_names_are_checked():
    with pytest.raises(LabError):
        Lab("no/such")
    with pytest.raises(LabError, match="no lab"):
        Lab(lab_name("z")).status()
