# SPDX-License-Identifier: Apache-2.0
"""Requests that are sent again: what is kept of them, after what, and how often."""
import pytest

from origins import Repeating
from wire import Origin, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


def put(size, method=b"PUT", extra=b""):
    return method + b" / HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n" % size + extra + b"\r\n"


def body_of(size):
    return bytes(48 + i % 75 for i in range(size))


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"OPTIONS", b"GET"])
@pytest.mark.parametrize("size", [1, 5000, 20000, 65536])
def test_the_body_of_an_idempotent_request_is_sent_again(site, method, size):
    body = body_of(size)
    client = site.client(put(size, method) + body)
    up = site.origin.accept()
    up.head()
    assert up.exact(size) == body
    up.reset()
    again = site.origin.accept()
    assert again.head().startswith(method + b" / ")
    assert again.exact(size) == body
    again.send(OK)
    assert status(client.head()) == 200
    site.counted(requests=1, errors=0, retries=1, bytes_in=size)


def test_the_rest_of_a_body_follows_what_was_sent_again(site):
    body = body_of(30000)
    client = site.client(put(30000) + body[:10000])
    up = site.origin.accept()
    up.head(), up.exact(10000)
    up.reset()
    again = site.origin.accept()
    again.head()
    assert again.exact(10000) == body[:10000]
    client.send(body[10000:])
    assert again.exact(20000) == body[10000:]
    again.send(OK)
    assert status(client.head()) == 200


def test_a_chunked_body_is_sent_again_as_it_was(site):
    chunks = b"5;x=y\r\nhello\r\n4\r\n all\r\n0\r\nX-Sum: 8\r\n\r\n"
    client = site.client(b"PUT / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n")
    up = site.origin.accept()
    up.head()
    client.send(chunks)
    first = up.until(b"\r\n\r\n")
    up.reset()
    again = site.origin.accept()
    again.head()
    assert again.until(b"\r\n\r\n") == first
    again.send(OK)
    assert status(client.head()) == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_sent_once(site, chunked):
    site.change(retry={"body_bytes": 10000})
    body = body_of(12000)
    head = put(12000) if not chunked else \
        b"PUT / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = site.client(head)
    up = site.origin.accept()
    up.head()
    client.send(b"%x\r\n" % 12000 + body + b"\r\n0\r\n\r\n" if chunked else body)
    up.until(body[-50:])
    up.reset()
    assert status(client.head()) == 502
    assert site.origin.untouched()
    site.counted(requests=1, reset=1, errors=1, retries=0)


@pytest.mark.parametrize("unsafe,extra,again", [
    ("never", b"Idempotency-Key: 1\r\n", False), ("keyed", b"", False),
    ("keyed", b"Idempotency-Key: 1\r\n", True), ("always", b"", True)])
@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
def test_what_is_not_idempotent_is_sent_again_only_when_the_service_says_so(site, method, unsafe,
                                                                            extra, again):
    site.change(retry={"unsafe": unsafe})
    client = site.client(put(4, method, extra) + b"body")
    up = site.origin.accept()
    up.head()
    assert up.exact(4) == b"body"
    up.reset()
    if not again:
        assert status(client.head()) == 502
        assert site.origin.untouched()
        return
    up = site.origin.accept()
    up.head()
    assert up.exact(4) == b"body"
    up.send(OK)
    assert status(client.head()) == 200


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_status_that_the_service_names_is_tried_on_another_instance(site, code):
    with Origin() as other:
        site.serve([site.origin.address, other.address], retry={"on": ["connect", str(code)]})
        client = site.client(site.get())
        first = site.origin.accept()
        first.head()
        first.send(b"HTTP/1.1 %d No\r\nContent-Length: 4\r\n\r\nbusy" % code)
        second = other.accept()
        second.head()
        second.send(OK)
        assert status(client.head()) == 200
        assert client.exact(2) == b"ok"
        assert first.quiet()  # kept: its answer was whole and was thrown away
    site.counted(requests=1, errors=0, retries=1)


def test_a_status_that_the_service_does_not_name_is_the_answer(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(BUSY)
    assert status(client.head()) == 503
    assert client.exact(4) == b"busy"
    assert site.origin.untouched()


def test_the_last_attempt_is_the_answer(site):
    site.change(retry={"on": ["503"], "attempts": 2})
    client = site.client(site.get())
    for _ in range(2):
        up = site.origin.accept()
        up.head()
        up.send(BUSY)
    assert status(client.head()) == 503
    assert client.exact(4) == b"busy"
    site.counted(requests=1, errors=1, retries=1)


def test_one_attempt_is_no_retry(site):
    site.change(retry={"attempts": 1})
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.reset()
    assert status(client.head()) == 502


def test_an_answer_that_does_not_come_is_asked_for_again_when_the_service_says_so(site):
    with Origin() as other:
        site.serve([site.origin.address, other.address], answer_ms=300,
                   retry={"on": ["timeout"]})
        client = site.client(site.get())
        first = site.origin.accept()
        first.head()
        second = other.accept()
        second.head()
        second.send(OK)
        assert status(client.head()) == 200
        assert first.ended()


def test_what_began_is_never_sent_again(site):
    site.change(retry={"on": ["reset", "timeout", "502", "503", "504"]})
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
    assert status(client.head()) == 200
    up.reset()
    rest, was_reset = client.rest()
    assert rest == b"begin" and was_reset
    assert site.origin.untouched()


def test_100_continue_and_then_an_error_leave_the_body_to_the_next_instance(site):
    site.change(retry={"on": ["503"]})
    client = site.client(put(5, extra=b"Expect: 100-continue\r\n"))
    up = site.origin.accept()
    assert field(up.head(), "expect") == "100-continue"
    up.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert status(client.head()) == 100
    client.send(b"hello")
    assert up.exact(5) == b"hello"
    up.send(BUSY)
    again = site.origin.accept()
    again.head()
    assert again.exact(5) == b"hello"
    again.send(OK)
    assert status(client.head()) == 200


def test_an_early_error_leaves_the_whole_body_to_the_next_instance(site):
    site.change(retry={"on": ["503"]})
    client = site.client(put(5) + b"he")
    up = site.origin.accept()
    up.head(), up.exact(2)
    up.send(BUSY)
    again = site.origin.accept()
    again.head()
    client.send(b"llo")
    assert again.exact(5) == b"hello"
    again.send(OK)
    assert status(client.head()) == 200


def test_a_storm_of_503_costs_a_fifth_more(site):
    wanted, busy = 300, [Repeating(BUSY) for _ in range(2)]
    site.serve([b.address for b in busy], retry={"on": ["503"], "attempts": 10})
    client = site.client()
    for _ in range(wanted):
        client.send(site.get())
        assert status(client.head()) == 503
        client.exact(4)
    site.counted(requests=wanted, errors=wanted)
    assert wanted < sum(b.seen for b in busy) <= wanted * 1.2 + 3
    for each in busy:
        each.stop()
