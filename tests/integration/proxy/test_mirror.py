# SPDX-License-Identifier: Apache-2.0
"""Copies of requests: which requests are copied, what the candidate gets, and what is compared."""
import contextlib
import json
import random
import ssl
import threading
import time

import pytest
from certificates import Authority, tls_line, upstream
from mirroring import App, answer, json_of, mirroring
from wire import status

BASKET = {"user": {"name": "Ann"}, "items": [{"id": 1, "price": 10}, {"id": 2, "price": 10}]}
DEARER = {"user": {"name": "Ann"}, "items": [{"id": 1, "price": 10}, {"id": 2, "price": 12}]}


def noisy(value):
    return lambda request: {**value, "request": random.getrandbits(60),
                            "user": {**value["user"], "seen": time.time_ns()}}


# --- what is found


def test_a_changed_field_is_told_by_its_path_and_random_ones_are_learnt_as_noise(proxy):
    with mirroring(proxy, json_of(noisy(BASKET)), json_of(noisy(DEARER))) as site:
        site.ask("/basket?user=1", times=40)
        report = site.report(compared=40)
        assert report.paths == ["items[].price"] and report.noise == ["request", "user.seen"]
        assert report.findings["body", "items[].price"]["count"] == 40 and not report.skipped
        assert report.example("items[].price") == {"request": "GET /basket", "live": "10", "candidate": "12"}
        # Asked again were a few comparisons, until all was known, and one in 32 besides.
        assert 1 <= len(site.live[0].copies) < 20


@pytest.mark.parametrize("codings", [("gzip", "gzip"), ("deflate", "deflate"), ("gzip", None), (None, "deflate")])
def test_compressed_bodies_are_compared_field_by_field(proxy, codings):
    live, candidate = json_of(noisy(BASKET), codings[0]), json_of(noisy(DEARER), codings[1])
    with mirroring(proxy, live, candidate) as site:
        site.ask(times=20, fields=["Accept-Encoding: gzip, deflate"])
        report = site.report(compared=20)
        assert report.paths == ["items[].price"] and report.noise == ["request", "user.seen"]
        assert not report.skipped


def test_what_is_compressed_otherwise_is_not_compared_and_told_so(proxy):
    coded = ["Content-Encoding: br"]
    with mirroring(proxy, lambda r: answer(b"one", fields=coded), lambda r: answer(b"two", fields=coded)) as site:
        site.ask(times=3)
        assert site.report(skipped=3).why == {"encoded": 3} and not site.told.findings


def test_a_candidate_whose_compression_is_broken_differs(proxy):
    with mirroring(proxy, json_of(BASKET, "gzip"), lambda r: answer(b"no gzip", fields=["Content-Encoding: gzip"])) as site:
        site.ask("/x/y")
        assert site.report(compared=1).paths == ["(bytes of /x)"]


def test_statuses_chosen_headers_and_other_bytes_differ(proxy):
    def live(request):
        return answer(b"<p>1", fields=["Cache-Control: a", "X-Other: 1"])

    def candidate(request):
        if request.path == "/gone":
            return answer(b"", "404 Not Found")
        return answer(b"<p>2", fields=["Cache-Control: b", "X-Other: 2"])

    with mirroring(proxy, live, candidate, headers=["Cache-Control"], learn=False) as site:
        site.ask("/page")
        site.ask("/gone")
        report = site.report(compared=2)
        assert sorted(report.findings) == [("body", "(bytes of /page)"), ("header", "Cache-Control"), ("status", "")]
        assert report.example("Cache-Control") == {"request": "GET /page", "live": "a", "candidate": "b"}
        assert report.example("")["candidate"] == "404"


def test_the_share_is_a_share(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(BASKET), share_bp=2500, learn=False) as site:
        site.ask(times=400)
        site.ask("/last", fields=["X-Last: 1"])
        copies = site.report(compared=40).compared
        assert 40 <= copies <= 180, copies  # 100 are expected: seven standard deviations


# --- what the candidate gets


def test_the_candidate_gets_what_the_live_version_got_and_a_mark(proxy):
    fields = ["Authorization: Bearer secret", "Cookie: session=1; theme=dark", "X-Request-Id: abc-123",
              "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Accept: text/html"]
    with mirroring(proxy, json_of(BASKET), json_of(BASKET), learn=False) as site:
        site.ask("/a?b=c", fields=fields)
        site.report(compared=1)
        original, copy = site.live[0].requests[0], site.candidate[0].requests[0]
        assert not original.copy and copy.all("X-Bascule-Mirror") == ["1"]
        assert copy.head.split(b"\r\n")[0] == original.head.split(b"\r\n")[0] == b"GET /a?b=c HTTP/1.1"
        assert [f for f in copy.fields if f[0] != "x-bascule-mirror"] == original.fields
        assert copy.all("authorization") == ["Bearer secret"] and copy.all("x-request-id") == ["abc-123"]
        assert copy.all("x-forwarded-for") == ["127.0.0.1"]


def test_a_client_can_not_pass_for_a_copy(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(BASKET), learn=False) as site:
        site.ask(fields=["X-Bascule-Mirror: 1", "x-bascule-mirror: 2"])
        site.report(compared=1)
        assert not site.live[0].copies
        assert site.candidate[0].requests[0].all("X-Bascule-Mirror") == ["1"]


def test_the_question_to_the_live_version_is_marked_too(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(DEARER)) as site:
        site.ask()
        assert site.report(compared=1).paths == ["items[].price"]
        assert [r.copy for r in site.live[0].requests] == [False, True]


def test_the_answer_of_a_copy_sets_no_cookie_and_moves_nobody(proxy):
    """With affinity the user stays where the live version's cookie says; the candidate's cookies go nowhere."""
    affinity = {"identity": {"by": "cookie", "name": "at", "lifetime_s": 60}}
    with mirroring(proxy, lambda r: answer(fields=["Set-Cookie: from=live"]),
                   lambda r: answer(fields=["Set-Cookie: from=candidate"]), options=affinity, learn=False) as site:
        client = site.client()
        client.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        head = client.head()
        assert b"from=live" in head and b"candidate" not in head
        site.report(compared=1)
        assert len(site.candidate[0].requests) == 1 and len(site.live[0].requests) == 1


# --- which requests


def test_a_method_that_changes_something_is_copied_only_when_asked_for(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(BASKET)) as site:
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            site.ask(method=method, body=b"x" if method != "OPTIONS" else b"")
        site.ask()
        report = site.report(compared=1)
        assert [r.method for r in site.candidate[0].requests] == ["GET"] and not report.skipped
        site.serve(methods=["POST"])
        site.ask("/order", method="POST", body=b"one")
        site.ask("/order", method="PUT", body=b"two")
        site.report(compared=2)
        assert [(r.method, r.body) for r in site.candidate[0].requests[1:]] == [("POST", b"one")]


def test_what_changes_something_is_never_asked_of_the_live_version_again(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(DEARER), methods=["POST"]) as site:
        site.ask(method="POST", body=b"x", times=10)
        assert site.report(compared=10).paths == ["items[].price"]
        assert not site.live[0].copies and len(site.candidate[0].copies) == 10


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_reach_the_candidate_whole(proxy, chunked):
    bodies = [random.randbytes(size) for size in (0, 1, 5000, 60000, 65000 if chunked else 65536)]
    with mirroring(proxy, json_of(BASKET), json_of(BASKET), methods=["PUT"]) as site:
        for body in bodies:
            if chunked:
                client = site.client()
                client.send(f"PUT / HTTP/1.1\r\nHost: {site.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
                for at in range(0, len(body), 3000):
                    piece = body[at:at + 3000]
                    client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                client.send(b"0\r\n\r\n")
                assert status(client.head()) == 200
            else:
                site.ask(method="PUT", body=body)
        site.report(compared=len(bodies))
        assert [r.body for r in site.live[0].requests] == bodies
        assert sorted(r.body for r in site.candidate[0].requests) == sorted(bodies)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_bound_is_not_copied_and_told_so(proxy, chunked):
    body = b"x" * 5000
    with mirroring(proxy, json_of(BASKET), json_of(BASKET), methods=["POST"], body_bytes=4096) as site:
        client = site.client()
        if chunked:
            client.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            assert status(client.head()) == 200
        else:
            assert site.ask(method="POST", body=body)[0] == 200
        report = site.report(skipped=1)
        assert report.why == {"long-request": 1} and not report.compared
        assert site.live[0].requests[0].body == body and not site.candidate[0].requests


def test_head_is_copied_and_its_answer_has_no_body(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(DEARER), headers=["Content-Type"]) as site:
        assert site.ask(method="HEAD", times=3) == (200, b"")
        assert not site.report(compared=3).findings
        assert [r.method for r in site.candidate[0].requests] == ["HEAD"] * 3


def test_an_upgrade_is_never_copied(proxy):
    def switch(request):
        request.connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        request.connection.send(b"greeting")
        request.connection.read_bytes(3)

    with mirroring(proxy, switch, switch) as site:
        client = site.client()
        client.send(f"GET /chat HTTP/1.1\r\nHost: {site.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Key: k\r\n\r\n".encode())
        assert status(client.head()) == 101 and client.exact(8) == b"greeting"
        client.send(b"bye")
        assert client.ended()
        assert site.report(skipped=1).why == {"stream": 1} and not site.candidate[0].requests


def test_a_request_that_waits_for_a_go_ahead_is_not_copied(proxy):
    with mirroring(proxy, json_of(BASKET), json_of(BASKET), methods=["PUT"]) as site:
        client = site.client()
        client.send(f"PUT / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
        client.send(b"ok")
        assert status(client.head()) in (100, 200)
        assert site.report(skipped=1).why == {"long-request": 1} and not site.candidate[0].requests


# --- answers of every kind


def test_a_large_answer_passes_unharmed_and_is_compared_up_to_the_bound(proxy):
    data = random.randbytes(3000000)

    def live(request):
        return answer(data[:int(request.path[1:])])

    def candidate(request):
        return answer(data[:int(request.path[1:]) - 1] + bytes([data[int(request.path[1:]) - 1] ^ 1]))

    with mirroring(proxy, live, candidate, learn=False) as site:
        for size in (100, 60000, 65536, 200000, 3000000):
            assert site.ask(f"/{size}") == (200, data[:size])
        report = site.report(compared=3, skipped=2)
        assert report.paths == ["(bytes of /100)", "(bytes of /60000)", "(bytes of /65536)"]
        assert report.why == {"long-answer": 2} and len(site.candidate[0].requests) == 3


def test_an_answer_that_only_the_candidate_makes_too_long_differs(proxy):
    with mirroring(proxy, lambda r: answer(b"short"), lambda r: answer(b"x" * 5000000)) as site:
        site.ask("/list/1", times=3)
        report = site.report(compared=3)
        assert report.paths == ["(bytes of /list)"] and not report.skipped
        assert "too long" in report.example("(bytes of /list)")["candidate"]


def test_a_length_that_is_random_around_the_bound_is_noise(proxy):
    sizes = iter([100] + [500000] * 1000)
    with mirroring(proxy, lambda r: answer(b"x" * next(sizes)), lambda r: answer(b"x" * 500000)) as site:
        site.ask()
        report = site.report(compared=1)
        assert report.noise == ["(bytes of /)"] and not report.paths


def pieces_of(data):
    return b"".join(b"%x\r\n%s\r\n" % (len(data[at:at + 7]), data[at:at + 7]) for at in range(0, len(data), 7))


def test_chunks_are_no_difference_but_what_is_in_them(proxy):
    def chunked(value):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return lambda r: head + pieces_of(json.dumps(value).encode()) + b"0\r\nX-Trailer: 1\r\n\r\n"

    with mirroring(proxy, chunked(BASKET), json_of(BASKET)) as site:
        assert json.loads(site.ask(times=2)[1]) == BASKET
        assert not site.report(compared=2).paths
    with mirroring(proxy, json_of(BASKET), chunked(DEARER)) as site:
        site.ask(times=2)
        assert site.report(compared=2).paths == ["items[].price"]


def test_an_answer_up_to_the_end_of_the_connection_is_compared(proxy):
    def until_close(value):
        def serve(request):
            request.connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps(value).encode())
        return serve

    with mirroring(proxy, until_close(BASKET), until_close(DEARER)) as site:
        assert json.loads(site.ask()[1]) == BASKET
        assert site.report(compared=1).paths == ["items[].price"]


def test_interim_answers_are_no_part_of_what_is_compared(proxy):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </%d>\r\n\r\n"

    def hinting(value, count):
        return lambda r: b"".join(hints % n for n in range(count)) + json_of(value)(r)

    with mirroring(proxy, hinting(BASKET, 2), hinting(DEARER, 0)) as site:
        client = site.client()
        client.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        assert [status(client.head()) for _ in range(3)] == [103, 103, 200]
        assert site.report(compared=1).paths == ["items[].price"]


def test_events_are_not_held_back_and_not_compared(proxy):
    """Each event reaches the client before the next is sent, on and on past the bound."""
    go_on, events = threading.Semaphore(0), 40

    def stream(request):
        request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(events):
            data = b"data: %d %s\n\n" % (number, b"x" * 3000)
            request.connection.send(b"%x\r\n%s\r\n" % (len(data), data))
            go_on.acquire()
        request.connection.send(b"0\r\n\r\n")

    with mirroring(proxy, stream, json_of(BASKET)) as site:
        client = site.client()
        client.send(f"GET /events HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        client.head()
        for number in range(events):
            assert b"data: %d " % number in client.until(b"\n\n")
            client.until(b"\r\n")
            go_on.release()
        client.until(b"0\r\n\r\n")
        assert site.report(skipped=1).why == {"stream": 1} and not site.candidate[0].requests


# --- protocols


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.sign("app.test", "127.0.0.1")


def test_requests_of_http_2_are_copied(proxy):
    pytest.importorskip("hpack")
    from h2peer import H2Peer
    with mirroring(proxy, json_of(noisy(BASKET)), json_of(noisy(DEARER)), methods=["GET", "POST"]) as site:
        peer = H2Peer(site.client().sock, host=site.host)
        numbers = [peer.request(path=f"/basket/{n}") for n in range(20)]
        assert all(json.loads(peer.answer(number).data)["user"]["name"] == "Ann" for number in numbers)
        number = peer.request(path="/basket", method="POST", body=b"x" * 10000)
        assert peer.answer(number).status == 200
        report = site.report(compared=21)
        assert report.paths == ["items[].price"] and report.noise == ["request", "user.seen"]
        posted = [r for r in site.candidate[0].requests if r.method == "POST"]
        assert [r.body for r in posted] == [b"x" * 10000]


def test_requests_over_tls_are_copied_and_the_candidate_is_told_so(tmp_path, authority, certificate):
    from dataplane import Proxy
    with Proxy(workers=2) as proxy:
        listener = {"listener": {"address": f"127.0.0.1:{proxy.port}", "tls": True}}
        assert not proxy.begin([listener, {"tls": tls_line(authority.sign("web.test"))}])
        proxy.expect("ready")
        with mirroring(proxy, json_of(BASKET), json_of(DEARER)) as site:
            context = ssl.create_default_context(cafile=str(authority.path))
            with contextlib.ExitStack() as stack:
                import socket
                for _ in range(6):  # on either worker
                    plain = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 20))
                    secure = stack.enter_context(context.wrap_socket(plain, server_hostname="web.test"))
                    secure.sendall(f"GET / HTTP/1.1\r\nHost: {site.host}\r\nConnection: close\r\n\r\n".encode())
                    assert b"200 OK" in secure.recv(65536)
            assert site.report(compared=6).paths == ["items[].price"]
            assert {tuple(r.all("x-forwarded-proto")) for r in site.candidate[0].requests} == {("https",)}


def test_instances_behind_tls_get_their_copies_over_tls(proxy, authority, certificate):
    proxy.tell(tls=tls_line(upstreams=[upstream("app", authority)]))
    with mirroring(proxy, json_of(BASKET), json_of(DEARER), certificate=certificate,
                   tls={"by": "app", "server_name": "app.test"}) as site:
        site.ask(times=5)
        assert site.report(compared=5).paths == ["items[].price"]
        assert len(site.candidate[0].copies) == 5 and site.candidate[0].origin.greetings[0].name == "app.test"


class H2App:
    """An instance that speaks HTTP/2; every answer is `value`."""

    def __init__(self, value):
        from wire import Origin
        self.origin, self.value, self.requests, self.copies = Origin(), json.dumps(value).encode(), 0, 0
        self.address = self.origin.address
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.origin.accept(),), daemon=True).start()

    def _serve(self, peer):
        from h2peer import H2Peer
        up, answered = H2Peer(peer.sock, client=False), set()
        with contextlib.suppress(OSError, EOFError):
            while True:
                up.read()
                for number, stream in list(up.streams.items()):
                    if stream.ended and number not in answered:
                        answered.add(number)
                        self.requests += 1
                        self.copies += "x-bascule-mirror" in stream.head
                        up.headers(number, [(":status", "200"), ("content-type", "application/json")], end=False)
                        up.data(number, self.value, end=True)


def test_instances_of_http_2_get_their_copies_as_streams(proxy):
    pytest.importorskip("hpack")
    live, candidate = H2App(BASKET), H2App(DEARER)
    with mirroring(proxy, live, candidate, protocol="h2") as site:
        site.ask(times=10)
        report = site.report(compared=10)
        assert report.paths == ["items[].price"]
        assert candidate.copies == candidate.requests == 10 and 1 <= live.copies < 10
    for app in (live, candidate):
        app.origin.sock.close()
