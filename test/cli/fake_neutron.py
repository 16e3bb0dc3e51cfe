# SPDX-License-Identifier: Apache-2.0
"""A Neutron API small enough to read: collections in memory, every request remembered.

It checks nothing. It is there so that the command line's requests and output can be
looked at, also next to those of Neutron's own client, without a server.
"""

import http.server
import json
import threading
import urllib.parse
import uuid

NAMES = {"networks": "network", "subnets": "subnet", "ports": "port", "routers": "router", "agents": "agent",
         "extensions": "extension"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def error(self, status, kind, message):
        self.reply(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}})

    def dispatch(self):
        fake = self.server.fake
        url = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = urllib.parse.parse_qs(url.query)
        fake.requests.append({"method": self.command, "path": url.path, "query": query, "body": body,
                              "headers": dict(self.headers)})
        parts = url.path.replace(".json", "").split("/")[2:]
        collection = parts[0]
        items = fake.collections[collection]
        if fake.fail:
            return self.error(*fake.fail)
        if url.path in fake.fail_at:
            return self.error(*fake.fail_at[url.path])
        if self.command == "POST":
            item = {"id": str(uuid.uuid4()), **body[NAMES[collection]]}
            items.append(item)
            return self.reply(201, {NAMES[collection]: item})
        if self.command == "GET" and len(parts) == 1:
            return self.reply(200, fake.page(collection, query))
        found = [i for i in items if parts[1] in (i.get("id"), i.get("alias"))]
        if not found:
            return self.error(404, "NotFound", f"{NAMES[collection].title()} {parts[1]} could not be found.")
        if self.command == "PUT" and len(parts) == 3:
            return self.reply(200, {**body, "id": parts[1], "port_id": "the-port"})
        if self.command == "PUT":
            found[0].update(body[NAMES[collection]])
        if self.command == "DELETE":
            items.remove(found[0])
            return self.reply(204)
        fields = query.get("fields") or found[0]
        return self.reply(200, {NAMES[collection]: {k: v for k, v in found[0].items() if k in fields}})

    do_GET = do_POST = do_PUT = do_DELETE = dispatch


class FakeNeutron:
    def __init__(self):
        self.clear()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.fake = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def clear(self):
        self.collections = {name: [] for name in NAMES}
        self.requests = []
        self.fail = None  # (status, type, message) for every request
        self.fail_at = {}  # the same by path

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def add(self, collection, **attributes):
        item = {"id": str(uuid.uuid4()), **attributes}
        self.collections[collection].append(item)
        return item

    def page(self, collection, query):
        """A list: equality filters on what items have, then one page with a link to the next."""
        rows = self.collections[collection]
        for key, values in query.items():
            if rows and key in rows[0]:
                rows = [r for r in rows if str(r.get(key)) in values]
        reply = {}
        if "limit" in query:
            limit = int(query["limit"][0])
            ids = [r["id"] for r in rows]
            start = ids.index(query["marker"][0]) + 1 if "marker" in query else 0
            if start + limit < len(rows):
                marker = urllib.parse.urlencode({"limit": limit, "marker": ids[start + limit - 1]})
                reply[collection + "_links"] = [{"rel": "next", "href": f"{self.url}/v2.0/{collection}?{marker}"}]
            rows = rows[start:start + limit]
        if "fields" in query:
            rows = [{k: v for k, v in r.items() if k in query["fields"]} for r in rows]
        return {collection: rows, **reply}

    def writes(self):
        """The calls that changed something, and forgets all."""
        calls = [(r["method"], r["path"].replace(".json", ""), r["body"]) for r in self.requests
                 if r["method"] != "GET"]
        self.requests.clear()
        return calls
