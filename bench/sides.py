# SPDX-License-Identifier: Apache-2.0
"""What is measured: neutrino's way between two VMs, and what it is compared with.

A side is a lab that is up; pair(kind) gives two ends (namespace, address): "remote" ones on two hosts, "local" ones
on one host. Both sides use the lab's own underlay and its own way of plugging a VM, so that the number of veths, the
bridge between the hosts and the MTUs (underlay 1550, VMs 1500) are the same.

    ours    VM ─ tap │ eBPF: route, VXLAN │ eth0 ─ bridge ─ eth0 │ eBPF │ tap ─ VM       routed
    theirs  VM ─ tap │ bridge ─ vxlan     │ eth0 ─ bridge ─ eth0 │ ...  │ tap ─ VM       one subnet
    local   ours: VM ─ tap │ eBPF: route │ tap ─ VM; theirs: one veth pair between two namespaces
    floor   local, and the program only redirects: VM ─ tap │ eBPF │ tap ─ VM, one subnet
"""

import dataclasses
import os

from lab import Lab, underlay
from lab.ns import Space
from lab.traffic import ping

PREFIX = "bench"
VNI = 4242
MAC = "02:be:00:00:00:{:02x}"


@dataclasses.dataclass
class End:
    space: Space
    ip: str


class Ours:
    """Two networks, one distributed router, VMs on compute1 and compute2."""

    name = "ours"
    driver = "ebpf"

    def __init__(self, build):
        self.lab = Lab(PREFIX + self.name, build)
        self.vms = {}

    def up(self):
        self.lab.down()
        self.lab.up(hosts=2, driver=self.driver)
        api = self.lab.api()
        router = api.create("routers", name="r", distributed=True)
        for name, cidr in (("red", "10.81.1.0/24"), ("blue", "10.81.2.0/24")):
            network = api.create("networks", name=name)
            subnet = api.create("subnets", network_id=network["id"], ip_version=4, cidr=cidr, enable_dhcp=False)
            api.add_interface(router["id"], subnet["id"])
        for name, network, host in (("a", "red", "compute1"), ("b", "blue", "compute2"), ("c", "blue", "compute1")):
            self.vms[name] = self.lab.boot(name, network, host)

    def pair(self, kind):
        ends = [End(self.vms[n].need(), self.vms[n].ip) for n in ("a", "b" if kind == "remote" else "c")]
        return reachable(*ends)

    def down(self):
        self.lab.down()


class Theirs:
    """The lab's hosts without our programs: a bridge and the kernel's VXLAN device in each."""

    name = "theirs"

    def __init__(self, build):
        self.lab = Lab(f"{PREFIX}their", build)
        self.program = os.path.join(os.path.abspath(build), "bench-floor")
        self.ends = {}

    def up(self):
        self.lab.down()
        self.lab.up(hosts=2, services=False)
        hosts = [self.lab.host("compute1"), self.lab.host("compute2")]
        for n, (host, other) in enumerate(zip(hosts, reversed(hosts))):
            local, remote = host.data["address"], other.data["address"]
            host.need().run("ip", "-batch", "-", input=(
                "link add br0 type bridge stp_state 0 mcast_snooping 0\n"
                f"link add vx0 mtu {underlay.MTU - 50} type vxlan id {VNI} local {local} remote {remote} dstport 4789"
                " dev eth0\n"
                "link set vx0 master br0 up\nlink set br0 up\n"))
            self.plug(host.need(), f"remote{n}", MAC.format(n), f"10.82.0.{n + 1}")
            host.need().run("ip", "link", "set", f"tapremote{n}", "master", "br0")
        self.veth_pair()
        self.floor()

    def plug(self, host, name, mac, ip):
        vm = Space.make(self.lab.name, f"vm:{name}")
        underlay.plug(host, vm, "tap" + name, mac, underlay.MTU - 50)
        vm.run("ip", "-batch", "-", input=f"addr add {ip}/24 dev eth0\nlink set eth0 up\n")
        self.ends[name] = End(vm, ip)

    def veth_pair(self):
        a, b = (Space.make(self.lab.name, f"vm:local{n}") for n in range(2))
        mtu = underlay.MTU - 50
        underlay.batch(f"link add dev eth0 netns {a.holder.pid} mtu {mtu} type veth"
                       f" peer name eth0 netns {b.holder.pid} mtu {mtu}\n")
        for n, space in enumerate((a, b)):
            ip = f"10.83.0.{n + 1}"
            space.run("ip", "-batch", "-", input=f"addr add {ip}/24 dev eth0\nlink set eth0 up\n")
            self.ends[f"local{n}"] = End(space, ip)

    def floor(self):
        host = Space.make(self.lab.name, "floor")
        for n in range(2):
            self.plug(host, f"floor{n}", MAC.format(0x10 + n), f"10.84.0.{n + 1}")
        for frm, to in ((0, 1), (1, 0)):
            host.run(self.program, f"tapfloor{frm}", f"tapfloor{to}")

    def pair(self, kind):
        return reachable(self.ends[kind + "0"], self.ends[kind + "1"])

    def down(self):
        self.lab.down()


def reachable(a, b):
    sent, received = ping(a.space, b.ip, count=5, interval=0.02)
    if received == 0:
        raise RuntimeError(f"{a.space.name} does not reach {b.ip}")
    return a, b
