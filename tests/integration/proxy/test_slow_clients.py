# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow on purpose (row 29 of the faults): each has its time limit."""
import contextlib
import time

from dataplane import PATIENCE_S, Proxy
from wire import Origin, Peer, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD_S = 10  # the default of head_ms


def test_a_head_has_ten_seconds_however_busily_it_trickles(site):
    started = time.monotonic()
    silent = site.client(b"GET / HTTP/1.1\r\nHost:")
    busy = site.client(b"GET / HTTP/1.1\r\nHost: HOST\r\n")
    idle = site.client()
    while busy.quiet() and time.monotonic() - started < 3 * HEAD_S:
        busy.send(b"X: y\r\n")  # at most 70 of the 100 that it may send
    for client in (silent, busy):
        head = client.head()
        assert status(head) == 408 and field(head, "x-bascule-reason") == "request-timeout"
        assert field(head, "connection") == "close"
        client.rest()
    assert HEAD_S - 1 < time.monotonic() - started < 3 * HEAD_S
    assert idle.quiet()  # a connection that asked nothing yet has the keep-alive time
    assert site.origin.untouched()


def test_a_client_that_does_not_read_its_answer_is_let_go(site):
    site.change(idle_ms=200)
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    up.sock.settimeout(20)
    try:
        while True:
            up.send(b"x" * 1000000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    site.counted(requests=1, client_left=1, errors=0)
    assert client.sock.fileno() != -1


def post(site, length):
    return site.client(site.text(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n" % length))


def trickle(client, data=b"x", pause_s=0.05):
    """Sends until something is answered; returns how long that took."""
    started = time.monotonic()
    while not client.buffer and time.monotonic() - started < PATIENCE_S:
        client.send(data)
        client.sock.settimeout(pause_s)
        with contextlib.suppress(TimeoutError):
            client._more()
    client.sock.settimeout(PATIENCE_S)
    return time.monotonic() - started


def test_a_body_may_be_slow_as_long_as_the_grace_and_no_longer(site, options):
    options(body_rate=1000, rate_grace_ms=500)
    hasty = post(site, 2000)
    up = site.origin.accept()
    up.head()
    assert hasty.send(b"x" * 10).quiet()  # slow, but within the grace
    hasty.send(b"x" * 1990)
    up.exact(2000)
    up.send(OK)
    assert status(hasty.head()) == 200
    slow = post(site, 100000)
    up.head()
    assert 0.4 < trickle(slow) < 10
    head = slow.head()
    assert (status(head), field(head, "x-bascule-reason")) == (408, "request-timeout")


def test_a_body_that_comes_as_fast_as_it_must_is_let_through_however_long_it_takes(site, options):
    options(body_rate=100, rate_grace_ms=100)
    client = post(site, 1000)
    up = site.origin.accept()
    up.head()
    for _ in range(10):  # at least 1000 bytes a second are sent
        client.send(b"x" * 100)
        up.exact(100)
        time.sleep(0.05)
    up.send(OK)
    assert status(client.head()) == 200


def test_a_slow_body_is_late_while_the_proxy_drains_too():
    with Proxy(workers=1) as proxy, Origin() as origin:
        proxy.begin(proxy.service_lines("web", {"blue": [origin.address]}))
        proxy.expect("ready")
        proxy.tell(options={"body_rate": 1000, "rate_grace_ms": 300})
        client = Peer(proxy.connect()).send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n")
        origin.accept().head()
        proxy.say("retire drain_ms=60000")
        proxy.expect("retired")
        started = time.monotonic()
        trickle(client)
        assert status(client.head()) == 408
        client.reset()
        assert proxy.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - started < 30, "it did not wait for the end of the drain time"


def test_a_reader_that_takes_little_at_a_time_is_cut_off_and_the_instance_is_free(site, options):
    """Windows of HTTP/2 can be opened a byte at a time: something moves for ever."""
    options(read_rate=100000, rate_grace_ms=500)
    h2 = site.h2_client(settings={4: 1000})
    number = h2.request()
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100000)
    started = time.monotonic()
    h2.wait(lambda: number in h2.streams)
    h2.sock.settimeout(0.05)
    while h2.streams[number].reset is None and time.monotonic() - started < PATIENCE_S:
        with contextlib.suppress(TimeoutError):
            h2.read()
        time.sleep(0.02)
        h2.window(number, 100)  # at most 5 kB a second
    h2.sock.settimeout(PATIENCE_S)
    assert h2.streams[number].reset is not None and len(h2.streams[number].data) < 100000
    assert 0.4 < time.monotonic() - started < 10
    assert up.rest()[0] == b""
    site.counted(requests=1, client_left=1, errors=0)
    again = h2.request()  # only the stream was ended
    other = site.origin.accept()
    other.head()
    other.send(OK)
    assert h2.answer(again).data == b"ok"


def test_a_reader_with_pauses_that_is_fast_enough_gets_all(site, options):
    options(read_rate=10000, rate_grace_ms=300)
    h2 = site.h2_client(settings={4: 20000})
    number = h2.request()
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200000)
    for got in range(20000, 200001, 20000):
        h2.wait(lambda got=got: number in h2.streams and len(h2.streams[number].data) == got)
        time.sleep(0.2)  # 100 kB a second
        h2.window(0, 20000)
        h2.window(number, 20000)
    assert h2.answer(number).reset is None and len(h2.streams[number].data) == 200000


def test_who_has_nothing_to_read_is_not_slow(site, options):
    options(read_rate=1000000, rate_grace_ms=200)
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.head()
    for _ in range(4):
        up.send(b"8\r\ndata: 1\n\r\n")
        assert client.until(b"data: 1\n\r\n")
        time.sleep(0.3)
    up.send(b"0\r\n\r\n")
    assert client.until(b"0\r\n\r\n")


def test_an_answer_without_a_length_that_nobody_reads_does_not_look_whole(site):
    site.change(idle_ms=300)
    client = site.client(site.text(b"GET / HTTP/1.0\r\nHost: HOST\r\n\r\n"))
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while True:
            up.send(b"x" * 1000000)
    site.counted(requests=1, client_left=1, errors=0)
    assert client.rest()[1], "reset: a mere end would make it look complete"
