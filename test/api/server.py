# SPDX-License-Identifier: Apache-2.0
"""neutrino-server as a child process, and a client that sends exactly what it is told."""

import collections
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NEUTRINO_BUILD", SOURCE / "build")).resolve()
PROGRAM = BUILD / "neutrino-server"
SERVING = re.compile(r"serving the Neutron API on http://127\.0\.0\.1:(\d+)/, agents on port (\d+)")

Reply = collections.namedtuple("Reply", "status body headers")

CONFIG = {
    "DEFAULT": {
        "bind_port": "0",
        "auth_strategy": "noauth",
        "router_distributed": "True",
    },
    "database": {"connection": "sqlite:///{dir}/neutron.db"},
    "ml2": {"type_drivers": "vxlan", "tenant_network_types": "vxlan", "mechanism_drivers": "openvswitch, l2population"},
    "ml2_type_vxlan": {"vni_ranges": "1:100000"},
    "neutrino": {"agent_listen": "127.0.0.1:0"},
}


class Server:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.conf = self.dir / "neutron.conf"
        self.lines = []
        self.process = None
        self.port = self.agent_port = None
        self.configure()

    def configure(self, **changes):
        """changes: section={option: value}; None takes an option out."""
        sections = {name: dict(options) for name, options in CONFIG.items()}
        for name, options in changes.items():
            sections.setdefault(name, {}).update(options)
        text = ""
        for name, options in sections.items():
            text += f"[{name}]\n"
            text += "".join(f"{k} = {v}\n" for k, v in options.items() if v is not None)
        self.conf.write_text(text.replace("{dir}", str(self.dir)))

    def command(self, *args):
        return [str(PROGRAM), "--config-file", str(self.conf), *args]

    def run(self, *args):
        """One command to its end."""
        return subprocess.run(self.command(*args), capture_output=True, text=True, timeout=30)

    def start(self):
        ready = threading.Event()
        self.process = subprocess.Popen(self.command(), stderr=subprocess.PIPE, text=True, errors="replace")

        def read(stream):
            for line in stream:
                self.lines.append(line.rstrip("\n"))
                found = SERVING.search(line)
                if found:
                    self.port, self.agent_port = int(found[1]), int(found[2])
                    ready.set()
            ready.set()

        self.reader = threading.Thread(target=read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        assert ready.wait(30) and self.process.poll() is None, "the server does not start:\n" + self.log()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.reader.join(5)
        self.process = None
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.reader.join(5)
            self.process = None

    def log(self):
        return "\n".join(self.lines[-80:])

    def client(self):
        return Client(self.port)


class Client:
    """Keeps one connection. Each call gives status, body (parsed) and headers; nothing is raised for a status."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def call(self, method, path, body=None, headers=None):
        data = body
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            data = json.dumps(body)
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        for attempt in (0, 1):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if fresh or attempt:
                    raise
        if answer.getheader("Connection", "").lower() == "close":
            self.close()
        parsed = json.loads(text, object_pairs_hook=unique) if text else None
        return Reply(answer.status, parsed, {k.lower(): v for k, v in answer.getheaders()})

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def create(self, resource, **attributes):
        """POST that must succeed; the resource."""
        reply = self.call("POST", f"/v2.0/{resource}s", {resource: attributes})
        assert reply.status == 201, reply
        return reply.body[resource]

    def show(self, resource, id):
        reply = self.get(f"/v2.0/{resource}s/{id}")
        assert reply.status == 200, reply
        return reply.body[resource]

    def update(self, resource, id, **attributes):
        reply = self.call("PUT", f"/v2.0/{resource}s/{id}", {resource: attributes})
        assert reply.status == 200, reply
        return reply.body[resource]

    def delete(self, resource, id):
        reply = self.call("DELETE", f"/v2.0/{resource}s/{id}")
        assert (reply.status, reply.body) == (204, None), reply

    def list(self, resource, query=""):
        reply = self.get(f"/v2.0/{resource}s{'?' if query else ''}{query}")
        assert reply.status == 200, reply
        return reply.body[f"{resource}s"]

    def network(self, cidr=None, **attributes):
        """A network, with a subnet if a CIDR is given: (network, subnet)."""
        net = self.create("network", **attributes)
        if not cidr:
            return net, None
        return net, self.create("subnet", network_id=net["id"], ip_version=4, cidr=cidr)

    def interface(self, action, router, **body):
        return self.call("PUT", f"/v2.0/routers/{router}/{action}_router_interface", body)


def unique(pairs):
    """An object of a reply: no member twice."""
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"members twice: {sorted(n for n in names if names.count(n) > 1)}"
    return dict(pairs)


def error(reply):
    """(status, type, message) of an error; checks the envelope."""
    assert reply.status >= 400, reply
    (key, inside), = reply.body.items()
    assert key == ("NotImplementedError" if reply.status == 501 else "NeutronError"), reply
    assert set(inside) == {"type", "message", "detail"}, reply
    assert reply.headers["content-type"].startswith("application/json"), reply
    assert re.fullmatch(r"req-[0-9a-f-]{36}", reply.headers["x-openstack-request-id"]), reply
    return reply.status, inside["type"], inside["message"]
