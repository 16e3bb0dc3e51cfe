# SPDX-License-Identifier: Apache-2.0
"""The rows of Neutron's error matrix that apply so far: (what is sent) -> (code, type)."""

import http.client
import uuid

import pytest

from server import error


class World:
    """Two networks with subnets, a router on the first, ports."""

    def __init__(self, api):
        self.api = api
        self.net, self.subnet = api.network("10.9.0.0/24")
        self.other, self.other_subnet = api.network("10.9.1.0/24")
        self.twin, self.twin_subnet = api.network("10.9.0.0/24")
        self.bare, self.bare_subnet = api.network()[0], None
        self.bare_subnet = api.create("subnet", network_id=self.bare["id"], ip_version=4, cidr="10.9.2.0/24",
                                      gateway_ip=None)
        self.router = api.create("router")
        self.interface = api.interface("add", self.router["id"], subnet_id=self.subnet["id"]).body
        self.port = api.create("port", network_id=self.net["id"], fixed_ips=[{"ip_address": "10.9.0.50"}])
        self.owned = api.create("port", network_id=self.other["id"], device_id="vm", device_owner="compute:nova")
        self.naked = api.create("port", network_id=self.other["id"], fixed_ips=[])
        self.full, self.full_subnet = api.network("10.9.3.0/30")
        api.create("port", network_id=self.full["id"])


@pytest.fixture(scope="module")
def world(shared_server):
    return World(shared_server.client())


NONE = "a0000000-0000-4000-8000-00000000000a"


def post(resource, **attributes):
    return "POST", f"/v2.0/{resource}s", {resource: attributes}


def put(resource, id, **attributes):
    return "PUT", f"/v2.0/{resource}s/{id}", {resource: attributes}


def add(router, **body):
    return "PUT", f"/v2.0/routers/{router}/add_router_interface", body


def remove(router, **body):
    return "PUT", f"/v2.0/routers/{router}/remove_router_interface", body


def delete(resource, id):
    return "DELETE", f"/v2.0/{resource}s/{id}", None


MATRIX = {
    # the envelope
    "no body": (lambda w: ("POST", "/v2.0/networks", ""), 400, "HTTPBadRequest"),
    "no JSON": (lambda w: ("POST", "/v2.0/networks", "{network"), 400, "HTTPBadRequest"),
    "a list": (lambda w: ("POST", "/v2.0/networks", []), 400, "HTTPBadRequest"),
    "a key twice": (lambda w: ("POST", "/v2.0/networks", '{"network":{"name":"a","name":"b"}}'), 400, "HTTPBadRequest"),
    "another resource": (lambda w: ("POST", "/v2.0/networks", {"port": {}}), 400, "HTTPBadRequest"),
    "no object": (lambda w: ("POST", "/v2.0/networks", {"network": []}), 400, "HTTPBadRequest"),
    "null": (lambda w: ("POST", "/v2.0/networks", {"network": None}), 400, "HTTPBadRequest"),
    "unknown attribute": (lambda w: post("network", color="blue"), 400, "HTTPBadRequest"),
    "unknown attribute without a name": (lambda w: post("network", **{"": "blue"}), 400, "HTTPBadRequest"),
    "required missing": (lambda w: post("port"), 400, "HTTPBadRequest"),
    "read-only in POST": (lambda w: post("network", id=NONE), 400, "HTTPBadRequest"),
    "read-only in PUT": (lambda w: put("network", w.net["id"], tenant_id="x"), 400, "HTTPBadRequest"),
    "projects differ": (lambda w: post("network", tenant_id="a", project_id="b"), 400, "HTTPBadRequest"),
    "deep JSON": (lambda w: ("POST", "/v2.0/networks", '{"network":' + "[" * 100000), 400, "HTTPBadRequest"),
    # networks
    "network unknown": (lambda w: ("GET", f"/v2.0/networks/{NONE}", None), 404, "NetworkNotFound"),
    "network no id": (lambda w: ("GET", "/v2.0/networks/any%20name", None), 404, "NetworkNotFound"),
    "network type": (lambda w: post("network", **{"provider:network_type": "vlan"}), 400, "InvalidInput"),
    "network id without type": (lambda w: post("network", **{"provider:segmentation_id": 5}), 400, "InvalidInput"),
    "network id too big": (lambda w: post("network", **{"provider:network_type": "vxlan",
                                                        "provider:segmentation_id": 16777216}), 400, "InvalidInput"),
    "network MTU too big": (lambda w: post("network", mtu=1451), 400, "InvalidInput"),
    "network MTU below IPv4's": (lambda w: put("network", w.net["id"], mtu=67), 400, "InvalidInput"),
    "network external": (lambda w: post("network", **{"router:external": True}), 501, "NotImplementedError"),
    "network with ports": (lambda w: delete("network", w.net["id"]), 409, "NetworkInUse"),
    # subnets
    "subnet unknown": (lambda w: ("GET", f"/v2.0/subnets/{NONE}", None), 404, "SubnetNotFound"),
    "subnet of no network": (lambda w: post("subnet", network_id=NONE, ip_version=4, cidr="10.0.0.0/24"),
                             404, "NetworkNotFound"),
    "subnet IPv6": (lambda w: post("subnet", network_id=w.net["id"], ip_version=6, cidr="2001:db8::/64"),
                    501, "NotImplementedError"),
    "subnet overlaps": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="10.9.0.128/25"),
                        400, "InvalidInput"),
    "subnet too small for DHCP": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="10.8.0.0/31"),
                                  400, "InvalidInput"),
    "subnet name server twice": (lambda w: put("subnet", w.subnet["id"], dns_nameservers=["192.0.2.1", "192.0.2.1"]),
                                 400, "HTTPBadRequest"),
    "subnet name server family": (lambda w: put("subnet", w.subnet["id"], dns_nameservers=["2001:db8::1"]),
                                  400, "InvalidInput"),
    "subnet route twice": (lambda w: put("subnet", w.subnet["id"], host_routes=[
        {"destination": "192.0.2.0/24", "nexthop": "10.9.0.2"}] * 2), 400, "HTTPBadRequest"),
    "subnet route family": (lambda w: put("subnet", w.subnet["id"], host_routes=[
        {"destination": "2001:db8::/64", "nexthop": "10.9.0.2"}]), 400, "InvalidInput"),
    "subnet host bits": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="10.8.0.1/24"),
                         400, "HTTPBadRequest"),
    "subnet family": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="2001:db8::/64"),
                      400, "InvalidInput"),
    "subnet version 5": (lambda w: post("subnet", network_id=w.net["id"], ip_version=5, cidr="10.8.0.0/24"),
                         400, None),
    "subnet gateway in pool": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="10.8.0.0/24",
                                              gateway_ip="10.8.0.5",
                                              allocation_pools=[{"start": "10.8.0.2", "end": "10.8.0.9"}]),
                               409, "GatewayConflictWithAllocationPools"),
    "subnet pool outside": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="10.8.0.0/24",
                                           allocation_pools=[{"start": "10.8.1.2", "end": "10.8.1.9"}]), 400, None),
    "subnet pool backwards": (lambda w: post("subnet", network_id=w.net["id"], ip_version=4, cidr="10.8.0.0/24",
                                             allocation_pools=[{"start": "10.8.0.9", "end": "10.8.0.2"}]), 400, None),
    "subnet with ports": (lambda w: delete("subnet", w.other_subnet["id"]), 409, "SubnetInUse"),
    "subnet of a router": (lambda w: delete("subnet", w.subnet["id"]), 409, "SubnetInUse"),
    "subnet gateway of a router": (lambda w: put("subnet", w.subnet["id"], gateway_ip=None),
                                   409, "GatewayIpInUse"),
    # ports
    "port unknown": (lambda w: ("GET", f"/v2.0/ports/{NONE}", None), 404, "PortNotFound"),
    "port of no network": (lambda w: post("port", network_id=NONE), 404, "NetworkNotFound"),
    "port address taken": (lambda w: post("port", network_id=w.net["id"], fixed_ips=[{"ip_address": "10.9.0.50"}]),
                           409, "IpAddressAlreadyAllocated"),
    "port address outside": (lambda w: post("port", network_id=w.net["id"], fixed_ips=[{"ip_address": "10.8.0.5"}]),
                             400, "InvalidIpForNetwork"),
    "port address outside its subnet": (lambda w: post("port", network_id=w.net["id"],
                                                       fixed_ips=[{"subnet_id": w.subnet["id"],
                                                                   "ip_address": "10.8.0.5"}]),
                                        400, "InvalidIpForSubnet"),
    "port foreign subnet": (lambda w: post("port", network_id=w.net["id"],
                                           fixed_ips=[{"subnet_id": w.other_subnet["id"]}]), 400, None),
    "port no subnet": (lambda w: post("port", network_id=w.net["id"], fixed_ips=[{"subnet_id": NONE}]),
                       404, "SubnetNotFound"),
    "port pool exhausted": (lambda w: post("port", network_id=w.full["id"]), 409, "IpAddressGenerationFailure"),
    "port MAC taken": (lambda w: post("port", network_id=w.net["id"], mac_address=w.port["mac_address"]),
                       409, "MacAddressInUse"),
    "port of a router": (lambda w: delete("port", w.interface["port_id"]), 409, "ServicePortInUse"),
    "port of a router, address": (lambda w: put("port", w.interface["port_id"], fixed_ips=[{"ip_address": "10.9.0.9"}]),
                                  400, "IPAddressChangeNotAllowed"),
    "port of a router, no address": (lambda w: put("port", w.interface["port_id"], fixed_ips=[]),
                                     400, "IPAddressChangeNotAllowed"),
    "port of a router, two addresses": (lambda w: put("port", w.interface["port_id"], fixed_ips=[
        {"subnet_id": w.subnet["id"]}] * 2), 400, "IPAddressChangeNotAllowed"),
    "port of a router, MAC": (lambda w: put("port", w.interface["port_id"], mac_address="fa:16:3e:00:00:09"),
                              409, "UnsupportedPortDeviceOwner"),
    "port security groups": (lambda w: post("port", network_id=w.net["id"], security_groups=[NONE]),
                             501, "NotImplementedError"),
    # routers
    "router unknown": (lambda w: ("GET", f"/v2.0/routers/{NONE}", None), 404, "RouterNotFound"),
    "router centralized": (lambda w: post("router", distributed=False), 501, "NotImplementedError"),
    "router distributed no boolean": (lambda w: post("router", distributed="maybe"), 400, "InvalidInput"),
    "router distributed while up": (lambda w: put("router", w.router["id"], distributed=False), 400, "BadRequest"),
    "router gateway": (lambda w: post("router", external_gateway_info={"network_id": NONE}),
                       501, "NotImplementedError"),
    "router with interfaces": (lambda w: delete("router", w.router["id"]), 409, "RouterInUse"),
    # interfaces
    "interface of no router": (lambda w: add(NONE, subnet_id=w.subnet["id"]), 404, "RouterNotFound"),
    "interface neither": (lambda w: add(w.router["id"]), 400, "BadRequest"),
    "interface both": (lambda w: add(w.router["id"], subnet_id=w.subnet["id"], port_id=w.port["id"]),
                       400, "BadRequest"),
    "interface malformed subnet": (lambda w: add(w.router["id"], subnet_id="x"), 400, "BadRequest"),
    "interface malformed port": (lambda w: add(w.router["id"], port_id=7), 400, "BadRequest"),
    "interface no subnet": (lambda w: add(w.router["id"], subnet_id=NONE), 404, "SubnetNotFound"),
    "interface no port": (lambda w: add(w.router["id"], port_id=NONE), 404, "PortNotFound"),
    "interface no gateway": (lambda w: add(w.router["id"], subnet_id=w.bare_subnet["id"]), 400, "BadRequest"),
    "interface twice": (lambda w: add(w.router["id"], subnet_id=w.subnet["id"]), 400, "BadRequest"),
    "interface overlaps": (lambda w: add(w.router["id"], subnet_id=w.twin_subnet["id"]), 400, "BadRequest"),
    "interface port in use": (lambda w: add(w.router["id"], port_id=w.owned["id"]), 409, "PortInUse"),
    "interface port without address": (lambda w: add(w.router["id"], port_id=w.naked["id"]), 400, "BadRequest"),
    "interface remove by subnet": (lambda w: remove(w.router["id"], subnet_id=w.other_subnet["id"]),
                                   404, "RouterInterfaceNotFoundForSubnet"),
    "interface remove by port": (lambda w: remove(w.router["id"], port_id=w.port["id"]),
                                 404, "RouterInterfaceNotFound"),
    "interface remove mismatch": (lambda w: remove(w.router["id"], port_id=w.interface["port_id"],
                                                   subnet_id=w.other_subnet["id"]), 400, "SubnetMismatchForPort"),
    "interface remove nothing": (lambda w: remove(w.router["id"]), 400, "BadRequest"),
}


@pytest.mark.parametrize("case", MATRIX)
def test_matrix(world, case):
    make, status, kind = MATRIX[case]
    method, path, body = make(world)
    before = {r: len(world.api.list(r)) for r in ("network", "subnet", "port", "router")}
    got = error(world.api.call(method, path, body))
    assert got[0] == status and kind in (None, got[1]), got
    assert {r: len(world.api.list(r)) for r in before} == before, "a refused call left something"


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/octet-stream",
                                  "Application/JSON; charset=utf-8"])
def test_content_type(server, kind):
    """A body is JSON, whatever is said of it: clients that say nothing are served by Neutron too."""
    assert post_raw(server, kind) == 201
    assert post_raw(server, kind, method="PUT") == 200


@pytest.mark.parametrize("kind, status", [(None, 400), ("text/plain", 400), ("application/x-www-form-urlencoded", 400),
                                          ("application/jsonp", 400), ("application/json", 201)])
def test_content_type_of_a_page(server, kind, status):
    """A page in a browser may send any type but this one to where it may not read."""
    assert post_raw(server, kind, origin="http://example.org") == status


def post_raw(server, kind, method="POST", origin=None):
    path = "/v2.0/networks"
    if method == "PUT":
        path += "/" + server.client().create("network")["id"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = b'{"network":{"name":"raw"}}'
    connection.putrequest(method, path)
    headers = {"Content-Length": len(body), "Content-Type": kind, "Origin": origin}
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, str(value))
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_not_distributed_by_default(own_server):
    """router_distributed = False: a router that does not say what it is would be centralized."""
    own_server.configure(DEFAULT={"router_distributed": "False"})
    own_server.start()
    api = own_server.client()
    assert error(api.call("POST", "/v2.0/routers", {"router": {}}))[0] == 501
    assert api.create("router", distributed=True)["distributed"] is True


def test_unknown_ids_everywhere(api):
    for resource in ("network", "subnet", "port", "router", "agent"):
        for id in (str(uuid.uuid4()), "x", "x" * 400, "%2e%2e", "a%2Fb"):
            expected = (404, f"{resource.capitalize()}NotFound")
            assert error(api.get(f"/v2.0/{resource}s/{id}"))[:2] == expected
            assert error(api.call("DELETE", f"/v2.0/{resource}s/{id}"))[:2] == expected
