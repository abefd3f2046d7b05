# SPDX-License-Identifier: Apache-2.0
"""`bascule monitor` against the running daemon's own counters, and against a real Prometheus."""
import contextlib
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from cli_daemon import Daemon
from daemon import BASCULE, free_port, wait_until
from origins import Origin
from programs import program

SERVICE = """\
listen: {{ http: "127.0.0.1:{port}" }}
proxy: {{ workers: 1 }}
services:
  web:
    targets: {{ blue: ["{origin}"], green: ["127.0.0.1:1"] }}
    route: {{ path: / }}
    health: {{ tcp: true, interval: 200ms }}
  idle:
    targets: {{ blue: ["{origin}"], green: ["127.0.0.1:1"] }}
    route: {{ host: idle.example }}
    health: {{ tcp: true, interval: 200ms }}
"""


class App:
    """Answers as `status` and `pause_s` say at the moment."""

    def __init__(self):
        self.status, self.pause_s = "200 OK", 0

    def __call__(self, connection):
        while connection.read_head():
            time.sleep(self.pause_s)
            connection.answer(status=self.status)


class Watched(Daemon):
    def __init__(self, folder, origin):
        self.origin = origin
        super().__init__(folder)

    def configure(self, **_):
        (self.folder / "bascule.yaml").write_text(SERVICE.format(port=self.port, origin=self.origin.address))


@pytest.fixture(scope="module")
def app():
    return App()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, app):
    with Origin(app) as origin:
        running = Watched(tmp_path_factory.mktemp("monitor"), origin)
        running.wait_for(lambda: ask(running.port) == 200, "the service answers")
        yield running
        running.stop()


def ask(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(autouse=True)
def healthy(app):
    app.status, app.pause_s = "200 OK", 0


@contextlib.contextmanager
def load(port):
    ending = threading.Event()

    def asking():
        while not ending.is_set():
            ask(port)
            time.sleep(0.01)

    thread = threading.Thread(target=asking)
    thread.start()
    yield
    ending.set()
    thread.join()


def test_a_service_that_does_well_is_good_and_every_look_is_printed(daemon):
    with load(daemon.port):
        watched = daemon.run("monitor", "web", "--duration", "2", "--interval", "1")
    assert watched.returncode == 0, watched.stderr
    lines = watched.stdout.splitlines()
    assert len(lines) == 2
    assert all("requests  errors 0 % (at most 1 %)  p95 " in line and " ms (at most 1000 ms)" in line
               for line in lines)


def test_what_was_before_the_first_look_is_not_counted(daemon, app):
    app.status = "500 Internal Server Error"
    for _ in range(20):
        ask(daemon.port)
    app.status = "200 OK"
    with load(daemon.port):
        assert daemon.run("monitor", "web", "--duration", "1", "--interval", "1s").returncode == 0


def test_errors_above_the_threshold_end_it_at_once_with_status_1(daemon, app):
    app.status = "500 Internal Server Error"
    with load(daemon.port):
        began = time.monotonic()
        watched = daemon.run("monitor", "web", "--duration", "300", "--interval", "1", "--error-rate-threshold", "1.0",
                             "--json")
    assert time.monotonic() - began < 60
    found = json.loads(watched.stdout)
    assert watched.returncode == 1 and not found["good"]
    assert found["reason"] == "the error rate is above its threshold"
    assert found["looks"][-1]["error_rate_percent"] > 90 and not found["looks"][-1]["good"]
    assert "the error rate is above its threshold" in watched.stderr


def test_a_latency_above_the_threshold_is_bad_and_one_below_is_not(daemon, app):
    app.pause_s = 0.2
    with load(daemon.port):
        slow = daemon.run("monitor", "--duration", "1", "--interval", "1", "--latency-threshold", "100")
        fine = daemon.run("monitor", "--duration", "1", "--interval", "1", "--latency-threshold", "15s")
    assert slow.returncode == 1 and "the p95 of the latency is above its threshold" in slow.stderr
    assert fine.returncode == 0


@pytest.mark.parametrize("words", [["idle"], ["web", "--slot", "green"]])
def test_without_a_request_there_are_no_data_and_that_is_bad(daemon, words):
    with load(daemon.port):
        watched = daemon.run("monitor", *words, "--duration", "1", "--interval", "30")
    assert watched.returncode == 1 and "no look had data" in watched.stderr
    assert "0 requests  errors unknown" in watched.stdout


@pytest.mark.parametrize("words, said", [
    (["nowhere"], "nowhere"),
    (["web", "--duration", "0"], "--duration: must be more than nothing"),
    (["web", "--error-rate-threshold", "many"], "--error-rate-threshold is a percentage between 0 and 100"),
    (["web", "--error-rate-threshold", "101"], "--error-rate-threshold is a percentage between 0 and 100"),
    (["web", "--latency-threshold", "fast"], "--latency-threshold"),
    (["--error-query", "up"], "a query needs --prometheus URL"),
    (["--prometheus", "http://127.0.0.1:1"], "--prometheus needs --error-query, --latency-query or both"),
    (["--prometheus", "127.0.0.1:1", "--error-query", "up"], "--prometheus is a URL such as"),
    (["web", "--prometheus", "http://127.0.0.1:1", "--error-query", "up"], "leave SERVICE and --slot out"),
])
def test_a_wrong_line_is_explained_with_status_2(daemon, words, said):
    wrong = daemon.run("monitor", *words)
    assert wrong.returncode == 2 and said in wrong.stderr


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "prometheus.yml").write_text("global: { scrape_interval: 1h }\n")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([program("prometheus"), f"--config.file={folder}/prometheus.yml",
                                    f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
                                   stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def is_ready():
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(url + "/-/ready", timeout=5).status == 200

    wait_until(is_ready, "Prometheus is ready")
    yield url
    process.kill()
    process.wait()


def ask_prometheus(url, *words):
    return subprocess.run([BASCULE, "monitor", "--prometheus", url, "--duration", "1", "--interval", "1", *words],
                          capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words, status, said", [
    (["--error-query", "vector(0.5)", "--latency-query", "scalar(vector(900))"], 0, "errors 0.5 % (at most 1 %)  p95 900 ms"),
    (["--error-query", "vector(1.5)"], 1, "the error rate is above its threshold"),
    (["--latency-query", "vector(1) / 0"], 1, "the p95 of the latency is above its threshold"),
    (["--latency-query", "vector(1001)"], 1, "the p95 of the latency is above its threshold"),
    (["--error-query", "sum(rate(nothing_total[1m]))"], 1, "no look had data"),
    (["--error-query", "vector(0) / 0"], 1, "no look had data"),
    (["--error-query", "sum("], 1, "parse error"),
    (["--error-query", 'label_replace(vector(1),"a","1","","") or label_replace(vector(2),"a","2","","")'], 1,
     "the query gives 2 series; one is needed"),
])
def test_a_real_prometheus_is_asked_and_believed(prometheus, words, status, said):
    watched = ask_prometheus(prometheus, *words)
    assert watched.returncode == status, watched.stderr
    assert said in watched.stdout + watched.stderr


def test_a_prometheus_that_is_not_there_gives_no_data():
    watched = ask_prometheus("http://127.0.0.1:1", "--error-query", "up")
    assert watched.returncode == 1
    assert "Prometheus at http://127.0.0.1:1: " in watched.stderr and "no look had data" in watched.stderr
