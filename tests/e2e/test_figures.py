# SPDX-License-Identifier: Apache-2.0
"""Times and sizes that users feel. Every bound is several times what is seen on a free machine, and the best of a
few tries counts: what else the machine does is not measured."""
import contextlib
import http.server
import statistics
import threading
import time

import pytest

from daemon import PYTHON, hello, processes_of
from dataplane import SANITIZED
from load import Client, Wrk

pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(SANITIZED, reason="sanitizers are slow and need memory of their own")]

# Ready a few milliseconds after its start, which examples/hello is not.
INSTANT = """\
import os, socket
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    peer = listener.accept()[0]
    peer.recv(4096)
    peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    peer.close()
"""


class Told(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Version", self.server.version)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def target(version):
    """An address that something else runs."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    server.version, server.daemon_threads = version, True
    server.socket.listen(1024)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def static(blue, green, **route):
    return {"targets": {"blue": [blue], "green": [green]}, "route": route, "deploy": {"drain": "0s"},
            "health": {"tcp": True, "interval": "5m", "rise": 1}}


def seconds(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


@pytest.mark.parametrize("interval, bound_s", [("1s", 1.5), ("200ms", 0.7)])
def test_a_deployment_takes_hardly_longer_than_its_health_checks(make_daemon, interval, bound_s):
    daemon = make_daemon()
    (daemon.folder / "instant.py").write_text(INSTANT)
    daemon.services["web"] = hello(
        daemon.folder, command=[PYTHON, "-SE", str(daemon.folder / "instant.py")], directory=".", replicas=1,
        health={"interval": interval, "rise": 2, "deadline": "20s"}, deploy={"bake": "0s", "standby": "0s"})
    daemon.start()
    took = [seconds(lambda: daemon.do("deploy", "web", f"v{i}")) for i in range(5)]
    assert min(took) < bound_s, took


def switches(daemon, count):
    """How long each of so many rollbacks to and fro took, command and all."""
    took = []
    for i in range(count):
        took.append(seconds(lambda: daemon.do("rollback", "one", "ab"[i % 2])))
        daemon.settled("one")
    return took


def test_a_thousand_services_start_soon_and_are_switched_as_fast_as_one(make_daemon):
    with target("a") as a, target("b") as b:
        medians = {}
        for count in 1, 1000:
            daemon = make_daemon(services={"one": static(a, b, path="/")} | {
                f"s{i}": static(a, b, host=f"s{i}.example") for i in range(1, count)})
            started = [seconds(daemon.start)]
            while len(started) < 3 and min(started) >= 3:
                daemon.stop()
                started.append(seconds(daemon.start))
            assert min(started) < 3, started
            daemon.do("deploy", "one", "a")
            daemon.do("deploy", "one", "b")
            medians[count] = statistics.median(switches(daemon, 11))
            with Client(daemon.port, host=f"s{count - 1}.example") as client:
                daemon.do("status", "-q")
            assert client.failed() == []
        assert medians[1000] < 3 * medians[1], medians


def test_a_hundred_switches_lose_no_request(make_daemon):
    with target("a") as a, target("b") as b:
        daemon = make_daemon(services={"one": static(a, b, path="/")}).start()
        daemon.do("deploy", "one", "a")
        daemon.do("deploy", "one", "b")
        with Wrk(daemon.port, pause_ms=0) as wrk, Client(daemon.port) as client:
            switches(daemon, 100)
    assert client.failed() == [] and wrk.failed == 0, wrk.output
    assert {answer.version for answer in client.answers} == {"a", "b"}


def test_idle_it_is_small(daemon):
    """Sums of PSS: what is shared is shared out."""
    sizes = {}
    for pid, command in processes_of(daemon.folder).items():
        name = next((name for name in ("bascule-supervisor", "bascule-proxy", "bascule-shim", "bascule controller")
                     if name in command.split(" --")[0]), None)
        if name:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                sizes[name, pid] = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    assert len(sizes) == 5, sizes
    shims = [kib for (name, _), kib in sizes.items() if name == "bascule-shim"]
    assert max(shims) <= 500, sizes
    assert sum(sizes.values()) - min(shims) <= 15 * 1024, sizes
    print(sizes)
