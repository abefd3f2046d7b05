# SPDX-License-Identifier: Apache-2.0
"""Each process dies, hangs or is replaced while users are there."""
import contextlib
import os
import signal
import socket
import time

import pytest

from daemon import PYTHON, alive, hello, processes_of, wait_until
from load import Client, Wrk

# Answers GET with its version; a request that asks for an upgrade gets its bytes back, version first.
ECHO = """\
import os, socketserver, threading
version = os.environ["VERSION"].encode()
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            upgrade = False
            while (field := self.rfile.readline()) not in (b"\\r\\n", b""):
                upgrade = upgrade or field.lower().startswith(b"upgrade:")
            if upgrade:
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n")
                while data := self.request.recv(4096):
                    self.request.sendall(version + b":" + data)
                return
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\nX-Version: %s\\r\\nContent-Length: 0\\r\\n\\r\\n" % version)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 256
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def kill(pid, number=signal.SIGKILL):
    """When it was gone."""
    os.kill(pid, number)
    wait_until(lambda: not alive(pid), f"{pid} is gone", pause_s=0.001)
    return time.monotonic()


def first_answer(client, since):
    """How long the first request that was sent from then on took to be answered, from then."""
    return wait_until(lambda: [a for a in list(client.answers) if a.status == 200 and a.sent >= since],
                      "a request is answered")[0].done - since


def test_a_rollout_goes_on_when_the_controller_is_killed_in_it(daemon):
    daemon.release("late", start_delay=1)
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client:
        daemon.do("deploy", "web", "late", "--no-wait")
        for _ in range(3):
            old = daemon.pid("controller")
            kill(old)
            wait_until(lambda: daemon.pid("controller") != old, "another controller runs")
        assert daemon.settled()["status"] == "promoted"
        daemon.do("deploy", "web", "v2")
    assert daemon.live() == "v2"
    assert client.failed() == [] and wrk.failed == 0, wrk.output
    assert wrk.requests > 0


def test_the_proxy_is_back_at_once_on_its_sockets_while_the_controller_is_stopped(daemon):
    controller, took = daemon.pid("controller"), []
    proxies = [daemon.pid("proxy")]
    with Client(daemon.port, threads=4, new=True) as client:
        wait_until(lambda: client.answers, "it is asked")
        os.kill(controller, signal.SIGSTOP)
        try:
            for _ in range(3):
                gone = kill(proxies[-1])
                took.append(first_answer(client, gone))
                refused = [a for a in client.answers if "refused" in (a.trouble or "")]
                assert not refused and not client.failed(since=gone)
                proxies.append(wait_until(lambda: [pid for pid, command in processes_of(daemon.folder).items()
                                                   if command.startswith("bascule-proxy")
                                                   and pid not in proxies], "another proxy runs")[0])
        finally:
            os.kill(controller, signal.SIGCONT)
    assert min(took) < 0.2 and max(took) < 5, took
    daemon.do("deploy", "web", "v2")
    assert daemon.pid("controller") == controller and daemon.pid("proxy") == proxies[-1]


def test_a_proxy_that_hangs_is_replaced(daemon):
    old = daemon.pid("proxy")
    with Client(daemon.port, new=True) as client:
        wait_until(lambda: client.answers, "it is asked")
        os.kill(old, signal.SIGSTOP)
        stopped = time.monotonic()
        wait_until(lambda: not alive(old), "the hung proxy is killed", 20)
        gone = time.monotonic()
        first_answer(client, gone)
    # Connections in the backlog of a stopped proxy are not its own yet: they are answered by the next one.
    assert not client.failed(since=gone)
    assert gone - stopped < 15
    assert daemon.pid("proxy") != old
    daemon.do("deploy", "web", "v2")


def test_traffic_goes_on_without_a_supervisor_and_a_new_one_adopts_everything(daemon):
    instances, proxy = daemon.instance_pids(), daemon.pid("proxy")
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client:
        for _ in range(2):
            controller = daemon.pid("controller")
            kill(daemon.process.pid)
            daemon.process.wait()
            wait_until(lambda: not alive(controller), "the controller exits with it")
            answered = len(client.answers)
            wait_until(lambda: len(client.answers) > answered + 20, "users are served")
            daemon.start()
            assert daemon.instance_pids() == instances
            assert daemon.pid("proxy") == proxy
        daemon.do("deploy", "web", "v2")
        daemon.do("rollback", "web")
    assert client.failed() == [] and wrk.failed == 0, wrk.output
    assert {i: pid for i, pid in daemon.instance_pids().items() if i in instances} == instances


def test_five_upgrades_lose_nothing(daemon):
    seen = {daemon.pid("proxy")}
    with Wrk(daemon.port, connections=8) as wrk, Client(daemon.port, threads=4) as client:
        for _ in range(5):
            daemon.do("upgrade")
            wait_until(lambda: daemon.pid("proxy") not in seen, "another proxy runs")
            seen.add(daemon.pid("proxy"))
    assert client.failed() == [] and wrk.failed == 0, wrk.output
    wait_until(lambda: not any(alive(pid) for pid in seen - {daemon.pid("proxy")}), "the old ones leave")


def test_the_old_proxy_keeps_a_tunnel_through_a_deploy(make_daemon):
    daemon = make_daemon()
    (daemon.folder / "echo.py").write_text(ECHO)
    daemon.services["web"] = hello(daemon.folder, command=[PYTHON, str(daemon.folder / "echo.py")], directory=".")
    daemon.services["web"]["deploy"]["drain"] = "1m"
    daemon.start()
    daemon.do("deploy", "web", "v1")
    old = daemon.pid("proxy")
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as tunnel, Client(daemon.port) as client:
        tunnel.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += tunnel.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ")

        def echoes():
            tunnel.sendall(b"ping")
            return tunnel.recv(100) == b"v1:ping"
        assert echoes()
        daemon.do("upgrade")
        assert daemon.pid("proxy") != old and alive(old) and echoes()
        daemon.do("deploy", "web", "v2")
        switched = time.monotonic()
        wait_until(lambda: [a for a in client.answers if a.sent > switched], "users are served")
        assert {a.version for a in client.answers if a.sent > switched} == {"v2"}
        assert alive(old) and echoes()
        rollout = daemon.service()["rollout"]
        assert rollout["status"] == "promoted" and rollout["steps"][rollout["step"]]["kind"] == "drain"
    assert daemon.settled()["status"] == "promoted"
    wait_until(lambda: not alive(old), "the old proxy leaves with its last connection")
    assert client.failed() == []


def test_fewer_workers_strand_no_connection(make_daemon):
    daemon = make_daemon(workers=4).start()
    daemon.do("deploy", "web", "v1")
    with Client(daemon.port, threads=8, new=True) as client:
        for workers in 1, 3, 2:
            daemon.workers = workers
            daemon.configure()
            assert "workers" in daemon.do("apply")
            daemon.do("upgrade")
            served = len(client.answers)
            wait_until(lambda: len(client.answers) > served + 64, "every socket's connections are served")
    assert client.failed() == []
    assert max(answer.done - answer.sent for answer in client.answers) < 30


def test_sigterm_answers_what_is_in_flight_and_stops_everything(daemon):
    pids = processes_of(daemon.folder)
    slow = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
    with slow:
        slow.sendall(b"GET /sleep/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)  # it is under way; there is nothing to see from outside
        daemon.process.send_signal(signal.SIGTERM)
        answer = b""
        while data := slow.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello from v1\n")
    assert daemon.process.wait(60) == 0
    wait_until(lambda: not any(map(alive, pids)), "everything is stopped")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", daemon.port))


@pytest.mark.parametrize("moment", ["start", "check", "bake", "commit"])
def test_after_a_power_loss_in_a_deploy_the_rollout_ends_and_one_slot_is_live(daemon, moment):
    daemon.services["web"]["deploy"]["bake"] = "500ms"
    daemon.configure()
    daemon.do("apply")
    daemon.release("next", start_delay=0.5)
    begun = daemon.do("deploy", "web", "next", "--no-wait").strip()
    if moment != "start":
        def reached():
            rollout = daemon.service()["rollout"] or daemon.service()["last_rollout"]
            kinds = [step["kind"] for step in rollout["steps"][:rollout["step"] + 1]]
            return moment in kinds
        wait_until(reached, f"the rollout has come to {moment}")
    before = daemon.instance_pids()
    daemon.kill_all()
    assert not processes_of(daemon.folder)

    daemon.start()
    with contextlib.suppress(AssertionError):
        daemon.run("wait", begun)
    last = daemon.settled()
    assert last["id"] == begun and last["status"] in ("promoted", "rolled-back", "failed"), last
    service = daemon.service()
    expected = "next" if last["status"] == "promoted" else "v1"
    assert daemon.live() == expected
    assert [slot["weight_bp"] for slot in service["slots"].values() if slot["state"] == "live"] == [10000]
    assert sum(slot["weight_bp"] for slot in service["slots"].values()) == 10000
    assert [r["version"] for r in daemon.records() if r["status"] == "live"] == [expected]

    def healthy():
        return [i["health"] for i in daemon.slot()["instances"]] == ["healthy"] * 2
    wait_until(healthy, "the instances run again")
    assert not set(daemon.instance_pids().values()) & set(before.values())
    with Client(daemon.port) as client:
        wait_until(lambda: len(client.answers) > 50, "users are served")
    assert {answer.version for answer in client.answers} == {expected} and not client.failed()
    daemon.do("deploy", "web", "v2")
    assert daemon.live() == "v2"
