# SPDX-License-Identifier: Apache-2.0
"""TLS to clients: certificates by name, sessions, what is asked of clients, what plain HTTP gets."""
import contextlib
import email
import socket
import ssl
import subprocess
import threading
import types

import pytest
from certificates import Authority, peer_serial, ticket_key, tls_line
from dataplane import PATIENCE_S, Proxy, ask, read_answer
from origins import Origin


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def web(authority):
    return authority.sign("web.test", "www.web.test")


class Recorder(Origin):
    """Answers with `body`, and remembers what it was asked."""

    def __init__(self, body=b"ok"):
        self.requests = []
        super().__init__(self.record)
        self.body = body

    def record(self, connection):
        while head := connection.read_head():
            fields = email.message_from_bytes(head.partition(b"\r\n")[2])
            self.requests.append(types.SimpleNamespace(headers=fields, body=connection.read_body()))
            connection.answer(self.body)


@pytest.fixture
def origin():
    with Recorder() as o:
        yield o


@contextlib.contextmanager
def serving(origin, tls, workers=1, role=None, **options):
    with Proxy(workers=workers, **options) as proxy:
        address = f"127.0.0.1:{proxy.port}"
        listener = {"address": address, "tls": True, **(role or {})}
        lines = [{"listener": listener}, {"tls": tls},
                 *proxy.service_lines("web", {"blue": [origin.address]})]
        refused = proxy.begin(lines, listeners=True)
        assert not refused, refused
        proxy.expect("ready")
        yield proxy


def secure(proxy, context, host="web.test", session=None):
    return context.wrap_socket(proxy.connect(), server_hostname=host, session=session)


def test_a_request_over_tls_is_served_and_says_so_upstream(authority, web, origin):
    with serving(origin, tls_line(web)) as proxy:
        with secure(proxy, authority.client()) as client:
            assert client.version() == "TLSv1.3"
            for _ in range(3):
                assert ask(client)[0::2] == (200, b"ok")
        assert origin.requests[0].headers["X-Forwarded-Proto"] == "https"
        assert "X-Forwarded-Client-Cert" not in origin.requests[0].headers


def test_tls_1_2_is_spoken_and_nothing_older(authority, web, origin):
    with serving(origin, tls_line(web)) as proxy:
        context = authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with secure(proxy, context) as client:
            assert client.version() == "TLSv1.2"
            assert ask(client)[0] == 200
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            secure(proxy, context)
        proxy.tell(tls=tls_line(web, minimum="1.3"))
        context = authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            secure(proxy, context)


def test_certificates_are_chosen_by_name(authority, web, origin):
    shop = authority.sign("*.shop.test", "shop.test")
    one = authority.sign("one.shop.test")
    chosen = {"web.test": web, "WWW.web.test": web, "shop.test": shop, "a.shop.test": shop,
              "one.shop.test": one}
    with serving(origin, tls_line(web, shop, one)) as proxy:
        for host, certificate in chosen.items():
            with secure(proxy, authority.client(), host) as client:
                assert peer_serial(client) == certificate.serial, host
                assert ask(client, host=host)[0] == 200
        context = authority.client()
        context.check_hostname = False
        for host in ("a.b.shop.test", "other.test", None):
            with secure(proxy, context, host) as client:
                assert peer_serial(client) == web.serial, host


def test_a_name_may_have_an_rsa_and_an_ecdsa_certificate(authority, web, origin):
    rsa = authority.sign("both.test", kind="rsa")
    ecdsa = authority.sign("both.test")
    with serving(origin, tls_line(web, rsa, ecdsa)) as proxy:
        for cipher, certificate in {"ECDHE-RSA-AES128-GCM-SHA256": rsa,
                                    "ECDHE-ECDSA-AES128-GCM-SHA256": ecdsa}.items():
            context = authority.client()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(cipher)
            with secure(proxy, context, "both.test") as client:
                assert peer_serial(client) == certificate.serial


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
def test_plain_http_on_a_tls_address_is_told_so(web, origin, method):
    with serving(origin, tls_line(web)) as proxy:
        with proxy.connect() as client:
            status, headers, body = ask(client, method=method)
            assert (status, headers["X-Bascule-Reason"]) == (400, "https-expected")
            assert b"https" in body
        assert not origin.requests


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x00\x05hello", b"\x00" * 64, b"\x16", b""])
def test_what_is_no_handshake_ends_the_connection_only(authority, web, origin, junk):
    with serving(origin, tls_line(web)) as proxy:
        with proxy.connect() as client:
            client.sendall(junk)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while client.recv(4096):
                    pass
        with secure(proxy, authority.client()) as client:
            assert ask(client)[0] == 200


def test_a_handshake_that_takes_too_long_is_cut_off(web, origin):
    with serving(origin, tls_line(web)) as proxy:
        proxy.tell(options={"head_ms": 200})
        with proxy.connect() as client:
            client.sendall(b"\x16\x03\x01")
            assert client.recv(1) == b""


def test_bodies_of_any_size_pass_both_ways_whole(authority, web):
    body = bytes(range(256)) * 40000
    with Recorder(body) as big, serving(big, tls_line(web)) as proxy:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = authority.client()
            context.maximum_version = version
            with secure(proxy, context) as client:
                answers = []

                def read():
                    answers.append(read_answer(client, "POST"))

                reader = threading.Thread(target=read)
                reader.start()
                head = f"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {len(body)}\r\n\r\n"
                client.sendall(head.encode() + body)
                reader.join(PATIENCE_S)
                assert answers[0][0] == 200 and answers[0][2] == body
        assert all(request.body == body for request in big.requests)


def test_a_slow_reader_gets_everything_and_the_end_is_said(authority, web):
    body = b"x" * 3_000_000
    with Recorder(body) as big, serving(big, tls_line(web)) as proxy:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", proxy.port))
        raw.settimeout(PATIENCE_S)
        with authority.client().wrap_socket(raw, server_hostname="web.test") as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
            proxy.ping()
            received = b""
            while chunk := client.recv(65536):  # an end without close_notify raises
                received += chunk
        assert received.endswith(body)


def test_sessions_are_resumed_by_any_worker_and_any_generation(authority, web, origin):
    tls = tls_line(web)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = authority.client()
        context.maximum_version = version
        with serving(origin, tls, workers=2) as proxy:
            with secure(proxy, context) as client:
                assert ask(client)[0] == 200
                session = client.session
                assert not client.session_reused
            for _ in range(8):
                with secure(proxy, context, session=session) as client:
                    assert client.session_reused
                    assert ask(client)[0] == 200
        with serving(origin, tls, generation=2) as successor:
            with secure(successor, context, session=session) as client:
                assert client.session_reused
            successor.tell(tls=tls_line(web, ticket_keys=[ticket_key(2), ticket_key(1)]))
            with secure(successor, context, session=session) as client:
                assert client.session_reused
            successor.tell(tls=tls_line(web, ticket_keys=[ticket_key(3)]))
            with secure(successor, context, session=session) as client:
                assert not client.session_reused
                assert ask(client)[0] == 200


def test_alpn_chooses_http_2_or_1_1(authority, web, origin):
    with serving(origin, tls_line(web)) as proxy:
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
            context = authority.client()
            context.set_alpn_protocols(offered)
            with secure(proxy, context) as client:
                assert client.selected_alpn_protocol() == chosen
        context.set_alpn_protocols(["spdy/3"])
        with pytest.raises(ssl.SSLError):
            secure(proxy, context)
        done = subprocess.run(
            ["curl", "-sS", "--http2", "--cacert", authority.path, "--resolve",
             f"web.test:{proxy.port}:127.0.0.1", "-w", "%{http_version}",
             f"https://web.test:{proxy.port}/"], capture_output=True, text=True, timeout=20,
            check=True)
        assert done.stdout == "ok2"
        assert origin.requests[-1].headers["X-Forwarded-Proto"] == "https"


def test_new_certificates_are_used_at_once_and_connections_go_on(authority, web, origin):
    fresh = authority.sign("web.test")
    with serving(origin, tls_line(web)) as proxy:
        with secure(proxy, authority.client()) as old:
            assert ask(old)[0] == 200
            proxy.tell(tls=tls_line(fresh))
            with secure(proxy, authority.client()) as new:
                assert peer_serial(new) == fresh.serial
                assert ask(new)[0] == 200
            assert ask(old)[0] == 200


def test_a_line_that_is_wrong_keeps_what_was_and_shows_no_key(authority, web, origin):
    other = authority.sign("other.test")
    mixed = tls_line(web)
    mixed["certificates"][0]["key"] = other.key.read_text()
    wrongs = [mixed, tls_line(web, ticket_keys=["xyz"]),
              tls_line(web, certificates=[{"chain": "no", "key": "no"}]),
              tls_line(web, certificates=[{}]), tls_line(web, certificates=7),
              tls_line(web, client_verify="require"), tls_line(web, client_verify="perhaps")]
    with serving(origin, tls_line(web)) as proxy:
        for wrong in wrongs:
            proxy.seq += 1
            proxy.send_lines([{"seq": proxy.seq, "tls": wrong}])
            refused = proxy.answers(proxy.seq)
            assert refused and "tls" in refused[0]["text"]
            assert other.key.read_text().splitlines()[1] not in str(refused)
        with secure(proxy, authority.client()) as client:
            assert ask(client)[0] == 200


def test_required_client_certificates(authority, web, origin):
    alice = authority.sign(common="alice", client=True)
    tls = tls_line(web, client_verify="require", client_ca=authority.path.read_text())
    with serving(origin, tls) as proxy:
        with secure(proxy, authority.client(alice)) as client:
            assert ask(client, host="web.test",
                       headers=['X-Forwarded-Client-Cert: Subject="CN=root"'])[0] == 200
            assert origin.requests[-1].headers.get_all("X-Forwarded-Client-Cert") == [
                'Subject="CN=alice,O=Tests"']
            status, headers, _ = ask(client, host="www.web.test")
            assert (status, headers["X-Bascule-Reason"]) == (421, "misdirected")
        before = len(origin.requests)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with secure(proxy, authority.client()) as client:
                ask(client, host="web.test")
        stranger = Authority(authority.directory / "stranger").sign(common="eve", client=True)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with secure(proxy, authority.client(stranger)) as client:
                ask(client, host="web.test")
        assert len(origin.requests) == before


def test_optional_client_certificates(authority, web, origin):
    alice = authority.sign(common="alice", client=True)
    tls = tls_line(web, client_verify="optional", client_ca=authority.path.read_text())
    with serving(origin, tls) as proxy:
        with secure(proxy, authority.client()) as client:
            assert ask(client, headers=["X-Forwarded-Client-Cert: me"])[0] == 200
        assert "X-Forwarded-Client-Cert" not in origin.requests[-1].headers
        with secure(proxy, authority.client(alice)) as client:
            assert ask(client)[0] == 200
        assert "alice" in origin.requests[-1].headers["X-Forwarded-Client-Cert"]


@pytest.mark.parametrize("port,expected", [(0, "https://web.test/a/b?c=d"),
                                           (8443, "https://web.test:8443/a/b?c=d")])
def test_plain_http_is_sent_to_https(origin, web, port, expected):
    role = {"tls": False, "redirect": True, "redirect_port": port}
    with serving(origin, tls_line(web), role=role) as proxy:
        with proxy.connect() as client:
            for method in ("GET", "POST", "HEAD"):
                status, headers, _ = ask(client, "/a/b?c=d", method=method, host="web.test:8080",
                                         body=b"x" if method == "POST" else b"")
                assert (status, headers["Location"]) == (308, expected)
                assert headers["X-Bascule-Reason"] == "https-redirect"
        with proxy.connect() as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_answer(client)[0] == 400
        assert not origin.requests


def test_a_long_path_is_sent_to_https_whole(origin, web):
    path = "/" + "a" * 7000
    with serving(origin, tls_line(web), role={"tls": False, "redirect": True}) as proxy:
        assert proxy.get(path, host="web.test")[1]["Location"] == "https://web.test" + path


def test_tls_behind_the_proxy_protocol(authority, web, origin):
    with serving(origin, tls_line(web), role={"proxy_protocol": True}) as proxy:
        raw = proxy.connect()
        raw.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n")
        with authority.client().wrap_socket(raw, server_hostname="web.test") as client:
            assert ask(client)[0] == 200
        assert origin.requests[-1].headers["X-Forwarded-For"] == "192.0.2.7"


def test_an_address_without_a_certificate_refuses_and_gets_one_later(authority, web, origin):
    with serving(origin, tls_line()) as proxy:
        with pytest.raises((ssl.SSLError, OSError)):
            secure(proxy, authority.client())
        proxy.tell(tls=tls_line(web))
        with secure(proxy, authority.client()) as client:
            assert ask(client)[0] == 200


def test_openssl_finds_mozillas_profile(web, origin):
    good = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305"}
    bad = {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"}
    with serving(origin, tls_line(web)) as proxy:
        for cipher in sorted(good | bad):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}",
                                   "-tls1_2", "-cipher", cipher], input="", capture_output=True,
                                  text=True, timeout=20, check=False)
            assert (f"Cipher is {cipher}" in done.stdout) == (cipher in good), cipher
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}",
                               "-sess_out", "/dev/null"], input="", capture_output=True, text=True,
                              timeout=20, check=False)
        assert "Max Early Data: 0" in done.stdout or "Early data was not sent" in done.stdout
