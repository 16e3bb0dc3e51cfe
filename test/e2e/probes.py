# SPDX-License-Identifier: Apache-2.0
"""Asks all pairs of a cloud at once and compares what came, where and how, with what the oracle says.

Each packet is known by its number: IP's identification with the round as source port, or an echo's sequence with the round
as its identifier; so an ICMP error that quotes it tells too which it was."""

import dataclasses
import ipaddress
import struct

from lab.capture import ETH_ARP, ETH_IP, checksum, mac_text
from oracle import Oracle, Packet

PROBE_PORT = 7001
BROADCAST = "ff:ff:ff:ff:ff:ff"
STRANGER = "02:00:de:ad:be:ef"
ERRORS_A_ROUND = 30 # a port is told 50 at once, then 100 a second


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def ip_bytes(text):
    return ipaddress.ip_address(text).packed


def ip_text(raw):
    return str(ipaddress.ip_address(raw))


def ipv4_frame(src_mac, dst_mac, src, dst, ttl, proto, number, l4):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(l4), number, 0, ttl, proto, 0, ip_bytes(src), ip_bytes(dst))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return mac_bytes(dst_mac) + mac_bytes(src_mac) + struct.pack("!H", ETH_IP) + head + l4


def udp(sport, dport, payload):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def echo(identifier, number, payload):
    body = struct.pack("!BBHHH", 8, 0, 0, identifier, number) + payload
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def arp_frame(op, src_mac, sender_mac, sender, target, dst_mac=BROADCAST):
    return (mac_bytes(dst_mac) + mac_bytes(src_mac) + struct.pack("!HHHBBH", ETH_ARP, 1, ETH_IP, 6, 4, op) +
            mac_bytes(sender_mac) + ip_bytes(sender) + bytes(6) + ip_bytes(target) + bytes(18))


def address_of_nobody(cloud, subnet):
    taken = {ip for v in cloud.vms for ip, _ in v.addresses} | {ip for i in cloud.interfaces for ip, _ in i.addresses}
    taken |= {ip["ip_address"] for p in cloud.spare for ip in p["fixed_ips"]}
    return next(ip for i in range(2, 1000) if (ip := str(subnet.cidr[-i])) not in taken)


class Round:
    """One asking. `only`: the ports that are asked about, as sender or as receiver; None: all."""

    number = 20000

    def __init__(self, guests, cloud, dvr, hosts, rng, only=None):
        Round.number = Round.number % 60000 + 1 if Round.number < 60000 else 20000
        self.guests, self.cloud, self.dvr, self.hosts, self.rng = guests, cloud, dvr, hosts, rng
        self.oracle = Oracle(cloud)
        self.only = only
        self.sent = {} # number: (Packet or what was wrong with it, Expected or None)
        self.arps = {} # (port, target): expected MAC
        self.frames = [] # (VM, frame), in sending order: first what must not arrive
        self.got = {} # number: [(VM's port, what, TTL, source MAC, detail)]
        self.wires = {} # number: [(host, outer source, outer destination, VNI, source, destination, TTL)]
        self.answers = {} # (port, target): [MAC]
        self.floods = {} # (port, target): the ports that should hear the question
        self.heard_of = {} # (port, target): the ports that heard it
        self.differences = []
        self.left = 0

    def about(self, *vms):
        return self.only is None or any(v is not None and v.port in self.only for v in vms)

    # ---- what is asked ----

    def add(self, p, expected):
        number = len(self.sent) + 1
        fill = bytes(max(0, p.size - 28))
        l4 = echo(Round.number, number, fill) if p.echo else udp(Round.number, PROBE_PORT, fill)
        self.sent[number] = (p, expected)
        self.frames.append((p.vm, ipv4_frame(p.vm.mac, p.dst_mac, p.src, p.dst, p.ttl, 1 if p.echo else 17, number, l4)))

    def spoof(self, what, vm, src_mac, dst_mac, src, dst):
        number = len(self.sent) + 1
        self.sent[number] = (f"{vm.name} with {what}", None)
        self.frames.append((vm, ipv4_frame(src_mac, dst_mac, src, dst, 64, 17, number, udp(Round.number, PROBE_PORT, b""))))

    def packets(self):
        """Every way that every VM has to every address that anybody has."""
        targets = {} # several may have one address
        for v in self.cloud.vms:
            for ip, _ in v.addresses:
                targets.setdefault(ip, []).append(v)
        routers = {ip for i in self.cloud.interfaces for ip, _ in i.addresses}
        found = []
        for vm in self.cloud.vms:
            if not vm.place:
                continue
            for other in self.cloud.vms:
                if other.network == vm.network and other.port != vm.port and self.about(vm, other):
                    found += [Packet(vm, src, dst, other.mac) for src, _ in vm.addresses for dst, _ in other.addresses]
            for src, interface in self.oracle.next_hops(vm):
                mac = interface.mac
                found += [Packet(vm, src, dst, mac, echo=True) for dst in routers if self.about(vm)]
                found += [Packet(vm, src, dst, mac) for dst, those in targets.items()
                          if vm not in those and self.about(vm, *those)]
                if targets and self.about(vm):
                    found += self.limits(vm, src, interface, list(targets))
        return found

    def limits(self, vm, src, interface, targets):
        """Packets that live for one hop and for two, large ones, and one to nobody's address."""
        reached = [dst for dst in targets if self.oracle.ask(Packet(vm, src, dst, interface.mac)).what == "vm"]
        dst = self.rng.choice(reached or targets)
        size = self.rng.choice([1401, 1400, 1301, 1300])
        return [Packet(vm, src, dst, interface.mac, ttl=1), Packet(vm, src, dst, interface.mac, ttl=2),
                Packet(vm, src, dst, interface.mac, size=vm.network.mtu),
                Packet(vm, src, dst, interface.mac, size=min(size, vm.network.mtu)),
                Packet(vm, src, address_of_nobody(self.cloud, self.rng.choice(self.cloud.subnets)), interface.mac)]

    def prepare(self):
        for vm in self.cloud.vms:
            if vm.place and vm.addresses and self.about(vm):
                if vm.secure:
                    self.prepare_spoofs(vm)
                self.prepare_arps(vm)
        asked = [(p, self.oracle.ask(p)) for p in self.packets()]
        # Once more, when each has gone its way: a datapath may remember it.
        again = [dataclasses.replace(p, ttl=9) for p, e in asked if e.what == "vm"]
        asked += [(p, self.oracle.ask(p)) for p in again]
        errors = {}
        asked.sort(key=lambda a: (a[1].what != "nobody", a[0].size)) # the sort is stable: else in order
        for p, e in asked:
            if e.what == "error":
                errors[p.vm.port] = errors.get(p.vm.port, 0) + 1
                if errors[p.vm.port] > ERRORS_A_ROUND:
                    continue
            self.add(p, e)
        for p, e in self.sent.values():
            self.left += e is not None and e.what != "nobody"

    def prepare_spoofs(self, vm):
        src, subnet = vm.addresses[0]
        ways = [i for ip, i in self.oracle.next_hops(vm) if ip == src]
        others = [v for v in self.cloud.vms if v.network == vm.network and v.port != vm.port and v.addresses]
        for to in ([(i.mac, v.addresses[0][0]) for i in ways[:1] for v in self.cloud.vms[:2] if v.addresses] +
                   [(v.mac, v.addresses[0][0]) for v in others[:2]]):
            self.spoof("a stranger's MAC", vm, STRANGER, to[0], src, to[1])
            self.spoof("the MAC of where it goes", vm, to[0], to[0], src, to[1])
            self.spoof("nobody's address", vm, vm.mac, to[0], address_of_nobody(self.cloud, subnet), to[1])
            if all(ip != to[1] for ip, _ in vm.addresses): # networks may overlap
                self.spoof("the address of where it goes", vm, vm.mac, to[0], to[1], to[1])
        if others:
            self.spoof("another's address", vm, vm.mac, others[0].mac, others[0].addresses[0][0], others[0].addresses[0][0])
            self.frames.append((vm, arp_frame(2, vm.mac, vm.mac, others[0].addresses[0][0], src)))
        for i in ways:
            self.frames.append((vm, arp_frame(2, vm.mac, vm.mac, i.addresses[0][0], src)))
            self.frames.append((vm, arp_frame(2, vm.mac, i.mac, src, src)))

    def prepare_arps(self, vm):
        own = {ip for ip, _ in vm.addresses}
        for src, subnet in vm.addresses:
            owners = [ip for network, ip in self.oracle.owners if network == vm.network.id and subnet.has(ip) and ip not in own]
            for target in [*owners, address_of_nobody(self.cloud, subnet)]:
                key = (vm.port, target)
                if key not in self.arps:
                    self.arps[key] = self.oracle.arp(vm, target)
                    self.floods[key] = {v.port for v in self.oracle.asked(vm, target)}
                    self.left += bool(self.arps[key]) + len(self.floods[key])
                    self.frames.append((vm, arp_frame(1, vm.mac, vm.mac, src, target)))

    # ---- what came ----

    def heard(self, where, raw):
        kind, name = where
        if kind == "uplink":
            self.on_uplink(name, raw)
        elif raw[12:14] == b"\x08\x06":
            self.arp_at_guest(name, raw)
        elif raw[12:14] == b"\x08\x00":
            self.ip_at_guest(name, raw)
        else:
            self.differences.append(f"an unknown frame at {self.name(name)}: {raw[:64].hex()}")

    def name(self, port):
        return next((v.name for v in self.cloud.vms if v.port == port), port)

    def arp_at_guest(self, port, raw):
        if raw[20:22] == b"\0\1":
            return self.question_at_guest(port, mac_text(raw[22:28]), ip_text(raw[38:42]))
        key = (port, ip_text(raw[28:32]))
        if not self.answers.get(key) and self.arps.get(key):
            self.left -= 1
        self.answers.setdefault(key, []).append(mac_text(raw[22:28]))

    def question_at_guest(self, port, mac, target):
        network = next(v.network for v in self.cloud.vms if v.port == port)
        asker = next((v.port for v in self.cloud.vms if v.network == network and v.mac == mac), None)
        key = (asker, target)
        if port in self.floods.get(key, ()) and port not in self.heard_of.get(key, ()):
            self.left -= 1
        self.heard_of.setdefault(key, []).append(port)

    def number_of(self, packet):
        """Of a packet of this round, from IPv4 on; 0: of none."""
        at = (packet[0] & 15) * 4
        if len(packet) < at + 8:
            return 0
        mine, number = (packet[at:at + 2], packet[4:6]) if packet[9] == 17 else (packet[at + 4:at + 6], packet[at + 6:at + 8])
        return int.from_bytes(number, "big") if int.from_bytes(mine, "big") == Round.number else 0

    def ip_at_guest(self, port, raw):
        packet = raw[14:]
        number, what, detail = self.number_of(packet), "vm", ip_text(packet[12:16])
        if packet[9] == 1:
            if packet[20] in (3, 11):
                number, what = self.number_of(packet[28:]), "error"
                detail = (packet[20], packet[21], struct.unpack_from("!H", packet, 26)[0], ip_text(packet[12:16]))
            elif packet[20] == 0:
                what = "reply"
            if checksum(packet[20:struct.unpack_from("!H", packet, 2)[0]]):
                self.differences.append(f"a wrong ICMP checksum at {self.name(port)}")
        if checksum(packet[:20]):
            self.differences.append(f"a wrong IP checksum at {self.name(port)}")
        if number not in self.sent:
            return # of an earlier round, when something was wrong with it
        expected = self.sent[number][1]
        if expected and expected.what == what and not self.got.get(number):
            self.left -= 1
        self.got.setdefault(number, []).append((port, what, packet[8], mac_text(raw[6:12]), mac_text(raw[0:6]), detail))

    def on_uplink(self, host, raw):
        outer = (ip_text(raw[26:30]), ip_text(raw[30:34]))
        vni = struct.unpack_from("!I", raw, 46)[0] >> 8
        inner = raw[50:]
        dst, src = mac_text(inner[0:6]), mac_text(inner[6:12])
        what = f"on {host}'s uplink, {outer[0]} to {outer[1]}, VNI {vni}: {src} to {dst} {inner[12:64].hex()}"
        if host not in self.hosts.values():
            self.differences.append(f"the network node sees east-west: {what}")
        networks = [n for n in self.cloud.networks if n.vni == vni]
        if any(i.mac in (src, dst) and i.network in networks for i in self.cloud.interfaces):
            self.differences.append(f"a gateway's MAC {what}")
        if inner[12:14] == b"\x08\x06":
            self.arp_on_uplink(what, outer, networks, src, inner)
        elif inner[12:14] == b"\x08\x00" and self.number_of(inner[14:]) in self.sent:
            number = self.number_of(inner[14:])
            self.wires.setdefault(number, []).append((host, *outer, vni, src, dst, inner[22]))
        elif inner[14 + 9] == 1:
            self.differences.append(f"ICMP {what}")

    def arp_on_uplink(self, what, outer, networks, src, inner):
        """Only questions for addresses that nobody has, from the asker's host to hosts of its network."""
        hosts = {h for v in self.cloud.vms if v.network in networks for h in (v.host, v.next)}
        asker = next((v for v in self.cloud.vms if v.network in networks and v.mac == src), None)
        if inner[20:22] != b"\0\1" or asker is None or self.hosts.get(outer[0]) != asker.place or \
                self.hosts.get(outer[1]) not in hosts or self.arps.get((asker.port, ip_text(inner[38:42])), "") != "":
            self.differences.append(f"ARP {what}")

    # ---- comparison ----

    def compare(self):
        self.compare_what_is_told()
        for number, (p, expected) in self.sent.items():
            got, wires = self.got.get(number, []), self.wires.get(number, [])
            if expected is None:
                if got or wires:
                    self.differences.append(f"spoofed packet of {p} was seen: {got} {wires}")
                continue
            self.compare_arrival(p, expected, got)
            self.compare_wires(p, expected, wires)
        for key in set(self.arps) | set(self.answers):
            wanted, got = self.arps.get(key, ""), self.answers.get(key, [])
            if wanted is not None and got != ([wanted] if wanted else []):
                self.differences.append(f"{self.name(key[0])} asks who has {key[1]}: answers {got}, not {wanted or 'none'}")

        for key in set(self.floods) | set(self.heard_of):
            wanted, got = self.floods.get(key, set()), self.heard_of.get(key, [])
            if sorted(wanted) != sorted(got):
                self.differences.append(f"{self.name(key[0])} asks who has {key[1]}: heard by {[self.name(p) for p in got]}, "
                                        f"not {[self.name(p) for p in wanted]}")

    def compare_what_is_told(self):
        for i in self.cloud.interfaces:
            if i.status != self.oracle.status(i):
                self.differences.append(f"{i.name} is {i.status}, not {self.oracle.status(i)}")
        for host, said in self.cloud.routers_at.items():
            routers = [r.name for r in self.cloud.routers if host in self.oracle.hosts(r)]
            if said != len(routers):
                self.differences.append(f"{host} is said to have {said} routers, not {routers}")

    def compare_arrival(self, p, e, got):
        said = str(p)
        if e.what == "nobody":
            if got:
                self.differences.append(f"{said}: nobody should have got it, but {got}")
            return
        at = e.vm if e.what == "vm" else p.vm
        if len(got) != 1:
            self.differences.append(f"{said}: {e.what} at {at.name} ({at.host}): came {len(got)} times {got}")
            return
        port, what, ttl, src, dst, detail = got[0]
        right = port == at.port and what == e.what and dst == at.mac
        if e.what == "vm":
            right = right and ttl == e.ttl and src in e.macs
        else:
            right = right and src == p.dst_mac
        if e.what == "reply":
            right = right and detail in e.source
        if e.what == "error":
            mtu = detail[2] if detail[:2] == (3, 4) else 0
            right = right and detail[:2] == e.error and detail[3] in e.source and (not mtu or mtu < p.size)
        if not right:
            self.differences.append(f"{said}: {e.what} at {at.name} ttl {e.ttl} from {set(e.macs)} {e.error}: "
                                    f"came to {self.name(port)} as {what} ttl {ttl} {src} > {dst} {detail}")

    def compare_wires(self, p, e, wires):
        wanted = []
        if e.wire:
            addresses = {name: address for address, name in self.hosts.items()}
            source = e.wire.src or self.dvr[e.wire.hosts[0]]
            wanted = [(h, addresses[e.wire.hosts[0]], addresses[e.wire.hosts[1]], e.wire.vni, source, e.wire.dst, e.ttl)
                      for h in e.wire.hosts]
        if e.perhaps:
            wanted = [w[:6] for w in wanted]
            right = all(w[:6] in wanted for w in wires)
        else:
            right = sorted(wires) == sorted(wanted)
        if not right:
            self.differences.append(f"{p}: on the wires {wires}, not {wanted}")

    def run(self):
        self.guests.forget()
        self.prepare()
        self.guests.say((vm.port, frame) for vm, frame in self.frames)
        self.guests.hear(self.heard, 3, lambda: self.left <= 0)
        self.compare()
        return self.differences


def deliverable(cloud):
    """(Packet, Expected) of every pair that reaches, for traffic that must not stop."""
    oracle = Oracle(cloud)
    found = []
    for a in cloud.vms:
        for b in cloud.vms:
            if a.port == b.port:
                continue
            ways = [Packet(a, src, dst, i.mac) for src, i in oracle.next_hops(a) for dst, _ in b.addresses]
            if a.network == b.network:
                ways += [Packet(a, src, dst, b.mac) for src, _ in a.addresses for dst, _ in b.addresses]
            for p in ways:
                e = oracle.ask(p)
                if e.what == "vm" and e.vm == b:
                    found.append((p, e))
    return found
