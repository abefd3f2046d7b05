# SPDX-License-Identifier: Apache-2.0
"""Instances that speak TLS, as a user sets them up in bascule.yaml: probes and requests verify them, files are renewed
while users come, and a version with a certificate that is not good gets no traffic."""
import contextlib
import http.client
import json
import os
import signal
import socket
import time

import pytest

from certificates import Authority
from daemon import Daemon, free_port, wait_until
from load import Threads
from origins import SecureOrigin, answering


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Site:
    """A daemon whose service has one instance of TLS for each environment, run by the test."""

    def __init__(self, authority, blue, green, **tls):
        self.daemon = Daemon({})
        self.ca = self.daemon.folder / "ca.pem"
        self.ca.write_text(authority.path.read_text())
        self.origins = [SecureOrigin(blue, answering(b"blue")), SecureOrigin(green, answering(b"green"))]
        self.service = {
            "targets": dict(zip(("blue", "green"), ([o.address] for o in self.origins))), "route": {"path": "/"},
            "upstream_tls": {"ca": "ca.pem", "server_name": "app.test", **tls},
            "health": {"path": "/health", "interval": "100ms", "deadline": "5s", "fall": 2},
            "deploy": {"bake": "0s", "standby": "10m"}}
        self.daemon.services["web"] = self.service

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.close()
        for origin in self.origins:
            origin.stop()

    def get(self):
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read()

    def live(self):
        """The origin that answers, and its body."""
        status, body = self.get()
        assert status == 200
        return self.origins[[b"blue", b"green"].index(body)], body


def test_versions_over_tls_are_deployed_and_rolled_back_under_load(authority):
    good = authority.sign("app.test")
    with Site(authority, good, good) as site:
        for origin, body in zip(site.origins, (b"blue", b"green")):
            origin.serve = answering(body, requests=10)  # there are connections that could resume another's session
        site.daemon.do("deploy", "web", "v1")
        answers, failures = [], []

        def ask():
            while not load.ending.is_set():
                status, body = site.get()
                (answers if status == 200 else failures).append(body)
                time.sleep(0.005)

        load = Threads(*[ask] * 4)
        with load:
            for words in (["deploy", "web", "v2"], ["rollback", "web"], ["rollback", "web", "v2"], ["upgrade"]):
                count = len(answers)
                site.daemon.do(*words)
                wait_until(lambda: len(answers) > count + 50, f"answers after {words}")
        assert not failures and set(answers) == {b"blue", b"green"}
        assert {g.name for o in site.origins for g in o.greetings} == {"app.test"}
        assert any(g.resumed for o in site.origins for g in o.greetings)


def test_a_version_whose_certificate_is_not_good_is_not_released(authority):
    good, wrong = authority.sign("app.test"), authority.sign("another.test")
    with Site(authority, good, good) as site:
        site.daemon.do("deploy", "web", "v1")
        live, body = site.live()
        bad = next(o for o in site.origins if o is not live)
        bad.context.load_cert_chain(wrong.chain, wrong.key)
        done = site.daemon.run("deploy", "web", "v2")
        assert done.returncode == 1 and "no TLS" in done.stdout + done.stderr, done.stdout + done.stderr
        assert site.get() == (200, body)


def test_authorities_are_renewed_by_themselves(authority, tmp_path):
    good, other = authority.sign("app.test"), Authority(tmp_path, "Other")
    with Site(authority, good, good) as site:
        site.daemon.do("deploy", "web", "v1")
        origin, body = site.live()
        site.ca.write_text(authority.path.read_text() + other.path.read_text())

        def told():
            return [e for e in site.daemon.json("events") if e["kind"] == "certificates"]
        assert "ca.pem" in wait_until(told, "it is told")[-1]["text"]
        new = other.sign("app.test")
        for o in site.origins:
            o.context.load_cert_chain(new.chain, new.key)
        count = len(origin.greetings)
        wait_until(lambda: len(origin.greetings) > count + 5, "probes go on")
        origin.drop()
        assert site.get() == (200, body)
        # A file that can't be used changes nothing.
        site.ca.write_text("nothing")
        wait_until(lambda: "PEM" in told()[-1]["text"], "this, too")
        assert "stays in use" in told()[-1]["text"]
        count = len(origin.greetings)
        wait_until(lambda: len(origin.greetings) > count + 5, "probes go on")
        assert site.get() == (200, body)
        done = site.daemon.run("apply")
        assert done.returncode != 0 and "services.web: upstream_tls" in done.stderr


def test_a_new_controller_goes_on_with_what_it_finds(authority):
    good = authority.sign("app.test")
    with Site(authority, good, good) as site:
        site.daemon.do("deploy", "web", "v1")
        live, body = site.live()
        site.ca.unlink()
        pid = site.daemon.pid("controller")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: site.daemon.pid("controller") != pid, "a new controller")
        wait_until(lambda: site.daemon.run("status", "-q").returncode == 0, "it answers")
        count = len(live.greetings)
        wait_until(lambda: len(live.greetings) > count + 5, "probes go on")
        assert site.get() == (200, body)
        site.daemon.do("upgrade")
        assert site.get() == (200, body)


def test_without_verification_anything_goes_and_a_warning_says_so(authority, tmp_path):
    self_signed = Authority(tmp_path, "whoever").itself()
    with Site(authority, self_signed, self_signed) as site:
        site.service["upstream_tls"] = {"verify": False}
        site.daemon.configure()
        site.daemon.do("apply")
        done = site.daemon.run("config", "check")
        assert done.returncode == 0 and "warning: services.web.upstream_tls.verify" in done.stderr
        assert json.loads(site.daemon.do("config", "check", "--json"))["warnings"]
        site.daemon.do("deploy", "web", "v1")
        assert site.get()[0] == 200


@pytest.mark.parametrize("tls,problem", [
    ({"certificate": "ca.pem"}, "needs upstream_tls.key"),
    ({"verify": False}, "is for verifying certificates"),
    ({"ca": "missing.pem"}, "No such file"),
    ({"server_name": "no name"}, "a host name or an address"),
])
def test_what_does_not_fit_together_is_refused(authority, tls, problem):
    good = authority.sign("app.test")
    site = Site(authority, good, good, **tls)
    site.daemon.configure()
    done = site.daemon.run("config", "check")
    assert done.returncode == 2 and problem in done.stderr, done.stderr
    site.__exit__()


def test_a_service_of_tcp_takes_tls_off_and_puts_it_on(authority):
    def greet(connection):
        connection.send(b"220 ready\n")
        while data := connection.sock.recv(1000):
            connection.send(data)

    good, port = authority.sign("app.test"), free_port()
    with Site(authority, good, good) as site:
        for origin in site.origins:
            origin.serve = greet
        (site.daemon.folder / "web.pem").write_text(good.chain.read_text())
        (site.daemon.folder / "web.key").write_text(good.key.read_text())
        del site.service["route"]
        site.service |= {"protocol": "tcp", "listen_tls": f"127.0.0.1:{port}", "health": {"interval": "100ms"}}
        site.daemon.configure()
        done = site.daemon.run("config", "check")
        assert done.returncode == 2 and "listen_tls: needs tls.certificates" in done.stderr
        site.daemon.configure(tls={"certificates": {"certificate": "web.pem", "key": "web.key"}})
        site.daemon.do("apply")
        site.daemon.do("deploy", "web", "v1")
        assert f"127.0.0.1:{port} tcp to web over TLS" in site.daemon.do("status")
        for timeout in ("2s", "3s"):  # what is applied leaves the release's own settings as they are
            raw = socket.create_connection(("127.0.0.1", port), timeout=20)
            with authority.client().wrap_socket(raw, server_hostname="app.test") as client:
                with client.makefile("rb") as reader:
                    assert reader.readline() == b"220 ready\n"
                    client.sendall(b"hello\n")
                    assert reader.readline() == b"hello\n"
            site.service["timeouts"] = {"connect": timeout}
            site.daemon.configure(tls={"certificates": {"certificate": "web.pem", "key": "web.key"}})
            site.daemon.do("apply")


def test_without_a_server_name_addresses_are_verified_and_sockets_are_localhost(authority):
    with Site(authority, authority.sign("127.0.0.1"), authority.sign("app.test")) as site:
        local = SecureOrigin(authority.sign("localhost"), answering(b"green"), path=str(site.daemon.folder / "app"))
        site.origins.append(local)
        site.daemon.folder.chmod(0o711)
        site.service["upstream_tls"] = {"ca": "ca.pem"}
        site.service["targets"]["green"] = local.address
        site.daemon.configure()
        site.daemon.do("apply")
        for body in (b"green", b"blue"):
            site.daemon.do("deploy", "web", "v1" if body == b"green" else "v2")
            assert site.get() == (200, body)
        assert {g.name for g in local.greetings} == {"localhost"} and site.origins[0].greetings[-1].name is None
