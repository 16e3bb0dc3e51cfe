# SPDX-License-Identifier: Apache-2.0
"""A host on the stream, as far as the API shows it: registration, binding, status, what it is sent."""

import contextlib
import itertools
import json
import socket
import time

import pytest

from server import error


TUNNEL = itertools.count(1)


class Host:
    """The agent's end of docs/stream.md, spoken by hand."""

    def __init__(self, server, name, token, **hello):
        self.socket = socket.create_connection(("127.0.0.1", server.agent_port), timeout=20)
        self.reader = self.socket.makefile("r", encoding="utf-8")
        self.objects, self.position = {}, 0
        self.send(hello={"proto_min": 1, "proto_max": 1, "host": name, "token": token, "version": "t",
                         "datapath": "fake", "vif_type": "tap", "tunnel_ip": f"192.0.2.{next(TUNNEL)}", "agent_mode": "dvr",
                         "configurations": {"x": 1}, **hello})

    def send(self, **message):
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def next(self):
        return json.loads(self.reader.readline())

    def frame(self):
        """Reads to the end of a frame; the messages before it."""
        seen = []
        while True:
            message = self.next()
            if "frame" in message:
                self.position = message["frame"]["position"]
                return seen
            if "heartbeat" not in message:
                seen.append(message)

    def until(self, wanted):
        """Reads frames until a message of one pleases."""
        while True:
            found = [m for m in self.frame() if wanted(m)]
            if found:
                return found[0]

    def close(self):
        self.reader.close()
        self.socket.close()


@pytest.fixture
def host(server, request):
    name = "h-" + request.node.name.replace("_", "-")[:40]
    token = server.run("enroll", name).stdout.strip()
    with contextlib.closing(Host(server, name, token)) as host:
        host.name = name
        first = host.next()
        assert "welcome" in first, first
        host.welcome = first["welcome"]
        host.frame()
        yield host


def eventually(ask, what):
    """What is stored by batches of the writer cannot be waited for by a message: it is asked for."""
    end = time.monotonic() + 20
    while not ask():
        assert time.monotonic() < end, f"not within 20 s: {what}"


def vm(api, host, cidr):
    net, subnet = api.network(cidr)
    return net, subnet, api.create("port", network_id=net["id"], device_owner="compute:x",
                                   **{"binding:host_id": host.name})


def test_registers(api, host):
    assert host.welcome["mode"] == "snapshot" and host.welcome["proto"] == 1
    agents = api.list("agent", f"host={host.name}")
    assert {(a["agent_type"], a["binary"]) for a in agents} == {
        ("L3 agent", "neutron-l3-agent"), ("Open vSwitch agent", "neutron-openvswitch-agent")}
    assert all(a["alive"] is True and a["admin_state_up"] is True for a in agents)
    l3, = (a for a in agents if a["agent_type"] == "L3 agent")
    assert l3["configurations"]["agent_mode"] == "dvr"
    assert api.show("agent", l3["id"]) == l3
    assert {a["id"] for a in api.list("agent", f"host={host.name}&alive=True")} == {a["id"] for a in agents}
    assert api.list("agent", f"host={host.name}&alive=False") == []
    assert api.update("agent", l3["id"], description="d")["description"] == "d"


def test_agent_list(cli, host):
    agents = cli("network", "agent", "list", "--host", host.name, "-f", "json")
    assert {(a["Agent Type"], a["Alive"], a["State"]) for a in agents} == {
        ("L3 agent", True, True), ("Open vSwitch agent", True, True)}
    shown = cli("network", "agent", "show", agents[0]["ID"], "-f", "json")
    assert shown["host"] == host.name


def test_held_and_accepted(api, host):
    agent = api.list("agent", f"host={host.name}")[0]
    assert (agent["held"], agent["resources_synced"]) == (False, True)
    reply = api.call("PUT", f"/v2.0/agents/{agent['id']}", {"agent": {"held": False}})
    assert error(reply)[:2] == (409, "AgentHoldsNothing")
    host.send(heartbeat={"applied": 7, "held": True})
    eventually(lambda: len(api.list("agent", f"host={host.name}&held=True")) == 2, "both faces are held")
    assert api.list("agent", f"host={host.name}&held=False") == []
    assert error(api.call("PUT", f"/v2.0/agents/{agent['id']}", {"agent": {"held": True}}))[0] == 400
    assert api.update("agent", agent["id"], held=False)["held"] is True
    message = host.next()
    while "accept" not in message:
        message = host.next()
    assert message == {"accept": {}}
    host.send(heartbeat={"applied": 7})
    eventually(lambda: not api.show("agent", agent["id"])["held"], "it is no longer held")


def test_binds_and_becomes_active(api, host):
    net, _, port = vm(api, host, "10.70.0.0/24")
    assert (port["binding:vif_type"], port["status"]) == ("tap", "DOWN")
    sent = host.until(lambda m: m.get("set", {}).get("kind") == "port")["set"]
    assert sent["uuid"] == port["id"] and sent["mac"] == port["mac_address"]
    host.send(report={"applied": host.position, "ports": [{"num": sent["num"], "state": "up"}]})
    eventually(lambda: api.show("port", port["id"])["status"] == "ACTIVE", "the port is ACTIVE")
    host.send(report={"applied": host.position, "ports": [{"num": sent["num"], "state": "down"}]})
    eventually(lambda: api.show("port", port["id"])["status"] == "DOWN", "the port is DOWN")
    api.delete("port", port["id"])
    host.until(lambda m: m.get("del", {}).get("kind") == "port" and m["del"]["num"] == sent["num"])


def test_a_host_with_open_vswitch(server, api):
    """Its ports are told as Neutron's openvswitch mechanism driver tells them, from what the agent says of itself."""
    token = server.run("enroll", "h-ovs").stdout.strip()
    said = {"integration_bridge": "br-lab", "datapath_type": "netdev"}
    with contextlib.closing(Host(server, "h-ovs", token, datapath="openvswitch", vif_type="ovs", configurations=said)) as host:
        assert "welcome" in host.next()
        host.name = "h-ovs"
        net, _, port = vm(api, host, "10.75.0.0/24")
        assert port["binding:vif_type"] == "ovs"
        assert port["binding:vif_details"] == {"port_filter": True, "connectivity": "l2", "ovs_hybrid_plug": False,
                                               "bridge_name": "br-lab", "datapath_type": "netdev"}
        assert [p["id"] for p in api.list("port", f"network_id={net['id']}&binding:vif_type=ovs")] == [port["id"]]
        agents = {a["agent_type"]: a["configurations"] for a in api.list("agent", "host=h-ovs")}
        l2 = agents["Open vSwitch agent"]
        assert {k: l2[k] for k in (*said, "tunnel_types", "ovs_hybrid_plug", "bridge_mappings")} == {
            **said, "tunnel_types": ["vxlan"], "ovs_hybrid_plug": False, "bridge_mappings": {}}


def test_gets_the_router_it_needs(api, host):
    _, subnet, _ = vm(api, host, "10.71.0.0/24")
    router = api.create("router", name="r")
    assert api.interface("add", router["id"], subnet_id=subnet["id"]).status == 200
    sent = host.until(lambda m: m.get("set", {}).get("kind") == "router")["set"]
    assert sent["uuid"] == router["id"] and sent["distributed"] is True
    assert api.interface("remove", router["id"], subnet_id=subnet["id"]).status == 200
    host.until(lambda m: m.get("drop", "").startswith("router:"))


def test_longest_owner(api, host):
    """What the API takes, the stream can carry."""
    net, _ = api.network("10.72.0.0/24")
    port = api.create("port", network_id=net["id"], device_owner="compute:" + "é" * 247, device_id="x" * 255,
                      **{"binding:host_id": host.name})
    sent = host.until(lambda m: m.get("set", {}).get("kind") == "port")["set"]
    assert sent["uuid"] == port["id"] and len(sent["device_owner"].encode()) < 64


def test_resumes(server, api, host):
    vm(api, host, "10.73.0.0/24")
    host.until(lambda m: m.get("set", {}).get("kind") == "port")
    token = server.run("enroll", host.name).stdout.strip()
    host.close()
    _, _, port = vm(api, host, "10.74.0.0/24")
    again = Host(server, host.name, token,
                 resume={"incarnation": host.welcome["incarnation"], "position": host.position})
    with contextlib.closing(again):
        assert again.next()["welcome"]["mode"] == "resume"
        assert again.until(lambda m: m.get("set", {}).get("kind") == "port")["set"]["uuid"] == port["id"]


@pytest.mark.parametrize("name, token", [("h-unknown", "x" * 64), ("", ""), ("h-refused", "0" * 64), ("é" * 70, "x")])
def test_refused(server, name, token):
    server.run("enroll", "h-refused")
    with contextlib.closing(Host(server, name, token)) as host:
        assert host.next()["refused"]["reason"] in ("token", "request")
        assert host.reader.readline() == ""


@pytest.mark.parametrize("hello", [{"tunnel_ip": "x"}, {"datapath": "x" * 100}, {"agent_mode": 7},
                                   {"configurations": "x"}, {"vif_type": None}])
def test_odd_hello(server, hello):
    """Refused, or taken for what it can be; never the end of the server."""
    token = server.run("enroll", "h-odd").stdout.strip()
    with contextlib.closing(Host(server, "h-odd", token, **hello)) as host:
        assert set(host.next()) & {"welcome", "refused"}
    assert server.client().get("/").status == 200


def test_agent_goes(api, host):
    """An agent that is gone for good is deleted through the API."""
    host.close()
    for agent in api.list("agent", f"host={host.name}"):
        api.delete("agent", agent["id"])
        assert error(api.get(f"/v2.0/agents/{agent['id']}"))[0] == 404
