# SPDX-License-Identifier: Apache-2.0
"""The command, as a person types it: the lab's verbs and Neutron's."""

import json
import os
import subprocess
import urllib.request

import pytest

from conftest import BUILD, lab_name
from lab import Lab, ns

NAME = lab_name("k")


def lab(*words, check=True):
    done = subprocess.run([BUILD / "neutrino-lab", words[0], "--name", NAME, *words[1:]], text=True, capture_output=True,
                          timeout=60)
    if check:
        assert done.returncode == 0, done.stderr
    return done.stdout if check else done


def neutrino(*words):
    done = subprocess.run([BUILD / "neutrino", *words], text=True, capture_output=True, timeout=30,
                          env=os.environ | {"OS_ENDPOINT": status()["api"], "OS_PROJECT_ID": "test"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def status():
    return json.loads(lab("status", "--format", "json"))


@pytest.fixture(scope="module", autouse=True)
def up(driver):
    try:
        lab("up", "--hosts", "1", "--driver", driver)
        yield
    finally:
        Lab(NAME, BUILD).down()


def test_a_command_runs_in_the_folder_it_was_typed_in():
    done = subprocess.run([BUILD / "neutrino-lab", "exec", "--name", NAME, "compute1", "--", "./neutrino-agent", "status"],
                          text=True, capture_output=True, timeout=30, cwd=BUILD)
    assert done.returncode == 0, done.stderr
    assert "compute1" in done.stdout


def test_a_cloud_by_commands():
    for net, cidr in (("blue", "10.0.1.0/24"), ("green", "10.0.2.0/24")):
        neutrino("net-create", net)
        neutrino("subnet-create", "--name", net, net, cidr)
    neutrino("router-create", "--distributed=True", "router")
    for net in ("blue", "green"):
        neutrino("router-interface-add", "router", net)
    lab("boot", "vm1", "--network", "blue", "--host", "compute1")
    port = json.loads(neutrino("port-create", "--name", "p2", "green", "-f", "json"))
    lab("boot", "vm2", "--port", port["id"], "--host", "compute1")
    vms = status()["vms"]
    assert vms["vm2"]["port"] == port["id"] and vms["vm2"]["state"] == "up"
    assert "2 received" in lab("exec", "vm1", "--", "ping", "-c", "2", "-i", "0.1", vms["vm2"]["addresses"][0])


def test_status_tells_where_the_api_is():
    with urllib.request.urlopen(status()["api"] + "/v2.0/networks", timeout=5) as reply:
        assert {n["name"] for n in json.load(reply)["networks"]} == {"blue", "green"}


def test_move_and_back():
    lab("move", "vm2", "--host", "network")
    assert status()["vms"]["vm2"]["host"] == "network"
    address = status()["vms"]["vm2"]["addresses"][0]
    assert "2 received" in lab("exec", "vm1", "--", "ping", "-c", "2", "-i", "0.1", address)
    lab("move", "vm2", "--host", "compute1")
    assert "2 received" in lab("exec", "vm1", "--", "ping", "-c", "2", "-i", "0.1", address)


def test_programs_die_and_come_back():
    before = status()
    lab("kill", "agent@compute1")
    assert status()["hosts"]["compute1"]["agent"] is None
    assert lab("kill", "agent@compute1", check=False).returncode == 1
    lab("start", "agent@compute1")
    lab("restart", "server")
    lab("restart", "compute1")
    after = status()
    for host, program in (("compute1", "agent"), ("controller", "server")):
        assert after["hosts"][host][program] not in (None, before["hosts"][host][program])
    assert after["vms"]["vm1"]["state"] == "up"
    address = after["vms"]["vm2"]["addresses"][0]
    assert "2 received" in lab("exec", "vm1", "--", "ping", "-c", "2", "-i", "0.1", address)


def test_programs_of_the_build_are_at_hand_on_hosts():
    assert "compute1" in lab("exec", "compute1", "--", "neutrino-agent", "plan", "show")
    assert "blue" in lab("exec", "controller", "--", "neutrino", "net-list")


def test_stop_deletes_the_port_that_boot_made_and_no_other():
    vms = status()["vms"]
    lab("stop", "vm1")
    lab("stop", "vm2")
    left = neutrino("port-list", "-f", "json")
    assert vms["vm1"]["port"] not in left and vms["vm2"]["port"] in left
    assert status()["vms"] == {}


@pytest.mark.parametrize("words", [
    ("boot", "x", "--network", "nowhere", "--host", "compute1"), ("boot", "x", "--network", "blue", "--host", "compute9"),
    ("boot", "x", "--host", "compute1"), ("boot", "compute1", "--network", "blue", "--host", "compute1"),
    ("stop", "x"), ("move", "x", "--host", "compute1"), ("exec", "x", "--", "true"), ("exec", "compute1"),
    ("kill", "agent@controller"), ("kill", "nobody"), ("start", "compute1"), ("up",)])
def test_what_cannot_be_is_said_in_a_line(words):
    done = lab(*words, check=False)
    assert done.returncode == 1 and done.stderr.startswith("neutrino-lab: ") and "Traceback" not in done.stderr
    assert status()["vms"] == {}


def test_down_leaves_nothing():
    lab("down")
    assert not ns.holders(NAME) and not os.path.exists(f"/sys/class/net/nl-{NAME}")
    assert lab("down", check=False).returncode == 0
