# SPDX-License-Identifier: Apache-2.0
"""HTTPS as a user sets it up: certificates in files, renewed while users come, and what goes wrong."""
import os
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from certificates import Authority, peer_serial
from daemon import Daemon, free_port, wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Site:
    """A daemon with v1 of examples/hello behind HTTPS; its certificate is web.pem and web.key."""

    def __init__(self, authority, **tls):
        self.authority, self.daemon, self.port = authority, Daemon(), free_port()
        self.chain, self.key = (self.daemon.folder / f"web.{end}" for end in ("pem", "key"))
        self.install(authority.sign("web.test", "localhost"))
        self.tls = {"certificates": [{"certificate": "web.pem", "key": "web.key"}], **tls}
        self.configure()

    def configure(self, **more):
        listen = {"http": f"127.0.0.1:{self.daemon.port}", "https": f"127.0.0.1:{self.port}"}
        self.daemon.configure(listen=listen, tls={**self.tls, **more})

    def install(self, certificate):
        self.certificate = certificate
        self.chain.write_text(certificate.chain.read_text())
        self.key.write_text(certificate.key.read_text())

    def __enter__(self):
        self.daemon.start()
        self.daemon.do("deploy", "web", "v1")
        return self

    def __exit__(self, *_):
        self.daemon.close()

    def connect(self, context=None, session=None):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return (context or self.authority.client()).wrap_socket(
            raw, server_hostname="web.test", session=session)

    def serial(self):
        with self.connect() as client:
            return peer_serial(client)

    def get(self, path="/", scheme="https", port=None):
        """Status and body; a redirect is not followed."""
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None
        opener = urllib.request.build_opener(
            Stay, urllib.request.HTTPSHandler(context=self.authority.client()))
        try:
            with opener.open(f"{scheme}://localhost:{port or self.port}{path}", timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def events(self):
        return [e for e in self.daemon.json("events") if e["kind"] == "certificates"]


@pytest.fixture
def site(authority):
    with Site(authority) as running:
        yield running


def test_https_is_served_and_http_is_sent_there(site):
    assert site.get()[0] == 200
    status, headers, _ = site.get("/a?b=c", "http", site.daemon.port)
    assert (status, headers["Location"]) == (308, f"https://localhost:{site.port}/a?b=c")
    assert site.daemon.do("status").splitlines()[-1] == \
        f"listening: 127.0.0.1:{site.daemon.port} redirect to {site.port}, 127.0.0.1:{site.port} https"
    site.configure(redirect=False)
    assert "tls.redirect: true -> false (now)" in site.daemon.do("apply")
    wait_until(lambda: site.get("/", "http", site.daemon.port)[0] == 200, "plain HTTP is served")
    assert {one["address"]: one["role"] for one in site.daemon.json("status")["listen"]} == {
        f"127.0.0.1:{site.daemon.port}": "http", f"127.0.0.1:{site.port}": "https"}


def test_a_renewed_certificate_is_used_by_itself(site):
    old = site.certificate.serial
    assert site.serial() == old
    site.install(site.authority.sign("web.test", "localhost"))
    wait_until(lambda: site.serial() == site.certificate.serial, "the new certificate is used")
    told = wait_until(site.events, "it is told")
    assert "web.test, localhost is valid until" in told[-1]["text"]
    assert not told[-1].get("error")


def test_a_broken_certificate_keeps_the_old_one_and_is_told(site):
    good = site.certificate
    other = site.authority.sign("web.test")
    site.key.write_text(other.key.read_text())
    told = wait_until(site.events, "it is told")
    assert "the key of" in told[-1]["text"] and "stay in use" in told[-1]["text"]
    assert site.serial() == good.serial
    done = site.daemon.run("apply")
    assert done.returncode != 0 and "tls.certificates[0]" in done.stderr
    site.chain.write_text("nothing")
    wait_until(lambda: "no certificate in PEM form" in site.events()[-1]["text"], "this, too")
    site.chain.unlink()
    wait_until(lambda: "No such file" in site.events()[-1]["text"], "and this")
    assert site.serial() == good.serial
    # A controller that starts has nothing else to go on with than what the proxies have.
    pid = site.daemon.pid("controller")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: site.daemon.pid("controller") != pid, "a new controller")
    wait_until(lambda: site.daemon.run("status", "-q").returncode == 0, "it answers")
    assert site.serial() == good.serial
    site.daemon.do("upgrade")
    assert site.serial() == good.serial
    site.install(site.authority.sign("web.test", "localhost"))
    site.daemon.do("apply")
    wait_until(lambda: site.serial() == site.certificate.serial, "the new certificate is used")
    secret = other.key.read_text().splitlines()[1]
    assert secret not in site.daemon.log.read_text()
    assert secret not in site.daemon.do("events", "--json") + site.daemon.do("status", "--json")
    assert secret.encode() not in (site.daemon.state / "bascule.db").read_bytes()


def test_sessions_are_resumed_after_an_upgrade_and_by_a_new_controller(site):
    context = site.authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with site.connect(context) as client:
        session = client.session
    site.daemon.do("upgrade")
    with site.connect(context, session) as client:
        assert client.session_reused
    pid = site.daemon.pid("controller")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: site.daemon.pid("controller") != pid, "a new controller")
    wait_until(lambda: site.daemon.run("status", "-q").returncode == 0, "it answers")
    site.daemon.do("apply")
    with site.connect(context, session) as client:
        assert client.session_reused


class Reconnecting:
    """A connection for each request."""

    def __init__(self, site):
        self.site, self.statuses, self.failures, self.over = site, [], [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            try:
                self.statuses.append(self.site.get()[0])
            except OSError as error:
                self.failures.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def load(*words):
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_twenty_renewals_under_load_lose_nothing(site):
    """wrk and h2load keep their connections, the third makes one for each request."""
    url = f"https://localhost:{site.port}/"
    wrk, h2load = load("wrk", "-t1", "-c8", "-d8s", url), load("h2load", "-c4", "-m4", "-D8", url)
    with Reconnecting(site) as client:
        for _ in range(20):
            site.install(site.authority.sign("web.test", "localhost"))
            site.daemon.do("apply")
    wrk, h2load = wrk.communicate(timeout=60)[0], h2load.communicate(timeout=60)[0]
    assert not client.failures and set(client.statuses) == {200}
    assert "requests in" in wrk and "Socket errors" not in wrk and "Non-2xx" not in wrk, wrk
    assert " 0 failed, 0 errored" in h2load, h2load
    assert site.serial() == site.certificate.serial


def test_upgrades_under_load_lose_nothing(site):
    """Those who follow a GOAWAY or make new connections; for h2load see test_http2_upgrades.py."""
    wrk = load("wrk", "-t1", "-c8", "-d5s", f"https://localhost:{site.port}/")
    with Reconnecting(site) as client:
        for _ in range(5):
            site.daemon.do("upgrade")
    wrk = wrk.communicate(timeout=60)[0]
    assert not client.failures and set(client.statuses) == {200}
    assert "requests in" in wrk and "Socket errors" not in wrk and "Non-2xx" not in wrk, wrk


def test_what_is_wrong_with_the_file_is_said(authority):
    site = Site(authority)
    try:
        daemon, listen = site.daemon, {"http": site.daemon.port, "https": site.port}
        wrongs = {
            "needs tls.certificates": {"listen": listen},
            "file ": {"listen": listen, "tls": {"certificates": {"certificate": "no.pem", "key": "web.key"}}},
            "tls.certificates.key": {"listen": listen, "tls": {"certificates": {"certificate": "web.pem"}}},
            "expected 1.2 or 1.3": {"listen": listen, "tls": {**site.tls, "minimum_version": "1.1"}},
            "needs tls.client_ca": {"listen": listen, "tls": {**site.tls, "client_verify": "require"}},
            "is already listened at": {"listen": {"http": site.port, "https": site.port}, "tls": site.tls},
        }
        for says, top in wrongs.items():
            daemon.configure(**top)
            done = daemon.run("config", "check")
            assert done.returncode == 2 and says in done.stdout + done.stderr, (says, done)
        site.key.write_text("nothing")
        site.configure()
        daemon.process = daemon.spawn()
        assert daemon.process.wait(60) != 0
        assert "has no private key in PEM form" in daemon.log.read_text()
    finally:
        site.daemon.close()
