# SPDX-License-Identifier: Apache-2.0
"""A cloud of network namespaces on one machine: hosts, an underlay between them, and "VMs".

lab.Lab is the whole of it; the command `neutrino-lab`, the demo and the end-to-end tests are users of it.

    base.py      errors, deadlines, processes by pid
    ns.py        namespaces: made, entered, ended
    underlay.py  the learning bridge, a host's link to it, a VM's link to its host
    vswitch.py   Open vSwitch on a host
    config.py    the files in /etc/neutron of each host
    api.py       the Neutron API, as far as the lab needs it
    state.py     what a lab consists of, on disk
    cloud.py     Lab: up, boot, move, kill, restart, down ...
    capture.py   packets off an uplink, decoded
    traffic.py   numbered packets and checked transfers between VMs
    cli.py       the command
    demo.py      the demonstration
"""

from .base import LabError
from .cloud import Lab

__all__ = ["Lab", "LabError"]
