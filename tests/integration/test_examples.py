# SPDX-License-Identifier: Apache-2.0
"""The examples' programs do what bascule asks of an instance, and misbehave as they are told to."""
import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from daemon import free_port
from programs import program

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
PATIENCE = 20


@contextlib.contextmanager
def instance(command, directory, version, **environment):
    """Runs `command` as bascule would; yields the process, with its `port`."""
    port = free_port()
    process = subprocess.Popen(
        [word.replace("${PORT}", str(port)) for word in command], cwd=EXAMPLES / directory,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={"PATH": os.environ["PATH"] + ":/usr/sbin:/usr/bin", "PORT": str(port), "VERSION": version,
             "SLOT": "blue", "INSTANCE": "test-blue-1-0", **environment})
    process.port = port
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def hello(version, **environment):
    return instance([sys.executable, "../../app.py"], f"hello/releases/{version}", version, **environment)


def ask(port, path="/", method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("X-Version"), answer.read().decode()
    finally:
        connection.close()


def eventually(condition):
    """What `condition` returns once it is true; a refused connection is not yet true."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            value = condition()
            if value:
                return value
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def ready(process, path="/health"):
    return eventually(lambda: ask(process.port, path)[0] == 200)


def test_hello_answers_with_its_version():
    with hello("v2") as process:
        ready(process)
        assert ask(process.port) == (200, "v2", "hello again from v2\n")
        assert ask(process.port, method="POST", body=b"x" * 5000)[0] == 200
        assert ask(process.port, method="HEAD") == (200, "v2", "")


def test_hello_keeps_a_connection_for_the_next_request():
    with hello("v1") as process:
        ready(process)
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE)
        for _ in range(3):
            connection.request("POST", "/", b"body")
            assert connection.getresponse().read() == b"hello from v1\n"
            mine = connection.sock.getsockname()
        assert connection.sock.getsockname() == mine
        connection.close()


def test_hello_finishes_its_requests_and_exits_with_0_when_told_to_stop():
    with hello("v1") as process:
        ready(process)
        idle = socket.create_connection(("127.0.0.1", process.port))
        answers = []
        slow = threading.Thread(target=lambda: answers.append(ask(process.port, "/sleep/1")))
        slow.start()
        time.sleep(0.3)  # it is under way; there is nothing to see from outside
        process.terminate()
        slow.join(PATIENCE)
        assert answers == [(200, "v1", "hello from v1\n")]
        assert process.wait(PATIENCE) == 0
        assert idle.recv(1) == b""
        idle.close()


@pytest.mark.parametrize("version", ["v1", "v2", "slow-start", "stubborn", "slow", "flaky", "crash"])
def test_hello_is_healthy_in_every_version_that_claims_it(version):
    with hello(version) as process:
        ready(process)


def test_hello_v3_fails_its_health_check():
    with hello("v3") as process:
        assert eventually(lambda: ask(process.port, "/health"))[0] == 500


def test_hello_exit_exits_at_once():
    with hello("exit") as process:
        assert process.wait(PATIENCE) == 1


def test_hello_crash_dies_by_itself():
    with hello("crash", HELLO_CRASH_AFTER="0.2") as process:
        assert process.wait(PATIENCE) == 70


def test_hello_deaf_runs_without_listening():
    with hello("deaf") as process:
        assert b"not listening" in process.stdout.readline()
        with pytest.raises(ConnectionRefusedError):
            ask(process.port)
        assert process.poll() is None


def test_hello_stubborn_ignores_sigterm():
    with hello("stubborn") as process:
        ready(process)
        process.terminate()
        assert ask(process.port)[0] == 200
        assert process.poll() is None


def test_hello_flaky_fails_every_tenth_request():
    with hello("flaky") as process:
        ready(process)
        assert [ask(process.port)[0] for _ in range(20)].count(500) == 2


def test_hello_refuses_a_switch_that_it_does_not_know(tmp_path):
    (tmp_path / "switches").write_text("helth=500\n")
    done = subprocess.run([sys.executable, EXAMPLES / "hello/app.py"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=PATIENCE, env={"PORT": "1"})
    assert (done.returncode, done.stderr) == (1, "hello: unknown switch helth\n")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_site_is_served_and_leaves_nothing_behind(version, tmp_path):
    with instance(["./serve", f"releases/{version}"], "site", version, NGINX=program("nginx"),
                  TMPDIR=str(tmp_path)) as process:
        ready(process)
        status, header, body = ask(process.port)
        assert (status, header) == (200, version)
        assert f"This is version {version[1:]}." in body
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert list(tmp_path.iterdir()) == []


def test_site_without_its_release_exits_at_once(tmp_path):
    with instance(["./serve", "releases/v9"], "site", "v9", TMPDIR=str(tmp_path)) as process:
        assert process.wait(PATIENCE) != 0
        assert list(tmp_path.iterdir()) == []


def shop(part, version, queue):
    return instance([sys.executable, "../../shop.py", part], f"shop/releases/{version}", version, QUEUE=str(queue))


def test_shop_takes_and_ships_orders_and_finishes_what_it_has(tmp_path):
    with shop("api", "v2", tmp_path) as api, shop("jobs", "v2", tmp_path) as jobs:
        ready(api)
        orders = {ask(api.port, "/api/orders", "POST", b"a lamp")[2] for _ in range(20)}
        assert len(orders) == 20
        shipped = "0 waiting\n" + 20 * "taken by v2, shipped by v2 with a bicycle\n"
        eventually(lambda: ask(api.port, "/api/orders")[2] == shipped)
        for process in (jobs, api):
            process.terminate()
            assert process.wait(PATIENCE) == 0
        assert {path.suffix for path in tmp_path.iterdir()} == {".shipped"}


def test_shop_shows_its_page_and_refuses_another_part(tmp_path):
    with shop("web", "v1", tmp_path) as web:
        ready(web)
        assert ask(web.port) == (200, "v1", "The shop, version 1: lamps.\n")
    with shop("cellar", "v1", tmp_path) as cellar:
        assert cellar.wait(PATIENCE) != 0


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_prometheus_becomes_ready_and_stops_when_told_to(version, tmp_path):
    command = [program("prometheus"), "--config.file=prometheus.yml",
               "--web.listen-address=127.0.0.1:${PORT}", f"--storage.tsdb.path={tmp_path}"]
    with instance(command, f"prometheus/releases/{version}", version) as process:
        ready(process, "/-/ready")
        process.terminate()
        assert process.wait(PATIENCE) == 0
