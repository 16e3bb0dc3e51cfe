# SPDX-License-Identifier: Apache-2.0
"""What a client reads before it knows anything, and what every answer has."""

import re

import pytest

from server import error


def test_versions(api, server):
    reply = api.get("/")
    assert reply.status == 200
    version, = reply.body["versions"]
    assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
    assert version["links"] == [{"rel": "self", "href": f"http://127.0.0.1:{server.port}/v2.0/"}]


@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/"])
def test_resources(api, path):
    reply = api.get(path)
    assert reply.status == 200
    assert {r["collection"] for r in reply.body["resources"]} == {"networks", "subnets", "ports", "routers", "agents"}


def test_extensions(api):
    listed = api.get("/v2.0/extensions").body["extensions"]
    aliases = [e["alias"] for e in listed]
    assert {"router", "dvr", "provider", "binding", "agent", "net-mtu"} <= set(aliases)
    assert not {"security-group", "quotas", "l3-ha", "allowed-address-pairs", "external-net"} & set(aliases)
    assert api.get("/v2.0/extensions/dvr").body["extension"] == listed[aliases.index("dvr")]
    assert api.get("/v2.0/extensions/dvr.json").status == 200
    assert error(api.get("/v2.0/extensions/l3-ha"))[:2] == (404, "HTTPNotFound")


def test_every_answer_has(api):
    for reply in (api.get("/"), api.get("/v2.0/networks"), api.get("/nowhere")):
        assert reply.headers["content-type"].startswith("application/json")
        assert re.fullmatch(r"req-[0-9a-f-]{36}", reply.headers["x-openstack-request-id"])
        assert "date" in reply.headers and "content-length" in reply.headers


@pytest.mark.parametrize("path", ["/v1", "/v2.0/nowhere", "/v2.0/networks/a/b", "/v2.0/networks/a/add_router_interface",
                                  "/v2.0/routers/a/explode", "/v2.0/a/b/c/d/e/f/g", "/v2.0/floatingips"])
def test_unknown_path(api, path):
    assert error(api.get(path)) == (404, "HTTPNotFound", "The resource could not be found.")


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/", "GET"), ("DELETE", "/v2.0/extensions", "GET"), ("PUT", "/v2.0/networks", "GET, POST"),
    ("DELETE", "/v2.0/ports", "GET, POST"), ("POST", "/v2.0/ports/x", "GET, PUT, DELETE"),
    ("PATCH", "/v2.0/ports/x", "GET, PUT, DELETE"), ("GET", "/v2.0/routers/x/add_router_interface", "PUT"),
])
def test_method(api, method, path, allow):
    reply = api.call(method, path)
    assert error(reply)[:2] == (405, "HTTPMethodNotAllowed")
    assert reply.headers["allow"] == allow


def test_head(api):
    reply = api.call("HEAD", "/v2.0/networks")
    assert (reply.status, reply.body) == (200, None)


@pytest.mark.parametrize("path", ["/v2.0/networks?name=%00", "/v2.0/networks?name=%ff", "/v2.0/net%works", "/%00"])
def test_malformed_url(api, path):
    assert error(api.get(path))[:2] == (400, "HTTPBadRequest")
