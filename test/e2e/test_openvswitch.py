# SPDX-License-Identifier: Apache-2.0
"""What is Open vSwitch's own: its daemons die, its bridge and its devices go and come, others have flows in it.

compute1 has it in every lab that these tests are given."""

import contextlib
import os
import pathlib
import re
import signal
import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP, IPOption_RR
from scapy.layers.l2 import Ether

from frames import send
from lab import underlay
from lab.base import until
from lab.traffic import Stream, ping
from tap import HEADER, NEEDS_CSUM, TUN_F_CSUM, TUN_F_TSO4, tap_guest

pytestmark = pytest.mark.only_on("openvswitch", "mixed")
HOST = "compute1"
PAIRS = [("blue1", "green2"), ("green2", "blue1"), ("blue1", "green1")]
FEW = 300 # packets
FOREIGN = "cookie=0x77,table=0,priority=65535,dl_type=0x9999 actions=drop" # of a program that is none of ours


def on_host(fabric, *words):
    return fabric.lab.host(HOST).need().run(*words)


def row(fabric, device, column):
    return on_host(fabric, "ovs-vsctl", "--if-exists", "get", "Interface", device, column).strip()


def silence(stream):
    """The longest time between two arrivals, in seconds."""
    times = sorted(stream.arrived.values())
    return max(b - a for a, b in zip(times, times[1:]))


@contextlib.contextmanager
def strangers(fabric, *names):
    """No VM gets what is not its own, whatever happens in between."""
    with contextlib.ExitStack() as stack:
        captures = [stack.enter_context(fabric.lab.capture_vm(name, "ip")) for name in names]
        yield
        for c in captures:
            mac = getattr(fabric, c.name).mac
            assert [str(f) for f in c.frames() if mac not in (f.src, f.dst)] == [], f"at {c.name}"


@contextlib.contextmanager
def gap(fabric, figure, most):
    """Numbered packets each way between the hosts and on the host; they stop for `most` seconds at the longest, once."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(strangers(fabric, "blue1", "green1"))
        streams = [stack.enter_context(Stream(getattr(fabric, a), getattr(fabric, b), port=7400 + i)) for i, (a, b) in enumerate(PAIRS)]

        def go_on(seconds=10):
            for s, goal in [(s, s.arrivals() + FEW) for s in streams]:
                s.until(goal, seconds)

        go_on()
        yield go_on
        go_on(most + 10)
    figure(f"silent for {max(silence(s) for s in streams) * 1000:.0f} ms, at most {max(len(s.lost()) for s in streams)} packets of 1000/s lost")
    for (a, b), s in zip(PAIRS, streams):
        assert silence(s) < most and len(s.lost()) < most * s.rate, f"{a} to {b}: silent for {silence(s):.2f} s, {len(s.lost())} lost"
        assert s.duplicates == 0, f"{a} to {b}: {s.duplicates} came twice"


def converged(fabric):
    return fabric.lab.agent(HOST, "plan", "diff").strip() == ""


def all_see(fabric):
    for a in ("blue1", "green1", "blue2", "green2"):
        for b in ("blue1", "green1", "blue2", "green2"):
            if a != b:
                fabric.sees(getattr(fabric, a), getattr(fabric, b).ip, 1)


# ---- daemons ----

@pytest.mark.parametrize("how", ["restart", "kill"])
def test_ovs_vswitchd_comes_back_with_its_flows(watched, figure, how):
    """The userspace datapath dies with its process; what is lost is what was sent meanwhile, and nothing goes astray."""
    lab = watched.lab
    with gap(watched, figure, 2):
        if how == "restart":
            lab.restart(f"ovs-vswitchd@{HOST}")
        else:
            lab.kill(f"ovs-vswitchd@{HOST}")
            lab.start(f"ovs-vswitchd@{HOST}")
    until("the datapath is as planned", lambda: converged(watched), 10)
    all_see(watched)


def test_ovs_vswitchd_dies_and_nothing_leaks(watched):
    lab = watched.lab
    with strangers(watched, "green1", "green2"):
        lab.kill(f"ovs-vswitchd@{HOST}")
        for target in (watched.green1.ip, watched.green2.ip, watched.gateway_ip("blue"), "172.20.0.11"):
            assert ping(watched.blue1, target, 2, options=["-W", "0.2"])[1] == 0
        lab.start(f"ovs-vswitchd@{HOST}")
    until("packets go again", lambda: ping(watched.blue1, watched.green2.ip, 1, options=["-W", "0.2"])[1], 10)
    until("the datapath is as planned", lambda: converged(watched), 10)
    all_see(watched)


def test_what_it_does_not_fetch_is_counted(watched):
    """Without a processor it loses packets, which are no fault of flows: tests that count packets leave them out."""
    pid = watched.lab.host(HOST).process("ovs-vswitchd").pid
    with Stream(watched.blue1, watched.green1, rate=4000) as s:
        s.until_more(FEW)
        os.kill(pid, signal.SIGSTOP)
        try:
            until("more is sent than sockets hold", lambda: s.sent > s.arrivals() + 1500, 10)
        finally:
            os.kill(pid, signal.SIGCONT)
        s.until_more(FEW)
    assert s.lost()
    with pytest.warns(UserWarning, match=f"{len(s.lost())} packets lost"):
        assert watched.beyond_overflows(s.lost()) == []
    assert watched.beyond_overflows(range(100)) == range(100), "only those"


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_ovsdb_server_comes_back(watched, figure, how):
    """While it is away the userspace datapath does not forward, and for a second after that."""
    lab = watched.lab
    with gap(watched, figure, 4):
        if how == "restart":
            lab.restart(f"ovsdb-server@{HOST}")
        else:
            lab.kill(f"ovsdb-server@{HOST}")
            lab.start(f"ovsdb-server@{HOST}")
    until("the datapath is as planned", lambda: converged(watched), 10)
    vm = lab.boot("late", "green", HOST)
    try:
        watched.remember_places()
        watched.sees(watched.blue2, vm.ip, 1)
    finally:
        lab.stop("late")


def test_the_agent_starts_without_open_vswitch_and_waits(watched):
    lab = watched.lab
    for what in ("agent", "ovs-vswitchd", "ovsdb-server"):
        lab.kill(f"{what}@{HOST}")
    lab.start(f"agent@{HOST}")
    until("it says what it waits for", lambda: "db.sock" in lab.agent(HOST, "status"), 10)
    lab.start(f"ovsdb-server@{HOST}")
    lab.start(f"ovs-vswitchd@{HOST}")
    until("the datapath is as planned", lambda: converged(watched), 10)
    until("packets go again", lambda: ping(watched.blue1, watched.green2.ip, 1, options=["-W", "0.2"])[1], 10)
    assert "db.sock" not in lab.agent(HOST, "status")
    all_see(watched)


# ---- the bridge ----

def test_the_bridge_is_deleted_and_made_again(watched, figure):
    """By the agent, with its tunnel port; VMs are plugged in again by who plugged them in."""
    lab = watched.lab
    with gap(watched, figure, 3):
        on_host(watched, "ovs-vsctl", "del-br", "br-int")
        for name in ("blue1", "green1"):
            lab.vm(name).plug(lab.host(HOST)) # waits for the bridge
    assert on_host(watched, "ovs-vsctl", "get-fail-mode", "br-int").strip() == "secure"
    until("the datapath is as planned", lambda: converged(watched), 10)
    all_see(watched)


def test_flows_of_others_are_left_alone(watched):
    lab = watched.lab

    def foreign():
        return re.findall(r"cookie=0x77,.*", on_host(watched, "ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "br-int", "cookie=0x77/-1"))

    on_host(watched, "ovs-ofctl", "-O", "OpenFlow14", "add-flow", "br-int", FOREIGN)
    try:
        assert len(foreign()) == 1
        assert converged(watched), "others' flows are no difference"
        for act in (lab.restart, lab.kill, lab.start):
            act(f"agent@{HOST}")
            assert len(foreign()) == 1
        lab.boot("late", "green", HOST)
        lab.stop("late")
        until("the datapath is as planned", lambda: converged(watched), 10)
        assert len(foreign()) == 1
    finally:
        on_host(watched, "ovs-ofctl", "-O", "OpenFlow14", "del-flows", "br-int", "cookie=0x77/-1")


def test_flows_that_somebody_deleted_are_told_and_put_back(watched):
    """All of ours at once, as by a del-flows typed into the wrong window: the agent's next start mends it."""
    lab = watched.lab
    on_host(watched, "ovs-ofctl", "-O", "OpenFlow14", "del-flows", "br-int")
    assert not converged(watched)
    lab.restart(f"agent@{HOST}")
    until("the datapath is as planned", lambda: converged(watched), 10)
    all_see(watched)


# ---- devices ----

def test_a_device_made_again_under_its_name_is_plugged_again(watched):
    """As when a VM is started anew. To Open vSwitch it looks well, and is deaf; others do not notice."""
    lab, vm = watched.lab, watched.blue1
    device = vm.data["device"]
    with Stream(watched.green1, watched.green2, port=7410) as others:
        others.until_more(FEW)
        underlay.unplug(lab.host(HOST).need(), device)
        vm.connect()
        until("it is reached", lambda: ping(watched.green2, vm.ip, 1, options=["-W", "0.2"])[1], 10)
        others.until_more(FEW)
    assert watched.unexcused(others.lost(), watched.green1, watched.green2) == []
    until("it is installed", lambda: row(watched, device, "external_ids:neutrino-installed") == '"true"', 10)
    assert row(watched, device, "ofport_request") == "[]"
    all_see(watched)


def test_a_vm_is_started_anew_while_the_agent_is_down(watched):
    """As libvirt plugs it, all at once: Open vSwitch sees no change, and goes on with the device that is gone."""
    lab, vm = watched.lab, watched.blue1
    device, port = vm.data["device"], vm.data["port"]
    lab.kill(f"agent@{HOST}")
    underlay.unplug(lab.host(HOST).need(), device)
    vm.connect()
    on_host(watched, "ovs-vsctl", "del-port", device, "--", "add-port", "br-int", device,
            "--", "set", "Interface", device, f"external_ids:iface-id={port}")
    lab.start(f"agent@{HOST}")
    until("it is reached", lambda: ping(watched.green2, vm.ip, 1, options=["-W", "0.2"])[1], 10)
    until("it is installed", lambda: row(watched, device, "external_ids:neutrino-installed") == '"true"', 10)
    assert row(watched, device, "ofport_request") == "[]"
    all_see(watched)


def test_a_port_without_a_device_is_told(watched):
    """Its row says why; when the device comes all is well."""
    lab, api, vm = watched.lab, watched.api, watched.blue1
    port, device = vm.data["port"], vm.data["device"]
    underlay.unplug(lab.host(HOST).need(), device)
    on_host(watched, "ovs-vsctl", "del-port", device)
    lab.host(HOST).plug(device, port, vm.mac, vm.data["device_id"])
    until("it is not ACTIVE", lambda: api.show("ports", port)["status"] != "ACTIVE", 10)
    assert "No such device" in row(watched, device, "error")
    vm.connect()
    vm.wait_active()
    watched.sees(watched.green2, vm.ip, 1)


def test_installed_is_said_before_active(watched):
    """Who waits for either loses no first packet."""
    lab, api = watched.lab, watched.api
    vm = lab.boot("late", "green", HOST, wait=False)
    try:
        until("it is ACTIVE", lambda: api.show("ports", vm.data["port"])["status"] == "ACTIVE", 10, 0)
        assert row(watched, vm.data["device"], "external_ids:neutrino-installed") == '"true"'
        watched.remember_places()
        watched.sees(watched.blue2, vm.ip, 1)
    finally:
        lab.stop("late")


# ---- another datapath ----

LEFT_BY_OVS = "the datapath openvswitch has left behind: flows of br-int, rows of br-int in Open vSwitch's database. "
LEFT_BY_EBPF = "the datapath ebpf has left behind: maps in /sys/fs/bpf/neutrino, device vxlan-neutrino, a filter on tap"


def take_datapath(lab, name):
    path = pathlib.Path(lab.host(HOST).etc, "neutrino.conf")
    path.write_text(re.sub(r"^datapath = .*$", f"datapath = {name}", path.read_text(), flags=re.M))


def warnings(fabric):
    return [line for line in fabric.lab.agent(HOST, "status").splitlines() if line.startswith("warning: the datapath")]


def test_a_host_that_changed_its_datapath_is_warned_and_cleaned(fabric):
    lab = fabric.lab
    assert warnings(fabric) == []
    take_datapath(lab, "ebpf")
    lab.restart(f"agent@{HOST}")
    assert [line.startswith(f"warning: {LEFT_BY_OVS}") for line in warnings(fabric)] == [True]
    take_datapath(lab, "openvswitch")
    lab.restart(f"agent@{HOST}")
    assert [line.startswith(f"warning: {LEFT_BY_EBPF}") for line in warnings(fabric)] == [True]
    lab.kill(f"agent@{HOST}")
    lab.agent(HOST, "cleanup")
    assert "cookie=0x6e74" not in on_host(fabric, "ovs-ofctl", "-O", "OpenFlow14", "dump-flows", "br-int")
    assert "vxlan-neutrino" not in on_host(fabric, "ovs-vsctl", "list-ports", "br-int").split()
    assert "neutrino" not in on_host(fabric, "ls", "/sys/fs/bpf").split()
    lab.start(f"agent@{HOST}")
    until("the datapath is as planned", lambda: converged(fabric), 10)
    assert warnings(fabric) == []
    all_see(fabric)


# ---- what flows and the userspace datapath cannot do ----

def test_a_packet_with_ip_options_is_routed(watched):
    """Flows do not see them: docs/openflow.md."""
    a, b = watched.blue1, watched.green2
    frame = (Ether(src=a.mac, dst=watched.gateway_mac("blue")) /
             IP(src=a.ip, dst=b.ip, options=IPOption_RR(routers=["0.0.0.0"] * 3)) / UDP(sport=5, dport=7413) / b"options")
    with watched.lab.capture_vm("green2", "udp port 7413") as c:
        send(a, frame)
        until("it arrives", lambda: c.frames(), 10)
        assert [(f.payload, f.ttl, f.bad_checksum()) for f in c.frames()] == [(b"options", 63, None)]


def test_unfinished_packets_of_a_guest_do_not_arrive(watched):
    """Why guests must have their offloads off there: what is finished arrives, what is left to the host never as it should."""
    with tap_guest(watched, "green", HOST, TUN_F_CSUM | TUN_F_TSO4) as guest:
        to = Ether(src=guest.mac, dst=watched.green2.mac) / IP(src=guest.ip, dst=watched.green2.ip)
        plain = bytearray(bytes(to / UDP(sport=5, dport=7411) / b"plain"))
        partial = bytearray(bytes(to / UDP(sport=5, dport=7411) / b"partial"))
        pseudo = partial[26:34] + struct.pack("!BBH", 0, 17, 8 + len(b"partial"))
        struct.pack_into("!H", partial, 40, sum(struct.unpack("!6H", pseudo)) % 0xffff)
        large = bytes(to / TCP(sport=9, dport=7412, seq=1, flags="A") / bytes(14000))
        with watched.lab.capture_vm("green2", "udp port 7411 or tcp port 7412") as c:
            guest.send(partial, HEADER.pack(NEEDS_CSUM, 0, 0, 0, 34, 6))
            guest.send(large, HEADER.pack(NEEDS_CSUM, 1, 54, 1370, 34, 16))
            guest.send(plain)
            until("the finished one arrives", lambda: [f for f in c.frames() if f.payload == b"plain"], 10)
            assert [f.payload for f in c.frames() if not f.bad_checksum()] == [b"plain"]
