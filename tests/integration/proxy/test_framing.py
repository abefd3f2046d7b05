# SPDX-License-Identifier: Apache-2.0
"""Requests and answers pass with their framing, byte for byte."""
import re

import pytest

from wire import field, fields, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_request_and_its_answer_pass_byte_for_byte(site):
    trace = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n"
    client = site.client(b"GET /a%20b?c=d HTTP/1.1\r\nHost: HOST\r\nX-Odd:   spaced \r\n" + trace +
                         b"X-Request-Id: mine\r\nAccept: */*\r\n\r\n")
    up = site.origin.accept()
    assert up.head() == site.text(
        b"GET /a%20b?c=d HTTP/1.1\r\nHost: HOST\r\nX-Odd:   spaced \r\n" + trace +
        b"X-Request-Id: mine\r\nAccept: */*\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: HOST\r\n"
        b'Forwarded: for=127.0.0.1;proto=http;host="HOST"\r\n\r\n')
    up.send(b"HTTP/1.1 200 Fine\r\nServer: me\r\nContent-Length: 5\r\nSet-Cookie: a\r\n"
            b"Set-Cookie: b\r\n\r\nhello")
    assert client.head() == (b"HTTP/1.1 200 Fine\r\nServer: me\r\nSet-Cookie: a\r\n"
                             b"Set-Cookie: b\r\nContent-Length: 5\r\n\r\n")
    assert client.exact(5) == b"hello"
    assert client.quiet()


def test_heads_may_arrive_byte_by_byte(site):
    client = site.client().drip(site.get(b"/slowly"))
    up = site.origin.accept()
    assert up.head().startswith(b"GET /slowly HTTP/1.1\r\n")
    up.drip(OK)
    assert client.head().startswith(b"HTTP/1.1 200 OK\r\n")
    assert client.exact(2) == b"ok"


def test_a_body_of_known_length_passes(site):
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10\r\n\r\n01234")
    up = site.origin.accept()
    assert field(up.head(), "content-length") == "10"
    assert up.exact(5) == b"01234"
    client.send(b"56789")
    assert up.exact(5) == b"56789"
    up.send(OK)
    assert status(client.head()) == 200


def test_chunks_pass_as_they_are_with_trailers(site):
    body = b"5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n")
    up = site.origin.accept()
    assert field(up.head(), "transfer-encoding") == "chunked"
    client.drip(body)
    assert up.exact(len(body)) == body
    up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
    head = client.head()
    assert field(head, "transfer-encoding") == "chunked" and field(head, "trailer") == "X-Sum"
    up.drip(body)
    assert client.exact(len(body)) == body
    client.send(site.get())  # and both connections go on
    assert up.head().startswith(b"GET / ")
    up.send(OK)
    assert status(client.head()) == 200


def test_an_answer_until_close_becomes_chunked_and_the_connection_goes_on(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.0 200 OK\r\n\r\nfirst").finish()
    head = client.head()
    assert field(head, "transfer-encoding") == "chunked" and field(head, "connection") is None
    assert client.until(b"0\r\n\r\n") == b"5\r\nfirst\r\n0\r\n\r\n"
    client.send(site.get())
    second = site.origin.accept()
    second.head()
    second.send(OK)
    assert status(client.head()) == 200


def test_an_old_client_gets_data_without_chunks_and_the_end(site):
    client = site.client(b"GET / HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n")
    up = site.origin.accept()
    head = up.head()
    assert head.startswith(b"GET / HTTP/1.1\r\n") and field(head, "connection") is None
    up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\n!!!\r\n"
            b"0\r\nX: y\r\n\r\n")
    head = client.head()
    assert field(head, "transfer-encoding") is None and field(head, "connection") == "close"
    assert client.rest() == (b"hello!!!", False)


def test_an_old_client_keeps_its_connection_when_it_asks_to(site):
    client = site.client(b"GET / HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n")
    up = site.origin.accept()
    for _ in range(2):
        up.head()
        up.send(OK)
        assert field(client.head(), "connection") == "keep-alive"
        assert client.exact(2) == b"ok"
        client.send(site.text(b"GET / HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n"))
    closing = site.client(b"GET / HTTP/1.0\r\nHost: HOST\r\n\r\n")
    other = site.origin.accept()
    other.head()
    other.send(OK)
    assert field(closing.head(), "connection") == "close"
    assert closing.rest() == (b"ok", False)


def test_a_client_that_says_close_is_closed_after_its_answer(site):
    client = site.client(site.get(extra=b"Connection: close\r\n"))
    up = site.origin.accept()
    assert field(up.head(), "connection") is None
    up.send(OK)
    assert field(client.head(), "connection") == "close"
    assert client.rest() == (b"ok", False)


@pytest.mark.parametrize("method, answer", [
    (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
    (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
])
def test_an_answer_without_body_ends_with_its_head(site, method, answer):
    client = site.client(method + b" / HTTP/1.1\r\nHost: HOST\r\n\r\n")
    up = site.origin.accept()
    up.head()
    up.send(answer)
    head = client.head()
    assert status(head) == status(answer)
    assert field(head, "transfer-encoding") is None
    if b"1000" in answer:
        assert field(head, "content-length") == "1000"
    if b" 204 " in answer:
        assert field(head, "content-length") is None
    client.send(site.get())
    assert up.head().startswith(b"GET ")
    up.send(OK)
    assert status(client.head()) == 200


def test_pipelined_requests_are_answered_in_their_order(site):
    client = site.client(site.get(b"/1") + site.text(b"POST /2 HTTP/1.1\r\nHost: HOST\r\n"
                                                     b"Content-Length: 3\r\n\r\nabc")
                         + b"GET /3 HTTP/1.1\r\nHost: nobody.test\r\n\r\n" + site.get(b"/4"))
    up = site.origin.accept()
    for number in (1, 2, 4):
        head = up.head()
        assert head.split()[1] == b"/%d" % number
        if number == 2:
            assert up.exact(3) == b"abc"
        assert up.quiet()  # the next one waits for this one's answer
        up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
    assert status(client.head()) == 200 and client.exact(1) == b"1"
    assert status(client.head()) == 200 and client.exact(1) == b"2"
    head = client.head()
    assert status(head) == 404 and field(head, "x-bascule-reason") == "no-route"
    client.exact(int(field(head, "content-length")))
    assert status(client.head()) == 200 and client.exact(1) == b"4"


def test_what_ends_at_a_hop_passes_in_neither_direction(site):
    client = site.client(site.get(extra=b"Connection: keep-alive, X-Private\r\nX-Private: 1\r\n"
                                  b"Keep-Alive: 1\r\nTE: gzip\r\nProxy-Connection: close\r\n"
                                  b"Proxy-Authorization: x\r\nUpgrade: h2c\r\n"))
    up = site.origin.accept()
    assert [n for n, _ in fields(up.head())] == [
        "host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded",
        "traceparent", "x-request-id"]
    up.send(b"HTTP/1.1 200 OK\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 1\r\n"
            b"Proxy-Authenticate: x\r\nUpgrade: h2c\r\nX-Bascule-Reason: lie\r\n"
            b"Content-Length: 0\r\nVia: kept\r\n\r\n")
    assert fields(client.head()) == [("via", "kept"), ("content-length", "0")]


def test_what_clients_say_about_their_way_is_overwritten(site):
    site.client(site.get(extra=b"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\n"
                         b"X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\n"
                         b"Forwarded: for=6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\n"
                         b"X-Request-Id: not sane\r\n"))
    head = site.origin.accept().head()
    assert b"6.6.6.6" not in head and b"evil" not in head
    assert field(head, "x-forwarded-for") == "127.0.0.1"
    assert field(head, "x-forwarded-proto") == "http"
    assert field(head, "x-forwarded-host") == site.host
    assert re.fullmatch(r"[!-~]{8,128}", field(head, "x-request-id"))


def test_request_ids_differ(site):
    seen = set()
    client, up = site.client(), None
    for _ in range(20):
        client.send(site.get())
        up = up or site.origin.accept()
        seen.add(field(up.head(), "x-request-id"))
        up.send(OK)
        client.head()
        client.exact(2)
    assert len(seen) == 20


def test_an_absolute_target_goes_on_in_origin_form(site):
    site.client(b"GET http://HOST/x?y HTTP/1.1\r\nHost: HOST\r\n\r\n")
    head = site.origin.accept().head()
    assert head.startswith(site.text(b"GET /x?y HTTP/1.1\r\nHost: HOST\r\n"))


def test_an_empty_line_before_a_request_is_forgiven(site):
    client = site.client(b"\r\n" + site.get())
    up = site.origin.accept()
    assert up.head().startswith(b"GET / ")
    up.send(OK)
    client.head()
    client.exact(2)
    client.send(b"\r\n" + site.get(b"/again"))
    assert up.head().startswith(b"GET /again ")
