# SPDX-License-Identifier: Apache-2.0
"""The packaged clients do what people do: python3-openstackclient and openstacksdk, as they are."""

import json
import subprocess

import openstack
import pytest


def test_command(shared_server):
    """The command as it is typed."""
    done = subprocess.run(["/usr/bin/openstack", "--os-auth-type", "none", "--os-endpoint",
                           f"http://127.0.0.1:{shared_server.port}", "network", "create", "typed", "-f", "json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "typed"


def test_everything(cli):
    js = ("-f", "json")
    net = cli("network", "create", "blue", "--mtu", "1400", *js)
    assert net["provider:network_type"] == "vxlan" and net["mtu"] == 1400
    subnet = cli("subnet", "create", "blue-subnet", "--network", "blue", "--subnet-range", "10.50.0.0/24", *js)
    assert subnet["gateway_ip"] == "10.50.0.1"
    port = cli("port", "create", "vm1", "--network", "blue", "--fixed-ip", "subnet=blue-subnet,ip-address=10.50.0.9",
               "--host", "compute1", "--device-owner", "compute:nova", "--device", "vm", *js)
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.50.0.9"}]
    router = cli("router", "create", "r1", "--distributed", *js)
    assert router["distributed"] is True
    cli("router", "add", "subnet", "r1", "blue-subnet", parse=False)

    cli("network", "create", "green", parse=False)
    cli("subnet", "create", "green-subnet", "--network", "green", "--subnet-range", "10.51.0.0/24", parse=False)
    cli("port", "create", "leg", "--network", "green", "--fixed-ip", "subnet=green-subnet,ip-address=10.51.0.254",
        parse=False)
    cli("router", "add", "port", "r1", "leg", parse=False)

    shown = cli("router", "show", "r1", *js)
    assert {i["ip_address"] for i in shown["interfaces_info"]} == {"10.50.0.1", "10.51.0.254"}
    assert {n["Name"] for n in cli("network", "list", *js)} >= {"blue", "green"}
    assert [s["Name"] for s in cli("subnet", "list", "--network", "blue", *js)] == ["blue-subnet"]
    assert [p["Name"] for p in cli("port", "list", "--network", "blue", "--device-owner", "compute:nova", *js)] == ["vm1"]
    assert [p["Name"] for p in cli("port", "list", "--fixed-ip", "ip-address=10.50.0.9", *js)] == ["vm1"]
    assert "r1" in {r["Name"] for r in cli("router", "list", *js)}
    assert len(cli("port", "list", "--router", "r1", *js)) == 2
    assert cli("network", "show", "blue", *js)["id"] == net["id"]
    assert cli("subnet", "show", "blue-subnet", *js)["id"] == subnet["id"]
    assert cli("port", "show", "vm1", *js)["binding_host_id"] == "compute1"
    assert "dvr" in {e["Alias"] for e in cli("extension", "list", "--network", *js)}

    cli("network", "set", "blue", "--name", "azure", "--description", "d", parse=False)
    cli("port", "set", "vm1", "--device", "other", "--disable", parse=False)
    cli("router", "set", "r1", "--description", "d", parse=False)
    cli("subnet", "set", "blue-subnet", "--no-dhcp", parse=False)
    assert cli("network", "show", "azure", *js)["description"] == "d"
    assert cli("port", "show", "vm1", *js)["admin_state_up"] is False

    cli("network", "delete", "azure", code=1)
    cli("router", "delete", "r1", code=1)
    cli("router", "remove", "subnet", "r1", "blue-subnet", parse=False)
    cli("router", "remove", "port", "r1", "leg", parse=False)
    cli("router", "delete", "r1", parse=False)
    cli("port", "delete", "vm1", parse=False)
    cli("subnet", "delete", "blue-subnet", "green-subnet", parse=False)
    cli("network", "delete", "azure", "green", parse=False)
    assert not {"azure", "green"} & {n["Name"] for n in cli("network", "list", *js)}


def test_sdk(shared_server):
    """openstacksdk's typed objects, its pages and its errors."""
    cloud = openstack.connect(auth_type="none", endpoint=f"http://127.0.0.1:{shared_server.port}", region_name="x")
    nets = [cloud.network.create_network(name=f"sdk{i}") for i in range(5)]
    assert {n.id for n in cloud.network.networks(limit=2)} >= {n.id for n in nets}
    subnet = cloud.network.create_subnet(network_id=nets[0].id, ip_version=4, cidr="10.60.0.0/24")
    port = cloud.network.create_port(network_id=nets[0].id, name="p")
    assert port.fixed_ips[0]["subnet_id"] == subnet.id and port.is_admin_state_up
    with pytest.raises(openstack.exceptions.ConflictException):
        cloud.network.delete_network(nets[0].id)
    assert cloud.network.find_network("no such") is None
    port = cloud.network.update_port(port, name="q")
    assert cloud.network.get_port(port.id).name == "q"
    cloud.network.delete_port(port, if_revision=port.revision_number)
    for net in nets:
        cloud.network.delete_network(net)
    cloud.close()
