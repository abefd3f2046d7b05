# SPDX-License-Identifier: Apache-2.0
"""What the API keeps open: live events that lose nothing, followed logs, many connections at once, and
how they end with the daemon."""
import json
import os
import signal
import socket
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from api_client import SLOW, Connection, Events, request
from api_daemon import Daemon
from daemon import wait_until


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("streams"))
    daemon.deploy("v1")
    yield daemon
    daemon.stop()


def newest(daemon):
    return daemon.get("/v1/events?limit=1").json[0]["sequence"]


def ids(seen):
    return [number for number, _, _ in seen if number]


def is_text(part):
    return lambda event: event[1] == "message" and part in json.dumps(event[2])


def test_a_deploy_is_seen_live_in_order_and_without_a_gap(daemon):
    before = newest(daemon)
    with Events(daemon.socket) as events:
        ended = daemon.deploy("v2")
        seen = events.until(lambda event: event[1] == "message" and event[2]["kind"] == "promoted")
    assert ids(seen) == list(range(before + 1, before + 1 + len(ids(seen))))
    assert ended["id"] in {data["rollout"] for _, event, data in seen if event == "message"}
    assert {"service": "web"} in [data for _, event, data in seen if event == "changed"]
    assert [data for _, event, data in seen if event == "message"] == daemon.get(
        f"/v1/events?after={before}&limit={len(ids(seen))}").json


def test_a_reader_that_comes_back_gets_exactly_what_it_missed(daemon):
    before = newest(daemon)
    for mode in ("maintenance", "serve", "maintenance", "serve"):
        daemon.set_traffic(mode)
    last = newest(daemon)
    with Events(daemon.socket, last=before + 1) as events:
        seen = events.until(lambda event: event[0] == last)
    assert ids(seen) == list(range(before + 2, last + 1))
    with Events(daemon.socket, f"/v1/events?after={before}") as events:
        assert ids(events.until(lambda event: event[0] == last)) == list(range(before + 1, last + 1))


def test_a_reader_from_another_database_begins_with_what_comes(daemon):
    last = newest(daemon)
    with Events(daemon.socket, last=last + 1000000) as events:
        daemon.set_traffic("maintenance")
        got = ids(events.until(is_text("maintenance")))
    assert got == list(range(got[0], got[-1] + 1)) and got[0] > last  # an earlier test may still be told of
    daemon.set_traffic("serve")


def test_a_bad_place_to_begin_is_refused(daemon):
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "soon"}
    assert daemon.get("/v1/events", headers=headers).status == 400
    assert daemon.get("/v1/events?after=-1", headers={"Accept": "text/event-stream"}).status == 400


def test_a_stream_of_one_service_tells_of_no_other(daemon):
    with Events(daemon.socket, "/v1/events?service=fixed") as events:
        daemon.set_traffic("maintenance")
        daemon.set_traffic("serve")
        daemon.set_traffic("maintenance", "fixed")
        seen = events.until(is_text("maintenance"))
        assert {data["service"] for _, _, data in seen} == {"fixed"}
    daemon.set_traffic("serve", "fixed")


def test_a_reader_that_slept_gets_everything_afterwards(daemon):
    """More than its socket holds: the rest waits in the store, not in memory."""
    before = newest(daemon)
    with Events(daemon.socket) as events:
        for _ in range(60):
            daemon.set_traffic("maintenance")
            daemon.set_traffic("serve")
        last = newest(daemon)
        seen = events.until(lambda event: event[0] == last)
    assert ids(seen) == list(range(before + 1, last + 1))


def test_a_thousand_connections_are_bounded_and_leave_no_trace(daemon):
    controller = daemon.get("/v1/status").json["processes"]["controller"]

    def descriptors():
        return len(os.listdir(f"/proc/{controller}/fd"))

    before, sockets = descriptors(), []
    try:
        for _ in range(1000):
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].settimeout(SLOW)
            sockets[-1].connect(str(daemon.socket))
            sockets[-1].sendall(b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = {one.recv(15) for one in sockets}
        assert answers == {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Se"}
    finally:
        for one in sockets:
            one.close()
    wait_until(lambda: descriptors() <= before, "every connection is closed")
    assert daemon.get("/v1/version").status == 200


def test_streams_are_bounded_and_given_back(daemon):
    streams = []
    try:
        with pytest.raises(AssertionError, match="too many open streams"):
            for _ in range(200):
                streams.append(Events(daemon.socket))
        assert len(streams) >= 100
        assert daemon.get("/v1/status").status == 200
    finally:
        for stream in streams:
            stream.close()

    def opens():
        try:
            Events(daemon.socket).close()
            return True
        except AssertionError:
            return False

    wait_until(opens, "a stream is free again")


# --- Logs ---


def say(daemon, word):
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/say/{word}", timeout=SLOW) as answer:
        answer.read()


def live_instance(daemon):
    web = daemon.service()
    return web["slots"][web["live"]]["instances"][0]["id"]


def test_logs_come_with_their_instance_and_nothing_steers_a_terminal(daemon):
    daemon.deploy("v3")
    name = live_instance(daemon)
    answer = wait_until(lambda: (found := daemon.get(f"/v1/services/web/logs?instance={name}")).bytes and found,
                      "the first line is there")
    assert answer.type == "text/plain"
    assert answer.bytes.decode() == f"{name} | begin v3 \\x1b[2J\n"
    for number in range(5):
        say(daemon, f"line-{number}")
    wait_until(lambda: b"line-4" in daemon.get("/v1/services/web/logs").bytes, "the last line is there")
    lines = daemon.get(f"/v1/services/web/logs?instance={name}&lines=2").bytes.decode().splitlines()
    assert lines == [f"{name} | line-3", f"{name} | line-4"]


def test_a_followed_log_goes_on_with_the_next_release(daemon):
    first = live_instance(daemon)
    connection = Connection(daemon.socket)
    connection.request("GET", "/v1/services/web/logs?follow=true&lines=0")
    response = connection.getresponse()

    def next_line(part):
        while part not in (line := response.readline().decode()):
            assert line, "the log ended"
        return line

    say(daemon, "one-more")
    assert next_line("one-more") == f"{first} | one-more\n"
    daemon.deploy("v4")
    second = live_instance(daemon)
    assert second != first
    assert next_line("begin v4").startswith(f"{second} | ")
    say(daemon, "and-another")
    assert next_line("and-another") == f"{second} | and-another\n"
    connection.close()


# --- The daemon comes and goes ---


def test_a_controller_that_was_killed_answers_again_on_the_same_socket(daemon):
    last = newest(daemon)
    controller = daemon.get("/v1/status").json["processes"]["controller"]
    stream = Events(daemon.socket)
    os.kill(controller, signal.SIGKILL)
    wait_until(lambda: daemon.is_ready() and daemon.get("/v1/status").json["processes"]["controller"] != controller,
             "a new controller answers")
    stream.close()
    daemon.set_traffic("maintenance")
    daemon.set_traffic("serve")
    with Events(daemon.socket, last=last) as events:
        assert ids([events.next()]) == [last + 1]


def test_the_daemon_stops_at_once_although_streams_are_open(tmp_path):
    daemon = Daemon(tmp_path)
    streams = [Events(daemon.socket) for _ in range(3)]
    idle = socket.socket(socket.AF_UNIX)
    idle.connect(str(daemon.socket))
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < SLOW / 2
    for stream in streams:
        stream.close()
    idle.close()
    assert not daemon.socket.exists()


# --- Who may ---


def as_stranger(target, groups=()):
    """Runs `target` as nobody in a child; what it returns comes back through a pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(list(groups))
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, target().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return data.decode()


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_stranger_is_refused_and_told_which_group_to_join(daemon):
    def ask():
        answer = request(opened, "GET", "/v1/status")
        return f"{answer.status} {answer.json['type']} {answer.json['detail']}"

    def connect():
        try:
            socket.socket(socket.AF_UNIX).connect(str(opened))
            return "connected"
        except PermissionError:
            return "refused"

    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    opened = folder / "api.sock"  # where nobody's way to the state directory is barred
    try:
        folder.chmod(0o755)
        os.link(daemon.socket, opened)
        assert as_stranger(connect) == "refused"
        os.chmod(opened, 0o666)  # whatever opened it up: the peer's credentials still count
        answer = as_stranger(ask)
        for _ in range(5):
            as_stranger(ask)
    finally:
        os.chmod(daemon.socket, 0o600)
        opened.unlink()
        folder.rmdir()
    assert answer.startswith("403 urn:bascule:denied ")
    assert "group bascule" in answer and "nobody" in answer
    told = [event for event in daemon.get("/v1/events?limit=1000").json if event["kind"] == "refused"]
    assert [(event["actor"], event["error"]) for event in told] == [("nobody", "denied")], "once a minute"
    assert "may not use the API's socket" in told[0]["text"]
