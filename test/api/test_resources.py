# SPDX-License-Identifier: Apache-2.0
"""Each resource's life through the API."""

import ipaddress
import re

import pytest

from server import error

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

MEMBERS = {
    "network": {"id", "name", "description", "project_id", "tenant_id", "status", "admin_state_up", "shared", "subnets",
                "mtu", "provider:network_type", "provider:physical_network", "provider:segmentation_id",
                "router:external", "is_default", "port_security_enabled", "availability_zone_hints", "availability_zones",
                "ipv4_address_scope", "ipv6_address_scope", "tags", "created_at", "updated_at", "revision_number"},
    "subnet": {"id", "name", "description", "project_id", "tenant_id", "network_id", "ip_version", "cidr", "gateway_ip",
               "allocation_pools", "enable_dhcp", "dns_nameservers", "host_routes", "ipv6_ra_mode", "ipv6_address_mode",
               "subnetpool_id", "service_types", "tags", "created_at", "updated_at", "revision_number"},
    "port": {"id", "name", "description", "project_id", "tenant_id", "network_id", "mac_address", "fixed_ips",
             "admin_state_up", "status", "device_id", "device_owner", "binding:host_id", "binding:vif_type",
             "binding:vif_details", "binding:profile", "binding:vnic_type", "port_security_enabled",
             "allowed_address_pairs", "security_groups", "extra_dhcp_opts", "tags", "created_at", "updated_at",
             "revision_number"},
    "router": {"id", "name", "description", "project_id", "tenant_id", "admin_state_up", "status", "distributed", "ha",
               "external_gateway_info", "routes", "flavor_id", "availability_zone_hints", "availability_zones", "tags",
               "created_at", "updated_at", "revision_number"},
}


def check_common(resource, made):
    assert set(made) == MEMBERS[resource], set(made) ^ MEMBERS[resource]
    assert UUID.fullmatch(made["id"])
    assert TIME.fullmatch(made["created_at"]) and TIME.fullmatch(made["updated_at"])
    assert made["project_id"] == made["tenant_id"]


def check_life(api, resource, made, **changes):
    """Show, list, update and delete of something just created."""
    check_common(resource, made)
    assert api.show(resource, made["id"]) == made
    assert api.list(resource, f"id={made['id']}") == [made]
    changed = api.update(resource, made["id"], **changes)
    assert changed["revision_number"] > made["revision_number"]
    same = {k: v for k, v in changed.items() if k not in changes and k not in ("revision_number", "updated_at")}
    assert same == {k: made[k] for k in same}
    assert {k: changed[k] for k in changes} == changes
    assert api.show(resource, made["id"]) == changed
    api.delete(resource, made["id"])
    assert error(api.get(f"/v2.0/{resource}s/{made['id']}"))[:2] == (404, f"{resource.capitalize()}NotFound")
    assert error(api.call("DELETE", f"/v2.0/{resource}s/{made['id']}"))[0] == 404
    assert error(api.call("PUT", f"/v2.0/{resource}s/{made['id']}", {resource: {"name": "x"}}))[0] == 404
    assert api.list(resource, f"id={made['id']}") == []


def test_network(api):
    made = api.create("network", name="blue é", description="d", project_id="p1", shared=True)
    assert made["mtu"] == 1450
    assert made["provider:network_type"] == "vxlan" and made["provider:physical_network"] is None
    assert 1 <= made["provider:segmentation_id"] <= 100000
    assert (made["status"], made["admin_state_up"], made["shared"]) == ("ACTIVE", True, True)
    check_life(api, "network", made, name="green", admin_state_up=False, mtu=1400, shared=False)


def test_network_provider(api):
    made = api.create("network", **{"provider:network_type": "vxlan", "provider:segmentation_id": 424242})
    assert made["provider:segmentation_id"] == 424242
    reply = api.call("POST", "/v2.0/networks", {"network": {"provider:network_type": "vxlan",
                                                            "provider:segmentation_id": 424242}})
    assert error(reply)[:2] == (409, "TunnelIdInUse")
    api.delete("network", made["id"])


def test_subnet(api):
    net, _ = api.network()
    made = api.create("subnet", network_id=net["id"], ip_version=4, cidr="10.1.0.0/24", name="s",
                      dns_nameservers=["192.0.2.53"],
                      host_routes=[{"destination": "192.0.2.0/24", "nexthop": "10.1.0.9"}])
    assert made["gateway_ip"] == "10.1.0.1"
    assert made["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    assert made["dns_nameservers"] == ["192.0.2.53"]
    assert api.show("network", net["id"])["subnets"] == [made["id"]]
    check_life(api, "subnet", made, name="t", enable_dhcp=False, dns_nameservers=[], host_routes=[])
    assert api.show("network", net["id"])["subnets"] == []


def test_subnet_choices(api):
    net, _ = api.network()
    made = api.create("subnet", network_id=net["id"], ip_version="4", cidr="10.1.1.0/24", gateway_ip=None,
                      allocation_pools=[{"start": "10.1.1.10", "end": "10.1.1.19"}])
    assert made["gateway_ip"] is None
    assert made["allocation_pools"] == [{"start": "10.1.1.10", "end": "10.1.1.19"}]
    port = api.create("port", network_id=net["id"])
    assert ipaddress.ip_address("10.1.1.10") <= ipaddress.ip_address(port["fixed_ips"][0]["ip_address"]) <= \
        ipaddress.ip_address("10.1.1.19")


def test_port(api):
    net, subnet = api.network("10.2.0.0/24", project_id="p2")
    made = api.create("port", network_id=net["id"], name="p", device_id="vm", device_owner="compute:nova",
                      project_id="p2")
    assert re.fullmatch(r"fa:16:3e(:[0-9a-f]{2}){3}", made["mac_address"])
    (address,) = made["fixed_ips"]
    assert address["subnet_id"] == subnet["id"]
    assert ipaddress.ip_address(address["ip_address"]) in ipaddress.ip_network("10.2.0.0/24")
    assert address["ip_address"] != "10.2.0.1"
    assert (made["status"], made["binding:vif_type"], made["binding:host_id"]) == ("DOWN", "unbound", "")
    assert made["binding:profile"] == {} and made["binding:vnic_type"] == "normal"
    check_life(api, "port", made, name="q", device_id="other", admin_state_up=False, port_security_enabled=False)


def test_port_choices(api):
    net, subnet = api.network("10.2.1.0/24")
    port = api.create("port", network_id=net["id"], mac_address="FE:00:00:00:00:01",
                      fixed_ips=[{"ip_address": "10.2.1.77"}], **{"binding:profile": {"a": [1, {"b": None}]}})
    assert port["mac_address"] == "fe:00:00:00:00:01"
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.2.1.77"}]
    assert port["binding:profile"] == {"a": [1, {"b": None}]}
    assert api.create("port", network_id=net["id"], fixed_ips=[])["fixed_ips"] == []
    moved = api.update("port", port["id"], fixed_ips=[{"subnet_id": subnet["id"], "ip_address": "10.2.1.78"}])
    assert moved["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.2.1.78"}]
    assert api.update("port", port["id"], **{"binding:profile": None})["binding:profile"] == {}


def test_port_on_unknown_host(api):
    net, _ = api.network("10.2.2.0/24")
    port = api.create("port", network_id=net["id"], device_owner="compute:nova", **{"binding:host_id": "nowhere"})
    assert (port["binding:host_id"], port["binding:vif_type"]) == ("nowhere", "binding_failed")
    assert port["status"] == "DOWN"
    free = api.update("port", port["id"], **{"binding:host_id": None})
    assert (free["binding:host_id"], free["binding:vif_type"]) == ("", "unbound")


def test_router(api):
    made = api.create("router", name="r", project_id="p3")
    assert made["distributed"] is True and made["ha"] is False and made["external_gateway_info"] is None
    assert made["status"] == "ACTIVE" and made["routes"] == []
    check_life(api, "router", made, name="s", description="x", admin_state_up=False)


@pytest.mark.parametrize("value", [True, "True", "true", 1, "1", "yes", None])
def test_router_distributed(api, value):
    assert api.create("router", distributed=value)["distributed"] is True


@pytest.mark.parametrize("value", [False, "False", 0])
def test_router_centralized(api, value):
    reply = api.call("POST", "/v2.0/routers", {"router": {"distributed": value}})
    assert error(reply)[:2] == (501, "NotImplementedError")


def test_interface_by_subnet(api):
    net, subnet = api.network("10.3.0.0/24", project_id="p4")
    router = api.create("router", project_id="p4")
    reply = api.interface("add", router["id"], subnet_id=subnet["id"])
    assert reply.status == 200, reply
    assert {k: reply.body[k] for k in ("id", "network_id", "subnet_id", "subnet_ids", "project_id", "tenant_id")} == {
        "id": router["id"], "network_id": net["id"], "subnet_id": subnet["id"], "subnet_ids": [subnet["id"]],
        "project_id": "p4", "tenant_id": "p4"}
    port = api.show("port", reply.body["port_id"])
    assert port["device_owner"] == "network:router_interface_distributed" and port["device_id"] == router["id"]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.3.0.1"}]
    assert (port["binding:vif_type"], port["binding:host_id"]) == ("distributed", "")
    assert error(api.call("DELETE", f"/v2.0/ports/{port['id']}"))[:2] == (409, "ServicePortInUse")
    assert error(api.call("DELETE", f"/v2.0/routers/{router['id']}"))[:2] == (409, "RouterInUse")
    gone = api.interface("remove", router["id"], subnet_id=subnet["id"])
    assert gone.status == 200 and gone.body["port_id"] == port["id"], gone
    assert error(api.get(f"/v2.0/ports/{port['id']}"))[:2] == (404, "PortNotFound")
    api.delete("router", router["id"])


def test_interface_by_port(api):
    net, subnet = api.network("10.3.1.0/24")
    router = api.create("router")
    port = api.create("port", network_id=net["id"], fixed_ips=[{"ip_address": "10.3.1.254"}])
    reply = api.interface("add", router["id"], port_id=port["id"])
    assert reply.status == 200 and reply.body["port_id"] == port["id"], reply
    taken = api.show("port", port["id"])
    assert taken["device_owner"] == "network:router_interface_distributed" and taken["device_id"] == router["id"]
    assert taken["fixed_ips"] == port["fixed_ips"]
    assert api.interface("remove", router["id"], port_id=port["id"]).status == 200
    assert error(api.get(f"/v2.0/ports/{port['id']}"))[0] == 404


def test_project_of_the_request(api):
    reply = api.call("POST", "/v2.0/networks", {"network": {}}, {"X-Project-Id": "p5"})
    assert reply.status == 201 and reply.body["network"]["project_id"] == "p5"
    reply = api.call("POST", "/v2.0/networks", {"network": {"tenant_id": "p6"}}, {"X-Project-Id": "p5"})
    assert reply.body["network"]["project_id"] == "p6"
    reply = api.call("POST", "/v2.0/networks", {"network": {}}, {"X-Project-Id": "x" * 256})
    assert error(reply)[0] == 400


def test_json_suffix(api):
    net, _ = api.network()
    assert api.get(f"/v2.0/networks/{net['id']}.json").body["network"] == net
    assert api.get(f"/v2.0/networks.json?id={net['id']}").body["networks"] == [net]


def test_bulk(api):
    """All of a list, in its order; or none."""
    net, subnet = api.network("10.5.0.0/24")
    ports = [{"network_id": net["id"], "name": f"p{i}"} for i in range(20)]
    reply = api.call("POST", "/v2.0/ports", {"ports": ports})
    assert reply.status == 201, reply
    made = reply.body["ports"]
    assert [p["name"] for p in made] == [p["name"] for p in ports]
    assert len({p["fixed_ips"][0]["ip_address"] for p in made}) == 20
    assert all(api.show("port", p["id"]) == p for p in made)
    bad = ports[:3] + [{"network_id": net["id"], "fixed_ips": [{"ip_address": made[0]["fixed_ips"][0]["ip_address"]}]}]
    assert error(api.call("POST", "/v2.0/ports", {"ports": bad}))[:2] == (409, "IpAddressAlreadyAllocated")
    assert error(api.call("POST", "/v2.0/ports", {"ports": ports + [{"color": "x"}]}))[:2] == (400, "HTTPBadRequest")
    for wrong in ([], {}, 7, None, [7], ports * 30):
        assert error(api.call("POST", "/v2.0/ports", {"ports": wrong}))[0] == 400
    assert len(api.list("port", f"network_id={net['id']}")) == 20


def test_agents(api):
    assert api.list("agent", "host=nobody") == []
    assert error(api.call("POST", "/v2.0/agents", {"agent": {}}))[:2] == (400, "BadRequest")
    assert error(api.get("/v2.0/agents/a0000000-0000-4000-8000-000000000000"))[:2] == (404, "AgentNotFound")


def test_revision_condition(api):
    net, _ = api.network()
    path, body = f"/v2.0/networks/{net['id']}", {"network": {"name": "x"}}
    stale = {"If-Match": f"revision_number={net['revision_number'] + 1}"}
    assert error(api.call("PUT", path, body, stale))[0] == 412
    assert error(api.call("DELETE", path, headers=stale))[0] == 412
    assert error(api.call("PUT", path, body, {"If-Match": "revision_number=x"}))[0] == 400
    assert api.show("network", net["id"]) == net
    assert api.call("PUT", path, body, {"If-Match": f"revision_number={net['revision_number']}"}).status == 200


def test_subnets_revise_their_network(api):
    net, subnet = api.network("10.3.9.0/24")
    seen = [net["revision_number"], api.show("network", net["id"])["revision_number"]]
    api.update("subnet", subnet["id"], name="other")
    seen.append(api.show("network", net["id"])["revision_number"])
    api.delete("subnet", subnet["id"])
    seen.append(api.show("network", net["id"])["revision_number"])
    assert seen == sorted(set(seen)), seen


def test_interface_port_keeps_its_address(api):
    """A router's port may be given the address that it has: by the subnet, by the address, by both."""
    _, subnet = api.network("10.3.8.0/24")
    router = api.create("router")
    port = api.interface("add", router["id"], subnet_id=subnet["id"]).body["port_id"]
    has = api.show("port", port)["fixed_ips"]
    for ips in ([{"subnet_id": subnet["id"]}], [{"ip_address": "10.3.8.1"}], has):
        assert api.update("port", port, fixed_ips=ips, name="still")["fixed_ips"] == has


def test_interface_answer_names_the_project_of_the_port(api):
    net, _ = api.network("10.3.7.0/24")
    port = api.create("port", network_id=net["id"], project_id="of-the-port")
    router = api.create("router", project_id="of-the-router")
    answer = api.interface("add", router["id"], port_id=port["id"]).body
    assert (answer["project_id"], answer["tenant_id"]) == ("of-the-port", "of-the-port")


def test_mtu_of_itself(api):
    """mtu 0 is Neutron's default: what the segment can carry."""
    net = api.create("network", mtu=0)
    assert net["mtu"] == 1450
    assert api.update("network", net["id"], mtu=1000)["mtu"] == 1000
    assert api.update("network", net["id"], mtu=0)["mtu"] == 1450
