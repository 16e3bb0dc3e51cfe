# SPDX-License-Identifier: Apache-2.0
"""Lab: a cloud of network namespaces. Each method is one verb of the command."""

import contextlib
import itertools
import os
import signal
import uuid

from . import ns, underlay
from .api import Api
from .base import LabError, until
from .capture import Capture
from .config import write_token
from .host import Host, tail
from .ns import Space
from .state import State
from .vm import VM

DRIVERS = {"ebpf": ["ebpf"], "openvswitch": ["openvswitch"], "mixed": ["openvswitch", "ebpf"]} # compute1's, compute2's ...
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Lab:
    def __init__(self, name="lab", build=None, say=lambda text: None):
        self.name = name
        self.source = SOURCE
        self.build = os.path.abspath(build or os.environ.get("NEUTRINO_BUILD") or os.path.join(SOURCE, "build"))
        self.state = State(name)
        self.say = say
        self._api = None

    # ---- parts ----

    def program(self, name):
        path = os.path.join(self.build, name)
        if not os.access(path, os.X_OK):
            raise LabError(f"{path} is not there: build it first (make)")
        return path

    def api(self):
        url = self.state.read()["api"]
        if self._api is None or self._api.url != url:
            self._api = Api(url)
        return self._api

    def underlay(self):
        return Space.load("underlay", self.state.read()["underlay"])

    def host(self, name):
        data = self.state.read()["hosts"].get(name)
        if data is None:
            raise LabError(f"no host {name}")
        return Host(self, name, data)

    def hosts(self):
        return [Host(self, name, data) for name, data in self.state.read()["hosts"].items()]

    def vm(self, name):
        data = self.state.read()["vms"].get(name)
        if data is None:
            raise LabError(f"no VM {name}")
        return VM(self, name, data)

    def vms(self):
        return [VM(self, name, data) for name, data in self.state.read()["vms"].items()]

    def space(self, name):
        """The namespaces of a VM, a host, or the underlay."""
        data = self.state.read()
        if name in data["vms"]:
            return self.vm(name).need()
        return self.underlay() if name == "underlay" else self.host(name).need()

    def spaces(self):
        """Of everything that is up."""
        all = [self.underlay()] + [h.space for h in self.hosts()] + [v.space for v in self.vms()]
        return [s for s in all if s and s.alive()]

    # ---- up and down ----

    def up(self, hosts=2, driver="ebpf", services=True):
        """Hosts, their links, and the programs on them. What fails is taken down again.

        `driver`: the datapath of every host, or "mixed"."""
        if not 1 <= hosts <= 200:
            raise LabError("between 1 and 200 computes")
        if os.geteuid() != 0:
            raise LabError("namespaces need root")
        if services:
            self.program("neutrino-server"), self.program("neutrino-agent")
        turn = itertools.cycle(DRIVERS[driver])
        data = {"name": self.name, "driver": driver, "build": self.build, "api": None, "underlay": None, "vms": {},
                "hosts": {"controller": Host.new("172.20.0.1", None, None),
                          "network": Host.new("172.20.0.2", "dvr_snat", DRIVERS[driver][-1])}}
        for i in range(1, hosts + 1):
            data["hosts"][f"compute{i}"] = Host.new(f"172.20.0.{10 + i}", "dvr", next(turn))
        self.state.create(data)
        try:
            os.mkdir(os.path.join(self.state.dir, "log"))
            with self.state.locked() as data:
                self._up(data, services)
        except BaseException:
            self.down()
            raise

    def _up(self, data, services):
        self.say(f"hosts: {', '.join(data['hosts'])}")
        data["underlay"] = underlay.make(self.name).save()
        self.state.save()
        for host in self.hosts():
            host.install()
            host.power_on()
        address = underlay.connect_root(self.name, self.host("controller").space)
        data["api"] = f"http://{address}:9696"
        self.state.save()
        if not services:
            return
        controller = self.host("controller")
        controller.start("server")
        controller.wait("server")
        self.say(f"server: {data['api']}")
        agents = [h for h in self.hosts() if h.data["agent_mode"]]
        for host in agents:
            self.enroll(host.name)
            host.start("agent")
        for host in agents:
            host.wait("agent")
        self.wait_agents({h.name for h in agents})
        self.say(f"agents: {', '.join(h.name for h in agents)}")

    def enroll(self, name):
        token = self.host("controller").need().run(self.program("neutrino-server"), "enroll", name).split()
        if len(token) != 1:
            raise LabError(f"neutrino-server enroll {name} printed no token: {token}")
        write_token(self.host(name).etc, token[0])

    def wait_agents(self, names):
        def missing():
            return names - {a["host"] for a in self.api().list("agents") if a["alive"]}

        try:
            until("agents alive", lambda: not missing(), 15)
        except LabError:
            logs = "".join(f"{name}:\n{tail(self.host(name).log('agent'))}" for name in sorted(missing()))
            raise LabError(f"agents not alive after 15 s: {', '.join(sorted(missing()))}\n{logs}") from None

    def down(self):
        """Ends everything of this lab, however much of it there is. True if there was anything."""
        there = os.path.isdir(self.state.dir)
        with contextlib.ExitStack() as stack:
            if self.state.exists():
                stack.enter_context(self.state.locked()) # let a boot that is under way finish
            underlay.disconnect_root(self.name)
            for _ in range(5):
                holders = ns.holders(self.name)
                if not holders:
                    break
                there = True
                spaces = [Space(n, p, False) for n, p in holders.items()]
                inodes = {s.net_inode() for s in spaces} - {None, os.stat("/proc/self/ns/net").st_ino}
                ns.end_all(ns.processes_in(inodes))
            else:
                raise LabError(f"cannot end {', '.join(holders)}")
        self.state.remove()
        return there

    # ---- VMs ----

    def boot(self, name, network=None, host=None, port=None, wait=True):
        """A VM: its port bound to the host, its card plugged there; returns when the port is ACTIVE."""
        with self.state.locked() as data:
            if name in data["vms"] or name in data["hosts"] or name in ("underlay", "server"):
                raise LabError(f"there is a {name} already")
            if not name.replace("-", "").isalnum() or len(name) > 32:
                raise LabError(f"{name!r} is no name for a VM: letters, digits, dashes")
            self.host(host).need()
            api = self.api()
            device_id = str(uuid.uuid4())
            if port is None:
                if network is None:
                    raise LabError("boot needs a network or a port")
                row = api.create("ports", network_id=api.find("networks", network)["id"], name=name,
                                 device_id=device_id, device_owner="compute:nova", **{"binding:host_id": host})
            else:
                row = api.update("ports", api.find("ports", port)["id"], device_id=device_id,
                                 device_owner="compute:nova", **{"binding:host_id": host})
            try:
                vm = VM(self, name, VM.new(api, row, self.host(host), own=port is None))
                data["vms"][name] = vm.data
                vm.power_on()
                if wait:
                    vm.wait_active()
            except BaseException:
                if name in data["vms"]:
                    self.vm(name).power_off()
                    del data["vms"][name]
                if port is None:
                    api.delete("ports", row["id"])
                raise
        return vm

    def stop(self, name):
        """Ends a VM; a port that boot made goes too."""
        with self.state.locked() as data:
            vm = self.vm(name)
            vm.power_off()
            del data["vms"][name]
            self.state.save()
            if vm.data["own"]:
                self.api().delete("ports", vm.data["port"])
            else:
                self.api().update("ports", vm.data["port"], device_id="", device_owner="", **{"binding:host_id": ""})

    def move(self, name, host, wait=True):
        """A VM goes to another host and keeps running, like a live migration at its last step."""
        with self.state.locked():
            vm = self.vm(name)
            new = self.host(host)
            new.need()
            if vm.data["host"] == host:
                raise LabError(f"{name} is on {host} already")
            vm.need()
            self.host(vm.data["host"]).need()
            row = self.api().update("ports", vm.data["port"], **{"binding:host_id": host})
            VM.check_bound(row, new)
            vm.replug(new)
            if wait:
                vm.wait_active()

    # ---- faults ----

    def _target(self, what):
        """"compute1", "agent@compute1", "ovs-vswitchd@compute1" or "server": (host, program or None)."""
        if what == "server":
            return self.host("controller"), "server"
        program, at, name = what.rpartition("@")
        host = self.host(name)
        if at and (program not in host.data["programs"] or program == "server"):
            raise LabError(f"no {program} on {name}")
        return host, program or None

    def kill(self, what):
        """kill -9 for a program; for a host a power cut: its programs, its VMs and its links go."""
        with self.state.locked():
            host, program = self._target(what)
            if program:
                if not host.end(program):
                    raise LabError(f"{what} is not running")
                return
            host.need()
            host.power_off() # first: nobody unplugs anything
            for vm in self.vms():
                if vm.data["host"] == host.name:
                    vm.power_off()

    def start(self, what, wait=True):
        with self.state.locked():
            host, program = self._target(what)
            if program:
                host.start(program)
                if wait:
                    host.wait(program)
                return
            if host.alive():
                raise LabError(f"{what} is up")
            host.power_on()
            program = "agent" if host.data["agent_mode"] else "server"
            if not host.data["agent_mode"]:
                address = underlay.connect_root(self.name, host.space)
                self.state.data["api"] = f"http://{address}:9696"
            host.start(program)
            if wait:
                host.wait(program)
            for vm in self.vms():
                if vm.data["host"] == host.name:
                    vm.power_on()
                    if wait:
                        vm.wait_active()

    def restart(self, what, wait=True):
        """SIGTERM, wait for the end, start."""
        with self.state.locked():
            host, program = self._target(what)
            if program:
                if not host.end(program, signal.SIGTERM):
                    raise LabError(f"{what} is not running")
            else:
                for p in reversed(host.data["programs"]):
                    host.end(p, signal.SIGTERM)
                self.kill(what)
            self.start(what, wait)

    # ---- looking ----

    def capture(self, host, **kw):
        h = self.host(host)
        return Capture(h.need(), h.name, h.data["uplinks"][0], **kw)

    def capture_vm(self, name, filter=""):
        return Capture(self.vm(name).need(), name, "eth0", filter)

    def agent(self, host, *words):
        """What `neutrino-agent WORDS` says on a host."""
        return self.host(host).need().run(self.program("neutrino-agent"), *words)

    def counters(self, host):
        """{"drop_spoof_ip": 4, ...} of the host's datapath, up to now."""
        if switch := self.host(host).vswitch:
            switch.settle()
        rows = [line.split() for line in self.agent(host, "counters").splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) >= 2 and row[1].isdigit()}

    def dvr_mac(self, host):
        """The source MAC of frames that this host has routed: its plan says."""
        for line in self.agent(host, "plan", "show").splitlines():
            if line.startswith("host "):
                return dict(w.split("=", 1) for w in line.split()[1:] if "=" in w)["dvr_mac"]
        raise LabError(f"the plan of {host} has no host line")

    def offloads(self, on):
        """Large packets and left-out checksums on the underlay where a host can take them, or a plain wire."""
        for host in self.hosts():
            if host.alive() and host.offloads:
                underlay.offloads(self.underlay(), host.space, host.name, on)

    def status(self):
        data = self.state.read()
        out = {"name": self.name, "driver": data["driver"], "api": data["api"],
               "logs": os.path.join(self.state.dir, "log"), "hosts": {}, "vms": {}}
        for host in self.hosts():
            row = {"state": "up" if host.alive() else "down", "address": host.data["address"],
                   "pid": host.space.holder.pid if host.alive() else None,
                   "uplinks": host.data["uplinks"], "agent_mode": host.data["agent_mode"], "driver": host.data["driver"]}
            for program in host.data["programs"]:
                row[program] = host.process(program).pid if host.running(program) else None
            out["hosts"][host.name] = row
        for vm in self.vms():
            out["vms"][vm.name] = {
                "state": "up" if vm.alive() else "down", "host": vm.data["host"], "port": vm.data["port"],
                "network": vm.data["network"], "mac": vm.data["mac"], "addresses": vm.addresses(),
                "device": vm.data["device"], "pid": vm.space.holder.pid if vm.alive() else None}
        return out
