# SPDX-License-Identifier: Apache-2.0
"""Instances with `protocol: h2`: the origin speaks HTTP/2, the client what it likes."""
import pytest

pytest.importorskip("hpack", reason="python3-hpack is not installed")

from h2peer import H2Peer  # noqa: E402
from wire import field, status  # noqa: E402

REFUSED, CANCEL, INTERNAL = 7, 8, 2


@pytest.fixture
def h2site(site):
    site.proxy.protocols[site.name] = "h2"
    site.serve()
    yield site


def accept(site, **kwargs):
    up = H2Peer(site.origin.accept().sock, client=False, **kwargs)
    site.origin.peers.append(up)
    return up


def new_request(up, seen=()):
    """The number of a request whose head has come."""
    up.wait(lambda: any(s.heads and n not in seen for n, s in up.streams.items()))
    return next(n for n, s in sorted(up.streams.items()) if s.heads and n not in seen)


def reply(up, number, body=b"ok", status="200", fields=()):
    up.headers(number, [(":status", status), ("content-length", str(len(body))), *fields], end=False)
    up.data(number, body, end=True)


def test_a_request_of_http_1_1_becomes_a_stream(h2site):
    client = h2site.client(h2site.get(b"/a?b", b"X-One: 1\r\nConnection: x-two\r\nX-Two: 2\r\n"))
    up = accept(h2site)
    number = new_request(up)
    head = up.streams[number].head
    assert (head[":method"], head[":path"], head[":scheme"]) == ("GET", "/a?b", "http")
    assert head[":authority"] == h2site.host and "host" not in head and "connection" not in head
    assert head["x-one"] == "1" and "x-two" not in head and head["x-forwarded-for"] == "127.0.0.1"
    assert up.streams[number].ended
    reply(up, number, fields=[("x-a", "b"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
    head = client.head()
    assert status(head) == 200 and field(head, "x-a") == "b"
    assert head.count(b"set-cookie") == 2 and client.exact(2) == b"ok"
    client.send(h2site.get(b"/next"))
    second = new_request(up, [number])
    assert up.streams[second].head[":path"] == "/next"
    reply(up, second)
    assert status(client.head()) == 200
    h2site.counted(requests=2, s2=2, retries=0)


def test_requests_of_many_clients_share_a_connection(h2site):
    clients = [h2site.client(h2site.get(b"/%d" % i)) for i in range(20)]
    up = accept(h2site)
    seen = {}
    while len(seen) < 20:
        number = new_request(up, seen)
        seen[number] = int(up.streams[number].head[":path"][1:])
    for number in reversed(list(seen)):
        reply(up, number, b"%d" % seen[number])
        client = clients[seen[number]]
        client.head()
        assert client.exact(len(str(seen[number]))) == b"%d" % seen[number]
    assert h2site.origin.untouched()


def test_bodies_and_trailers_go_both_ways(h2site):
    client = h2site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n"
                           b"TE: trailers\r\nConnection: te\r\n\r\n3\r\nabc\r\n")
    up = accept(h2site)
    number = new_request(up)
    stream = up.streams[number]
    assert stream.head["te"] == "trailers" and "transfer-encoding" not in stream.head
    up.wait(lambda: stream.data == b"abc")
    up.headers(number, [(":status", "200")], end=False)
    assert field(client.head(), "transfer-encoding") == "chunked"
    up.data(number, b"hello")
    assert client.until(b"hello\r\n") == b"5\r\nhello\r\n"
    client.send(b"2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")
    up.wait(lambda: stream.ended)
    assert stream.data == b"abcde" and stream.trailers == {"x-sum": "5"}
    up.headers(number, [("x-t", "yes")])
    assert client.until(b"\r\n\r\n") == b"0\r\nx-t: yes\r\n\r\n"


def test_a_length_is_kept(h2site):
    client = h2site.client(b"PUT / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello")
    up = accept(h2site)
    number = new_request(up)
    up.wait(lambda: up.streams[number].ended)
    assert up.streams[number].data == b"hello" and up.streams[number].head["content-length"] == "5"
    reply(up, number)
    assert field(client.head(), "content-length") == "2" and client.exact(2) == b"ok"


def test_answers_without_a_body(h2site):
    client, up, seen = h2site.client(), None, []
    for method, code, extra in ((b"HEAD", "200", [("content-length", "9")]), (b"GET", "204", []),
                                (b"GET", "304", []), (b"HEAD", "200", []), (b"GET", "200", [])):
        client.send(method + h2site.get()[3:])
        up = up or accept(h2site)
        seen.append(new_request(up, seen))
        up.headers(seen[-1], [(":status", code), *extra])
        head = client.head()
        assert status(head) == int(code)
    assert field(head, "content-length") == "0" and client.quiet()


def test_interim_responses_pass(h2site):
    client = h2site.client(b"PUT / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n"
                           b"Expect: 100-continue\r\n\r\n")
    up = accept(h2site)
    number = new_request(up)
    assert up.streams[number].head["expect"] == "100-continue"
    for code in ("100", "103"):
        up.headers(number, [(":status", code), ("link", "</a>")], end=False)
        assert status(client.head()) == int(code)
    client.send(b"body")
    up.wait(lambda: up.streams[number].ended)
    reply(up, number)
    assert status(client.head()) == 200


def test_a_refused_stream_is_tried_again_whatever_it_was(h2site):
    client = h2site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello")
    up = accept(h2site)
    number = new_request(up)
    up.rst(number, REFUSED)
    second = new_request(up, [number])
    up.wait(lambda: up.streams[second].ended)
    assert up.streams[second].data == b"hello"
    reply(up, second)
    assert status(client.head()) == 200
    h2site.counted(requests=1, retries=1, errors=0)


def test_what_goaway_leaves_out_is_tried_on_a_new_connection(h2site):
    first, second = h2site.client(h2site.get(b"/1")), None
    up = accept(h2site)
    one = new_request(up)
    second = h2site.client(b"POST /2 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n")
    new_request(up, [one])
    up.raw(7, 0, 0, one.to_bytes(4, "big") + b"\0\0\0\0")
    other = accept(h2site)
    number = new_request(other)
    assert other.streams[number].head[":path"] == "/2"
    reply(other, number)
    assert status(second.head()) == 200
    reply(up, one)  # what it kept, it answers
    assert status(first.head()) == 200
    up.end()


def test_a_reset_before_the_answer_is_tried_again_or_told(h2site):
    client = h2site.client(h2site.get())
    up = accept(h2site)
    number = new_request(up)
    up.rst(number, INTERNAL)
    second = new_request(up, [number])
    reply(up, second)
    assert status(client.head()) == 200 and client.exact(2)
    client.send(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n".replace(
        b"HOST", h2site.host.encode()))
    third = new_request(up, [number, second])
    up.rst(third, INTERNAL)
    head = client.head()
    assert status(head) == 502 and field(head, "x-bascule-reason") == "upstream-reset"


def test_an_answer_that_is_reset_in_the_middle_is_no_whole_one(h2site):
    client = h2site.client(h2site.get())
    up = accept(h2site)
    number = new_request(up)
    up.headers(number, [(":status", "200")], end=False)
    up.data(number, b"abc")
    client.head()
    client.until(b"abc\r\n")
    up.rst(number, INTERNAL)
    rest, _ = client.rest()
    assert not rest.endswith(b"0\r\n\r\n")
    h2site.counted(requests=1, reset=1)


def test_a_connection_that_breaks_takes_all_its_streams_along(h2site):
    clients = [h2site.client(h2site.get()) for _ in range(3)]
    up = accept(h2site)
    seen = []
    for _ in clients:
        seen.append(new_request(up, seen))
    up.reset()
    other, seen = accept(h2site), []
    for _ in clients:
        seen.append(new_request(other, seen))
        reply(other, seen[-1])
    assert [status(client.head()) for client in clients] == [200] * 3


def test_a_client_that_leaves_cancels_its_stream_only(h2site):
    leaver, other = h2site.client(h2site.get(b"/leave")), h2site.client(h2site.get(b"/stay"))
    up = accept(h2site)
    one = new_request(up)
    two = new_request(up, [one])
    leave = one if up.streams[one].head[":path"] == "/leave" else two
    leaver.reset()
    up.wait(lambda: up.streams[leave].reset == CANCEL)
    reply(up, one + two - leave)
    assert status(other.head()) == 200


def test_more_streams_than_the_origin_takes_go_over_further_connections(h2site):
    first = h2site.client(h2site.get(b"/1"))
    up = accept(h2site, settings={3: 1})
    one = new_request(up)
    up.wait(lambda: up.settings.get("acknowledged"))
    second = h2site.client(h2site.get(b"/2"))
    other = accept(h2site, settings={3: 1})
    two = new_request(other)
    reply(other, two)
    reply(up, one)
    assert status(first.head()) == 200 and status(second.head()) == 200


def test_an_instance_that_is_taken_out_keeps_its_streams_to_the_end(h2site):
    client = h2site.client(h2site.get())
    up = accept(h2site)
    number = new_request(up)
    h2site.proxy.tell(instances=h2site.proxy.roster(h2site.name, {"blue": []}))
    reply(up, number)
    assert status(client.head()) == 200 and client.exact(2) == b"ok"
    up.end()


def test_an_instance_that_is_not_there_is_a_failed_connection(h2site):
    h2site.origin.sock.close()
    head = h2site.client(h2site.get()).head()
    assert status(head) == 502 and field(head, "x-bascule-reason") == "connect-failed"


def test_an_instance_that_speaks_http_1_is_no_answer(h2site):
    client = h2site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n")
    up = h2site.origin.accept()
    up.exact(24)
    up.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert status(client.head()) == 502


def test_a_slow_client_does_not_stop_those_beside_it(h2site):
    slow = h2site.client(h2site.get(b"/slow"))
    up = accept(h2site)
    number = new_request(up)
    up.headers(number, [(":status", "200")], end=False)
    stream_window = conn_window = 65535
    sent, size = 0, 16000
    up.sock.settimeout(0.3)
    try:  # fills everything between us and a client that doesn't read
        while sent < 30_000_000:
            while sent + size > stream_window + up.updates.get(number, 0):
                up.read()
            assert sent + size <= conn_window + up.updates.get(0, 0)
            up.data(number, b"x" * size)
            sent += size
    except TimeoutError:
        pass
    up.sock.settimeout(20)
    fast = h2site.client(h2site.get(b"/fast"))
    second = new_request(up, [number])
    reply(up, second)
    assert status(fast.head()) == 200
    slow.reset()
    up.wait(lambda: up.streams[number].reset == CANCEL)


# --- gRPC

def grpc(site, path="/p.Greeter/Hello", body=None, end=None):
    client = site.h2_client()
    extra = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "5S")]
    return client, client.request(path=path, method="POST", extra=extra, body=body,
                                  end=False if body is None else end)


def test_a_unary_call_with_trailers(h2site):
    client, number = grpc(h2site, body=b"\0\0\0\0\2hi")
    up = accept(h2site)
    call = new_request(up)
    up.wait(lambda: up.streams[call].ended)
    head = up.streams[call].head
    assert up.streams[call].data == b"\0\0\0\0\2hi" and head["te"] == "trailers"
    assert head["grpc-timeout"] == "5S" and head["content-type"] == "application/grpc"
    up.headers(call, [(":status", "200"), ("content-type", "application/grpc")], end=False)
    up.data(call, b"\0\0\0\0\3yes")
    up.headers(call, [("grpc-status", "0"), ("grpc-message", "fine")])
    answer = client.answer(number)
    assert answer.head == {":status": "200", "content-type": "application/grpc"}
    assert answer.data == b"\0\0\0\0\3yes"
    assert answer.trailers == {"grpc-status": "0", "grpc-message": "fine"}


def test_a_call_that_streams_both_ways(h2site):
    client, number = grpc(h2site)
    up = accept(h2site)
    call = new_request(up)
    up.headers(call, [(":status", "200"), ("content-type", "application/grpc")], end=False)
    client.head_of(number)
    for i in range(5):
        client.data(number, b"ping%d" % i)
        up.wait(lambda: up.streams[call].data.endswith(b"ping%d" % i))
        up.data(call, b"pong%d" % i)
        client.wait(lambda: client.streams[number].data.endswith(b"pong%d" % i))
    client.data(number, b"", end=True)
    up.wait(lambda: up.streams[call].ended)
    up.headers(call, [("grpc-status", "0")])
    assert client.answer(number).trailers == {"grpc-status": "0"}


def test_an_answer_of_trailers_only_stays_one(h2site):
    client, number = grpc(h2site, body=b"x")
    up = accept(h2site)
    call = new_request(up)
    up.headers(call, [(":status", "200"), ("content-type", "application/grpc"),
                      ("grpc-status", "5"), ("grpc-message", "nothing there")])
    answer = client.answer(number)
    assert answer.head["grpc-status"] == "5" and "content-length" not in answer.head
    assert answer.trailers is None and answer.data == b"" and answer.ended


def test_the_proxys_own_errors_are_trailers_only(h2site):
    client, number = grpc(h2site, body=b"x")
    up = accept(h2site)
    call = new_request(up)
    up.rst(call, INTERNAL)
    answer = client.answer(number)
    assert answer.status == 200 and answer.head["content-type"] == "application/grpc"
    assert answer.head["grpc-status"] == "14" and "upstream-reset" in answer.head["grpc-message"]
    assert answer.data == b"" and answer.ended
    h2site.counted(requests=1, s5=1, errors=1)
    number = client.request(host="nowhere.test", method="POST",
                            extra=[("content-type", "application/grpc+proto")], body=b"x")
    assert client.answer(number).head["grpc-status"] == "12"


def test_a_refused_call_is_tried_again(h2site):
    client, number = grpc(h2site, body=b"call")
    up = accept(h2site)
    call = new_request(up)
    up.rst(call, REFUSED)
    again = new_request(up, [call])
    up.wait(lambda: up.streams[again].ended)
    assert up.streams[again].data == b"call"
    up.headers(again, [(":status", "200"), ("grpc-status", "0")])
    assert client.answer(number).head["grpc-status"] == "0"
