# SPDX-License-Identifier: Apache-2.0
"""A host: namespaces, private directories, and the programs that run on it.

What survives a power cut lies in DIR/hosts/NAME: `etc` and `var-lib` are the host's disk, `run` its memory."""

import os
import shutil
import signal
import socket

from . import config, underlay, vswitch
from .base import LabError, Process, until
from .ns import Space
from .vswitch import DAEMONS, Vswitch

# /etc is ours, name by name, but for what the host has of its own; /var/lib and /run are the host's alone.
# Programs and sources that lie there stay in sight. /run is last: DIR lies in it.
MOUNTS = """
set -e
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
cd {dir}
mount -t tmpfs -o mode=755 tmpfs merged
mkdir merged/.machine
mount --bind /etc merged/.machine
(cd merged/.machine; ls -A) | grep -vxF -e hosts -e neutron -e openvswitch | sed 's,^,.machine/,' | xargs -d '\\n' ln -s -t merged
cp etc/hosts merged/
for own in neutron openvswitch; do
	mkdir merged/$own
	mount --bind etc/$own merged/$own
done
for needed in {needed}; do
	for pair in /var/lib=var-lib /run=run; do
		case $needed in ${{pair%%=*}}/*)
			at=${{pair#*=}}${{needed#${{pair%%=*}}}}
			mkdir -p $at; mount --bind $needed $at;;
		esac
	done
done
mount --rbind merged /etc
mount --rbind var-lib /var/lib
mount --rbind run /run
"""


PROGRAMS = ("server", "agent", *DAEMONS)


class Host:
    """One host of a lab; `data` is its part of the lab's state."""

    def __init__(self, lab, name, data):
        self.lab = lab
        self.name = name
        self.data = data
        self.dir = os.path.join(lab.state.dir, "hosts", name)
        self.space = Space.load(name, data["space"])
        self.vswitch = Vswitch(self) if data["driver"] == "openvswitch" else None

    @staticmethod
    def new(address, mode, driver):
        programs = [*(DAEMONS if driver == "openvswitch" else ()), "agent" if mode else "server"]
        return {"space": None, "address": address, "agent_mode": mode, "driver": driver,
                "programs": dict.fromkeys(programs), "uplinks": [underlay.UPLINK]}

    @property
    def offloads(self):
        """Whether its datapath takes packets that are large or have no checksum yet."""
        return self.vswitch is None

    @property
    def etc(self):
        return os.path.join(self.dir, "etc/neutron")

    def alive(self):
        return self.space is not None and self.space.alive()

    def need(self):
        if not self.alive():
            raise LabError(f"host {self.name} is down")
        return self.space

    def install(self):
        """The host's disk."""
        for part in ("etc/openvswitch", "var-lib/neutrino", "merged"):
            os.makedirs(os.path.join(self.dir, part))
        hosts = self.lab.state.data["hosts"]
        with open(os.path.join(self.dir, "etc/hosts"), "w") as f:
            f.write("127.0.0.1 localhost\n")
            f.writelines(f"{h['address']} {name}\n" for name, h in hosts.items())
        controller = self.name == "controller"
        config.write(self.etc, config.CONTROLLER if controller else config.AGENT, server=config.SERVER, host=self.name,
                     mtu=underlay.MTU, address=self.data["address"], mode=self.data["agent_mode"],
                     driver=self.data["driver"], switch=config.SWITCH.get(self.data["driver"]))

    def power_on(self):
        run = os.path.join(self.dir, "run")
        shutil.rmtree(run, ignore_errors=True)
        os.makedirs(os.path.join(run, "neutrino"))
        self.space = Space.make(self.lab.name, self.name, mounts=True)
        self.data["space"] = self.space.save()
        self.lab.state.save()
        self.space.run("bash", "-c", MOUNTS.format(
            dir=self.dir, needed=" ".join({self.lab.build, self.lab.source})))
        if self.vswitch:
            self.vswitch.prepare()
        underlay.connect(self.lab.underlay(), self.space, self.name, self.data["address"])
        if not self.vswitch:
            underlay.give_address(self.space, underlay.UPLINK, self.data["address"])
            return
        underlay.offloads(self.lab.underlay(), self.space, self.name, False)
        for what in DAEMONS:
            self.start(what)
            self.wait(what)
        self.vswitch.own(underlay.UPLINK, self.data["address"])

    def power_off(self):
        underlay.disconnect(self.lab.underlay(), self.name)
        if self.space:
            self.space.end()
        self.space = None
        self.data.update(space=None, programs=dict.fromkeys(self.data["programs"]))

    # ---- its programs: "server" on the controller, "agent" on the others, and Open vSwitch's where that is the datapath ----

    def process(self, what):
        return Process.load(self.data["programs"][what])

    def running(self, what):
        p = self.process(what)
        return p is not None and p.alive()

    def log(self, what):
        return os.path.join(self.lab.state.dir, "log", f"{self.name}-{what}.log")

    def start(self, what):
        if self.running(what):
            return
        words = vswitch.command(what) if what in DAEMONS else [self.lab.program(f"neutrino-{what}")]
        process = self.need().spawn(*words, log=self.log(what))
        self.data["programs"][what] = process.save()
        self.lab.state.save()

    def wait(self, what):
        """Until the program answers: the server its API, the agent its control socket."""
        process = self.process(what)
        answers = {"server": lambda: self.lab.api().answers(), "agent": self.agent_answers}.get(
            what, lambda: self.vswitch.answers(what))

        def check():
            if not process.alive():
                raise LabError(f"{what} on {self.name} ended at once:\n{tail(self.log(what))}")
            return answers()

        try:
            until(f"{what} on {self.name} answers", check, 15, 0.005 if what in DAEMONS else 0.02)
        except LabError as e:
            raise LabError(f"{e}\n{tail(self.log(what))}") from None

    def agent_answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(os.path.join(self.dir, "run/neutrino/agent.sock"))
                return True
            except OSError:
                return False

    def end(self, what, sig=signal.SIGKILL):
        process = self.process(what)
        ended = process.end(sig, 15) if process else False
        self.data["programs"][what] = None
        return ended

    # ---- cards of VMs, that is devices that are here ----

    def plug(self, device, port, mac, owner):
        """What a hypervisor does: gives the device to the datapath, which may have to be told."""
        if self.vswitch:
            self.vswitch.plug(device, port, mac, owner)

    def take_over(self, device, old):
        """A card with its cable from another host, to be plugged here."""
        for host in (old, self): # here a power cut may have left what knows it
            host.unplug(device)
        underlay.replug(old.need(), self.need(), device)

    def unplug(self, device):
        """Before the device goes."""
        if self.vswitch:
            self.vswitch.unplug(device)


def tail(path, lines=15):
    try:
        with open(path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return ""
