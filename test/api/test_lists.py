# SPDX-License-Identifier: Apache-2.0
"""Filters, sorting, pages and fields."""

import urllib.parse

import pytest

from server import error

NAMES = ["delta", "alpha", "echo", "bravo", "charlie", "alpha", "golf"]


@pytest.fixture(scope="module")
def nets(shared_server):
    """Networks of a project of their own, in the order of their creation."""
    api = shared_server.client()
    return [api.create("network", name=name, project_id="lists", admin_state_up=i % 2 == 0)
            for i, name in enumerate(NAMES)]


def names(api, query):
    return [n["name"] for n in api.list("network", f"project_id=lists&{query}")]


def test_filters(api, nets):
    assert sorted(names(api, "")) == sorted(NAMES)
    assert names(api, "name=echo") == ["echo"]
    assert sorted(names(api, "name=echo&name=bravo&name=none")) == ["bravo", "echo"]
    assert sorted(names(api, "name=alpha&admin_state_up=False")) == ["alpha", "alpha"]
    assert names(api, "name=delta&admin_state_up=0") == []
    assert [n["id"] for n in api.list("network", f"id={nets[2]['id'].upper()}")] == [nets[2]["id"]]
    assert len(api.list("network", "tenant_id=lists")) == len(NAMES)
    vni = nets[0]["provider:segmentation_id"]
    assert names(api, f"provider:segmentation_id={vni}&provider:network_type=vxlan") == ["delta"]
    assert names(api, "router:external=True") == []
    assert len(names(api, "router:external=False")) == len(NAMES)
    assert api.list("network", "id=x") == []
    assert names(api, "name=%27%20OR%201%3D1--") == []


@pytest.mark.parametrize("query", ["color=blue", "subnets=x", "admin_state_up=maybe", "mtu=x", "limit=x", "limit=-1",
                                   "limit=99999999999", "sort_key=color", "sort_key=subnets", "sort_key=name&sort_dir=up",
                                   "sort_key=name&sort_dir=asc&sort_dir=asc", "page_reverse=maybe", "fixed_ips=x"])
def test_refused(api, query):
    assert error(api.get(f"/v2.0/networks?{query}"))[0] == 400


def test_too_many_arguments(api):
    assert error(api.get("/v2.0/networks?" + "&".join(["id=b"] * 600)))[0] == 400


def test_unknown_marker(api, nets):
    for marker in ("x", "a0000000-0000-4000-8000-00000000000a"):
        assert error(api.get(f"/v2.0/networks?limit=2&marker={marker}"))[0] in (400, 404)


def test_sort(api, nets):
    assert names(api, "sort_key=name") == sorted(NAMES)
    assert names(api, "sort_key=name&sort_dir=desc") == sorted(NAMES, reverse=True)
    got = api.list("network", "project_id=lists&sort_key=name&sort_key=id&sort_dir=desc&sort_dir=asc")
    want = sorted(sorted(nets, key=lambda n: n["id"]), key=lambda n: n["name"], reverse=True)
    assert [n["id"] for n in got] == [n["id"] for n in want]


@pytest.mark.parametrize("order", ["", "&sort_key=name", "&sort_key=name&sort_dir=desc",
                                   "&sort_key=admin_state_up&sort_key=name&sort_dir=desc&sort_dir=asc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages(api, nets, order, limit):
    """Along the links to the end and back: every one once, in the order of the whole list."""
    whole = [n["id"] for n in api.list("network", f"project_id=lists{order}")]
    assert sorted(whole) == sorted(n["id"] for n in nets)
    pages, url = [], f"/v2.0/networks?project_id=lists&limit={limit}{order}"
    while url:
        page, links = get_page(api, url)
        assert "previous" in links and ("next" in links) == (len(page) == limit)
        pages.append(page)
        url = links.get("next")
    assert [id for page in pages for id in page] == whole
    back, url = [pages[-1]], links["previous"]
    while url:
        page, links = get_page(api, url)
        assert "next" in links and ("previous" in links) == (len(page) == limit)
        back.insert(0, page)
        url = links.get("previous")
    assert [id for page in back for id in page] == whole


def test_page_after_the_last(api, nets):
    """As in Neutron a full page does not know that it is the last; from the empty one after it the way back begins."""
    page, links = get_page(api, f"/v2.0/networks?project_id=lists&limit={len(nets)}")
    page, after = get_page(api, links["next"])
    assert page == [] and set(after) == {"previous"}
    page, _ = get_page(api, after["previous"])
    assert page == [n["id"] for n in nets]


def test_last_page_first(api, nets):
    page, links = get_page(api, "/v2.0/networks?project_id=lists&limit=2&page_reverse=True")
    assert page == [n["id"] for n in nets[-2:]]
    assert get_page(api, links["next"])[0] == []


def get_page(api, url):
    body = api.get(url).body
    return [n["id"] for n in body["networks"]], {link["rel"]: follow(link["href"]) for link in body["networks_links"]}


def follow(href):
    if not href:
        return None
    parts = urllib.parse.urlsplit(href)
    return f"{parts.path}?{parts.query}"


def test_no_links_without_limit(api, nets):
    assert set(api.get("/v2.0/networks?project_id=lists").body) == {"networks"}


def test_fields(api, nets):
    assert api.list("network", f"id={nets[0]['id']}&fields=id&fields=name") == [{"id": nets[0]["id"], "name": "delta"}]
    assert api.get(f"/v2.0/networks/{nets[0]['id']}?fields=name").body == {"network": {"name": "delta"}}
    assert api.list("network", f"id={nets[0]['id']}&fields=tenant_id") == [{"tenant_id": "lists"}]


def test_fixed_ips(api):
    net, subnet = api.network("10.7.0.0/24", project_id="lists-ports")
    ports = [api.create("port", network_id=net["id"], fixed_ips=[{"ip_address": f"10.7.0.{n}"}]) for n in (10, 11)]
    scope = f"network_id={net['id']}"
    assert [p["id"] for p in api.list("port", f"{scope}&fixed_ips=ip_address%3D10.7.0.11")] == [ports[1]["id"]]
    assert [p["id"] for p in api.list("port", f"{scope}&fixed_ips=ip_address=10.7.0.10")] == [ports[0]["id"]]
    assert len(api.list("port", f"{scope}&fixed_ips=subnet_id%3D{subnet['id']}")) == 2
    assert api.list("port", f"{scope}&fixed_ips=ip_address=10.7.0.99") == []
    assert api.list("port", f"{scope}&fixed_ips=ip_address=nonsense") == []
    both = "&".join(f"fixed_ips=ip_address%3D10.7.0.{n}" for n in (10, 11, 99))
    assert {p["id"] for p in api.list("port", f"{scope}&{both}")} == {p["id"] for p in ports}
    assert len(api.list("port", f"{both}&fixed_ips=subnet_id%3D{subnet['id']}")) == 2
    for query in ("fixed_ips=x", "fixed_ips=ip_address", "fixed_ips=mac=x", "fixed_ips="):
        assert error(api.get(f"/v2.0/ports?{query}"))[0] == 400, query


def test_shared_subnets(api):
    """A subnet does not show it, but is found by whether its network is shared."""
    (_, own), (_, shared) = api.network("10.7.3.0/24"), api.network("10.7.3.0/24", shared=True)
    assert "shared" not in shared
    ids = f"id={own['id']}&id={shared['id']}"
    assert [s["id"] for s in api.list("subnet", f"{ids}&shared=True")] == [shared["id"]]
    assert [s["id"] for s in api.list("subnet", f"{ids}&shared=False")] == [own["id"]]


@pytest.mark.parametrize("resource", ["network", "subnet", "port", "router"])
def test_changed_since(api, resource):
    made = made_once(api)[resource]
    for when, found in ((made["updated_at"], [made["id"]]), ("2000-01-01T00:00:00Z", [made["id"]]),
                        ("2999-01-01T00:00:00Z", [])):
        assert [o["id"] for o in api.list(resource, f"id={made['id']}&changed_since={when}")] == found
    for when in ("yesterday", "", "2000-01-01", "2000-01-01T00:00:00", "2000-13-01T00:00:00Z"):
        assert error(api.get(f"/v2.0/{resource}s?changed_since={when}"))[:2] == (400, "InvalidInput"), when


def test_empty_filter(api):
    """The empty-string-filtering extension: an empty value is a value."""
    net, _ = api.network("10.7.4.0/24")
    free = api.create("port", network_id=net["id"])
    api.create("port", network_id=net["id"], device_id="d", device_owner="compute:a", name="n")
    for key in ("name", "device_id", "device_owner"):
        assert [p["id"] for p in api.list("port", f"network_id={net['id']}&{key}=")] == [free["id"]]


def test_port_filters(api):
    net, _ = api.network("10.7.1.0/24")
    made = api.create("port", network_id=net["id"], device_id="dev", device_owner="compute:a", name="n",
                      **{"binding:host_id": "h1"})
    for query in (f"mac_address={made['mac_address'].upper()}", "device_id=dev", "device_owner=compute:a",
                  "binding:host_id=h1", "status=DOWN", "name=n", "binding:vnic_type=normal", "admin_state_up=True"):
        assert [p["id"] for p in api.list("port", f"network_id={net['id']}&{query}")] == [made["id"]], query


@pytest.mark.parametrize("resource", ["network", "subnet", "port", "router", "agent"])
@pytest.mark.parametrize("key", ["id", "name", "status", "admin_state_up", "project_id", "created_at"])
def test_every_sort_key(api, resource, key):
    """What the table allows is served; the rest is a 400 that names it."""
    reply = api.get(f"/v2.0/{resource}s?sort_key={key}")
    assert reply.status == 200 or (reply.status == 400 and key in error(reply)[2]), reply


@pytest.mark.parametrize("resource", ["network", "subnet", "port", "router"])
def test_filter_by_every_member(api, resource):
    """Each member either finds its own object, or may not be filtered by."""
    made = made_once(api)[resource]
    for key, value in made.items():
        reply = api.get(f"/v2.0/{resource}s?id={made['id']}&{key}={urllib.parse.quote(text(value))}")
        if key == "fixed_ips":
            continue  # has a form of its own: test_fixed_ips
        if reply.status == 400:
            assert f"'{key}' is invalid attribute for filtering" in error(reply)[2], reply
        else:
            assert [o["id"] for o in reply.body[f"{resource}s"]] == [made["id"]], (key, value)


def text(value):
    return "" if value is None else str(value)


MADE = {}


def made_once(api):
    if not MADE:
        net, subnet = api.network("10.7.2.0/24", name="one", project_id="members")
        MADE.update(network=api.show("network", net["id"]), subnet=subnet, router=api.create("router", name="r"),
                    port=api.create("port", network_id=net["id"], name="p", device_id="d"))
    return MADE
