# SPDX-License-Identifier: Apache-2.0
"""Random clouds on the lab, changed at random while agents and server are killed, against an oracle that knows only the API.

A seed is a cloud and the changes to it: `--seed N` plays one again."""

import contextlib
import http.client
import json
import pathlib
import random
import socket
import struct
import threading
import time
import traceback

import pytest

from blink import beyond_blinks
from changes import Changes
from cloud import ASIDE
from guests import STREAM_PORT, Guests, Stream, Traffic
from lab import Lab, LabError
from lab.base import until
from oracle import Oracle
from probes import Round, deliverable, ipv4_frame, udp

HOSTS = ["compute1", "compute2", "compute3"]
ROUNDS = 4
STREAMS = 3
HOWS = ["kill", "kill", "kill and start", "restart", "erase the disk of"]
SLOWEST = 0.2 # s: a port that waited so long for ACTIVE did not wait for the last host (service/ready.h)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        given = metafunc.config.getoption("--seed")
        count = 40 if metafunc.config.getoption("--full") else 1
        metafunc.parametrize("seed", given or [1, 2, 3, *(random.SystemRandom().randrange(1 << 32) for _ in range(count))])


def ask_agent(lab, host, request):
    """What the agent's control socket says; None: nobody answers."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.settimeout(10)
            s.connect(f"{lab.host(host).dir}/run/neutrino/agent.sock")
            s.sendall(json.dumps({"request": request}).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n") and (more := s.recv(1 << 20)):
                answer += more
        except OSError:
            return None
    return json.loads(answer).get("data") if answer else None


class Cloudland:
    """The lab, its guests, and how to know that what was asked for has been done."""

    def __init__(self, lab):
        self.lab = lab
        self.api = lab.api()
        self.guests = Guests(lab)
        self.addresses = {h.data["address"]: h.name for h in lab.hosts() if h.name in HOSTS}
        self.dvr = {host: lab.dvr_mac(host) for host in HOSTS}
        self.mtu = 1000
        self.aside = {}
        for host in HOSTS:
            self.aside[host] = self.api.create("networks", name=f"{ASIDE}-{host}", mtu=self.mtu)
            self.api.create("ports", network_id=self.aside[host]["id"], device_owner="compute:aside", device_id="aside",
                            **{"binding:host_id": host})
        self.converge()

    def converge(self):
        """Until every host has done all that was asked for: a change of a network of its own is the last that it hears of."""
        self.mtu = self.mtu + 1 if self.mtu < 1400 else 1000
        for host in HOSTS:
            self.api.update("networks", self.aside[host]["id"], mtu=self.mtu)
        for host in HOSTS:
            words = {f"uuid={self.aside[host]['id']}", f"mtu={self.mtu}"}

            def done():
                plan = ask_agent(self.lab, host, "plan show")
                return plan and any(words <= set(line.split()) for line in plan["plan"] if line.startswith("segment "))

            until(f"{host} has applied everything", done, 15, 0.005)
        for host in HOSTS:
            if switch := self.lab.host(host).vswitch:
                switch.settle() # its cache follows its flows within a revalidation

    def mend(self):
        """Everything runs again, whatever a test that failed has left dead."""
        switches = [f"ovs-vswitchd@{host}" for host in HOSTS if self.lab.host(host).vswitch]
        for what in (*HOSTS, "server", *switches, *(f"agent@{host}" for host in HOSTS)):
            with contextlib.suppress(LabError):
                self.lab.start(what)
        for host in set(HOSTS) - set(self.guests.uplinks):
            self.guests.watch(host)

    def ports_are_active(self):
        """Every VM that is plugged and is to be up."""
        def missing():
            return [p["name"] for p in self.api.list("ports") if p["id"] in self.guests.places and
                    self.guests.places[p["id"]] == p["binding:host_id"] and
                    p["status"] != ("ACTIVE" if p["admin_state_up"] else "DOWN")]

        try:
            until("ports are ACTIVE", lambda: not missing(), 10, 0.01)
        except LabError:
            raise LabError(f"not ACTIVE, or not DOWN, after 10 s: {missing()}") from None

    def datapaths_are_as_planned(self):
        for host in HOSTS:
            said = ask_agent(self.lab, host, "plan diff")
            assert said == {"differences": []}, f"{host}: {said}"


class Faults:
    """Accidents at random moments of a round, in a thread; after() mends what they left."""

    def __init__(self, land, rng, without):
        self.lab = Lab(land.lab.name, land.lab.build) # of its own: the state is not for two threads
        whats = rng.sample(["server", *(f"agent@{h}" for h in HOSTS if h != without)], rng.choice([0, 1, 1, 1, 2, 3]))
        self.plan = [(rng.random() * 0.1, rng.choice(HOWS), what) for what in whats]
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            for delay, how, what in self.plan:
                time.sleep(delay) # a moment that nobody chose: this is the fault, not a wait
                if how == "restart":
                    self.lab.restart(what)
                    continue
                self.lab.kill(what)
                if how == "erase the disk of" and what != "server":
                    for path in pathlib.Path(self.lab.host(what.partition("@")[2]).dir, "var-lib/neutrino").iterdir():
                        path.unlink()
                if how != "kill":
                    self.lab.start(what)
        except Exception as e: # noqa: BLE001 said by after()
            self.error = e

    def hits(self, what):
        return any(w == what for _, _, w in self.plan)

    def after(self):
        self.thread.join()
        if self.error:
            raise self.error
        for _, how, what in self.plan:
            if how == "kill":
                self.lab.start(what)

    def __str__(self):
        return ", ".join(f"{how} {what} after {delay:.3f} s" for delay, how, what in self.plan) or "no accident"


class Play:
    """A cloud, and rounds of changes to it."""

    def __init__(self, land, seed):
        self.land = land
        self.rng = random.Random(seed)
        self.changes = Changes(land.api, land.guests, HOSTS, self.rng)

    def check(self, only=None):
        cloud = self.changes.cloud()
        differences = Round(self.land.guests, cloud, self.land.dvr, self.land.addresses, self.rng, only).run()
        if only is None: # else not every host is waited for
            differences += self.known(cloud)
        assert not differences, f"{len(differences)} differences:\n" + "\n".join(differences[:20])

    def known(self, cloud):
        """Whether each host knows the networks and the peers that it needs, and no other."""
        oracle, found = Oracle(cloud), []
        needs = {host: {n.id for n in oracle.networks(host)} for host in (*HOSTS, "network")}
        for host, networks in needs.items():
            plan = [dict(w.split("=", 1) for w in line.split()[1:]) | {"table": line.split()[0]}
                    for line in ask_agent(self.land.lab, host, "plan show")["plan"]]
            aside = self.land.aside.get(host, {}).get("id")
            wanted = (networks, {h for h in needs if h != host and networks & needs[h]})
            told = ({r["uuid"] for r in plan if r["table"] == "segment"} - {aside},
                    {r["name"] for r in plan if r["table"] == "peer"})
            if told != wanted:
                found.append(f"{host} knows networks and peers {told}, not {wanted}")
        return found

    def streams(self, without):
        """Some pairs that reach each other, not at that host, and what must stay as it is for them."""
        ways = [w for w in deliverable(self.changes.cloud()) if without not in (w[0].vm.place, w[1].vm.host)]
        self.rng.shuffle(ways)
        ways.sort(key=lambda w: not (w[1].wire and not w[1].wire.src)) # routed between hosts first
        chosen, protected = [], set()
        for number, (p, e) in enumerate(ways[:1] + self.rng.sample(ways[1:], min(len(ways[1:]), STREAMS - 1))):
            head = ipv4_frame(p.vm.mac, p.dst_mac, p.src, p.dst, 64, 17, 0, udp(6000 + number, STREAM_PORT, bytes(8)))[:42]
            stream = Stream(self.land.guests, p.vm.port, e.vm.port, head, 6000 + number)
            stream.blinks = e.wire is not None and any(self.land.lab.host(h).vswitch for h in e.wire.hosts)
            chosen.append((f"{p.vm.name} to {e.vm.name} ({p.dst}) by {p.dst_mac}", stream))
            protected |= {p.vm.port, e.vm.port} | self.routers_between(p, e)
        return chosen, protected

    def routers_between(self, p, e):
        ids = set()
        cloud = self.changes.cloud()
        for i in cloud.interfaces:
            if i.network == p.vm.network and i.mac == p.dst_mac:
                ids |= {i.port, i.router.id}
                ids |= {o.port for o in cloud.interfaces if o.router == i.router and o.network == e.vm.network}
        return ids

    def cut(self, host):
        """It loses its power, or its switch; returns what brings it back."""
        guests, lab = self.land.guests, self.land.lab
        if lab.host(host).vswitch and self.rng.random() < 0.5:
            self.changes.said.append(f"-- {host} loses its switch")
            lab.kill(f"ovs-vswitchd@{host}")
            return lambda: lab.start(f"ovs-vswitchd@{host}")
        self.changes.said.append(f"-- {host} loses its power")
        guests.power_cut(host)
        return lambda: guests.power_back(host)

    def disturb(self, cut):
        """Some changes with accidents among them."""
        faults = Faults(self.land, self.rng, cut)
        self.changes.said.append(f"-- {faults} from here")
        faults.thread.start()
        try:
            for _ in range(self.rng.randrange(2, 6)):
                self.changes.change()
        except (OSError, http.client.HTTPException, LabError) as e:
            if not faults.hits("server"):
                raise
            self.changes.said.append(f"-- the server was dead: {e}")
        finally:
            faults.after()

    def round(self):
        cut = self.rng.choice(HOSTS) if self.rng.random() < 0.15 else None
        chosen, self.changes.protected = self.streams(cut)
        with Traffic([s for _, s in chosen]):
            until("traffic runs", lambda: all(s.sent > 20 for _, s in chosen), 10)
            back = self.cut(cut) if cut else lambda: None
            self.disturb(cut)
            back()
            self.changes.follow()
            self.land.converge()
        for name, s in chosen:
            lost, twice = s.result()
            lost = beyond_blinks(lost) if s.blinks else lost
            assert not lost and not twice, f"{name}: {len(lost)} of {s.sent} lost, first {lost[:5]}, {twice} twice"
        self.land.ports_are_active()
        self.check()

    def first_packets(self):
        """A VM that has just become ACTIVE, or has just moved, is reached and reaches at once."""
        self.changes.protected = set()
        cloud = self.changes.cloud()
        self.changes.changed = set()
        start = time.monotonic()
        self.rng.choice([self.changes.boot, self.changes.move])(cloud)
        for port in self.changes.changed:
            row = self.land.api.show("ports", port)
            if row["admin_state_up"]:
                until("it is ACTIVE", lambda: self.land.api.show("ports", port)["status"] == "ACTIVE", 10, 0.002)
            if time.monotonic() - start > SLOWEST:
                self.land.converge() # who is too slow is not waited for
                self.changes.said.append("-- ACTIVE came late")
        self.check(self.changes.changed)

    def run(self):
        self.changes.make()
        self.land.converge()
        self.land.ports_are_active()
        self.check()
        for _ in range(ROUNDS):
            self.round()
            self.first_packets()
        self.land.datapaths_are_as_planned()

    def story(self):
        try:
            cloud = str(self.changes.cloud())
        except (OSError, LabError, http.client.HTTPException) as e:
            cloud = f"(the API does not say what there is: {e})"
        return cloud + "\n\nwhat was done:\n" + "\n".join(self.changes.said)


@pytest.fixture(scope="module")
def land(three):
    return Cloudland(three)


def test_random_cloud(land, three, seed):
    play = Play(land, seed)
    try:
        play.run()
    except Exception as e:
        pytest.fail(f"seed {seed} (again: --seed {seed}): {e}\n\n{play.story()}\n\n{traceback.format_exc()}", pytrace=False)
    finally:
        land.mend()
        play.changes.unmake()
        land.converge()
    for host in HOSTS:
        plan = ask_agent(three, host, "plan show")["plan"]
        assert sorted(line.split()[0] for line in plan) == ["fdb", "host", "port", "segment"], f"{host} keeps {plan}"
