# SPDX-License-Identifier: Apache-2.0
"""The wires: one learning bridge in a namespace of its own, a link to it for each host, a link for each VM.

    root              controller          compute1              compute2
     nl-LAB ──────── api0                  tapX ─ eth0 of a VM
                     eth0                 eth0                  eth0
                      │ controller         │ compute1            │ compute2      (the bridge's ports)
                      └──────── underlay: br-underlay ───────────┘
"""

import fcntl
import ipaddress
import json
import os

from . import state
from .base import LabError, run
from .ns import Space

NETWORK = ipaddress.ip_network("172.20.0.0/24") # inside each lab; every lab has the same
MTU = 1550 # so that a VM has the usual 1500: VXLAN over IPv4 takes 50
UPLINK = "eth0"
API_NETWORK = ipaddress.ip_network("198.18.0.0/16") # RFC 2544's; a /30 a lab, in the root namespace


def batch(text):
    run("ip", "-batch", "-", input=text)


def make(lab):
    space = Space.make(lab, "underlay")
    space.run("ip", "link", "add", "br-underlay", "mtu", str(MTU), "up", "type", "bridge",
              "stp_state", "0", "mcast_snooping", "0")
    return space


def mac(address):
    """A host's, by its address."""
    return "02:00:" + ":".join(f"{b:02x}" for b in ipaddress.ip_address(address).packed)


def connect(underlay, host, name, address):
    """Gives the host its uplink, with the MAC that it had before; the address goes where the host wants it."""
    batch(f"link add dev {UPLINK} netns {host.holder.pid} address {mac(address)} mtu {MTU} type veth"
          f" peer name {name} netns {underlay.holder.pid} mtu {MTU}\n")
    underlay.run("ip", "link", "set", name, "master", "br-underlay", "up")
    host.run("ip", "link", "set", UPLINK, "up")


def give_address(host, device, address):
    host.run("ip", "-batch", "-", input=f"addr add {address}/{NETWORK.prefixlen} dev {device}\nlink set {device} up\n")


def disconnect(underlay, name):
    if underlay.alive():
        underlay.popen("ip", "link", "del", name, stderr=-3).wait()


def set_offloads(space, device, on, features=("tx", "sg", "tso", "gso")):
    space.run("ethtool", "-K", device, *(w for feature in features for w in (feature, "on" if on else "off")))


def offloads(underlay, host, name, on):
    """Whether the wire carries large and unchecksummed packets (as between veths) or finished ones (as a real wire)."""
    for space, device in ((host, UPLINK), (underlay, name)):
        set_offloads(space, device, on, ("tx", "rx", "sg", "tso", "gso", "gro"))


def root_device(lab):
    return f"nl-{lab}"


def connect_root(lab, controller):
    """The one device in the root namespace, by which the caller reaches the API. Returns the API's address."""
    lock = os.open(state.ROOT, os.O_RDONLY | os.O_DIRECTORY) # two labs must not choose the same /30
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        taken = [ipaddress.ip_address(a["local"]) for link in json.loads(run("ip", "-j", "-4", "addr"))
                 for a in link["addr_info"]]
        for net in API_NETWORK.subnets(new_prefix=30):
            if not any(a in net for a in taken):
                break
        else:
            raise LabError(f"no free /30 in {API_NETWORK}")
        here, there = net.hosts()
        device = root_device(lab)
        batch(f"link add dev {device} type veth peer name api0 netns {controller.holder.pid}\n"
              f"addr add {here}/30 dev {device}\n")
    finally:
        os.close(lock)
    with open(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", "w") as f:
        f.write("1")
    batch(f"link set {device} up\n")
    controller.run("ip", "-batch", "-", input=f"addr add {there}/30 dev api0\nlink set api0 up\n")
    return str(there)


def disconnect_root(lab):
    if os.path.exists(f"/sys/class/net/{root_device(lab)}"):
        run("ip", "link", "del", root_device(lab))


def plug(host, vm, device, mac, mtu, end="eth0"):
    """A VM's network card: one end in the VM, the other in its host as Nova names a tap.

    It is up from the first moment: an Open vSwitch that opens it just then, and sets other flags, may set it down else."""
    batch(f"link add dev {device} netns {host.holder.pid} mtu {mtu} up type veth"
          f" peer name {end} netns {vm.holder.pid} address {mac} mtu {mtu}\n")


def unplug(host, device):
    host.popen("ip", "link", "del", device, stderr=-3).wait()


def replug(old, new, device):
    """Moves a VM's cable from one host to another; what the old host had on the device goes."""
    old.run("ip", "link", "set", device, "down")
    old.run("/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "tcx.py"), device)
    old.run("ip", "link", "set", device, "netns", str(new.holder.pid))
    new.run("ip", "link", "set", device, "up")
