# SPDX-License-Identifier: Apache-2.0
"""Every field of every resource with a wrong type, too long, out of range, null: 400 that names it, and nothing made."""

import urllib.parse

import pytest

from server import error

LONG = "x" * 256
UUID = "a0000000-0000-4000-8000-00000000000a"

TEXT = [LONG, 7, True, ["x"], {"x": 1}, None]
BOOL = ["maybe", 2, -1, 1.5, [], {}, None]
INT = ["x", 1.5, [], {}, True, -1, 10**12]
LIST = ["x", 7, {}, True]
ID = ["x", LONG, 7, [], {}, UUID + "0", None]
ADDRESS = ["x", "1.2.3", "1.2.3.4.5", "10.0.0.1/24", 7, [], {}, LONG]

# resource: field: values that must be refused. Read-only ones are refused with any value.
FIELDS = {
    "network": {
        "name": TEXT, "description": TEXT, "project_id": TEXT, "tenant_id": TEXT, "admin_state_up": BOOL,
        "shared": BOOL, "mtu": INT + [67, 65536, None], "provider:network_type": [LONG, 7, [], {}, ""],
        "provider:physical_network": [LONG, 7, [], {}, "", "x"],
        "provider:segmentation_id": ["x", -1, 0, 2**32, [], {}],
        "router:external": BOOL, "is_default": BOOL, "port_security_enabled": BOOL, "availability_zone_hints": LIST + [None, [7]],
        "id": [UUID], "status": ["ACTIVE"], "subnets": [[]], "tags": [[]], "created_at": ["x"], "revision_number": [1],
        "availability_zones": [[]], "ipv4_address_scope": [None], "nosuch": [1], "": [1],
    },
    "subnet": {
        "name": TEXT, "description": TEXT, "project_id": TEXT, "network_id": ID, "ip_version": INT + [3, 7, None],
        "cidr": ["x", "10.0.0.0", "10.0.0.0/33", "10.0.0.1/24", "0.0.0.0/0", "224.0.0.0/24", 7, [], {}, None, LONG],
        "gateway_ip": ADDRESS + ["255.255.255.255"],
        "allocation_pools": LIST + [None, [7], [{"start": "10.0.0.2"}], [{"start": "x", "end": "10.0.0.9"}],
                                    [{"start": "10.0.0.2", "end": "10.0.0.9", "x": 1}], [[]],
                                    [{"start": "10.0.0.2", "end": "10.0.0.9"}] * 17],
        "enable_dhcp": BOOL, "dns_nameservers": LIST + [["x"], [7], [None], ["192.0.2.1"] * 6],
        "host_routes": LIST + [[7], [{"destination": "192.0.2.0/24"}], [{"destination": "x", "nexthop": "10.0.0.2"}],
                               [{"destination": "192.0.2.0/24", "nexthop": "x"}],
                               [{"destination": "192.0.2.0/24", "nexthop": "10.0.0.2"}] * 21],
        "ipv6_ra_mode": [7, [], LONG], "ipv6_address_mode": [7, [], LONG], "subnetpool_id": [7, [], LONG],
        "service_types": LIST + [None, [7]], "id": [UUID], "tags": [[]], "nosuch": [1],
    },
    "port": {
        "name": TEXT, "description": TEXT, "project_id": TEXT, "network_id": ID,
        "mac_address": ["x", "fa:16:3e:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00", 7, [], {},
                        None, LONG],
        "fixed_ips": LIST + [None, [7], [[]], [{}], [{"ip_address": "x"}], [{"subnet_id": "x"}], [{"x": "y"}],
                             [{"ip_address": None}], [{"ip_address": "10.0.0.9"}] * 6],
        "admin_state_up": BOOL, "device_id": TEXT, "device_owner": TEXT, "binding:host_id": [LONG, 7, [], {}],
        "binding:profile": ["x", 7, [], {"x": "y" * 5000}], "binding:vnic_type": ["x", "", 7, [], None, LONG],
        "port_security_enabled": BOOL, "allowed_address_pairs": LIST + [[7]], "security_groups": LIST + [[7], ["x"]],
        "extra_dhcp_opts": LIST + [[7]], "id": [UUID], "status": ["ACTIVE"], "binding:vif_type": ["tap"],
        "binding:vif_details": [{}], "tags": [[]], "revision_number": [1], "nosuch": [1],
    },
    "router": {
        "name": TEXT, "description": TEXT, "project_id": TEXT, "admin_state_up": BOOL,
        "distributed": ["maybe", 2, -1, 1.5, [], {}], "ha": ["maybe", 2, 1.5, [], {}],
        "external_gateway_info": ["x", 7, []], "flavor_id": [7, [], LONG], "availability_zone_hints": LIST + [None, [7]],
        "routes": [[]], "id": [UUID], "status": ["ACTIVE"], "tags": [[]], "nosuch": [1],
    },
}

UPDATED = {  # what a PUT may hold; the rest is refused there with any value
    "network": {"name", "description", "admin_state_up", "shared", "mtu", "router:external", "is_default", "port_security_enabled"},
    "subnet": {"name", "description", "gateway_ip", "allocation_pools", "enable_dhcp", "dns_nameservers", "host_routes",
               "service_types"},
    "port": {"name", "description", "mac_address", "fixed_ips", "admin_state_up", "device_id", "device_owner",
             "binding:host_id", "binding:profile", "binding:vnic_type", "port_security_enabled",
             "allowed_address_pairs", "security_groups", "extra_dhcp_opts"},
    "router": {"name", "description", "admin_state_up", "distributed", "ha", "external_gateway_info", "routes"},
}

RESOURCES = sorted(FIELDS)


@pytest.fixture(scope="module")
def base(shared_server):
    """What is needed beside the field, and an object to update."""
    api = shared_server.client()
    net, subnet = api.network("10.0.0.0/24")
    return {
        "api": api,
        "network": ({}, net),
        "subnet": ({"network_id": api.network()[0]["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}, subnet),
        "port": ({"network_id": net["id"]}, api.create("port", network_id=net["id"])),
        "router": ({}, api.create("router")),
    }


def counts(api):
    return {r: len(api.list(r)) for r in RESOURCES}


@pytest.mark.parametrize("resource", RESOURCES)
def test_create(base, resource):
    api, (needed, _) = base["api"], base[resource]
    before = counts(api)
    wrong = []
    for field, values in FIELDS[resource].items():
        for value in values:
            reply = api.call("POST", f"/v2.0/{resource}s", {resource: {**needed, field: value}})
            if reply.status != 400 or field not in error(reply)[2]:
                wrong.append((field, value, reply.status, reply.body))
    assert not wrong
    assert counts(api) == before


@pytest.mark.parametrize("resource", RESOURCES)
def test_update(base, resource):
    api, (_, made) = base["api"], base[resource]
    before = api.show(resource, made["id"])
    wrong = []
    for field, values in FIELDS[resource].items():
        for value in values:
            reply = api.call("PUT", f"/v2.0/{resource}s/{made['id']}", {resource: {field: value}})
            if field == "routes" and value == []:
                assert reply.status == 200  # the one value that is served
                before = api.show(resource, made["id"])
            elif reply.status != 400 or field not in error(reply)[2]:
                wrong.append((field, value, reply.status, reply.body))
    assert not wrong
    assert api.show(resource, made["id"]) == before


@pytest.mark.parametrize("resource", RESOURCES)
def test_update_of_what_is_set_at_creation(base, resource):
    api, (needed, made) = base["api"], base[resource]
    for field in set(FIELDS[resource]) - UPDATED[resource]:
        reply = api.call("PUT", f"/v2.0/{resource}s/{made['id']}", {resource: {field: made.get(field, "x")}})
        assert error(reply)[0] == 400 and field in error(reply)[2], (field, reply)


@pytest.mark.parametrize("resource", RESOURCES)
def test_longest(base, resource):
    """255 characters fit, of any size, and come back as they were sent."""
    api, (needed, _) = base["api"], base[resource]
    for text in ("n" * 255, "é" * 255, "\U0001f9e0" * 255, "\"\\\u0001\u007f\n" * 51):
        made = api.create(resource, **needed, name=text, description=text)
        assert (made["name"], made["description"]) == (text, text)
        assert api.show(resource, made["id"]) == made
        api.delete(resource, made["id"])


def test_errors_are_text(api):
    """A value that is cut in an error is cut between characters, whatever its length."""
    for n in range(1, 64):
        for char in ("é", "€", "\U0001f9e0"):
            for body in ({"name": ["x" * n + char * 300]}, {"x" * n + char * 300: 1},
                         {"provider:network_type": ("x" * n + char * 300)[:32]}):
                assert error(api.call("POST", "/v2.0/networks", {"network": body}))[0] == 400
            assert error(api.get("/v2.0/networks?" + urllib.parse.quote("x" * n + char * 300) + "=1"))[0] == 400
            assert error(api.get("/v2.0/networks/" + urllib.parse.quote("x" * n + char * 300)))[0] == 404


@pytest.mark.parametrize("text", ['{"network":{"name":"\\u0000"}}', '{"network":{"name":"\\ud800"}}',
                                  b'{"network":{"name":"\xff"}}', '{"network":{"mtu":1e400}}',
                                  '{"network":{"mtu":99999999999999999999}}', '{"network":{}} x', '\ufeff{"network":{}}'])
def test_text(api, text):
    data = text if isinstance(text, bytes) else text.encode()
    assert error(api.call("POST", "/v2.0/networks", data))[:2] == (400, "HTTPBadRequest")
