# SPDX-License-Identifier: Apache-2.0
"""What is measured on Open vSwitch: our driver, and what it is compared with.

A side is a lab of the driver openvswitch, whose lab/vswitch.py says what a host has; the others' without our programs.

    ours     VM ─ tap │ br-int: our flows, VXLAN ─ br-phy │ eth0
    netns    VM ─ tap │ br-int ─ qr- │ qrouter: the kernel routes │ qr- ─ br-int ─ br-tun: DVR MAC, VXLAN ─ br-phy │ eth0
    ovn      VM ─ tap │ br-int: OVN's logical router, Geneve ─ br-phy │ eth0
"""

from lab import Lab, underlay
from lab.ns import Space
from sides import End, Ours, PREFIX, reachable

VMS = {  # name: network, host
    "a": ("red", "compute1"),
    "b": ("blue", "compute2"),
    "c": ("blue", "compute1"),
}
NETWORKS = {"red": 1, "blue": 2}  # network: its number
MTU = 1500


class Routed(Ours):
    """Our driver."""

    name = "ovs"
    driver = "openvswitch"

    def switches(self):
        return [self.lab.host(name).process("ovs-vswitchd") for name in ("compute1", "compute2")]


def vm_ip(name):
    network, _ = VMS[name]
    return f"10.81.{NETWORKS[network]}.{ord(name)}"


def vm_mac(name):
    return f"02:be:01:00:00:{ord(name):02x}"


def gateway_ip(network):
    return f"10.81.{NETWORKS[network]}.1"


def gateway_mac(network):
    return f"02:be:02:00:00:{NETWORKS[network]:02x}"


class Switched:
    """Hosts with the lab's Open vSwitch, and VMs; subclasses say how frames get from one to the other."""

    def __init__(self, build):
        self.lab = Lab(PREFIX + self.name, build)
        self.vms = {}

    def up(self):
        self.lab.down()
        self.lab.up(hosts=2, driver="openvswitch", services=False)
        self.lab.offloads(False)
        self.hosts = [self.lab.host("compute1"), self.lab.host("compute2")]
        self.prepare()
        for name, (network, host) in VMS.items():
            self.vms[name] = self.boot(name, self.lab.host(host), network)
        self.connect()

    def boot(self, name, host, network):
        vm = Space.make(self.lab.name, f"vm:{name}")
        underlay.plug(host.need(), vm, "tap" + name, vm_mac(name), MTU)
        underlay.set_offloads(vm, "eth0", False)
        host.plug("tap" + name, name, vm_mac(name), name)
        vm.run("ip", "-batch", "-", input=f"addr add {vm_ip(name)}/24 dev eth0\nlink set eth0 up\n"
               f"route add default via {gateway_ip(network)}\n")
        return vm

    def switches(self):
        return [host.process("ovs-vswitchd") for host in self.hosts]

    def pair(self, kind):
        return reachable(*(End(self.vms[n], vm_ip(n)) for n in ("a", "b" if kind == "remote" else "c")))

    def down(self):
        self.lab.down()


class Netns(Switched):
    """As neutron-openvswitch-agent and neutron-l3-agent wire it with l2population and enable_distributed_routing.

    Bridges, tables and priorities are theirs; packet filter: none, which is less than the other sides do. What would
    make it slower for the bench only is avoided: VMs' MACs are known to br-int's learning, so that NORMAL floods nothing.
    """

    name = "netns"
    DVR_MACS = {"compute1": "fa:16:3f:00:00:01", "compute2": "fa:16:3f:00:00:02"}

    def prepare(self):
        for host, other in zip(self.hosts, reversed(self.hosts)):
            host.need().run("sh", "-ec", self.bridges(host, other))
            self.router(host)

    def connect(self):
        for host, other in zip(self.hosts, reversed(self.hosts)):
            for name in self.here(host):
                host.vswitch.vsctl("set", "port", f"tap{name}", f"tag={NETWORKS[VMS[name][0]]}")
            for bridge, flows in (("br-int", self.br_int), ("br-tun", self.br_tun)):
                host.need().run("ovs-ofctl", "-OOpenFlow13", "add-flows", bridge, "-",
                                input="\n".join(flows(host, other)) + "\n")
        for name, (network, _) in VMS.items():  # an ARP request, to nobody: NORMAL learns its source everywhere
            self.vms[name].popen("ping", "-c", "1", "-W", "1", f"10.81.{NETWORKS[network]}.254", stdout=-3).wait()

    def here(self, host, network=None):
        return [n for n, (net, h) in VMS.items() if h == host.name and network in (None, net)]

    @staticmethod
    def bridges(host, other):
        qrs = "".join(f"ovs-vsctl add-port br-int qr-{net} tag={tag} -- set interface qr-{net} type=internal"
                      f" mtu_request={MTU}\n" for net, tag in NETWORKS.items())
        return f"""
for b in br-int br-tun; do
	ovs-vsctl add-br $b -- set bridge $b datapath_type=netdev fail_mode=secure other_config:mac-aging-time=86400
done
ovs-vsctl add-port br-int patch-tun -- set interface patch-tun type=patch options:peer=patch-int
ovs-vsctl add-port br-tun patch-int -- set interface patch-int type=patch options:peer=patch-tun
ovs-vsctl add-port br-tun vxlan -- set interface vxlan type=vxlan options:df_default=true options:in_key=flow \
	options:out_key=flow options:local_ip={host.data['address']} options:remote_ip={other.data['address']}
{qrs}"""

    def router(self, host):
        """qrouter-…: an interface on each network, the neighbours that the L3 agent is told of."""
        router = Space.make(self.lab.name, f"qrouter:{host.name}")
        lines = []
        for network in NETWORKS:
            host.need().run("ip", "link", "set", f"qr-{network}", "netns", str(router.holder.pid))
            lines += [f"link set qr-{network} address {gateway_mac(network)} up",
                      f"addr add {gateway_ip(network)}/24 dev qr-{network}"]
        lines += [f"neigh replace {vm_ip(n)} lladdr {vm_mac(n)} dev qr-{net} nud permanent"
                  for n, (net, _) in VMS.items()]
        router.run("ip", "-batch", "-", input="\n".join(lines) + "\n")
        router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def br_int(self, host, other):
        flows = ["table=0,priority=0,actions=resubmit(,58)", "table=58,priority=0,actions=resubmit(,60)",
                 "table=60,priority=3,actions=normal", "table=24,priority=0,actions=drop",
                 "table=1,priority=1,actions=drop", "table=0,priority=65535,dl_vlan=4095,actions=drop",
                 f"table=0,priority=2,in_port=patch-tun,dl_src={self.DVR_MACS[other.name]},actions=resubmit(,1)"]
        for n in self.here(host):
            network, _ = VMS[n]
            to_vm = f"dl_vlan={NETWORKS[network]},dl_dst={vm_mac(n)}"
            flows += [
                # Port security without a firewall driver: MAC and ARP.
                f"table=0,priority=10,in_port=tap{n},arp,actions=resubmit(,24)",
                f"table=24,priority=2,in_port=tap{n},arp,arp_spa={vm_ip(n)},actions=resubmit(,25)",
                f"table=0,priority=9,in_port=tap{n},actions=resubmit(,25)",
                f"table=25,priority=2,in_port=tap{n},dl_src={vm_mac(n)},actions=resubmit(,60)",
                # What another host has routed to a VM here.
                f"table=1,priority=20,{to_vm},actions=mod_dl_src:{gateway_mac(network)},resubmit(,60)",
                f"table=60,priority=20,{to_vm},actions=strip_vlan,output:tap{n}"]
        return flows

    def br_tun(self, host, other):
        flows = ["table=0,priority=0,actions=drop", "table=0,priority=1,in_port=patch-int,actions=resubmit(,1)",
                 "table=0,priority=1,in_port=vxlan,actions=resubmit(,4)", "table=1,priority=0,actions=resubmit(,2)",
                 "table=2,priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00,actions=resubmit(,20)",
                 "table=2,priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=resubmit(,22)",
                 "table=4,priority=0,actions=drop", "table=9,priority=0,actions=resubmit(,10)",
                 f"table=9,priority=1,dl_src={self.DVR_MACS[other.name]},actions=output:patch-int",
                 "table=10,priority=1,actions=learn(table=20,hard_timeout=300,priority=1,NXM_OF_VLAN_TCI[0..11],"
                 "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
                 "output:OXM_OF_IN_PORT[]),output:patch-int",
                 "table=20,priority=0,actions=resubmit(,22)", "table=22,priority=0,actions=drop"]
        for network, vlan in NETWORKS.items():
            to_tunnel = f"strip_vlan,set_tunnel:{4200 + vlan},output:vxlan"
            flows += [
                f"table=1,priority=3,arp,dl_vlan={vlan},arp_tpa={gateway_ip(network)},actions=drop",
                f"table=1,priority=2,dl_vlan={vlan},dl_dst={gateway_mac(network)},actions=drop",
                f"table=1,priority=1,dl_vlan={vlan},dl_src={gateway_mac(network)},"
                f"actions=mod_dl_src:{self.DVR_MACS[host.name]},resubmit(,2)",
                f"table=4,priority=1,tun_id={4200 + vlan},actions=push_vlan:0x8100,set_field:{4096 + vlan}->vlan_vid,"
                "resubmit(,9)",
                f"table=22,priority=1,dl_vlan={vlan},actions={to_tunnel}"]
            flows += [f"table=20,priority=2,dl_vlan={vlan},dl_dst={vm_mac(n)},actions={to_tunnel}"
                      for n in self.here(other, network)]
        return flows


class Ovn(Switched):
    """Debian's OVN: both databases and ovn-northd on the controller, ovn-controller on each host."""

    name = "ovn"

    CENTRAL = """
mkdir -p /run/ovn
cd /run/ovn
for db in nb sb; do
	ovsdb-tool create ovn${{db}}_db.db /usr/share/ovn/ovn-$db.ovsschema
	ovsdb-server ovn${{db}}_db.db --remote=punix:/run/ovn/ovn${{db}}_db.sock --unixctl=/run/ovn/ovn${{db}}_db.ctl --detach --no-chdir \
		--pidfile=/run/ovn/ovn${{db}}_db.pid --log-file=/run/ovn/ovn${{db}}.log $(test $db = nb || echo --remote=ptcp:6642:{address})
done
ovn-nbctl --no-wait init
ovn-sbctl init
ovn-northd --detach --no-chdir --pidfile --log-file=/run/ovn/northd.log
"""
    HOST = """
mkdir -p /run/ovn
ovs-vsctl set open_vswitch . external_ids:system-id={name} external_ids:ovn-remote=tcp:{central}:6642 \
	external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip={address} external_ids:ovn-bridge-datapath-type=netdev \
	external_ids:hostname={name}
ovn-controller --detach --no-chdir --pidfile --log-file=/run/ovn/controller.log
"""

    def prepare(self):
        controller = self.lab.host("controller")
        central = controller.data["address"]
        controller.need().run("sh", "-ec", self.CENTRAL.format(address=central))
        for host in self.hosts:
            host.need().run("sh", "-ec", self.HOST.format(name=host.name, central=central, address=host.data["address"]))
        controller.need().run("sh", "-ec", self.logical())

    def connect(self):
        self.lab.host("controller").need().run("ovn-nbctl", "--timeout=20", "--wait=hv", "sync")

    @staticmethod
    def logical():
        lines = ["ovn-nbctl lr-add r"]
        for network in NETWORKS:
            lines += [f"ovn-nbctl ls-add {network}",
                      f"ovn-nbctl lrp-add r r-{network} {gateway_mac(network)} {gateway_ip(network)}/24",
                      f"ovn-nbctl lsp-add {network} {network}-r -- lsp-set-type {network}-r router"
                      f" -- lsp-set-addresses {network}-r router -- lsp-set-options {network}-r router-port=r-{network}"]
        for n, (network, _) in VMS.items():
            address = f"'{vm_mac(n)} {vm_ip(n)}'"
            lines.append(f"ovn-nbctl lsp-add {network} {n} -- lsp-set-addresses {n} {address}"
                         f" -- lsp-set-port-security {n} {address}")
        return "\n".join(lines)
