# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow on purpose (row 29 of the faults): each has its time limit."""
import time

from wire import field, status

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
