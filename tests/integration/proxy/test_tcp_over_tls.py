# SPDX-License-Identifier: Apache-2.0
"""TCP services over TLS: it is taken off clients' connections, and put on those to instances."""
import itertools
import socket
import ssl

import pytest
from certificates import Authority, tls_line, upstream
from dataplane import eventually, listening_sockets
from origins import Origin, SecureOrigin

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def app(authority):
    return authority.sign("app.test")


def greet_and_echo(connection):
    connection.send(b"hello\n")
    while data := connection.sock.recv(65536):
        connection.send(data.upper())


class Port:
    """A TCP service with one address, where clients speak TLS or not."""

    def __init__(self, proxy, address, own=None, tls=None, **options):
        self.proxy, self.name = proxy, f"secure{next(numbers)}"
        sockets, self.port = listening_sockets(1)
        self.address = f"127.0.0.1:{self.port}"
        proxy.tell(listener={"address": self.address, "service": self.name, "tls": own is not None})
        proxy.protocols[self.name] = "tcp"
        if tls:
            proxy.secured[self.name] = {"by": "app", "server_name": "app.test"}
        proxy.tell(tls=tls_line(*([own] if own else []), upstreams=tls or [], **options))
        service, *rest = proxy.service_lines(self.name, {"blue": [address]})
        service["service"]["routes"] = []
        for line in (service, *rest):
            proxy.tell(**line)
        proxy.say(f"listen address={self.address} shared=0", sockets)
        proxy.ping()
        for s in sockets:
            s.close()

    def connect(self, context=None):
        s = socket.create_connection(("127.0.0.1", self.port), 20)
        return context.wrap_socket(s, server_hostname="app.test") if context else s

    def counted(self, **expected):
        def equal():
            cell = self.proxy.cell(self.name, "blue")
            return all(cell[name] == value for name, value in expected.items())
        eventually(equal, what=f"counted {expected}")


def talks(client):
    """The greeting, an echo, and the end that follows ours."""
    with client, client.makefile("rb") as reader:
        assert reader.readline() == b"hello\n"
        for size in (1, 100, 300000):
            client.sendall(b"a" * size + b"\n")
            assert reader.readline() == b"A" * size + b"\n"


@pytest.mark.parametrize("inside", [False, True], ids=["plain", "secure"])
@pytest.mark.parametrize("outside", [False, True], ids=["plain", "secure"])
def test_bytes_go_both_ways(proxy, authority, app, outside, inside):
    origin = SecureOrigin(app, greet_and_echo) if inside else Origin(greet_and_echo)
    with origin:
        port = Port(proxy, origin.address, own=app if outside else None,
                    tls=[upstream("app", authority)] if inside else None)
        for _ in range(3):
            talks(port.connect(authority.client() if outside else None))
        if inside:
            assert origin.greetings[0].name == "app.test" and origin.greetings[0].protocol is None
        port.counted(requests=3, errors=0)


def test_no_protocol_is_agreed_on_with_clients(proxy, authority, app):
    with Origin(greet_and_echo) as origin:
        port = Port(proxy, origin.address, own=app)
        for offered in (["h2", "http/1.1"], ["postgresql"]):
            context = authority.client()
            context.set_alpn_protocols(offered)
            client = port.connect(context)
            assert client.selected_alpn_protocol() is None
            talks(client)


def test_who_does_not_speak_tls_is_not_let_in(proxy, authority, app):
    with Origin(greet_and_echo) as origin:
        port = Port(proxy, origin.address, own=app)
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f", b"*1\r\n"):
            with port.connect() as client:
                client.sendall(junk)
                try:
                    assert b"hello" not in client.recv(100)
                except ConnectionResetError:
                    pass
        assert origin.connections == 0
        talks(port.connect(authority.client()))


def test_clients_may_have_to_show_a_certificate(proxy, authority, app):
    with Origin(greet_and_echo) as origin:
        port = Port(proxy, origin.address, own=app, client_verify="require",
                    client_ca=authority.path.read_text())
        talks(port.connect(authority.client(authority.sign(common="alice", client=True))))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            talks(port.connect(authority.client()))
    proxy.tell(tls=tls_line())


def test_a_bad_certificate_of_an_instance_is_no_connection(proxy, authority, app, tmp_path):
    with SecureOrigin(Authority(tmp_path, "other").sign("app.test"), greet_and_echo) as origin:
        port = Port(proxy, origin.address, tls=[upstream("app", authority)])
        with port.connect() as client, pytest.raises(ConnectionResetError):
            client.recv(1)
            client.sendall(b"x")
            client.recv(1)
        assert not origin.greetings
    port.counted(connect_failed=1, errors=1)


def test_an_end_without_a_word_is_a_reset(proxy, authority, app):
    def cut(connection):
        connection.send(b"hello")
        connection.sock.recv(1)
        connection.sock.shutdown(socket.SHUT_RDWR)  # no close_notify

    with SecureOrigin(app, cut) as origin:
        port = Port(proxy, origin.address, tls=[upstream("app", authority)])
        with port.connect() as client:
            assert client.recv(5) == b"hello"
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    port.counted(reset=1)
