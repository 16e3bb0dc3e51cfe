# SPDX-License-Identifier: Apache-2.0
"""A "VM": a network namespace whose eth0 is plugged into its host like a tap."""

import ipaddress

from . import underlay
from .base import LabError, until
from .ns import Space

VIF_TYPES = {"ebpf": "tap", "openvswitch": "ovs"}


class VM:
    """One VM of a lab; `data` is its part of the lab's state."""

    def __init__(self, lab, name, data):
        self.lab = lab
        self.name = name
        self.data = data
        self.space = Space.load(name, data["space"])

    @staticmethod
    def new(api, port, host, own):
        """What a VM is told by its port, its network and its subnets (as DHCP would tell it)."""
        VM.check_bound(port, host)
        network = api.show("networks", port["network_id"])
        addresses, routes = [], []
        for ip in port["fixed_ips"]:
            subnet = api.show("subnets", ip["subnet_id"])
            length = ipaddress.ip_network(subnet["cidr"]).prefixlen
            addresses.append(f"{ip['ip_address']}/{length}")
            if subnet.get("gateway_ip") and not routes:
                routes.append(f"default via {subnet['gateway_ip']}")
            routes += [f"{r['destination']} via {r['nexthop']}" for r in subnet.get("host_routes") or []]
        return {"space": None, "host": host.name, "port": port["id"], "own": own, "device_id": port["device_id"],
                "network": network["name"] or network["id"],
                "vni": network.get("provider:segmentation_id"), "mac": port["mac_address"], "addresses": addresses,
                "routes": routes, "mtu": network.get("mtu") or 1500, "device": "tap" + port["id"][:11]}

    @staticmethod
    def check_bound(port, host):
        wanted = VIF_TYPES[host.data["driver"]]
        if port["binding:vif_type"] != wanted:
            raise LabError(f"port {port['id']} on {host.name}: vif_type is {port['binding:vif_type']}, not {wanted}")

    def alive(self):
        return self.space is not None and self.space.alive()

    def need(self):
        if not self.alive():
            raise LabError(f"VM {self.name} is down")
        return self.space

    def power_on(self):
        self.space = Space.make(self.lab.name, f"vm:{self.name}")
        self.data["space"] = self.space.save()
        self.lab.state.save()
        # A guest does not notice that it is moved: its link stays up, and it keeps the neighbours that it knows.
        self.space.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/all/arp_evict_nocarrier")
        self.connect()

    def connect(self):
        """Gives it a card in its host, with its addresses."""
        host = self.lab.host(self.data["host"])
        underlay.plug(host.need(), self.space, self.data["device"], self.data["mac"], self.data["mtu"])
        self.plug(host)
        words = [f"addr add {a} dev eth0" for a in self.data["addresses"]] + ["link set eth0 up"]
        words += [f"route add {r}" for r in self.data["routes"]]
        self.space.run("ip", "-batch", "-", input="\n".join(words) + "\n")

    def plug(self, host):
        underlay.set_offloads(self.space, "eth0", host.offloads)
        host.plug(self.data["device"], self.data["port"], self.data["mac"], self.data["device_id"])

    def replug(self, new):
        """Moves its cable from the host where it is to another; the VM goes on running."""
        new.take_over(self.data["device"], self.lab.host(self.data["host"]))
        self.data["host"] = new.name
        self.plug(new)

    def power_off(self):
        host = self.lab.host(self.data["host"])
        if host.alive():
            host.unplug(self.data["device"])
            underlay.unplug(host.space, self.data["device"])
        if self.space:
            self.space.end()
        self.space = None
        self.data["space"] = None

    def wait_active(self, seconds=15):
        api = self.lab.api()
        until(f"port {self.data['port']} of {self.name} on {self.data['host']} is ACTIVE",
              lambda: api.show("ports", self.data["port"])["status"] == "ACTIVE", seconds)

    # ---- for tests ----

    def addresses(self):
        return [a.partition("/")[0] for a in self.data["addresses"]]

    @property
    def ip(self):
        return self.addresses()[0]

    @property
    def mac(self):
        return self.data["mac"]

    @property
    def hostname(self):
        return self.data["host"]

    def run(self, *argv, **kw):
        return self.need().run(*argv, **kw)

    def popen(self, *argv, **kw):
        return self.need().popen(*argv, **kw)

    def socket(self, *args):
        return self.need().socket(*args)

    def packet_socket(self, ethertype=3):
        return self.need().packet_socket("eth0", ethertype)
