# SPDX-License-Identifier: Apache-2.0
"""Killed in the midst of creates: what was answered is there, and nothing half."""

import concurrent.futures
import http.client
import json
import sqlite3
import threading

CREATES, WORKERS = 1000, 16


def create_until_dead(server, network, numbers, answered, enough):
    client = server.client()
    for n in numbers:
        try:
            reply = client.call("POST", "/v2.0/ports", {"port": {"network_id": network, "name": f"p{n}",
                                                                 "device_id": f"d{n}"}})
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            return  # the answer is lost: it may be there, or not
        assert reply.status == 201, reply
        answered[n] = reply.body["port"]
        if len(answered) >= CREATES // 2:
            enough.set()


def test_kill(own_server):
    own_server.start()
    api = own_server.client()
    net, subnet = api.network("10.16.0.0/20")
    answered, enough = {}, threading.Event()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        work = [pool.submit(create_until_dead, own_server, net["id"], range(w, CREATES, WORKERS), answered, enough)
                for w in range(WORKERS)]
        assert enough.wait(60)
        own_server.kill()
        for w in work:
            w.result()
    assert CREATES // 2 <= len(answered) < CREATES

    own_server.start()
    ports = {p["id"]: p for p in own_server.client().list("port", f"network_id={net['id']}")}
    for made in answered.values():
        assert ports[made["id"]] == made
    assert len(ports) <= len(answered) + WORKERS
    addresses = [ip["ip_address"] for p in ports.values() for ip in p["fixed_ips"]]
    assert all(len(p["fixed_ips"]) == 1 and p["fixed_ips"][0]["subnet_id"] == subnet["id"] for p in ports.values())
    assert len(set(addresses)) == len(addresses) == len(ports)
    assert len({p["mac_address"] for p in ports.values()}) == len(ports)

    # It goes on where it was: what is taken stays taken.
    more = own_server.client().create("port", network_id=net["id"])
    assert more["fixed_ips"][0]["ip_address"] not in addresses
    assert own_server.stop() == 0
    db = sqlite3.connect(own_server.dir / "neutron.db")
    assert db.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_stop_answers_what_it_took(own_server):
    """SIGTERM while creates are on their way: each is answered, or refused, or was never taken."""
    own_server.start()
    api = own_server.client()
    net, _ = api.network("10.32.0.0/20")
    answered, enough = {}, threading.Event()

    def create(numbers):
        client = own_server.client()
        for n in numbers:
            try:
                reply = client.call("POST", "/v2.0/ports", {"port": {"network_id": net["id"], "name": f"p{n}"}})
            except (OSError, http.client.HTTPException):
                return
            if reply.status == 503:
                return
            answered[n] = reply.body["port"]["id"]
            if len(answered) > 100:
                enough.set()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for w in range(8):
            pool.submit(create, range(w, 4000, 8))
        assert enough.wait(60)
        assert own_server.stop() == 0, own_server.log()
    own_server.start()
    ports = own_server.client().list("port", f"network_id={net['id']}")
    assert {p["id"] for p in ports} == set(answered.values())
