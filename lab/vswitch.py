# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch on a host: a database and a switch of its own, at their usual places in the host's own /etc and /run.

     VM ─ tapX ─ br-int ─ (vxlan-neutrino) ─ br-phy ─ eth0 ─ underlay
                                             LOCAL: the host's address

The agent makes br-int and its tunnel port; br-phy is the operator's, that is ours. The datapath is the userspace one
(datapath_type=netdev), which needs no kernel module. It reads and writes devices by packet sockets, so

  - packets must be finished when they reach it: cards of VMs and the wire to the host have their offloads off;
  - the kernel sees all that it sees: its own IP stack is shut on every device but br-phy (SYSCTL).
"""

import os
import re
import socket

from . import underlay
from .base import LabError, run

DAEMONS = ("ovsdb-server", "ovs-vswitchd")
BRIDGE = "br-int" # integration_bridge
PHYSICAL = "br-phy"
RUN = "/var/run/openvswitch"
CONF = "/etc/openvswitch/conf.db"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
LOG = ("-vconsole:info", "-vsyslog:off", "-vfile:off")
COUNTED_MS = 100 # flows are told what the cache has counted so often; by default 500
# As by ovs-ctl: what comes while others have the processor waits in packet sockets, which hold some hundred packets. A session
# of its own is a scheduling group of its own as well, and niceness counts within a group only.
FIRST = '{ echo -10 > /proc/self/autogroup; } 2> /dev/null; exec nice -n -10 "$@"'
OVERFLOW = re.compile(r'\*:(\S+) .*"ovs-vswitchd",pid=(\d+),.*skmem:\(.*,d(\d+)\)')
SYSCTL = {"rp_filter": 1, "arp_ignore": 8} # a packet from where no route leads goes nowhere; no ARP request is answered


def version():
    """What is installed: "3.1.0"."""
    return run("ovs-vswitchd", "--version").split("\n", 1)[0].split()[-1]


def command(what):
    words = {"ovsdb-server": [CONF, f"--remote=punix:{RUN}/db.sock"], "ovs-vswitchd": [f"unix:{RUN}/db.sock"]}[what]
    return ["sh", "-c", FIRST, "sh", what, *words, "--pidfile", *LOG]


class Vswitch:
    """Of one host. Its programs are started and ended by the host, like the agent."""

    def __init__(self, host):
        self.host = host
        self.socket = os.path.join(host.dir, "run/openvswitch/db.sock")

    def vsctl(self, *words, wait=True):
        return run("ovs-vsctl", f"--db=unix:{self.socket}", "--timeout=15", *([] if wait else ["--no-wait"]), *words)

    # ---- the host's start ----

    def prepare(self):
        """Before any device is there."""
        os.makedirs(os.path.dirname(self.socket))
        conf = os.path.join(self.host.dir, CONF[1:])
        if not os.path.exists(conf):
            run("ovsdb-tool", "create", conf, SCHEMA)
        self.host.space.run("sh", "-c", "".join(
            f"echo {value} > /proc/sys/net/ipv4/conf/default/{name};" for name, value in SYSCTL.items()))

    def own(self, uplink, address):
        """The uplink becomes a port of br-phy, and the address br-phy's own."""
        self.vsctl("set", "Open_vSwitch", ".", f"other_config:max-revalidator={COUNTED_MS}",
                   "--", "--may-exist", "add-br", PHYSICAL, "--", "set", "Bridge", PHYSICAL, "datapath_type=netdev",
                   f'other_config:hwaddr="{underlay.mac(address)}"',
                   "--", "--may-exist", "add-port", PHYSICAL, uplink,
                   "--", "set", "Interface", PHYSICAL, f"mtu_request={underlay.MTU}")
        self.host.space.run("sh", "-c", "".join(
            f"echo 0 > /proc/sys/net/ipv4/conf/{PHYSICAL}/{name};" for name in SYSCTL))
        underlay.give_address(self.host.space, PHYSICAL, address)

    # ---- its programs ----

    def answers(self, what):
        """Whether it does: the database at its socket; the switch when it has done what the database says."""
        if what == "ovs-vswitchd":
            self.vsctl("set", "Open_vSwitch", ".", f"external_ids:lab-vswitchd={self.host.process(what).pid}")
            return True
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.socket)
                return True
            except OSError:
                return False

    def settle(self):
        """Until what its cache has counted is told to the flows, as it is by itself every COUNTED_MS."""
        pid = self.host.process("ovs-vswitchd").pid
        run("ovs-appctl", "-t", os.path.join(os.path.dirname(self.socket), f"ovs-vswitchd.{pid}.ctl"), "revalidator/wait")

    def overflows(self):
        """How many packets the kernel threw away that ovs-vswitchd did not fetch in time, by (its pid, device)."""
        said = self.host.space.run("ss", "-0nmpO")
        return {(pid, device): int(n) for device, pid, n in OVERFLOW.findall(said)}

    # ---- VMs ----

    def plug(self, device, port, mac, owner):
        """As os-vif does it: when br-int is there, with what the agent knows the port by."""
        ids = {"iface-id": port, "iface-status": "active", "attached-mac": mac, "vm-uuid": owner}
        try:
            self.vsctl("wait-until", "Bridge", BRIDGE, "--", "--may-exist", "add-port", BRIDGE, device,
                       "--", "set", "Interface", device, *(f'external_ids:{k}="{v}"' for k, v in ids.items()), wait=False)
        except LabError as e:
            raise LabError(f"{device} cannot be plugged into {BRIDGE} of {self.host.name}: {e}") from None

    def unplug(self, device):
        self.vsctl("--if-exists", "del-port", device, wait=False)
