# SPDX-License-Identifier: Apache-2.0
"""build/neutrino against a fake API: its requests, its output, its failures."""

import json
import pathlib
import re
import socket

import pytest


def test_create_prints_what_the_server_made(fake, neutrino):
    r = neutrino("router-create", "--distributed=True", "r1")
    router = fake.collections["routers"][0]
    assert fake.writes() == [("POST", "/v2.0/routers",
                              {"router": {"name": "r1", "admin_state_up": True, "distributed": True}})]
    assert r.out.splitlines() == [
        "Created a new router:",
        "+----------------+--------------------------------------+",
        "| Field          | Value                                |",
        "+----------------+--------------------------------------+",
        "| admin_state_up | True                                 |",
        "| distributed    | True                                 |",
        f"| id             | {router['id']} |",
        "| name           | r1                                   |",
        "+----------------+--------------------------------------+",
    ]


def test_formats_for_scripts(fake, neutrino):
    r = neutrino("net-create", "-f", "value", "-c", "id", "n1")
    assert r.out.strip() == fake.collections["networks"][0]["id"]
    r = neutrino("net-show", "n1", "-f", "json")
    assert json.loads(r.out) == fake.collections["networks"][0]
    r = neutrino("net-list", "-f", "json", "-c", "name")
    assert json.loads(r.out) == [{"name": "n1"}]


def test_names_become_ids(fake, neutrino):
    n = fake.add("networks", name="n1")
    s = fake.add("subnets", name="s1")
    neutrino("port-create", "n1", "--fixed-ip", "subnet_id=s1,ip_address=10.0.1.7", "--host", "compute1")
    assert fake.writes() == [("POST", "/v2.0/ports", {"port": {
        "network_id": n["id"], "admin_state_up": True, "binding:host_id": "compute1",
        "fixed_ips": [{"subnet_id": s["id"], "ip_address": "10.0.1.7"}]}})]
    neutrino("port-create", n["id"], "--fixed-ip", f"subnet_id={s['id']}")
    assert fake.writes()[0][2]["port"]["network_id"] == n["id"]


@pytest.mark.parametrize("word,key", [("s1", "subnet_id"), ("subnet=s1", "subnet_id"), ("port=p1", "port_id")])
def test_router_interfaces(fake, neutrino, word, key):
    ids = {"subnet_id": fake.add("subnets", name="s1")["id"], "port_id": fake.add("ports", name="p1")["id"]}
    router = fake.add("routers", name="r1")["id"]
    r = neutrino("router-interface-add", "r1", word)
    assert r.out == "Added interface the-port to router r1.\n"
    r = neutrino("router-interface-delete", "r1", word)
    assert r.out == "Removed interface from router r1.\n"
    assert fake.writes() == [("PUT", f"/v2.0/routers/{router}/{action}_router_interface", {key: ids[key]})
                             for action in ("add", "remove")]


def test_an_ambiguous_name_lists_its_bearers(fake, neutrino):
    ids = [fake.add("networks", name="twin")["id"] for _ in range(2)]
    r = neutrino("net-show", "twin", expect=1)
    assert "Multiple network matches found for name 'twin'" in r.err
    assert all(i in r.err for i in ids) and r.out == ""
    r = neutrino("net-show", "none", expect=1)
    assert r.err == "Unable to find network with name or id 'none'\n"


def test_update_and_delete(fake, neutrino):
    n = [fake.add("networks", name=f"n{i}")["id"] for i in range(3)]
    assert neutrino("net-update", "n0", "--name", "new").out == "Updated network: n0\n"
    assert fake.writes() == [("PUT", f"/v2.0/networks/{n[0]}", {"network": {"name": "new"}})]
    assert "Must specify new values" in neutrino("net-update", "n1", expect=1).err
    assert neutrino("net-delete", "new").out == "Deleted network: new\n"
    r = neutrino("net-delete", "n1", "gone", "n2", expect=1)
    assert r.out == "Deleted network(s): n1, n2\n"
    assert r.err == "Unable to find network with name or id 'gone'\n"
    assert fake.collections["networks"] == []


def test_net_list_shows_the_cidrs(fake, neutrino):
    subnets = [fake.add("subnets", cidr=f"10.0.{i}.0/24") for i in range(250)]
    fake.add("networks", name="n1", subnets=[s["id"] for s in subnets[:200]])
    fake.add("networks", name="n2", subnets=[s["id"] for s in subnets[200:]] + ["lost"])
    out = neutrino("net-list").out
    assert all(f"{s['id']} {s['cidr']} " in out for s in subnets)
    assert "| lost " in out


def test_lists_follow_pages(fake, neutrino):
    for i in range(7):
        fake.add("ports", name=f"p{i}")
    r = neutrino("port-list", "-P", "3", "-f", "value", "-c", "name")
    assert r.out.split() == [f"p{i}" for i in range(7)]
    assert len(fake.requests) == 3


def test_an_empty_list_is_an_empty_line(neutrino):
    assert neutrino("net-list").out == "\n"
    assert neutrino("net-list", "-f", "value").out == ""
    assert json.loads(neutrino("net-list", "-f", "json").out) == []


def test_agents(fake, neutrino):
    one = fake.add("agents", host="compute1", agent_type="L3 agent", alive=True, configurations={"agent_mode": "dvr"})
    fake.add("agents", host="compute2", agent_type="L3 agent", alive=False, configurations={})
    out = neutrino("agent-list").out
    assert ":-)" in out and "xxx" in out
    assert '{"agent_mode": "dvr"}' in neutrino("agent-show", one["id"]).out
    assert one["id"] in neutrino("agent-show", "compute1").out


def test_agent_accept(fake, neutrino):
    for host, held in (("compute1", True), ("compute1", True), ("compute2", False), ("compute3", True)):
        fake.add("agents", host=host, agent_type="L3 agent", held=held)
    paths = [f"/v2.0/agents/{a['id']}" for a in fake.collections["agents"]]

    def told():
        return [r["path"] for r in fake.requests if (r["method"], r["body"]) == ("PUT", {"agent": {"held": False}})]

    assert "no agent on host compute2 holds" in neutrino("agent-accept", "compute2", expect=1).err
    assert "or --all" in neutrino("agent-accept", expect=1).err
    assert "or --all" in neutrino("agent-accept", "compute1", "--all", expect=1).err
    assert told() == []
    assert neutrino("agent-accept", "compute3").out == "Accepted what host compute3 held back.\n"
    assert told() == [paths[3]]
    fake.requests.clear()
    fake.collections["agents"][3]["held"] = True
    assert neutrino("agent-accept", "--all").out.count("Accepted") == 2
    assert told() == [paths[0], paths[3]]
    for agent in fake.collections["agents"]:
        agent["held"] = True
    fake.fail_at[paths[0]] = (409, "AgentHoldsNothing", "Agent on host compute1 holds no snapshot back.")
    r = neutrino("agent-accept", "--all", expect=1)
    assert "holds no snapshot" in r.err and r.out.count("Accepted") == 2


def test_extensions(fake, neutrino):
    fake.add("extensions", alias="dvr", name="Distributed Virtual Router")
    assert "dvr" in neutrino("ext-list").out
    assert "Distributed Virtual Router" in neutrino("ext-show", "dvr").out


def test_the_servers_words_reach_the_user(fake, neutrino):
    fake.fail = (409, "NetworkInUse", "Unable to complete operation on network x.")
    r = neutrino("net-create", "x", expect=1)
    assert (r.out, r.err) == ("", "Unable to complete operation on network x.\n")


def test_no_server_names_the_url(neutrino):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
        r = neutrino("--url", url, "net-list", expect=1)
    assert url + "/v2.0/networks" in r.err


def test_where_the_url_comes_from(fake, neutrino):
    for words, env in [(("--url", fake.url), {}), ((f"--os-url={fake.url}/v2.0",), {}),
                       ((), {"NEUTRINO_URL": fake.url + "/v2.0/"}), ((), {"NEUTRINO_URL": "", "OS_ENDPOINT": fake.url})]:
        neutrino(*words, "net-list", env=env)
    assert [r["path"] for r in fake.requests] == ["/v2.0/networks"] * 4


def test_token_and_project_are_sent_and_not_shown(fake, neutrino):
    r = neutrino("--debug", "net-create", "n1", env={"OS_TOKEN": "secret", "OS_PROJECT_ID": "p"})
    assert fake.requests[0]["headers"]["X-Auth-Token"] == "secret"
    assert fake.requests[0]["headers"]["X-Project-Id"] == "p"
    assert "secret" not in r.err and "POST" in r.err and "RESP: 201" in r.err


def test_help(neutrino):
    assert "router-interface-add" in neutrino("help").out
    assert "--distributed" in neutrino("help", "router-create").out
    assert neutrino("router-create", "--help").out == neutrino("help", "router-create").out
    assert neutrino("--version").out.startswith("neutrino ")
    for words in [(), ("nope",), ("help", "nope"), ("--nope", "net-list"), ("net-create",), ("net-show", "a", "b")]:
        assert "neutrino" in neutrino(*words, expect=2).err


def test_the_man_page_has_every_verb_and_option(neutrino):
    page = (pathlib.Path(__file__).parents[2] / "docs/neutrino.1").read_text()
    verbs = re.findall(r"^  ([a-z]+(?:-[a-z]+)+) ", neutrino("help").out, re.M)
    assert len(verbs) > 25
    for verb in verbs:
        assert f".It Cm {verb}" in page, verb
    for verb in ("net-list", "net-create", "subnet-create", "port-create", "router-create"):
        for option in re.findall(r"^  (?:-., )?--([a-z0-9:_-]+)", neutrino("help", verb).out, re.M):
            if option not in ("ipv6-ra-mode", "ipv6-address-mode", "no-allowed-address-pairs"):
                assert f"Fl -{option}" in page, option
