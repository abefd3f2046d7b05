# SPDX-License-Identifier: Apache-2.0
"""What lasts is told before its time is over: WebSockets by a close frame, event streams by their end."""
import struct
import time

import pytest
from dataplane import PATIENCE_S, Proxy, eventually
from wire import Origin, Peer, status

UPGRADE = (b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
GET = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = EVENTS + b"Transfer-Encoding: chunked\r\n\r\n"
GOING_AWAY = b"\x88\x02\x03\xe9"
DRAIN_MS = 1500


def frame(payload, opcode=1, mask=b""):
    assert len(payload) < 126
    data = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload
    return struct.pack("BB", 0x80 | opcode, len(data) | (0x80 if mask else 0)) + mask + data


def masked(payload, opcode=1):
    return frame(payload, opcode, b"\x01\x02\x03\x04")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Stage:
    """A proxy with one service, and a client that an origin talks to."""

    def __init__(self, proxy, origin):
        self.proxy, self.origin = proxy, origin
        proxy.route("web", {"blue": [origin.address]}, drain_ms=DRAIN_MS)

    def open(self, request=UPGRADE, answer=SWITCH, wanted=101):
        client = Peer(self.proxy.connect()).send(request)
        up = self.origin.accept()
        up.head()
        up.send(answer)
        assert status(client.head()) == wanted
        return client, up

    def retire(self):
        self.proxy.say(f"retire drain_ms={DRAIN_MS}")
        self.proxy.expect("retired")

    def stand_by(self, leaving=True):
        """Its version gets no traffic any more, and may come back."""
        address = self.origin.address
        self.proxy.tell(instances=self.proxy.roster("web", {"blue": [address]}, leaving=[address] if leaving else ()))

    def drain(self):
        """The instance leaves the list, as when it is about to be stopped."""
        self.proxy.tell(instances=self.proxy.roster("web", {"blue": []}))


@pytest.fixture
def stage():
    with Origin() as origin, Proxy() as proxy:
        yield Stage(proxy, origin)


@pytest.fixture(params=["retire", "stand_by", "drain"])
def leave(request, stage):
    return getattr(stage, request.param)


def test_a_websocket_is_closed_with_going_away_and_its_answer_reaches_the_instance(stage, leave):
    client, up = stage.open()
    up.send(frame(b"hello"))
    assert client.exact(7) == frame(b"hello")
    leave()
    assert client.exact(4) == GOING_AWAY
    client.send(masked(b"the last words") + masked(b"\x03\xe9", 8))
    assert up.exact(20) == masked(b"the last words")
    assert up.exact(8) == masked(b"\x03\xe9", 8)
    up.send(frame(b"too late") + frame(b"\x03\xe9", 8)).close()
    assert client.ended()
    if leave != stage.retire:  # else the proxy has gone
        eventually(lambda: stage.proxy.cell("web", "blue")["requests"] == 1)
        assert stage.proxy.cell("web", "blue")["errors"] == 0


def test_the_close_frame_waits_for_the_end_of_the_instances_frame(stage, leave):
    client, up = stage.open()
    whole = b"\x82\x7e\x04\x00" + b"x" * 1024
    up.send(whole[:100])
    assert client.exact(100) == whole[:100]
    leave()
    assert not client.buffer
    time.sleep(DRAIN_MS * 0.8 / 1000)  # every farewell has been said by then
    assert client.quiet()
    up.send(whole[100:] + frame(b"next"))
    assert client.exact(len(whole) - 100 + 4) == whole[100:] + GOING_AWAY
    client.send(masked(b"\x03\xe9", 8)).finish()
    assert up.exact(8) == masked(b"\x03\xe9", 8)
    up.close()
    assert client.ended()


def test_a_client_that_does_not_answer_is_closed_at_the_end_and_the_instance_told(stage, leave):
    client, up = stage.open()
    leave()
    assert client.exact(4) == GOING_AWAY
    assert up.exact(8) == b"\x88\x82\0\0\0\0\x03\xe9"
    assert up.rest()[0] == b"" and client.rest()[0] == b""


def test_websockets_leave_one_after_the_other(stage, leave):
    import select
    pairs = [stage.open() for _ in range(20)]
    started = time.monotonic()
    leave()
    waiting, times = [c.sock for c, _ in pairs], []
    while waiting:
        for sock in select.select(waiting, [], [], PATIENCE_S)[0]:
            assert sock.recv(4) == GOING_AWAY
            times.append(time.monotonic() - started)
            waiting.remove(sock)
    assert times[-1] - times[0] > DRAIN_MS / 1000 / 10  # by chance not true once in 10**15


def test_who_was_not_told_stays_when_the_version_comes_back(stage):
    pairs = [stage.open() for _ in range(8)]
    stage.stand_by()
    stage.stand_by(leaving=False)
    time.sleep(DRAIN_MS * 0.8 / 1000)
    told = 0
    for client, up in pairs:
        up.send(frame(b"still"))
        if client.exact(4) == GOING_AWAY:  # by chance, in the moment between
            told += 1
        else:
            assert client.exact(3) == b"ill"
    assert told < len(pairs) / 2
    stage.stand_by()
    for client, up in pairs:
        up.send(frame(b"x"))
        assert client.until(GOING_AWAY)


def test_who_comes_to_a_version_that_stands_by_is_told_in_time(stage):
    stage.stand_by()  # a request that was placed a moment before
    client, up = stage.open()
    assert client.exact(4) == GOING_AWAY


def test_the_time_is_not_given_again_when_the_instance_leaves_the_list(stage):
    client, up = stage.open()
    started = time.monotonic()
    stage.stand_by()
    stage.proxy.tell(service={"name": "web", "routes": [{"host": None, "path": "/"}], "drain_ms": 3600000})
    stage.drain()
    assert client.exact(4) == GOING_AWAY
    assert up.exact(8) == b"\x88\x82\0\0\0\0\x03\xe9"
    assert up.rest()[0] == b"" and client.rest()[0] == b""
    assert time.monotonic() - started < PATIENCE_S


def test_another_tunnel_is_given_the_time(stage):
    client, up = stage.open(UPGRADE.replace(b"WebSocket", b"other"),
                            SWITCH.replace(b"websocket", b"other"))
    stage.drain()
    time.sleep(DRAIN_MS * 0.8 / 1000)
    up.send(b"still")
    assert client.exact(5) == b"still"
    assert client.quiet()


def test_an_event_arrives_while_the_answer_is_open(stage):
    for answer, event, wanted in [
            (CHUNKED, chunk(b"data: 1\n\n"), chunk(b"data: 1\n\n")),
            (EVENTS + b"Connection: close\r\n\r\n", b"data: 1\n\n", chunk(b"data: 1\n\n"))]:
        client, up = stage.open(GET, answer, 200)
        up.send(event)
        assert client.exact(len(wanted)) == wanted
        assert client.quiet()
        up.send(event)
        assert client.exact(len(wanted)) == wanted
        client.close()


def test_a_chunked_event_stream_ends_behind_a_whole_event(stage, leave):
    client, up = stage.open(GET, CHUNKED, 200)
    up.send(chunk(b"data: 1\n\n") + chunk(b"data: 2\n"))
    assert client.exact(27) == chunk(b"data: 1\n\n") + chunk(b"data: 2\n")
    leave()
    time.sleep(DRAIN_MS * 0.8 / 1000)
    assert client.quiet()
    up.send(chunk(b"\n") + chunk(b"data: 3\n\n"))
    assert client.exact(11) == chunk(b"\n") + b"0\r\n\r\n"
    assert up.rest()[0] == b""


@pytest.mark.parametrize("answer, wrap", [(CHUNKED, chunk), (EVENTS + b"Connection: close\r\n\r\n", bytes)],
                         ids=["chunked", "until-close"])
def test_a_silent_event_stream_ends_at_once(stage, leave, answer, wrap):
    client, up = stage.open(GET, answer, 200)
    up.send(wrap(b"data: 1\n\n"))
    assert client.exact(14) == chunk(b"data: 1\n\n")
    leave()
    assert client.exact(5) == b"0\r\n\r\n"
    assert up.rest()[0] == b""


def test_an_event_stream_until_close_ends_behind_a_whole_event(stage, leave):
    client, up = stage.open(GET, EVENTS + b"Connection: close\r\n\r\n", 200)
    up.send(b"data: 1\n\ndata: 2")
    assert client.exact(22) == chunk(b"data: 1\n\ndata: 2")
    leave()
    time.sleep(DRAIN_MS * 0.8 / 1000)
    up.send(b"\n\ndata: 3\n\n")
    assert client.exact(12) == chunk(b"\n\n") + b"0\r\n\r\n"


def test_an_event_stream_to_http_1_0_ends_behind_a_whole_event(stage, leave):
    for answer, wrap in [(CHUNKED, chunk), (EVENTS + b"Connection: close\r\n\r\n", bytes)]:
        client, up = stage.open(GET.replace(b"1.1", b"1.0"), answer, 200)
        up.send(wrap(b"data: 1\n\n"))
        assert client.exact(9) == b"data: 1\n\n"
        if wrap is chunk:
            first = client
    leave()
    assert first.rest() == (b"", False) and client.rest() == (b"", False)


def test_after_the_end_of_its_stream_a_client_asks_again_on_the_same_connection(stage):
    client, up = stage.open(GET, CHUNKED, 200)
    with Origin() as other:
        stage.proxy.tell(instances=stage.proxy.roster("web", {"blue": [other.address]}))
        assert client.exact(5) == b"0\r\n\r\n"
        client.send(GET)
        again = other.accept()
        again.head()
        again.send(CHUNKED)
        assert status(client.head()) == 200
        client.close()


def test_a_download_runs_on(stage):
    client, up = stage.open(GET, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", 200)
    assert client.exact(5) == b"12345"
    stage.retire()
    time.sleep(DRAIN_MS * 0.8 / 1000)
    up.send(b"67890")
    assert client.rest() == (b"67890", False)
