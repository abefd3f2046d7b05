# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol: from a proxy before us, and to instances, byte for byte."""
import socket
import struct

import pytest

from dataplane import PATIENCE_S, Proxy, eventually
from wire import Origin, Peer, field, status

V2 = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def v2(source, target, ports=(1234, 80), command=0x21, tlv=b""):
    six = ":" in source
    pack = lambda a: socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, a)
    body = pack(source) + pack(target) + struct.pack("!HH", *ports) + tlv
    return V2 + struct.pack("!BBH", command, 0x21 if six else 0x11, len(body)) + body


@pytest.fixture(scope="module")
def front():
    with Origin() as origin, Proxy(workers=1) as proxy:
        proxy.route("web", {"blue": [origin.address]})
        proxy.tell(listener={"address": f"127.0.0.1:{proxy.port}", "tls": False, "redirect": False,
                             "proxy_protocol": True, "service": None})
        proxy.tell(options={"pooled_max": 0, "head_ms": 1000})
        yield proxy, origin


def connected(front):
    return Peer(socket.create_connection(("127.0.0.1", front[0].port), PATIENCE_S))


def client_of(front, client):
    """Who the origin is told has asked; the client gets its answer."""
    up = front[1].accept()
    head = up.head()
    up.send(OK)
    assert status(client.head()) == 200
    client.exact(2)
    return field(head, "x-forwarded-for")


@pytest.mark.parametrize("header, source", [
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 1234 80\r\n", "192.0.2.1"),
    (b"PROXY TCP6 2001:db8::1 ::1 1234 80\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2("192.0.2.1", "10.0.0.1"), "192.0.2.1"),
    (v2("2001:db8::1", "::1", tlv=b"\x04\0\x02ab"), "2001:db8::1"),
    (v2("192.0.2.1", "10.0.0.1", command=0x20), "127.0.0.1"),
])
def test_the_header_says_whose_requests_these_are(front, header, source):
    client = connected(front).send(header + GET)
    assert client_of(front, client) == source
    client.send(GET)
    assert client_of(front, client) == source  # and of all that follow on the connection
    slow = connected(front)
    slow.drip(header + GET)
    assert client_of(front, slow) == source


@pytest.mark.parametrize("begin", [GET, b"PROXY TCP4 192.0.2.1 10.0.0.1 1234\r\n" + GET,
                                   b"PROXY UNKNOWN" + b"x" * 200, V2 + b"\x21\x12\0\0",
                                   V2 + b"\x21\x11\xff\xff"])
def test_a_connection_that_begins_otherwise_is_reset_unanswered(front, begin):
    assert connected(front).send(begin).rest() == (b"", True)
    assert front[1].untouched()


def test_the_header_has_its_time(front):
    assert connected(front).send(b"PROXY TCP4 ").rest() == (b"", True)
    silent = connected(front)
    assert silent.rest() == (b"", True)


def test_when_proxies_are_listed_only_they_may_speak_for_others(front):
    proxy, _ = front
    options = {"pooled_max": 0, "head_ms": 1000}
    header = b"PROXY TCP4 192.0.2.1 10.0.0.1 1234 80\r\n"
    before = proxy.shard_total("connections_refused")
    proxy.tell(options={**options, "trusted": ["10.0.0.0/8"]})
    try:
        assert connected(front).send(header + GET).rest() == (b"", True)
    except OSError:
        pass  # the reset came before
    eventually(lambda: proxy.shard_total("connections_refused") == before + 1)
    proxy.tell(options={**options, "trusted": ["127.0.0.1"]})
    client = connected(front).send(header + GET.replace(b"\r\n\r\n",
                                                        b"\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"))
    assert client_of(front, client) == "192.0.2.1"  # who is no trusted proxy itself
    proxy.tell(options=options)


# -- to instances


def test_an_instance_is_told_in_version_1_on_a_connection_for_each_request(site):
    site.change(edge={"proxy_protocol": 1})
    client = site.client()
    port = client.sock.getsockname()[1]
    for _ in range(2):
        client.send(site.get())
        up = site.origin.accept()
        line = up.until(b"\r\n").decode()
        assert line == f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {site.proxy.port}\r\n"
        assert field(up.head(), "connection") == "close"
        up.send(OK)
        assert status(client.head()) == 200
        client.exact(2)
        assert up.ended()


def test_an_instance_is_told_in_version_2_who_is_behind_a_trusted_proxy(site, options):
    options(trusted=["127.0.0.1"])
    site.change(edge={"proxy_protocol": 2})
    site.client(site.get(extra=b"X-Forwarded-For: 2001:db8::1\r\n"))
    up = site.origin.accept()
    head = up.exact(16)
    assert head[:14] == V2 + b"\x21\x21"
    body = up.exact(struct.unpack("!H", head[14:])[0])
    assert socket.inet_ntop(socket.AF_INET6, body[:16]) == "2001:db8::1"
    assert struct.unpack("!HH", body[32:36]) == (0, site.proxy.port)
    assert up.head().startswith(b"GET / ")


def test_a_connection_that_told_of_one_client_is_not_used_for_another(site):
    site.change(edge={"proxy_protocol": 1})
    client = site.client(site.get())
    up = site.origin.accept()
    up.until(b"\r\n")
    up.head()
    site.change(edge={"proxy_protocol": 0})  # meanwhile
    up.send(OK)
    assert status(client.head()) == 200
    assert up.ended()
