# SPDX-License-Identifier: Apache-2.0
"""The Neutron API, as far as the lab, the demo and the tests need it."""

import http.client
import json
import urllib.parse

from .base import LabError


class ApiError(LabError):
    def __init__(self, status, what, body):
        error = body.get("NeutronError", {}) if isinstance(body, dict) else {}
        self.status = status
        self.type = error.get("type") if isinstance(error, dict) else None
        said = error.get("message") if isinstance(error, dict) else error
        super().__init__(f"{what}: {status} {said or body}")


class Api:
    """One object a thread: the connection is kept open between calls."""

    def __init__(self, url, project="demo", timeout=15):
        self.url = url
        self.project = project
        self.timeout = timeout
        self.connection = None

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Project-Id": self.project, "Content-Type": "application/json"}
        for fresh in (False, True):
            if self.connection is None or fresh:
                self.close()
                at = urllib.parse.urlsplit(self.url)
                self.connection = http.client.HTTPConnection(at.hostname, at.port, timeout=self.timeout)
                fresh = True
            try:
                self.connection.request(method, path, data, headers)
                reply = self.connection.getresponse()
                text = reply.read()
                break
            except (OSError, http.client.HTTPException):
                # A connection kept from before may have been closed by a restart; only reading is safe to repeat.
                self.close()
                if fresh or method != "GET":
                    raise
        try:
            value = json.loads(text) if text else None
        except ValueError:
            value = text.decode(errors="replace")
        if reply.status >= 300:
            raise ApiError(reply.status, f"{method} {path}", value)
        return value

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def answers(self):
        """Whether the API is there and answers."""
        try:
            self.call("GET", "/v2.0/networks?limit=1")
            return True
        except (OSError, http.client.HTTPException, LabError):
            return False

    def list(self, kind, **filters):
        query = "?" + urllib.parse.urlencode(filters) if filters else ""
        return self.call("GET", f"/v2.0/{kind}{query}")[kind]

    def show(self, kind, id):
        return self.call("GET", f"/v2.0/{kind}/{id}")[kind[:-1]]

    def create(self, kind, **attrs):
        return self.call("POST", f"/v2.0/{kind}", {kind[:-1]: attrs})[kind[:-1]]

    def update(self, kind, id, **attrs):
        return self.call("PUT", f"/v2.0/{kind}/{id}", {kind[:-1]: attrs})[kind[:-1]]

    def delete(self, kind, id):
        self.call("DELETE", f"/v2.0/{kind}/{id}")

    def find(self, kind, what):
        """By name or by id; it must be exactly one."""
        found = self.list(kind, name=what) or self.list(kind, id=what)
        if len(found) != 1:
            raise LabError(f"{'no' if not found else 'more than one'} {kind[:-1]} {what}")
        return found[0]

    def add_interface(self, router, subnet):
        return self.call("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})

    def remove_interface(self, router, subnet):
        return self.call("PUT", f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": subnet})
