# SPDX-License-Identifier: Apache-2.0
"""bascule-supervisor with the real bascule-proxy under real traffic: a new connection every few
milliseconds, while the test, as the controller, does the worst."""
import http.server
import json
import os
import signal
import socket
import threading
import time

import pytest

from daemon import alive, wait_until
from supervisor_peers import BUILD, SLOW, Daemon, free_address, reachable

PROXY = BUILD / "src" / "proxy" / "bascule-proxy"
pytestmark = pytest.mark.skipif(not PROXY.exists(), reason="bascule-proxy is not built")


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"v1")

    def log_message(self, *_):
        pass


@pytest.fixture
def origin():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def routes(server, epoch=1):
    """A snapshot: one service for every host, one instance."""
    address = "127.0.0.1:%d" % server.server_address[1]
    lines = [
        {"hello": {"protocol": 1, "epoch": epoch}},
        {"seq": 1, "service": {"name": "web", "routes": [{"host": None, "path": "/"}],
                               "balance": "round-robin", "traffic": "serve", "connect_ms": 1000,
                               "answer_ms": 60000, "idle_ms": 60000, "hold_ms": 30000,
                               "hold_max": 1000}},
        {"seq": 2, "instances": {"service": "web", "list": [
            {"id": "web-blue-1-0", "slot": "blue", "address": address, "gauge": 1,
             "healthy": True}]}},
        {"seq": 3, "splits": [{"service": "web", "generation": 1,
                               "weights": {"blue": 10000, "green": 0},
                               "cells": {"blue": 1, "green": 2}}]},
        {"seq": 4, "end": True},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def get(address, path="/", seconds=SLOW):
    """The status line's code of one request on a connection of its own; raises what went wrong."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), seconds) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while part := connection.recv(65536):
            data += part
    if not data:
        raise ConnectionResetError("closed without an answer")
    return int(data.split(b" ", 2)[1])


class Load(threading.Thread):
    """Requests one after the other, each on a new connection, until it is told to stop."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.stop = address, threading.Event()
        self.answers, self.failures, self.done = [], [], []

    def run(self):
        while not self.stop.is_set():
            try:
                self.answers.append(get(self.address))
                self.done.append(time.monotonic())
            except OSError as failure:
                self.failures.append(failure)
            time.sleep(0.002)

    def __enter__(self):
        self.start()
        self.more(20)
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join(SLOW)

    def more(self, count=30):
        """Waits until so many more were answered."""
        goal = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= goal, f"{count} answers; {self.failures[-3:]}")

    def refused(self):
        return [f for f in self.failures if isinstance(f, ConnectionRefusedError)]

    def longest_gap(self):
        return max(b - a for a, b in zip(self.done, self.done[1:]))


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path, real_proxy=True)
    yield made
    made.close()
    print(made.log())


def serve(daemon, origin, workers=2, drain_ms=5000):
    process = daemon.start()
    controller = daemon.controller()
    address = free_address()
    controller.configure(address, workers=workers, drain_ms=drain_ms)
    _, pid = daemon.proxy(controller)
    controller.snapshot(1, routes(origin))
    wait_until(lambda: "ready -> current" in daemon.log(), "the proxy serves")
    return process, controller, address, pid


def test_a_killed_proxy_is_back_at_once_from_the_snapshot_and_nothing_is_refused(daemon, origin):
    _, controller, address, pid = serve(daemon, origin)
    os.kill(controller.pid, signal.SIGSTOP)
    with Load(address) as load:
        os.kill(pid, signal.SIGKILL)
        load.more()
    os.kill(controller.pid, signal.SIGCONT)
    print("back after", load.longest_gap())
    assert set(load.answers) == {200}
    assert load.refused() == []
    assert len(load.failures) <= 1, "at most the request that was in flight"
    assert load.longest_gap() < 1.0  # 0.02 s when the machine is free


def test_a_proxy_killed_again_and_again_refuses_nobody(daemon, origin):
    _, controller, address, pid = serve(daemon, origin)
    with Load(address) as load:
        for _ in range(4):
            os.kill(pid, signal.SIGKILL)
            controller.expect("proxy-gone")
            _, pid = daemon.proxy(controller)
            load.more()
    assert set(load.answers) == {200} and load.refused() == []
    assert len(load.failures) <= 4


def test_a_stopped_proxy_is_killed_and_replaced(daemon, origin):
    _, controller, address, pid = serve(daemon, origin)
    with Load(address) as load:
        os.kill(pid, signal.SIGSTOP)
        load.more()
    assert not alive(pid)
    assert set(load.answers) == {200} and load.refused() == []
    assert len(load.failures) <= 1
    assert controller.expect("proxy-gone")[0]["generation"] == "1"


def test_five_upgrades_under_load_lose_nothing(daemon, origin):
    _, controller, address, pid = serve(daemon, origin)
    with Load(address) as one, Load(address) as two:
        for token in range(5):
            controller.send(f"upgrade token={token}")
            assert controller.expect("upgraded")[0]["token"] == str(token)
            one.more()
        for _ in range(5):
            assert controller.expect("proxy-gone")[0]["status"] == "0"
    assert one.failures + two.failures == []
    assert set(one.answers) | set(two.answers) == {200}
    assert not alive(pid)


def test_a_request_in_flight_is_finished_by_the_old_generation(daemon, origin):
    _, controller, address, _ = serve(daemon, origin)
    result = []
    slow = threading.Thread(target=lambda: result.append(get(address, "/slow")))
    slow.start()
    time.sleep(0.2)  # it is on its way; that it arrived can't be seen from outside
    controller.send("upgrade token=1")
    controller.expect("upgraded")
    slow.join(SLOW)
    assert result == [200]


def test_a_supervisor_killed_under_load_and_a_new_one_lose_nothing(daemon, origin):
    first, controller, address, pid = serve(daemon, origin)
    with Load(address) as load:
        first.kill()
        first.wait()
        load.more()
        daemon.start()
        again = daemon.controller()
        assert daemon.proxy(again)[1] == pid
        again.configure(address)
        load.more()
        os.kill(pid, signal.SIGKILL)  # the new one has the sockets and the routes
        load.more()
    assert set(load.answers) == {200} and load.refused() == []
    assert len(load.failures) <= 1


def test_leaving_and_coming_back_loses_nothing(daemon, origin):
    first, _, address, pid = serve(daemon, origin)
    with Load(address) as load:
        first.send_signal(signal.SIGUSR1)
        assert first.wait(SLOW) == 0
        load.more()
        daemon.start()
        again = daemon.controller()
        assert daemon.proxy(again)[1] == pid
        load.more()
    assert load.failures == [] and set(load.answers) == {200}


def test_an_upgrade_after_a_takeover_loses_nothing(daemon, origin):
    first, _, address, pid = serve(daemon, origin)
    first.kill()
    first.wait()
    daemon.start()
    again = daemon.controller()
    again.configure(address)
    daemon.proxy(again)
    with Load(address) as load:
        again.send("upgrade token=1")
        again.expect("upgraded")
        load.more()
        again.expect("proxy-gone")
    assert load.failures == [] and not alive(pid)


def test_fewer_workers_than_sockets_strand_nobody(daemon, origin):
    _, controller, address, _ = serve(daemon, origin, workers=8)
    controller.configure(address, workers=1)
    controller.send("upgrade token=1")
    controller.expect("upgraded")
    controller.expect("proxy-gone")
    assert [get(address) for _ in range(100)] == [200] * 100


def test_addresses_come_and_go_under_load(daemon, origin):
    _, controller, address, _ = serve(daemon, origin)
    other = free_address()
    with Load(address) as load:
        for _ in range(3):
            controller.configure(address, other)
            assert get(other) == 200
            controller.configure(address)
            wait_until(lambda: not reachable(other), "it is closed")
        load.more()
    assert load.failures == []


def test_the_end_finishes_requests_in_flight(daemon, origin):
    process, controller, address, _ = serve(daemon, origin)
    result = []
    slow = threading.Thread(target=lambda: result.append(get(address, "/slow")))
    slow.start()
    time.sleep(0.2)  # it is on its way; that it arrived can't be seen from outside
    process.terminate()
    controller.expect("terminate")
    slow.join(SLOW)
    assert result == [200]
    controller.send("terminated")
    assert process.wait(SLOW) == 0
