# SPDX-License-Identifier: Apache-2.0
"""Random clouds and random changes to them, by the API alone. What an API may refuse is refused with 400, 404 or 409."""

import ipaddress

from cloud import RUN, Cloud
from lab.api import ApiError

CIDRS = ["10.0.1.0/24", "10.0.2.0/24", "10.0.0.0/22", "10.0.1.128/25", "10.0.5.64/26", "192.168.7.0/28", "172.16.0.0/12",
         "192.168.8.0/24", "192.168.9.0/24", "100.64.0.0/10"] # some overlap: that is refused within a network and a router only
SHARED_MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"] # the same in several networks
MANY = 12 # VMs


class Changes:
    def __init__(self, api, guests, hosts, rng):
        self.api, self.guests, self.hosts, self.rng = api, guests, hosts, rng
        self.count = 0
        self.said = []
        self.protected = set() # ids that a change leaves as they are
        self.mtus = {}
        self.vnis = {}
        self.changed = set() # ports of VMs that the last change made or moved

    def name(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    def say(self, text, work):
        """Does it and writes down what came of it."""
        try:
            value = work()
        except ApiError as e:
            if e.status not in (400, 404, 409):
                self.said.append(f"{text}: {e}")
                raise
            self.said.append(f"{text}: refused, {e.type}")
            return None
        self.said.append(text)
        return value

    def cloud(self):
        cloud = Cloud(self.api, self.guests.places)
        self.mtus = {n.id: n.mtu for n in cloud.networks}
        self.vnis = {n.name: n.vni for n in cloud.networks}
        return cloud

    def follow(self):
        self.guests.follow(self.api.list("ports"), self.mtus)

    # ---- making ----

    def make_network(self, name=None, vni=None):
        more = {} if (mtu := self.rng.choice([None, None, 1400, 1300])) is None else {"mtu": mtu}
        if vni:
            more.update({"provider:network_type": "vxlan", "provider:segmentation_id": vni})
        name = name or self.name("n")
        n = self.say(f"network {name} {more}", lambda: self.api.create("networks", name=name, **more))
        if n:
            self.mtus[n["id"]] = n["mtu"]
            for _ in range(self.rng.choice([1, 1, 2])):
                self.make_subnet(n["id"], name)
        return n

    def make_subnet(self, network, of):
        cidr = ipaddress.ip_network(self.rng.choice(CIDRS))
        gateway = self.rng.choice([{}, {}, {}, {"gateway_ip": None}, {"gateway_ip": str(cidr[-2])}])
        name = self.name("s")
        return self.say(f"subnet {name} of {of}: {cidr} {gateway}", lambda: self.api.create(
            "subnets", name=name, network_id=network, cidr=str(cidr), ip_version=4, **gateway))

    def make_router(self):
        name = self.name("r")
        return self.say(f"router {name}", lambda: self.api.create("routers", name=name, distributed=True))

    def add_interface(self, router, subnet):
        """By the subnet, at its gateway's address, or by a port of any address of it."""
        if subnet.gateway and self.rng.random() < 0.6:
            return self.say(f"{router.name} onto {subnet.name}", lambda: self.api.add_interface(router.id, subnet.id))

        def by_port():
            port = self.api.create("ports", network_id=subnet.network.id, fixed_ips=[{"subnet_id": subnet.id}])
            try:
                self.api.call("PUT", f"/v2.0/routers/{router.id}/add_router_interface", {"port_id": port["id"]})
            except ApiError:
                self.api.delete("ports", port["id"])
                raise
            return port

        return self.say(f"{router.name} onto {subnet.name} by a port", by_port)

    def make_vm(self, cloud):
        subnets = [s for s in cloud.subnets]
        if not subnets:
            return None
        first = self.rng.choice(subnets)
        more = {"fixed_ips": [{"subnet_id": first.id}]}
        others = [s for s in subnets if s.network == first.network and s != first]
        if others and self.rng.random() < 0.4:
            more["fixed_ips"].append({"subnet_id": self.rng.choice(others).id})
        if self.rng.random() < 0.3:
            more["fixed_ips"][0]["ip_address"] = str(first.cidr[self.rng.randrange(5, 12)])
        if self.rng.random() < 0.2:
            more["mac_address"] = self.rng.choice(SHARED_MACS)
        if self.rng.random() < 0.1:
            more["admin_state_up"] = False
        if self.rng.random() < 0.1:
            more["port_security_enabled"] = False
        owner = self.rng.choice(["compute:nova"] * 12 + ["network:dhcp"])
        host, name = self.rng.choice(self.hosts), self.name("v")
        text = {k: v for k, v in more.items() if k != "fixed_ips"}
        more.update({"device_owner": owner, "device_id": name, "binding:host_id": host})
        port = self.say(f"vm {name} on {first.network.name} at {host}, {len(more['fixed_ips'])} addresses, {owner} {text}",
                        lambda: self.api.create("ports", name=name, network_id=first.network.id, **more))
        if port:
            self.plug(port)
        return port

    def plug(self, port):
        self.guests.place(port["id"], port["binding:host_id"] or None, port["mac_address"], self.mtus[port["network_id"]])
        self.changed.add(port["id"])

    def make(self):
        """A cloud from nothing."""
        for _ in range(self.rng.randrange(3, 6)):
            self.make_network()
        for _ in range(self.rng.randrange(2, 5)):
            self.make_router()
        cloud = self.cloud()
        for router in cloud.routers:
            for subnet in cloud.subnets:
                if self.rng.random() < 0.6:
                    self.add_interface(router, subnet)
        cloud = self.cloud()
        for _ in range(self.rng.randrange(7, MANY)):
            self.make_vm(cloud)

    def unmake(self):
        """Everything goes."""
        for agent in self.api.list("agents", agent_type="L3 agent"):
            if not agent["admin_state_up"]:
                self.api.update("agents", agent["id"], admin_state_up=True)
        for port in list(self.guests.places):
            self.guests.place(port, None)
        cloud = self.cloud()
        for interface in cloud.interfaces:
            self.api.call("PUT", f"/v2.0/routers/{interface.router.id}/remove_router_interface", {"port_id": interface.port})
        for port in [v.port for v in cloud.vms] + [p["id"] for p in cloud.spare]:
            self.api.delete("ports", port)
        for router in cloud.routers:
            self.api.delete("routers", router.id)
        for network in cloud.networks:
            self.api.delete("networks", network.id)

    # ---- changing ----

    def free(self, rows, id="id"):
        return [row for row in rows if getattr(row, id) not in self.protected]

    def change(self):
        """One change that leaves alone what is protected."""
        self.changed = set()
        cloud = self.cloud()
        kinds = [self.boot, self.boot, self.bind, self.move, self.move, self.migrate, self.migrate, self.migrate,
                 self.delete_vm, self.toggle_port, self.unbind,
                 self.readdress, self.toggle_router, self.toggle_interface, self.remove_interface, self.remove_and_add,
                 self.new_interface, self.new_interface, self.change_gateway, self.new_network, self.new_router,
                 self.delete_subnet, self.recreate_network, self.toggle_agent]
        while not self.rng.choice(kinds)(cloud):
            pass

    def update_port(self, text, port, **attrs):
        return self.say(text, lambda: self.api.update("ports", port, **attrs)) or True

    def boot(self, cloud):
        return len(cloud.vms) < MANY and (self.make_vm(cloud) or True)

    def bind(self, cloud):
        """What was stopped starts, anywhere."""
        stopped = sorted((p for p in cloud.spare if p["device_owner"] in RUN), key=lambda p: p["name"])
        if not stopped:
            return False
        port, host = self.rng.choice(stopped), self.rng.choice(self.hosts)
        row = self.update_port(f"{port['name']} starts on {host}", port["id"], **{"binding:host_id": host})
        if row is not True:
            self.plug(row)
        return True

    def move(self, cloud):
        vms = self.free(cloud.vms, "port")
        if not vms:
            return False
        vm = self.rng.choice(vms)
        host = self.rng.choice([h for h in self.hosts if h != vm.host])
        row = self.update_port(f"{vm.name} moves from {vm.host} to {host}", vm.port,
                               **{"binding:host_id": host, "binding:profile": {}})
        if row is not True:
            self.plug(row)
        return True

    def migrate(self, cloud):
        """A step of a live migration: it is announced, the VM runs there, the binding follows; or it is given up."""
        vms = self.free(cloud.vms, "port")
        if not vms:
            return False
        vm = self.rng.choice([v for v in vms if v.next] or vms)
        if not vm.next:
            to = self.rng.choice([h for h in self.hosts if h != vm.host])
            return self.update_port(f"{vm.name} will go from {vm.host} to {to}", vm.port,
                                    **{"binding:profile": {"migrating_to": to}})
        if vm.place == vm.host and self.rng.random() < 0.6:
            self.said.append(f"{vm.name} runs on {vm.next} already")
            self.guests.place(vm.port, vm.next)
            return True
        to = vm.next if self.rng.random() < 0.7 else vm.host
        row = self.update_port(f"{vm.name} stays on {to}", vm.port, **{"binding:host_id": to, "binding:profile": {}})
        if row is not True:
            self.plug(row)
        return True

    def delete_vm(self, cloud):
        vms = self.free(cloud.vms, "port")
        if len(vms) < 4:
            return False
        vm = self.rng.choice(vms)
        self.guests.place(vm.port, None)
        self.say(f"{vm.name} is deleted", lambda: self.api.delete("ports", vm.port))
        return True

    def unbind(self, cloud):
        vms = self.free(cloud.vms, "port")
        if len(vms) < 4:
            return False
        vm = self.rng.choice(vms)
        self.update_port(f"{vm.name} is stopped", vm.port, **{"binding:host_id": "", "binding:profile": {}})
        self.guests.place(vm.port, None)
        return True

    def toggle_port(self, cloud):
        vms = self.free(cloud.vms, "port")
        if not vms:
            return False
        vm = self.rng.choice([v for v in vms if not v.up] or vms)
        return self.update_port(f"{vm.name} is set {'down' if vm.up else 'up'}", vm.port, admin_state_up=not vm.up)

    def readdress(self, cloud):
        vms = self.free(cloud.vms, "port")
        if not vms:
            return False
        vm = self.rng.choice(vms)
        subnets = [s for s in cloud.subnets if s.network == vm.network]
        if not subnets:
            return False
        subnet = self.rng.choice(subnets)
        return self.update_port(f"{vm.name} gets another address, of {subnet.name}", vm.port,
                                fixed_ips=[{"subnet_id": subnet.id}])

    def toggle_router(self, cloud):
        routers = self.free(cloud.routers)
        if not routers:
            return False
        router = self.rng.choice([r for r in routers if not r.up] or routers)
        self.say(f"{router.name} is set {'down' if router.up else 'up'}",
                 lambda: self.api.update("routers", router.id, admin_state_up=not router.up))
        return True

    def toggle_agent(self, cloud):
        """Whether a host may have routers. No host of a protected VM loses them."""
        hosts = [h for h in self.hosts if not any(v.place == h for v in cloud.vms if v.port in self.protected)]
        if not hosts:
            return False
        host = self.rng.choice([h for h in hosts if not cloud.routing[h]] or hosts)
        agent, = self.api.list("agents", agent_type="L3 agent", host=host)
        self.say(f"{host} may have {'no ' if cloud.routing[host] else ''}routers",
                 lambda: self.api.update("agents", agent["id"], admin_state_up=not cloud.routing[host]))
        return True

    def toggle_interface(self, cloud):
        interfaces = self.free(cloud.interfaces, "port")
        if not interfaces:
            return False
        i = self.rng.choice([i for i in interfaces if not i.up] or interfaces)
        return self.update_port(f"{i.name} is set {'down' if i.up else 'up'}", i.port, admin_state_up=not i.up)

    def take(self, interface):
        self.say(f"{interface.name} is removed", lambda: self.api.call(
            "PUT", f"/v2.0/routers/{interface.router.id}/remove_router_interface", {"port_id": interface.port}))

    def remove_interface(self, cloud):
        interfaces = self.free(cloud.interfaces, "port")
        if len(interfaces) < 3:
            return False
        self.take(self.rng.choice(interfaces))
        return True

    def remove_and_add(self, cloud):
        interfaces = self.free(cloud.interfaces, "port")
        if not interfaces:
            return False
        interface = self.rng.choice(interfaces)
        self.take(interface)
        self.add_interface(interface.router, interface.addresses[0][1])
        return True

    def new_interface(self, cloud):
        if not cloud.routers or not cloud.subnets:
            return False
        self.add_interface(self.rng.choice(cloud.routers), self.rng.choice(cloud.subnets))
        return True

    def change_gateway(self, cloud):
        if not cloud.subnets:
            return False
        subnet = self.rng.choice(cloud.subnets)
        ports = [ip for i in cloud.interfaces for ip, s in i.addresses if s.id == subnet.id]
        gateway = self.rng.choice([None, str(subnet.cidr[1]), str(subnet.cidr[-2]), *ports])
        self.say(f"{subnet.name} has gateway {gateway}", lambda: self.api.update("subnets", subnet.id, gateway_ip=gateway))
        return True

    def new_network(self, cloud):
        return len(cloud.networks) < 6 and (self.make_network() or True)

    def new_router(self, cloud):
        return len(cloud.routers) < 5 and (self.make_router() or True)

    def delete_subnet(self, cloud):
        if len(cloud.subnets) < 4:
            return False
        subnet = self.rng.choice(cloud.subnets)
        self.say(f"{subnet.name} is deleted", lambda: self.api.delete("subnets", subnet.id))
        return True

    def recreate_network(self, cloud):
        """A network goes with all that is on it, and another one gets its VNI."""
        used = {v.network.id for v in cloud.vms if v.port in self.protected}
        used |= {i.network.id for i in cloud.interfaces if i.port in self.protected}
        networks = [n for n in cloud.networks if n.id not in used]
        if not networks:
            return False
        network = self.rng.choice(networks)
        vms = [v for v in cloud.vms if v.network == network]
        for vm in vms:
            self.guests.place(vm.port, None)
            self.say(f"{vm.name} is deleted", lambda v=vm: self.api.delete("ports", v.port))
        routers = []
        for i in cloud.interfaces:
            if i.network == network:
                self.take(i)
                routers.append(i.router)
        for p in cloud.spare:
            if p["network_id"] == network.id:
                self.api.delete("ports", p["id"])
        self.say(f"{network.name} is deleted", lambda: self.api.delete("networks", network.id))
        fresh = self.make_network(vni=network.vni)
        cloud = self.cloud()
        subnets = [s for s in cloud.subnets if fresh and s.network.id == fresh["id"]]
        for router in routers:
            if subnets:
                self.add_interface(router, self.rng.choice(subnets))
        for _ in vms:
            self.make_vm(cloud)
        return True
