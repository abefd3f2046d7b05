# SPDX-License-Identifier: Apache-2.0
"""A service whose requests are copied: blue is live, green is the candidate; and what the proxy finds out.

    with mirroring(proxy, live=json_of({"a": 1}), candidate=json_of({"a": 2})) as site:
        site.get("/")
        assert site.report(compared=1).paths == ["a"]
"""
import contextlib
import gzip
import itertools
import json
import socket
import threading
import zlib

from dataplane import PATIENCE_S, eventually
from origins import Origin, SecureOrigin
from wire import Peer

numbers = itertools.count(1)
MARK = "X-Bascule-Mirror"


class Report:
    """What the proxy told of one rollout, added up."""

    def __init__(self):
        self.compared = self.skipped = self.dropped = 0
        self.findings, self.why = {}, {}

    def add(self, line):
        self.compared += line["compared"]
        self.skipped += line["skipped"]
        self.dropped += line["dropped"]
        for name, count in line.get("why", {}).items():
            self.why[name] = self.why.get(name, 0) + count
        for finding in line["findings"]:
            known = self.findings.setdefault((finding["kind"], finding["where"]),
                                             {"count": 0, "noisy": False, "examples": []})
            known["count"] += finding["count"]
            known["noisy"] |= finding["noisy"]
            known["examples"] += finding["examples"]

    @property
    def paths(self):
        """Where answers differ, without noise."""
        return sorted(where for (_, where), finding in self.findings.items() if not finding["noisy"])

    @property
    def noise(self):
        return sorted(where for (_, where), finding in self.findings.items() if finding["noisy"])

    @property
    def kinds(self):
        return sorted({kind for (kind, _), finding in self.findings.items() if not finding["noisy"]})

    def example(self, where):
        return next(f for (_, at), f in self.findings.items() if at == where)["examples"][0]

    def __repr__(self):
        return (f"compared {self.compared}, skipped {self.skipped} {self.why}, dropped {self.dropped}, "
                f"{self.findings}")


class App:
    """An instance: `answer(request)` returns the bytes of an answer, or None when it dealt with the connection
    itself. A request has method, path, body, fields and connection; those that came are in `requests`, copies in
    `copies`."""

    def __init__(self, answer, certificate=None):
        self.answer, self.requests, self.lock = answer, [], threading.Lock()
        self.origin = SecureOrigin(certificate, self._serve) if certificate else Origin(self._serve)
        self.address = self.origin.address

    @property
    def copies(self):
        return [request for request in self.requests if request.copy]

    @property
    def originals(self):
        return [request for request in self.requests if not request.copy]

    def _serve(self, connection):
        while connection.read_head():
            request = Request(connection)
            with self.lock:
                self.requests.append(request)
            answer = self.answer(request)
            if answer is None:
                return
            connection.send(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.origin.stop()


class Request:
    def __init__(self, connection):
        self.connection, self.head = connection, connection.head
        self.method, self.path = connection.head.split()[0].decode(), connection.path
        self.body = connection.read_body()
        self.fields = [(name.decode().lower(), value.strip().decode()) for name, _, value in
                       (line.partition(b":") for line in connection.head.split(b"\r\n")[1:])]
        self.copy = bool(self.all(MARK))

    def all(self, name):
        return [value for known, value in self.fields if known == name.lower()]


def answer(body=b"ok", status="200 OK", fields=(), request=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + (b"" if request and request.method == "HEAD" else body)


def json_of(value, coding=None):
    """An application that always answers this; `value` may be a function of the request."""
    codings = {None: lambda data: data, "gzip": gzip.compress, "deflate": zlib.compress}

    def serve(request):
        body = json.dumps(value(request) if callable(value) else value).encode()
        fields = ["Content-Type: application/json"] + ([f"Content-Encoding: {coding}"] if coding else [])
        return answer(codings[coding](body), fields=fields, request=request)
    return serve


class Site:
    def __init__(self, proxy, live, candidate, tls=None, protocol="http1", name=None, options=None):
        self.proxy, self.name = proxy, name or f"m{next(numbers)}"
        self.host, self.rollout = f"{self.name}.test", next(numbers)
        self.live, self.candidate, self.told, self.options = live, candidate, Report(), options or {}
        proxy.protocols[self.name], proxy.secured[self.name] = protocol, tls
        self.clients = []

    def rules(self, methods=("GET", "HEAD"), headers=(), ignored=(), **more):
        return {"id": self.rollout, "slot": "green", "share_bp": 10000, "status": True, "learn": True,
                "body": "json", "body_bytes": 65536, "methods": list(methods), "headers": list(headers),
                "ignored": list(ignored), **more}

    def lines(self, mirror=True, **more):
        slots = {"blue": [a.address for a in self.live], "green": [a.address for a in self.candidate]}
        options = {**self.options, **({"mirror": self.rules(**more)} if mirror else {})}
        return self.proxy.service_lines(self.name, slots, routes=[{"host": self.host, "path": "/"}], **options)

    def serve(self, **more):
        for line in self.lines(**more):
            self.proxy.tell(**line)
        return self

    def report(self, **least):
        """Reads what the proxy tells until so many were compared, skipped, dropped; the latest report."""
        def enough():
            return all(getattr(self.told, name) >= count for name, count in least.items())
        while True:
            lines, self.proxy.lines = self.proxy.lines, []
            for line in lines:
                if line.get("mirror", {}).get("rollout") == self.rollout:
                    self.told.add(line["mirror"])
                else:
                    self.proxy.lines.append(line)
            if enough():
                return self.told
            try:
                self.proxy.lines.append(json.loads(self.proxy.reader.readline()))
            except TimeoutError:
                raise AssertionError(f"not in {PATIENCE_S} s: {least}, but {self.told}") from None

    def client(self):
        client = Peer(socket.create_connection(("127.0.0.1", self.proxy.port), PATIENCE_S))
        self.clients.append(client)
        return client

    def ask(self, path="/", method="GET", fields=(), body=b"", times=1, client=None):
        """Sends it so often on one connection; the last answer's (status, body)."""
        import http.client
        client = client or self.client()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *fields]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        for _ in range(times):
            client.send("\r\n".join([*lines, "", ""]).encode() + body)
            got = http.client.HTTPResponse(client.sock, method=method)
            got.begin()
            data = got.read()
        return got.status, data


def in_flight(proxy, site):
    slots = [("blue", a.address) for a in site.live] + [("green", a.address) for a in site.candidate]
    return sum(started - finished for started, finished in
               (proxy.gauge(site.name, slot, address, copies=True) for slot, address in slots))


@contextlib.contextmanager
def mirroring(proxy, live, candidate, certificate=None, tls=None, protocol="http1", options=None, **rules):
    """A site with one instance in each slot; `live` and `candidate` are what App wants, or Apps."""
    with contextlib.ExitStack() as stack:
        apps = [app if hasattr(app, "address") else stack.enter_context(App(app, certificate))
                for app in (live, candidate)]
        site = Site(proxy, apps[:1], apps[1:], tls=tls, protocol=protocol, options=options).serve(**rules)
        yield site
        for client in site.clients:
            client.close()
        eventually(lambda: in_flight(proxy, site) == 0, what="nothing in flight")
        proxy.tell(remove={"service": site.name})
