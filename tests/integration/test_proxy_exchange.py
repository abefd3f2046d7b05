# SPDX-License-Identifier: Apache-2.0
"""One request and its answer through the real proxy, in every shape that HTTP/1.1 has."""
import socket
import threading
import time

import pytest
from dataplane import PATIENCE_S, SANITIZED, ask, eventually, read_answer
from origins import Origin, answering

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def closed(sock):
    """What the peer still sends until it ends or resets the connection."""
    data = b""
    try:
        while True:
            more = sock.recv(65536)
            if not more:
                return data
            data += more
    except ConnectionResetError:
        return data


def serve(proxy, script, **options):
    origin = Origin(script)
    proxy.route("web", {"blue": [origin.address]}, **options)
    return origin


def test_requests_share_a_connection_on_both_sides(proxy):
    with serve(proxy, answering(b"hi")) as origin, proxy.connect() as s:
        for _ in range(5):
            assert ask(s)[::2] == (200, b"hi")
        assert origin.connections == 1
        assert proxy.gauge("web", "blue", origin.address) == (5, 5)
        cell = proxy.cell("web", "blue")
        assert (cell["claimed"], cell["requests"], cell["s2"], cell["errors"]) == (5, 5, 5, 0)
        assert cell["bytes_out"] == 10


def test_pipelined_requests_are_answered_in_order(proxy):
    def script(connection):
        while connection.read_head():
            connection.answer(connection.path.encode())
    with serve(proxy, script), proxy.connect() as s:
        s.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(50)))
        stream = s.makefile("rb")
        for i in range(50):
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            size = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            assert stream.read(size) == b"/%d" % i


@pytest.mark.parametrize("size", [0, 1, 5000, 3_000_000])
def test_bodies_pass_both_ways_whatever_their_size(proxy, size):
    body = bytes(i * 7 % 251 for i in range(1000)) * (size // 1000 + 1)
    body = body[:size]

    def echo(connection):
        while connection.read_head():
            connection.answer(connection.read_body())
    with serve(proxy, echo), proxy.connect() as s:
        for _ in range(2):
            assert ask(s, method="POST", body=body)[2] == body


def test_chunked_bodies_pass_both_ways_with_their_trailers(proxy):
    seen = []

    def echo(connection):
        while connection.read_head():
            seen.append(connection.read_body())
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    with serve(proxy, echo), proxy.connect() as s:
        for _ in range(2):
            s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            time.sleep(0.02)
            s.sendall(b"2\r\nde\r\n0\r\n\r\n")
            assert read_answer(s)[2] == b"hello world"
        assert seen == [b"abcde", b"abcde"]
        assert proxy.cell("web", "blue")["bytes_in"] == 10


def test_an_answer_until_close_becomes_chunked_and_ends_whole(proxy):
    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
    with serve(proxy, script), proxy.connect() as s:
        for _ in range(3):
            status, fields, body = ask(s)
            assert status == 200 and body == b"x" * 100_000
            assert fields["Transfer-Encoding"] == "chunked"


def test_an_http_1_0_client_gets_a_chunked_answer_as_plain_bytes(proxy):
    def script(connection):
        while connection.read_head():
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            + b"5\r\nhello\r\n" * 5000 + b"0\r\n\r\n")
    with serve(proxy, script), proxy.connect() as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = closed(s).partition(b"\r\n\r\n")
        assert body == b"hello" * 5000 and b"chunked" not in head


@pytest.mark.parametrize("method,status", [("HEAD", "200 OK"), ("GET", "204 No Content"),
                                           ("GET", "304 Not Modified")])
def test_answers_without_a_body_end_with_their_head(proxy, method, status):
    def script(connection):
        while connection.read_head():
            size = b"" if status.startswith("204") else b"Content-Length: 77\r\n"
            connection.send(b"HTTP/1.1 " + status.encode() + b"\r\n" + size + b"\r\n")
    with serve(proxy, script) as origin, proxy.connect() as s:
        for _ in range(3):
            assert ask(s, method=method)[0] == int(status[:3])
        assert origin.connections == 1


def test_interim_answers_pass_and_expect_is_left_to_the_application(proxy):
    def script(connection):
        while connection.read_head():
            assert connection.field("Expect") == "100-continue"
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                            b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.answer(connection.read_body())
    with serve(proxy, script), proxy.connect() as s:
        s.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        data = b""
        while not data.endswith(b"100 Continue\r\n\r\n"):
            data += s.recv(4096)
        assert data.startswith(b"HTTP/1.1 103 Early Hints\r\n")
        s.sendall(b"abc")
        assert read_answer(s)[2] == b"abc"


def test_interim_answers_never_reach_an_http_1_0_client(proxy):
    def script(connection):
        while connection.read_head():
            connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            connection.answer(b"ok")
    with serve(proxy, script), proxy.connect() as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert closed(s).startswith(b"HTTP/1.1 200 OK\r\n") or pytest.fail("no 200 first")


def test_an_upgrade_becomes_a_tunnel_whose_halves_close_one_by_one(proxy):
    def script(connection):
        connection.read_head()
        assert connection.field("Upgrade") == "echo"
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: echo\r\n\r\nhello ")
        while data := connection.sock.recv(65536):
            connection.send(data.upper())
        connection.send(b" bye")
    with serve(proxy, script) as origin, proxy.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
        stream = s.makefile("rb")
        assert stream.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        while stream.readline() != b"\r\n":
            pass
        s.sendall(b"later " * 20_000)
        assert proxy.gauge("web", "blue", origin.address) == (1, 0)
        s.shutdown(socket.SHUT_WR)
        assert stream.read() == b"hello " + b"EARLY " + b"LATER " * 20_000 + b" bye"
        eventually(lambda: proxy.gauge("web", "blue", origin.address) == (1, 1))
        assert proxy.cell("web", "blue")["s1"] == 1


def test_a_large_body_needs_constant_memory_and_a_slow_reader_slows_the_sender(proxy):
    total, block, sent = 300_000_000, b"x" * 100_000, [0]

    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent[0] < total:
            connection.send(block)
            sent[0] += len(block)
    with serve(proxy, script), proxy.connect() as s:
        s.sendall(HEAD)
        eventually(lambda: sent[0] > 0)
        seen = -1
        while seen != sent[0]:  # nobody reads: it must come to a halt
            seen = sent[0]
            time.sleep(0.3)
        assert seen < 60_000_000
        left = total + len(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
        view = bytearray(1 << 20)
        while left > 0:
            got = s.recv_into(view)
            assert got
            left -= got
        with open(f"/proc/{proxy.process.pid}/status") as f:
            peak = next(line for line in f if line.startswith("VmHWM"))
        if not SANITIZED:
            assert int(peak.split()[1]) < 20_000


@pytest.mark.parametrize("ending", ["end", "reset"])
def test_an_answer_that_ends_early_never_looks_complete(proxy, ending):
    def script(connection):
        connection.read_head()
        if connection.path == "/length":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        elif connection.path == "/chunked":
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf")
        elif connection.path == "/close":
            connection.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        time.sleep(0.05)
        if ending == "reset":
            connection.reset()
    with serve(proxy, script):
        paths = ["/length", "/chunked"] + (["/close"] if ending == "reset" else [])
        for path in paths:
            with proxy.connect() as s:
                with pytest.raises(Exception):  # IncompleteRead or a reset
                    ask(s, path)
        eventually(lambda: proxy.cell("web", "blue")["reset"] == len(paths))
        assert proxy.cell("web", "blue")["errors"] == len(paths)


def test_bytes_after_an_answer_end_that_connection_and_nothing_else(proxy):
    sent = threading.Semaphore(0)

    def script(connection):
        while connection.read_head():
            connection.answer(b"ok")
            try:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            finally:
                sent.release()
    with serve(proxy, script), proxy.connect() as s:
        for _ in range(5):
            assert ask(s)[2] == b"ok"
            # A request that is sent before them can't tell them from its own answer.
            assert sent.acquire(timeout=PATIENCE_S)
            proxy.ping()


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
                                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"])
def test_garbage_from_an_application_is_502(proxy, answer):
    def script(connection):
        connection.read_head()
        connection.send(answer)
        connection.sock.recv(1)
    with serve(proxy, script), proxy.connect() as s:
        for _ in range(2):
            status, fields, _ = ask(s)
            assert status == 502 and fields["X-Bascule-Reason"] == "bad-answer"


def test_an_answer_before_the_end_of_the_request_reaches_the_client(proxy):
    def script(connection):
        connection.read_head()
        connection.answer(b"too large", "413 Content Too Large")
        connection.sock.shutdown(socket.SHUT_WR)
        while connection.sock.recv(65536):
            pass
    with serve(proxy, script), proxy.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100000)
        status, fields, body = read_answer(s)
        assert (status, body) == (413, b"too large") and fields["Connection"] == "close"


def test_a_client_that_closed_its_half_still_gets_its_answer(proxy):
    gate = threading.Event()

    def script(connection):
        while connection.read_head():
            gate.wait(20)
            connection.answer(b"late")
    with serve(proxy, script):
        with proxy.connect() as s:
            s.sendall(HEAD)
            s.shutdown(socket.SHUT_WR)
            threading.Timer(0.8, gate.set).start()
            assert closed(s).endswith(b"\r\n\r\nlate")
        with proxy.connect() as s:
            s.sendall(HEAD)
            s.shutdown(socket.SHUT_WR)
            data = closed(s)
            assert data.startswith(b"HTTP/1.1 200 OK") and data.endswith(b"late")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_ends_the_upstream_connection_and_is_no_error(proxy, how):
    gone = threading.Event()

    def script(connection):
        connection.read_head()
        connection.sock.recv(1)
        gone.set()
    with serve(proxy, script) as origin:
        s = proxy.connect()
        s.sendall(HEAD)
        eventually(lambda: origin.connections == 1)
        if how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
        assert gone.wait(10)
        eventually(lambda: proxy.cell("web", "blue")["client_left"] == 1)
        cell = proxy.cell("web", "blue")
        assert (cell["errors"], cell["s0"]) == (0, 1)
        assert proxy.gauge("web", "blue", origin.address) == (1, 1)


def test_a_client_that_does_not_read_loses_its_connection(proxy):
    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            connection.send(b"x" * 65536)
    with serve(proxy, script, idle_ms=300), proxy.connect() as s:
        s.sendall(HEAD)
        eventually(lambda: proxy.cell("web", "blue")["client_left"] == 1)


def test_unix_and_ipv6_instances_are_reached(proxy):
    with Origin(answering(b"unix"), path=f"{proxy.directory}/app.sock") as one, \
            Origin(answering(b"six"), address=("::1", 0)) as two:
        proxy.route("web", {"blue": [one.address, two.address]})
        with proxy.connect() as s:
            assert sorted(ask(s)[2] for _ in range(4)) == [b"six", b"six", b"unix", b"unix"]


def test_forwarded_fields_are_ours_and_hop_by_hop_fields_end_here(proxy):
    heads = []

    def script(connection):
        while head := connection.read_head():
            heads.append(head.decode())
            connection.answer(b"ok", fields=["Connection: X-Secret", "X-Secret: 1", "X-Kept: 2"])
    with serve(proxy, script), proxy.connect() as s:
        fields = ask(s, host="shop.example", headers=["X-Forwarded-For: 6.6.6.6", "X-Drop: 1",
                                                      "Connection: X-Drop", "X-Stay: 1"])[1]
        assert "X-Secret" not in fields and fields["X-Kept"] == "2"
        assert "X-Forwarded-For: 127.0.0.1" in heads[0] and "6.6.6.6" not in heads[0]
        assert "X-Forwarded-Host: shop.example" in heads[0] and "X-Stay" in heads[0]
        assert "X-Request-Id: " in heads[0] and "X-Drop" not in heads[0]


def test_a_head_that_comes_byte_by_byte_is_read(proxy):
    with serve(proxy, answering(b"slow")), proxy.connect() as s:
        for byte in HEAD:
            s.sendall(bytes([byte]))
        assert read_answer(s)[2] == b"slow"


def test_a_large_head_passes_and_one_too_large_is_431(proxy):
    with serve(proxy, answering(b"ok")) as origin, proxy.connect() as s:
        fields = [f"X-{i}: {'v' * 4000}" for i in range(7)]
        assert ask(s, headers=fields)[0] == 200
        assert ask(s, headers=fields + fields)[0] == 431
        assert origin.connections == 1
    assert proxy.shard_total("own_answers") == 1
