# SPDX-License-Identifier: Apache-2.0
"""A service of TCP is deployed and rolled back while clients come and go: every connection is made, and those that
are there stay until the drain's deadline."""
import contextlib
import socket
import threading
import time

import pytest

from daemon import PATIENCE_S, PYTHON, Daemon, free_port, wait_until
from load import Threads

# Says its version first, as many protocols do, then echoes lines.
SERVER = """
import os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(os.environ["VERSION"].encode() + b"\\n")
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 512
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Load(Threads):
    """They connect, hear the greeting, say a line and leave, again and again."""

    def __init__(self, port, threads=4):
        super().__init__(*[self.ask] * threads)
        self.port, self.versions, self.failed = port, [], []

    def ask(self):
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as s, s.makefile("rb") as f:
                    version = f.readline().strip().decode()
                    s.sendall(b"hello\n")
                    assert f.readline() == b"hello\n"
                    s.shutdown(socket.SHUT_WR)
                    assert f.read() == b""
                    self.versions.append(version)
            except (OSError, AssertionError) as trouble:
                self.failed.append(repr(trouble))
            time.sleep(0.002)

    def comes_to(self, version):
        count = len(self.versions)
        wait_until(lambda: self.versions[count:].count(version) > 20, f"connections to {version}")


class Held:
    """A connection that stays."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")
        self.version = self.file.readline().strip().decode()

    def echoes(self):
        self.socket.sendall(b"still there\n")
        return self.file.readline() == b"still there\n"

    def ended(self):
        with contextlib.suppress(ConnectionResetError):
            return self.file.read() == b""
        return True

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def daemon(port):
    one = Daemon({})
    (one.folder / "server.py").write_text(SERVER)
    one.services["db"] = {
        "command": [PYTHON, "server.py"], "directory": str(one.folder), "protocol": "tcp",
        "listen": f"127.0.0.1:{port}", "replicas": 2, "health": {"interval": "200ms", "deadline": "20s"},
        "deploy": {"bake": "0s", "standby": "0s", "drain": "1s"}, "stop_grace_period": "1s"}
    with one.start():
        yield one


def test_no_connection_fails_while_versions_come_and_go(daemon, port):
    daemon.do("deploy", "db", "v1")
    with Load(port) as load:
        load.comes_to("v1")
        held = Held(port)
        daemon.do("deploy", "db", "v2")
        load.comes_to("v2")
        assert held.version == "v1"
        assert held.ended()  # the drain's deadline passed, and its instance was stopped
        daemon.do("upgrade")
        load.comes_to("v2")
        daemon.do("rollback", "db")
        load.comes_to("v1")
    assert load.failed == []
    held.close()


def test_a_connection_stays_with_a_version_that_stands_by(daemon, port):
    daemon.services["db"]["deploy"] = {"bake": "0s", "standby": "10m", "drain": "1s"}
    daemon.configure()
    daemon.do("apply")
    daemon.do("deploy", "db", "v1")
    held = Held(port)
    daemon.do("deploy", "db", "v2")
    assert Held(port).version == "v2"
    assert held.version == "v1" and held.echoes()
    daemon.do("rollback", "db")
    assert Held(port).version == "v1" and held.echoes()


def test_a_rollback_waits_for_a_version_whose_connections_still_drain(daemon, port):
    daemon.services["db"]["deploy"] = {"bake": "0s", "standby": "0s", "drain": "3s"}
    daemon.configure()
    daemon.do("apply")
    daemon.do("deploy", "db", "v1")
    with Load(port) as load:
        load.comes_to("v1")
        held = Held(port)
        daemon.do("deploy", "db", "v2")
        wait_until(lambda: '"draining"' in daemon.do("status", "db", "--json"), "v1 being stopped")
        assert held.version == "v1" and held.echoes()
        daemon.do("rollback", "db")
        load.comes_to("v1")
        assert held.ended()
    assert load.failed == []
    held.close()


def test_a_service_of_tcp_can_be_held_and_stopped(daemon, port):
    daemon.do("deploy", "db", "v1")
    daemon.do("traffic", "db", "hold")
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(Held(port)))
    thread.start()
    daemon.do("traffic", "db", "serve")
    thread.join(PATIENCE_S)
    assert waiting[0].version == "v1" and waiting[0].echoes()
    daemon.do("traffic", "db", "stop")
    with contextlib.suppress(ConnectionResetError), \
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
        assert s.recv(10) == b""


def test_status_says_where_clients_are_served_and_only_that(daemon, port):
    def listening():
        return {one["address"]: (one["role"], one["service"]) for one in daemon.json("status")["listen"]}

    http, tcp = f"127.0.0.1:{daemon.port}", f"127.0.0.1:{port}"
    assert listening() == {http: ("http", None), tcp: ("tcp", "db")}
    assert f"{tcp} tcp to db" in daemon.do("status")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon.services["db"]["listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon.configure()
        refused = daemon.run("apply")
        assert refused.returncode and "Address already in use" in refused.stderr
        assert listening() == {http: ("http", None), tcp: ("tcp", "db")}, "the old addresses are in force"
    daemon.do("apply")
    assert listening() == {http: ("http", None), daemon.services["db"]["listen"]: ("tcp", "db")}


def test_what_differs_names_the_address(daemon, port):
    daemon.services["db"]["listen"] = f"127.0.0.1:{free_port()}"
    daemon.configure()
    told = daemon.do("plan", "db", "v1")
    assert "listen:" in told, told
    daemon.services["db"]["listen"] = f"127.0.0.1:{daemon.port}"
    daemon.configure()
    refused = daemon.run("apply")
    assert refused.returncode == 2 and "already listened at by listen.http" in refused.stderr
