# SPDX-License-Identifier: Apache-2.0
"""Whatever the proxy forwards means the same to two other parsers, h11 and that of Node.js: as many requests, the
same methods, targets, fields and bodies. Requests are drawn from a seed: odd ones that are right, and such in which
bytes were changed. BASCULE_SEED and BASCULE_DRAWS choose which, and how many."""
import os
import random
import socket
import threading

import h11
import httptools
import pytest

from dataplane import PATIENCE_S, Proxy

SEED = int(os.environ.get("BASCULE_SEED", 1))
DRAWS = int(os.environ.get("BASCULE_DRAWS", 1500))
METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND", b"x-odd.method!"]
NAMES = [b"X-A", b"x-b", b"Accept", b"accept-encoding", b"Cookie", b"User-Agent", b"X-Under_Score", b"Range", b"If-Match",
         b"Via", b"Forwarded", b"X-Forwarded-For", b"TE", b"Trailer", b"Keep-Alive", b"Proxy-Authorization", b"Upgrade"]
VALUES = [b"", b"v", b"a, b", b"trailers", b'"quoted \\" text"', b"\xe4\xf6\xfc", b"a\tb", b"close", b"x" * 300, b"1=2; 3=4"]
TARGETS = [b"/", b"/a/b?c=d&e", b"/%20%41", b"/;x=y", b"//double//slash", b"/?", b"/a{b}|c", b"http://test/absolute?x", b"*"]
CANARY = b"GET /canary HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Judge:
    """An origin that believes h11: it answers each message that h11 finds complete."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.connections, self.complete, self.faults, self.draw = [], [], [], random.Random(SEED)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            seen = {"raw": b"", "requests": []}
            self.connections.append(seen)
            threading.Thread(target=self.serve, args=(peer, seen), daemon=True).start()

    def serve(self, peer, seen):
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        with peer:
            while data := peer.recv(65536):
                seen["raw"] += data
                parser.receive_data(data)
                try:
                    self.read(parser, seen["requests"], peer)
                except h11.RemoteProtocolError as error:
                    self.faults.append(f"h11 refuses what was forwarded: {error}: {seen['raw']!r}")
                    return

    def read(self, parser, requests, peer):
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                requests.append([event.method, event.target, list(event.headers), b"", False])
            elif isinstance(event, h11.Data):
                requests[-1][3] += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                requests[-1][4] = True
                self.complete.append(requests[-1])
                # Short connections: what Node does not know (it has a list of methods) spoils few other requests.
                close = self.draw.random() < .5 or requests[-1][0] not in METHODS[:-1]
                answer = h11.Response(status_code=200, headers=[("content-length", "0")] + [("connection", "close")] * close)
                peer.sendall(parser.send(answer) + parser.send(h11.EndOfMessage()))
                if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
                    return
                parser.start_next_cycle()
            else:
                return

    def take(self):
        """What was complete since the last time."""
        assert not self.faults, self.faults[0]
        taken, self.complete = self.complete, []
        return taken


class NodeView:
    """The same bytes, read by the parser of Node.js."""

    def __init__(self, raw):
        self.requests, self.fault = [], None
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            self.fault = str(error) or type(error).__name__

    def on_message_begin(self):
        self.requests.append([b"", b"", [], b"", False])

    def on_url(self, url):
        self.requests[-1][1] += url

    def on_header(self, name, value):
        if not self.requests[-1][4] and self.reading_head:
            self.requests[-1][2].append((name.lower(), value.strip()))

    reading_head = True

    def on_headers_complete(self):
        self.requests[-1][0] = self.parser.get_method()
        self.reading_head = False

    def on_body(self, data):
        self.requests[-1][3] += data

    def on_message_complete(self):
        self.requests[-1][4] = True
        self.reading_head = True


def draw_body(draw, treacherous):
    """(fields, bytes on the wire, body). A treacherous one looks like a request."""
    kind = draw.randrange(4)
    body = bytes(draw.randrange(256) for _ in range(draw.choice([0, 1, 7, 600])))
    if treacherous and draw.random() < .3:
        body = CANARY
    if kind == 0:
        return [], b"", b""
    if kind == 1:
        return [b"Content-Length: %d" % len(body)], body, body
    wire, at = b"", 0
    while at < len(body):
        size = min(draw.randrange(1, 300), len(body) - at)
        text = (b"%x" if draw.random() < .5 else b"%X") % size
        extension = draw.choice([b"", b"", b";x", b";a=b", b';q="1;2"'])
        wire += b"0" * draw.randrange(3) + text + extension + b"\r\n" + body[at:at + size] + b"\r\n"
        at += size
    trailers = draw.choice([b"", b"", b"X-Trailer: yes\r\n"])
    return [draw.choice([b"Transfer-Encoding: chunked", b"transfer-encoding:\tChunked "])], wire + b"0\r\n" + trailers + b"\r\n", body


def draw_request(draw, treacherous):
    """(bytes, method, target, body): right, if odd."""
    method, target = draw.choice(METHODS), draw.choice(TARGETS)
    if target == b"*":
        method = b"OPTIONS"
    fields, wire, body = draw_body(draw, treacherous)
    fields.append(b"Host: test")
    for _ in range(draw.randrange(6)):
        white = draw.choice([b"", b" ", b"\t", b"  "])
        fields.append(draw.choice(NAMES) + b":" + white + draw.choice(VALUES) + draw.choice([b"", b" "]))
    if draw.random() < .2:
        fields.append(b"Connection: " + draw.choice([b"keep-alive", b"X-A", b"te, x-b", b"close, X-A"]))
    draw.shuffle(fields)
    head = method + b" " + target + b" HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"
    return head + wire, method, target, body


def spoil(draw, data):
    """A few bytes changed, taken out or put in."""
    data = bytearray(data)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(data))
        what = draw.choice([b"\r", b"\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x7f", b"\x80", b"chunked",
                            b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n"])
        kind = draw.randrange(3)
        if kind == 0:
            data[at:at] = what
        elif kind == 1:
            data[at:at + len(what)] = what
        else:
            del data[at:at + draw.randrange(1, 4)]
        data = data or bytearray(b"\r\n")
    return bytes(data)


def exchange(proxy, data):
    """Sends all of it, half-closes and reads until the proxy closes."""
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as client:
        client.settimeout(PATIENCE_S)
        answer = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                answer += more
        except OSError:  # the proxy reset it: it has said what it thinks
            pass
        return answer


def plain(requests):
    """For comparing: names in lower case, values without white space around them."""
    return [(bytes(m), bytes(t), sorted((bytes(n).lower(), bytes(v).strip()) for n, v in fields), body, whole)
            for m, t, fields, body, whole in requests]


@pytest.fixture(scope="module")
def stage():
    judge = Judge()
    with Proxy(workers=1) as proxy:
        proxy.begin(proxy.service_lines("web", {"blue": [judge.address]}))
        proxy.expect("ready")
        yield proxy, judge
    judge.listener.close()


@pytest.mark.parametrize("spoiled", [False, True], ids=["odd and right", "spoiled"])
def test_what_is_forwarded_means_the_same_to_other_parsers(stage, spoiled):
    proxy, judge = stage
    draw, forwarded = random.Random(f"{SEED} {spoiled}"), 0
    for number in range(DRAWS):
        data, method, target, body = draw_request(draw, not spoiled)  # a spoiled length would make it one
        data = spoil(draw, data) if spoiled else data
        answer = exchange(proxy, (data + CANARY))
        found = judge.take()
        where = f"draw {number} of seed {SEED}: {data!r} became {found!r}, answered {answer[:200]!r}"
        canaries = [request for request in found if request[1] == b"/canary"]
        assert len(found) <= 2 and len(canaries) <= 1, where
        if canaries and len(found) == 2:
            assert found[-1] is canaries[0], where
        if not spoiled:
            want = (method, target.replace(b"http://test", b""), body)
            assert [(bytes(r[0]), bytes(r[1]), r[3]) for r in found[:1]] == [want], where
        forwarded += len(found)
    assert forwarded > DRAWS / 4, "too little was forwarded to say anything"
    compare(judge, strict=not spoiled)


def compare(judge, strict):
    """Reads every connection to the origin once more. Node may be stricter about what was spoiled."""
    compared, refused = 0, 0
    connections, judge.connections = judge.connections, []
    for seen in connections:
        node = NodeView(seen["raw"])
        if node.fault and "method" in node.fault:
            continue
        assert node.fault is None or not strict, f"Node.js refuses what was forwarded: {node.fault}: {seen['raw']!r}"
        refused += node.fault is not None
        if node.fault is None:
            assert plain(seen["requests"]) == plain(node.requests), f"seed {SEED}: {seen['raw']!r}"
            compared += len(node.requests)
    assert compared > DRAWS / 4 and refused < DRAWS / 50
