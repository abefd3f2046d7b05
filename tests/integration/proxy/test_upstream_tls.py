# SPDX-License-Identifier: Apache-2.0
"""TLS to instances: whose certificates are accepted, what is said when one is not, and what goes over it."""
import contextlib
import itertools
import os
import socket
import ssl
import subprocess
import threading

import pytest
from certificates import Authority, tls_line, upstream
from dataplane import ask, eventually, read_answer
from origins import Origin, SecureOrigin
from programs import program

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other"), "Somebody else")


@pytest.fixture(scope="module")
def app(authority):
    return authority.sign("app.test", "127.0.0.1")


class Site:
    """A service whose instances speak TLS."""

    def __init__(self, proxy, upstreams, server_name="app.test", by="app", protocol="http1"):
        self.proxy, self.name = proxy, f"s{next(numbers)}"
        self.host = f"{self.name}.test"
        self.routes = [{"host": self.host, "path": "/"}]
        proxy.secured[self.name] = {"by": by, "server_name": server_name}
        proxy.protocols[self.name] = protocol
        self.trust(*upstreams)

    def trust(self, *upstreams):
        self.proxy.tell(tls=tls_line(upstreams=list(upstreams)))

    def serve(self, *addresses, **options):
        for line in self.proxy.service_lines(self.name, {"blue": addresses}, routes=self.routes,
                                             **options):
            self.proxy.tell(**line)
        return self

    def ask(self, client=None, **options):
        if client:
            return ask(client, host=self.host, **options)
        with self.proxy.connect() as client:
            return ask(client, host=self.host, **options)

    def answered(self, reason, status=502, **options):
        got, fields, _ = self.ask(**options)
        assert (got, fields.get("X-Bascule-Reason")) == (status, reason)

    def counted(self, **expected):
        def equal():
            cell = self.proxy.cell(self.name, "blue")
            return all(cell[name] == value for name, value in expected.items())
        eventually(equal, what=f"counted {expected}")


def test_requests_go_over_tls_on_connections_that_are_kept(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)])
    with SecureOrigin(app) as origin:
        site.serve(origin.address)
        with proxy.connect() as client:
            for _ in range(5):
                assert site.ask(client)[::2] == (200, b"ok")
            assert site.ask(client, method="POST", body=b"x" * 100000)[::2] == (200, b"ok")
        assert len(origin.greetings) <= 2  # the POST may want a fresh one
        assert origin.greetings[0].name == "app.test"
        assert origin.greetings[0].protocol == "http/1.1"
    site.counted(requests=6, errors=0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(proxy, authority, app, version):
    site = Site(proxy, [upstream("app", authority)])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version

    def close_after_one(connection):
        connection.read_head()
        connection.answer(b"ok", fields=["Connection: close"])

    with SecureOrigin(app, close_after_one, context) as origin:
        site.serve(origin.address)
        for _ in range(4):
            assert site.ask()[0] == 200
        assert [g.resumed for g in origin.greetings] == [False, True, True, True]
        # What was agreed on under another authority counts no more.
        site.trust(upstream("app", authority, ca=authority.path.read_text() + "\n"))
        assert site.ask()[0] == 200
        assert origin.greetings[-1].resumed is False


def test_large_bodies_go_both_ways(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)])
    body = bytes(range(256)) * 8192

    def echo(connection):
        while connection.read_head():
            connection.answer(connection.read_body())

    with SecureOrigin(app, echo) as origin:
        site.serve(origin.address)
        assert site.ask(method="POST", body=body) [::2] == (200, body)


def test_addresses_are_verified_as_addresses(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)], server_name="127.0.0.1")
    with SecureOrigin(app) as origin:
        site.serve(origin.address)
        assert site.ask()[0] == 200
        assert origin.greetings[0].name is None  # SNI has no addresses
    site = Site(proxy, [upstream("app", authority)], server_name="127.0.0.1")
    with SecureOrigin(authority.sign("app.test", common="127.0.0.1")) as origin:
        site.serve(origin.address)
        site.answered("bad-certificate")


@pytest.mark.parametrize("which", ["name", "authority", "self-signed", "expired", "purpose"])
def test_a_certificate_that_is_not_good_is_no_connection(proxy, authority, other, which, tmp_path):
    site = Site(proxy, [upstream("app", authority)])
    certificate = {"name": lambda: authority.sign("another.test"),
                   "authority": lambda: other.sign("app.test"),
                   "self-signed": lambda: Authority(tmp_path, "app.test").itself(),
                   "expired": lambda: authority.sign("app.test", days=-1),
                   "purpose": lambda: authority.sign("app.test", client=True)}[which]()
    with SecureOrigin(certificate) as origin:
        site.serve(origin.address)
        site.answered("bad-certificate")
        site.answered("bad-certificate", method="POST", body=b"abc")
    site.counted(connect_failed=2, errors=2)
    # Without verification it is good enough.
    site = Site(proxy, [upstream("app")])
    with SecureOrigin(certificate) as origin:
        site.serve(origin.address)
        assert site.ask()[0] == 200


def test_another_instance_answers_what_one_could_not_be_asked(proxy, authority, app, other):
    site = Site(proxy, [upstream("app", authority)])
    with SecureOrigin(other.sign("app.test")) as bad, SecureOrigin(app) as good:
        site.serve(bad.address, good.address)
        for _ in range(6):
            assert site.ask(method="POST", body=b"abc")[0] == 200
        assert bad.failures and not bad.greetings
    assert proxy.cell(site.name, "blue")["retries"] >= 1
    site.counted(errors=0, requests=6)


def test_who_does_not_speak_tls_is_not_spoken_to(proxy, authority):
    site = Site(proxy, [upstream("app", authority)])
    def refuse(connection):
        connection.sock.recv(1)
        connection.answer(b"what?", "400 Bad Request")

    with Origin(refuse) as plain:
        site.serve(plain.address)
        site.answered("tls-failed")
    site.counted(connect_failed=1)


def test_an_instance_without_its_settings_is_not_spoken_to(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)], by="unheard-of")
    with SecureOrigin(app) as origin:
        site.serve(origin.address)
        site.answered("tls-failed")
        assert not origin.greetings


def test_a_slow_handshake_is_a_slow_connection(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)])
    with socket.create_server(("127.0.0.1", 0)) as silent, SecureOrigin(app) as good:
        address = "127.0.0.1:%d" % silent.getsockname()[1]
        site.serve(address, connect_ms=200)
        site.answered("connect-timeout", status=504)
        site.serve(address, good.address, connect_ms=200)
        for _ in range(4):
            assert site.ask()[0] == 200
    site.counted(connect_failed=1)


def wanting_certificates(authority, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.path)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_instance_may_want_a_certificate(proxy, authority, other, app, version):
    own = authority.sign(common="proxy", client=True)
    site = Site(proxy, [upstream("app", authority, own)])
    with SecureOrigin(app, context=wanting_certificates(authority, version)) as origin:
        site.serve(origin.address)
        assert site.ask()[0] == 200
        assert (("commonName", "proxy"),) in origin.greetings[0].peer["subject"]
    for shown in (None, other.sign(common="proxy", client=True)):
        site = Site(proxy, [upstream("app", authority, shown)])
        with SecureOrigin(app, context=wanting_certificates(authority, version)) as origin:
            site.serve(origin.address)
            # It has seen no request, so anything may be tried elsewhere.
            site.answered("tls-failed", method="POST", body=b"abc")
            with SecureOrigin(app) as good:
                site.serve(origin.address, good.address)
                for _ in range(4):
                    assert site.ask(method="POST", body=b"abc")[0] == 200
            assert not origin.greetings or version == ssl.TLSVersion.TLSv1_3


def test_new_authorities_hold_for_new_connections_and_old_ones_end(proxy, authority, other):
    site = Site(proxy, [upstream("app", authority)])
    gate = threading.Event()

    def serve(connection):
        while connection.read_head():
            if connection.path == "/slow":
                assert gate.wait(20)
            connection.answer(b"ok")

    with SecureOrigin(authority.sign("app.test"), serve) as old:
        site.serve(old.address)
        with proxy.connect() as slow, proxy.connect() as client:
            assert site.ask(client)[0] == 200
            slow.sendall(f"GET /slow HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
            eventually(lambda: proxy.gauge(site.name, "blue", old.address)[0] == 2)
            site.trust(upstream("app", other))
            site.answered("bad-certificate")
            gate.set()
            assert read_answer(slow)[0] == 200  # what was under way goes on
            assert ask(slow, host=site.host)[0] == 502  # but was the last on that connection
            site.trust(upstream("app", other), upstream("more", authority))
            assert ask(slow, host=site.host)[0] == 502
            site.trust(upstream("app", authority))
            assert site.ask(client)[0] == 200


def test_what_does_not_change_keeps_its_connections(proxy, authority, other, app):
    site = Site(proxy, [upstream("app", authority)])
    with SecureOrigin(app) as origin:
        site.serve(origin.address)
        for i in range(3):
            assert site.ask()[0] == 200
            site.trust(upstream("app", authority), upstream("more", other if i else authority))
        assert origin.connections == 1


@pytest.mark.parametrize("framing", ["Connection: close", "Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_body_without_its_end_does_not_look_whole(proxy, authority, app, framing):
    site = Site(proxy, [upstream("app", authority)])

    def cut(connection):
        connection.read_head()
        data = b"5\r\nhello\r\n" if "chunked" in framing else b"hello"
        connection.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + data)
        connection.sock.shutdown(socket.SHUT_WR)  # no close_notify
        connection.sock.recv(1)

    with SecureOrigin(app, cut) as origin:
        site.serve(origin.address)
        with proxy.connect() as client:
            client.sendall(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
            with pytest.raises(Exception):  # a reset, or an end in the middle
                status, _, body = read_answer(client)
                assert not (status == 200 and body == b"hello"), "it looked whole"
                raise ConnectionError
    site.counted(reset=1)


def test_a_body_that_ends_with_the_connection_is_whole_when_tls_says_so(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)])

    def end(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        connection.sock.unwrap()

    with SecureOrigin(app, end) as origin:
        site.serve(origin.address)
        assert site.ask()[::2] == (200, b"hello")
    site.counted(reset=0, requests=1)


def test_an_upgraded_connection_goes_over_tls(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)])

    def upgrade(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nhello")
        while data := connection.sock.recv(65536):
            connection.send(data.upper())

    with SecureOrigin(app, upgrade) as origin:
        site.serve(origin.address)
        with proxy.connect() as client:
            client.sendall(f"GET / HTTP/1.1\r\nHost: {site.host}\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n".encode())
            got = b""
            while not got.endswith(b"hello"):
                got += client.recv(65536)
            client.sendall(b"abc")
            assert client.recv(10) == b"ABC"


def test_the_proxy_protocol_goes_before_the_handshake(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)])
    seen = []

    class Introduced(SecureOrigin):
        def _serve(self, sock):
            line = b""
            while not line.endswith(b"\r\n"):
                line += sock.recv(1)
            seen.append(line)
            super()._serve(sock)

    with Introduced(app) as origin:
        site.serve(origin.address, edge={"proxy_protocol": 1})
        with proxy.connect() as client:
            assert site.ask(client)[0] == 200 and site.ask(client)[0] == 200
        assert len(seen) == 2 and all(line.startswith(b"PROXY TCP4 127.0.0.1") for line in seen)


@pytest.mark.parametrize("line", [
    {"name": "x", "verify": True, "ca": None}, {"name": "x", "verify": True, "ca": "junk"},
    {"verify": False}, {"name": "x", "verify": False, "chain": "junk", "key": "junk"}])
def test_a_line_that_is_wrong_is_refused_and_the_old_stays(proxy, authority, app, line):
    site = Site(proxy, [upstream("app", authority)])
    with SecureOrigin(app) as origin:
        site.serve(origin.address)
        with pytest.raises(AssertionError, match="upstream"):
            site.trust(line)
        assert site.ask()[0] == 200


# -- HTTP/2 over TLS


class H2Origin(SecureOrigin):
    """Answers every request, a stream each, with its `name`."""

    def __init__(self, certificate, name=b"ok", alpn=("h2",), context=None):
        self.heads, self.name = [], name
        context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        super().__init__(certificate, context=context)
        context.set_alpn_protocols(list(alpn))

    def _serve(self, sock):
        self.serve = self.speak
        super()._serve(sock)

    def speak(self, connection):
        h2peer = pytest.importorskip("h2peer", reason="python3-hpack is not installed")
        peer, answered = h2peer.H2Peer(connection.sock, client=False), set()
        while True:
            peer.wait(lambda: any(s.ended and n not in answered for n, s in peer.streams.items()))
            for number, stream in list(peer.streams.items()):
                if stream.ended and number not in answered:
                    answered.add(number)
                    self.heads.append(stream.head)
                    fields = [(":status", "200"), ("content-length", str(len(self.name)))]
                    peer.headers(number, fields, end=False)
                    peer.data(number, self.name, end=True)


def test_http_2_goes_over_tls(proxy, authority, app):
    site = Site(proxy, [upstream("app", authority)], protocol="h2")
    with H2Origin(app) as origin:
        site.serve(origin.address)
        for _ in range(5):
            assert site.ask(method="POST", body=b"abc")[::2] == (200, b"ok")
        assert origin.connections == 1 and origin.greetings[0].protocol == "h2"
        assert origin.heads[0][":scheme"] == "https" and origin.heads[0][":authority"] == site.host
        # Another connection, another session.
        site.trust(upstream("app", authority), upstream("more", authority))
        assert site.ask()[0] == 200 and origin.connections == 1
        site.trust(upstream("app", authority, ca=authority.path.read_text() + "\n"))
        assert site.ask()[0] == 200
        eventually(lambda: origin.connections == 2)
    site.counted(errors=0)


@pytest.mark.parametrize("what", ["authority", "no h2"])
def test_http_2_that_can_not_be_spoken_is_no_connection(proxy, authority, other, app, what):
    bad = H2Origin(other.sign("app.test")) if what == "authority" else H2Origin(app, alpn=["http/1.1"])
    site = Site(proxy, [upstream("app", authority)], protocol="h2")
    with bad, H2Origin(app) as good:
        site.serve(bad.address)
        site.answered("bad-certificate" if what == "authority" else "tls-failed")
        site.counted(connect_failed=1)
        site.serve(bad.address, good.address)
        for _ in range(4):
            assert site.ask(method="POST", body=b"abc")[0] == 200
    assert not bad.heads


def test_an_instance_of_http_2_may_want_a_certificate(proxy, authority, app):
    own = authority.sign(common="proxy", client=True)
    wanting = wanting_certificates(authority, ssl.TLSVersion.TLSv1_3)
    for shown in (own, None):
        site = Site(proxy, [upstream("app", authority, shown)], protocol="h2")
        with H2Origin(app, context=wanting) as origin, H2Origin(app, b"good") as good:
            site.serve(origin.address)
            if shown:
                assert site.ask()[::2] == (200, b"ok")
                continue
            site.answered("tls-failed", method="POST", body=b"abc")
            site.serve(origin.address, good.address)
            for _ in range(4):
                assert site.ask(method="POST", body=b"abc")[::2] == (200, b"good")


# -- a server of its own


@contextlib.contextmanager
def nginx(folder, certificate, listen, more=""):
    """nginx serving `folder`/html over TLS at a port of 127.0.0.1, which it finds out."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    temporary = "".join(f"{kind}_temp_path {folder};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
        events {{}}
        http {{
            access_log off; {temporary}
            server {{
                listen 127.0.0.1:{port} {listen}; root {folder}/html;
                ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key}; {more}
            }}
        }}""")
    server = subprocess.Popen([program("nginx"), "-p", folder, "-c", folder / "nginx.conf",
                               "-e", folder / "error.log"], stderr=subprocess.DEVNULL)
    try:
        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return True
        eventually(listens, what=f"nginx listens")
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("protocol", ["http1", "h2"])
def test_nginx_is_an_instance(proxy, authority, app, tmp_path, protocol):
    (tmp_path / "html").mkdir()
    large = os.urandom(3_000_000)
    (tmp_path / "html/large").write_bytes(large)
    (tmp_path / "html/small").write_bytes(b"small")
    own = authority.sign(common="proxy", client=True)
    wants = f"ssl_client_certificate {authority.path}; ssl_verify_client on;"
    with nginx(tmp_path, app, "ssl" + (" http2" if protocol == "h2" else ""), wants) as address:
        site = Site(proxy, [upstream("app", authority, own)], protocol=protocol).serve(address)
        with proxy.connect() as client:
            for _ in range(3):
                assert site.ask(client, path="/small")[::2] == (200, b"small")
                assert site.ask(client, path="/large")[::2] == (200, large)
        site.counted(errors=0, requests=6)
        site = Site(proxy, [upstream("app", authority)], protocol=protocol).serve(address)
        assert site.ask(path="/small")[0] == 400  # nginx says it in words: no certificate was sent
