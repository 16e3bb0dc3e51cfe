# SPDX-License-Identifier: Apache-2.0
"""A cloud as the API tells it, and where its VMs are plugged. Nothing in here comes from a plan."""

import dataclasses
import ipaddress

INTERFACE = "network:router_interface_distributed"
ASIDE = "aside" # networks whose names begin so are the tests' own
RUN = ("compute:nova", "network:dhcp")


def runs(port):
    """The port is one that a hypervisor, or a DHCP agent, plugs: VMs are meant by both from here on."""
    return port["device_owner"] in RUN and port["binding:host_id"]


@dataclasses.dataclass(frozen=True)
class Network:
    id: str
    name: str
    vni: int
    mtu: int


@dataclasses.dataclass(frozen=True)
class Subnet:
    id: str
    name: str
    network: Network
    cidr: ipaddress.IPv4Network
    gateway: str # or None

    def has(self, ip):
        return ipaddress.ip_address(ip) in self.cidr


@dataclasses.dataclass(frozen=True)
class Router:
    id: str
    name: str
    up: bool


@dataclasses.dataclass(frozen=True)
class Interface:
    """A router's port."""

    port: str
    router: Router
    network: Network
    mac: str
    up: bool
    status: str
    addresses: tuple # of (ip, Subnet)

    @property
    def name(self):
        return f"{self.router.name}@{self.network.name}"

    @property
    def works(self):
        return self.up and self.router.up


@dataclasses.dataclass(frozen=True)
class VM:
    """A bound port that a hypervisor knows."""

    port: str
    name: str
    network: Network
    mac: str
    up: bool
    host: str
    next: str # where it is migrating to, or None
    place: str # where its cable is, or None
    secure: bool # what it sends is checked
    addresses: tuple

    def __str__(self):
        special = [] if self.up else ["DOWN"]
        special += [] if self.secure else ["unsecured"]
        special += [f"migrating to {self.next}"] if self.next else []
        special += [] if self.place == self.host else [f"cable: {self.place}"]
        addresses = "+".join(ip for ip, _ in self.addresses)
        return f"vm {self.name} {self.network.name} {addresses} {self.mac} on {self.host} port {self.port} {', '.join(special)}"

    @property
    def speaks(self):
        """From where it is bound, and from where it is migrating to."""
        return self.up and self.place in (self.host, self.next)

    @property
    def hears(self):
        return self.up and self.place == self.host


class Cloud:
    def __init__(self, api, places):
        """What there is now; `places` says of each port's device on which host it is."""
        self.networks = [Network(n["id"], n["name"], n["provider:segmentation_id"], n["mtu"]) for n in api.list("networks")
                         if not n["name"].startswith(ASIDE)]
        networks = {n.id: n for n in self.networks}
        self.subnets = [Subnet(s["id"], s["name"], networks[s["network_id"]], ipaddress.ip_network(s["cidr"]), s["gateway_ip"])
                        for s in api.list("subnets")]
        subnets = {s.id: s for s in self.subnets}
        self.routers = [Router(r["id"], r["name"], r["admin_state_up"]) for r in api.list("routers")]
        routers = {r.id: r for r in self.routers}
        # Hosts that may have routers: an operator can switch their L3 agents off.
        agents = api.list("agents", agent_type="L3 agent")
        self.routing = {a["host"]: a["admin_state_up"] for a in agents}
        self.routers_at = {a["host"]: a["configurations"]["routers"] for a in agents}
        self.interfaces, self.vms, self.spare = [], [], []
        for p in api.list("ports"):
            if p["network_id"] not in networks:
                continue
            addresses = tuple((i["ip_address"], subnets[i["subnet_id"]]) for i in p["fixed_ips"])
            network = networks[p["network_id"]]
            if p["device_owner"] == INTERFACE:
                self.interfaces.append(Interface(p["id"], routers[p["device_id"]], network, p["mac_address"],
                                                 p["admin_state_up"], p["status"], addresses))
            elif runs(p):
                self.vms.append(VM(p["id"], p["name"], network, p["mac_address"], p["admin_state_up"],
                                   p["binding:host_id"], p["binding:profile"].get("migrating_to"), places.get(p["id"]),
                                   p["port_security_enabled"] and p["device_owner"] == "compute:nova", addresses))
            else:
                self.spare.append(p)
        for rows in (self.networks, self.subnets, self.routers, self.interfaces, self.vms):
            rows.sort(key=lambda row: (len(row.name), row.name)) # a seed repeats: ids do not, names do

    def __str__(self):
        lines = [f"network {n.name} vni {n.vni} mtu {n.mtu}: " +
                 ", ".join(f"{s.name} {s.cidr} gateway {s.gateway}" for s in self.subnets if s.network == n)
                 for n in self.networks]
        lines += [f"router {r.name}{'' if r.up else ' DOWN'}: " +
                  ", ".join(f"{i.network.name} {'+'.join(ip for ip, _ in i.addresses)} {i.mac}{'' if i.up else ' DOWN'}"
                            for i in self.interfaces if i.router == r) for r in self.routers]
        lines += [str(v) for v in self.vms]
        lines += [f"no routers on {host}" for host, on in self.routing.items() if not on]
        return "\n".join(lines)
