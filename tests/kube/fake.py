"""An API server with faults on demand: what a real one does not do when asked.

Objects live in memory with one resourceVersion for all; LIST pages, WATCH streams with bookmarks,
POST, PUT, PATCH (merge), DELETE with preconditions, label and field selectors of one equality each.
`Server.fail(...)` arms a fault for the next requests that match; `Server.log` has every request.

Relies on: Python's standard library; TLS files from tls.py.
"""
import http.server
import json
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
import urllib.parse

PATH = re.compile(r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<ns>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$")


class Cut(Exception):
    """The connection is closed here."""


class Fault:
    """What happens to requests of a method whose path and query match, `times` times."""

    def __init__(self, match, times=1, method=None, **what):
        self.match, self.times, self.method, self.what = re.compile(match), times, method, what

    def takes(self, method, target):
        return self.times > 0 and self.method in (None, method) and bool(self.match.search(target))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.fault = {}
        with self.server.lock:
            self.server.connections.add(self.request)

    def finish(self):
        with self.server.lock:
            self.server.connections.discard(self.request)
        try:
            super().finish()
        except OSError:
            pass

    def any_method(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        self.fault = self.server.begin(self, body)
        try:
            if self.fault.get("delay"):
                time.sleep(self.fault["delay"])
            if self.fault.get("reset"):
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise Cut
            if self.fault.get("close"):
                raise Cut
            if "status" in self.fault:
                self.refuse(self.fault["status"])
            else:
                self.serve(json.loads(body) if body else None)
            if self.fault.get("after"):  # acted, but the answer is lost
                raise Cut
        except (Cut, OSError):
            self.close_connection = True
            try:
                self.request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = any_method

    # --- answers
    def refuse(self, code):
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": REASONS.get(code, ""), "message": self.fault.get("message", f"fake {code}")}
        status.update(self.fault.get("more", {}))
        text = self.fault["body"] if "body" in self.fault else json.dumps(status)
        headers = dict(self.fault.get("headers", {}))
        if "retry_after" in self.fault:
            headers["Retry-After"] = str(self.fault["retry_after"])
        self.answer(code, text, headers)

    def answer(self, code, text, headers=None):
        if self.fault.get("after"):
            return
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", self.fault.get("type", "application/json"))
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.put(data)

    def put(self, data):
        """Body bytes, as the fault wants them: cut, slowly, in small pieces."""
        cut = self.fault.get("cut")
        if cut is not None:
            data, left = data[:cut], len(data) - cut
            self.fault["cut"] = cut - len(data)
        self.send_pieces(data)
        if cut is not None and left >= 0:
            raise Cut

    def send_pieces(self, data):
        size = self.fault.get("pieces", len(data) or 1)
        for at in range(0, len(data), size):
            self.raw(data[at:at + size])
            if self.fault.get("slow"):
                time.sleep(self.fault["slow"])

    def raw(self, piece):
        if self.chunked:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        self.wfile.write(piece)
        self.wfile.flush()

    chunked = False

    # --- requests
    def serve(self, body):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        path = PATH.match(urllib.parse.unquote(url.path))
        if url.path in ("/version", "/readyz"):
            self.fault.setdefault("type", "text/plain" if url.path == "/readyz" else "application/json")
            self.answer(200, "ok" if url.path == "/readyz" else '{"major":"1"}')
        elif not path:
            self.fail(404, "the server could not find the requested resource")
        elif self.command == "GET" and query.get("watch") == "true":
            self.watch(path, query)
        elif self.command == "GET" and not path["name"]:
            self.answer(*self.server.list(path, query, self.fault))
        else:
            self.answer(*self.server.act(self.command, path, query, body, self.headers))

    def fail(self, code, message):
        self.answer(*failure(code, message))

    def watch(self, path, query):
        server, since = self.server, int(query["resourceVersion"])
        ends = time.monotonic() + float(query.get("timeoutSeconds", 60)) * server.second
        if since < server.compacted:
            text = json.dumps({"type": "ERROR", "object": json.loads(failure(410, "too old resource version")[1])})
            self.answer(200, text + "\n")
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.chunked = True
        if self.fault.get("stall"):
            time.sleep(self.fault["stall"])
        self.stream(path, query, since, ends)
        self.chunked = False
        self.wfile.write(b"0\r\n\r\n")

    def stream(self, path, query, since, ends):
        server, at = self.server, 0
        bookmark = time.monotonic() + server.bookmarks
        while time.monotonic() < ends and not server.closing:
            if self.fault.get("inject"):
                self.put(self.fault.pop("inject").encode())
            with server.changed:
                if len(server.events) <= at:
                    server.changed.wait(0.05)
                fresh, at = server.events[at:], len(server.events)
                version = server.version
            for event in fresh:
                if event[0] > since and event[1] == path["plural"] and chosen(event[3], path, query):
                    self.put((json.dumps({"type": event[2], "object": event[3]}) + "\n").encode())
            if time.monotonic() > bookmark:
                bookmark += server.bookmarks
                self.put((json.dumps({"type": "BOOKMARK", "object": {"kind": "X", "metadata": {"resourceVersion": str(version)}}}) + "\n").encode())


REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


def failure(code, message, reason=None, details=None):
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason or REASONS[code], "code": code}
    if details:
        status["details"] = details
    return code, json.dumps(status)


def chosen(obj, path, query):
    meta = obj["metadata"]
    if path["ns"] and meta.get("namespace") != path["ns"]:
        return False
    key, _, value = query.get("labelSelector", "").partition("=")
    if key and meta.get("labels", {}).get(key) != value:
        return False
    field, _, value = query.get("fieldSelector", "").partition("=")
    return not field or str(obj.get("spec", {}).get(field.split(".")[-1])) == value


def merge(target, patch):
    """RFC 7386."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merge(dict(target.get(key) or {}), value)
        else:
            target[key] = value
    return target


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on 127.0.0.1; `second` is how long a second of a watch's timeoutSeconds lasts."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tls=None, port=0):
        self.tls, self.lock = tls, threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.objects, self.events, self.version, self.compacted = {}, [], 100, 0
        self.faults, self.log, self.connections, self.snapshots = [], [], set(), {}
        self.bookmarks, self.second, self.closing = 3600.0, 1.0, False
        super().__init__(("127.0.0.1", port), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        """As a server that is killed: the port refuses, connections are gone."""
        self.closing = True
        self.shutdown()
        self.server_close()
        self.drop()

    def drop(self):
        with self.lock:
            for connection in list(self.connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    # --- faults and the log
    def fail(self, match, times=1, method=None, **what):
        with self.lock:
            self.faults.append(Fault(match, times, method, **what))

    def begin(self, handler, body):
        with self.lock:
            self.log.append((handler.command, handler.path, dict(handler.headers), body.decode(errors="replace"), time.monotonic()))
            for fault in self.faults:
                if fault.takes(handler.command, handler.path):
                    fault.times -= 1
                    return dict(fault.what)
        return {}

    def requests(self, pattern, method=None):
        with self.lock:
            return [r for r in self.log if re.search(pattern, r[1]) and method in (None, r[0])]

    # --- objects
    def put(self, plural, ns, name, uid=None, **fields):
        """Makes or changes an object; returns it."""
        with self.changed:
            key = (plural, ns, name)
            old = self.objects.get(key)
            self.version += 1
            meta = {"name": name, "uid": uid or (old["metadata"]["uid"] if old else f"uid-{self.version}"), "resourceVersion": str(self.version), **({"namespace": ns} if ns else {})}
            meta.update(fields.pop("metadata", {}))
            obj = {"metadata": meta, **fields}
            self.objects[key] = obj
            self.events.append((self.version, plural, "MODIFIED" if old else "ADDED", obj))
            self.changed.notify_all()
            return obj

    def remove(self, plural, ns, name):
        with self.changed:
            self.version += 1
            obj = json.loads(json.dumps(self.objects.pop((plural, ns, name))))
            obj["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, plural, "DELETED", obj))
            self.changed.notify_all()
            return obj

    def compact(self):
        """Watches from before now are refused with 410; open ones are ended by drop()."""
        with self.lock:
            self.version += 1
            self.compacted = self.version

    def list(self, path, query, fault):
        with self.lock:
            if "continue" in query:
                snapshot, start, version = query["continue"].split(":")
                if snapshot not in self.snapshots:
                    return failure(410, "The provided continue parameter is too old")
                items = self.snapshots[snapshot]
            else:
                found = [o for (plural, _, _), o in sorted(self.objects.items(), key=lambda kv: (kv[0][1] or "", kv[0][2])) if plural == path["plural"] and chosen(o, path, query)]
                items, snapshot, start, version = json.loads(json.dumps(found)), str(len(self.snapshots)), 0, self.version
                self.snapshots[snapshot] = items
        limit, start = int(query.get("limit", 0)) or len(items) + 1, int(start)
        more = start + limit < len(items)
        meta = {"resourceVersion": str(version), **({"continue": f"{snapshot}:{start + limit}:{version}"} if more else {})}
        page = items[start:start + limit]
        shown = {"apiVersion": "v1", "items": page or (None if fault.get("null") else []), "kind": "ThingList", "metadata": meta}
        if fault.get("metadata_first"):
            shown = {"kind": "ThingList", "apiVersion": "v1", "metadata": meta, "items": shown["items"]}
        return 200, json.dumps(shown, indent=fault.get("indent"))

    def act(self, method, path, query, body, headers):
        with self.changed:
            key = (path["plural"], path["ns"], path["name"])
            old = self.objects.get(key)
            if method == "POST" and not path["name"]:
                name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{self.version}"
                if (path["plural"], path["ns"], name) in self.objects:
                    return failure(409, f"{path['plural']} \"{name}\" already exists", "AlreadyExists")
                return 201, json.dumps(self.write(path, name, body))
            if not old:
                return failure(404, f"{path['plural']} \"{path['name']}\" not found")
            if method == "GET":
                return 200, json.dumps({"apiVersion": "v1", "kind": "Thing", **old})
            wanted = (body or {}).get("metadata", {}).get("resourceVersion")
            conflict = wanted and wanted != old["metadata"]["resourceVersion"]
            uid = ((body or {}).get("preconditions") or {}).get("uid")
            if conflict or (uid and uid != old["metadata"]["uid"]):
                return failure(409, "the object has been modified")
            if method == "DELETE":
                return 200, json.dumps(self.remove(*key))
            if method == "PATCH":
                body = merge(json.loads(json.dumps(old)), body)
            return 200, json.dumps(self.write(path, path["name"], body))

    def write(self, path, name, body):
        meta = {k: v for k, v in body["metadata"].items() if k not in ("resourceVersion", "uid", "namespace", "name")}
        rest = {k: v for k, v in body.items() if k not in ("metadata", "apiVersion", "kind")}
        return self.put(path["plural"], path["ns"], name, metadata=meta, **rest)
