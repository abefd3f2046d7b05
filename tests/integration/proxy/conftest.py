# SPDX-License-Identifier: Apache-2.0
"""One proxy for all tests of a file; every test has a service, a host and an origin of its own, and
leaves nothing in flight."""
import itertools
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from dataplane import Proxy, eventually  # noqa: E402
from wire import Origin, Peer  # noqa: E402

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def proxy():
    with Proxy(workers=1) as proxy:
        proxy.begin([])
        proxy.expect("ready")
        yield proxy


class Site:
    """A service of the proxy with one origin behind it."""

    def __init__(self, proxy, origin):
        self.proxy, self.origin = proxy, origin
        self.name = f"s{next(numbers)}"
        self.host = f"{self.name}.test"
        self.clients, self.options = [], {}

    def serve(self, addresses=None, **options):
        """(Re)states the service, its instances (all in blue) and the split."""
        if addresses is None:
            addresses = [self.origin.address]
        self.options |= options
        routes = [{"host": self.host, "path": "/"}]
        for line in self.proxy.service_lines(self.name, {"blue": addresses}, routes=routes,
                                             **self.options):
            self.proxy.tell(**line)
        self.addresses = addresses
        return self

    def change(self, **options):
        """Only the service's options."""
        self.options |= options
        routes = [{"host": self.host, "path": "/"}]
        self.proxy.tell(service={"name": self.name, "routes": routes, **self.options})

    def client(self, data=b""):
        """A new connection that sends `data`; HOST in it is this site's host."""
        client = Peer(socket.create_connection(("127.0.0.1", self.proxy.port), 20))
        self.clients.append(client)
        return client.send(self.text(data)) if data else client

    def h2_client(self, **kwargs):
        """The same of HTTP/2; its requests are for this site's host."""
        from h2peer import H2Peer  # tests of HTTP/1.1 run without hpack

        client = H2Peer(self.client().sock, host=self.host, **kwargs)
        client.site = self
        return client

    def text(self, data):
        return data.replace(b"HOST", self.host.encode())

    def get(self, path=b"/", extra=b""):
        return b"GET " + path + b" HTTP/1.1\r\nHost: " + self.host.encode() + b"\r\n" + extra + \
            b"\r\n"

    def in_flight(self):
        pairs = [self.proxy.gauge(self.name, "blue", a) for a in self.addresses]
        return sum(started - finished for started, finished in pairs)

    def counted(self, **expected):
        """Waits for the counters: a request is charged after its last byte was sent."""
        def equal():
            cell = self.proxy.cell(self.name, "blue")
            return all(cell[name] == value for name, value in expected.items())
        eventually(equal, what=f"counted {expected}")


@pytest.fixture
def site(proxy):
    with Origin() as origin:
        site = Site(proxy, origin).serve()
        yield site
        for client in site.clients:
            client.reset()
        eventually(lambda: site.in_flight() == 0, what="nothing in flight")
        proxy.ping()
        proxy.tell(remove={"service": site.name})


@pytest.fixture
def h2(site):
    return site.h2_client()


@pytest.fixture
def options(proxy):
    """Sets options; the defaults hold again afterwards."""
    yield lambda **values: proxy.tell(options=values)
    proxy.tell(options={})
