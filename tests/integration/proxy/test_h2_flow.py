# SPDX-License-Identifier: Apache-2.0
"""HTTP/2: windows, floods and the end of a connection (row 34 of the catalogue of faults)."""
import struct
import time

import pytest

pytest.importorskip("hpack", reason="python3-hpack is not installed")

from h2peer import PREFACE, H2Peer  # noqa: E402
from wire import PATIENCE_S, Origin  # noqa: E402
from dataplane import Proxy, eventually  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CALM, COMPRESSION = 11, 9
HEADERS, PRIORITY, RST, SETTINGS, PING, UPDATE, CONTINUATION = 1, 2, 3, 4, 6, 8, 9


def test_an_answer_waits_for_the_clients_window(site):
    h2 = site.h2_client(settings={4: 1000})
    number = h2.request()
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300000)
    stream = h2.head_of(number)
    h2.wait(lambda: len(stream.data) == 1000)
    assert h2.quiet()
    h2.window(number, 500)
    h2.wait(lambda: len(stream.data) == 1500)
    assert h2.quiet()
    h2.window(0, 1 << 20)
    h2.window(number, 1 << 20)
    assert len(h2.answer(number).data) == 300000


def test_a_slow_stream_does_not_stop_the_others(site):
    h2 = site.h2_client(settings={4: 1000})
    slow, fast = h2.request(path="/slow"), None
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000)
    h2.wait(lambda: slow in h2.streams and len(h2.streams[slow].data) == 1000)
    fast = h2.request(path="/fast")
    other = site.origin.accept()
    other.head()
    other.send(OK)
    assert h2.answer(fast).data == b"ok"
    h2.window(slow, 200000)
    h2.window(0, 200000)
    assert len(h2.answer(slow).data) == 100000


def test_a_request_body_is_taken_in_only_as_the_origin_takes_it(h2):
    number = h2.request(method="POST", extra=[("content-length", "40000000")], end=False)
    up = h2.site.origin.accept()
    up.head()
    sent, frame = 0, b"y" * 16000
    window = 65535
    h2.sock.settimeout(0.3)
    try:  # the origin reads nothing: what is granted ends
        while sent < 40000000:
            while sent + len(frame) > window + h2.updates.get(number, 0):
                h2.read()
            h2.data(number, frame)
            sent += len(frame)
    except TimeoutError:
        pass
    assert sent < 20000000
    h2.sock.settimeout(PATIENCE_S)
    received = len(up.exact(sent - 70000))
    assert received
    h2.rst(number)


def test_a_large_body_arrives_whole_both_ways(h2):
    body = bytes(i * 7 % 251 for i in range(300000))
    number = h2.request(method="POST", end=False)
    up = h2.site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    stream, sent, back = h2.head_of(number), 0, 0
    while sent < len(body):
        piece = body[sent:sent + 16000]
        while sent + len(piece) > 65535 + h2.updates.get(number, 0):
            h2.read()
        h2.data(number, piece, end=sent + len(piece) == len(body))
        sent += len(piece)
        size = b""
        got = 0
        while got < len(piece):
            size = int(up.until(b"\r\n"), 16)
            data = up.exact(size)
            assert data == body[back:back + size]
            up.exact(2)
            up.send(b"%x\r\n%s\r\n" % (size, data))
            got, back = got + size, back + size
        h2.window(0, len(piece))
        h2.window(number, len(piece))
    assert up.until(b"0\r\n\r\n") == b"0\r\n\r\n"
    up.send(b"0\r\n\r\n")
    assert h2.answer(number).data == body and stream.ended


@pytest.fixture
def patient(options):
    """On a busy machine the floods below go on for longer than the proxy reads on by default."""
    options(linger_ms=60000)


def flooded(h2, send, limit=20000):
    """Sends until the connection ends; it must have been told to calm down."""
    floods = h2.site.proxy.shard_total("h2_floods")
    sent, broken = 0, None
    try:
        while sent < limit:
            send(sent)
            sent += 1
    except (BrokenPipeError, ConnectionResetError) as error:
        broken = error
    h2.end()
    assert h2.goaway == CALM, (h2.goaways, sent, broken)
    assert h2.site.proxy.shard_total("h2_floods") == floods + 1


def test_a_flood_of_pings_ends_the_connection(h2, patient):
    flooded(h2, lambda i: h2.raw(PING, body=b"01234567"))


def test_a_flood_of_settings_ends_the_connection(h2, patient):
    flooded(h2, lambda i: h2.raw(SETTINGS, body=struct.pack(">HI", 4, 65535)))


def test_a_flood_of_priorities_ends_the_connection(h2, patient):
    flooded(h2, lambda i: h2.raw(PRIORITY, stream=2 * i + 1, body=struct.pack(">IB", 0, 1)))


def test_a_flood_of_tiny_window_updates_ends_the_connection(h2, patient):
    flooded(h2, lambda i: h2.raw(UPDATE, body=struct.pack(">I", 1)))


def test_a_flood_of_empty_data_ends_the_connection(h2, patient):
    number = h2.request(method="POST", end=False)
    flooded(h2, lambda i: h2.data(number, b""))


def test_a_flood_of_requests_taken_back_ends_the_connection(h2, patient):
    def take_back(i):
        h2.rst(h2.request())
    flooded(h2, take_back, 3000)
    assert max(h2.streams, default=0) < 2000


def test_a_flood_of_malformed_requests_ends_the_connection(h2, patient):
    flooded(h2, lambda i: h2.request(extra=[("te", "gzip")]), 3000)


def test_a_head_in_endless_continuations_ends_the_connection(h2):
    h2.raw(HEADERS, 0, 1, h2.encoder.encode([(":method", "GET"), (":scheme", "http"),
                                            (":authority", "x"), (":path", "/")]))
    block = hpack_literal("x-a", "v" * 1000)
    try:
        for _ in range(2000):
            h2.raw(CONTINUATION, 0, 1, block)
    except (BrokenPipeError, ConnectionResetError):
        pass
    h2.end()
    assert h2.goaway is not None or not h2.streams


def hpack_literal(name, value):
    """Not indexed, not compressed."""
    size = len(value)
    head = bytes([0, len(name)]) + name.encode() + b"\x7f"
    size -= 127
    while size >= 128:
        head += bytes([size & 127 | 128])
        size >>= 7
    return head + bytes([size]) + value.encode()


def test_a_bomb_of_indexed_fields_costs_a_stream_only(h2):
    pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", h2.site.host), (":path", "/")]
    block = h2.encoder.encode(pseudo + [("x-bomb", "b" * 4000)])
    bomb = h2.encoder.encode([("x-bomb", "b" * 4000)])
    assert len(bomb) == 1
    h2.raw(HEADERS, 0x5, 1, block + bomb * 10000)
    assert h2.answer(1).reset is not None
    h2.next_id = 3
    number = h2.request()
    up = h2.site.origin.accept()
    up.head()
    up.send(OK)
    assert h2.answer(number).status == 200


def test_more_streams_than_agreed_are_refused(h2):
    h2.wait(lambda: h2.settings.get("seen"))
    assert h2.settings[3] == 100
    h2.site.serve([])  # nobody answers: but not at once
    h2.site.change(traffic="hold")
    numbers = [h2.request() for _ in range(101)]
    last = numbers[-1]
    try:
        assert h2.answer(last).reset == 7  # REFUSED_STREAM
    except (EOFError, ConnectionError):
        assert h2.goaway is not None
    h2.site.serve([h2.site.origin.address])


def test_garbage_ends_the_connection_with_a_reason(h2):
    h2.raw(HEADERS, 0x5, 1, b"\xff\xff\xff\xff\xff")
    h2.end()
    assert h2.goaway == COMPRESSION


def test_a_preface_that_stops_or_differs_is_no_session(site):
    client = site.client(PREFACE[:18] + b"XX")
    assert client.head().startswith(b"HTTP/1.1 505 ")
    client = site.client(site.get() + PREFACE)
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert client.head().startswith(b"HTTP/1.1 200 ")
    assert client.exact(2) == b"ok"
    assert client.head().startswith(b"HTTP/1.1 505 ")


def test_a_connection_that_had_its_share_of_requests_is_told_to_go(h2):
    h2.site.proxy.tell(options={"requests_max": 2, "streams_max": 7})
    try:
        numbers = [h2.request(), h2.request()]
        ups = [h2.site.origin.accept() for _ in numbers]
        h2.wait(lambda: len(h2.goaways) == 2)
        assert h2.goaways == [(2 ** 31 - 1, 0), (numbers[1], 0)]
        for up in ups:
            up.head()
            up.send(OK)
        assert [h2.answer(n).status for n in numbers] == [200, 200]
        h2.end()
        other = h2.site.h2_client()
        other.wait(lambda: other.settings.get("seen"))
        assert other.settings[3] == 7
    finally:
        h2.site.proxy.tell(options={})


def test_at_retirement_clients_are_told_in_two_steps_and_lose_nothing():
    with Origin() as origin, Proxy() as proxy:
        proxy.route("web", {"blue": [origin.address]})
        idle, busy = H2Peer(proxy.connect()), H2Peer(proxy.connect())
        number = busy.request()
        up = origin.accept()
        up.head()
        proxy.say("retire drain_ms=8000")
        proxy.expect("retired")
        busy.wait(lambda: busy.goaways)
        assert busy.goaways == [(2 ** 31 - 1, 0)]
        late = busy.request()  # before the second step it is still taken
        other = origin.accept()
        other.head()
        idle.end()
        assert idle.goaways == [(2 ** 31 - 1, 0), (0, 0)]
        busy.wait(lambda: len(busy.goaways) == 2)
        assert busy.goaways[1] == (late, 0)
        up.send(OK)
        other.send(OK)
        assert busy.answer(number).data == b"ok" and busy.answer(late).data == b"ok"
        busy.end()
        started = time.monotonic()
        assert proxy.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - started < 10


def test_a_client_that_is_far_away_has_the_time_to_hear_that_it_shall_go():
    with Origin() as origin, Proxy() as proxy:
        proxy.route("web", {"blue": [origin.address]})
        far = H2Peer(proxy.connect())
        far.acknowledges = False
        far.wait(lambda: far.settings.get("acknowledged"))
        proxy.say("retire drain_ms=16000")
        proxy.expect("retired")
        far.wait(lambda: far.pings)
        time.sleep(1.5)  # longer than for those who are near
        late = far.request()
        up = origin.accept()
        up.head()
        assert far.goaways == [(2 ** 31 - 1, 0)]
        far.raw(PING, 1, body=bytes(8))
        far.wait(lambda: len(far.goaways) == 2)
        assert far.goaways[1] == (late, 0)
        up.send(OK)
        assert far.answer(late).data == b"ok"
        far.end()


def test_a_head_on_its_way_does_not_put_off_the_notice():
    with Origin() as origin, Proxy() as proxy:
        proxy.route("web", {"blue": [origin.address]})
        slow = H2Peer(proxy.connect())
        slow.acknowledges = False  # no frame may come in between (RFC 9113 section 6.10)
        slow.wait(lambda: slow.settings.get("acknowledged"))
        proxy.say("retire drain_ms=4000")
        block = slow.encoder.encode([(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")])
        slow.raw(HEADERS, 1, 1, block[:2])
        started = time.monotonic()
        slow.wait(lambda: slow.goaways)
        assert time.monotonic() - started < 3.5  # it may take ten seconds for its head
        slow.raw(CONTINUATION, 4, 1, block[2:])
        up = origin.accept()
        up.head()
        up.send(OK)
        assert slow.answer(1).data == b"ok"
        slow.end()


def test_who_opens_no_window_is_given_up_in_time(site):
    site.serve(idle_ms=300)
    h2 = site.h2_client(settings={4: 10})
    number = h2.request()
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 200000)
    assert h2.answer(number).reset == 2 and len(h2.streams[number].data) == 10
    site.counted(requests=1, client_left=1)
    h2.window(0, 10)
    second = h2.request()
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert h2.answer(second).data == b"ok"


def test_an_answer_that_nobody_fetches_ends_with_the_idle_connection(h2):
    h2.site.proxy.tell(options={"keep_alive_ms": 300})
    try:
        other = h2.site.h2_client(settings={4: 0})
        number = other.request()
        up = h2.site.origin.accept()
        up.head()
        up.send(OK)
        h2.site.counted(requests=1, s2=1)  # it is through for the instance
        other.end()
        assert other.goaways == [(number, 0)] and other.streams[number].data == b""
    finally:
        h2.site.proxy.tell(options={})


def test_an_idle_connection_and_one_that_begins_a_head_are_closed_in_time(site):
    site.proxy.tell(options={"keep_alive_ms": 2000, "head_ms": 2000})
    try:
        idle, begun = site.h2_client(), site.h2_client()
        begun.raw(HEADERS, 0, 1, begun.encoder.encode([(":method", "GET")]))
        for peer in (idle, begun):
            peer.end()
            assert peer.goaway == 0
    finally:
        site.proxy.tell(options={})


def test_idle_connections_give_way_when_descriptors_run_short():
    with Origin() as origin, Proxy(limit=64) as proxy:
        proxy.route("web", {"blue": [origin.address]})
        proxy.tell(options={"pooled_max": 0})
        idle = [H2Peer(proxy.connect()) for _ in range(17)]
        for peer in idle:
            peer.wait(lambda: peer.settings.get("acknowledged"))
        time.sleep(1.2)  # what has just come is not idle yet
        for _ in range(18):
            with proxy.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                up = origin.accept()
                up.head()
                up.send(OK)
                assert client.recv(100).startswith(b"HTTP/1.1 200")
            idle.append(H2Peer(proxy.connect()))
        assert proxy.shard_total("idle_closed") >= 1
        idle[0].end()
        assert idle[0].goaways == [(0, 0)]


def test_a_client_that_reads_nothing_at_all_is_given_up_in_time(site):
    site.serve(idle_ms=300)
    site.proxy.tell(options={"keep_alive_ms": 300})
    try:
        closed = site.proxy.shard_total("connections_closed")
        h2 = site.h2_client(settings={4: 1 << 30})
        h2.window(0, 1 << 30)
        for _ in range(10):
            h2.request()
        for up in [site.origin.accept() for _ in range(10)]:
            up.head()
            up.sock.settimeout(0.1)
            try:
                up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 3000000)
            except (TimeoutError, ConnectionError):
                pass
        eventually(lambda: site.proxy.shard_total("connections_closed") > closed)
        eventually(lambda: site.in_flight() == 0)
    finally:
        site.proxy.tell(options={})


def test_half_a_frame_and_a_byte_at_a_time_are_no_hurry(site):
    h2 = site.h2_client(greet=False)
    batch, send = [], h2.send
    h2.send = batch.append
    h2.greet()
    number = h2.request(method="POST", body=b"hello")
    h2.send = send
    h2.drip(b"".join(batch))
    up = site.origin.accept()
    up.head()
    assert up.until(b"0\r\n\r\n").replace(b"5\r\nhello", b"")
    up.send(OK)
    assert h2.answer(number).data == b"ok"
