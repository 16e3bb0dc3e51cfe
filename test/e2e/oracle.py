# SPDX-License-Identifier: Apache-2.0
"""What a tenant may expect of a packet, said from the cloud alone.

Distributed routing in a few sentences: a packet is routed on its sender's host by the router that it was sent to, at most one
hop further (a router knows what it is connected to), travels in the segment of its destination's network with the
sending host's DVR MAC as its source, and reaches the VM from the MAC of its gateway. Within a network it goes as it is."""

import dataclasses

from cloud import VM, Interface


@dataclasses.dataclass(frozen=True)
class Packet:
    """What a VM sends: IPv4 with UDP or an ICMP echo request inside."""

    vm: object
    src: str
    dst: str
    dst_mac: str
    ttl: int = 64
    size: int = 64 # of the IPv4 packet
    echo: bool = False

    def __str__(self):
        what = f"{'echo' if self.echo else 'udp'} ttl {self.ttl} size {self.size}"
        return f"{self.vm.name} ({self.vm.place}) {self.src} to {self.dst} by {self.dst_mac} {what}"


@dataclasses.dataclass(frozen=True)
class Wire:
    """How a packet crosses the underlay: from host to host, once."""

    hosts: tuple
    vni: int
    src: str # inner MAC; None: the DVR MAC of the sending host
    dst: str


@dataclasses.dataclass(frozen=True)
class Expected:
    what: str # "vm": exactly that one gets it; "reply": echoed to the sender; "error": ICMP to the sender; "nobody"
    vm: object = None
    ttl: int = None
    macs: frozenset = frozenset() # the source MAC that the VM sees is one of these
    wire: Wire = None # None: on no uplink
    perhaps: bool = False # dropped at the far end or before: the wire may have seen it
    error: tuple = None # ICMP type and code
    source: frozenset = frozenset() # addresses that the error or the reply may come from


NOBODY = Expected("nobody")


class Oracle:
    def __init__(self, cloud):
        self.cloud = cloud
        self.stations = {(i.network.id, i.mac): i for i in cloud.interfaces}
        self.stations.update({(v.network.id, v.mac): v for v in cloud.vms})
        self.owners = {(v.network.id, ip): v for v in cloud.vms for ip, _ in v.addresses}
        self.owners.update({(i.network.id, ip): i for i in cloud.interfaces for ip, _ in i.addresses})

    def ask(self, p):
        if not p.vm.speaks:
            return NOBODY
        station = self.stations.get((p.vm.network.id, p.dst_mac))
        if station is None:
            return NOBODY
        if isinstance(station, VM):
            return self._arrives(p, station, p.ttl, None)
        return self._routed(p, station) if self._works(station, p.vm) else NOBODY

    def _works(self, interface, vm):
        """On the host where the VM runs."""
        return interface.works and self.cloud.routing[vm.place]

    def _routed(self, p, interface):
        router = interface.router
        sides = [i for i in self.cloud.interfaces if i.router == router and i.up]
        if any(ip == p.dst for i in sides for ip, _ in i.addresses):
            return self._echoed(p)
        out = next((i for i in sides for _, subnet in i.addresses if subnet.has(p.dst)), None)
        mine = frozenset(ip for ip, _ in interface.addresses)
        if out is None:
            return Expected("error", error=(3, 0), source=mine)
        if p.ttl <= 1:
            return Expected("error", error=(11, 0), source=mine)
        if p.size > out.network.mtu:
            return Expected("error", error=(3, 4), source=mine)
        owner = self.owners.get((out.network.id, p.dst))
        if owner is None:
            return NOBODY
        if isinstance(owner, VM):
            return self._arrives(p, owner, p.ttl - 1, out)
        return self._echoed(p) if self._works(owner, p.vm) else NOBODY # another router's address

    def _echoed(self, p):
        return Expected("reply", source=frozenset([p.dst])) if p.echo else NOBODY

    def _arrives(self, p, vm, ttl, out):
        local = p.vm.place == vm.host
        wire = None if local else Wire((p.vm.place, vm.host), vm.network.vni, None if out else p.vm.mac, vm.mac)
        if not vm.hears:
            return Expected("nobody", wire=wire, perhaps=True)
        macs = frozenset([p.vm.mac]) if out is None else frozenset([out.mac]) if local else self._gateways(vm, p.dst)
        return Expected("vm", vm, ttl, macs, wire)

    def _gateways(self, vm, address):
        """What the VM takes for its gateway: who has the subnet's gateway_ip, or if nobody does any router there."""
        subnet = next(s for ip, s in vm.addresses if ip == address)
        there = [(ip, i.mac) for i in self.cloud.interfaces for ip, s in i.addresses if s.id == subnet.id]
        return frozenset(mac for ip, mac in there if ip == subnet.gateway) or frozenset(mac for _, mac in there)

    # ---- ways that a VM has ----

    def next_hops(self, vm):
        """(source address, interface) of every router that the VM could use from each of its addresses."""
        return [(ip, i) for ip, subnet in vm.addresses for i in self.cloud.interfaces
                if any(s.id == subnet.id for _, s in i.addresses)]

    def arp(self, vm, target):
        """The MAC that an ARP request is answered with; "": by none; None: may be either (a port that is down)."""
        if not vm.speaks:
            return ""
        owner = self.owners.get((vm.network.id, target))
        if owner is None:
            return ""
        if isinstance(owner, Interface):
            return owner.mac if self._works(owner, vm) else ""
        return owner.mac if owner.up else None

    def asked(self, vm, target):
        """Who hears the request: the others of the network, if nobody is known to have the address."""
        if not vm.speaks or (vm.network.id, target) in self.owners:
            return []
        return [v for v in self.cloud.vms if v.network == vm.network and v.port != vm.port and v.speaks]

    # ---- where routers live ----

    def related(self, router):
        """The routers that networks join to this one, itself too."""
        found, fresh = set(), {router}
        while fresh:
            found |= fresh
            networks = {i.network for i in self.cloud.interfaces if i.router in fresh}
            fresh = {i.router for i in self.cloud.interfaces if i.network in networks} - found
        return found

    def hosts(self, router):
        """Where it lives: hosts that may have routers, and have a VM with an address that one of the related routers serves."""
        related = self.related(router)
        subnets = {s for i in self.cloud.interfaces if i.router in related for _, s in i.addresses}
        hosts = {h for v in self.cloud.vms if any(s in subnets for _, s in v.addresses) for h in (v.host, v.next)}
        return {h for h in hosts if router.up and self.cloud.routing.get(h)}

    def status(self, interface):
        return "ACTIVE" if interface.up and self.hosts(interface.router) else "DOWN"

    def networks(self, host):
        """What the host must know, and nothing else: the networks of its VMs and of the routers that live there."""
        return ({v.network for v in self.cloud.vms if host in (v.host, v.next)} |
                {i.network for i in self.cloud.interfaces if host in self.hosts(i.router)})
