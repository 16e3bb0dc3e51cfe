# SPDX-License-Identifier: Apache-2.0
"""The files in /etc/neutron of each host, as an operator would write them."""

import os

SERVER = "172.20.0.1"

CONTROLLER = {
    "neutron.conf": """\
[DEFAULT]
# The API, on the port where Neutron's clients look for it. Nobody logs in: the lab is closed.
bind_host = 0.0.0.0
bind_port = 9696
auth_strategy = noauth

# Routers are distributed unless asked otherwise.
router_distributed = True

# What the underlay carries. VXLAN takes 50 bytes of it: networks get an MTU of 1500.
global_physnet_mtu = {mtu}

[database]
connection = sqlite:////var/lib/neutrino/neutron.db
""",
    "plugins/ml2/ml2_conf.ini": """\
[ml2]
type_drivers = vxlan
tenant_network_types = vxlan
mechanism_drivers = openvswitch,l2population

[ml2_type_vxlan]
vni_ranges = 1000:1999
""",
    "neutrino.conf": """\
[neutrino]
# noauth answers on loopback only, unless told otherwise in so many words.
noauth_anywhere = True
# Where agents connect.
agent_listen = {server}:9697
""",
}

AGENT = {
    "neutron.conf": """\
[DEFAULT]
# The agent is known by the host's name. Nothing to set here.
""",
    "l3_agent.ini": """\
[DEFAULT]
# dvr: routes here what starts here. dvr_snat: does so too, and holds what is central.
agent_mode = {mode}
""",
    "plugins/ml2/openvswitch_agent.ini": """\
[ovs]
# This host's end of the tunnels.
local_ip = {address}
{switch}
[agent]
tunnel_types = vxlan
l2_population = True
enable_distributed_routing = True
""",
    "neutrino.conf": """\
[neutrino]
server = {server}:9697
# Proves to the server who this is; `neutrino-server enroll {host}` printed it.
token_file = /etc/neutron/neutrino.token
datapath = {driver}
""",
}


SWITCH = {
    "ebpf": "",
    "openvswitch": """\
# br-int is a bridge of the userspace datapath, which needs no kernel module.
integration_bridge = br-int
datapath_type = netdev
""",
}


def write(directory, files, **values):
    """Writes the files below directory (a host's /etc/neutron)."""
    for name, text in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text.format(**values))


def write_token(directory, token):
    path = os.path.join(directory, "neutrino.token")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(token + "\n")
