# SPDX-License-Identifier: Apache-2.0
"""A host knows what its VMs need, and nothing else; VMs come, go and move."""

import pytest

from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from frames import send
from lab.base import until
from lab.traffic import Stream, ping


def tables(lab, host):
    """How many records of each table the host's plan has."""
    count = {}
    for line in lab.agent(host, "plan", "show").splitlines():
        if line.strip() and not line.startswith("#"):
            table = line.split()[0]
            count[table] = count.get(table, 0) + 1
    return count


def test_a_host_without_vms_knows_nothing(watched):
    assert set(tables(watched.lab, "network")) <= {"host"}


def test_a_host_knows_the_routers_networks_and_the_peers(watched):
    plan = tables(watched.lab, "compute1")
    assert (plan["segment"], plan["interface"], plan["port"], plan["peer"], plan["neighbour"] >= 4) == (2, 2, 2, 1, True)


def test_router_goes_with_the_last_vm_and_comes_with_the_first(watched):
    lab = watched.lab
    watched.sees(watched.blue1, watched.green2.ip, 1)
    lab.stop("green2")
    assert tables(lab, "compute2")["interface"] == 2, "blue2 still needs the router"
    lab.stop("blue2")
    until("compute2 forgets the router", lambda: set(tables(lab, "compute2")) <= {"host"}, 10)
    until("compute1 forgets the peer", lambda: "peer" not in tables(lab, "compute1"), 10)
    lab.boot("green2", "green", "compute2")
    assert tables(lab, "compute2")["interface"] == 2
    watched.remember_places()
    watched.sees(watched.blue1, watched.green2.ip, 3)
    lab.boot("blue2", "blue", "compute2")
    watched.remember_places()
    watched.sees(watched.green1, watched.blue2.ip, 3)


def test_a_vm_moves_and_is_reached_there(watched):
    lab = watched.lab
    try:
        lab.move("green2", "compute1")
        watched.remember_places()
        assert watched.green2.hostname == "compute1"
        watched.captures["compute1"].clear()
        for vm in ("blue1", "green1", "blue2"):
            watched.sees(getattr(watched, vm), watched.green2.ip, 3)
        assert {f.inner.ip_src for f in watched.tenant("compute1")} == {watched.blue2.ip, watched.green2.ip}
    finally:
        lab.move("green2", "compute2")
        watched.remember_places()
    watched.sees(watched.blue1, watched.green2.ip, 3)


def test_others_lose_nothing_while_a_vm_moves(watched):
    with Stream(watched.blue1, watched.blue2) as there, Stream(watched.green1, watched.blue2, port=7002) as routed:
        there.until_more(200)
        watched.lab.move("green2", "compute1")
        watched.lab.move("green2", "compute2")
        watched.remember_places()
        there.until_more(200)
    assert watched.unexcused(there.lost(), watched.blue1, watched.blue2) == []
    assert watched.unexcused(routed.lost(), watched.green1, watched.blue2) == []


def test_without_its_interface_a_network_is_not_routed(watched):
    api, subnet = watched.api, watched.subnets["green"]["id"]
    api.remove_interface(watched.router["id"], subnet)
    try:
        for host in ("compute1", "compute2"):
            until(f"{host} has one interface or none", lambda: tables(watched.lab, host).get("interface", 0) <= 1, 10)
        assert ping(watched.blue1, watched.green2.ip, 2, options=["-w", "1"])[1] == 0
        watched.sees(watched.green1, watched.green2.ip, 2)
    finally:
        watched.add_interface("green")
    for host in ("compute1", "compute2"):
        until(f"{host} has both", lambda: tables(watched.lab, host).get("interface", 0) == 2, 10)
    for vm in (watched.green1, watched.green2):
        vm.run("ip", "neigh", "flush", "all")
    watched.sees(watched.blue1, watched.green2.ip, 2)


def test_the_first_packet_to_a_new_peer_arrives(fabric):
    """Hosts that had nothing to do with each other: when the port is ACTIVE they know each other's places on the wire."""
    far = fabric.lab.boot("far", "green", "network")
    try:
        fabric.sees(fabric.blue1, far.ip, 1)
        fabric.sees(far, fabric.blue2.ip, 1)
    finally:
        fabric.lab.stop("far")
    for host in ("compute1", "compute2"):
        until(f"{host} has one peer again", lambda: tables(fabric.lab, host)["peer"] == 1, 10)


@pytest.mark.parametrize("state", [False, True])
def test_admin_state_of_a_port(watched, state):
    watched.api.update("ports", watched.green2.data["port"], admin_state_up=state)
    goal = 1 if state else 0
    until(f"green2 answers {goal}",
          lambda: ping(watched.blue1, watched.green2.ip, 1, options=["-W", "0.3"])[1] == goal, 10)


@pytest.mark.parametrize("state", [False, True])
def test_admin_state_of_an_interface(watched, state):
    watched.api.update("ports", watched.gateways["green"]["id"], admin_state_up=state)
    goal = 1 if state else 0
    for target in (watched.green2.ip, watched.gateway_ip("green")):
        until(f"{target} answers {goal}",
              lambda: ping(watched.blue1, target, 1, options=["-W", "0.3"])[1] == goal, 10)
    watched.sees(watched.blue1, watched.gateway_ip("blue"))
    watched.sees(watched.green1, watched.green2.ip)


def test_what_is_asked_all_the_time_is_answered_when_the_router_is_back(watched):
    """What a datapath remembers of packets while the router is off must not outlive that. (src/driver/ovs/cache.h: the frames to
    nobody are remembered as all is that goes to a router that is off, and earlier than what the router takes.)"""
    a, targets = watched.blue1, [watched.gateway_ip("blue"), watched.green1.ip, watched.green2.ip, watched.gateway_ip("green")]

    def answered():
        return [ping(a, t, 1, options=["-W", "0.2"])[1] for t in targets]

    nobody = Ether(src=a.mac, dst="fa:16:3e:00:99:99") / IP(src=a.ip, dst=watched.blue2.ip) / ICMP()
    for _ in range(2):
        send(a, nobody)
        assert answered() == [1, 1, 1, 1]
    watched.api.update("routers", watched.router["id"], admin_state_up=False)
    until("nothing is answered", lambda: not any(answered()), 10)
    send(a, nobody)
    ping(a, watched.nobodys_ip("green"), 1, options=["-W", "0.01"])
    watched.api.update("routers", watched.router["id"], admin_state_up=True)
    until("all is answered", lambda: all(answered()), 5)
