# SPDX-License-Identifier: Apache-2.0
"""Large bodies pass in constant memory, and who does not read slows down who writes."""
import threading
from pathlib import Path

import pytest

from wire import field

MIB = 1 << 20
ALLOWED = 8 * MIB  # of growth; the bodies are much larger


def resident(proxy):
    for line in Path(f"/proc/{proxy.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def stuff(peer, piece):
    """Writes until nothing more is taken for a while; the number of bytes."""
    total = 0
    peer.sock.settimeout(0.3)
    try:
        while total < 512 * MIB:
            total += peer.sock.send(piece)
    except TimeoutError:
        pass
    peer.sock.settimeout(20)
    return total


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_answer_waits_for_a_client_that_does_not_read(site, framing):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    before = resident(site.proxy)
    if framing == "length":
        up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        piece = b"x" * MIB
    else:
        up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b"x" * MIB + b"\r\n"
    assert stuff(up, piece) < 64 * MIB  # what the kernel's buffers hold
    assert resident(site.proxy) - before < ALLOWED
    client.head()
    assert len(client.exact(100 * 1024)) == 100 * 1024  # it goes on


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_request_waits_for_an_origin_that_does_not_read(site, framing):
    before = resident(site.proxy)
    if framing == "length":
        client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10000000000\r\n\r\n")
        piece = b"x" * MIB
    else:
        client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b"x" * MIB + b"\r\n"
    up = site.origin.accept()
    assert stuff(client, piece) < 64 * MIB
    assert resident(site.proxy) - before < ALLOWED
    up.head()
    assert len(up.exact(MIB)) == MIB


def test_half_a_gibibyte_passes_in_constant_memory(site):
    size, piece = 256 * MIB, bytes(range(256)) * 4096
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n" % size)
    up = site.origin.accept()
    assert field(up.head(), "content-length") == str(size)
    before = resident(site.proxy)

    def write(peer):
        for _ in range(size // len(piece)):
            peer.send(piece)

    def read(peer):
        left, at = size, 0
        while left:
            data = peer.sock.recv(1 << 18)
            if not data:
                break
            assert data[0] == at % 256 and data[-1] == (at + len(data) - 1) % 256
            at, left = at + len(data), left - len(data)
        results.append(left)

    results = []
    for writer, reader in ((client, up), (up, client)):
        if writer is up:
            up.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            client.head()
        thread = threading.Thread(target=write, args=(writer,))
        thread.start()
        read(reader)
        thread.join()
        assert resident(site.proxy) - before < ALLOWED
    assert results == [0, 0]


def test_a_thousand_pipelined_requests_do_not_pile_up(site):
    count = 1000
    before = resident(site.proxy)
    client = site.client()
    thread = threading.Thread(target=lambda: [client.send(site.get(b"/%d" % i))
                                              for i in range(count)])
    thread.start()
    up = site.origin.accept()
    for i in range(count):
        assert up.head().startswith(b"GET /%d " % i)
        up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%04d" % i)
    thread.join()
    for i in range(count):
        client.head()
        assert client.exact(4) == b"%04d" % i
    assert resident(site.proxy) - before < ALLOWED
