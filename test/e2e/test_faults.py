# SPDX-License-Identifier: Apache-2.0
"""Programs are restarted and killed; packets do not notice, and what was answered is kept."""

import contextlib
import http.client
import threading

import pytest

from lab import LabError
from lab.api import Api
from lab.base import until
from lab.traffic import Stream

RATE = 1000
AROUND = 300 # packets that must arrive before and after each event


@contextlib.contextmanager
def traffic(fabric, plugging=False):
    """Numbered packets both ways between hosts, and on one host; none may be missing at the end. (plugging: see blink.py.)"""
    pairs = [("blue1", "green2"), ("green2", "blue1"), ("blue1", "green1")]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(getattr(fabric, a), getattr(fabric, b), RATE, port=7200 + i))
                   for i, (a, b) in enumerate(pairs)]

        def go_on():
            for s, goal in [(s, s.arrivals() + AROUND) for s in streams]:
                s.until(goal)

        go_on()
        yield go_on
        go_on()
    for (a, b), s in zip(pairs, streams):
        lost = fabric.unexcused(s.lost(), getattr(fabric, a), getattr(fabric, b)) if plugging else fabric.beyond_overflows(s.lost())
        assert lost == [], f"{a} to {b}: {len(lost)} of {s.sent} lost, first {lost[:5]}"
        assert s.duplicates == 0 and s.refused == 0


def converged(lab, host):
    """The datapath is what the plan says."""
    return lab.agent(host, "plan", "diff").strip() == ""


@pytest.mark.parametrize("what", ["agent@compute1", "agent@compute2", "server"])
def test_restart_loses_no_packet(watched, what):
    with traffic(watched) as go_on:
        for _ in range(2):
            watched.lab.restart(what)
            go_on()


@pytest.mark.parametrize("what", ["agent@compute1", "agent@compute2", "server"])
def test_kill_loses_no_packet(watched, what):
    with traffic(watched) as go_on:
        for _ in range(2):
            watched.lab.kill(what)
            go_on()
            watched.lab.start(what)
            go_on()


def test_everything_killed_at_once(watched):
    """Without server and agents packets go on; an agent that starts without a server goes on from its disk."""
    lab = watched.lab
    with traffic(watched) as go_on:
        for what in ("server", "agent@compute1", "agent@compute2", "agent@network"):
            lab.kill(what)
        go_on()
        for what in ("agent@compute1", "agent@compute2", "agent@network"):
            lab.start(what)
        go_on()
        watched.sees(watched.blue2, watched.green1.ip, 2)
        lab.start("server")
        lab.wait_agents({"compute1", "compute2", "network"})
        go_on()


def test_what_changed_while_the_agent_was_dead_is_caught_up(watched):
    lab = watched.lab
    with traffic(watched, plugging=True):
        lab.kill("agent@compute2")
        vm = lab.boot("late", "green", "compute2", wait=False)
        try:
            assert watched.api.show("ports", vm.data["port"])["status"] == "DOWN"
            lab.start("agent@compute2")
            lab.vm("late").wait_active()
            watched.remember_places()
            watched.sees(watched.blue1, vm.ip, 2)
        finally:
            lab.stop("late")


def test_a_host_loses_its_power_and_comes_back(watched):
    lab = watched.lab
    watched.captures.pop("compute2").close()
    lab.kill("compute2")
    watched.sees(watched.blue1, watched.green1.ip, 2)
    lab.start("compute2")
    watched.sees(watched.blue1, watched.green2.ip, 2)
    watched.sees(watched.green1, watched.blue2.ip, 2)


def test_agent_killed_during_apply_converges(watched):
    """Ports come and go on compute1 while its agent is killed again and again."""
    lab, done, errors = watched.lab, threading.Event(), []
    kept, worked = [], threading.Semaphore(0)

    def churn():
        api = Api(watched.api.url)
        try:
            while not done.is_set():
                port = api.create("ports", network_id=watched.networks["green"]["id"], device_owner="compute:nova",
                                  device_id="churn", **{"binding:host_id": "compute1"})
                kept.append(port["id"])
                if len(kept) > 40:
                    api.delete("ports", kept.pop(0))
                worked.release()
        except (LabError, OSError) as e:
            errors.append(e)
            worked.release()

    thread = threading.Thread(target=churn)
    with traffic(watched) as go_on:
        thread.start()
        try:
            for _ in range(5):
                for _ in range(30):
                    assert worked.acquire(timeout=10)
                lab.kill("agent@compute1")
                lab.start("agent@compute1")
        finally:
            done.set()
            thread.join()
        assert not errors
        go_on()
        expected = {p["id"] for p in watched.api.list("ports", **{"binding:host_id": "compute1"})}

        def ports():
            return {w.split("=")[1] for line in lab.agent("compute1", "plan", "show").splitlines()
                    if line.startswith("port ") for w in line.split() if w.startswith("uuid=")}

        until("compute1's plan has the ports that the API has", lambda: ports() == expected, 10)
        until("compute1's datapath is as planned", lambda: converged(lab, "compute1"), 10)
    for port in kept:
        watched.api.delete("ports", port)
    until("they are gone again", lambda: not ports() & set(kept), 10)
    until("its datapath is as planned again", lambda: converged(lab, "compute1"), 10)


def test_server_killed_during_a_thousand_creates(watched):
    """What was answered is there afterwards, nothing is half there, and numbers are not given twice."""
    lab, api = watched.lab, watched.api
    network = api.create("networks", name="crowd")
    api.create("subnets", network_id=network["id"], cidr="10.9.0.0/16", ip_version=4)
    answered, errors, lock, some = [], [], threading.Lock(), threading.Semaphore(0)

    def create(first):
        mine = Api(api.url)
        for i in range(first, 1000, 4):
            try:
                port = mine.create("ports", network_id=network["id"], name=f"p{i}")
            except (OSError, http.client.HTTPException, LabError) as e:
                with lock:
                    errors.append(e)
                return
            with lock:
                answered.append(port)
            some.release()

    threads = [threading.Thread(target=create, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for _ in range(300):
        assert some.acquire(timeout=20)
    lab.kill("server")
    for t in threads:
        t.join()
    assert len(errors) == 4, "each creator was interrupted"
    lab.start("server")
    found = {p["id"]: p for p in api.list("ports", network_id=network["id"])}
    for port in answered:
        assert found[port["id"]]["fixed_ips"] == port["fixed_ips"]
        assert found[port["id"]]["mac_address"] == port["mac_address"]
    assert len(answered) <= len(found) <= len(answered) + 4, "at most what was under way came beyond that"
    for port in found.values():
        assert len(port["fixed_ips"]) == 1 and port["mac_address"], f"half a port: {port}"
    addresses = [p["fixed_ips"][0]["ip_address"] for p in found.values()]
    assert len(set(addresses)) == len(addresses)
    more = api.create("ports", network_id=network["id"])
    assert more["fixed_ips"][0]["ip_address"] not in addresses
    assert more["mac_address"] not in {p["mac_address"] for p in found.values()}
    watched.sees(watched.blue1, watched.green2.ip, 2)
