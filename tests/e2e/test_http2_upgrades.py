# SPDX-License-Identifier: Apache-2.0
"""Clients of HTTP/2 that are not ours, while the proxy is replaced.

h2load makes no second connection. What it was going to ask for when it is told to go (GOAWAY, RFC 9113 section 6.8)
it counts as failed, whatever the server; such requests never leave it. So what it says is held against what was on
the wire: every request that left was answered, also those that crossed the notice, and nothing else failed.

curl follows. With --http2-prior-knowledge curl 7.88 fails (error 16) at the second request of any connection, to any
server (its issue 10634), so only TLS is tried.
"""
import re
import shutil
import ssl
import subprocess
import threading

import pytest

from certificates import Authority
from daemon import Daemon, free_port, wait_until
from h2recorder import Recorder

needs_h2load = pytest.mark.skipif(not shutil.which("h2load"), reason="nghttp2-client is not installed")
PATIENCE_S = 60


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def daemon(authority):
    with Daemon() as one:
        certificate, port = authority.sign("localhost"), free_port()
        one.tls_port = port
        one.configure(listen={"http": f"127.0.0.1:{one.port}", "https": f"127.0.0.1:{port}"},
                      proxy={"workers": 2, "drain": "8s"},
                      tls={"redirect": False, "certificates": {"certificate": str(certificate.chain),
                                                               "key": str(certificate.key)}})
        one.start()
        one.do("deploy", "web", "v1")
        yield one


def both_contexts(authority):
    """Of a server in between: to the client, which trusts anybody, and to the proxy."""
    certificate = authority.sign("localhost")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.chain, certificate.key)
    client = authority.client()
    for context in (server, client):
        context.set_alpn_protocols(["h2"])
    return server, client


@needs_h2load
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_request_of_h2load_that_left_it_is_answered(daemon, authority, scheme):
    secure = scheme == "https"
    with Recorder(daemon.tls_port if secure else daemon.port, both_contexts(authority) if secure else None) as recorder:
        load = subprocess.Popen(["h2load", "-c6", "-m8", "-n1000000", f"{scheme}://localhost:{recorder.port}/"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            wait_until(lambda: sum(len(c.answered) for c in recorder.connections) > 100, "the load runs")
            daemon.do("upgrade")
            said = load.communicate(timeout=PATIENCE_S)[0]  # it ends when all its connections were told
        finally:
            load.kill()
    asked = sum(len(c.asked) for c in recorder.connections)
    figures = {name: int(count) for count, name in re.findall(r"(\d+) (total|succeeded|failed|timeout)", said)}
    assert len(recorder.connections) == 6
    for connection in recorder.connections:
        assert connection.answered == connection.asked and not connection.lost and not connection.reset
        assert [(last, error) for last, error, _ in connection.goaways][0] == (2 ** 31 - 1, 0)
        assert connection.server_ended != "reset"  # None: the client was first to leave
    assert figures["succeeded"] == asked, said
    assert figures["failed"] == figures["total"] - asked, said  # what never left it
    assert f"status codes: {asked} 2xx" in said, said


def test_curl_loses_nothing_in_upgrades(daemon, authority):
    over, failed, done = threading.Event(), [], []

    def ask(words):
        while not over.is_set():
            run = subprocess.run(["curl", "-sS", "--http2", "--cacert", str(authority.path), *words,
                                  f"https://localhost:{daemon.tls_port}/?[1-200]", "-o", "/dev/null",
                                  "-w", "%{http_code} %{http_version} %{exitcode}\n"],
                                 capture_output=True, text=True, timeout=PATIENCE_S)
            answers = run.stdout.splitlines()
            failed.extend(answer for answer in answers if answer != "200 2 0")
            if run.returncode or len(answers) != 200:
                failed.append((run.returncode, len(answers), run.stderr))
            done.append(len(answers))

    threads = [threading.Thread(target=ask, args=(words,)) for words in ([], ["-Z", "--parallel-max", "8"])]
    for thread in threads:
        thread.start()
    try:
        for turn in range(1, 4):
            wait_until(lambda: len(done) > 2 * turn, "requests go on")
            daemon.do("upgrade")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
