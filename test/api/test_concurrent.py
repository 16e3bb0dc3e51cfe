# SPDX-License-Identifier: Apache-2.0
"""Eight clients that want the same thing at the same moment: one has it, the others are told so."""

import collections
import concurrent.futures
import threading

import pytest

from server import error

CLIENTS = 8


@pytest.fixture
def race(server):
    """race(method, path, body, ...) by all at once; the statuses, and the replies."""
    clients = [server.client() for _ in range(CLIENTS)]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:

        def run(*args, **kwargs):
            ready = threading.Barrier(CLIENTS, timeout=20)

            def one(client):
                ready.wait()
                return client.call(*args, **kwargs)

            replies = list(pool.map(one, clients))
            return collections.Counter(r.status for r in replies), replies

        yield run


@pytest.fixture(scope="module")
def place(shared_server):
    api = shared_server.client()
    net, subnet = api.network("10.5.0.0/27")
    return api, net, subnet


def test_address(race, place):
    _, net, _ = place
    codes, replies = race("POST", "/v2.0/ports", {"port": {"network_id": net["id"],
                                                           "fixed_ips": [{"ip_address": "10.5.0.30"}]}})
    assert codes == {201: 1, 409: CLIENTS - 1}
    assert {error(r)[1] for r in replies if r.status == 409} == {"IpAddressAlreadyAllocated"}


def test_mac(race, place):
    _, net, _ = place
    body = {"port": {"network_id": net["id"], "mac_address": "fa:16:3e:00:00:05", "fixed_ips": []}}
    assert race("POST", "/v2.0/ports", body)[0] == {201: 1, 409: CLIENTS - 1}


def test_segment(race):
    body = {"network": {"provider:network_type": "vxlan", "provider:segmentation_id": 99999}}
    assert race("POST", "/v2.0/networks", body)[0] == {201: 1, 409: CLIENTS - 1}


def test_pool(race, place):
    """As many as it has, each another one."""
    api, _, _ = place
    net, subnet = api.network("10.5.1.0/27")
    body, total = {"port": {"network_id": net["id"]}}, collections.Counter()
    for _ in range(5):
        total += race("POST", "/v2.0/ports", body)[0]
    assert total == {201: 29, 409: 5 * CLIENTS - 29}
    assert {p["fixed_ips"][0]["ip_address"] for p in api.list("port", f"network_id={net['id']}")} == {
        f"10.5.1.{n}" for n in range(2, 31)}


def test_interface(race, place):
    api, _, subnet = place
    router = api.create("router")
    path = f"/v2.0/routers/{router['id']}"
    assert race("PUT", f"{path}/add_router_interface", {"subnet_id": subnet["id"]})[0] == {200: 1, 400: CLIENTS - 1}
    assert len(api.list("port", f"device_id={router['id']}")) == 1
    assert race("PUT", f"{path}/remove_router_interface", {"subnet_id": subnet["id"]})[0] == {200: 1, 404: CLIENTS - 1}
    assert api.list("port", f"device_id={router['id']}") == []


def test_update_by_revision(race, place):
    api, _, _ = place
    net = api.create("network")
    condition = {"If-Match": f"revision_number={net['revision_number']}"}
    codes, _ = race("PUT", f"/v2.0/networks/{net['id']}", {"network": {"name": "x"}}, headers=condition)
    assert codes == {200: 1, 412: CLIENTS - 1}
    assert api.show("network", net["id"])["revision_number"] == net["revision_number"] + 1


@pytest.mark.parametrize("resource", ["port", "subnet", "network", "router"])
def test_delete(race, place, resource):
    api, _, _ = place
    net, subnet = api.network("10.5.2.0/24")
    id = {"network": net["id"], "subnet": subnet["id"]}.get(resource)
    if not id:
        id = api.create(resource, **({"network_id": net["id"]} if resource == "port" else {}))["id"]
    assert race("DELETE", f"/v2.0/{resource}s/{id}")[0] == {204: 1, 404: CLIENTS - 1}
