# SPDX-License-Identifier: Apache-2.0
"""What is not live can be looked at by a host or a field with a secret, is counted nowhere, and nothing
else answers in its place. Green is what can be looked at here, blue is live."""
import contextlib
import json

import pytest

from certificates import Authority, tls_line
from dataplane import Proxy, ask, eventually, log_lines
from origins import Origin, answering
from wire import Peer, status

TOKEN = "0123456789abcdef"
FIELD = f"X-Look: {TOKEN}"
HOST = "preview.test"
WAYS = {"host": {"host": HOST}, "header": {"headers": [FIELD]}}
LIVE = {"blue": 10000, "green": 0}


class Looked:
    """A service with a version in each slot, both ways to the one that is not live."""

    def __init__(self, proxy, slots, name="web", slot="green", **options):
        self.proxy, self.slots, self.name = proxy, slots, name
        self.options = options
        refused = proxy.begin(proxy.service_lines(name, slots, **self.line(slot)))
        assert not refused, refused

    def line(self, slot, **more):
        preview = {"host": HOST, "header": "X-Look", "value": TOKEN} | ({"slot": slot} if slot else {})
        routes = [{"host": None, "path": "/"}, {"host": HOST, "path": "/"}]
        return {"routes": routes, "preview": preview, **self.options, **more}

    def show(self, slot="green", **more):
        self.proxy.tell(service={"name": self.name, **self.line(slot, **more)})

    def split(self, weights=LIVE, **more):
        self.proxy.tell(splits=[self.proxy.split(self.name, weights, **more)])

    def roster(self, **more):
        self.proxy.tell(instances=self.proxy.roster(self.name, self.slots, **more))

    def requests(self):
        return tuple(self.proxy.cell(self.name, slot)["claimed"] for slot in ("blue", "green"))


@pytest.fixture(scope="module")
def own():
    with Proxy(workers=1) as proxy:
        proxy.begin([])
        proxy.expect("ready")
        yield proxy


@pytest.fixture
def heads():
    return []


@contextlib.contextmanager
def two(heads=None):
    def green(connection):
        while head := connection.read_head():
            if heads is not None:
                heads.append(head.decode())
            connection.answer(b"green")
    with Origin(answering(b"blue")) as one, Origin(green) as other:
        yield {"blue": [one.address], "green": [other.address]}


@pytest.fixture
def look(own, heads):
    with two(heads) as slots:
        yield Looked(own, slots)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_live_answers_and_nobody_counts_it(own, look, way):
    before = look.requests()
    with own.connect() as s:
        for _ in range(10):
            assert ask(s, **WAYS[way])[2] == b"green"
            assert ask(s)[2] == b"blue"
    eventually(lambda: look.requests()[0] == before[0] + 10)
    assert look.requests()[1] == before[1]
    eventually(lambda: len(set(own.gauge("web", "green", look.slots["green"][0]))) == 1)


def test_the_instance_never_learns_the_secret(own, look, heads):
    assert own.get(headers=[FIELD, "X-Other: 1"])[2] == b"green"
    assert "X-Other: 1" in heads[-1] and TOKEN not in heads[-1] and "X-Look" not in heads[-1]
    assert f"Host: {HOST}" not in heads[-1]
    assert own.get(host=HOST.upper() + ":8080")[2] == b"green"
    assert f"Host: {HOST.upper()}:8080" in heads[-1]


def test_no_cache_keeps_what_users_ask_for_under_the_same_address(own, look):
    assert own.get(headers=[FIELD])[1]["Cache-Control"] == "no-store"
    assert "Cache-Control" not in own.get(host=HOST)[1] and "Cache-Control" not in own.get()[1]


@pytest.mark.parametrize("fields", [["X-Look: 0123456789abcdeF"], ["X-Look: "], [FIELD, "X-Look: no"],
                                    ["x-look: 0123456789abcde"]])
def test_a_wrong_value_is_refused_and_not_answered_by_anybody(own, look, fields):
    before = look.requests()
    for host in ("test", HOST):
        code, headers, body = own.get(headers=fields, host=host)
        assert code == 403 and headers["X-Bascule-Reason"] == "preview-denied"
        assert body not in (b"blue", b"green") and TOKEN.encode() not in body
    assert look.requests() == before


@pytest.mark.parametrize("way", WAYS)
def test_with_nothing_to_be_seen_it_says_so(own, look, way):
    look.show(None)
    code, headers, body = own.get(**WAYS[way])
    assert (code, headers["X-Bascule-Reason"]) == (503, "no-preview") and "Retry-After" in headers
    assert b"nothing to preview" in body
    assert own.get()[2] == b"blue"
    look.show()
    assert own.get(**WAYS[way])[2] == b"green"


@pytest.mark.parametrize("way", WAYS)
def test_an_instance_that_is_not_healthy_gets_none(own, look, way):
    look.roster(ill=look.slots["green"])
    for _ in range(5):
        code, headers, _ = own.get(**WAYS[way])
        assert (code, headers["X-Bascule-Reason"]) == (503, "no-instance")
    look.roster()
    assert own.get(**WAYS[way])[2] == b"green"


def test_at_any_weight_it_is_the_same_version(own, look):
    for green in (1, 5000, 9999):
        look.split({"blue": 10000 - green, "green": green})
        with own.connect() as s:
            assert {ask(s, host=HOST)[2] for _ in range(30)} == {b"green"}


@pytest.mark.parametrize("traffic", ["hold", "maintenance"])
def test_it_is_looked_at_while_users_wait(own, look, traffic):
    look.show(traffic=traffic)
    assert own.get(headers=[FIELD])[2] == b"green"
    look.show(None, traffic=traffic)
    assert own.get(headers=[FIELD])[1]["X-Bascule-Reason"] == "no-preview"
    look.show(traffic="stop")
    assert own.get(headers=[FIELD])[1]["X-Bascule-Reason"] == "stopped"


def test_it_gets_no_cookie_and_no_place_among_users(own, heads):
    identity = {"by": "cookie", "name": "who", "sticky": True, "cookie": "; Path=/"}
    with two(heads) as slots:
        look = Looked(own, slots, "sticky", identity=identity)
        look.split({"blue": 5000, "green": 5000})
        assert "Set-Cookie" not in own.get(headers=[FIELD])[1]
        assert "Set-Cookie" in own.get()[1]


def test_what_it_fails_is_told_as_it_is_and_held_against_nobody(own):
    def bad(connection):
        while connection.read_head():
            connection.answer(b"broken", status="503 No")
    with Origin(answering(b"blue")) as blue, Origin(bad) as green:
        look = Looked(own, {"blue": [blue.address], "green": [green.address]}, "ill",
                      ejection={"errors": 3, "max_percent": 100})
        look.split(stable="blue", rescue=True, rescue_least=1000)
        with own.connect() as s:
            for _ in range(10):
                assert ask(s, headers=[FIELD])[::2] == (503, b"broken")
        own.ping()
        assert not [line for line in own.lines if "ejected" in line]
        cells = [own.cell("ill", slot) for slot in ("blue", "green")]
        assert not any(cell[key] for cell in cells for key in ("claimed", "requests", "errors", "rescued_status"))


def test_a_connection_that_fails_is_tried_again_in_the_same_slot(own):
    with Origin(answering(b"blue")) as blue, Origin(answering(b"green")) as green, Origin() as gone:
        gone.stop()
        look = Looked(own, {"blue": [blue.address], "green": [gone.address, green.address]}, "half")
        look.split(stable="blue", rescue=True)
        assert [own.get(headers=[FIELD])[2] for _ in range(4)] == [b"green"] * 4
    with Origin(answering(b"blue")) as blue:
        look = Looked(own, {"blue": [blue.address], "green": [gone.address]}, "none")
        look.split(stable="blue", rescue=True)
        assert own.get(headers=[FIELD])[1]["X-Bascule-Reason"] == "connect-failed"


def test_limits_hold_for_it_too(own, heads):
    with two(heads) as slots:
        Looked(own, slots, "limited", edge={"rate_requests": 2, "rate_period_s": 3600, "rate_burst": 2,
                                            "body_bytes": 4})
        assert own.get(method="POST", body=b"12345", headers=[FIELD])[0] == 413
        codes = [own.get(headers=[FIELD])[0] for _ in range(4)]
        assert 429 in codes and codes[-1] == 429


def test_it_waits_its_turn_where_an_instance_has_a_limit_also_while_users_wait(own):
    import threading
    go = threading.Event()

    def slow(connection):
        while connection.read_head():
            go.wait(20)
            connection.answer(b"green")
    with Origin(answering(b"blue")) as blue, Origin(slow) as green:
        look = Looked(own, {"blue": [blue.address], "green": [green.address]}, "full", requests_max=1)
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(Peer(own.connect())) for _ in range(2)]
            for peer in peers:
                peer.send(f"GET / HTTP/1.1\r\nHost: a\r\n{FIELD}\r\n\r\n".encode())
            eventually(lambda: own.gauge("full", "green", green.address)[0] == 1)
            look.show(traffic="maintenance")
            look.split({"blue": 10000, "green": 0})
            go.set()
            for peer in peers:
                assert status(peer.head()) == 200 and peer.exact(5) == b"green"
        assert own.get()[1]["X-Bascule-Reason"] == "maintenance"


def test_the_access_log_marks_it(own, look, tmp_path):
    own.log_to(tmp_path / "log")
    assert own.get(headers=[FIELD])[0] == 200
    assert own.get(headers=["X-Look: no"])[0] == 403
    assert own.get()[0] == 200
    lines = list(map(json.loads, log_lines(tmp_path / "log", 3)))
    assert [line.get("preview") for line in lines] == [True, True, None]
    assert lines[0]["slot"] == "green" and "error" not in lines[0] and lines[1]["reason"] == "preview-denied"
    assert TOKEN not in (tmp_path / "log").read_text()


def test_streams_of_http2_are_looked_at_one_by_one(own, look):
    from h2peer import H2Peer

    client = H2Peer(own.connect())
    wanted = {}
    for _ in range(5):
        wanted[client.request(extra=[("x-look", TOKEN)])] = b"green"
        wanted[client.request(host=HOST)] = b"green"
        wanted[client.request()] = b"blue"
    for number, slot in wanted.items():
        assert client.answer(number).data == slot
    assert client.answer(client.request(extra=[("x-look", "no")])).status == 403
    client.close()


def test_a_websocket_stays_with_it(own):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi"

    def chat(connection):
        connection.read_head()
        connection.send(switch)
        connection.send(connection.read_bytes(4))
    with Origin(answering(b"blue")) as blue, Origin(chat) as green:
        look = Looked(own, {"blue": [blue.address], "green": [green.address]}, "chat")
        with Peer(own.connect()) as peer:
            peer.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
            assert status(peer.head()) == 101 and peer.exact(2) == b"hi"
            look.show(None)  # what began goes on
            peer.send(b"ping")
            assert peer.exact(4) == b"ping"
        eventually(lambda: own.gauge("chat", "green", green.address) == (1, 1))
        assert look.requests() == (0, 0)


def test_over_tls_the_host_has_its_certificate(tmp_path):
    authority = Authority(tmp_path / "authority")
    web, preview = authority.sign("web.test"), authority.sign(HOST)
    with two() as slots, Proxy(workers=1) as proxy:
        address = f"127.0.0.1:{proxy.port}"
        line = {"routes": [{"host": "web.test", "path": "/"}, {"host": HOST, "path": "/"}],
                "preview": {"host": HOST, "slot": "green"}}
        refused = proxy.begin([{"listener": {"address": address, "tls": True}}, {"tls": tls_line(web, preview)},
                               *proxy.service_lines("web", slots, **line)], listeners=True)
        assert not refused, refused
        proxy.expect("ready")
        for host, slot in (("web.test", b"blue"), (HOST, b"green")):
            with authority.client().wrap_socket(proxy.connect(), server_hostname=host) as client:
                assert ask(client, host=host)[2] == slot


def test_a_copy_of_requests_has_none_of_it(own, heads):
    mirror = {"id": 7, "slot": "green", "share_bp": 10000, "methods": ["GET"], "body": "none"}
    with two(heads) as slots:
        look = Looked(own, slots, "copied", mirror=mirror)
        assert own.get(headers=[FIELD, "X-Mine: 1"])[2] == b"green"
        assert own.get(path="/user")[2] == b"blue"
        eventually(lambda: any("/user" in head for head in heads), what="the user's request is copied")
        assert [head.startswith("GET / ") for head in heads].count(True) == 1
        look.show()


def test_it_survives_another_controller_and_several_workers_take_it():
    with two() as slots, Proxy(workers=2) as proxy:
        proxy.begin([])
        proxy.expect("ready")
        look = Looked(proxy, slots)
        assert {proxy.get(headers=[FIELD])[2] for _ in range(20)} == {b"green"}
        proxy.connect_controller(epoch=2)
        assert {proxy.get(headers=[FIELD])[2] for _ in range(20)} == {b"green"}
        proxy.epoch = 2
        look = Looked(proxy, slots)
        assert {proxy.get(headers=[FIELD])[2] for _ in range(20)} == {b"green"}
        look.show(None)
        assert {proxy.get(headers=[FIELD])[0] for _ in range(20)} == {503}


def test_what_makes_no_sense_is_refused_and_what_was_there_stays(own, look):
    for preview in ({"header": "X-Look"}, {"header": "X Look", "value": TOKEN}, {"host": "", "slot": "green"},
                    {"host": HOST, "slot": "red"}):
        own.seq += 1
        own.send_lines([{"seq": own.seq, "service": {"name": "web", **look.line("green"), "preview": preview}}])
        assert "preview" in json.dumps(own.answers(own.seq))
    assert own.get(headers=[FIELD])[2] == b"green"
