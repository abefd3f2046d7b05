# SPDX-License-Identifier: Apache-2.0
"""The proxy process among its supervisors, controllers and successors."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest
from dataplane import (PATIENCE_S, SANITIZED, Proxy, ask, eventually, listening_sockets,
                       read_answer)
from load import Wrk
from origins import FastOrigin, Origin, answering

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LOAD_S = 4


@pytest.fixture
def origin():
    with Origin(answering(b"ok")) as o:
        yield o


def again(listeners):
    """The same sockets; socket.dup() would make them block for everybody."""
    return [socket.socket(fileno=os.dup(s.fileno())) for s in listeners]


needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


def snapshot_of(address):
    """What a controller sends, from its hello to its end."""
    return [
        {"hello": {"protocol": 1, "epoch": 5}},
        {"seq": 1, "service": {"name": "web", "routes": [{"host": None, "path": "/"}]}},
        {"seq": 2, "instances": {"service": "web", "list": [
            {"id": "web-blue-0", "slot": "blue", "address": address, "gauge": 1,
             "healthy": True}]}},
        {"seq": 3, "splits": [{"service": "web", "generation": 1,
                               "weights": {"blue": 10000, "green": 0},
                               "cells": {"blue": 0, "green": 1}}]},
        {"seq": 4, "end": True}]


def test_it_says_who_it_is(origin):
    with Proxy(workers=2, generation=7) as proxy:
        assert proxy.hello == {"generation": "7", "pid": str(proxy.process.pid), "workers": "2",
                               "state": "current"}
        hello = proxy.connect_controller()
        assert hello == {"protocol": 1, "generation": 7, "pid": proxy.process.pid, "workers": 2}
        with open(f"/proc/self/fdinfo/{proxy.pidfd}") as f:
            assert f"Pid:\t{proxy.process.pid}\n" in f.read()
        with pytest.raises(OSError):
            os.ftruncate(proxy.counters_fd, 0)


def test_it_accepts_nothing_before_it_has_routes(origin):
    with Proxy() as proxy, proxy.connect() as early:
        early.sendall(HEAD)
        proxy.ping()
        assert proxy.shard_total("connections_opened") == 0
        proxy.route("web", {"blue": [origin.address]})
        assert read_answer(early)[0] == 200


def test_it_serves_from_a_snapshot_without_a_controller(origin):
    with Proxy(snapshot=snapshot_of(origin.address), controller=False) as proxy:
        assert proxy.get()[2] == b"ok"


def test_a_damaged_snapshot_is_used_as_far_as_it_goes(origin):
    lines = snapshot_of(origin.address)
    lines.insert(2, {"seq": 9, "service": {"name": 7}})
    lines.insert(2, {"nonsense": True})
    with Proxy(snapshot=lines, controller=False) as proxy:
        assert proxy.get()[2] == b"ok"


def test_a_later_snapshot_is_kept_for_the_next_supervisor_and_not_applied(origin):
    with Proxy(snapshot=snapshot_of(origin.address)) as proxy:
        proxy.give_snapshot(2, snapshot_of("127.0.0.1:1"))
        proxy.ping()
        assert proxy.get()[2] == b"ok"
        told = proxy.adopt()
        assert [m[0] for m in told] == ["hello", "listen", "snapshot", "ready"]
        assert told[2][1]["id"] == "2"
        text = os.pread(told[2][2][0], 100_000, 0).decode()
        assert json.loads(text.splitlines()[2])["instances"]["list"][0]["address"] == "127.0.0.1:1"


def test_a_new_supervisor_gets_everything_and_traffic_goes_on(origin):
    with Proxy(workers=2) as proxy, proxy.connect() as s:
        proxy.route("web", {"blue": [origin.address]})
        assert ask(s)[0] == 200
        proxy.channel.close()
        assert ask(s)[0] == 200
        told = proxy.adopt()
        assert told[0][1]["pid"] == str(proxy.process.pid) and len(told[0][2]) == 2
        assert told[1][1] == {"address": f"127.0.0.1:{proxy.port}", "shared": "0"}
        ports = {socket.socket(fileno=fd).getsockname()[1] for fd in told[1][2]}
        assert ports == {proxy.port} and len(told[1][2]) == 2
        assert ask(s)[0] == 200
        proxy.ping()


def test_a_new_controller_replaces_the_whole_state_at_once(origin):
    with Proxy() as proxy, Origin(answering(b"new")) as other, proxy.connect() as s:
        lines = proxy.service_lines("web", {"blue": [origin.address]})
        lines += proxy.service_lines("old", {"blue": [origin.address]},
                                     routes=[{"host": "old", "path": "/"}])
        assert not proxy.begin(lines)
        assert ask(s, host="old")[0] == 200
        proxy.stream.close()
        proxy.reader.close()
        assert ask(s)[0] == 200
        proxy.connect_controller()
        proxy.epoch, proxy.seq = 2, 0
        proxy.send_lines([{"hello": {"protocol": 1, "epoch": 2}}])
        for line in proxy.service_lines("web", {"blue": [other.address]}):
            proxy.seq += 1
            proxy.send_lines([{"seq": proxy.seq, **line}])
        proxy.ping()
        assert ask(s)[2] == b"ok" and ask(s, host="old")[2] == b"ok"  # nothing before `end`
        proxy.tell(end=True)
        assert ask(s)[2] == b"new" and ask(s, host="old")[2] == b"new"


def test_a_refused_line_in_a_whole_state_keeps_what_that_service_had(origin):
    with Proxy() as proxy, proxy.connect() as s:
        proxy.route("web", {"blue": [origin.address]})
        lines = proxy.service_lines("web", {"blue": [origin.address]})
        lines[1]["instances"]["list"][0]["gauge"] = 0
        assert len(proxy.begin(lines, epoch=2)) == 1
        assert ask(s)[0] == 200


def test_an_address_that_is_given_up_is_no_longer_served(origin):
    with Proxy() as proxy:
        proxy.route("web", {"blue": [origin.address]})
        more, port = listening_sockets(1)
        proxy.say(f"listen address=127.0.0.1:{port} shared=0", more)
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
            assert ask(s)[0] == 200
            proxy.say(f"unlisten address=127.0.0.1:{port}")
            proxy.ping()
            assert ask(s)[0] == 200  # what is open stays
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s:
            s.sendall(HEAD)
            proxy.ping()
            s.setblocking(False)
            with pytest.raises(BlockingIOError):
                s.recv(1)
            more[0].close()
        assert proxy.get()[0] == 200


@pytest.mark.parametrize("workers,sockets,shared", [(1, 4, False), (3, 5, False), (4, 2, False),
                                                    (3, 1, True)])
def test_every_socket_is_served_whatever_the_number_of_workers(origin, workers, sockets, shared):
    with Proxy(workers=workers, sockets=sockets, shared=shared) as proxy:
        proxy.route("web", {"blue": [origin.address]})
        for _ in range(40):  # the kernel spreads them over the sockets
            assert proxy.get()[0] == 200


def test_retiring_lets_a_download_end_and_then_exits():
    go = threading.Event()

    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
        go.wait(20)
        connection.send(b"x" * 100_000)
    with Origin(script) as origin, Proxy() as proxy:
        proxy.route("web", {"blue": [origin.address]})
        s = proxy.connect()
        s.sendall(HEAD)
        got = s.recv(1000)
        idle = proxy.connect()
        eventually(lambda: proxy.shard_total("connections_opened") == 2)
        proxy.say("retire drain_ms=20000")
        proxy.expect("retired")
        late = socket.create_connection(("127.0.0.1", proxy.port), 5)  # waits for a successor
        go.set()
        while len(got.partition(b"\r\n\r\n")[2]) < 200_000:
            more = s.recv(1 << 16)
            assert more
            got += more
        assert got.endswith(b"x" * 1000) and proxy.process.poll() is None
        s.close()
        idle.close()
        assert proxy.process.wait(PATIENCE_S) == 0
        assert json.loads(proxy.reader.readlines()[-1]) == {"bye": True}
        late.close()


def test_a_retiring_proxy_answers_open_connections_once_more_and_asks_them_to_close(origin):
    with Proxy() as proxy, proxy.connect() as s:
        proxy.route("web", {"blue": [origin.address]})
        assert "Connection" not in ask(s)[1]
        proxy.say("retire drain_ms=20000")
        proxy.expect("retired")
        status, fields, _ = ask(s)
        assert status == 200 and fields["Connection"] == "close"
        assert s.recv(1) == b""
        assert proxy.process.wait(PATIENCE_S) == 0


def test_the_drain_time_ends_what_never_ends(origin):
    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: x\r\n\r\n")
        connection.sock.recv(1)
    with Origin(script) as tunnel, Proxy() as proxy, proxy.connect() as s:
        proxy.route("web", {"blue": [tunnel.address]})
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        assert s.recv(12) == b"HTTP/1.1 101"
        proxy.say("retire drain_ms=300")
        assert proxy.process.wait(PATIENCE_S) == 0


def test_a_successor_on_the_same_sockets_loses_nothing(origin):
    with Proxy(workers=2, sockets=2) as old:
        old.route("web", {"blue": [origin.address]})
        with Proxy(workers=1, listeners=again(old.listeners), generation=2) as new:
            new.route("web", {"blue": [origin.address]})
            old.say("retire drain_ms=5000")
            old.expect("retired")
            for _ in range(30):
                assert new.get()[0] == 200
            assert old.process.wait(PATIENCE_S) == 0


def test_without_descriptors_accepting_pauses_and_goes_on():
    gate = threading.Event()

    def script(connection):
        while connection.read_head():
            gate.wait(20)
            connection.answer(b"ok")
    with Origin(script) as origin, Proxy(limit=64) as proxy:
        proxy.route("web", {"blue": [origin.address]})
        clients = [proxy.connect() for _ in range(120)]
        for c in clients:
            c.sendall(HEAD)
        eventually(lambda: proxy.shard_total("connections_opened") >= 5)
        loops = proxy.shard_total("loops")
        time.sleep(0.5)
        assert proxy.shard_total("loops") - loops < 100  # no spinning
        proxy.ping()
        gate.set()
        for c in clients:  # one after the other they get their turn
            assert read_answer(c)[0] == 200
            c.close()


def test_another_user_cannot_take_over(origin):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with Proxy() as proxy:
        proxy.route("web", {"blue": [origin.address]})
        os.chmod(proxy.directory, 0o755)
        os.chmod(proxy.takeover_path, 0o777)
        script = ("import os,socket,sys; os.setuid(65534); "
                  "s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); "
                  f"s.connect({proxy.takeover_path!r}); sys.exit(len(s.recv(100)))")
        assert subprocess.run(["/usr/bin/python3", "-c", script], timeout=20).returncode == 0
        proxy.ping()


def test_an_idle_proxy_does_nothing(origin):
    with Proxy() as proxy, proxy.connect() as s:
        proxy.route("web", {"blue": [origin.address]})
        ask(s)
        loops = proxy.shard_total("loops")
        time.sleep(1)
        assert proxy.shard_total("loops") - loops < 10


@needs_wrk
def test_two_hundred_switches_under_load_lose_nothing_and_take_moments():
    with FastOrigin("blue") as blue, FastOrigin("green") as green, Proxy(workers=2) as proxy:
        proxy.route("web", {"blue": [blue.address], "green": [green.address]})
        took = []
        with Wrk(proxy.port, 32) as wrk:
            for i in range(200):
                started = time.monotonic()
                proxy.switch("web", ("green", "blue")[i % 2])
                took.append(time.monotonic() - started)
                time.sleep(0.01)
        assert wrk.failed == 0 and wrk.requests > 500
        assert sorted(took)[100] < (0.5 if SANITIZED else 0.05)
        eventually(lambda: all(a == b for o, s in ((blue, "blue"), (green, "green"))
                               for a, b in [proxy.gauge("web", s, o.address)]))
        cells = [proxy.cell("web", s) for s in ("blue", "green")]
        assert all(c["errors"] == 0 and c["claimed"] == c["requests"] > 0 for c in cells)


@needs_wrk
def test_an_instance_that_is_killed_under_load_costs_no_request():
    with FastOrigin("a") as a, FastOrigin("b") as b, Proxy(workers=2) as proxy:
        proxy.route("web", {"blue": [a.address, b.address]})
        with Wrk(proxy.port, 32) as wrk:
            eventually(lambda: proxy.gauge("web", "blue", a.address)[1] > 500)
            a.process.kill()
            done = proxy.cell("web", "blue")["requests"]
            eventually(lambda: proxy.cell("web", "blue")["requests"] > done + 500)
        assert wrk.failed == 0 and wrk.requests > 1000
        assert proxy.cell("web", "blue")["retries"] > 0


@needs_wrk
def test_holding_and_instances_that_come_and_go_under_load_lose_nothing():
    with FastOrigin("a") as a, FastOrigin("b") as b, Proxy(workers=2) as proxy:
        proxy.route("web", {"blue": [a.address, b.address]})
        service = proxy.service_lines("web", {"blue": []})[0]["service"]
        turn, end = 0, time.monotonic() + LOAD_S
        with Wrk(proxy.port, 32) as wrk:
            while time.monotonic() < end:
                turn += 1
                proxy.tell(service={**service, "traffic": "hold"})
                addresses = ([a.address], [b.address], [a.address, b.address])[turn % 3]
                proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
                proxy.tell(service={**service, "traffic": "serve"})
                proxy.ping()
        assert wrk.failed == 0 and turn > 10


@needs_wrk
def test_generations_that_replace_each_other_under_load_lose_nothing():
    with FastOrigin("v") as origin, contextlib.ExitStack() as generations:
        listeners, port = listening_sockets(2)

        def begin(generation):
            new = generations.enter_context(
                Proxy(workers=2, listeners=again(listeners), generation=generation))
            new.route("web", {"blue": [origin.address]})
            return new

        generation, old, end = 1, begin(1), time.monotonic() + LOAD_S
        with Wrk(port, 32) as wrk:
            while time.monotonic() < end:
                generation += 1
                new = begin(generation)
                old.say("retire drain_ms=10000")
                old.expect("retired")
                assert old.process.wait(PATIENCE_S) == 0
                old = new
        for s in listeners:
            s.close()
        assert wrk.failed == 0 and generation > 3 and wrk.requests > 500


def test_ten_thousand_services_switch_as_fast_as_one(origin):
    with Proxy() as proxy:
        lines = []
        for i in range(10_000):
            name = f"s{i}"
            lines += [
                {"service": {"name": name, "routes": [{"host": f"{name}.example", "path": "/"}]}},
                {"instances": {"service": name, "list": [
                    {"id": f"{name}-0", "slot": "blue", "address": origin.address,
                     "gauge": i + 1, "healthy": True}]}},
                {"splits": [{"service": name, "generation": 1,
                             "weights": {"blue": 10000, "green": 0},
                             "cells": {"blue": 2 * i, "green": 2 * i + 1}}]}]
        started = time.monotonic()
        sender = threading.Thread(target=lambda: setattr(proxy, "refused", proxy.begin(lines)))
        sender.start()
        sender.join(60)
        assert proxy.refused == []
        took = time.monotonic() - started
        assert took < (60 if SANITIZED else 10)
        times = []
        for i in range(50):
            started = time.monotonic()
            proxy.cells[("s77", "blue")], proxy.cells[("s77", "green")] = 154, 155
            proxy.switch("s77", "green" if i % 2 else "blue")
            times.append(time.monotonic() - started)
        assert sorted(times)[25] < 0.02
        assert proxy.get(host="s77.example")[0] in (200, 503)
