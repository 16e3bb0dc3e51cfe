# SPDX-License-Identifier: Apache-2.0
"""The same words given to Neutron's own client and to build/neutrino: same requests, same tables.

A boolean may be sent as true or as "True", a number as 7 or as "7": the API takes both.
"""

import contextlib
import io
import re

import pytest

shell = pytest.importorskip("neutronclient.shell", reason="python3-neutronclient is not installed")

CASES = """
net-create n9
net-create n9 --admin-state-down --tenant-id t --shared --description d
net-create n9 --provider:network_type vxlan --provider:segmentation_id 7
net-create n9 --port_security_enabled=False
net-create n9 --key type=int 5
net-create n9 --key type=bool true
net-create n9 --key v w
net-create n9 --key list=true v
net-create n9 --key type=dict list=true a=1,b=2 c=3
net-create --flag n9
net-update n1 --name n9
net-update n1 --admin_state_up type=bool False
net-update n1 --tags action=clear
router-update r1 --routes type=dict list=true destination=10.7.0.0/16,nexthop=10.0.1.4 destination=10.8.0.0/16,nexthop=10.0.1.4
port-update p1 --fixed_ips type=dict list=true subnet_id=s1,ip_address=10.0.1.9
port-update p1 --allowed-address-pairs type=dict list=true ip_address=10.0.1.9
subnet-create n1 10.0.9.0/24
subnet-create n1 10.0.9.0/24 --no-gateway --disable-dhcp --name s9
subnet-create --gateway 10.0.9.9 n1 10.0.9.0/24 --enable-dhcp
subnet-create n1 10.0.9.0/24 --enable-dhcp=False
subnet-create n1 10.0.9.0/24 --allocation-pool start=10.0.9.5,end=10.0.9.9 --allocation_pool start=10.0.9.11,end=10.0.9.12
subnet-create n1 10.0.9.0/24 --dns-nameserver 1.1.1.1 --dns-nameserver 8.8.8.8 --host-route destination=10.7.0.0/16,nexthop=10.0.9.4
subnet-create n1 --tenant-id t --ip-version 4 10.0.9.0/24
subnet-update s1 --no-gateway
subnet-update s1 --name s9 --dns-nameserver 1.1.1.1
port-create n1
port-create n1 --name p9 --fixed-ip subnet_id=s1,ip_address=10.0.1.7 --fixed-ip ip_address=10.0.1.8
port-create --mac-address fa:16:3e:00:00:07 --device-id d --device-owner compute:nova n1 --binding:host_id=compute1
port-create n1 --binding:host_id compute1 --tenant-id t --admin-state-down
port-create n1 --vnic-type normal --allowed-address-pair ip_address=10.0.1.9,mac_address=fa:16:3e:00:00:08
port-create n1 --binding-profile {"a":1}
port-update p1 --admin-state-up False
port-update p1 --no-allowed-address-pairs
port-update p1 --fixed-ip ip_address=10.0.1.44 --binding:host_id compute2
router-create r9
router-create --distributed=True r9
router-create --distributed False r9
router-create --distributed true --ha False r9
router-create r9 --distributed=True --admin-state-down --tenant-id t
router-update r1 --distributed True
router-update r1 --admin-state-up False
router-update r1 --route destination=10.7.0.0/16,nexthop=10.0.1.4
router-update r1 --no-routes
router-interface-add r1 s1
router-interface-add r1 subnet=s1
router-interface-add r1 port=p1
router-interface-delete r1 s1
router-interface-delete r1 port=p1
net-delete n1
port-delete p1 p2
net-show n1
net-list
net-list -c name -c id
net-list -f value -c id -c name
net-list --name n1
net-list -- --name n1
subnet-show s1
subnet-list
subnet-show s1 -f value -c cidr -c name
port-list
port-list --name p1
port-show p1
port-show p1 -F name -F mac_address
router-list
router-show r1
router-port-list r1
agent-list
""".strip().splitlines()


@contextlib.contextmanager
def quiet_logging():
    import logging

    root = logging.getLogger("")
    before = list(root.handlers)
    yield
    root.handlers[:] = before


def fill(fake):
    """The same cloud, with the same ids, each time."""
    for rows in fake.collections.values():
        rows.clear()

    def add(collection, n, **attributes):
        return fake.add(collection, id=f"0000000{n}-0000-4000-8000-000000000000", **attributes)

    n1 = add("networks", 1, name="n1", status="ACTIVE", subnets=[], shared=False, mtu=1450)
    s1 = add("subnets", 2, name="s1", cidr="10.0.1.0/24", network_id=n1["id"], gateway_ip=None,
             allocation_pools=[{"start": "10.0.1.2", "end": "10.0.1.254"}])
    n1["subnets"].append(s1["id"])
    r1 = add("routers", 3, name="r1", distributed=True, ha=False, external_gateway_info=None)
    for n in (1, 2):
        add("ports", 3 + n, name=f"p{n}", mac_address=f"fa:16:3e:00:00:0{n}", device_id=r1["id"] if n == 1 else "",
            fixed_ips=[{"subnet_id": s1["id"], "ip_address": f"10.0.1.{n}"}])
    add("agents", 6, agent_type="L3 agent", host="compute1", alive=True, admin_state_up=True,
        binary="neutron-l3-agent", availability_zone="nova", configurations={"agent_mode": "dvr"})


def run_neutron(fake, words, monkeypatch):
    monkeypatch.setenv("OS_AUTH_TYPE", "none")
    monkeypatch.setenv("OS_ENDPOINT", fake.url)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), quiet_logging():
        code = shell.NeutronShell("2.0").run(list(words))
    assert code == 0
    return out.getvalue()


def normal(value):
    if isinstance(value, dict):
        return {k: normal(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [normal(v) for v in value]
    return value.lower() if value in ("True", "False") else str(value).lower() if value is not None else None


def same_text(text, verb):
    """Booleans of a value output and random ids aside, texts are equal; one thing deleted has no "(s)" here."""
    if verb == "router-create" or verb.endswith("-create"):
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID" * 18, text)
    return re.sub(r"(Deleted \w+)\(s\): (\w+)$", r"\1: \2", text.strip())


@pytest.mark.parametrize("line", CASES)
def test_same_as_neutrons_client(fake, neutrino, monkeypatch, line):
    words = line.split()
    fill(fake)
    theirs = same_text(run_neutron(fake, words, monkeypatch), words[0])
    their_calls = normal(fake.writes())
    fill(fake)
    ours = same_text(neutrino(*words).out, words[0])
    our_calls = normal(fake.writes())
    assert our_calls == their_calls
    # Of a request with other spellings of true the echo differs, too.
    if "True" not in theirs and "true" not in line and "False" not in theirs and "type=" not in line:
        assert ours == theirs
