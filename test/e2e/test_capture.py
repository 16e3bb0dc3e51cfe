# SPDX-License-Identifier: Apache-2.0
"""The tests' own eyes: frames are read right, and wrong checksums and wrong paths are noticed."""

import types

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN

from fabric import Fabric
from lab.capture import Frame, kind

BLUE1, GREEN2 = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
GATEWAY, DVR = "fa:16:3e:00:00:99", "fa:16:3f:00:00:01"


def outer(inner, vni=7, src="172.20.0.11", dst="172.20.0.12", **ip):
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=src, dst=dst, flags="DF", **ip)
                 / UDP(sport=5, dport=4789) / VXLAN(vni=vni, flags=8) / inner)


def inner(src=DVR, dst=GREEN2, ttl=63):
    return Ether(src=src, dst=dst) / IP(src="10.0.1.5", dst="10.0.2.6", ttl=ttl) / UDP(sport=1, dport=2) / b"text"


def test_reads_a_tunnelled_frame():
    f = Frame.parse(outer(inner()))
    assert (f.vni, f.ip_src, f.df, f.inner.src, f.inner.dst) == (7, "172.20.0.11", True, DVR, GREEN2)
    assert (f.inner.ttl, f.inner.ip_dst, f.inner.dport, f.inner.payload) == (63, "10.0.2.6", 2, b"text")
    assert f.bad_checksum() is None


def test_reads_arp():
    f = Frame.parse(bytes(Ether() / ARP(op=1, psrc="10.0.1.5", pdst="10.0.1.1")))
    assert (f.arp_op, f.ip_src, f.ip_dst) == (1, "10.0.1.5", "10.0.1.1")


@pytest.mark.parametrize("layer", [UDP(), TCP(), ICMP()])
def test_notices_wrong_checksums(layer):
    raw = bytearray(bytes(Ether() / IP(src="10.0.1.5", dst="10.0.2.6") / layer / b"text"))
    assert Frame.parse(bytes(raw)).bad_checksum() is None
    raw[-1] ^= 1
    assert Frame.parse(bytes(raw)).bad_checksum() == type(layer).__name__
    raw[22] ^= 1
    assert Frame.parse(bytes(raw)).bad_checksum() == "IP header"
    assert Frame.parse(outer(Frame.parse(bytes(raw)).raw)).bad_checksum() is not None


@pytest.mark.parametrize("size", range(0, 100))
def test_reads_what_is_cut_off(size):
    f = Frame.parse(outer(inner())[:size])
    assert str(f) and f.bad_checksum() in (None, "IP header")


def test_kinds_differ_where_it_matters():
    one = outer(inner())
    assert kind(one) == kind(outer(inner(), id=77))
    for other in (outer(inner(), vni=8), outer(inner(ttl=64)), outer(inner(src=BLUE1)), outer(inner(), dst="172.20.0.13")):
        assert kind(one) != kind(other)


def fabric():
    f = object.__new__(Fabric)
    f.plain = True
    f.networks = {"blue": {"provider:segmentation_id": 6}, "green": {"provider:segmentation_id": 7}}
    f.places = {"10.0.1.5": {"compute1"}, "10.0.2.6": {"compute2"}}
    host = {"compute1": "172.20.0.11", "compute2": "172.20.0.12"}
    f.lab = types.SimpleNamespace(host=lambda name: types.SimpleNamespace(data={"address": host[name]}))
    return f


@pytest.mark.parametrize("frame,wrong", [
    (outer(inner()), None), (outer(inner(), vni=6), "destination's network"), (outer(inner(ttl=64)), "one hop less"),
    (outer(inner(src=BLUE1)), "DVR MAC"), (outer(inner(), src="172.20.0.2"), "source's host"),
    (outer(inner(), dst="172.20.0.2"), "destination's host"), (outer(inner())[:-1] + b"?", "checksum")])
def test_what_must_hold_bites(frame, wrong):
    dvr = {"172.20.0.11": DVR, "172.20.0.2": DVR}
    if wrong is None:
        fabric().check_frame(Frame.parse(frame), dvr)
    else:
        with pytest.raises(AssertionError, match=wrong):
            fabric().check_frame(Frame.parse(frame), dvr)
