# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 clients, frame for frame (RFC 9113). The origin speaks HTTP/1.1."""
import pytest

pytest.importorskip("hpack", reason="python3-hpack is not installed")

from wire import field, fields  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CANCEL, PROTOCOL, INTERNAL, NONE = 8, 1, 2, 0


def test_a_request_becomes_one_of_http_1_1_and_its_answer_one_of_http_2(h2):
    number = h2.request(path="/a?b", extra=[("x-one", "1"), ("cookie", "a=1"), ("x-two", "2"),
                                            ("cookie", "b=2"), ("cookie", "c=3")])
    up = h2.site.origin.accept()
    head = up.head()
    assert head.startswith(b"GET /a?b HTTP/1.1\r\n")
    assert field(head, "host") == h2.site.host and field(head, "cookie") == "a=1; b=2; c=3"
    assert field(head, "x-one") == "1" and field(head, "x-two") == "2"
    assert field(head, "x-forwarded-for") == "127.0.0.1"
    assert field(head, "transfer-encoding") is None and field(head, "content-length") is None
    up.send(b"HTTP/1.1 203 Fine\r\nContent-Length: 2\r\nX-A: b\r\nKeep-Alive: 1\r\n"
            b"Connection: x-drop\r\nX-Drop: 1\r\n\r\nok")
    answer = h2.answer(number)
    assert answer.head == {":status": "203", "x-a": "b", "content-length": "2"}
    assert answer.data == b"ok" and answer.reset is None
    h2.site.counted(requests=1, s2=1, bytes_out=2)


def test_many_requests_share_a_connection_and_are_answered_in_any_order(h2):
    numbers = [h2.request(path=f"/{i}") for i in range(20)]
    ups = {}
    for _ in numbers:
        up = h2.site.origin.accept()
        ups[int(up.head().split(b" ")[1][1:])] = up
    for i in reversed(range(20)):
        ups[i].send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(i)), i))
        assert h2.answer(numbers[i]).data == b"%d" % i


def test_a_body_with_a_length_keeps_it_and_one_without_is_chunked(h2):
    number = h2.request(method="POST", extra=[("content-length", "4")], body=b"body")
    up = h2.site.origin.accept()
    head = up.head()
    assert field(head, "content-length") == "4" and up.exact(4) == b"body"
    up.send(OK)
    assert h2.answer(number).data == b"ok"
    number = h2.request(method="POST", end=False)
    head = up.head()
    assert field(head, "transfer-encoding") == "chunked"
    h2.data(number, b"0123456789" * 2)
    assert up.until(b"89\r\n") == b"14\r\n" + b"0123456789" * 2 + b"\r\n"
    h2.data(number, b"x", end=True)
    assert up.until(b"0\r\n\r\n") == b"1\r\nx\r\n0\r\n\r\n"
    up.send(OK)
    assert h2.answer(number).data == b"ok"


def test_a_post_without_a_body_says_so(h2):
    h2.request(method="POST")
    up = h2.site.origin.accept()
    assert field(up.head(), "content-length") == "0"
    up.send(OK)


def test_trailers_go_both_ways(h2):
    number = h2.request(method="POST", extra=[("te", "trailers")], end=False)
    h2.data(number, b"hello")
    h2.headers(number, [("x-sum", "5"), ("x-more", "a b")])
    up = h2.site.origin.accept()
    assert field(up.head(), "te") == "trailers"
    assert up.until(b"\r\n\r\n") == b"5\r\nhello\r\n0\r\nx-sum: 5\r\nx-more: a b\r\n\r\n"
    up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
            b"2\r\nok\r\n0\r\nX-T: yes\r\n\r\n")
    answer = h2.answer(number)
    assert answer.data == b"ok" and answer.trailers == {"x-t": "yes"}
    assert "transfer-encoding" not in answer.head and answer.head["trailer"] == "X-T"


def test_interim_responses_pass(h2):
    number = h2.request(method="PUT", extra=[("expect", "100-continue")], end=False)
    up = h2.site.origin.accept()
    assert field(up.head(), "expect") == "100-continue"
    up.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert h2.head_of(number).head == {":status": "100"}
    up.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    h2.wait(lambda: len(h2.streams[number].heads) == 2)
    assert h2.streams[number].head == {":status": "103", "link": "</a>"}
    h2.data(number, b"x", end=True)
    assert up.until(b"0\r\n\r\n") == b"1\r\nx\r\n0\r\n\r\n"
    up.send(OK)
    assert h2.answer(number).status == 200


def test_answers_without_a_body_end_with_their_head(h2):
    for method, code, extra in (("HEAD", 200, b"Content-Length: 9\r\n"), ("GET", 204, b""),
                                ("GET", 304, b"Content-Length: 9\r\n"),
                                ("GET", 200, b"Content-Length: 0\r\n")):
        number = h2.request(method=method)
        if number == 1:
            up = h2.site.origin.accept()
        up.head()
        up.send(b"HTTP/1.1 %d X\r\n%s\r\n" % (code, extra))
        answer = h2.answer(number)
        assert answer.status == code and answer.data == b"" and answer.reset is None


def test_an_answer_until_close_is_whole_and_one_that_breaks_off_is_reset(h2):
    number = h2.request()
    up = h2.site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\n\r\nabc").close()
    answer = h2.answer(number)
    assert answer.data == b"abc" and answer.ended
    number = h2.request()
    up = h2.site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").close()
    answer = h2.answer(number)
    assert answer.reset == INTERNAL and not answer.ended
    h2.site.counted(requests=2, reset=1)


def test_an_early_answer_is_followed_by_a_reset_without_error(h2):
    number = h2.request(method="POST", end=False)
    h2.data(number, b"some")
    up = h2.site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
    answer = h2.answer(number)
    assert answer.status == 413 and answer.data == b"no" and answer.ended
    h2.wait(lambda: answer.reset is not None)
    assert answer.reset == NONE
    h2.data(number, b"late")  # was on its way
    number = h2.request()
    up = h2.site.origin.accept()
    up.head()
    up.send(OK)
    assert h2.answer(number).status == 200 and h2.goaway is None


def test_a_client_that_takes_its_request_back_has_left(h2):
    number = h2.request()
    up = h2.site.origin.accept()
    up.head()
    h2.rst(number)
    assert up.ended()
    h2.site.counted(requests=1, client_left=1, errors=0)
    number = h2.request()
    up = h2.site.origin.accept()
    up.head()
    up.send(OK)
    assert h2.answer(number).status == 200


def test_a_request_taken_back_at_once_reaches_nobody(h2):
    with_reset = h2.site.h2_client(greet=False)
    batch = []
    with_reset.send = batch.append
    with_reset.greet()
    number = with_reset.request()
    with_reset.rst(number)
    del with_reset.send
    with_reset.send(b"".join(batch))
    assert h2.site.origin.untouched()


def test_requests_break_off_with_their_connection(h2):
    h2.request()
    h2.request()
    ups = [h2.site.origin.accept(), h2.site.origin.accept()]
    for up in ups:
        up.head()
    h2.reset()
    for up in ups:
        assert up.ended()
    h2.site.counted(requests=2, client_left=2)


def test_own_answers_are_streams_like_others(h2):
    number = h2.request(host="nowhere.test", extra=[("accept", "application/json")])
    answer = h2.answer(number)
    assert answer.status == 404 and answer.head["x-bascule-reason"] == "no-route"
    assert b'"reason":"no-route"' in answer.data and "connection" not in answer.head


@pytest.mark.parametrize("extra", [
    [("connection", "close")], [("transfer-encoding", "chunked")], [("keep-alive", "1")],
    [("upgrade", "x")], [("proxy-connection", "x")], [("te", "gzip")], [("X-Upper", "1")],
    [("bad name", "1")], [("x", "a\r\nb: c")], [("x", "a\x00b")], [(":late", "x")],
    [("content-length", "1"), ("content-length", "1")], [("content-length", "x")],
], ids=str)
def test_malformed_requests_are_reset(h2, extra):
    refused = h2.site.proxy.shard_total("h2_refused_streams")
    number = h2.request(extra=extra)
    assert h2.answer(number).reset == PROTOCOL
    assert h2.site.origin.untouched()
    assert h2.site.proxy.shard_total("h2_refused_streams") == refused + 1


@pytest.mark.parametrize("path", ["", "a", "http://x/", "/a b", "/a\r\nX: y", "/\x7f", "*"], ids=repr)
def test_paths_that_are_none_are_refused(h2, path):
    answer = h2.answer(h2.request(path=path))
    assert answer.reset == PROTOCOL or answer.status == 400
    assert h2.site.origin.untouched()


def test_a_host_that_differs_from_the_authority_is_refused(h2):
    assert h2.answer(h2.request(extra=[("host", "other.test")])).status == 400
    number = h2.request(extra=[("host", h2.site.host.upper())])
    up = h2.site.origin.accept()
    assert [v for n, v in fields(up.head()) if n == "host"] == [h2.site.host]
    up.send(OK)
    assert h2.answer(number).status == 200


def test_heads_that_are_too_large_are_refused_as_in_http_1(h2):
    assert h2.answer(h2.request(extra=[("x", "v" * 9000)])).status == 431
    assert h2.answer(h2.request(extra=[(f"x{i}", "v" * 500) for i in range(80)])).status == 431
    assert h2.answer(h2.request(extra=[(f"x{i}", "v") for i in range(120)])).status == 431
    assert h2.answer(h2.request(path="/" + "a" * 9000)).status == 414
    assert h2.site.origin.untouched() and h2.goaway is None


def test_a_body_that_is_not_as_long_as_it_said_is_reset(h2):
    for sent in (b"abc", b"abcdef"):
        number = h2.request(method="POST", extra=[("content-length", "5")], body=sent)
        assert h2.answer(number).reset == PROTOCOL


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_are_not_done_here(h2, method):
    number, h2.next_id = h2.next_id, h2.next_id + 2
    pseudo = [(":method", method), (":authority", "x.test:443")]
    if method == "TRACE":
        pseudo += [(":scheme", "http"), (":path", "/")]
    h2.headers(number, pseudo)
    assert h2.answer(number).status == 501


def test_a_websocket_is_a_tunnel_in_a_stream(h2):
    h2.wait(lambda: h2.settings.get("seen"))
    assert h2.settings[8] == 1  # SETTINGS_ENABLE_CONNECT_PROTOCOL
    number, h2.next_id = h2.next_id, h2.next_id + 2
    h2.headers(number, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                        (":authority", h2.site.host), (":path", "/chat"),
                        ("sec-websocket-version", "13")], end=False)
    up = h2.site.origin.accept()
    head = up.head()
    assert head.startswith(b"GET /chat HTTP/1.1\r\n") and field(head, "upgrade") == "websocket"
    assert field(head, "connection") == "upgrade" and len(field(head, "sec-websocket-key")) == 24
    up.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: a\r\nSec-WebSocket-Protocol: p\r\n\r\nhi")
    stream = h2.head_of(number)
    assert stream.head == {":status": "200", "sec-websocket-protocol": "p"}
    h2.wait(lambda: stream.data == b"hi")
    h2.data(number, b"ping")
    assert up.exact(4) == b"ping"
    up.send(b"pong")
    h2.wait(lambda: stream.data == b"hipong")
    h2.data(number, b"last", end=True)
    assert up.rest() == (b"last", False)
    up.send(b"bye").close()
    assert h2.answer(number).data == b"hipongbye" and stream.reset is None


def test_a_tunnel_that_is_refused_is_an_ordinary_answer(h2):
    number, h2.next_id = h2.next_id, h2.next_id + 2
    h2.headers(number, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                        (":authority", h2.site.host), (":path", "/chat")], end=False)
    up = h2.site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
    answer = h2.answer(number)
    assert answer.status == 403 and answer.data == b"no"
    number, h2.next_id = h2.next_id, h2.next_id + 2
    h2.headers(number, [(":method", "CONNECT"), (":protocol", "other"), (":scheme", "http"),
                        (":authority", h2.site.host), (":path", "/chat")], end=False)
    assert h2.answer(number).status == 501


def test_a_limit_below_a_path_holds_for_each_stream(h2):
    rule = {"path": "/login", "rate_requests": 1, "rate_period_s": 60, "rate_burst": 1}
    h2.site.change(edge={"rate_paths": [rule]})
    number = h2.request(path="/login")
    up = h2.site.origin.accept()
    up.head()
    up.send(OK)
    assert h2.answer(number).head[":status"] == "200"
    answer = h2.answer(h2.request(path="/login?again"))
    assert answer.head[":status"] == "429" and answer.head["x-bascule-reason"] == "rate-limited"
    assert 50 < int(answer.head["retry-after"]) <= 60
    number = h2.request(path="/")
    up.head()
    up.send(OK)
    assert h2.answer(number).data == b"ok"
