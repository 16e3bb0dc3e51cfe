# SPDX-License-Identifier: Apache-2.0
"""A small cloud, and what must hold for every frame on its wires, whatever a test does.

The expectations come from the API's answers and from where the test put the VMs. From the plans comes one thing
only, each host's DVR MAC, which the API does not tell: it must be of its own range, and each host's another."""

import contextlib
import functools
import ipaddress
import warnings

from blink import beyond_blinks
from lab.traffic import ping

CIDRS = {"blue": "10.0.1.0/24", "green": "10.0.2.0/24"}
VMS = [("blue1", "blue", "compute1"), ("green1", "green", "compute1"),
       ("blue2", "blue", "compute2"), ("green2", "green", "compute2")]
LAST = 199 # behind it are addresses that no port gets


def host_of(cidr, n):
    return str(ipaddress.ip_network(cidr)[n])


class Fabric:
    def __init__(self, lab):
        self.lab = lab
        self.api = lab.api()
        self.opened = {} # captures, kept from test to test: tcpdump takes its time to start and to end
        self.captures = {} # of them those that this test has
        self.overflows, self.excused = {}, 0 # when this test began; and packets since
        self.plain = False # underlay without offloads: frames as on a real wire, checksums complete
        self.networks, self.subnets, self.gateways = {}, {}, {}
        self.router = self.api.create("routers", name="router", distributed=True)
        for name, cidr in CIDRS.items():
            self.networks[name] = self.api.create("networks", name=name)
            self.subnets[name] = self.api.create("subnets", network_id=self.networks[name]["id"], cidr=cidr, ip_version=4,
                                                 allocation_pools=[{"start": host_of(cidr, 2), "end": host_of(cidr, LAST)}])
            self.add_interface(name)
        for name, network, host in VMS:
            lab.boot(name, network, host)

    def add_interface(self, network):
        """Puts the network behind the router."""
        self.api.add_interface(self.router["id"], self.subnets[network]["id"])
        self.gateways[network], = self.api.list("ports", network_id=self.networks[network]["id"],
                                                device_owner="network:router_interface_distributed")

    def __getattr__(self, name):
        """fabric.blue1 is the VM as it is now."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.lab.vm(name)

    def gateway_ip(self, network):
        return self.subnets[network]["gateway_ip"]

    @staticmethod
    def nobodys_ip(network):
        return host_of(CIDRS[network], LAST + 1)

    def gateway_mac(self, network):
        return self.gateways[network]["mac_address"]

    def vni(self, network):
        return self.networks[network]["provider:segmentation_id"]

    def network_of(self, address):
        for name, cidr in CIDRS.items():
            if address and ipaddress.ip_address(address) in ipaddress.ip_network(cidr):
                return name
        return None

    # ---- captures ----

    @contextlib.contextmanager
    def watch(self):
        """Captures every uplink of every host that is up."""
        self.places = {}
        self.remember_places()
        self.overflows, self.excused = self.count_overflows(), 0
        for host in self.lab.hosts():
            if host.alive():
                self.captures[host.name] = self.capture(host.name)
        try:
            yield self
        finally:
            self.captures = {}

    def capture(self, host):
        if host in self.opened and self.opened[host].alive():
            self.opened[host].clear()
        else:
            self.opened[host] = self.lab.capture(host, snaplen=2048)
        return self.opened[host]

    def close(self):
        for capture in self.opened.values():
            capture.close()

    def remember_places(self):
        """Where VMs are; a test that moves one calls it before and after."""
        for vm in self.lab.vms():
            self.places.setdefault(vm.ip, set()).add(vm.hostname)

    def tenant(self, host):
        """What passed the host's uplink in tunnels."""
        return self.captures[host].tunnelled()

    def addresses(self, hosts):
        return {self.lab.host(h).data["address"] for h in hosts}

    # ---- what must hold ----

    def check_invariants(self):
        gateways = {p["mac_address"] for p in self.gateways.values()}
        dvr = {h.data["address"]: self.dvr_mac(h.name) for h in self.lab.hosts() if h.data["agent_mode"]}
        assert len(set(dvr.values())) == len(dvr) and all(m.startswith("fa:16:3f:") for m in dvr.values()), dvr
        for host in self.captures:
            # Each frame's checksum matters on a plain wire; else one of a kind stands for all.
            for f in self.tenant(host) if self.plain else self.captures[host].kinds():
                assert not {f.inner.src, f.inner.dst} & gateways, f"a gateway's MAC on {host}'s uplink: {f}"
                assert host not in ("network", "controller"), f"the network node sees east-west: {f}"
                self.check_frame(f, dvr)

    def check_frame(self, f, dvr):
        inner = f.inner
        assert f.df, f"outer DF is not set: {f}"
        assert not f.fragment, f"outer fragment: {f}"
        if self.plain:
            assert len(f.raw) <= 1550 + 14, f"larger than the wire: {len(f.raw)}: {f}"
            assert f.bad_checksum() is None, f"{f.bad_checksum()} checksum: {f}"
        source, destination = self.network_of(inner.ip_src), self.network_of(inner.ip_dst)
        if source is None or destination is None:
            return
        assert f.vni == self.vni(destination), f"not in the destination's network: {f}"
        if inner.ip_src in self.places and inner.ip_dst in self.places:
            assert f.ip_src in self.addresses(self.places[inner.ip_src]), f"not from the source's host: {f}"
            assert f.ip_dst in self.addresses(self.places[inner.ip_dst]), f"not to the destination's host: {f}"
        if inner.arp_op is not None:
            return
        if source != destination:
            assert inner.src == dvr[f.ip_src], f"routed, so the source is the sending host's DVR MAC: {f}"
            assert inner.ttl in (63, 254) or inner.ttl < 32, f"one hop less than sent: {f}"
        else:
            assert inner.src not in dvr.values(), f"not routed, so the source is the VM: {f}"
            assert inner.ttl in (64, 255) or inner.ttl < 32, f"as it was sent: {f}"

    @functools.cache
    def dvr_mac(self, host):
        """For as long as there is a host of this name."""
        return self.lab.dvr_mac(host)

    def count_overflows(self):
        return {(h.name, *key): n for h in self.lab.hosts() if h.vswitch and h.alive() for key, n in h.vswitch.overflows().items()}

    def beyond_overflows(self, lost):
        """What was lost, or nothing when so many packets did not come to Open vSwitch: it had no processor to fetch them."""
        if not lost:
            return lost
        spare = sum(max(n - self.overflows.get(key, 0), 0) for key, n in self.count_overflows().items()) - self.excused
        if len(lost) > spare:
            return lost
        self.excused += len(lost)
        warnings.warn(f"{len(lost)} packets lost, where ovs-vswitchd did not fetch {spare} in time")
        return []

    def unexcused(self, lost, a, b):
        """Of the numbers that a stream from VM a to VM b lost while devices came and went."""
        hosts = self.places[a.ip] | self.places[b.ip]
        crosses = len(hosts) > 1 and any(self.lab.host(h).vswitch for h in hosts)
        return self.beyond_overflows(beyond_blinks(lost) if crosses else lost)

    def counters(self, host):
        return self.lab.counters(host)

    def sees(self, vm, address, count=3):
        """Ping gets every answer."""
        sent, got = ping(vm, address, count)
        assert sent == count and not self.beyond_overflows(range(got, count)), f"{vm.name} to {address}: {got} of {count}"
