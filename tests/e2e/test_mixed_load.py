# SPDX-License-Identifier: Apache-2.0
"""Upgrades of the proxy and releases under everything at once: requests of HTTP/1.1 and HTTP/2, WebSockets, event
streams and long downloads. Nothing fails inside the drain time: what lasts longer is told, and comes again.
BASCULE_UPGRADES sets how many upgrades follow each other."""
import base64
import contextlib
import os
import shutil
import socket
import time

import pytest

pytest.importorskip("hpack", reason="python3-hpack is not installed")

from daemon import PATIENCE_S, PYTHON, ROOT, Daemon, processes_of, wait_until  # noqa: E402
from load import Threads, Wrk  # noqa: E402
from h2peer import H2Peer  # noqa: E402

DRAIN_S = 4
UPGRADES = int(os.environ.get("BASCULE_UPGRADES", 5))


class Lasting(Threads):
    """Clients, each of which does `one(socket)` again and again; what it raises is a failure."""

    def __init__(self, port, threads=6):
        super().__init__(*[self.run] * threads)
        self.port, self.done, self.begun, self.told, self.moved, self.failed = port, 0, 0, 0, 0, []
        self.versions = set()  # that answered

    def run(self):
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as s, s.makefile("rb") as f:
                    self.one(s, f)
                    self.done += 1
            except Exception as trouble:  # whatever it is, a user would have seen it
                self.failed.append(f"{type(self).__name__}: {trouble!r}")
                time.sleep(0.05)

    def ask(self, s, f, path, fields=""):
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = f.readline()
            assert line, "ended in the head"
            head += line
        self.versions.update(line[11:].decode() for line in head.split(b"\r\n") if line.startswith(b"X-Version: "))
        return head


class WebSockets(Lasting):
    """Says something and hears it, until told to leave by a close frame."""

    def one(self, s, f):
        key = base64.b64encode(os.urandom(16)).decode()
        head = self.ask(s, f, "/chat", f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n"
                                       "Sec-WebSocket-Version: 13\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.begun += 1
        number = 0
        while not self.ending.is_set():
            text = b"hello %d" % number
            with contextlib.suppress(BrokenPipeError):
                s.sendall(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)
            number += 1
            opcode, data = self.frame(f)
            if opcode == 8:
                assert data == b"\x03\xe9", data
                self.told += 1
                s.sendall(b"\x88\x82\0\0\0\0\x03\xe9")
                assert f.read() == b"", "more after the close frame"
                return
            assert data == text
            self.moved += 1
            time.sleep(0.02)

    @staticmethod
    def frame(f):
        head = f.read(2)
        assert len(head) == 2, "ended without a close frame"
        data = f.read(head[1])
        assert len(data) == head[1], "ended in a frame"
        return head[0] & 15, data


class EventStreams(Lasting):
    """Reads events; a clean end behind a whole event is what EventSource comes again after."""

    def one(self, s, f):
        head = self.ask(s, f, "/events")
        assert head.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in head, head
        self.begun += 1
        data = b""
        while not self.ending.is_set():
            size = int(f.readline() or b"broken", 16)
            data += f.read(size)
            assert f.read(2) == b"\r\n"
            self.moved += 1
            if size == 0:
                assert data.endswith(b"\n\n"), data[-40:]
                self.told += 1
                return


class Downloads(Lasting):
    def one(self, s, f):
        head = self.ask(s, f, "/download")
        assert head.startswith(b"HTTP/1.1 200 "), head
        size = len(f.read(61440))
        assert size == 61440, f"{size} bytes of a download"
        self.moved += 1


class Http2(Lasting):
    """Requests of a connection, some at a time, until GOAWAY; what that leaves out was not begun, and is asked for
    again."""
    AT_ONCE = 5

    def one(self, s, _):
        peer, asked = H2Peer(s), []
        while asked or not (peer.goaways or self.ending.is_set()):
            while len(asked) < self.AT_ONCE and not (peer.goaways or self.ending.is_set()):
                asked.append(peer.request(method="POST", extra=[("content-length", "100")], body=b"b" * 100))
            try:
                stream = peer.answer(asked[0])
            except EOFError:
                assert len(peer.goaways) == 2 and peer.goaways[1][0] < asked[0], "ended under a request"
                break
            assert stream.status == 200 and stream.data == b"ok\n", (stream.heads, stream.reset)
            asked.pop(0)
            self.moved += 1
            time.sleep(0.002)
        self.told += bool(peer.goaways)


@pytest.fixture
def daemon():
    one = Daemon({})
    shutil.copy(ROOT / "tests" / "support" / "mixed_app.py", one.folder / "app.py")
    one.services["web"] = {
        "command": [PYTHON, "app.py"], "directory": str(one.folder), "replicas": 2, "route": {"path": "/"},
        "health": {"path": "/", "interval": "200ms", "timeout": "5s", "deadline": "20s"},
        "deploy": {"bake": "0s", "standby": "0s", "drain": f"{DRAIN_S}s"}}
    one.configure(proxy={"workers": 2, "drain": f"{DRAIN_S}s"})
    with one.start():
        one.do("deploy", "web", "v1")
        yield one


def under_mixed_load(daemon, act):
    port = daemon.port
    with contextlib.ExitStack() as stack:
        kinds = [stack.enter_context(kind(port, threads)) for kind, threads in
                 ((WebSockets, 6), (EventStreams, 6), (Downloads, 4), (Http2, 2))]
        wrk = stack.enter_context(Wrk(port, connections=2))
        wait_until(lambda: kinds[3].moved > 100, "the load runs")
        act(kinds)
    assert [kind.failed for kind in kinds] == [[], [], [], []]
    assert wrk.failed == 0 and wrk.requests > 100
    return kinds


def proxies_of(daemon):
    return {pid for pid, command in processes_of(daemon.folder).items() if "bascule-proxy" in command.split()[0]}


def wait_all_there(kinds, turn):
    """Who was told has come back: else it would meet the next proxy, or version, and not be told again."""
    wait_until(lambda: kinds[0].begun >= 6 * turn and kinds[1].begun >= 6 * turn, f"all are there for turn {turn}")


def test_upgrades_of_the_proxy_break_nothing(daemon):
    """Once so that all who last are told, then many in a row, so that several proxies drain at once."""
    def act(kinds):
        wait_all_there(kinds, 1)
        daemon.do("upgrade")
        wait_until(lambda: kinds[0].told >= 6 and kinds[1].told >= 6, "all who last were told")
        for turn in range(1, UPGRADES):
            before = [kind.moved for kind in kinds]
            daemon.do("upgrade")
            wait_until(lambda: all(kind.moved > was for kind, was in zip(kinds, before)), f"all go on, turn {turn}")
        last = daemon.pid("proxy")
        wait_until(lambda: proxies_of(daemon) == {last}, "the older proxies have gone")
        downloads = kinds[2].done
        wait_until(lambda: kinds[2].done >= downloads + 4, "downloads end")
    kinds = under_mixed_load(daemon, act)
    assert kinds[3].told >= 2


def test_releases_break_nothing(daemon):
    def act(kinds):
        for turn, version in enumerate(("v2", "v1"), 1):
            wait_all_there(kinds, turn)
            daemon.do("deploy", "web", version)
            wait_until(lambda: kinds[0].told >= 6 * turn and kinds[1].told >= 6 * turn,
                       f"all who last were told of {version}")
    under_mixed_load(daemon, act)


def test_who_lasts_moves_to_the_new_version_while_the_old_one_stands_by(daemon):
    daemon.services["web"]["deploy"]["standby"] = "10m"
    daemon.configure(proxy={"workers": 2, "drain": f"{DRAIN_S}s"})
    daemon.do("apply")
    with WebSockets(daemon.port, 6) as chats, EventStreams(daemon.port, 6) as streams:
        wait_until(lambda: chats.begun == 6 and streams.begun == 6, "all are there")
        for turn, command in enumerate((("deploy", "web", "v2"), ("rollback", "web")), 1):
            daemon.do(*command)
            last = daemon.settled()
            assert last["step"] == len(last["steps"])
            wait_until(lambda: chats.begun >= 6 * turn + 6 and streams.begun >= 6 * turn + 6, "all have come again")
            if turn == 1:
                assert daemon.slot("blue" if daemon.service()["live"] == "green" else "green")["state"] == "standby"
    assert chats.failed == [] and streams.failed == []
    assert streams.versions == {"v1", "v2"}
    assert not [event for event in daemon.json("events") if event["kind"] == "drain"]  # at its deadline
